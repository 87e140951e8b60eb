//! One random text is planted wherever there is a secret, and must turn up nowhere else: in no
//! text of any value, in no line of the log, in no request line. The other side repeats it wherever
//! it can.

use std::collections::hash_map::RandomState;
use std::error::Error as _;
use std::fmt::{self, Debug};
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::scan_definitions::ScanDefinition;
use defender_endpoint::testing::FakeClock;
use defender_endpoint::{
    AccessToken, Client, ClientBuilder, ClientSecret, Cloud, Credential, Error, Secret,
    StaticToken, TokenRequest,
};
use log::Level;

use crate::logs;
use crate::support::raw::{Answer, RawServer, cloud};

const NOTHING: &str = r#"{"value":[]}"#;

/// The secret of one test, and everything in which it must not be.
struct Planted {
    secret: String,
    texts: Mutex<Vec<String>>,
}

impl Planted {
    fn new() -> Self {
        logs::start();
        let random = || RandomState::new().build_hasher().finish();
        let secret = format!("pl{:016x}{:016x}", random(), random());
        Self {
            secret,
            texts: Mutex::default(),
        }
    }

    /// Keeps what a value says of itself.
    fn look_at(&self, value: &impl Debug) {
        self.look_at_text(format!("{value:?}"));
        self.look_at_text(format!("{value:#?}"));
    }

    fn look_at_text(&self, text: impl Into<String>) {
        self.texts.lock().unwrap().push(text.into());
    }

    /// Keeps all that an error says, down to its last cause.
    fn look_at_error(&self, error: &Error) {
        self.look_at(error);
        self.look_at_text(error.to_string());
        for text in [error.code(), error.message(), error.request_id()]
            .into_iter()
            .flatten()
        {
            self.look_at_text(text);
        }
        let mut cause = error.source();
        while let Some(deeper) = cause {
            self.look_at(&deeper);
            self.look_at_text(deeper.to_string());
            cause = deeper.source();
        }
    }

    /// What came of a call. Rows are data and may hold anything.
    fn look_at_outcome<T>(&self, outcome: Result<T, Error>) {
        if let Err(error) = outcome {
            self.look_at_error(&error);
        }
    }

    /// Request lines may be in anybody's log.
    fn look_at_lines(&self, server: &RawServer) {
        for seen in server.requests() {
            self.look_at_text(seen.request_line());
        }
    }

    /// The secret, its beginning, or a piece of it that is no chance.
    fn shown_in(&self, text: &str) -> bool {
        let step = (self.secret.len() / 40).max(4);
        let mut starts = (0..=self.secret.len() - 8).step_by(step);
        starts.any(|at| text.contains(&self.secret[at..at + 8]))
    }
}

/// For credentials that hold one: a test's own texts don't count.
impl Debug for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Planted")
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let texts = self.texts.lock().unwrap();
        assert!(!texts.is_empty(), "nothing was looked at");
        for text in texts.iter() {
            assert!(!self.shown_in(text), "shown: {text}");
        }
        for line in logs::lines() {
            assert!(!self.shown_in(&line.text), "logged: {line:?}");
        }
    }
}

fn with_token(planted: &Planted, url: &str) -> ClientBuilder {
    Client::builder(StaticToken::new(planted.secret.as_str()).unwrap())
        .cloud(cloud(url))
        .clock(FakeClock::new())
        .no_proxy()
}

fn with_secret(planted: &Planted, login: &str, api: &str) -> ClientBuilder {
    let credential = ClientSecret::new("contoso.com", "an-app", planted.secret.as_str()).unwrap();
    planted.look_at(&credential);
    Client::builder(credential)
        .cloud(Cloud::COMMERCIAL.with_api_url(api).with_authority(login))
        .clock(FakeClock::new())
        .no_proxy()
}

/// Makes every call there is and looks at all that comes of it.
fn call_all(planted: &Planted, builder: ClientBuilder) {
    planted.look_at(&builder);
    let client = builder.build().unwrap();
    planted.look_at(&client);

    let machines = client.machines().page_size(1).query_option("$select", "id");
    planted.look_at(&machines);
    let mut items = machines.iter();
    planted.look_at(&items);
    while let Some(machine) = items.next().filter(|_| items.offset() < 3) {
        planted.look_at_outcome(machine);
        planted.look_at(&items);
    }
    let mut pages = machines.pages();
    while let Some(page) = pages.next().filter(|_| pages.offset() < 3) {
        planted.look_at_outcome(page);
        planted.look_at(&pages);
    }

    let history = client.scan_history(["an-id"]).top(1);
    planted.look_at(&history);
    let mut items = history.into_iter();
    while let Some(session) = items.next() {
        planted.look_at_outcome(session);
        planted.look_at(&items);
    }

    planted.look_at_outcome(client.scan_agents());
    planted.look_at_outcome(client.scan_agent("an-id"));
    planted.look_at_outcome(client.scan_definitions());
    planted.look_at(&client);
}

