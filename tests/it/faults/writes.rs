//! Calls that change something (feature `write`): what the service surely did not do is tried again,
//! and what it may have done never is. Deletions stand for all of them.

use std::io::Read as _;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use defender_endpoint::scan_definitions::BatchDeletion;
use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::{Client, ClientBuilder, Error, ErrorKind, RetryPolicy};

use super::network::{PATIENCE, as_it_is, assert_backed_off, seconds};
use crate::errors::{SERVICE, assert_well_formed};
use crate::logs;
use crate::support::raw::{Answer, RawServer, Silent, deserted, gzip, kept_port};
#[cfg(feature = "rustls")]
use crate::support::tls_server::{Authority, End};
use crate::support::{TOKEN, retrying, within};

const PATH: &str = "/api/DeviceAuthenticatedScanDefinitions/BatchDelete";
/// What a try may take where it takes too long.
const SHORT: Duration = Duration::from_millis(80);
const NOTHING: &str = r#"{"value":[]}"#;

type Settings = fn(ClientBuilder) -> ClientBuilder;

fn delete(client: &Client) -> Result<BatchDeletion, Error> {
    client.delete_scan_definitions(["an-id"])
}

fn good() -> Answer {
    Answer::new(200, &[], "")
}

/// A client with retries, and its time.
fn client(url: &str, settings: Settings) -> (Client, FakeClock) {
    let clock = FakeClock::new();
    let client = settings(retrying(url, &clock)).build().unwrap();
    (client, clock)
}

