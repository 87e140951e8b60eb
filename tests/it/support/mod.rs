//! What the tests share.

pub(crate) mod raw;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use defender_endpoint::testing::FakeClock;
use defender_endpoint::{Client, ClientBuilder, Cloud, RetryPolicy, StaticToken};

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

/// Does what could hang where the crate is broken, and fails then instead of hanging with it.
pub(crate) fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        // Nobody listens any more if it took too long.
        let _ = done.send(());
    });
    match is_done.recv_timeout(Duration::from_secs(20)) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => worker.join().unwrap(),
    }
}

#[test]
fn a_connection_to_the_forbidden_host_is_noticed() {
    let forbidden = raw::Forbidden::new();
    forbidden.assert_untouched();
    drop(std::net::TcpStream::connect(("127.0.0.1", forbidden.port())).unwrap());
    assert!(std::panic::catch_unwind(|| forbidden.assert_untouched()).is_err());
}
