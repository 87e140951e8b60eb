//! The system's TLS library: what works with TLS in Rust works with this one.

use std::net::TcpListener;
use std::thread;

use defender_endpoint::testing::Tenant;
use defender_endpoint::{Client, ClientBuilder, Cloud, Error, ErrorKind, RetryPolicy};
use rustls::version::{TLS12, TLS13};

use crate::config::{refused, works};
use crate::errors::assert_well_formed;
use crate::support::raw::{Answer, Forbidden, RawServer};
use crate::support::tls_server::{Authority, End};
use crate::support::{self, TOKEN, sec1};

/// A client that trusts this authority alone and would try again.
fn trusting(url: &str, authority: &Authority) -> ClientBuilder {
    native(support::builder(url), authority).retry_policy(RetryPolicy::default())
}

fn native(builder: ClientBuilder, authority: &Authority) -> ClientBuilder {
    builder
        .native_tls()
        .root_certificates(authority.pem())
        .built_in_roots(false)
}

/// A TLS failure, final at the first try, with such a hint.
fn assert_refused(error: &Error, host: &str, help: &str) {
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert_eq!((error.is_retryable(), error.attempts()), (false, 1));
    let line = error.to_string();
    let end = format!("no secure connection to {host}");
    assert!(line.ends_with(&end), "{line}");
    assert!(error.hint().unwrap_or_default().contains(help), "{error:?}");
    assert!(!format!("{error:?} {error:#?}").contains(TOKEN));
    assert_well_formed(error);
}

/// With a client certificate and without, for tokens and for the API.
#[test]
fn all_five_operations_work() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let tenant = Tenant::demo().unwrap();
    let inner = tenant.url().replace("http://", "");
    for (version, mutual) in [
        (&TLS12, false),
        (&TLS13, false),
        (&TLS12, true),
        (&TLS13, true),
    ] {
        let before = tenant.token_requests();
        let gateway = || {
            let plan = servers.valid().plan(&inner).only(version);
            let plan = if mutual {
                plan.for_clients_of(&clients)
            } else {
                plan
            };
            plan.start()
        };
        let (api, login) = (gateway(), gateway());
        let cloud = Cloud::COMMERCIAL
            .with_api_url(api.url())
            .with_authority(login.url());
        let builder = Client::builder(tenant.credential().unwrap()).cloud(cloud);
        let builder = native(builder.no_proxy(), &servers);
        let builder = if mutual {
            builder.client_certificate(clients.valid().pem())
        } else {
            builder
        };
        let client = builder.build().unwrap();
        let machines = client.machines().page_size(100).into_iter();
        assert_eq!(machines.map(Result::unwrap).count(), 347);
        let agents = client.scan_agents().unwrap();
        let agent = client.scan_agent(&agents[0].id).unwrap();
        assert_eq!(agent.id, agents[0].id);
        let definitions = client.scan_definitions().unwrap();
        let ids = definitions.iter().map(|definition| &definition.id);
        let history = client.scan_history(ids).into_iter();
        assert!(history.map(Result::unwrap).count() > 0);
        assert_eq!(tenant.token_requests(), before + 1);
        assert_eq!((login.connections(), login.handshakes()), (1, 1));
        assert_eq!((api.connections(), api.handshakes()), (1, 1));
    }
}

/// The library has words of its own for what is wrong.
#[test]
fn who_can_not_be_trusted_is_refused_with_the_way_out() {
    let (trusted, stranger) = (Authority::new("Trusted"), Authority::new("Stranger"));
    for (shown, help) in [
        (stranger.valid(), "`root_certificates`"),
        (trusted.expired(), "clock"),
        (trusted.not_yet_valid(), "clock"),
        (trusted.valid_for(&["other.example"]), "API URL"),
    ] {
        let behind = Forbidden::new();
        let server = shown.before(&behind.host());
        let client = trusting(&server.url(), &trusted).build().unwrap();
        let error = client.scan_agents().unwrap_err();
        assert_refused(&error, &server.host(), help);
        behind.assert_untouched();
    }
}

#[test]
fn who_has_no_certificate_or_a_wrong_one_is_told_what_is_wanted() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let stranger = Authority::new("Stranger");
    for version in [&TLS12, &TLS13] {
        for shown in [None, Some(stranger.valid()), Some(clients.expired())] {
            let behind = Forbidden::new();
            let plan = servers.valid().plan(&behind.host()).only(version);
            let server = plan.for_clients_of(&clients).start();
            let builder = trusting(&server.url(), &servers);
            let builder = match &shown {
                Some(shown) => builder.client_certificate(shown.pem()),
                None => builder,
            };
            let error = builder.build().unwrap().scan_agents().unwrap_err();
            assert_refused(&error, &server.host(), "`client_certificate`");
            behind.assert_untouched();
        }
    }
}

