//! JSON and values: documents and rows that are not as documented (F77 to F88).

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use defender_endpoint::machines::{
    ExposureLevel, HealthStatus, Machine, MachineIpAddress, RiskScore, VmMetadata,
};
use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::scan_definitions::{
    LatestScan, ScanAuthenticationParams, ScanDefinition, ScanType, ScannerAgent,
};
use defender_endpoint::scan_history::{ScanHistoryEntry, ScanStatus, ScannedTarget};
use defender_endpoint::{Client, Error, ErrorKind, Items, RetryPolicy};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::inputs::ENTITIES;
use crate::decoding::shown;
use crate::paging::{machines, numbers, page, persistent, walk, whole};
use crate::support::builder;
use crate::support::raw::{Answer, RawServer, gzip};

/// A client that tries again what it may, so that a call too many is seen, and never runs out of
/// calls: it waits for its windows in a time of its own.
fn client(server: &RawServer) -> Client {
    builder(&server.url())
        .retry_policy(RetryPolicy::default())
        .max_wait(Duration::MAX)
        .build()
        .unwrap()
}

/// A server whose answer can be changed, and a client that asks it.
struct Stage {
    server: RawServer,
    client: Client,
    answer: Arc<Mutex<Answer>>,
}

impl Stage {
    fn new() -> Self {
        let answer = Arc::new(Mutex::new(Answer::nothing()));
        let of_server = Arc::clone(&answer);
        let server = RawServer::new(move |_| of_server.lock().unwrap().clone());
        Self {
            client: client(&server),
            server,
            answer,
        }
    }

    /// From now on this is the answer, and calls are counted anew.
    fn set(&self, answer: Answer) {
        self.server.forget();
        *self.answer.lock().unwrap() = answer;
    }
}

/// Walks to the end and past it: the rows, and the error if there was one.
fn all<T: DeserializeOwned>(items: &mut Items<T>) -> (Vec<T>, Option<Error>) {
    let mut rows = Vec::new();
    let failure = loop {
        match items.next() {
            Some(Ok(row)) => rows.push(row),
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    for _ in 0..3 {
        assert!(items.next().is_none(), "the end is no end");
    }
    (rows, failure)
}

/// What becomes of a page whose only row is this one: the row, or an error that costs one call.
fn machine(row: &str) -> Result<Machine, Error> {
    let server = RawServer::pages([format!("{{\"value\":[{row}]}}")]);
    let (mut rows, failure) = all(&mut client(&server).machines().into_iter());
    assert_eq!(server.calls(), 1, "{row}");
    match failure {
        Some(error) => {
            assert!(rows.is_empty());
            assert!(!error.is_retryable(), "{error}");
            Err(error)
        }
        None => Ok(rows.remove(0)),
    }
}

/// The same for an error, which must be one of the row's shape.
fn misfit(row: &str) -> Error {
    let error = machine(row).expect_err(row);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 1));
    error
}

// Documents that are cut or broken.

/// F77: JSON that ends too soon, in a body of the right length, is fetched once more, and the rows
/// before are not handed out again; if it stays so, that is one error that is worth a later try.
#[test]
fn a_page_that_ends_too_soon_is_asked_for_once_more() {
    let body = page(0..3);
    for cut in 1..body.len() {
        let bad = Answer::json(&body[..cut]);
        for (client_tries, calls) in [(false, 1), (true, 2)] {
            let server = RawServer::sending(bad.clone());
            let request = if client_tries {
                persistent(&server)
            } else {
                machines(&server)
            };
            let mut items = request.into_iter();
            let (found, failure) = walk(&mut items);
            let error = failure.unwrap();
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Transport, true),
                "cut at {cut}: {error}"
            );
            let tries = usize::try_from(error.attempts()).unwrap();
            assert_eq!((tries, server.calls()), (calls, calls));
            assert_eq!(found, numbers(0..items.offset()), "cut at {cut}");
            let rows = u64::try_from(body[..cut].matches('}').count()).unwrap();
            assert_eq!(items.offset(), rows, "cut at {cut}");
        }
        let server = RawServer::script([bad, Answer::json(&body)]);
        assert_eq!(whole(persistent(&server)), [0, 1, 2], "cut at {cut}");
        assert_eq!(server.calls(), 2);
    }
}

/// F77: the same for what is asked for by its id.
#[test]
fn an_entity_that_ends_too_soon_is_asked_for_once_more() {
    let body = r#"{"id":"an-id","new":[1,{}]}"#;
    for (_, get) in ENTITIES {
        for cut in 1..body.len() {
            let bad = Answer::json(&body[..cut]);
            let server = RawServer::sending(bad.clone());
            let error = get(&client(&server), "an-id").unwrap_err();
            assert_eq!(
                (error.kind(), error.is_retryable(), error.attempts()),
                (ErrorKind::Transport, true, 2),
                "cut at {cut}: {error}"
            );
            assert_eq!(server.calls(), 2);
            let server = RawServer::script([bad, Answer::json(body)]);
            assert_eq!(get(&client(&server), "an-id").unwrap(), "an-id");
            assert_eq!(server.calls(), 2);
        }
    }
}

/// F77: the same for several machines, none of which is handed out before all are there.
#[test]
fn machines_that_end_too_soon_are_asked_for_once_more() {
    let body = r#"{"value":[{"id":"a","new":[1,{}]},{"id":"b"}]}"#;
    for cut in 1..body.len() {
        let bad = Answer::json(&body[..cut]);
        let server = RawServer::sending(bad.clone());
        let mut items = client(&server).machines_by_id(["a", "b"]).into_iter();
        let error = items.next().unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable(), error.attempts()),
            (ErrorKind::Transport, true, 2),
            "cut at {cut}: {error}"
        );
        assert!(items.next().is_none());
        assert_eq!(items.remaining(), ["a", "b"]);
        let server = RawServer::script([bad, Answer::json(body)]);
        let items = client(&server).machines_by_id(["a", "b"]).into_iter();
        let found = items.map(|item| item.unwrap().1.map(|machine| machine.id));
        assert_eq!(found.flatten().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(server.calls(), 2);
    }
}

