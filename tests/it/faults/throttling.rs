//! Throttling: the service's limits, and ours (F51 to F59).

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use defender_endpoint::testing::{Clock, FakeClock, Fault};
use defender_endpoint::{
    AccessToken, Client, Cloud, Credential, Error, ErrorKind, RateLimiter, RateLimits, RetryPolicy,
    TokenRequest,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::auth::new_year;
use crate::limits::{REFUSED, Service, kind, most_in_any_window, quick_service};
use crate::retries::{AGENTS, seconds, setup};
use crate::support;
use crate::support::raw::{Answer, RawServer};

const NOTHING: &str = r#"{"value":[]}"#;
/// Retries come between half and all of 0.8 seconds later, where nobody asks for more.
const BACK_OFF: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(400)..=Duration::from_millis(800);

/// The calls of a service: path and time each.
type Calls = Arc<Mutex<Vec<(String, Duration)>>>;

/// A service that answers its first call with this, and tells when each call of which path came.
fn first(answer: Answer, clock: &FakeClock) -> (RawServer, Calls) {
    let calls: Calls = Arc::default();
    let (seen, clock, mut answer) = (Arc::clone(&calls), clock.clone(), Some(answer));
    let server = RawServer::new(move |request| {
        let call = (request.target().to_owned(), clock.now());
        seen.lock().unwrap().push(call);
        answer.take().unwrap_or_else(|| Answer::json(NOTHING))
    });
    (server, calls)
}

/// How long a call waits, with the retries that it has by default, when its first try is answered
/// like this; and what the service asked for, as the error says without retries.
fn waits(answer: &Answer) -> (Result<Duration, Error>, Option<Duration>) {
    let clock = FakeClock::starting_at(new_year());
    let (server, calls) = first(answer.clone(), &clock);
    let builder = support::builder(&server.url()).clock(clock.clone());
    let client = builder.clone().retry_policy(RetryPolicy::default());
    let outcome = client.build().unwrap().scan_agents();
    let sent = calls.lock().unwrap().len();
    assert_eq!(sent, if outcome.is_ok() { 2 } else { 1 });
    let server = RawServer::sending(answer.clone());
    let once = support::builder(&server.url()).clock(FakeClock::starting_at(new_year()));
    let error = once.build().unwrap().scan_agents().unwrap_err();
    assert_eq!((error.attempts(), server.calls()), (1, 1));
    assert!(error.is_retryable());
    (outcome.map(|_| clock.now()), error.retry_after())
}

fn retry_after(status: u16, value: &str) -> Answer {
    Answer::new(status, &[("Retry-After", value)], "")
}

// --- what the service asks for

/// The ways in which a service may ask for 40 seconds at the beginning of 2026; the last one's clock
/// is not ours.
fn forty_seconds(status: u16) -> [Answer; 3] {
    let date = "Thu, 01 Jan 2026 00:00:40 GMT";
    let other = [
        ("Date", "Wed, 31 Dec 2025 19:00:00 GMT"),
        ("Retry-After", "Wed, 31 Dec 2025 19:00:40 GMT"),
    ];
    [
        retry_after(status, "40"),
        retry_after(status, date),
        Answer::new(status, &other, ""),
    ]
}

/// F51: the service answers 429 and asks for a pause, in seconds or by a date. All threads, clones
/// and clients with the same limiter keep it, and then try; other APIs don't wait.
#[test]
fn a_429_holds_back_every_thread_of_its_api_and_no_other() {
    for answer in forty_seconds(429) {
        let clock = FakeClock::starting_at(new_year());
        let (server, calls) = first(answer, &clock);
        let limiter = RateLimiter::new_with_clock(RateLimits::documented(), clock.clone()).unwrap();
        let builder = support::builder(&server.url())
            .clock(clock.clone())
            .rate_limiter(limiter);
        let [told, other] = [builder.clone(), builder].map(|one| one.build().unwrap());
        let error = told.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert_eq!(error.retry_after(), Some(seconds(40)));
        other.scan_definitions().unwrap();
        assert_eq!(clock.now(), Duration::ZERO);
        assert_eq!(other.quota().scan_agents.next_call_in, seconds(40));
        thread::scope(|scope| {
            for client in [&told, &other] {
                for _ in 0..4 {
                    let clone = client.clone();
                    scope.spawn(move || clone.scan_agents().unwrap());
                }
            }
        });
        let calls = calls.lock().unwrap();
        let (agents, definitions): (Vec<_>, Vec<_>) =
            calls.iter().partition(|(path, _)| path == AGENTS);
        assert_eq!((agents.len(), definitions.len()), (9, 1));
        assert!(
            agents[1..].iter().all(|(_, at)| *at >= seconds(40)),
            "{calls:?}"
        );
        assert_eq!(definitions[0].1, Duration::ZERO);
    }
}

/// F51: the call that was told waits as long itself, and then succeeds, at every status that is
/// tried again.
#[test]
fn the_wait_that_the_service_asks_for_is_kept() {
    for status in [408, 429, 500, 502, 503, 504] {
        for answer in forty_seconds(status) {
            let (waited, asked) = waits(&answer);
            assert_eq!((waited.unwrap(), asked), (seconds(40), Some(seconds(40))));
        }
        let (waited, asked) = waits(&retry_after(status, " 120 "));
        assert_eq!((waited.unwrap(), asked), (seconds(120), Some(seconds(120))));
    }
}

/// F52: a date that has passed and a wait of 0 are no wait, but for the back-off.
#[test]
fn a_wait_that_is_over_is_the_back_off() {
    for status in [429, 503] {
        for text in [
            "0",
            "000",
            "Thu, 01 Jan 2026 00:00:00 GMT",
            "Wed, 31 Dec 2025 23:59:59 GMT",
            "Mon, 01 Jan 2001 00:00:23 GMT",
            "Mon, 01 Jan 1900 00:00:00 GMT",
        ] {
            let (waited, asked) = waits(&retry_after(status, text));
            assert!(BACK_OFF.contains(&waited.unwrap()), "{text}");
            assert_eq!(asked, Some(Duration::ZERO), "{text}");
        }
    }
}

/// F52: what is neither a number of seconds nor a date is ignored.
#[test]
fn a_wait_that_makes_no_sense_is_ignored() {
    let nested = "(".repeat(30_000);
    for status in [429, 503] {
        for text in [
            "",
            "abc",
            "soon",
            "-1",
            "+1",
            "1.5",
            "1e9",
            "8s",
            "8, 9",
            "0x10",
            "\u{fc}",
            "\u{0663}",
            "tomorrow, 01 Jan 2026 00:00:40 GMT",
            "Thu, 32 Jan 2026 00:00:40 GMT",
            "2026-01-01T00:00:40Z",
            &nested,
        ] {
            let (waited, asked) = waits(&retry_after(status, text));
            assert!(BACK_OFF.contains(&waited.unwrap()), "{text}");
            assert_eq!(asked, None, "{text}");
        }
    }
}

/// F52: a huge wait is told at once: nobody sleeps, nothing overflows, and even who would wait for
/// ever is not put to sleep for longer than an hour.
#[test]
fn a_huge_wait_is_told_at_once() {
    for status in [429, 503] {
        for (text, asked) in [
            ("3601", 3_601),
            ("1000000000", 1_000_000_000),
            ("18446744073709551615", u64::MAX),
            ("99999999999999999999999", u64::MAX),
            ("Thu, 01 Jan 2026 01:00:01 GMT", 3_601),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 251_635_075_199),
        ] {
            let clock = FakeClock::starting_at(new_year());
            let server = RawServer::sending(retry_after(status, text));
            let client = support::builder(&server.url())
                .clock(clock.clone())
                .retry_policy(RetryPolicy::default())
                .max_wait(Duration::MAX);
            let error = client.build().unwrap().scan_agents().unwrap_err();
            assert_eq!((error.status(), error.attempts()), (Some(status), 1));
            assert_eq!(error.retry_after(), Some(seconds(asked)), "{text}");
            assert_eq!((clock.now(), server.calls()), (Duration::ZERO, 1));
        }
    }
}

