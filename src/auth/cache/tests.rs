//! The cache against a clock that stands still and a credential that does as it is told.

use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Instant;

use super::*;
use crate::auth::ManagedIdentity;
use crate::call::rig::Rig;
use crate::environment::Environment;
use crate::error::ErrorKind;
use crate::http::memory::{Reply, Script, Step};
use crate::testing::FakeClock;
use crate::wait::Observer;

const NANO: Duration = Duration::from_nanos(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn just_before(time: Duration) -> Duration {
    time.checked_sub(NANO).unwrap()
}

fn rig() -> Rig {
    let mut rig = Rig::new(Script::new([] as [Step; 0]));
    let clock = Clocks::of(&rig.clock, &rig.clock);
    let credential: Arc<dyn Credential> = Arc::clone(&rig.tokens) as _;
    rig.set().tokens = TokenCache::new(credential, clock);
    rig
}

fn ask(rig: &Rig) -> Result<String, Error> {
    ask_cache(&rig.shared.tokens, rig)
}

/// The rig is only what the credential is told of.
fn ask_cache(cache: &TokenCache, rig: &Rig) -> Result<String, Error> {
    let never = Deadline::after(None, &rig.clock);
    let token = cache.bearer(&rig.token_request(), never)?;
    Ok(token.expose().to_owned())
}

/// By a caller that has so much time.
fn ask_within(rig: &Rig, time: Duration) -> Result<String, Error> {
    let deadline = Deadline::after(Some(time), &rig.clock);
    let token = rig.shared.tokens.bearer(&rig.token_request(), deadline)?;
    Ok(token.expose().to_owned())
}

/// What becomes of a request that has no time left.
fn out_of_time() -> Error {
    Error::new(ErrorKind::Timeout, "out of time").with_retryable(true)
}

/// A token that is good for so long.
fn lasting(name: &str, lifetime: Duration) -> AccessToken {
    AccessToken::new(name).expires_in(lifetime)
}

/// A refusal by the token endpoint.
fn refusal(status: u16) -> Error {
    Error::from_token_status(status, b"{}", &Secret::from("a-secret"))
}

#[test]
fn a_token_without_an_expiry_is_used_until_it_is_refused() {
    let rig = rig();
    assert_eq!(ask(&rig).unwrap(), "token-1");
    rig.clock.advance(secs(1_000_000_000));
    assert_eq!(ask(&rig).unwrap(), "token-1");
    rig.shared.tokens.refuse(&Secret::from("another"));
    assert_eq!(ask(&rig).unwrap(), "token-1");
    rig.shared.tokens.refuse(&Secret::from("token-1"));
    assert_eq!(ask(&rig).unwrap(), "token-2");
    assert_eq!(rig.tokens.asked(), 2);
}

#[test]
fn a_token_is_renewed_five_minutes_early_or_at_half_its_life() {
    for (lifetime, renewed_after) in [
        (secs(86_400), secs(86_100)),
        (secs(3_600), secs(3_300)),
        (secs(601), secs(301)),
        (secs(600), secs(300)),
        (secs(599), Duration::from_millis(299_500)),
        (secs(100), secs(50)),
        (secs(1), Duration::from_millis(500)),
    ] {
        let rig = rig();
        // Not from the moment at which time begins.
        rig.clock.advance(secs(1_000));
        rig.tokens.next(Ok(lasting("first", lifetime)));
        ask(&rig).unwrap();
        rig.clock.advance(just_before(renewed_after));
        assert_eq!(ask(&rig).unwrap(), "first", "{lifetime:?}");
        rig.clock.advance(NANO);
        assert_eq!(ask(&rig).unwrap(), "token-2", "{lifetime:?}");
        assert_eq!(rig.tokens.asked(), 2);
    }
}

#[test]
fn of_two_expiries_the_earlier_one_counts() {
    for (expires_in, expires_on) in [
        (Some(100), None),
        (None, Some(100)),
        (Some(100), Some(5_000)),
        (Some(5_000), Some(100)),
    ] {
        let rig = rig();
        let mut token = AccessToken::new("first");
        token.expires_in = expires_in.map(secs);
        token.expires_on = expires_on.map(|seconds| rig.clock.utc() + secs(seconds));
        rig.tokens.next(Ok(token));
        ask(&rig).unwrap();
        rig.clock.advance(just_before(secs(50)));
        assert_eq!(ask(&rig).unwrap(), "first");
        rig.clock.advance(NANO);
        assert_eq!(ask(&rig).unwrap(), "token-2");
    }
}

#[test]
fn a_token_that_has_expired_on_arrival_is_an_error() {
    let rig = rig();
    let now = rig.clock.utc();
    let tokens = [
        lasting("a", Duration::ZERO),
        AccessToken::new("b").expires_on(now),
        AccessToken::new("c").expires_on(now - secs(5)),
        lasting("d", secs(100)).expires_on(now - secs(5)),
        lasting("e", Duration::ZERO).expires_on(now + secs(5)),
    ];
    for token in tokens {
        rig.tokens.next(Ok(token));
        let error = ask(&rig).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(error.to_string().contains("expired"), "{error}");
    }
    assert_eq!(rig.tokens.asked(), 5, "nothing of it is remembered");
    rig.tokens.next(Ok(lasting("f", NANO)));
    assert_eq!(ask(&rig).unwrap(), "f");
}

#[test]
fn a_token_that_can_not_stand_in_a_header_is_an_error() {
    let rig = rig();
    for token in ["", "two words", "line\r\nbreak"] {
        rig.tokens.next(Ok(AccessToken::new(token)));
        let error = ask(&rig).unwrap_err();
        assert!(error.to_string().contains("the access token"), "{error}");
    }
    assert_eq!(ask(&rig).unwrap(), "token-4");
}

#[test]
fn while_a_token_lasts_a_failed_renewal_leaves_it_and_pauses() {
    for (failure, pause) in [
        (Error::credential("sealed"), secs(30)),
        (refusal(503), secs(30)),
        (refusal(401), secs(60)),
    ] {
        let rig = rig();
        rig.tokens.next(Ok(lasting("old", secs(3_600))));
        ask(&rig).unwrap();
        rig.clock.advance(secs(3_300));
        rig.tokens.next(Err(failure.duplicate()));
        rig.tokens.next(Err(failure));
        assert_eq!(ask(&rig).unwrap(), "old");
        assert_eq!(rig.tokens.asked(), 2);
        rig.clock.advance(just_before(pause));
        assert_eq!(ask(&rig).unwrap(), "old");
        assert_eq!(rig.tokens.asked(), 2, "not before the pause is over");
        rig.clock.advance(NANO);
        assert_eq!(ask(&rig).unwrap(), "old");
        assert_eq!(rig.tokens.asked(), 3);
        rig.clock.advance(pause);
        assert_eq!(ask(&rig).unwrap(), "token-4");
    }
}

#[test]
fn who_has_no_time_left_gets_the_old_token_and_renews_nothing() {
    for left in [Duration::ZERO, NANO] {
        let rig = rig();
        rig.tokens.next(Ok(lasting("old", secs(3_600))));
        ask(&rig).unwrap();
        rig.clock.advance(secs(3_300));
        assert_eq!(ask_within(&rig, left).unwrap(), "old");
        assert_eq!(rig.tokens.asked(), 1);
        assert_eq!(ask_within(&rig, secs(2)).unwrap(), "token-2");
        assert_eq!(rig.tokens.times_left(), [None, Some(secs(1))]);
    }
}

#[test]
fn an_early_renewal_that_had_too_little_time_is_left_to_callers_with_more() {
    for (more, given) in [(None, None), (Some(secs(20)), Some(secs(10)))] {
        let rig = rig();
        rig.tokens.next(Ok(lasting("old", secs(3_600))));
        ask(&rig).unwrap();
        rig.clock.advance(secs(3_300));
        rig.tokens.next_after(secs(5), Err(out_of_time()));
        assert_eq!(ask_within(&rig, secs(10)).unwrap(), "old");
        // With about the same deadline, each of them would lose half of it.
        for deadline in [secs(10), secs(19)] {
            assert_eq!(ask_within(&rig, deadline).unwrap(), "old");
        }
        assert_eq!(rig.tokens.asked(), 2);
        let patient = match more {
            Some(deadline) => ask_within(&rig, deadline),
            None => ask(&rig),
        };
        assert_eq!(patient.unwrap(), "token-3");
        assert_eq!(rig.tokens.times_left(), [None, Some(secs(5)), given]);
    }
}

#[test]
fn callers_with_little_time_renew_early_once_a_pause() {
    let rig = rig();
    rig.tokens.next(Ok(lasting("old", secs(3_600))));
    ask(&rig).unwrap();
    rig.clock.advance(secs(3_300));
    rig.tokens.next_after(secs(5), Err(out_of_time()));
    assert_eq!(ask_within(&rig, secs(10)).unwrap(), "old");
    rig.clock.advance(just_before(PAUSE));
    assert_eq!(ask_within(&rig, secs(10)).unwrap(), "old");
    assert_eq!(rig.tokens.asked(), 2);
    rig.clock.advance(NANO);
    assert_eq!(ask_within(&rig, secs(10)).unwrap(), "token-3");
}

#[test]
fn an_early_renewal_that_failed_before_its_time_was_over_pauses_for_all() {
    for failure in [out_of_time(), refusal(503)] {
        let rig = rig();
        rig.tokens.next(Ok(lasting("old", secs(3_600))));
        ask(&rig).unwrap();
        rig.clock.advance(secs(3_300));
        let time = just_before(secs(5));
        rig.tokens.next_after(time, Err(failure));
        assert_eq!(ask_within(&rig, secs(10)).unwrap(), "old");
        assert_eq!(ask(&rig).unwrap(), "old");
        assert_eq!(rig.tokens.asked(), 2);
    }
}

#[test]
fn the_failure_to_renew_a_token_that_expires_meanwhile_is_the_error() {
    let rig = rig();
    rig.tokens.next(Ok(lasting("old", secs(3_600))));
    ask(&rig).unwrap();
    rig.clock.advance(secs(3_599));
    rig.tokens
        .next_after(secs(1), Err(Error::credential("sealed")));
    assert!(ask(&rig).unwrap_err().to_string().contains("sealed"));
    assert_eq!(ask(&rig).unwrap(), "token-3");
}

#[test]
fn a_refusal_stands_for_a_minute_and_other_failures_do_not() {
    let rig = rig();
    rig.clock.advance(secs(1_000));
    rig.tokens.next(Err(refusal(401)));
    for step in [Duration::ZERO, secs(30), just_before(secs(30))] {
        rig.clock.advance(step);
        let error = ask(&rig).unwrap_err();
        assert_eq!((error.status(), rig.tokens.asked()), (Some(401), 1));
    }
    rig.clock.advance(NANO);
    assert_eq!(ask(&rig).unwrap(), "token-2");

    let rig = self::rig();
    rig.tokens.next(Err(refusal(503)));
    rig.tokens.next(Err(Error::credential("no file")));
    rig.tokens
        .next(Err(Error::credential("busy").with_retryable(true)));
    for asked in 1..=3 {
        ask(&rig).unwrap_err();
        assert_eq!(rig.tokens.asked(), asked);
    }
    assert_eq!(ask(&rig).unwrap(), "token-4");
}

/// Who failed has tried as often as it may; who only hears of it may still wait and ask.
#[test]
fn a_pause_that_others_hear_of_is_one_that_they_can_wait_for() {
    let rig = rig();
    let failure = refusal(429).with_retry(Retry::Later);
    rig.tokens
        .next(Err(failure.with_retry_after(Some(secs(40)))));
    assert_eq!(ask(&rig).unwrap_err().retry(), Retry::Later);
    rig.clock.advance(secs(10));
    let told = ask(&rig).unwrap_err();
    assert_eq!(
        (told.retry(), told.retry_after(), rig.tokens.asked()),
        (Retry::BackOff, Some(secs(30)), 1)
    );
    rig.clock.advance(secs(30));
    assert_eq!(ask(&rig).unwrap(), "token-2");
}

#[test]
fn a_refusal_to_renew_stands_when_the_old_token_is_refused_too() {
    let rig = rig();
    rig.tokens.next(Ok(lasting("old", secs(3_600))));
    ask(&rig).unwrap();
    rig.clock.advance(secs(3_300));
    rig.tokens.next(Err(refusal(400)));
    assert_eq!(ask(&rig).unwrap(), "old");
    rig.shared.tokens.refuse(&Secret::from("old"));
    assert_eq!(ask(&rig).unwrap_err().status(), Some(400));
    assert_eq!(rig.tokens.asked(), 2);
    rig.clock.advance(secs(60));
    assert_eq!(ask(&rig).unwrap(), "token-3");
}

#[test]
fn a_renewal_that_goes_well_wipes_the_refusal_before_it_out() {
    let rig = rig();
    rig.tokens.next(Ok(lasting("old", secs(3_600))));
    ask(&rig).unwrap();
    rig.clock.advance(secs(3_300));
    rig.tokens.next(Err(refusal(400)));
    assert_eq!(ask(&rig).unwrap(), "old");
    rig.clock.advance(secs(60));
    assert_eq!(ask(&rig).unwrap(), "token-3");
    rig.shared.tokens.refuse(&Secret::from("token-3"));
    assert_eq!(ask(&rig).unwrap(), "token-4");
}

/// Two clocks of which the wall's may jump. Breaks when it is used for too long, so that a test
/// that waits in vain fails, and counts who looks at it.
#[derive(Debug)]
struct Clocks {
    fake: FakeClock,
    wall: FakeClock,
    looks: AtomicUsize,
    begun: Instant,
}

impl Clocks {
    fn new() -> Arc<Self> {
        Self::of(&FakeClock::new(), &FakeClock::new())
    }

    fn of(fake: &FakeClock, wall: &FakeClock) -> Arc<Self> {
        Arc::new(Self {
            fake: fake.clone(),
            wall: wall.clone(),
            looks: AtomicUsize::new(0),
            begun: Instant::now(),
        })
    }
}

impl Clock for Clocks {
    fn now(&self) -> Duration {
        let stuck = self.begun.elapsed() > secs(10) && !thread::panicking();
        assert!(!stuck, "somebody waits in vain");
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.fake.now()
    }

    fn utc(&self) -> OffsetDateTime {
        self.wall.utc()
    }

    fn sleep(&self, _: Duration) {
        unreachable!("the cache doesn't sleep");
    }
}

/// A credential that runs a closure, which is given the number of the request.
struct Runs<F>(F, AtomicUsize);

impl<F> std::fmt::Debug for Runs<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runs")
    }
}

