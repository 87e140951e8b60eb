//! Faults that a fake tenant shows when it is told to.

use std::time::Duration;

use super::reply::{self, Delivery};

/// Something that goes wrong on chosen calls of a [`Tenant`](super::Tenant).
///
/// A fault is queued with [`Tenant::fail`](super::Tenant::fail). Without selectors it strikes the
/// next call of the API, once; calls of the token endpoint are only struck by a fault whose
/// [`path`](Self::path) names them. Faults that wait for the same call strike one after the other,
/// in the order in which they were queued.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use defender_endpoint::testing::{Fault, Tenant};
///
/// let tenant = Tenant::demo()?;
/// tenant.fail(Fault::throttled(Duration::from_secs(8))); // the next call
/// tenant.fail(Fault::cut_body().path("machines").on_call(3)); // the third page
/// tenant.fail(Fault::status(503).path("oauth2").times(2)); // two token requests
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Fault {
    method: Option<String>,
    path: Option<String>,
    /// Calls to let through before the first strike.
    wait: usize,
    /// Strikes left; `usize::MAX` for always.
    left: usize,
    pub(super) effect: Effect,
}

/// What a fault does to a call.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// The service does its work, but not all of the answer arrives.
    Deliver(Delivery),
    /// Something else is answered.
    Answer(Answer),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    /// A content type and a text, instead of the service's error JSON.
    pub(super) body: Option<(String, String)>,
}

impl Fault {
    fn new(effect: Effect) -> Self {
        Self {
            method: None,
            path: None,
            wait: 0,
            left: 1,
            effect,
        }
    }

    fn answer(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        if let Effect::Answer(answer) = &mut self.effect {
            change(answer);
        }
        self
    }

    /// An answer of that status, from 200 to 599, with the error JSON the service sends for it
    /// («Common REST API error codes»); of the token endpoint, with that endpoint's error JSON.
    /// Any other number is answered as 500. The service does none of its work.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::status(403).message("Missing application roles.");
    /// # let _ = fault;
    /// ```
    pub fn status(status: u16) -> Self {
        let status = if (200..600).contains(&status) {
            status
        } else {
            500
        };
        Self::new(Effect::Answer(Answer {
            status,
            ..Answer::default()
        }))
    }

    /// What the service answers above its limits: status 429, `Retry-After` in whole seconds
    /// (rounded up), and a message with the same number.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::throttled(Duration::from_secs(8)).times(3);
    /// # let _ = fault;
    /// ```
    pub fn throttled(retry_after: Duration) -> Self {
        let seconds = whole_seconds(retry_after);
        Self::status(429).retry_after(retry_after).message(format!(
            "API calls quota exceeded! Maximum allowed 100 per 00:01:00 for the key \
             Destination+TenantID+AppID. You can send requests again in {seconds} seconds."
        ))
    }

    /// Status 401 with the service's error JSON, as for a token it doesn't accept, or for a tenant
    /// without a licence.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let no_licence = Fault::unauthorized()
    ///     .message("Unauthorized request - reason of failure: Account mode is inactive")
    ///     .always();
    /// # let _ = no_licence;
    /// ```
    pub fn unauthorized() -> Self {
        Self::status(401)
    }

    /// The connection closes after the request, without an answer.
    ///
    /// The service has done its work all the same: of a call that writes, what it writes is written and
    /// the answer is lost, so that a test can see what your tool makes of an outcome that nobody knows.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::disconnect().path("machines").on_call(2);
    /// # let _ = fault;
    /// ```
    pub fn disconnect() -> Self {
        Self::new(Effect::Deliver(Delivery::Nothing))
    }

    /// The service's own answer, with its status and headers, but the connection closes half-way
    /// through the body. As with [`disconnect`](Self::disconnect), the work is done. An answer that has
    /// no body arrives whole.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::cut_body().path("machines").on_call(2);
    /// # let _ = fault;
    /// ```
    pub fn cut_body() -> Self {
        Self::new(Effect::Deliver(Delivery::Cut))
    }

