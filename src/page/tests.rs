//! The decoder against pages of every make, windows of every size, and damage.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::window::{DOUBLE_FROM, ELEMENT_LIMIT};
use super::*;
use crate::fuzzing::{Failure, LIMIT, Outcome, Plain, gzip, plain, read};
use crate::inflate::CHUNK;

fn open(body: &[u8], limit: u64, step: usize) -> Rows {
    Rows::new(body.into(), limit, None).with_step(step)
}

fn decode(body: impl AsRef<[u8]>, step: usize) -> Outcome<Value> {
    read(open(body.as_ref(), LIMIT, step))
}

/// The error of a page that must have one, the same for several windows.
fn failure(body: impl AsRef<[u8]>) -> Failure {
    let body = body.as_ref();
    let [first, second, third] = [1, 7, CHUNK].map(|step| decode(body, step).end.unwrap_err());
    assert_eq!(
        (first.kind, first.retryable),
        (third.kind, third.retryable),
        "{first:?} and {third:?}"
    );
    assert_eq!((first.kind, second.kind), (third.kind, third.kind));
    third
}

// Pages of every make.

#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// How a page is written down.
#[derive(Clone, Copy, Debug)]
struct Style {
    /// White space everywhere it may stand.
    pretty: bool,
    /// Whatever is no letter, as `\u` escapes.
    escaped: bool,
}

impl Style {
    fn gap(self) -> &'static str {
        if self.pretty { "\r\n\t " } else { "" }
    }

    fn text(self, text: &str) -> String {
        if !self.escaped {
            return serde_json::to_string(text).unwrap();
        }
        let mut written = "\"".to_owned();
        for unit in text.encode_utf16() {
            match u8::try_from(unit) {
                Ok(letter) if letter.is_ascii_alphabetic() => written.push(char::from(letter)),
                _ => write!(written, "\\u{unit:04X}").unwrap(),
            }
        }
        written + "\""
    }

    fn list(self, items: impl IntoIterator<Item = String>) -> String {
        self.enclosed('[', items, ']')
    }

    fn object(self, members: impl IntoIterator<Item = (String, String)>) -> String {
        let gap = self.gap();
        let members = members.into_iter();
        let members = members.map(|(key, value)| format!("{}{gap}:{gap}{value}", self.text(&key)));
        self.enclosed('{', members, '}')
    }

    fn enclosed(self, open: char, items: impl IntoIterator<Item = String>, close: char) -> String {
        let gap = self.gap();
        let items: Vec<String> = items.into_iter().collect();
        let items = items.join(&format!("{gap},{gap}"));
        format!("{open}{gap}{items}{gap}{close}")
    }

    fn json(self, json: &Json) -> String {
        match json {
            Json::Null => "null".to_owned(),
            Json::Bool(yes) => yes.to_string(),
            Json::Number(digits) => digits.clone(),
            Json::Text(text) => self.text(text),
            Json::List(items) => self.list(items.iter().map(|item| self.json(item))),
            Json::Object(members) => {
                let written = |(key, value): &(String, Json)| (key.clone(), self.json(value));
                self.object(members.iter().map(written))
            }
        }
    }
}

const NUMBER: &str = "-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?";

fn text() -> impl Strategy<Value = String> {
    let special = select(vec![
        "", "\"", "\\", "}", "]", "{", "[", ",", ":", "/", "\n", "\0", "\u{7f}", "\u{FEFF}", "é",
        "€", "😀", "value", "null", "\\u0041", "\u{fffd}", " ",
    ]);
    let piece = prop_oneof![special.prop_map(str::to_owned), "\\PC{0,3}"];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn key() -> impl Strategy<Value = String> {
    let tricky = select(vec![VALUE, NEXT_LINK, "id", ""]);
    prop_oneof![text(), tricky.prop_map(str::to_owned)]
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        NUMBER.prop_map(Json::Number),
        text().prop_map(Json::Text),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::List),
            prop::collection::vec((key(), inner), 0..4).prop_map(Json::Object),
        ]
    })
}

fn row() -> impl Strategy<Value = Json> {
    prop::collection::vec((key(), json()), 0..4).prop_map(Json::Object)
}

/// A page as text, and what it says.
#[derive(Clone, Debug)]
struct Page {
    text: String,
    rows: Vec<String>,
    link: Option<String>,
}

impl Page {
    fn outcome(&self) -> Outcome<Value> {
        let row = |text: &String| serde_json::from_str(text).unwrap();
        Outcome {
            rows: self.rows.iter().map(row).collect(),
            end: Ok(self.link.clone()),
        }
    }
}

fn page() -> impl Strategy<Value = Page> {
    let rows = prop::collection::vec(row(), 0..5);
    let link = prop_oneof![
        Just(None),
        Just(Some(Json::Null)),
        Just(Some(Json::Text(String::new()))),
        text().prop_map(|text| Some(Json::Text(text))),
    ];
    let tricky = select(vec!["@odata.context", "Value", "value ", "@odata.nextlink"]);
    let extra_key = prop_oneof![text(), tricky.prop_map(str::to_owned)]
        .prop_filter("known", |key| key != VALUE && key != NEXT_LINK);
    let extras = prop::collection::vec((extra_key, json()), 0..3);
    let style = (any::<bool>(), any::<bool>());
    (rows, link, extras, style)
        .prop_flat_map(|(rows, link, extras, (pretty, escaped))| {
            let style = Style { pretty, escaped };
            let rows: Vec<String> = rows.iter().map(|row| style.json(row)).collect();
            let mut members = vec![(VALUE.to_owned(), style.list(rows.clone()))];
            for (key, value) in &extras {
                members.push((key.clone(), style.json(value)));
            }
            if let Some(link) = &link {
                members.push((NEXT_LINK.to_owned(), style.json(link)));
            }
            let link = match link {
                Some(Json::Text(text)) if !text.is_empty() => Some(text),
                _ => None,
            };
            (Just(members).prop_shuffle(), Just((style, rows, link)))
        })
        .prop_map(|(members, (style, rows, link))| Page {
            text: style.gap().to_owned() + &style.object(members) + style.gap(),
            rows,
            link,
        })
}

