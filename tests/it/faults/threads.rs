//! Threads: many on one client, and clients that share a limiter (F96 and F97).

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
use defender_endpoint::time::OffsetDateTime;
use defender_endpoint::{
    AccessToken, Client, ClientBuilder, ClientSecret, Cloud, Credential, Error, ErrorKind,
    RateLimiter, RateLimits, RetryPolicy, StaticToken, TokenRequest,
};

use super::tokens::{PATIENCE, Puppet, Told, hour};
use crate::auth::{SECOND, api, client_of, failing_login, secret_client, tokens};
use crate::limits::{REFUSED, Service, kind, most_in_any_window};
use crate::support::raw::{Answer, RawServer, cloud};

const NOTHING: &str = r#"{"value":[]}"#;
const THREADS: usize = 32;

/// What came of a call; `Err` holds nothing but that it panicked.
type Outcome = Result<Result<(), Error>, ()>;

/// Calls in a thread of its own, which reports when it is done.
fn call_in_thread(client: &Client, report: &Sender<Outcome>) -> ThreadId {
    let (client, report) = (client.clone(), report.clone());
    let call = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| client.scan_agents().map(drop)));
        // Nobody listens any more if the test has failed.
        let _ = report.send(outcome.map_err(drop));
    };
    thread::spawn(call).thread().id()
}

/// What came of so many reports; hangs for no longer than the test is patient.
fn outcomes(reports: &Receiver<Outcome>, number: usize) -> Vec<Outcome> {
    let report = |_| reports.recv_timeout(PATIENCE).expect("a thread hangs");
    (0..number).map(report).collect()
}

/// How many panicked; the others must have gone well.
fn panics(outcomes: Vec<Outcome>) -> usize {
    let (panicked, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_err);
    for outcome in others {
        outcome.unwrap().unwrap();
    }
    panicked.len()
}

/// Waits for another thread to get so far.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

// --- one token for all

/// A clock that stands still and counts who looked at it. The last look that a thread takes before
/// it waits for another one's token is taken under the cache's lock, so that a test can tell when a
/// thread is waiting without waiting itself.
#[derive(Clone, Debug)]
struct Watched {
    time: FakeClock,
    looks: Arc<Mutex<HashMap<ThreadId, usize>>>,
}

impl Watched {
    fn new() -> Self {
        Self {
            time: FakeClock::new(),
            looks: Arc::default(),
        }
    }

    fn looks(&self, thread: ThreadId) -> usize {
        self.looks
            .lock()
            .unwrap()
            .get(&thread)
            .copied()
            .unwrap_or(0)
    }
}

impl Clock for Watched {
    fn now(&self) -> Duration {
        *self
            .looks
            .lock()
            .unwrap()
            .entry(thread::current().id())
            .or_default() += 1;
        self.time.now()
    }

    fn utc(&self) -> OffsetDateTime {
        self.time.utc()
    }

    fn sleep(&self, duration: Duration) {
        self.time.sleep(duration);
    }
}

/// One thread asks for a token while all the others wait for it; then the credential does as it is
/// told. Returns what came of each thread, and how often the credential was asked in all.
fn while_the_others_wait(told: impl IntoIterator<Item = Told>) -> (Vec<Outcome>, usize) {
    let (api, clock) = (api(), Watched::new());
    let (puppet, asks, tell) = Puppet::new();
    let client = client_of(puppet, &api, clock.clone());

    // A token that has expired, and the number of looks at the clock on the way to the credential.
    tell.send(Told::Give(AccessToken::new("t").expires_in(SECOND)))
        .unwrap();
    client.scan_agents().unwrap();
    clock.time.advance(SECOND * 2);
    clock.looks.lock().unwrap().clear();
    let looks = thread::scope(|scope| {
        let call = scope.spawn(|| client.scan_agents().unwrap_err());
        asks.recv_timeout(PATIENCE).unwrap();
        let asking = asks.recv_timeout(PATIENCE).unwrap();
        let looks = clock.looks(asking);
        tell.send(Told::Fail).unwrap();
        call.join().unwrap();
        looks
    });
    assert!(looks > 0);

    let (report, reports) = channel();
    let first = call_in_thread(&client, &report);
    assert_eq!(asks.recv_timeout(PATIENCE).unwrap(), first);
    for _ in 1..THREADS {
        let thread = call_in_thread(&client, &report);
        wait_until("a thread doesn't get as far as the token", || {
            clock.looks(thread) >= looks
        });
    }
    for order in told {
        tell.send(order).unwrap();
    }
    let outcomes = outcomes(&reports, THREADS);
    (outcomes, 1 + asks.try_iter().count())
}

