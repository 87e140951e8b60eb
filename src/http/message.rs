//! What goes out and what comes back: one request and one answer, as values.

use std::time::Duration;

use time::OffsetDateTime;
use ureq::http::HeaderMap;

use crate::body::{Body, Spares};
use crate::cloud::Origin;
use crate::inflate::{self, End};
use crate::retry;
use crate::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    #[cfg(feature = "write")]
    Patch,
}

impl Method {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            #[cfg(feature = "write")]
            Self::Patch => "PATCH",
        }
    }
}

/// One request, complete. No `Debug`: the body may hold a secret.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) bearer: Option<&'a Secret>,
    /// Others that this request needs. Their values may be secret.
    pub(crate) headers: &'a [(&'static str, &'a str)],
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: &'a [u8],
    /// What is left of the call's deadline.
    pub(crate) time_left: Option<Duration>,
    /// Not on a connection that was kept alive: one of those has just turned out to be dead.
    pub(crate) anew: bool,
    /// Whether it changes something. Any success is an answer then, and an error knows whether the
    /// service may have had the request.
    pub(crate) writes: bool,
    /// Whether the answer is small by its nature, and no body limit of the client's concerns it.
    pub(crate) small: bool,
    /// To a place on this machine or next to it: through no proxy.
    pub(crate) nearby: Option<Nearby>,
    /// Room for the answer's body.
    pub(crate) spares: &'a Spares,
}

/// How long it may take with a place on this machine or next to it.
#[derive(Clone, Copy)]
pub(crate) struct Nearby {
    /// It is there within so long or not at all.
    pub(crate) connect: Duration,
    /// One exchange, from beginning to end.
    pub(crate) exchange: Duration,
}

impl Request<'_> {
    /// What its exchange may take where one may take so long.
    pub(super) fn time(&self, try_timeout: Duration) -> Duration {
        let limit = self.limit(try_timeout);
        self.time_left.map_or(limit, |left| left.min(limit))
    }

    /// The same without a deadline.
    pub(super) fn limit(&self, try_timeout: Duration) -> Duration {
        self.nearby
            .map_or(try_timeout, |nearby| nearby.exchange.min(try_timeout))
    }
}

/// One answer, its body as it came off the wire. No `Debug`: the body may hold a token.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// A read wants 200 and nothing else: a 204 or 206 would pass for a list that isn't whole. Of a
    /// write any success will do.
    pub(crate) good: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The host that a redirect points to.
    pub(crate) location_host: Option<String>,
    /// What the server wants to see first: `WWW-Authenticate` of a 401.
    pub(crate) challenge: Option<String>,
    /// `Retry-After` and `Date` as they were sent.
    retry_after: Option<String>,
    date: Option<String>,
    pub(crate) body: Body,
    /// Nothing of the body was lost. Only an answer that is no success may lack some of it.
    pub(crate) whole: bool,
    /// The small body was compressed, and that was broken.
    pub(crate) damaged: bool,
}

impl Response {
    /// What the head says, and room for the body.
    pub(super) fn new(status: u16, good: bool, headers: &HeaderMap, mut body: Body) -> Self {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let location = text("location");
        body.said_compressed =
            text("content-encoding").is_some_and(|kind| kind.to_ascii_lowercase().contains("gzip"));
        Self {
            status,
            good,
            content_type: text("content-type"),
            request_id: ["mise-correlation-id", "x-ms-request-id", "request-id"]
                .into_iter()
                .find_map(|name| text(name).filter(|id| !id.trim().is_empty())),
            location_host: location.and_then(|url| {
                Origin::split(&url)
                    .map(|(origin, _)| origin.host().to_owned())
                    .ok()
            }),
            challenge: text("www-authenticate"),
            retry_after: text("retry-after"),
            date: text("date"),
            body,
            whole: true,
            damaged: false,
        }
    }

    /// How long the service asks to wait before the next try.
    pub(crate) fn asked_wait(&self, now: OffsetDateTime) -> Option<Duration> {
        retry::asked_wait(self.retry_after.as_deref(), self.date.as_deref(), now)
    }

    /// The body of a small answer, inflated, as far as it is there. What is longer is cut, and then
    /// counts as not whole.
    pub(crate) fn small_body(&mut self) -> Vec<u8> {
        let (body, end) = inflate::beginning(std::mem::take(&mut self.body));
        self.damaged = end == End::Damaged;
        self.whole &= end == End::Whole;
        body
    }
}
