//! What the example writes, for spreadsheets above all, and what it takes for no list.

// The example as it is, with a `main` that nobody calls here, and what all examples have in common.
#[expect(dead_code, clippy::duplicate_mod, reason = "only its lists are tested")]
#[path = "../../examples/inventory.rs"]
mod example;

use defender_endpoint::machines::{HealthStatus, Machine};
use defender_endpoint::testing::{Fault, Tenant};
use defender_endpoint::time::{Duration, OffsetDateTime};
use example::{COLUMNS, Format, Progress, cells, write};
use indicatif::ProgressBar;

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
        machine.machine_tags = vec![text.clone(), text.clone(), format!("pci;{text}")];
        let row = cells(&machine);
        // A sheet may split at semicolons, too: between tags, and within one.
        let mut parts = row.iter().flat_map(|cell| cell.split(';'));
        assert!(parts.all(|part| !part.starts_with(begin)), "{row:?}");
        assert_eq!(cell(&machine, "computerDnsName"), format!("'{text}"));
        assert_eq!(
            cell(&machine, "machineTags"),
            format!("'{text};'{text};pci;'{text}")
        );
    }
}

#[test]
fn an_end_by_404_is_an_error_and_no_smaller_fleet_in_any_way_of_output() {
    for (format, heading) in [(Format::Table, 1), (Format::JsonLines, 0), (Format::Csv, 1)] {
        // Before the first page, where the next one is asked for by its place, and never.
        for (call, rows) in [(1, 0), (2, 200), (9, 347)] {
            let tenant = Tenant::demo().unwrap();
            let fault = Fault::status(404).empty_body().path("/api/machines");
            tenant.fail(fault.on_call(call));
            let client = tenant.client().unwrap();
            let request = client.machines().page_size(200);
            let bar = ProgressBar::hidden();
            let mut out = Vec::new();
            let outcome = write(format, request, &Progress { client, bar }, &mut out);
            let case = format!("{format:?}, call {call}");
            if call == 9 {
                outcome.unwrap();
                continue;
            }
            let error = outcome.unwrap_err().to_string();
            let text = format!("404 behind row {rows}, as if the list ended there");
            assert!(error.starts_with(&text), "{case}: {error}");
            let lines = String::from_utf8(out).unwrap();
            // The headings, and what came.
            assert_eq!(lines.lines().count(), heading + rows, "{case}");
        }
    }
}
