//! The machines of the demo tenant: the same every time, and with everything that real fleets
//! surprise with.

use std::sync::OnceLock;

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

const MACHINES: usize = 347;
/// How .NET writes "never".
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// The moment from which all dates are counted back, in whole seconds.
fn start() -> OffsetDateTime {
    static START: OnceLock<OffsetDateTime> = OnceLock::new();
    *START.get_or_init(|| {
        let now = OffsetDateTime::now_utc();
        now.replace_nanosecond(0).unwrap_or(now)
    })
}

/// A moment that many minutes ago, with the given number of fraction digits: .NET cuts zeros off,
/// so that every number up to seven occurs.
pub(super) fn ago(minutes: u64, digits: usize) -> String {
    let minutes = i64::try_from(minutes).unwrap_or(0);
    // At least a second back, since the fraction comes on top; more, so that seconds differ too.
    let seconds = 1 + minutes % 53;
    let moment = start() - Duration::minutes(minutes) - Duration::seconds(seconds);
    let text = moment.format(&Rfc3339).unwrap_or_default();
    let fraction = match digits {
        0 => "",
        digits => ".7358214".get(..=digits).unwrap_or(".7358214"),
    };
    text.replace('Z', &format!("{fraction}Z"))
}

pub(super) const DAY: u64 = 24 * 60;
/// Where a discovered machine was seen that is the target of a scan, too.
pub(super) const PRINTER_IN_FLEET: &str = "10.2.7.22";

