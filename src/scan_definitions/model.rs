//! What the scan definition list returns: [`ScanDefinition`] and its parts.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use time::OffsetDateTime;

use crate::secret::Secret;
use crate::wire::{self, open_enum};

/// What an authenticated scan looks at, when, and from where («Get scan definitions»).
///
/// The properties are those of «Authenticated scan methods and properties» and of the service's own
/// schema. Keys are read in `camelCase` and in `PascalCase`, and written in `camelCase`, always with
/// every key and in the same order. Every field but [`id`](Self::id) may be absent: null and a
/// missing key are `None`.
///
/// # Errors
///
/// Deserialising fails if `id` is missing, null or blank, if a known key occurs twice (in one
/// spelling or several), and if a value's type doesn't fit its field.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::{LatestScanStatus, ScanDefinition, ScanType};
///
/// let json = r#"{"id": "60c4aa57", "scanType": "Network", "intervalInHours": 4,
///                "scanAuthenticationParams": null, "latestScan": {"status": "Fail"}}"#;
/// let definition: ScanDefinition = serde_json::from_str(json)?;
/// assert_eq!(definition.scan_type, Some(ScanType::Network));
/// assert_eq!(definition.interval_in_hours, Some(4));
/// let failed = definition
///     .latest_scan
///     .is_some_and(|scan| scan.status == Some(LatestScanStatus::Fail));
/// assert!(failed);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScanDefinition {
    /// The definition's identity, which scan history is asked for by.
    #[serde(alias = "Id", deserialize_with = "wire::key")]
    pub id: String,
    /// What is scanned.
    #[serde(alias = "ScanType")]
    pub scan_type: Option<ScanType>,
    /// The scan's name.
    #[serde(alias = "ScanName")]
    pub scan_name: Option<String>,
    /// Whether the scan runs.
    #[serde(alias = "IsActive")]
    pub is_active: Option<bool>,
    /// The targets: addresses or host names, separated by commas.
    #[serde(alias = "Target")]
    pub target: Option<String>,
    /// The id of the organisation.
    #[serde(default, alias = "OrgId", deserialize_with = "wire::text")]
    pub org_id: Option<String>,
    /// How often the scan runs, in hours.
    #[serde(default, alias = "IntervalInHours", deserialize_with = "wire::integer")]
    pub interval_in_hours: Option<i64>,
    /// The user who made the definition.
    #[serde(alias = "CreatedBy")]
    pub created_by: Option<String>,
    /// What [`target`](Self::target) holds.
    #[serde(alias = "TargetType")]
    pub target_type: Option<TargetType>,
    /// How the scanner signs in. Documented as filled in; in practice the service answers null.
    #[serde(alias = "ScanAuthenticationParams")]
    pub scan_authentication_params: Option<ScanAuthenticationParams>,
    /// The agent that runs the scan.
    #[serde(alias = "ScannerAgent")]
    pub scanner_agent: Option<ScannerAgent>,
    /// The latest run; for a new definition its fields are `None`.
    #[serde(alias = "LatestScan")]
    pub latest_scan: Option<LatestScan>,
    /// Whether the scan runs in troubleshooting mode (from the service's schema).
    #[serde(alias = "IsTroubleshootMode")]
    pub is_troubleshoot_mode: Option<bool>,
    /// Settings of an [`AdvancedActive`](ScanType::AdvancedActive) scan, as they came: they are in
    /// the service's schema only, and their types are not confirmed.
    #[serde(alias = "AdvancedActiveConfiguration")]
    pub advanced_active_configuration: Option<BTreeMap<String, Value>>,
    /// Keys that this version of the crate doesn't know, as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl ScanDefinition {
    /// A definition of which only the id is known, for tests of code that takes definitions.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::{ScanDefinition, ScanType};
    ///
    /// let mut definition = ScanDefinition::new("60c4aa57");
    /// definition.scan_type = Some(ScanType::Network);
    /// assert_eq!(definition.latest_scan, None);
    /// ```
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            scan_type: None,
            scan_name: None,
            is_active: None,
            target: None,
            org_id: None,
            interval_in_hours: None,
            created_by: None,
            target_type: None,
            scan_authentication_params: None,
            scanner_agent: None,
            latest_scan: None,
            is_troubleshoot_mode: None,
            advanced_active_configuration: None,
            extra: BTreeMap::new(),
        }
    }
}

