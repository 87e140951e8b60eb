//! The network: what fails before, within and behind an answer (F1 to F14).
//!
//! A fault that may pass is shown once, of which a client with retries must take no notice, and for
//! ever, which it must report with the number of its tries.

use std::error::Error as _;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use defender_endpoint::testing::{Clock, FakeClock, Fault};
use defender_endpoint::time::{Duration as Span, OffsetDateTime};
use defender_endpoint::{
    AccessToken, Client, ClientBuilder, Credential, Error, ErrorKind, RateLimits, RetryPolicy,
    TokenRequest,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::de::IgnoredAny;

use crate::decoding::{Row, failure, machines, numbers, page, walk};
use crate::errors::{REQUEST, assert_transport, assert_well_formed, call};
use crate::retries::{ids, setup};
use crate::support::raw::{Answer, RawServer, Request, Silent, bomb, deserted, gzip, kept_port};
use crate::support::{builder, client, retrying, retrying_with_secret, within};

pub(super) const NOTHING: &str = r#"{"value":[]}"#;
/// What a try may take where it takes too long.
const SHORT: Duration = Duration::from_millis(80);
/// And where one takes too long that another must go well, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(2);
/// What a test may take in which something may hang.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Who is talked to when the fault shows, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Get,
    /// The scan history, which is a read too.
    Post,
    /// The token endpoint.
    Token,
}

pub(super) const PLACES: [Place; 3] = [Place::Get, Place::Post, Place::Token];

/// All of them at once, where each takes its time.
fn in_all_places(act: impl Fn(Place) + Sync) {
    thread::scope(|scope| {
        for place in PLACES {
            let act = &act;
            scope.spawn(move || act(place));
        }
    });
}

impl Place {
    pub(super) fn good(self) -> Answer {
        Answer::json(match self {
            Self::Get | Self::Post => NOTHING,
            Self::Token => r#"{"access_token":"a-token","expires_in":3599}"#,
        })
    }

    /// A client, and an API that has nothing to do with the fault if that is the token endpoint's.
    pub(super) fn client(
        self,
        url: &str,
        clock: &FakeClock,
        settings: Settings,
    ) -> (Client, RawServer) {
        let api = RawServer::sending(Answer::json(NOTHING));
        let builder = match self {
            Self::Get | Self::Post => retrying(url, clock),
            Self::Token => retrying_with_secret(url, &api.url(), clock),
        };
        (settings(builder).build().unwrap(), api)
    }

    pub(super) fn act(self, client: &Client) -> Result<(), Error> {
        match self {
            Self::Get | Self::Token => client.scan_agents().map(drop),
            Self::Post => {
                let rows = client.scan_history(["an-id"]).deserialize::<IgnoredAny>();
                rows.iter().try_for_each(|row| row.map(drop))
            }
        }
    }

    /// The exchanges with the API of a call that had so many with the place of the fault.
    pub(super) fn attempts(self, exchanges: u32) -> u32 {
        if self == Self::Token { 0 } else { exchanges }
    }
}

pub(super) type Settings = fn(ClientBuilder) -> ClientBuilder;

pub(super) fn as_it_is(builder: ClientBuilder) -> ClientBuilder {
    builder
}

fn hasty(builder: ClientBuilder) -> ClientBuilder {
    builder.try_timeout(SHORT)
}

