//! Pages as they come off a wire: compressed, in pieces, damaged, too large, and not pages at all.

use std::error::Error as _;

use defender_endpoint::machines::ListMachines;
use defender_endpoint::{Error, ErrorKind, Items};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::client;
use crate::support::raw::{Answer, RawServer, gzip};

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Row {
    pub(crate) n: u64,
    name: String,
}

/// A page of so many rows, with an umlaut and an emoji in each.
pub(crate) fn page(rows: u64) -> String {
    let rows: Vec<String> = (0..rows)
        .map(|n| format!("{{\"n\":{n},\"name\":\"Gerät {n} 😀\"}}"))
        .collect();
    format!(
        "{{\"@odata.context\":\"x\",\"value\":[{}]}}",
        rows.join(",")
    )
}

pub(crate) fn machines(server: &RawServer) -> ListMachines<Row> {
    client(&server.url()).machines().deserialize()
}

/// Walks to the end and past it.
pub(crate) fn walk<T: DeserializeOwned>(items: &mut Items<T>) -> (Vec<T>, Option<Error>) {
    let mut rows = Vec::new();
    let mut failure = None;
    while failure.is_none() {
        match items.next() {
            Some(Ok(row)) => rows.push(row),
            Some(Err(error)) => failure = Some(error),
            None => break,
        }
    }
    for _ in 0..3 {
        assert!(items.next().is_none(), "the end is no end");
    }
    (rows, failure)
}

/// The numbers of the rows, and the error if there was one.
pub(crate) fn numbers(server: &RawServer) -> (Vec<u64>, Option<Error>) {
    let mut items = machines(server).into_iter();
    let (rows, failure) = walk(&mut items);
    let offset = u64::try_from(rows.len()).unwrap();
    assert_eq!(
        items.offset(),
        offset,
        "what was handed out is what is counted"
    );
    for row in &rows {
        assert_eq!(row.name, format!("Gerät {} 😀", row.n));
    }
    (rows.into_iter().map(|row| row.n).collect(), failure)
}

/// An answer that must be an error before any row.
pub(crate) fn failure(answer: Answer) -> Error {
    let server = RawServer::script([answer]);
    let (rows, failure) = numbers(&server);
    assert!(rows.is_empty(), "{rows:?}");
    failure.expect("no rows and no error")
}

/// Everything that an error can show.
pub(crate) fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text} {error} {error:?}");
        cause = error.source();
    }
    text
}

// Proper answers of every make.

#[test]
fn a_page_is_the_same_however_it_comes() {
    let text = page(2_000);
    let json = [("Content-Type", "application/json")];
    let middle = text.len() / 2;
    let (head, tail) = text.as_bytes().split_at(middle);
    let members = [gzip(head), gzip(b""), gzip(tail), gzip(b"")].concat();
    let marked = format!("\u{FEFF}{text}\r\n");
    for answer in [
        Answer::json(&text),
        Answer::json(&marked),
        Answer::gzip(&text),
        Answer::gzip(&marked),
        Answer::chunked(&text, 7),
        Answer::chunked(&text, 10_000),
        Answer::chunked(gzip(text.as_bytes()), 100),
        Answer::without_length(200, &json, &text),
        Answer::without_length(200, &json, gzip(text.as_bytes())),
        Answer::new(200, &json, &members),
        // Headers that are wrong about the body, or say nothing.
        Answer::new(200, &json, gzip(text.as_bytes())),
        Answer::new(200, &[("Content-Encoding", "gzip")], &text),
        Answer::new(200, &[("Content-Type", "text/html")], &text),
        Answer::new(200, &[], &text),
    ] {
        let server = RawServer::script([answer]);
        let (rows, failure) = numbers(&server);
        assert!(failure.is_none(), "{failure:?}");
        assert_eq!(rows, (0..2_000).collect::<Vec<u64>>());
        assert_eq!(
            server.requests()[0].header("accept-encoding").unwrap(),
            "gzip"
        );
    }
}

