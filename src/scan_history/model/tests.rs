//! How scan history is read and written.

use serde_json::json;

use super::*;
use crate::wire::check::{expected, round_trip, rows, text, utc};

fn entry(json: &str) -> ScanHistoryEntry {
    serde_json::from_str(json).expect(json)
}

#[test]
fn the_documented_history_is_read() {
    let documented = |definition: &str, scanned: &str| ScanHistoryEntry {
        scan_definition_id: text(definition),
        scanner_id: text("625431694b7d2ca9d07e77ca1b029ef216bebb6d"),
        last_scanned: utc(scanned),
        scan_status: Some(ScanStatus::PartialSuccess),
        ..ScanHistoryEntry::default()
    };
    let wanted = [
        documented(
            "4ad8d463-6b3a-4894-b42a-a2de9ea0a8ae",
            "2022-12-20T11:14:24.5561791Z",
        ),
        documented(
            "60c4aa57-c573-4488-8d18-230914792a92",
            "2022-11-17T15:13:24.5561791Z",
        ),
        documented(
            "c6220f67-2cad-4ba3-a2fa-7ded6384da56",
            "2022-11-10T18:15:24.5561791Z",
        ),
    ];
    let page = include_str!("../../../tests/fixtures/scan_history.json");
    assert_eq!(rows::<ScanHistoryEntry>(page), wanted);
    let top = include_str!("../../../tests/fixtures/scan_history_top1.json");
    assert_eq!(rows::<ScanHistoryEntry>(top), wanted[..1]);
    wanted.iter().for_each(round_trip);
}

#[test]
fn the_documented_history_of_a_session_is_read() {
    let target = |ip: &str, name: &str, description: &str, seconds: u64| ScannedTarget {
        scan_duration: Some(Duration::from_secs(8 * 60 + seconds)),
        ip: text(ip),
        hostname: text(name),
        scanned_device_description: text(description),
        error_message: text(""),
        scan_status: Some(ScanStatus::Success),
        extra: BTreeMap::new(),
    };
    let wanted = ScanHistoryEntry {
        org_id: text("asdf781a0c-792d-46d3-bbea-a93dbc0bfcaa"),
        scan_definition_id: text("4ad8d463-6b3a-4894-b42a-a2de9ea0a8ae"),
        session_id: text("01decc497f4b4ec49a5fc4e12597f8c8"),
        last_scanned: utc("2022-12-19T15:14:24.5561791Z"),
        scan_status: Some(ScanStatus::Success),
        number_of_successfully_scanned_targets: Some(3),
        number_of_targets: Some(3),
        scanned_targets: vec![
            target("127.0.0.1", "DESKTOP-Test", "Network device", 30),
            target("127.0.0.2", "DESKTOP-Test2", "Network device 2", 0),
            target("127.0.0.3", "DESKTOP-Test3", "Network device 3", 50),
        ],
        ..ScanHistoryEntry::default()
    };
    let page = include_str!("../../../tests/fixtures/scan_history_by_session.json");
    round_trip(&wanted);
    assert_eq!(rows::<ScanHistoryEntry>(page), [wanted]);
}

#[test]
fn the_shape_of_the_services_schema_is_read() {
    let wanted = ScanHistoryEntry {
        org_id: text("0335a792-18d2-424b-aeed-559567054570"),
        scan_definition_id: text("4ad8d463-6b3a-4894-b42a-a2de9ea0a8ae"),
        session_id: text("01decc497f4b4ec49a5fc4e12597f8c8"),
        scanner_id: text("625431694b7d2ca9d07e77ca1b029ef216bebb6d"),
        last_scanned: None,
        scan_status: Some(ScanStatus::PartialSuccess),
        number_of_successfully_scanned_targets: Some(1),
        number_of_targets: Some(2),
        general_error_message: None,
        scanned_targets: vec![
            ScannedTarget {
                scan_duration: Some(Duration::new(510, 123_456_700)),
                ip: text("10.0.0.1"),
                hostname: text("switch-1"),
                scanned_device_description: text("Network device"),
                error_message: None,
                scan_status: Some(ScanStatus::Success),
                extra: BTreeMap::new(),
            },
            ScannedTarget {
                scan_duration: Some(Duration::ZERO),
                ip: text("10.0.0.2"),
                hostname: None,
                scanned_device_description: None,
                error_message: text("No answer"),
                scan_status: Some(ScanStatus::Failure),
                extra: BTreeMap::new(),
            },
        ],
        extra: BTreeMap::new(),
    };
    let page = include_str!("../../../tests/fixtures/scan_history_metadata_shape.json");
    round_trip(&wanted);
    assert_eq!(rows::<ScanHistoryEntry>(page), [wanted]);
}

#[test]
fn every_key_is_read_in_pascal_case() {
    let json = r#"{"OrgId": "o", "ScanDefinitionId": "d", "SessionId": "s", "ScannerId": "a",
        "LastScanned": "2022-05-08T12:18:41Z", "ScanStatus": "fail",
        "NumberOfSuccessfullyScannedTargets": "1", "NumberOfTargets": 2.0,
        "GeneralErrorMessage": "g", "ScannedTargets": [{"ScanDuration": "1.00:00:00",
            "Ip": "i", "Hostname": "h", "ScannedDeviceDescription": "d",
            "ErrorMessage": "e", "ScanStatus": "Partial Success"}]}"#;
    let wanted = ScanHistoryEntry {
        org_id: text("o"),
        scan_definition_id: text("d"),
        session_id: text("s"),
        scanner_id: text("a"),
        last_scanned: utc("2022-05-08T12:18:41Z"),
        scan_status: Some(ScanStatus::Failure),
        number_of_successfully_scanned_targets: Some(1),
        number_of_targets: Some(2),
        general_error_message: text("g"),
        scanned_targets: vec![ScannedTarget {
            scan_duration: Some(Duration::from_secs(86_400)),
            ip: text("i"),
            hostname: text("h"),
            scanned_device_description: text("d"),
            error_message: text("e"),
            scan_status: Some(ScanStatus::PartialSuccess),
            extra: BTreeMap::new(),
        }],
        extra: BTreeMap::new(),
    };
    assert_eq!(entry(json), wanted);
}