/// Error bodies in which the other side repeats what it was sent.
fn repeating(secret: &str) -> Vec<String> {
    vec![
        format!(r#"{{"error":{{"code":"{secret}","message":"{secret}","target":"{secret}"}}}}"#),
        format!(r#"{{"error":{{"code":"c","message":"token={secret}; {secret}","target":"t"}}}}"#),
        format!(r#"{{"error":"no such token: {secret}"}}"#),
        format!(r#"{{"Message":"no such token: {secret}"}}"#),
        format!("<html>Authorization: Bearer {secret}</html>"),
        format!("{secret}{secret}"),
        secret.to_owned(),
    ]
}

#[test]
fn a_token_is_in_no_text_where_all_goes_well() {
    let planted = Planted::new();
    let server = RawServer::new(|seen| {
        Answer::json(if seen.target().ends_with("/an-id") {
            r#"{"id":"an-id"}"#
        } else {
            NOTHING
        })
    });
    call_all(&planted, with_token(&planted, &server.url()));
    planted.look_at_lines(&server);
    // It was sent all right.
    let bearer = format!("Bearer {}", planted.secret);
    assert!(
        server
            .requests()
            .iter()
            .all(|seen| seen.header("authorization").unwrap() == bearer)
    );
    assert!(server.requests().len() >= 6);
}

#[test]
fn a_token_is_in_no_text_where_the_service_repeats_it() {
    for status in [302, 400, 401, 403, 404, 408, 429, 500, 501, 503] {
        let planted = Planted::new();
        for body in repeating(&planted.secret) {
            let server = RawServer::sending(Answer::new(status, &[], body));
            call_all(&planted, with_token(&planted, &server.url()));
        }
    }
}

#[test]
fn a_token_of_real_length_is_not_shown_to_its_half() {
    let mut planted = Planted::new();
    let random = || format!("{:016x}", RandomState::new().build_hasher().finish());
    planted.secret = (0..120).map(|_| random()).collect();
    for status in [401, 403, 500] {
        for body in repeating(&planted.secret) {
            let server = RawServer::sending(Answer::new(status, &[], body));
            call_all(&planted, with_token(&planted, &server.url()));
        }
        let headers = [("x-ms-request-id", planted.secret.as_str())];
        let server = RawServer::sending(Answer::new(status, &headers, ""));
        call_all(&planted, with_token(&planted, &server.url()));
    }
}

#[test]
fn a_token_is_in_no_text_where_headers_repeat_it() {
    let planted = Planted::new();
    let secret = planted.secret.clone();
    for status in [302, 401, 403, 429, 500] {
        for (name, value) in [
            ("x-ms-request-id", secret.clone()),
            ("request-id", format!("id-{secret}")),
            ("mise-correlation-id", secret.clone()),
            ("Retry-After", secret.clone()),
            (
                "Location",
                format!("https://host.example/{secret}?{secret}#{secret}"),
            ),
            ("Location", format!("https://{secret}@host.example/")),
            ("WWW-Authenticate", format!("Bearer error=\"{secret}\"")),
            ("Set-Cookie", secret.clone()),
        ] {
            let server = RawServer::sending(Answer::new(status, &[(name, &value)], ""));
            call_all(&planted, with_token(&planted, &server.url()));
        }
    }
}

#[test]
fn a_token_is_in_no_text_where_rows_do_not_fit() {
    let planted = Planted::new();
    let secret = &planted.secret;
    for body in [
        format!(r#"{{"value":"{secret}"}}"#),
        format!(r#"{{"value":["{secret}"]}}"#),
        format!(r#"{{"value":[{{"id":["{secret}"]}}]}}"#),
        format!(r#"{{"value":[{{"id":"a","lastSeen":"{secret}"}}]}}"#),
        format!(r#"{{"value":[{{"id":"a","isActive":"{secret}","intervalInHours":"{secret}"}}]}}"#),
        format!(r#"{{"value":[{{"id":"a","firstSeen":17,"x":"{secret}"}}]}}"#),
        format!(r#"{{"value":[]}}{secret}"#),
        format!(r#"{{"value":[] {secret}"#),
        format!(r#"{{"{secret}"#),
        format!(r#"{{"value":[],"value":"{secret}"}}"#),
        format!(r#"{{"id":{{"a":"{secret}"}}}}"#),
        secret.clone(),
    ] {
        let server = RawServer::sending(Answer::json(body));
        call_all(&planted, with_token(&planted, &server.url()));
    }
}

#[test]
fn a_token_is_in_no_text_where_a_link_repeats_it() {
    let planted = Planted::new();
    let secret = planted.secret.clone();
    for link in [
        format!("/api/machines?$skip={secret}"),
        format!("https://host.example/api/machines?token={secret}"),
        format!("https://{secret}@host.example/api/machines?a=b"),
        format!("/{secret}?a=b"),
        format!("javascript:{secret}"),
        format!("/api/machines?$skip=0&t={secret}"),
        secret,
    ] {
        let page = format!(r#"{{"value":[{{"id":"a"}}],"@odata.nextLink":"{link}"}}"#);
        let server = RawServer::sending(Answer::json(page));
        call_all(&planted, with_token(&planted, &server.url()));
    }
}

#[test]
fn a_token_is_in_no_text_where_there_is_no_answer() {
    let planted = Planted::new();
    let secret = planted.secret.clone();
    for act in [
        String::new(),
        secret.clone(),
        format!("HTTP/1.1 200 {secret}\r\nContent-Length: 99\r\n\r\n{secret}"),
        format!("HTTP/1.1 {secret} OK\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {secret}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{secret}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{secret}\r\n"),
    ] {
        let server = RawServer::new(move |_| Answer::bytes(act.clone()));
        call_all(&planted, with_token(&planted, &server.url()));
    }
    let silent = RawServer::new(|_| Answer::bytes(Vec::new()).held());
    let builder = with_token(&planted, &silent.url()).read_timeout(Duration::from_millis(20));
    call_all(&planted, builder);
    call_all(
        &planted,
        with_token(
            &planted,
            &format!("http://{}", crate::support::raw::deserted()),
        ),
    );
}

#[test]
fn a_client_secret_and_its_token_are_in_no_text_where_all_goes_well() {
    let (planted, token) = (Planted::new(), Planted::new());
    let body = format!(r#"{{"access_token":"{}","expires_in":3599}}"#, token.secret);
    let (login, api) = (
        RawServer::sending(Answer::json(body)),
        RawServer::sending(Answer::json(NOTHING)),
    );
    let builder = with_secret(&planted, &login.url(), &api.url());
    token.look_at(&builder);
    call_all(&token, builder.clone());
    call_all(&planted, builder);
    for server in [&login, &api] {
        planted.look_at_lines(server);
        token.look_at_lines(server);
    }
    // It was sent to the token endpoint, and in the body alone.
    let seen = &login.requests()[0];
    assert!(seen.text().contains(&planted.secret));
    planted.look_at_text(&seen.head);
    for seen in api.requests() {
        planted.look_at_text(seen.head.as_str());
        planted.look_at_text(seen.text());
    }
}

#[test]
fn a_client_secret_is_in_no_text_where_the_token_endpoint_repeats_it() {
    let planted = Planted::new();
    let secret = planted.secret.clone();
    let api = RawServer::sending(Answer::json(NOTHING));
    let mut bodies = repeating(&secret);
    bodies.extend([
        format!(r#"{{"error":"{secret}","error_description":"{secret}","correlation_id":"{secret}"}}"#),
        format!(r#"{{"error":"c","error_description":"AADSTS7000215: '{secret}' is wrong","trace_id":"{secret}"}}"#),
        format!(r#"{{"error":"c","error_description":["{secret}"]}}"#),
        format!(r#"{{"access_token":["{secret}"]}}"#),
        format!(r#"{{"access_token":"t","expires_in":"{secret}"}}"#),
        format!(r#"{{"access_token":"t","token_type":"{secret}"}}"#),
        format!(r#"{{"access_token":"{secret}\r\n"}}"#),
    ]);
    for body in bodies {
        for status in [200, 302, 400, 401, 429, 500] {
            let headers = [("x-ms-request-id", secret.as_str()), ("Location", &secret)];
            let login = RawServer::sending(Answer::new(status, &headers, &body));
            let client = with_secret(&planted, &login.url(), &api.url())
                .build()
                .unwrap();
            planted.look_at_error(&client.scan_agents().unwrap_err());
            planted.look_at(&client);
            planted.look_at_lines(&login);
        }
    }
}

#[test]
fn a_client_secret_is_in_no_text_where_the_token_endpoint_is_silent() {
    let planted = Planted::new();
    let api = RawServer::sending(Answer::json(NOTHING));
    let secret = planted.secret.clone();
    for bytes in [
        String::new(),
        secret.clone(),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{secret}"),
    ] {
        let login = RawServer::new(move |_| Answer::bytes(bytes.clone()));
        call_all(&planted, with_secret(&planted, &login.url(), &api.url()));
    }
    assert!(api.requests().is_empty());
}

#[test]
fn what_is_refused_before_it_is_used_is_in_no_text() {
    let planted = Planted::new();
    for spoiled in ["\n", " ", "\r\nX: y", "\u{fc}", "\0"] {
        let text = format!("{}{spoiled}", planted.secret);
        planted.look_at_error(&StaticToken::new(text.as_str()).unwrap_err());
        if let Err(error) = ClientSecret::new("contoso.com", "an-app", text.as_str()) {
            planted.look_at_error(&error);
        }
        if let Err(error) = ClientSecret::new(text.as_str(), "an-app", "s") {
            planted.look_at_error(&error);
        }
        if let Err(error) = ClientSecret::new("contoso.com", text.as_str(), "s") {
            planted.look_at_error(&error);
        }
    }
    // What people put in the wrong place.
    let builder = with_token(&planted, "http://127.0.0.1:1");
    for builder in [
        builder
            .clone()
            .proxy(format!("ftp://user:{}@host", planted.secret)),
        builder.clone().proxy(planted.secret.clone() + "\n"),
        builder.clone().user_agent(format!("{}\n", planted.secret)),
        builder
            .clone()
            .cloud(Cloud::COMMERCIAL.with_scope(format!("{}\n", planted.secret))),
    ] {
        planted.look_at_error(&builder.build().unwrap_err());
    }
    for url in [
        "https://user:S@host",
        "https://S@host",
        "https://host/S",
        "https://host?S",
        "https://host:S",
    ] {
        let url = url.replace('S', &planted.secret);
        let cloud = Cloud::COMMERCIAL.with_api_url(&url);
        planted.look_at_error(&builder.clone().cloud(cloud).build().unwrap_err());
        let cloud = Cloud::COMMERCIAL.with_authority(&url);
        planted.look_at_error(&builder.clone().cloud(cloud).build().unwrap_err());
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxys_password_is_in_no_text() {
    let planted = Planted::new();
    // Plain http to loopback would go past the proxy.
    let builder = Client::builder(StaticToken::new("t").unwrap())
        .cloud(cloud("https://127.0.0.1:1"))
        .clock(FakeClock::new());
    for status in [200, 403, 407, 502] {
        let proxy = RawServer::new(move |_| Answer::new(status, &[], "").closed());
        let url = format!("http://a-user:{}@{}", planted.secret, proxy.host());
        call_all(&planted, builder.clone().proxy(url));
        let seen = proxy.requests();
        assert!(seen.iter().all(|seen| seen.method() == "CONNECT") && !seen.is_empty());
        planted.look_at_lines(&proxy);
    }
    let proxy = crate::support::raw::deserted();
    let url = format!("http://a-user:{}@{proxy}", planted.secret);
    call_all(&planted, builder.proxy(url));
}

#[test]
fn a_token_is_in_no_text_where_a_credential_looks_on() {
    #[derive(Debug)]
    struct Nosy(Arc<Planted>);
    impl Credential for Nosy {
        fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
            self.0.look_at(request);
            let token =
                AccessToken::new(self.0.secret.as_str()).expires_in(Duration::from_secs(60));
            self.0.look_at(&token);
            Ok(token)
        }
    }
    let planted = Arc::new(Planted::new());
    let api = RawServer::sending(Answer::new(401, &[], planted.secret.as_str()));
    let builder = Client::builder(Nosy(Arc::clone(&planted)))
        .cloud(cloud(api.url()))
        .no_proxy();
    call_all(&planted, builder);
}

#[test]
fn a_failed_renewal_is_logged_without_secret_and_token() {
    let (planted, token) = (Planted::new(), Planted::new());
    let clock = FakeClock::new();
    let secret = planted.secret.clone();
    let first = format!(r#"{{"access_token":"{}","expires_in":3600}}"#, token.secret);
    let asked = AtomicUsize::new(0);
    let login = RawServer::new(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::json(&first),
        _ => Answer::new(
            418,
            &[],
            format!(r#"{{"error":"a-teapot","error_description":"{secret} is not tea"}}"#),
        ),
    });
    let api = RawServer::sending(Answer::json(NOTHING));
    let client = with_secret(&planted, &login.url(), &api.url())
        .clock(clock.clone())
        .build()
        .unwrap();
    client.scan_agents().unwrap();
    clock.advance(Duration::from_secs(3_400));
    client.scan_agents().unwrap();
    let told = |line: &&logs::Line| line.level == Level::Warn && line.text.contains("a-teapot");
    let lines = logs::lines();
    let line = lines.iter().find(told).expect("the failure is logged");
    assert!(line.target.starts_with("defender_endpoint"), "{line:?}");
    assert!(line.text.contains("the old one is used"), "{line:?}");
    planted.look_at_text(&line.text);
    token.look_at_text(&line.text);
}

/// A scan definition with a password wherever there can be one.
fn definition(secret: &str) -> String {
    format!(
        r##"{{"id":"a-definition","scanName":"a scan","scanAuthenticationParams":{{
            "@odata.type":"#microsoft.windowsDefenderATP.api.SnmpAuthParams","type":"AuthPriv",
            "username":"a-user","authPassword":"{secret}","privPassword":"{secret}",
            "communityString":"{secret}","password":"{secret}","somethingNew":"{secret}"}}}}"##
    )
}

#[test]
fn a_scans_password_is_in_no_text_and_not_serialised() {
    let planted = Planted::new();
    let definition = definition(&planted.secret);
    let server = RawServer::sending(Answer::json(format!(r#"{{"value":[{definition}]}}"#)));
    let client = Client::builder(StaticToken::new("t").unwrap())
        .cloud(cloud(server.url()))
        .no_proxy()
        .build()
        .unwrap();
    planted.look_at(&client.scan_definitions().unwrap());
    let read: ScanDefinition = serde_json::from_str(&definition).unwrap();
    planted.look_at(&read);
    planted.look_at_text(serde_json::to_string(&read).unwrap());
    planted.look_at_text(serde_json::to_string_pretty(&vec![read.clone()]).unwrap());
    let parameters = read.scan_authentication_params.unwrap();
    planted.look_at(&parameters);
    assert_eq!(
        parameters.auth_password.as_ref().map(Secret::expose),
        Some(planted.secret.as_str())
    );
}

#[test]
fn a_scans_password_is_in_no_text_where_the_definition_does_not_fit() {
    let planted = Planted::new();
    let whole = definition(&planted.secret);
    let secret = &planted.secret;
    for body in [
        whole.replace(r#""id":"a-definition","#, ""),
        whole.replace(r#""a scan""#, "17"),
        whole.replace(r#""a-user""#, "[1]"),
        whole.replace(
            &format!(r#""authPassword":"{secret}""#),
            &format!(r#""authPassword":["{secret}"]"#),
        ),
        whole.replace(
            &format!(r#""authPassword":"{secret}""#),
            &format!(r#""authPassword":{{"a":"{secret}"}}"#),
        ),
        whole.replace(r#""privPassword":"#, r#""authPassword":"#),
        whole.replace(r#""communityString":"#, r#"communityString":"#),
        whole.replace(r#""type":"AuthPriv","#, r#""type":"#),
        whole[..whole.len() - 40].to_owned(),
    ] {
        assert_ne!(body, whole);
        let server = RawServer::sending(Answer::json(format!(r#"{{"value":[{body}]}}"#)));
        let client = Client::builder(StaticToken::new("t").unwrap())
            .cloud(cloud(server.url()))
            .no_proxy()
            .build()
            .unwrap();
        planted.look_at_error(&client.scan_definitions().unwrap_err());
    }
}

#[test]
fn a_secret_shows_nothing_of_itself() {
    let planted = Planted::new();
    let secret = Secret::from(planted.secret.as_str());
    planted.look_at(&secret);
    planted.look_at(&Some(&secret));
    planted.look_at(&AccessToken::new(secret.clone()));
    planted.look_at(&StaticToken::new(secret.clone()).unwrap());
    // Not even its length.
    assert_eq!(format!("{secret:?}"), format!("{:?}", Secret::from("")));
}
