//! The transport in memory against what real connections do.

use std::error::Error as _;

use super::*;
use crate::body::Spares;
use crate::call::rig::settings;
use crate::error::{ErrorKind, Retry};
use crate::http::{Method, Request, Response};
use crate::secret::Secret;

const URL: &str = "https://api.example.com/api/things?$top=5";

fn script<S: Into<Step>>(steps: impl IntoIterator<Item = S>) -> (Memory, Http) {
    let memory = Memory::new(Script::new(steps));
    let http = Http::in_memory(&settings(), &memory).unwrap();
    (memory, http)
}

fn get(http: &Http) -> Result<Response, Error> {
    http.send(&Request {
        method: Method::Get,
        url: URL,
        bearer: Some(&Secret::from("a-token")),
        headers: &[],
        content_type: None,
        body: b"",
        time_left: None,
        anew: false,
        writes: false,
        small: false,
        nearby: None,
        spares: &Spares::default(),
    })
}

/// Status and body of what comes.
fn got(http: &Http) -> (u16, String) {
    let mut response = get(http).unwrap();
    let body = response.small_body();
    assert!(response.whole);
    (response.status, String::from_utf8(body).unwrap())
}

fn failure(http: &Http) -> Error {
    match get(http) {
        Ok(response) => panic!("answered with {}", response.status),
        Err(error) => error,
    }
}

#[test]
fn a_request_arrives_as_it_was_sent() {
    let (memory, http) = script([Reply::json("{}"), Reply::new(204)]);
    got(&http);
    let sent = http.send(&Request {
        method: Method::Post,
        url: URL,
        bearer: None,
        headers: &[],
        content_type: Some("text/plain"),
        body: b"what\r\n\r\never",
        time_left: Some(Duration::from_secs(7)),
        anew: false,
        writes: false,
        small: false,
        nearby: None,
        spares: &Spares::default(),
    });
    assert_eq!(sent.ok().unwrap().status, 204);
    let [get, post] = &memory.requests()[..] else {
        panic!("{memory:?}");
    };
    assert_eq!((&*get.method, &*get.target), ("GET", "/api/things?$top=5"));
    assert_eq!(get.bearer(), Some("a-token"));
    assert_eq!((get.option("$top"), get.option("$skip")), (Some("5"), None));
    assert_eq!(get.header("host"), Some("api.example.com"));
    assert!(get.time > Duration::from_secs(299), "{:?}", get.time);
    assert_eq!(
        (&*post.method, &*post.body),
        ("POST", &b"what\r\n\r\never"[..])
    );
    assert_eq!(post.header("content-type"), Some("text/plain"));
    assert!(post.bearer().is_none());
    assert!(post.time > Duration::from_secs(6) && post.time <= Duration::from_secs(7));
    assert_eq!((get.connection, get.earlier), (0, 0));
    assert_eq!((post.connection, post.earlier), (0, 1));
}

#[test]
fn an_answer_arrives_whole_however_it_is_framed_and_in_whatever_pieces() {
    let text = "x".repeat(5_000);
    let reply = || Reply::json(&*text);
    let replies = [
        reply(),
        reply().chunks(7),
        reply().gzip(),
        reply().gzip().chunks(1_000),
        reply().until_close(),
        Reply::bare(format!(
            "HTTP/1.0 200\r\nContent-Length: 5000\r\n\r\n{text}"
        )),
    ];
    for step in [1, 13, 4_096, usize::MAX] {
        let (memory, http) = script(replies.clone().map(|reply| reply.step(step)));
        for _ in &replies {
            assert!(got(&http) == (200, text.clone()), "in steps of {step}");
        }
        assert_eq!(memory.count(), replies.len());
    }
}

#[test]
fn a_small_body_is_whole_up_to_its_bound_and_not_beyond() {
    let bound = 64 * 1024;
    for (length, whole) in [(bound - 1, true), (bound, true), (bound + 1, false)] {
        let reply = || Reply::new(404).body("x".repeat(length));
        let replies = [
            reply(),
            reply().chunks(1_000),
            reply().gzip(),
            reply().until_close(),
        ];
        let (_, http) = script(replies.clone());
        for make in 0..replies.len() {
            let mut response = get(&http).unwrap();
            assert_eq!(response.small_body().len(), length.min(bound));
            let told = (response.whole, response.damaged);
            assert_eq!(told, (whole, false), "{length} bytes of make {make}");
        }
    }
}