/// F52: and no answer locks a client for ever.
#[test]
fn an_endless_pause_ends_after_an_hour() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    tenant.fail(Fault::throttled(seconds(1_000_000_000)));
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 1));
    assert_eq!(error.retry_after(), Some(seconds(1_000_000_000)));
    // The gate is closed, though for an hour at the most: no answer locks a client for ever.
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 0));
    assert_eq!(error.retry_after(), Some(seconds(3_600)));
    assert_eq!(tenant.calls(AGENTS), 1);
    assert_eq!(clock.now(), Duration::ZERO, "nobody slept");
    clock.advance(seconds(3_600));
    client.scan_agents().unwrap();
}

/// A value as it may stand in a header, or may not: bytes, numbers, dates, and parts of them.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        "[0-9]{1,25}",
        "[ -+]?[0-9]{1,4}[ .,es]?[0-9]{0,3}",
        "(Thu|Mon)?, [0-9]{1,2} Jan [0-9]{2,5} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})",
        ".{0,40}",
    ];
    prop_oneof![
        3 => text.prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..60),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// F52: whatever stands in `Retry-After` and `Date`, a call waits within its bounds and tries
    /// again, or fails at once.
    #[test]
    fn no_header_makes_a_call_wait_beyond_its_bounds(
        retry_after in any_value(),
        date in any_value(),
        status in select(&[429, 503]),
        deadline in proptest::option::of(5..2_000_u64),
        max_wait in 1..2_000_u64,
    ) {
        let head = format!("HTTP/1.1 {status} Reason\r\nContent-Length: 0\r\nRetry-After: ");
        let answer = [head.as_bytes(), &retry_after, b"\r\nDate: ", &date, b"\r\n\r\n"].concat();
        let clock = FakeClock::starting_at(new_year());
        let (server, calls) = first(Answer::from(answer).closed(), &clock);
        let client = support::builder(&server.url())
            .clock(clock.clone())
            .retry_policy(RetryPolicy::default())
            .deadline(deadline.map_or(Duration::MAX, seconds))
            .max_wait(seconds(max_wait));
        let outcome = client.build().unwrap().scan_agents();
        let bound = seconds(max_wait).min(deadline.map_or(Duration::MAX, seconds));
        prop_assert!(clock.now() <= bound, "{:?} of {bound:?}", clock.now());
        let sent = calls.lock().unwrap().len();
        match outcome {
            Ok(_) => {
                prop_assert_eq!(sent, 2);
                prop_assert!(clock.now() >= *BACK_OFF.start());
            }
            Err(error) => {
                prop_assert_eq!((sent, error.attempts(), clock.now()), (1, 1, Duration::ZERO));
                let asked = error.retry_after();
                let too_long = asked.is_some_and(|asked| asked.saturating_add(seconds(1)) > bound);
                // A line break in a value may leave no HTTP behind.
                let broken = error.kind() == ErrorKind::Transport;
                prop_assert!(too_long || broken, "{:?}", error);
            }
        }
    }
}

