//! A managed identity, asked of something that stands in for the metadata service.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::{
    Client, ClientBuilder, Cloud, Error, ErrorKind, ManagedIdentity, RetryPolicy, WaitReason,
};

use crate::auth::{api, tokens};
use crate::support::planted::Planted;
use crate::support::raw::{Answer, Forbidden, RawServer, deserted};

const TOKEN: &str = r#"{"access_token":"a-token","client_id":"c","expires_in":"3600","expires_on":"4102444800","not_before":"1","resource":"r","token_type":"Bearer"}"#;
const PATH: &str = "/metadata/identity/oauth2/token";
/// The audience as it stands in a query.
const RESOURCE: &str = "resource=https%3A%2F%2Fapi.securitycenter.microsoft.com";

/// The machine's own identity is nothing for a test to ask for.
fn elsewhere(credential: Result<ManagedIdentity, Error>, url: &str) -> ManagedIdentity {
    let here = credential.expect("the environment names a source that is not supported");
    here.imds_url(url).unwrap()
}

fn builder(imds: &str, api: &RawServer, clock: &FakeClock) -> ClientBuilder {
    Client::builder(elsewhere(ManagedIdentity::system_assigned(), imds))
        .cloud(Cloud::COMMERCIAL.with_api_url(api.url()))
        .clock(clock.clone())
        .no_proxy()
}

/// What becomes of a call whose metadata service answers like this, the last for ever: the outcome, the
/// tries, and the seconds that were waited.
fn called(answers: impl IntoIterator<Item = Answer>) -> (Result<(), Error>, usize, u64) {
    let (imds, api, clock) = (RawServer::script(answers), api(), FakeClock::new());
    let client = builder(&imds.url(), &api, &clock).build().unwrap();
    let outcome = client.scan_agents().map(drop);
    assert_eq!(api.calls(), usize::from(outcome.is_ok()));
    (outcome, imds.calls(), clock.now().as_secs())
}

fn status(status: u16) -> Answer {
    Answer::new(status, &[], "")
}

#[test]
fn the_metadata_service_is_asked_once_for_as_long_as_the_token_lasts() {
    let (imds, api, clock) = (
        RawServer::sending(Answer::json(TOKEN)),
        api(),
        FakeClock::new(),
    );
    let client = builder(&imds.url(), &api, &clock).build().unwrap();
    for seconds in [0, 3_299, 1] {
        clock.advance(Duration::from_secs(seconds));
        client.scan_agents().unwrap();
        assert_eq!(imds.calls(), 1 + usize::from(seconds == 1));
    }
    let seen = &imds.requests()[0];
    assert_eq!(
        seen.line(),
        format!("GET {PATH}?api-version=2018-02-01&{RESOURCE}")
    );
    let mut headers = seen.headers();
    headers.retain(|header| !header.starts_with("host:") && !header.starts_with("user-agent:"));
    let expected = [
        "accept-encoding: gzip",
        "accept: application/json",
        "metadata: true",
    ];
    assert_eq!(headers, expected);
    assert!(seen.body.is_empty());
    assert_eq!(tokens(&api), ["a-token"; 3]);
}

#[test]
fn each_way_to_name_an_identity_has_its_option() {
    let resource = "/subscriptions/a/resourceGroups/b c/providers/Microsoft.ManagedIdentity/userAssignedIdentities/d&e";
    for (credential, option) in [
        (ManagedIdentity::by_client_id("an-id"), "client_id=an-id"),
        (ManagedIdentity::by_object_id("an-id"), "object_id=an-id"),
        (
            ManagedIdentity::by_resource_id(resource),
            "msi_res_id=%2Fsubscriptions%2Fa%2FresourceGroups%2Fb%20c%2Fproviders%2FMicrosoft.ManagedIdentity%2FuserAssignedIdentities%2Fd%26e",
        ),
    ] {
        let (imds, api) = (RawServer::sending(Answer::json(TOKEN)), api());
        // A path before the service's own is kept.
        let credential = elsewhere(credential, &format!("{}/a/", imds.url()));
        let said = format!("{credential:?}");
        assert!(
            said.contains("Imds") && said.contains(&imds.url()),
            "{said}"
        );
        let client = Client::builder(credential).cloud(Cloud::COMMERCIAL.with_api_url(api.url()));
        client.build().unwrap().scan_agents().unwrap();
        let expected = format!("GET /a{PATH}?api-version=2018-02-01&{RESOURCE}&{option}");
        assert_eq!(imds.only().line(), expected);
    }
}

