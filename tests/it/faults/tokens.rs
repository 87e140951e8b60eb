//! Tokens: how they are had, kept and renewed, and what is refused (F34 to F45).

use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
use defender_endpoint::time::{self, OffsetDateTime, PrimitiveDateTime};
use defender_endpoint::{
    AccessToken, Client, ClientSecret, Cloud, Credential, Error, ErrorKind, RateLimits,
    RetryPolicy, StaticToken, TokenRequest,
};
use mockito::Matcher;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use crate::auth::{
    SECOND, Scripted, api, client_of, failing_login, login, new_year, refused_token,
    secret_builder, secret_client, tokens,
};
use crate::limits::{REFUSED, Service, kind, secs};
use crate::support::raw::{Answer, RawServer, cloud};
use crate::support::within;

const AGENTS: &str = "/api/DeviceAuthenticatedScanAgents";
/// How long a test waits for other threads before it fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const INSTANT: Duration = Duration::from_nanos(1);

/// Entra's refusal of a wrong secret, which it repeats.
const WRONG_SECRET: &str = r#"{"error":"invalid_client",
    "error_description":"AADSTS7000215: Invalid client secret 'a-secret' provided.\r\nTrace ID: 1\r\nTimestamp: 2026-01-01 00:00:00Z",
    "error_codes":[7000215],"timestamp":"2026-01-01 00:00:00Z","trace_id":"a-trace",
    "correlation_id":"a-correlation","error_uri":"https://login.microsoftonline.com/error?code=7000215"}"#;

/// Just too short.
fn just_before(time: Duration) -> Duration {
    time.saturating_sub(INSTANT)
}

/// A client with a secret and the retries that it has by default.
fn patient_client(login: &RawServer, api: &RawServer, clock: &FakeClock) -> Client {
    secret_builder(login, api, "a-secret")
        .clock(clock.clone())
        .retry_policy(RetryPolicy::default())
        .build()
        .unwrap()
}