/// How a body may come off the wire.
#[derive(Clone, Debug)]
enum Wire {
    Plain,
    Gzip,
    /// Several gzip members one after the other, empty ones too.
    Members(Vec<Index>),
}

impl Wire {
    fn body(&self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => text.to_vec(),
            Self::Gzip => gzip(text),
            Self::Members(cuts) => {
                let mut cuts: Vec<usize> =
                    cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
                cuts.push(text.len());
                cuts.sort_unstable();
                let starts = std::iter::once(0).chain(cuts.iter().copied());
                let pieces = starts.zip(cuts.iter().copied());
                pieces
                    .flat_map(|(from, to)| gzip(&text[from..to]))
                    .collect()
            }
        }
    }
}

fn wire() -> impl Strategy<Value = Wire> {
    prop_oneof![
        Just(Wire::Plain),
        Just(Wire::Gzip),
        prop::collection::vec(any::<Index>(), 1..4).prop_map(Wire::Members),
    ]
}

fn step() -> impl Strategy<Value = usize> {
    prop_oneof![1..5_usize, 1..200_usize, Just(CHUNK)]
}

fn with_mark(text: &str, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{FEFF}" } else { "" };
    format!("{mark}{text}").into_bytes()
}

/// A change of one place of a text, which may leave it what it was.
#[derive(Clone, Debug)]
enum Edit {
    Put(char),
    Insert(&'static str),
    Remove(usize),
}

fn edits() -> impl Strategy<Value = Vec<(Index, Edit)>> {
    let tokens = vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "1",
        "x",
        "\u{FEFF}",
        "é",
        " ",
        "{}",
        "\"value\":[],",
        "\\ud800",
    ];
    let edit = prop_oneof![
        any::<char>().prop_map(Edit::Put),
        select(tokens).prop_map(Edit::Insert),
        (1..6_usize).prop_map(Edit::Remove),
    ];
    prop::collection::vec((any::<Index>(), edit), 1..3)
}

