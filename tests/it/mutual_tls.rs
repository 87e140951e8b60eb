//! Mutual TLS: a certificate for whoever asks for one in the handshake.

use defender_endpoint::testing::Tenant;
use defender_endpoint::{Client, ClientBuilder, Cloud, Error, ErrorKind, RetryPolicy};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::version::{TLS12, TLS13};

use crate::config::{refused, works};
use crate::errors::assert_well_formed;
use crate::logs;
use crate::support::planted::base64;
use crate::support::raw::{Answer, Forbidden, RawServer};
use crate::support::tls_server::Authority;
use crate::support::{self, TOKEN, pem, sec1};

const EMPTY_LIST: &str = r#"{"value":[]}"#;

/// A client that trusts this authority and would try again.
fn trusting(url: &str, authority: &Authority) -> ClientBuilder {
    support::builder(url)
        .retry_policy(RetryPolicy::default())
        .root_certificates(authority.pem())
}

fn hint(error: &Error) -> &str {
    error.hint().unwrap_or_else(|| panic!("no hint: {error:?}"))
}

/// For tokens and for the API, over one connection to each.
#[test]
fn who_has_the_right_certificate_is_let_in() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let tenant = Tenant::demo().unwrap();
    let inner = tenant.url().replace("http://", "");
    for version in [&TLS12, &TLS13] {
        let gateway = || {
            let plan = servers.valid().plan(&inner).only(version);
            plan.for_clients_of(&clients).start()
        };
        let (api, login) = (gateway(), gateway());
        let cloud = Cloud::COMMERCIAL
            .with_api_url(api.url())
            .with_authority(login.url());
        let client = Client::builder(tenant.credential().unwrap())
            .cloud(cloud)
            .no_proxy()
            .root_certificates(servers.pem())
            .client_certificate(clients.valid_for(&["a-tool.example"]).pem())
            .build()
            .unwrap();
        let machines = client.machines().page_size(100).into_iter();
        assert_eq!(machines.map(Result::unwrap).count(), 347);
        assert_eq!((login.connections(), login.handshakes()), (1, 1));
        assert_eq!((api.connections(), api.handshakes()), (1, 1));
    }
}

/// What stands between the certificate and its root is sent with it.
#[test]
fn a_client_certificate_is_shown_with_its_chain() {
    let (servers, root) = (Authority::new("Servers"), Authority::new("Root"));
    let own = root.intermediate("Between").valid();
    let pem = own.pem();
    let alone = own.without_chain().pem();
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let server = servers
        .valid()
        .plan(&api.host())
        .for_clients_of(&root)
        .start();
    let client = |pem| trusting(&server.url(), &servers).client_certificate(pem);
    let whole = client(pem).build().unwrap();
    assert!(whole.scan_agents().unwrap().is_empty());
    let error = client(alone).build().unwrap().scan_agents().unwrap_err();
    assert!(hint(&error).contains("`client_certificate`"), "{error:?}");
    assert_eq!(api.calls(), 1);
}

/// With TLS 1.3 the server tells it when the client has sent its request already.
#[test]
fn who_has_no_certificate_or_a_wrong_one_is_told_what_is_wanted() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let stranger = Authority::new("Stranger");
    for version in [&TLS12, &TLS13] {
        for shown in [
            None,
            Some(stranger.valid()),
            Some(clients.expired()),
            Some(clients.not_yet_valid()),
        ] {
            let behind = Forbidden::new();
            let plan = servers.valid().plan(&behind.host()).only(version);
            let server = plan.for_clients_of(&clients).start();
            let builder = trusting(&server.url(), &servers);
            let builder = match &shown {
                Some(shown) => builder.client_certificate(shown.pem()),
                None => builder,
            };
            let error = builder.build().unwrap().scan_agents().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
            assert_eq!((error.is_retryable(), error.attempts()), (false, 1));
            let line = error.to_string();
            let end = format!("no secure connection to {}", server.host());
            assert!(line.ends_with(&end), "{line}");
            assert!(hint(&error).contains("`client_certificate`"), "{error:?}");
            assert!(!hint(&error).contains("clock"), "{error:?}");
            assert!(!format!("{error:?} {error:#?}").contains(TOKEN));
            assert_well_formed(&error);
            assert_eq!((server.connections(), server.handshakes()), (1, 0));
            behind.assert_untouched();
        }
    }
}

