//! How scan definitions are read and written.

use serde_json::json;

use super::*;
use crate::wire::check::{expected, round_trip, rows, text, utc};

fn params(json: &str) -> ScanAuthenticationParams {
    serde_json::from_str(json).expect(json)
}

fn documented_agent(machine: &str, id: &str, name: &str, seen: &str) -> ScannerAgent {
    ScannerAgent {
        id: text(id),
        machine_id: text(machine),
        machine_name: text(name),
        last_seen: utc(seen),
        assigned_application_id: text("9E0FA0EB-0A51-4357-9C87-C21BFBE07571"),
        scanner_software_version: text("7.1.1"),
        last_command_execution_timestamp: utc(seen),
        mde_client_version: text("10.8295.22621.1195"),
        extra: BTreeMap::new(),
    }
}

#[test]
fn the_documented_definitions_are_read() {
    let failed = |at: &str| LatestScan {
        status: Some(LatestScanStatus::Fail),
        execution_date_time: utc(at),
        ..LatestScan::default()
    };
    let windows = ScanDefinition {
        scan_type: Some(ScanType::Windows),
        scan_name: text("Test Windows scan"),
        is_active: Some(true),
        target: text("127.0.0.1"),
        org_id: text("47d21a0c-cccd-45d3-bffa-a93dbc0bfcaa"),
        interval_in_hours: Some(1),
        created_by: text("test@contoso.com"),
        target_type: Some(TargetType::Ip),
        scan_authentication_params: Some(ScanAuthenticationParams {
            odata_type: text("#microsoft.windowsDefenderATP.api.WindowsAuthParams"),
            auth_type: Some(AuthType::Kerberos),
            username: text("username"),
            domain: text("password"),
            is_gmsa_user: Some(true),
            ..ScanAuthenticationParams::default()
        }),
        scanner_agent: Some(documented_agent(
            "eb663asadf345dfg4bc268a79eedf14c4b90f77",
            "47d41a0c-xxx-46d3-bbea-93dbc0bfcaa_1bc268a79eedf14c4b90f77",
            "DESKTOP-TEST",
            "2021-12-19T20:29:04.8242449Z",
        )),
        latest_scan: Some(failed("2021-12-19T20:06:55.2295854Z")),
        ..ScanDefinition::new("60c4vv57-asdf-3454-a456-2e45t9d79ec9d")
    };
    let network = ScanDefinition {
        scan_type: Some(ScanType::Network),
        scan_name: text("Network-test-scan"),
        is_active: Some(true),
        target: text("127.0.0.1"),
        org_id: text("asdf781a0c-792d-46d3-bbea-a93dbc0bfcaa"),
        interval_in_hours: Some(1),
        created_by: text("test@contoso.com"),
        target_type: Some(TargetType::Ip),
        scan_authentication_params: Some(ScanAuthenticationParams {
            odata_type: text("#microsoft.windowsDefenderATP.api.SnmpAuthParams"),
            auth_type: Some(AuthType::AuthPriv),
            username: text("username"),
            auth_protocol: text("authProtocol"),
            auth_password: Some(Secret::from("authPassword")),
            priv_protocol: text("privProtocol"),
            priv_password: Some(Secret::from("privPassword")),
            community_string: Some(Secret::from("community-string")),
            ..ScanAuthenticationParams::default()
        }),
        scanner_agent: Some(documented_agent(
            "eb663a27676kjhj61bc268a79eedf14c4t78u7",
            "4asdff0c-3344-46d3-bxxe-a9334rtgfcaa_eb6df89dfdf9032f61eedf14c4b90f77",
            "DESKTOP-Test",
            "2022-12-21T14:34:19.5698988Z",
        )),
        latest_scan: Some(failed("2022-12-21T14:35:55.6702703Z")),
        ..ScanDefinition::new("60c4aa57-ioi3-1290-7ff6-09fr14792a92")
    };
    let page = include_str!("../../../tests/fixtures/scan_definitions.json");
    round_trip(&windows);
    assert_eq!(rows::<ScanDefinition>(page), [windows, network]);
}