/// One token that is good for an hour, and then this for ever.
fn then(answer: Answer) -> RawServer {
    let token = Answer::json(r#"{"access_token":"t","expires_in":3600}"#);
    RawServer::script([token, answer])
}

/// A token endpoint that gives one token, on a connection that is not kept.
fn login_once() -> RawServer {
    RawServer::sending(Answer::json(r#"{"access_token":"t","expires_in":3600}"#).closed())
}

/// Ends a server, and returns where it was when nobody is there any more.
fn gone(server: RawServer) -> String {
    let host = server.host();
    drop(server);
    let since = Instant::now();
    while TcpStream::connect(&host).is_ok() {
        assert!(since.elapsed() < PATIENCE, "the server doesn't end");
        thread::yield_now();
    }
    host
}

/// Asserts that an error says that the token has expired, and why there is no other.
fn assert_names_both(error: &Error, why: &str) {
    let line = error.to_string();
    let both = line.contains("the token has expired") && line.contains(why);
    assert!(both, "{line}");
}

// --- asking

/// F34: the secret is wrong. The error has the endpoint's code and description, a hint, and not the
/// secret; nobody asks again.
#[test]
fn a_wrong_secret_is_told_in_the_endpoints_words_without_the_secret() {
    for status in [400, 401] {
        let headers = [("x-ms-request-id", "of-header")];
        let error = refused_token(Answer::new(status, &headers, WRONG_SECRET));
        assert_eq!(error.status(), Some(status));
        assert_eq!(error.code(), Some("invalid_client"));
        let said = "AADSTS7000215: Invalid client secret '***' provided. \
                    Trace ID: 1 Timestamp: 2026-01-01 00:00:00Z";
        assert_eq!(error.message(), Some(said));
        assert_eq!(error.request_id(), Some("a-correlation"));
        let line = error.to_string();
        let start = format!("GET {AGENTS}: the token request was refused: {status} ");
        assert!(line.starts_with(&start), "{line}");
        let end = format!(", invalid_client: {said}");
        assert!(line.ends_with(&end), "{line}");
        let report = format!("{error:?}");
        let hint = "\n  hint: the client secret is wrong: give its value, not its id";
        assert!(report.contains(hint), "{report}");
        let all = format!("{report}{error:#?}");
        assert!(!all.contains("a-secret"), "{all}");
    }
}

/// F34: for a minute all threads and clones are told the refusal without another request.
#[test]
fn a_wrong_secret_is_asked_about_once_a_minute() {
    for status in [400, 401] {
        let login = RawServer::sending(Answer::new(status, &[], WRONG_SECRET));
        let (api, clock) = (api(), FakeClock::new());
        let client = patient_client(&login, &api, &clock);
        for minute in 1..=3 {
            for wait in [Duration::ZERO, SECOND * 59, just_before(SECOND)] {
                clock.advance(wait);
                let clone = client.clone();
                let threads = thread::spawn(move || clone.scan_definitions().unwrap_err());
                for error in [client.scan_agents().unwrap_err(), threads.join().unwrap()] {
                    assert_eq!(error.kind(), ErrorKind::Credential);
                    assert_eq!(error.code(), Some("invalid_client"));
                }
                assert_eq!(login.calls(), minute);
            }
            clock.advance(INSTANT);
        }
        let left = client.quota().scan_agents.left_in_minute;
        assert_eq!((api.calls(), left), (0, 100), "no permit is burnt");
    }
}

/// F34: nor is the endpoint asked more often while an old token bridges the refusal.
#[test]
fn a_wrong_secret_rests_for_a_minute_while_the_old_token_serves() {
    let (login, api) = (then(Answer::new(401, &[], WRONG_SECRET)), api());
    let clock = FakeClock::new();
    let client = patient_client(&login, &api, &clock);
    for (wait, asked) in [
        (Duration::ZERO, 1),
        (SECOND * 3_300, 2),
        (just_before(SECOND * 60), 2),
        (INSTANT, 3),
    ] {
        clock.advance(wait);
        client.scan_agents().unwrap();
        assert_eq!(login.calls(), asked, "{wait:?}");
    }
    assert_eq!(tokens(&api), ["t"; 4]);
}

/// F35: the token endpoint is throttled or fails. It is asked again when it said, or after a
/// back-off; none of this counts against the API's limits.
#[test]
fn a_busy_token_endpoint_is_tried_again_without_burning_permits() {
    for (fault, waits) in [
        (Fault::status(429).retry_after(SECOND * 30), 60.0..=60.0),
        (Fault::status(503).retry_after(SECOND * 30), 60.0..=60.0),
        (Fault::status(429), 1.2..=2.4),
        (Fault::status(408), 1.2..=2.4),
        (Fault::status(500), 1.2..=2.4),
        (Fault::status(502), 1.2..=2.4),
        (Fault::status(503), 1.2..=2.4),
        (Fault::status(504), 1.2..=2.4),
    ] {
        let (tenant, clock) = (Tenant::demo().unwrap(), FakeClock::new());
        let builder = tenant.client_builder().unwrap().clock(clock.clone());
        let client = builder.build().unwrap();
        tenant.fail(fault.clone().path("oauth2").times(2));
        client.scan_agents().unwrap();
        let waited = clock.now().as_secs_f64();
        assert!(waits.contains(&waited), "{waited}: {fault:?}");
        assert_eq!((tenant.token_requests(), tenant.calls(AGENTS)), (3, 1));
        assert_eq!(client.quota().scan_agents.left_in_hour, 1_499);
    }
}

/// F35: trouble that stays is reported after four requests; what asking again won't change, at once.
#[test]
fn a_token_endpoint_that_stays_in_trouble_is_reported() {
    for (status, asked) in [
        (400, 1),
        (401, 1),
        (403, 1),
        (404, 1),
        (408, 4),
        (429, 4),
        (500, 4),
        (501, 1),
        (502, 4),
        (503, 4),
        (504, 4),
    ] {
        let login = RawServer::sending(Answer::new(status, &[], "<html>hunter2</html>"));
        let (api, clock) = (api(), FakeClock::new());
        let client = patient_client(&login, &api, &clock);
        let error = client.scan_agents().unwrap_err();
        assert_eq!((login.calls(), api.calls()), (asked, 0), "{error}");
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Credential, Some(status))
        );
        assert_eq!(error.is_retryable(), asked > 1, "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        // Of such an answer only what the protocol defines is read.
        assert_eq!((error.code(), error.message()), (None, None));
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
    }
}

/// F35: the pause that the endpoint asks for is kept by every call, not by the one that was told.
#[test]
fn a_pause_of_the_token_endpoint_holds_for_every_thread() {
    for status in [429, 503] {
        let busy = Answer::new(status, &[("Retry-After", "30")], "");
        let token = Answer::json(r#"{"access_token":"t","expires_in":3600}"#);
        let (login, api) = (RawServer::script([busy, token]), api());
        let clock = FakeClock::new();
        let client = secret_client(&login, &api, &clock);
        for (wait, left) in [(0, 30), (0, 30), (20, 10), (9, 1)] {
            clock.advance(SECOND * wait);
            let clone = client.clone();
            let call = thread::spawn(move || clone.scan_definitions().unwrap_err());
            let error = call.join().unwrap();
            assert_eq!(error.status(), Some(status));
            assert_eq!(error.retry_after(), Some(SECOND * left), "{error:?}");
            assert_eq!(login.calls(), 1);
        }
        clock.advance(SECOND);
        client.scan_agents().unwrap();
        assert_eq!(login.calls(), 2);
    }
}

/// F35: whoever may wait for that pause waits for the rest of it; whoever may not hears at once. An
/// endless one holds for an hour.
#[test]
fn a_pause_of_the_token_endpoint_is_waited_for_once() {
    let busy = |seconds: &str| Answer::new(429, &[("Retry-After", seconds)], "");
    let token = || Answer::json(r#"{"access_token":"t","expires_in":3600}"#);
    let (login, api, clock) = (
        RawServer::script([busy("30"), token()]),
        api(),
        FakeClock::new(),
    );
    let client = patient_client(&login, &api, &clock);
    let hasty = client.machines().deadline(SECOND * 5);
    let error = hasty.into_iter().next().unwrap().unwrap_err();
    assert_eq!((error.status(), clock.now()), (Some(429), Duration::ZERO));
    clock.advance(SECOND * 10);
    client.scan_agents().unwrap();
    assert_eq!((login.calls(), clock.now()), (2, SECOND * 30));

    let login = RawServer::script([busy("1000000000"), token()]);
    let client = patient_client(&login, &api, &FakeClock::new());
    let error = client.scan_agents().unwrap_err();
    assert_eq!(error.retry_after(), Some(SECOND * 1_000_000_000));
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.retry_after(), login.calls()),
        (Some(SECOND * 3_600), 1)
    );
}

/// F35: a token that can't be had costs none of the API's limits.
#[test]
fn a_token_failure_burns_no_permit_of_the_api() {
    let ((login, well), api, clock) = (failing_login(3_600), api(), FakeClock::new());
    well.store(0, Ordering::SeqCst);
    let client = secret_builder(&login, &api, "a-secret")
        .clock(clock.clone())
        .rate_limits(RateLimits::new(1, 1))
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(
            client.scan_agents().unwrap_err().kind(),
            ErrorKind::Credential
        );
    }
    well.store(1, Ordering::SeqCst);
    client.scan_agents().unwrap();
    assert_eq!(clock.now(), Duration::ZERO, "nobody waited");
    assert_eq!((login.requests().len(), api.requests().len()), (4, 1));
}

/// F35: nor does one that can.
#[test]
fn token_requests_do_not_count() {
    let mut service = Service::new();
    let token = r#"{"access_token":"a-token","token_type":"Bearer","expires_in":60}"#;
    let tokens = service
        .server
        .mock("POST", Matcher::Regex("oauth2/v2.0/token".into()))
        .with_header("content-type", "application/json")
        .with_body(token)
        .expect(3)
        .create();
    let url = service.server.url();
    let client =
        Client::builder(ClientSecret::new("contoso.example", "a-client", "a-secret").unwrap())
            .cloud(Cloud::COMMERCIAL.with_api_url(&url).with_authority(&url))
            .clock(service.clock.clone())
            .no_proxy()
            .rate_limits(RateLimits::new(1, 3))
            .max_wait(Duration::ZERO)
            .build()
            .unwrap();
    for _ in 0..3 {
        client.scan_agents().unwrap();
        // Just late enough for both: the next call and the next token.
        service.clock.advance(secs(60));
    }
    assert_eq!(kind(client.scan_agents()), REFUSED);
    tokens.assert();
}

// --- keeping

/// F36: the endpoint fails while the token is good for some minutes more. The token is used, and the
/// next early renewal is tried half a minute later.
#[test]
fn the_old_token_serves_while_the_endpoint_fails() {
    let ((login, well), api, clock) = (failing_login(3_600), api(), FakeClock::new());
    let client = secret_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 3_300);
    client.scan_agents().unwrap();
    assert_eq!(login.requests().len(), 2, "renewal was tried");
    // For half a minute nobody tries again.
    clock.advance(SECOND * 29);
    client.scan_agents().unwrap();
    assert_eq!(login.requests().len(), 2);
    clock.advance(SECOND);
    client.scan_agents().unwrap();
    assert_eq!(login.requests().len(), 3);
    well.store(1, Ordering::SeqCst);
    clock.advance(SECOND * 30);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 300);
    client.scan_agents().unwrap();
    assert_eq!(
        login.requests().len(),
        4,
        "the new token is kept like the first"
    );
    assert_eq!(tokens(&api), ["t"; 6]);
}

