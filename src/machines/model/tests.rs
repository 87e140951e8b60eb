//! How machines are read and written.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::wire::check::{expected, round_trip, rows, text, utc};

fn machine(json: &str) -> Machine {
    serde_json::from_str(json).expect(json)
}

#[test]
fn the_documented_machine_is_read() {
    let address = |ip: &str| MachineIpAddress {
        ip_address: text(ip),
        mac_address: text("8CEC4B897E73"),
        operational_status: Some(OperationalStatus::Up),
        ..MachineIpAddress::default()
    };
    let wanted = Machine {
        computer_dns_name: text("mymachine1.contoso.com"),
        first_seen: utc("2018-08-02T14:55:03.7791856Z"),
        last_seen: utc("2021-01-25T07:27:36.052313Z"),
        os_platform: text("Windows10"),
        os_processor: text("x64"),
        version: text("1901"),
        last_ip_address: text("10.166.113.46"),
        last_external_ip_address: text("167.220.203.175"),
        os_build: Some(19042),
        health_status: Some(HealthStatus::Active),
        device_value: Some(DeviceValue::Normal),
        rbac_group_name: text("The-A-Team"),
        risk_score: Some(RiskScore::Low),
        exposure_level: Some(ExposureLevel::Low),
        aad_device_id: text("fd2e4d29-7072-4195-aaa5-1af139b78028"),
        machine_tags: vec!["Tag1".to_owned(), "Tag2".to_owned()],
        ip_addresses: vec![
            address("10.166.113.47"),
            address("2a01:110:68:4:59e4:3916:3b3e:4f96"),
        ],
        ..Machine::new("1e5bc9d7e413ddd7902c2932e418702b84d0cc07")
    };
    let read = rows::<Machine>(include_str!("../../../tests/fixtures/machines.json"));
    round_trip(&wanted);
    assert_eq!(read, [wanted]);
}

#[test]
fn every_property_of_the_schema_is_read() {
    let full = Machine {
        merged_into_machine_id: text("0b1c2d3e4f5061728394a5b6c7d8e9f001122334"),
        is_potential_duplication: Some(true),
        is_excluded: Some(true),
        exclusion_reason: Some(ExclusionReason::DuplicateDevice),
        computer_dns_name: text("build-07.contoso.com"),
        first_seen: utc("2024-11-05T08:12:44.123456Z"),
        last_seen: utc("2025-03-18T22:01:09.1234567Z"),
        os_platform: text("Windows11"),
        os_version: text("10.0"),
        os_processor: text("x64"),
        version: text("23H2"),
        last_ip_address: text("10.20.30.40"),
        last_external_ip_address: text("203.0.113.7"),
        agent_version: text("10.8790.19045.5608"),
        os_build: Some(22631),
        health_status: Some(HealthStatus::ImpairedCommunication),
        device_value: Some(DeviceValue::High),
        rbac_group_id: Some(140),
        rbac_group_name: text("Build servers"),
        risk_score: Some(RiskScore::Informational),
        exposure_level: Some(ExposureLevel::Medium),
        is_aad_joined: Some(true),
        aad_device_id: text("6f1d2c3b-4a59-4687-9c8d-0e1f2a3b4c5d"),
        machine_tags: vec!["build".to_owned()],
        defender_av_status: text("Updated"),
        onboarding_status: Some(OnboardingStatus::Onboarded),
        os_architecture: text("64-bit"),
        managed_by: Some(ManagedBy::MicrosoftDefenderForEndpoint),
        managed_by_status: Some(ManagedByStatus::Success),
        ip_addresses: vec![
            MachineIpAddress {
                ip_address: text("10.20.30.40"),
                mac_address: text("00155D0A1B2C"),
                interface_type: Some(InterfaceType::Ethernet),
                operational_status: Some(OperationalStatus::Up),
                extra: BTreeMap::new(),
            },
            MachineIpAddress {
                ip_address: text("127.0.0.1"),
                mac_address: None,
                interface_type: Some(InterfaceType::SoftwareLoopback),
                operational_status: Some(OperationalStatus::Up),
                extra: BTreeMap::new(),
            },
        ],
        vm_metadata: Some(VmMetadata {
            vm_id: text("c0ffee00-1111-2222-3333-444455556666"),
            cloud_provider: Some(CloudProvider::Azure),
            resource_id: text(
                "/subscriptions/0a0b0c0d-0000-0000-0000-000000000001/resourceGroups/build\
                 /providers/Microsoft.Compute/virtualMachines/build-07",
            ),
            subscription_id: text("0a0b0c0d-0000-0000-0000-000000000001"),
            extra: BTreeMap::new(),
        }),
        ..Machine::new("9d3e2f7a41b85c60d2e19f0874ab36c5de718f42")
    };
    let empty = Machine {
        is_potential_duplication: Some(false),
        is_excluded: Some(false),
        health_status: Some(HealthStatus::Unknown),
        device_value: Some(DeviceValue::Normal),
        rbac_group_id: Some(0),
        exposure_level: Some(ExposureLevel::None),
        onboarding_status: Some(OnboardingStatus::CanBeOnboarded),
        managed_by: Some(ManagedBy::Unknown),
        managed_by_status: Some(ManagedByStatus::Unknown),
        ..Machine::new("00112233445566778899aabbccddeeff00112233")
    };
    let page = include_str!("../../../tests/fixtures/machine_full.json");
    let read = rows::<Machine>(page);
    round_trip(&full);
    round_trip(&empty);
    assert_eq!(read, [full, empty]);

    // The first row is the service's own text: written back, it is the same, key for key.
    let page: Value = serde_json::from_str(page).unwrap();
    assert_eq!(serde_json::to_value(&read[0]).unwrap(), page["value"][0]);
}

