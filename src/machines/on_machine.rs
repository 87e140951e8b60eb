//! From a scanner to the machine that it runs on.

use super::Machine;
use crate::scan_agents::ScanAgent;
use crate::scan_definitions::ScannerAgent;
use crate::scan_history::ScanHistoryEntry;

/// What names a machine of the tenant: a scan agent, the scanner of a definition, a session of the scan
/// history, a machine, or an id as text.
///
/// [`Client::machine_of`](crate::Client::machine_of) takes any of them. Implement it for row types of your own.
///
/// # Example
///
/// ```
/// use defender_endpoint::machines::OnMachine;
/// use defender_endpoint::scan_agents::ScanAgent;
///
/// let agent = ScanAgent::new("47d41a0c_eb663a27");
/// assert_eq!(agent.machine_id(), Some("eb663a27")); // an agent's id ends with its machine's
/// ```
pub trait OnMachine {
    /// The id of the machine, if it is known.
    fn machine_id(&self) -> Option<&str>;

    /// The name of the machine, if it is known.
    fn machine_name(&self) -> Option<&str> {
        None
    }
}

impl<T: OnMachine + ?Sized> OnMachine for &T {
    fn machine_id(&self) -> Option<&str> {
        (**self).machine_id()
    }

    fn machine_name(&self) -> Option<&str> {
        (**self).machine_name()
    }
}

/// The text is a machine's id.
impl OnMachine for str {
    fn machine_id(&self) -> Option<&str> {
        Some(self)
    }
}

/// The text is a machine's id.
impl OnMachine for String {
    fn machine_id(&self) -> Option<&str> {
        Some(self)
    }
}

impl OnMachine for Machine {
    fn machine_id(&self) -> Option<&str> {
        Some(&self.id)
    }

    fn machine_name(&self) -> Option<&str> {
        self.computer_dns_name.as_deref()
    }
}

impl OnMachine for ScanAgent {
    fn machine_id(&self) -> Option<&str> {
        let machine = self.machine_id.as_deref().and_then(filled);
        machine.or_else(|| in_agents_id(&self.id))
    }

    fn machine_name(&self) -> Option<&str> {
        self.computer_dns_name.as_deref()
    }
}

impl OnMachine for ScannerAgent {
    fn machine_id(&self) -> Option<&str> {
        let machine = self.machine_id.as_deref().and_then(filled);
        machine.or_else(|| self.id.as_deref().and_then(in_agents_id))
    }

    fn machine_name(&self) -> Option<&str> {
        self.machine_name.as_deref()
    }
}

/// The machine that ran the scan.
impl OnMachine for ScanHistoryEntry {
    fn machine_id(&self) -> Option<&str> {
        let scanner = self.scanner_id.as_deref().and_then(filled)?;
        in_agents_id(scanner).or(Some(scanner))
    }
}

/// The machine's id within an agent's, which is `<organisation>_<machine>`; a documented one has a space
/// in its middle.
fn in_agents_id(id: &str) -> Option<&str> {
    id.rsplit_once('_').and_then(|(_, machine)| filled(machine))
}

/// Blank text names nothing, and would be refused as an id.
fn filled(id: &str) -> Option<&str> {
    Some(id.trim()).filter(|id| !id.is_empty())
}
