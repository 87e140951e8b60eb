//! Client credentials with a certificate: what is signed and sent, and what is refused before.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use defender_endpoint::testing::FakeClock;
use defender_endpoint::{Client, ClientCertificate, Cloud, Error, ErrorKind, RetryPolicy};
use percent_encoding::percent_decode_str;
use ring::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::auth::{SECOND, api, login, new_year, tokens};
use crate::logs;
use crate::support::fixture;
use crate::support::folder::Folder;
use crate::support::planted::Planted;
use crate::support::raw::{Answer, RawServer, Request};

const TENANT: &str = "contoso.onmicrosoft.com";
const NOTHING: &str = r#"{"value":[]}"#;
/// `openssl x509 -in rsa-2048.crt -outform der | openssl sha256 -binary | basenc --base64url`
const THUMBPRINT: &str = "hN1ICIm7BPfjxgT-E6Qg--Y9K_J2ePWi2Rnxwb-YG5w";

fn path(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/certificates");
    PathBuf::from(folder).join(name)
}

fn pem(names: &[&str]) -> String {
    let read = |name: &&str| fixture(&format!("certificates/{name}"));
    names.iter().map(read).collect()
}

fn credential(names: &[&str]) -> ClientCertificate {
    ClientCertificate::from_pem(TENANT, "an-app", pem(names)).unwrap()
}

fn usual() -> ClientCertificate {
    credential(&["rsa-2048.crt", "rsa-2048.key"])
}

fn client(credential: ClientCertificate, login: &RawServer, api: &RawServer) -> Client {
    client_in(credential, login, api, &FakeClock::new())
}

fn client_in(
    credential: ClientCertificate,
    login: &RawServer,
    api: &RawServer,
    clock: &FakeClock,
) -> Client {
    let cloud = Cloud::COMMERCIAL
        .with_authority(format!("{}/", login.url()))
        .with_api_url(api.url());
    Client::builder(credential)
        .cloud(cloud)
        .clock(clock.clone())
        .no_proxy()
        .retry_policy(RetryPolicy::none())
        .build()
        .unwrap()
}

/// The members of a form.
fn form(request: &Request) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let member = |member: &str| {
        let (name, value) = member.split_once('=').unwrap();
        (decoded(name), decoded(value))
    };
    request.text().split('&').map(member).collect()
}

fn assertion(request: &Request) -> String {
    let mut form = form(request).into_iter();
    form.find(|(name, _)| name == "client_assertion").unwrap().1
}

/// Header and claims of an assertion.
fn read(assertion: &str) -> (Value, Value) {
    let decoded = |part| URL_SAFE_NO_PAD.decode(part).unwrap();
    let parts: Vec<Vec<u8>> = assertion.split('.').map(decoded).collect();
    assert_eq!(parts.len(), 3, "{assertion}");
    let json = |part| serde_json::from_slice(part).unwrap();
    (json(&parts[0]), json(&parts[1]))
}

/// Whether the signature is the one that this key makes.
fn is_signed_by(assertion: &str, public_key: &str) -> bool {
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let public_key = fs::read(path(public_key)).unwrap();
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public_key)
        .verify(signed.as_bytes(), &signature)
        .is_ok()
}