const EMPTY: &str = concat!(
    r#"{"id":"x","mergedIntoMachineId":null,"isPotentialDuplication":null,"isExcluded":null,"#,
    r#""exclusionReason":null,"computerDnsName":null,"firstSeen":null,"lastSeen":null,"#,
    r#""osPlatform":null,"osVersion":null,"osProcessor":null,"version":null,"#,
    r#""lastIpAddress":null,"lastExternalIpAddress":null,"agentVersion":null,"osBuild":null,"#,
    r#""healthStatus":null,"deviceValue":null,"rbacGroupId":null,"rbacGroupName":null,"#,
    r#""riskScore":null,"exposureLevel":null,"isAadJoined":null,"aadDeviceId":null,"#,
    r#""machineTags":[],"defenderAvStatus":null,"onboardingStatus":null,"#,
    r#""osArchitecture":null,"managedBy":null,"managedByStatus":null,"ipAddresses":[],"#,
    r#""vmMetadata":null}"#,
);

#[test]
fn every_key_is_written_in_a_fixed_order() {
    assert_eq!(serde_json::to_string(&Machine::new("x")).unwrap(), EMPTY);
    let address = MachineIpAddress::default();
    assert_eq!(
        serde_json::to_string(&address).unwrap(),
        r#"{"ipAddress":null,"macAddress":null,"type":null,"operationalStatus":null}"#
    );
    assert_eq!(
        serde_json::to_string(&VmMetadata::default()).unwrap(),
        r#"{"vmId":null,"cloudProvider":null,"resourceId":null,"subscriptionId":null}"#
    );
}