/// F39: 32 threads find the token expired. One asks, the others wait, and all get the new one.
#[test]
fn threads_that_wait_for_a_token_get_that_one() {
    let (outcomes, asked) = while_the_others_wait([Told::Give(hour())]);
    assert_eq!((panics(outcomes), asked), (0, 1));
}

/// F39: the one that asks fails. All others wake and share its failure; none repeats it.
#[test]
fn threads_that_wait_for_a_token_share_its_failure() {
    // If any of them asked again, there would be a token for it.
    let (outcomes, asked) = while_the_others_wait([Told::Fail, Told::Give(hour())]);
    for outcome in outcomes {
        let error = outcome.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(
            error.to_string().ends_with("the puppet was told to fail"),
            "{error}"
        );
    }
    assert_eq!(asked, 1);
}

/// F39: a failure is not kept as if it were a token: the calls that come later ask again, and the
/// first success is everybody's.
#[test]
fn a_failure_that_all_threads_shared_is_not_kept() {
    let ((login, well), api) = (failing_login(3_600), api());
    let clock = FakeClock::new();
    let client = secret_client(&login, &api, &clock);
    let round = || {
        let (report, reports) = channel();
        for _ in 0..THREADS {
            call_in_thread(&client, &report);
        }
        for outcome in outcomes(&reports, THREADS) {
            let kind = kind(outcome.unwrap());
            assert!(matches!(kind, None | Some(ErrorKind::Credential)));
        }
    };
    round();
    assert_eq!(login.calls(), 1);
    clock.advance(SECOND * 3_600);
    // Nobody gets the expired token, nor an answer.
    api.forget();
    round();
    let asked = login.calls();
    assert!((2..=1 + THREADS).contains(&asked), "{asked}");
    assert_eq!(api.calls(), 0);
    well.store(1, Ordering::SeqCst);
    round();
    assert_eq!(
        (login.calls(), tokens(&api)),
        (asked + 1, vec!["t".to_owned(); THREADS])
    );
}

/// F40: the one that asks panics. One of the others asks in its place, and all of them go well.
#[test]
fn a_credential_that_panics_does_not_take_the_others_down() {
    let (outcomes, asked) = while_the_others_wait([Told::Panic, Told::Give(hour())]);
    assert_eq!((panics(outcomes), asked), (1, 2));
}

/// F40: nor do many panics, one after the other.
#[test]
fn every_thread_but_the_last_may_panic_while_it_renews() {
    let panics_then = (1..THREADS).map(|_| Told::Panic);
    let (outcomes, asked) = while_the_others_wait(panics_then.chain([Told::Give(hour())]));
    assert_eq!((panics(outcomes), asked), (THREADS - 1, THREADS));
}

// --- one limiter for all

/// F96: what many threads want of one client comes to no more than the limits, as the service counts
/// it, and all are served.
#[test]
fn thirty_two_threads_on_one_client_stay_below_the_limits_together() {
    let service = Service::new();
    let client = service
        .client(RateLimits::new(20, 150))
        .max_wait(Duration::MAX)
        .build()
        .unwrap();
    thread::scope(|scope| {
        for _ in 0..32 {
            let client = client.clone();
            scope.spawn(move || {
                for _ in 0..10 {
                    client.scan_agents().unwrap();
                }
            });
        }
    });
    let calls = service.calls();
    assert_eq!(calls.len(), 320, "everybody was served");
    assert!(most_in_any_window(&calls, SECOND * 60) <= 20);
    assert!(most_in_any_window(&calls, SECOND * 3_600) <= 150);
}

/// A clock that lets nobody sleep before it is started.
#[derive(Clone, Debug)]
struct Stopped {
    time: FakeClock,
    started: Arc<(Mutex<bool>, Condvar)>,
}

impl Stopped {
    fn new() -> Self {
        Self {
            time: FakeClock::new(),
            started: Arc::default(),
        }
    }

    fn start(&self) {
        *self.started.0.lock().unwrap() = true;
        self.started.1.notify_all();
    }
}

impl Clock for Stopped {
    fn now(&self) -> Duration {
        self.time.now()
    }

    fn utc(&self) -> OffsetDateTime {
        self.time.utc()
    }

    fn sleep(&self, duration: Duration) {
        let stopped = self.started.0.lock().unwrap();
        let woken = self
            .started
            .1
            .wait_timeout_while(stopped, PATIENCE, |started| !*started);
        drop(woken.unwrap());
        self.time.sleep(duration);
    }
}

