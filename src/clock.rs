//! The one place where time comes from, so that tests can stand in for it.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

/// Where the limiter, the waits and the token cache get their time from.
///
/// The default is the system's monotonic clock for all that is measured, and its wall clock for
/// the dates that others name. `testing::FakeClock` (feature `testing`) stands in for both.
#[cfg_attr(
    not(feature = "testing"),
    expect(unreachable_pub, reason = "public as `testing::Clock`")
)]
pub trait Clock: Debug + Send + Sync {
    /// Time since a fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// The date and time of day.
    fn utc(&self) -> OffsetDateTime;

    /// Lets the calling thread wait.
    fn sleep(&self, duration: Duration);
}

/// The system's clocks. All instances count from one moment, so that clients that share a limiter
/// speak of the same time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn utc(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clocks_count_from_one_moment() {
        let first = SystemClock.now();
        let second = thread::spawn(|| SystemClock.now()).join().unwrap();
        let third = SystemClock.now();
        assert!(first <= second && second <= third);
    }
}
