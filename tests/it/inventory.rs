//! The table that the example writes for spreadsheets.

// The example as it is, with a `main` that nobody calls here, and what all examples have in common.
#[expect(dead_code, clippy::duplicate_mod, reason = "only its cells are tested")]
#[path = "../../examples/inventory.rs"]
mod example;

use defender_endpoint::machines::{HealthStatus, Machine};
use defender_endpoint::time::{Duration, OffsetDateTime};
use example::{COLUMNS, cells};

/// The cell below a heading.
fn cell(machine: &Machine, column: &str) -> String {
    let place = COLUMNS.iter().position(|name| *name == column).unwrap();
    cells(machine)[place].clone()
}

#[test]
fn a_row_has_what_its_headings_say() {
    let mut machine = Machine::new("1e5b");
    machine.computer_dns_name = Some("srv-1, old".to_owned());
    machine.health_status = Some(HealthStatus::NoSensorData);
    machine.rbac_group_name = Some("Servers".to_owned());
    machine.last_seen = Some(OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(500));
    machine.machine_tags = vec!["pci".to_owned(), "vip".to_owned()];
    for (column, expected) in [
        ("id", "1e5b"),
        ("computerDnsName", "srv-1, old"),
        ("osPlatform", ""),
        ("healthStatus", "NoSensorData"),
        ("rbacGroupName", "Servers"),
        ("lastSeen", "1970-01-01T00:00:00.5Z"),
        ("machineTags", "pci;vip"),
    ] {
        assert_eq!(cell(&machine, column), expected, "{column}");
    }
}

#[test]
fn no_cell_is_a_formula() {
    for begin in ["=", "+", "-", "@", "\t", "\r", "\n"] {
        let text = format!("{begin}cmd|' /C calc'!A0");
        let mut machine = Machine::new(&text);
        machine.computer_dns_name = Some(text.clone());
        machine.os_platform = Some(text.clone());
        machine.version = Some(text.clone());
        machine.health_status = Some(HealthStatus::Other(text.clone()));
        machine.rbac_group_name = Some(text.clone());
        machine.last_ip_address = Some(text.clone());
        machine.machine_tags = vec![text.clone(), text.clone()];
        let row = cells(&machine);
        assert!(row.iter().all(|cell| !cell.starts_with(begin)), "{row:?}");
        assert_eq!(cell(&machine, "computerDnsName"), format!("'{text}"));
    }
}