/// How a scanner signs in to what it scans («Authenticated scan methods and properties»).
///
/// Which fields are filled in depends on [`odata_type`](Self::odata_type): `SnmpAuthParams`,
/// `WindowsAuthParams` or `LinuxAuthParams`, each after `#microsoft.windowsDefenderATP.api.`.
///
/// Passwords, keys and community strings are [`Secret`]s: `Debug` redacts them, and they are never
/// serialised, so what was serialised reads back without them. The same goes for the values in
/// [`extra`](Self::extra), since a key that this crate doesn't know may hold a secret, too.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::{AuthType, ScanAuthenticationParams};
///
/// let json = r#"{"type": "CommunityString", "communityString": "hunter2", "pin": "1234"}"#;
/// let params: ScanAuthenticationParams = serde_json::from_str(json)?;
/// assert_eq!(params.auth_type, Some(AuthType::CommunityString));
/// assert_eq!(params.community_string.as_ref().map(|s| s.expose()), Some("hunter2"));
///
/// let shown = format!("{params:?}") + &serde_json::to_string(&params)?;
/// assert!(!shown.contains("hunter2") && !shown.contains("1234"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScanAuthenticationParams {
    /// The kind of parameters; `@odata.type` in JSON.
    #[serde(rename = "@odata.type")]
    pub odata_type: Option<String>,
    /// The way to sign in; `type` in JSON.
    #[serde(rename = "type", alias = "Type")]
    pub auth_type: Option<AuthType>,
    /// The user name.
    #[serde(alias = "Username")]
    pub username: Option<String>,
    /// The password; never serialised.
    #[serde(
        default,
        alias = "Password",
        skip_serializing,
        deserialize_with = "secret"
    )]
    pub password: Option<Secret>,
    /// The Windows domain.
    #[serde(alias = "Domain")]
    pub domain: Option<String>,
    /// Whether the user is a group managed service account.
    #[serde(alias = "IsGmsaUser", alias = "IsGMSAUser", alias = "isgmsaUser")]
    pub is_gmsa_user: Option<bool>,
    /// Whether packets are encrypted (from the service's schema).
    #[serde(alias = "PacketPrivacy")]
    pub packet_privacy: Option<bool>,
    /// Whether packets are signed (from the service's schema).
    #[serde(alias = "PacketIntegrity")]
    pub packet_integrity: Option<bool>,
    /// The SNMP community string; never serialised.
    #[serde(
        default,
        alias = "CommunityString",
        skip_serializing,
        deserialize_with = "secret"
    )]
    pub community_string: Option<Secret>,
    /// The SNMP authentication protocol: `MD5` or `SHA1`.
    #[serde(alias = "AuthProtocol")]
    pub auth_protocol: Option<String>,
    /// The SNMP authentication password; never serialised.
    #[serde(
        default,
        alias = "AuthPassword",
        skip_serializing,
        deserialize_with = "secret"
    )]
    pub auth_password: Option<Secret>,
    /// The SNMP privacy protocol: `DES`, `3DES` or `AES`.
    #[serde(alias = "PrivProtocol")]
    pub priv_protocol: Option<String>,
    /// The SNMP privacy password; never serialised.
    #[serde(
        default,
        alias = "PrivPassword",
        skip_serializing,
        deserialize_with = "secret"
    )]
    pub priv_password: Option<Secret>,
    /// The private key of a Linux user; never serialised (from the service's schema).
    #[serde(
        default,
        alias = "PrivateKey",
        skip_serializing,
        deserialize_with = "secret"
    )]
    pub private_key: Option<Secret>,
    /// The key vault from which the scanner takes its credentials.
    #[serde(alias = "KeyVaultUri", alias = "keyVaultUrl", alias = "KeyVaultUrl")]
    pub key_vault_uri: Option<String>,
    /// The name of the secret in that vault.
    #[serde(alias = "KeyVaultSecretName")]
    pub key_vault_secret_name: Option<String>,
    /// Keys that this version of the crate doesn't know; never serialised.
    #[serde(flatten)]
    pub extra: RedactedMap,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    wire::text(deserializer).map(|text| text.map(Secret::from))
}

/// Unknown keys of [`ScanAuthenticationParams`], whose values may be secrets.
///
/// `Debug` shows the keys alone, and it serialises as if it were empty.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::ScanAuthenticationParams;
///
/// let params: ScanAuthenticationParams = serde_json::from_str(r#"{"pin": "1234"}"#)?;
/// assert_eq!(params.extra.keys().collect::<Vec<_>>(), ["pin"]);
/// assert_eq!(params.extra.get("pin").and_then(|pin| pin.as_str()), Some("1234"));
/// assert_eq!(format!("{:?}", params.extra), r#"{"pin": ***}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct RedactedMap(BTreeMap<String, Value>);

impl RedactedMap {
    /// The value of a key, as it came. It may be a secret: pass it only to what needs it.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::ScanAuthenticationParams;
    ///
    /// let params: ScanAuthenticationParams = serde_json::from_str(r#"{"pin": 1234}"#)?;
    /// assert!(params.extra.get("pin").is_some_and(|pin| pin == 1234));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The keys, sorted.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::ScanAuthenticationParams;
    ///
    /// let params: ScanAuthenticationParams = serde_json::from_str(r#"{"pin": 1, "code": 2}"#)?;
    /// assert!(params.extra.keys().eq(["code", "pin"]));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for RedactedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.keys().map(|key| (key, format_args!("***"))))
            .finish()
    }
}

