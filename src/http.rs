//! One HTTP exchange. Nothing but this module names ureq.

use std::io::{self, Read};
use std::time::Duration;

use time::OffsetDateTime;
use ureq::http::{HeaderMap, HeaderValue, header};
use ureq::{Agent, SendBody, Timeout};

use crate::body::{self, Body, Spares};
use crate::cloud::Origin;
use crate::error::{Error, ErrorKind, Retry};
use crate::inflate::{self, End};
use crate::retry;
use crate::secret::Secret;
use failure::{Detail, io_failure, tls_failure, transport, unresolved};

#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) use tls::Tls;

/// Of an answer that is no success or is small by its nature, this much is read: enough for any
/// error JSON, and small bodies are read to their end, which keeps the connection.
const SMALL_BODY: u64 = body::PIECE as u64;

/// What the transport is told once, when the client is built.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) user_agent: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) try_timeout: Duration,
    /// Bytes of one body, counted after inflating.
    pub(crate) body_limit: u64,
    pub(crate) proxy: Proxy,
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub(crate) tls: Tls,
}

/// Which proxy is used.
#[derive(Clone, Debug)]
pub(crate) enum Proxy {
    /// The one that the environment names, if any.
    Environment,
    Url(Secret),
    None,
}

/// The transport: connections, timeouts, bounds.
#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
    read_timeout: Duration,
    try_timeout: Duration,
    connect_timeout: Duration,
    body_limit: u64,
    /// Where connections lead first.
    proxy: Option<String>,
}

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
    fn time(&self, try_timeout: Duration) -> Duration {
        let limit = self.limit(try_timeout);
        self.time_left.map_or(limit, |left| left.min(limit))
    }

    /// The same without a deadline.
    fn limit(&self, try_timeout: Duration) -> Duration {
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

impl Http {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let user_agent = settings.user_agent.as_str();
        if user_agent
            .chars()
            .any(|c| !c.is_ascii() || c.is_ascii_control())
        {
            let text = "the user agent holds characters that a header can't carry";
            return Err(Error::config(text));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(user_agent)
            .accept("application/json")
            .accept_encoding("gzip")
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_per_read(Some(settings.read_timeout))
            .timeout_global(Some(settings.try_timeout));
        let proxy = match &settings.proxy {
            Proxy::Environment => proxy::of_environment()?,
            Proxy::None => None,
            Proxy::Url(url) => Some(proxy::of_url(url.expose())?),
        };
        let proxy_name = proxy
            .as_ref()
            .map(|proxy| format!("{}:{}", proxy.host(), proxy.port()));
        let config = config.proxy(proxy);
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        let config = config.tls_config(tls::config(&settings.tls)?);
        Ok(Self {
            agent: config.build().new_agent(),
            read_timeout: settings.read_timeout,
            try_timeout: settings.try_timeout,
            connect_timeout: settings.connect_timeout,
            body_limit: settings.body_limit,
            proxy: proxy_name,
        })
    }

    pub(crate) fn body_limit(&self) -> u64 {
        self.body_limit
    }

    /// Sends and reads the whole body. Any status is an answer; an error means there was none.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Response, Error> {
        let time = request.time(self.try_timeout);
        let mut upload = Upload::new(request.body);
        let answer = match request.method {
            Method::Get => self
                .prepare(self.agent.get(request.url), request, time)?
                .call(),
            Method::Post => {
                let post = self.prepare(self.agent.post(request.url), request, time)?;
                upload.send(post, request)
            }
            #[cfg(feature = "write")]
            Method::Patch => {
                let patch = self.prepare(self.agent.patch(request.url), request, time)?;
                upload.send(patch, request)
            }
        };
        let mut answer = answer.map_err(|error| {
            let error = self.failure(error, request, time);
            if request.writes && upload.begun {
                error.with_sent()
            } else {
                error
            }
        })?;
        let status = answer.status().as_u16();
        let body = Body::new(request.spares);
        let good = status == 200 || request.writes && (200..300).contains(&status);
        let mut response = read_headers(status, good, answer.headers(), body);
        let lost = |error: Error| {
            if request.writes {
                error.of_accepted(status)
            } else {
                error
            }
        };
        let small = !good || request.small;
        let limit = if small { SMALL_BODY } else { self.body_limit };
        let mut reader = answer.body_mut().as_reader().take(limit.saturating_add(1));
        match response.body.fill(&mut reader) {
            Ok(()) if !small && response.body.size() > limit => {
                return Err(lost(too_large(limit)));
            }
            Ok(()) => {}
            // The status says more than the rest of an error page that didn't arrive.
            Err(_) if !good => response.whole = false,
            Err(error) => {
                // The peer was known by then: what TLS finds wrong now was damaged on its way.
                let error = match error.kind() {
                    io::ErrorKind::InvalidData => {
                        io::Error::new(io::ErrorKind::ConnectionAborted, error)
                    }
                    _ => error,
                };
                let error = self.failure(error.into(), request, time);
                // The answer had begun: this was no dead connection that a new one would mend.
                let begun = error.retry() == Retry::AtOnce;
                return Err(lost(if begun {
                    error.with_retry(Retry::BackOff)
                } else {
                    error
                }));
            }
        }
        Ok(response)
    }

    /// Adds what this request has that others haven't.
    fn prepare<B>(
        &self,
        builder: ureq::RequestBuilder<B>,
        request: &Request<'_>,
        time: Duration,
    ) -> Result<ureq::RequestBuilder<B>, Error> {
        let mut builder = builder;
        if time < self.try_timeout {
            builder = builder.config().timeout_global(Some(time)).build();
        }
        if request.anew {
            // Each of them is older than that, and is closed.
            builder = builder.config().max_idle_age(Duration::ZERO).build();
        }
        if request.url.starts_with("http://") || request.nearby.is_some() {
            // A loopback address, which is another machine's where a proxy stands.
            builder = builder.config().proxy(None).build();
        }
        if let Some(nearby) = request.nearby {
            builder = builder
                .config()
                .timeout_connect(Some(nearby.connect))
                .build();
        }
        if let Some(bearer) = request.bearer {
            let text = zeroize::Zeroizing::new(format!("Bearer {}", bearer.expose()));
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                Error::credential("the token holds characters that a header can't carry")
            })?;
            value.set_sensitive(true);
            builder = builder.header(header::AUTHORIZATION, value);
        }
        for (name, value) in request.headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                Error::credential(format!(
                    "the value for {name} holds characters that a header can't carry"
                ))
            })?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        if let Some(content_type) = request.content_type {
            builder = builder.header(header::CONTENT_TYPE, content_type);
        }
        Ok(builder)
    }

    /// Says what happened in words of our own: ureq's texts may hold a URL with its query.
    fn failure(&self, error: ureq::Error, request: &Request<'_>, time: Duration) -> Error {
        let url = request.url;
        let by_proxy = || {
            let uri = url.parse::<ureq::http::Uri>().ok();
            let both = self.agent.config().proxy().zip(uri);
            both.is_some_and(|(proxy, uri)| !proxy.is_no_proxy(&uri))
        };
        let (host, proxied) = match (Origin::split(url), &self.proxy) {
            (Ok((origin, _)), Some(proxy))
                if origin.is_https() && request.nearby.is_none() && by_proxy() =>
            {
                let host = format!("{} through the proxy {proxy}", origin.authority());
                (host, true)
            }
            (Ok((origin, _)), _) => (origin.authority(), false),
            (Err(_), _) => ("the server".to_owned(), false),
        };
        let error = self.described(error, &host, request, time);
        match error.kind() {
            // Behind it may be another wait, which looks the same.
            ErrorKind::Timeout if proxied && error.is_unreached() => error.with_hint(
                "the proxy was not reached, or did not reach this host in time: check its address, and \
                 whether it speaks TLS itself, which https:// before it means",
            ),
            _ if proxied && error.is_unreached() => error.with_hint(
                "it is the proxy that was not reached: check its address (ALL_PROXY, HTTPS_PROXY, \
                 HTTP_PROXY or `proxy`)",
            ),
            _ => error,
        }
    }

    fn described(
        &self,
        error: ureq::Error,
        host: &str,
        request: &Request<'_>,
        time: Duration,
    ) -> Error {
        match error {
            ureq::Error::Timeout(timeout) => self.timeout(timeout, host, request, time),
            ureq::Error::Io(error) => io_failure(error, host),
            ureq::Error::HostNotFound => unresolved(host),
            ureq::Error::ConnectionFailed => {
                transport(format!("no connection to {host}"), true).with_unreached()
            }
            ureq::Error::Tls(why) => tls_failure(host, Detail(why.to_owned()).into()),
            ureq::Error::ConnectProxyFailed(why) => {
                // «proxy server responded 407/407»
                let status = why
                    .split(|c: char| !c.is_ascii_digit())
                    .find(|word| word.len() == 3);
                let refused = status.is_some_and(|status| status.starts_with('4'));
                let said = status.map(|status| format!(" and answered {status}"));
                let text = format!(
                    "no connection to {host}: it refused{}",
                    said.unwrap_or_default()
                );
                let hint = match status {
                    Some("407") => "the proxy wants a user name and password, or others than these",
                    _ if refused => {
                        "the proxy lets nobody through to this host, or not this user: ask whoever \
                         runs it"
                    }
                    _ => "check the proxy's address, and ask whoever runs it",
                };
                transport(text, !refused).with_hint(hint)
            }
            ureq::Error::LargeResponseHeader(_, limit) => Error::new(
                ErrorKind::TooLarge,
                format!("the answer's headers are larger than {limit} bytes"),
            ),
            ureq::Error::Protocol(why) => {
                transport(format!("what {host} sent is no valid HTTP"), false)
                    .with_source(Detail(why.to_string()))
            }
            // These variants are hidden, or exist only with the features of ureq that any crate may
            // turn on.
            other => match other.to_string() {
                why if why.starts_with("rustls:") || why.starts_with("native-tls:") => {
                    tls_failure(host, Detail(why).into())
                }
                why if why.contains("decompress") => {
                    transport("the compressed body is damaged".to_owned(), true)
                }
                // A chunked body was cut within the line before a chunk.
                why if why.contains("stalled") => {
                    transport(format!("the connection to {host} broke off"), true)
                }
                _ => transport(format!("the exchange with {host} failed"), false),
            },
        }
    }

    fn timeout(
        &self,
        timeout: Timeout,
        host: &str,
        request: &Request<'_>,
        time: Duration,
    ) -> Error {
        let unreached = matches!(timeout, Timeout::Connect | Timeout::Resolve);
        let text = match timeout {
            Timeout::Connect | Timeout::Resolve => {
                let nearby = request.nearby.map(|nearby| nearby.connect);
                let within = nearby.unwrap_or(self.connect_timeout);
                format!("no connection to {host} within {within:?}")
            }
            Timeout::PerRead => format!("nothing arrived from {host} for {:?}", self.read_timeout),
            _ if time < request.limit(self.try_timeout) => {
                format!(
                    "the exchange with {host} was not complete at the deadline, {time:.1?} later"
                )
            }
            _ => format!("the exchange with {host} was not complete within {time:?}"),
        };
        let error = Error::new(ErrorKind::Timeout, text).with_retryable(true);
        if unreached {
            error.with_unreached()
        } else {
            error
        }
    }
}

