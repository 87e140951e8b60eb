//! One call, in a straight line: a permit, a token, an exchange, and what its status means.

use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::{TokenCache, TokenClaims, TokenRequest};
use crate::body::{Body, Fingerprint, Spares};
use crate::clock::Clock;
use crate::cloud::{Cloud, Origin, other_scope};
use crate::error::{Error, ErrorKind, Retry};
use crate::excerpt::{holds, shows};
use crate::http::{Http, Method, Request, Response};
use crate::page::{self, Rows};
use crate::permissions::OperationPermissions;
use crate::rate_limit::{Api, RateLimiter};
use crate::retry::{self, Decision, RetryPolicy};
use crate::secret::Secret;
use crate::wait::{Deadline, Observer, Patience, WaitReason};

/// What the documentation says of an operation, and what is the same for all its calls.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// In whose windows a call counts.
    pub(crate) api: Api,
    /// What a 403 should say is needed.
    pub(crate) permissions: &'static OperationPermissions,
    /// For an operation that changes something: how to find out whether a call did its work whose
    /// answer was lost. Its calls are tried again only where the last one did nothing.
    pub(crate) writes: Option<&'static str>,
}

impl Operation {
    /// The operation of a row in the table of permissions.
    pub(crate) const fn of(permissions: &'static OperationPermissions, api: Api) -> Self {
        Self {
            method: permissions.method,
            path: permissions.path,
            api,
            permissions,
            writes: None,
        }
    }

    /// The same, changing something.
    #[cfg(feature = "write")]
    pub(crate) const fn writing(
        permissions: &'static OperationPermissions,
        api: Api,
        find_out: &'static str,
    ) -> Self {
        Self {
            writes: Some(find_out),
            ..Self::of(permissions, api)
        }
    }

    /// The error of one exchange, which for an operation that changes something may leave open whether
    /// it did.
    fn with_outcome(&self, error: Error) -> Error {
        match self.writes {
            Some(find_out) if error.may_have_acted() => error.with_outcome_unknown(find_out),
            _ => error,
        }
    }
}

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

/// What all calls of a client and its clones share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Scheme, host and port of the API: every request goes there and nowhere else.
    pub(crate) origin: Origin,
    /// The same, with the login authority and the scope; checked.
    pub(crate) cloud: Cloud,
    pub(crate) http: Http,
    pub(crate) tokens: TokenCache,
    pub(crate) limiter: RateLimiter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_wait: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) retry_policy: RetryPolicy,
    pub(crate) observer: Option<Observer>,
}

impl Shared {
    /// Where a call goes, complete.
    pub(crate) fn url(&self, path: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{query}", self.origin)
    }

    /// What the credential is asked for, by a call of this API.
    pub(crate) fn token_request(&self, deadline: Deadline, api: Api) -> TokenRequest<'_> {
        TokenRequest::new(
            self.cloud.scope(),
            self.cloud.authority(),
            &self.http,
            &*self.clock,
            deadline,
            api,
        )
        .heard_by(self.observer.as_ref())
    }

    /// A token that is valid now.
    fn bearer(&self, deadline: Deadline, api: Api) -> Result<Secret, Error> {
        let request = self.token_request(deadline, api);
        self.tokens.bearer(&request, deadline)
    }
}

/// The answer to a call that went well: status 200, or any success of a call that writes. No `Debug`: the
/// body is the tenant's data.
pub(crate) struct Answer {
    #[cfg(feature = "write")]
    pub(crate) status: u16,
    content_type: Option<String>,
    body: Body,
    body_limit: u64,
    /// How many exchanges it took.
    pub(crate) tries: u32,
    sent: Sent,
}

/// What was sent for an answer, which may repeat it, while no text of ours may: the token, the one
/// that was refused before it and may be good elsewhere, and secrets of the body. The longest is first:
/// taken out before it, one that begins like it would leave the rest of it behind.
#[derive(Clone, Debug)]
pub(crate) struct Sent(Vec<Secret>);

impl Sent {
    fn new(bearer: &Secret, refused: Option<&Secret>, in_body: &[Secret]) -> Self {
        let all = iter::once(bearer).chain(refused).chain(in_body);
        let mut secrets: Vec<Secret> = all.cloned().collect();
        secrets.sort_by_key(|secret| Reverse(secret.expose().len()));
        Self(secrets)
    }

    /// Whether foreign text shows any of it.
    fn is_shown_by(&self, text: &str) -> bool {
        self.0.iter().any(|secret| shows(text, secret))
    }

    /// Whether foreign text holds the whole of one.
    pub(crate) fn is_held_by(&self, text: &str) -> bool {
        self.0.iter().any(|secret| holds(text, secret))
    }