fn less_hasty(builder: ClientBuilder) -> ClientBuilder {
    builder.try_timeout(LONG)
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Shows this fault once, and then what is good. The client must go on with one try more; how long
/// it waited for it.
pub(super) fn passes(place: Place, fault: &Answer, settings: Settings) -> Duration {
    passes_after(1, place, fault, settings)
}

/// The same for a fault that shows so many times.
pub(super) fn passes_after(
    times: usize,
    place: Place,
    fault: &Answer,
    settings: Settings,
) -> Duration {
    let faults = vec![fault.clone(); times];
    within(PATIENCE, move || {
        let server = RawServer::script(faults.into_iter().chain([place.good()]));
        let clock = FakeClock::new();
        let (client, api) = place.client(&server.url(), &clock, settings);
        place.act(&client).unwrap();
        assert_eq!(server.calls(), times + 1, "{place:?}");
        assert_eq!(api.calls(), usize::from(place == Place::Token));
        clock.now()
    })
}

/// Shows this fault for ever. The client must give up after the last of its retries; with what, and
/// how long it waited for them.
pub(super) fn stays(place: Place, fault: &Answer, settings: Settings) -> (Error, Duration) {
    let fault = fault.clone();
    within(PATIENCE, move || {
        let server = RawServer::sending(fault);
        let clock = FakeClock::new();
        let (client, api) = place.client(&server.url(), &clock, settings);
        let error = place.act(&client).unwrap_err();
        // Of a try that ran out of time the server may hear late, or never: such tries are counted
        // by what the error says and by how long was waited for them.
        let (calls, late) = (server.calls(), error.kind() == ErrorKind::Timeout);
        assert!(calls == 4 || calls < 4 && late, "{calls} calls: {error:?}");
        assert_eq!(api.calls(), 0, "{error:?}");
        assert_tries(&error, place.attempts(4));
        (error, clock.now())
    })
}

/// Shows this fault for ever. The client must give up at once, without another try; with what.
pub(super) fn is_final(place: Place, fault: &Answer) -> Error {
    let error = gives_up(place, fault, 1);
    assert!(!error.is_retryable(), "{error:?}");
    error
}

/// Shows this fault for ever. The client must give up after so many exchanges; with what.
pub(super) fn gives_up(place: Place, fault: &Answer, exchanges: u32) -> Error {
    let fault = fault.clone();
    within(PATIENCE, move || {
        let server = RawServer::sending(fault);
        let (client, api) = place.client(&server.url(), &FakeClock::new(), as_it_is);
        let error = place.act(&client).unwrap_err();
        let calls = u32::try_from(server.calls()).unwrap();
        assert_eq!((calls, api.calls()), (exchanges, 0), "{error:?}");
        assert_eq!(error.attempts(), place.attempts(exchanges), "{error:?}");
        assert_well_formed(&error);
        error
    })
}

/// A failure that could pass, after so many exchanges with the API.
pub(super) fn assert_tries(error: &Error, attempts: u32) {
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(error.attempts(), attempts, "{error:?}");
    let told = format!(" (after {attempts} attempts)");
    assert_eq!(error.to_string().ends_with(&told), attempts > 1, "{error}");
    assert_well_formed(error);
}

/// The wait before the second and third retry, or before the first one too: 0.8, 1.6 and 3.2
/// seconds, each between half and all of it.
pub(super) fn assert_backed_off(waited: Duration, first_at_once: bool) {
    let most = if first_at_once { 4.8 } else { 5.6 };
    let waited = waited.as_secs_f64();
    assert!((most / 2.0..=most).contains(&waited), "{waited}");
}

// --- F1 to F3: no connection

/// F1: a refused connection is an error that names host and port and its cause; it is tried again,
/// and the tries are counted.
#[test]
fn a_refused_connection_is_tried_again_and_named_with_host_and_port() {
    let host = deserted();
    let error = call(&format!("http://{host}"));
    assert_transport(&error, true);
    assert_eq!(
        error.to_string(),
        format!("{REQUEST}: {host} refused the connection")
    );
    assert!(error.source().is_some());

    for place in PLACES {
        let host = deserted();
        let clock = FakeClock::new();
        let (client, api) = place.client(&format!("http://{host}"), &clock, as_it_is);
        let error = place.act(&client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
        assert_tries(&error, place.attempts(4));
        let text = error.to_string();
        let said = format!(": {host} refused the connection");
        assert!(text.contains(&said), "{text}");
        assert_eq!(text.starts_with("token request: "), place == Place::Token);
        assert_backed_off(clock.now(), false);
        assert_eq!(api.calls(), 0);
    }
}

/// F1: a service that is back when it is tried again is all that a call needs.
#[test]
fn a_refused_connection_is_made_once_the_service_is_back() {
    let (host, socket) = kept_port();
    let server = Arc::new(Mutex::new(None));
    let (clock, started) = (FakeClock::new(), Arc::clone(&server));
    let client = retrying(&format!("http://{host}"), &clock).on_wait(move |_| {
        // The first try has failed, and the second one comes after this wait.
        let start = || {
            socket.listen(8).unwrap();
            let listener = TcpListener::from(socket.try_clone().unwrap());
            RawServer::on(listener, |_| Answer::json(NOTHING))
        };
        started.lock().unwrap().get_or_insert_with(start);
        ControlFlow::Continue(())
    });
    client.build().unwrap().scan_agents().unwrap();
    assert_eq!(server.lock().unwrap().as_ref().unwrap().calls(), 1);
}

/// F2: a name that does not resolve is said to be such, is tried again, and comes with a hint at
/// API URL and proxy.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_name_that_does_not_resolve_says_so_and_is_tried_again() {
    // Longer than a name's part may be, so that no resolver is asked.
    let host = "x".repeat(64);
    for place in PLACES {
        let url = format!("https://{host}");
        let (error, waited) = within(PATIENCE, move || {
            let clock = FakeClock::new();
            let (client, _api) = place.client(&url, &clock, as_it_is);
            (place.act(&client).unwrap_err(), clock.now())
        });
        assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
        assert_tries(&error, place.attempts(4));
        let said = format!("the name of {host} could not be resolved");
        assert!(error.to_string().contains(&said), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains("API URL") && hint.contains("proxy"), "{hint}");
        assert_backed_off(waited, false);
    }
}

/// F3: a host that answers no attempt to connect is a timeout of the connection, and tried again
/// like one that refuses.
#[test]
fn a_connect_that_gets_no_answer_is_a_timeout_and_is_tried_again() {
    for place in PLACES {
        let (host, error, waited) = within(PATIENCE, move || {
            let silent = Silent::new();
            let (url, clock) = (format!("http://{}", silent.host()), FakeClock::new());
            let (client, _api) =
                place.client(&url, &clock, |builder| builder.connect_timeout(SHORT));
            let error = place.act(&client).unwrap_err();
            (silent.host(), error, clock.now())
        });
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_tries(&error, place.attempts(4));
        let said = format!("no connection to {host} within {SHORT:?}");
        assert!(error.to_string().contains(&said), "{error}");
        assert_backed_off(waited, false);
    }
}

/// F3: the handshake of TLS is part of connecting.
#[cfg(feature = "rustls")]
#[test]
fn a_handshake_that_gets_no_answer_is_a_connect_timeout() {
    let error = within(PATIENCE, || {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", silent.local_addr().unwrap());
        let client = builder(&url).connect_timeout(SHORT).build().unwrap();
        client.scan_agent("an-id").unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_tries(&error, 1);
    let said = error.to_string();
    assert!(said.contains("no connection to 127.0.0.1"), "{said}");
    assert!(said.ends_with("within 80ms"), "{said}");
}

// --- F4 and F5: connections that are dead

/// F4: a connection that is closed or reset before the first byte of the answer is followed by
/// another at once, and only then by pauses.
#[test]
fn a_connection_that_dies_before_the_answer_is_followed_by_another_at_once() {
    for place in PLACES {
        for fault in [
            Answer::nothing(),
            Answer::nothing().reset(),
            // The head is no answer yet.
            Answer::bytes("HTTP/1.1 200"),
            Answer::bytes("HTTP/1.1 200 OK\r\nContent-"),
            Answer::bytes("HTTP/1.1 100 Continue\r\n\r\n"),
        ] {
            let once = passes(place, &fault, as_it_is);
            assert_eq!(once, Duration::ZERO, "{place:?} {fault:?}");
            let twice = passes_after(2, place, &fault, as_it_is);
            assert!((0.8..=1.6).contains(&twice.as_secs_f64()), "{twice:?}");
            let (error, waited) = stays(place, &fault, as_it_is);
            assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
            let said = error.to_string();
            assert!(said.contains("the connection to 127.0.0.1:"), "{said}");
            assert!(said.contains(" broke off"), "{said}");
            assert_backed_off(waited, true);
        }
    }
}

/// F4: a reset that comes instead of the answer, with the request not even read.
#[test]
fn a_connection_that_is_reset_is_worth_a_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        // Closed with the request unread, which makes the kernel send a reset.
        stream.peek(&mut [0; 1]).unwrap();
    });
    assert_transport(&call(&url), true);
}

