//! The service's limits through the public API: what the service sees, and what callers hear.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::time::OffsetDateTime;
use defender_endpoint::{Client, ClientBuilder, Error, ErrorKind, RateLimiter, RateLimits};
use mockito::{Matcher, Server, ServerGuard};

use crate::support;

const AGENTS: &str = "/api/DeviceAuthenticatedScanAgents";
const DEFINITIONS: &str = "/api/DeviceAuthenticatedScanDefinitions";

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A service that notes when it is called, and its time.
pub(crate) struct Service {
    pub(crate) server: ServerGuard,
    pub(crate) clock: FakeClock,
    calls: Arc<Mutex<Vec<Duration>>>,
}

impl Service {
    /// With one agent and nothing else.
    pub(crate) fn new() -> Self {
        let mut service = Self::without_answers();
        let agent = format!("{AGENTS}/an-agent");
        service.answers("GET", agent.as_str(), 200, r#"{"id":"an-agent"}"#);
        for path in ["/api/machines", AGENTS, DEFINITIONS] {
            service.answers("GET", path, 200, r#"{"value":[]}"#);
        }
        service.answers(
            "POST",
            Matcher::Regex("GetScanHistory".into()),
            200,
            r#"{"value":[]}"#,
        );
        service
    }

    pub(crate) fn without_answers() -> Self {
        Self {
            server: Server::new(),
            clock: FakeClock::new(),
            calls: Arc::default(),
        }
    }

    pub(crate) fn answers(
        &mut self,
        method: &str,
        path: impl Into<Matcher>,
        status: usize,
        body: impl Into<Vec<u8>>,
    ) {
        let (clock, calls, body) = (self.clock.clone(), Arc::clone(&self.calls), body.into());
        let note = move |_: &mockito::Request| {
            calls.lock().unwrap().push(clock.now());
            body.clone()
        };
        let mock = self.server.mock(method, path).with_status(status);
        mock.with_body_from_request(note).create();
    }

    /// A client in the service's time. It waits for nothing, unless it is told to.
    pub(crate) fn client(&self, limits: RateLimits) -> ClientBuilder {
        support::builder(&self.server.url())
            .clock(self.clock.clone())
            .rate_limits(limits)
            .max_wait(Duration::ZERO)
    }

    pub(crate) fn calls(&self) -> Vec<Duration> {
        let mut calls = self.calls.lock().unwrap().clone();
        calls.sort();
        calls
    }
}

pub(crate) fn kind<T>(outcome: Result<T, Error>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

pub(crate) const REFUSED: Option<ErrorKind> = Some(ErrorKind::RateLimited);

/// The most calls in one half-open window, as the service counts them. They are in order.
pub(crate) fn most_in_any_window(calls: &[Duration], window: Duration) -> usize {
    let together =
        |first: usize| calls[first..].partition_point(|call| *call < calls[first] + window);
    (0..calls.len()).map(together).max().unwrap_or(0)
}

// ---- The documented limits ----

/// Answers whatever comes on one connection, and tells when it came. For calls by the thousand.
pub(crate) fn quick_service(clock: FakeClock) -> (String, thread::JoinHandle<Vec<Duration>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut calls = Vec::new();
        let mut request = BufReader::new(connection.try_clone().unwrap()).lines();
        while let Some(Ok(line)) = request.next() {
            if line.is_empty() {
                calls.push(clock.now());
                connection
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"value\":[]}")
                    .unwrap();
            }
        }
        calls
    });
    (url, service)
}

#[test]
fn a_greedy_client_is_as_fast_as_the_documented_limits_allow_and_never_faster() {
    let clock = FakeClock::new();
    let (url, service) = quick_service(clock.clone());
    let client = support::builder(&url)
        .clock(clock)
        .max_wait(Duration::MAX)
        .build()
        .unwrap();
    for _ in 0..3_000 {
        client.scan_agents().unwrap();
    }
    drop(client);
    let calls = service.join().unwrap();
    for (number, done) in [
        (100, 0),
        (101, 60),
        (245, 120),
        (1_500, 840),
        (1_501, 3_600),
        (3_000, 4_440),
    ] {
        assert_eq!(calls[number - 1], secs(done), "call {number}");
    }
    assert_eq!(most_in_any_window(&calls, secs(60)), 100);
    assert_eq!(most_in_any_window(&calls, secs(3_600)), 1_500);
}