#[test]
fn the_clouds_audience_is_asked_for() {
    let (imds, api, clock) = (
        RawServer::sending(Answer::json(TOKEN)),
        api(),
        FakeClock::new(),
    );
    let cloud = Cloud::GCC_HIGH.with_api_url(api.url());
    let client = builder(&imds.url(), &api, &clock)
        .cloud(cloud)
        .build()
        .unwrap();
    client.scan_agents().unwrap();
    let seen = imds.only();
    let expected = "https%3A%2F%2Fapi-gov.securitycenter.microsoft.us";
    assert_eq!(seen.option("resource"), Some(expected));
}

#[test]
fn what_can_name_no_identity_is_refused() {
    let refused = [
        ManagedIdentity::by_client_id(""),
        ManagedIdentity::by_client_id("a b"),
        ManagedIdentity::by_object_id("a&b"),
        ManagedIdentity::by_resource_id("an-id"),
        ManagedIdentity::by_resource_id("/subscriptions/a\r\nb"),
    ];
    let own = || ManagedIdentity::system_assigned().unwrap();
    let urls = [
        "",
        "127.0.0.1",
        "ftp://127.0.0.1",
        "http://u:p@127.0.0.1",
        "http://127.0.0.1/?x",
    ];
    for refused in refused
        .into_iter()
        .chain(urls.map(|url| own().imds_url(url)))
    {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config);
    }
}

/// F48: a proxy of the client's own is not used for the metadata service either, be that `http` or
/// `https`.
#[test]
fn no_proxy_is_between_the_client_and_the_metadata_service() {
    let (imds, api, clock) = (
        RawServer::sending(Answer::json(TOKEN)),
        api(),
        FakeClock::new(),
    );
    let proxy = Forbidden::new();
    let through = |imds: &str| {
        let url = format!("http://{}", proxy.host());
        builder(imds, &api, &clock).proxy(url).build().unwrap()
    };
    through(&imds.url()).scan_agents().unwrap();
    assert_eq!(imds.calls(), 1);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    {
        let client = through(&format!("https://{}", deserted()));
        let error = client.scan_agents().unwrap_err();
        assert!(
            error.to_string().contains("refused the connection"),
            "{error}"
        );
        assert!(!error.to_string().contains("through the proxy"), "{error}");
    }
    proxy.assert_untouched();
}

/// F49: 404, 429 and 5xx are tried five times with the vendor's waits, and the call adds no tries.
#[test]
fn what_may_pass_is_tried_five_times() {
    for code in [404, 429, 500, 502, 503, 504] {
        let (outcome, tries, seconds) = called([status(code)]);
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Credential, Some(code))
        );
        assert!(error.is_retryable());
        assert_eq!((tries, seconds), (5, 2 + 6 + 14 + 30), "{code}");
    }
    let (outcome, tries, seconds) = called([status(404), status(429), Answer::json(TOKEN)]);
    outcome.unwrap();
    assert_eq!((tries, seconds), (3, 2 + 6));
}

/// F49: 410 is an update, which takes 70 seconds at the most.
#[test]
fn an_update_is_waited_for_seventy_seconds() {
    let (outcome, tries, seconds) = called([status(410)]);
    let error = outcome.unwrap_err();
    assert_eq!((error.status(), error.is_retryable()), (Some(410), true));
    assert_eq!((tries, seconds), (6, 70));
    let updating = vec![status(410); 5];
    let (outcome, tries, seconds) = called(updating.into_iter().chain([Answer::json(TOKEN)]));
    outcome.unwrap();
    assert_eq!((tries, seconds), (6, 70));
}