/// The outcome of a deletion where this comes first, and then what is good; how often it was asked for,
/// and how long the client waited in between.
fn outcome(first: &Answer, settings: Settings) -> (Result<BatchDeletion, Error>, usize, Duration) {
    let first = first.clone();
    within(PATIENCE, move || {
        let server = RawServer::script([first, good()]);
        let (client, clock) = client(&server.url(), settings);
        let outcome = delete(&client);
        for request in server.requests() {
            assert_eq!(request.line(), format!("POST {PATH}"));
            assert_eq!(request.text(), r#"{"ScanDefinitionIds":["an-id"]}"#);
        }
        (outcome, server.calls(), clock.now())
    })
}

/// The error of a deletion that was asked for once, and not waited for.
fn only_error(answer: &Answer, settings: Settings) -> Error {
    let (outcome, calls, waited) = outcome(answer, settings);
    let error = outcome.expect_err("the second answer was taken");
    assert_eq!((calls, waited), (1, Duration::ZERO), "{error:?}");
    assert_eq!(error.attempts(), 1);
    assert_well_formed(&error);
    error
}

/// That nobody knows, in one line, with how to find out, and nothing that would make it again.
fn assert_unknown(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
    assert!(!error.is_retryable() && error.retry_after().is_none());
    let start = format!("POST {PATH}: the outcome is unknown: ");
    assert!(error.to_string().starts_with(&start), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("list the scan definitions"), "{hint}");
    assert!(!format!("{error:?} {error:#?}").contains(TOKEN));
    assert_well_formed(error);
}

fn assert_unknown_after(answer: &Answer, settings: Settings) -> Error {
    let error = only_error(answer, settings);
    assert_unknown(&error);
    error
}

/// F1: nothing was done where there was no connection, so that a write is tried again like a read.
#[test]
fn a_write_is_tried_again_where_the_connection_is_refused() {
    let host = deserted();
    let (refused, clock) = client(&format!("http://{host}"), as_it_is);
    let error = delete(&refused).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
    assert_eq!((error.attempts(), error.is_retryable()), (4, true));
    let said = format!(": {host} refused the connection (after 4 attempts)");
    assert!(error.to_string().ends_with(&said), "{error}");
    assert_backed_off(clock.now(), false);

    let (host, socket) = kept_port();
    let server = Arc::new(Mutex::new(None));
    let started = Arc::clone(&server);
    let back = retrying(&format!("http://{host}"), &FakeClock::new()).on_wait(move |_| {
        // The first try has failed, and the second one comes after this wait.
        let start = || {
            socket.listen(8).unwrap();
            let listener = TcpListener::from(socket.try_clone().unwrap());
            RawServer::on(listener, |_| good())
        };
        started.lock().unwrap().get_or_insert_with(start);
        ControlFlow::Continue(())
    });
    delete(&back.build().unwrap()).unwrap();
    assert_eq!(server.lock().unwrap().as_ref().unwrap().calls(), 1);
}

/// F3: nor where nobody answers the attempt to connect.
#[test]
fn a_write_is_tried_again_where_connecting_takes_too_long() {
    let error = within(PATIENCE, || {
        let silent = Silent::new();
        let url = format!("http://{}", silent.host());
        delete(&client(&url, |builder| builder.connect_timeout(SHORT)).0).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!((error.attempts(), error.is_retryable()), (4, true));
}

/// F4: a connection that ends before the answer leaves open what became of the request.
#[test]
fn a_write_is_not_sent_again_where_the_connection_ends_before_the_answer() {
    for answer in [
        Answer::nothing(),
        Answer::nothing().reset(),
        Answer::bytes("HTTP/1.1 200"),
        Answer::bytes("HTTP/1.1 200 OK\r\nContent-").reset(),
        Answer::bytes("HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let error = assert_unknown_after(&answer, as_it_is);
        assert_eq!(error.status(), None);
        assert!(error.to_string().contains(" broke off"), "{error}");
    }
}

/// F4: the request may not even have been read, which nobody on this side can see.
#[test]
fn a_write_is_not_sent_again_where_the_connection_is_reset_with_the_request_unread() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The head and no more, which makes the kernel send a reset when this is closed.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.peek(&mut [0; 1]).unwrap();
        drop(stream);
        listener.set_nonblocking(true).unwrap();
        listener
    });
    let error = delete(&client(&url, as_it_is).0).unwrap_err();
    assert_unknown(&error);
    let listener = connections.join().unwrap();
    assert!(listener.accept().is_err(), "there was a second connection");
}

/// F6, F7: silence, a head and a body that trickle, however the time for it is called.
#[test]
fn a_write_whose_answer_takes_too_long_is_not_sent_again() {
    const SLOW: Settings = |builder| builder.try_timeout(SHORT);
    for (answer, settings) in [
        (Answer::nothing().held(), SLOW),
        (
            Answer::nothing().held(),
            (|builder| builder.read_timeout(SHORT)) as Settings,
        ),
        (Answer::nothing().held(), |builder| builder.deadline(SHORT)),
        (good().dripping(Duration::from_millis(20)), SLOW),
        (Answer::new(200, &[], NOTHING).dripping_body(SHORT), SLOW),
        (Answer::new(201, &[], NOTHING).cut(3).held(), SLOW),
    ] {
        assert_unknown_after(&answer, settings);
    }
}

/// F8: the service has said that it did it, but not what came of it.
#[test]
fn a_success_that_is_cut_keeps_its_status_and_is_not_sent_for_again() {
    let whole = Answer::new(201, &[], NOTHING);
    for answer in [
        whole.clone().cut(1),
        whole.clone().cut(12),
        whole.cut(5).reset(),
    ] {
        let error = assert_unknown_after(&answer, as_it_is);
        assert_eq!(error.status(), Some(201));
        let said = "it was accepted with 201, but";
        assert!(error.to_string().contains(said), "{error}");
    }
    let cut = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{NOTHING}\r\n");
    assert_unknown_after(&Answer::bytes(cut), as_it_is);
}

/// F12: what is too large to be read was accepted all the same.
#[test]
fn a_success_beyond_the_body_limit_leaves_the_outcome_unknown() {
    let answer = Answer::new(201, &[], NOTHING);
    let error = assert_unknown_after(&answer, |builder| builder.body_limit(11));
    assert_eq!(error.status(), Some(201));
    assert!(error.to_string().contains("limit of 11 bytes"), "{error}");
    let exact: Settings = |builder| builder.body_limit(12);
    assert_eq!(outcome(&answer, exact).0.unwrap().status, 201);
}

/// What a deletion answers is not documented, so that any success will do.
#[test]
fn any_success_of_a_deletion_is_one() {
    for (status, body) in [(200, ""), (202, NOTHING), (204, "")] {
        let (outcome, calls, _) = outcome(&Answer::new(status, &[], body), as_it_is);
        let deletion = outcome.unwrap();
        assert_eq!((deletion.status, deletion.body.as_str()), (status, body));
        assert_eq!(calls, 1);
    }
    // 204 ends with its head.
    let (outcome, calls, _) = outcome(&Answer::bytes("HTTP/1.1 204 No Content\r\n\r\n"), as_it_is);
    assert_eq!((outcome.unwrap().status, calls), (204, 1));
}

/// F24: what a deletion answers is not documented, but no service of this kind answers with a page for
/// people. A network's sign-in page is nobody's word for anything.
#[test]
fn html_with_status_200_says_nothing_of_a_deletion() {
    let html = [("Content-Type", "text/html; charset=utf-8")];
    for (headers, body) in [
        (&html[..], "<html>Sign in</html>"),
        (&html, "Sign in"),
        (&[], "\r\n <!DOCTYPE html><html>Sign in</html>"),
        (&[], "\u{feff}<html>Sign in</html>"),
    ] {
        for body in [body.as_bytes().to_vec(), gzip(body)] {
            for status in [200, 202] {
                let error = assert_unknown_after(&Answer::new(status, headers, &*body), as_it_is);
                assert_eq!(error.status(), Some(status));
                let said = format!("it was accepted with {status}, but the answer can't be used: ");
                assert!(error.to_string().contains(&said), "{error}");
                let hint = error.hint().unwrap();
                assert!(hint.contains("sign-in page"), "{hint}");
                assert!(!format!("{error:?}").contains("Sign in"), "{error:?}");
            }
        }
    }
    // Nothing is no page, whatever its kind.
    assert!(outcome(&Answer::new(200, &html, ""), as_it_is).0.is_ok());
}

/// Whatever else it is, the service has accepted it.
#[test]
fn the_text_of_a_success_is_kept_as_far_as_it_can_be_read() {
    let whole = gzip("plain text, ".repeat(10_000));
    for (body, expected) in [
        (b"deleted".to_vec(), "deleted"),
        (b"\xEF\xBB\xBF{}".to_vec(), "{}"),
        (b"Z\xFCrich\xC3".to_vec(), "Z\u{fffd}rich\u{fffd}"),
        (gzip("deleted"), "deleted"),
        (b"\x1f\x8b\x08 and no more".to_vec(), ""),
    ] {
        let deletion = outcome(&Answer::new(200, &[], body), as_it_is).0.unwrap();
        assert_eq!(deletion.body, expected);
    }
    // Cut, and longer than the limit when it is inflated.
    let cut = Answer::new(200, &[], &whole[..whole.len() - 20]);
    let kept = outcome(&cut, as_it_is).0.unwrap().body;
    assert!(kept.starts_with("plain text, plain") && kept.len() < 120_000);
    let limited = outcome(&Answer::new(200, &[], whole), |it| it.body_limit(1_000));
    assert_eq!(limited.0.unwrap().body.len(), 1_000);
}

/// Whoever looks at the log alone must learn that something may have been changed.
#[test]
fn an_unknown_outcome_is_a_line_of_the_log() {
    logs::start();
    let page = Answer::new(200, &[], "<html>");
    for (answer, said) in [
        (Answer::nothing(), "broke off"),
        (page, "a page for a browser"),
    ] {
        let before = logs::count();
        let error = assert_unknown_after(&answer, as_it_is);
        assert!(error.to_string().contains(said), "{error}");
        // Those of other tests are among them.
        let lines = logs::since(before);
        let line =
            |line: &logs::Line| line.level == log::Level::Warn && line.text == error.to_string();
        assert!(lines.iter().any(line), "{lines:?}");
    }
}

/// F15: a redirect is not followed. Only the two that ask for the same request elsewhere refuse: with
/// the others a server may answer when it has done its work.
#[test]
fn a_redirected_write_is_not_sent_elsewhere() {
    let elsewhere = crate::support::raw::Forbidden::new();
    let target = format!("http://{}/", elsewhere.host());
    for status in [307, 308] {
        let answer = Answer::new(status, &[("Location", &target)], "");
        let error = only_error(&answer, as_it_is);
        assert_eq!(error.kind(), ErrorKind::Redirect, "{error:?}");
        assert!(!error.is_retryable());
    }
    for status in [301, 302, 303] {
        let answer = Answer::new(status, &[("Location", &target)], "");
        let error = assert_unknown_after(&answer, as_it_is);
        assert_eq!(error.status(), Some(status));
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("it points to 127.0.0.1"), "{hint}");
    }
    elsewhere.assert_untouched();
}

