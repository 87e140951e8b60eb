//! The limiter under a scheduler that tries the interleavings of its threads. A wait on a condition
//! variable never times out there, so that whoever is not woken is a deadlock, which fails the test:
//! the looks that waiters take of their own accord, once a second, hide nothing. Panics are left to
//! the other tests: all threads are one here, and it can't unwind while another goes on.

use std::ops::ControlFlow;

use shuttle::thread;
use time::OffsetDateTime;

use super::*;
use crate::rate_limit::{HOUR, MINUTE, RateLimiter, RateLimits};
use crate::wait::{Deadline, Observer};

/// How many schedules are tried for each rule, by two strategies.
const SCHEDULES: usize = 1_000;

/// Time that passes only where somebody sleeps, and then in leaps, which keeps the schedules short.
#[derive(Debug, Default)]
struct Time(Mutex<Duration>);

impl Clock for Time {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn utc(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }

    fn sleep(&self, duration: Duration) {
        let now = &mut *self.0.lock().unwrap();
        *now = now.saturating_add(duration * 20);
    }
}

fn explore(scenario: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(scenario.clone(), SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

fn lane(per_minute: u32, per_hour: u32) -> Arc<Lane> {
    let clock: Arc<dyn Clock> = Arc::new(Time::default());
    let rules = [(per_minute, MINUTE), (per_hour, HOUR)];
    Arc::new(Lane::new(Api::Machines, rules, clock))
}

fn take(lane: &Arc<Lane>) -> Permit {
    let clock = &*lane.clock;
    let deadline = Deadline::after(None, clock);
    let mut patience = Patience::new(clock, Duration::MAX, deadline, None);
    lane.acquire(&mut patience).unwrap()
}

/// What one thread does with its permits.
#[derive(Clone, Copy, Debug)]
enum Use {
    Call,
    /// The permit comes back unused.
    Nothing,
}

/// Threads that each do this, all at once; then the lane must be as if nobody had been there but
/// those who called.
fn all_at_once(rules: (u32, u32), uses: &[Use]) {
    let lane = lane(rules.0, rules.1);
    let log = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = uses
        .iter()
        .map(|&what| {
            let (lane, log) = (Arc::clone(&lane), Arc::clone(&log));
            thread::spawn(move || {
                let mut permit = take(&lane);
                if let Use::Call = what {
                    permit.start();
                    log.lock().unwrap().push(lane.clock.now());
                    thread::yield_now();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let log = log.lock().unwrap();
    let called = uses.iter().filter(|what| matches!(what, Use::Call)).count();
    assert_eq!(log.len(), called);
    for (calls, period) in [(rules.0, MINUTE), (rules.1, HOUR)] {
        let calls = usize::try_from(calls).unwrap();
        let close = log
            .iter()
            .zip(log.iter().skip(calls))
            .find(|(one, other)| other.saturating_sub(**one) < period);
        assert_eq!(close, None, "{calls} in {period:?}: {log:?}");
    }
    let state = lane.lock();
    assert_eq!((state.in_flight, state.queue.len()), (0, 0));
}

#[test]
fn nobody_is_forgotten_and_no_limit_passed() {
    explore(|| all_at_once((2, 100), &[Use::Call; 4]));
    explore(|| all_at_once((1, 100), &[Use::Call; 3]));
}

#[test]
fn permits_that_come_back_unused_wake_those_who_wait() {
    use Use::{Call, Nothing};

    explore(|| all_at_once((1, 100), &[Nothing, Nothing, Call]));
    explore(|| all_at_once((2, 100), &[Call, Nothing, Nothing, Call]));
}

#[test]
fn a_gate_that_closes_meanwhile_lets_all_through_in_the_end() {
    explore(|| {
        let lane = lane(100, 1_500);
        let limiter = RateLimiter {
            limits: RateLimits::documented(),
            lanes: Arc::new([(); 4].map(|()| Arc::clone(&lane))),
        };
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let lane = Arc::clone(&lane);
                thread::spawn(move || take(&lane).start())
            })
            .collect();
        limiter.close(Api::Machines, Duration::from_secs(3));
        take(&lane).start();
        assert!(lane.clock.now() >= Duration::from_secs(3), "not before");
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(lane.lock().in_flight, 0);
    });
}

#[test]
fn tickets_are_served_in_their_order() {
    explore(|| {
        let lane = lane(1, 100);
        let held = take(&lane);
        let order = Arc::new(Mutex::new(Vec::new()));
        let callers: Vec<_> = (0..3)
            .map(|number| {
                let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
                let caller = thread::spawn({
                    let lane = Arc::clone(&lane);
                    move || {
                        let permit = take(&lane);
                        order.lock().unwrap().push(number);
                        drop(permit);
                    }
                });
                while lane.lock().queue.len() <= number {
                    thread::yield_now();
                }
                caller
            })
            .collect();
        drop(held);
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
    });
}

#[test]
fn who_gives_up_wakes_those_behind() {
    explore(|| {
        let lane = lane(1, 100);
        take(&lane).start();
        let impatient = thread::spawn({
            let lane = Arc::clone(&lane);
            move || {
                let gives_up = Observer::new(|_| ControlFlow::Break(()));
                let clock = &*lane.clock;
                let deadline = Deadline::after(None, clock);
                let mut patience = Patience::new(clock, Duration::MAX, deadline, Some(&gives_up));
                lane.acquire(&mut patience).is_ok()
            }
        });
        let patient = thread::spawn({
            let lane = Arc::clone(&lane);
            move || take(&lane).start()
        });
        impatient.join().unwrap();
        patient.join().unwrap();
        assert!(lane.lock().queue.is_empty());
    });
}
