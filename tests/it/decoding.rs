//! Pages as they come off a wire: compressed, in pieces, damaged, too large, and not pages at all.

use std::error::Error as _;
use std::io::Write;
use std::time::Duration;

use defender_endpoint::machines::ListMachines;
use defender_endpoint::{Error, ErrorKind, Items};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::raw::{Answer, RawServer, gzip};
use crate::support::{builder, client};

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Row {
    n: u64,
    name: String,
}

/// A page of so many rows, with an umlaut and an emoji in each.
fn page(rows: u64) -> String {
    let rows: Vec<String> = (0..rows)
        .map(|n| format!("{{\"n\":{n},\"name\":\"Gerät {n} 😀\"}}"))
        .collect();
    format!(
        "{{\"@odata.context\":\"x\",\"value\":[{}]}}",
        rows.join(",")
    )
}

fn machines(server: &RawServer) -> ListMachines<Row> {
    client(&server.url()).machines().deserialize()
}

/// Walks to the end and past it.
fn walk<T: DeserializeOwned>(items: &mut Items<T>) -> (Vec<T>, Option<Error>) {
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
fn numbers(server: &RawServer) -> (Vec<u64>, Option<Error>) {
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
fn failure(answer: Answer) -> Error {
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

// Damage on the way.

#[test]
fn a_body_cut_below_http_is_a_retryable_error_and_none_of_it_is_handed_out() {
    let text = page(5_000);
    for answer in [
        Answer::json(&text),
        Answer::gzip(&text),
        Answer::chunked(&text, 1_000),
        Answer::chunked(gzip(text.as_bytes()), 1_000),
    ] {
        // 7 bytes: the end of chunks, too.
        for bytes in [7, 8, 1_000] {
            let error = failure(answer.clone().cut(bytes));
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Transport, true),
                "{error}"
            );
        }
    }
    let nothing = failure(Answer::json(&text).cut(text.len()));
    assert_eq!(
        (nothing.kind(), nothing.is_retryable()),
        (ErrorKind::Transport, true)
    );
}

#[test]
fn damage_that_only_the_decoder_sees_is_one_retryable_error_behind_the_good_rows() {
    let text = page(5_000);
    let zipped = gzip(text.as_bytes());
    let whole: Vec<u64> = (0..5_000).collect();
    let half = text.find("\"n\":2500").unwrap();
    let mut bad_sum = zipped.clone();
    let sum = bad_sum.len() - 8;
    bad_sum[sum] ^= 1;
    let bodies = [
        text.as_bytes()[..text.len() - 1].to_vec(),
        text.as_bytes()[..text.len() - 2].to_vec(),
        text.as_bytes()[..half].to_vec(),
        text.as_bytes()[..=text.find('ä').unwrap()].to_vec(),
        text.as_bytes()[..1].to_vec(),
        zipped[..zipped.len() - 1].to_vec(),
        zipped[..zipped.len() / 2].to_vec(),
        zipped[..12].to_vec(),
        [&zipped[..], &b"behind"[..]].concat(),
        gzip(&text.as_bytes()[..half]),
        bad_sum,
        b"\x1f\x8bnot gzip".to_vec(),
    ];
    for body in bodies {
        // Without a length, so that the transport is content.
        let answer = Answer::without_length(200, &[("Content-Type", "application/json")], &body);
        let server = RawServer::script([answer]);
        let (rows, failure) = numbers(&server);
        assert!(whole.starts_with(&rows), "{} rows", rows.len());
        let error = failure.expect("damage went unseen");
        let told = (error.kind(), error.is_retryable());
        assert_eq!(told, (ErrorKind::Transport, true), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("GET /api/machines: the body is damaged"),
            "{error}"
        );

        // The walk can go on, and a page that failed is not handed out in part.
        let mut items = machines(&server).into_iter();
        let good = items.by_ref().map_while(Result::ok).count();
        assert_eq!(
            (good, items.offset()),
            (rows.len(), u64::try_from(rows.len()).unwrap())
        );
        let mut pages = machines(&server).pages();
        assert_eq!(
            pages.next().unwrap().unwrap_err().kind(),
            ErrorKind::Transport
        );
        assert_eq!((pages.offset(), pages.next().is_none()), (0, true));
    }
}

#[test]
fn a_body_that_stalls_is_a_timeout_and_none_of_it_is_handed_out() {
    let text = page(5_000);
    let server = RawServer::script([Answer::json(&text).cut(text.len() / 2).held()]);
    let client = builder(&server.url())
        .read_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let mut items = client.machines().deserialize::<Row>().into_iter();
    let (rows, failure) = walk(&mut items);
    let error = failure.unwrap();
    assert_eq!(
        (rows.len(), error.kind(), error.is_retryable()),
        (0, ErrorKind::Timeout, true)
    );
}

// Answers that are no pages.

#[test]
fn only_a_200_is_a_page() {
    let body = r#"{"value":[{"n":0,"name":"Gerät 0 😀"}]}"#;
    for status in [201, 202, 203, 204, 205, 206, 207, 226] {
        let body = if status == 204 { "" } else { body };
        let error = failure(Answer::new(status, &[], body));
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Status, Some(status)),
            "{error}"
        );
        assert!(!error.is_retryable());
    }
}