/// F53: a 429 without the header says in its message when to come back.
#[test]
fn the_wait_is_taken_from_the_words_where_there_is_no_header() {
    let words = |wait: &str| {
        Fault::status(429).message(format!(
            "API calls quota exceeded! Maximum allowed 30 per 00:01:00 for the key \
             Destination+TenantID+AppID. You can send requests again in {wait}"
        ))
    };
    for (fault, expected) in [
        (words("8 seconds."), Some(8)),
        (words("1 second"), Some(1)),
        (words("21 seconds.").retry_after(seconds(20)), Some(20)),
        (words("21 seconds.").header("Retry-After", "soon"), Some(21)),
        (words("0 seconds"), None),
        (words("a moment"), None),
        (words("8 minutes"), None),
        (words("99999999999999999999999 seconds"), None),
        (Fault::status(429).message("Slow down"), None),
        (Fault::status(429).empty_body(), None),
        // Words alone don't make a 503 wait.
        (Fault::status(503).message("again in 8 seconds"), None),
    ] {
        let (tenant, clock, builder) = setup();
        let client = builder.build().unwrap();
        tenant.fail(fault.clone());
        client.scan_agents().unwrap();
        let waited = clock.now();
        match expected {
            Some(expected) => assert_eq!(waited, seconds(expected), "{fault:?}"),
            None => assert!(BACK_OFF.contains(&waited), "{waited:?}: {fault:?}"),
        }
        assert_eq!(tenant.calls(AGENTS), 2);
    }
    let (tenant, clock, builder) = setup();
    tenant.fail(words("1000000 seconds."));
    let error = builder.build().unwrap().scan_agents().unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(1_000_000)));
    assert_eq!((clock.now(), error.attempts()), (Duration::ZERO, 1));
}