/// F16: a token that is refused is exchanged for another one, since nothing was done with it.
#[test]
fn a_write_is_tried_once_more_after_a_401() {
    let login = RawServer::new({
        let mut number = 0;
        move |_| {
            number += 1;
            Answer::json(format!(
                r#"{{"access_token":"token-{number}","expires_in":3599}}"#
            ))
        }
    });
    let deleting = |answers: Vec<Answer>| {
        let api = RawServer::script(answers);
        let clock = FakeClock::new();
        let client = crate::support::retrying_with_secret(&login.url(), &api.url(), &clock);
        (delete(&client.build().unwrap()), api.calls())
    };
    let refused = || Answer::new(401, &[], SERVICE);
    let (outcome, calls) = deleting(vec![refused(), good()]);
    assert_eq!((outcome.unwrap().status, calls), (200, 2));
    let (outcome, calls) = deleting(vec![refused(), Answer::nothing()]);
    let error = outcome.unwrap_err();
    assert_unknown(&error);
    assert_eq!((calls, error.attempts()), (2, 2));
    let (outcome, calls) = deleting(vec![refused(), refused()]);
    assert_eq!(
        (outcome.unwrap_err().kind(), calls),
        (ErrorKind::Unauthorized, 2)
    );
}

/// F17, F21: an answer that refuses is final, and says that nothing was done.
#[test]
fn a_write_that_is_refused_is_not_sent_again() {
    for (status, kind) in [
        (400, ErrorKind::Status),
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::NotFound),
    ] {
        let whole = Answer::new(status, &[], SERVICE);
        for answer in [whole.clone(), whole.clone().cut(20), whole.cut(20).reset()] {
            let error = only_error(&answer, as_it_is);
            assert_eq!((error.kind(), error.status()), (kind, Some(status)));
            assert!(!error.is_retryable());
        }
        let whole = Answer::new(status, &[], SERVICE);
        let error = only_error(&whole, as_it_is);
        assert_eq!(error.message(), Some("Something is wrong."));
    }
    let error = only_error(&Answer::new(403, &[], SERVICE), as_it_is);
    let hint = error.hint().unwrap();
    assert!(hint.contains("Machine.ReadWrite.All"), "{hint}");
    assert!(
        hint.ends_with("a user who may not change the data"),
        "{hint}"
    );
}

