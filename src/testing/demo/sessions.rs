//! The scan history of the demo tenant: what becomes of the definitions' targets, session by session.

use serde_json::{Value, json};

use super::scans::{DEFINITIONS, Definition, Fate, ORG, Target, definition_id, scanner_machine};
use super::{ago, below, guid, machine_id};

pub(in crate::testing) fn scan_history() -> Vec<Value> {
    let rows = DEFINITIONS.iter().enumerate().flat_map(|(n, definition)| {
        (0..definition.sessions).map(move |session| history_row(n, definition, session))
    });
    rows.collect()
}

/// The newest sessions of a definition have an id and their targets in the documented shape too;
/// before them it stands as the documentation has it for an answer by definition.
const WITH_ID: usize = 4;

/// One session of a definition, 0 being the newest.
fn history_row(n: usize, definition: &Definition, session: usize) -> Value {
    let number = u64::try_from(session).unwrap_or(0);
    let minutes = definition.latest + number * definition.interval * 60;
    let salt = 40 + u64::try_from(n).unwrap_or(0);
    let outcomes = outcomes(definition.targets, session, salt);
    let targets = outcomes.len();
    let reached = outcomes.iter().filter(|(_, error)| error.is_none()).count();
    let status = match reached {
        0 => "Failure",
        _ if reached < targets => "Partial Success",
        _ => "Success",
    };
    let id = definition_id(n);
    let session_id = guid(session, salt).replace('-', "");
    let scanner = machine_id(scanner_machine(definition.scanner));
    // As documented, the same with the ids as the arrays that their plurals promise, and as the
    // service's own model has it, but with the date that only the documentation has.
    let mut row = match session % 3 {
        0 => json!({ "ScanDefinitionIds": id, "LastScanned": ago(minutes, 7),
                     "ScanStatus": status, "ScannerId": scanner }),
        1 => json!({ "ScanDefinitionIds": [id], "LastScanned": ago(minutes, 6),
                     "ScanStatus": status, "ScannerId": scanner }),
        _ => json!({
            "orgId": ORG,
            "scanDefinitionId": id,
            "sessionId": session_id,
            "scannerId": scanner,
            "lastScanned": ago(minutes, 7),
            "numberOfTargets": targets,
            "numberOfSuccessfullyScannedTargets": reached,
            "scanStatus": status.replace(' ', ""),
            "generalErrorMessage": null,
            "scannedTargets": scanned_targets(&outcomes, false),
        }),
    };
    let in_documented_shape = session % 3 < 2 && session < WITH_ID;
    if let Some(row) = row.as_object_mut().filter(|_| in_documented_shape) {
        let session_id = if session % 3 == 0 {
            json!(session_id)
        } else {
            json!([session_id])
        };
        let more = [
            ("orgId", json!(ORG)),
            ("SessionIds", session_id),
            ("NumberOfTargets", json!(targets)),
            ("NumberOfSuccessfullyScannedTargets", json!(reached)),
            ("ListScannedTargets", scanned_targets(&outcomes, true)),
        ];
        row.extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    row
}

/// What became of each target in a session: what went wrong, if anything did.
fn outcomes(
    targets: &'static [Target],
    session: usize,
    salt: u64,
) -> Vec<(&'static Target, Option<&'static str>)> {
    // Now and then one of them is switched off.
    let count = u64::try_from(targets.len()).unwrap_or(0);
    let off =
        (session > 0 && below(session, salt, 3) == 0).then(|| below(session, salt + 9, count));
    let outcome = |(at, target): (u64, &'static Target)| {
        let error = match target.fate {
            Fate::Never(error) => Some(error),
            Fate::Lost(error) if session == 0 => Some(error),
            _ if off == Some(at) => Some("The host does not answer"),
            _ => None,
        };
        (target, error)
    };
    (0..).zip(targets).map(outcome).collect()
}

/// The targets, with the names of the documentation or with those of the service's own model.
fn scanned_targets(outcomes: &[(&Target, Option<&str>)], documented: bool) -> Value {
    let targets = outcomes.iter().map(|(target, error)| {
        let (status, duration) = match error {
            Some(_) => ("Failure", "00:00:30"),
            None => ("Success", "00:08:30.1234567"),
        };
        if documented {
            json!({
                "Ip": target.ip,
                "Hostname": target.name.unwrap_or_default(),
                "ScannedDeviceDescription": target.description.unwrap_or_default(),
                "ErrorMessage": error.unwrap_or_default(),
                "ScanStatus": status,
                "ScanDuration": duration.split('.').next(),
            })
        } else {
            json!({
                "ip": target.ip,
                "hostname": target.name,
                "scannedDeviceDescription": target.description,
                "errorMessage": error,
                "scanStatus": status,
                "scanDuration": duration,
            })
        }
    });
    targets.collect()
}
