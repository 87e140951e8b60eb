//! Whether a call is tried again, and when. Pure: no clock, no sleeping, no I/O.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::error::{Error, Retry};

/// The longest wait that an answer can ask for: the service's longest window. A call that should
/// wait longer fails at once, so that no odd header puts a program to sleep for years.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// How often and how patiently a failed call is tried again.
///
/// Tried again are 408, 429, 500, 502, 503 and 504, connections that fail or break off, bodies that
/// are cut, timeouts of one try, and, once, an answer without a body: an empty 200, or a 204; that
/// only if it is the call's first failure. The wait before a retry doubles each time, between half
/// and all of it by chance, so that many clients don't come back at once; where the service says how
/// long to wait, that counts if it is longer.
/// The first retry after a kept-alive connection turned out to be dead comes at once, on a new one.
/// Every try takes a place in the rate limits, which is what bounds a storm of failures: calls share
/// no budget of retries.
///
/// Never tried again: other answers, TLS failures, answers of the wrong shape, redirects, and
/// whatever this crate refuses itself. A retry that would have to wait longer than an hour or than
/// [`max_wait`](crate::ClientBuilder::max_wait), or beyond the deadline, is not waited for: the
/// call fails at once with the last real error.
///
/// A call that writes (feature `write`) is tried again only where it surely did nothing: where the
/// connection could not be made or broke before any of the request's body was on its way, and after a
/// 429. Where it may have done its work it ends with
/// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) after that one try. It never takes a
/// connection that was kept alive.
///
/// Beside all this, an answer of 401 gets one more try with a new token, with no retries as well.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use defender_endpoint::{Client, RetryPolicy, StaticToken};
///
/// let client = Client::builder(StaticToken::new("a-token")?)
///     .retry_policy(RetryPolicy::default().retries(6).base_delay(Duration::from_secs(2)))
///     .build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a setting does nothing until a client is built with it"]
pub struct RetryPolicy {
    retries: u32,
    base_delay: Duration,
    max_delay: Duration,
}

impl RetryPolicy {
    /// No retries: the first failure is the call's.
    pub const fn none() -> Self {
        Self {
            retries: 0,
            ..Self::DEFAULT
        }
    }

    const DEFAULT: Self = Self {
        retries: 3,
        base_delay: Duration::from_millis(800),
        max_delay: Duration::from_secs(60),
    };

    /// How many tries may follow the first. Defaults to 3.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The longest wait before the first retry; it doubles with each further one. Defaults to 0.8
    /// seconds; zero is refused when the client is built.
    pub const fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// What the doubling stops at. Defaults to 60 seconds; zero is refused when the client is
    /// built. A longer wait that the service asks for is kept all the same.
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    pub(crate) fn is_off(self) -> bool {
        self.retries == 0
    }

    pub(crate) fn check(self) -> Result<(), Error> {
        if self.base_delay.is_zero() || self.max_delay.is_zero() {
            return Err(Error::config("a retry policy's delay is zero")
                .with_hint("`RetryPolicy::none()` turns retries off"));
        }
        Ok(())
    }

    /// The wait before retry number `retry`, counted from 1. `chance` is from 0 to 1.
    fn back_off(self, retry: u32, chance: f64) -> Duration {
        let doubled = 2_u32.checked_pow(retry.saturating_sub(1));
        let full = doubled.and_then(|times| self.base_delay.checked_mul(times));
        let full = full.unwrap_or(Duration::MAX).min(self.max_delay);
        let half = full / 2;
        let some = Duration::try_from_secs_f64(half.as_secs_f64() * chance.clamp(0.0, 1.0));
        half.saturating_add(some.unwrap_or(half)).min(full)
    }
}

/// Three retries, from 0.8 seconds doubling to at most 60.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What happens after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Try again after this wait.
    After(Duration),
    /// The error is the call's.
    Stop,
}

/// Decides after try number `attempt`, counted from 1. `room` is how long a wait may be at most.
pub(crate) fn next(
    policy: RetryPolicy,
    attempt: u32,
    error: &Error,
    chance: f64,
    room: Duration,
) -> Decision {
    let allowed = match error.retry() {
        Retry::Never | Retry::Later => 0,
        Retry::Once => policy.retries.min(1),
        Retry::AtOnce | Retry::BackOff => policy.retries,
    };
    if attempt > allowed {
        return Decision::Stop;
    }
    let back_off = match error.retry() {
        Retry::AtOnce if attempt == 1 => Duration::ZERO,
        _ => policy.back_off(attempt, chance),
    };
    let wait = back_off.max(error.retry_after().unwrap_or_default());
    if wait > room || wait > LONGEST_PAUSE {
        Decision::Stop
    } else {
        Decision::After(wait)
    }
}

/// The wait that a service asks for: `Retry-After` as seconds or as a date, which is relative to
/// the service's own `Date` where that was sent. A past date is no wait; anything else is none.
pub(crate) fn asked_wait(
    retry_after: Option<&str>,
    date: Option<&str>,
    now: OffsetDateTime,
) -> Option<Duration> {
    let text = retry_after?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(text)?;
    let now = date.and_then(http_date).unwrap_or(now);
    Some(Duration::try_from(until - now).unwrap_or_default())
}

/// The wait in a message like «You can send requests again in 8 seconds».
pub(crate) fn wait_in_words(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("again in ")?;
    let digits: &str = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let unit = rest.get(digits.len()..)?.trim_start();
    if !unit.starts_with("second") {
        return None;
    }
    digits.parse().ok().map(Duration::from_secs)
}

/// RFC 9110's preferred form of a date, whose zone is always GMT.
fn http_date(text: &str) -> Option<OffsetDateTime> {
    // Longer than any such date, and short enough for a parser that follows nested comments.
    let text = Some(text.trim()).filter(|text| text.len() <= 40)?;
    OffsetDateTime::parse(text, &Rfc2822).ok()
}

#[cfg(test)]
mod tests;