/// F20: a server that fails may have failed behind the deed, and a gateway may have been in a hurry.
#[test]
fn a_write_is_not_sent_again_after_a_failure_of_the_server() {
    for headers in [&[][..], &[("Retry-After", "7")]] {
        let whole = Answer::new(503, headers, SERVICE);
        let error = assert_unknown_after(&whole, as_it_is);
        assert_eq!(error.status(), Some(503));
        assert_eq!(error.message(), Some("Something is wrong."));
        assert_eq!(error.request_id(), Some("a-target"));
        let error = assert_unknown_after(&whole.cut(20), as_it_is);
        assert_eq!(error.status(), Some(503));
    }
}

/// F27, F28: what is no HTTP may follow the deed as well.
#[test]
fn a_write_is_not_sent_again_where_the_answer_is_no_http() {
    let fields = "X-Filler: 1\r\n".repeat(10_000);
    for bytes in [
        "220 mail.example ESMTP\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{fields}\r\n"),
    ] {
        assert_unknown_after(&Answer::bytes(bytes), as_it_is);
    }
}

/// F51, F54, F55: a call too many was not done, and waits for its turn like a read.
#[test]
fn a_throttled_write_is_tried_again_after_the_pause() {
    let throttled = Answer::new(429, &[("Retry-After", "8")], "");
    let (result, calls, waited) = outcome(&throttled, as_it_is);
    assert_eq!((result.unwrap().status, calls), (200, 2));
    assert_eq!(waited, seconds(8));
    let (result, calls, waited) = outcome(&Answer::new(429, &[], ""), as_it_is);
    assert_eq!((result.unwrap().status, calls), (200, 2));
    assert!((0.4..=0.8).contains(&waited.as_secs_f64()), "{waited:?}");

    let server = RawServer::sending(throttled.clone());
    let error = delete(&client(&server.url(), as_it_is).0).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 4));
    assert_eq!((error.is_retryable(), server.calls()), (true, 4));

    for settings in [
        (|builder| builder.retry_policy(RetryPolicy::none())) as Settings,
        |builder| builder.deadline(seconds(8)),
        |builder| builder.max_wait(seconds(7)),
    ] {
        let error = only_error(&throttled, settings);
        assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
        assert_eq!(error.retry_after(), Some(seconds(8)));
        assert!(error.is_retryable());
    }

    let server = RawServer::script([throttled, Answer::nothing()]);
    let error = delete(&client(&server.url(), as_it_is).0).unwrap_err();
    assert_unknown(&error);
    assert_eq!((error.attempts(), server.calls()), (2, 2));
}

