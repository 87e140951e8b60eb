//! The scan agents and scan definitions of the demo tenant, and what is to become of the targets.

use serde_json::{Value, json};

use super::fleet::host_name;
use super::{DAY, NEVER, PRINTER_IN_FLEET, ago, below, guid, machine_id};

pub(in crate::testing) const ORG: &str = "47d41a0c-1dfd-46d3-bbea-a93dbc0bfcaa";

/// The machines on which scan agents run.
const SCANNERS: [usize; 5] = [26, 33, 77, 46, 55];

pub(super) fn scanner_machine(scanner: usize) -> usize {
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

pub(in crate::testing) fn scan_agents() -> Vec<Value> {
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
pub(super) struct Target {
    pub(super) ip: &'static str,
    pub(super) name: Option<&'static str>,
    pub(super) description: Option<&'static str>,
    pub(super) fate: Fate,
}

#[derive(Clone, Copy)]
pub(super) enum Fate {
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

pub(super) struct Definition {
    scan_type: &'static str,
    name: &'static str,
    target: &'static str,
    pub(super) interval: u64,
    active: bool,
    pub(super) scanner: usize,
    /// How many sessions the history has; the newest was this many minutes ago.
    pub(super) sessions: usize,
    pub(super) latest: u64,
    failure: Option<&'static str>,
    pub(super) targets: &'static [Target],
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

pub(super) static DEFINITIONS: [Definition; 8] = [
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

pub(super) fn definition_id(n: usize) -> String {
    guid(n, 31)
}

pub(in crate::testing) fn scan_definitions() -> Vec<Value> {
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