/// A number that looks random and is not: the finaliser of `SplitMix64` over the machine's number.
fn mixed(n: usize, salt: u64) -> u64 {
    let mut x = u64::try_from(n)
        .unwrap_or(0)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ salt;
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

pub(super) fn below(n: usize, salt: u64, limit: u64) -> u64 {
    mixed(n, salt) % limit.max(1)
}

fn pick<T: Copy + Default>(n: usize, salt: u64, list: &[T]) -> T {
    let length = u64::try_from(list.len()).unwrap_or(0);
    let index = usize::try_from(below(n, salt, length)).unwrap_or(0);
    list.get(index).copied().unwrap_or_default()
}

pub(super) fn machine_id(n: usize) -> String {
    let (a, b, c) = (mixed(n, 1 << 8), mixed(n, 2 << 8), mixed(n, 3 << 8));
    format!("{a:016x}{b:016x}{:08x}", c >> 32)
}

/// Platform, version, build, agent version, prefix of the name.
type System = (
    &'static str,
    Option<&'static str>,
    Option<u32>,
    Option<&'static str>,
    &'static str,
);

const SYSTEMS: [System; 16] = [
    (
        "Windows11",
        Some("24H2"),
        Some(26_100),
        Some("10.8805.26100.4202"),
        "ws",
    ),
    (
        "Windows11",
        Some("24H2"),
        Some(26_100),
        Some("10.8804.26100.3915"),
        "nb",
    ),
    (
        "Windows11",
        Some("23H2"),
        Some(22_631),
        Some("10.8795.22631.5039"),
        "nb",
    ),
    (
        "Windows11",
        Some("23H2"),
        Some(22_631),
        Some("10.8795.22631.5039"),
        "ws",
    ),
    (
        "Windows10",
        Some("22H2"),
        Some(19_045),
        Some("10.8790.19045.5608"),
        "ws",
    ),
    (
        "Windows10",
        Some("22H2"),
        Some(19_045),
        Some("10.8790.19045.5608"),
        "nb",
    ),
    (
        "Windows10",
        Some("1809"),
        Some(17_763),
        Some("10.8760.17763.6893"),
        "kiosk",
    ),
    (
        "WindowsServer2016",
        Some("1607"),
        Some(14_393),
        Some("10.8750.14393.7876"),
        "srv",
    ),
    (
        "WindowsServer2019",
        Some("1809"),
        Some(17_763),
        Some("10.8792.17763.7009"),
        "srv",
    ),
    (
        "WindowsServer2022",
        Some("21H2"),
        Some(20_348),
        Some("10.8795.20348.3328"),
        "srv",
    ),
    (
        "Ubuntu",
        Some("22.4"),
        Some(6),
        Some("30.124092.2.0"),
        "app",
    ),
    (
        "RedHatEnterpriseLinux",
        Some("9.5"),
        None,
        Some("30.125032.1.0"),
        "db",
    ),
    ("macOS", Some("15.4"), None, Some("20.125022.18.0"), "mac"),
    ("iOS", Some("18.3"), None, Some("1.1.63140101"), "phone"),
    (
        "Android",
        Some("15.0"),
        None,
        Some("1.0.7615.0101"),
        "phone",
    ),
    (
        "Windows10WVD",
        Some("22H2"),
        Some(19_045),
        Some("10.8790.19045.5608"),
        "vd",
    ),
];

const SITES: [&str; 5] = ["lon", "muc", "sea", "syd", "osl"];
const GROUPS: [(u32, Option<&str>); 5] = [
    (0, None),
    (0, None),
    (140, Some("The-A-Team")),
    (141, Some("Servers, tier 0")),
    (207, Some("Büro München")),
];
const TAGS: [&[&str]; 8] = [
    &[],
    &[],
    &[],
    &["prod"],
    &["prod", "pci"],
    &["test"],
    &["vip", "laptop"],
    &["owner: O'Brien"],
];

pub(super) fn machines() -> Vec<Value> {
    (0..MACHINES).map(machine).collect()
}

fn machine(n: usize) -> Value {
    let mut machine = if n % 15 == 7 {
        discovered(n)
    } else {
        onboarded(n)
    };
    if let (Some(row), Some(odd)) = (machine.as_object_mut(), oddity(n).as_object()) {
        row.extend(odd.clone());
        // A key that is left out altogether.
        if n % 23 == 5 {
            row.remove("ipAddresses");
            row.remove("vmMetadata");
        }
    }
    machine
}

pub(super) fn host_name(n: usize) -> String {
    let (.., prefix) = pick(n, 1, &SYSTEMS);
    let name = format!("{}-{prefix}-{n:04}", pick(n, 2, &SITES));
    match n % 4 {
        0 => name,
        1 => name.to_uppercase(),
        _ => format!("{name}.contoso.com"),
    }
}

fn onboarded(n: usize) -> Value {
    let (platform, version, build, agent, prefix) = pick(n, 1, &SYSTEMS);
    let health = pick(
        n,
        3,
        &[
            "Active",
            "Active",
            "Active",
            "Active",
            "Active",
            "Active",
            "Active",
            "Inactive",
            "Inactive",
            "ImpairedCommunication",
            "NoSensorData",
            "NoSensorDataImpairedCommunication",
        ],
    );
    let last_seen = match health {
        "Inactive" => 8 * DAY + below(n, 4, 160 * DAY),
        "Active" => below(n, 4, 3 * DAY),
        _ => below(n, 4, 7 * DAY),
    };
    let (group, group_name) = pick(n, 6, &GROUPS);
    let azure = prefix == "srv" && n % 2 == 0;
    let joined = matches!(prefix, "ws" | "nb" | "vd");
    // Joined devices without a device id exist.
    let device_id = (joined && n % 9 != 0).then(|| guid(n, 7));
    json!({
        "id": machine_id(n),
        "mergedIntoMachineId": null,
        "isPotentialDuplication": false,
        "isExcluded": false,
        "exclusionReason": null,
        "computerDnsName": host_name(n),
        "firstSeen": ago(last_seen + DAY + below(n, 5, 700 * DAY), (n + 3) % 8),
        "lastSeen": ago(last_seen, n % 8),
        "osPlatform": platform,
        "osVersion": null,
        "osProcessor": if prefix == "phone" { Value::Null } else { json!("x64") },
        "version": version,
        "lastIpAddress": format!("10.{}.{}.{}", n % 5, below(n, 8, 250), 1 + below(n, 9, 250)),
        "lastExternalIpAddress": format!("203.0.113.{}", 1 + below(n, 10, 40)),
        "agentVersion": agent,
        "osBuild": build,
        "healthStatus": health,
        "deviceValue": pick(n, 11, &["Normal", "Normal", "Normal", "Normal", "High", "Low"]),
        "rbacGroupId": group,
        "rbacGroupName": group_name,
        "riskScore": pick(n, 12, &["None", "None", "Informational", "Low", "Medium", "High"]),
        "exposureLevel": pick(n, 13, &["None", "Low", "Low", "Medium", "High"]),
        "isAadJoined": joined,
        "aadDeviceId": device_id,
        "machineTags": pick(n, 14, &TAGS),
        "onboardingStatus": "Onboarded",
        "osArchitecture": "64-bit",
        "managedBy": if joined { "Intune" } else { "MicrosoftDefenderForEndpoint" },
        "managedByStatus": pick(n, 15, &["Success", "Success", "Unknown", "Error"]),
        "ipAddresses": addresses(n),
        "vmMetadata": azure.then(|| vm_metadata(n)),
    })
}

fn addresses(n: usize) -> Value {
    let mac = format!("8CEC4B{:06X}", below(n, 16, 0x100_0000));
    json!([
        { "ipAddress": format!("10.{}.{}.{}", n % 5, below(n, 8, 250), 1 + below(n, 9, 250)),
          "macAddress": mac, "type": pick(n, 17, &["Ethernet", "IEEE80211"]),
          "operationalStatus": "Up" },
        { "ipAddress": format!("2001:db8:68:{:x}::{:x}", n % 5, n + 1), "macAddress": mac,
          "operationalStatus": "Up" },
        { "ipAddress": "127.0.0.1", "macAddress": null, "type": "SoftwareLoopback",
          "operationalStatus": "Up" },
    ])
}

fn vm_metadata(n: usize) -> Value {
    let subscription = guid(0, 20);
    let vm = format!("/subscriptions/{subscription}/resourceGroups/rg/virtualMachines/vm{n}");
    json!({ "vmId": guid(n, 21), "cloudProvider": "Azure", "resourceId": vm,
            "subscriptionId": subscription })
}

pub(super) fn guid(n: usize, salt: u64) -> String {
    let (high, low) = (mixed(n, salt << 16), mixed(n, salt << 24));
    let (a, b, c) = (high >> 32, high >> 16 & 0xFFFF, high & 0xFFF);
    format!(
        "{a:08x}-{b:04x}-4{c:03x}-a{:03x}-{:012x}",
        low >> 48 & 0xFFF,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// A device that was only seen on the network: little is known of it.
fn discovered(n: usize) -> Value {
    let seen = below(n, 4, 30 * DAY);
    json!({
        "id": machine_id(n),
        "computerDnsName": if n % 2 == 0 { json!(format!("printer-{n}")) } else { Value::Null },
        "firstSeen": ago(seen + 40 * DAY, 7),
        "lastSeen": ago(seen, 6),
        "osPlatform": pick(n, 18, &["Other", "Linux", "Windows10", "Windows7"]),
        "osVersion": null,
        "lastIpAddress": format!("10.{}.{}.7", n % 5, below(n, 8, 250)),
        "agentVersion": null,
        "osBuild": null,
        "healthStatus": pick(n, 19, &["Unknown", "Inactive"]),
        "deviceValue": "Normal",
        "rbacGroupId": 0,
        "riskScore": null,
        "exposureLevel": "None",
        "isAadJoined": null,
        "aadDeviceId": null,
        "machineTags": null,
        "onboardingStatus": pick(n, 20, &["CanBeOnboarded", "CanBeOnboarded", "InsufficientInfo",
                                          "Unsupported"]),
        "managedBy": "Unknown",
        "managedByStatus": "Unknown",
        "ipAddresses": [{ "ipAddress": "", "macAddress": "000000000000" }],
    })
}

/// What is special about some machines.
fn oddity(n: usize) -> Value {
    match n {
        3 => json!({ "computerDnsName": "O'Brien's iPhone", "osPlatform": "iOS",
                     "version": "18.3", "osBuild": null }),
        12 => json!({ "computerDnsName": "Zoë’s \"Surface\"", "osPlatform": "Windows11",
                      "machineTags": ["büro", "東京"] }),
        22 => json!({ "lastIpAddress": PRINTER_IN_FLEET }),
        41 => json!({ "computerDnsName": "東京-端末-01" }),
        // One device, two ids: it was reinstalled, and both records are still listed.
        58 | 214 => json!({ "computerDnsName": "lon-ws-0058.contoso.com",
                            "osPlatform": "Windows11", "isPotentialDuplication": true }),
        // Merged away into another record, and excluded for that reason.
        101 => json!({ "mergedIntoMachineId": machine_id(58), "isPotentialDuplication": true,
                       "isExcluded": true, "exclusionReason": "DuplicateDevice",
                       "healthStatus": "Inactive", "lastSeen": ago(90 * DAY, 7) }),
        133 => json!({ "riskScore": "Critical", "managedBy": "SomethingNew" }),
        166 => json!({ "firstSeen": NEVER, "lastSeen": NEVER, "healthStatus": "Inactive" }),
        // The documentation calls this number text.
        190 => json!({ "rbacGroupId": "140", "rbacGroupName": "The-A-Team" }),
        // On every page, and in the last row, somebody who was seen just now.
        0 | 99 | 100 | 199 | 299 | 346 => json!({ "healthStatus": "Active",
                                                  "lastSeen": ago(0, 7) }),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::testing::demo_scans::{scan_agents, scan_definitions, scan_history};
    use crate::testing::schema::{self, Row};

    fn rows() -> Vec<Row> {
        machines()
            .into_iter()
            .map(|row| row.as_object().unwrap().clone())
            .collect()
    }

    fn count(wanted: impl Fn(&Row) -> bool) -> usize {
        rows().iter().filter(|row| wanted(row)).count()
    }

    #[test]
    fn the_fleet_is_the_same_every_time_with_an_id_for_each_machine() {
        assert_eq!(machines(), machines());
        let ids: HashSet<String> = rows().iter().map(|row| row["id"].to_string()).collect();
        assert_eq!(ids.len(), 347);
        assert!(
            ids.iter().all(|id| id.len() == 42),
            "40 hex digits and two quotes"
        );
        assert_eq!(
            machine_id(0),
            "f82a6f1d1144170d852527f5df18ebbaafe538c7",
            "ids are for ever"
        );
    }

    #[test]
    fn every_key_is_one_that_the_service_has() {
        for row in rows() {
            for key in row.keys() {
                assert!(schema::property(key).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn it_holds_what_real_fleets_surprise_with() {
        let mut names: HashMap<String, usize> = HashMap::new();
        for row in rows() {
            *names.entry(row["computerDnsName"].to_string()).or_default() += 1;
        }
        assert_eq!(names["\"lon-ws-0058.contoso.com\""], 2);
        assert_eq!(
            count(|row| row.get("mergedIntoMachineId").is_some_and(Value::is_string)),
            1
        );
        assert_eq!(count(|row| row["riskScore"] == "Critical"), 1);
        assert_eq!(count(|row| row["lastSeen"] == NEVER), 1);
        assert_eq!(count(|row| row["rbacGroupId"].is_string()), 1);
        assert_eq!(count(|row| row["onboardingStatus"] != "Onboarded"), 23);
        assert!(count(|row| !row.contains_key("ipAddresses")) > 10);
        assert!(count(|row| row["machineTags"].is_null()) > 10);
        let digits = |row: &Row| {
            let text = row["lastSeen"].as_str().unwrap();
            text.split_once('.')
                .map_or(0, |(_, fraction)| fraction.len() - 1)
        };
        let lengths: HashSet<usize> = rows().iter().map(digits).collect();
        assert_eq!(lengths, (0..=7).collect());
        for (key, values) in [
            ("osPlatform", 12),
            ("healthStatus", 6),
            ("exposureLevel", 4),
        ] {
            let found: HashSet<String> = rows().iter().map(|row| row[key].to_string()).collect();
            assert!(found.len() >= values, "{key}: {found:?}");
        }
    }

    #[test]
    fn some_machines_are_stale_and_none_is_from_tomorrow() {
        let seen = |row: &Row| schema::date(row["lastSeen"].as_str().unwrap()).unwrap();
        let two_weeks_ago = start() - Duration::days(14);
        let stale = count(|row| seen(row) < two_weeks_ago);
        assert!((20..150).contains(&stale), "{stale}");
        assert_eq!(count(|row| seen(row) > start()), 0);
    }

    #[test]
    fn the_scan_family_fits_together() {
        let (agents, definitions, history) = (scan_agents(), scan_definitions(), scan_history());
        assert_eq!((agents.len(), definitions.len(), history.len()), (5, 8, 60));
        assert!(
            agents
                .iter()
                .any(|agent| agent.get("ScannerSoftwareVersion").is_some())
        );
        assert!(
            agents
                .iter()
                .any(|agent| agent.get("scannerSoftwareVersion").is_some())
        );
        let ids: HashSet<String> = rows().iter().map(|row| row["id"].to_string()).collect();
        assert!(
            agents
                .iter()
                .all(|agent| ids.contains(&agent["machineId"].to_string()))
        );
        for definition in &definitions {
            assert!(schema::guid(definition["id"].as_str().unwrap()).is_some());
            let of_it = |row: &&Value| {
                let id = row
                    .get("ScanDefinitionIds")
                    .or_else(|| row.get("scanDefinitionId"));
                let id = id.unwrap();
                id == &definition["id"] || id.get(0) == Some(&definition["id"])
            };
            let newest = history.iter().find(of_it).map(|row| &row["LastScanned"]);
            let latest = &definition["latestScan"]["executionDateTime"];
            assert_eq!(newest.unwrap_or(&Value::Null), latest);
        }
        let never_ran = |definition: &&Value| definition["latestScan"]["status"].is_null();
        assert_eq!(definitions.iter().filter(never_ran).count(), 1);
        let failed = |d: &&Value| d["latestScan"]["failureReason"].is_string();
        assert_eq!(definitions.iter().filter(failed).count(), 2);
        let secrets = |d: &&Value| !d["scanAuthenticationParams"].is_null();
        assert_eq!(definitions.iter().filter(secrets).count(), 1);
        let partly = history
            .iter()
            .filter(|row| row["ScanStatus"] == "Partial Success")
            .count();
        assert!(partly > 3, "{partly}");
        assert!(
            history
                .iter()
                .any(|row| row["scanStatus"] == "PartialSuccess")
        );
    }

    #[test]
    fn sessions_tell_which_targets_were_reached_and_why_others_were_not() {
        let targets_of = |row: &Value| {
            let targets = row
                .get("ListScannedTargets")
                .or_else(|| row.get("scannedTargets"));
            targets.and_then(Value::as_array).cloned()
        };
        let id_of = |row: &Value| {
            row.get("SessionIds")
                .or_else(|| row.get("sessionId"))
                .cloned()
        };
        let history = scan_history();
        let ids: Vec<String> = history
            .iter()
            .filter_map(id_of)
            .map(|id| id.to_string().replace(['[', ']'], ""))
            .collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert!((30..60).contains(&ids.len()), "{}", ids.len());
        // For each address its failures and its sessions.
        let mut seen: HashMap<String, (usize, usize)> = HashMap::new();
        let mut said: HashSet<String> = HashSet::new();
        for row in &history {
            assert_eq!(id_of(row).is_some(), targets_of(row).is_some());
            for target in targets_of(row).unwrap_or_default() {
                let is =
                    |key: &str, lower: &str| target.get(key).or_else(|| target.get(lower)).cloned();
                let ip = is("Ip", "ip").unwrap().as_str().unwrap().to_owned();
                let failed = is("ScanStatus", "scanStatus").unwrap() == "Failure";
                let error = is("ErrorMessage", "errorMessage").unwrap();
                let error = error.as_str().unwrap_or_default();
                assert_eq!(failed, !error.is_empty());
                let (failures, sessions) = seen.entry(ip).or_default();
                *failures += usize::from(failed);
                *sessions += 1;
                said.insert(error.to_owned());
            }
        }
        let never: Vec<_> = seen.iter().filter(|(_, (bad, all))| bad == all).collect();
        assert_eq!(never.len(), 1, "{never:?}");
        assert!(said.len() >= 5, "{said:?}");
        let in_fleet = count(|row| {
            let ip = row["lastIpAddress"].as_str().unwrap_or_default();
            seen.contains_key(ip)
        });
        assert_eq!(in_fleet, 1);
        for id in scan_definitions()
            .iter()
            .map(|definition| &definition["id"])
        {
            let newest = history
                .iter()
                .find(|row| row.get("ScanDefinitionIds") == Some(id));
            assert!(newest.is_none_or(|row| id_of(row).is_some()));
        }
    }
}
