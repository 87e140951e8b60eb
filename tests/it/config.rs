//! Settings that make no sense are refused when the client is built, with a text that says which
//! one it is, and before anything is sent.

use std::time::Duration;

use defender_endpoint::testing::FakeClock;
use defender_endpoint::{
    Client, ClientBuilder, Cloud, Error, ErrorKind, RateLimiter, RateLimits, StaticToken,
};

use crate::support;
use crate::support::raw::{Answer, Forbidden, RawServer};

/// The error of a setting, which names it by all of these words. The server must not hear of it.
fn refused(setting: impl FnOnce(ClientBuilder) -> ClientBuilder, words: &[&str]) -> Error {
    let server = Forbidden::new();
    let builder = setting(support::builder(&format!("http://{}", server.host())));
    let error = builder.build().unwrap_err();
    server.assert_untouched();
    assert_config(&error, words);
    error
}

fn assert_config(error: &Error, words: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert_eq!((error.attempts(), error.status()), (0, None));
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    for word in words {
        assert!(text.contains(word), "{text:?} doesn't say {word:?}");
    }
}

/// The settings work: a call goes out and comes back.
fn works(setting: impl FnOnce(ClientBuilder) -> ClientBuilder) {
    let server = RawServer::sending(Answer::json(r#"{"value":[]}"#));
    let client = setting(support::builder(&server.url())).build().unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
}

/// Base URLs that are wrong, and a word of what is wrong with them.
const BAD_BASES: &[(&str, &str)] = &[
    ("", "scheme"),
    ("api.securitycenter.microsoft.com", "scheme"),
    ("//api.securitycenter.microsoft.com", "scheme"),
    ("ftp://host", "scheme"),
    ("file:///etc/passwd", "scheme"),
    ("https://", "host"),
    ("https:///", "host"),
    ("https://host/api", "path"),
    ("https://host//", "path"),
    ("https://host?query", "query"),
    ("https://host/?", "query"),
    ("https://host#fragment", "fragment"),
    ("https://user@host", "user name"),
    ("https://user:hunter2@host", "user name"),
    ("https://good.example:hunter2@evil.example", "user name"),
    ("https://host:", "port"),
    ("https://host:0", "port"),
    ("https://host:65536", "port"),
    ("https://host:hunter2", "port"),
    ("https://ho st", "host name"),
    ("https://host\n", "host name"),
    ("https://host\\@evil.example", "user name"),
    ("https://h\u{f6}st", "host"),
    ("https://[::1", "host"),
    ("http://example.com", "https only"),
    ("http://192.168.0.1", "https only"),
    ("http://127.0.0.1.example.com", "https only"),
    ("http://localhost.example.com", "https only"),
];

#[test]
fn an_api_url_is_scheme_host_and_port_and_secure() {
    for (url, word) in BAD_BASES {
        let cloud = Cloud::COMMERCIAL.with_api_url(*url);
        let error = refused(|builder| builder.cloud(cloud), &["the API URL", word]);
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

#[test]
fn a_login_authority_is_scheme_host_and_port_and_secure() {
    for (url, word) in BAD_BASES {
        let cloud = Cloud::COMMERCIAL.with_authority(*url);
        let error = refused(
            |builder| builder.cloud(cloud),
            &["the login authority", word],
        );
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

#[test]
fn one_slash_behind_a_base_url_is_let_pass() {
    let server = RawServer::sending(Answer::json(r#"{"value":[]}"#));
    let client = support::client(&format!("{}/", server.url()));
    drop(client.scan_agents().unwrap());
    assert_eq!(server.only().target(), "/api/DeviceAuthenticatedScanAgents");
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn every_cloud_can_be_built() {
    for cloud in [
        Cloud::COMMERCIAL,
        Cloud::US,
        Cloud::EU,
        Cloud::UK,
        Cloud::AU,
        Cloud::GCC,
        Cloud::GCC_HIGH,
        Cloud::DOD,
    ] {
        let client = Client::builder(StaticToken::new("t").unwrap())
            .cloud(cloud.clone())
            .build();
        let url = client.unwrap().machines().url();
        assert_eq!(url, format!("{}/api/machines", cloud.api_url()));
    }
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
#[test]
fn without_tls_https_is_refused() {
    let error = Client::builder(StaticToken::new("t").unwrap())
        .build()
        .unwrap_err();
    assert_config(&error, &["TLS"]);
}

#[test]
fn a_scope_must_not_be_empty() {
    for scope in ["", " ", "a\nb"] {
        let cloud = Cloud::COMMERCIAL.with_scope(scope);
        refused(|builder| builder.cloud(cloud), &["scope"]);
    }
}

#[test]
fn a_cloud_that_there_is_not_is_answered_with_those_there_are() {
    for name in ["", "moon", "gcc high", "commercial "] {
        let error = name.parse::<Cloud>().unwrap_err();
        assert_config(
            &error,
            &[
                "cloud",
                "commercial",
                "us",
                "eu",
                "uk",
                "au",
                "gcc",
                "gcc-high",
                "dod",
            ],
        );
    }
}

#[test]
fn no_timeout_may_be_zero() {
    refused(
        |builder| builder.connect_timeout(Duration::ZERO),
        &["connect_timeout", "zero"],
    );
    refused(
        |builder| builder.read_timeout(Duration::ZERO),
        &["read_timeout", "zero"],
    );
    refused(
        |builder| builder.try_timeout(Duration::ZERO),
        &["try_timeout", "zero"],
    );
}

#[test]
fn no_timeout_may_be_longer_than_a_day() {
    const DAY: Duration = Duration::from_secs(86_400);
    // The longest would overflow the transport's clock.
    for timeout in [DAY + Duration::from_nanos(1), Duration::MAX] {
        refused(
            |builder| builder.connect_timeout(timeout),
            &["connect_timeout", "day"],
        );
        refused(
            |builder| builder.read_timeout(timeout),
            &["read_timeout", "day"],
        );
        refused(
            |builder| builder.try_timeout(timeout),
            &["try_timeout", "day"],
        );
    }
    works(|builder| {
        builder
            .connect_timeout(DAY)
            .read_timeout(DAY)
            .try_timeout(DAY)
    });
}

#[test]
fn a_deadline_may_be_endless() {
    works(|builder| builder.deadline(Duration::MAX));
}

#[test]
fn a_body_limit_must_not_be_zero_and_may_be_anything_else() {
    refused(|builder| builder.body_limit(0), &["body_limit", "zero"]);
    works(|builder| builder.body_limit(u64::MAX));
}

#[test]
fn a_rate_limit_must_not_be_zero_and_may_be_anything_else() {
    for limits in [
        RateLimits::new(0, 1),
        RateLimits::new(1, 0),
        RateLimits::documented().divided_by(0),
        RateLimits::documented().divided_by(101),
        RateLimits::documented().divided_by(u32::MAX),
    ] {
        refused(
            |builder| builder.rate_limits(limits),
            &["rate limit", "zero"],
        );
        assert_config(
            &RateLimiter::new(limits).unwrap_err(),
            &["rate limit", "zero"],
        );
    }
    works(|builder| builder.rate_limits(RateLimits::new(u32::MAX, u32::MAX)));
    works(|builder| builder.rate_limits(RateLimits::new(1, 1)));
}

#[test]
fn a_wait_may_be_none_or_endless() {
    works(|builder| builder.max_wait(Duration::ZERO));
    works(|builder| builder.max_wait(Duration::MAX));
}

#[test]
fn a_wait_of_none_fails_at_once_where_there_is_no_room() {
    let server = RawServer::sending(Answer::json(r#"{"value":[]}"#));
    let clock = FakeClock::new();
    let client = support::builder(&server.url())
        .clock(clock.clone())
        .rate_limits(RateLimits::new(1, 1))
        .max_wait(Duration::ZERO)
        .build()
        .unwrap();
    drop(client.scan_agents().unwrap());
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::RateLimited, 0),
        "{error:?}"
    );
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        defender_endpoint::testing::Clock::now(&clock),
        Duration::ZERO
    );
}

#[test]
fn a_user_agent_must_fit_a_header() {
    for name in [
        "a\nb",
        "a\r\nX-Injected: y",
        "a\0b",
        "a\u{7f}",
        "b\u{fc}ro/1",
    ] {
        refused(|builder| builder.user_agent(name), &["user agent"]);
    }
}

#[test]
fn a_proxy_url_must_be_one_and_is_not_shown() {
    for url in [
        "",
        "http://",
        "://",
        "/path",
        "http:// host",
        "http://[::1",
        "http://@",
        "http://a-user:hunter2@",
        "http://a-user:hunter2@ho st:80",
        "http://a-user:%ffhunter2@host",
        "ftp://a-user:hunter2@host",
        "socks5://a-user:hunter2@host:1080",
        "socks5h://host",
        "hunter2\n",
    ] {
        let error = refused(|builder| builder.proxy(url), &["proxy URL"]);
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
        assert!(
            format!("{error:?}").contains("expected http://"),
            "{error:?}"
        );
    }
}

#[test]
fn a_proxys_password_is_in_no_debug_text() {
    let url = "http://a-user:hunter2@127.0.0.1:1";
    let builder = support::builder("http://127.0.0.1:1").proxy(url);
    let texts = format!("{builder:?} {builder:#?}");
    let client = builder.build().unwrap();
    let texts = format!("{texts} {client:?} {client:#?} {:?}", client.machines());
    assert!(!texts.contains("hunter2"), "{texts}");
}

#[test]
fn the_last_word_on_the_proxy_counts() {
    works(|builder| builder.proxy("http://127.0.0.1:1").no_proxy());
    refused(|builder| builder.no_proxy().proxy(""), &["proxy URL"]);
}

#[test]
fn settings_are_checked_without_asking_the_credential() {
    #[derive(Debug)]
    struct Untouchable;
    impl defender_endpoint::Credential for Untouchable {
        fn token(
            &self,
            _: &defender_endpoint::TokenRequest<'_>,
        ) -> Result<defender_endpoint::AccessToken, Error> {
            panic!("the credential was asked");
        }
    }
    let builder =
        Client::builder(Untouchable).cloud(Cloud::COMMERCIAL.with_api_url("http://127.0.0.1:1"));
    assert!(builder.clone().body_limit(0).build().is_err());
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    drop(builder.build().unwrap());
}