/// F77: JSON that is broken and not cut is an error that says where, and is not asked for again.
#[test]
fn broken_json_is_an_error_that_says_where() {
    for (body, rows, place) in [
        (r#"{"value":[{"n":0} {"n":1}]}"#, 1, "at byte 18"),
        (r#"{"value":[{"n":0},]}"#, 1, "expected a row"),
        (r#"{"value":[{"n":0},{"n" 1}]}"#, 1, "line 1 column 6"),
        ("{\"value\":[{\"n\":0},{\n\"n\":1,}]}", 1, "line 2 column 7"),
        (r#"{"value":[{"n":0},{"n":1]}"#, 1, "line 1 column 7"),
        (r#"{"value":[{"n":0},{"n":01}]}"#, 1, "at row 1 of the list"),
        (r#"{"value":[{"n":0},{'n':1}]}"#, 1, "at row 1 of the list"),
        (r#"{"value":[{"n":0}],}"#, 1, "expected a key"),
        (r#"{"value":[{"n":0}]]"#, 1, "at byte 18"),
        (r#"{,"value":[]}"#, 0, "expected a key"),
    ] {
        let server = RawServer::pages([body]);
        let mut items = persistent(&server).into_iter();
        let (found, failure) = walk(&mut items);
        let error = failure.unwrap_or_else(|| panic!("{body} was accepted"));
        assert_eq!((found, items.offset()), (numbers(0..rows), rows), "{body}");
        assert_eq!(
            (error.kind(), error.is_retryable(), error.attempts()),
            (ErrorKind::Decode, false, 1),
            "{body}: {error}"
        );
        assert!(error.to_string().contains(place), "{body}: {error}");
        assert_eq!(server.calls(), 1, "{body}");
    }
}

// Values of another type.

/// F78: a value of the wrong type is an error that names the call, the row and the key, and shows no
/// value; it is not asked for again.
#[test]
fn an_error_in_a_row_names_the_call_the_row_and_the_key_and_shows_no_value() {
    let good = r#"{"id":"a"}"#;
    for (bad, key, told) in [
        (
            r#"{"id":"b","osBuild":{"PLANTED":"PLANTED"}}"#,
            "osBuild",
            "found map",
        ),
        (
            r#"{"id":"b","isAadJoined":"PLANTED"}"#,
            "isAadJoined",
            "found string",
        ),
        (
            r#"{"id":"b","computerDnsName":777777}"#,
            "computerDnsName",
            "found integer",
        ),
        (
            r#"{"id":"b","machineTags":["PLANTED",["PLANTED"]]}"#,
            "machineTags[1]",
            "found sequence",
        ),
        (
            r#"{"id":"b","ipAddresses":[{"ipAddress":"PLANTED"},{"ipAddress":{"a":"PLANTED"}}]}"#,
            "ipAddresses[1].ipAddress",
            "found map",
        ),
        (
            r#"{"id":"b","lastSeen":"PLANTED"}"#,
            "lastSeen",
            "found string",
        ),
        (
            r#"{"id":"b","lastSeen":"PLANTED, expected PLANTED"}"#,
            "lastSeen",
            "found string",
        ),
        (
            r#"{"id":null,"computerDnsName":"PLANTED"}"#,
            "id",
            "found null",
        ),
        (r#"{"computerDnsName":"PLANTED"}"#, "", "missing field `id`"),
    ] {
        let server = RawServer::pages([format!("{{\"value\":[{good},{good},{bad}]}}")]);
        let mut items = client(&server).machines().into_iter();
        let (rows, failure) = all::<Machine>(&mut items);
        let error = failure.unwrap_or_else(|| panic!("{bad} was accepted"));
        assert_eq!(
            (rows.len(), items.offset(), error.kind()),
            (2, 2, ErrorKind::Decode)
        );
        let text = error.to_string();
        assert!(
            text.starts_with("GET /api/machines: at row 2 of the list, counted from 0: the row"),
            "{text}"
        );
        assert!(
            text.contains(&format!("key `{key}`")) || key.is_empty(),
            "{text}"
        );
        assert!(text.contains(told), "{text}");
        let shown = shown(&error);
        assert!(
            !shown.contains("PLANTED") && !shown.contains("777777"),
            "{shown}"
        );
        assert_eq!(server.calls(), 1);
    }
}

/// F78: the same in a session of a scan.
#[test]
fn an_error_in_a_session_shows_no_value_either() {
    let bad = r#"{"ScanStatus":"Success","ScannedTargets":[{"Ip":"x"},"PLANTED"]}"#;
    let server = RawServer::pages([format!("{{\"value\":[{{}},{bad}]}}")]);
    let mut items = client(&server).scan_history(["a"]).into_iter();
    let (rows, failure) = all(&mut items);
    let error = failure.unwrap();
    assert_eq!((rows.len(), error.kind()), (1, ErrorKind::Decode));
    let text = error.to_string();
    assert!(
        text.starts_with("POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistory"),
        "{text}"
    );
    assert!(
        text.contains("at row 1 of the list") && text.contains("ScannedTargets"),
        "{text}"
    );
    assert!(!shown(&error).contains("PLANTED"), "{error:#?}");
}

/// One of the lists, by the rows that it gives.
type List = fn(&Client) -> Result<usize, Error>;

fn count<T: DeserializeOwned>(mut items: Items<T>) -> Result<usize, Error> {
    let (rows, failure) = all(&mut items);
    failure.map_or(Ok(rows.len()), Err)
}

/// The lists, each with a row that has every key that it knows.
fn full_rows() -> [(List, Value); 4] {
    let mut machine = Machine::new("a");
    machine.ip_addresses = vec![MachineIpAddress::default()];
    machine.vm_metadata = Some(VmMetadata::default());
    let mut session = ScanHistoryEntry::default();
    session.scanned_targets = vec![ScannedTarget::default()];
    let mut definition = json!(ScanDefinition::new("a"));
    definition["scanAuthenticationParams"] = json!(ScanAuthenticationParams::default());
    let secrets = [
        "password",
        "communityString",
        "authPassword",
        "privPassword",
        "privateKey",
    ];
    for secret in secrets {
        definition["scanAuthenticationParams"][secret] = Value::Null;
    }
    definition["scannerAgent"] = json!(ScannerAgent::default());
    definition["latestScan"] = json!(LatestScan::default());
    [
        (
            |client| count::<Machine>(client.machines().into_iter()),
            json!(machine),
        ),
        (
            |client| client.scan_agents().map(|it| it.len()),
            json!(ScanAgent::new("a")),
        ),
        (
            |client| client.scan_definitions().map(|it| it.len()),
            definition,
        ),
        (
            |client| count(client.scan_history(["a"]).top(1).into_iter()),
            json!(session),
        ),
    ]
}

/// Where in a row a value stands: the keys and places that lead there.
fn places(row: &Value, above: &str, found: &mut Vec<String>) {
    let mut inside = |key: &str, value: &Value| {
        let place = format!("{above}/{key}");
        places(value, &place, found);
        found.push(place);
    };
    match row {
        Value::Object(members) => members.iter().for_each(|(key, value)| inside(key, value)),
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(at, value)| inside(&at.to_string(), value));
        }
        _ => {}
    }
}

/// F78: every optional value may be null, and any value of any type is either taken or one error
/// that names its key, without the value, whatever the list.
#[test]
fn every_value_may_be_null_and_none_of_another_type_is_shown() {
    let values = [
        json!(null),
        json!("PLANTED"),
        json!("PLANTED, expected PLANTED"),
        json!(777_777),
        json!(-777_777.5),
        json!(true),
        json!([]),
        json!(["PLANTED"]),
        json!([["PLANTED"]]),
        json!({"PLANTED": "PLANTED"}),
    ];
    for (list, row) in full_rows() {
        let stage = Stage::new();
        let mut found = Vec::new();
        places(&row, "", &mut found);
        assert!(found.len() >= 8, "{found:?}");
        for place in found {
            for value in &values {
                let mut row = row.clone();
                *row.pointer_mut(&place).unwrap() = value.clone();
                stage.set(Answer::json(json!({"value": [row]}).to_string()));
                let outcome = list(&stage.client);
                assert_eq!(stage.server.calls(), 1, "{place} is {value}");
                let key = place.rsplit('/').next().unwrap();
                let error = match outcome {
                    Ok(rows) => {
                        assert_eq!(rows, 1, "{place} is {value}");
                        continue;
                    }
                    Err(error) => error,
                };
                assert_eq!(
                    (error.kind(), error.is_retryable()),
                    (ErrorKind::Decode, false),
                    "{place} is {value}: {error}"
                );
                // Only an item of a list, and the id that a row can't do without, are not optional.
                let is_item = key.parse::<usize>().is_ok();
                assert!(
                    !value.is_null() || is_item || place == "/id",
                    "{place}: {error}"
                );
                let text = error.to_string();
                assert!(text.contains("at row 0 of the list"), "{text}");
                let named = if is_item {
                    format!("[{key}]")
                } else {
                    key.to_owned()
                };
                assert!(text.contains(&named), "{place} is {value}: {text}");
                let shown = shown(&error);
                assert!(
                    !shown.contains("PLANTED") && !shown.contains("777777"),
                    "{place} is {value}: {shown}"
                );
            }
        }
    }
}

/// F78: values that the service is known to send in two types are taken in both.
#[test]
fn numbers_come_as_text_and_text_as_numbers() {
    for (number, text) in [("10", "\"10\""), ("0", "\"0\""), ("-1", "\"-1\"")] {
        for written in [number, text] {
            let row = format!(
                r#"{{"id":{written},"rbacGroupId":{written},"osBuild":{written},"version":{written},
                    "osVersion":{written},"agentVersion":{written},"aadDeviceId":{written}}}"#
            );
            let machine = machine(&row).unwrap();
            let value = number.parse().ok();
            assert_eq!((machine.rbac_group_id, machine.os_build), (value, value));
            assert_eq!(machine.id, number);
            let texts = [
                machine.version,
                machine.os_version,
                machine.agent_version,
                machine.aad_device_id,
            ];
            assert!(
                texts.iter().all(|it| it.as_deref() == Some(number)),
                "{texts:?}"
            );
        }
    }
    assert_eq!(
        machine(r#"{"id":"a","version":9.5}"#)
            .unwrap()
            .version
            .unwrap(),
        "9.5"
    );
    for beyond in ["1.5", "\"1.5\"", "9223372036854775808", "\"x\"", "\"\""] {
        let error = misfit(&format!(r#"{{"id":"a","rbacGroupId":{beyond}}}"#));
        assert!(error.to_string().contains("key `rbacGroupId`"), "{error}");
    }
}

/// F79: keys that nobody knows are kept, names that an enum doesn't know are kept, and so are numbers
/// for names.
#[test]
fn unknown_keys_and_names_are_kept() {
    let machine = machine(
        r#"{"id":"a","new":{"a":[1]},"healthStatus":"Asleep","riskScore":3,"exposureLevel":"hIgH",
            "ipAddresses":[{"type":7,"new":true}],"":"nameless"}"#,
    )
    .unwrap();
    assert_eq!(machine.extra["new"], json!({"a": [1]}));
    assert_eq!(machine.extra[""], "nameless");
    assert_eq!(
        machine.health_status,
        Some(HealthStatus::Other("Asleep".to_owned()))
    );
    assert_eq!(machine.risk_score, Some(RiskScore::Other("3".to_owned())));
    assert_eq!(machine.exposure_level, Some(ExposureLevel::High));
    let address = &machine.ip_addresses[0];
    assert_eq!(address.interface_type.as_ref().unwrap().as_str(), "7");
    assert_eq!(address.extra["new"], true);

    let server = RawServer::pages([
        r#"{"new":1,"value":[{"id":"a","scanType":9,"new":[]}],"@odata.new":{}}"#,
    ]);
    let definitions = client(&server).scan_definitions().unwrap();
    assert_eq!(
        definitions[0].scan_type,
        Some(ScanType::Other("9".to_owned()))
    );
    assert_eq!(definitions[0].extra["new"], json!([]));
    let agents = client(&server).scan_agents().unwrap();
    assert_eq!(agents[0].extra["scanType"], 9);
    let server = RawServer::pages([r#"{"value":[{"ScanStatus":"Paused","New":0}]}"#]);
    let (sessions, failure) = all(&mut client(&server).scan_history(["a"]).top(1).into_iter());
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(
        sessions[0].scan_status,
        Some(ScanStatus::Other("Paused".to_owned()))
    );
    assert_eq!(sessions[0].extra["New"], 0);
}

// Documents that are too deep or too large.

/// F80: whatever nests deeper than any document does is skipped, or is one error, and never the end
/// of the stack, however small.
#[test]
fn nesting_bombs_end_no_stack() {
    const DEEP: usize = 50_000;
    let bombs = [
        ("[".repeat(DEEP), "]".repeat(DEEP)),
        ("{\"a\":".repeat(DEEP) + "0", "}".repeat(DEEP)),
    ];
    for (open, close) in bombs {
        let bomb = open.clone() + &close;
        let skipped = format!(r#"{{"new":{bomb},"value":[{{"id":"a"}}]}}"#);
        let kept = format!(r#"{{"value":[{{"id":"a"}},{{"id":"b","new":{bomb}}}]}}"#);
        let typed = format!(r#"{{"value":[{{"id":"a"}},{{"id":"b","ipAddresses":{bomb}}}]}}"#);
        let link = format!(r#"{{"value":[{{"id":"a"}}],"@odata.nextLink":{bomb}}}"#);
        let cut = format!(r#"{{"value":[{{"id":"a"}},{{"id":"b","new":{open}"#);
        let agent = format!(r#"{{"id":"a","new":{bomb}}}"#);
        let error = format!(r#"{{"error":{{"code":"c","message":{bomb}}}}}"#);
        let bodies = [skipped, kept, typed, link, cut, bomb];
        let small = thread::Builder::new().stack_size(512 * 1024);
        let walking = small.spawn(move || {
            let outcomes = bodies.map(|body| {
                let server = RawServer::pages([body]);
                let (rows, failure) = all(&mut client(&server).machines().into_iter());
                (rows.len(), failure.map(|error| error.kind()))
            });
            let decode = Some(ErrorKind::Decode);
            let [skipped, kept, typed, link, cut, page] = outcomes;
            assert_eq!(skipped, (1, None));
            assert_eq!((kept, typed, link), ((1, decode), (1, decode), (1, decode)));
            assert!(
                matches!(cut, (1, Some(ErrorKind::Decode | ErrorKind::Transport))),
                "{cut:?}"
            );
            assert_eq!(page, (0, decode));

            let server = RawServer::pages([agent]);
            let failure = client(&server).scan_agent("a").unwrap_err();
            assert_eq!((failure.kind(), server.calls()), (ErrorKind::Decode, 1));
            let server = RawServer::sending(Answer::new(400, &[], error));
            let failure = client(&server).scan_agents().unwrap_err();
            assert_eq!(
                (failure.status(), failure.kind()),
                (Some(400), ErrorKind::Status)
            );
            assert!(failure.to_string().len() < 1_000, "{failure}");
        });
        walking.unwrap().join().unwrap();
    }
}

/// F81: a text of nine megabytes and a list of a million are values like any other, as long as the
/// body is within the limit; one row of more than 16 MiB is not.
#[test]
fn a_huge_value_fits_within_the_limit_or_is_too_large() {
    let long = "ü".repeat(4_500_000);
    let tags = vec!["\"ab\""; 1_000_000].join(",");
    let body = format!(
        r#"{{"value":[{{"id":"a","computerDnsName":"{long}"}},{{"id":"b","machineTags":[{tags}]}}]}}"#
    );
    let server = RawServer::sending(Answer::json(&body));
    let (machines, failure) = all(&mut client(&server).machines().into_iter());
    assert!(failure.is_none(), "{failure:?}");
    assert!(machines[0].computer_dns_name.as_ref() == Some(&long));
    assert!(machines[1].machine_tags.len() == 1_000_000);
    assert_eq!(server.calls(), 1);

    let limited = builder(&server.url())
        .retry_policy(RetryPolicy::default())
        .body_limit(8 * 1024 * 1024)
        .build()
        .unwrap();
    let (machines, failure) = all(&mut limited.machines().into_iter());
    let error = failure.unwrap();
    assert_eq!(
        (machines.len(), error.kind(), error.is_retryable()),
        (0, ErrorKind::TooLarge, false)
    );
    assert!(error.to_string().contains("8388608"), "{error}");
    assert_eq!(server.calls(), 2);

    let over = "x".repeat(17 * 1024 * 1024);
    let server = RawServer::sending(Answer::json(format!(
        r#"{{"value":[{{"id":"a"}},{{"id":"b","computerDnsName":"{over}"}}]}}"#
    )));
    let (machines, failure) = all(&mut client(&server).machines().into_iter());
    assert_eq!(
        (machines.len(), failure.unwrap().kind(), server.calls()),
        (1, ErrorKind::TooLarge, 1)
    );
}

// How the text is written.

/// F82: a byte order mark in front of a page, an entity or an error is no part of it, compressed or
/// not, and even if it comes in pieces.
#[test]
fn a_byte_order_mark_is_taken_off() {
    let page = "\u{FEFF}{\"value\":[{\"id\":\"a\"}]}";
    let agent = "\u{FEFF}{\"id\":\"a\"}";
    let wires: [fn(&str) -> Answer; 4] = [
        |body| Answer::json(body),
        |body| Answer::gzip(body),
        |body| Answer::chunked(body, 1),
        |body| Answer::json(body).in_pieces([1]),
    ];
    for wire in wires {
        let server = RawServer::sending(wire(page));
        assert_eq!(client(&server).scan_agents().unwrap()[0].id, "a");
        let server = RawServer::sending(wire(agent));
        assert_eq!(client(&server).scan_agent("a").unwrap().id, "a");
        assert_eq!(server.calls(), 1);
    }
    let refusal = "\u{FEFF}{\"error\":{\"code\":\"BadRequest\",\"message\":\"no\"}}";
    let server = RawServer::sending(Answer::new(400, &[], refusal));
    let error = client(&server).scan_agents().unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Some("BadRequest"), Some("no"))
    );
}

/// F83: a text in another encoding is an error that says so, marked or not, and is not asked for
/// again.
#[test]
fn a_body_in_another_encoding_is_an_error_that_says_so() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    };
    for text in [r#"{"value":[{"id":"a"}]}"#, r#"{"id":"a"}"#] {
        let marked = format!("\u{FEFF}{text}");
        let accented = text.replace("\"a\"", "\"é\"");
        let latin1: Vec<u8> = accented.chars().map(|c| u8::try_from(c).unwrap()).collect();
        for body in [
            // Of ASCII letters alone: without a mark these are valid UTF-8, with many a NUL.
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
            utf16(&accented, u16::to_le_bytes),
            utf16(&accented, u16::to_be_bytes),
            latin1,
        ] {
            for answer in [Answer::json(&body), Answer::gzip(&body)] {
                let server = RawServer::sending(answer);
                let error = if text.contains("value") {
                    client(&server).scan_agents().unwrap_err()
                } else {
                    client(&server).scan_agent("a").unwrap_err()
                };
                assert_eq!(
                    (error.kind(), error.is_retryable(), error.attempts()),
                    (ErrorKind::Decode, false, 1),
                    "{body:?}: {error}"
                );
                assert!(error.to_string().contains("not valid UTF-8"), "{error}");
                assert_eq!(server.calls(), 1);
            }
        }
    }
}

/// F83: bytes that are no UTF-8 are seen wherever they stand, also in what is skipped, behind the rows
/// before them; an escape for half a character is an error where it would be kept.
#[test]
fn bytes_that_are_no_text_are_an_error_wherever_they_stand() {
    for bad in [
        &b"\xFF"[..],
        b"\xC3(",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xC0\x80",
    ] {
        for (before, behind) in [
            (&br#"{"new":""#[..], &br#"","value":[]}"#[..]),
            (br#"{"value":[{"id":""#, br#""}]}"#),
            (br#"{"value":[],"new":""#, br#""}"#),
        ] {
            let server = RawServer::sending(Answer::json([before, bad, behind].concat()));
            let error = client(&server).machines().into_iter().next().unwrap();
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{bad:?}");
            assert!(error.to_string().contains("not valid UTF-8"), "{error}");
            assert_eq!(server.calls(), 1);
        }
    }
    misfit(r#"{"id":"\ud800"}"#);
    misfit(r#"{"id":"a","new":"\udc00\ud800"}"#);
}

/// F84: a known key that comes twice, in one spelling or in two that are known, is an error that names
/// it; of an unknown one, and of a known one in a strange spelling, the last is kept.
#[test]
fn a_known_key_twice_is_an_error() {
    for row in [
        r#"{"id":"a","id":"b"}"#,
        r#"{"id":"a","id":"a"}"#,
        r#"{"id":"a","lastSeen":null,"lastSeen":null}"#,
        r#"{"id":"a","ipAddresses":[{"type":"x","type":"x"}]}"#,
    ] {
        let text = misfit(row).to_string();
        assert!(text.contains("duplicate field `"), "{text}");
    }
    let machine = machine(r#"{"Id":"b","id":"a","new":1,"ID":"c","new":2}"#).unwrap();
    assert_eq!(machine.id, "a");
    assert_eq!(machine.extra["Id"], "b");
    assert_eq!(machine.extra["ID"], "c");
    assert_eq!(machine.extra["new"], 2);

    for row in [r#"{"id":"a","Id":"b"}"#, r#"{"Id":"b","id":"a"}"#] {
        let list = format!("{{\"value\":[{row}]}}");
        let lists: [List; 2] = [
            |client| client.scan_agents().map(|it| it.len()),
            |client| client.scan_definitions().map(|it| it.len()),
        ];
        for asked in lists {
            let server = RawServer::pages([&list]);
            let error = asked(&client(&server)).unwrap_err();
            assert!(
                error.to_string().contains("duplicate field `id`"),
                "{error}"
            );
        }
        let server = RawServer::pages([row]);
        let error = client(&server).scan_agent("a").unwrap_err();
        assert_eq!((error.kind(), server.calls()), (ErrorKind::Decode, 1));
    }
    let row = r#"{"ScanDefinitionIds":["a"],"scanDefinitionId":"b"}"#;
    let server = RawServer::pages([format!("{{\"value\":[{row}]}}")]);
    let (_, failure) = all(&mut client(&server).scan_history(["a"]).into_iter());
    assert_eq!(failure.unwrap().kind(), ErrorKind::Decode);
}

/// F84: so are the page's own keys that come twice; in another spelling they are nobody's.
#[test]
fn a_key_of_the_page_twice_is_an_error() {
    for (body, rows) in [
        (r#"{"value":[{"n":0}],"value":[{"n":1}]}"#, 1),
        (r#"{"value":[],"value":[]}"#, 0),
        (
            r#"{"@odata.nextLink":"","@odata.nextLink":"?x","value":[]}"#,
            0,
        ),
    ] {
        let server = RawServer::pages([body]);
        let (found, failure) = walk(persistent(&server));
        let error = failure.unwrap_or_else(|| panic!("{body} was accepted"));
        assert_eq!((found, error.kind()), (numbers(0..rows), ErrorKind::Decode));
        assert!(error.to_string().contains("twice"), "{error}");
        assert_eq!(server.calls(), 1);
    }
    let server = RawServer::pages([
        r#"{"Value":[{"n":7}],"value":[{"n":0}],"@odata.NextLink":"?x","new":1,"new":2}"#,
    ]);
    assert_eq!(whole(persistent(&server)), [0]);
}

/// F85: text behind a document, or another document, is an error behind the rows.
#[test]
fn text_behind_a_document_is_an_error_behind_its_rows() {
    let first = page(0..2);
    for body in [
        format!("{first}{first}"),
        format!("{first}x"),
        format!("{first}\n{{}}"),
        format!("{first}\0"),
        first.replace("]}", "]],"),
    ] {
        let server = RawServer::pages([&body]);
        let (found, failure) = walk(persistent(&server));
        let error = failure.unwrap_or_else(|| panic!("{body} was accepted"));
        assert_eq!((found, error.kind()), (vec![0, 1], ErrorKind::Decode));
        assert!(!error.is_retryable());
        assert_eq!(server.calls(), 1, "{body}");
    }
    for body in [
        r#"{"id":"a"}x"#,
        r#"{"id":"a"}{"id":"a"}"#,
        r#"{"value":{"id":"a"}},"#,
    ] {
        let server = RawServer::pages([body]);
        let error = client(&server).scan_agent("a").unwrap_err();
        assert_eq!(
            (error.kind(), server.calls()),
            (ErrorKind::Decode, 1),
            "{body}"
        );
    }
}

// Rows that are none.

/// F86: a row that is an array is an error, although a struct could be read from one by position; and
/// so is anything else that is no object, also where an object stands within a row.
#[test]
fn a_row_that_is_no_object_is_an_error() {
    for bad in ["[1]", "[]", "[[1]]", "null", "1", "\"x\"", "true"] {
        let server = RawServer::pages([format!("{{\"value\":[{{\"n\":0}},{bad},{{\"n\":2}}]}}")]);
        let mut items = persistent(&server).into_iter();
        let (found, failure) = walk(&mut items);
        let error = failure.unwrap_or_else(|| panic!("{bad} was taken for a row"));
        assert_eq!((found, items.offset()), (vec![0], 1), "{bad}");
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Decode, false)
        );
        assert!(
            error.to_string().contains("row 2 is not a JSON object"),
            "{error}"
        );
        assert_eq!(server.calls(), 1, "{bad}");
    }
    misfit(r#"{"id":"a","ipAddresses":[["10.0.0.1"]]}"#);
    misfit(r#"{"id":"a","vmMetadata":["x"]}"#);
    for body in [
        r#"["a"]"#,
        r#"[{"id":"a"}]"#,
        r#"{"value":[["a"]]}"#,
        r#"{"value":"a"}"#,
    ] {
        let server = RawServer::pages([body]);
        let error = client(&server).scan_agent("a").unwrap_err();
        assert_eq!(
            (error.kind(), server.calls()),
            (ErrorKind::Decode, 1),
            "{body}"
        );
    }
    let params = r#"{"value":[{"id":"a","scanAuthenticationParams":["PLANTED"]}]}"#;
    let server = RawServer::pages([params]);
    let error = client(&server).scan_definitions().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(!shown(&error).contains("PLANTED"), "{error:?}");
}

/// F87: dates of year 1 are none, fractions have up to nine digits, no zone is UTC, and any other text
/// that is no date is an error on that key.
#[test]
fn dates_are_read_as_documented() {
    let utc = |text: &str| Some(OffsetDateTime::parse(text, &Rfc3339).unwrap());
    for (text, expected) in [
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00", None),
        ("0001-12-31T23:59:59.9999999Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("", None),
        ("0002-01-01T00:00:00Z", utc("0002-01-01T00:00:00Z")),
        ("2024-02-29T12:00:00Z", utc("2024-02-29T12:00:00Z")),
        ("2024-02-29T12:00:00", utc("2024-02-29T12:00:00Z")),
        ("2024-02-29T12:00:00.1", utc("2024-02-29T12:00:00.1Z")),
        (
            "2024-02-29T12:00:00.1234567Z",
            utc("2024-02-29T12:00:00.1234567Z"),
        ),
        (
            "2024-02-29T12:00:00.123456789Z",
            utc("2024-02-29T12:00:00.123456789Z"),
        ),
        ("2024-02-29T12:00:00.000+02:00", utc("2024-02-29T10:00:00Z")),
        ("2024-02-29t12:00:00z", utc("2024-02-29T12:00:00Z")),
        (
            "9999-12-31T23:59:59.999999999Z",
            utc("9999-12-31T23:59:59.999999999Z"),
        ),
    ] {
        let row = format!(r#"{{"id":"a","lastSeen":"{text}","firstSeen":"{text}"}}"#);
        let machine = machine(&row).unwrap();
        assert_eq!(
            (machine.last_seen, machine.first_seen),
            (expected, expected),
            "{text}"
        );
    }
    for text in [
        "2024-02-29T24:00:00Z",
        "2024-02-29T12:60:00Z",
        "2024-02-29T12:00:60Z",
        "2016-12-31T23:59:60Z",
        "2023-02-29T12:00:00Z",
        "2024-13-01T12:00:00Z",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "-001-01-01T00:00:00Z",
        "2024-02-29T12:00:00.1234567890Z",
        "2024-02-29T12:00:00.Z",
        "2024-02-29T12:00:00+24:00",
        "2024-02-29T12:00:00 UTC",
        "2024-02-29",
        "2024-02-29 12:00:00Z",
        "29.02.2024",
        "never",
        " ",
    ] {
        let error = misfit(&format!(r#"{{"id":"a","lastSeen":"{text}"}}"#));
        let said = error.to_string();
        assert!(said.contains("key `lastSeen`"), "{text}: {said}");
        assert!(said.contains("a date and time"), "{text}: {said}");
        assert!(text.len() < 2 || !shown(&error).contains(text), "{error:?}");
    }
    for value in ["1709208000", "true", "{}", "[]"] {
        let error = misfit(&format!(r#"{{"id":"a","lastSeen":{value}}}"#));
        assert!(error.to_string().contains("key `lastSeen`"), "{error}");
    }
}

/// F88: a row whose id is missing, null or blank is an error that the next walk can step over; a
/// session of a scan needs none.
#[test]
fn a_row_without_an_id_is_one_error() {
    for bad in [
        r#"{"computerDnsName":"x"}"#,
        r#"{"id":null}"#,
        r#"{"id":""}"#,
        r#"{"id":" \t"}"#,
        r#"{"id":1.5}"#,
        r#"{"id":{}}"#,
        "{}",
    ] {
        let server = RawServer::new(move |request| {
            let rows = [r#"{"id":"a"}"#, bad, r#"{"id":"c"}"#];
            let skip = usize::try_from(request.number("$skip").unwrap_or(0)).unwrap();
            Answer::json(format!("{{\"value\":[{}]}}", rows[skip..].join(",")))
        });
        let client = client(&server);
        let mut items = client.machines().into_iter();
        let (machines, failure) = all(&mut items);
        let error = failure.unwrap_or_else(|| panic!("{bad} was accepted"));
        assert_eq!((machines.len(), items.offset()), (1, 1), "{bad}");
        assert_eq!(
            (error.kind(), error.is_retryable(), error.attempts()),
            (ErrorKind::Decode, false, 1)
        );
        let text = error.to_string();
        assert!(
            text.contains("at row 1 of the list") && text.contains("id"),
            "{text}"
        );
        let rest = client.machines().skip(items.offset() + 1).into_iter();
        let ids: Vec<String> = rest.map(|machine| machine.unwrap().id).collect();
        assert_eq!((ids, server.calls()), (vec!["c".to_owned()], 2), "{bad}");

        let server = RawServer::pages([format!("{{\"value\":[{bad}]}}")]);
        let lists: [List; 6] = [
            |client| client.scan_agents().map(|it| it.len()),
            |client| client.scan_definitions().map(|it| it.len()),
            |client| client.scan_agent("a").map(|_| 1),
            |client| client.machine("a").map(|_| 1),
            |client| client.scan_definition("a").map(|_| 1),
            |client| {
                client
                    .machines_by_id(["a"])
                    .iter()
                    .map(|it| it.map(|_| 1))
                    .sum()
            },
        ];
        for list in lists {
            let error = list(&self::client(&server)).unwrap_err();
            assert_eq!(
                (error.kind(), error.attempts()),
                (ErrorKind::Decode, 1),
                "{bad}"
            );
        }
        assert_eq!(server.calls(), lists.len());
    }
    let server = RawServer::pages([r#"{"value":[{}]}"#]);
    let (sessions, failure) = all(&mut client(&server).scan_history(["a"]).top(1).into_iter());
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(sessions, [ScanHistoryEntry::default()]);
}

// Anything at all.

/// Any JSON, with the keys that mean something here among its own.
fn any_json() -> impl Strategy<Value = Value> {
    let text = || {
        let known = select(vec![
            "",
            " ",
            "a",
            "?$skip=1",
            "?x=1",
            "https://foreign.invalid/",
            "2024-01-01T00:00:00Z",
            "Active",
            "1",
            "\u{0}",
            "\u{202e}",
        ]);
        prop_oneof![known.prop_map(str::to_owned), "\\PC{0,8}"]
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let key = select(vec![
        "value",
        "@odata.nextLink",
        "error",
        "code",
        "message",
        "target",
        "id",
        "Id",
        "machineId",
        "lastSeen",
        "osBuild",
        "machineTags",
        "ipAddresses",
        "vmMetadata",
        "riskScore",
        "scanAuthenticationParams",
        "password",
        "latestScan",
        "scannedTargets",
        "sessionIds",
        "new",
    ]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let key = prop_oneof![4 => key.clone().prop_map(str::to_owned), 1 => text()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Any body: bytes, or JSON that is more or less what is expected, whole, cut or compressed.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let rows = prop::collection::vec(any_json(), 0..4);
    let link = prop::option::of(any_json());
    let text = prop_oneof![
        any_json(),
        any_json().prop_map(|error| json!({ "error": error })),
        any_json().prop_map(|error| json!({"error": {"code": error, "message": error}})),
        (rows, link).prop_map(|(rows, link)| match link {
            Some(link) => json!({"value": rows, "@odata.nextLink": link}),
            None => json!({"value": rows}),
        }),
    ]
    .prop_map(|json| json.to_string().into_bytes());
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    let body = prop_oneof![1 => bytes, 4 => text];
    let change = prop_oneof![3 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(3)];
    (body, change, any::<Index>(), any::<u8>()).prop_map(|(mut body, change, at, byte)| {
        match change {
            0 => {}
            1 => body.truncate(at.index(body.len() + 1)),
            2 => body.insert(at.index(body.len() + 1), byte),
            _ => {
                body = gzip(&body);
                if byte < 100 {
                    let at = at.index(body.len());
                    body[at] ^= byte;
                }
            }
        }
        body
    })
}

/// Asserts what holds for any error that any answer can bring: one line, not longer than a screen.
fn judge(error: &Error, body: &[u8]) {
    let text = error.to_string();
    let clean = !text.contains(|c: char| c.is_control() || c == '\u{202e}');
    assert!(clean && text.len() < 2_500, "{text:?} for {body:?}");
    drop(shown(error));
}

/// Runs a test for any body, and a status that is no success.
fn for_any_body(test: impl Fn(&Stage, &[u8], u16)) {
    let stage = Stage::new();
    let mut runner = TestRunner::new(Config {
        cases: 256,
        failure_persistence: None,
        ..Config::default()
    });
    let status = select(vec![400, 401, 403, 404, 409, 429, 500, 501, 503, 599]);
    let outcome = runner.run(&(any_body(), status), |(body, status)| {
        test(&stage, &body, status);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Whatever a page is, it gives rows, then at most one error, then nothing; in few calls.
#[test]
fn any_body_is_rows_or_one_error_for_every_list() {
    for_any_body(|stage, body, _| {
        stage.set(Answer::json(body));
        let client = &stage.client;
        let mut outcomes = vec![
            count::<Machine>(client.machines().into_iter()),
            count::<Value>(client.machines().page_size(3).deserialize().into_iter()),
            count::<ScanHistoryEntry>(client.scan_history(["a"]).into_iter()),
            client.scan_agents().map(|it| it.len()),
            client.scan_definitions().map(|it| it.len()),
        ];
        let mut pages = client.machines().pages();
        outcomes.push(
            pages
                .by_ref()
                .map(|page| page.map(|page| page.items.len()))
                .sum(),
        );
        assert!(pages.next().is_none() && pages.next().is_none());
        // Two for a page that is damaged or empty, and a page behind each link and each `$skip`.
        assert!(stage.server.calls() <= 6 * 4, "{:?}", stage.server.lines());
        for outcome in outcomes {
            match outcome {
                Ok(rows) => assert!(rows <= body.len(), "{rows} rows"),
                Err(error) => {
                    let kind = error.kind();
                    let kinds = [ErrorKind::Decode, ErrorKind::Transport, ErrorKind::Paging];
                    assert!(kinds.contains(&kind), "{error:?}");
                    judge(&error, body);
                }
            }
        }
    });
}

/// Whatever an entity is, it is one or one error.
#[test]
fn any_body_is_an_entity_or_one_error() {
    for_any_body(|stage, body, _| {
        for (_, get) in ENTITIES {
            stage.set(Answer::json(body));
            let outcome = get(&stage.client, "a");
            assert!(stage.server.calls() <= 2);
            match outcome {
                Ok(id) => assert!(!id.trim().is_empty()),
                Err(error) => {
                    let kind = error.kind();
                    let kinds = [ErrorKind::Decode, ErrorKind::Transport, ErrorKind::NotFound];
                    assert!(kinds.contains(&kind), "{error:?}");
                    judge(&error, body);
                }
            }
        }
    });
}

/// Whatever the answer for several machines is, it is an answer for each, or one error and none.
#[test]
fn any_body_answers_for_each_machine_or_is_one_error() {
    for_any_body(|stage, body, _| {
        stage.set(Answer::json(body));
        let mut items = stage.client.machines_by_id(["a", "1"]).into_iter();
        let outcomes: Vec<_> = items.by_ref().collect();
        match &outcomes[..] {
            [Ok((one, _)), Ok((other, _))] => {
                assert_eq!((one.as_str(), other.as_str()), ("a", "1"));
                assert!(items.remaining().is_empty());
            }
            [Err(error)] => {
                assert_eq!(items.remaining(), ["a", "1"]);
                let kind = error.kind();
                let kinds = [ErrorKind::Decode, ErrorKind::Transport, ErrorKind::Paging];
                assert!(kinds.contains(&kind), "{error:?}");
                judge(error, body);
            }
            others => panic!("{others:?}"),
        }
    });
}

/// Whatever the body of an error is, the status is told exactly, and the text is fit to be shown. Of
/// the machines alone a 404 may be the end, if it is the service's own.
#[test]
fn any_body_of_an_error_is_an_error_with_its_status() {
    for_any_body(|stage, body, status| {
        let tries = match status {
            429 | 500 | 503 => 4,
            _ => 1,
        };
        stage.set(Answer::new(status, &[], body));
        let mut items = stage.client.machines().into_iter();
        let (rows, failure) = all(&mut items);
        assert!(rows.is_empty() && stage.server.calls() == tries);
        assert_eq!(failure.is_none(), items.ended_by_not_found());
        assert!(status == 404 || failure.is_some());
        let agent = stage.client.scan_agent("a").unwrap_err();
        assert_eq!(stage.server.calls(), 2 * tries);
        for error in failure.into_iter().chain([agent]) {
            assert_eq!(error.status(), Some(status));
            assert_eq!(error.is_retryable(), tries > 1);
            let texts = [error.message(), error.code(), error.request_id()];
            for text in texts.into_iter().flatten() {
                assert!(!text.is_empty() && text.chars().count() <= 301, "{text:?}");
            }
            judge(&error, body);
        }
    });
}
