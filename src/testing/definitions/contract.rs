//! What a body that adds or changes a definition may hold: «Add, update, or delete a scan definition»
//! and «Authenticated scan methods and properties», and of Linux what the service's schema says.

use serde_json::Value;

use crate::testing::answer;
use crate::testing::reply::Reply;
use crate::testing::schema::Row;

/// Why a body is refused, with the service's code for it; the status is 400. It tells names and never
/// values, any of which might be a secret.
#[derive(Debug)]
pub(super) struct BadBody {
    code: &'static str,
    message: String,
}

impl BadBody {
    /// It hasn't the documented form.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self {
            code: "InvalidRequestBody",
            message: message.into(),
        }
    }

    /// It has the form, but nothing can be done with it.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: "InvalidInput",
            message: message.into(),
        }
    }

    fn missing(name: &str) -> Self {
        Self {
            code: "MissingRequiredParameter",
            message: format!("The required parameter '{name}' is missing."),
        }
    }

    pub(super) fn reply(&self) -> Reply {
        answer::error(400, self.code, &self.message)
    }
}

type Member = (&'static str, Kind);

#[derive(Debug)]
enum Kind {
    /// Not blank.
    Text,
    /// Not empty.
    Secret,
    Flag,
    /// From 1 on, in 32 bits.
    Hours,
    OneOf(&'static [&'static str]),
    Scanner,
    Authentication,
}

/// All are required of a new definition, and are missed in this order.
static DEFINITION: [Member; 8] = [
    ("scanType", Kind::OneOf(&["Network", "Linux"])),
    ("scanName", Kind::Text),
    ("isActive", Kind::Flag),
    ("target", Kind::Text),
    ("intervalInHours", Kind::Hours),
    ("targetType", Kind::OneOf(&["Ip", "Hostname", "Combined"])),
    ("scannerAgent", Kind::Scanner),
    ("scanAuthenticationParams", Kind::Authentication),
];

static SCANNER: [Member; 2] = [("machineId", Kind::Text), ("machineName", Kind::Text)];

/// One kind of authentication parameters.
#[derive(Debug)]
struct Authentication {
    odata_type: &'static str,
    scan_type: &'static str,
    members: &'static [Member],
    /// What each `type` needs where no key vault is named.
    needs: &'static [(&'static str, &'static [&'static str])],
}

static SNMP: Authentication = Authentication {
    odata_type: "#microsoft.windowsDefenderATP.api.SnmpAuthParams",
    scan_type: "Network",
    members: &[
        ("@odata.type", Kind::Text),
        ("type", Kind::Text),
        ("communityString", Kind::Secret),
        ("username", Kind::Text),
        ("authProtocol", Kind::OneOf(&["MD5", "SHA1"])),
        ("authPassword", Kind::Secret),
        ("privProtocol", Kind::OneOf(&["DES", "3DES", "AES"])),
        ("privPassword", Kind::Secret),
        ("keyVaultUri", Kind::Text),
        ("keyVaultUrl", Kind::Text),
        ("keyVaultSecretName", Kind::Text),
    ],
    needs: &[
        ("CommunityString", &["communityString"]),
        ("NoAuthNoPriv", &["username"]),
        ("AuthNoPriv", &["username", "authProtocol", "authPassword"]),
        (
            "AuthPriv",
            &[
                "username",
                "authProtocol",
                "authPassword",
                "privProtocol",
                "privPassword",
            ],
        ),
    ],
};

static LINUX: Authentication = Authentication {
    odata_type: "#microsoft.windowsDefenderATP.api.LinuxAuthParams",
    scan_type: "Linux",
    members: &[
        ("@odata.type", Kind::Text),
        ("type", Kind::Text),
        ("username", Kind::Text),
        ("password", Kind::Secret),
        ("privateKey", Kind::Secret),
        ("keyVaultUri", Kind::Text),
        ("keyVaultUrl", Kind::Text),
        ("keyVaultSecretName", Kind::Text),
    ],
    needs: &[
        ("Password", &["username", "password"]),
        ("PrivateKey", &["username", "privateKey"]),
    ],
};

/// The body that adds a definition.
pub(super) fn read_new(body: &[u8]) -> Result<Row, BadBody> {
    let row = read(body)?;
    check(&row)?;
    for (name, kind) in &DEFINITION {
        if !row.contains_key(*name) {
            return Err(BadBody::missing(match kind {
                Kind::Scanner => "scannerAgent.machineId",
                _ => name,
            }));
        }
    }
    check_authentication(&row, text(&row, "scanType"))?;
    Ok(row)
}

/// The body that changes a definition of this scan type: anything of it, but something. The type that
/// it has already may stand there, even one of which nothing can be added.
pub(super) fn read_changes(body: &[u8], scan_type: Option<&str>) -> Result<Row, BadBody> {
    let mut row = read(body)?;
    if row.is_empty() {
        return Err(BadBody::malformed("The body names nothing to change."));
    }
    if scan_type.is_some() && text(&row, "scanType") == scan_type {
        row.remove("scanType");
    }
    check(&row)?;
    check_authentication(&row, text(&row, "scanType").or(scan_type))?;
    Ok(row)
}

