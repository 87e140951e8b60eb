//! Settings that make no sense are refused when the client is built, with a text that says which
//! one it is, and before anything is sent.

use defender_endpoint::{Client, ClientBuilder, Cloud, Error, ErrorKind, StaticToken};

use crate::support;
use crate::support::raw::{Answer, Forbidden, RawServer};

/// The error of a setting, which names it by all of these words. The server must not hear of it.
pub(crate) fn refused(
    setting: impl FnOnce(ClientBuilder) -> ClientBuilder,
    words: &[&str],
) -> Error {
    let server = Forbidden::new();
    let builder = setting(support::builder(&format!("http://{}", server.host())));
    let error = builder.build().unwrap_err();
    server.assert_untouched();
    assert_config(&error, words);
    error
}

pub(crate) fn assert_config(error: &Error, words: &[&str]) {
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
pub(crate) fn works(setting: impl FnOnce(ClientBuilder) -> ClientBuilder) {
    let server = RawServer::sending(Answer::json(r#"{"value":[]}"#));
    let client = setting(support::builder(&server.url())).build().unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
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
fn a_user_agent_must_fit_a_header() {
    for name in [
        "",
        " ",
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
        "http://:80",
        "http://a-user:hunter2@:80",
        "http://h:0",
        "http://h:99999",
        "http://a-user:hunter2@h:x",
        "http://a-user:%ffhunter2@host",
        // Passwords that should have been encoded, and would be looked up as a part of the host.
        "http://a-user:a@hunter2@host:80",
        "http://a-user:a@hunter2/b@host:80",
        "http://a-user:a@hunter2?b@host:80",
        "http://a-user:a@hunter2#b@host:80",
        "http://host:80/hunter2",
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

/// There has to be something that is trusted.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn no_roots_at_all_are_refused() {
    let error = refused(
        |builder| builder.built_in_roots(false),
        &["no root certificate is trusted"],
    );
    assert!(error.hint().unwrap().contains("`root_certificates`"));
    works(|builder| builder.built_in_roots(false).built_in_roots(true));
}

#[cfg(any(feature = "platform-verifier", feature = "native-tls"))]
#[test]
fn the_systems_roots_can_be_replaced_but_not_added_to() {
    let authority = support::tls_server::Authority::new("Trusted");
    let ways: [fn(ClientBuilder) -> ClientBuilder; 2] = [
        #[cfg(feature = "platform-verifier")]
        ClientBuilder::platform_verifier,
        #[cfg(not(feature = "platform-verifier"))]
        ClientBuilder::native_tls,
        #[cfg(feature = "native-tls")]
        ClientBuilder::native_tls,
        #[cfg(not(feature = "native-tls"))]
        ClientBuilder::platform_verifier,
    ];
    for way in ways {
        works(way);
        let error = refused(
            |builder| way(builder).root_certificates(authority.pem()),
            &["can't be added to the system's"],
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("the system's store"), "{hint}");
        assert!(hint.contains("`built_in_roots(false)`"), "{hint}");
        works(|builder| {
            way(builder)
                .root_certificates(authority.pem())
                .built_in_roots(false)
        });
        refused(
            |builder| way(builder).built_in_roots(false),
            &["no root certificate is trusted"],
        );
        refused(
            |builder| {
                way(builder)
                    .root_certificates("hunter2")
                    .built_in_roots(false)
            },
            &["the root certificates hold no PEM certificate"],
        );
    }
}
