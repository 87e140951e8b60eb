//! Time that passes only when it is told to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::clock::Clock;

/// A clock for tests: it stands still, but for [`advance`](FakeClock::advance) and for whoever
/// sleeps on it, which moves it on at once. Clones show the same time. A thread that waits behind
/// another looks up once a real second: only for it does time that is moved on by hand pass late.
///
/// Give it to a client with [`ClientBuilder::clock`](crate::ClientBuilder::clock), and a test that
/// waits for the rate limit takes no time.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use defender_endpoint::testing::{Clock, FakeClock};
///
/// let clock = FakeClock::new();
/// clock.sleep(Duration::from_secs(3_600));
/// assert_eq!(clock.now(), Duration::from_secs(3_600));
/// ```
#[derive(Clone, Debug)]
pub struct FakeClock {
    start: OffsetDateTime,
    passed: Arc<Mutex<Duration>>,
}

impl FakeClock {
    /// A clock that begins at the present date.
    pub fn new() -> Self {
        Self::starting_at(OffsetDateTime::now_utc())
    }

    /// A clock that begins at this date.
    pub fn starting_at(start: impl Into<OffsetDateTime>) -> Self {
        Self {
            start: start.into(),
            passed: Arc::default(),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        *passed = passed.saturating_add(duration);
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn utc(&self) -> OffsetDateTime {
        let passed = time::Duration::try_from(self.now()).unwrap_or(time::Duration::MAX);
        self.start.saturating_add(passed)
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}
