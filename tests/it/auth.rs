//! Tokens: how they are asked for, kept, renewed, shared and refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::time::OffsetDateTime;
use defender_endpoint::{
    AccessToken, Client, ClientBuilder, ClientSecret, Cloud, Credential, Error, ErrorKind,
    RateLimits, RetryPolicy, StaticToken, TokenRequest,
};
use percent_encoding::percent_decode;

use crate::support::raw::{Answer, Forbidden, RawServer, Request, cloud, deserted};

const NOTHING: &str = r#"{"value":[]}"#;
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn api() -> RawServer {
    RawServer::sending(Answer::json(NOTHING))
}

/// The tokens that the API was sent, one for each call.
pub(crate) fn tokens(api: &RawServer) -> Vec<String> {
    let token = |seen: &Request| {
        let value = seen.header("authorization").unwrap();
        value.strip_prefix("Bearer ").unwrap().to_owned()
    };
    api.requests().iter().map(token).collect()
}

/// A token endpoint whose tokens are numbered: `token-1`, `token-2` and so on.
pub(crate) fn login(lifetime: u64) -> RawServer {
    let given = AtomicUsize::new(0);
    RawServer::new(move |_| {
        let number = given.fetch_add(1, Ordering::SeqCst) + 1;
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":{lifetime},"ext_expires_in":{lifetime},"access_token":"token-{number}"}}"#
        );
        Answer::json(body)
    })
}

pub(crate) fn secret_builder(login: &RawServer, api: &RawServer, secret: &str) -> ClientBuilder {
    let cloud = Cloud::COMMERCIAL
        .with_authority(login.url())
        .with_api_url(api.url());
    let credential = ClientSecret::new("contoso.onmicrosoft.com", "an-app", secret).unwrap();
    Client::builder(credential)
        .cloud(cloud)
        .clock(FakeClock::new())
        .no_proxy()
        .retry_policy(RetryPolicy::none())
}

pub(crate) fn secret_client(login: &RawServer, api: &RawServer, clock: &FakeClock) -> Client {
    secret_builder(login, api, "a-secret")
        .clock(clock.clone())
        .build()
        .unwrap()
}

/// The error of a call whose token request is answered like this. Nobody asks again, and the API is
/// not called.
pub(crate) fn refused_token(answer: Answer) -> Error {
    let (login, api, clock) = (RawServer::sending(answer), api(), FakeClock::new());
    let client = secret_builder(&login, &api, "a-secret")
        .clock(clock.clone())
        .retry_policy(RetryPolicy::default());
    let error = client.build().unwrap().scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
    assert_eq!(error.attempts(), 0, "no call was sent");
    assert!(!error.is_retryable(), "{error:?}");
    assert_eq!((login.calls(), clock.now()), (1, Duration::ZERO));
    assert!(api.requests().is_empty());
    error
}

// --- the request

#[test]
fn the_client_secret_flow_posts_exactly_this_form() {
    let (login, api) = (login(3_599), api());
    secret_client(&login, &api, &FakeClock::new())
        .scan_agents()
        .unwrap();
    let seen = login.only();
    assert_eq!(
        seen.request_line(),
        "POST /contoso.onmicrosoft.com/oauth2/v2.0/token HTTP/1.1"
    );
    assert_eq!(
        seen.header("content-type").unwrap(),
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        seen.text(),
        "client_id=an%2Dapp&client_secret=a%2Dsecret&grant_type=client%5Fcredentials\
         &scope=https%3A%2F%2Fapi%2Esecuritycenter%2Emicrosoft%2Ecom%2F%2Edefault"
    );
    assert_eq!(tokens(&api), ["token-1"]);
}

