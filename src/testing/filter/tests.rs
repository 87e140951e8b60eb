//! The filters that are read, and where the others stop.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn rows() -> Vec<Row> {
    let rows = json!([
        { "id": "a", "computerDnsName": "srv-1", "lastSeen": "2026-11-01T10:00:00.1234567Z",
          "riskScore": "High", "healthStatus": "Active", "rbacGroupId": 0,
          "machineTags": ["prod", "O'Brien"], "version": "22H2",
          "aadDeviceId": "fd2e4d29-7072-4195-aaa5-1af139b78028" },
        { "id": "b", "computerDnsName": "O'Brien's phone", "lastSeen": "2026-10-01T10:00:00Z",
          "riskScore": "None", "healthStatus": "Inactive", "rbacGroupId": 140,
          "machineTags": [], "version": "17.2", "aadDeviceId": null },
        { "id": "c", "computerDnsName": null, "lastSeen": "0001-01-01T00:00:00Z",
          "healthStatus": "Active" },
    ]);
    serde_json::from_value(rows).unwrap()
}

/// The ids of the rows that match, in one word.
fn ids(filter: &str) -> String {
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    let matching = rows().into_iter().filter(|row| filter.matches(row));
    matching
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn documented_forms_select_their_rows() {
    for (filter, expected) in [
        ("riskScore eq 'High'", "a"),
        ("healthStatus ne 'Active'", "b"),
        ("startswith(computerDnsName,'srv-')", "a"),
        ("endswith(computerDnsName, 'phone')", "b"),
        ("contains(computerDnsName,'v-1')", "a"),
        ("lastSeen gt 2026-10-15T00:00:00Z", "a"),
        ("lastSeen ge 2026-10-01T12:00:00+02:00", "ab"),
        ("lastSeen lt 2018-08-01Z", "c"),
        ("rbacGroupId eq 140", "b"),
        ("rbacGroupId le 140", "ab"),
        ("aadDeviceId eq FD2E4D29-7072-4195-AAA5-1AF139B78028", "a"),
        ("aadDeviceId eq null", "bc"),
        ("id ge 'b'", "bc"),
        ("version lt '20'", "b"),
        ("computerDnsName eq 'O''Brien''s phone'", "b"),
        ("machineTags/any(t: t eq 'prod')", "a"),
        ("machineTags/any(tag:startswith(tag,'O''B'))", "a"),
        ("machineTags/any(t: t eq 'x' or startswith(t,'pr'))", "a"),
        ("machineTags/any()", "a"),
        ("not machineTags/any()", "bc"),
        ("'High' eq riskScore", "a"),
    ] {
        assert_eq!(ids(filter), expected, "{filter}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    assert_eq!(ids("id eq 'a' or id eq 'b' and id eq 'c'"), "a");
    assert_eq!(ids("(id eq 'a' or id eq 'b') and id eq 'b'"), "b");
    assert_eq!(ids("not (id eq 'a') and not (id eq 'b')"), "c");
    assert_eq!(ids("not not (id eq 'a')"), "a");
    assert!(Filter::parse("not id eq 'a'").is_err());
}

#[test]
fn null_is_neither_less_nor_greater_and_a_function_of_it_is_not_met() {
    assert_eq!(ids("rbacGroupId lt 1000 or rbacGroupId ge 1000"), "ab");
    assert_eq!(ids("riskScore ne 'High'"), "bc");
    assert_eq!(ids("not startswith(computerDnsName,'srv')"), "b");
    assert_eq!(ids("startswith(computerDnsName,'x') or id eq 'c'"), "c");
    assert_eq!(
        ids("null eq null and not (null le null) and id eq 'c'"),
        "c"
    );
}

#[test]
fn a_doubled_quote_ends_no_text_and_a_single_one_does() {
    assert_eq!(ids("computerDnsName eq ''' or 1 eq 1 or '''"), "");
    assert_eq!(ids("computerDnsName eq '' or 1 eq 1"), "abc");
}

#[test]
fn what_it_cannot_read_is_an_error_with_its_place() {
    for (filter, part) in [
        ("", "character 1: a condition or a value is missing"),
        ("   ", "is missing"),
        ("riskScore", "character 1: a condition is expected"),
        (
            "riskScore eq",
            "character 13: a condition or a value is missing",
        ),
        ("riskScore eq High", "a machine has no property 'High'"),
        ("riskScore gt 'Low'", "a name of a list has no order"),
        (
            "startswith(riskScore,'H')",
            "works on text, not on a name of a list",
        ),
        (
            "lastSeen gt '2026-10-15T00:00:00Z'",
            "a date can't be compared with text",
        ),
        (
            "lastSeen gt 2026-10-15T00:00:00",
            "is not a number, a date or a GUID",
        ),
        (
            "lastSeen gt 2026-10-15T00:00:00 00:00",
            "is not a number, a date or a GUID",
        ),
        (
            "rbacGroupId eq '140'",
            "a number can't be compared with text",
        ),
        (
            "aadDeviceId eq 'fd2e4d29-7072-4195-aaa5-1af139b78028'",
            "a GUID can't be compared",
        ),
        (
            "osPlatform in ('a','b')",
            "character 12: there is no operator 'in' here",
        ),
        ("rbacGroupName eq 'x'", "can't be filtered on"),
        ("RiskScore eq 'High'", "no property 'RiskScore'"),
        ("machineTags eq 'x'", "a collection can't be compared"),
        ("machineTags/all(t: t eq 'x')", "'any' is expected"),
        ("machineTags/any(t: u eq 'x')", "no property 'u'"),
        (
            "osPlatform/any(t: t eq 'x')",
            "'osPlatform' is not a collection",
        ),
        ("tolower(osPlatform) eq 'x'", "no function 'tolower'"),
        ("id eq 'Zoë' ; x", "character 13: ';' is not expected"),
        (
            "osPlatform eq 'x",
            "character 15: the text that starts here is not closed",
        ),
        ("(osPlatform eq 'x'", "')' is expected"),
        (
            "osPlatform eq 'x')",
            "character 18: 'and', 'or' or the end is expected",
        ),
        ("osPlatform eq \"x\"", "is not expected"),
        ("osPlatform eq 'x' and version", "joins conditions"),
        ("1 eq 1 eq 1", "'and', 'or' or the end is expected"),
        ("rbacGroupId eq 1e999", "is not a number"),
    ] {
        let error = Filter::parse(filter).unwrap_err();
        assert!(error.contains(part), "{filter}: {error}");
    }
}

#[test]
fn nesting_is_bounded_and_length_is_not() {
    let nested = |n: usize| format!("{}id eq 'a'{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(ids(&nested(60)), "a");
    assert!(
        Filter::parse(&nested(100))
            .unwrap_err()
            .contains("nested deeper")
    );
    assert!(
        Filter::parse(&"(".repeat(60_000))
            .unwrap_err()
            .contains("nested deeper")
    );
    let not = format!("{}(id eq 'a')", "not ".repeat(10_000));
    assert!(Filter::parse(&not).unwrap_err().contains("nested deeper"));
    let any = "machineTags/any(t: ".repeat(5_000);
    assert!(Filter::parse(&any).unwrap_err().contains("nested deeper"));
    assert_eq!(ids(&vec!["id eq 'a'"; 5_000].join(" or ")), "a");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        if let Ok(filter) = Filter::parse(&text) {
            for row in rows() {
                filter.matches(&row);
            }
        }
    }

    #[test]
    fn no_sequence_of_its_own_words_makes_it_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "(", ")", ",", ":", "/", "'", "'x'", "''", "not", "and", "or", "eq", "ge", "any(",
            "machineTags", "machineTags/any(t:", "t", "id", "lastSeen", "riskScore",
            "startswith(", "contains", "null", "true", "1", "-", "2018-08-01Z", "é",
            "fd2e4d29-7072-4195-aaa5-1af139b78028",
        ]), 0..24),
        separator in prop::sample::select(vec!["", " "]),
    ) {
        if let Ok(filter) = Filter::parse(&words.join(separator)) {
            for row in rows() {
                filter.matches(&row);
            }
        }
    }

    #[test]
    fn a_quoted_text_means_exactly_itself(name in "\\PC*", other in "\\PC*") {
        let filter = format!("computerDnsName eq '{}'", name.replace('\'', "''"));
        let filter = Filter::parse(&filter).unwrap();
        let row = |name: &str| Row::from_iter([("computerDnsName".to_owned(), json!(name))]);
        prop_assert!(filter.matches(&row(&name)));
        prop_assert_eq!(filter.matches(&row(&other)), name == other);
    }
}
