//! Proxies that let through: what they are told, and what they are not.

use defender_endpoint::testing::Tenant;
use defender_endpoint::{Client, Cloud, ErrorKind};

use crate::support;
use crate::support::planted::base64;
use crate::support::raw::{Answer, Forbidden, RawServer};
use crate::support::tls_server::{Authority, TlsServer};

const EMPTY_LIST: &str = r#"{"value":[]}"#;

/// A proxy makes a tunnel, and TLS inside is with who is at its other end.
fn tunnel(authority: &Authority, names: &[&str], inner: &str) -> TlsServer {
    let plan = authority.valid_for(names).plan(inner);
    plan.behind_a_tunnel().start()
}

/// What inspects TLS has one certificate for all hosts here.
#[test]
fn tokens_and_calls_go_through_a_proxy_that_inspects() {
    let inspector = Authority::new("Inspector");
    let tenant = Tenant::demo().unwrap();
    let inner = tenant.url().replace("http://", "");
    let proxy = tunnel(&inspector, &["api.example", "login.example"], &inner);
    let cloud = Cloud::COMMERCIAL
        .with_api_url("https://api.example")
        .with_authority("https://login.example");
    let client = Client::builder(tenant.credential().unwrap())
        .cloud(cloud)
        .proxy(format!("http://{}", proxy.host()))
        .root_certificates(inspector.pem())
        .build()
        .unwrap();
    let machines = client.machines().page_size(100).into_iter();
    assert_eq!(machines.map(Result::unwrap).count(), 347);
    assert_eq!(tenant.token_requests(), 1);
    assert_eq!((proxy.connections(), proxy.handshakes()), (2, 2));
    let heads = proxy.tunnels();
    assert!(
        heads[0].starts_with("CONNECT login.example:443 HTTP/1.1\r\n"),
        "{heads:?}"
    );
    assert!(
        heads[1].starts_with("CONNECT api.example:443 HTTP/1.1\r\n"),
        "{heads:?}"
    );
    for head in heads {
        let head = head.to_ascii_lowercase();
        assert!(!head.contains("authorization"), "{head}");
    }
}

/// User and password are decoded once, and sent as they are.
#[test]
fn what_is_percent_encoded_in_user_and_password_is_decoded_once() {
    let inspector = Authority::new("Inspector");
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    for (user_info, decoded) in [
        ("a-user:hunter2", "a-user:hunter2"),
        ("a%40user:p%3Aw%25%2F%3F%23d", "a@user:p:w%/?#d"),
        ("a-user:one%2525", "a-user:one%25"),
        ("a-user:b%C3%BCro+1", "a-user:b\u{fc}ro+1"),
        ("a-user:", "a-user:"),
        ("a-user", "a-user:"),
    ] {
        let proxy = tunnel(&inspector, &["api.example"], &api.host());
        let client = support::builder("https://api.example")
            .proxy(format!("http://{user_info}@{}", proxy.host()))
            .root_certificates(inspector.pem())
            .build()
            .unwrap();
        assert!(client.scan_agents().unwrap().is_empty());
        let padding = "=".repeat((3 - decoded.len() % 3) % 3);
        let digits = base64(decoded.as_bytes());
        let digits = &digits[..(decoded.len() * 4).div_ceil(3)];
        let header = format!("\r\nProxy-Authorization: Basic {digits}{padding}\r\n");
        let head = proxy.tunnels().concat();
        assert!(head.contains(&header), "{head} {header}");
    }
    for seen in api.requests() {
        assert_eq!(seen.header("proxy-authorization"), None);
    }
}

/// A proxy that is spoken to over TLS sees no more than any other: TLS with the API is inside.
#[test]
fn a_proxy_over_tls_sees_no_token() {
    let (own, inside) = (Authority::new("Own"), Authority::new("Inside"));
    let roots = [own.pem(), inside.pem()].concat();
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let far_end = tunnel(&inside, &["api.example"], &api.host());
    let proxy = own.valid().before(&far_end.host());
    let client = support::builder("https://api.example")
        .proxy(format!("https://a-user:hunter2@{}", proxy.host()))
        .root_certificates(roots)
        .build()
        .unwrap();
    for _ in 0..2 {
        assert!(client.scan_agents().unwrap().is_empty());
    }
    // The second handshake is the API's: whoever takes off the first has that before him.
    assert_eq!((proxy.handshakes(), far_end.handshakes()), (1, 1));
    assert!(far_end.tunnels()[0].contains("\r\nProxy-Authorization: Basic "));
    assert_eq!(api.calls(), 2);
}

#[test]
fn a_proxy_over_tls_that_is_not_trusted_is_told_nothing() {
    let (own, stranger) = (Authority::new("Own"), Authority::new("Stranger"));
    let behind = Forbidden::new();
    let proxy = stranger.valid().before(&behind.host());
    let client = support::builder("https://api.example")
        .proxy(format!("https://a-user:hunter2@{}", proxy.host()))
        .root_certificates(own.pem())
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    let named = format!("api.example through the proxy {}", proxy.host());
    assert!(error.to_string().contains(&named), "{error}");
    let report = format!("{error:?} {error:#?}");
    assert!(
        report.contains("UnknownIssuer") && report.contains("`root_certificates`"),
        "{report}"
    );
    assert!(!report.contains("hunter2"), "{report}");
    assert_eq!(proxy.handshakes(), 0);
    behind.assert_untouched();
}

/// Mutual TLS with the proxy itself.
#[test]
fn a_proxy_over_tls_that_wants_a_client_certificate_is_shown_it() {
    let (own, clients) = (Authority::new("Own"), Authority::new("Clients"));
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let far_end = tunnel(&own, &["api.example"], &api.host());
    let plan = own.valid().plan(&far_end.host());
    let proxy = plan.for_clients_of(&clients).start();
    let builder = support::builder("https://api.example")
        .proxy(format!("https://{}", proxy.host()))
        .root_certificates(own.pem());
    let with = builder.clone().client_certificate(clients.valid().pem());
    assert!(with.build().unwrap().scan_agents().unwrap().is_empty());
    let error = builder.build().unwrap().scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(
        error.hint().unwrap().contains("`client_certificate`"),
        "{error:?}"
    );
    assert_eq!(api.calls(), 1);
}
