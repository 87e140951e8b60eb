//! What the machine list returns: [`Machine`] and its parts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::wire::{self, open_enum};

/// A device, as «List machines API» returns it.
///
/// The properties are those of «Machine resource type», those of the service's own schema that the
/// page leaves out, and two that only answers show (`os_version`, `defender_av_status`). Every one
/// but [`id`](Self::id) may be absent: `None` stands for null and for a missing key alike, and
/// missing lists are empty. A date of year 1, which the service sends for "never", is `None` too.
/// Dates have up to nine digits of a second's fraction, and one without a zone is in UTC.
///
/// It serialises to the service's own names, always with every key and in the same order, and what
/// was serialised reads back as an equal value.
///
/// # Errors
///
/// Deserialising fails if `id` is missing, null or blank, if a known key occurs twice, and if a
/// value has another type than its field and isn't one of the tolerated spellings (numbers as text
/// and the reverse, where the service is known for it). A date that no calendar has is such a value,
/// and so are 24:00, a leap second and a year beyond 9999. Names that an enum doesn't know and
/// unknown keys are never an error; of an unknown key that occurs twice, the last is kept.
///
/// # Example
///
/// ```
/// use defender_endpoint::machines::{Machine, RiskScore};
///
/// let json = r#"{"id": "1e5bc9d7", "riskScore": "High", "osBuild": 19042, "colour": "blue"}"#;
/// let machine: Machine = serde_json::from_str(json)?;
/// assert_eq!(machine.id, "1e5bc9d7");
/// assert_eq!(machine.risk_score, Some(RiskScore::High));
/// assert_eq!(machine.os_build, Some(19042));
/// assert_eq!(machine.last_seen, None);
/// assert_eq!(machine.extra["colour"], "blue");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Machine {
    /// The machine's identity: usually 40 hex digits, to be treated as opaque text.
    #[serde(deserialize_with = "wire::key")]
    pub id: String,
    /// The id of the machine that this one was merged into.
    #[serde(default, deserialize_with = "wire::text")]
    pub merged_into_machine_id: Option<String>,
    /// Whether the service takes this for a second record of another machine.
    pub is_potential_duplication: Option<bool>,
    /// Whether the machine is excluded from vulnerability management.
    pub is_excluded: Option<bool>,
    /// Why the machine is excluded.
    pub exclusion_reason: Option<ExclusionReason>,
    /// The fully qualified name; also a short name, and free text for phones.
    pub computer_dns_name: Option<String>,
    /// When Defender for Endpoint saw the machine first.
    #[serde(default, with = "wire::date")]
    pub first_seen: Option<OffsetDateTime>,
    /// When the last full device report came in, about every 24 hours. Not the portal's "last
    /// seen".
    ///
    /// `Display` of a date is for people. For programs,
    /// [`Rfc3339`](time::format_description::well_known::Rfc3339) formats it as the service does:
    ///
    /// ```
    /// use defender_endpoint::machines::Machine;
    /// use defender_endpoint::time::format_description::well_known::Rfc3339;
    ///
    /// let json = r#"{"id": "1e5b", "lastSeen": "2026-11-22T10:30:00Z"}"#;
    /// let machine: Machine = serde_json::from_str(json)?;
    /// let last_seen = machine.last_seen.and_then(|at| at.format(&Rfc3339).ok());
    /// assert_eq!(last_seen.as_deref(), Some("2026-11-22T10:30:00Z"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[serde(default, with = "wire::date")]
    pub last_seen: Option<OffsetDateTime>,
    /// The operating system platform, for example `Windows11` or `Ubuntu`: an open set.
    pub os_platform: Option<String>,
    /// The operating system's version; null in most answers, see [`version`](Self::version).
    #[serde(default, deserialize_with = "wire::text")]
    pub os_version: Option<String>,
    /// The processor, for example `x64`. The vendor advises
    /// [`os_architecture`](Self::os_architecture) instead.
    pub os_processor: Option<String>,
    /// The operating system's version, for example `22H2` or `9.5`.
    #[serde(default, deserialize_with = "wire::text")]
    pub version: Option<String>,
    /// The last IP address, v4 or v6, of a local network card.
    pub last_ip_address: Option<String>,
    /// The last IP address, v4 or v6, by which the machine reached the internet.
    pub last_external_ip_address: Option<String>,
    /// The version of the Defender agent.
    #[serde(default, deserialize_with = "wire::text")]
    pub agent_version: Option<String>,
    /// The operating system's build number, for example 19045.
    #[serde(default, deserialize_with = "wire::integer")]
    pub os_build: Option<i64>,
    /// The health of the machine's sensor.
    pub health_status: Option<HealthStatus>,
    /// The value that was assigned to the device.
    pub device_value: Option<DeviceValue>,
    /// The machine group's number; 0 seems to mean "no group".
    #[serde(default, deserialize_with = "wire::integer")]
    pub rbac_group_id: Option<i64>,
    /// The machine group's name.
    pub rbac_group_name: Option<String>,
    /// The risk, as Defender for Endpoint rates it.
    pub risk_score: Option<RiskScore>,
    /// The exposure, as Defender for Endpoint rates it.
    pub exposure_level: Option<ExposureLevel>,
    /// Whether the machine is joined to Microsoft Entra.
    pub is_aad_joined: Option<bool>,
    /// The device's id in Microsoft Entra; can be absent although the machine is joined.
    #[serde(default, deserialize_with = "wire::text")]
    pub aad_device_id: Option<String>,
    /// The machine's tags.
    #[serde(default, deserialize_with = "wire::list")]
    pub machine_tags: Vec<String>,
    /// The state of Defender Antivirus, for example `Updated`; in answers of some years only.
    pub defender_av_status: Option<String>,
    /// Whether the machine is onboarded; the list holds machines that were only discovered, too.
    #[serde(alias = "onboardingstatus")]
    pub onboarding_status: Option<OnboardingStatus>,
    /// The architecture: `32-bit` or `64-bit`.
    pub os_architecture: Option<String>,
    /// The product that manages the machine's security settings.
    pub managed_by: Option<ManagedBy>,
    /// How that management fares.
    pub managed_by_status: Option<ManagedByStatus>,
    /// The machine's network addresses.
    #[serde(default, deserialize_with = "wire::list")]
    pub ip_addresses: Vec<MachineIpAddress>,
    /// The cloud resource, if the machine is a cloud's virtual machine.
    #[serde(alias = "vm_metadata")]
    pub vm_metadata: Option<VmMetadata>,
    /// Keys that this version of the crate doesn't know, as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Machine {
    /// A machine of which only the id is known, for tests of code that takes machines.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::{HealthStatus, Machine};
    ///
    /// let mut machine = Machine::new("1e5bc9d7");
    /// machine.health_status = Some(HealthStatus::Active);
    /// assert_eq!(machine.computer_dns_name, None);
    /// ```
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            merged_into_machine_id: None,
            is_potential_duplication: None,
            is_excluded: None,
            exclusion_reason: None,
            computer_dns_name: None,
            first_seen: None,
            last_seen: None,
            os_platform: None,
            os_version: None,
            os_processor: None,
            version: None,
            last_ip_address: None,
            last_external_ip_address: None,
            agent_version: None,
            os_build: None,
            health_status: None,
            device_value: None,
            rbac_group_id: None,
            rbac_group_name: None,
            risk_score: None,
            exposure_level: None,
            is_aad_joined: None,
            aad_device_id: None,
            machine_tags: Vec::new(),
            defender_av_status: None,
            onboarding_status: None,
            os_architecture: None,
            managed_by: None,
            managed_by_status: None,
            ip_addresses: Vec::new(),
            vm_metadata: None,
            extra: BTreeMap::new(),
        }
    }
}