/// A client that the service knows by its token.
fn known_as(name: &str, server: &RawServer, limiter: &RateLimiter) -> ClientBuilder {
    Client::builder(StaticToken::new(name).unwrap())
        .cloud(cloud(server.url()))
        .rate_limiter(limiter.clone())
        .max_wait(Duration::MAX)
        .no_proxy()
        .retry_policy(RetryPolicy::none())
}

/// F96: threads that wait for a place are served in the order in which they came, whichever wakes
/// first, and each at the first moment there is.
#[test]
fn those_who_wait_are_served_in_the_order_in_which_they_came() {
    let clock = Stopped::new();
    let moments: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (log, time) = (Arc::clone(&moments), clock.time.clone());
    let server = RawServer::new(move |_| {
        log.lock().unwrap().push(time.now());
        Answer::json(NOTHING)
    });
    let limiter = RateLimiter::new_with_clock(RateLimits::new(1, 1_000), clock.clone()).unwrap();
    let client = |name: &str| {
        known_as(name, &server, &limiter)
            .clock(clock.clone())
            .build()
    };
    client("first").unwrap().scan_agents().unwrap();
    let (report, reports) = channel();
    for number in 1..=THREADS {
        let client = client(&format!("caller-{number}")).unwrap();
        call_in_thread(&client, &report);
        // Whoever came now would have all of them before it.
        let behind = SECOND * 60 * u32::try_from(number + 1).unwrap();
        wait_until("a thread doesn't get into the queue", || {
            limiter.quota().scan_agents.next_call_in >= behind
        });
    }
    assert_eq!(server.calls(), 1);
    clock.start();
    assert_eq!(panics(outcomes(&reports, THREADS)), 0);
    let callers = (1..=THREADS).map(|number| format!("caller-{number}"));
    let expected: Vec<String> = ["first".to_owned()].into_iter().chain(callers).collect();
    assert_eq!(tokens(&server), expected);
    let minutes: Vec<u64> = moments
        .lock()
        .unwrap()
        .iter()
        .map(Duration::as_secs)
        .collect();
    let expected: Vec<u64> = (0..=u64::try_from(THREADS).unwrap())
        .map(|n| n * 60)
        .collect();
    assert_eq!(minutes, expected);
}

/// F96: no thread starves: from the moment when a call begins to wait, no other thread is served more
/// than once before it.
#[test]
fn nobody_is_passed_twice_by_the_same_thread() {
    const CALLS: usize = 5;
    let clock = FakeClock::new();
    let callers: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&callers);
    let server = RawServer::new(move |request| {
        log.lock()
            .unwrap()
            .push(request.header("authorization").unwrap());
        Answer::json(NOTHING)
    });
    // One place, so that nobody is on the way to the service while another is let go.
    let limiter = RateLimiter::new_with_clock(RateLimits::new(1, 100_000), clock.clone()).unwrap();
    let (report, reports) = channel();
    for number in 0..THREADS {
        let name = format!("caller-{number}");
        // How many had been served when each of its calls began to wait.
        let began: Arc<Mutex<Vec<usize>>> = Arc::default();
        let (first_word, marks) = (Arc::new(AtomicBool::new(true)), Arc::clone(&began));
        let (hears, seen) = (Arc::clone(&first_word), Arc::clone(&callers));
        let client = known_as(&name, &server, &limiter)
            .clock(clock.clone())
            .on_wait(move |_| {
                if hears.swap(false, Ordering::SeqCst) {
                    marks.lock().unwrap().push(seen.lock().unwrap().len());
                }
                ControlFlow::Continue(())
            })
            .build()
            .unwrap();
        let (report, callers) = (report.clone(), Arc::clone(&callers));
        thread::spawn(move || {
            let call = || {
                first_word.store(true, Ordering::SeqCst);
                let waits = began.lock().unwrap().len();
                client.scan_agents().unwrap();
                let (began, callers) = (began.lock().unwrap(), callers.lock().unwrap());
                let own = format!("Bearer {name}");
                let at = callers.iter().rposition(|caller| *caller == own).unwrap();
                if let Some(began) = began.get(waits) {
                    let mut before = callers[*began..at].to_vec();
                    before.sort();
                    let passed = before.len();
                    before.dedup();
                    assert_eq!(before.len(), passed, "somebody went twice: {callers:?}");
                }
            };
            let calls = AssertUnwindSafe(|| (0..CALLS).for_each(|_| call()));
            let _ = report.send(catch_unwind(calls).map(Ok).map_err(drop));
        });
    }
    assert_eq!(panics(outcomes(&reports, THREADS)), 0);
    assert_eq!(server.calls(), THREADS * CALLS);
}

