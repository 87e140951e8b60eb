//! Connections that can't be secured: whoever is on the other end, no token goes there.

use std::error::Error as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use defender_endpoint::testing::{FakeClock, Tenant};
use defender_endpoint::{
    Client, ClientBuilder, ClientSecret, Cloud, Error, ErrorKind, RetryPolicy,
};
use rustls::CertificateError;
use rustls::version::{TLS12, TLS13};

use crate::errors::assert_well_formed;
use crate::support::raw::{Answer, Forbidden, RawServer, Request};
use crate::support::sources::Source;
use crate::support::tls_server::{Authority, End, Identity, TlsServer};
use crate::support::{self, TOKEN};

/// No exchange takes longer, so that a test ends whose server hears what it should not.
const PATIENCE: Duration = Duration::from_secs(10);

const SECRET: &str = "a-client-secret";
const EMPTY_LIST: &str = r#"{"value":[]}"#;
const ONE_ROW: &str = r#"{"value":[{"id":"1"}]}"#;

/// A client that trusts this authority and would try again.
fn trusting(url: &str, authority: &Authority) -> ClientBuilder {
    patient(url).root_certificates(authority.pem())
}

/// One that would try again if there were a chance.
fn patient(url: &str) -> ClientBuilder {
    support::builder(url)
        .retry_policy(RetryPolicy::default())
        .try_timeout(PATIENCE)
}

/// What such a client makes of a server that shows this. It must have gone away after the first
/// look, without a word.
fn refusal(shown: Identity, client: impl FnOnce(&str) -> ClientBuilder) -> Error {
    let behind = Forbidden::new();
    let server = shown.before(&behind.host());
    let client = client(&server.url()).build().unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_refused(&error, &server.host());
    assert_eq!((server.connections(), server.handshakes()), (1, 0));
    behind.assert_untouched();
    error
}

/// A TLS failure, final at the first try, for this host.
fn assert_refused(error: &Error, host: &str) {
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert_eq!((error.is_retryable(), error.attempts()), (false, 1));
    let line = error.to_string();
    assert!(
        line.ends_with(&format!("no secure connection to {host}")),
        "{line}"
    );
    assert!(!format!("{error:?} {error:#?}").contains(TOKEN));
    assert_well_formed(error);
}

/// The TLS library's own error at the end of the chain of causes.
fn cause(error: &Error) -> &rustls::Error {
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let found = deeper
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(found) = found {
            return found;
        }
        cause = deeper.source();
    }
    panic!("{error:?}");
}

fn certificate_error(error: &Error) -> &CertificateError {
    match cause(error) {
        rustls::Error::InvalidCertificate(why) => why,
        other => panic!("{other:?}"),
    }
}

fn hint(error: &Error) -> &str {
    let hint = error.hint().unwrap_or_else(|| panic!("no hint: {error:?}"));
    assert!(format!("{error:?}").ends_with(&format!("hint: {hint}")));
    hint
}

/// A listener that speaks no TLS: keeps all that it is sent, answers the first bytes with these, and
/// holds the line until the client is gone.
struct Plain {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<u8>>>,
}

impl Plain {
    fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |stream| stream.write_all(&answer))
    }

    fn new(answer: impl Fn(&mut TcpStream) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut heard = Vec::new();
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                heard.push(listen(stream.unwrap(), &answer));
            }
            heard
        });
        Self {
            address,
            stop,
            thread,
        }
    }

    fn host(&self) -> String {
        self.address.to_string()
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What was sent on the only connection there was. The client must be gone.
    fn heard(self) -> Vec<u8> {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        let mut heard = self.thread.join().unwrap();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }
}

fn listen(mut stream: TcpStream, answer: impl Fn(&mut TcpStream) -> io::Result<()>) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            break;
        }
        if heard.is_empty() {
            // The client may have had enough already.
            let _ = answer(&mut stream);
        }
        heard.extend(&buffer[..read]);
    }
    heard
}

/// Nothing but the beginning of a handshake: a record of that type, and nothing that can be read.
fn assert_only_hello(heard: &[u8]) {
    assert_eq!(heard[..2], [22, 3], "{heard:?}");
    let text = String::from_utf8_lossy(heard);
    for word in [TOKEN, "Bearer", "GET /", "POST /", "HTTP/1.1"] {
        assert!(!text.contains(word), "{text}");
    }
}

// --- unknown issuers