#[test]
fn an_id_comes_alone_or_as_an_array_of_one() {
    for key in [
        "scanDefinitionId",
        "ScanDefinitionId",
        "ScanDefinitionIds",
        "scanDefinitionIds",
    ] {
        for value in [json!("a"), json!(["a"])] {
            let json = json!({ key: value });
            assert_eq!(
                entry(&json.to_string()).scan_definition_id,
                text("a"),
                "{json}"
            );
            let from_tree: ScanHistoryEntry = serde_json::from_value(json).unwrap();
            assert_eq!(from_tree.scan_definition_id, text("a"));
        }
    }
    for key in ["sessionId", "SessionId", "SessionIds", "sessionIds"] {
        for value in [json!(7), json!([7]), json!("7")] {
            let json = json!({ key: value }).to_string();
            assert_eq!(entry(&json).session_id, text("7"), "{json}");
        }
    }
    for nothing in ["null", "[]", "[null]"] {
        let json = format!(r#"{{"ScanDefinitionIds": {nothing}, "SessionIds": {nothing}}}"#);
        assert_eq!(entry(&json), ScanHistoryEntry::default());
    }
}

#[test]
fn more_than_one_id_is_an_error() {
    for many in [
        r#"["a", "b"]"#,
        r#"["a", null]"#,
        r#"[null, "a", "b"]"#,
        "{}",
        "true",
        "1.5",
    ] {
        let json = format!(r#"{{"ScanDefinitionIds": {many}}}"#);
        assert_eq!(
            expected::<ScanHistoryEntry>(&json),
            "one scan definition id",
            "{many}"
        );
        let json = format!(r#"{{"sessionId": {many}}}"#);
        assert_eq!(
            expected::<ScanHistoryEntry>(&json),
            "one session id",
            "{many}"
        );
    }
}

#[test]
fn a_single_target_is_a_list_of_one() {
    let target = json!({ "Ip": "10.0.0.1", "ScanStatus": "Failure", "ErrorMessage": "No answer",
                         "ScanDuration": "00:00:12" });
    for key in [
        "scannedTargets",
        "ScannedTargets",
        "ListScannedTargets",
        "listScannedTargets",
    ] {
        let alone = json!({ "sessionId": "s", key: target });
        let read = entry(&alone.to_string());
        assert_eq!(
            read,
            entry(&json!({ "sessionId": "s", key: [target] }).to_string())
        );
        assert_eq!(read.scanned_targets.len(), 1);
        assert_eq!(read.scanned_targets[0].ip, text("10.0.0.1"));
        assert_eq!(
            serde_json::from_value::<ScanHistoryEntry>(alone).unwrap(),
            read
        );
    }
    for no_list in ["5", "\"x\"", "true"] {
        let json = format!("{{\"scannedTargets\": {no_list}}}");
        assert_eq!(expected::<ScanHistoryEntry>(&json), "a list of targets");
    }
}

#[test]
fn every_key_is_written_in_a_fixed_order() {
    let empty = concat!(
        r#"{"orgId":null,"scanDefinitionId":null,"sessionId":null,"scannerId":null,"#,
        r#""lastScanned":null,"scanStatus":null,"numberOfSuccessfullyScannedTargets":null,"#,
        r#""numberOfTargets":null,"generalErrorMessage":null,"scannedTargets":[]}"#,
    );
    assert_eq!(
        serde_json::to_string(&ScanHistoryEntry::default()).unwrap(),
        empty
    );
    assert_eq!(
        entry(&empty.replace("[]", "null")),
        ScanHistoryEntry::default()
    );
    assert_eq!(
        serde_json::to_string(&ScannedTarget::default()).unwrap(),
        concat!(
            r#"{"scanDuration":null,"ip":null,"hostname":null,"#,
            r#""scannedDeviceDescription":null,"errorMessage":null,"scanStatus":null}"#,
        )
    );
}

#[test]
fn unknown_statuses_and_keys_are_kept() {
    let read = entry(
        r#"{"scanStatus": "Running", "run": 5, "listScannedTargets": [{"scanStatus": 2,
            "scanDuration": "", "port": 161}]}"#,
    );
    round_trip(&read);
    assert_eq!(
        read.scan_status,
        Some(ScanStatus::Other("Running".to_owned()))
    );
    assert_eq!(read.extra["run"], 5);
    let target = &read.scanned_targets[0];
    assert_eq!(target.scan_status, Some(ScanStatus::Other("2".to_owned())));
    assert_eq!(
        (target.scan_duration, &target.extra["port"]),
        (None, &json!(161))
    );
}

#[test]
fn two_spellings_of_a_key_are_an_error() {
    for json in [
        r#"{"scanStatus": null, "ScanStatus": null}"#,
        r#"{"scanDefinitionId": "a", "ScanDefinitionIds": ["a"]}"#,
        r#"{"scannedTargets": [], "ListScannedTargets": []}"#,
    ] {
        let error = serde_json::from_str::<ScanHistoryEntry>(json)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("duplicate field"), "{error}");
    }
    assert!(serde_json::from_str::<ScanHistoryEntry>(r#"["a"]"#).is_err());
}
