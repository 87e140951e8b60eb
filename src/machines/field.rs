//! The properties of a machine that the service can filter by.
//!
//! Each constant has the operators of its type: [`TextField`], [`DateField`], [`EnumField`],
//! [`NumberField`], [`GuidField`] or [`TagsField`]. What they make is a
//! [`Filter`](crate::filter::Filter), to be combined with `&`, `|` and `!` and given to the `filter` of a
//! machines request. By OData's rules a machine without the property fits `ne` and none of the
//! other comparisons.
//!
//! The page «List machines API» listed six properties for years: [`COMPUTER_DNS_NAME`],
//! [`LAST_SEEN`], [`HEALTH_STATUS`], [`OS_PLATFORM`], [`RISK_SCORE`] and [`RBAC_GROUP_ID`]. The
//! others come from its newer editions. The page «OData queries with Microsoft Defender for
//! Endpoint» shows the expressions by example.
//!
//! The name of a machine group, `rbacGroupName`, can't be filtered by; its number can
//! ([`RBAC_GROUP_ID`]). For anything else that OData can say, and for properties that Microsoft
//! adds later, there is [`Filter::raw`](crate::filter::Filter::raw).
//!
//! # Example
//!
//! ```
//! use defender_endpoint::filter::Filter;
//! use defender_endpoint::machines::{HealthStatus, RiskScore, field};
//! use defender_endpoint::time::{Duration, OffsetDateTime};
//!
//! let two_weeks_ago = OffsetDateTime::now_utc() - Duration::weeks(2);
//! let stale: Filter = field::LAST_SEEN.lt(two_weeks_ago)
//!     & field::HEALTH_STATUS.ne(HealthStatus::Active)
//!     & (field::RISK_SCORE.eq(RiskScore::High) | field::COMPUTER_DNS_NAME.starts_with("srv-"));
//! assert!(stale.to_string().ends_with(
//!     "Z and healthStatus ne 'Active' \
//!      and (riskScore eq 'High' or startswith(computerDnsName,'srv-'))",
//! ));
//! ```
//!
//! # Example: a value that this crate doesn't know yet
//!
//! The text of `Other` is sent as it stands. Whether there is such a value is for the service to
//! say.
//!
//! ```
//! use defender_endpoint::machines::{HealthStatus, field};
//!
//! let filter = field::HEALTH_STATUS.eq(HealthStatus::Other("Asleep".into()));
//! assert_eq!(filter.to_string(), "healthStatus eq 'Asleep'");
//! ```

use super::{DeviceValue, ExposureLevel, HealthStatus, OnboardingStatus, RiskScore};
use crate::filter::{DateField, EnumField, GuidField, NumberField, TagsField, TextField};

/// `computerDnsName`: the machine's name, short or fully qualified.
pub const COMPUTER_DNS_NAME: TextField = TextField::new("computerDnsName");

/// `lastSeen`: when the last full report of the machine came in, about once a day; not the
/// portal's «last seen».
pub const LAST_SEEN: DateField = DateField::new("lastSeen");

/// `healthStatus`: whether the machine's sensor reports as it should.
pub const HEALTH_STATUS: EnumField<HealthStatus> = EnumField::new("healthStatus");

/// `osPlatform`: the operating system, for example `Windows11` or `Ubuntu`; an open set.
pub const OS_PLATFORM: TextField = TextField::new("osPlatform");

/// `riskScore`: the risk that Defender sees in the machine's active alerts.
pub const RISK_SCORE: EnumField<RiskScore> = EnumField::new("riskScore");

/// `rbacGroupId`: the number of the machine's group.
pub const RBAC_GROUP_ID: NumberField = NumberField::new("rbacGroupId");

/// `id`: the machine's id, 40 hexadecimal digits as a rule (newer editions of the page). For the
/// machines of many ids see [`Client::machines_by_id`](crate::Client::machines_by_id).
pub const ID: TextField = TextField::new("id");

/// `version`: the operating system's version as text, for example `22H2` (newer editions of the
/// page).
pub const VERSION: TextField = TextField::new("version");

/// `deviceValue`: how much the machine matters to the organization (newer editions of the page).
pub const DEVICE_VALUE: EnumField<DeviceValue> = EnumField::new("deviceValue");

/// `aadDeviceId`: the machine's device id in Microsoft Entra ID (newer editions of the page).
pub const AAD_DEVICE_ID: GuidField = GuidField::new("aadDeviceId");

/// `machineTags`: the tags of the machine (newer editions of the page).
pub const MACHINE_TAGS: TagsField = TagsField::new("machineTags");

/// `exposureLevel`: how exposed the machine is by its weaknesses (newer editions of the page).
pub const EXPOSURE_LEVEL: EnumField<ExposureLevel> = EnumField::new("exposureLevel");

/// `onboardingStatus`: whether the machine is onboarded or only discovered (newer editions of the
/// page).
pub const ONBOARDING_STATUS: EnumField<OnboardingStatus> = EnumField::new("onboardingStatus");

/// `lastIpAddress`: the machine's last local address, IPv4 or IPv6 (newer editions of the page).
pub const LAST_IP_ADDRESS: TextField = TextField::new("lastIpAddress");

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn every_constant_names_its_property_as_the_service_does() {
        let guid = "fd2e4d29-7072-4195-aaa5-1af139b78028";
        for (filter, expected) in [
            (COMPUTER_DNS_NAME.eq("x"), "computerDnsName eq 'x'"),
            (
                LAST_SEEN.gt(OffsetDateTime::UNIX_EPOCH),
                "lastSeen gt 1970-01-01T00:00:00Z",
            ),
            (
                HEALTH_STATUS.ne(HealthStatus::Active),
                "healthStatus ne 'Active'",
            ),
            (OS_PLATFORM.eq("Windows11"), "osPlatform eq 'Windows11'"),
            (RISK_SCORE.eq(RiskScore::High), "riskScore eq 'High'"),
            (RBAC_GROUP_ID.eq(140), "rbacGroupId eq 140"),
            (ID.eq("x"), "id eq 'x'"),
            (VERSION.eq("22H2"), "version eq '22H2'"),
            (DEVICE_VALUE.eq(DeviceValue::High), "deviceValue eq 'High'"),
            (
                AAD_DEVICE_ID.eq(guid),
                "aadDeviceId eq fd2e4d29-7072-4195-aaa5-1af139b78028",
            ),
            (MACHINE_TAGS.any_eq("x"), "machineTags/any(t: t eq 'x')"),
            (
                EXPOSURE_LEVEL.eq(ExposureLevel::Low),
                "exposureLevel eq 'Low'",
            ),
            (
                ONBOARDING_STATUS.eq(OnboardingStatus::Onboarded),
                "onboardingStatus eq 'Onboarded'",
            ),
            (
                LAST_IP_ADDRESS.starts_with("10."),
                "startswith(lastIpAddress,'10.')",
            ),
        ] {
            assert_eq!(filter.to_string(), expected);
        }
    }

    #[test]
    fn the_text_of_other_is_sent_as_it_stands() {
        let filter = RISK_SCORE.eq(RiskScore::Other("O'Severe".into()));
        assert_eq!(filter.to_string(), "riskScore eq 'O''Severe'");
    }
}
