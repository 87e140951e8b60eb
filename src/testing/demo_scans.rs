//! The scan agents, scan definitions and scan history of the demo tenant.

use serde_json::{Value, json};

use super::demo::{DAY, NEVER, PRINTER_IN_FLEET, ago, below, guid, host_name, machine_id};

pub(super) const ORG: &str = "47d41a0c-1dfd-46d3-bbea-a93dbc0bfcaa";

/// The machines on which scan agents run.
const SCANNERS: [usize; 5] = [26, 33, 77, 46, 55];

fn scanner_machine(scanner: usize) -> usize {
    SCANNERS.get(scanner % SCANNERS.len()).copied().unwrap_or(0)
}

/// When an agent was last seen and last ran a command, in minutes ago; 0 for never.
fn scanner_times(scanner: usize) -> (u64, u64) {
    match scanner {
        // Silent for weeks.
        2 => (33 * DAY, 33 * DAY + 50),
        // Installed, never used.
        4 => (12, 0),
        _ => (5 + 7 * below(scanner, 30, 9), 90),
    }
}

pub(super) fn scan_agents() -> Vec<Value> {
    (0..SCANNERS.len())
        .map(|scanner| scan_agent(scanner, "computerDnsName"))
        .collect()
}

/// An agent; inside a definition its machine's name has another key.
fn scan_agent(scanner: usize, name_key: &str) -> Value {
    let machine = scanner_machine(scanner);
    let (seen, command) = scanner_times(scanner);
    let command = if command == 0 {
        NEVER.to_owned()
    } else {
        ago(command, 7)
    };
    let mut agent = json!({
        "id": format!("{ORG}_{}", machine_id(machine)),
        "machineId": machine_id(machine),
        "lastSeen": ago(seen, 6),
        name_key: host_name(machine),
        "mdeClientVersion": "10.8295.22621.1195",
    });
    // As documented, and as the service's own model has it.
    let keys = if scanner % 2 == 0 {
        [
            "AssignedApplicationId",
            "ScannerSoftwareVersion",
            "LastCommandExecutionTimestamp",
        ]
    } else {
        [
            "assignedApplicationId",
            "scannerSoftwareVersion",
            "lastCommandExecutionTimestamp",
        ]
    };
    let values = [
        "9E0FA0EB-0A51-4357-9C87-C21BFBE07571",
        "7.1.1",
        command.as_str(),
    ];
    if let Some(row) = agent.as_object_mut() {
        row.extend(
            keys.into_iter()
                .zip(values)
                .map(|(key, value)| (key.to_owned(), json!(value))),
        );
    }
    agent
}

/// A target of a scan, and what becomes of it.
struct Target {
    ip: &'static str,
    name: Option<&'static str>,
    description: Option<&'static str>,
    fate: Fate,
}