#[test]
fn the_documented_new_definition_is_read() {
    let wanted = ScanDefinition {
        scan_type: Some(ScanType::Windows),
        scan_name: text("Test Windows scan"),
        is_active: Some(true),
        target: text("127.0.0.1"),
        org_id: text("0335a792-18d2-424b-aeed-559567054570"),
        interval_in_hours: Some(1),
        created_by: text("username@test.com"),
        target_type: Some(TargetType::Ip),
        scanner_agent: Some(ScannerAgent {
            id: text(
                "0335a792-18d2-424b-aeed-559567054570_ eb663a27ae9d032f61bc268a79eedf14c4b90f77",
            ),
            machine_id: text("eb663a27ae9d032f61bc268a79eedf14c4b90f77"),
            machine_name: text("DESKTOP-TEST"),
            last_seen: utc("2023-01-04T09:40:03.2787058Z"),
            assigned_application_id: text("ae4a5cde-b4a1-4b76-8635-458b2cf15752"),
            scanner_software_version: text("7.6.0.0"),
            last_command_execution_timestamp: utc("2023-01-04T09:33:16Z"),
            mde_client_version: text("10.8295.22621.1010"),
            extra: BTreeMap::new(),
        }),
        latest_scan: Some(LatestScan::default()),
        extra: BTreeMap::from([(
            "@odata.context".to_owned(),
            json!(
                "https://api.securitycenter.microsoft.com/api/$metadata\
                 #DeviceAuthenticatedScanDefinitions/$entity"
            ),
        )]),
        ..ScanDefinition::new("289224fb-1686-472c-9751-5555960854ca")
    };
    let created = include_str!("../../../tests/fixtures/scan_definition_created.json");
    round_trip(&wanted);
    assert_eq!(
        serde_json::from_str::<ScanDefinition>(created).unwrap(),
        wanted
    );
}

#[test]
fn every_key_is_read_in_pascal_case() {
    let json = r##"{"Id": "x", "ScanType": "linux", "ScanName": "n", "IsActive": false,
        "Target": "t", "OrgId": "o", "IntervalInHours": "4", "CreatedBy": "c",
        "TargetType": "Combined", "IsTroubleshootMode": true,
        "AdvancedActiveConfiguration": {"portCheckTimeout": 1.5},
        "ScanAuthenticationParams": {"@odata.type": "#t", "Type": "PrivateKey",
            "Username": "u", "Password": "1", "Domain": "d", "IsGmsaUser": true,
            "PacketPrivacy": true, "PacketIntegrity": false, "CommunityString": "2",
            "AuthProtocol": "MD5", "AuthPassword": "3", "PrivProtocol": "AES",
            "PrivPassword": "4", "PrivateKey": "5", "KeyVaultUrl": "k",
            "KeyVaultSecretName": "s"},
        "ScannerAgent": {"Id": "i", "MachineId": "m", "MachineName": "n",
            "LastSeen": "2022-05-08T12:18:41Z", "AssignedApplicationId": "a",
            "ScannerSoftwareVersion": 7.1, "MdeClientVersion": "10.8",
            "LastCommandExecutionTimestamp": "2022-05-08T12:18:42Z"},
        "LatestScan": {"Status": "success", "FailureReason": "f",
            "ExecutionDateTime": "2022-05-08T12:18:43Z"}}"##;
    let wanted = ScanDefinition {
        scan_type: Some(ScanType::Linux),
        scan_name: text("n"),
        is_active: Some(false),
        target: text("t"),
        org_id: text("o"),
        interval_in_hours: Some(4),
        created_by: text("c"),
        target_type: Some(TargetType::Combined),
        scan_authentication_params: Some(ScanAuthenticationParams {
            odata_type: text("#t"),
            auth_type: Some(AuthType::PrivateKey),
            username: text("u"),
            password: Some(Secret::from("1")),
            domain: text("d"),
            is_gmsa_user: Some(true),
            packet_privacy: Some(true),
            packet_integrity: Some(false),
            community_string: Some(Secret::from("2")),
            auth_protocol: text("MD5"),
            auth_password: Some(Secret::from("3")),
            priv_protocol: text("AES"),
            priv_password: Some(Secret::from("4")),
            private_key: Some(Secret::from("5")),
            key_vault_uri: text("k"),
            key_vault_secret_name: text("s"),
            extra: RedactedMap::default(),
        }),
        scanner_agent: Some(ScannerAgent {
            id: text("i"),
            machine_id: text("m"),
            machine_name: text("n"),
            last_seen: utc("2022-05-08T12:18:41Z"),
            assigned_application_id: text("a"),
            scanner_software_version: text("7.1"),
            last_command_execution_timestamp: utc("2022-05-08T12:18:42Z"),
            mde_client_version: text("10.8"),
            extra: BTreeMap::new(),
        }),
        latest_scan: Some(LatestScan {
            status: Some(LatestScanStatus::Success),
            failure_reason: text("f"),
            execution_date_time: utc("2022-05-08T12:18:43Z"),
            extra: BTreeMap::new(),
        }),
        is_troubleshoot_mode: Some(true),
        advanced_active_configuration: Some(BTreeMap::from([(
            "portCheckTimeout".to_owned(),
            json!(1.5),
        )])),
        ..ScanDefinition::new("x")
    };
    assert_eq!(
        serde_json::from_str::<ScanDefinition>(json).unwrap(),
        wanted
    );
}

