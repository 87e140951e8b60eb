//! What the crate's types make of rows: keys without a field, values without a variant, and rows that
//! they refuse.

use std::collections::BTreeMap;

use defender_endpoint::machines::{
    CloudProvider, DeviceValue, ExclusionReason, ExposureLevel, HealthStatus, InterfaceType,
    Machine, ManagedBy, ManagedByStatus, OnboardingStatus, OperationalStatus, RiskScore,
};
use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::scan_definitions::{
    AuthType, LatestScanStatus, ScanDefinition, ScanType, TargetType,
};
use defender_endpoint::scan_history::{ScanHistoryEntry, ScanStatus};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::known::{Kind, Schema};
use crate::shape::{join, key_name};

type Row = Map<String, Value>;

/// A kind of row, by the schema's name of its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    Machines,
    Agents,
    Definitions,
    History,
}

impl Rows {
    pub(crate) fn entity(self) -> &'static str {
        match self {
            Self::Machines => "Machine",
            Self::Agents => "DeviceAuthenticatedScanAgent",
            Self::Definitions => "DeviceAuthenticatedScanDefinition",
            Self::History => "AuthScanHistoryContract",
        }
    }

    /// Why the crate's type refuses a row, or the keys that have no field.
    fn read(self, row: &Row, schema: &Schema) -> Result<Vec<String>, serde_json::Error> {
        let row = Value::Object(row.clone());
        let extra = Extra(schema);
        Ok(match self {
            Self::Machines => extra.of_machine(&read(row)?),
            Self::Agents => extra.names(self.entity(), "", read::<ScanAgent>(row)?.extra.keys()),
            Self::Definitions => extra.of_definition(&read(row)?),
            Self::History => extra.of_history(&read(row)?),
        })
    }

    fn refuses(self, row: &Row, schema: &Schema) -> Option<String> {
        self.read(row, schema).err().as_ref().map(why)
    }
}

fn read<T: DeserializeOwned>(row: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(row)
}

/// What the crate makes of all rows of an answer, by path.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// In how many rows.
    pub(crate) unknown_keys: BTreeMap<String, usize>,
    /// Where, and why, in how many rows.
    pub(crate) refused: BTreeMap<(String, String), usize>,
    pub(crate) refused_rows: usize,
}

pub(crate) fn read_all(kind: Rows, rows: &[Row], schema: &Schema) -> Read {
    let mut all = Read::default();
    for row in rows {
        match kind.read(row, schema) {
            Ok(mut keys) => {
                keys.sort();
                keys.dedup();
                for key in keys {
                    *all.unknown_keys.entry(key).or_default() += 1;
                }
            }
            Err(error) => {
                all.refused_rows += 1;
                for culprit in culprits(kind, row, schema, &error) {
                    *all.refused.entry(culprit).or_default() += 1;
                }
            }
        }
    }
    all
}

/// Keys without a field, by the names under which they may be shown.
struct Extra<'a>(&'a Schema);

impl Extra<'_> {
    fn names(
        &self,
        entity: &str,
        at: &str,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Vec<String> {
        let name = |key: &str| join(at, &key_name(self.0, Some(entity), key));
        keys.into_iter().map(|key| name(key.as_ref())).collect()
    }

    fn of_machine(&self, machine: &Machine) -> Vec<String> {
        let mut all = self.names("Machine", "", machine.extra.keys());
        for address in &machine.ip_addresses {
            let keys = address.extra.keys();
            all.extend(self.names("MachineIpAddress", "ipAddresses[]", keys));
        }
        if let Some(metadata) = &machine.vm_metadata {
            all.extend(self.names("VmMetadata", "vmMetadata", metadata.extra.keys()));
        }
        all
    }

    fn of_definition(&self, definition: &ScanDefinition) -> Vec<String> {
        let entity = Rows::Definitions.entity();
        let mut all = self.names(entity, "", definition.extra.keys());
        if let Some(params) = &definition.scan_authentication_params {
            let (at, keys) = ("scanAuthenticationParams", params.extra.keys());
            all.extend(self.names("AuthParamsBase", at, keys));
        }
        if let Some(agent) = &definition.scanner_agent {
            all.extend(self.names("AgentContract", "scannerAgent", agent.extra.keys()));
        }
        if let Some(scan) = &definition.latest_scan {
            all.extend(self.names("ScanState", "latestScan", scan.extra.keys()));
        }
        all
    }

    fn of_history(&self, entry: &ScanHistoryEntry) -> Vec<String> {
        let mut all = self.names(Rows::History.entity(), "", entry.extra.keys());
        for target in &entry.scanned_targets {
            let (entity, at) = ("ScannedTargetResultContract", "scannedTargets[]");
            all.extend(self.names(entity, at, target.extra.keys()));
        }
        all
    }
}

