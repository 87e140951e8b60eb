//! The limits as settings, and the limiter as a handle to its lanes.

use super::*;
use crate::error::ErrorKind;
use crate::testing::FakeClock;
use crate::wait::Deadline;

#[test]
fn zero_limits_are_refused() {
    for (per_minute, per_hour) in [(0, 0), (0, 1_500), (100, 0)] {
        let error = RateLimiter::new(RateLimits::new(per_minute, per_hour)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[test]
fn a_share_of_the_limits_is_rounded_down_and_nobodys_is_none() {
    let numbers = |limits: RateLimits| (limits.per_minute(), limits.per_hour());
    assert_eq!(RateLimits::default(), RateLimits::documented());
    for (processes, share) in [
        (0, (0, 0)),
        (1, (100, 1_500)),
        (3, (33, 500)),
        (101, (0, 14)),
    ] {
        let limits = RateLimits::documented().divided_by(processes);
        assert_eq!(numbers(limits), share, "{processes}");
    }
}

#[test]
fn a_limiter_tells_its_limits() {
    let limits = RateLimits::new(7, 70);
    let limiter = RateLimiter::new(limits).unwrap();
    assert_eq!(limiter.limits(), limits);
    assert_eq!(
        format!("{limiter:?}"),
        "RateLimiter { limits: RateLimits { per_minute: 7, per_hour: 70 }, .. }"
    );
}

/// Of one who would not wait at all.
fn patience(clock: &dyn Clock) -> Patience<'_> {
    Patience::new(clock, Duration::ZERO, Deadline::after(None, clock), None)
}

#[test]
fn each_api_has_windows_of_its_own_and_refusals_name_it() {
    const APIS: [(Api, &str); 4] = [
        (Api::Machines, "machines"),
        (Api::ScanAgents, "scan agents"),
        (Api::ScanDefinitions, "scan definitions"),
        (Api::ScanHistory, "scan history"),
    ];
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::new());
    let limiter = RateLimiter::with_clock(RateLimits::new(1, 1), &clock).unwrap();
    let shared = limiter.clone();
    let mut at_once = patience(&*clock);
    for (api, _) in APIS {
        limiter.acquire(api, &mut at_once).unwrap().start();
    }
    for (api, name) in APIS {
        let mut at_once = patience(&*clock);
        let Err(error) = shared.acquire(api, &mut at_once) else {
            panic!("clones share their windows");
        };
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(clock.now(), Duration::ZERO);
}