impl<F> Credential for Runs<F>
where
    F: Fn(usize, &TokenRequest<'_>) -> Result<AccessToken, Error> + Send + Sync,
{
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        self.0(self.1.fetch_add(1, Ordering::SeqCst) + 1, request)
    }
}

fn runs(
    clocks: &Arc<Clocks>,
    run: impl Fn(usize) -> Result<AccessToken, Error> + Send + Sync + 'static,
) -> TokenCache {
    let run = move |number, _: &TokenRequest<'_>| run(number);
    let credential = Arc::new(Runs(run, AtomicUsize::new(0)));
    TokenCache::new(credential, Arc::clone(clocks) as _)
}

#[test]
fn a_date_counts_by_the_wall_and_a_lifetime_does_not() {
    let (rig, clocks) = (rig(), Clocks::new());
    let date = clocks.utc() + secs(100);
    let cache = runs(&clocks, move |number| {
        Ok(match number {
            1 => AccessToken::new("by-date").expires_on(date),
            2 => lasting("by-time", secs(100)),
            _ => AccessToken::new("last"),
        })
    });
    assert_eq!(ask_cache(&cache, &rig).unwrap(), "by-date");
    clocks.wall.advance(just_before(secs(100)));
    assert_eq!(ask_cache(&cache, &rig).unwrap(), "by-date");
    // The machine slept, and its monotonic clock with it.
    clocks.wall.advance(NANO);
    assert_eq!(ask_cache(&cache, &rig).unwrap(), "by-time");
    clocks.wall.advance(secs(1_000_000));
    assert_eq!(ask_cache(&cache, &rig).unwrap(), "by-time");
    clocks.fake.advance(secs(100));
    assert_eq!(ask_cache(&cache, &rig).unwrap(), "last");
}

