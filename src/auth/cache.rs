//! The token cache: one token for all threads, one renewal at a time.

use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::auth::{AccessToken, Credential, TokenRequest, check_token};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Retry};
use crate::retry::LONGEST_PAUSE;
use crate::secret::Secret;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::wait::Deadline;

/// A token is renewed this long before it expires, or at half of its life if that is shorter.
const EARLY: Duration = Duration::from_secs(300);
/// After an early renewal failed, the old token is used for this long before the next try.
const PAUSE: Duration = Duration::from_secs(30);
/// A wrong secret is wrong a moment later too: its refusal stands for this long, whether an old
/// token bridges it or not.
const REFUSAL: Duration = Duration::from_secs(60);
/// How long a thread waits for another's renewal before it looks at its deadline.
const LOOK_UP: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct TokenCache {
    credential: Arc<dyn Credential>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<Held>>,
    renewing: bool,
    /// Counts finished renewals, so that a thread that waited for one knows which it was.
    renewals: u64,
    /// What the last renewal ended with, for those who waited for it.
    failure: Option<Error>,
    /// The time that it had, if it gave up for want of more: then it is for those who have no more.
    within: Option<Duration>,
    /// A refusal that asking again won't change is not asked for again before this, and an endpoint
    /// that asked for a pause is left alone.
    no_try_before: Duration,
    no_early_try_before: Duration,
    /// The time that the last renewal was given, if it failed for want of time: then the pause
    /// before the next early one is not for callers who have more.
    too_short: Option<Duration>,
}

/// One try to get a new token, as its caller made it.
struct Renewal {
    early: bool,
    given: Option<Duration>,
    begun: Duration,
    /// Why the credential did not wait, if it should have.
    gave_up: OnceLock<ErrorKind>,
}

/// A token with its times worked out.
#[derive(Debug)]
struct Held {
    secret: Secret,
    renew_at: Option<Duration>,
    expires_at: Option<Duration>,
    expires_on: Option<OffsetDateTime>,
}