fn edited(text: &str, edits: &[(Index, Edit)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (place, edit) in edits {
        let at = place.index(chars.len() + 1);
        match edit {
            Edit::Put(c) if at < chars.len() => chars[at] = *c,
            Edit::Put(c) => chars.push(*c),
            Edit::Insert(token) => drop(chars.splice(at..at, token.chars())),
            Edit::Remove(count) => drop(chars.drain(at..chars.len().min(at + count))),
        }
    }
    chars.into_iter().collect()
}

fn is_prefix(rows: &[Value], all: &[Value]) -> bool {
    all.starts_with(rows)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_page_gives_its_rows_in_order_once_and_its_link(
        page in page(), wire in wire(), mark in any::<bool>(), step in step(),
    ) {
        let body = wire.body(&with_mark(&page.text, mark));
        prop_assert_eq!(decode(body, step), page.outcome());
    }

    #[test]
    fn a_row_of_raw_text_is_the_text_of_the_page(page in page(), wire in wire(), step in step()) {
        let outcome = read::<Box<RawValue>>(open(&wire.body(page.text.as_bytes()), LIMIT, step));
        let rows: Vec<&str> = outcome.rows.iter().map(|row| row.get()).collect();
        prop_assert_eq!(rows, page.rows);
    }

    #[test]
    fn an_edited_page_is_what_it_says_or_an_error(
        page in page(), edits in edits(), wire in wire(), step in step(),
    ) {
        let text = edited(&page.text, &edits);
        let outcome = decode(wire.body(text.as_bytes()), step);
        match plain(text.as_bytes()) {
            Plain::Page { rows, link } => {
                prop_assert_eq!(outcome, Outcome { rows, end: Ok(link) }, "{:?}", text);
            }
            Plain::Broken { rows } => {
                let failure = outcome.end.unwrap_err();
                let kinds = [ErrorKind::Decode, ErrorKind::Transport];
                prop_assert!(kinds.contains(&failure.kind), "{failure:?}");
                prop_assert!(rows.is_none_or(|rows| rows == outcome.rows), "{:?}", text);
            }
        }
    }

    #[test]
    fn the_window_makes_no_difference(page in page(), edits in edits(), mark in any::<bool>()) {
        let body = with_mark(&edited(&page.text, &edits), mark);
        let whole = decode(&body, CHUNK);
        for step in [1, 2, 3, 5, 17, 64] {
            let windowed = decode(&body, step);
            prop_assert_eq!(&windowed.rows, &whole.rows, "step {}", step);
            match (&windowed.end, &whole.end) {
                (Err(one), Err(other)) => {
                    prop_assert_eq!(one.kind, other.kind, "step {}: {:?} {:?}", step, one, other);
                    prop_assert_eq!(one.retryable, other.retryable, "step {}", step);
                }
                (one, other) => prop_assert_eq!(one, other, "step {}", step),
            }
        }
    }

    #[test]
    fn any_bytes_are_rows_or_one_error(
        body in prop::collection::vec(any::<u8>(), 0..400), head in select(vec![
            &b""[..], b"{\"value\":[", b"{\"value\":[{},", b"\x1f\x8b", b"\x1f\x8b\x08\0\0\0\0\0\0\0",
            b"\xEF\xBB\xBF{\"value\":[{\"a\":\"", b"{\"", b"{\"@odata.nextLink\":\"",
        ]), step in step(),
    ) {
        let body = [head, &body].concat();
        let outcome = decode(&body, step);
        prop_assert!(outcome.rows.len() <= body.len());
        if let Plain::Page { rows, link } = plain(&body) {
            prop_assert_eq!(outcome, Outcome { rows, end: Ok(link) });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_page_cut_at_any_byte_is_an_error_behind_its_first_rows(
        page in page(), mark in any::<bool>(), step in step(),
    ) {
        let whole = page.outcome();
        let body = with_mark(page.text.trim_end(), mark);
        for cut in 0..body.len() {
            let outcome = decode(&body[..cut], step);
            prop_assert!(is_prefix(&outcome.rows, &whole.rows), "cut at {}", cut);
            prop_assert!(outcome.end.is_err(), "cut at {} of {:?}", cut, page.text);
        }
    }

    #[test]
    fn a_compressed_page_cut_at_any_byte_is_an_error_behind_its_first_rows(
        page in page(), wire in wire(), step in step(),
    ) {
        let whole = page.outcome();
        let body = wire.body(page.text.as_bytes());
        for cut in 0..body.len() {
            let outcome = decode(&body[..cut], step);
            prop_assert!(is_prefix(&outcome.rows, &whole.rows), "cut at {}", cut);
            // Behind the last byte of the text there may be white space and empty members.
            if outcome.end.is_ok() {
                prop_assert!(!matches!(wire, Wire::Gzip), "cut at {}", cut);
                prop_assert_eq!(&outcome, &whole, "cut at {}", cut);
            }
        }
    }

    #[test]
    fn a_bit_flipped_in_compressed_data_is_an_error(page in page(), bit in 0..8_u32, step in step()) {
        let whole = page.outcome();
        let body = gzip(page.text.as_bytes());
        for at in 0..body.len() {
            let mut flipped = body.clone();
            flipped[at] ^= 1 << bit;
            let outcome = decode(flipped, step);
            // Some bits say nothing: the time in the header, the padding behind the last block.
            prop_assert!(outcome.end.is_err() || outcome == whole, "byte {}", at);
            let checksum = at + 8 >= body.len();
            prop_assert!(outcome.end.is_err() || !checksum, "byte {}", at);
        }
    }
}

// The shape of a page.

#[test]
fn a_page_without_an_array_named_value_is_never_an_empty_one() {
    for page in [
        "{}",
        r#"{"@odata.context":"x"}"#,
        r#"{"Value":[]}"#,
        r#"{"a":{"value":[]}}"#,
        r#"{"value":null}"#,
        r#"{"value":{}}"#,
        r#"{"value":{"value":[]}}"#,
        r#"{"value":""}"#,
        r#"{"value":0}"#,
        r#"{"value":false}"#,
        r#"{"error":{"code":"x","message":"y"}}"#,
    ] {
        let failure = failure(page);
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::Decode, false),
            "{page}"
        );
        assert!(failure.text.contains("`value`"), "{page}: {failure:?}");
    }
}

#[test]
fn a_known_key_that_comes_twice_is_an_error_behind_the_first_rows() {
    for page in [
        r#"{"value":[{"a":1}],"value":[{"a":2}]}"#,
        r#"{"value":[{"a":1}],"\u0076alue":[]}"#,
        r#"{"@odata.nextLink":"x","value":[{"a":1}],"@odata.nextLink":"x"}"#,
        r#"{"@odata.nextLink":null,"value":[{"a":1}],"@odata.nextLink":"x"}"#,
    ] {
        let outcome = decode(page, CHUNK);
        assert_eq!(outcome.rows.len(), 1, "{page}");
        let failure = outcome.end.unwrap_err();
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::Decode, false),
            "{page}"
        );
        assert!(failure.text.contains("twice"), "{failure:?}");
    }
}

#[test]
fn a_key_may_be_written_with_escapes() {
    let page = r#"{"\u0040odata\u002enextLink":"?\u0024skip=1","v\u0061lue":[{}]}"#;
    let outcome = decode(page, 1);
    assert_eq!(
        (outcome.rows.len(), outcome.end),
        (1, Ok(Some("?$skip=1".to_owned())))
    );
}

