//! How often and how patiently an endpoint on the machine is asked. Pure.
//!
//! The table of «How to use managed identities for Azure resources on an Azure VM to acquire an
//! access token», section «Retry guidance»: five tries, and waits that suit a service which is down
//! while it is updated.

use std::time::Duration;

use crate::error::{Error, Retry};

/// The waits between the tries, in seconds.
const WAITS: [u64; 4] = [2, 6, 14, 30];
/// Where nobody listens, nobody is likely to come: so many tries, and no more.
const UNREACHED: usize = 3;
/// For so long the metadata service answers 410 while it is updated.
const UPDATE: Duration = Duration::from_secs(70);
/// A longer wait that an endpoint asks for is told and not waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether this failure may pass. The metadata service has statuses of its own for «not yet».
pub(super) fn may_pass(by_imds: bool, error: &Error) -> bool {
    match error.status() {
        Some(404 | 410) => by_imds,
        Some(408 | 429 | 500..=599) => true,
        Some(_) => false,
        None => error.is_retryable(),
    }
}

/// The wait before the next try, if there is one: after so many tries, so long after the first of
/// them.
pub(super) fn next(
    by_imds: bool,
    tries: usize,
    passed: Duration,
    error: &Error,
) -> Option<Duration> {
    if !may_pass(by_imds, error) {
        return None;
    }
    let seconds = WAITS.get(tries.saturating_sub(1)).copied();
    let own = seconds.map(Duration::from_secs);
    let left = UPDATE.saturating_sub(passed);
    let wait = match error.status() {
        Some(410) if left.is_zero() => None,
        Some(410) => Some(own.map_or(left, |own| own.min(left))),
        None if by_imds && error.is_unreached() => own.filter(|_| tries < UNREACHED),
        None if error.retry() == Retry::Once => own.filter(|_| tries < 2),
        _ => own,
    };
    let wait = wait?.max(error.retry_after().unwrap_or_default());
    (wait <= LONGEST).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::secret::Secret;

    fn status(status: u16) -> Error {
        Error::from_token_status(status, b"", &Secret::from(""))
    }

    fn broken() -> Error {
        Error::new(ErrorKind::Transport, "broken").with_retryable(true)
    }

    /// All waits until there are no more, by a clock that stands still in between.
    fn waits(by_imds: bool, error: &Error) -> Vec<u64> {
        let mut passed = Duration::ZERO;
        let mut all = Vec::new();
        while let Some(wait) = next(by_imds, all.len() + 1, passed, error) {
            passed += wait;
            all.push(wait.as_secs());
            assert!(all.len() < 10, "{all:?}");
        }
        all
    }

    #[test]
    fn what_may_pass_is_tried_five_times_with_growing_waits() {
        for by_imds in [true, false] {
            for error in [status(408), status(429), status(500), status(501)] {
                assert_eq!(waits(by_imds, &error), WAITS, "{error}");
            }
            for error in [status(502), status(503), status(504), status(599), broken()] {
                assert_eq!(waits(by_imds, &error), WAITS, "{error}");
            }
        }
        assert_eq!(waits(true, &status(404)), WAITS);
    }

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        let refused = Error::credential("no token");
        for error in [&status(400), &status(401), &status(403), &status(405)] {
            assert!(waits(true, error).is_empty() && waits(false, error).is_empty());
        }
        for error in [&status(204), &status(302), &status(409), &refused] {
            assert!(waits(true, error).is_empty() && waits(false, error).is_empty());
        }
        // Only the metadata service says so of itself.
        for error in [&status(404), &status(410)] {
            assert!(waits(false, error).is_empty(), "{error}");
        }
    }

    #[test]
    fn an_update_is_waited_for_seventy_seconds_and_no_longer() {
        let updating = status(410);
        assert_eq!(waits(true, &updating), [2, 6, 14, 30, 18]);
        let slow = Duration::from_secs(69);
        let last = next(true, 2, slow, &updating);
        assert_eq!(last, Some(Duration::from_secs(1)));
        assert_eq!(next(true, 2, UPDATE, &updating), None);
    }

    #[test]
    fn where_nobody_listens_three_tries_are_enough() {
        let nobody = broken().with_unreached();
        assert_eq!(waits(true, &nobody), [2, 6]);
        // There is an endpoint here, by all that is known: it may be starting.
        assert_eq!(waits(false, &nobody), WAITS);
    }

    #[test]
    fn nothing_in_an_answer_is_an_accident_once() {
        let empty = Error::credential("empty").with_retry(Retry::Once);
        assert_eq!(waits(true, &empty), [2]);
    }

    #[test]
    fn a_longer_wait_is_kept_up_to_a_minute() {
        for (asked, expected) in [(1, Some(2)), (2, Some(2)), (60, Some(60)), (61, None)] {
            let error = status(429).with_retry_after(Some(Duration::from_secs(asked)));
            let wait = next(true, 1, Duration::ZERO, &error);
            assert_eq!(wait.map(|wait| wait.as_secs()), expected, "{asked}");
        }
    }
}