/// F36: it need not even be there.
#[test]
fn the_old_token_serves_while_the_endpoint_is_gone() {
    let (login, api, clock) = (login_once(), api(), FakeClock::new());
    let client = patient_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    gone(login);
    clock.advance(SECOND * 3_300);
    client.scan_agents().unwrap();
    clock.advance(just_before(SECOND * 300));
    client.scan_agents().unwrap();
    assert_eq!(tokens(&api), ["t"; 3]);
}

/// Time that passes, and can be moved on besides.
#[derive(Clone, Debug)]
struct Running {
    moved: FakeClock,
    start: Instant,
}

impl Running {
    fn new() -> Self {
        Self {
            moved: FakeClock::new(),
            start: Instant::now(),
        }
    }
}

impl Clock for Running {
    fn now(&self) -> Duration {
        self.moved.now() + self.start.elapsed()
    }

    fn utc(&self) -> OffsetDateTime {
        self.moved.utc() + self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        self.moved.sleep(duration);
    }
}

/// F36: an endpoint that takes the request and says nothing is given up in time for the call.
#[test]
fn an_early_renewal_that_hangs_leaves_the_call_its_time() {
    let (login, api) = (then(Answer::nothing().held()), api());
    let clock = Running::new();
    let client = secret_builder(&login, &api, "a-secret")
        .clock(clock.clone())
        .deadline(SECOND * 2)
        .build()
        .unwrap();
    client.scan_agents().unwrap();
    clock.moved.advance(SECOND * 3_300);
    client.scan_agents().unwrap();
    assert_eq!((login.calls(), tokens(&api)), (2, vec!["t".to_owned(); 2]));
}

/// Does what it is sent, a token request at a time, and tells when it has been asked.
#[derive(Debug)]
pub(super) struct Puppet {
    asked: Mutex<Sender<ThreadId>>,
    told: Mutex<Receiver<Told>>,
}

#[derive(Debug)]
pub(super) enum Told {
    Give(AccessToken),
    Fail,
    Panic,
}

impl Puppet {
    /// The puppet, where to hear who asks it, and where to tell it what to do.
    pub(super) fn new() -> (Self, Receiver<ThreadId>, Sender<Told>) {
        let (asked, asks) = channel();
        let (tell, orders) = channel();
        let puppet = Self {
            asked: Mutex::new(asked),
            told: Mutex::new(orders),
        };
        (puppet, asks, tell)
    }
}

impl Credential for Puppet {
    fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let asking = thread::current().id();
        self.asked.lock().unwrap().send(asking).unwrap();
        // Not in the match, or the lock would be poisoned.
        let told = self.told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        match told {
            Told::Give(token) => Ok(token),
            Told::Fail => Err(Error::credential("the puppet was told to fail")),
            Told::Panic => panic!("the puppet was told to panic"),
        }
    }
}