/// One network address of a [`Machine`] («List machines API»).
///
/// # Example
///
/// ```
/// use defender_endpoint::machines::{InterfaceType, MachineIpAddress};
///
/// let json = r#"{"ipAddress": "10.166.113.47", "macAddress": "8CEC4B897E73", "type": "Ethernet"}"#;
/// let address: MachineIpAddress = serde_json::from_str(json)?;
/// assert_eq!(address.ip_address.as_deref(), Some("10.166.113.47"));
/// assert_eq!(address.interface_type, Some(InterfaceType::Ethernet));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MachineIpAddress {
    /// The address, v4 or v6; empty text has been seen.
    pub ip_address: Option<String>,
    /// The hardware address: 12 hex digits without separators.
    pub mac_address: Option<String>,
    /// The kind of network interface; `type` in JSON.
    #[serde(rename = "type")]
    pub interface_type: Option<InterfaceType>,
    /// Whether the interface is in use.
    pub operational_status: Option<OperationalStatus>,
    /// Keys that this version of the crate doesn't know, as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// The cloud resource behind a [`Machine`].
///
/// It is in the service's schema and in answers, but on no page of the documentation.
///
/// # Example
///
/// ```
/// use defender_endpoint::machines::{CloudProvider, VmMetadata};
///
/// let metadata: VmMetadata = serde_json::from_str(r#"{"vmId": "7f3d", "cloudProvider": "Azure"}"#)?;
/// assert_eq!(metadata.vm_id.as_deref(), Some("7f3d"));
/// assert_eq!(metadata.cloud_provider, Some(CloudProvider::Azure));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VmMetadata {
    /// The virtual machine's id in its cloud.
    #[serde(default, deserialize_with = "wire::text")]
    pub vm_id: Option<String>,
    /// The cloud.
    pub cloud_provider: Option<CloudProvider>,
    /// The resource's full path in its cloud.
    #[serde(default, deserialize_with = "wire::text")]
    pub resource_id: Option<String>,
    /// The subscription that holds the resource.
    #[serde(default, deserialize_with = "wire::text")]
    pub subscription_id: Option<String>,
    /// Keys that this version of the crate doesn't know, as they came.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