#[test]
fn a_pair_that_can_not_work_is_refused_when_the_client_is_built() {
    let authority = Authority::new("Clients");
    let (own, other) = (authority.valid(), authority.valid());
    let (chain, key) = (own.chain_pem(), own.key_pem());
    let garbage = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    let broken = garbage.replace("CERTIFICATE", "PRIVATE KEY");
    for (pem, word, help) in [
        (
            format!("{chain}{}", sec1(own.key_der())),
            "in PKCS#8 alone",
            "openssl pkcs8",
        ),
        (
            format!("{chain}{}", other.key_pem()),
            "doesn't belong",
            "comes first",
        ),
        (
            format!("{chain}{broken}"),
            "damaged, or of a kind",
            "up to the system",
        ),
        (format!("{garbage}{key}"), "certificate 1 of", ""),
        (chain.clone(), "no private key", "expected in PEM"),
    ] {
        let error = refused(
            |builder| builder.native_tls().client_certificate(pem.as_str()),
            &[word],
        );
        assert!(error.hint().unwrap_or_default().contains(help), "{error:?}");
        assert!(!format!("{error:?} {error:#?}").contains("BEGIN"));
        // The kinds of keys are no more this crate's to list than their sizes.
        for kind in ["RSA", "ECDSA", "Ed25519", "2,048"] {
            assert!(!format!("{error:?}").contains(kind), "{error:?}");
        }
    }
    works(|builder| builder.native_tls().client_certificate(key + &chain));
    let second = authority.pem().to_owned() + garbage;
    refused(
        |builder| {
            let builder = builder.native_tls().root_certificates(second);
            builder.built_in_roots(false)
        },
        &["certificate 2 of the root certificates"],
    );
}

/// Of sizes that TLS in Rust doesn't take, the system may. A short one its security level may forbid,
/// which is no fault of the pair.
#[test]
fn how_long_a_key_may_be_is_the_systems_to_say() {
    let pem = |name: &str| {
        let read = |end| support::fixture(&format!("certificates/{name}.{end}"));
        read("crt") + &read("key")
    };
    for name in ["rsa-2560", "rsa-5120"] {
        works(|builder| builder.native_tls().client_certificate(pem(name)));
    }
    let builder = support::builder("http://127.0.0.1:1").native_tls();
    if let Err(error) = builder.client_certificate(pem("rsa-1024")).build() {
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(error.to_string().contains("can't be used"), "{error:?}");
        assert!(error.hint().unwrap().contains("short"), "{error:?}");
    }
}

/// A proxy that is spoken to over TLS sees no more than any other: TLS with the API is inside.
#[test]
fn proxies_work() {
    let authority = Authority::new("Trusted");
    let api = RawServer::sending(Answer::json(r#"{"value":[]}"#));
    let plan = authority.valid_for(&["api.example"]).plan(&api.host());
    let far_end = plan.behind_a_tunnel().start();
    let proxy = authority.valid().before(&far_end.host());
    for url in [
        format!("http://{}", far_end.host()),
        format!("https://{}", proxy.host()),
    ] {
        let builder = trusting("https://api.example", &authority).proxy(url);
        assert!(builder.build().unwrap().scan_agents().unwrap().is_empty());
    }
    assert_eq!((proxy.handshakes(), far_end.handshakes()), (1, 2));
}

/// What the library says of a broken connection is the same before the request and behind it.
#[test]
fn a_write_is_tried_again_where_the_request_was_not_on_its_way_and_only_there() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let failure = |url: &str| {
        let client = trusting(url, &servers).build().unwrap();
        client.delete_scan_definitions(["an-id"]).unwrap_err()
    };

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let tries = thread::spawn(move || {
        for _ in 0..4 {
            let (stream, _) = listener.accept().unwrap();
            stream.peek(&mut [0; 1]).unwrap();
        }
    });
    let error = failure(&url);
    assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
    assert_eq!((error.attempts(), error.is_retryable()), (4, true));
    tries.join().unwrap();

    for version in [&TLS12, &TLS13] {
        let api = Forbidden::new();
        let plan = servers.valid().plan(&api.host()).only(version);
        let server = plan.for_clients_of(&clients).start();
        let error = failure(&server.url());
        assert_refused(&error, &server.host(), "`client_certificate`");
        api.assert_untouched();

        for end in [End::InOrder, End::Cut, End::Garbage, End::Alert] {
            let api = RawServer::sending(Answer::nothing());
            let plan = servers.valid().plan(&api.host()).only(version);
            let server = plan.ending(end).start();
            let error = failure(&server.url());
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
            assert!(!error.is_retryable());
            assert_eq!((api.calls(), server.connections()), (1, 1), "{end:?}");
        }
    }
}
