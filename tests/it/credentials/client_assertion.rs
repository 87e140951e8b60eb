//! Assertions from a function of the caller's.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::{
    AccessToken, Client, ClientAssertion, ClientBuilder, Cloud, Credential, Error, ErrorKind,
    RetryPolicy, Secret, TokenRequest,
};

use crate::auth::{SECOND, api, login, tokens};
use crate::support::raw::{Answer, RawServer, Request};

/// What an assertion may look like.
pub(crate) const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl-_";

const SCOPE: &str = "https://api.securitycenter.microsoft.com/.default";

/// A client with this credential, without retries.
pub(crate) fn client_with(
    credential: impl Credential + 'static,
    login: &RawServer,
    api: &RawServer,
) -> ClientBuilder {
    let cloud = Cloud::COMMERCIAL
        .with_authority(login.url())
        .with_api_url(api.url());
    Client::builder(credential)
        .cloud(cloud)
        .clock(FakeClock::new())
        .no_proxy()
        .retry_policy(RetryPolicy::none())
}

/// The assertion of a token request, which is of characters that a form leaves alone but for dots
/// and hyphens.
pub(crate) fn assertion_of(seen: &Request) -> String {
    let members = seen.text().split('&');
    let mut values = members.filter_map(|member| member.strip_prefix("client_assertion="));
    let (value, more) = (values.next().unwrap(), values.next());
    assert_eq!(more, None);
    let plain = value.replace("%2E", ".").replace("%2D", "-");
    plain.replace("%5F", "_")
}

/// The answers with which Entra refuses an assertion, each with a word of the hint.
pub(crate) const REFUSALS: [(&str, &str); 6] = [
    ("AADSTS70021", "issuer, subject and audience"),
    ("AADSTS700211", "the assertion's issuer"),
    ("AADSTS700212", "the assertion's audience"),
    ("AADSTS700213", "the assertion's subject"),
    ("AADSTS700024", "has expired"),
    ("AADSTS50027", "no JWT that is accepted"),
];

/// Entra's refusal with this code, which repeats the assertion.
pub(crate) fn refusal(code: &str, assertion: &str) -> Answer {
    let body = format!(
        r#"{{"error":"invalid_client","error_description":"{code}: No: '{assertion}'.\r\nTrace ID: 1"}}"#
    );
    Answer::new(401, &[], body)
}

fn giving(assertion: &'static str) -> ClientAssertion {
    ClientAssertion::new("contoso.com", "an-app", move |_| {
        Ok(Secret::from(assertion))
    })
    .unwrap()
}

// --- the request

#[test]
fn the_assertion_is_posted_as_exactly_this_form() {
    let (login, api) = (login(3_599), api());
    let credential = giving(JWT);
    assert_eq!(credential.name(), "client assertion");
    let client = client_with(credential, &login, &api).build().unwrap();
    client.scan_agents().unwrap();
    let seen = login.only();
    assert_eq!(
        seen.request_line(),
        "POST /contoso.com/oauth2/v2.0/token HTTP/1.1"
    );
    assert_eq!(
        seen.header("content-type").unwrap(),
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        seen.text(),
        "client_id=an%2Dapp\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient%2Dassertion%2Dtype%3Ajwt%2Dbearer\
         &client_assertion=eyJhbGciOiJSUzI1NiJ9%2EeyJzdWIiOiJhIn0%2Ec2lnbmF0dXJl%2D%5F\
         &grant_type=client%5Fcredentials\
         &scope=https%3A%2F%2Fapi%2Esecuritycenter%2Emicrosoft%2Ecom%2F%2Edefault"
    );
    assert_eq!(tokens(&api), ["token-1"]);
}

#[test]
fn the_function_is_asked_at_each_renewal_and_not_in_between() {
    let (login, api, clock) = (login(3_600), api(), FakeClock::new());
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, authority) = (Arc::clone(&asked), login.url());
    let credential = ClientAssertion::new("contoso.com", "an-app", move |request| {
        assert_eq!(request.scope(), SCOPE);
        assert_eq!(request.authority(), authority);
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Secret::from(format!("a.b.{number}")))
    })
    .unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let client = client_with(credential, &login, &api).clock(clock.clone());
    let client = client.build().unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    for renewal in 1..=3 {
        for _ in 0..3 {
            client.scan_agents().unwrap();
            client.clone().scan_definitions().unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), renewal);
        clock.advance(SECOND * 3_400);
    }
    let seen = login.requests();
    let seen: Vec<String> = seen.iter().map(assertion_of).collect();
    assert_eq!(seen, ["a.b.1", "a.b.2", "a.b.3"]);
}

