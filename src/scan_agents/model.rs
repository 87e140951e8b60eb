//! What the scan agent calls return: [`ScanAgent`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::wire;

/// A device that runs authenticated scans («Get all scan agents», «Get scan agent by ID»).
///
/// The documentation spells some keys in `PascalCase`, the service's schema all of them in
/// `camelCase`: either is read, and `camelCase` is written, always with every key and in the same
/// order. Every field but [`id`](Self::id) may be absent; null and a missing key are `None`, and so
/// is a date of year 1, which the service sends for "never". Dates are read as those of a
/// [`Machine`](crate::machines::Machine).
///
/// # Errors
///
/// Deserialising fails if `id` is missing, null or blank, if a known key occurs twice (in one
/// spelling or both), and if a value's type doesn't fit its field.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_agents::ScanAgent;
///
/// let json = r#"{"id": "47d41a0c_eb663a27", "computerDnsName": "SCANNER-1",
///                "ScannerSoftwareVersion": "7.1.1"}"#;
/// let agent: ScanAgent = serde_json::from_str(json)?;
/// assert_eq!(agent.id, "47d41a0c_eb663a27");
/// assert_eq!(agent.computer_dns_name.as_deref(), Some("SCANNER-1"));
/// assert_eq!(agent.scanner_software_version.as_deref(), Some("7.1.1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScanAgent {
    /// The agent's identity; it looks like `<organisation>_<machine>`, to be treated as opaque.
    #[serde(alias = "Id", deserialize_with = "wire::key")]
    pub id: String,
    /// The id of the machine that the agent runs on, as in the machine list.
    #[serde(default, alias = "MachineId", deserialize_with = "wire::text")]
    pub machine_id: Option<String>,
    /// When the agent was seen last.
    #[serde(default, alias = "LastSeen", with = "wire::date")]
    pub last_seen: Option<OffsetDateTime>,
    /// The name of the machine that the agent runs on.
    #[serde(alias = "ComputerDnsName")]
    pub computer_dns_name: Option<String>,
    /// The application that the agent signs in with: a GUID.
    #[serde(
        default,
        alias = "AssignedApplicationId",
        deserialize_with = "wire::text"
    )]
    pub assigned_application_id: Option<String>,
    /// The version of the scanner software.
    #[serde(
        default,
        alias = "ScannerSoftwareVersion",
        deserialize_with = "wire::text"
    )]
    pub scanner_software_version: Option<String>,
    /// When the agent carried out its last command.
    #[serde(default, alias = "LastCommandExecutionTimestamp", with = "wire::date")]
    pub last_command_execution_timestamp: Option<OffsetDateTime>,
    /// The version of Defender for Endpoint on the machine.
    #[serde(default, alias = "MdeClientVersion", deserialize_with = "wire::text")]
    pub mde_client_version: Option<String>,
    /// Keys that this version of the crate doesn't know, as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl ScanAgent {
    /// An agent of which only the id is known, for tests of code that takes agents.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_agents::ScanAgent;
    ///
    /// let mut agent = ScanAgent::new("47d41a0c_eb663a27");
    /// agent.machine_id = Some("eb663a27".to_owned());
    /// assert_eq!(agent.last_seen, None);
    /// ```
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            machine_id: None,
            last_seen: None,
            computer_dns_name: None,
            assigned_application_id: None,
            scanner_software_version: None,
            last_command_execution_timestamp: None,
            mde_client_version: None,
            extra: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