/// F54: the 429s don't end. The call does, after its tries, with the last wait that was asked for.
#[test]
fn an_endless_429_ends_after_the_last_try() {
    for retries in [0, 1, 3, 5] {
        let (tenant, clock, builder) = setup();
        let policy = RetryPolicy::default().retries(retries);
        let client = builder.retry_policy(policy).build().unwrap();
        for wait in 11..30 {
            tenant.fail(Fault::throttled(seconds(wait)));
        }
        let error = client.scan_agents().unwrap_err();
        let tries = u64::from(retries) + 1;
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::Throttled, retries + 1)
        );
        assert_eq!((error.status(), error.is_retryable()), (Some(429), true));
        assert_eq!(error.retry_after(), Some(seconds(10 + tries)));
        assert_eq!(u64::try_from(tenant.calls(AGENTS)).unwrap(), tries);
        let waited: Duration = (11..10 + tries).map(seconds).sum();
        assert_eq!(clock.now(), waited);
        // What was asked for last holds for the next call, which is sent when it is over.
        assert_eq!(client.quota().scan_agents.next_call_in, seconds(10 + tries));
    }
}

/// F54: or at its deadline, before a wait that would pass it.
#[test]
fn an_endless_429_ends_at_the_deadline() {
    let (tenant, clock, builder) = setup();
    let client = builder
        .deadline(seconds(10))
        .retry_policy(RetryPolicy::default().retries(100))
        .build()
        .unwrap();
    tenant.fail(Fault::throttled(seconds(4)).always());
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 3));
    assert_eq!(error.retry_after(), Some(seconds(4)));
    assert_eq!((tenant.calls(AGENTS), clock.now()), (3, seconds(8)));
}

/// F55: the asked wait lies beyond the deadline. The call fails at once, after one exchange.
#[test]
fn a_wait_beyond_the_deadline_is_told_at_once() {
    let (tenant, clock, builder) = setup();
    let client = builder.deadline(seconds(10)).build().unwrap();
    tenant.fail(Fault::throttled(seconds(11)));
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 1));
    assert_eq!(
        clock.now(),
        Duration::ZERO,
        "nobody sleeps first and fails then"
    );
    assert_eq!(error.retry_after(), Some(seconds(11)));
    assert_eq!(tenant.calls(AGENTS), 1);
    // The next call has a deadline of its own, and eleven seconds to wait: too long as well.
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 0));
    assert!(
        error.to_string().contains("the deadline is in 10 s"),
        "{error}"
    );
    clock.advance(seconds(2));
    client.scan_agents().unwrap();
}

