//! What the service knows about a machine: its properties, their types, and how values compare.

use std::cmp::Ordering;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One entity as it goes over the wire.
pub(super) type Row = Map<String, Value>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    /// A name out of a list: written like text, but it has no order and no parts.
    Enum,
    Date,
    Guid,
    /// A collection of text.
    Texts,
    /// An object, or a collection of them.
    Complex,
}

#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether the documentation («List machines API») lists it for `$filter`.
    pub(super) filterable: bool,
}

const fn filterable(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        filterable: true,
    }
}

const fn plain(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        filterable: false,
    }
}

static MACHINE: [Property; 32] = [
    filterable("id", Kind::Text),
    plain("mergedIntoMachineId", Kind::Text),
    plain("isPotentialDuplication", Kind::Bool),
    plain("isExcluded", Kind::Bool),
    plain("exclusionReason", Kind::Enum),
    filterable("computerDnsName", Kind::Text),
    plain("firstSeen", Kind::Date),
    filterable("lastSeen", Kind::Date),
    filterable("osPlatform", Kind::Text),
    plain("osVersion", Kind::Text),
    plain("osProcessor", Kind::Text),
    filterable("version", Kind::Text),
    filterable("lastIpAddress", Kind::Text),
    plain("lastExternalIpAddress", Kind::Text),
    plain("agentVersion", Kind::Text),
    plain("osBuild", Kind::Number),
    filterable("healthStatus", Kind::Enum),
    filterable("deviceValue", Kind::Enum),
    filterable("rbacGroupId", Kind::Number),
    plain("rbacGroupName", Kind::Text),
    filterable("riskScore", Kind::Enum),
    filterable("exposureLevel", Kind::Enum),
    plain("isAadJoined", Kind::Bool),
    filterable("aadDeviceId", Kind::Guid),
    filterable("machineTags", Kind::Texts),
    plain("defenderAvStatus", Kind::Enum),
    filterable("onboardingStatus", Kind::Enum),
    plain("osArchitecture", Kind::Text),
    plain("managedBy", Kind::Enum),
    plain("managedByStatus", Kind::Enum),
    plain("ipAddresses", Kind::Complex),
    plain("vmMetadata", Kind::Complex),
];

/// The machine property of that name, whose case matters.
pub(super) fn property(name: &str) -> Option<&'static Property> {
    MACHINE.iter().find(|property| property.name == name)
}

/// One value, typed. Anything that isn't of its property's type is read as null.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(&'a str),
    Date(OffsetDateTime),
    Guid(u128),
}

impl Property {
    pub(super) fn read<'a>(&self, row: &'a Row) -> Scalar<'a> {
        let Some(value) = row.get(self.name) else {
            return Scalar::Null;
        };
        let read = match self.kind {
            Kind::Bool => value.as_bool().map(Scalar::Bool),
            Kind::Number => value
                .as_f64()
                // Ids are documented as text and sent as numbers; both occur.
                .or_else(|| value.as_str().and_then(number))
                .map(Scalar::Number),
            Kind::Text | Kind::Enum => value.as_str().map(Scalar::Text),
            Kind::Date => value.as_str().and_then(date).map(Scalar::Date),
            Kind::Guid => value.as_str().and_then(guid).map(Scalar::Guid),
            Kind::Null | Kind::Texts | Kind::Complex => None,
        };
        read.unwrap_or(Scalar::Null)
    }

    /// The elements of a collection of text; none if the value is null or missing.
    pub(super) fn texts<'a>(&self, row: &'a Row) -> impl Iterator<Item = &'a str> {
        let elements = row.get(self.name).and_then(Value::as_array);
        elements.into_iter().flatten().filter_map(Value::as_str)
    }
}

/// The order of two values of one type; text is ordered by code point. Null has no order.
pub(super) fn order(left: Scalar<'_>, right: Scalar<'_>) -> Option<Ordering> {
    match (left, right) {
        (Scalar::Bool(left), Scalar::Bool(right)) => Some(left.cmp(&right)),
        (Scalar::Number(left), Scalar::Number(right)) => left.partial_cmp(&right),
        (Scalar::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
        (Scalar::Date(left), Scalar::Date(right)) => Some(left.cmp(&right)),
        (Scalar::Guid(left), Scalar::Guid(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

pub(super) fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
    let number = text
        .chars()
        .all(plain)
        .then(|| text.parse::<f64>().ok())??;
    number.is_finite().then_some(number)
}

/// A moment: RFC 3339, or the short form with a date and `Z` that the vendor's sample queries show.
pub(super) fn date(text: &str) -> Option<OffsetDateTime> {
    let short = || {
        let day = text
            .strip_suffix('Z')
            .filter(|day| day.len() == "2018-08-01".len())?;
        OffsetDateTime::parse(&format!("{day}T00:00:00Z"), &Rfc3339).ok()
    };
    OffsetDateTime::parse(text, &Rfc3339).ok().or_else(short)
}

pub(super) fn guid(text: &str) -> Option<u128> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let hex = groups
        .iter()
        .all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()));
    if !hex || !lengths.eq([8, 4, 4, 4, 12]) {
        return None;
    }
    u128::from_str_radix(&groups.concat(), 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: &Value) -> Row {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_value_of_another_type_reads_as_null() {
        let row = row(&json!({ "lastSeen": 5, "rbacGroupId": true, "aadDeviceId": "x" }));
        for name in ["lastSeen", "rbacGroupId", "aadDeviceId", "osPlatform"] {
            let read = property(name).unwrap().read(&row);
            assert!(matches!(read, Scalar::Null), "{name}: {read:?}");
        }
    }

    #[test]
    fn a_group_id_reads_as_a_number_in_both_spellings() {
        for id in [json!(140), json!("140")] {
            let row = row(&json!({ "rbacGroupId": id }));
            let read = property("rbacGroupId").unwrap().read(&row);
            assert_eq!(order(read, Scalar::Number(140.0)), Some(Ordering::Equal));
        }
    }

    #[test]
    fn dates_of_the_service_are_read() {
        for text in [
            "2021-01-25T07:27:36Z",
            "2021-01-25T07:27:36.052313Z",
            "2021-01-25T07:27:36.7791856Z",
            "2021-01-25T07:27:36.123456789+02:00",
            "0001-01-01T00:00:00Z",
            "2018-08-01Z",
        ] {
            assert!(date(text).is_some(), "{text}");
        }
        for text in [
            "",
            "Z",
            "2018-08-01",
            "2018-08-0éZ",
            "2021-01-25T07:27:36",
            "2021-13-25Z",
        ] {
            assert!(date(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_guid_has_its_five_groups_and_no_case() {
        let lower = guid("fd2e4d29-7072-4195-aaa5-1af139b78028");
        assert!(lower.is_some());
        assert_eq!(lower, guid("FD2E4D29-7072-4195-AAA5-1AF139B78028"));
        for text in [
            "",
            "----",
            "fd2e4d2970724195aaa51af139b78028",
            "+d2e4d29-7072-4195-aaa5-1af139b78028",
        ] {
            assert!(guid(text).is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_are_finite_decimals() {
        assert_eq!(
            number("-1.5e3").map(|n| n.to_string()),
            Some("-1500".to_owned())
        );
        for text in ["", "inf", "-inf", "NaN", "1e999", "--1", "0x1"] {
            assert!(number(text).is_none(), "{text}");
        }
    }
}