    /// Takes it out of an error that tells of the answer.
    pub(crate) fn out_of(&self, error: Error) -> Error {
        self.0.iter().fold(error, Error::without)
    }
}

impl Answer {
    /// The body as a page of rows, and what was sent for it.
    pub(crate) fn rows(self) -> (Rows, Sent) {
        let rows = Rows::new(self.body, self.body_limit, self.content_type.as_deref());
        (rows, self.sent)
    }

    /// Differs, in all likelihood, where the rows do.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.body.fingerprint()
    }

    /// The body as text, of which nothing is expected but that it is no page for people.
    #[cfg(feature = "write")]
    pub(crate) fn any_text(self) -> (Result<String, Error>, Sent) {
        let text = page::any_text(self.body, self.body_limit, self.content_type.as_deref());
        (text, self.sent)
    }

    /// The body as the text of one entity, and what was sent for it.
    pub(crate) fn text(self) -> (Result<String, Error>, Sent) {
        let text = page::whole_text(self.body, self.body_limit, self.content_type.as_deref());
        (text, self.sent)
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
            let secrets: Vec<&Secret> = sent.0.iter().collect();
            let error = Error::from_status(status, &body, &secrets).with_whole_body(response.whole);
            let error = error.or_request_id(response.request_id.as_deref(), &secrets);
            response.location_host = response
                .location_host
                .filter(|host| !sent.is_shown_by(host));
            return Err(explain(
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

/// Adds what an answer says beside its body, and what can be done about it.
fn explain(
    operation: &Operation,
    error: Error,
    response: &Response,
    bearer: &Secret,
    shared: &Shared,
) -> Error {
    let in_words = || match error.kind() {
        ErrorKind::Throttled => error.message().and_then(retry::wait_in_words),
        _ => None,
    };
    let asked = response.asked_wait(shared.clock.utc()).or_else(in_words);
    let error = error.with_retry_after(asked);
    let scope = shared.cloud.scope();
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::Forbidden
            if !error.is_from_service() && error.request_id().is_none() =>
        {
            error.with_hint(
                "this is no answer as the service gives it: see whether a proxy or a firewall stands \
                 between",
            )
        }
        ErrorKind::Unauthorized => {
            let other = other_scope(scope).map(|other| format!("; {UNDOCUMENTED}{other}"));
            error.with_hint(format!(
                "the token is not accepted; a tenant without a licence for the API is answered like this \
                 too{}",
                other.unwrap_or_default(),
            ))
        }
        ErrorKind::Forbidden => {
            // An opaque token says nothing of itself.
            let claims = TokenClaims::decode(bearer).ok();
            let granted = claims.as_ref().map(|it| format!("; the token has {}", it.granted()));
            error.with_hint(format!(
                "this needs {}{}{}",
                operation.permissions,
                granted.unwrap_or_default(),
                other_causes(operation, claims.as_ref(), scope),
            ))
        }
        ErrorKind::Redirect => {
            let to = response.location_host.as_deref().unwrap_or("somewhere else");
            error.with_hint(format!("it points to {to}; redirects are never followed: check the API URL"))
        }
        _ => error,
    }
}

const UNDOCUMENTED: &str = "the scope of this cloud is not documented, try DEFENDER_SCOPE=";

/// What a 403 may mean beside a permission that is missing, as far as the token doesn't exclude it.
fn other_causes(operation: &Operation, claims: Option<&TokenClaims>, scope: &str) -> String {
    let mut causes = Vec::new();
    if claims.is_none() {
        causes.push("consent not given yet".to_owned());
    }
    let bare = |audience: &str| audience.trim_end_matches('/').to_owned();
    let wanted = scope.strip_suffix("/.default").unwrap_or(scope);
    let audience = claims.and_then(TokenClaims::audience);
    if audience.is_none_or(|audience| bare(audience) != bare(wanted)) {
        let text = "a token for another audience (see `Cloud::with_scope` and DEFENDER_SCOPE)";
        causes.push(text.to_owned());
    }
    if claims.is_none_or(TokenClaims::is_delegated) {
        let do_it = if operation.writes.is_some() {
            "change"
        } else {
            "see"
        };
        causes.push(format!("a user who may not {do_it} the data"));
    }
    if claims.is_some_and(|claims| operation.permissions.allowed_by(claims)) {
        causes.push("a licence or a feature that the tenant lacks".to_owned());
    }
    if let Some(other) = other_scope(scope) {
        causes.push(format!("{UNDOCUMENTED}{other}"));
    }
    match causes.as_slice() {
        [] => String::new(),
        causes => format!("; other causes: {}", causes.join(", ")),
    }
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

#[cfg(test)]
pub(crate) mod rig;
#[cfg(test)]
mod tests;
