//! One call, in a straight line: a permit, a token, an exchange, and what its status means.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{TokenCache, TokenRequest};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::http::{Http, Method, Request, Response};
use crate::rate_limit::{Api, RateLimiter};
use crate::wait::Patience;

/// What the documentation says of an operation, and what is the same for all its calls.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// In whose windows a call counts.
    pub(crate) api: Api,
    /// What a 403 should say is needed.
    pub(crate) permissions: &'static str,
}

/// One call of an operation: a plain value.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static Operation,
    /// Replaces the operation's path where that has an id behind it.
    pub(crate) path: &'a str,
    /// Percent-encoded, without the question mark; may be empty.
    pub(crate) query: &'a str,
    /// JSON.
    pub(crate) body: Option<&'a [u8]>,
}

/// What all calls of a client and its clones share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Scheme, host and port of the API: every request goes there and nowhere else.
    pub(crate) origin: crate::cloud::Origin,
    pub(crate) authority: String,
    pub(crate) scope: String,
    pub(crate) http: Http,
    pub(crate) tokens: TokenCache,
    pub(crate) limiter: RateLimiter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_wait: Duration,
}

impl Shared {
    /// Where a call goes, complete.
    pub(crate) fn url(&self, path: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{query}", self.origin)
    }
}

/// The answer to a call that went well: status 200.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Sends one call and returns its answer.
pub(crate) fn send(shared: &Shared, call: &Call<'_>) -> Result<Answer, Error> {
    attempt(shared, call).map_err(|error| error.for_request(&call.name()))
}

fn attempt(shared: &Shared, call: &Call<'_>) -> Result<Answer, Error> {
    let mut patience = Patience::new(&*shared.clock, shared.max_wait);
    let mut permit = shared.limiter.acquire(call.operation.api, &mut patience)?;
    // After the wait, so that the token can't go stale in it; before the permit counts, so that a
    // token that can't be had costs nothing.
    let request = TokenRequest::new(&shared.scope, &shared.authority, &shared.http);
    let bearer = shared.tokens.bearer(&request)?;
    permit.start();
    let answer = shared.http.send(&Request {
        method: call.operation.method,
        url: &shared.url(call.path, call.query),
        bearer: Some(&bearer),
        content_type: call.body.map(|_| "application/json"),
        body: call.body.unwrap_or_default(),
    });
    drop(permit);
    let outcome = answer.and_then(|answer| check(call.operation, answer));
    outcome.map_err(|error| error.without(&bearer).with_attempts(1))
}

/// Reads want 200 and nothing else: a 204 or 206 would pass for a list that isn't whole.
fn check(operation: &Operation, mut response: Response) -> Result<Answer, Error> {
    if response.status == 200 {
        return Ok(Answer {
            content_type: response.content_type,
            body: response.body,
        });
    }
    let error = Error::from_status(response.status, &response.small_body())
        .or_request_id(response.request_id)
        .with_retry_after(
            response
                .retry_after
                .and_then(|text| text.trim().parse().ok())
                .map(Duration::from_secs),
        );
    Err(match error.kind() {
        ErrorKind::Unauthorized => error.with_hint(
            "the token is not accepted; a tenant without a licence for the API is answered like this too",
        ),
        ErrorKind::Forbidden => error.with_hint(format!(
            "this needs {}; other causes: consent not given yet, a token for another audience (see \
             `Cloud::with_scope`), a user who may not see the data",
            operation.permissions,
        )),
        ErrorKind::Redirect => {
            let to = response.location_host.as_deref().unwrap_or("somewhere else");
            error.with_hint(format!("it points to {to}; redirects are never followed: check the API URL"))
        }
        _ => error,
    })
}

impl Call<'_> {
    /// How texts name the call: the query may hold names that are nobody else's business.
    fn name(&self) -> String {
        format!("{} {}", self.operation.method.as_str(), self.path)
    }
}