/// F49: 400 and its like are final, with what they mean, and stand for a minute.
#[test]
fn a_refusal_is_told_at_once() {
    let body = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let (outcome, tries, seconds) = called([Answer::new(400, &[], body)]);
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Credential, Some("invalid_request"))
    );
    assert_eq!((tries, seconds, error.is_retryable()), (1, 0, false));
    assert!(error.hint().unwrap().contains("by_client_id"), "{error:?}");
    for code in [401, 403, 405] {
        let (outcome, tries, seconds) = called([status(code)]);
        assert!(!outcome.unwrap_err().is_retryable());
        assert_eq!((tries, seconds), (1, 0), "{code}");
    }
    let (imds, api, clock) = (RawServer::sending(status(400)), api(), FakeClock::new());
    let client = builder(&imds.url(), &api, &clock).build().unwrap();
    for (seconds, tries) in [(0, 1), (59, 1), (1, 2)] {
        clock.advance(Duration::from_secs(seconds));
        client.scan_agents().unwrap_err();
        assert_eq!(imds.calls(), tries);
    }
}

/// F49: where nobody listens, three tries show it, and the error says what that means.
#[test]
fn a_machine_without_a_metadata_service_is_told_so() {
    let (host, api, clock) = (deserted(), api(), FakeClock::new());
    let client = builder(&format!("http://{host}"), &api, &clock)
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Transport, true)
    );
    let expected = format!(
        "this machine seems to have no managed identity endpoint: {host} refused the connection"
    );
    assert!(error.to_string().contains(&expected), "{error}");
    assert!(error.hint().unwrap().contains("Azure CLI"), "{error:?}");
    assert_eq!(clock.now().as_secs(), 2 + 6);
    assert_eq!(api.calls(), 0);
}

/// F49: an address at which nothing answers is left after two seconds, whatever the client's own
/// timeout. The one wait of a real clock: there is no other way to see it.
#[cfg(target_os = "linux")]
#[test]
fn an_address_that_does_not_answer_is_left_soon() {
    let silent = crate::support::raw::Silent::new();
    let (api, clock) = (api(), FakeClock::new());
    let client = builder(&format!("http://{}", silent.host()), &api, &clock)
        .connect_timeout(Duration::from_secs(60))
        .on_wait(|_| ControlFlow::Break(()))
        .build()
        .unwrap();
    let begun = std::time::Instant::now();
    let error = client.scan_agents().unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20));
    let said = format!("{error:?}");
    assert!(
        said.contains("no managed identity endpoint") && said.contains("within 2s"),
        "{said}"
    );
}

#[test]
fn an_exchange_that_breaks_off_is_tried_again() {
    let broken = [
        Answer::nothing(),
        Answer::json(TOKEN).cut(9).closed(),
        Answer::json(TOKEN),
    ];
    let (outcome, tries, seconds) = called(broken);
    outcome.unwrap();
    assert_eq!((tries, seconds), (3, 2 + 6));
}

#[test]
fn a_wait_that_is_asked_for_is_kept_up_to_a_minute() {
    let throttled = |seconds| Answer::new(429, &[("Retry-After", seconds)], "");
    let (outcome, tries, seconds) = called([throttled("60"), throttled("1"), Answer::json(TOKEN)]);
    outcome.unwrap();
    assert_eq!((tries, seconds), (3, 60 + 6));
    let (outcome, tries, seconds) = called([throttled("61")]);
    assert_eq!(
        outcome.unwrap_err().retry_after(),
        Some(Duration::from_secs(61))
    );
    assert_eq!((tries, seconds), (1, 0));
}