#[test]
fn a_lifetime_that_is_over_ends_a_token_whatever_its_date() {
    let (rig, clocks) = (rig(), Clocks::new());
    let date = clocks.utc() + secs(1_000_000);
    let cache = runs(&clocks, move |number| match number {
        1 => Ok(lasting("first", secs(100)).expires_on(date)),
        _ => Err(Error::credential("sealed")),
    });
    assert_eq!(ask_cache(&cache, &rig).unwrap(), "first");
    clocks.fake.advance(just_before(secs(100)));
    assert_eq!(ask_cache(&cache, &rig).unwrap(), "first");
    clocks.fake.advance(NANO);
    ask_cache(&cache, &rig).unwrap_err();
}

/// Lets a cache be reached by its own credential.
type Place = Arc<OnceLock<TokenCache>>;

#[test]
fn while_one_renews_others_go_on_with_the_old_token() {
    let (rig, clocks, place) = (Arc::new(rig()), Clocks::new(), Place::default());
    let (inner_rig, inner) = (Arc::clone(&rig), Arc::clone(&place));
    let cache = runs(&clocks, move |number| {
        if number == 2 {
            let token = ask_cache(inner.get().unwrap(), &inner_rig).unwrap();
            assert_eq!(token, "token-1");
        }
        Ok(lasting(&format!("token-{number}"), secs(3_600)))
    });
    let cache = place.get_or_init(|| cache);
    assert_eq!(ask_cache(cache, &rig).unwrap(), "token-1");
    clocks.fake.advance(secs(3_300));
    assert_eq!(ask_cache(cache, &rig).unwrap(), "token-2");
}