/// F55: waits beyond the deadline are not begun at any status, nor for a back-off.
#[test]
fn no_retry_waits_beyond_the_deadline() {
    for (fault, deadline) in [
        (Fault::status(503).retry_after(seconds(11)), seconds(10)),
        (Fault::status(429).retry_after(seconds(10)), seconds(10)),
        (Fault::status(503), Duration::from_millis(399)),
        (Fault::status(429), Duration::from_millis(399)),
    ] {
        let (tenant, clock, builder) = setup();
        let client = builder.deadline(deadline).build().unwrap();
        tenant.fail(fault.clone());
        let error = client.scan_agents().unwrap_err();
        assert!(matches!(error.status(), Some(429 | 503)), "{error:?}");
        assert_eq!(
            (error.attempts(), clock.now()),
            (1, Duration::ZERO),
            "{fault:?}"
        );
        assert_eq!(tenant.calls(AGENTS), 1);
    }
}

// --- what we keep

/// F56: 1,500 calls have been made within the hour. The next one is refused with the wait that is
/// left, or waits for it; it is never sent early.
#[test]
fn the_1501st_call_of_an_hour_is_refused_or_waits() {
    let clock = FakeClock::new();
    let (url, service) = quick_service(clock.clone());
    let client = support::builder(&url).clock(clock.clone()).build().unwrap();
    for _ in 0..1_500 {
        client.scan_agents().unwrap();
    }
    let spent = clock.now();
    assert_eq!(spent, seconds(840));
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::RateLimited, 0)
    );
    assert_eq!((error.status(), error.is_retryable()), (None, true));
    assert_eq!(error.retry_after(), Some(seconds(3_600 - 840)));
    let text = error.to_string();
    for part in [
        AGENTS,
        "1500 calls in 3600 s",
        "2760 s left",
        "max_wait is 300 s",
    ] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
    assert_eq!(clock.now(), spent, "nobody slept");
    // Now the wait is one that the client may have.
    clock.advance(seconds(2_760 - 300));
    client.scan_agents().unwrap();
    drop(client);
    let calls = service.join().unwrap();
    assert_eq!((calls.len(), calls[1_500]), (1_501, seconds(3_600)));
}

/// F57: a storm in which every call fails. The limits bound what is sent, and each call makes as
/// many exchanges as it has tries and no more. There is no budget of retries that calls share.
#[test]
fn a_storm_of_failures_stays_within_the_limits() {
    for status in [429, 500, 503] {
        let mut service = Service::without_answers();
        service.answers("GET", AGENTS, status, "");
        let client = service
            .client(RateLimits::new(20, 150))
            .max_wait(Duration::MAX)
            .retry_policy(RetryPolicy::default())
            .build()
            .unwrap();
        thread::scope(|scope| {
            for _ in 0..32 {
                let client = client.clone();
                scope.spawn(move || {
                    for _ in 0..2 {
                        let error = client.scan_agents().unwrap_err();
                        assert_eq!(error.status(), u16::try_from(status).ok());
                        assert_eq!(error.attempts(), 4, "{error:?}");
                    }
                });
            }
        });
        let calls = service.calls();
        assert_eq!(calls.len(), 32 * 2 * 4);
        assert!(most_in_any_window(&calls, seconds(60)) <= 20);
        assert!(most_in_any_window(&calls, seconds(3_600)) <= 150);
    }
}

/// F58: a retry is a call like any other: it waits for its place in the limits, and takes it.
#[test]
fn every_try_takes_a_place_in_the_limits() {
    let (tenant, clock, builder) = setup();
    let client = builder
        .rate_limits(RateLimits::new(2, 100))
        .build()
        .unwrap();
    tenant.fail(Fault::status(503).times(2));
    client.scan_agents().unwrap();
    assert!(
        clock.now() >= seconds(60),
        "the third try waited for the minute window"
    );
    assert_eq!(tenant.calls(AGENTS), 3);
    assert_eq!(client.quota().scan_agents.left_in_hour, 97);
}