open_enum! {
    /// The health of a machine's sensor («Machine resource type»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::HealthStatus;
    ///
    /// assert_eq!(HealthStatus::from("inactive"), HealthStatus::Inactive);
    /// assert_eq!(HealthStatus::NoSensorData.to_string(), "NoSensorData");
    /// assert_eq!(HealthStatus::from("Asleep"), HealthStatus::Other("Asleep".to_owned()));
    /// ```
    pub enum HealthStatus {
        /// The sensor reports.
        Active = "Active",
        /// The sensor has not reported for some days.
        Inactive = "Inactive",
        /// The sensor reports, but communication is disturbed.
        ImpairedCommunication = "ImpairedCommunication",
        /// The machine is in touch but sends no sensor data.
        NoSensorData = "NoSensorData",
        /// No sensor data, and communication is disturbed.
        NoSensorDataImpairedCommunication = "NoSensorDataImpairedCommunication",
        /// The service can't tell.
        Unknown = "Unknown",
    }
}

open_enum! {
    /// The risk of a machine («Machine resource type»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::RiskScore;
    ///
    /// assert_eq!(RiskScore::from("High"), RiskScore::High);
    /// assert_eq!(RiskScore::Informational.as_str(), "Informational");
    /// ```
    pub enum RiskScore {
        /// No active alerts.
        None = "None",
        /// For information.
        Informational = "Informational",
        /// Low.
        Low = "Low",
        /// Medium.
        Medium = "Medium",
        /// High.
        High = "High",
    }
}

open_enum! {
    /// The exposure of a machine («Machine resource type»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::ExposureLevel;
    ///
    /// assert_eq!(ExposureLevel::from("Medium"), ExposureLevel::Medium);
    /// assert_eq!(ExposureLevel::None.as_str(), "None");
    /// ```
    pub enum ExposureLevel {
        /// Not exposed, or not known.
        None = "None",
        /// Low.
        Low = "Low",
        /// Medium.
        Medium = "Medium",
        /// High.
        High = "High",
    }
}

open_enum! {
    /// The value assigned to a device («Machine resource type», «Set device value API»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::DeviceValue;
    ///
    /// assert_eq!(DeviceValue::from("Normal"), DeviceValue::Normal);
    /// ```
    pub enum DeviceValue {
        /// The default.
        Normal = "Normal",
        /// Counts less in the exposure score.
        Low = "Low",
        /// Counts more in the exposure score.
        High = "High",
    }
}

open_enum! {
    /// Whether a machine is onboarded («Machine resource type»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::OnboardingStatus;
    ///
    /// assert_eq!(OnboardingStatus::from("onboarded"), OnboardingStatus::Onboarded);
    /// ```
    pub enum OnboardingStatus {
        /// Discovered, too little is known about it.
        InsufficientInfo = "InsufficientInfo",
        /// Reports to Defender for Endpoint.
        Onboarded = "Onboarded",
        /// Discovered, could be onboarded.
        CanBeOnboarded = "CanBeOnboarded",
        /// Discovered, can't be onboarded.
        Unsupported = "Unsupported",
    }
}