impl TokenCache {
    pub(crate) fn new(credential: Arc<dyn Credential>, clock: Arc<dyn Clock>) -> Self {
        Self {
            credential,
            clock,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Whom it asks.
    pub(crate) fn credential(&self) -> &dyn Credential {
        &*self.credential
    }

    /// A token that is valid now. Asks the credential if need be; other threads wait for that, or
    /// go on with the old token while it lasts.
    pub(crate) fn bearer(
        &self,
        request: &TokenRequest<'_>,
        deadline: Deadline,
    ) -> Result<Secret, Error> {
        let mut state = self.lock();
        let seen = state.renewals;
        loop {
            // Whoever waited for a renewal shares its failure instead of repeating it.
            let waited = state.renewals != seen;
            // Before the time left is: a renewal that takes all of that has taken as long from here.
            let begun = self.clock.now();
            let left = deadline.left(&*self.clock);
            // Where the old token will do, the call needs time too.
            let half = left.map(|left| left / 2);
            let stands = begun < state.no_try_before;
            let valid = state
                .token
                .clone()
                .filter(|held| held.is_valid(&*self.clock));
            match (valid, &state.failure) {
                (Some(held), _) if state.renewing || !self.is_due(&held, &state, half) => {
                    return Ok(held.secret.clone());
                }
                (None, _) if state.renewing => {
                    deadline.check(&*self.clock)?;
                    let left = left.unwrap_or(LOOK_UP);
                    let woken = self.changed.wait_timeout(state, left.min(LOOK_UP));
                    (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
                }
                (None, Some(failure)) if waited && state.concerns(left) || stands => {
                    let left = state.no_try_before.saturating_sub(self.clock.now());
                    return Err(state.shared(failure, stands.then_some(left)));
                }
                (old, _) => {
                    let time_left = if old.is_some() {
                        half
                    } else {
                        deadline.check(&*self.clock)?;
                        left
                    };
                    state.renewing = true;
                    drop(state);
                    let by = Deadline::after(time_left, &*self.clock);
                    let request = request.until(by).early(old.is_some());
                    return self.renew(&request, time_left, old.as_deref(), begun);
                }
            }
        }
    }

    /// The service refused this token: it is not used again. One that was renewed in the meantime
    /// stays.
    pub(crate) fn refuse(&self, token: &Secret) {
        let mut state = self.lock();
        if state
            .token
            .as_ref()
            .is_some_and(|held| held.secret == *token)
        {
            state.token = None;
        }
    }

    /// Whether this token is to be renewed early by someone who has so much time for it.
    fn is_due(&self, held: &Held, state: &State, time_left: Option<Duration>) -> bool {
        let now = self.clock.now();
        // Twice the time, so that of many callers with about the same deadline not each one hangs.
        let more = |tried: Duration| time_left.is_none_or(|time| time / 2 >= tried);
        held.renew_at.is_some_and(|renew_at| now >= renew_at)
            && (now >= state.no_early_try_before || state.too_short.is_some_and(more))
            && time_left != Some(Duration::ZERO)
    }

    fn renew(
        &self,
        request: &TokenRequest<'_>,
        given: Option<Duration>,
        old: Option<&Held>,
        begun: Duration,
    ) -> Result<Secret, Error> {
        // Lets the others go on even if the credential panics.
        let turn = Turn(self);
        let renewal = Renewal {
            early: request.early,
            given,
            begun,
            gave_up: OnceLock::new(),
        };
        let renewed = self
            .credential
            .token(&request.noting(&renewal.gave_up))
            .and_then(|token| self.hold(token));
        let mut state = self.lock();
        state.renewals = state.renewals.wrapping_add(1);
        let outcome = match renewed {
            Ok(held) => {
                let secret = held.secret.clone();
                state.token = Some(Arc::new(held));
                state.failure = None;
                Ok(secret)
            }
            Err(error) => {
                self.note(&mut state, &error, &renewal);
                match old.filter(|held| held.is_valid(&*self.clock)) {
                    Some(held) => {
                        log::warn!("the token could not be renewed, the old one is used: {error}");
                        Ok(held.secret.clone())
                    }
                    None => Err(state.told(error)),
                }
            }
        };
        drop(state);
        drop(turn);
        outcome
    }

    /// What a failed renewal means for those who wait for it, and for those who come after.
    fn note(&self, state: &mut State, error: &Error, renewal: &Renewal) {
        let now = self.clock.now();
        let taken = now.saturating_sub(renewal.begun);
        let given = renewal.given;
        let hurried = given.filter(|given| error.status().is_none() && taken >= *given);
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_PAUSE);
        // What was refused by the endpoint, that is: a local fault may be mended at once.
        let refused = !error.is_retryable() && error.status().is_some();
        // What an endpoint says holds for all, whoever has heard it.
        let told = refused || error.status().is_some() && !asked.is_zero();
        let gave_up = renewal.gave_up.get().filter(|_| !told);
        let alone =
            hurried.is_some() || renewal.early && !told || gave_up == Some(&ErrorKind::Cancelled);
        state.too_short = hurried;
        state.within = given.filter(|_| gave_up.is_some());
        if alone {
            // Who was in a hurry, or had a token still, failed for itself alone: others may have more
            // time or more need, and those who waited ask again. Only of its like not each call is to
            // hang for half of its time.
            state.failure = None;
            state.no_early_try_before = now.saturating_add(PAUSE);
            return;
        }
        let pause = match gave_up {
            // It is this caller's own wait that was too long.
            Some(_) => Duration::ZERO,
            None if refused => asked.max(REFUSAL),
            None => asked,
        };
        state.no_try_before = now.saturating_add(pause);
        state.no_early_try_before = now.saturating_add(pause.max(PAUSE));
        state.failure = Some(error.duplicate());
    }

    fn hold(&self, token: AccessToken) -> Result<Held, Error> {
        check_token(&token.secret)?;
        let (now, utc) = (self.clock.now(), self.clock.utc());
        let by_date = token
            .expires_on
            .map(|moment| Duration::try_from(moment - utc).unwrap_or_default());
        let lifetime = match (token.expires_in, by_date) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(Error::credential(
                "the credential gave a token that has expired",
            ));
        }
        let renew_in = lifetime.map(|lifetime| lifetime.saturating_sub(EARLY).max(lifetime / 2));
        Ok(Held {
            secret: token.secret,
            renew_at: renew_in.map(|time| now.saturating_add(time)),
            expires_at: lifetime.map(|time| now.saturating_add(time)),
            expires_on: token.expires_on,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the failure is also that of a caller who waited for it and has so much time.
    fn concerns(&self, left: Option<Duration>) -> bool {
        self.within
            .is_none_or(|within| left.is_some_and(|left| left <= within))
    }

    /// A failure of another's try, as the error of a call that made none. Where the failure stands for a
    /// while yet, nobody is asked to wait for longer.
    fn shared(&self, failure: &Error, stands_for: Option<Duration>) -> Error {
        let asked = failure
            .retry_after()
            .map(|asked| stands_for.map_or(asked, |left| asked.min(left)));
        let shared = failure.duplicate().with_retry_after(asked);
        // Who failed has tried again already; who only hears of it has not, and may wait.
        let untried = shared.retry() == Retry::Later && asked.is_some();
        self.told(if untried {
            shared.with_retry(Retry::BackOff)
        } else {
            shared
        })
    }

    /// The error of a call for which there is no token. Who had one hears what became of it.
    fn told(&self, error: Error) -> Error {
        if self.token.is_some() {
            error.behind("the token has expired and was not renewed")
        } else {
            error
        }
    }
}

impl Held {
    fn is_valid(&self, clock: &dyn Clock) -> bool {
        self.expires_at.is_none_or(|moment| clock.now() < moment)
            && self.expires_on.is_none_or(|moment| clock.utc() < moment)
    }
}

/// The turn of the thread that renews. Ends with it, however it ends.
struct Turn<'a>(&'a TokenCache);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().renewing = false;
        self.0.changed.notify_all();
    }
}

#[cfg(all(test, shuttle))]
mod interleavings;
#[cfg(all(test, not(shuttle)))]
mod tests;