/// A tunnel's proxy that inspects TLS may want one too.
#[test]
fn a_proxy_that_inspects_is_shown_it() {
    let (inspector, clients) = (Authority::new("Inspector"), Authority::new("Clients"));
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let plan = inspector.valid_for(&["api.example"]).plan(&api.host());
    let proxy = plan.behind_a_tunnel().for_clients_of(&clients).start();
    let client = trusting("https://api.example", &inspector)
        .proxy(format!("http://{}", proxy.host()))
        .client_certificate(clients.valid().pem())
        .build()
        .unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
    assert_eq!(api.calls(), 1);
}

/// Nobody who doesn't ask for it sees it, and it does no harm.
#[test]
fn a_server_that_wants_none_gets_none() {
    let servers = Authority::new("Servers");
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let server = servers.valid().before(&api.host());
    let client = trusting(&server.url(), &servers)
        .client_certificate(servers.valid().pem())
        .build()
        .unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
}

#[test]
fn chain_and_key_come_in_any_order_and_with_anything_around_them() {
    let authority = Authority::new("Clients");
    let own = authority.valid();
    let (chain, key) = (own.chain_pem(), own.key_pem());
    for pem in [
        format!("{chain}{key}"),
        format!("{key}{chain}"),
        format!("Bag Attributes\n    friendlyName: x\n{key}\nsubject=CN = x\n{chain}\nend"),
        format!("{chain}{}{key}", authority.pem()),
        format!("{chain}{}", sec1(own.key_der())),
        format!("{chain}{key}").replace('\n', "\r\n"),
    ] {
        works(|builder| builder.client_certificate(pem));
    }
}