#[test]
fn conflicting_spellings_of_authentication_keys_are_read() {
    for key in ["isGmsaUser", "IsGmsaUser", "IsGMSAUser", "isgmsaUser"] {
        assert_eq!(
            params(&json!({ key: true }).to_string()).is_gmsa_user,
            Some(true),
            "{key}"
        );
    }
    for key in ["keyVaultUri", "KeyVaultUri", "keyVaultUrl", "KeyVaultUrl"] {
        let read = params(&json!({ key: "https://v" }).to_string());
        assert_eq!(read.key_vault_uri, text("https://v"), "{key}");
    }
}

#[test]
fn every_key_is_written_in_a_fixed_order() {
    let empty = concat!(
        r#"{"id":"x","scanType":null,"scanName":null,"isActive":null,"target":null,"#,
        r#""orgId":null,"intervalInHours":null,"createdBy":null,"targetType":null,"#,
        r#""scanAuthenticationParams":null,"scannerAgent":null,"latestScan":null,"#,
        r#""isTroubleshootMode":null,"advancedActiveConfiguration":null}"#,
    );
    assert_eq!(
        serde_json::to_string(&ScanDefinition::new("x")).unwrap(),
        empty
    );
    assert_eq!(
        serde_json::from_str::<ScanDefinition>(empty).unwrap(),
        ScanDefinition::new("x")
    );
    let parts = [
        (
            serde_json::to_string(&ScannerAgent::default()).unwrap(),
            concat!(
                r#"{"id":null,"machineId":null,"machineName":null,"lastSeen":null,"#,
                r#""assignedApplicationId":null,"scannerSoftwareVersion":null,"#,
                r#""lastCommandExecutionTimestamp":null,"mdeClientVersion":null}"#,
            ),
        ),
        (
            serde_json::to_string(&LatestScan::default()).unwrap(),
            r#"{"status":null,"failureReason":null,"executionDateTime":null}"#,
        ),
        (
            serde_json::to_string(&ScanAuthenticationParams::default()).unwrap(),
            concat!(
                r#"{"@odata.type":null,"type":null,"username":null,"domain":null,"#,
                r#""isGmsaUser":null,"packetPrivacy":null,"packetIntegrity":null,"#,
                r#""authProtocol":null,"privProtocol":null,"keyVaultUri":null,"#,
                r#""keyVaultSecretName":null}"#,
            ),
        ),
    ];
    for (written, wanted) in parts {
        assert_eq!(written, wanted);
    }
}