pub(super) fn hour() -> AccessToken {
    AccessToken::new("t").expires_in(SECOND * 3_600)
}

/// F36: a renewal that takes its time holds up nobody but the thread whose call it is.
#[test]
fn others_go_on_with_the_old_token_while_one_renews_it() {
    let (api, clock) = (api(), FakeClock::new());
    let (puppet, asks, tell) = Puppet::new();
    let client = client_of(puppet, &api, clock.clone());
    tell.send(Told::Give(hour())).unwrap();
    client.scan_agents().unwrap();
    asks.recv_timeout(PATIENCE).unwrap();
    clock.advance(SECOND * 3_400);
    thread::scope(|scope| {
        let renewing = scope.spawn(|| client.scan_agents().unwrap());
        asks.recv_timeout(PATIENCE).unwrap();
        // The renewal hangs; these calls would hang with it, or ask a second time.
        for _ in 0..3 {
            client.scan_agents().unwrap();
        }
        let new = AccessToken::new("new").expires_in(SECOND * 3_600);
        tell.send(Told::Give(new)).unwrap();
        renewing.join().unwrap();
    });
    assert_eq!(asks.try_iter().count(), 0);
    assert_eq!(tokens(&api), ["t", "t", "t", "t", "new"]);
}

/// F37: the token has expired and the endpoint fails. The error names both, and the expired token is
/// not sent; when the trouble has passed, the next try succeeds.
#[test]
fn an_expired_token_and_a_failing_endpoint_are_named_together() {
    let ((login, well), api) = (failing_login(3_600), api());
    let clock = FakeClock::new();
    let client = patient_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 3_600);
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Credential, Some(503))
    );
    assert!(error.is_retryable());
    assert_names_both(&error, "503 Service Unavailable");
    assert_eq!(
        (login.calls(), api.calls()),
        (1 + 4, 1),
        "an expired token is not sent"
    );
    // A failure is not kept: the next call asks again.
    well.store(1, Ordering::SeqCst);
    client.scan_agents().unwrap();
    assert_eq!((login.calls(), api.calls()), (1 + 4 + 1, 2));

    let token = || Answer::json(r#"{"access_token":"t","expires_in":3600}"#);
    let down = Answer::new(503, &[], "");
    let login = RawServer::script([token(), down.clone(), down, token()]);
    let client = patient_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 3_600);
    client.scan_agents().unwrap();
    assert_eq!(login.calls(), 4);
}

/// F37: the same where there is no endpoint any more.
#[test]
fn an_expired_token_and_an_endpoint_that_is_gone_are_named_together() {
    let (login, api, clock) = (login_once(), api(), FakeClock::new());
    let client = patient_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    let host = gone(login);
    clock.advance(SECOND * 3_600);
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Transport, true)
    );
    assert_names_both(&error, &format!("{host} refused the connection"));
    assert_eq!(api.calls(), 1);
}

/// F37: a refusal from the time when the old token still served is told with its end.
#[test]
fn an_expired_token_and_a_refusal_that_stands_are_named_together() {
    let (login, api) = (then(Answer::new(401, &[], WRONG_SECRET)), api());
    let clock = FakeClock::new();
    let client = patient_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 3_590);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 10);
    let error = client.scan_agents().unwrap_err();
    assert_names_both(&error, "invalid_client");
    assert_eq!((login.calls(), api.calls()), (2, 2));
}

/// F37: a token that expires while its renewal is under way is not what the call falls back on.
#[test]
fn a_token_that_expires_while_its_renewal_fails_is_not_sent() {
    let (api, clock) = (api(), FakeClock::new());
    let (puppet, asks, tell) = Puppet::new();
    let client = client_of(puppet, &api, clock.clone());
    tell.send(Told::Give(hour())).unwrap();
    client.scan_agents().unwrap();
    asks.recv_timeout(PATIENCE).unwrap();
    clock.advance(SECOND * 3_599);
    thread::scope(|scope| {
        let renewing = scope.spawn(|| client.scan_agents().unwrap_err());
        asks.recv_timeout(PATIENCE).unwrap();
        clock.advance(SECOND);
        tell.send(Told::Fail).unwrap();
        let error = renewing.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert_names_both(&error, "the puppet was told to fail");
    });
    assert_eq!(api.calls(), 1);
}

