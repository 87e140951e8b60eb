//! What the wire helpers promise.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

use super::check::{expected, round_trip, utc};
use super::*;

open_enum! {
    enum Fruit {
        Apple = "Apple",
        DragonBerry = "DragonBerry" | "Dragon Berry" | "Pitaya",
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    #[serde(default, with = "super::date")]
    date: Option<OffsetDateTime>,
    #[serde(default, with = "super::duration")]
    duration: Option<Duration>,
    #[serde(default, deserialize_with = "super::text")]
    text: Option<String>,
    #[serde(default, deserialize_with = "super::integer")]
    integer: Option<i64>,
    #[serde(default, deserialize_with = "super::list")]
    list: Vec<String>,
    #[serde(default)]
    fruit: Option<Fruit>,
}

#[derive(Debug, Deserialize)]
struct Keyed {
    #[serde(deserialize_with = "super::key")]
    id: String,
}

fn row(json: &str) -> Row {
    serde_json::from_str(json).expect(json)
}

fn date_of(text: &str) -> Option<OffsetDateTime> {
    row(&json!({ "date": text }).to_string()).date
}

fn duration_of(text: &str) -> Option<Duration> {
    row(&json!({ "duration": text }).to_string()).duration
}

#[test]
fn null_and_missing_are_none_or_empty() {
    let nulls = r#"{"date": null, "duration": null, "text": null, "integer": null,
                    "list": null, "fruit": null}"#;
    assert_eq!(row(nulls), Row::default());
    assert_eq!(row("{}"), Row::default());
    let tree = serde_json::from_str::<serde_json::Value>(nulls).unwrap();
    assert_eq!(serde_json::from_value::<Row>(tree).unwrap(), Row::default());
}

#[test]
fn names_are_known_in_any_case_and_in_every_spelling() {
    for text in ["DragonBerry", "dragonberry", "DRAGON BERRY", "pitaya"] {
        assert_eq!(Fruit::from(text), Fruit::DragonBerry, "{text}");
        assert_eq!(Fruit::from(text.to_owned()), Fruit::DragonBerry, "{text}");
        let json = json!({ "fruit": text });
        assert_eq!(
            row(&json.to_string()).fruit,
            Some(Fruit::DragonBerry),
            "{text}"
        );
        assert_eq!(
            serde_json::from_value::<Row>(json).unwrap().fruit,
            Some(Fruit::from(text))
        );
    }
    assert_eq!(
        serde_json::to_string(&Fruit::from("pitaya")).unwrap(),
        r#""DragonBerry""#
    );
}

