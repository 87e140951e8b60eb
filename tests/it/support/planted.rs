//! A secret that is planted wherever there is one, and the search for it in all that is shown, logged
//! and sent. Each is new, so that nothing else can look like it.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::error::Error as _;
use std::fmt::{self, Debug};
use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use defender_endpoint::testing::FakeClock;
use defender_endpoint::{
    Client, ClientAssertion, ClientBuilder, ClientSecret, Cloud, Error, Secret, StaticToken,
    WorkloadIdentity,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::folder::Folder;
use super::raw::{Answer, Forbidden, RawServer};
use crate::logs;

/// So many characters of a secret in a row are no chance.
const PIECE: usize = 8;
/// How many kinds of secrets there are.
const KINDS: usize = 5;

/// The secret of one scenario, and everything in which it must not be.
///
/// When it is dropped, the scenario is over and the search is made: in every text that was looked at,
/// every line that was logged meanwhile, and every request that its servers saw.
pub(crate) struct Planted {
    /// Token, client secret or assertion, and password in one.
    pub(crate) secret: String,
    way: Way,
    pieces: HashSet<[u8; PIECE]>,
    texts: Texts,
    servers: Mutex<Vec<(Arc<RawServer>, Role)>>,
    /// What servers were sent that are no longer there.
    sent: Mutex<HashSet<String>>,
    foreign: Mutex<Vec<Arc<Forbidden>>>,
    /// The log line with which the scenario began.
    first_line: usize,
    others_lines: bool,
}

type Texts = Arc<Mutex<HashSet<String>>>;

/// How an app shows who it is.
enum Way {
    /// The secret is the client secret.
    ClientSecret,
    /// It is the assertion that a function returns.
    Assertion,
    /// It is the assertion in a file of this folder.
    TokenFile(Folder),
}

/// What a server is there for, which decides where it must be sent the secret.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// In the header `Authorization`.
    Api,
    /// In the form.
    Login,
    /// In the header `Proxy-Authorization`.
    Proxy,
}