#[test]
fn who_has_no_time_left_does_not_wait_for_anothers_renewal() {
    let (rig, clocks, place) = (Arc::new(rig()), Clocks::new(), Place::default());
    let (inner_rig, inner, time) = (Arc::clone(&rig), Arc::clone(&place), Arc::clone(&clocks));
    let cache = runs(&clocks, move |_| {
        let cache = inner.get().unwrap();
        let over = Deadline::after(Some(Duration::ZERO), &*time);
        let error = cache.bearer(&inner_rig.token_request(), over);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
        Ok(AccessToken::new("there"))
    });
    let cache = place.get_or_init(|| cache);
    assert_eq!(ask_cache(cache, &rig).unwrap(), "there");
}

/// Lets so many threads wait for the renewal of the first, and returns what each of them got.
fn together(
    waiters: usize,
    outcome: impl Fn(usize) -> Result<AccessToken, Error> + Send + Sync + 'static,
) -> (Vec<Result<String, Error>>, usize) {
    let (rig, clocks) = (rig(), Clocks::new());
    let asked = Arc::new(AtomicUsize::new(0));
    let (time, count) = (Arc::clone(&clocks), Arc::clone(&asked));
    let cache = runs(&clocks, move |number| {
        count.fetch_add(1, Ordering::SeqCst);
        // Whoever looks at the clock holds the lock until it waits, and then the renewal can end.
        while number == 1 && time.looks.load(Ordering::SeqCst) < 1 + waiters {
            assert!(time.begun.elapsed() < secs(10), "a thread is stuck");
            thread::yield_now();
        }
        outcome(number)
    });
    let outcomes = thread::scope(|scope| {
        let first = scope.spawn(|| ask_cache(&cache, &rig));
        while asked.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let others: Vec<_> = (0..waiters)
            .map(|_| scope.spawn(|| ask_cache(&cache, &rig)))
            .collect();
        let all = std::iter::once(first).chain(others);
        all.map(|thread| thread.join().unwrap()).collect()
    });
    (outcomes, asked.load(Ordering::SeqCst))
}

