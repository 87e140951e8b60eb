use super::*;
use crate::known;

#[test]
fn every_enumeration_of_the_schema_has_a_type_that_knows_its_members() {
    let schema = Schema::read(known::TEXT).unwrap();
    assert_eq!(schema.enums.len(), 18);
    for (name, members) in &schema.enums {
        assert!(!is_known(name, "NoSuchMember"), "{name}");
        for member in members {
            assert!(is_known(name, &member.name), "{name}: {}", member.name);
        }
    }
    assert!(!is_known("NoSuchEnumeration", "High"));
}

#[test]
fn an_error_is_told_without_the_value() {
    for (json, expected) in [
        (
            r#"{"id": "m", "isExcluded": "a, expected SECRET"}"#,
            "invalid type, expected a boolean",
        ),
        (
            r#"{"id": "m", "lastSeen": "SECRET"}"#,
            "invalid value, expected a date and time (RFC 3339)",
        ),
        (r#"{"id": " "}"#, "invalid value, expected a non-empty id"),
        (r#"{"version": "SECRET"}"#, "missing field"),
        (
            r#"{"id": "m", "onboardingStatus": "a", "onboardingstatus": "b"}"#,
            "duplicate field",
        ),
    ] {
        let error = serde_json::from_str::<Value>(json).and_then(read::<Machine>);
        let error = error.unwrap_err();
        assert_eq!(why(&error), expected, "{json}");
    }
}

#[test]
fn a_rows_faults_are_all_found() {
    let schema = Schema::read(known::TEXT).unwrap();
    let found = |kind, row: Value| {
        let read = read_all(kind, &[row.as_object().unwrap().clone()], &schema);
        assert_eq!(read.refused_rows, 1);
        let places: Vec<String> = read.refused.into_keys().map(|(path, _)| path).collect();
        places
    };
    assert_eq!(
        found(
            Rows::Definitions,
            json!({ "id": null, "isActive": 3, "latestScan": { "status": [], "executionDateTime": 1 },
                "scannerAgent": [1, 2] })
        ),
        [
            "id",
            "isActive",
            "latestScan.executionDateTime",
            "latestScan.status",
            "scannerAgent"
        ]
    );
    assert_eq!(
        found(
            Rows::History,
            json!({ "SessionIds": ["a", "b"], "ListScannedTargets": [{ "ScanDuration": "x" }, 1] })
        ),
        [
            "ListScannedTargets[]",
            "ListScannedTargets[].ScanDuration",
            "SessionIds"
        ]
    );
    assert_eq!(found(Rows::Agents, json!({ "Id": "a", "id": "b" })), ["id"]);
    // A key that may be a name.
    assert_eq!(
        found(
            Rows::Machines,
            json!({ "id": "m", "vmMetadata": { "pc1.example": 1, "vmId": [] } })
        ),
        ["vmMetadata.vmId"]
    );
}