#[derive(Clone, Copy)]
enum Fate {
    Reached,
    /// Not in the newest session any more.
    Lost(&'static str),
    Never(&'static str),
}

const fn target(
    ip: &'static str,
    name: Option<&'static str>,
    description: Option<&'static str>,
    fate: Fate,
) -> Target {
    Target {
        ip,
        name,
        description,
        fate,
    }
}

const NO_ANSWER: &str = "SNMP: the request timed out";
const DENIED: &str = "WMI: access is denied";
const SWITCH: Option<&str> = Some("Switch, 48 ports");
const PRINTER: Option<&str> = Some("Printer");
const SERVER: Option<&str> = Some("Windows server");
const LINUX: Option<&str> = Some("Linux server");

struct Definition {
    scan_type: &'static str,
    name: &'static str,
    target: &'static str,
    interval: u64,
    active: bool,
    scanner: usize,
    /// How many sessions the history has; the newest was this many minutes ago.
    sessions: usize,
    latest: u64,
    failure: Option<&'static str>,
    targets: &'static [Target],
}

const fn definition(
    (scan_type, name, target): (&'static str, &'static str, &'static str),
    (interval, active, scanner): (u64, bool, usize),
    (sessions, latest, failure): (usize, u64, Option<&'static str>),
    targets: &'static [Target],
) -> Definition {
    Definition {
        scan_type,
        name,
        target,
        interval,
        active,
        scanner,
        sessions,
        latest,
        failure,
        targets,
    }
}

static DEFINITIONS: [Definition; 8] = [
    definition(
        ("Network", "Core switches, London", "10.0.0.0/24"),
        (4, true, 0),
        (14, 35, None),
        &[
            target("10.0.0.1", Some("core-sw-1"), SWITCH, Fate::Reached),
            target("10.0.0.2", Some("core-sw-2"), SWITCH, Fate::Reached),
            target("10.0.0.3", None, SWITCH, Fate::Reached),
        ],
    ),
    definition(
        ("Network", "Access switches", "10.1.0.0/22, 10.1.8.1"),
        (24, true, 1),
        (11, 400, Some("SNMP: no answer from any target")),
        &[
            target("10.1.0.4", Some("acc-sw-1"), SWITCH, Fate::Lost(NO_ANSWER)),
            target("10.1.2.4", Some("acc-sw-2"), SWITCH, Fate::Lost(NO_ANSWER)),
            target("10.1.8.1", None, SWITCH, Fate::Lost(NO_ANSWER)),
        ],
    ),
    definition(
        ("Network", "Printers \"2nd floor\"", "10.2.7.0/24"),
        (12, true, 0),
        (9, 77, None),
        &[
            target("10.2.7.20", None, PRINTER, Fate::Reached),
            // A machine of the fleet, discovered on the network.
            target(PRINTER_IN_FLEET, Some("printer-22"), PRINTER, Fate::Reached),
            target("10.2.7.61", None, None, Fate::Never(NO_ANSWER)),
        ],
    ),
    definition(
        ("Network", "Lab (agent is silent)", "10.3.0.0/24"),
        (24, true, 2),
        (6, 33 * DAY, None),
        &[
            target("10.3.0.5", None, SWITCH, Fate::Reached),
            target("10.3.0.6", None, SWITCH, Fate::Reached),
        ],
    ),
    definition(
        (
            "Windows",
            "Servers without an agent",
            "10.4.0.10, 10.4.0.11",
        ),
        (8, true, 3),
        (12, 130, Some("WMI: access is denied")),
        &[
            target("10.4.0.10", Some("srv-10"), SERVER, Fate::Lost(DENIED)),
            target("10.4.0.11", Some("srv-11"), SERVER, Fate::Lost(DENIED)),
        ],
    ),
    definition(
        ("Windows", "Jump hosts", "jump1,jump2"),
        (24, false, 3),
        (5, 61 * DAY, None),
        &[
            target("10.4.2.1", Some("jump1"), SERVER, Fate::Reached),
            target("10.4.2.2", Some("jump2"), SERVER, Fate::Reached),
        ],
    ),
    definition(
        ("Linux", "Database hosts", "10.4.1.0/26"),
        (24, true, 1),
        (3, 900, None),
        &[
            target("10.4.1.7", Some("db-7"), LINUX, Fate::Reached),
            target("10.4.1.8", Some("db-8"), LINUX, Fate::Reached),
            target(
                "10.4.1.9",
                Some("db-9"),
                LINUX,
                Fate::Lost("SSH: the password was refused"),
            ),
        ],
    ),
    definition(
        ("Network", "New branch office", "10.9.0.0/24"),
        (24, true, 4),
        (0, 0, None),
        &[],
    ),
];

fn definition_id(n: usize) -> String {
    guid(n, 31)
}

pub(super) fn scan_definitions() -> Vec<Value> {
    DEFINITIONS
        .iter()
        .enumerate()
        .map(|(n, definition)| scan_definition(n, definition))
        .collect()
}

fn scan_definition(n: usize, definition: &Definition) -> Value {
    let ran = definition.sessions > 0;
    let status = if definition.failure.is_some() {
        "Fail"
    } else {
        "Success"
    };
    // The service answers null here; once, what it documents.
    let secrets = json!({
        "@odata.type": "#microsoft.windowsDefenderATP.api.SnmpAuthParams",
        "type": "AuthPriv",
        "username": "placeholder-user",
        "authProtocol": "SHA1",
        "authPassword": "placeholder-auth-password",
        "privProtocol": "AES",
        "privPassword": "placeholder-priv-password",
        "communityString": "placeholder-community",
    });
    json!({
        "id": definition_id(n),
        "scanType": definition.scan_type,
        "scanName": definition.name,
        "isActive": definition.active,
        "target": definition.target,
        "orgId": ORG,
        "intervalInHours": definition.interval,
        "createdBy": "scan.admin@contoso.com",
        "targetType": if definition.target.contains("jump") { "Hostname" } else { "Ip" },
        "scanAuthenticationParams": (n == 2).then_some(secrets),
        "scannerAgent": scan_agent(definition.scanner, "machineName"),
        "latestScan": {
            "status": ran.then_some(status),
            "failureReason": definition.failure,
            "executionDateTime": ran.then(|| ago(definition.latest, 7)),
        },
    })
}

pub(super) fn scan_history() -> Vec<Value> {
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