/// F30: the error is final, nothing was sent, and the way out is named.
#[test]
fn an_unknown_issuer_is_refused_and_the_way_out_is_named() {
    let error = refusal(Authority::new("Inspector").valid(), patient);
    assert_eq!(*certificate_error(&error), CertificateError::UnknownIssuer);
    for way in [
        "`root_certificates`",
        "feature `platform-verifier` and the setter `platform_verifier`",
        "feature `native-tls` and the setter `native_tls`",
    ] {
        assert!(hint(&error).contains(way), "{error:?}");
    }
}

/// F30: what a proxy does that inspects TLS; its root is what helps.
#[test]
fn a_proxy_that_inspects_tls_is_named_and_its_root_lets_it_pass() {
    let inspector = Authority::new("Inspector");
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let proxy = inspector
        .valid_for(&["api.example"])
        .plan(&api.host())
        .behind_a_tunnel()
        .start();
    let client = || patient("https://api.example").proxy(format!("http://{}", proxy.host()));
    let error = client().build().unwrap().scan_agents().unwrap_err();
    let host = format!("api.example through the proxy {}", proxy.host());
    assert_refused(&error, &host);
    assert!(hint(&error).contains("`root_certificates`"), "{error:?}");
    assert_eq!((proxy.connections(), proxy.handshakes()), (1, 0));
    assert_eq!(api.connections(), 0);
    let client = client().root_certificates(inspector.pem()).build().unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
    assert_eq!(
        api.only().header("host").as_deref(),
        Some("api.example"),
        "what the proxy read"
    );
}

/// F30: the client secret is worth more than a token.
#[test]
fn an_unknown_issuer_of_the_token_endpoint_gets_no_secret() {
    let (trusted, stranger) = (Authority::new("Trusted"), Authority::new("Stranger"));
    let (api, login) = (Forbidden::new(), Forbidden::new());
    let (api_tls, login_tls) = (
        trusted.valid().before(&api.host()),
        stranger.valid().before(&login.host()),
    );
    let cloud = Cloud::COMMERCIAL
        .with_api_url(api_tls.url())
        .with_authority(login_tls.url());
    let client = Client::builder(ClientSecret::new("contoso.com", "an-app", SECRET).unwrap())
        .cloud(cloud)
        .clock(FakeClock::new())
        .no_proxy()
        .try_timeout(PATIENCE)
        .root_certificates(trusted.pem())
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(!error.is_retryable());
    assert_eq!(*certificate_error(&error), CertificateError::UnknownIssuer);
    assert!(error.to_string().contains(&login_tls.host()), "{error}");
    assert!(hint(&error).contains("`root_certificates`"), "{error:?}");
    assert!(!format!("{error:?} {error:#?}").contains(SECRET));
    assert_eq!((login_tls.connections(), login_tls.handshakes()), (1, 0));
    assert_eq!(api_tls.connections(), 0);
    login.assert_untouched();
    api.assert_untouched();
}

// --- certificates that are not in order

/// F31
#[test]
fn an_expired_certificate_is_refused_with_the_reason() {
    let authority = Authority::new("Trusted");
    let error = refusal(authority.expired(), |url| trusting(url, &authority));
    let why = certificate_error(&error);
    assert!(
        matches!(why, CertificateError::ExpiredContext { .. }),
        "{why:?}"
    );
    assert!(format!("{error:?}").contains("expired"), "{error:?}");
    assert_is_about_time(&error);
}

/// F31: the clock of the computer may be the one that is wrong.
#[test]
fn a_certificate_of_the_future_is_refused_with_the_reason() {
    let authority = Authority::new("Trusted");
    let error = refusal(authority.not_yet_valid(), |url| trusting(url, &authority));
    let why = certificate_error(&error);
    assert!(
        matches!(why, CertificateError::NotValidYetContext { .. }),
        "{why:?}"
    );
    assert!(format!("{error:?}").contains("not valid yet"), "{error:?}");
    assert_is_about_time(&error);
}

/// More roots would not help.
fn assert_is_about_time(error: &Error) {
    let hint = hint(error);
    assert!(hint.contains("clock"), "{hint}");
    assert!(!hint.contains("root_certificates"), "{hint}");
}

