//! One HTTP exchange. Nothing but this module names ureq.

use std::env;
use std::io::{self, Read as _};
use std::time::Duration;

use time::OffsetDateTime;
use ureq::http::{HeaderMap, HeaderValue, header};
use ureq::{Agent, Timeout};

use crate::body::{self, Body, Spares};
use crate::cloud::Origin;
use crate::error::{Error, ErrorKind, Retry};
use crate::inflate::{self, End};
use crate::retry;
use crate::secret::Secret;

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
}

impl Method {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
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
            Proxy::Environment => environments_proxy()?,
            Proxy::None => None,
            Proxy::Url(url) => Some(proxy(url.expose())?),
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
        let answer = match request.method {
            Method::Get => self
                .prepare(self.agent.get(request.url), request, time)?
                .call(),
            Method::Post => self
                .prepare(self.agent.post(request.url), request, time)?
                .send(request.body),
        };
        let mut answer = answer.map_err(|error| self.failure(error, request, time))?;
        let status = answer.status().as_u16();
        let body = Body::new(request.spares);
        let mut response = read_headers(status, answer.headers(), body);
        let small = status != 200 || request.small;
        let limit = if small { SMALL_BODY } else { self.body_limit };
        let mut reader = answer.body_mut().as_reader().take(limit.saturating_add(1));
        match response.body.fill(&mut reader) {
            Ok(()) if !small && response.body.size() > limit => {
                return Err(too_large(limit));
            }
            Ok(()) => {}
            // The status says more than the rest of an error page that didn't arrive.
            Err(_) if status != 200 => response.whole = false,
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
                return Err(if begun {
                    error.with_retry(Retry::BackOff)
                } else {
                    error
                });
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
                transport(format!("no connection to {host}"), true).with_unreached(true)
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
        Error::new(ErrorKind::Timeout, text)
            .with_retryable(true)
            .with_unreached(unreached)
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

fn read_headers(status: u16, headers: &HeaderMap, mut body: Body) -> Response {
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

fn io_failure(error: io::Error, host: &str) -> Error {
    let text = match error.kind() {
        // rustls reports a certificate it does not accept as invalid data.
        io::ErrorKind::InvalidData if error.get_ref().is_some() && !is_damage(&error) => {
            return tls_failure(host, error.into());
        }
        // TLS 1.3 tells it behind the handshake, and OpenSSL with no kind of its own.
        io::ErrorKind::Other if is_about_ours(&squeezed(&error.to_string())) => {
            return tls_failure(host, error.into());
        }
        io::ErrorKind::ConnectionRefused => format!("{host} refused the connection"),
        io::ErrorKind::TimedOut => {
            let text = format!("{host} did not answer in time");
            return Error::new(ErrorKind::Timeout, text)
                .with_retryable(true)
                .with_source(error);
        }
        _ if error.to_string().starts_with("failed to lookup address") => {
            return unresolved(host).with_source(error);
        }
        _ => format!("the connection to {host} broke off"),
    };
    let dead = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    );
    let unreached = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    );
    let retry = if dead { Retry::AtOnce } else { Retry::BackOff };
    transport(text, true)
        .with_retry(retry)
        .with_unreached(unreached)
        .with_source(error)
}

/// A TLS record that did not arrive as it was sent, which says nothing of who sent it.
fn is_damage(error: &io::Error) -> bool {
    let why = error.to_string();
    why.contains("cannot decrypt") || why.contains("BadRecordMac")
}

fn transport(text: String, retryable: bool) -> Error {
    Error::new(ErrorKind::Transport, text).with_retryable(retryable)
}

fn unresolved(host: &str) -> Error {
    transport(format!("the name of {host} could not be resolved"), true)
        .with_unreached(true)
        .with_hint("check the API URL, and whether this network needs a proxy (HTTPS_PROXY)")
}

fn tls_failure(host: &str, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let hint = tls_hint(&source.to_string());
    let error = Error::new(ErrorKind::Tls, format!("no secure connection to {host}"));
    let error = error.with_source(source);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// What to do about it depends on why, which the TLS libraries tell by their texts alone: those of
/// rustls and, where they differ, of OpenSSL.
fn tls_hint(why: &str) -> Option<&'static str> {
    let why = squeezed(why);
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    // First, since such a text goes on with names, which can be any.
    if says(&["notvalidforname", "mismatch", "unrecognizedname"]) {
        return Some(
            "check the API URL and the login authority; if they are right, something else answers \
             in their place, such as a network's sign-in page",
        );
    }
    if is_about_ours(&why) {
        return Some(
            "the server, or a proxy before it, wants a client certificate that it trusts: see \
             `client_certificate`",
        );
    }
    if says(&["unsupportedcertversion"]) {
        return Some(
            "the server's certificate is X.509 version 1, which is not accepted: whoever runs it, or \
             the proxy before it, has to issue one of version 3",
        );
    }
    if says(&["expired", "notvalidyet", "notyetvalid"]) {
        return Some(
            "check this computer's date and clock; if they are right, whoever runs the server, or \
             the proxy before it, has to renew the certificate",
        );
    }
    if says(&["corruptmessage", "wrongversionnumber"]) {
        return Some(
            "what answers speaks something else, perhaps plain HTTP: check scheme and port of the \
             API URL and the login authority",
        );
    }
    if says(&["incompatible", "protocolversion"]) {
        return Some(
            "TLS 1.2 or 1.3 is needed, which an old server or a proxy before it may not speak",
        );
    }
    if says(&["handshakefailure"]) {
        return Some(
            "TLS 1.2 or 1.3 is needed, which an old server or a proxy before it may not speak; or \
             it wants a client certificate (`client_certificate`)",
        );
    }
    // The handshake went wrong in a way that no setting mends.
    if says(&["fatalalert", "misbehaved", "unexpected"]) {
        return None;
    }
    Some(
        "where a proxy inspects TLS, give its root certificate with `root_certificates`, or \
         install it in the system's store and trust that one: feature `platform-verifier` and the \
         setter `platform_verifier`, or feature `native-tls` and the setter `native_tls`",
    )
}

/// In lower case and without spaces, since one library writes names of constants and the other words.
fn squeezed(why: &str) -> String {
    why.to_ascii_lowercase().replace(' ', "")
}

/// Whether the peer said that it doesn't accept this side's certificate, or misses one.
fn is_about_ours(squeezed: &str) -> bool {
    let alert = squeezed.split_once("alert").map_or("", |(_, alert)| alert);
    [
        "certificaterequired",
        "badcertificate",
        "nocertificate",
        "unsupportedcertificate",
        "certificaterevoked",
        "certificateexpired",
        "certificateunknown",
        "unknownca",
        "accessdenied",
    ]
    .iter()
    .any(|word| alert.contains(word))
}

/// A cause of which only the text is kept.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Detail(String);

/// Where ureq looks for a proxy; the first that is set counts.
const PROXY_VARIABLES: [&str; 6] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

/// The proxy that the environment names. ureq would pass over what is no URL, and the calls would go
/// past the proxy.
fn environments_proxy() -> Result<Option<ureq::Proxy>, Error> {
    let set = PROXY_VARIABLES
        .iter()
        .filter_map(|name| Some((name, env::var_os(name)?)))
        .find(|(_, value)| !value.as_encoded_bytes().trim_ascii().is_empty());
    if let Some((name, value)) = set {
        // What is no Unicode is no URL either.
        let url = value.to_str().unwrap_or_default();
        proxy(url).map_err(|error| error.for_request(name))?;
    }
    // The same once more, with the exceptions of NO_PROXY.
    ureq::Proxy::try_from_env().map(checked).transpose()
}

fn proxy(url: &str) -> Result<ureq::Proxy, Error> {
    // A password that is not encoded would become part of the host, and be looked up.
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let place = rest.strip_suffix('/').unwrap_or(rest);
    if place.contains(['/', '?', '#']) || place.matches('@').count() > 1 {
        return Err(invalid_proxy());
    }
    let proxy = ureq::Proxy::new(url);
    proxy.map_err(|_| invalid_proxy()).and_then(checked)
}

fn checked(proxy: ureq::Proxy) -> Result<ureq::Proxy, Error> {
    match proxy.protocol() {
        ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https if has_place(&proxy) => Ok(proxy),
        _ => Err(invalid_proxy()),
    }
}

fn invalid_proxy() -> Error {
    Error::config("the proxy URL is not valid").with_hint(
        "expected http://[user:password@]host:port, or https://, with other characters than \
         letters and digits of user and password percent-encoded",
    )
}

/// Whether it says where: ureq accepts no host, and takes the default for a port that is no number.
fn has_place(proxy: &ureq::Proxy) -> bool {
    let authority = proxy.uri().authority().map_or("", |all| all.as_str());
    let place = authority.rsplit('@').next().unwrap_or_default();
    let port = match place.strip_prefix(proxy.host()) {
        Some(rest) if !proxy.host().is_empty() => rest,
        _ => return false,
    };
    match port.strip_prefix(':') {
        Some(number) => number.parse::<u16>().is_ok_and(|number| number > 0),
        None => port.is_empty(),
    }
}

#[cfg(test)]
pub(crate) mod memory;
#[cfg(feature = "rustls")]
mod roots;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