#[test]
fn null_everywhere_but_in_the_key_is_an_empty_machine() {
    let nulls = EMPTY.replace("[]", "null");
    assert_eq!(machine(&nulls), Machine::new("x"));
    assert_eq!(machine(r#"{"id": "x"}"#), Machine::new("x"));
    let parts = machine(
        r#"{"id": "x", "vmMetadata": {"vmId": null, "cloudProvider": null},
            "ipAddresses": [{"ipAddress": null, "macAddress": null, "type": null}]}"#,
    );
    assert_eq!(parts.vm_metadata, Some(VmMetadata::default()));
    assert_eq!(parts.ip_addresses, [MachineIpAddress::default()]);
}

#[test]
fn the_key_must_be_there() {
    for bad in [
        r#"{"id": null}"#,
        r#"{"id": ""}"#,
        r#"{"id": " "}"#,
        r#"{"id": []}"#,
    ] {
        assert_eq!(expected::<Machine>(bad), "a non-empty id", "{bad}");
    }
    assert!(serde_json::from_str::<Machine>("{}").is_err());
    assert_eq!(machine(r#"{"id": 140}"#).id, "140");
}

#[test]
fn known_wobblers_are_read() {
    for id in [r#""140""#, "140", "140.0"] {
        let read = machine(&format!(
            r#"{{"id": "x", "rbacGroupId": {id}, "osBuild": {id}}}"#
        ));
        assert_eq!(
            (read.rbac_group_id, read.os_build),
            (Some(140), Some(140)),
            "{id}"
        );
    }
    let read = machine(
        r#"{"id": "x", "osVersion": 10.0, "version": 1809, "agentVersion": 30.1,
            "onboardingstatus": "onboarded", "vm_metadata": {"vmId": 7}}"#,
    );
    assert_eq!(read.os_version, text("10.0"));
    assert_eq!(read.version, text("1809"));
    assert_eq!(read.agent_version, text("30.1"));
    assert_eq!(read.onboarding_status, Some(OnboardingStatus::Onboarded));
    assert_eq!(read.vm_metadata.unwrap().vm_id, text("7"));
}

#[test]
fn unknown_names_and_numbers_of_enums_are_kept() {
    let read = machine(
        r#"{"id": "x", "healthStatus": "Asleep", "riskScore": 5, "exposureLevel": "none",
            "exclusionReason": "Other", "managedBy": "MicrosoftDefenderForEndpointWithError",
            "ipAddresses": [{"type": "144", "operationalStatus": -1}, {"type": "Other"}]}"#,
    );
    round_trip(&read);
    assert_eq!(
        read.health_status,
        Some(HealthStatus::Other("Asleep".to_owned()))
    );
    assert_eq!(read.risk_score, Some(RiskScore::Other("5".to_owned())));
    assert_eq!(read.exposure_level, Some(ExposureLevel::None));
    assert_eq!(read.exclusion_reason, Some(ExclusionReason::OtherReason));
    assert_eq!(
        read.managed_by.unwrap().as_str(),
        "MicrosoftDefenderForEndpointWithError"
    );
    let [first, second] = read.ip_addresses.try_into().unwrap();
    assert_eq!(
        first.interface_type,
        Some(InterfaceType::Other("144".to_owned()))
    );
    assert_eq!(
        first.operational_status,
        Some(OperationalStatus::Other("-1".to_owned()))
    );
    assert_eq!(second.interface_type, Some(InterfaceType::OtherType));
}

#[test]
fn odd_dates_are_read() {
    let seen = |first: &str, last: &str| {
        let json = json!({ "id": "x", "firstSeen": first, "lastSeen": last });
        let machine = machine(&json.to_string());
        (machine.first_seen, machine.last_seen)
    };
    assert_eq!(
        seen("0001-01-01T00:00:00Z", "2021-01-25T07:27:36"),
        (None, utc("2021-01-25T07:27:36Z"))
    );
    assert_eq!(
        seen("2021-01-25T07:27:36.123456789Z", ""),
        (utc("2021-01-25T07:27:36.123456789Z"), None)
    );
    let bad = r#"{"id": "x", "lastSeen": "2021-01-25"}"#;
    assert_eq!(expected::<Machine>(bad), "a date and time (RFC 3339)");
}

#[test]
fn unknown_keys_are_kept_and_written_last() {
    let json = r#"{"zeta": {"b": [1, null]}, "id": "x", "Id": "y", "alpha": 1.5,
                   "ipAddresses": [{"mtu": 1500}], "vmMetadata": {"zone": "1"}}"#;
    let read = machine(json);
    round_trip(&read);
    assert_eq!(read.extra["zeta"], json!({ "b": [1, null] }));
    assert_eq!(read.extra["Id"], "y");
    assert_eq!(read.ip_addresses[0].extra["mtu"], 1500);
    assert_eq!(read.vm_metadata.as_ref().unwrap().extra["zone"], "1");
    let text = serde_json::to_string(&read).unwrap();
    assert!(
        text.ends_with(r#","Id":"y","alpha":1.5,"zeta":{"b":[1,null]}}"#),
        "{text}"
    );
}

#[test]
fn a_known_key_twice_is_an_error() {
    for json in [
        r#"{"id": "x", "id": "x"}"#,
        r#"{"id": "x", "riskScore": null, "riskScore": null}"#,
        r#"{"id": "x", "onboardingStatus": null, "onboardingstatus": null}"#,
        r#"{"id": "x", "vmMetadata": null, "vm_metadata": null}"#,
    ] {
        let error = serde_json::from_str::<Machine>(json)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("duplicate field"), "{error}");
    }
}

#[test]
fn an_array_is_no_machine() {
    assert!(serde_json::from_str::<Machine>(r#"["x"]"#).is_err());
    let parts = r#"{"id": "x", "ipAddresses": [["10.0.0.1", null, null, null]]}"#;
    assert!(serde_json::from_str::<Machine>(parts).is_err());
}

/// A key and what the service might put there.
fn key() -> impl Strategy<Value = (String, Value)> {
    let known: Vec<String> = serde_json::from_str::<Map<String, Value>>(EMPTY)
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .chain(["onboardingstatus".to_owned(), "vm_metadata".to_owned()])
        .collect();
    let name = prop_oneof![4 => proptest::sample::select(known), 1 => ".{0,8}"];
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "(none|HIGH|Active|Other|Up|.{0,8})".prop_map(Value::from),
        "(0001|20[0-9]{2})-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|\\+02:00)?"
            .prop_map(Value::from),
        Just(json!(["a", "b"])),
        Just(json!([{ "ipAddress": "::1", "type": "other", "mtu": 1 }])),
        Just(json!({ "vmId": 5, "cloudProvider": "aws" })),
    ];
    (name, value)
}

proptest! {
    #[test]
    fn whatever_is_read_survives(keys in proptest::collection::vec(key(), 0..12)) {
        // Each key alone, so that a value of the wrong type doesn't hide the other keys.
        let mut json = json!({ "id": "x" });
        for (key, value) in keys {
            let mut more = json.clone();
            more[key] = value;
            if serde_json::from_value::<Machine>(more.clone()).is_ok() {
                json = more;
            }
        }
        round_trip(&machine(&json.to_string()));
    }
}