#[test]
fn a_small_body_of_which_less_is_read_than_was_compressed_is_not_damaged() {
    // Bytes that don't become fewer.
    let bytes = std::iter::successors(Some(1_u64), |last| {
        Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
    });
    let bytes: Vec<_> = bytes
        .map(|number| number.to_be_bytes()[0])
        .take(70_000)
        .collect();
    let reply = Reply::new(404).body(bytes).gzip();
    assert!(reply.body_len() > 64 * 1024 + 1);
    let (_, http) = script([reply.clone(), reply.cut(9_000)]);
    for end in [(false, false), (false, true)] {
        let mut response = get(&http).unwrap();
        assert!(response.small_body().len() > 50_000);
        assert_eq!((response.whole, response.damaged), end);
    }
}

#[test]
fn a_kept_connection_is_used_again_and_a_closed_one_is_not() {
    let (memory, http) = script([
        Reply::json("1"),
        Reply::json("2").then(Then::Closed),
        Reply::json("3").header("Connection", "close"),
        Reply::json("4").until_close(),
        Reply::json("5"),
        Reply::json("6"),
    ]);
    for number in 1..=6 {
        assert_eq!(got(&http).1, number.to_string());
    }
    let over = memory.requests().into_iter();
    let over: Vec<_> = over
        .map(|request| (request.connection, request.earlier))
        .collect();
    assert_eq!(over, [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (3, 1)]);
    assert_eq!(memory.connections(), (4, 4));
}

#[test]
fn a_request_over_a_dead_connection_is_lost() {
    let (memory, http) = script([
        Reply::json("1").then(Then::Dead(Failure::RESET)),
        Reply::json("2"),
    ]);
    assert_eq!(got(&http).1, "1");
    assert_eq!(failure(&http).retry(), Retry::AtOnce);
    assert_eq!((memory.count(), memory.lost()), (1, 1));
    assert_eq!(got(&http).1, "2");
    assert_eq!(memory.connections(), (2, 2));
}

#[test]
fn connections_that_are_not_made_fail_in_their_own_way() {
    let failures = [
        Failure::REFUSED,
        Failure::Unresolved,
        Failure::ConnectTimeout,
    ];
    let mut steps: Vec<Step> = failures.map(Step::NoConnection).to_vec();
    steps.push(Reply::json("there").into());
    let (memory, http) = script(steps);
    let texts = failures.map(|_| failure(&http).to_string());
    assert_eq!(
        texts,
        [
            "api.example.com refused the connection",
            "the name of api.example.com could not be resolved",
            "no connection to api.example.com within 10s",
        ]
    );
    assert_eq!(memory.count(), 0);
    assert_eq!(got(&http).1, "there");
    assert_eq!(memory.connections(), (4, 1));
}

#[test]
fn answers_that_do_not_come_fail_in_their_own_way() {
    let replies = [
        (Reply::none(Failure::RESET), ErrorKind::Transport),
        (Reply::bare("").then(Then::Closed), ErrorKind::Transport),
        (
            Reply::none(Failure::Io(io::ErrorKind::TimedOut)),
            ErrorKind::Timeout,
        ),
        (Reply::none(Failure::ReadTimeout), ErrorKind::Timeout),
        (Reply::none(Failure::TryTimeout), ErrorKind::Timeout),
        // Nothing comes, and the connection stays.
        (Reply::bare(""), ErrorKind::Timeout),
        (Reply::json("12345").cut(1), ErrorKind::Transport),
        (Reply::json("12345").chunks(2).cut(8), ErrorKind::Transport),
        (
            Reply::json("12345")
                .cut(2)
                .then(Then::Fails(Failure::RESET)),
            ErrorKind::Transport,
        ),
        (
            Reply::json("12345").cut(2).then(Then::Open),
            ErrorKind::Timeout,
        ),
    ];
    let (memory, http) = script(replies.clone().map(|(reply, _)| reply));
    for (reply, kind) in &replies {
        let error = failure(&http);
        assert_eq!(error.kind(), *kind, "{error:?} after {reply:?}");
        assert!(error.is_retryable(), "{error:?} after {reply:?}");
        assert!(
            error
                .source()
                .is_none_or(|source| !source.to_string().is_empty())
        );
    }
    // None of these connections is used again.
    assert_eq!(memory.connections(), (replies.len(), replies.len()));
}
