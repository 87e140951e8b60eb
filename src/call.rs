//! One call, in a straight line: a permit, a token, an exchange, and what its status means.

mod answer;
mod operation;
mod refusal;
#[cfg(test)]
pub(crate) mod rig;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::body::Spares;
use crate::error::{Error, ErrorKind, Retry};
use crate::http::{Request, Response};
use crate::page;
use crate::retry::{self, Decision};
use crate::secret::Secret;
use crate::wait::{Deadline, Patience, WaitReason};

pub(crate) use answer::{Answer, Sent};
pub(crate) use operation::Operation;
pub(crate) use shared::Shared;

/// One call of an operation: a plain value. No `Debug`: the body may hold a secret.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static Operation,
    /// Replaces the operation's path where that has an id behind it.
    pub(crate) path: &'a str,
    /// Percent-encoded, without the question mark; may be empty.
    pub(crate) query: &'a str,
    /// JSON.
    pub(crate) body: Option<&'a [u8]>,
    /// What that holds and no text may show.
    pub(crate) secrets: &'a [Secret],
    /// For everything: waiting, token, tries and body. The client's own if there is none.
    pub(crate) deadline: Option<Duration>,
    /// Room for the answer's body.
    pub(crate) spares: &'a Spares,
}

impl Call<'_> {
    /// How texts name the call: the query may hold names that are nobody else's business.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.operation.method.as_str(), self.path)
    }

    /// The error that ends the call. That something may have been changed is worth a line of the log.
    fn failed(&self, error: Error, tries: u32) -> Error {
        let error = error.with_attempts(tries).for_request(&self.name());
        if error.kind() == ErrorKind::OutcomeUnknown {
            log::warn!("{error}");
        }
        error
    }

    /// The same where the answer is a success that can't be used.
    #[cfg(feature = "write")]
    pub(crate) fn unusable(&self, error: Error, status: u16, tries: u32) -> Error {
        let error = self.operation.with_outcome(error.of_accepted(status));
        self.failed(error, tries)
    }
}

/// How one try ended, other than well.
enum Failure {
    /// There was no permit: nothing was sent.
    NotTried(Error),
    Tried(Error),
    /// The service refused the token, and a new one may do.
    TokenRefused,
    /// Nothing more is to be tried.
    Final(Error),
}

/// Sends one call, as often as the policy allows, and returns its answer.
pub(crate) fn send(shared: &Shared, call: &Call<'_>) -> Result<Answer, Error> {
    let clock = &*shared.clock;
    let deadline = Deadline::after(call.deadline.or(shared.deadline), clock);
    let observer = shared.observer.as_ref();
    let mut patience = Patience::new(clock, shared.max_wait, deadline, observer);
    let mut tries = Tries {
        shared,
        call,
        deadline,
        made: 0,
        failed: 0,
        died: false,
        refused: None,
        last: None,
    };
    let outcome = loop {
        let pause = match tries.once(&mut patience) {
            Ok(answer) => break Ok(answer),
            Err(Failure::TokenRefused) => continue,
            Err(Failure::Final(error)) => break Err(error),
            Err(Failure::NotTried(error)) => break Err(tries.instead_of(error)),
            Err(Failure::Tried(error)) => match tries.decide(error, patience.room()) {
                Ok(pause) => pause,
                Err(error) => break Err(error),
            },
        };
        if let Err(error) = patience.pause(call.operation.api, WaitReason::BackOff, pause) {
            break Err(tries.instead_of(error));
        }
    };
    outcome.map_err(|error| call.failed(error, tries.made))
}

/// The tries of one call so far.
struct Tries<'a> {
    shared: &'a Shared,
    call: &'a Call<'a>,
    deadline: Deadline,
    /// Exchanges with the API.
    made: u32,
    /// Tries that count against the retries: all but one that was answered with 401.
    failed: u32,
    /// The last exchange met a dead connection.
    died: bool,
    /// The token that the service refused. A new one gets one more try.
    refused: Option<Secret>,
    last: Option<Error>,
}