/// F31: the names it would be good for are in the chain of causes, whatever they are.
#[test]
fn a_certificate_for_another_host_is_refused_with_the_reason() {
    let authority = Authority::new("Trusted");
    for name in ["other.example", "expired.example", "127.0.0.2"] {
        let shown = authority.valid_for(&[name]);
        let error = refusal(shown, |url| trusting(url, &authority));
        let why = certificate_error(&error);
        assert!(
            matches!(why, CertificateError::NotValidForNameContext { .. }),
            "{why:?}"
        );
        let report = format!("{error:?}");
        assert!(report.contains("not valid for name"), "{report}");
        // The library shows addresses as the bytes they are.
        assert!(name == "127.0.0.2" || report.contains(name), "{report}");
        let hint = hint(&error);
        assert!(hint.contains("API URL"), "{hint}");
        assert!(
            !hint.contains("root_certificates") && !hint.contains("clock"),
            "{hint}"
        );
    }
}

/// F31: the name counts, and it is not enough that another name leads to the same place.
#[test]
fn a_certificate_is_for_the_name_that_was_asked_for() {
    let authority = Authority::new("Trusted");
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let server = authority.valid_for(&["localhost"]).before(&api.host());
    let by_name = format!("https://localhost:{}", server.port());
    let client = trusting(&by_name, &authority).build().unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
    let client = trusting(&server.url(), &authority).build().unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_refused(&error, &server.host());
    assert_eq!(
        api.only().header("host"),
        Some(by_name.replace("https://", ""))
    );
}

/// F30, F31: somebody else's certificate is no proof without its key.
#[test]
fn a_certificate_without_its_key_is_refused() {
    let authority = Authority::new("Trusted");
    let impostor = authority.valid().with_key_of(authority.valid());
    let error = refusal(impostor, |url| trusting(url, &authority));
    assert_eq!(*certificate_error(&error), CertificateError::BadSignature);
}

// --- the roots that were given

/// F30: the way out leads out, for the token too, and all of it over the one connection to each host.
#[test]
fn with_the_right_root_all_five_operations_work() {
    let authority = Authority::new("Trusted");
    let tenant = Tenant::demo().unwrap();
    let inner = tenant.url().replace("http://", "");
    let api = authority.valid().before(&inner);
    let login = authority.valid().before(&inner);
    let cloud = Cloud::COMMERCIAL
        .with_api_url(api.url())
        .with_authority(login.url());
    let client = Client::builder(tenant.credential().unwrap())
        .cloud(cloud)
        .clock(FakeClock::new())
        .no_proxy()
        .root_certificates(authority.pem())
        .build()
        .unwrap();
    let machines = client.machines().page_size(100).into_iter();
    assert_eq!(machines.map(Result::unwrap).count(), 347);
    let agents = client.scan_agents().unwrap();
    let agent = client.scan_agent(&agents[0].id).unwrap();
    assert_eq!(agent.id, agents[0].id);
    let definitions = client.scan_definitions().unwrap();
    let ids = definitions.iter().map(|definition| &definition.id);
    let history = client.scan_history(ids).into_iter();
    assert!(history.map(Result::unwrap).count() > 0);
    assert_eq!(tenant.token_requests(), 1);
    assert_eq!((login.connections(), login.handshakes()), (1, 1));
    assert_eq!((api.connections(), api.handshakes()), (1, 1));
}

/// F30: `root_certificates` says who is trusted beside the built-in ones, or without them, and the last
/// word counts.
#[test]
fn only_the_roots_that_were_given_are_trusted() {
    let (one, other) = (Authority::new("One"), Authority::new("Other"));
    // As after a change of keys.
    let namesake = Authority::new("One");
    let both = format!("# bundle\n{}\n{}", other.pem(), one.pem());
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let server = one.valid().before(&api.host());
    for (roots, trusted) in [
        (&[one.pem()][..], true),
        (&[&both], true),
        (&[other.pem(), one.pem()], true),
        (&[other.pem()], false),
        (&[namesake.pem()], false),
        (&[one.pem(), other.pem()], false),
    ] {
        let builder = patient(&server.url());
        let builder = roots
            .iter()
            .fold(builder, |builder, roots| builder.root_certificates(*roots));
        for built_in in [true, false] {
            let builder = builder.clone().built_in_roots(built_in);
            match builder.build().unwrap().scan_agents() {
                Ok(agents) => assert!(trusted && agents.is_empty()),
                Err(error) => {
                    assert!(!trusted, "{error:?}");
                    assert_refused(&error, &server.host());
                    assert!(hint(&error).contains("`root_certificates`"), "{error:?}");
                }
            }
        }
    }
    assert_eq!((server.handshakes(), api.requests().len()), (6, 6));
}