/// A server that takes one request on each connection of these, and then behaves like this.
fn dying(place: Place, connections: usize, end: &Answer) -> RawServer {
    let end = end.clone();
    let mut seen = vec![false; connections];
    RawServer::new(move |request| match seen.get_mut(request.connection) {
        Some(seen) if *seen => end.clone(),
        Some(seen) => {
            *seen = true;
            place.good()
        }
        None => place.good(),
    })
}

/// F5: a kept-alive connection that turns out to be dead, closed or reset, costs a call nothing but
/// a second try, which comes at once; the history's POST as well, since it is a read.
#[test]
fn a_kept_connection_that_is_dead_costs_no_more_than_a_second_try() {
    for place in [Place::Get, Place::Post] {
        for end in [Answer::nothing(), Answer::nothing().reset()] {
            let server = dying(place, 1, &end);
            let clock = FakeClock::new();
            let (client, _) = place.client(&server.url(), &clock, as_it_is);
            place.act(&client).unwrap();
            place.act(&client).unwrap();
            let requests = server.requests();
            let connections: Vec<usize> = requests.iter().map(|it| it.connection).collect();
            assert_eq!(connections, [0, 0, 1], "{place:?} {end:?}");
            // The same was sent again.
            assert_eq!(requests[1].head, requests[2].head);
            assert_eq!(requests[1].body, requests[2].body);
            assert_eq!(clock.now(), Duration::ZERO);
        }
    }
}

/// F5: where one kept-alive connection is dead, others that lie idle are not trusted: the second try
/// has a new one.
#[test]
fn the_try_after_a_dead_connection_has_a_new_one_although_others_lie_idle() {
    for end in [Answer::nothing(), Answer::nothing().reset()] {
        within(PATIENCE, move || {
            let server = dying(Place::Get, 2, &end);
            let clock = FakeClock::new();
            let (client, _) = Place::Get.client(&server.url(), &clock, as_it_is);
            // Two calls at the same time, which needs two connections.
            while server.connections() < 2 {
                let other = client.clone();
                let call = thread::spawn(move || other.scan_agents().map(drop));
                client.scan_agents().unwrap();
                call.join().unwrap().unwrap();
            }
            let before = server.calls();
            client.scan_agents().unwrap();
            assert_eq!(clock.now(), Duration::ZERO, "nobody backed off");
            let requests = server.requests();
            let of_last = requests[before..].iter();
            let connections: Vec<usize> = of_last.map(|request| request.connection).collect();
            assert!(matches!(connections[..], [0 | 1, 2]), "{connections:?}");
        });
    }
}

/// F5: a connection that was closed in order between two calls is not even tried.
#[test]
fn a_connection_that_was_closed_between_two_calls_is_replaced() {
    for place in [Place::Get, Place::Post] {
        let server = RawServer::sending(place.good().closed());
        let clock = FakeClock::new();
        let (client, _) = place.client(&server.url(), &clock, as_it_is);
        for _ in 0..3 {
            place.act(&client).unwrap();
        }
        assert_eq!(server.calls(), 3);
        assert_eq!(clock.now(), Duration::ZERO);
    }
}

/// F5: the fake tenant's closed connections are met like real ones: one at once, more with pauses.
#[test]
fn the_first_retry_after_a_dead_connection_comes_at_once() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    client.scan_agents().unwrap();
    tenant.fail(Fault::disconnect());
    client.scan_agents().unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    tenant.fail(Fault::disconnect().times(2));
    client.scan_agents().unwrap();
    assert!(
        clock.now() >= Duration::from_millis(800),
        "the second one backs off"
    );
}

// --- F6 and F7: too slow

/// F6: headers that come byte by byte, never silent for long, end with the time for one try, which
/// is then repeated.
#[test]
fn headers_that_trickle_end_with_the_time_for_one_try() {
    in_all_places(|place| {
        passes(place, &place.good().dripping(LONG / 8), less_hasty);
        let (error, waited) = stays(place, &place.good().dripping(SHORT / 8), hasty);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        let said = error.to_string();
        assert!(said.contains("was not complete within 80ms"), "{said}");
        assert_backed_off(waited, false);
    });
}

/// F6, F7: a server that says nothing, or nothing more, ends with the time for one try.
#[test]
fn an_exchange_that_takes_too_long_is_a_timeout() {
    for place in PLACES {
        for held in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
            let (error, waited) = stays(place, &Answer::bytes(held).held(), hasty);
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
            assert!(error.to_string().contains("within 80ms"), "{error}");
            assert_backed_off(waited, false);
        }
    }
}