#[test]
fn the_link_may_come_before_the_rows_and_between_strange_keys() {
    let first = r#"{"@odata.nextLink":"?$skip=1","a":{"value":[1]},"value":[{"n":0,"name":"Gerät 0 😀"}],"":[]}"#;
    let second = r#"{"value":[{"n":1,"name":"Ger\u00e4t 1 \ud83d\ude00"}],"@odata.count":2}"#;
    let server = RawServer::pages([first, second]);
    assert_eq!(numbers(&server).0, [0, 1]);
}

#[test]
fn rows_decode_into_trees_and_raw_text() {
    let server = RawServer::pages([r#"{"value":[{"b": 1, "a":[null]},{}]}"#]);
    let list = client(&server.url()).machines();
    let trees: Vec<Value> = list
        .clone()
        .deserialize()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        trees,
        [serde_json::json!({"a":[null],"b":1}), serde_json::json!({})]
    );
    let mut raw = list.deserialize::<Box<RawValue>>().into_iter();
    let texts: Vec<String> = raw
        .by_ref()
        .map(|row| row.unwrap().get().to_owned())
        .collect();
    assert_eq!(texts, [r#"{"b": 1, "a":[null]}"#, "{}"]);
}

// What the errors of rows say, and what they never say.

#[test]
fn the_row_behind_a_malformed_one_is_reached_by_skipping_it() {
    let server = RawServer::new(|request| {
        let rows = [
            r#"{"n":0,"name":"a"}"#,
            r#"{"n":"?"}"#,
            r#"{"n":2,"name":"c"}"#,
        ];
        let skip = usize::try_from(request.number("$skip").unwrap_or(0)).unwrap();
        Answer::json(format!("{{\"value\":[{}]}}", rows[skip.min(3)..].join(",")))
    });
    let mut items = machines(&server).into_iter();
    let (rows, failure) = walk(&mut items);
    assert_eq!((rows[0].n, failure.unwrap().kind()), (0, ErrorKind::Decode));
    let mut rest = machines(&server).skip(items.offset() + 1).into_iter();
    let (rows, failure) = walk(&mut rest);
    assert_eq!((rows[0].n, rows.len(), failure.is_none()), (2, 1, true));
    assert_eq!(rest.offset(), 3);
}

/// A caller's type that says in its own words whatever goes wrong, also the end of the input.
struct Stubborn(u64);

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let row = Row::deserialize(deserializer).map_err(|_| D::Error::custom("no such thing"))?;
        Ok(Self(row.n))
    }
}

#[test]
fn a_type_with_errors_of_its_own_decodes_over_all_windows_of_a_large_page() {
    let server = RawServer::script([Answer::gzip(page(10_000))]);
    let mut items = client(&server.url())
        .machines()
        .deserialize::<Stubborn>()
        .into_iter();
    let (rows, failure) = walk(&mut items);
    assert!(failure.is_none(), "{failure:?}");
    assert!(rows.iter().map(|row| row.0).eq(0..10_000));
}

#[test]
fn an_error_in_the_callers_own_words_is_not_shown() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "Value")]
    struct Picky;
    impl TryFrom<Value> for Picky {
        type Error = String;

        fn try_from(row: Value) -> Result<Self, String> {
            Err(format!("I don't like {row}"))
        }
    }
    for value in [
        "PLANTED",
        "PLANTED at line 1 column 2",
        "x, expected PLANTED",
    ] {
        let server = RawServer::pages([format!("{{\"value\":[{{\"a\":\"{value}\"}}]}}")]);
        let mut items = client(&server.url())
            .machines()
            .deserialize::<Picky>()
            .into_iter();
        let (_, failure) = walk(&mut items);
        let error = failure.unwrap();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(!shown(&error).contains("PLANTED"), "{error:#?}");
    }
}