impl Serialize for RedactedMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_map(Some(0))?.end()
    }
}

/// The agent that runs a scan, as a [`ScanDefinition`] names it («Get scan definitions»).
///
/// Close to a [`ScanAgent`](crate::scan_agents::ScanAgent), but it has a machine name instead of a
/// DNS name, and its id may be absent.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::ScannerAgent;
///
/// let agent: ScannerAgent = serde_json::from_str(r#"{"id": null, "machineName": "SCANNER-1"}"#)?;
/// assert_eq!(agent.id, None);
/// assert_eq!(agent.machine_name.as_deref(), Some("SCANNER-1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScannerAgent {
    /// The agent's id.
    #[serde(default, alias = "Id", deserialize_with = "wire::text")]
    pub id: Option<String>,
    /// The id of the machine that the agent runs on, as in the machine list.
    #[serde(default, alias = "MachineId", deserialize_with = "wire::text")]
    pub machine_id: Option<String>,
    /// The name of that machine.
    #[serde(alias = "MachineName")]
    pub machine_name: Option<String>,
    /// When the agent was seen last.
    #[serde(default, alias = "LastSeen", with = "wire::date")]
    pub last_seen: Option<OffsetDateTime>,
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

/// The latest run of a [`ScanDefinition`] («Get scan definitions»).
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::{LatestScan, LatestScanStatus};
///
/// let json = r#"{"status": "Success", "executionDateTime": "2022-12-21T14:35:55.6702703Z"}"#;
/// let scan: LatestScan = serde_json::from_str(json)?;
/// assert_eq!(scan.status, Some(LatestScanStatus::Success));
/// assert_eq!(scan.execution_date_time.map(|date| date.year()), Some(2022));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LatestScan {
    /// How the run ended.
    #[serde(alias = "Status")]
    pub status: Option<LatestScanStatus>,
    /// Why it failed, in the service's words.
    #[serde(alias = "FailureReason")]
    pub failure_reason: Option<String>,
    /// When it ran.
    #[serde(default, alias = "ExecutionDateTime", with = "wire::date")]
    pub execution_date_time: Option<OffsetDateTime>,
    /// Keys that this version of the crate doesn't know, as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

open_enum! {
    /// What a definition scans («Authenticated scan methods and properties»; `Linux` and
    /// `AdvancedActive` are from the service's schema).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::ScanType;
    ///
    /// assert_eq!(ScanType::from("Network"), ScanType::Network);
    /// ```
    pub enum ScanType {
        /// Network devices, by SNMP.
        Network = "Network",
        /// Windows devices; the vendor has announced the end of this kind.
        Windows = "Windows",
        /// Linux devices.
        Linux = "Linux",
        /// Active scans with settings of their own.
        AdvancedActive = "AdvancedActive",
    }
}

open_enum! {
    /// What a definition's target holds («Authenticated scan methods and properties»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::TargetType;
    ///
    /// assert_eq!(TargetType::from("IP Address"), TargetType::Ip);
    /// assert_eq!(TargetType::Ip.as_str(), "Ip");
    /// ```
    pub enum TargetType {
        /// IP addresses; the documentation's table calls it `IP Address`, its samples `Ip`.
        Ip = "Ip" | "IP Address",
        /// Host names.
        Hostname = "Hostname",
        /// Both (from the service's schema).
        Combined = "Combined",
    }
}

open_enum! {
    /// How a latest run ended («Get scan definitions» shows `Fail`).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::LatestScanStatus;
    ///
    /// assert_eq!(LatestScanStatus::from("Fail"), LatestScanStatus::Fail);
    /// ```
    pub enum LatestScanStatus {
        /// It worked.
        Success = "Success",
        /// It failed.
        Fail = "Fail",
    }
}

open_enum! {
    /// The way a scanner signs in («Authenticated scan methods and properties»; `None`, `Ntlm`,
    /// `Password` and `PrivateKey` are from the service's schema).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::AuthType;
    ///
    /// assert_eq!(AuthType::from("AuthPriv"), AuthType::AuthPriv);
    /// ```
    pub enum AuthType {
        /// Windows: without signing in.
        None = "None",
        /// Windows: NTLM.
        Ntlm = "Ntlm",
        /// Windows: Kerberos.
        Kerberos = "Kerberos",
        /// Windows: Kerberos or NTLM, whichever both sides offer.
        Negotiate = "Negotiate",
        /// SNMP: a community string.
        CommunityString = "CommunityString",
        /// SNMP v3: neither authentication nor encryption.
        NoAuthNoPriv = "NoAuthNoPriv",
        /// SNMP v3: authentication without encryption.
        AuthNoPriv = "AuthNoPriv",
        /// SNMP v3: authentication and encryption.
        AuthPriv = "AuthPriv",
        /// Linux: a password.
        Password = "Password",
        /// Linux: a private key.
        PrivateKey = "PrivateKey",
    }
}

#[cfg(test)]
mod tests;