/// F58: where there is no place in time, the last real error is the call's.
#[test]
fn a_retry_without_a_place_is_not_made() {
    let (tenant, clock, builder) = setup();
    let client = builder
        .rate_limits(RateLimits::new(1, 100))
        .max_wait(seconds(10))
        .build()
        .unwrap();
    tenant.fail(Fault::status(503));
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(503), 1));
    assert_eq!(tenant.calls(AGENTS), 1);
    assert!(clock.now() <= *BACK_OFF.end(), "{:?}", clock.now());
}

/// F59: a caller drops an iterator in mid-walk, or panics with one in its hands. No place is taken
/// but those of the pages that were fetched.
#[test]
fn a_walk_that_is_dropped_gives_its_place_back() {
    let (tenant, clock, builder) = setup();
    let client = builder
        .rate_limits(RateLimits::new(4, 100))
        .build()
        .unwrap();
    let mut machines = client.machines().into_iter();
    machines.next().unwrap().unwrap();
    drop(machines);
    assert_eq!(client.quota().machines.left_in_minute, 3);
    let walker = client.clone();
    let panicking = move || {
        let mut machines = walker.machines().into_iter();
        machines.nth(150).unwrap().unwrap();
        panic!("on purpose");
    };
    thread::spawn(panicking).join().unwrap_err();
    assert_eq!(client.quota().machines.left_in_minute, 1);
    client.machines().into_iter().next().unwrap().unwrap();
    assert_eq!(
        (tenant.calls("/api/machines"), clock.now()),
        (4, Duration::ZERO)
    );
    clock.advance(seconds(60));
    assert_eq!(client.quota().machines.left_in_minute, 4);
}

/// Fails or panics until it has been asked often enough.
#[derive(Debug)]
struct Unreliable {
    failures: AtomicU32,
    panics: bool,
}

impl Credential for Unreliable {
    fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let left = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match left {
            Err(_) => Ok(AccessToken::new(support::TOKEN)),
            Ok(_) if self.panics => panic!("the credential is broken"),
            Ok(_) => Err(Error::credential("the vault is sealed")),
        }
    }
}

/// F59: a credential that panics does so with a permit in its caller's hands. It is given back, as
/// that of a credential that fails.
#[test]
fn calls_for_which_there_was_no_token_do_not_count() {
    support::within(seconds(20), || {
        let service = Service::new();
        for panics in [false, true] {
            let credential = Unreliable {
                failures: 5.into(),
                panics,
            };
            let url = service.server.url();
            let client = Client::builder(credential)
                .cloud(Cloud::COMMERCIAL.with_api_url(&url).with_authority(&url))
                .clock(service.clock.clone())
                .no_proxy()
                .rate_limits(RateLimits::new(1, 1))
                .max_wait(Duration::ZERO)
                .build()
                .unwrap();
            for _ in 0..5 {
                let outcome = panic::catch_unwind(AssertUnwindSafe(|| client.scan_agents()));
                match outcome {
                    Ok(answer) => assert_eq!(kind(answer), Some(ErrorKind::Credential)),
                    Err(_) => assert!(panics),
                }
            }
            client.scan_agents().unwrap();
            assert_eq!(kind(client.scan_agents()), REFUSED);
        }
        assert_eq!(service.calls().len(), 2);
        assert_eq!(service.clock.now(), Duration::ZERO);
    });
}

/// F59: an observer that panics does so in the queue, and leaves it.
#[test]
fn a_panicking_observer_leaves_the_queue() {
    support::within(seconds(20), || {
        let (tenant, _, builder) = setup();
        let calm = builder.clone();
        let limiter =
            RateLimiter::new_with_clock(RateLimits::documented(), FakeClock::new()).unwrap();
        let client = builder
            .rate_limiter(limiter.clone())
            .on_wait(|_| panic!("on purpose"))
            .build()
            .unwrap();
        tenant.fail(Fault::throttled(seconds(9)));
        assert!(thread::spawn(move || client.scan_agents()).join().is_err());
        calm.rate_limiter(limiter)
            .build()
            .unwrap()
            .scan_agents()
            .unwrap();
    });
}

