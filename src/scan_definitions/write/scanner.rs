//! The machine that is to run a scan, as it is sent and as it is known again.

use std::fmt;

use serde::Serialize;

use super::fields::{field, trimmed, unbroken};
use crate::encode::check_id;
use crate::machines::OnMachine;
use crate::scan_definitions::ScannerAgent;

/// The machine that is to run the scan.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scanner {
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_name: Option<String>,
}

impl Scanner {
    pub(super) fn of(machine: &impl OnMachine) -> Self {
        let known = |text: Option<&str>| text.map(trimmed).filter(|text| !text.is_empty());
        Self {
            machine_id: known(machine.machine_id()).map(|id| machine_of(&id).to_owned()),
            machine_name: known(machine.machine_name()),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let id = self.machine_id.as_deref().ok_or(
            "there is no machine's id: the scanner is a scan agent, a machine, or a machine's id as text",
        )?;
        unbroken("scanner's machine id", id)?;
        check_id(id).map_err(|why| format!("the scanner's machine id can't be sent: {why}"))?;
        let name = self.machine_name.as_deref().unwrap_or_default();
        unbroken("name of the scanner's machine", name)
    }

    pub(super) fn is(&self, agent: &ScannerAgent) -> bool {
        agent.machine_id().is_some_and(|shown| self.has_id(shown))
    }

    /// Whether the machine is not known to be another.
    pub(super) fn may_be(&self, agent: Option<&ScannerAgent>) -> bool {
        let shown = agent.and_then(OnMachine::machine_id);
        shown.is_none_or(|shown| self.has_id(shown))
    }

    fn has_id(&self, shown: &str) -> bool {
        let id = self.machine_id.as_deref();
        id.is_some_and(|id| id.eq_ignore_ascii_case(shown))
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Scanner");
        field(&mut out, "machine_id", self.machine_id.as_ref());
        field(&mut out, "machine_name", self.machine_name.as_ref());
        out.finish()
    }
}

/// The machine's id out of an agent's that was given as text, or the text. A machine's id is a SHA-1, so
/// what ends with one behind `_` can be nothing else.
fn machine_of(id: &str) -> &str {
    let machine = id.rsplit_once('_').map(|(_, machine)| machine);
    let is_hash = |id: &&str| id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    machine.filter(is_hash).unwrap_or(id)
}