/// Panics whenever its number comes up; its tokens are good for one call.
#[derive(Debug, Default)]
struct Moody {
    asked: AtomicUsize,
}

impl Credential for Moody {
    fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(number % 4 != 3, "the credential is in a mood");
        Ok(AccessToken::new("t").expires_in(SECOND))
    }
}

/// F96: threads that panic with a permit in their hands, while others queue for one, take nothing
/// away: the others are all served, within the limits, and every place is free again.
#[test]
fn a_panic_with_a_permit_stops_nobody_else() {
    for per_minute in [1, 8] {
        let service = Service::new();
        let limits = RateLimits::new(per_minute, 1_000);
        let limiter = RateLimiter::new_with_clock(limits, service.clock.clone()).unwrap();
        let moody = Arc::new(Moody::default());
        let client = Client::builder(Arc::clone(&moody))
            .cloud(cloud(service.server.url()))
            .clock(service.clock.clone())
            .rate_limiter(limiter.clone())
            .max_wait(Duration::MAX)
            .no_proxy()
            .build()
            .unwrap();
        let (report, reports) = channel();
        for _ in 0..THREADS {
            call_in_thread(&client, &report);
        }
        let panicked = panics(outcomes(&reports, THREADS));
        let asked = moody.asked.load(Ordering::SeqCst);
        assert_eq!(panicked, asked / 4);
        assert!(panicked > 0);
        let calls = service.calls();
        assert_eq!(calls.len(), THREADS - panicked);
        let most = most_in_any_window(&calls, SECOND * 60);
        assert!(most <= usize::try_from(per_minute).unwrap(), "{most}");
        service.clock.advance(SECOND * 60);
        let quota = limiter.quota().scan_agents;
        assert_eq!(
            (quota.left_in_minute, quota.next_call_in),
            (per_minute, Duration::ZERO)
        );
    }
}

/// F96: threads whose observers panic in the queue leave it, and those behind them move up.
#[test]
fn a_panic_in_the_queue_stops_nobody_else() {
    let service = Service::new();
    let limits = RateLimits::new(2, 1_000);
    let limiter = RateLimiter::new_with_clock(limits, service.clock.clone()).unwrap();
    let panicked = Arc::new(AtomicUsize::new(0));
    let (report, reports) = channel();
    for number in 0..THREADS {
        let builder = service
            .client(limits)
            .rate_limiter(limiter.clone())
            .max_wait(Duration::MAX);
        let panicked = Arc::clone(&panicked);
        let builder = if number % 3 == 0 {
            builder.on_wait(move |_| {
                panicked.fetch_add(1, Ordering::SeqCst);
                panic!("on purpose")
            })
        } else {
            builder
        };
        call_in_thread(&builder.build().unwrap(), &report);
    }
    let gone = panics(outcomes(&reports, THREADS));
    assert_eq!(gone, panicked.load(Ordering::SeqCst));
    // At most two of the eleven found a place without a wait.
    assert!((9..=11).contains(&gone), "{gone}");
    let calls = service.calls();
    assert_eq!(calls.len(), THREADS - gone);
    assert!(most_in_any_window(&calls, SECOND * 60) <= 2);
    service.clock.advance(SECOND * 60);
    let quota = limiter.quota().scan_agents;
    assert_eq!(
        (quota.left_in_minute, quota.next_call_in),
        (2, Duration::ZERO)
    );
}

/// F96: an observer may look at the limiter that its call waits for: no lock is held while it is told.
#[test]
fn an_observer_may_look_at_the_quota() {
    let service = Service::new();
    let limits = RateLimits::new(1, 1_000);
    let limiter = RateLimiter::new_with_clock(limits, service.clock.clone()).unwrap();
    let (looked, looks) = channel();
    let (looked, looking) = (Mutex::new(looked), limiter.clone());
    let client = service
        .client(limits)
        .rate_limiter(limiter)
        .max_wait(Duration::MAX)
        .on_wait(move |wait| {
            let quota = looking.quota().scan_agents;
            let both = (wait.left, quota.next_call_in);
            looked.lock().unwrap().send(both).unwrap();
            ControlFlow::Continue(())
        })
        .build()
        .unwrap();
    let (report, reports) = channel();
    client.scan_agents().unwrap();
    call_in_thread(&client, &report);
    assert_eq!(panics(outcomes(&reports, 1)), 0);
    // Whoever came then would be the next but one.
    let expected: Vec<_> = (1..=60)
        .rev()
        .map(|left| (SECOND * left, SECOND * (left + 60)))
        .collect();
    assert_eq!(looks.try_iter().collect::<Vec<_>>(), expected);
}