/// The error of a call whose token is refused like this.
fn refused(code: &str) -> Error {
    let body = format!(r#"{{"error":"invalid_client","error_description":"{code}: Something."}}"#);
    let (login, api) = (RawServer::sending(Answer::new(401, &[], body)), api());
    let error = client(usual(), &login, &api).scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
    assert_eq!((login.calls(), api.calls()), (1, 0));
    error
}

// --- the request

#[test]
fn the_form_holds_an_assertion_in_the_place_of_the_secret() {
    let (login, api) = (login(3_599), api());
    client(usual(), &login, &api).scan_agents().unwrap();
    let seen = login.only();
    assert_eq!(
        seen.request_line(),
        "POST /contoso.onmicrosoft.com/oauth2/v2.0/token HTTP/1.1"
    );
    assert_eq!(
        seen.header("content-type").unwrap(),
        "application/x-www-form-urlencoded"
    );
    let expected = [
        ("client_id", "an-app"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &assertion(&seen)),
        ("grant_type", "client_credentials"),
        ("scope", "https://api.securitycenter.microsoft.com/.default"),
    ];
    assert_eq!(
        form(&seen),
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(tokens(&api), ["token-1"]);
}

#[test]
fn the_assertion_is_for_this_endpoint_from_this_app_now_and_for_ten_minutes() {
    let (login, api, clock) = (login(3_599), api(), FakeClock::starting_at(new_year()));
    client_in(usual(), &login, &api, &clock)
        .scan_agents()
        .unwrap();
    let (header, mut claims) = read(&assertion(&login.only()));
    assert_eq!(
        header,
        json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": THUMBPRINT })
    );
    let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
    let groups: Vec<usize> = id.as_str().unwrap().split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    assert_eq!(
        claims,
        json!({
            "aud": format!("{}/contoso.onmicrosoft.com/oauth2/v2.0/token", login.url()),
            "iss": "an-app",
            "sub": "an-app",
            "nbf": 1_767_225_600,
            "exp": 1_767_226_200,
        })
    );
}

#[test]
fn the_signature_is_that_of_the_private_key_whatever_its_length_and_form() {
    for (names, public_key) in [
        (["rsa-2048.key", "rsa-2048.crt"], "rsa-2048.public.der"),
        (
            ["rsa-2048-pkcs1.key", "rsa-2048.crt"],
            "rsa-2048.public.der",
        ),
        (["rsa-3072.key", "rsa-3072.crt"], "rsa-3072.public.der"),
        (["rsa-4096.key", "rsa-4096.crt"], "rsa-4096.public.der"),
    ] {
        let (login, api) = (login(3_599), api());
        client(credential(&names), &login, &api)
            .scan_agents()
            .unwrap();
        let assertion = assertion(&login.only());
        assert!(is_signed_by(&assertion, public_key), "{names:?}");
        // Neither another key's nor of another text.
        let other = ["rsa-2048.public.der", "rsa-3072.public.der"];
        let other = other.iter().find(|other| **other != public_key).unwrap();
        assert!(!is_signed_by(&assertion, other));
        let (header, rest) = assertion.split_once('.').unwrap();
        assert!(!is_signed_by(&format!("{header}.e30{rest}"), public_key));
    }
}

#[test]
fn each_token_request_carries_a_new_assertion() {
    let (login, api, clock) = (login(3_599), api(), FakeClock::starting_at(new_year()));
    let client = client_in(usual(), &login, &api, &clock);
    for _ in 0..3 {
        client.scan_agents().unwrap();
        client.scan_agents().unwrap();
        clock.advance(SECOND * 3_600);
    }
    let seen: Vec<(Value, Value)> = login
        .requests()
        .iter()
        .map(|request| read(&assertion(request)))
        .collect();
    assert_eq!(seen.len(), 3);
    let mut ids = HashSet::new();
    for (hour, (header, claims)) in (0..).zip(&seen) {
        assert_eq!(header["x5t#S256"], THUMBPRINT);
        assert!(ids.insert(claims["jti"].as_str().unwrap()), "{seen:?}");
        let moment = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!(moment("nbf"), 1_767_225_600 + hour * 3_600);
        assert_eq!(moment("exp") - moment("nbf"), 600);
    }
}

#[test]
fn of_a_chain_the_leaf_is_named() {
    let (login, api) = (login(3_599), api());
    client(credential(&["chain.crt", "chain.key"]), &login, &api)
        .scan_agents()
        .unwrap();
    let (header, _) = read(&assertion(&login.only()));
    assert_eq!(
        header["x5t#S256"],
        "_82Ml0TQIvvYYtY-K3h4qgIoP9bz_bl5d3Xhon_4bD4"
    );
}

// --- what Entra refuses

#[test]
fn the_refusals_of_a_certificate_have_a_hint_of_their_own() {
    for (code, word) in [
        ("AADSTS700027", "upload the certificate"),
        ("AADSTS700024", "clock"),
        ("AADSTS7000222", "expired"),
    ] {
        let error = refused(code);
        let hint = error.hint().unwrap();
        assert!(hint.contains(word), "{code}: {hint}");
    }
}

// --- what is refused before

#[test]
fn a_pem_that_can_not_be_used_is_refused_with_what_to_do() {
    for (names, text, hint) in [
        (
            &["rsa-2048.crt"] as &[&str],
            "no private key",
            "into one text",
        ),
        (&["rsa-2048.key"], "no certificate", "into one text"),
        (
            &["rsa-2048-encrypted.key", "rsa-2048.crt"],
            "encrypted",
            "openssl pkey",
        ),
        (
            &["rsa-2048.crt", "rsa-2048-encrypted-pkcs1.key"],
            "encrypted",
            "openssl pkey",
        ),
        (&["ec-p256.key", "ec-p256.crt"], "no RSA key", "RSA keys"),
        (&["ed25519.key", "ed25519.crt"], "no RSA key", "RSA keys"),
        (&["rsa-1024.key", "rsa-1024.crt"], "1024 bits", "make a key"),
        (&["rsa-5120.key", "rsa-5120.crt"], "5120 bits", "make a key"),
        (
            &["rsa-2048.key", "rsa-3072.crt"],
            "belongs to none of its certificates",
            "made for it",
        ),
    ] {
        let error = ClientCertificate::from_pem(TENANT, "an-app", pem(names)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{names:?}");
        assert!(!error.is_retryable());
        let message = error.to_string();
        assert!(message.starts_with("the certificate's PEM "), "{message}");
        assert!(message.contains(text), "{message}");
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
    }
}

#[test]
fn tenant_and_client_id_are_checked() {
    let pem = pem(&["rsa-2048.key", "rsa-2048.crt"]);
    for (tenant, app, word) in [
        ("../x", "an-app", "tenant"),
        (TENANT, "an app", "client id"),
    ] {
        let error = ClientCertificate::from_pem(tenant, app, &pem).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_file_is_read_as_the_text_is() {
    let folder = Folder::new();
    let place = folder.file("both.pem", pem(&["rsa-2048.crt", "rsa-2048.key"]));
    let credential = ClientCertificate::from_file(TENANT, "an-app", &place).unwrap();
    let (login, api) = (login(3_599), api());
    client(credential, &login, &api).scan_agents().unwrap();
    let assertion = assertion(&login.only());
    assert!(is_signed_by(&assertion, "rsa-2048.public.der"));
}

#[test]
fn a_file_that_can_not_be_used_is_named() {
    let folder = Folder::new();
    let too_large = folder.file("too-large.pem", vec![b'\n'; 1024 * 1024 + 1]);
    for (path, text) in [
        (path("rsa-2048.pfx"), "is a PKCS#12 file"),
        (path("rsa-2048.crt.der"), "is a certificate in DER"),
        (path("rsa-2048.key.der"), "is a private key in DER"),
        (path("rsa-2048.crt"), "holds no private key"),
        (path("no-such-file.pem"), "can't be read"),
        (path(""), "can't be read"),
        (too_large, "is larger than 1 MiB"),
    ] {
        let error = ClientCertificate::from_file(TENANT, "an-app", &path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{path:?}");
        let start = format!("the certificate file {} {text}", path.display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

// --- what is secret

/// The base64 of a key, which is what must not be shown.
fn planted(key: &str) -> Planted {
    let pem = pem(&[key]);
    let lines = pem.lines().filter(|line| !line.contains([':', '-']));
    Planted::of(&lines.collect::<String>())
}

/// F98, F100: what is refused is told without the key.
#[test]
fn the_key_is_in_no_text_about_a_pem_that_is_refused() {
    for (key, certificate) in [
        ("rsa-2048.key", "rsa-3072.crt"),
        ("rsa-2048.key", "rsa-2048.key"),
        ("rsa-2048-pkcs1.key", "chain.crt"),
        ("rsa-2048-encrypted.key", "rsa-2048.crt"),
        ("rsa-1024.key", "rsa-1024.crt"),
        ("ec-p256.key", "ec-p256.crt"),
    ] {
        let planted = planted(key);
        let whole = pem(&[key, certificate]);
        let damaged = whole.replacen('\n', "\n,", 2);
        for pem in [&whole, &damaged, &whole[..400], &whole[30..]] {
            let error = ClientCertificate::from_pem(TENANT, "an-app", pem).unwrap_err();
            planted.look_at_error(&error);
        }
    }
}

/// A variable of a CI job holds the PEM itself, in one form or another, and goes for its path.
#[test]
fn a_pem_in_the_place_of_its_files_path_is_not_shown() {
    let planted = planted("rsa-2048.key");
    let whole = pem(&["rsa-2048.key", "rsa-2048.crt"]);
    let body = pem(&["rsa-2048.key"])
        .lines()
        .filter(|line| !line.contains('-'))
        .collect::<String>();
    for content in [
        whole.replace('\n', " "),
        whole.replace('\n', "\\n"),
        STANDARD.encode(&whole),
        STANDARD.encode(&whole[..200]),
        body[..1_000].replacen("MII", "\n", 1),
        body,
        whole,
    ] {
        let error = ClientCertificate::from_file(TENANT, "an-app", &content).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        planted.look_at_error(&error);
        let text = format!("{error} {error:?} {error:#?}");
        assert!(text.contains("the path of the certificate file "), "{text}");
        assert!(!text.contains(&content[..40]), "{text}");
    }
}

/// F98, F100, F101: neither the key nor an assertion is shown, where the token endpoint repeats what
/// it was sent and where it doesn't.
#[test]
fn key_and_assertion_are_in_no_text_whatever_the_token_endpoint_answers() {
    type Repeat = fn(&Request) -> Answer;
    fn refusal(text: &str) -> Answer {
        let body = json!({ "error": "invalid_client", "error_description": text });
        Answer::new(401, &[], body.to_string())
    }
    logs::start();
    let first_line = logs::count();
    let answers: [Repeat; 6] = [
        |_| Answer::json(r#"{"access_token":"t","expires_in":3599}"#),
        |seen| refusal(&format!("AADSTS700027: '{}' is no good.", assertion(seen))),
        |seen| refusal(&format!("You sent {}", seen.text())),
        |seen| Answer::json(assertion(seen)),
        |seen| Answer::new(400, &[("x-ms-request-id", &assertion(seen))], seen.text()),
        |seen| Answer::json(format!(r#"{{"access_token":"{} "}}"#, assertion(seen))),
    ];
    let mut failures = 0;
    for answer in answers {
        let key = planted("rsa-2048.key");
        let credential = usual();
        key.look_at(&credential);
        let login = key.login(RawServer::new(answer));
        let api = key.api(RawServer::sending(Answer::json(NOTHING)));
        let builder = key.settings(Client::builder(credential), &login.url(), &api.url());
        let client = builder.build().unwrap();
        key.look_at(&client);
        let outcome = client.scan_agents();
        let sent = Planted::of(&assertion(&login.only())).not_in_lines_of_others();
        for planted in [&key, &sent] {
            planted.look_at(&client);
            if let Err(error) = &outcome {
                planted.look_at_error(error);
            }
        }
        for line in logs::since(first_line) {
            if line.target.starts_with("defender_endpoint") {
                sent.look_at_text(line.text);
            }
        }
        failures += usize::from(outcome.is_err());
    }
    assert_eq!(failures, 5);
}