/// F30: a server sends what stands between itself and the root; without it there is no way to tell.
#[test]
fn a_chain_leads_to_a_root_or_is_refused() {
    let root = Authority::new("Root");
    let between = root.intermediate("Between");
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    let server = between.valid().before(&api.host());
    let client = trusting(&server.url(), &root).build().unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
    let cut = between.valid().without_chain();
    let error = refusal(cut, |url| trusting(url, &root));
    assert_eq!(*certificate_error(&error), CertificateError::UnknownIssuer);
}

/// F30: what is no certificate is refused when the client is built, and never shown.
#[test]
fn root_certificates_must_be_pem() {
    let authority = Authority::new("Trusted");
    let key = authority.valid().key_pem();
    let damaged = authority.pem().replace("MII", "M!I");
    assert_ne!(damaged, authority.pem());
    let head = "-----BEGIN CERTIFICATE-----";
    // PEM around something else.
    let empty = format!("{head}\naHVudGVyMg==\n-----END CERTIFICATE-----\n");
    let second = format!("{}{empty}", authority.pem());
    for (pem, word) in [
        ("", "hold no PEM"),
        ("hunter2", "BEGIN CERTIFICATE"),
        ("0\u{6}hunter2", "-inform der"),
        (head, "PEM"),
        (&key, "hold no PEM"),
        (&damaged, "damaged PEM"),
        (&empty, "certificate 1 of"),
        (&second, "certificate 2 of"),
    ] {
        let server = Forbidden::new();
        let builder = patient(&format!("https://{}", server.host())).root_certificates(pem);
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        let text = format!("{error:?} {error:#?}");
        assert!(
            text.contains("root certificates") && text.contains(word),
            "{text}"
        );
        for hidden in ["hunter2", "aHVudGVyMg", &key] {
            assert!(!text.contains(hidden), "{text}");
        }
        server.assert_untouched();
    }
}

// --- no TLS at all

/// F32: what most servers do with bytes that are no request.
#[test]
fn plain_http_under_an_https_url_is_told_at_once() {
    let server = Plain::answering(Answer::new(400, &[], "not a request").into_bytes());
    let client = patient(&server.url()).build().unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_refused(&error, &server.host());
    let hint = hint(&error);
    assert!(
        hint.contains("plain HTTP") && hint.contains("port"),
        "{hint}"
    );
    assert!(!hint.contains("root_certificates"), "{hint}");
    drop(client);
    assert_only_hello(&server.heard());
}

/// F32: a server that waits for the end of a line that never comes, or for nothing at all.
#[test]
fn who_never_speaks_tls_is_left_after_the_connect_timeout() {
    let server = Plain::answering("");
    let client = support::builder(&server.url())
        .connect_timeout(Duration::from_millis(150))
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_connect_timeout(&error, &server.host(), "150ms");
    drop(client);
    assert_only_hello(&server.heard());
}

/// F32: the connect timeout is for the whole handshake, not for each of its bytes.
#[test]
fn a_handshake_that_trickles_is_left_after_the_connect_timeout() {
    // Goes on for 20 times as long, and ends of itself.
    let server = Plain::new(|stream| {
        stream.set_nodelay(true)?;
        stream.write_all(&[22, 3, 3, 4, 0])?;
        for _ in 0..400 {
            thread::sleep(Duration::from_millis(10));
            stream.write_all(&[2])?;
        }
        Ok(())
    });
    let client = support::builder(&server.url())
        .connect_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_connect_timeout(&error, &server.host(), "200ms");
    drop(client);
    assert_only_hello(&server.heard());
}

fn assert_connect_timeout(error: &Error, host: &str, time: &str) {
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(error.is_retryable());
    let line = error.to_string();
    assert!(
        line.ends_with(&format!("no connection to {host} within {time}")),
        "{line}"
    );
}