/// F3, F32: a handshake that comes to nothing comes before the request.
#[cfg(feature = "rustls")]
#[test]
fn a_write_is_tried_again_where_the_handshake_breaks_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let tries = thread::spawn(move || {
        for _ in 0..4 {
            let (stream, _) = listener.accept().unwrap();
            stream.peek(&mut [0; 1]).unwrap();
        }
    });
    let error = delete(&client(&url, as_it_is).0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
    assert_eq!((error.attempts(), error.is_retryable()), (4, true));
    tries.join().unwrap();

    // All at once, since each of them waits for its four tries.
    let silences = [
        (|builder| builder.connect_timeout(SHORT)) as Settings,
        |builder| builder.try_timeout(SHORT),
        |builder| builder.read_timeout(SHORT),
    ]
    .map(|settings| {
        thread::spawn(move || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("https://{}", listener.local_addr().unwrap());
            within(PATIENCE, move || {
                delete(&client(&url, settings).0).unwrap_err()
            })
        })
    });
    for silence in silences {
        let error = silence.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_eq!((error.attempts(), error.is_retryable()), (4, true));
    }
}

/// F30: who isn't trusted is sent nothing.
#[cfg(feature = "rustls")]
#[test]
fn a_write_to_who_is_not_trusted_is_not_sent() {
    let api = RawServer::sending(good());
    let server = Authority::new("Unknown").valid().before(&api.host());
    let error = delete(&client(&server.url(), as_it_is).0).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Tls, 1));
    assert_eq!(api.calls(), 0);
}

/// A server that wants a certificate says so behind the handshake of TLS 1.3, when the request is
/// there but nobody has looked at it.
#[cfg(feature = "rustls")]
#[test]
fn a_write_without_the_certificate_that_is_wanted_did_nothing() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let api = RawServer::sending(good());
        let plan = servers.valid().plan(&api.host()).only(version);
        let server = plan.for_clients_of(&clients).start();
        let client = retrying(&server.url(), &FakeClock::new()).root_certificates(servers.pem());
        let error = delete(&client.build().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
        assert_eq!((error.attempts(), error.is_retryable()), (1, false));
        assert!(error.hint().unwrap().contains("`client_certificate`"));
        assert_eq!((server.connections(), api.calls()), (1, 0));
    }
}

/// F4: whatever TLS says where the answer should be, the request was there.
#[cfg(feature = "rustls")]
#[test]
fn a_write_is_not_sent_again_where_tls_breaks_off_before_the_answer() {
    let authority = Authority::new("Trusted");
    for end in [End::InOrder, End::Cut, End::Garbage, End::Alert] {
        for begun in ["", "HTTP/1.1 200 OK\r\nContent-"] {
            let api = RawServer::sending(Answer::bytes(begun));
            let plan = authority.valid().plan(&api.host());
            let server = plan.ending(end).start();
            let client =
                retrying(&server.url(), &FakeClock::new()).root_certificates(authority.pem());
            let error = delete(&client.build().unwrap()).unwrap_err();
            assert_unknown(&error);
            assert_eq!((api.calls(), server.handshakes()), (1, 1), "{end:?}");
        }
    }
}

/// F13: a request goes through the tunnel alone, so that without one nothing was done.
#[cfg(feature = "rustls")]
#[test]
fn a_write_without_a_tunnel_was_not_sent() {
    for (answer, tries) in [
        (Answer::new(503, &[], ""), 4),
        (Answer::new(407, &[], ""), 1),
        (Answer::nothing(), 4),
        (Answer::nothing().reset(), 4),
        // The tunnel ends where the handshake should begin.
        (
            Answer::bytes("HTTP/1.1 200 Connection established\r\n\r\n"),
            4,
        ),
    ] {
        let proxy = RawServer::sending(answer.clone());
        let (clock, url) = (FakeClock::new(), proxy.url());
        let client = retrying("https://api.example", &clock).proxy(url).build();
        let error = within(PATIENCE, move || delete(&client.unwrap()).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Transport, "{answer:?} {error:?}");
        assert_eq!((error.attempts(), error.is_retryable()), (tries, tries > 1));
        let requests = proxy.lines();
        assert_eq!(requests, vec!["CONNECT api.example:443"; tries as usize]);
    }
}