impl Tries<'_> {
    /// The steps of every exchange.
    fn once(&mut self, patience: &mut Patience<'_>) -> Result<Answer, Failure> {
        let (shared, call) = (self.shared, self.call);
        // 1. A permit. No lock is held while it waits.
        let permit = shared.limiter.acquire(call.operation.api, patience);
        let mut permit = permit.map_err(Failure::NotTried)?;
        // 2. A token: after the wait, so that it can't go stale in it, and before the permit
        // counts, so that a token that can't be had costs nothing.
        let bearer = self.bearer()?;
        // 3. One exchange, with what is left of the time.
        self.deadline
            .check(&*shared.clock)
            .map_err(Failure::Tried)?;
        permit.start();
        self.made += 1;
        let writes = call.operation.writes.is_some();
        let response = shared.http.send(&Request {
            method: call.operation.method,
            url: &shared.url(call.path, call.query),
            bearer: Some(&bearer),
            headers: &[],
            content_type: call.body.map(|_| "application/json"),
            body: call.body.unwrap_or_default(),
            time_left: self.deadline.left(&*shared.clock),
            // A kept-alive connection that dies under a call leaves it open whether it arrived.
            anew: self.died || writes,
            writes,
            small: false,
            nearby: None,
            spares: call.spares,
        });
        // 4. The call's age in the windows starts here, when it has ended.
        drop(permit);
        // 5. What the status means.
        let error = match response.and_then(|response| self.check(response, &bearer)) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let error = call.operation.with_outcome(error);
        self.died = error.retry() == Retry::AtOnce;
        if error.kind() != ErrorKind::Unauthorized {
            return Err(Failure::Tried(error));
        }
        shared.tokens.refuse(&bearer);
        if self.refused.replace(bearer).is_some() {
            return Err(Failure::Final(error));
        }
        self.last = Some(error);
        Err(Failure::TokenRefused)
    }

    fn bearer(&mut self) -> Result<Secret, Failure> {
        let shared = self.shared;
        let bearer = shared
            .bearer(self.deadline, self.call.operation.api)
            .map_err(Failure::Tried)?;
        // The very token that was refused would only be refused again.
        let same = self.refused.as_ref() == Some(&bearer);
        match self.last.take_if(|_| same) {
            Some(error) => {
                shared.tokens.refuse(&bearer);
                Err(Failure::Final(error))
            }
            None => Ok(bearer),
        }
    }

    /// What the status means. Of a write a success without a body will do, too.
    fn check(&self, mut response: Response, bearer: &Secret) -> Result<Answer, Error> {
        let status = response.status;
        let sent = Sent::new(bearer, self.refused.as_ref(), self.call.secrets);
        log::debug!("{}: {status} (try {})", self.call.name(), self.made);
        if !response.good {
            let body = response.small_body();
            let secrets = sent.secrets();
            let error = Error::from_status(status, &body, &secrets).with_whole_body(response.whole);
            let error = error.or_request_id(response.request_id.as_deref(), &secrets);
            response.location_host = response
                .location_host
                .filter(|host| !sent.is_shown_by(host));
            return Err(refusal::explain(
                self.call.operation,
                sent.out_of(error),
                &response,
                bearer,
                self.shared,
            ));
        }
        if response.body.size() == 0 && self.call.operation.writes.is_none() {
            return Err(page::empty());
        }
        Ok(Answer {
            #[cfg(feature = "write")]
            status,
            // Said in an error, so it must not be what was sent.
            content_type: response.content_type.filter(|kind| !sent.is_shown_by(kind)),
            body: response.body,
            body_limit: self.shared.http.body_limit(),
            tries: self.made,
            sent,
        })
    }

    /// The pause before the next try, or the call's error.
    fn decide(&mut self, error: Error, room: Duration) -> Result<Duration, Error> {
        self.failed += 1;
        let policy = self.shared.retry_policy;
        let decision = retry::next(policy, self.failed, &error, chance(), room);
        let asked = error.retry_after().unwrap_or_default();
        let throttled = error.kind() == ErrorKind::Throttled;
        if throttled {
            let pause = if let Decision::After(pause) = decision {
                pause
            } else {
                asked
            };
            self.shared.limiter.close(self.call.operation.api, pause);
        }
        let Decision::After(pause) = decision else {
            return Err(error);
        };
        log::warn!("{}: {error}; {}", self.call.name(), next_try(pause));
        self.last = Some(error);
        // The closed gate is what makes a throttled call wait, like all others of its API.
        Ok(if throttled { Duration::ZERO } else { pause })
    }

    /// That the next try would have to wait too long is no news about the call: its last real
    /// error is, if there was one. If its wait was broken off, that error is why there was one.
    fn instead_of(&mut self, error: Error) -> Error {
        match self.last.take() {
            Some(last) if error.kind() == ErrorKind::Cancelled => error.with_source(last),
            Some(last) => last,
            None => error,
        }
    }
}

fn next_try(pause: Duration) -> String {
    if pause.is_zero() {
        return "next try at once".to_owned();
    }
    format!("next try in {:.1} s", pause.as_secs_f64())
}

/// A number from 0 to 1 that differs from call to call and from process to process.
fn chance() -> f64 {
    let random = RandomState::new().hash_one(0_u8) >> 32;
    f64::from(u32::try_from(random).unwrap_or(0)) / f64::from(u32::MAX)
}