/// F6, F7: the deadline of a call bounds its tries too, and the text says which bound it was.
#[test]
fn a_slow_answer_ends_with_the_deadline_where_that_is_earlier() {
    for place in PLACES {
        let error = within(PATIENCE, move || {
            let server = RawServer::sending(place.good().dripping(SHORT / 8));
            // In a time of its own, which stands still: the try is what must end.
            let (client, _api) = place.client(&server.url(), &FakeClock::new(), |builder| {
                builder.deadline(SHORT).retry_policy(RetryPolicy::none())
            });
            place.act(&client).unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(error.to_string().contains("the deadline"), "{error}");
    }
}

/// F7: a body that comes byte by byte, never silent for long, ends with the time for one try, and
/// none of it is handed out.
#[test]
fn a_body_that_trickles_ends_with_the_time_for_one_try_and_none_of_it_is_handed_out() {
    in_all_places(|place| {
        passes(place, &place.good().dripping_body(LONG / 2), less_hasty);
        let (error, waited) = stays(place, &place.good().dripping_body(SHORT / 2), hasty);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        let said = error.to_string();
        assert!(said.contains("was not complete within 80ms"), "{said}");
        assert_backed_off(waited, false);
    });
    // Whole rows arrive in time, and the end doesn't.
    let error = within(PATIENCE, || {
        let text = page(3) + &" ".repeat(1_000);
        let server = RawServer::script([Answer::json(text).dripping_body(SHORT / 80)]);
        let client = builder(&server.url()).try_timeout(SHORT * 4);
        let mut items = client
            .build()
            .unwrap()
            .machines()
            .deserialize::<Row>()
            .iter();
        let (rows, failure) = walk(&mut items);
        assert_eq!((rows.len(), items.offset()), (0, 0));
        failure.unwrap()
    });
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
}

/// F7: a body that stalls is a timeout after the silence that is allowed, is tried again, and none
/// of it is handed out.
#[test]
fn a_body_that_stalls_is_a_timeout_and_none_of_it_is_handed_out() {
    let text = page(5_000);
    let stalling = Answer::json(&text).cut(text.len() / 2).held();
    let error = within(PATIENCE, move || {
        let server = RawServer::script([stalling.clone()]);
        let client = builder(&server.url()).read_timeout(SHORT).build().unwrap();
        let mut items = client.machines().deserialize::<Row>().into_iter();
        let (rows, failure) = walk(&mut items);
        assert_eq!((rows.len(), items.offset()), (0, 0));

        let server = RawServer::script([stalling, Answer::json(&text)]);
        let client = retrying(&server.url(), &FakeClock::new()).read_timeout(LONG);
        let rows = client.build().unwrap().machines().deserialize::<Row>();
        assert_eq!(rows.iter().map(Result::unwrap).count(), 5_000);
        assert_eq!(server.calls(), 2);
        failure.unwrap()
    });
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Timeout, true)
    );
}

/// F7: silence at any point of an answer is a timeout that says for how long.
#[test]
fn a_silent_service_is_a_timeout() {
    in_all_places(|place| {
        for act in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
            let silent = Answer::bytes(act).held();
            passes(place, &silent, |builder| builder.read_timeout(LONG));
            let settings: Settings = |builder| builder.read_timeout(SHORT);
            let (error, waited) = stays(place, &silent, settings);
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
            let said = error.to_string();
            assert!(said.contains("nothing arrived from 127.0.0.1"), "{said}");
            assert!(said.contains("for 80ms"), "{said}");
            assert_backed_off(waited, false);
        }
    });
}

// --- F8 to F10: what arrives is not all of it

/// F8: a body that is shorter than its head says, or whose chunks end too soon, is a fault of the
/// transport and not of the JSON; it is tried again after a pause, since no new connection mends it.
#[test]
fn a_body_that_breaks_off_is_tried_again_as_a_fault_of_the_transport() {
    for place in PLACES {
        for fault in [
            place.good().cut(1),
            place.good().cut(1).reset(),
            Answer::bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
            // What came could pass for all of it.
            Answer::bytes(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
                place.good().into_body()
            )),
            Answer::bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Answer::chunked(place.good().into_body(), 5).cut(7),
            Answer::chunked(place.good().into_body(), 1_000).cut(5),
        ] {
            let waited = passes(place, &fault, as_it_is).as_secs_f64();
            // A reset may overtake the head, and is then one before the answer.
            assert!((0.4..=0.8).contains(&waited) || waited == 0.0, "{waited}");
            let (error, _) = stays(place, &fault, as_it_is);
            assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
            assert!(error.to_string().contains(" broke off"), "{error}");
        }
        let cut = passes(place, &place.good().cut(1), as_it_is);
        assert!(cut > Duration::ZERO, "{place:?}");
    }
}

/// F8: however a page is sent, one that is cut below HTTP is an error before its first row.
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
            assert_transport_of_page(&error);
        }
    }
    assert_transport_of_page(&failure(Answer::json(&text).cut(text.len())));
}

fn assert_transport_of_page(error: &Error) {
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Transport, true),
        "{error}"
    );
}

