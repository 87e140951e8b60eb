//! One HTTP exchange. Nothing but this module and those within it names ureq.

mod failure;
#[cfg(test)]
pub(crate) mod memory;
mod message;
mod proxy;
#[cfg(feature = "rustls")]
mod roots;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
mod upload;

use std::io::{self, Read as _};
use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderValue, header};

use crate::body::{self, Body};
use crate::error::{Error, ErrorKind, Retry};
use crate::secret::Secret;
use upload::Upload;

pub(crate) use message::{Method, Nearby, Request, Response};
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

/// `failure` has the rest.
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
        let answer = self.ask(request, time)?;
        self.read(answer, request, time)
    }

    /// Sends, and waits for the head of the answer.
    fn ask(
        &self,
        request: &Request<'_>,
        time: Duration,
    ) -> Result<ureq::http::Response<ureq::Body>, Error> {
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
        answer.map_err(|error| {
            let error = self.failure(error, request, time);
            if request.writes && upload.has_begun() {
                error.with_sent()
            } else {
                error
            }
        })
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

    /// Reads what came behind the head.
    fn read(
        &self,
        mut answer: ureq::http::Response<ureq::Body>,
        request: &Request<'_>,
        time: Duration,
    ) -> Result<Response, Error> {
        let status = answer.status().as_u16();
        let good = status == 200 || request.writes && (200..300).contains(&status);
        let body = Body::new(request.spares);
        let mut response = Response::new(status, good, answer.headers(), body);
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
            Ok(()) if !small && response.body.size() > limit => Err(lost(too_large(limit))),
            Ok(()) => Ok(response),
            // The status says more than the rest of an error page that didn't arrive.
            Err(_) if !good => {
                response.whole = false;
                Ok(response)
            }
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
                Err(lost(if begun {
                    error.with_retry(Retry::BackOff)
                } else {
                    error
                }))
            }
        }
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