/// A managed identity's token for the exchange is the assertion; the token of the app is for the API.
#[test]
fn another_credential_may_vouch_for_the_app() {
    #[derive(Debug)]
    struct Managed(Arc<Mutex<Vec<String>>>);
    impl Credential for Managed {
        fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
            self.0.lock().unwrap().push(request.scope().to_owned());
            Ok(AccessToken::new(JWT).expires_in(SECOND * 86_400))
        }
    }
    fn vouched_for(managed: impl Credential + 'static) -> ClientAssertion {
        ClientAssertion::new("contoso.com", "an-app", move |request| {
            let request = request.with_scope("api://AzureADTokenExchange/.default");
            Ok(managed.token(&request)?.secret().clone())
        })
        .unwrap()
    }
    let (login, api) = (login(3_599), api());
    let scopes = Arc::default();
    let credential = vouched_for(Managed(Arc::clone(&scopes)));
    let client = client_with(credential, &login, &api).build().unwrap();
    client.scan_agents().unwrap();
    assert_eq!(
        *scopes.lock().unwrap(),
        ["api://AzureADTokenExchange/.default"]
    );
    let seen = login.only();
    assert_eq!(assertion_of(&seen), JWT);
    let scope = "&scope=https%3A%2F%2Fapi%2Esecuritycenter%2Emicrosoft%2Ecom%2F%2Edefault";
    assert!(seen.text().ends_with(scope), "{}", seen.text());
    assert_eq!(tokens(&api), ["token-1"]);
}

// --- what is refused before

#[test]
fn what_is_no_jwt_is_refused_before_it_is_sent_and_not_shown() {
    for assertion in [
        "",
        "hunter2",
        "hunter2.hunter2",
        "hunter2.hunter2.hunter2\n",
        "a.b.hunter2=",
        "a.hunter2\u{fc}.c",
    ] {
        let (login, api, clock) = (login(3_599), api(), FakeClock::new());
        let client = client_with(giving(assertion), &login, &api)
            .clock(clock.clone())
            .retry_policy(RetryPolicy::default());
        let error = client.build().unwrap().scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(!error.is_retryable());
        let text = format!("{error} {error:?} {error:#?}");
        assert!(
            text.contains("the assertion ") && !text.contains("hunter2"),
            "{text}"
        );
        assert_eq!(clock.now(), Duration::ZERO, "nobody waits for another");
        assert_eq!((login.calls(), api.calls()), (0, 0));
    }
}

#[test]
fn an_assertion_of_32_kib_is_sent_and_a_longer_one_is_not() {
    for (length, fits) in [(32 * 1024, true), (32 * 1024 + 1, false)] {
        let (login, api) = (login(3_599), api());
        let assertion = format!("a.{}.c", "b".repeat(length - 4));
        let credential = ClientAssertion::new("contoso.com", "an-app", move |_| {
            Ok(Secret::from(assertion.as_str()))
        });
        let client = client_with(credential.unwrap(), &login, &api);
        let outcome = client.build().unwrap().scan_agents();
        assert_eq!(outcome.is_ok(), fits);
        assert_eq!(login.calls(), usize::from(fits));
    }
}

#[test]
fn tenant_and_client_id_are_checked() {
    for (tenant, app, words) in [
        ("common", "an-app", "tenant"),
        ("../contoso.com", "an-app", "tenant"),
        ("contoso.com", "an app", "client id"),
        ("contoso.com", "", "client id"),
    ] {
        let error = ClientAssertion::new(tenant, app, |_| panic!("asked")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(words), "{error}");
    }
}

// --- what goes wrong

#[test]
fn what_the_function_fails_with_is_the_error_of_the_call() {
    let (login, api) = (login(3_599), api());
    let credential = ClientAssertion::new("contoso.com", "an-app", |_| {
        Err(Error::credential("the job is over"))
    });
    let client = client_with(credential.unwrap(), &login, &api)
        .retry_policy(RetryPolicy::default())
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert_eq!(
        error.to_string(),
        "GET /api/DeviceAuthenticatedScanAgents: the job is over"
    );
    assert!(!error.is_retryable());
    assert_eq!((login.calls(), api.calls()), (0, 0));
}

#[test]
fn a_function_whose_failure_may_pass_is_asked_again() {
    let (login, api, clock) = (login(3_599), api(), FakeClock::new());
    let failed = AtomicBool::new(false);
    let credential = ClientAssertion::new("contoso.com", "an-app", move |_| {
        if failed.swap(true, Ordering::SeqCst) {
            return Ok(Secret::from(JWT));
        }
        Err(Error::credential("the issuer is busy").with_retryable(true))
    });
    let client = client_with(credential.unwrap(), &login, &api)
        .clock(clock.clone())
        .retry_policy(RetryPolicy::default());
    client.build().unwrap().scan_agents().unwrap();
    assert!(clock.now() > Duration::ZERO);
    assert_eq!(assertion_of(&login.only()), JWT);
}

#[test]
fn the_usual_refusals_of_an_assertion_have_a_hint_and_do_not_show_it() {
    for (code, word) in REFUSALS {
        let (login, api) = (RawServer::sending(refusal(code, JWT)), api());
        let client = client_with(giving(JWT), &login, &api).build().unwrap();
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert_eq!(error.code(), Some("invalid_client"));
        let message = format!("{code}: No: '***'. Trace ID: 1");
        assert_eq!(error.message(), Some(message.as_str()));
        let hint = error.hint().unwrap();
        assert!(hint.contains(word), "{code}: {hint}");
        // Once for all who ask within a minute.
        client.scan_agents().unwrap_err();
        assert_eq!((login.calls(), api.calls()), (1, 0));
    }
}