#[test]
fn who_waits_for_a_renewal_shares_its_token() {
    let (outcomes, asked) = together(5, |_| Ok(lasting("one", secs(3_600))));
    assert_eq!((outcomes.len(), asked), (6, 1));
    assert!(outcomes.into_iter().all(|token| token.unwrap() == "one"));
}

#[test]
fn who_waits_for_a_renewal_shares_its_failure() {
    let (outcomes, asked) = together(5, |_| Err(Error::credential("sealed").with_retryable(true)));
    assert_eq!((outcomes.len(), asked), (6, 1));
    for outcome in outcomes {
        assert!(outcome.unwrap_err().to_string().contains("sealed"));
    }
}

#[test]
fn who_waits_for_a_renewal_that_had_too_little_time_asks_again() {
    let error = waits_for_an_early_one(out_of_time);
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// Which is satisfied with less than who needs it.
#[test]
fn who_waits_for_an_early_renewal_that_may_go_better_asks_again() {
    let error = waits_for_an_early_one(|| refusal(503));
    assert_eq!(error.status(), Some(503));
}

/// What a renewal ends with in which the old token expires, where another caller gets its own.
fn waits_for_an_early_one(failure: impl Fn() -> Error + Send + Sync + 'static) -> Error {
    let (rig, clocks) = (rig(), Clocks::new());
    let time = Arc::clone(&clocks);
    let (renewing, is_renewing) = mpsc::channel();
    let cache = runs(&clocks, move |number| match number {
        1 => Ok(lasting("old", secs(3_600))),
        2 => {
            // Half of the caller's ten seconds, in which the old token expires.
            time.fake.advance(secs(5));
            let looks = time.looks.load(Ordering::SeqCst);
            renewing.send(()).unwrap();
            // Whoever looks at the clock holds the lock until it waits.
            while time.looks.load(Ordering::SeqCst) == looks {
                assert!(time.begun.elapsed() < secs(10), "a thread is stuck");
                thread::yield_now();
            }
            Err(failure())
        }
        _ => Ok(lasting("new", secs(3_600))),
    });
    ask_cache(&cache, &rig).unwrap();
    clocks.fake.advance(secs(3_599));
    let (hasty, patient) = thread::scope(|scope| {
        let hasty = scope.spawn(|| {
            let deadline = Deadline::after(Some(secs(10)), &*clocks);
            cache.bearer(&rig.token_request(), deadline)
        });
        is_renewing.recv_timeout(secs(10)).unwrap();
        let patient = scope.spawn(|| ask_cache(&cache, &rig));
        (hasty.join().unwrap(), patient.join().unwrap())
    });
    assert_eq!(patient.unwrap(), "new");
    hasty.unwrap_err()
}

/// Two callers with so much time, of whom the second waits behind the first: what each of them gets,
/// and a third one, which has all the time there is, afterwards.
fn behind_a_hasty_one(
    rig: &Rig,
    observer: Option<&Observer>,
    times: [Option<Duration>; 2],
    token: impl Fn(&TokenRequest<'_>) -> Result<AccessToken, Error> + Send + Sync + 'static,
) -> [Result<Secret, Error>; 3] {
    let clocks = Clocks::of(&rig.clock, &rig.clock);
    let looked = Arc::clone(&clocks);
    let (renewing, is_renewing) = mpsc::channel();
    let run = move |number, request: &TokenRequest<'_>| {
        if number == 1 {
            let looks = looked.looks.load(Ordering::SeqCst);
            renewing.send(()).unwrap();
            // Whoever looks at the clock holds the lock until it waits.
            while looked.looks.load(Ordering::SeqCst) == looks {
                assert!(looked.begun.elapsed() < secs(10), "a thread is stuck");
                thread::yield_now();
            }
        }
        token(request)
    };
    let credential = Arc::new(Runs(run, AtomicUsize::new(0)));
    let cache = TokenCache::new(credential, Arc::clone(&clocks) as _);
    let ask = |time| {
        // Not by the clock whose looks count.
        let deadline = Deadline::after(time, &rig.clock);
        cache.bearer(&rig.token_request().heard_by(observer), deadline)
    };
    let (hasty, patient) = thread::scope(|scope| {
        let hasty = scope.spawn(|| ask(times[0]));
        is_renewing.recv_timeout(secs(10)).unwrap();
        let patient = scope.spawn(|| ask(times[1]));
        (hasty.join().unwrap(), patient.join().unwrap())
    });
    [hasty, patient, ask(None)]
}

/// A credential that must wait for its token, and one that makes an error of its own of that.
fn after_a_wait(request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
    request.pause(secs(5))?;
    Ok(lasting("there", secs(3_600)))
}

fn after_a_wait_in_other_words(request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
    after_a_wait(request).map_err(|cause| Error::credential("no luck").with_source(cause))
}

#[test]
fn a_wait_that_one_has_no_time_for_is_another_ones_to_bear() {
    for token in [after_a_wait, after_a_wait_in_other_words] {
        for more in [None, Some(secs(6))] {
            let rig = rig();
            let times = [Some(secs(3)), more];
            let [hasty, patient, last] = behind_a_hasty_one(&rig, None, times, token);
            let error = hasty.unwrap_err();
            assert!(format!("{error:?}").contains("deadline"), "{error:?}");
            assert_eq!(patient.unwrap().expose(), "there");
            assert_eq!(last.unwrap().expose(), "there");
            assert_eq!(rig.clock.now(), secs(5));
        }
    }
}

#[test]
fn a_wait_that_one_breaks_off_is_another_ones_to_bear() {
    for token in [after_a_wait, after_a_wait_in_other_words] {
        let rig = rig();
        let heard = AtomicUsize::new(0);
        let observer = Observer::new(move |_| match heard.fetch_add(1, Ordering::SeqCst) {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        let [hasty, patient, _] =
            behind_a_hasty_one(&rig, Some(&observer), [Some(secs(9)); 2], token);
        let error = hasty.unwrap_err();
        assert!(format!("{error:?}").contains("broken off"), "{error:?}");
        assert_eq!(patient.unwrap().expose(), "there");
    }
}

/// A managed identity, as an app's platform names it.
fn managed_identity() -> ManagedIdentity {
    let environment = |name: &str| {
        Ok(match name {
            "IDENTITY_ENDPOINT" => Some("http://127.0.0.1:1/msi/token".to_owned()),
            "IDENTITY_HEADER" => Some("a-header".to_owned()),
            _ => None,
        })
    };
    let found = ManagedIdentity::from_variables(&Environment(&environment));
    found.unwrap().unwrap()
}

#[test]
fn the_last_real_error_of_one_without_time_is_nobody_elses() {
    let there = Reply::json(r#"{"access_token":"there","expires_in":3600}"#);
    let rig = Rig::new(Script::new([Reply::new(503), there]));
    let identity = managed_identity();
    let token = move |request: &TokenRequest<'_>| identity.token(request);
    let times = [Some(secs(1)), None];
    let [hasty, patient, last] = behind_a_hasty_one(&rig, None, times, token);
    assert_eq!(hasty.unwrap_err().status(), Some(503));
    assert_eq!(patient.unwrap().expose(), "there");
    assert_eq!(last.unwrap().expose(), "there");
    assert_eq!(rig.memory.count(), 2);
}

/// Or the endpoint would be asked by each of them, one after the other, and each would give up.
#[test]
fn the_last_real_error_of_one_without_time_is_that_of_others_without() {
    let there = Reply::json(r#"{"access_token":"there","expires_in":3600}"#);
    let rig = Rig::new(Script::new([Reply::new(503), there]));
    let identity = managed_identity();
    let token = move |request: &TokenRequest<'_>| identity.token(request);
    let times = [Some(secs(1)); 2];
    let [hasty, other, last] = behind_a_hasty_one(&rig, None, times, token);
    assert_eq!(hasty.unwrap_err().status(), Some(503));
    assert_eq!(other.unwrap_err().status(), Some(503));
    assert_eq!(last.unwrap().expose(), "there", "it doesn't stand");
    assert_eq!(rig.memory.count(), 2);
    let [hasty, other, last] =
        behind_a_hasty_one(&self::rig(), None, [Some(secs(3)); 2], after_a_wait);
    for outcome in [hasty, other] {
        assert_eq!(outcome.unwrap_err().retry_after(), Some(secs(5)));
    }
    assert_eq!(last.unwrap().expose(), "there", "it doesn't stand");
}

/// Whoever has heard of it.
#[test]
fn a_pause_that_the_endpoint_asks_for_is_for_all() {
    let throttled = Reply::new(429).header("Retry-After", "40");
    let there = Reply::json(r#"{"access_token":"there","expires_in":3600}"#);
    let rig = Rig::new(Script::new([throttled, there]));
    let identity = managed_identity();
    let token = move |request: &TokenRequest<'_>| identity.token(request);
    for outcome in behind_a_hasty_one(&rig, None, [Some(secs(1)), None], token) {
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.status(), error.retry_after()),
            (Some(429), Some(secs(40)))
        );
    }
    assert_eq!(rig.memory.count(), 1);
}

#[test]
fn a_credential_that_panics_leaves_its_turn_to_others() {
    let (rig, clocks) = (rig(), Clocks::new());
    let cache = runs(&clocks, |number| {
        assert_ne!(number, 1, "as planned");
        Ok(AccessToken::new("second"))
    });
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| ask_cache(&cache, &rig)));
    assert!(panicked.is_err());
    assert_eq!(ask_cache(&cache, &rig).unwrap(), "second");
}