impl Planted {
    /// Of the length of a good password, and with characters that are written in other ways in a
    /// URL, in JSON, in HTML and in Rust.
    pub(crate) fn short() -> Self {
        Self::new(&random(4, r#""+\%"#), Way::ClientSecret)
    }

    /// Of the length of a real token.
    pub(crate) fn long() -> Self {
        Self::new(&random(360, r#"/\+"=%&<~'"#), Way::ClientSecret)
    }

    /// Of letters and digits, which can stand in a host's name.
    pub(crate) fn plain() -> Self {
        Self::new(&random(9, "0"), Way::ClientSecret)
    }

    /// A JWT, as assertions are, from a function.
    pub(crate) fn assertion() -> Self {
        Self::new(&jwt(), Way::Assertion)
    }

    /// A JWT in a federated token file.
    pub(crate) fn in_file() -> Self {
        Self::new(&jwt(), Way::TokenFile(Folder::new()))
    }

    /// One of each kind: every scenario is gone through with all of them.
    pub(crate) fn each() -> [Self; KINDS] {
        [
            Self::short(),
            Self::plain(),
            Self::long(),
            Self::assertion(),
            Self::in_file(),
        ]
    }

    /// One that is what it is, such as a key.
    pub(crate) fn of(secret: &str) -> Self {
        Self::new(secret, Way::ClientSecret)
    }

    fn new(secret: &str, way: Way) -> Self {
        logs::start();
        let mut pieces = HashSet::new();
        let encoded =
            (0..3).map(|before| base64(&[&vec![b':'; before], secret.as_bytes()].concat()));
        // The ends of the encoded text depend on what stands around the secret.
        let encoded = encoded.map(|text| text[4..text.len() - 4].to_owned());
        for text in encoded.chain([secret.to_owned()]) {
            let text = text.to_ascii_lowercase();
            pieces.extend(
                text.as_bytes()
                    .windows(PIECE)
                    .map(|piece| <[u8; PIECE]>::try_from(piece).unwrap()),
            );
        }
        Self {
            secret: secret.to_owned(),
            way,
            pieces,
            texts: Texts::default(),
            servers: Mutex::default(),
            sent: Mutex::default(),
            foreign: Mutex::default(),
            first_line: logs::count(),
            others_lines: true,
        }
    }

    /// For scenarios in which the other side puts the secret where the transport logs it, which is
    /// said in the manual: only the crate's own lines are looked at.
    pub(crate) fn not_in_lines_of_others(mut self) -> Self {
        self.others_lines = false;
        self
    }

    // As the other side writes it.

    /// The inside of a JSON string.
    pub(crate) fn json(&self) -> String {
        let quoted = serde_json::to_string(&self.secret).unwrap();
        quoted[1..quoted.len() - 1].to_owned()
    }

    pub(crate) fn percent(&self) -> String {
        utf8_percent_encode(&self.secret, NON_ALPHANUMERIC).to_string()
    }

    pub(crate) fn html(&self) -> String {
        let escaped = self.secret.replace('&', "&amp;").replace('<', "&lt;");
        escaped.replace('"', "&quot;").replace('\'', "&#39;")
    }

    // What it is planted in.

    /// The token of a client for this server.
    pub(crate) fn as_token(&self, url: &str) -> ClientBuilder {
        let credential = StaticToken::new(self.secret.as_str()).unwrap();
        self.look_at(&credential);
        self.settings(Client::builder(credential), url, url)
    }

    /// With what an app shows who it is to this token endpoint: a client secret, an assertion, or the
    /// file with one.
    pub(crate) fn as_app(&self, login: &str, api: &str) -> ClientBuilder {
        let (tenant, app) = ("contoso.com", "an-app");
        let builder = match &self.way {
            Way::ClientSecret => {
                let credential = ClientSecret::new(tenant, app, self.secret.as_str()).unwrap();
                self.look_at(&credential);
                Client::builder(credential)
            }
            Way::Assertion => {
                let assertion = Secret::from(self.secret.as_str());
                let credential = ClientAssertion::new(tenant, app, move |_| Ok(assertion.clone()));
                let credential = credential.unwrap();
                self.look_at(&credential);
                Client::builder(credential)
            }
            Way::TokenFile(folder) => {
                let path = folder.file("token", format!("{}\n", self.secret));
                let credential = WorkloadIdentity::new(tenant, app, path).unwrap();
                self.look_at(&credential);
                Client::builder(credential)
            }
        };
        self.settings(builder, login, api)
    }

    /// Both: a token endpoint of its own gives the token for it.
    pub(crate) fn as_both(&self, url: &str) -> ClientBuilder {
        let token = format!(r#"{{"access_token":"{}","expires_in":3599}}"#, self.json());
        let login = self.login(RawServer::sending(Answer::json(token)));
        self.as_app(&login.url(), url)
    }

    pub(crate) fn settings(&self, builder: ClientBuilder, login: &str, api: &str) -> ClientBuilder {
        let texts = Arc::clone(&self.texts);
        builder
            .cloud(Cloud::COMMERCIAL.with_api_url(api).with_authority(login))
            .clock(FakeClock::new())
            .no_proxy()
            .on_wait(move |wait| {
                keep(&texts, format!("{wait} {wait:?} {wait:#?}"));
                ControlFlow::Continue(())
            })
    }

    // Where it may be sent.

    /// A server for the API: all that it is sent is searched, but for the header that is for tokens.
    pub(crate) fn api(&self, server: RawServer) -> Arc<RawServer> {
        self.server(server, Role::Api)
    }

    /// A token endpoint: all but the form.
    pub(crate) fn login(&self, server: RawServer) -> Arc<RawServer> {
        self.server(server, Role::Login)
    }

    /// A proxy: all but the header that is for its password.
    pub(crate) fn proxy(&self, server: RawServer) -> Arc<RawServer> {
        self.server(server, Role::Proxy)
    }

    fn server(&self, server: RawServer, role: Role) -> Arc<RawServer> {
        let server = Arc::new(server);
        self.servers
            .lock()
            .unwrap()
            .push((Arc::clone(&server), role));
        server
    }

    /// A host to which nobody may connect in this scenario.
    pub(crate) fn foreign_host(&self) -> Arc<Forbidden> {
        let host = Arc::new(Forbidden::new());
        self.foreign.lock().unwrap().push(Arc::clone(&host));
        host
    }

    // What is searched.

    /// Keeps what a value says of itself.
    pub(crate) fn look_at(&self, value: &impl Debug) {
        self.look_at_text(format!("{value:?}"));
        self.look_at_text(format!("{value:#?}"));
    }

    pub(crate) fn look_at_text(&self, text: impl Into<String>) {
        keep(&self.texts, text.into());
    }

    /// Keeps all that an error says, down to its last cause.
    pub(crate) fn look_at_error(&self, error: &Error) {
        self.look_at(error);
        self.look_at_text(format!("{error} {error:#}"));
        for text in [
            error.code(),
            error.message(),
            error.request_id(),
            error.hint(),
        ]
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

    /// The first place in which the secret is shown, and what of it is there.
    fn found(&self) -> Option<String> {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!texts.is_empty(), "nothing was looked at");
        if let Some(text) = texts.iter().find(|text| self.is_shown_in(text)) {
            return Some(format!("shown: {text}"));
        }
        let lines: HashSet<(String, String)> = logs::since(self.first_line)
            .into_iter()
            .filter(|line| self.others_lines || line.target.starts_with("defender_endpoint"))
            .map(|line| (line.target, line.text))
            .collect();
        if let Some(line) = lines.iter().find(|(_, text)| self.is_shown_in(text)) {
            return Some(format!("logged: {line:?}"));
        }
        self.dismiss_servers();
        let sent = self.sent.lock().unwrap();
        let found = sent.iter().find(|text| self.is_shown_in(text));
        found.map(|text| format!("sent to the {text}"))
    }

    /// Keeps what the servers saw so far, and lets go of them: a scenario may need hundreds.
    pub(crate) fn dismiss_servers(&self) {
        let mut sent = self.sent.lock().unwrap();
        for (server, role) in self.servers.lock().unwrap().drain(..) {
            let private = match role {
                Role::Api => "authorization:",
                Role::Proxy => "proxy-authorization:",
                Role::Login => "no header",
            };
            for request in server.requests() {
                let mut seen = request.headers();
                seen.retain(|header| !header.starts_with(private));
                seen.push(request.request_line().to_owned());
                if role != Role::Login {
                    seen.push(String::from_utf8_lossy(&request.body).into_owned());
                }
                sent.extend(seen.into_iter().map(|text| format!("{role:?}: {text}")));
            }
        }
    }

    /// Whether the secret, its beginning, or a piece of it is in a text, as it is or in any of the
    /// ways in which texts write it.
    fn is_shown_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let mut ways = vec![text.clone()];
        if text.contains('%') {
            ways.push(percent_decode_str(&text).decode_utf8_lossy().into_owned());
        }
        if text.contains('\\') {
            // Texts of texts are escaped twice.
            let once = unescaped(&text);
            ways.extend([unescaped(&once), once]);
        }
        if text.contains('&') {
            let decoded = text
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&lt;", "<");
            ways.push(decoded.replace("&amp;", "&"));
        }
        let in_text = |text: &String| {
            let mut pieces = text.as_bytes().windows(PIECE);
            pieces.any(|piece| self.pieces.contains(piece))
        };
        ways.iter().any(in_text)
    }
}

fn keep(texts: &Texts, text: String) {
    texts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(text);
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
        if let Some(place) = self.found() {
            panic!("{place}");
        }
        for host in self.foreign.lock().unwrap().iter() {
            host.assert_untouched();
        }
    }
}

/// So many groups of four random letters and digits, each but the last before one of the marks.
fn random(groups: usize, marks: &str) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut text = String::new();
    for (group, mark) in (0..groups).zip(marks.chars().cycle()) {
        if group > 0 {
            text.push(mark);
        }
        let mut number = RandomState::new().hash_one(group);
        for _ in 0..4 {
            let letter = usize::try_from(number % 62).unwrap();
            text.push(char::from(LETTERS[letter]));
            number /= 62;
        }
    }
    text
}

/// Three parts of base64url with dots between them.
fn jwt() -> String {
    let part = |groups| random(groups, "-_");
    format!("{}.{}.{}", part(20), part(60), part(80))
}

/// Without the backslashes of JSON and of Rust.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// Without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        text.extend([18, 12, 6, 0].map(|at| char::from(DIGITS[bits >> at & 63])));
    }
    text
}