/// ureq would find it out at the first connection, and some of it by a panic.
#[test]
fn a_pair_that_can_not_work_is_refused_when_the_client_is_built() {
    let authority = Authority::new("Clients");
    let (own, other) = (authority.valid(), authority.valid());
    let (chain, key) = (own.chain_pem(), own.key_pem());
    let garbage = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                  DEK-Info: AES-256-CBC,00\n\naHVudGVyMg==\n-----END RSA PRIVATE KEY-----\n";
    for (pem, word, help) in [
        (String::new(), "no PEM certificate", "expected in PEM"),
        (
            "hunter2".to_owned(),
            "no PEM certificate",
            "expected in PEM",
        ),
        (key.clone(), "no PEM certificate", "expected in PEM"),
        (chain.clone(), "no private key", "expected in PEM"),
        (
            format!("{chain}{key}{key}"),
            "or with several",
            "expected in PEM",
        ),
        (
            format!("{chain}{}", other.key_pem()),
            "doesn't belong",
            "comes first",
        ),
        (
            format!("{}{chain}{key}", authority.pem()),
            "doesn't belong",
            "comes first",
        ),
        (chain.replacen("MII", "M!I", 1) + &key, "damaged PEM", ""),
        (format!("{garbage}{key}"), "certificate 1 of", ""),
        (format!("{chain}{garbage}{key}"), "certificate 2 of", ""),
        (
            format!("{chain}{}", pem("PRIVATE KEY", b"hunter2")),
            "damaged, or of a kind",
            "2,048",
        ),
        (
            format!("{chain}{}", pem("RSA PRIVATE KEY", b"hunter2")),
            "damaged, or",
            "2,048",
        ),
        (
            format!("{chain}{}", pem("ENCRYPTED PRIVATE KEY", b"hunter2")),
            "is encrypted",
            "openssl",
        ),
        (format!("{chain}{legacy}"), "is encrypted", "openssl"),
    ] {
        let error = refused(|builder| builder.client_certificate(pem.as_str()), &[word]);
        assert!(error.to_string().contains("client certificate"), "{error}");
        assert!(error.hint().unwrap_or_default().contains(help), "{error:?}");
        assert_well_formed(&error);
        let text = format!("{error:?} {error:#?}");
        for hidden in ["hunter2", "aHVudGVyMg", "BEGIN"] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
    works(|builder| {
        builder
            .client_certificate("hunter2")
            .client_certificate(chain + &key)
    });
}

fn from_fixtures(name: &str) -> String {
    let read = |end| support::fixture(&format!("certificates/{name}.{end}"));
    read("crt") + &read("key")
}

/// ring signs with RSA of no other sizes, and the text doesn't say that it would.
#[test]
fn rsa_keys_are_of_three_sizes() {
    for name in ["rsa-2048", "rsa-3072", "rsa-4096"] {
        works(|builder| builder.client_certificate(from_fixtures(name)));
    }
    for name in ["rsa-1024", "rsa-2560", "rsa-5120"] {
        let pem = from_fixtures(name);
        let error = refused(|builder| builder.client_certificate(pem), &["of a kind"]);
        let hint = hint(&error);
        assert!(hint.contains("2,048, 3,072 or 4,096 bits"), "{hint}");
        assert!(hint.ends_with("Ed25519 are supported"), "{hint}");
    }
}

/// The key is not to blame where the certificate can't be used.
#[test]
fn a_certificate_that_can_not_be_used_is_told_from_its_key() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 5], vec![5, 0]);
    unknown.set_criticality(true);
    params.custom_extensions = vec![unknown];
    let unknown = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let first_version = support::fixture("certificates/rsa-2048-version-1.crt")
        + &support::fixture("certificates/rsa-2048.key");
    for pem in [unknown, first_version] {
        let error = refused(
            |builder| builder.client_certificate(pem),
            &["the client certificate can't be used"],
        );
        assert!(!error.to_string().contains("key"), "{error}");
        assert!(hint(&error).contains("version 3"), "{error:?}");
        assert_well_formed(&error);
    }
}

/// What of a key is secret, in the forms in which a log or a `Debug` could have it.
fn forms(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for piece in secret.windows(6) {
        let hex = piece.iter().map(|byte| format!("{byte:02x}"));
        forms.push(hex.collect::<Vec<_>>().concat());
        forms.push(format!("{piece:?}").trim_matches(['[', ']']).to_owned());
        forms.push(base64(piece));
    }
    forms
}

#[test]
fn the_key_is_in_no_debug_text_and_no_log_line() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let own = clients.valid();
    let pem = own.pem();
    // Of a key of the curve P-256, as it stands in PKCS#8.
    let forms = forms(&own.key_der()[36..68]);
    // The search finds it in each form.
    for shown in [pem.clone(), format!("{:?}", own.key_der())] {
        assert!(forms.iter().any(|form| shown.contains(form)));
    }
    logs::start();
    let before = logs::count();
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let plan = servers.valid().plan(&api.host());
    let server = plan.for_clients_of(&clients).start();
    let builder = trusting(&server.url(), &servers).client_certificate(pem.as_str());
    // As if by mistake.
    let mistaken = builder
        .clone()
        .root_certificates(servers.pem().to_owned() + &pem);
    let mut shown = format!("{builder:?} {builder:#?} {mistaken:?}");
    let client = builder.build().unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
    shown.extend([format!("{client:?}"), format!("{client:#?}")]);
    let lines = logs::since(before);
    assert!(
        lines
            .iter()
            .any(|line| line.text.to_lowercase().contains("client cert")),
        "{lines:?}"
    );
    shown.extend(lines.into_iter().map(|line| line.text + "\n"));
    for form in forms {
        let found = shown.contains(&form) || shown.to_lowercase().contains(&form);
        assert!(!found, "{shown}");
    }
}