    /// The request is taken and never answered: the connection stays open until the client gives up or
    /// the tenant is dropped, which ends its thread here. For tests of timeouts, and of what a tool does
    /// when it is to stop while a call is under way. As with [`disconnect`](Self::disconnect), the work
    /// is done.
    ///
    /// A client's timeouts run in real time, with a [`FakeClock`](super::FakeClock) too: give it a short
    /// [`read_timeout`](crate::ClientBuilder::read_timeout), and the test some seconds of grace.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use defender_endpoint::testing::{Fault, Tenant};
    /// use defender_endpoint::{ErrorKind, RetryPolicy};
    ///
    /// let tenant = Tenant::demo()?;
    /// tenant.fail(Fault::silence().path("machines"));
    ///
    /// let builder = tenant.client_builder()?.retry_policy(RetryPolicy::none());
    /// let client = builder.read_timeout(Duration::from_millis(50)).build()?;
    /// let error = client.machine("1e5bc9d7").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Timeout);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn silence() -> Self {
        Self::new(Effect::Deliver(Delivery::Silence))
    }

    /// An answer of that status (as for [`status`](Self::status)) with exactly this body: a
    /// gateway's HTML, damaged JSON, a page of rows made by hand. With a [`path`](Self::path) that the
    /// tenant doesn't know it serves that path, whatever the token: see
    /// [«Other operations»](crate::testing#other-operations).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::body(502, "text/html", "<html>Bad Gateway</html>");
    /// # let _ = fault;
    /// ```
    pub fn body(status: u16, content_type: impl Into<String>, text: impl Into<String>) -> Self {
        let body = Some((content_type.into(), text.into()));
        Self::status(status).answer(|answer| answer.body = body)
    }

    /// Leaves the body of the answer empty. Does nothing to [`disconnect`](Self::disconnect),
    /// [`silence`](Self::silence) and [`cut_body`](Self::cut_body), as all setters of the answer.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::status(404).empty_body();
    /// # let _ = fault;
    /// ```
    pub fn empty_body(self) -> Self {
        self.answer(|answer| answer.body = Some(("text/plain".to_owned(), String::new())))
    }

    /// Adds a `Retry-After` header, in whole seconds, rounded up.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::status(503).retry_after(Duration::from_secs(30));
    /// # let _ = fault;
    /// ```
    pub fn retry_after(self, wait: Duration) -> Self {
        self.header("Retry-After", whole_seconds(wait).to_string())
    }

    /// Adds any header, for what [`retry_after`](Self::retry_after) can't say, such as a date.
    /// Control characters are left out, and so are headers that would change the framing
    /// (`Content-Length`, `Transfer-Encoding`, `Connection`) or whose name is not a word of HTTP.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::status(307).header("Location", "https://example.com/api/machines");
    /// # let _ = fault;
    /// ```
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let header = (name.into(), value.into());
        self.answer(|answer| answer.headers.push(header))
    }

    /// Sets the `code` of the error JSON. By default it is the one the service uses for the
    /// status.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::status(403).code("DisabledFeature");
    /// # let _ = fault;
    /// ```
    pub fn code(self, code: impl Into<String>) -> Self {
        let code = Some(code.into());
        self.answer(|answer| answer.code = code)
    }

    /// Sets the `message` of the error JSON.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::status(403).message("Tenant feature is not enabled");
    /// # let _ = fault;
    /// ```
    pub fn message(self, message: impl Into<String>) -> Self {
        let message = Some(message.into());
        self.answer(|answer| answer.message = message)
    }

    /// Strikes only calls whose path, as sent, contains this text. `"oauth2"` is the token
    /// endpoint. By default every call of the API is meant and no token request.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::status(500).path("GetScanHistoryByScanDefinitionId");
    /// # let _ = fault;
    /// ```
    pub fn path(mut self, part: impl Into<String>) -> Self {
        self.path = Some(part.into());
        self
    }

    /// Strikes only calls of this method, such as `POST`: of a path that is read and written, one or the
    /// other. By default any.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let adding = Fault::disconnect().method("POST").path("ScanDefinitions");
    /// # let _ = adding;
    /// ```
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Strikes first on the n-th matching call, counted from 1 and from the moment the fault is
    /// queued. 0 means 1. By default 1.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fifth_and_sixth = Fault::disconnect().on_call(5).times(2);
    /// # let _ = fifth_and_sixth;
    /// ```
    pub fn on_call(mut self, n: usize) -> Self {
        self.wait = n.saturating_sub(1);
        self
    }

    /// Strikes this many matching calls in a row. By default 1; 0 never strikes.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let fault = Fault::status(503).times(2);
    /// # let _ = fault;
    /// ```
    pub fn times(mut self, times: usize) -> Self {
        self.left = times;
        self
    }

    /// Strikes every matching call from its first on, until
    /// [`Tenant::clear_faults`](super::Tenant::clear_faults).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Fault;
    ///
    /// let outage = Fault::status(503).always();
    /// # let _ = outage;
    /// ```
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Counts a call, and tells whether this fault may strike it.
    fn is_due(&mut self, method: &str, path: &str) -> bool {
        let at_path = match &self.path {
            Some(part) => path.contains(part.as_str()),
            None => path.starts_with("/api/"),
        };
        let matches = at_path && self.method.as_ref().is_none_or(|wanted| wanted == method);
        if matches && self.wait > 0 {
            self.wait -= 1;
            return false;
        }
        matches && self.left > 0
    }
}

/// The effect on a call of the first fault that is due; every fault counts the call.
pub(super) fn strike(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<Effect> {
    let mut effect = None;
    for fault in faults.iter_mut() {
        if fault.is_due(method, path) && effect.is_none() {
            if fault.left != usize::MAX {
                fault.left -= 1;
            }
            effect = Some(fault.effect.clone());
        }
    }
    faults.retain(|fault| fault.left > 0);
    effect
}

/// The code in the service's error JSON for a status.
pub(super) fn usual_code(status: u16) -> String {
    match status {
        // Documented as `TooManyRequests`, seen as a number in quotes.
        429 => "429".to_owned(),
        404 => "ResourceNotFound".to_owned(),
        status => reply::reason(status).replace(' ', ""),
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests;
