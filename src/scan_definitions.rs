//! Scan definitions: the page «Get scan definitions».

mod model;

use crate::call::Operation;
use crate::paging::{Listing, PageSizes};
use crate::permissions;
use crate::rate_limit::Api;

pub use model::{
    AuthType, LatestScan, LatestScanStatus, RedactedMap, ScanAuthenticationParams, ScanDefinition,
    ScanType, ScannerAgent, TargetType,
};

static LIST: Operation = Operation::of(&permissions::SCAN_DEFINITIONS, Api::ScanDefinitions);

pub(crate) fn list() -> Listing {
    Listing::new(&LIST, PageSizes::Undocumented)
}