/// What is wrong with a row, and where: each key is tried alone, and of one that won't do, each part.
fn culprits(
    kind: Rows,
    row: &Row,
    schema: &Schema,
    whole: &serde_json::Error,
) -> Vec<(String, String)> {
    let with_id = |key: &str| key.eq_ignore_ascii_case("id");
    let mut base = Row::new();
    let mut found = Vec::new();
    if kind != Rows::History {
        base.insert("id".to_owned(), json!("an-id"));
        let own: Row = row
            .iter()
            .filter(|(key, _)| with_id(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if let Some(why) = kind.refuses(&own, schema) {
            found.push(("id".to_owned(), why));
        }
    }
    for (key, value) in row {
        if kind != Rows::History && with_id(key) {
            continue;
        }
        let tried = |value: Value| {
            let mut row = base.clone();
            row.insert(key.clone(), value);
            kind.refuses(&row, schema)
        };
        let name = key_name(schema, Some(kind.entity()), key);
        let part = Part {
            schema,
            entity: of_key(schema, Some(kind.entity()), key),
        };
        part.search(value, &name, &tried, &mut found);
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        found.push(("several keys together".to_owned(), why(whole)));
    }
    found
}

/// The entity that a key holds one or several of.
fn of_key<'a>(schema: &'a Schema, entity: Option<&str>, key: &str) -> Option<&'a str> {
    match &schema.property(entity?, key)?.kind {
        Kind::Named(name) | Kind::List(name) => Some(name),
        _ => None,
    }
}

struct Part<'a> {
    schema: &'a Schema,
    entity: Option<&'a str>,
}

impl Part<'_> {
    /// Whether the value won't do, and which of its parts won't, each put alone in its place by `tried`.
    fn search(
        &self,
        value: &Value,
        at: &str,
        tried: &dyn Fn(Value) -> Option<String>,
        found: &mut Vec<(String, String)>,
    ) {
        let Some(why) = tried(value.clone()) else {
            return;
        };
        let before = found.len();
        // Where nothing in it won't do either, it is no place for such a value.
        let empty = match value {
            Value::Object(_) => Value::Object(Row::new()),
            Value::Array(_) => Value::Array(Vec::new()),
            other => other.clone(),
        };
        match value {
            _ if tried(empty).is_some() => {}
            Value::Object(parts) => {
                for (key, value) in parts {
                    let name = join(at, &key_name(self.schema, self.entity, key));
                    let part = Part {
                        schema: self.schema,
                        entity: of_key(self.schema, self.entity, key),
                    };
                    let alone =
                        |value: Value| tried(Value::Object(Row::from_iter([(key.clone(), value)])));
                    part.search(value, &name, &alone, found);
                }
            }
            Value::Array(elements) => {
                let at = format!("{at}[]");
                for element in elements {
                    let alone = |value: Value| tried(Value::Array(vec![value]));
                    self.search(element, &at, &alone, found);
                }
            }
            _ => {}
        }
        if found.len() == before {
            found.push((at.to_owned(), why));
        }
    }
}

/// What a type has against a value, without the value: an error's text quotes it between its kind and
/// what was expected.
fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let kinds = [
        "invalid type",
        "invalid value",
        "invalid length",
        "duplicate field",
        "missing field",
    ];
    let kind = kinds.into_iter().find(|kind| text.starts_with(kind));
    let kind = kind.unwrap_or("refused");
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("{kind}, expected {expected}"),
        None => kind.to_owned(),
    }
}

macro_rules! known {
    ($enumeration:expr, $text:expr, { $($($name:literal)|+ => $type:ident,)+ }) => {
        match $enumeration {
            $($($name)|+ => !matches!($type::from($text), $type::Other(_)),)+
            _ => false,
        }
    };
}

/// Whether the crate has a variant for a value of this enumeration of the schema.
pub(crate) fn is_known(enumeration: &str, text: &str) -> bool {
    known!(enumeration, text, {
        "ExclusionReason" => ExclusionReason,
        "MachineHealthStatus" => HealthStatus,
        "DeviceValue" => DeviceValue,
        "RiskScore" => RiskScore,
        "ExposureLevel" => ExposureLevel,
        "OnboardingStatus" => OnboardingStatus,
        "DeviceManagedBy" => ManagedBy,
        "DeviceManagedByStatus" => ManagedByStatus,
        "InterfaceType" => InterfaceType,
        "IpInterfaceOperationalStatus" => OperationalStatus,
        "vmCloudProvider" => CloudProvider,
        "AuthScanType" => ScanType,
        "TargetType" => TargetType,
        "ScanStatus" => LatestScanStatus,
        "WindowsAuthType" | "LinuxAuthType" | "SnmpAuthType" => AuthType,
        "AuthenticatedScanStatus" => ScanStatus,
    })
}

#[cfg(test)]
mod tests;
