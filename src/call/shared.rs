//! What calls have in common, whatever they ask for.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{TokenCache, TokenRequest};
use crate::clock::Clock;
use crate::cloud::{Cloud, Origin};
use crate::error::Error;
use crate::http::Http;
use crate::rate_limit::{Api, RateLimiter};
use crate::retry::RetryPolicy;
use crate::secret::Secret;
use crate::wait::{Deadline, Observer};

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
    pub(super) fn bearer(&self, deadline: Deadline, api: Api) -> Result<Secret, Error> {
        let request = self.token_request(deadline, api);
        self.tokens.bearer(&request, deadline)
    }
}