/// F38: the token expires between two pages. The next page is asked for with a new one, once, and no
/// row is lost or repeated.
#[test]
fn a_token_that_expires_in_the_middle_of_a_walk_is_renewed_between_pages() {
    let api = RawServer::new(|seen| {
        let page = |row: &str, next: &str| {
            format!(r#"{{"value":[{{"id":"{row}"}}],"@odata.nextLink":"http://{next}"}}"#)
        };
        let host = seen.header("host").unwrap();
        Answer::json(match seen.query() {
            "" => page("a", &format!("{host}/api/machines?$skip=1")),
            "$skip=1" => page("b", &format!("{host}/api/machines?$skip=2")),
            _ => r#"{"value":[{"id":"c"}]}"#.to_owned(),
        })
    });
    let (login, clock) = (login(3_600), FakeClock::new());
    let client = secret_client(&login, &api, &clock);
    let mut ids = Vec::new();
    for machine in client.machines() {
        ids.push(machine.unwrap().id);
        clock.advance(SECOND * 3_600);
    }
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(tokens(&api), ["token-1", "token-2", "token-3"]);
}

/// F38: the same with a service that refuses what has expired, and with many rows.
#[test]
fn a_walk_over_several_lifetimes_of_a_token_has_every_row_once() {
    let clock = FakeClock::new();
    let tenant = Tenant::demo_builder()
        .token_lifetime(SECOND * 600)
        .clock(clock.clone())
        .start()
        .unwrap();
    let builder = tenant.client_builder().unwrap().clock(clock.clone());
    let client = builder.build().unwrap();
    let ids = |pause: Duration| -> Vec<String> {
        let machines = client.machines().page_size(50).into_iter();
        let id = |(row, machine): (usize, Result<defender_endpoint::machines::Machine, Error>)| {
            if row % 50 == 20 {
                clock.advance(pause);
            }
            machine.unwrap().id
        };
        machines.enumerate().map(id).collect()
    };
    let expected = ids(Duration::ZERO);
    let asked = tenant.token_requests();
    assert_eq!((expected.len(), asked), (347, 1));
    assert_eq!(ids(SECOND * 600), expected);
    let exchanges = tenant.exchanges();
    assert!(
        exchanges.iter().all(|one| one.status() == Some(200)),
        "{exchanges:#?}"
    );
    assert_eq!(tenant.token_requests(), 7);
}

// --- sharing

/// F39: 32 threads with no token, and again with an expired one, make one request for it, and all get
/// their answers. What happens to those who wait is proved in `threads`.
#[test]
fn thirty_two_threads_with_a_cold_or_an_expired_cache_ask_once() {
    const THREADS: usize = 32;
    let (login, api, clock) = (login(3_600), api(), FakeClock::new());
    let client = secret_client(&login, &api, &clock);
    for round in 1..=3 {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| client.scan_agents().unwrap());
            }
        });
        assert_eq!(login.calls(), round);
        let token = format!("token-{round}");
        assert_eq!(tokens(&api), vec![token; THREADS]);
        api.forget();
        clock.advance(SECOND * 3_600);
    }
}

/// F40: a credential panics. The next calls, of this client and its clones, ask again as if nothing
/// had happened; an old token goes on to serve. Other threads are in `threads`.
#[test]
fn a_panic_while_a_token_is_fetched_does_no_harm_to_later_calls() {
    within(PATIENCE, || {
        let (api, clock) = (api(), FakeClock::new());
        let (puppet, asks, tell) = Puppet::new();
        let client = client_of(puppet, &api, clock.clone());
        let panics = || {
            tell.send(Told::Panic).unwrap();
            catch_unwind(AssertUnwindSafe(|| client.scan_agents())).unwrap_err();
        };
        panics();
        tell.send(Told::Give(hour())).unwrap();
        client.clone().scan_agents().unwrap();
        client.scan_agents().unwrap();
        // Within the last five minutes.
        clock.advance(SECOND * 3_400);
        panics();
        panics();
        let new = AccessToken::new("new").expires_in(SECOND * 3_600);
        tell.send(Told::Give(new)).unwrap();
        client.scan_agents().unwrap();
        client.clone().scan_agents().unwrap();
        assert_eq!(
            (tokens(&api), asks.try_iter().count()),
            (["t", "t", "new", "new"].map(str::to_owned).to_vec(), 5)
        );
    });
}

// --- what is in the answer