/// A search that can't fail proves nothing: each place in which it looks, and each form, is tried.
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Whether the search finds what is shown in this way.
    fn is_found(show: impl Fn(&Planted)) -> bool {
        is_found_in(&Planted::each, show)
    }

    fn is_found_in(each: &dyn Fn() -> [Planted; KINDS], show: impl Fn(&Planted)) -> bool {
        let all = each().map(|planted| {
            planted.look_at_text("something harmless");
            let searched = catch_unwind(AssertUnwindSafe(|| {
                show(&planted);
                drop(planted);
            }));
            searched.is_err()
        });
        assert!(all.iter().all(|found| *found == all[0]), "{all:?}");
        all[0]
    }

    #[test]
    fn what_is_harmless_is_not_taken_for_the_secret() {
        assert!(!is_found(|planted| {
            planted.look_at_text("7f3d76a6976818553e996875dc91f55df6b26625 %22 &amp; \\\"");
            planted.look_at(&Error::credential("no token"));
            log::warn!(target: "defender_endpoint", "nothing of interest");
        }));
    }

    #[test]
    fn what_is_shown_is_found_in_every_form() {
        type Form = fn(&Planted) -> String;
        let forms: [Form; 11] = [
            |planted| planted.secret.clone(),
            |planted| format!("{:?}", planted.secret),
            |planted| format!("{:?}", format!("{:?}", planted.secret)),
            |planted| planted.secret.to_ascii_lowercase(),
            Planted::json,
            Planted::percent,
            |planted| planted.percent().to_ascii_lowercase(),
            Planted::html,
            |planted| base64(format!("a-user:{}", planted.secret).as_bytes()),
            |planted| planted.secret[..planted.secret.len() / 2].to_owned(),
            |planted| planted.secret[planted.secret.len() / 2..].to_owned(),
        ];
        for form in forms {
            assert!(is_found(
                |planted| planted.look_at_text(format!("a {}.", form(planted)))
            ));
        }
    }

    #[test]
    fn what_an_error_shows_is_found_down_to_its_last_cause() {
        assert!(is_found(|planted| {
            planted.look_at_error(&Error::credential(planted.secret.as_str()));
        }));
        assert!(is_found(|planted| {
            let deepest = Error::credential(planted.secret.as_str());
            let error = Error::credential("no token").with_source(deepest);
            planted.look_at_error(&Error::credential("no token").with_source(error));
        }));
    }

    #[test]
    fn what_is_logged_is_found() {
        assert!(is_found(
            |planted| log::trace!(target: "defender_endpoint::x", "{}", planted.secret)
        ));
        assert!(is_found(
            |planted| log::debug!(target: "ureq", "{}", planted.percent())
        ));
    }

    #[test]
    fn what_is_sent_is_found() {
        let act = |token: fn(&Planted) -> &str, send: fn(&Planted, &Client)| {
            is_found_in(
                &|| Planted::each().map(Planted::not_in_lines_of_others),
                |planted| {
                    let server = planted.api(RawServer::sending(Answer::json(r#"{"value":[]}"#)));
                    let credential = StaticToken::new(token(planted)).unwrap();
                    let client =
                        planted.settings(Client::builder(credential), &server.url(), &server.url());
                    let client = client.user_agent(token(planted)).build().unwrap();
                    send(planted, &client);
                },
            )
        };
        // In the header for tokens it is right; anywhere else it isn't.
        assert!(!act(|_| "a-token", |_, client| drop(client.scan_agents())));
        assert!(!is_found(|planted| {
            let server = planted.api(RawServer::sending(Answer::json(r#"{"value":[]}"#)));
            let client = planted.as_token(&server.url()).build().unwrap();
            client.scan_agents().unwrap();
            assert_eq!(server.calls(), 1);
        }));
        assert!(act(
            |_| "a-token",
            |planted, client| {
                let machines = client.machines().query_option("a", planted.secret.as_str());
                drop(machines.into_iter().next());
            }
        ));
        assert!(act(
            |_| "a-token",
            |planted, client| {
                let id = planted.secret.get(..100).unwrap_or(&planted.secret);
                drop(client.scan_history([id]).into_iter().next());
            }
        ));
        assert!(act(
            |planted| &planted.secret,
            |_, client| drop(client.scan_agents())
        ));
    }

    #[test]
    fn what_is_sent_to_the_wrong_one_is_found() {
        // A token is for the API alone: a proxy and a token endpoint must not be sent it.
        for register in [Planted::proxy, Planted::login] {
            assert!(is_found(|planted| {
                let server = register(planted, RawServer::sending(Answer::json("{}")));
                let client = planted.as_token(&server.url()).build().unwrap();
                drop(client.scan_agents());
            }));
        }
    }

    #[test]
    fn a_connection_to_a_foreign_host_is_found() {
        assert!(is_found(|planted| {
            let host = planted.foreign_host();
            drop(std::net::TcpStream::connect(host.host()).unwrap());
        }));
    }
}
