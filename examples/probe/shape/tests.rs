use serde_json::json;

use super::*;
use crate::known;

fn schema() -> Schema {
    Schema::read(known::TEXT).unwrap()
}

fn looked(schema: &Schema, entity: &str, rows: Value) -> Vec<KeyReport> {
    let mut seen = Seen::new(schema);
    let rows: Vec<Map<String, Value>> = serde_json::from_value(rows).unwrap();
    for row in &rows {
        seen.look(row, entity);
    }
    seen.keys()
}

fn key(keys: &[KeyReport], path: &str) -> KeyReport {
    let found = keys.iter().find(|key| key.path == path).cloned();
    found.unwrap_or_else(|| panic!("no {path} in {keys:#?}"))
}

#[test]
fn a_text_is_told_by_its_shape() {
    for (text, expected) in [
        ("", "empty"),
        (" \t", "blank"),
        ("2025-03-04T05:06:07Z", "date, 0 fraction digits, Z"),
        ("2025-03-04T05:06:07.1234567Z", "date, 7 fraction digits, Z"),
        (
            "2025-03-04T05:06:07.12+02:00",
            "date, 2 fraction digits, an offset",
        ),
        ("2025-03-04T05:06:07", "date, 0 fraction digits, no zone"),
        (
            "2025-03-04 05:06:07-01:30",
            "date, 0 fraction digits, an offset",
        ),
        (
            "0001-01-01T00:00:00Z",
            "date of year 1, 0 fraction digits, Z",
        ),
        ("2025-03-04", "number-like"),
        ("2025-03-04T05:06:07.Z", "text"),
        ("2025-03-04T05:06:07 o'clock", "text"),
        ("00:08:30", "hh:mm:ss, 0 fraction digits"),
        ("00:08:30.5000000", "hh:mm:ss, 7 fraction digits"),
        ("fd2e4d29-7072-4195-aaa5-1AF139B78028", "GUID"),
        ("10.1.2.3", "IPv4 address"),
        ("fe80::1", "IPv6 address"),
        ("8CEC4B897E73", "hex of 12"),
        ("000000000000", "hex of 12"),
        ("1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "hex of 40"),
        ("12345678", "number-like"),
        ("10.8790.19045.5608", "number-like"),
        ("beef", "text"),
        (
            "fd2e4d29-7072-4195-aaa5-1af139b78028_1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
            "GUID _ hex of 40",
        ),
        ("fd2e4d29-7072-4195-aaa5-1af139b78028_Ada", "GUID _ text"),
        ("Ada's laptop", "text"),
        ("größer als 12", "text"),
    ] {
        assert_eq!(shape(text), expected, "{text}");
    }
}

#[test]
fn keys_are_counted_among_what_could_have_them() {
    let schema = schema();
    let keys = looked(
        &schema,
        "Machine",
        json!([
            { "id": "ada-1", "osBuild": 19_045, "ipAddresses": [{ "ipAddress": "10.1.2.3" }, {}] },
            { "id": "ada-22", "osBuild": "7", "ipAddresses": [], "isExcluded": null },
            { "id": "ada-333", "osBuild": 1.5, "ipAddresses": null, "isExcluded": true },
        ]),
    );
    let id = key(&keys, "id");
    assert_eq!((id.had, id.of), (3, 3));
    assert_eq!(id.shapes, ["text of 5 to 7 characters ×3"]);
    let build = key(&keys, "osBuild");
    assert_eq!(
        build.types,
        BTreeMap::from([("fraction", 1), ("integer", 1), ("text", 1)])
    );
    assert_eq!(build.shapes, ["5 digits", "number-like ×1"]);
    assert_eq!(
        build.odd_types,
        BTreeMap::from([("fraction", 1), ("text", 1)])
    );
    assert!(id.odd_types.is_empty());
    let excluded = key(&keys, "isExcluded");
    assert_eq!(excluded.odd_types, BTreeMap::from([("null", 1)]));
    assert_eq!((excluded.had, excluded.of), (2, 3));
    assert_eq!(excluded.types, BTreeMap::from([("bool", 1), ("null", 1)]));
    let address = key(&keys, "ipAddresses[].ipAddress");
    assert_eq!((address.had, address.of), (1, 2));
    assert_eq!(key(&keys, "ipAddresses").shapes, ["0 to 2 elements"]);
}

#[test]
fn an_enumerations_values_are_told_as_the_service_spells_them() {
    let schema = schema();
    let keys = looked(
        &schema,
        "Machine",
        json!([
            { "id": "1e5b", "riskScore": "HIGH", "healthStatus": "Asleep" },
            { "id": "2", "riskScore": "High", "healthStatus": "Pc-of-ada" },
            { "id": "3", "riskScore": 5, "healthStatus": "Half Asleep 2" },
            { "id": "4", "riskScore": null, "healthStatus": "Half Asleep 2" },
        ]),
    );
    let risk = key(&keys, "riskScore");
    assert_eq!(
        risk.values,
        BTreeMap::from([("HIGH".to_owned(), 1), ("High".to_owned(), 1)])
    );
    assert_eq!(risk.unknown_values, BTreeMap::from([("5".to_owned(), 1)]));
    let health = key(&keys, "healthStatus");
    let expected = [("Asleep".to_owned(), 1), ("Half Asleep 2".to_owned(), 2)];
    assert_eq!(health.unknown_values, BTreeMap::from(expected));
    assert_eq!(health.withheld_values, ["text"]);
    assert!(health.shapes.is_empty());
}

#[test]
fn a_value_of_an_enumeration_that_stands_elsewhere_too_is_withheld() {
    let schema = schema();
    let keys = looked(
        &schema,
        "Machine",
        json!([
            { "id": "1", "riskScore": "Contoso", "computerDnsName": "pc1.contoso.com" },
            { "id": "2", "riskScore": "Contoso", "machineTags": ["x"] },
        ]),
    );
    let risk = key(&keys, "riskScore");
    assert!(risk.unknown_values.is_empty(), "{risk:?}");
    assert_eq!(risk.withheld_values, ["text"]);
}

#[test]
fn a_value_of_an_enumeration_with_a_word_that_stands_elsewhere_too_is_withheld() {
    let schema = schema();
    let keys = looked(
        &schema,
        "Machine",
        json!([
            { "id": "1", "riskScore": "High jsmith contoso", "healthStatus": "Half asleep now" },
            { "id": "2", "riskScore": "High jsmith contoso", "healthStatus": "Half asleep now",
              "machineTags": ["owner JSmith_2", "now"] },
        ]),
    );
    let risk = key(&keys, "riskScore");
    assert!(risk.unknown_values.is_empty(), "{risk:?}");
    assert_eq!(risk.withheld_values, ["text"]);
    // Words of three letters are in anything.
    let health = key(&keys, "healthStatus").unknown_values;
    assert_eq!(health, BTreeMap::from([("Half asleep now".to_owned(), 2)]));
}

#[test]
fn only_words_of_a_service_are_shown() {
    for (value, rows) in [
        ("Critical", 1),
        ("QuarantinedByPolicy", 1),
        ("53", 1),
        ("Partly Done", 2),
        ("Level-2", 2),
        ("A_B", 2),
    ] {
        assert!(may_be_shown(value, rows), "{value}");
    }
    for (value, rows) in [
        ("", 9),
        ("Partly Done", 1),
        ("SRV-DC01", 1),
        ("pc1.contoso.com", 9),
        ("ada@contoso.com", 9),
        ("10.1.2.3", 9),
        ("8CEC4B897E73", 9),
        ("fd2e4d29-7072-4195-aaa5-1af139b78028", 9),
        ("Serial 12345", 9),
        ("12345", 9),
        ("4 eyes", 9),
        ("Gerät", 9),
        ("Averylongwordthatnobodywouldwrite", 1),
        ("a word and a word and a word and a word and", 9),
        ("a|b", 9),
    ] {
        assert!(!may_be_shown(value, rows), "{value}");
    }
}

#[test]
fn of_a_secret_not_even_the_length_is_told() {
    let schema = schema();
    let keys = looked(
        &schema,
        "DeviceAuthenticatedScanDefinition",
        json!([{ "id": "1", "scanAuthenticationParams": {
            "type": "Ntlm", "username": "ada", "password": "hunter2", "authPassword": "",
            "pin": 1234, "answers": [{ "pet": "Rex" }],
        } }]),
    );
    let shapes = |name: &str| key(&keys, &format!("scanAuthenticationParams.{name}")).shapes;
    assert_eq!(shapes("username"), ["text of 3 characters ×1"]);
    assert_eq!(shapes("password"), ["a secret ×1"]);
    assert_eq!(shapes("authPassword"), ["empty ×1"]);
    assert!(shapes("pin").is_empty());
    assert_eq!(shapes("answers[].*"), ["a secret ×1"]);
}

#[test]
fn keys_that_may_be_names_are_not_shown() {
    let schema = schema();
    let keys = looked(
        &schema,
        "Machine",
        json!([{
            "id": "1",
            "colour": { "pc1": { "ada": 1 }, "pc2": [{ "ada": 1 }] },
            "ipAddresses@odata.type": "x",
            "pc1.contoso.com": 1,
            "ada lovelace": 2,
            "serial12345": 3,
        }]),
    );
    let paths: Vec<&str> = keys.iter().map(|key| key.path.as_str()).collect();
    let expected = [
        "*",
        "colour",
        "colour.*",
        "colour.*.*",
        "colour.*[].*",
        "id",
    ];
    assert_eq!(paths[..6], expected);
    assert_eq!(paths[6..], ["ipAddresses@odata.type"]);
    assert_eq!((keys[0].had, keys[0].of), (1, 1), "once for the object");
    // An address is no annotation, even one of Microsoft's.
    let of_machine = |key| key_name(&schema, Some("Machine"), key);
    for key in [
        "@odata.type",
        "@microsoft.graph.type",
        "machineTags@odata.type",
    ] {
        assert_eq!(of_machine(key), key);
    }
    for key in [
        "john.smith@contoso.com",
        "ada@contoso",
        "@contoso.com",
        "ada@microsoft.com",
        "ada@odata.type",
        "@odata",
        "@odata.",
        "@odata.ada@contoso.com",
    ] {
        assert_eq!(of_machine(key), "*", "{key}");
    }
    // What the crate keeps as it came may have any keys.
    let name = |key| key_name(&schema, Some("AdvancedActiveConfiguration"), key);
    assert_eq!(
        (name("siteId"), name("pc1")),
        ("siteId".to_owned(), "*".to_owned())
    );
}