/// F41: a lifetime comes as a number or as text; where there is none, ten minutes are assumed.
#[test]
fn the_usual_lifetimes_are_understood() {
    for (expires_in, renewed_after) in [
        (r#","expires_in":3600"#, 3_300),
        (r#","expires_in":"3600""#, 3_300),
        (r#","expires_in":" 3600 ""#, 3_300),
        (
            r#","expires_in":3600,"expires_on":"1","ext_expires_in":1"#,
            3_300,
        ),
        (r#","expires_in":600"#, 300),
        (r#","expires_in":100"#, 50),
        (r#","expires_in":null"#, 300),
        ("", 300),
    ] {
        let body = format!(r#"{{"access_token":"t"{expires_in}}}"#);
        let (login, api, clock) = (
            RawServer::sending(Answer::json(body)),
            api(),
            FakeClock::new(),
        );
        let client = secret_client(&login, &api, &clock);
        client.scan_agents().unwrap();
        clock.advance(SECOND * (renewed_after - 1) + Duration::from_nanos(999_999_999));
        client.scan_agents().unwrap();
        assert_eq!(login.requests().len(), 1, "{expires_in}: not yet");
        clock.advance(Duration::from_nanos(1));
        client.scan_agents().unwrap();
        assert_eq!(login.requests().len(), 2, "{expires_in}: now");
    }
}

/// F41: a lifetime of 0, below it, beyond all clocks or of no number is an error, and no panic.
#[test]
fn a_lifetime_that_makes_no_sense_is_refused() {
    for expires_in in [
        "0",
        "-1",
        "-3600",
        "1.5",
        "1e300",
        "18446744073709551615",
        "99999999999999999999999",
        "\"soon\"",
        "\"\"",
        "\"-1\"",
        "\"1.5\"",
        "[]",
        "{}",
        "true",
    ] {
        let body = format!(r#"{{"access_token":"hunter2","expires_in":{expires_in}}}"#);
        let error = refused_token(Answer::json(body));
        assert!(error.to_string().starts_with("token request: "), "{error}");
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

/// F41: where only a date says when the token ends, as a number or as text, that is used.
#[test]
fn an_expiry_by_date_is_understood_where_there_is_no_lifetime() {
    let end = new_year().unix_timestamp() + 3_600;
    for members in [
        format!(r#""expires_on":{end}"#),
        format!(r#""expires_on":"{end}""#),
        format!(r#""expires_on":" {end} ","expires_in":null"#),
    ] {
        let answer = format!(r#"{{"access_token":"t",{members}}}"#);
        let (login, api) = (RawServer::sending(Answer::json(answer)), api());
        let clock = FakeClock::starting_at(new_year());
        let client = secret_client(&login, &api, &clock);
        client.scan_agents().unwrap();
        clock.advance(just_before(SECOND * 3_300));
        client.scan_agents().unwrap();
        assert_eq!(login.calls(), 1, "{members}: not yet");
        clock.advance(INSTANT);
        client.scan_agents().unwrap();
        assert_eq!(login.calls(), 2, "{members}: now");
    }
}

/// F41: a date that has passed, or is none, is an error.
#[test]
fn an_expiry_by_date_that_makes_no_sense_is_refused() {
    for expires_on in [
        "0",
        "1",
        "\"1\"",
        "-1",
        "1.5",
        "18446744073709551615",
        "\"99999999999999999999999\"",
        "\"soon\"",
        "\"2030-01-01 00:00:00 +00:00\"",
        "\"\"",
        "[]",
        "true",
    ] {
        let answer = format!(r#"{{"access_token":"hunter2","expires_on":{expires_on}}}"#);
        let error = refused_token(Answer::json(answer));
        assert!(error.to_string().contains("expire"), "{error}");
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

/// F41: what a credential of the caller's own says may be endless.
#[test]
fn an_endless_lifetime_does_not_overflow() {
    let furthest = PrimitiveDateTime::MAX.assume_utc();
    for token in [
        AccessToken::new("t").expires_in(Duration::MAX),
        AccessToken::new("t").expires_on(furthest),
        AccessToken::new("t")
            .expires_in(Duration::MAX)
            .expires_on(furthest),
    ] {
        let (api, clock) = (api(), FakeClock::starting_at(new_year()));
        let client = client_of(Scripted::new([token]), &api, clock.clone());
        client.scan_agents().unwrap();
        clock.advance(SECOND * 100_000);
        client.scan_agents().unwrap();
        assert_eq!(tokens(&api), ["t", "t"]);
    }
}

/// F41: or over already.
#[test]
fn a_token_that_has_expired_already_is_refused() {
    for token in [
        AccessToken::new("t").expires_in(Duration::ZERO),
        AccessToken::new("t").expires_on(new_year()),
        AccessToken::new("t").expires_on(new_year() - SECOND),
        AccessToken::new("t")
            .expires_on(OffsetDateTime::UNIX_EPOCH)
            .expires_in(SECOND * 3_600),
    ] {
        let api = api();
        let client = client_of(
            Scripted::new([token]),
            &api,
            FakeClock::starting_at(new_year()),
        );
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(error.to_string().contains("expired"), "{error}");
        assert!(api.requests().is_empty());
    }
}

/// A system whose date is set again while its monotonic clock goes on.
#[derive(Clone, Debug)]
struct Adjusted {
    time: FakeClock,
    hours_ahead: Arc<Mutex<i64>>,
}

impl Clock for Adjusted {
    fn now(&self) -> Duration {
        self.time.now()
    }

    fn utc(&self) -> OffsetDateTime {
        let hours = *self.hours_ahead.lock().unwrap();
        self.time.utc() + time::Duration::hours(hours)
    }

    fn sleep(&self, duration: Duration) {
        self.time.sleep(duration);
    }
}

/// F42: the local date is wrong, by half a century or by one. A lifetime in seconds counts from the
/// receipt, on the monotonic clock.
#[test]
fn a_wrong_wall_clock_does_no_harm_to_a_lifetime_in_seconds() {
    for start in [
        OffsetDateTime::UNIX_EPOCH,
        new_year() + SECOND * 3_000_000_000,
    ] {
        let (login, api, clock) = (login(3_600), api(), FakeClock::starting_at(start));
        let client = secret_client(&login, &api, &clock);
        client.scan_agents().unwrap();
        clock.advance(SECOND * 3_000);
        client.scan_agents().unwrap();
        assert_eq!(login.requests().len(), 1);
    }
}

/// F42: nor does it matter that the date is corrected in between, or that the answer has a date too.
#[test]
fn a_date_that_jumps_changes_no_lifetime_in_seconds() {
    for hours in [-30_000, -5, 5, 30_000] {
        let end = new_year().unix_timestamp() + 1;
        let answer = format!(r#"{{"access_token":"t","expires_in":3600,"expires_on":"{end}"}}"#);
        let (login, api) = (RawServer::sending(Answer::json(answer)), api());
        let clock = Adjusted {
            time: FakeClock::starting_at(new_year()),
            hours_ahead: Arc::default(),
        };
        let client = secret_builder(&login, &api, "a-secret").clock(clock.clone());
        let client = client.build().unwrap();
        client.scan_agents().unwrap();
        *clock.hours_ahead.lock().unwrap() = hours;
        clock.time.advance(just_before(SECOND * 3_300));
        client.scan_agents().unwrap();
        assert_eq!(login.calls(), 1, "{hours}: not yet");
        clock.time.advance(INSTANT);
        client.scan_agents().unwrap();
        assert_eq!(login.calls(), 2, "{hours}: now");
    }
}

// --- what is refused

/// F43: a token that is empty, has line breaks in it or is 100 KB long is refused before it is used,
/// and not asked for again.
#[test]
fn a_token_that_no_header_can_carry_is_refused() {
    for token in [
        "\"\"".to_owned(),
        "\" \"".to_owned(),
        r#""hunter2\r\nX-Injected: y""#.to_owned(),
        r#""hunter2\n""#.to_owned(),
        r#""hunter2 hunter2""#.to_owned(),
        r#""hunter2\u0000""#.to_owned(),
        "\"hunter2\u{fc}\"".to_owned(),
        format!("\"{}\"", "hunter2".repeat(15_000)),
        "null".to_owned(),
        "[\"hunter2\"]".to_owned(),
        "17".to_owned(),
    ] {
        let error = refused_token(Answer::json(format!(
            r#"{{"access_token":{token},"expires_in":3599}}"#
        )));
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

/// F43: whoever it comes from.
#[test]
fn a_credentials_token_is_checked_like_any_other() {
    for token in ["", "a b", "hunter2\r\nX: y", "hunter2\u{fc}"] {
        let api = api();
        let client = client_of(
            Scripted::new([AccessToken::new(token)]),
            &api,
            FakeClock::new(),
        );
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
        assert!(api.requests().is_empty());
    }
}

/// F43: one that is given is refused where it is given.
#[test]
fn a_static_token_is_one_that_a_header_can_carry() {
    for token in [
        String::new(),
        " ".to_owned(),
        "Bearer hunter2".to_owned(),
        "hunter2\n".to_owned(),
        "hunter2\r\nX-Injected: y".to_owned(),
        "hunter2\0".to_owned(),
        "hunter2\t".to_owned(),
        "hunter2\u{fc}".to_owned(),
        "hunter2".repeat(15_000),
    ] {
        let error = StaticToken::new(token.as_str()).unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Credential, false)
        );
        assert!(error.to_string().contains("token"), "{error}");
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
    }
    let longest = "x".repeat(32 * 1024);
    let api = api();
    let client = Client::builder(StaticToken::new(longest.as_str()).unwrap())
        .cloud(cloud(api.url()))
        .no_proxy();
    client.build().unwrap().scan_agents().unwrap();
    assert_eq!(tokens(&api), [longest]);
}

/// F44: a token that is not of type Bearer is refused, and not asked for again.
#[test]
fn a_token_of_another_type_is_refused() {
    for kind in ["Bearer", "bearer", "BEARER"] {
        let body = format!(r#"{{"access_token":"t","token_type":"{kind}"}}"#);
        let (login, api) = (RawServer::sending(Answer::json(body)), api());
        secret_client(&login, &api, &FakeClock::new())
            .scan_agents()
            .unwrap();
        assert_eq!(api.only().header("authorization").unwrap(), "Bearer t");
    }
    for kind in ["pop", "mac", "", "Bearer "] {
        let body = format!(r#"{{"access_token":"hunter2","token_type":"{kind}"}}"#);
        let error = refused_token(Answer::json(body));
        assert!(error.to_string().contains("Bearer"), "{error}");
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

/// F45: a tenant that is not a GUID or a domain is refused where it is given.
#[test]
fn a_tenant_is_a_guid_or_a_domain() {
    for tenant in [
        "11111111-2222-3333-4444-555555555555",
        "contoso.com",
        "a-b.onmicrosoft.com",
    ] {
        ClientSecret::new(tenant, "an-app", "a-secret").unwrap();
    }
    for tenant in [
        "",
        " ",
        ".",
        "..",
        "...",
        "common",
        "contoso.com/",
        "contoso.com/..",
        "../contoso.com",
        "contoso.com?x=y",
        "contoso.com#x",
        "contoso.com%2F",
        "contoso.com\\x",
        "contoso.com\r\nX: y",
        "contoso.com ",
        "evil.example@contoso.com",
        "contoso.com:443",
        "b\u{fc}ro.de",
        "11111111-2222-3333-4444-55555555555",
        "{11111111-2222-3333-4444-555555555555}",
        "gggggggg-2222-3333-4444-555555555555",
    ] {
        let error = ClientSecret::new(tenant, "an-app", "hunter2").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{tenant:?}");
        assert!(error.to_string().contains("tenant"), "{error}");
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
    }
}

/// Texts that are tenants, nearly are, and are not at all.
fn any_tenant() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{1,12}(\\.[a-z0-9-]{1,12}){1,3}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[a-z./?#%@:\\\\ \r\n0-]{0,16}",
        "(\\.{1,2}/){0,3}contoso\\.com[/?#%&; ]?.{0,8}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// F45: whatever is given as a tenant is refused, or is one whole segment of the path as it is.
    #[test]
    fn no_tenant_leaves_its_place_in_the_url(tenant in any_tenant()) {
        let Ok(credential) = ClientSecret::new(tenant.as_str(), "an-app", "a-secret") else {
            return Ok(());
        };
        let (login, api) = (login(3_600), api());
        let cloud = Cloud::COMMERCIAL.with_authority(login.url()).with_api_url(api.url());
        let client = Client::builder(credential).cloud(cloud).no_proxy().build().unwrap();
        client.scan_agents().unwrap();
        let expected = format!("POST /{tenant}/oauth2/v2.0/token");
        prop_assert_eq!(login.lines(), [expected]);
    }
}

// --- what the catalogue doesn't name

/// An answer without a token is refused and not asked for again; one that was cut is.
#[test]
fn an_answer_that_is_no_token_is_refused_and_one_that_was_cut_is_asked_for_again() {
    for body in ["{}", "[]", "null", "<html>hunter2</html>", "hunter2"] {
        let error = refused_token(Answer::json(body));
        let texts = format!("{error:?} {error:#?}");
        assert!(!texts.contains("hunter2"), "{texts}");
    }
    // What is empty is asked for once more, what is cut as often as may be.
    for (answer, calls) in [
        (Answer::json(""), 2),
        (Answer::new(204, &[], ""), 2),
        (Answer::json("{\"access_token\":\"hunter2\""), 4),
    ] {
        let (login, api) = (RawServer::sending(answer), api());
        let client = patient_client(&login, &api, &FakeClock::new());
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(error.is_retryable());
        assert_eq!((login.calls(), api.calls()), (calls, 0));
        let texts = format!("{error:?} {error:#?}");
        assert!(!texts.contains("hunter2"), "{texts}");
    }
}

/// A call that runs out of time while it fetches the token for all fails for itself: one that waits
/// for that token and has more time asks again.
#[test]
fn nobody_fails_for_want_of_anothers_time() {
    let clock = FakeClock::new();
    let (moved, mut asked) = (clock.clone(), 0);
    // The clock stands still until the first call has asked: then its time is over at once.
    let login = RawServer::new(move |_| {
        asked += 1;
        if asked == 1 {
            moved.advance(SECOND * 60);
            return Answer::nothing().held();
        }
        Answer::json(r#"{"access_token":"t","expires_in":3600}"#)
    });
    let api = api();
    let client = secret_builder(&login, &api, "a-secret")
        .clock(clock)
        .build()
        .unwrap();
    thread::scope(|scope| {
        let hasty = scope.spawn(|| {
            let machines = client.machines().deadline(SECOND * 2);
            machines.into_iter().next().unwrap().unwrap_err()
        });
        login.await_calls(1);
        assert_eq!(login.calls(), 1);
        client.scan_agents().unwrap();
        let error = hasty.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    });
    assert_eq!((login.calls(), api.calls()), (2, 1));
}

/// A call that waits for another one's token waits no longer than its own time.
#[test]
fn a_deadline_ends_the_wait_for_anothers_token() {
    let api = api();
    let (puppet, asks, tell) = Puppet::new();
    let clock = Running::new();
    let client = client_of(puppet, &api, clock.clone());
    let time = Duration::from_millis(50);
    thread::scope(|scope| {
        let slow = scope.spawn(|| client.scan_agents().unwrap());
        asks.recv_timeout(PATIENCE).unwrap();
        // Nobody gives the token before the call has ended, and it doesn't end before its time.
        let since = clock.now();
        let hasty = client.machines().deadline(time);
        let error = hasty.into_iter().next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(clock.now() >= since + time);
        tell.send(Told::Give(hour())).unwrap();
        slow.join().unwrap();
    });
    assert_eq!((asks.try_iter().count(), api.calls()), (0, 1));
}

/// What the answers below hold in place of a token.
const PLANTED: &str = "pl4nted~t0ken";

/// JSON of any kind, in which the token and the client's secret may stand anywhere.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        select(&[PLANTED, "a-secret", "Bearer", "3600", "4102444800"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((".{0,6}", inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// What a token endpoint may answer: what it should, nearly, cut, something else, noise.
fn any_answer() -> impl Strategy<Value = Vec<u8>> {
    let member = |usual: &'static str| {
        prop_oneof![2 => Just(Some(usual.to_owned())),
        1 => Just(None), 1 => any_json().prop_map(|json| Some(json.to_string()))]
    };
    let members = (
        member("\"pl4nted~t0ken\""),
        member("\"Bearer\""),
        member("3600"),
        member("4102444800"),
        member("\"invalid_client\""),
        member("\"AADSTS7000215: a-secret\""),
    );
    let object = members.prop_map(|members| {
        let members = [
            ("access_token", members.0),
            ("token_type", members.1),
            ("expires_in", members.2),
            ("expires_on", members.3),
            ("error", members.4),
            ("error_description", members.5),
        ];
        let given = members
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let given: Vec<String> = given
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", given.join(",")).into_bytes()
    });
    let object = object.boxed();
    let cut = (object.clone(), any::<Index>()).prop_map(|(mut object, end)| {
        object.truncate(end.index(object.len()));
        object
    });
    prop_oneof![
        4 => object,
        1 => cut,
        1 => any_json().prop_map(|json| json.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Whatever a token endpoint answers is a token that is sent, or one error without a secret in
    /// it, after one request or after all tries.
    #[test]
    fn any_answer_is_a_token_or_one_error(
        answer in any_answer(),
        status in prop_oneof![4 => Just(200), 1 => select(&[204, 302, 400, 401, 429, 503])],
    ) {
        let login = RawServer::sending(Answer::new(status, &[], answer));
        let (api, clock) = (api(), FakeClock::new());
        match patient_client(&login, &api, &clock).scan_agents() {
            Ok(_) => {
                prop_assert_eq!((status, login.calls(), api.calls()), (200, 1, 1));
                prop_assert!(tokens(&api)[0].bytes().all(|byte| byte.is_ascii_graphic()));
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Credential);
                // What is empty or damaged is asked for once more, what is busy three times.
                let tries: &[usize] = if error.is_retryable() { &[2, 4] } else { &[1] };
                prop_assert!(tries.contains(&login.calls()), "{} calls: {}", login.calls(), error);
                prop_assert_eq!(api.calls(), 0);
                let texts = format!("{error} {error:?} {error:#?}");
                prop_assert!(!texts.contains("a-secret"), "{}", texts);
                prop_assert!(status != 200 || !texts.contains(PLANTED), "{}", texts);
            }
        }
        prop_assert!(clock.now() <= SECOND * 6, "{:?}", clock.now());
    }
}
