//! What it means that an exchange failed, in words of our own, and what can be done about it.

use std::io;
use std::time::Duration;

use ureq::Timeout;

use super::{Http, Request};
use crate::cloud::Origin;
use crate::error::{Error, ErrorKind, Retry};

impl Http {
    /// Says what happened in words of our own: ureq's texts may hold a URL with its query.
    pub(super) fn failure(
        &self,
        error: ureq::Error,
        request: &Request<'_>,
        time: Duration,
    ) -> Error {
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
            ureq::Error::ConnectProxyFailed(why) => refused_by_proxy(&why, host),
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

/// The proxy was reached, and made no connection.
fn refused_by_proxy(why: &str, host: &str) -> Error {
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
    let failure = transport(text, true).with_retry(retry).with_source(error);
    if unreached {
        failure.with_unreached()
    } else {
        failure
    }
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
        .with_unreached()
        .with_hint("check the API URL, and whether this network needs a proxy (HTTPS_PROXY)")
}

fn tls_failure(host: &str, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let why = source.to_string();
    let hint = tls_hint(&why);
    let error = Error::new(ErrorKind::Tls, format!("no secure connection to {host}"));
    let error = error.with_source(source);
    let error = if is_about_ours(&squeezed(&why)) {
        error.with_turned_away()
    } else {
        error
    };
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