#[test]
fn a_link_of_null_or_nothing_is_none_and_any_other_type_is_an_error() {
    for link in ["null", r#""""#] {
        let page = format!(r#"{{"value":[{{}}],"@odata.nextLink":{link}}}"#);
        assert_eq!(decode(page, CHUNK).end, Ok(None), "{link}");
    }
    for link in ["1", "true", "[]", "{}", r#"["?$skip=1"]"#] {
        let page = format!(r#"{{"value":[{{}}],"@odata.nextLink":{link}}}"#);
        assert_eq!(decode(&page, CHUNK).rows.len(), 1, "{link}");
        assert_eq!(failure(page).kind, ErrorKind::Decode, "{link}");
    }
}

#[test]
fn a_row_that_is_no_object_is_an_error_that_says_which() {
    // A struct could be read from an array by position, and `null` would pass for an `Option`.
    #[derive(Debug, Deserialize)]
    struct Row {
        _id: Option<u8>,
    }
    for row in [
        "[1]", "[]", "null", "1", r#""a""#, "true", "[{}]", "x", ",", "-",
    ] {
        let page = format!(r#"{{"value":[{{"_id":1}},{row}]}}"#);
        for step in [1, 3, CHUNK] {
            let outcome = read::<Option<Row>>(open(page.as_bytes(), LIMIT, step));
            assert_eq!(outcome.rows.len(), 1, "{row}");
            let failure = outcome.end.unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Decode, "{row}");
            assert!(
                failure.text.contains("row 2 is not a JSON object"),
                "{failure:?}"
            );
        }
    }
}

#[test]
fn text_behind_the_page_is_an_error() {
    for behind in ["x", "{}", r#"{"value":[]}"#, ",", "]", "}", "\0", "0"] {
        let failure = failure(format!("{{\"value\":[{{}}]}} {behind}"));
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::Decode, false),
            "{behind}"
        );
        assert!(failure.text.contains("behind"), "{failure:?}");
    }
    assert_eq!(decode("{\"value\":[{}]} \r\n\t ", 1).end, Ok(None));
}

