//! What the scan history call returns: [`ScanHistoryEntry`] and its parts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::wire::{self, Nullable, TextVisitor, open_enum};

/// One session of a scan («Get scan history by definition»).
///
/// The documentation and the service's schema describe this row differently: this type is the union
/// of both and of «Get scan history by session», and every field may be absent. Keys are read in
/// `camelCase` and in `PascalCase`, with the documentation's plural names for single ids
/// (`ScanDefinitionIds`, `SessionIds`) and its `ListScannedTargets`. They are written in
/// `camelCase`, always with every key and in the same order.
///
/// # Errors
///
/// Deserialising fails if a known key occurs twice (in one spelling or several), if a list of ids
/// holds more than one, and if a value's type doesn't fit its field.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_history::{ScanHistoryEntry, ScanStatus};
///
/// let json = r#"{"ScanDefinitionIds": "4ad8d463", "LastScanned": "2022-12-20T11:14:24.5561791Z",
///                "ScanStatus": "Partial Success", "ScannerId": "62543169"}"#;
/// let entry: ScanHistoryEntry = serde_json::from_str(json)?;
/// assert_eq!(entry.scan_definition_id.as_deref(), Some("4ad8d463"));
/// assert_eq!(entry.scan_status, Some(ScanStatus::PartialSuccess));
///
/// let mut made_up = ScanHistoryEntry::default();
/// made_up.number_of_targets = Some(3);
/// assert_eq!(made_up.session_id, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScanHistoryEntry {
    /// The id of the organisation.
    #[serde(default, alias = "OrgId", deserialize_with = "wire::text")]
    pub org_id: Option<String>,
    /// The id of the scan definition that this was a run of.
    #[serde(
        default,
        alias = "ScanDefinitionId",
        alias = "ScanDefinitionIds",
        alias = "scanDefinitionIds",
        deserialize_with = "scan_definition_id"
    )]
    pub scan_definition_id: Option<String>,
    /// The id of this run.
    #[serde(
        default,
        alias = "SessionId",
        alias = "SessionIds",
        alias = "sessionIds",
        deserialize_with = "session_id"
    )]
    pub session_id: Option<String>,
    /// The id of the machine that ran the scan.
    #[serde(default, alias = "ScannerId", deserialize_with = "wire::text")]
    pub scanner_id: Option<String>,
    /// When the scan ran.
    #[serde(default, alias = "LastScanned", with = "wire::date")]
    pub last_scanned: Option<OffsetDateTime>,
    /// How the run ended.
    #[serde(alias = "ScanStatus")]
    pub scan_status: Option<ScanStatus>,
    /// How many targets were scanned with success.
    #[serde(
        default,
        alias = "NumberOfSuccessfullyScannedTargets",
        deserialize_with = "wire::integer"
    )]
    pub number_of_successfully_scanned_targets: Option<i64>,
    /// How many targets there were.
    #[serde(default, alias = "NumberOfTargets", deserialize_with = "wire::integer")]
    pub number_of_targets: Option<i64>,
    /// What went wrong with the run as a whole, in the service's words.
    #[serde(alias = "GeneralErrorMessage")]
    pub general_error_message: Option<String>,
    /// The targets of this run, where the service lists them.
    #[serde(
        default,
        alias = "ScannedTargets",
        alias = "ListScannedTargets",
        alias = "listScannedTargets",
        deserialize_with = "wire::list"
    )]
    pub scanned_targets: Vec<ScannedTarget>,
    /// Keys that this version of the crate doesn't know, as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// One target of a [`ScanHistoryEntry`] («Get scan history by session»).
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use defender_endpoint::scan_history::{ScanStatus, ScannedTarget};
///
/// let json = r#"{"Ip": "127.0.0.1", "ScanStatus": "Success", "ScanDuration": "00:08:30"}"#;
/// let target: ScannedTarget = serde_json::from_str(json)?;
/// assert_eq!(target.scan_duration, Some(Duration::from_secs(8 * 60 + 30)));
/// assert_eq!(target.scan_status, Some(ScanStatus::Success));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Example: the machines at a target's address
///
/// A target has no id. Its address leads to the machines that had it last, as far as they are in the
/// tenant: an address wanders from machine to machine, so there may be several.
///
/// ```no_run
/// use defender_endpoint::machines::field;
///
/// # let client = defender_endpoint::Client::from_env()?;
/// # let target = defender_endpoint::scan_history::ScannedTarget::default();
/// if let Some(ip) = &target.ip {
///     for machine in client.machines().filter(field::LAST_IP_ADDRESS.eq(ip)) {
///         println!("{ip} was last seen at {:?}", machine?.computer_dns_name);
///     }
/// }
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScannedTarget {
    /// How long the scan of this target took; `hh:mm:ss` in JSON.
    #[serde(default, alias = "ScanDuration", with = "wire::duration")]
    pub scan_duration: Option<Duration>,
    /// The target's address.
    #[serde(alias = "Ip")]
    pub ip: Option<String>,
    /// The target's host name.
    #[serde(alias = "Hostname")]
    pub hostname: Option<String>,
    /// What the target is, for example `Network device`.
    #[serde(alias = "ScannedDeviceDescription")]
    pub scanned_device_description: Option<String>,
    /// What went wrong with this target, in the service's words; empty text if nothing did.
    #[serde(alias = "ErrorMessage")]
    pub error_message: Option<String>,
    /// How the scan of this target ended.
    #[serde(alias = "ScanStatus")]
    pub scan_status: Option<ScanStatus>,
    /// Keys that this version of the crate doesn't know, as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

open_enum! {
    /// How a scan ended («Get scan history by definition», «Get scan history by session»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_history::ScanStatus;
    ///
    /// assert_eq!(ScanStatus::from("Partial Success"), ScanStatus::PartialSuccess);
    /// assert_eq!(ScanStatus::PartialSuccess.as_str(), "PartialSuccess");
    /// ```
    pub enum ScanStatus {
        /// The scan worked, for a run: of every target.
        Success = "Success",
        /// The scan worked in part; the documentation writes it with a space.
        PartialSuccess = "PartialSuccess" | "Partial Success",
        /// The scan failed.
        Failure = "Failure" | "Fail",
    }
}

fn scan_definition_id<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    d.deserialize_option(Nullable(OneId("one scan definition id")))
        .map(Option::flatten)
}

fn session_id<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    d.deserialize_option(Nullable(OneId("one session id")))
        .map(Option::flatten)
}

/// An id, or an array of at most one: the documentation gives these keys plural names, a single
/// value, and in the request of the same name an array.
struct OneId(&'static str);

impl<'de> Visitor<'de> for OneId {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        wire::whole_number(map, &self).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut ids: A) -> Result<Self::Value, A::Error> {
        let Some(id) = ids.next_element_seed(Nullable(TextVisitor))? else {
            return Ok(None);
        };
        match ids.next_element_seed(Nullable(TextVisitor))? {
            None => Ok(id.map(Cow::into_owned)),
            Some(_) => Err(A::Error::invalid_length(2, &self)),
        }
    }
}

#[cfg(test)]
mod tests;