/// F9, F10: damage that only the decoder sees, because HTTP is content or the compression is
/// broken, is a fault of the transport too, behind the rows that came before it.
#[test]
fn damage_that_only_the_decoder_sees_is_one_retryable_error_behind_the_good_rows() {
    let text = page(5_000);
    let whole: Vec<u64> = (0..5_000).collect();
    for body in damaged_pages(&text) {
        // Without a length, so that the transport is content.
        let answer = Answer::without_length(200, &[("Content-Type", "application/json")], &body);
        let server = RawServer::script([answer]);
        let (rows, failure) = numbers(&server);
        assert!(whole.starts_with(&rows), "{} rows", rows.len());
        let error = failure.expect("damage went unseen");
        assert_transport_of_page(&error);
        assert!(
            error
                .to_string()
                .starts_with("GET /api/machines: the body is damaged"),
            "{error}"
        );
        assert_eq!(server.calls(), 1, "without retries nothing is asked again");

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

/// Bodies without their end, and compressed ones that are broken.
fn damaged_pages(text: &str) -> Vec<Vec<u8>> {
    let zipped = gzip(text.as_bytes());
    let rows = text.matches("\"n\":").count();
    let half = text.find(&format!("\"n\":{}", rows / 2)).unwrap();
    let (mut bad_sum, mut bad_size) = (zipped.clone(), zipped.clone());
    let trailer = zipped.len() - 8;
    bad_sum[trailer] ^= 1;
    bad_size[trailer + 4] ^= 1;
    vec![
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
        bad_size,
        b"\x1f\x8bnot gzip".to_vec(),
    ]
}

/// F9, F10: a damaged page is asked for once more, and then no row is lost or comes twice; a second
/// time the damage is the walk's error, after two exchanges.
#[test]
fn a_damaged_page_is_asked_for_once_more_and_no_more() {
    let text = page(300);
    let mut bodies = damaged_pages(&text);
    // Nothing in these could pass for a page, or for its beginning.
    bodies.push(b"this is no gzip".to_vec());
    bodies.push(b"\x78\x9c\xab\x56\xca\xff\xfe".to_vec());
    for body in bodies {
        let json = [
            ("Content-Type", "application/json"),
            ("Content-Encoding", "gzip"),
        ];
        let damaged = Answer::without_length(200, &json, &body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        for post in [false, true] {
            let walked = |server: &RawServer| {
                let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
                let rows: Vec<Result<Row, Error>> = if post {
                    let history = client.scan_history(["an-id"]);
                    history.deserialize().iter().collect()
                } else {
                    client.machines().deserialize().iter().collect()
                };
                rows
            };
            // Behind a short page the history is asked whether there is more.
            let good = [Answer::json(&text), Answer::json(NOTHING)];
            let server = RawServer::script([damaged.clone()].into_iter().chain(good));
            let rows = walked(&server).into_iter().map(|row| row.unwrap().n);
            assert_eq!(rows.collect::<Vec<_>>(), (0..300).collect::<Vec<_>>());
            assert_eq!(server.calls(), if post { 3 } else { 2 }, "{shown}");

            let server = RawServer::sending(damaged.clone());
            let error = walked(&server).pop().unwrap().unwrap_err();
            assert_eq!(server.calls(), 2, "{shown}: {error}");
            assert!(error.is_retryable(), "{shown}: {error}");
        }
    }
}

/// F9: what HTTP calls whole and what breaks off within its JSON all the same was cut.
#[test]
fn a_cut_agent_without_length_is_fetched_once_more() {
    let cut = Answer::bytes(b"HTTP/1.1 200 OK\r\n\r\n{\"id\":\"an-id\",\"mach".to_vec());
    let server = RawServer::sending(cut.clone());
    let error = client(&server.url()).scan_agent("an-id").unwrap_err();
    assert_transport(&error, true);
    let retrying = |server: &RawServer| {
        let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
        client.scan_agent("an-id")
    };
    let error = retrying(&server).unwrap_err();
    assert_transport(&error, true);
    assert_eq!((server.calls(), error.attempts()), (1 + 2, 2));
    let server = RawServer::script([cut, Answer::json(r#"{"id":"an-id"}"#)]);
    assert_eq!(retrying(&server).unwrap().id, "an-id");
}

/// F9, F10: a page that is damaged in the middle of a walk is asked for again there, and the rows of
/// it that were handed out are not handed out twice.
#[test]
fn a_damaged_page_is_fetched_again_and_its_rows_are_not_handed_out_twice() {
    let whole = {
        let (_tenant, _, builder) = setup();
        ids(&builder.build().unwrap())
    };
    // A cut body shows while it is read. Damage that shows only while rows are decoded: the page
    // ends in mid-row although it arrived in full.
    for rows in [0, 1, 57] {
        let (tenant, _, builder) = setup();
        let client = builder.build().unwrap();
        let row = |id: &String| format!("{{\"id\":\"{id}\"}}");
        let text: Vec<String> = whole[100..100 + rows].iter().map(row).collect();
        let text = format!("{{\"value\":[{},{{\"id\":\"half", text.join(","));
        let text = text.replace("[,", "[");
        tenant.fail(
            Fault::body(200, "application/json", text)
                .path("/api/machines")
                .on_call(2),
        );
        assert_eq!(ids(&client), whole, "{rows} rows before the damage");
        assert_eq!(tenant.calls("/api/machines"), 5);
    }
}

/// F9, F10: a page that is damaged the second time too ends the walk with an offset that is exact.
#[test]
fn a_page_that_stays_damaged_ends_the_walk_with_an_exact_offset() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    let text = "{\"value\":[{\"id\":\"x\"},{\"id\"";
    let damage = Fault::body(200, "application/json", text).path("/api/machines");
    tenant.fail(damage.clone().on_call(2));
    tenant.fail(damage.on_call(3));
    let mut machines = client.machines().into_iter();
    let seen = machines.by_ref().take_while(Result::is_ok).count();
    assert_eq!((seen, machines.offset()), (101, 101));
    assert!(machines.next().is_none());
    let rest = client
        .machines()
        .skip(101)
        .into_iter()
        .map(Result::unwrap)
        .count();
    assert_eq!(rest, 246);
}

/// F9, F10: a token whose answer is cut or broken is asked for again, and what came of it is shown
/// nowhere.
#[test]
fn a_damaged_token_is_asked_for_again_and_never_used() {
    let text = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"hunter2"}"#;
    let zipped = gzip(text);
    let mut bad_sum = zipped.clone();
    let trailer = zipped.len() - 8;
    bad_sum[trailer] ^= 1;
    for body in [
        &text.as_bytes()[..text.len() - 1],
        &text.as_bytes()[..text.len() - 5],
        &zipped[..zipped.len() - 1],
        &zipped[..zipped.len() - 20],
        &zipped[..12],
        &bad_sum,
        b"\x1f\x8bnot gzip",
    ] {
        let json = [("Content-Type", "application/json")];
        let damaged = Answer::without_length(200, &json, body);
        passes(Place::Token, &damaged, as_it_is);
        let server = RawServer::sending(damaged);
        let (client, api) = Place::Token.client(&server.url(), &FakeClock::new(), as_it_is);
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
        assert!(error.is_retryable() && (2..=4).contains(&server.calls()));
        let all = format!("{error} {error:?} {error:#?}");
        assert!(!all.contains("hunter2"), "{all}");
        assert_eq!(api.calls(), 0);
    }
}

// --- F11 and F12: too much

/// F11: of a small body that inflates to hundreds of megabytes no more is inflated than the limit
/// allows, whatever it holds, and it is not asked for again. (That memory stays flat meanwhile is
/// counted in `tests/allocations.rs`.)
#[test]
fn a_bomb_is_inflated_to_the_limit_and_no_further() {
    const LIMIT: u64 = 1 << 20;
    let row = format!(r#"{{"id":"{}"}},"#, "x".repeat(1_000));
    let size = u64::try_from(row.len()).unwrap();
    let bombs = [
        (bomb(r#"{"value":["#, 300, &row), LIMIT / size),
        (bomb(r#"{"value":["#, 300, " "), 0),
        (bomb(r#"{"value":[{"id":""#, 300, "x"), 0),
        (bomb(r#"{"other":""#, 300, "x"), 0),
        (bomb("", 300, " "), 0),
    ];
    for (bomb, most) in bombs {
        // It comes through the limit as it is on the wire.
        assert!(bomb.len() < 1 << 20, "{}", bomb.len());
        for answer in [Answer::gzipped(&bomb), Answer::json(&bomb)] {
            let server = RawServer::sending(answer);
            let client = retrying(&server.url(), &FakeClock::new()).body_limit(LIMIT);
            let client = client.build().unwrap();
            let mut rows = client.machines().deserialize::<IgnoredAny>().into_iter();
            let read = rows.by_ref().take_while(Result::is_ok).count();
            // All but what lies in the window, since nobody asks for more than is wanted.
            let read = u64::try_from(read).unwrap();
            assert!(read <= most && read + 200 >= most, "{read} of {most}");
            assert_eq!(rows.offset(), read);

            let error = client.machines().pages().next().unwrap().unwrap_err();
            assert_too_large(&error, LIMIT);
            assert_too_large(&client.scan_agents().unwrap_err(), LIMIT);
            assert_too_large(&client.scan_agent("an-id").unwrap_err(), LIMIT);
            assert_eq!(server.calls(), 4);
        }
    }
}

/// F11: the default limit is enough against a bomb.
#[test]
fn a_bomb_of_hundreds_of_megabytes_ends_at_the_default_limit() {
    let server = RawServer::sending(Answer::gzipped(bomb(r#"{"value":["#, 300, " ")));
    let error = client(&server.url()).scan_agents().unwrap_err();
    assert_too_large(&error, 64 << 20);
    assert_eq!(server.calls(), 1);
}

fn assert_too_large(error: &Error, limit: u64) {
    assert_eq!(
        (error.kind(), error.is_retryable(), error.attempts()),
        (ErrorKind::TooLarge, false, 1),
        "{error:?}"
    );
    assert!(error.to_string().contains(&limit.to_string()), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("`page_size`") && hint.contains("`body_limit`"));
    assert!(hint.contains("fewer rows"), "{hint}");
    assert_well_formed(error);
}

/// F11: a bomb for a token, or for its refusal, is no token, is not asked for again, and is not read
/// to its end.
#[test]
fn a_bomb_for_a_token_is_refused() {
    for (start, of) in [
        ("", " "),
        (r#"{"access_token":""#, "x"),
        (r#"{"error":""#, "x"),
        (r#"{"access_token":"hunter2","other":["#, "1,"),
    ] {
        for status in [200, 400] {
            let headers = [("Content-Encoding", "gzip")];
            let server = RawServer::sending(Answer::new(status, &headers, bomb(start, 300, of)));
            let (client, api) = Place::Token.client(&server.url(), &FakeClock::new(), as_it_is);
            let error = client.scan_agents().unwrap_err();
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Credential, false),
                "{error:?}"
            );
            assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
            assert_well_formed(&error);
            assert_eq!((server.calls(), api.calls()), (1, 0));
        }
    }
}

/// F11, F12: plain or inflated, a body of exactly the limit passes, and one byte more is an error
/// that names the limit and what to do, and is no reason to ask again.
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
            let client = retrying(&server.url(), &FakeClock::new()).body_limit(limit);
            let rows = client.build().unwrap().machines().deserialize::<Row>();
            walk(&mut rows.into_iter())
        };
        let (rows, failure) = with(size);
        assert!(failure.is_none() && rows.len() == 100, "{failure:?}");
        let (_, failure) = with(size - 1);
        assert_too_large(&failure.unwrap(), size - 1);
        assert_eq!(server.calls(), 2);
    }
}

/// F11, F12: the limit holds for one agent as it does for pages.
#[test]
fn an_agent_beyond_the_limit_is_refused_plain_and_inflated() {
    let agent = format!(r#"{{"id":"an-id","machineName":"{}"}}"#, "x".repeat(20_000));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut encoder, agent.as_bytes()).unwrap();
    let small = encoder.finish().unwrap();
    assert!(small.len() < 1_000);
    for body in [agent.as_bytes(), &small] {
        let server = RawServer::sending(Answer::json(body));
        let size = u64::try_from(agent.len()).unwrap();
        let limited = |limit| {
            let builder = retrying(&server.url(), &FakeClock::new()).body_limit(limit);
            builder.build().unwrap().scan_agent("an-id")
        };
        assert_eq!(limited(size).unwrap().id, "an-id");
        assert_too_large(&limited(size - 1).unwrap_err(), size - 1);
        assert_eq!(server.calls(), 2);
    }
}

/// F12: a page of 30 MB where 1 MB is allowed is not read to its end, and not asked for again.
#[test]
fn a_body_beyond_the_limit_is_not_read_to_its_end() {
    const PAGE: usize = 30 << 20;
    for head in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {PAGE}\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let server = RawServer::new(move |_| Answer::flood(head.clone(), PAGE));
        let client = retrying(&server.url(), &FakeClock::new()).body_limit(1 << 20);
        let error = client.build().unwrap().scan_agents().unwrap_err();
        assert_too_large(&error, 1 << 20);
        assert_eq!(server.calls(), 1);
        assert!(server.flooded() < PAGE / 2, "{} bytes", server.flooded());
    }
}

/// F12: an answer for a token has a limit of its own, which no setting changes: what is longer than
/// any token is no token.
#[test]
fn an_answer_for_a_token_is_not_read_to_its_end_where_that_is_far() {
    const HUGE: usize = 30 << 20;
    for status in [200, 400, 503] {
        let server = RawServer::new(move |_| {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {HUGE}\r\n\r\n");
            Answer::flood(head, HUGE)
        });
        let (client, _api) = Place::Token.client(&server.url(), &FakeClock::new(), |builder| {
            builder.retry_policy(RetryPolicy::none())
        });
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
        assert!(server.flooded() < HUGE / 2, "{} bytes", server.flooded());
        assert_eq!(error.is_retryable(), status == 503, "{error:?}");
    }
    // And a limit for pages that is smaller than a token is none for tokens.
    let server = RawServer::sending(Place::Token.good());
    let (client, api) = Place::Token.client(&server.url(), &FakeClock::new(), |builder| {
        builder.body_limit(20)
    });
    client.scan_agents().unwrap();
    assert_eq!(api.calls(), 1);
}

// --- F13: proxies

/// F13: a proxy that refuses is named, without the password that it was sent; it is not asked again,
/// and one that only failed is.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    use crate::support::raw::Forbidden;

    for place in PLACES {
        for (status, tries, hinted) in [
            (407, 1, "user name and password"),
            (403, 1, "lets nobody through"),
            (502, 4, "address"),
        ] {
            let api = Forbidden::new();
            let proxy = RawServer::new(move |_| Answer::new(status, &[], "").closed());
            let proxy_url = format!("http://a-user:hunter2@{}", proxy.host());
            let url = format!("https://{}", api.host());
            let clock = FakeClock::new();
            let builder = match place {
                Place::Get | Place::Post => retrying(&url, &clock),
                Place::Token => retrying_with_secret(&url, &url, &clock),
            };
            let client = builder.proxy(proxy_url).build().unwrap();
            let error = place.act(&client).unwrap_err();
            let exchanges = u32::try_from(tries).unwrap();
            assert_eq!(
                (error.kind(), error.is_retryable(), error.attempts()),
                (ErrorKind::Transport, tries > 1, place.attempts(exchanges)),
                "{error:?}"
            );
            assert_well_formed(&error);
            let through = format!("through the proxy {}", proxy.host());
            assert!(error.to_string().contains(&through), "{error}");
            assert!(error.to_string().contains(&status.to_string()), "{error}");
            let hint = error.hint().unwrap();
            assert!(hint.contains(hinted), "{hint}");
            let report = format!("{error:?} {error:#?}");
            assert!(!report.contains("hunter2"), "{report}");
            assert_eq!(proxy.calls(), tries, "{report}");
            for seen in proxy.requests() {
                assert_eq!(
                    seen.request_line(),
                    format!("CONNECT {} HTTP/1.1", api.host())
                );
                assert_eq!(
                    seen.header("proxy-authorization").as_deref(),
                    Some("Basic YS11c2VyOmh1bnRlcjI=")
                );
                // The token is for the API alone.
                assert_eq!(seen.header("authorization"), None);
            }
            api.assert_untouched();
        }
    }
}

/// F13: a proxy that is down, breaks off, is silent or speaks no HTTP is named too, without its
/// password; all but the last is tried again.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxy_that_is_down_is_named_without_its_password() {
    fn error_with(proxy: &str, timeout: Duration) -> Error {
        let clock = FakeClock::new();
        let client = retrying("https://127.0.0.1:1", &clock)
            .proxy(format!("http://a-user:hunter2@{proxy}"))
            .connect_timeout(timeout)
            .build()
            .unwrap();
        let error = client.scan_agent("an-id").unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&format!("the proxy {proxy}")), "{said}");
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
        assert_well_formed(&error);
        error
    }
    let proxy = deserted();
    let error = within(PATIENCE, move || error_with(&proxy.to_string(), PATIENCE));
    assert_tries(&error, 4);
    assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("the proxy that was not reached"), "{hint}");
    for (answer, kind, tries) in [
        (Answer::nothing(), ErrorKind::Transport, 4),
        (Answer::nothing().reset(), ErrorKind::Transport, 4),
        (Answer::nothing().held(), ErrorKind::Timeout, 4),
        (Answer::bytes("SSH-2.0-x\r\n\r\n"), ErrorKind::Transport, 1),
    ] {
        within(PATIENCE, move || {
            let proxy = RawServer::sending(answer);
            let hangs = kind == ErrorKind::Timeout;
            let timeout = if hangs { SHORT } else { PATIENCE };
            let error = error_with(&proxy.host(), timeout);
            assert_eq!(error.kind(), kind, "{error:?}");
            // It was reached.
            let hint = error.hint().unwrap_or_default();
            assert_eq!(hint.contains("did not reach this host"), hangs, "{error:?}");
            assert!(!hint.contains("it is the proxy that was not"), "{error:?}");
            assert_eq!(error.attempts(), tries, "{error:?}");
            assert_eq!(error.is_retryable(), tries > 1, "{error:?}");
            assert_eq!(proxy.calls(), usize::try_from(tries).unwrap());
        });
    }
}

// --- F14: clocks that jump

/// A monotonic clock and a wall clock, either of which moves without the other.
#[derive(Clone, Debug)]
struct TwoClocks {
    monotonic: FakeClock,
    wall: Arc<Mutex<OffsetDateTime>>,
}

impl TwoClocks {
    fn new() -> Self {
        let new_year = OffsetDateTime::from_unix_timestamp(1_767_225_600).unwrap();
        Self {
            monotonic: FakeClock::new(),
            wall: Arc::new(Mutex::new(new_year)),
        }
    }

    /// Time passes: both clocks move.
    fn pass(&self, time: Duration) {
        self.monotonic.advance(time);
        *self.wall.lock().unwrap() += time;
    }

    /// Somebody sets the wall clock; or the machine slept, and its monotonic clock with it.
    fn jump(&self, seconds: i64) {
        *self.wall.lock().unwrap() += Span::seconds(seconds);
    }
}

impl Clock for TwoClocks {
    fn now(&self) -> Duration {
        self.monotonic.now()
    }

    fn utc(&self) -> OffsetDateTime {
        *self.wall.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) {
        self.pass(duration);
    }
}

/// Days, weeks and years, forward and back.
const JUMPS: [i64; 4] = [-86_400 * 365 * 20, -3_600, 3_600, 86_400 * 365 * 20];

/// F14 (stand-in): no program can set its machine's clocks or send it to sleep, so two clocks stand
/// in. A wall clock that jumps moves no window of the limiter.
#[test]
fn a_wall_clock_that_jumps_moves_no_window() {
    for jump in JUMPS {
        let server = RawServer::sending(Answer::json(NOTHING));
        let clock = TwoClocks::new();
        let client = builder(&server.url())
            .clock(clock.clone())
            .rate_limits(RateLimits::new(1, 100))
            .build()
            .unwrap();
        client.scan_agents().unwrap();
        clock.jump(jump);
        assert_eq!(client.quota().scan_agents.next_call_in, seconds(60));
        client.scan_agents().unwrap();
        assert_eq!(clock.now(), seconds(60), "{jump}");
    }
}

/// F14 (stand-in): nor does it move a deadline, or the pause before a retry.
#[test]
fn a_wall_clock_that_jumps_moves_no_deadline_and_no_pause() {
    for jump in JUMPS {
        let clock = TwoClocks::new();
        let inner = clock.clone();
        let mut calls = 0;
        let server = RawServer::new(move |_| {
            inner.jump(jump);
            inner.pass(seconds(2));
            calls += 1;
            match calls {
                1 | 3 | 4 => Answer::new(503, &[("Retry-After", "3")], ""),
                _ => Answer::json(NOTHING),
            }
        });
        let client = builder(&server.url())
            .clock(clock.clone())
            .retry_policy(RetryPolicy::default())
            .deadline(seconds(8))
            .build()
            .unwrap();
        client.scan_agents().unwrap();
        assert_eq!(clock.now(), seconds(2 + 3 + 2), "{jump}");
        // The second time it isn't enough: after two tries and a pause one second is left.
        let error = client.scan_agents().unwrap_err();
        assert_eq!((error.status(), error.attempts()), (Some(503), 2));
        assert_eq!(clock.now(), seconds(7 + 2 + 3 + 2), "nobody waits in vain");
    }
}

/// F14 (stand-in): a pause that ends at a date is counted from the service's own date, so that a
/// wall clock that is wrong makes it no longer.
#[test]
fn a_pause_until_a_date_is_counted_from_the_services_own() {
    for jump in JUMPS {
        let headers = [
            ("Date", "Fri, 02 Jan 2026 00:00:00 GMT"),
            ("Retry-After", "Fri, 02 Jan 2026 00:00:09 GMT"),
        ];
        let asks = Answer::new(503, &headers, "");
        let server = RawServer::script([asks, Answer::json(NOTHING)]);
        let clock = TwoClocks::new();
        clock.jump(jump);
        let client = retrying(&server.url(), &FakeClock::new()).clock(clock.clone());
        client.build().unwrap().scan_agents().unwrap();
        assert_eq!(clock.now(), seconds(9), "{jump}");
    }
}

/// Gives tokens that are good for an hour, counted one way or the other, and numbered.
#[derive(Debug)]
struct Hourly {
    clock: TwoClocks,
    by_date: bool,
    given: Mutex<u32>,
}

impl Credential for Hourly {
    fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let mut given = self.given.lock().unwrap();
        *given += 1;
        let token = AccessToken::new(format!("token-{given}"));
        Ok(if self.by_date {
            token.expires_on(self.clock.utc() + seconds(3_600))
        } else {
            token.expires_in(seconds(3_600))
        })
    }
}

/// A client with such tokens, and a server that accepts those that it is told to.
fn hourly(
    by_date: bool,
    accepts: impl Fn(&str) -> bool + Send + 'static,
) -> (TwoClocks, Client, RawServer) {
    let clock = TwoClocks::new();
    let server = RawServer::new(move |seen: &Request| {
        let token = seen.header("authorization").unwrap();
        if accepts(token.strip_prefix("Bearer ").unwrap()) {
            Answer::json(NOTHING)
        } else {
            Answer::new(401, &[], "")
        }
    });
    let credential = Hourly {
        clock: clock.clone(),
        by_date,
        given: Mutex::new(0),
    };
    let client = Client::builder(credential)
        .cloud(crate::support::raw::cloud(server.url()))
        .clock(clock.clone())
        .no_proxy()
        .build()
        .unwrap();
    (clock, client, server)
}

fn tokens(server: &RawServer) -> Vec<String> {
    let token = |seen: &Request| seen.header("authorization").unwrap();
    server.requests().iter().map(token).collect()
}

/// F14 (stand-in): a token that is good until a date is renewed five minutes before it by the wall
/// clock, however that came to move.
#[test]
fn a_token_that_expires_at_a_date_is_renewed_when_the_wall_clock_jumps_past_it() {
    let (clock, client, server) = hourly(true, |_| true);
    client.scan_agents().unwrap();
    // The machine slept for two hours: no time has passed on the monotonic clock.
    clock.jump(7_200);
    client.scan_agents().unwrap();
    // A wall clock that is set back makes no token better: its hour has passed all the same.
    clock.jump(-7_200);
    clock.pass(seconds(3_299));
    client.scan_agents().unwrap();
    clock.pass(seconds(1));
    client.scan_agents().unwrap();
    let sent = [1, 2, 2, 3].map(|number| format!("Bearer token-{number}"));
    assert_eq!(tokens(&server), sent);
}

/// F14 (stand-in): a lifetime in seconds counts on the monotonic clock, so that a wall clock that is
/// set does neither harm nor good to it.
#[test]
fn a_token_with_a_lifetime_in_seconds_does_not_care_for_the_wall_clock() {
    for jump in JUMPS {
        let (clock, client, server) = hourly(false, |_| true);
        client.scan_agents().unwrap();
        clock.jump(jump);
        clock.pass(seconds(3_299));
        client.scan_agents().unwrap();
        clock.jump(jump);
        clock.pass(seconds(1));
        client.scan_agents().unwrap();
        let sent = [1, 1, 2].map(|number| format!("Bearer token-{number}"));
        assert_eq!(tokens(&server), sent, "{jump}");
    }
}

/// F14 (stand-in): a machine that slept past a token's end without its monotonic clock sends that
/// token, is refused, and goes on with a new one within the same call.
#[test]
fn a_token_that_expired_while_the_machine_slept_costs_one_more_exchange() {
    let (clock, client, server) = hourly(false, |token| token == "token-2");
    clock.jump(86_400);
    client.scan_agents().unwrap();
    let sent = [1, 2].map(|number| format!("Bearer token-{number}"));
    assert_eq!(tokens(&server), sent);
    assert_eq!(clock.now(), Duration::ZERO, "nobody waited");
}
