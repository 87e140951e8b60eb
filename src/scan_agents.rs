//! Scan agents: the pages «Get all scan agents» and «Get scan agent by ID».

mod model;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::call::{Operation, Shared};
use crate::entity::{self, Entity};
use crate::error::Error;
use crate::paging::{Listing, PageSizes};
use crate::permissions;
use crate::rate_limit::Api;

pub use model::ScanAgent;

static LIST: Operation = Operation::of(&permissions::SCAN_AGENTS, Api::ScanAgents);
static ONE: Operation = Operation::of(&permissions::SCAN_AGENT, Api::ScanAgents);

pub(crate) fn list() -> Listing {
    Listing::new(&LIST, PageSizes::Undocumented)
}

/// One agent by the key `id`, or by its machine's id.
pub(crate) fn get(shared: &Shared, id: &str) -> Result<ScanAgent, Error> {
    entity::get(shared, &ONE, id)
}

impl Entity for ScanAgent {
    const NAME: &'static str = "scan agent";

    fn is(&self, id: &str) -> bool {
        let machine = self.machine_id.as_deref().unwrap_or_default();
        self.id.eq_ignore_ascii_case(id) || machine.eq_ignore_ascii_case(id)
    }

    fn extra(&mut self) -> &mut BTreeMap<String, Value> {
        &mut self.extra
    }
}