/// F32: versions before 1.2 are not spoken, in whatever way the server says that it knows no other.
#[test]
fn a_server_of_old_versions_alone_is_refused() {
    // TLS 1.0: hello, ECDHE-RSA with AES-128-CBC.
    let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0xC0, 0x13, 0]);
    let no_such_version = vec![21, 3, 1, 0, 2, 2, 70];
    let no_such_cipher = vec![21, 3, 1, 0, 2, 2, 40];
    for flight in [hello, no_such_version, no_such_cipher] {
        let server = Plain::answering(flight);
        let client = patient(&server.url()).build().unwrap();
        let error = client.scan_agents().unwrap_err();
        assert_refused(&error, &server.host());
        let hint = hint(&error);
        assert!(hint.contains("TLS 1.2"), "{hint}");
        drop(client);
        assert_only_hello(&server.heard());
    }
}

/// F32: each of the two versions that are spoken will do.
#[test]
fn a_server_of_either_version_will_do() {
    let authority = Authority::new("Trusted");
    let api = RawServer::sending(Answer::json(EMPTY_LIST));
    for version in [&TLS12, &TLS13] {
        let plan = authority.valid().plan(&api.host());
        let server = plan.only(version).start();
        let client = trusting(&server.url(), &authority).build().unwrap();
        // The second time on the connection of the first.
        for _ in 0..2 {
            assert!(client.scan_agents().unwrap().is_empty());
        }
        assert_eq!(server.handshakes(), 1);
    }
}

// --- TLS that breaks later

/// A server behind TLS that ends its answers like this, all but the first `bad`, which are these.
fn breaking(
    authority: &Authority,
    end: End,
    bad: usize,
    answer: impl Into<Vec<u8>>,
) -> (RawServer, TlsServer) {
    let answer = answer.into();
    let api = RawServer::new(move |seen: &Request| {
        if seen.connection < bad {
            Answer::bytes(answer.clone())
        } else {
            Answer::json(ONE_ROW)
        }
    });
    let server = authority.valid().plan(&api.host()).ending(end).start();
    (api, server)
}

/// 200 with JSON that ends where the connection does.
fn without_length(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}")
}

/// 200 with JSON, and more to come than does.
fn cut_short(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999999\r\n\r\n{body}"
    )
}

/// Answers of which some is missing, and how their connection ends.
fn broken() -> Vec<(End, String)> {
    let mut broken = Vec::new();
    for end in [End::InOrder, End::Cut, End::Garbage] {
        broken.push((end, cut_short(ONE_ROW)));
        for shorter in [1, 2, 5, ONE_ROW.len() - 1] {
            let part = &ONE_ROW[..ONE_ROW.len() - shorter];
            broken.extend([(end, cut_short(part)), (end, without_length(part))]);
        }
    }
    // Not what comes behind the end, but what stands in place of it.
    broken.push((End::Garbage, without_length(ONE_ROW)));
    broken
}

/// F8, F9: with a length or without, and whatever TLS says at the end.
#[test]
fn a_body_that_tls_breaks_off_in_is_no_answer() {
    let authority = Authority::new("Trusted");
    for (end, answer) in broken() {
        let (api, server) = breaking(&authority, end, usize::MAX, answer.as_str());
        let client = support::builder(&server.url()).root_certificates(authority.pem());
        let error = client.build().unwrap().scan_agents().unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Transport, true),
            "{end:?} {answer}: {error:?}"
        );
        assert_eq!(error.hint(), None, "{error:?}");
        assert_well_formed(&error);
        assert!(!api.requests().is_empty());
    }
}

/// F8, F9: the peer was known before: a new connection is as safe as the first.
#[test]
fn a_body_that_tls_breaks_off_in_is_fetched_again() {
    let authority = Authority::new("Trusted");
    for (end, answer) in broken() {
        let (api, server) = breaking(&authority, end, 1, answer.as_str());
        let client = trusting(&server.url(), &authority).build().unwrap();
        let agents = client.scan_agents();
        let agents = agents.unwrap_or_else(|error| panic!("{end:?} {answer}: {error:?}"));
        assert_eq!(agents.len(), 1, "{end:?} {answer}");
        assert_eq!(
            (api.requests().len(), server.handshakes()),
            (2, 2),
            "{answer}"
        );
    }
}

/// F8: a server that fails says so with an alert, which in the middle of a body is no refusal.
#[test]
fn an_alert_in_the_middle_of_a_body_is_worth_a_retry() {
    let authority = Authority::new("Trusted");
    // So much that the alert can't come together with the head.
    let answer = cut_short(&format!(r#"{{"value":[{}"#, " ".repeat(500_000)));
    let (api, server) = breaking(&authority, End::Alert, 1, answer);
    let once = support::builder(&server.url()).root_certificates(authority.pem());
    let error = once.build().unwrap().scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable(), error.hint()),
        (ErrorKind::Transport, true, None),
        "{error:?}"
    );
    assert!(format!("{error:?}").contains("fatal alert"), "{error:?}");
    assert_well_formed(&error);
    assert_eq!(api.requests().len(), 1);
}