/// F96: 32 threads walk and call on one client on a bad day: throttled, refused, cut off, with tokens
/// that expire. Each gets all of its answers, and nothing hangs.
#[test]
fn nothing_hangs_where_everything_happens_at_once() {
    let tenant = Tenant::demo().unwrap();
    let clock = FakeClock::new();
    let client = tenant
        .client_builder()
        .unwrap()
        .clock(clock.clone())
        .max_wait(Duration::MAX)
        .retry_policy(RetryPolicy::default().retries(50))
        .build()
        .unwrap();
    for call in [3, 17, 40, 41, 80] {
        tenant.fail(Fault::status(503).on_call(call));
        tenant.fail(Fault::throttled(SECOND * 9).on_call(call + 2));
        tenant.fail(Fault::cut_body().on_call(call + 4));
        tenant.fail(Fault::disconnect().on_call(call + 5));
        tenant.fail(Fault::status(503).path("oauth2").on_call(call % 4));
    }
    let (report, reports) = channel();
    for number in 0..THREADS {
        let (client, report) = (client.clone(), report.clone());
        thread::spawn(move || {
            let calls = AssertUnwindSafe(|| match number % 4 {
                0 => client.scan_agents().map(|agents| agents.len()),
                1 => client
                    .scan_definitions()
                    .map(|definitions| definitions.len().min(1) * 5),
                _ => client
                    .machines()
                    .into_iter()
                    .map(|row| row.map(drop))
                    .try_fold(0, |rows, row| row.map(|()| rows + 1)),
            });
            let rows = catch_unwind(calls).map_err(drop);
            let expected = if number % 4 < 2 { 5 } else { 347 };
            let outcome = rows.map(|rows| rows.map(|rows| assert_eq!(rows, expected)));
            let _ = report.send(outcome);
        });
    }
    for done in 0..THREADS {
        assert_eq!(panics(outcomes(&reports, 1)), 0);
        if done == 4 {
            // Once: a second time within one call, and the call would fail as it should.
            tenant.expire_tokens();
        }
    }
    assert!(tenant.calls("/api/") > 16 + 16 * 4);
}

/// F96: client, builder and what they are made of go to other threads.
#[test]
fn a_client_and_its_parts_are_send_and_sync() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    check::<Client>();
    check::<ClientBuilder>();
    check::<RateLimiter>();
    check::<RateLimits>();
    check::<ClientSecret>();
    check::<StaticToken>();
    check::<Cloud>();
    check::<FakeClock>();
}

// --- two clients

/// F97: two clients for one app registration. They keep its limits together if they are given one
/// limiter; two of their own know nothing of each other.
#[test]
fn clients_with_one_limiter_share_its_windows_and_others_do_not() {
    let service = Service::new();
    let limits = RateLimits::new(2, 2);
    let limiter = RateLimiter::new_with_clock(limits, service.clock.clone()).unwrap();
    assert_eq!(limiter.limits(), limits);
    let [one, other] = [(); 2].map(|()| {
        // The client's own limits don't matter then.
        service
            .client(RateLimits::documented())
            .rate_limiter(limiter.clone())
            .build()
            .unwrap()
    });
    one.scan_agents().unwrap();
    other.scan_agents().unwrap();
    assert_eq!(kind(one.scan_agents()), REFUSED);
    assert_eq!(kind(other.scan_agents()), REFUSED);

    let builder = service.client(limits);
    let [one, other] = [builder.clone().build().unwrap(), builder.build().unwrap()];
    for client in [one, other] {
        client.scan_agents().unwrap();
        client.scan_agents().unwrap();
        assert_eq!(kind(client.scan_agents()), REFUSED);
    }
}

/// F97: so do the threads of both.
#[test]
fn the_threads_of_two_clients_stay_below_the_limits_of_their_limiter() {
    let service = Service::new();
    let limits = RateLimits::new(15, 60);
    let limiter = RateLimiter::new_with_clock(limits, service.clock.clone()).unwrap();
    let clients = [(); 2].map(|()| {
        service
            .client(RateLimits::documented())
            .rate_limiter(limiter.clone())
            .max_wait(Duration::MAX)
            .build()
            .unwrap()
    });
    let (report, reports) = channel();
    for number in 0..THREADS * 4 {
        call_in_thread(&clients[number % 2], &report);
    }
    assert_eq!(panics(outcomes(&reports, THREADS * 4)), 0);
    let calls = service.calls();
    assert_eq!(calls.len(), THREADS * 4);
    assert!(most_in_any_window(&calls, SECOND * 60) <= 15);
    assert!(most_in_any_window(&calls, SECOND * 3_600) <= 60);
}
