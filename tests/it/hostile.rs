//! What hostile or broken servers put where texts come from.

use defender_endpoint::testing::FakeClock;
use defender_endpoint::{Client, ClientSecret, Cloud, ErrorKind, RetryPolicy, StaticToken};

use crate::support;
use crate::support::raw::{Answer, RawServer};

const NOTHING: &str = r#"{"value":[]}"#;

fn secret_client(secret: &str, login: &RawServer, api: &RawServer) -> Client {
    let cloud = Cloud::COMMERCIAL
        .with_api_url(api.url())
        .with_authority(login.url());
    Client::builder(ClientSecret::new("contoso.com", "an-app", secret).unwrap())
        .cloud(cloud)
        .clock(FakeClock::new())
        .no_proxy()
        .retry_policy(RetryPolicy::none())
        .build()
        .unwrap()
}

#[test]
fn a_request_id_of_a_header_is_cut() {
    let server = RawServer::sending(Answer::new(
        500,
        &[("x-ms-request-id", &"x".repeat(20_000))],
        "",
    ));
    let error = support::client(&server.url()).scan_agents().unwrap_err();
    assert!(error.request_id().unwrap().len() < 400);
}

#[test]
fn an_empty_request_id_of_a_header_is_none() {
    let server = RawServer::sending(Answer::new(
        500,
        &[("x-ms-request-id", ""), ("request-id", "good")],
        "",
    ));
    let error = support::client(&server.url()).scan_agents().unwrap_err();
    assert_eq!(error.request_id(), Some("good"));
}

#[test]
fn a_content_type_does_not_show_the_token() {
    let server = RawServer::sending(Answer::new(
        200,
        &[("Content-Type", "text/hunter2hunter2")],
        "<html>",
    ));
    let client = Client::builder(StaticToken::new("hunter2hunter2").unwrap())
        .cloud(
            Cloud::COMMERCIAL
                .with_api_url(server.url())
                .with_authority(server.url()),
        )
        .no_proxy()
        .retry_policy(RetryPolicy::none())
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error}");
}

#[test]
fn a_one_letter_secret_leaves_texts_alone() {
    // A one-letter secret must not turn every such letter into stars.
    let (login, api) = (
        RawServer::sending(Answer::new(
            401,
            &[],
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: x"}"#,
        )),
        RawServer::sending(Answer::json(NOTHING)),
    );
    let error = secret_client("A", &login, &api).scan_agents().unwrap_err();
    assert_eq!(error.message(), Some("AADSTS7000215: x"));
}

#[test]
fn a_proxy_url_without_a_host_or_with_a_bad_port_is_refused() {
    for url in [
        "http://h:99999",
        "http://u:p@h:x",
        "http://:80",
        "http://u:p@:80",
        "http://h:0",
    ] {
        let error = support::builder("http://127.0.0.1:1").proxy(url).build();
        assert!(error.is_err(), "{url} is accepted");
    }
}

#[test]
fn a_blank_user_agent_is_refused() {
    for name in ["", " "] {
        let error = support::builder("http://127.0.0.1:1")
            .user_agent(name)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