#[test]
fn what_is_no_json_is_an_error_that_says_where() {
    for (page, place) in [
        (r#"{"value":[{},]}"#, "byte 13: expected a row"),
        (r#"{"value":[{} {}]}"#, "byte 13: expected `,` or `]`"),
        (r#"{"value":[{}]]}"#, "byte 13: expected"),
        (r#"{"value":[],}"#, "byte 12: expected a key"),
        (r#"{,"value":[]}"#, "byte 1: expected a key"),
        ("{value:[]}", "byte 1: expected a key"),
        (r#"{"value" []}"#, "byte 9: expected"),
        (r#"{"value"=[]}"#, "byte 8: expected"),
        (r#"{"value":[] "a":1}"#, "byte 12: expected"),
        (r#"{"value":[{}}"#, "byte 12: expected"),
        (r#"{"a":}"#, "expected value"),
        (r#"{"a":01}"#, "invalid number"),
        (r#"{"a":nul}"#, "expected ident"),
        (r#"{"a":'x'}"#, "expected value"),
        (r#"{"value":[{"a":NaN}]}"#, "expected value"),
        (r#"{"value":[{"a":1,}]}"#, "key must be a string"),
        ("{\"value\":[{\"a\":\"\n\"}]}", "control character"),
        (r#"{"value":[{"a":"\x"}]}"#, "invalid escape"),
    ] {
        for step in [1, 2, 7, CHUNK] {
            let failure = decode(page, step).end.unwrap_err();
            assert_eq!(
                (failure.kind, failure.retryable),
                (ErrorKind::Decode, false),
                "{page}"
            );
            assert!(failure.text.contains(place), "{page}: {failure:?}");
        }
    }
}

#[test]
fn what_is_no_page_is_named_by_its_content_type() {
    for body in [
        "<!DOCTYPE html><title>Sign in</title>",
        "[]",
        "\"x\"",
        "null",
        "<value/>",
    ] {
        let mut rows = Rows::new(body.into(), LIMIT, Some("text/html; charset=utf-8"));
        let error = rows.next::<Value>().unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Decode, false)
        );
        assert!(
            error.to_string().contains("text/html; charset=utf-8"),
            "{error}"
        );
        assert!(!error.to_string().contains("Sign in"), "{error}");
        assert_eq!(failure(body).text, "the body is no page of JSON");
    }
}

#[test]
fn an_empty_body_may_be_whole_next_time() {
    for body in ["", " \r\n\t ", "\u{FEFF}", "\u{FEFF} "] {
        let failure = failure(body);
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::Decode, true),
            "{body:?}"
        );
        assert!(failure.text.contains("empty"), "{failure:?}");
    }
    assert!(failure(gzip(b"")).text.contains("empty"));
}

#[test]
fn a_body_in_another_encoding_is_an_error_that_says_so() {
    let page = r#"{"value":[{"a":"é"}]}"#;
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    };
    let marked = format!("\u{FEFF}{page}");
    // Without a mark, ASCII letters are valid UTF-8 beside their NULs.
    let ascii = r#"{"value":[{"a":"e"}]}"#;
    let latin1: Vec<u8> = page
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    for body in [
        utf16(&marked, u16::to_le_bytes),
        utf16(&marked, u16::to_be_bytes),
        utf16(ascii, u16::to_le_bytes),
        utf16(ascii, u16::to_be_bytes),
        latin1.clone(),
        gzip(&latin1),
    ] {
        let failure = failure(body);
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::Decode, false)
        );
        assert!(failure.text.contains("UTF-8"), "{failure:?}");
    }
}

#[test]
fn nonsense_that_is_said_to_be_compressed_may_be_damage_whatever_it_looks_like() {
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let wide_page = wide(r#"{"value":[]}"#);
    for said in [true, false] {
        let retry = if said { Retry::Once } else { Retry::Never };
        for (body, what) in [
            ("<html>".as_bytes(), "no page"),
            (b"\xFF\x8B", "UTF-8"),
            // Found when a character that was begun is not gone on with.
            (b" \xE2x", "UTF-8"),
            (&wide_page, "UTF-16"),
            (&wide_page[1..], "UTF-16"),
        ] {
            for step in [1, 7, CHUNK] {
                let mut body = Body::from(body);
                body.said_compressed = said;
                let mut rows = Rows::new(body, LIMIT, None).with_step(step);
                let error = rows.next::<Value>().unwrap().unwrap_err();
                assert!(error.to_string().contains(what), "{error}");
                assert_eq!(error.retry(), retry, "{error} in steps of {step}");
            }
        }
        // What begins as JSON was not damaged on its way.
        let mut body = Body::from(r#"{"value":x}"#);
        body.said_compressed = said;
        let error = Rows::new(body, LIMIT, None).next::<Value>();
        assert_eq!(error.unwrap().unwrap_err().retry(), Retry::Never);
    }
}

#[test]
fn a_mark_is_taken_off_the_beginning_and_nowhere_else() {
    let page = r#"{"value":[]}"#;
    assert_eq!(decode(format!("\u{FEFF}{page}"), 1).end, Ok(None));
    for body in [
        format!("\u{FEFF}\u{FEFF}{page}"),
        format!(" \u{FEFF}{page}"),
    ] {
        assert_eq!(failure(body).kind, ErrorKind::Decode);
    }
}

#[test]
fn a_string_that_is_skipped_may_hold_what_a_kept_one_may_not() {
    let skipped = r#"{"a":"\ud800","value":[{}]}"#;
    assert_eq!(decode(skipped, 1).rows.len(), 1);
    let kept = r#"{"value":[{"a":"\ud800"}]}"#;
    assert_eq!(failure(kept).kind, ErrorKind::Decode);
}

// Size.

#[test]
fn nesting_is_skipped_at_any_depth_and_kept_to_a_bound() {
    let deep = 200_000;
    let bomb = "[".repeat(deep) + &"]".repeat(deep);
    let skipped = format!(r#"{{"a":{bomb},"value":[{{}}]}}"#);
    let kept = format!(r#"{{"value":[{{}},{{"a":{bomb}}}]}}"#);
    // With a stack that a bomb would find its end in.
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let (skipped, kept) = small
        .spawn(move || (decode(skipped, CHUNK), decode(kept, CHUNK)))
        .unwrap()
        .join()
        .unwrap();
    assert_eq!((skipped.rows.len(), skipped.end), (1, Ok(None)));
    assert_eq!(kept.rows.len(), 1);
    assert_eq!(kept.end.unwrap_err().kind, ErrorKind::Decode);
}

/// A row's text, and nothing else of it.
#[derive(Deserialize)]
struct Text {
    a: String,
}

#[test]
fn a_string_of_nine_megabytes_is_a_value_like_any_other() {
    let long = "ü".repeat(4_500_000);
    let page = format!(r#"{{"value":[{{"a":"x"}},{{"a":"{long}"}},{{"a":"y"}}]}}"#);
    for body in [page.clone().into_bytes(), gzip(page.as_bytes())] {
        let mut rows = open(&body, LIMIT, CHUNK);
        assert_eq!(rows.next::<Text>().unwrap().unwrap().a, "x");
        assert_eq!(rows.next::<Text>().unwrap().unwrap().a, long);
        assert_eq!(rows.next::<Text>().unwrap().unwrap().a, "y");
        assert!(rows.next::<Text>().is_none());
    }
}

#[test]
fn a_list_of_a_million_is_a_value_like_any_other() {
    #[derive(Deserialize)]
    struct Tags {
        tags: Vec<String>,
    }
    let tags = vec!["\"ab\""; 1_000_000].join(",");
    let page = format!("{{\"value\":[{{\"tags\":[{tags}]}},{{\"tags\":[]}}]}}");
    let mut rows = open(&gzip(page.as_bytes()), LIMIT, CHUNK);
    let tags = rows.next::<Tags>().unwrap().unwrap().tags;
    assert!(tags.len() == 1_000_000 && tags.iter().all(|tag| tag == "ab"));
    assert!(rows.next::<Tags>().unwrap().unwrap().tags.is_empty());
    assert!(rows.next::<Tags>().is_none());
}

#[test]
fn an_element_above_the_cap_is_too_large_wherever_it_stands() {
    let more = ELEMENT_LIMIT + 1024 * 1024;
    let over = "x".repeat(more);
    for page in [
        format!(r#"{{"value":[{{"a":1}},{{"a":"{over}"}}]}}"#),
        format!(r#"{{"value":[{{"a":1}}],"skipped":"{over}"}}"#),
        format!(r#"{{"value":[{{"a":1}}],"{over}":1}}"#),
        format!(r#"{{"value":[{{"a":1}}],"@odata.nextLink":"{over}"}}"#),
    ] {
        let outcome = decode(page, CHUNK);
        assert_eq!(outcome.rows.len(), 1);
        let failure = outcome.end.unwrap_err();
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::TooLarge, false)
        );
    }
}

#[test]
fn a_body_of_exactly_the_limit_passes_and_of_one_byte_more_does_not() {
    let page = r#"{"value":[{"a":"é"},{"a":"b"}],"@odata.nextLink":null}"#;
    let size = u64::try_from(page.len()).unwrap();
    for body in [page.as_bytes().to_vec(), gzip(page.as_bytes())] {
        for step in [1, 2, 3, 10, page.len(), CHUNK] {
            assert_eq!(
                read::<Value>(open(&body, size, step)).end,
                Ok(None),
                "{step}"
            );
            let outcome = read::<Value>(open(&body, size - 1, step));
            let failure = outcome.end.unwrap_err();
            assert_eq!(
                (failure.kind, failure.retryable),
                (ErrorKind::TooLarge, false)
            );
            assert!(
                failure.text.contains(&(size - 1).to_string()),
                "{failure:?}"
            );
        }
    }
}

#[test]
fn what_inflates_beyond_the_limit_is_stopped_and_memory_stays_flat() {
    let limit = 4 * 1024 * 1024;
    let blanks = " ".repeat(1024 * 1024);
    let row = format!("{{\"a\":\"{}\"}},", "x".repeat(10_000));
    let string = "x".repeat(1024 * 1024);
    for (head, filling, window) in [
        (r#"{"value":["#, &blanks, 3 * CHUNK),
        (r#"{"value":["#, &row, 4 * CHUNK),
        // An element that never ends is held, but no more of it than the limit.
        (
            r#"{"value":[{"a":""#,
            &string,
            2 * 4 * 1024 * 1024 + 2 * CHUNK,
        ),
    ] {
        let mut deflating = GzEncoder::new(Vec::new(), Compression::fast());
        deflating.write_all(head.as_bytes()).unwrap();
        let mut written = 0;
        while written < 16 * 1024 * 1024 {
            deflating.write_all(filling.as_bytes()).unwrap();
            written += filling.len();
        }
        let body = deflating.finish().unwrap();
        assert!(body.len() < 256 * 1024, "no bomb: {}", body.len());
        let mut rows = Rows::new(body.into(), limit, None);
        let error = loop {
            let next = rows.next::<IgnoredAny>().unwrap();
            let held = rows.room();
            assert!(held <= window, "{held} bytes are held");
            if let Err(error) = next {
                break error;
            }
        };
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::TooLarge, false)
        );
        assert!(rows.window.inflated() <= limit + u64::try_from(CHUNK).unwrap());
        assert!(rows.next::<IgnoredAny>().is_none());
    }
}

#[test]
fn no_more_of_a_body_is_inflated_than_the_rows_asked_for_need() {
    let row = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000));
    let page = format!("{{\"value\":[{}]}}", vec![row; 2_000].join(","));
    let mut rows = Rows::new(gzip(page.as_bytes()).into(), LIMIT, None);
    let stretch = u64::try_from(CHUNK).unwrap();
    for taken in 0..50_u64 {
        rows.next::<Text>().unwrap().unwrap();
        assert!(
            rows.window.inflated() <= taken * 1_009 + 2 * stretch,
            "after {taken} rows"
        );
    }
}

#[test]
fn a_row_is_out_as_soon_as_its_last_byte_has_come() {
    let page = r#"{"value":[{},{"a":1} ,{"a":"{"}]}"#;
    let mut rows = open(page.as_bytes(), LIMIT, 1);
    for end in [12, 20, 31] {
        rows.next::<IgnoredAny>().unwrap().unwrap();
        assert_eq!(rows.window.inflated(), end);
    }
}

#[test]
fn a_row_comes_out_although_the_page_is_broken_behind_it() {
    for damage in ["\u{FFFD}x", "{\"a\":\"\n\"}", "[1]", ""] {
        let page = format!("{{\"value\":[{{\"a\":\"x\"}},{{\"a\":\"y\"}},{damage}");
        let outcome = decode(page, CHUNK);
        assert_eq!(outcome.rows.len(), 2, "{damage}");
        assert!(outcome.end.is_err(), "{damage}");
    }
    // What is not UTF-8 is found a stretch at a time: rows of earlier ones are out by then.
    let rows = "{\"a\":\"x\"},".repeat(2 * CHUNK / 10);
    let body = [b"{\"value\":[", rows.as_bytes(), b"\xFF"].concat();
    let outcome = decode(body, CHUNK);
    assert!(outcome.rows.len() > CHUNK / 10, "{}", outcome.rows.len());
    assert_eq!(outcome.end.unwrap_err().kind, ErrorKind::Decode);
}

// Callers' own types.

thread_local! {
    static PARSES: Cell<u32> = const { Cell::new(0) };
}

/// Counts how often it is made of anything.
struct Counted;

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PARSES.set(PARSES.get() + 1);
        assert!(PARSES.get() < 200, "parsed again and again");
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[test]
fn a_huge_element_is_parsed_a_logarithmic_number_of_times() {
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(4 * 1024 * 1024));
    let page = format!("{{\"value\":[{{}},{huge},{{}}]}}");
    let mut rows = open(page.as_bytes(), LIMIT, 1_400);
    rows.next::<Counted>().unwrap().unwrap();
    PARSES.set(0);
    rows.next::<Counted>().unwrap().unwrap();
    // Once a stretch up to 32 KiB, then once for each doubling up to 4 MiB.
    let most = u32::try_from(DOUBLE_FROM / 1_400).unwrap() + 1 + 7 + 2;
    assert!(PARSES.get() <= most, "{} parses", PARSES.get());
    rows.next::<Counted>().unwrap().unwrap();
    assert!(rows.next::<Counted>().is_none());
}

#[test]
fn a_row_that_is_cut_is_not_parsed_again_when_nothing_more_has_come() {
    let mut rows = open(b"{\"value\":[{\"a\":", LIMIT, CHUNK);
    PARSES.set(0);
    assert!(rows.next::<Counted>().unwrap().is_err());
    assert_eq!(PARSES.get(), 1);
}

#[test]
fn rows_that_fit_the_window_are_parsed_once() {
    let page = format!("{{\"value\":[{}]}}", vec!["{\"a\":\"x\"}"; 5_000].join(","));
    let mut rows = open(page.as_bytes(), LIMIT, CHUNK);
    let mut parses = 0;
    loop {
        PARSES.set(0);
        let Some(row) = rows.next::<Counted>() else {
            break;
        };
        row.unwrap();
        parses += PARSES.get();
    }
    assert_eq!(parses, 5_000);
}

/// Says of every failure the same, in words of its own: also of the end of the input.
struct Stubborn {
    a: String,
    b: Vec<u32>,
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Plain {
            #[serde(deserialize_with = "stubborn")]
            a: String,
            #[serde(deserialize_with = "stubborn")]
            b: Vec<u32>,
        }
        let plain = Plain::deserialize(deserializer).map_err(|_| D::Error::custom("I won't"))?;
        Ok(Self {
            a: plain.a,
            b: plain.b,
        })
    }
}

fn stubborn<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    T::deserialize(deserializer).map_err(|_| D::Error::custom("I won't either"))
}

#[test]
fn a_type_that_hides_the_end_of_the_input_decodes_with_every_window() {
    let page = "{\"value\":[{\"a\":\"éx\\n\",\"b\":[1,23,456]} , {\"b\":[],\"a\":\"\"},\
                {\"x\":null,\"a\":\"}\",\"b\":[7]}]}";
    for body in [page.as_bytes().to_vec(), gzip(page.as_bytes())] {
        for step in 1..=page.len() {
            let outcome = read::<Stubborn>(open(&body, LIMIT, step));
            assert_eq!(outcome.end, Ok(None), "step {step}");
            let rows: Vec<_> = outcome.rows.iter().map(|row| (&*row.a, &*row.b)).collect();
            let expected = [("éx\n", &[1, 23, 456][..]), ("", &[]), ("}", &[7])];
            assert_eq!(rows, expected, "step {step}");
        }
    }
}

#[test]
fn a_type_that_hides_the_end_of_the_input_fails_for_its_own_reasons_with_every_window() {
    let page =
        "{\"value\":[{\"a\":\"x\",\"b\":[1]},{\"a\":\"PLANTED\",\"b\":{\"c\":\"PLANTED\"}},{}]}";
    for step in 1..=page.len() {
        let outcome = read::<Stubborn>(open(page.as_bytes(), LIMIT, step));
        assert_eq!(outcome.rows.len(), 1, "step {step}");
        let failure = outcome.end.unwrap_err();
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::Decode, false),
            "step {step}"
        );
        assert!(!failure.text.contains("PLANTED"), "{failure:?}");
    }
}

#[test]
fn what_is_no_json_is_told_as_such_even_to_a_type_that_hides_it() {
    let page = r#"{"value":[{"a":"x","b":[1 2]}]}"#;
    for step in 1..=page.len() {
        let outcome = read::<Stubborn>(open(page.as_bytes(), LIMIT, step));
        let text = outcome.end.err().unwrap().text;
        assert!(text.contains("expected `,` or `]`"), "step {step}: {text}");
    }
}

#[test]
fn a_cut_page_is_damage_even_to_a_type_that_hides_the_end_of_the_input() {
    let page = r#"{"value":[{"a":"x","b":[1]},{"a":"y","b":[2]}]}"#;
    for cut in 1..page.len() {
        let outcome = read::<Stubborn>(open(&page.as_bytes()[..cut], LIMIT, 5));
        let failure = outcome.end.unwrap_err();
        let told = (failure.kind, failure.retryable);
        assert_eq!(
            told,
            (ErrorKind::Transport, true),
            "cut at {cut}: {failure:?}"
        );
    }
}

#[test]
fn types_that_buffer_what_they_read_decode_with_every_window() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Named { name: String },
        Other(std::collections::BTreeMap<String, Value>),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat {
        id: Option<u32>,
        #[serde(flatten)]
        rest: Either,
    }
    let page = r#"{"value":[{"id":12,"name":"ä"},{"x":[1,{"y":null}]},{"id":null,"name":3}]}"#;
    let whole = read::<Flat>(open(page.as_bytes(), LIMIT, CHUNK));
    assert_eq!(whole.rows.len(), 3);
    assert_eq!(
        whole.rows[0].rest,
        Either::Named {
            name: "ä".to_owned()
        }
    );
    for step in 1..=page.len() {
        assert_eq!(
            read::<Flat>(open(page.as_bytes(), LIMIT, step)),
            whole,
            "step {step}"
        );
    }
}

#[test]
fn a_wrong_type_is_named_by_its_key_and_place_and_never_by_its_value() {
    #[derive(Debug, Deserialize)]
    struct Row {
        #[expect(dead_code, reason = "only whether it decodes matters")]
        outer: Vec<Inner>,
    }
    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only whether it decodes matters")]
        number: u8,
    }
    for (value, found) in [
        (r#""PLANTED""#, "found string"),
        (r#""PLANTED, expected x""#, "found string"),
        (r#"["PLANTED"]"#, "found sequence"),
        (r#"{"PLANTED":"PLANTED"}"#, "found map"),
        ("7777777", "found integer"),
        ("77777.5", "found floating point"),
        ("true", "found boolean"),
        ("null", "found null"),
    ] {
        let page = format!(
            "{{\"value\":[{{\"outer\":[]}},\n {{\"é\":\"x\",\"outer\":[{{\"number\":1}},\n  {{\"number\":{value}}}]}}]}}"
        );
        for step in (1..60).chain([CHUNK]) {
            let outcome = read::<Row>(open(page.as_bytes(), LIMIT, step));
            assert_eq!(outcome.rows.len(), 1, "{value}");
            let text = outcome.end.unwrap_err().text;
            assert!(
                text.contains("the row, key `outer[1].number`, line 2 column"),
                "{text}"
            );
            assert!(text.ends_with(&format!("expected u8, {found}")), "{text}");
            assert!(
                !text.contains("PLANTED") && !text.contains("77777"),
                "{text}"
            );
        }
    }
}

#[test]
fn debug_of_a_page_shows_nothing_of_it() {
    let page = r#"{"@odata.nextLink":"PLANTED","value":[{"a":"PLANTED"},{"a":"PLANTED"}]}"#;
    let mut rows = open(page.as_bytes(), LIMIT, CHUNK);
    rows.next::<Value>().unwrap().unwrap();
    let shown = format!("{rows:?} {rows:#?}");
    assert!(
        shown.contains("taken: 1") && !shown.contains("PLANTED"),
        "{shown}"
    );
}

#[test]
fn a_number_cut_by_the_window_is_read_whole_whether_kept_or_skipped() {
    #[derive(Deserialize)]
    struct Row {
        kept: f64,
    }
    let numbers = "[-1,-0.5,1.25,1e2,1E+2,1e-2]";
    let page = format!(
        "{{\"a\":-1.5e-3,\"b\":{numbers},\"value\":[{{\"kept\":-2.5e+1,\"c\":{numbers}}}]}}"
    );
    for step in 1..=page.len() {
        let outcome = read::<Row>(open(page.as_bytes(), LIMIT, step));
        assert_eq!(outcome.end, Ok(None), "step {step}");
        assert!(
            (outcome.rows[0].kept + 25.0).abs() < f64::EPSILON,
            "step {step}"
        );
    }
}

#[test]
fn a_page_cut_within_a_character_is_damage() {
    let page = "{\"value\":[{\"a\":\"é€😀\"}]}";
    for cut in 1..page.len() {
        let failure = failure(&page.as_bytes()[..cut]);
        let told = (failure.kind, failure.retryable);
        assert_eq!(
            told,
            (ErrorKind::Transport, true),
            "cut at {cut}: {failure:?}"
        );
    }
}

#[test]
fn a_type_that_makes_do_with_any_failure_gets_whole_rows_with_every_window() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        a: Option<Value>,
    }
    #[derive(Debug, PartialEq)]
    struct Lenient(Option<Row>);
    impl<'de> Deserialize<'de> for Lenient {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Ok(Self(Row::deserialize(deserializer).ok()))
        }
    }
    let page = r#"{"value":[{"a":{},"b":[]},{"b":"x","a":[{}]},{}]}"#;
    let whole = read::<Lenient>(open(page.as_bytes(), LIMIT, CHUNK));
    assert!(
        whole.end.is_ok() && whole.rows.iter().all(|row| row.0.is_some()),
        "{whole:?}"
    );
    for step in 1..=page.len() {
        assert_eq!(
            read::<Lenient>(open(page.as_bytes(), LIMIT, step)),
            whole,
            "step {step}"
        );
    }
    for cut in 1..page.len() {
        let outcome = read::<Lenient>(open(&page.as_bytes()[..cut], LIMIT, 5));
        assert!(
            whole.rows.starts_with(&outcome.rows),
            "cut at {cut}: {outcome:?}"
        );
        assert!(outcome.end.is_err(), "cut at {cut}");
    }
}

#[test]
fn the_place_of_a_fault_is_the_same_with_every_window() {
    let page = r#"{"value":[{} x,"é€😀"]}"#;
    for step in 1..=page.len() {
        let text = decode(page, step).end.unwrap_err().text;
        assert!(text.contains("at byte 13:"), "step {step}: {text}");
    }
}

// A body that is one entity.

fn entity(body: &[u8], limit: u64) -> Result<String, Failure> {
    whole_text(body.into(), limit, Some("text/html")).map_err(|error| Failure {
        kind: error.kind(),
        retryable: error.is_retryable(),
        text: error.to_string(),
    })
}

#[test]
fn the_text_of_an_entity_is_the_whole_of_its_body() {
    let long = format!("{{\"a\":\"{}\"}}", "é€😀".repeat(CHUNK));
    for text in ["{}", " \r\n{\"a\":[1]} ", &long] {
        for body in [
            text.as_bytes().to_vec(),
            gzip(text.as_bytes()),
            with_mark(text, true),
        ] {
            assert!(entity(&body, LIMIT).as_deref() == Ok(text));
        }
    }
}

#[test]
fn what_is_no_entity_fails_as_a_page_would() {
    let of = |body: &[u8]| {
        let failure = entity(body, LIMIT).unwrap_err();
        (failure.kind, failure.retryable, failure.text)
    };
    let no_page = "the body is no page of JSON (its content type is text/html)";
    for body in ["<html>", "[{}]", "x{}"] {
        let told = (ErrorKind::Decode, false, no_page.to_owned());
        assert_eq!(of(body.as_bytes()), told, "{body}");
    }
    let (kind, retryable, text) = of(b"");
    assert_eq!((kind, retryable), (ErrorKind::Decode, true));
    assert!(text.contains("empty"), "{text}");
    let compressed = gzip(b"{\"a\":1}");
    for cut in [
        "{\"a\":\"é".as_bytes().split_last().unwrap().1,
        &compressed[..20],
    ] {
        let (kind, retryable, text) = of(cut);
        assert_eq!((kind, retryable), (ErrorKind::Transport, true), "{text}");
    }
}

#[test]
fn an_entity_of_exactly_the_limit_passes_and_of_one_byte_more_does_not() {
    let text = "{\"a\":1}";
    for body in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
        assert_eq!(entity(&body, 7).as_deref(), Ok(text));
        assert_eq!(entity(&body, 6).unwrap_err().kind, ErrorKind::TooLarge);
    }
}
