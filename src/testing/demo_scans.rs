//! The scan agents, scan definitions and scan history of the demo tenant.

use serde_json::{Value, json};

use super::demo::{DAY, NEVER, ago, below, guid, host_name, machine_id};

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
}

const fn definition(
    (scan_type, name, target): (&'static str, &'static str, &'static str),
    (interval, active, scanner): (u64, bool, usize),
    (sessions, latest, failure): (usize, u64, Option<&'static str>),
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
    }
}

static DEFINITIONS: [Definition; 8] = [
    definition(
        ("Network", "Core switches, London", "10.0.0.0/24"),
        (4, true, 0),
        (14, 35, None),
    ),
    definition(
        ("Network", "Access switches", "10.1.0.0/22, 10.1.8.1"),
        (24, true, 1),
        (11, 400, Some("SNMP: no answer from any target")),
    ),
    definition(
        ("Network", "Printers \"2nd floor\"", "10.2.7.0/24"),
        (12, true, 0),
        (9, 77, None),
    ),
    definition(
        ("Network", "Lab (agent is silent)", "10.3.0.0/24"),
        (24, true, 2),
        (6, 33 * DAY, None),
    ),
    definition(
        (
            "Windows",
            "Servers without an agent",
            "10.4.0.10, 10.4.0.11",
        ),
        (8, true, 3),
        (12, 130, Some("WMI: access is denied")),
    ),
    definition(
        ("Windows", "Jump hosts", "jump1,jump2"),
        (24, false, 3),
        (5, 61 * DAY, None),
    ),
    definition(
        ("Linux", "Database hosts", "10.4.1.0/26"),
        (24, true, 1),
        (3, 900, None),
    ),
    definition(
        ("Network", "New branch office", "10.9.0.0/24"),
        (24, true, 4),
        (0, 0, None),
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

/// One session of a definition, 0 being the newest.
fn history_row(n: usize, definition: &Definition, session: usize) -> Value {
    let number = u64::try_from(session).unwrap_or(0);
    let minutes = definition.latest + number * definition.interval * 60;
    let salt = 40 + u64::try_from(n).unwrap_or(0);
    let failed = session == 0 && definition.failure.is_some();
    let status = if failed {
        "Failure"
    } else if session > 0 && below(session, salt, 3) == 0 {
        "Partial Success"
    } else {
        "Success"
    };
    let id = definition_id(n);
    let scanner = machine_id(scanner_machine(definition.scanner));
    match session % 3 {
        // As documented, and the same with the id as the array that the key's plural promises.
        0 => json!({ "ScanDefinitionIds": id, "LastScanned": ago(minutes, 7),
                     "ScanStatus": status, "ScannerId": scanner }),
        1 => json!({ "ScanDefinitionIds": [id], "LastScanned": ago(minutes, 6),
                     "ScanStatus": status, "ScannerId": scanner }),
        // As the service's own model has it, but with the date that only the documentation has.
        _ => {
            let targets = 2 + below(session, salt, 5);
            let missed = u64::from(status != "Success");
            json!({
                "orgId": ORG,
                "scanDefinitionId": id,
                "sessionId": guid(session, salt),
                "scannerId": scanner,
                "lastScanned": ago(minutes, 7),
                "numberOfTargets": targets,
                "numberOfSuccessfullyScannedTargets": targets - missed,
                "scanStatus": status.replace(' ', ""),
                "generalErrorMessage": null,
                "scannedTargets": [{
                    "scanDuration": "00:08:30",
                    "ip": format!("10.{n}.0.{}", 10 + session),
                    "hostname": null,
                    "scannedDeviceDescription": "Switch, 48 ports",
                    "errorMessage": null,
                    "scanStatus": "Success",
                }],
            })
        }
    }
}
