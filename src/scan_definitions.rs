//! Scan definitions: the page «Get scan definitions», and with the feature `write` also «Add, update, or
//! delete a scan definition».

mod model;
#[cfg(feature = "write")]
mod write;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::call::{Operation, Shared};
use crate::entity::{self, Entity};
use crate::error::Error;
use crate::paging::{Listing, PageSizes};
use crate::permissions;
use crate::rate_limit::Api;

pub use model::{
    AuthType, LatestScan, LatestScanStatus, RedactedMap, ScanAuthenticationParams, ScanDefinition,
    ScanType, ScannerAgent, TargetType,
};
#[cfg(feature = "write")]
#[cfg_attr(docsrs, doc(cfg(feature = "write")))]
pub use write::{
    AuthProtocol, BatchDeletion, KeyVaultSecret, LinuxAuth, LinuxAuthType, NewScanDefinition,
    PrivProtocol, ScanDefinitionUpdate, SnmpAuth, SnmpAuthType,
};
#[cfg(feature = "write")]
pub(crate) use write::{add, delete, update};

static LIST: Operation = Operation::of(&permissions::SCAN_DEFINITIONS, Api::ScanDefinitions);
static ONE: Operation = Operation::of(&permissions::SCAN_DEFINITION, Api::ScanDefinitions);

pub(crate) fn list() -> Listing {
    Listing::new(&LIST, PageSizes::Undocumented)
}

/// One definition by its id.
pub(crate) fn get(shared: &Shared, id: &str) -> Result<ScanDefinition, Error> {
    entity::get(shared, &ONE, id)
}

impl Entity for ScanDefinition {
    const NAME: &'static str = "scan definition";

    fn is(&self, id: &str) -> bool {
        self.id.eq_ignore_ascii_case(id)
    }

    fn extra(&mut self) -> &mut BTreeMap<String, Value> {
        &mut self.extra
    }
}
