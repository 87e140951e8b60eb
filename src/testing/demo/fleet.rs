//! The machines of the demo tenant.

use serde_json::{Value, json};

use super::{DAY, NEVER, PRINTER_IN_FLEET, ago, below, guid, machine_id, pick};

const MACHINES: usize = 347;

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

const HEALTH: [&str; 12] = [
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

pub(in crate::testing) fn machines() -> Vec<Value> {
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
    let health = pick(n, 3, &HEALTH);
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
