//! What a fake tenant remembers of a request's body: nothing that may be a secret.

use serde_json::Value;

use super::schema::Row;

/// Names of the service whose values are none.
static OPEN: [&str; 20] = [
    "ScanDefinitionIds",
    "SessionIds",
    "scanType",
    "scanName",
    "isActive",
    "target",
    "intervalInHours",
    "targetType",
    "scannerAgent",
    "machineId",
    "machineName",
    "scanAuthenticationParams",
    "@odata.type",
    "type",
    "username",
    "authProtocol",
    "privProtocol",
    "keyVaultUri",
    "keyVaultUrl",
    "keyVaultSecretName",
];

/// The text of a body: as it came if all its names are open, else with `***` for what isn't; nothing
/// of what is no JSON object, since it can't be told what that holds.
pub(super) fn text(body: &[u8]) -> String {
    let Ok(mut row) = serde_json::from_slice::<Row>(body) else {
        return String::new();
    };
    if covered(&mut row) {
        Value::Object(row).to_string()
    } else {
        String::from_utf8_lossy(body).into_owned()
    }
}

/// Covers what may be a secret, and tells whether there was anything.
fn covered(row: &mut Row) -> bool {
    let mut any = false;
    for (name, value) in row {
        let open = OPEN.contains(&name.as_str());
        match value {
            Value::Object(inner) if open => any |= covered(inner),
            Value::Array(items) if open && items.iter().all(Value::is_string) => {}
            Value::Array(_) | Value::Object(_) => any |= cover(value),
            _ if open => {}
            _ => any |= cover(value),
        }
    }
    any
}

fn cover(value: &mut Value) -> bool {
    *value = "***".into();
    true
}