/// The body of a request on its way out. Whoever was not given any of it can't have acted on it.
struct Upload<'a> {
    rest: &'a [u8],
    /// Whether some of it may have been handed over: till it is known better, and where there is none,
    /// so that the head is all.
    begun: bool,
}

impl<'a> Upload<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self {
            rest: body,
            begun: true,
        }
    }

    fn send(
        &mut self,
        builder: ureq::RequestBuilder<ureq::typestate::WithBody>,
        request: &Request<'_>,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        if !request.writes {
            return builder.send(request.body);
        }
        self.begun = self.rest.is_empty();
        // A reader has no length of its own, and would be sent in chunks.
        let length = HeaderValue::from(request.body.len());
        let builder = builder.header(header::CONTENT_LENGTH, length);
        builder.send(SendBody::from_reader(self))
    }
}

/// ureq asks for the body when there is a connection, which is secure where it has to be, and the
/// head has been sent.
impl Read for Upload<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(into)?;
        self.begun |= read > 0;
        Ok(read)
    }
}

/// The error for a body that passes the limit, on the wire or inflated.
pub(crate) fn too_large(limit: u64) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("the body is larger than the limit of {limit} bytes"),
    )
    .with_hint("ask for fewer rows a page (`page_size`) or raise the client's `body_limit`")
}

fn read_headers(status: u16, good: bool, headers: &HeaderMap, mut body: Body) -> Response {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let location = text("location");
    body.said_compressed =
        text("content-encoding").is_some_and(|kind| kind.to_ascii_lowercase().contains("gzip"));
    Response {
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

mod failure;
#[cfg(test)]
pub(crate) mod memory;
mod proxy;
#[cfg(feature = "rustls")]
mod roots;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