#[test]
fn secrets_and_unknown_values_neither_show_nor_serialise() {
    let json = r#"{"id": "x", "scanAuthenticationParams": {"type": "Password",
        "username": "alice", "password": "canary-1", "communityString": "canary-2",
        "authPassword": "canary-3", "privPassword": "canary-4", "PrivateKey": "canary-5",
        "pin": "canary-6", "nested": {"token": ["canary-7"]}, "passwordNumber": 1234567}}"#;
    let definition: ScanDefinition = serde_json::from_str(json).unwrap();
    let params = definition.scan_authentication_params.as_ref().unwrap();
    assert_eq!(params.private_key.as_ref().unwrap().expose(), "canary-5");
    assert_eq!(params.extra.get("pin").unwrap(), "canary-6");
    assert_eq!(
        params.extra.keys().collect::<Vec<_>>(),
        ["nested", "passwordNumber", "pin"]
    );

    for shown in [
        format!("{definition:?}"),
        format!("{definition:#?}"),
        serde_json::to_string(&definition).unwrap(),
        serde_json::to_value(&definition).unwrap().to_string(),
        serde_json::to_string(&params.extra).unwrap(),
    ] {
        assert!(
            !shown.contains("canary") && !shown.contains("1234567"),
            "{shown}"
        );
    }
    assert!(format!("{definition:?}").contains(r#"{"nested": ***, "passwordNumber": ***"#));

    let written = serde_json::to_string(&definition).unwrap();
    let read: ScanDefinition = serde_json::from_str(&written).unwrap();
    let kept = ScanAuthenticationParams {
        auth_type: Some(AuthType::Password),
        username: text("alice"),
        ..ScanAuthenticationParams::default()
    };
    assert_eq!(read.scan_authentication_params, Some(kept));
}

#[test]
fn a_secret_that_is_no_text_is_not_quoted_by_the_error() {
    assert_eq!(
        params(r#"{"password": 8675309}"#).password,
        Some(Secret::from("8675309"))
    );
    for bad in [r#"["8675309"]"#, r#"{"a": 8675309}"#] {
        let json = format!(r#"{{"password": {bad}}}"#);
        let error = serde_json::from_str::<ScanAuthenticationParams>(&json).unwrap_err();
        assert!(!error.to_string().contains("8675309"), "{error}");
    }
}

#[test]
fn unknown_names_and_keys_are_kept() {
    let json = r#"{"id": "x", "scanType": "OT", "targetType": 3, "colour": "blue",
                   "scannerAgent": {"ring": 1}, "latestScan": {"status": "Queued", "run": 2}}"#;
    let read: ScanDefinition = serde_json::from_str(json).unwrap();
    round_trip(&read);
    assert_eq!(read.scan_type, Some(ScanType::Other("OT".to_owned())));
    assert_eq!(read.target_type, Some(TargetType::Other("3".to_owned())));
    assert_eq!(read.extra["colour"], "blue");
    assert_eq!(read.scanner_agent.unwrap().extra["ring"], 1);
    let latest = read.latest_scan.unwrap();
    assert_eq!(latest.status.unwrap().as_str(), "Queued");
    assert_eq!(latest.extra["run"], 2);
}

#[test]
fn a_definition_without_an_id_and_both_spellings_of_a_key_are_errors() {
    assert_eq!(
        expected::<ScanDefinition>(r#"{"id": null}"#),
        "a non-empty id"
    );
    assert!(serde_json::from_str::<ScanDefinition>(r#"{"scanName": "x"}"#).is_err());
    assert!(serde_json::from_str::<ScanDefinition>(r#"["x"]"#).is_err());
    for json in [
        r#"{"id": "x", "Id": "x"}"#,
        r#"{"id": "x", "latestScan": null, "LatestScan": null}"#,
        r#"{"id": "x", "scanAuthenticationParams": {"isGmsaUser": true, "IsGMSAUser": true}}"#,
    ] {
        let error = serde_json::from_str::<ScanDefinition>(json)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("duplicate field"), "{error}");
    }
}
