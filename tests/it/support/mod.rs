//! What the tests share.

pub(crate) mod folder;
pub(crate) mod planted;
pub(crate) mod raw;
pub(crate) mod sources;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) mod tls_server;
pub(crate) mod well_formed;

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use defender_endpoint::testing::FakeClock;
use defender_endpoint::{Client, ClientBuilder, ClientSecret, Cloud, RetryPolicy, StaticToken};

/// The token that `builder` sends.
pub(crate) const TOKEN: &str = "a-token";

/// The documented answers, repaired. See their README for the sources.
pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A client for a server on loopback, in a time of its own.
pub(crate) fn client(url: &str) -> Client {
    builder(url).build().unwrap()
}

/// The same, for more settings. Without retries, so that a test sees each failure.
pub(crate) fn builder(url: &str) -> ClientBuilder {
    Client::builder(StaticToken::new(TOKEN).unwrap())
        .cloud(Cloud::COMMERCIAL.with_api_url(url).with_authority(url))
        .clock(FakeClock::new())
        .no_proxy()
        .retry_policy(RetryPolicy::none())
}

/// `BEGIN EC PRIVATE KEY`, which is what PKCS#8 has inside.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) fn sec1(pkcs8: &[u8]) -> String {
    let inside = pkcs8
        .windows(6)
        .rposition(|six| six[0] == 0x30 && six[2..] == [2, 1, 1, 4]);
    pem("EC PRIVATE KEY", &pkcs8[inside.unwrap()..])
}

/// This in PEM.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(crate) fn pem(kind: &str, der: &[u8]) -> String {
    let mut text = planted::base64(der);
    text.truncate((der.len() * 4).div_ceil(3));
    while text.len() % 4 != 0 {
        text.push('=');
    }
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

/// What an exchange may take at most, so that a test of something broken ends soon.
const BOUND: Duration = Duration::from_secs(8);

/// A client as everybody has it, retries and all, in this time.
pub(crate) fn retrying(url: &str, clock: &FakeClock) -> ClientBuilder {
    builder(url)
        .clock(clock.clone())
        .try_timeout(BOUND)
        .retry_policy(RetryPolicy::default())
}

/// The same, whose tokens come from somewhere else.
pub(crate) fn retrying_with_secret(login: &str, api: &str, clock: &FakeClock) -> ClientBuilder {
    let cloud = Cloud::COMMERCIAL.with_api_url(api).with_authority(login);
    Client::builder(ClientSecret::new("contoso.com", "an-app", "hunter2~a-secret").unwrap())
        .cloud(cloud)
        .clock(clock.clone())
        .try_timeout(BOUND)
        .no_proxy()
}

/// Does this, and fails if it takes longer: for what might hang.
pub(crate) fn within<T: Send + 'static>(
    longest: Duration,
    act: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, outcome) = channel();
    let thread = thread::spawn(move || drop(done.send(act())));
    match outcome.recv_timeout(longest) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => panic!("this takes longer than {longest:?}"),
        Err(RecvTimeoutError::Disconnected) => resume_unwind(thread.join().unwrap_err()),
    }
}

#[test]
fn what_hangs_is_noticed_and_what_panics_does() {
    assert_eq!(within(Duration::from_secs(20), || 7), 7);
    let panics = || within(Duration::from_secs(20), || panic!("on purpose"));
    assert!(std::panic::catch_unwind(panics).is_err());
    // Parked until its test has ended.
    let (_kept, never) = channel::<()>();
    let hangs = move || within(Duration::from_millis(10), move || never.recv());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(hangs)).is_err());
}

#[test]
fn a_connection_to_the_forbidden_host_is_noticed() {
    let forbidden = raw::Forbidden::new();
    forbidden.assert_untouched();
    drop(std::net::TcpStream::connect(("127.0.0.1", forbidden.port())).unwrap());
    assert!(std::panic::catch_unwind(|| forbidden.assert_untouched()).is_err());
}