open_enum! {
    /// The product that manages a machine's security settings (from the service's schema).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::ManagedBy;
    ///
    /// assert_eq!(ManagedBy::from("Intune"), ManagedBy::Intune);
    /// ```
    pub enum ManagedBy {
        /// None, or not known.
        Unknown = "Unknown",
        /// Microsoft Intune.
        Intune = "Intune",
        /// Microsoft Configuration Manager.
        SystemCenterConfigurationManager = "SystemCenterConfigurationManager",
        /// Defender for Endpoint itself.
        MicrosoftDefenderForEndpoint = "MicrosoftDefenderForEndpoint",
    }
}

open_enum! {
    /// How the management of a machine's security settings fares (from the service's schema).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::ManagedByStatus;
    ///
    /// assert_eq!(ManagedByStatus::from("Success"), ManagedByStatus::Success);
    /// ```
    pub enum ManagedByStatus {
        /// Not known.
        Unknown = "Unknown",
        /// The settings arrive.
        Success = "Success",
        /// The settings don't arrive.
        Error = "Error",
    }
}

open_enum! {
    /// Why a machine is excluded from vulnerability management (from the service's schema).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::ExclusionReason;
    ///
    /// assert_eq!(ExclusionReason::from("Other"), ExclusionReason::OtherReason);
    /// assert_eq!(ExclusionReason::OtherReason.as_str(), "Other");
    /// ```
    pub enum ExclusionReason {
        /// A reason outside this list: the service's own name for it is `Other`.
        OtherReason = "Other",
        /// The device is not active.
        InactiveDevice = "InactiveDevice",
        /// The device is another record of a known one.
        DuplicateDevice = "DuplicateDevice",
        /// The device is gone.
        DeviceDoesNotExist = "DeviceDoesNotExist",
        /// The device is none of the organisation's concern.
        DeviceOutOfScope = "DeviceOutOfScope",
    }
}

open_enum! {
    /// The kind of a network interface (from the service's schema).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::InterfaceType;
    ///
    /// assert_eq!(InterfaceType::from("IEEE80211"), InterfaceType::Ieee80211);
    /// assert_eq!(InterfaceType::from("Other"), InterfaceType::OtherType);
    /// ```
    pub enum InterfaceType {
        /// Not known.
        Unknown = "Unknown",
        /// A kind outside this list: the service's own name for it is `Other`.
        OtherType = "Other",
        /// Ethernet.
        Ethernet = "Ethernet",
        /// Token ring.
        TokenRing = "TokenRing",
        /// Point to point.
        Ppp = "PPP",
        /// The machine itself.
        SoftwareLoopback = "SoftwareLoopback",
        /// ATM.
        Atm = "ATM",
        /// Wireless.
        Ieee80211 = "IEEE80211",
        /// A tunnel.
        Tunnel = "Tunnel",
        /// IEEE 1394, a serial bus.
        Ieee1394 = "IEEE1394",
    }
}

open_enum! {
    /// Whether a network interface is in use (from the service's schema; «List machines API» shows
    /// `Up`).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::OperationalStatus;
    ///
    /// assert_eq!(OperationalStatus::from("Up"), OperationalStatus::Up);
    /// ```
    pub enum OperationalStatus {
        /// Can pass packets.
        Up = "Up",
        /// Can't pass packets.
        Down = "Down",
        /// Under test.
        Testing = "Testing",
        /// Not known.
        Unknown = "Unknown",
        /// Waits for something outside.
        Dormant = "Dormant",
        /// Present; the schema says no more.
        Present = "Present",
        /// Down, because an interface below it is.
        LowerLayerDown = "LowerLayerDown",
    }
}

open_enum! {
    /// The cloud of a virtual machine (from the service's schema).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::machines::CloudProvider;
    ///
    /// assert_eq!(CloudProvider::from("Azure"), CloudProvider::Azure);
    /// ```
    pub enum CloudProvider {
        /// Not known.
        Unknown = "Unknown",
        /// Microsoft Azure.
        Azure = "Azure",
    }
}

#[cfg(test)]
mod tests;