#[test]
fn an_empty_200_is_a_retryable_error_and_not_an_empty_list() {
    for body in ["", "\r\n", "\u{FEFF}"] {
        for answer in [
            Answer::json(body),
            Answer::gzip(body),
            Answer::chunked(body, 1),
        ] {
            let error = failure(answer);
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Decode, true),
                "{error}"
            );
            assert!(error.to_string().contains("the body is empty"), "{error}");
        }
    }
}

#[test]
fn a_sign_in_page_is_an_error_that_names_its_content_type() {
    let html = "<!DOCTYPE html><html><title>Sign in</title></html>";
    let headers = [("Content-Type", "text/html; charset=utf-8")];
    for body in [html.as_bytes().to_vec(), gzip(html.as_bytes())] {
        let error = failure(Answer::new(200, &headers, body));
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Decode, false)
        );
        assert!(
            error.to_string().contains("text/html; charset=utf-8"),
            "{error}"
        );
        assert!(format!("{error:?}").contains("\n  hint: "), "{error:?}");
        assert!(!shown(&error).contains("Sign in"));
    }
}

// Size.

#[test]
fn a_body_of_exactly_the_limit_passes_and_a_larger_one_names_the_limit() {
    let text = page(100);
    let size = u64::try_from(text.len()).unwrap();
    for answer in [
        Answer::json(&text),
        Answer::gzip(&text),
        Answer::chunked(&text, 100),
    ] {
        let server = RawServer::script([answer]);
        let with = |limit: u64| {
            let client = builder(&server.url()).body_limit(limit).build().unwrap();
            walk(&mut client.machines().deserialize::<Row>().into_iter())
        };
        let (rows, failure) = with(size);
        assert!(failure.is_none() && rows.len() == 100, "{failure:?}");
        let (_, failure) = with(size - 1);
        let error = failure.unwrap();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::TooLarge, false)
        );
        assert!(
            error.to_string().contains(&(size - 1).to_string()),
            "{error}"
        );
        let hint = format!("{error:?}");
        assert!(
            hint.contains("`page_size`") && hint.contains("`body_limit`"),
            "{hint}"
        );
        assert_eq!(
            server.calls(),
            2,
            "a limit of ours is no reason to ask again"
        );
    }
}

#[test]
fn a_small_body_that_inflates_beyond_the_limit_is_too_large() {
    let mut deflating = GzEncoder::new(Vec::new(), Compression::fast());
    deflating.write_all(b"{\"value\":[").unwrap();
    for _ in 0..32 {
        deflating
            .write_all(" ".repeat(1024 * 1024).as_bytes())
            .unwrap();
    }
    deflating.write_all(b"]}").unwrap();
    let bomb = deflating.finish().unwrap();
    assert!(bomb.len() < 1024 * 1024);
    let server = RawServer::script([Answer::json(bomb)]);
    let client = builder(&server.url())
        .body_limit(2 * 1024 * 1024)
        .build()
        .unwrap();
    let error = client.machines().into_iter().next().unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::TooLarge, false)
    );
    assert_eq!(server.calls(), 1);
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