/// F9: it is the closing bracket that says that this was all, so a server may leave out TLS's word.
#[test]
fn a_whole_document_without_length_is_whole() {
    let authority = Authority::new("Trusted");
    for end in [End::InOrder, End::Cut] {
        let (api, server) = breaking(&authority, end, usize::MAX, without_length(ONE_ROW));
        let client = trusting(&server.url(), &authority).build().unwrap();
        assert_eq!(client.scan_agents().unwrap().len(), 1, "{end:?}");
        assert_eq!(api.requests().len(), 1, "{end:?}");
    }
}

/// F4, F5: as without TLS, a connection that the server closed meanwhile is replaced at once.
#[test]
fn a_kept_connection_that_is_dead_is_replaced() {
    let authority = Authority::new("Trusted");
    for end in [End::InOrder, End::Cut, End::Garbage] {
        let (_api, server) = breaking(&authority, end, 1, Answer::json(ONE_ROW).into_bytes());
        let client = trusting(&server.url(), &authority).build().unwrap();
        for _ in 0..2 {
            assert_eq!(client.scan_agents().unwrap().len(), 1, "{end:?}");
        }
        // The garbage may come early enough for the first call, which is then made again.
        assert_eq!(server.handshakes(), 2, "{end:?}");
    }
}

/// F29: bytes behind the end of an answer are nobody's answer.
#[test]
fn bytes_behind_the_end_of_an_answer_are_dropped_with_their_connection() {
    let authority = Authority::new("Trusted");
    for size in [0, 5_000, 50_000] {
        let stray = format!(r#"{{"value":[],"filler":"{}"}}"#, "x".repeat(size));
        let both = [Answer::json(EMPTY_LIST), Answer::json(stray)]
            .map(Answer::into_bytes)
            .concat();
        let api = RawServer::new(move |seen| {
            if seen.connection == 0 {
                both.clone().into()
            } else {
                Answer::json(r#"{"value":[{"id":"1"}]}"#)
            }
        });
        let server = authority.valid().before(&api.host());
        let client = trusting(&server.url(), &authority).build().unwrap();
        assert!(client.scan_agents().unwrap().is_empty());
        assert_eq!(client.scan_agents().unwrap().len(), 1, "{size}");
    }
}

// --- no way around

/// F33, F94: plain HTTP sends the token in the clear, so it is for loopback alone.
#[test]
fn plain_http_is_for_loopback_alone() {
    for host in [
        "127.0.0.1:1",
        "127.9.9.9",
        "localhost:1",
        "LOCALHOST",
        "[::1]:1",
    ] {
        support::builder(&format!("http://{host}")).build().unwrap();
    }
    for host in [
        "example.com",
        "api.securitycenter.microsoft.com",
        "login.microsoftonline.com:443",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "128.0.0.1",
        "[::]",
        "[2001:db8::1]",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "notlocalhost",
    ] {
        let secure = "https://127.0.0.1:1";
        for scheme in ["http", "HTTP"] {
            let plain = format!("{scheme}://{host}");
            for (what, api, authority) in [
                ("the API URL", plain.as_str(), secure),
                ("the login authority", secure, plain.as_str()),
            ] {
                let cloud = Cloud::COMMERCIAL
                    .with_api_url(api)
                    .with_authority(authority);
                let error = patient(secure).cloud(cloud).build().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
                let line = error.to_string();
                assert!(line.contains(what) && line.contains("https only"), "{line}");
            }
        }
    }
}

/// F30, F33: the transport has such a switch; no line of the crate touches it.
#[test]
fn there_is_no_switch_that_turns_verification_off() {
    let sources = Source::all();
    // The search finds what there is.
    assert!(sources.iter().any(|it| it.text.contains("root_certs(")));
    for Source { path, text } in sources {
        let text = text.to_ascii_lowercase();
        for switch in [
            "disable_verification",
            ".dangerous()",
            "danger_accept",
            "accept_invalid",
            "insecure",
        ] {
            assert!(!text.contains(switch), "{path}: {switch}");
        }
    }
}
