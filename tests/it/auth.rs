//! Tokens: how they are asked for, kept, renewed, shared and refused.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::time::{OffsetDateTime, PrimitiveDateTime};
use defender_endpoint::{
    AccessToken, Client, ClientBuilder, ClientSecret, Cloud, Credential, Error, ErrorKind,
    RateLimits, RetryPolicy, StaticToken, TokenRequest,
};
use percent_encoding::percent_decode;

use crate::support::raw::{Answer, Forbidden, RawServer, Request, cloud, deserted};

const NOTHING: &str = r#"{"value":[]}"#;
const SECOND: Duration = Duration::from_secs(1);
/// How long a test waits for other threads before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn api() -> RawServer {
    RawServer::sending(Answer::json(NOTHING))
}

/// The tokens that the API was sent, one for each call.
fn tokens(api: &RawServer) -> Vec<String> {
    let token = |seen: &Request| {
        let value = seen.header("authorization").unwrap();
        value.strip_prefix("Bearer ").unwrap().to_owned()
    };
    api.requests().iter().map(token).collect()
}

/// A token endpoint whose tokens are numbered: `token-1`, `token-2` and so on.
fn login(lifetime: u64) -> RawServer {
    let given = AtomicUsize::new(0);
    RawServer::new(move |_| {
        let number = given.fetch_add(1, Ordering::SeqCst) + 1;
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":{lifetime},"ext_expires_in":{lifetime},"access_token":"token-{number}"}}"#
        );
        Answer::json(body)
    })
}

