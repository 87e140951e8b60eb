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

/// Those whose values are objects: anything else there is in the wrong place, and may be a secret.
static OBJECTS: [&str; 2] = ["scannerAgent", "scanAuthenticationParams"];

/// The text of a body, with `***` for what isn't open; nothing of what is no JSON object, since it
/// can't be told what that holds. It is always written anew: of a name that occurs twice, only the value
/// that was looked at is in it.
pub(super) fn text(body: &[u8]) -> String {
    let Ok(mut row) = serde_json::from_slice::<Row>(body) else {
        return String::new();
    };
    cover_secrets(&mut row);
    Value::Object(row).to_string()
}

fn cover_secrets(row: &mut Row) {
    for (name, value) in row {
        let open = OPEN.contains(&name.as_str());
        let object = OBJECTS.contains(&name.as_str());
        match value {
            Value::Object(inner) if object => cover_secrets(inner),
            Value::Array(items) if open && !object && items.iter().all(Value::is_string) => {}
            Value::Array(_) | Value::Object(_) => *value = "***".into(),
            _ if open && !object => {}
            _ => *value = "***".into(),
        }
    }
}