#[test]
fn unknown_names_and_numbers_are_kept() {
    for (json, kept) in [
        (r#""Apples""#, "Apples"),
        (r#""""#, ""),
        (r#""\u00c4pfel""#, "Äpfel"),
        ("5", "5"),
        ("-5", "-5"),
        ("18446744073709551615", "18446744073709551615"),
        ("1.5", "1.5"),
    ] {
        let fruit = row(&format!(r#"{{"fruit": {json}}}"#)).fruit.unwrap();
        assert_eq!(fruit, Fruit::Other(kept.to_owned()), "{json}");
        assert_eq!(fruit.as_str(), kept);
        round_trip(&fruit);
    }
}

#[test]
fn an_enum_displays_compares_and_hashes_as_its_name() {
    assert_eq!(
        format!("[{:>7}] [{}]", Fruit::Apple, Fruit::from("x")),
        "[  Apple] [x]"
    );
    assert_eq!(AsRef::<str>::as_ref(&Fruit::DragonBerry), "DragonBerry");
    let fruits: HashSet<Fruit> = ["apple", "Apple", "x", "X"].map(Fruit::from).into();
    assert_eq!(fruits.len(), 3);
}

#[test]
fn a_key_is_text_or_an_integer_and_never_blank() {
    let key = |json: &str| serde_json::from_str::<Keyed>(json).unwrap().id;
    assert_eq!(key(r#"{"id": "a b"}"#), "a b");
    assert_eq!(key(r#"{"id": 140}"#), "140");
    assert_eq!(key(r#"{"id": -1}"#), "-1");
    assert_eq!(
        key(r#"{"id": 18446744073709551615}"#),
        "18446744073709551615"
    );
    for bad in [
        r#""""#,
        r#"" \t ""#,
        "null",
        "true",
        "1.5",
        "18446744073709551616",
        "[]",
        "{}",
    ] {
        let json = format!(r#"{{"id": {bad}}}"#);
        assert_eq!(expected::<Keyed>(&json), "a non-empty id", "{bad}");
    }
    let missing = serde_json::from_str::<Keyed>("{}").unwrap_err().to_string();
    assert!(missing.starts_with("missing field `id`"), "{missing}");
}

#[test]
fn text_is_taken_from_numbers_and_truth_values() {
    for (json, text) in [
        (r#""22H2""#, "22H2"),
        (r#""""#, ""),
        ("1809", "1809"),
        ("-1", "-1"),
        ("10.5", "10.5"),
        ("10.0", "10.0"),
        ("true", "true"),
        ("false", "false"),
    ] {
        assert_eq!(
            row(&format!(r#"{{"text": {json}}}"#)).text.as_deref(),
            Some(text)
        );
    }
    for bad in ["[]", "{}", r#"{"a": 1}"#] {
        assert_eq!(
            expected::<Row>(&format!(r#"{{"text": {bad}}}"#)),
            "text or a number"
        );
    }
}

#[test]
fn integers_are_taken_from_text_and_from_floats_without_a_fraction() {
    for (json, integer) in [
        ("140", 140),
        ("-3", -3),
        (r#""140""#, 140),
        (r#""-3""#, -3),
        ("140.0", 140),
        ("1e3", 1000),
        ("-0.0", 0),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(
            row(&format!(r#"{{"integer": {json}}}"#)).integer,
            Some(integer),
            "{json}"
        );
    }
    let bad = [
        "9223372036854775808",
        "1e20",
        "1.5",
        r#""""#,
        r#"" 1""#,
        r#""x""#,
        "true",
        "[]",
    ];
    for bad in bad.into_iter().chain(["{}"]) {
        let json = format!(r#"{{"integer": {bad}}}"#);
        assert_eq!(
            expected::<Row>(&json),
            "an integer of 64 bits or its digits as text",
            "{bad}"
        );
    }
}

#[test]
fn dates_have_zero_to_nine_fraction_digits() {
    for digits in 1..=9 {
        let text = format!("2021-01-25T07:27:36.{}Z", &"012345678"[..digits]);
        assert_eq!(date_of(&text), utc(&text), "{text}");
    }
    let whole = "2021-01-25T07:27:36Z";
    assert_eq!(date_of(whole), utc(whole));
}

#[test]
fn a_missing_zone_is_utc_and_an_offset_is_converted() {
    let wanted = utc("2021-01-25T07:27:36.5Z");
    for text in [
        "2021-01-25T07:27:36.5",
        "2021-01-25t07:27:36.5z",
        "2021-01-25T07:27:36.5+00:00",
        "2021-01-25T07:27:36.5-00:00",
        "2021-01-25T09:57:36.5+02:30",
        "2021-01-24T23:27:36.5-08:00",
    ] {
        let date = date_of(text);
        assert_eq!(date, wanted, "{text}");
        assert!(date.unwrap().offset().is_utc(), "{text}");
    }
}

#[test]
fn empty_dates_and_years_up_to_one_are_none() {
    for text in [
        "",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00.0000000+00:00",
        "0001-01-01T00:00:00+14:00",
        "0000-06-01T00:00:00Z",
    ] {
        assert_eq!(date_of(text), None, "{text}");
    }
    assert_eq!(date_of("0002-01-01T00:00:00Z"), utc("0002-01-01T00:00:00Z"));
}

#[test]
fn what_is_no_date_and_time_is_an_error() {
    for bad in [
        "2021-01-25",
        "2021-01-25T",
        "2021-01-25T07:27",
        "2021-01-25T07:27Z",
        "2021-01-25 07:27:36Z",
        "2021-01-25T07:27:36.Z",
        "2021-01-25T07:27:36.0123456789Z",
        "2021-01-25T07:27:36,5Z",
        "2021-01-25T07:27:60Z",
        "2016-12-31T23:59:60Z",
        "2021-01-25T24:00:00Z",
        "2021-01-25T07:60:00Z",
        "2021-02-29T07:27:36Z",
        "2021-13-01T07:27:36Z",
        "2021-00-01T07:27:36Z",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "-001-01-01T00:00:00Z",
        "2021-01-25T07:27:36+24:00",
        "2021-01-25T07:27:36+01:60",
        "2021-01-25T07:27:36+0100",
        "2021-01-25T07:27:36+01",
        "2021-01-25T07:27:36Z ",
        " 2021-01-25T07:27:36Z",
        "2021-01-25T07:27:36ZZ",
        "２021-01-25T07:27:36Z",
        "/Date(1611559656000)/",
        "never",
    ] {
        let json = json!({ "date": bad }).to_string();
        assert_eq!(
            expected::<Row>(&json),
            "a date and time (RFC 3339)",
            "{bad}"
        );
    }
    for bad in ["1611559656", "true", "[]", "{}"] {
        let json = format!(r#"{{"date": {bad}}}"#);
        assert_eq!(
            expected::<Row>(&json),
            "a date and time (RFC 3339)",
            "{bad}"
        );
    }
}

#[test]
fn dates_are_written_in_utc() {
    let date = |date: OffsetDateTime| {
        serde_json::to_value(Row {
            date: Some(date),
            ..Row::default()
        })
        .map(|row| row["date"].as_str().unwrap().to_owned())
    };
    let offset = time::UtcOffset::from_hms(2, 0, 0).unwrap();
    let local = utc("2018-08-02T14:55:03.7791856Z")
        .unwrap()
        .to_offset(offset);
    assert_eq!(date(local).unwrap(), "2018-08-02T14:55:03.7791856Z");
    assert_eq!(
        date(OffsetDateTime::UNIX_EPOCH).unwrap(),
        "1970-01-01T00:00:00Z"
    );
    assert!(
        date(time::Date::MIN.midnight().assume_utc()).is_err(),
        "year -9999"
    );
}

#[test]
fn durations_have_optional_days_and_fractions() {
    for (text, duration) in [
        ("00:00:00", Duration::ZERO),
        ("00:08:30", Duration::from_secs(510)),
        ("23:59:59", Duration::from_secs(86_399)),
        ("1.00:00:01", Duration::from_secs(86_401)),
        ("00:00:00.5", Duration::from_millis(500)),
        ("00:08:30.1234567", Duration::new(510, 123_456_700)),
        ("00:00:00.000000001", Duration::from_nanos(1)),
        ("10.01:02:03.0000004", Duration::new(867_723, 400)),
    ] {
        assert_eq!(duration_of(text), Some(duration), "{text}");
    }
    assert_eq!(duration_of(""), None);
    for bad in [
        "8:30",
        "00:08",
        "24:00:00",
        "00:60:00",
        "00:00:60",
        "-00:08:30",
        "+1.00:00:00",
        ".00:08:30",
        "00:08:30.",
        "00:08:30.0123456789",
        "00:08:30 ",
        "PT8M30S",
        "99999999999999999999.00:00:00",
        "18446744073709551615.00:00:00",
    ] {
        let json = json!({ "duration": bad }).to_string();
        assert_eq!(expected::<Row>(&json), "a duration (hh:mm:ss)", "{bad}");
    }
    assert_eq!(
        expected::<Row>(r#"{"duration": 510}"#),
        "a duration (hh:mm:ss)"
    );
}

#[test]
fn durations_are_written_as_the_service_writes_them() {
    for text in [
        "00:08:30",
        "00:08:30.1234567",
        "00:00:00.5000000",
        "12.23:59:59",
        "00:00:00",
    ] {
        let row = Row {
            duration: duration_of(text),
            ..Row::default()
        };
        assert_eq!(serde_json::to_value(row).unwrap()["duration"], text);
    }
    round_trip(&Row {
        duration: Some(Duration::MAX),
        ..Row::default()
    });
    round_trip(&Row {
        duration: Some(Duration::from_nanos(1)),
        ..Row::default()
    });
}

#[test]
fn a_list_has_only_good_elements() {
    assert_eq!(row(r#"{"list": ["a", "b"]}"#).list, ["a", "b"]);
    assert_eq!(row(r#"{"list": []}"#).list, Vec::<String>::new());
    assert_eq!(expected::<Row>(r#"{"list": "a"}"#), "a sequence");
    assert_eq!(expected::<Row>(r#"{"list": [5]}"#), "a string");
}

#[test]
fn what_was_expected_never_quotes_what_was_found() {
    let planted = r#""canary, expected canary""#;
    for field in ["date", "duration", "integer", "list"] {
        let expected = expected::<Row>(&format!(r#"{{"{field}": {planted}}}"#));
        assert!(!expected.contains("canary"), "{field}: {expected}");
    }
}

proptest! {
    #[test]
    fn every_date_and_duration_survives(
        second in -62_104_060_800_i64..=253_402_300_799,
        nano in 0..1_000_000_000_i64,
        seconds: u64,
        nanos in 0..1_000_000_000_u32,
    ) {
        let date = OffsetDateTime::from_unix_timestamp(second).unwrap();
        let date = Some(date + time::Duration::nanoseconds(nano));
        let duration = Some(Duration::new(seconds, nanos));
        round_trip(&Row { date, duration, ..Row::default() });
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text: String, shape in "[0-9]{0,5}[-:.TZ+0-9]{0,40}") {
        for text in [text, shape] {
            let json = json!({ "date": text, "duration": text, "integer": text, "fruit": text });
            let _ = serde_json::from_value::<Row>(json);
            let _ = serde_json::from_value::<Row>(json!({ "date": text }));
            let _ = serde_json::from_value::<Row>(json!({ "duration": text }));
        }
    }
}