#[test]
fn the_deadline_ends_the_tries_with_the_last_real_error() {
    let (imds, api, clock) = (RawServer::sending(status(503)), api(), FakeClock::new());
    let deadline = Duration::from_secs(10);
    let client = builder(&imds.url(), &api, &clock)
        .deadline(deadline)
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Credential, Some(503))
    );
    assert_eq!((imds.calls(), clock.now().as_secs()), (3, 2 + 6));
}

#[test]
fn the_waits_are_told_and_can_be_ended() {
    let (imds, api, clock) = (RawServer::sending(status(503)), api(), FakeClock::new());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    let client = builder(&imds.url(), &api, &clock).on_wait(move |wait| {
        let mut heard = kept.lock().unwrap();
        heard.push((wait.reason, wait.elapsed().as_secs(), wait.left.as_secs()));
        match heard.len() {
            4 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    let error = client.build().unwrap().scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(format!("{error:?}").contains("503"), "{error:?}");
    let expected = [(0, 2), (1, 1), (0, 6), (1, 5)];
    let expected = expected.map(|(elapsed, left)| (WaitReason::Token, elapsed, left));
    assert_eq!(*heard.lock().unwrap(), expected);
    assert_eq!(imds.calls(), 2);
}

#[test]
fn the_old_token_serves_while_the_metadata_service_is_down() {
    let answers = [Answer::json(TOKEN), status(503)];
    let (imds, api, clock) = (RawServer::script(answers), api(), FakeClock::new());
    let client = builder(&imds.url(), &api, &clock).build().unwrap();
    client.scan_agents().unwrap();
    clock.advance(Duration::from_secs(3_400));
    client.scan_agents().unwrap();
    assert_eq!((tokens(&api).len(), imds.calls()), (2, 2));
    assert_eq!(clock.now(), Duration::from_secs(3_400), "nobody waited");
}

#[test]
fn redirects_and_challenges_are_not_followed() {
    let other = Forbidden::new();
    let location = format!("http://{}/elsewhere", other.host());
    let redirect = Answer::new(307, &[("Location", location.as_str())], "");
    let challenge = Answer::new(401, &[("WWW-Authenticate", "Basic realm=/etc/a.key")], "");
    for answer in [redirect, challenge] {
        let (outcome, tries, _) = called([answer]);
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Credential);
        assert_eq!(tries, 1);
    }
    other.assert_untouched();
}

#[test]
fn an_answer_is_not_read_to_its_end_where_that_is_far() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"access_token\":\"";
    let (imds, api, clock) = (
        RawServer::sending(Answer::flood(head, 64 << 20)),
        api(),
        FakeClock::new(),
    );
    let client = builder(&imds.url(), &api, &clock).build().unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Credential, false)
    );
    assert!(imds.flooded() < 32 << 20, "{}", imds.flooded());
}

#[test]
fn the_token_is_in_no_text_and_goes_to_the_api_alone() {
    for planted in Planted::each() {
        let good = format!(
            r#"{{"access_token":"{}","expires_in":"3600"}}"#,
            planted.json()
        );
        let odd = format!(r#"{{"access_token":["{}"]}}"#, planted.json());
        for (body, goes_well) in [(good, true), (odd, false)] {
            let imds = planted.login(RawServer::sending(Answer::json(body)));
            let api = planted.api(RawServer::sending(Answer::json(r#"{"value":[]}"#)));
            let credential = elsewhere(ManagedIdentity::system_assigned(), &imds.url());
            planted.look_at(&credential);
            let client = Client::builder(credential)
                .cloud(Cloud::COMMERCIAL.with_api_url(api.url()))
                .clock(FakeClock::new())
                .retry_policy(RetryPolicy::none())
                .build()
                .unwrap();
            planted.look_at(&client);
            match client.scan_agents() {
                Ok(agents) => assert!(goes_well && agents.is_empty()),
                Err(error) => {
                    assert!(!goes_well, "{error}");
                    planted.look_at_error(&error);
                }
            }
        }
    }
}
