//! How scan agents are read and written.

use super::*;
use crate::wire::check::{expected, round_trip, rows, text, utc};

fn documented() -> [ScanAgent; 2] {
    [
        ScanAgent {
            machine_id: text("4ejh675b240118fbehiuiy5b64d704b4e53d15"),
            last_seen: utc("2022-05-08T12:18:41.538203Z"),
            computer_dns_name: text("TEST_DOMAIN"),
            assigned_application_id: text("9E0FA0EB-0A51-4357-9C87-C21BFBE07571"),
            scanner_software_version: text("7.1.1"),
            last_command_execution_timestamp: utc("2022-05-08T12:18:41.538203Z"),
            mde_client_version: text("10.8295.22621.1195"),
            ..ScanAgent::new(
                "47df41a0c-asad-4fd6d3-bbea-a93dbc0bfcaa_4edd75b2407a5b64d704b4e53d74f15",
            )
        },
        ScanAgent {
            machine_id: text("eb663a27ae9d032sdf9dfd79eedf14c4b90f77"),
            last_seen: utc("2022-12-19T20:29:04.8242449Z"),
            computer_dns_name: text("TEST_DOMAIN2"),
            assigned_application_id: text("9E0FA0EB-0A51-4357-9C87-C21BFBE07571"),
            scanner_software_version: text("7.1.1"),
            last_command_execution_timestamp: utc("2022-12-19T20:29:04.8242449Z"),
            mde_client_version: text("10.8295.22621.1010"),
            ..ScanAgent::new(
                "47d41a0c-1dfd-46d3-bbea-a93dbc0bfcaa_eb663a27ae9d032f61bc268oiu4c4b90f77",
            )
        },
    ]
}

#[test]
fn the_documented_agents_are_read_in_either_case() {
    let wanted = documented();
    let pascal = rows::<ScanAgent>(include_str!("../../../tests/fixtures/scan_agents.json"));
    assert_eq!(pascal, wanted);
    let camel = include_str!("../../../tests/fixtures/scan_agents_camel_case.json");
    assert_eq!(rows::<ScanAgent>(camel), wanted);
    let by_id = rows::<ScanAgent>(include_str!(
        "../../../tests/fixtures/scan_agent_by_id.json"
    ));
    assert_eq!(by_id, wanted[..1]);
    wanted.iter().for_each(round_trip);
}

#[test]
fn every_key_is_read_in_pascal_case() {
    let json = r#"{"Id": "x", "MachineId": "m", "LastSeen": "2022-05-08T12:18:41Z",
        "ComputerDnsName": "n", "AssignedApplicationId": "a", "ScannerSoftwareVersion": "7.1",
        "LastCommandExecutionTimestamp": "2022-05-08T12:18:42Z", "MdeClientVersion": "10.8"}"#;
    let wanted = ScanAgent {
        machine_id: text("m"),
        last_seen: utc("2022-05-08T12:18:41Z"),
        computer_dns_name: text("n"),
        assigned_application_id: text("a"),
        scanner_software_version: text("7.1"),
        last_command_execution_timestamp: utc("2022-05-08T12:18:42Z"),
        mde_client_version: text("10.8"),
        ..ScanAgent::new("x")
    };
    assert_eq!(serde_json::from_str::<ScanAgent>(json).unwrap(), wanted);
}

#[test]
fn every_key_is_written_in_a_fixed_order() {
    let empty = concat!(
        r#"{"id":"x","machineId":null,"lastSeen":null,"computerDnsName":null,"#,
        r#""assignedApplicationId":null,"scannerSoftwareVersion":null,"#,
        r#""lastCommandExecutionTimestamp":null,"mdeClientVersion":null}"#,
    );
    assert_eq!(serde_json::to_string(&ScanAgent::new("x")).unwrap(), empty);
    assert_eq!(
        serde_json::from_str::<ScanAgent>(empty).unwrap(),
        ScanAgent::new("x")
    );
}

#[test]
fn a_command_that_never_was_and_version_numbers_are_read() {
    let json = r#"{"id": 7, "lastCommandExecutionTimestamp": "0001-01-01T00:00:00Z",
                   "scannerSoftwareVersion": 7.1, "machineName": "kept"}"#;
    let agent: ScanAgent = serde_json::from_str(json).unwrap();
    assert_eq!(agent.id, "7");
    assert_eq!(agent.last_command_execution_timestamp, None);
    assert_eq!(agent.scanner_software_version, text("7.1"));
    assert_eq!(agent.extra["machineName"], "kept");
    round_trip(&agent);
}

#[test]
fn an_agent_without_an_id_is_an_error() {
    assert_eq!(expected::<ScanAgent>(r#"{"id": null}"#), "a non-empty id");
    assert_eq!(expected::<ScanAgent>(r#"{"Id": " "}"#), "a non-empty id");
    assert!(serde_json::from_str::<ScanAgent>(r#"{"machineId": "x"}"#).is_err());
    assert!(serde_json::from_str::<ScanAgent>(r#"["x"]"#).is_err());
}

#[test]
fn both_spellings_of_a_key_are_an_error() {
    for json in [
        r#"{"id": "x", "Id": "x"}"#,
        r#"{"id": "x", "lastSeen": null, "LastSeen": null}"#,
        r#"{"id": "x", "machineId": "a", "machineId": "a"}"#,
    ] {
        let error = serde_json::from_str::<ScanAgent>(json)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("duplicate field"), "{error}");
    }
}