#[test]
fn every_page_of_a_list_is_a_call() {
    let mut service = Service::without_answers();
    let url = service.server.url();
    for page in 0..5 {
        let path = match page {
            0 => "/api/machines".to_owned(),
            _ => format!("/api/machines?$skip={page}"),
        };
        let link = match page {
            4 => String::new(),
            _ => format!(
                r#","@odata.nextLink":"{url}/api/machines?$skip={}""#,
                page + 1
            ),
        };
        let body = format!(r#"{{"value":[{{"id":"m{page}"}}]{link}}}"#);
        service.answers("GET", path.as_str(), 200, body);
    }
    let limits = RateLimits::new(2, 100);
    let client = service.client(limits).max_wait(secs(60)).build().unwrap();
    let ids: Vec<_> = client
        .machines()
        .iter()
        .map(|machine| machine.unwrap().id)
        .collect();
    assert_eq!(ids, ["m0", "m1", "m2", "m3", "m4"]);
    assert_eq!(service.calls(), [0, 0, 60, 60, 120].map(secs));

    // One that may not wait hands out what it has, and goes on later where it was.
    service.clock.advance(secs(3_600));
    let client = service.client(limits).build().unwrap();
    let mut machines = client.machines().iter();
    assert_eq!(machines.by_ref().take(2).filter_map(Result::ok).count(), 2);
    assert_eq!(kind(machines.next().unwrap()), REFUSED);
    assert!(machines.next().is_none());
    assert_eq!(machines.offset(), 2);
    service.clock.advance(secs(60));
    let machine = client.machines().skip(machines.offset()).iter().next();
    assert_eq!(machine.unwrap().unwrap().id, "m2");
}

// ---- What counts ----

#[test]
fn a_call_counts_from_its_end_since_nobody_knows_when_the_service_counted_it() {
    let mut service = Service::without_answers();
    let (clock, calls) = (service.clock.clone(), Arc::clone(&service.calls));
    let slow = move |_: &mockito::Request| {
        calls.lock().unwrap().push(clock.now());
        clock.advance(secs(50));
        br#"{"value":[]}"#.to_vec()
    };
    let mock = service.server.mock("GET", AGENTS);
    mock.with_body_from_request(slow).create();
    let limits = RateLimits::new(1, 3);
    let client = service
        .client(limits)
        .max_wait(Duration::MAX)
        .build()
        .unwrap();
    for _ in 0..4 {
        client.scan_agents().unwrap();
    }
    assert_eq!(service.calls(), [0, 110, 220, 3_650].map(secs));
}

#[test]
fn calls_that_the_service_refuses_count() {
    let mut service = Service::without_answers();
    service.answers("GET", DEFINITIONS, 403, "");
    let client = service.client(RateLimits::new(2, 2)).build().unwrap();
    for _ in 0..2 {
        assert_eq!(kind(client.scan_definitions()), Some(ErrorKind::Forbidden));
    }
    assert_eq!(kind(client.scan_definitions()), REFUSED);
    assert_eq!(service.calls().len(), 2);
}

#[test]
fn requests_that_are_never_sent_do_not_count() {
    let service = Service::new();
    let client = service.client(RateLimits::new(1, 1)).build().unwrap();
    for id in ["", " ", "..", "a\nb"] {
        assert_eq!(kind(client.scan_agent(id)), Some(ErrorKind::InvalidInput));
    }
    client.scan_agents().unwrap();
}

// ---- Whose windows ----

#[test]
fn clones_of_a_client_share_its_windows() {
    let service = Service::new();
    let client = service.client(RateLimits::new(2, 2)).build().unwrap();
    client.scan_agents().unwrap();
    client.clone().scan_agents().unwrap();
    assert_eq!(kind(client.clone().scan_agents()), REFUSED);
    assert_eq!(kind(client.scan_agents()), REFUSED);
}

#[test]
fn the_later_of_limits_and_limiter_holds() {
    let service = Service::new();
    let limiter =
        RateLimiter::new_with_clock(RateLimits::new(1, 1), service.clock.clone()).unwrap();
    let own = service
        .client(RateLimits::documented())
        .rate_limiter(limiter);
    let own = own.rate_limits(RateLimits::new(3, 3)).build().unwrap();
    for _ in 0..3 {
        own.scan_agents().unwrap();
    }
    assert_eq!(kind(own.scan_agents()), REFUSED);
}

#[test]
fn each_api_has_its_own_windows_and_the_agent_by_id_counts_with_the_agents() {
    type Api = (&'static str, fn(&Client) -> Result<(), Error>);
    const APIS: [Api; 4] = [
        ("machines", |client| {
            client
                .machines()
                .iter()
                .try_for_each(|machine| machine.map(drop))
        }),
        ("scan agents", |client| client.scan_agents().map(drop)),
        ("scan definitions", |client| {
            client.scan_definitions().map(drop)
        }),
        ("scan history", |client| {
            client
                .scan_history(["an-id"])
                .iter()
                .try_for_each(|entry| entry.map(drop))
        }),
    ];
    let service = Service::new();
    let client = service.client(RateLimits::new(1, 1)).build().unwrap();
    for (_, call) in APIS {
        call(&client).unwrap();
    }
    assert_eq!(service.calls().len(), 4);
    for (name, call) in APIS {
        let error = call(&client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(kind(client.scan_agent("an-agent")), REFUSED);

    // The other way round.
    let client = service.client(RateLimits::new(1, 1)).build().unwrap();
    client.scan_agent("an-agent").unwrap();
    assert_eq!(kind(client.scan_agents()), REFUSED);
    client.scan_definitions().unwrap();
    assert_eq!(
        service.calls().len(),
        6,
        "nothing was sent that was refused"
    );
}

#[test]
fn one_machine_and_several_by_id_count_with_the_machines_and_one_definition_with_the_definitions() {
    let service = Service::new();
    let limits = RateLimits::new(1, 1);
    let client = service.client(limits).build().unwrap();
    assert!(client.machines().into_iter().next().is_none());
    assert_eq!(kind(client.machine("a-machine")), REFUSED);
    assert_eq!(kind(client.machine_of("a-machine")), REFUSED);
    let by_id = client.machines_by_id(["a-machine"]).into_iter().next();
    assert_eq!(kind(by_id.unwrap()), REFUSED);
    let client = service.client(limits).build().unwrap();
    client.scan_definitions().unwrap();
    assert_eq!(kind(client.scan_definition("a-definition")), REFUSED);
    assert_eq!(service.calls().len(), 2);
}

// ---- How long one waits ----

#[test]
fn a_wait_longer_than_max_wait_is_refused_at_once_and_nothing_is_sent() {
    let service = Service::new();
    let client = service
        .client(RateLimits::documented())
        .max_wait(secs(49))
        .build()
        .unwrap();
    for _ in 0..100 {
        client.scan_agents().unwrap();
    }
    let now = Duration::from_millis(10_500);
    service.clock.advance(now);
    let error = client.scan_agents().unwrap_err();
    assert_eq!(service.clock.now(), now, "nobody slept");
    assert_eq!(service.calls().len(), 100);
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(49_500)));
    assert_eq!(error.attempts(), 0);
    assert_eq!(error.status(), None);
    assert!(error.is_retryable());
    let text = error.to_string();
    for part in [
        AGENTS,
        "scan agents",
        "100 calls in 60 s",
        "50 s left",
        "max_wait is 49 s",
    ] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
    assert!(
        format!("{error:?}").contains("max_wait(Duration::MAX)"),
        "{error:?}"
    );

    // Half a second later the wait is allowed, and waited.
    service.clock.advance(Duration::from_millis(500));
    client.scan_agents().unwrap();
    assert_eq!(service.clock.now(), secs(60));
}

// ---- Settings ----

#[test]
fn zero_limits_are_refused_before_anything_is_sent() {
    let service = Service::new();
    for limits in [
        RateLimits::new(0, 0),
        RateLimits::new(0, 1_500),
        RateLimits::new(100, 0),
        RateLimits::documented().divided_by(0),
        RateLimits::documented().divided_by(101),
        RateLimits::documented().divided_by(u32::MAX),
    ] {
        let built = service.client(limits).build();
        assert_eq!(built.unwrap_err().kind(), ErrorKind::Config, "{limits:?}");
        let limiter = RateLimiter::new(limits);
        assert_eq!(limiter.unwrap_err().kind(), ErrorKind::Config);
        let limiter = RateLimiter::new_with_clock(limits, FakeClock::new());
        assert_eq!(limiter.unwrap_err().kind(), ErrorKind::Config);
    }
}

#[test]
fn shares_are_rounded_down_so_that_together_they_are_never_above() {
    let documented = RateLimits::documented();
    assert_eq!(documented, RateLimits::new(100, 1_500));
    assert_eq!(documented, RateLimits::default());
    for (processes, per_minute, per_hour) in [
        (1, 100, 1_500),
        (3, 33, 500),
        (7, 14, 214),
        (99, 1, 15),
        (100, 1, 15),
        (101, 0, 14),
        (0, 0, 0),
        (u32::MAX, 0, 0),
    ] {
        let share = documented.divided_by(processes);
        assert_eq!(share, RateLimits::new(per_minute, per_hour), "{processes}");
        assert!(share.per_minute() * processes <= 100);
        assert!(u64::from(share.per_hour()) * u64::from(processes) <= 1_500);
    }
    let largest = RateLimits::new(u32::MAX, u32::MAX);
    assert_eq!(largest.divided_by(1), largest);
    assert_eq!(largest.divided_by(u32::MAX), RateLimits::new(1, 1));
}

#[test]
fn the_largest_limits_are_as_good_as_none() {
    let service = Service::new();
    let client = service
        .client(RateLimits::new(u32::MAX, u32::MAX))
        .build()
        .unwrap();
    for _ in 0..200 {
        client.scan_agents().unwrap();
    }
    assert_eq!(service.clock.now(), Duration::ZERO);
}

// ---- The clock that makes all this quick ----

#[test]
fn a_fake_clock_moves_only_when_told_to_and_its_clones_with_it() {
    let start = OffsetDateTime::UNIX_EPOCH;
    let clock = FakeClock::starting_at(start);
    let clone = clock.clone();
    assert_eq!((clock.now(), clock.utc()), (Duration::ZERO, start));
    clock.advance(secs(5));
    clone.sleep(secs(7));
    for clock in [clock, clone] {
        assert_eq!(clock.now(), secs(12));
        assert_eq!(clock.utc(), start + secs(12));
    }
}

#[test]
fn a_fake_clock_stops_at_the_end_of_time() {
    let clock = FakeClock::new();
    clock.advance(Duration::MAX);
    clock.sleep(secs(1));
    assert_eq!(clock.now(), Duration::MAX);
    assert!(clock.utc() > OffsetDateTime::UNIX_EPOCH);
}