#[test]
fn any_secret_arrives_as_it_is() {
    for secret in [
        "aB3~x.Y_z-9",
        "a+b c&d=e%f%20",
        "&client_id=other",
        "'\"\\/?#;,@!$*()[]{}<>|^`",
        "p\u{e4}ssw\u{f6}rd \u{1f511}",
        " a ",
        "%",
        "=",
    ] {
        let (login, api) = (login(3_599), api());
        secret_builder(&login, &api, secret)
            .build()
            .unwrap()
            .scan_agents()
            .unwrap();
        let seen = login.only();
        let members: Vec<(String, String)> = seen
            .text()
            .split('&')
            .map(|member| {
                let (name, value) = member.split_once('=').unwrap();
                // As a form is decoded: a plus would be a space.
                let value = value.replace('+', " ");
                let value = percent_decode(value.as_bytes())
                    .decode_utf8()
                    .unwrap()
                    .into_owned();
                (name.to_owned(), value)
            })
            .collect();
        let expected = [
            ("client_id", "an-app"),
            ("client_secret", secret),
            ("grant_type", "client_credentials"),
            ("scope", "https://api.securitycenter.microsoft.com/.default"),
        ];
        assert_eq!(
            members,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}

#[test]
fn the_clouds_scope_is_asked_for_at_the_clouds_authority() {
    let (login, api) = (login(3_599), api());
    let cloud = Cloud::GCC_HIGH
        .with_authority(format!("{}/", login.url()))
        .with_api_url(api.url())
        .with_scope("https://securitycenter.onmicrosoft.us/windowsatpservice/.default");
    secret_builder(&login, &api, "a-secret")
        .cloud(cloud)
        .build()
        .unwrap()
        .scan_agents()
        .unwrap();
    let seen = login.only();
    assert_eq!(seen.target(), "/contoso.onmicrosoft.com/oauth2/v2.0/token");
    let scope =
        "&scope=https%3A%2F%2Fsecuritycenter%2Eonmicrosoft%2Eus%2Fwindowsatpservice%2F%2Edefault";
    assert!(seen.text().ends_with(scope), "{}", seen.text());
}

#[test]
fn a_token_goes_to_the_configured_origin_and_nowhere_else() {
    let foreign = Forbidden::new();
    let link = format!("http://{}/api/machines?$skip=1", foreign.host());
    let page = format!(r#"{{"value":[{{"id":"a"}}],"@odata.nextLink":"{link}"}}"#);
    let (login, api) = (login(3_599), RawServer::sending(Answer::json(page)));
    let client = secret_client(&login, &api, &FakeClock::new());
    let mut machines = client.machines().into_iter();
    assert_eq!(machines.next().unwrap().unwrap().id, "a");
    let error = machines.next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Paging, "{error:?}");
    foreign.assert_untouched();
    assert_eq!(tokens(&api), ["token-1"]);
    assert_eq!(login.only().header("authorization"), None);
}

#[test]
fn a_link_to_another_host_of_the_api_is_followed_on_the_configured_one() {
    let api = RawServer::new(|seen| {
        Answer::json(match seen.query() {
            "" => {
                r#"{"value":[{"id":"a"}],"@odata.nextLink":"https://api-eu.securitycenter.microsoft.com/api/machines?$skip=1"}"#
            }
            _ => NOTHING,
        })
    });
    let login = login(3_599);
    let client = secret_client(&login, &api, &FakeClock::new());
    assert_eq!(client.machines().iter().map(Result::unwrap).count(), 1);
    assert_eq!(tokens(&api), ["token-1", "token-1"]);
}

// --- what is checked before

#[test]
fn a_client_id_is_letters_digits_and_hyphens() {
    for id in ["", " ", "a b", "a/b", "a&b", "a\n", "\u{fc}", "a.b", "a=b"] {
        let error = ClientSecret::new("contoso.com", id, "hunter2").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{id:?}");
        assert!(error.to_string().contains("client id"), "{error}");
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
    }
}

#[test]
fn a_client_secret_is_not_empty_and_one_line() {
    for secret in [
        "",
        " ",
        "\n",
        "hunter2\n",
        "hunter2\r\n",
        "hun\0ter2",
        "hunter2\t",
    ] {
        let error = ClientSecret::new("contoso.com", "an-app", secret).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{secret:?}");
        assert!(error.to_string().contains("client secret"), "{error}");
        let report = format!("{error:?} {error:#?}");
        assert!(
            report.contains("line break") && !report.contains("hunter2"),
            "{report}"
        );
    }
}

#[test]
fn a_static_token_is_sent_for_ever() {
    let (api, clock) = (api(), FakeClock::new());
    let client = Client::builder(StaticToken::new("eyJ0.eyJh_-.sig~+/=").unwrap())
        .cloud(cloud(api.url()))
        .clock(clock.clone())
        .no_proxy()
        .build()
        .unwrap();
    for _ in 0..3 {
        client.scan_agents().unwrap();
        clock.advance(SECOND * 100_000);
    }
    assert_eq!(tokens(&api), ["eyJ0.eyJh_-.sig~+/="; 3]);
}

// --- the answer

/// As App Service says it.
#[test]
fn a_refusal_in_other_members_is_told_too() {
    let body =
        r#"{"statusCode":400,"message":"No managed identity found\r\nfor a-secret","x":"y"}"#;
    let error = refused_token(Answer::new(400, &[], body));
    assert_eq!(
        error.message(),
        Some("No managed identity found for ***"),
        "{error:?}"
    );
    assert_eq!(error.code(), None);
}

#[test]
fn a_refusals_trace_id_serves_where_there_is_no_correlation_id() {
    for correlation in ["", r#""correlation_id":null,"#] {
        let body = format!(r#"{{"error":"invalid_client",{correlation}"trace_id":"a-trace"}}"#);
        let error = refused_token(Answer::new(400, &[("x-ms-request-id", "of-header")], body));
        assert_eq!(error.request_id(), Some("a-trace"));
    }
    let error = refused_token(Answer::new(400, &[("x-ms-request-id", "of-header")], ""));
    assert_eq!(error.request_id(), Some("of-header"));
}

#[test]
fn the_usual_refusals_have_a_hint_of_their_own() {
    for (code, word) in [
        ("AADSTS7000215", "value, not its id"),
        ("AADSTS7000222", "expired"),
        ("AADSTS700016", "no such application"),
        ("AADSTS90002", "no such tenant"),
        ("AADSTS500011", "audience"),
        ("AADSTS50001", "audience"),
        ("AADSTS70011", "/.default"),
    ] {
        let body = format!(r#"{{"error":"invalid_x","error_description":"{code}: Something."}}"#);
        let report = format!("{:?}", refused_token(Answer::new(400, &[], body)));
        let hint = report.lines().last().unwrap();
        assert!(
            hint.starts_with("  hint: ") && hint.contains(word),
            "{report}"
        );
    }
    // A longer code that begins alike is another one, and no code has no page.
    let body = r#"{"error":"invalid_x","error_description":"AADSTS70002150: x"}"#;
    let report = format!("{:?}", refused_token(Answer::new(400, &[], body)));
    assert!(report.contains("/error?code=70002150 "), "{report}");
    for text in ["Something AADSTS", "", "\u{fc}"] {
        let body = format!(r#"{{"error":"invalid_x","error_description":"{text}"}}"#);
        let report = format!("{:?}", refused_token(Answer::new(400, &[], body)));
        assert!(!report.contains("hint: "), "{report}");
    }
}

#[test]
fn a_token_endpoint_that_is_not_there_is_named_as_such() {
    let api = api();
    let host = deserted();
    let cloud = Cloud::COMMERCIAL
        .with_authority(format!("http://{host}"))
        .with_api_url(api.url());
    let credential = ClientSecret::new("contoso.com", "an-app", "a-secret").unwrap();
    let client = Client::builder(credential)
        .cloud(cloud)
        .no_proxy()
        .retry_policy(RetryPolicy::none())
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("token request: {host} refused the connection")
    );
    assert!(error.is_retryable());
    assert!(api.requests().is_empty());
}

// --- how long it is kept

#[test]
fn a_token_is_kept_over_calls_and_clones() {
    let (login, api) = (login(3_599), api());
    let client = secret_client(&login, &api, &FakeClock::new());
    for _ in 0..5 {
        client.scan_agents().unwrap();
        client.clone().scan_definitions().unwrap();
    }
    assert_eq!(login.requests().len(), 1);
    assert_eq!(tokens(&api), ["token-1"; 10]);
}

#[test]
fn a_token_is_renewed_five_minutes_before_it_expires() {
    let (login, api, clock) = (login(3_600), api(), FakeClock::new());
    let client = secret_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 3_299);
    client.scan_agents().unwrap();
    clock.advance(SECOND);
    client.scan_agents().unwrap();
    client.scan_agents().unwrap();
    assert_eq!(tokens(&api), ["token-1", "token-1", "token-2", "token-2"]);
    assert_eq!(login.requests().len(), 2);
}

/// A token endpoint that gives one token and then fails with 503 until told otherwise.
pub(crate) fn failing_login(lifetime: u64) -> (RawServer, Arc<AtomicUsize>) {
    let well = Arc::new(AtomicUsize::new(1));
    let state = Arc::clone(&well);
    let login = RawServer::new(move |_| {
        let left = state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
        match left {
            Ok(_) => Answer::json(format!(r#"{{"access_token":"t","expires_in":{lifetime}}}"#)),
            Err(_) => Answer::new(503, &[], ""),
        }
    });
    (login, well)
}

#[test]
fn a_token_that_expires_while_a_call_waits_its_turn_is_not_sent() {
    let (login, api, clock) = (login(50), api(), FakeClock::new());
    let client = secret_builder(&login, &api, "a-secret")
        .clock(clock.clone())
        .rate_limits(RateLimits::new(1, 100))
        .build()
        .unwrap();
    client.scan_agents().unwrap();
    client.scan_agents().unwrap();
    assert_eq!(clock.now(), SECOND * 60);
    assert_eq!(tokens(&api), ["token-1", "token-2"]);
}

// --- credentials of the caller's own

/// Gives what it is told to, and counts how often it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripted(Arc<ScriptedState>);

#[derive(Debug, Default)]
struct ScriptedState {
    next: Mutex<Vec<AccessToken>>,
    asked: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new(tokens: impl IntoIterator<Item = AccessToken>) -> Self {
        let mut tokens: Vec<_> = tokens.into_iter().collect();
        tokens.reverse();
        Self(Arc::new(ScriptedState {
            next: Mutex::new(tokens),
            asked: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl Credential for Scripted {
    fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        self.0
            .next
            .lock()
            .unwrap()
            .pop()
            .ok_or_else(|| Error::credential("no more tokens"))
    }
}

pub(crate) fn client_of(
    credential: impl Credential + 'static,
    api: &RawServer,
    clock: impl Clock + 'static,
) -> Client {
    Client::builder(credential)
        .cloud(cloud(api.url()))
        .clock(clock)
        .no_proxy()
        .build()
        .unwrap()
}

#[test]
fn a_credential_is_told_scope_audience_and_authority() {
    #[derive(Debug)]
    struct Curious(Mutex<Sender<[String; 3]>>);
    impl Credential for Curious {
        fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
            let told = [request.scope(), request.audience(), request.authority()];
            self.0
                .lock()
                .unwrap()
                .send(told.map(str::to_owned))
                .unwrap();
            Ok(AccessToken::new("t"))
        }
    }
    for (scope, audience) in [
        (
            "https://api.securitycenter.microsoft.com/.default",
            "https://api.securitycenter.microsoft.com",
        ),
        ("api://an-app", "api://an-app"),
    ] {
        let (sender, told) = channel();
        let api = api();
        let cloud = Cloud::COMMERCIAL
            .with_api_url(api.url())
            .with_authority("https://login.microsoftonline.us/")
            .with_scope(scope);
        let client = Client::builder(Curious(Mutex::new(sender)))
            .cloud(cloud)
            .no_proxy();
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        {
            client.build().unwrap().scan_agents().unwrap();
            assert_eq!(
                told.recv().unwrap(),
                [scope, audience, "https://login.microsoftonline.us"]
            );
        }
        #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
        drop((client, told, audience));
    }
}

#[test]
fn a_credential_may_be_shared_or_boxed() {
    let api = api();
    let shared = Arc::new(Scripted::new([AccessToken::new("shared")]));
    client_of(Arc::clone(&shared), &api, FakeClock::new())
        .scan_agents()
        .unwrap();
    let boxed: Box<dyn Credential> = Box::new(Scripted::new([AccessToken::new("boxed")]));
    client_of(boxed, &api, FakeClock::new())
        .scan_agents()
        .unwrap();
    assert_eq!(tokens(&api), ["shared", "boxed"]);
    assert_eq!(shared.asked(), 1);
}

#[test]
fn a_token_without_an_expiry_is_kept() {
    let (api, clock) = (api(), FakeClock::new());
    let credential = Scripted::new([AccessToken::new("t")]);
    let client = client_of(credential.clone(), &api, clock.clone());
    client.scan_agents().unwrap();
    clock.advance(SECOND * 10_000_000);
    client.scan_agents().unwrap();
    assert_eq!(credential.asked(), 1);
}

/// 2026-01-01T00:00:00Z
pub(crate) fn new_year() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_767_225_600).unwrap()
}

#[test]
fn an_expiry_by_date_counts_on_the_wall_clock() {
    let (api, clock) = (api(), FakeClock::starting_at(new_year()));
    let first = AccessToken::new("first").expires_on(new_year() + SECOND * 3_600);
    let credential = Scripted::new([first, AccessToken::new("second")]);
    let client = client_of(credential, &api, clock.clone());
    client.scan_agents().unwrap();
    clock.advance(SECOND * 3_299);
    client.scan_agents().unwrap();
    clock.advance(SECOND);
    client.scan_agents().unwrap();
    assert_eq!(tokens(&api), ["first", "first", "second"]);
}

#[test]
fn of_two_expiries_the_earlier_counts() {
    for (expires_in, expires_on) in [(3_600, 36_000), (36_000, 3_600)] {
        let (api, clock) = (api(), FakeClock::starting_at(new_year()));
        let first = AccessToken::new("first")
            .expires_in(SECOND * expires_in)
            .expires_on(new_year() + SECOND * expires_on);
        let client = client_of(
            Scripted::new([first, AccessToken::new("second")]),
            &api,
            clock.clone(),
        );
        client.scan_agents().unwrap();
        clock.advance(SECOND * 3_299);
        client.scan_agents().unwrap();
        clock.advance(SECOND);
        client.scan_agents().unwrap();
        assert_eq!(tokens(&api), ["first", "first", "second"]);
    }
}
