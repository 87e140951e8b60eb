//! The cache under a scheduler that tries the interleavings of its threads, in which a wait never
//! times out: whoever is not woken is a deadlock, which fails the test.

use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::thread;

use super::*;
use crate::clock::SystemClock;
use crate::http::{Http, Proxy, Settings};
use crate::rate_limit::Api;

/// How many schedules are tried for each rule, by two strategies.
const SCHEDULES: usize = 1_000;

fn explore(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(scenario.clone(), SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

/// Lets other threads run in the middle of each renewal, and does at its number what is asked for.
#[derive(Debug)]
struct Scripted {
    asked: AtomicUsize,
    renewing: AtomicUsize,
    outcome: fn(usize) -> Result<AccessToken, Error>,
}

impl Credential for Scripted {
    fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let others = self.renewing.fetch_add(1, Ordering::SeqCst);
        assert_eq!(others, 0, "two renewals at once");
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        self.renewing.fetch_sub(1, Ordering::SeqCst);
        (self.outcome)(number)
    }
}

fn token(number: usize) -> AccessToken {
    AccessToken::new(format!("token-{number}")).expires_in(Duration::from_secs(3_600))
}

fn http() -> Http {
    let second = Duration::from_secs(1);
    Http::new(&Settings {
        user_agent: String::new(),
        connect_timeout: second,
        read_timeout: second,
        try_timeout: second,
        body_limit: 1,
        proxy: Proxy::None,
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        tls: crate::http::Tls::default(),
    })
    .unwrap()
}

/// What each of so many threads got that asked for a token all at once, and how often the
/// credential was asked.
fn all_at_once(
    threads: usize,
    outcome: fn(usize) -> Result<AccessToken, Error>,
) -> (Vec<Result<Secret, Error>>, usize) {
    let credential = Arc::new(Scripted {
        asked: AtomicUsize::new(0),
        renewing: AtomicUsize::new(0),
        outcome,
    });
    let clock = Arc::new(SystemClock);
    let cache = Arc::new(TokenCache::new(Arc::clone(&credential) as _, clock));
    let http = Arc::new(http());
    let callers: Vec<_> = (0..threads)
        .map(|_| {
            let (cache, http) = (Arc::clone(&cache), Arc::clone(&http));
            thread::spawn(move || {
                let never = Deadline::after(None, &SystemClock);
                let request = TokenRequest::new(
                    "scope",
                    "authority",
                    &http,
                    &SystemClock,
                    never,
                    Api::Machines,
                );
                cache.bearer(&request, never)
            })
        })
        .collect();
    let outcomes = callers.into_iter().map(|caller| caller.join().unwrap());
    let outcomes = outcomes.collect();
    assert!(!cache.lock().renewing);
    (outcomes, credential.asked.load(Ordering::SeqCst))
}

#[test]
fn one_renewal_serves_all() {
    explore(|| {
        let (outcomes, asked) = all_at_once(3, |number| Ok(token(number)));
        for outcome in outcomes {
            assert_eq!(outcome.unwrap().expose(), "token-0");
        }
        assert_eq!(asked, 1);
    });
}

#[test]
fn a_failure_wakes_all_and_is_not_cached() {
    explore(|| {
        let (outcomes, asked) = all_at_once(3, |number| match number {
            0 => Err(Error::credential("not yet").with_retryable(true)),
            _ => Ok(token(number)),
        });
        // Who waited shares the failure; who came behind it asked anew.
        let failed = outcomes.iter().filter(|it| it.is_err()).count();
        assert!(failed >= 1);
        assert_eq!(asked, if failed == 3 { 1 } else { 2 });
    });
}
