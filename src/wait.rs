//! How long one call is willing to wait, and who hears of it.

use std::fmt;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::rate_limit::Api;

/// A wait is told when it begins, and again whenever this much of it has passed. A shorter one is
/// nobody's business.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// A wait for the limiter as it stands: how long still, and for which window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) api: Api,
    pub(crate) left: Duration,
    pub(crate) calls: usize,
    pub(crate) window: Duration,
}

/// The bounds of one wait.
#[derive(Debug)]
pub(crate) struct Patience<'a> {
    clock: &'a dyn Clock,
    max_wait: Duration,
    /// When the wait must be over; known once it has begun.
    until: Option<Duration>,
    next_word: Duration,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(clock: &'a dyn Clock, max_wait: Duration) -> Self {
        Self {
            clock,
            max_wait,
            until: None,
            next_word: Duration::ZERO,
        }
    }

    /// Whether [`bear`](Self::bear) has anything to say to this wait, so that the caller can let
    /// go of its lock first.
    pub(crate) fn must_hear_of(&self, wait: &Wait) -> bool {
        let now = self.clock.now();
        now >= self.next_word
            || self
                .until
                .is_some_and(|until| now.saturating_add(wait.left) > until)
    }

    /// Refuses a wait that would be longer than allowed, before it is begun: nobody sleeps first
    /// and fails then.
    pub(crate) fn bear(&mut self, wait: &Wait) -> Result<(), Error> {
        let now = self.clock.now();
        let until = *self.until.get_or_insert_with(|| {
            if wait.left > TELL_EVERY {
                log::info!("waiting {} for {wait}", Seconds(wait.left));
            }
            now.saturating_add(self.max_wait)
        });
        if now.saturating_add(wait.left) > until {
            let text = format!(
                "the next call may go in {}, and max_wait is {}: {wait}",
                Seconds(wait.left),
                Seconds(self.max_wait),
            );
            return Err(Error::new(ErrorKind::RateLimited, text)
                .with_retryable(true)
                .with_retry_after(Some(wait.left))
                .with_hint("a program that may wait sets `max_wait(Duration::MAX)`"));
        }
        self.next_word = now.saturating_add(TELL_EVERY);
        Ok(())
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} allows {} calls in {}",
            self.api,
            self.calls,
            Seconds(self.window)
        )
    }
}

/// A duration in whole seconds, rounded up.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self
            .0
            .as_secs()
            .saturating_add(u64::from(self.0.subsec_nanos() > 0));
        write!(f, "{seconds} s")
    }
}