// --- any demand

/// One wish of a program, and what the service makes of it.
#[derive(Clone, Debug)]
struct Demand {
    /// Since the one before.
    pause: Duration,
    agents: bool,
    /// By a client that waits for its turn, or by one that doesn't.
    patient: bool,
    /// How long an exchange takes, and whether the service counts it at its end or its beginning.
    takes: Duration,
    at_end: bool,
    answer: (u16, &'static str),
}

fn demand() -> impl Strategy<Value = Demand> {
    let pause = prop_oneof![2 => Just(0), 2 => 0..5_000_u64, 1 => 0..90_000_u64];
    let takes = prop_oneof![2 => Just(0), 1 => 0..3_000_u64, 1 => 0..70_000_u64];
    let answers = [
        (200, ""),
        (200, ""),
        (503, ""),
        (429, "7"),
        (429, ""),
        (404, ""),
    ];
    let rest = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        select(answers.to_vec()),
    );
    (pause, takes, rest).prop_map(|(pause, takes, (agents, patient, at_end, answer))| Demand {
        pause: Duration::from_millis(pause),
        agents,
        patient,
        takes: Duration::from_millis(takes),
        at_end,
        answer,
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// F56: whatever two clients with one limiter want and when, and however the service answers and
    /// counts: it never counts more in any window than the limits allow.
    #[test]
    fn no_schedule_of_demands_passes_the_limits(
        demands in vec(demand(), 1..30),
        per_minute in 1..6_u32,
        more_per_hour in 0..12_u32,
    ) {
        let limits = RateLimits::new(per_minute, per_minute + more_per_hour);
        let clock = FakeClock::new();
        let present = Arc::new(Mutex::new(demands[0].clone()));
        let counted: Arc<Mutex<Vec<(bool, Duration)>>> = Arc::default();
        let (time, now, log) = (clock.clone(), Arc::clone(&present), Arc::clone(&counted));
        let server = RawServer::new(move |request| {
            let demand = now.lock().unwrap().clone();
            let begun = time.now();
            time.advance(demand.takes);
            let at = if demand.at_end { time.now() } else { begun };
            log.lock().unwrap().push((request.target() == AGENTS, at));
            match demand.answer {
                (200, _) => Answer::json(NOTHING),
                (status, wait) => retry_after(status, wait),
            }
        });
        let limiter = RateLimiter::new_with_clock(limits, clock.clone()).unwrap();
        let builder = support::builder(&server.url())
            .clock(clock.clone())
            .retry_policy(RetryPolicy::default())
            .rate_limiter(limiter);
        let patient = builder.clone().max_wait(Duration::MAX).build().unwrap();
        let hasty = builder.max_wait(Duration::ZERO).build().unwrap();
        for demand in demands {
            clock.advance(demand.pause);
            let client = if demand.patient { &patient } else { &hasty };
            let (agents, sent) = (demand.agents, server.calls());
            *present.lock().unwrap() = demand;
            let outcome = if agents {
                client.scan_agents().map(drop)
            } else {
                client.scan_definitions().map(drop)
            };
            let tries = outcome.err().map_or(1, |error| error.attempts());
            prop_assert_eq!(server.calls() - sent, usize::try_from(tries).unwrap());
        }
        let counted = counted.lock().unwrap();
        for api in [true, false] {
            let of_api = counted.iter().filter(|(agents, _)| *agents == api);
            let mut moments: Vec<Duration> = of_api.map(|(_, at)| *at).collect();
            moments.sort();
            for (calls, window) in [(limits.per_minute(), 60), (limits.per_hour(), 3_600)] {
                let most = most_in_any_window(&moments, seconds(window));
                prop_assert!(most <= usize::try_from(calls).unwrap(), "{most} in {window} s");
            }
        }
    }
}