/// Whether authentication parameters, if there are any, are of the kind that this scan type has.
fn check_authentication(row: &Row, scan_type: Option<&str>) -> Result<(), BadBody> {
    let params = row
        .get("scanAuthenticationParams")
        .and_then(Value::as_object);
    let kind = params.and_then(kind);
    match (kind, scan_type) {
        (Some(kind), Some(scan_type)) if kind.scan_type != scan_type => {
            Err(BadBody::invalid(format!(
                "Parameters of type '{}' are for scans of type {}.",
                kind.odata_type, kind.scan_type
            )))
        }
        _ => Ok(()),
    }
}

fn read(body: &[u8]) -> Result<Row, BadBody> {
    serde_json::from_slice(body).map_err(|_| BadBody::malformed("The body must be a JSON object."))
}

fn check(row: &Row) -> Result<(), BadBody> {
    if text(row, "scanType") == Some("Windows") {
        let message = "Windows authenticated scan is retired: definitions of it are only listed.";
        return Err(BadBody::invalid(message));
    }
    check_members(row, &DEFINITION, "")
}

fn check_members(row: &Row, known: &[Member], within: &str) -> Result<(), BadBody> {
    for (name, value) in row {
        let path = format!("{within}{name}");
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            let meant = known
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            let hint = meant.map_or(String::new(), |(known, _)| {
                format!(" Names are case-sensitive: '{known}' is known.")
            });
            return Err(BadBody::malformed(format!(
                "The property '{path}' is not known.{hint}"
            )));
        };
        kind.check(&path, value)?;
    }
    Ok(())
}

impl Kind {
    fn check(&self, path: &str, value: &Value) -> Result<(), BadBody> {
        let fits = match (self, value) {
            (Self::Text, Value::String(text)) => !text.trim().is_empty(),
            (Self::Secret, Value::String(text)) => !text.is_empty(),
            (Self::OneOf(names), Value::String(text)) => names.contains(&text.as_str()),
            (Self::Flag, value) => value.is_boolean(),
            (Self::Hours, value) => {
                let hours = value.as_i64().and_then(|hours| i32::try_from(hours).ok());
                hours.is_some_and(|hours| hours > 0)
            }
            (Self::Scanner, Value::Object(row)) => return check_scanner(row, path),
            (Self::Authentication, Value::Object(row)) => return check_params(row, path),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let wanted = match self {
            Self::Text => "text that is not blank",
            Self::Secret => "text that is not empty",
            Self::Flag => "true or false",
            Self::Hours => "a whole number of 1 or more, in 32 bits",
            Self::OneOf(names) => return Err(none_of(path, names)),
            Self::Scanner | Self::Authentication => "an object",
        };
        let message = format!("The property '{path}' must be {wanted}.");
        Err(BadBody::malformed(message))
    }
}

fn check_scanner(row: &Row, path: &str) -> Result<(), BadBody> {
    check_members(row, &SCANNER, &format!("{path}."))?;
    need(row, &["machineId"], path)
}

fn check_params(row: &Row, path: &str) -> Result<(), BadBody> {
    need(row, &["@odata.type"], path)?;
    let Some(kind) = kind(row) else {
        let names = [SNMP.odata_type, LINUX.odata_type];
        return Err(none_of(&format!("{path}.@odata.type"), &names));
    };
    check_members(row, kind.members, &format!("{path}."))?;
    need(row, &["type"], path)?;
    let chosen = text(row, "type");
    let Some((_, needs)) = kind.needs.iter().find(|(name, _)| Some(*name) == chosen) else {
        let names: Vec<&str> = kind.needs.iter().map(|(name, _)| *name).collect();
        return Err(none_of(&format!("{path}.type"), &names));
    };
    let vault = ["keyVaultUri", "keyVaultUrl"].map(|name| row.contains_key(name));
    match (
        vault.contains(&true),
        row.contains_key("keyVaultSecretName"),
    ) {
        (true, true) => Ok(()),
        (false, false) => need(row, needs, path),
        (true, false) => need(row, &["keyVaultSecretName"], path),
        (false, true) => need(row, &["keyVaultUri"], path),
    }
}

fn kind(params: &Row) -> Option<&'static Authentication> {
    let odata_type = text(params, "@odata.type")?;
    let mut kinds = [&SNMP, &LINUX].into_iter();
    kinds.find(|kind| kind.odata_type == odata_type)
}

/// Misses the first of these that isn't there.
fn need(row: &Row, names: &[&str], path: &str) -> Result<(), BadBody> {
    match names.iter().find(|name| !row.contains_key(**name)) {
        Some(name) => Err(BadBody::missing(&format!("{path}.{name}"))),
        None => Ok(()),
    }
}

fn none_of(path: &str, names: &[&str]) -> BadBody {
    let names = names.join(", ");
    BadBody::malformed(format!("The property '{path}' must be one of {names}."))
}

fn text<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
