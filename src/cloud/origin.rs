//! Scheme, host and port of a URL, and whom of them a token may be sent to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::HOSTS;

/// Scheme, host and port: what decides who receives a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads a base URL: an origin and at most one slash. The text returned says what is wrong
    /// with it, without showing it: it may hold a password.
    pub(super) fn of_base(url: &str) -> Result<Self, &'static str> {
        let (origin, rest) = Self::split(url)?;
        if !matches!(rest, "" | "/") {
            return Err("has a path, a query or a fragment");
        }
        if !origin.https && !origin.is_loopback() {
            return Err("is http to a host that isn't loopback: tokens are sent over https only");
        }
        Ok(origin)
    }

    /// Reads the origin of an absolute URL and returns what follows it.
    pub(crate) fn split(url: &str) -> Result<(Self, &str), &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("has no scheme (https://)")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("has a scheme other than https"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err("holds a user name or password");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let number = port.bytes().all(|b| b.is_ascii_digit());
                let port = number.then(|| port.parse::<u16>().ok()).flatten();
                (
                    host,
                    port.filter(|port| *port > 0)
                        .ok_or("has a port that is no number")?,
                )
            }
            _ => (authority, if https { 443 } else { 80 }),
        };
        if !is_host(host) {
            return Err("has no valid host name");
        }
        Ok((
            Self {
                https,
                host: host.to_ascii_lowercase(),
                port,
            },
            rest,
        ))
    }

    /// Host and port, the port only where it isn't the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let url = self.to_string();
        url.split_once("://")
            .map_or_else(String::new, |(_, authority)| authority.to_owned())
    }

    /// The host, in lower case.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// Whether a link that names this origin may be followed by a client of `configured`: it is
    /// that very origin, or a host of the API (regional answers may name their own).
    pub(crate) fn may_answer_for(&self, configured: &Self) -> bool {
        self == configured
            || self.is_default_https() && HOSTS.iter().any(|(host, _)| *host == self.host)
    }

    pub(super) fn is_default_https(&self) -> bool {
        self.https && self.port == 443
    }

    pub(crate) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || bare
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// An IPv6 address in brackets, or whatever else a name or an IPv4 address can be.
fn is_host(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(address) = bare {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // The dot at the end is the root's.
    let host = host.strip_suffix('.').unwrap_or(host);
    // No name in the DNS is longer.
    let fits = host.len() <= 253;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    fits && host
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(legal))
}

/// As it stands before a path; a default port is left out.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.https {
            ("https", 443)
        } else {
            ("http", 80)
        };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_scheme_host_and_port() {
        for (url, expected) in [
            (
                "https://API.securitycenter.microsoft.com/",
                "https://api.securitycenter.microsoft.com",
            ),
            ("https://host:443", "https://host"),
            ("https://host:8443", "https://host:8443"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://localhost", "http://localhost"),
            ("http://[::1]:80/", "http://[::1]"),
        ] {
            assert_eq!(Origin::of_base(url).unwrap().to_string(), expected, "{url}");
        }
    }

    #[test]
    fn anything_else_in_a_base_url_is_refused() {
        for url in [
            "",
            "host",
            "//host",
            "ftp://host",
            "https://",
            "https://host/path",
            "https://host?query",
            "https://host#fragment",
            "https://user@host",
            "https://user:password@host",
            "https://good.example@evil.example",
            "https://host\\@evil.example",
            "https://host :443",
            "https://host:",
            "https://host:0",
            "https://host:+80",
            "https://host:99999",
            "https://h\u{f6}st",
            &format!("https://{}x", "long.".repeat(51)),
            "https://.",
            "https://..",
            "https://a..b",
            "https://.a",
            "https://a..",
            "https://[::1",
            "http://example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
        ] {
            assert!(Origin::of_base(url).is_err(), "{url}");
        }
    }
}
