//! Which proxy: the environment's, or the one that the program names.

use std::env;

use crate::error::Error;

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
pub(super) fn of_environment() -> Result<Option<ureq::Proxy>, Error> {
    let set = PROXY_VARIABLES
        .iter()
        .filter_map(|name| Some((name, env::var_os(name)?)))
        .find(|(_, value)| !value.as_encoded_bytes().trim_ascii().is_empty());
    if let Some((name, value)) = set {
        // What is no Unicode is no URL either.
        let url = value.to_str().unwrap_or_default();
        of_url(url).map_err(|error| error.for_request(name))?;
    }
    // The same once more, with the exceptions of NO_PROXY.
    ureq::Proxy::try_from_env().map(checked).transpose()
}

pub(super) fn of_url(url: &str) -> Result<ureq::Proxy, Error> {
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