fn secret_builder(login: &RawServer, api: &RawServer, secret: &str) -> ClientBuilder {
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

fn secret_client(login: &RawServer, api: &RawServer, clock: &FakeClock) -> Client {
    secret_builder(login, api, "a-secret")
        .clock(clock.clone())
        .build()
        .unwrap()
}

/// The error of a call whose token request is answered like this. The API must not be called.
fn refused_token(answer: Answer) -> Error {
    let (login, api) = (RawServer::sending(answer), api());
    let client = secret_client(&login, &api, &FakeClock::new());
    let error = client.scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
    assert_eq!(error.attempts(), 0, "no call was sent");
    assert_eq!(login.requests().len(), 1);
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
fn a_tenant_is_a_guid_or_a_domain() {
    for tenant in [
        "11111111-2222-3333-4444-555555555555",
        "contoso.com",
        "a-b.onmicrosoft.com",
    ] {
        ClientSecret::new(tenant, "an-app", "a-secret").unwrap();
    }
    for tenant in [
        "",
        " ",
        ".",
        "..",
        "...",
        "common",
        "contoso.com/",
        "contoso.com/..",
        "../contoso.com",
        "contoso.com?x=y",
        "contoso.com#x",
        "contoso.com%2F",
        "contoso.com\\x",
        "contoso.com\r\nX: y",
        "contoso.com ",
        "evil.example@contoso.com",
        "contoso.com:443",
        "b\u{fc}ro.de",
        "11111111-2222-3333-4444-55555555555",
        "{11111111-2222-3333-4444-555555555555}",
        "gggggggg-2222-3333-4444-555555555555",
    ] {
        let error = ClientSecret::new(tenant, "an-app", "hunter2").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{tenant:?}");
        assert!(error.to_string().contains("tenant"), "{error}");
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
    }
}

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
fn a_static_token_is_one_that_a_header_can_carry() {
    for token in [
        String::new(),
        " ".to_owned(),
        "Bearer hunter2".to_owned(),
        "hunter2\n".to_owned(),
        "hunter2\r\nX-Injected: y".to_owned(),
        "hunter2\0".to_owned(),
        "hunter2\t".to_owned(),
        "hunter2\u{fc}".to_owned(),
        "hunter2".repeat(15_000),
    ] {
        let error = StaticToken::new(token.as_str()).unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Credential, false)
        );
        assert!(error.to_string().contains("token"), "{error}");
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
    }
    let longest = "x".repeat(32 * 1024);
    let api = api();
    let client = Client::builder(StaticToken::new(longest.as_str()).unwrap())
        .cloud(cloud(api.url()))
        .no_proxy();
    client.build().unwrap().scan_agents().unwrap();
    assert_eq!(tokens(&api), [longest]);
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

#[test]
fn the_usual_lifetimes_are_understood() {
    // As a number, as older endpoints' text, and missing: then ten minutes are assumed.
    for (expires_in, renewed_after) in [
        (r#","expires_in":3600"#, 3_300),
        (r#","expires_in":"3600""#, 3_300),
        (r#","expires_in":" 3600 ""#, 3_300),
        (
            r#","expires_in":3600,"expires_on":"1","ext_expires_in":1"#,
            3_300,
        ),
        (r#","expires_in":600"#, 300),
        (r#","expires_in":100"#, 50),
        (r#","expires_in":null"#, 300),
        ("", 300),
    ] {
        let body = format!(r#"{{"access_token":"t"{expires_in}}}"#);
        let (login, api, clock) = (
            RawServer::sending(Answer::json(body)),
            api(),
            FakeClock::new(),
        );
        let client = secret_client(&login, &api, &clock);
        client.scan_agents().unwrap();
        clock.advance(SECOND * (renewed_after - 1) + Duration::from_nanos(999_999_999));
        client.scan_agents().unwrap();
        assert_eq!(login.requests().len(), 1, "{expires_in}: not yet");
        clock.advance(Duration::from_nanos(1));
        client.scan_agents().unwrap();
        assert_eq!(login.requests().len(), 2, "{expires_in}: now");
    }
}

#[test]
fn a_lifetime_that_makes_no_sense_is_refused() {
    for expires_in in [
        "0",
        "-1",
        "-3600",
        "1.5",
        "1e300",
        "18446744073709551615",
        "99999999999999999999999",
        "\"soon\"",
        "\"\"",
        "\"-1\"",
        "\"1.5\"",
        "[]",
        "{}",
        "true",
    ] {
        let body = format!(r#"{{"access_token":"hunter2","expires_in":{expires_in}}}"#);
        let error = refused_token(Answer::json(body));
        assert!(error.to_string().starts_with("token request: "), "{error}");
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

#[test]
fn a_token_of_another_type_is_refused() {
    for kind in ["Bearer", "bearer", "BEARER"] {
        let body = format!(r#"{{"access_token":"t","token_type":"{kind}"}}"#);
        let (login, api) = (RawServer::sending(Answer::json(body)), api());
        secret_client(&login, &api, &FakeClock::new())
            .scan_agents()
            .unwrap();
        assert_eq!(api.only().header("authorization").unwrap(), "Bearer t");
    }
    for kind in ["pop", "mac", "", "Bearer "] {
        let body = format!(r#"{{"access_token":"hunter2","token_type":"{kind}"}}"#);
        let error = refused_token(Answer::json(body));
        assert!(error.to_string().contains("Bearer"), "{error}");
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

#[test]
fn a_token_that_no_header_can_carry_is_refused() {
    for token in [
        "\"\"".to_owned(),
        "\" \"".to_owned(),
        r#""hunter2\r\nX-Injected: y""#.to_owned(),
        r#""hunter2\n""#.to_owned(),
        r#""hunter2 hunter2""#.to_owned(),
        r#""hunter2\u0000""#.to_owned(),
        "\"hunter2\u{fc}\"".to_owned(),
        format!("\"{}\"", "hunter2".repeat(15_000)),
        "null".to_owned(),
        "[\"hunter2\"]".to_owned(),
        "17".to_owned(),
    ] {
        let error = refused_token(Answer::json(format!(
            r#"{{"access_token":{token},"expires_in":3599}}"#
        )));
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
        assert!(!error.is_retryable());
    }
}

#[test]
fn an_answer_that_is_no_token_is_refused() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "<html>hunter2</html>",
        "{\"access_token\":\"hunter2\"",
        "hunter2",
    ] {
        let error = refused_token(Answer::json(body));
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
    // 204 is a success without a token.
    let error = refused_token(Answer::new(204, &[], ""));
    assert_eq!(error.status(), Some(204));
}

#[test]
fn a_refusal_keeps_code_and_description_and_gives_a_hint() {
    let body = r#"{"error":"invalid_client",
        "error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1\r\nTimestamp: 2026-01-01 00:00:00Z",
        "error_codes":[7000215],"timestamp":"2026-01-01 00:00:00Z","trace_id":"a-trace",
        "correlation_id":"a-correlation","error_uri":"https://login.microsoftonline.com/error?code=7000215"}"#;
    for status in [400, 401] {
        let error = refused_token(Answer::new(
            status,
            &[("x-ms-request-id", "of-header")],
            body,
        ));
        assert_eq!(
            (error.status(), error.is_retryable()),
            (Some(status), false)
        );
        assert_eq!(error.code(), Some("invalid_client"));
        let said = "AADSTS7000215: Invalid client secret provided. Trace ID: 1 Timestamp: 2026-01-01 00:00:00Z";
        assert_eq!(error.message(), Some(said));
        assert_eq!(error.request_id(), Some("a-correlation"));
        let line = error.to_string();
        let start = format!(
            "GET /api/DeviceAuthenticatedScanAgents: the token request was refused: {status} "
        );
        assert!(line.starts_with(&start), "{line}");
        assert!(
            line.ends_with(&format!(", invalid_client: {said}")),
            "{line}"
        );
        let report = format!("{error:?}");
        assert!(
            report.contains("\n  hint: the client secret is wrong: give its value, not its id")
        );
        assert!(
            !format!("{report}{error:#?}").contains("a-secret"),
            "{report}"
        );
    }
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
    // A longer code that begins alike is another one.
    for text in ["AADSTS70002150: x", "Something AADSTS", "", "\u{fc}"] {
        let body = format!(r#"{{"error":"invalid_x","error_description":"{text}"}}"#);
        let report = format!("{:?}", refused_token(Answer::new(400, &[], body)));
        assert!(!report.contains("hint: "), "{report}");
    }
}

#[test]
fn a_token_endpoint_in_trouble_is_worth_a_retry() {
    for (status, retryable) in [
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, true),
        (429, true),
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
    ] {
        let error = refused_token(Answer::new(status, &[], "<html>hunter2</html>"));
        assert_eq!(
            (error.status(), error.is_retryable()),
            (Some(status), retryable),
            "{error}"
        );
        // Of such an answer only what the protocol defines is read.
        assert_eq!((error.code(), error.message()), (None, None));
    }
}

#[test]
fn the_wait_that_a_token_endpoint_asks_for_is_kept() {
    for status in [429, 503] {
        let error = refused_token(Answer::new(status, &[("Retry-After", "7")], ""));
        assert_eq!(error.retry_after(), Some(SECOND * 7), "{error:?}");
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
fn failing_login(lifetime: u64) -> (RawServer, Arc<AtomicUsize>) {
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
fn the_old_token_serves_while_the_endpoint_fails() {
    let ((login, well), api, clock) = (failing_login(3_600), api(), FakeClock::new());
    let client = secret_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 3_300);
    client.scan_agents().unwrap();
    assert_eq!(login.requests().len(), 2, "renewal was tried");
    // For half a minute nobody tries again.
    clock.advance(SECOND * 29);
    client.scan_agents().unwrap();
    assert_eq!(login.requests().len(), 2);
    clock.advance(SECOND);
    client.scan_agents().unwrap();
    assert_eq!(login.requests().len(), 3);
    well.store(1, Ordering::SeqCst);
    clock.advance(SECOND * 30);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 300);
    client.scan_agents().unwrap();
    assert_eq!(
        login.requests().len(),
        4,
        "the new token is kept like the first"
    );
    assert_eq!(tokens(&api), ["t"; 6]);
}

#[test]
fn an_expired_token_and_a_failing_endpoint_are_an_error() {
    let ((login, well), api, clock) = (failing_login(3_600), api(), FakeClock::new());
    let client = secret_client(&login, &api, &clock);
    client.scan_agents().unwrap();
    clock.advance(SECOND * 3_600);
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Credential, Some(503)),
        "{error:?}"
    );
    assert!(error.is_retryable());
    assert!(
        error.to_string().contains("503 Service Unavailable"),
        "{error}"
    );
    assert_eq!(api.requests().len(), 1, "an expired token is not sent");
    // A failure is not kept: the next call asks again.
    well.store(1, Ordering::SeqCst);
    client.scan_agents().unwrap();
    assert_eq!(login.requests().len(), 3);
}

#[test]
fn a_token_that_expires_in_the_middle_of_a_walk_is_renewed_between_pages() {
    let api = RawServer::new(|seen| {
        let page = |row: &str, next: &str| {
            format!(r#"{{"value":[{{"id":"{row}"}}],"@odata.nextLink":"http://{next}"}}"#)
        };
        let host = seen.header("host").unwrap();
        Answer::json(match seen.query() {
            "" => page("a", &format!("{host}/api/machines?$skip=1")),
            "$skip=1" => page("b", &format!("{host}/api/machines?$skip=2")),
            _ => r#"{"value":[{"id":"c"}]}"#.to_owned(),
        })
    });
    let (login, clock) = (login(3_600), FakeClock::new());
    let client = secret_client(&login, &api, &clock);
    let mut ids = Vec::new();
    for machine in client.machines() {
        ids.push(machine.unwrap().id);
        clock.advance(SECOND * 3_600);
    }
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(tokens(&api), ["token-1", "token-2", "token-3"]);
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

#[test]
fn a_token_failure_burns_no_permit_of_the_api() {
    let ((login, well), api, clock) = (failing_login(3_600), api(), FakeClock::new());
    well.store(0, Ordering::SeqCst);
    let client = secret_builder(&login, &api, "a-secret")
        .clock(clock.clone())
        .rate_limits(RateLimits::new(1, 1))
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(
            client.scan_agents().unwrap_err().kind(),
            ErrorKind::Credential
        );
    }
    well.store(1, Ordering::SeqCst);
    client.scan_agents().unwrap();
    assert_eq!(clock.now(), Duration::ZERO, "nobody waited");
    assert_eq!((login.requests().len(), api.requests().len()), (4, 1));
}

#[test]
fn a_token_request_takes_no_permit_of_the_api() {
    let (login, api, clock) = (login(3_600), api(), FakeClock::new());
    let client = secret_builder(&login, &api, "a-secret")
        .clock(clock.clone())
        .rate_limits(RateLimits::new(2, 2))
        .build()
        .unwrap();
    client.scan_agents().unwrap();
    client.scan_agents().unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
}

// --- credentials of the caller's own

/// Gives what it is told to, and counts how often it was asked.
#[derive(Clone, Debug, Default)]
struct Scripted(Arc<ScriptedState>);

#[derive(Debug, Default)]
struct ScriptedState {
    next: Mutex<Vec<AccessToken>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(tokens: impl IntoIterator<Item = AccessToken>) -> Self {
        let mut tokens: Vec<_> = tokens.into_iter().collect();
        tokens.reverse();
        Self(Arc::new(ScriptedState {
            next: Mutex::new(tokens),
            asked: AtomicUsize::new(0),
        }))
    }

    fn asked(&self) -> usize {
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

fn client_of(
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
fn new_year() -> OffsetDateTime {
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

#[test]
fn a_wrong_wall_clock_does_no_harm_to_a_lifetime_in_seconds() {
    for start in [
        OffsetDateTime::UNIX_EPOCH,
        new_year() + SECOND * 3_000_000_000,
    ] {
        let (login, api, clock) = (login(3_600), api(), FakeClock::starting_at(start));
        let client = secret_client(&login, &api, &clock);
        client.scan_agents().unwrap();
        clock.advance(SECOND * 3_000);
        client.scan_agents().unwrap();
        assert_eq!(login.requests().len(), 1);
    }
}

#[test]
fn a_token_that_has_expired_already_is_refused() {
    for token in [
        AccessToken::new("t").expires_in(Duration::ZERO),
        AccessToken::new("t").expires_on(new_year()),
        AccessToken::new("t").expires_on(new_year() - SECOND),
        AccessToken::new("t")
            .expires_on(OffsetDateTime::UNIX_EPOCH)
            .expires_in(SECOND * 3_600),
    ] {
        let api = api();
        let client = client_of(
            Scripted::new([token]),
            &api,
            FakeClock::starting_at(new_year()),
        );
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(error.to_string().contains("expired"), "{error}");
        assert!(api.requests().is_empty());
    }
}

#[test]
fn an_endless_lifetime_does_not_overflow() {
    let furthest = PrimitiveDateTime::MAX.assume_utc();
    for token in [
        AccessToken::new("t").expires_in(Duration::MAX),
        AccessToken::new("t").expires_on(furthest),
        AccessToken::new("t")
            .expires_in(Duration::MAX)
            .expires_on(furthest),
    ] {
        let (api, clock) = (api(), FakeClock::starting_at(new_year()));
        let client = client_of(Scripted::new([token]), &api, clock.clone());
        client.scan_agents().unwrap();
        clock.advance(SECOND * 100_000);
        client.scan_agents().unwrap();
        assert_eq!(tokens(&api), ["t", "t"]);
    }
}

#[test]
fn a_credentials_token_is_checked_like_any_other() {
    for token in ["", "a b", "hunter2\r\nX: y", "hunter2\u{fc}"] {
        let api = api();
        let client = client_of(
            Scripted::new([AccessToken::new(token)]),
            &api,
            FakeClock::new(),
        );
        let error = client.scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
        assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
        assert!(api.requests().is_empty());
    }
}

// --- many threads

const THREADS: usize = 32;

/// What came of a call; `Err` holds nothing but that it panicked.
type Outcome = Result<Result<(), Error>, ()>;

/// Calls in a thread of its own, which reports when it is done.
fn call_in_thread(client: &Client, report: &Sender<Outcome>) -> ThreadId {
    let (client, report) = (client.clone(), report.clone());
    let call = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| client.scan_agents().map(drop)));
        // Nobody listens any more if the test has failed.
        let _ = report.send(outcome.map_err(drop));
    };
    thread::spawn(call).thread().id()
}

/// What came of all threads; hangs for no longer than the test is patient.
fn outcomes(reports: &Receiver<Outcome>) -> Vec<Outcome> {
    let report = |_| reports.recv_timeout(PATIENCE).expect("a thread hangs");
    (0..THREADS).map(report).collect()
}

#[test]
fn a_cold_cache_asks_once_for_32_threads_and_a_stale_one_once_more() {
    let (login, api, clock) = (login(3_600), api(), FakeClock::new());
    let client = secret_client(&login, &api, &clock);
    for round in 1..=3 {
        let (report, reports) = channel();
        for _ in 0..THREADS {
            call_in_thread(&client, &report);
        }
        for outcome in outcomes(&reports) {
            outcome.unwrap().unwrap();
        }
        assert_eq!(login.requests().len(), round);
        let token = format!("token-{round}");
        assert_eq!(tokens(&api), vec![token; THREADS]);
        api.forget();
        clock.advance(SECOND * 3_600);
    }
}

/// A clock that stands still and counts who looked at it. The last look that a thread takes before
/// it waits for another one's token is taken under the cache's lock, so that a test can tell when a
/// thread is waiting without waiting itself.
#[derive(Clone, Debug)]
struct Watched {
    time: FakeClock,
    looks: Arc<Mutex<HashMap<ThreadId, usize>>>,
}

impl Watched {
    fn new() -> Self {
        Self {
            time: FakeClock::new(),
            looks: Arc::default(),
        }
    }

    fn looks(&self, thread: ThreadId) -> usize {
        self.looks
            .lock()
            .unwrap()
            .get(&thread)
            .copied()
            .unwrap_or(0)
    }
}

impl Clock for Watched {
    fn now(&self) -> Duration {
        *self
            .looks
            .lock()
            .unwrap()
            .entry(thread::current().id())
            .or_default() += 1;
        self.time.now()
    }

    fn utc(&self) -> OffsetDateTime {
        self.time.utc()
    }

    fn sleep(&self, duration: Duration) {
        self.time.sleep(duration);
    }
}

/// Does what it is sent, a token request at a time, and tells when it has been asked.
#[derive(Debug)]
struct Puppet {
    asked: Mutex<Sender<ThreadId>>,
    told: Mutex<Receiver<Told>>,
}

#[derive(Debug)]
enum Told {
    Give(AccessToken),
    Fail,
    Panic,
}

impl Credential for Puppet {
    fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        self.asked
            .lock()
            .unwrap()
            .send(thread::current().id())
            .unwrap();
        // Not in the match, or the lock would be poisoned.
        let told = self.told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        match told {
            Told::Give(token) => Ok(token),
            Told::Fail => Err(Error::credential("the puppet was told to fail")),
            Told::Panic => panic!("the puppet was told to panic"),
        }
    }
}

fn hour() -> AccessToken {
    AccessToken::new("t").expires_in(SECOND * 3_600)
}

/// One thread asks for a token while all the others wait for it; then the credential does as it is
/// told. Returns what came of each thread, and how often the credential was asked in all.
fn while_the_others_wait(told: impl IntoIterator<Item = Told>) -> (Vec<Outcome>, usize) {
    let (api, clock) = (api(), Watched::new());
    let (asked, asks) = channel();
    let (tell, orders) = channel();
    let puppet = Puppet {
        asked: Mutex::new(asked),
        told: Mutex::new(orders),
    };
    let client = client_of(puppet, &api, clock.clone());

    // A token that has expired, and the number of looks at the clock on the way to the credential.
    tell.send(Told::Give(AccessToken::new("t").expires_in(SECOND)))
        .unwrap();
    client.scan_agents().unwrap();
    clock.time.advance(SECOND * 2);
    clock.looks.lock().unwrap().clear();
    let looks = thread::scope(|scope| {
        let call = scope.spawn(|| client.scan_agents().unwrap_err());
        asks.recv_timeout(PATIENCE).unwrap();
        let asking = asks.recv_timeout(PATIENCE).unwrap();
        let looks = clock.looks(asking);
        tell.send(Told::Fail).unwrap();
        call.join().unwrap();
        looks
    });
    assert!(looks > 0);

    let (report, reports) = channel();
    let first = call_in_thread(&client, &report);
    assert_eq!(asks.recv_timeout(PATIENCE).unwrap(), first);
    for _ in 1..THREADS {
        let thread = call_in_thread(&client, &report);
        let since = Instant::now();
        while clock.looks(thread) < looks {
            assert!(
                since.elapsed() < PATIENCE,
                "a thread doesn't get as far as the token"
            );
            thread::yield_now();
        }
    }
    for order in told {
        tell.send(order).unwrap();
    }
    let outcomes = outcomes(&reports);
    (outcomes, 1 + asks.try_iter().count())
}

#[test]
fn threads_that_wait_for_a_token_get_that_one() {
    let (outcomes, asked) = while_the_others_wait([Told::Give(hour())]);
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().is_ok()));
    assert_eq!(asked, 1);
}

#[test]
fn threads_that_wait_for_a_token_share_its_failure() {
    // If any of them asked again, there would be a token for it.
    let (outcomes, asked) = while_the_others_wait([Told::Fail, Told::Give(hour())]);
    for outcome in outcomes {
        let error = outcome.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(
            error.to_string().ends_with("the puppet was told to fail"),
            "{error}"
        );
    }
    assert_eq!(asked, 1);
}

#[test]
fn a_credential_that_panics_does_not_take_the_others_down() {
    let (outcomes, asked) = while_the_others_wait([Told::Panic, Told::Give(hour())]);
    let (panicked, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_err);
    assert_eq!(panicked.len(), 1);
    assert!(others.into_iter().all(|outcome| outcome.unwrap().is_ok()));
    assert_eq!(asked, 2);
}

#[test]
fn a_token_that_expires_while_its_renewal_fails_is_not_sent() {
    let (api, clock) = (api(), FakeClock::new());
    let (asked, asks) = channel();
    let (tell, orders) = channel();
    let puppet = Puppet {
        asked: Mutex::new(asked),
        told: Mutex::new(orders),
    };
    let client = client_of(puppet, &api, clock.clone());
    tell.send(Told::Give(hour())).unwrap();
    client.scan_agents().unwrap();
    asks.recv_timeout(PATIENCE).unwrap();
    clock.advance(SECOND * 3_599);
    thread::scope(|scope| {
        let renewing = scope.spawn(|| client.scan_agents().unwrap_err());
        asks.recv_timeout(PATIENCE).unwrap();
        clock.advance(SECOND);
        tell.send(Told::Fail).unwrap();
        assert_eq!(renewing.join().unwrap().kind(), ErrorKind::Credential);
    });
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn others_go_on_with_the_old_token_while_one_renews_it() {
    let (api, clock) = (api(), FakeClock::new());
    let (asked, asks) = channel();
    let (tell, orders) = channel();
    let puppet = Puppet {
        asked: Mutex::new(asked),
        told: Mutex::new(orders),
    };
    let client = client_of(puppet, &api, clock.clone());
    tell.send(Told::Give(hour())).unwrap();
    client.scan_agents().unwrap();
    asks.recv_timeout(PATIENCE).unwrap();
    clock.advance(SECOND * 3_400);
    thread::scope(|scope| {
        let renewing = scope.spawn(|| client.scan_agents().unwrap());
        asks.recv_timeout(PATIENCE).unwrap();
        // The renewal hangs; these calls would hang with it, or ask a second time.
        for _ in 0..3 {
            client.scan_agents().unwrap();
        }
        let new = AccessToken::new("new").expires_in(SECOND * 3_600);
        tell.send(Told::Give(new)).unwrap();
        renewing.join().unwrap();
    });
    assert_eq!(asks.try_iter().count(), 0);
    assert_eq!(tokens(&api), ["t", "t", "t", "t", "new"]);
}
