//! The device authorization grant: what is sent, when, and when somebody is asked to sign in.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use defender_endpoint::testing::{Clock, FakeClock};
use defender_endpoint::{
    Client, ClientBuilder, Cloud, Credential, DeviceCode, DeviceCodePrompt, Error, ErrorKind,
    WaitReason,
};

use crate::auth::{SECOND, api, tokens};
use crate::support::planted::Planted;
use crate::support::raw::{Answer, RawServer, Request};
use crate::support::within;

/// Longer than any of these tests takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const SCOPE: &str =
    "https%3A%2F%2Fapi%2Esecuritycenter%2Emicrosoft%2Ecom%2F%2Edefault%20offline%5Faccess";

/// An answer with a code, which is numbered.
fn code(number: u32) -> Answer {
    Answer::json(format!(
        r#"{{"user_code":"USER-{number}","device_code":"device-{number}","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"Open the page and enter USER-{number}."}}"#
    ))
}

fn refused(code: &str) -> Answer {
    let body = format!(r#"{{"error":"{code}","error_description":"AADSTS1: It is so."}}"#);
    Answer::new(400, &[("Content-Type", "application/json")], body)
}

fn pending() -> Answer {
    refused("authorization_pending")
}

/// A token for an hour, and a refresh token if this is not empty.
fn token(token: &str, refresh_token: &str) -> Answer {
    let refresh_token = match refresh_token {
        "" => String::new(),
        it => format!(r#","refresh_token":"{it}""#),
    };
    Answer::json(format!(
        r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{token}"{refresh_token}}}"#
    ))
}

/// A login authority with a script, an API, and somebody who reads the prompts.
struct Rig {
    login: RawServer,
    api: RawServer,
    clock: FakeClock,
    /// In seconds, when the authority was asked.
    asked: Arc<Mutex<Vec<u64>>>,
    prompts: Arc<Mutex<Vec<DeviceCodePrompt>>>,
}

impl Rig {
    /// The answers come one after the other, and the last of them for ever.
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let clock = FakeClock::new();
        let asked: Arc<Mutex<Vec<u64>>> = Arc::default();
        let (time, moments) = (clock.clone(), Arc::clone(&asked));
        let mut left: Vec<Answer> = answers.into_iter().collect();
        left.reverse();
        let login = RawServer::new(move |_| {
            moments.lock().unwrap().push(time.now().as_secs());
            match left.len() {
                1 => left[0].clone(),
                _ => left.pop().unwrap(),
            }
        });
        Self {
            login,
            api: api(),
            clock,
            asked,
            prompts: Arc::default(),
        }
    }

    fn credential(&self) -> DeviceCode {
        let prompts = Arc::clone(&self.prompts);
        let keep = move |prompt: &DeviceCodePrompt| prompts.lock().unwrap().push(prompt.clone());
        DeviceCode::new("contoso.com", "an-app", keep).unwrap()
    }

    /// Retries and all, as everybody has it.
    fn builder(&self) -> ClientBuilder {
        self.builder_with(self.credential(), &self.login)
    }

    fn builder_with(
        &self,
        credential: impl Credential + 'static,
        login: &RawServer,
    ) -> ClientBuilder {
        let cloud = Cloud::COMMERCIAL
            .with_authority(login.url())
            .with_api_url(self.api.url());
        Client::builder(credential)
            .cloud(cloud)
            .clock(self.clock.clone())
            .try_timeout(Duration::from_secs(8))
            .no_proxy()
    }

    fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    /// The code of each prompt.
    fn prompted(&self) -> Vec<String> {
        let prompts = self.prompts.lock().unwrap();
        prompts.iter().map(|it| it.user_code.clone()).collect()
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }

    /// What kind of request each was, and what secret it was made with.
    fn sent(&self) -> Vec<String> {
        let requests = self.login.requests();
        let kind = |text: &str| {
            let secret = text.split('&').find_map(|member| {
                member
                    .strip_prefix("device_code=")
                    .or_else(|| member.strip_prefix("refresh_token="))
            });
            secret.unwrap_or("code").replace("%2D", "-")
        };
        requests.iter().map(|it| kind(it.text())).collect()
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn call(client: &Client) -> Result<(), Error> {
    client.scan_agents().map(drop)
}

// --- what is sent

#[test]
fn a_sign_in_posts_exactly_these_forms() {
    let rig = Rig::new([code(1), pending(), token("token-1", "refresh-1")]);
    call(&rig.client()).unwrap();
    let sent = rig.login.requests();
    let lines: Vec<&str> = sent.iter().map(Request::request_line).collect();
    assert_eq!(
        lines,
        [
            "POST /contoso.com/oauth2/v2.0/devicecode HTTP/1.1",
            "POST /contoso.com/oauth2/v2.0/token HTTP/1.1",
            "POST /contoso.com/oauth2/v2.0/token HTTP/1.1",
        ]
    );
    for request in &sent {
        assert_eq!(
            request.header("content-type").as_deref(),
            Some("application/x-www-form-urlencoded")
        );
    }
    assert_eq!(sent[0].text(), format!("client_id=an%2Dapp&scope={SCOPE}"));
    let poll = "client_id=an%2Dapp&device_code=device%2D1\
                &grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant%2Dtype%3Adevice%5Fcode";
    assert_eq!([sent[1].text(), sent[2].text()], [poll; 2]);
    assert_eq!(tokens(&rig.api), ["token-1"]);
    let prompts = rig.prompts.lock().unwrap();
    assert_eq!(prompts.len(), 1);
    assert_eq!(prompts[0].user_code, "USER-1");
    assert_eq!(
        prompts[0].verification_uri,
        "https://microsoft.com/devicelogin"
    );
    assert_eq!(prompts[0].expires_in, SECOND * 900);
    assert_eq!(prompts[0].to_string(), "Open the page and enter USER-1.");
}

#[test]
fn a_tenant_and_a_client_id_are_checked_before_anything_is_sent() {
    for (tenant, id, word) in [
        ("common", "an-app", "tenant"),
        ("../contoso.com", "an-app", "tenant"),
        ("contoso.com", "", "client id"),
        ("contoso.com", "a/b", "client id"),
    ] {
        let error = DeviceCode::new(tenant, id, |_| panic!("nobody is asked")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{tenant} {id}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_credential_says_what_it_is() {
    let rig = Rig::new([pending()]);
    assert_eq!(rig.credential().name(), "device code");
    let report = format!("{:?}", rig.credential());
    assert!(
        report.contains("contoso.com") && report.contains("an-app"),
        "{report}"
    );
}

// --- when it is sent

#[test]
fn requests_come_at_the_interval_and_slow_down_adds_five_seconds_for_good() {
    let rig = Rig::new([
        code(1),
        pending(),
        pending(),
        refused("slow_down"),
        pending(),
        refused("slow_down"),
        pending(),
        token("token-1", ""),
    ]);
    call(&rig.client()).unwrap();
    assert_eq!(rig.asked(), [0, 5, 10, 15, 25, 35, 50, 65]);
    assert_eq!(rig.prompted(), ["USER-1"]);
}

#[test]
fn an_interval_that_is_longer_than_a_minute_is_kept() {
    let slow = Answer::json(
        r#"{"user_code":"USER-1","device_code":"device-1","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":90}"#,
    );
    let busy = Answer::new(503, &[], "");
    let rig = Rig::new([slow, pending(), busy, token("token-1", "")]);
    call(&rig.client()).unwrap();
    assert_eq!(rig.asked(), [0, 90, 180, 270]);
}

/// Programs open what they are told to.
#[test]
fn a_page_that_is_not_on_https_is_shown_to_nobody() {
    for page in ["http://127.0.0.1/", "calc.exe", "https://", "https://a b"] {
        let code = Answer::json(format!(
            r#"{{"user_code":"USER-1","device_code":"device-1","verification_uri":"{page}","expires_in":900}}"#
        ));
        let rig = Rig::new([code]);
        let error = call(&rig.client()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{page}");
        let text = error.to_string();
        assert!(text.contains("no https address of a page"), "{text}");
        assert_eq!(rig.asked(), [0], "{page}");
        assert!(rig.prompted().is_empty(), "{page}");
    }
}

#[test]
fn an_endpoint_in_trouble_is_asked_again_and_less_often_until_it_answers() {
    let rig = Rig::new([
        code(1),
        Answer::new(503, &[], ""),
        Answer::nothing(),
        Answer::json(r#"{"access_token":"#).cut(4),
        pending(),
        Answer::new(429, &[("Retry-After", "70")], ""),
        token("token-1", ""),
    ]);
    call(&rig.client()).unwrap();
    assert_eq!(rig.asked(), [0, 5, 15, 35, 75, 80, 150]);
    assert_eq!(rig.prompted(), ["USER-1"]);
    assert_eq!(tokens(&rig.api), ["token-1"]);
}

#[test]
fn a_code_that_expires_ends_the_call_and_the_next_one_asks_with_a_new_code() {
    let rig = Rig::new([code(1), pending()]);
    let client = rig.client();
    let error = call(&client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("nobody signed in before the code expired"),
        "{text}"
    );
    assert_eq!(error.hint(), Some("the next call asks with a new code"));
    assert!(error.is_retryable());
    assert_eq!(error.attempts(), 0, "the API was not called");
    // The last request comes with the code's last second, and the same call doesn't ask anew.
    assert_eq!(rig.asked().last(), Some(&900));
    assert_eq!((rig.login.calls(), rig.clock.now()), (181, SECOND * 900));
    assert_eq!(rig.prompted(), ["USER-1"]);
    rig.login.forget();
    call(&client).unwrap_err();
    assert_eq!(rig.sent(), ["code"]);
}

#[test]
fn what_kept_the_endpoint_from_answering_is_the_cause_where_the_code_expires() {
    let rig = Rig::new([code(1), pending(), Answer::new(503, &[], "")]);
    let error = call(&rig.client()).unwrap_err();
    let report = format!("{error:?}");
    assert!(report.contains("before the code expired"), "{report}");
    assert!(
        report.contains("caused by: the token request was refused: 503"),
        "{report}"
    );
    assert_eq!(rig.prompted(), ["USER-1"]);
    // 10, 20 and 40 seconds, then every minute.
    assert_eq!(rig.asked()[..7], [0, 5, 10, 20, 40, 80, 140]);
    assert!(rig.clock.now() <= SECOND * 900);
}

#[test]
fn an_expired_or_unknown_code_ends_the_call_and_the_next_one_asks_with_a_new_code() {
    for (refusal, words) in [
        ("expired_token", "nobody signed in before the code expired"),
        ("bad_verification_code", "the device code is not known"),
    ] {
        let rig = Rig::new([
            code(1),
            pending(),
            refused(refusal),
            code(2),
            token("token-2", ""),
        ]);
        let client = rig.client();
        let error = call(&client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!((error.code(), error.status()), (Some(refusal), Some(400)));
        assert!(error.is_retryable());
        assert_eq!(rig.asked(), [0, 5, 10], "the same call doesn't ask anew");
        call(&client).unwrap();
        assert_eq!(rig.prompted(), ["USER-1", "USER-2"]);
        assert_eq!(tokens(&rig.api), ["token-2"]);
    }
}

#[test]
fn who_declines_is_not_asked_again_for_a_minute() {
    for refusal in ["authorization_declined", "access_denied"] {
        let rig = Rig::new([code(1), refused(refusal), code(2), token("token-2", "")]);
        let client = rig.client();
        for wait in [0, 59] {
            rig.advance(wait);
            let error = call(&client).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
            assert!(
                error.to_string().contains("the sign-in was declined"),
                "{error}"
            );
            assert_eq!(error.code(), Some(refusal));
            assert!(error.hint().unwrap().contains("refused"), "{error:?}");
            assert!(!error.is_retryable());
            assert_eq!(rig.prompted(), ["USER-1"]);
        }
        rig.advance(1);
        call(&client).unwrap();
        assert_eq!(rig.prompted(), ["USER-1", "USER-2"]);
    }
}

#[test]
fn a_refusal_that_has_to_do_with_the_tenant_says_what_to_change() {
    for (code_name, text, word) in [
        (
            "invalid_client",
            "AADSTS7000218: No secret.",
            "public client flows",
        ),
        (
            "invalid_grant",
            "AADSTS53003: Blocked.",
            "Conditional Access",
        ),
        ("invalid_grant", "AADSTS65001: No consent.", "consent"),
    ] {
        let body = format!(r#"{{"error":"{code_name}","error_description":"{text}"}}"#);
        let rig = Rig::new([code(1), pending(), Answer::new(401, &[], body)]);
        let error = call(&rig.client()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert_eq!(error.code(), Some(code_name));
        assert!(error.hint().unwrap().contains(word), "{error:?}");
        assert!(!error.is_retryable());
        assert_eq!((rig.login.calls(), rig.prompted().len()), (3, 1));
    }
}

#[test]
fn where_there_is_no_code_nobody_is_asked() {
    let unknown = r#"{"error":"unauthorized_client","error_description":"AADSTS700016: Unknown."}"#;
    for (answer, words) in [
        (Answer::new(400, &[], unknown), "no such application"),
        (Answer::json("{}"), "not the JSON of a device code"),
        (Answer::json("<html>"), "sign-in page of a proxy"),
        (
            Answer::new(302, &[("Location", "https://example.com/x")], ""),
            "never followed",
        ),
    ] {
        let rig = Rig::new([answer]);
        let error = call(&rig.client()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
        assert!(format!("{error:?}").contains(words), "{error:?}");
        assert_eq!((rig.login.calls(), rig.prompted().len()), (1, 0));
        assert!(rig.api.requests().is_empty());
    }
}

#[test]
fn a_code_that_could_not_be_fetched_is_fetched_again_by_the_same_call() {
    let rig = Rig::new([
        Answer::new(503, &[], ""),
        Answer::nothing(),
        code(1),
        token("token-1", ""),
    ]);
    call(&rig.client()).unwrap();
    assert_eq!(
        (rig.login.calls(), rig.prompted()),
        (4, vec!["USER-1".to_owned()])
    );
}

// --- renewals

#[test]
fn a_renewal_asks_nobody_and_a_new_refresh_token_replaces_the_old_one() {
    let rig = Rig::new([
        code(1),
        token("token-1", "refresh-1"),
        token("token-2", "refresh-2"),
        // An answer without one leaves the last one good.
        token("token-3", ""),
        token("token-4", "refresh-4"),
    ]);
    let client = rig.client();
    for _ in 1..=4 {
        call(&client).unwrap();
        // Within the last five minutes.
        rig.advance(3_400);
    }
    assert_eq!(
        rig.sent(),
        ["code", "device-1", "refresh-1", "refresh-2", "refresh-2"]
    );
    let renewal = &rig.login.requests()[2];
    assert_eq!(
        renewal.request_line(),
        "POST /contoso.com/oauth2/v2.0/token HTTP/1.1"
    );
    assert_eq!(
        renewal.text(),
        format!(
            "client_id=an%2Dapp&grant_type=refresh%5Ftoken&refresh_token=refresh%2D1&scope={SCOPE}"
        )
    );
    assert_eq!(
        tokens(&rig.api),
        ["token-1", "token-2", "token-3", "token-4"]
    );
    assert_eq!(rig.prompted(), ["USER-1"]);
}

#[test]
fn a_token_that_the_service_refuses_is_replaced_without_asking() {
    let mut rig = Rig::new([
        code(1),
        token("token-1", "refresh-1"),
        token("token-2", "refresh-2"),
    ]);
    rig.api = RawServer::script([Answer::new(401, &[], ""), Answer::json(r#"{"value":[]}"#)]);
    call(&rig.client()).unwrap();
    assert_eq!(tokens(&rig.api), ["token-1", "token-2"]);
    assert_eq!(rig.prompted(), ["USER-1"]);
}

#[test]
fn a_refused_refresh_token_asks_again_once_the_old_token_is_used_up() {
    for refusal in ["invalid_grant", "interaction_required"] {
        let rig = Rig::new([
            code(1),
            token("token-1", "refresh-1"),
            refused(refusal),
            code(2),
            token("token-2", "refresh-2"),
            token("token-3", "refresh-3"),
        ]);
        let client = rig.client();
        call(&client).unwrap();
        // Within the last five minutes, in which it is tried every half minute.
        rig.advance(3_310);
        for _ in 0..4 {
            call(&client).unwrap();
            rig.advance(60);
        }
        assert_eq!(rig.sent(), ["code", "device-1", "refresh-1"]);
        assert_eq!(rig.prompted(), ["USER-1"]);
        rig.advance(60);
        call(&client).unwrap();
        assert_eq!(rig.prompted(), ["USER-1", "USER-2"]);
        rig.advance(3_600);
        call(&client).unwrap();
        assert_eq!(rig.sent()[3..], ["code", "device-2", "refresh-2"]);
        assert_eq!(
            tokens(&rig.api),
            [
                "token-1", "token-1", "token-1", "token-1", "token-1", "token-2", "token-3"
            ]
        );
    }
}

#[test]
fn a_refused_refresh_token_without_an_old_token_asks_at_once() {
    let rig = Rig::new([
        code(1),
        token("token-1", "refresh-1"),
        refused("invalid_grant"),
        code(2),
        token("token-2", ""),
    ]);
    let client = rig.client();
    call(&client).unwrap();
    rig.advance(3_600);
    call(&client).unwrap();
    assert_eq!(
        rig.sent(),
        ["code", "device-1", "refresh-1", "code", "device-2"]
    );
    assert_eq!(tokens(&rig.api), ["token-1", "token-2"]);
}

#[test]
fn without_a_refresh_token_nobody_is_asked_before_the_token_has_expired() {
    let rig = Rig::new([code(1), token("token-1", ""), code(2), token("token-2", "")]);
    let client = rig.client();
    call(&client).unwrap();
    // The token came at second 5.
    for seconds in [3_295, 5, 240, 59] {
        rig.advance(seconds);
        call(&client).unwrap();
    }
    assert_eq!((rig.login.calls(), rig.prompted().len()), (2, 1));
    rig.advance(1);
    call(&client).unwrap();
    assert_eq!(rig.prompted(), ["USER-1", "USER-2"]);
    assert_eq!(tokens(&rig.api).last().unwrap(), "token-2");
}

#[test]
fn a_renewal_that_fails_for_other_reasons_asks_nobody() {
    for answer in [
        Answer::new(503, &[], ""),
        Answer::nothing(),
        Answer::json(r#"{"access_token":"#).cut(4),
        refused("invalid_client"),
    ] {
        let rig = Rig::new([code(1), token("token-1", "refresh-1"), answer]);
        let client = rig.client();
        call(&client).unwrap();
        rig.advance(3_600);
        for _ in 0..2 {
            let error = call(&client).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("the token has expired and was not renewed"),
                "{text}"
            );
            rig.advance(60);
        }
        let sent = rig.sent();
        assert!(sent.len() >= 4, "{sent:?}");
        assert!(sent[2..].iter().all(|it| it == "refresh-1"), "{sent:?}");
        assert_eq!(rig.prompted(), ["USER-1"]);
    }
}

#[test]
fn a_refresh_token_goes_to_nobody_but_who_gave_it() {
    let rig = Rig::new([code(1), token("token-1", "refresh-1")]);
    let other = RawServer::script([code(2), token("token-2", "refresh-2")]);
    let credential = Arc::new(rig.credential());
    let first = rig.builder_with(Arc::clone(&credential), &rig.login);
    call(&first.build().unwrap()).unwrap();
    // Clients of one authority share the sign-in.
    let second = rig.builder_with(Arc::clone(&credential), &rig.login);
    call(&second.build().unwrap()).unwrap();
    assert_eq!(rig.sent(), ["code", "device-1", "refresh-1"]);
    assert_eq!(rig.prompted(), ["USER-1"]);
    let third = rig.builder_with(credential, &other);
    call(&third.build().unwrap()).unwrap();
    assert_eq!(rig.prompted(), ["USER-1", "USER-2"]);
    assert_eq!(other.calls(), 2);
    for request in other.requests() {
        assert!(!request.text().contains("refresh"), "{}", request.text());
    }
}

// --- who waits, and for how long

#[test]
fn thirty_two_threads_get_one_prompt() {
    const THREADS: usize = 32;
    let rig = Rig::new([code(1), pending(), token("token-1", "")]);
    let client = rig.client();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| call(&client).unwrap());
        }
    });
    assert_eq!(rig.prompted(), ["USER-1"]);
    assert_eq!(rig.sent(), ["code", "device-1", "device-1"]);
    assert_eq!(tokens(&rig.api), vec!["token-1"; THREADS]);
}

#[test]
fn a_call_without_the_time_leaves_its_code_to_the_next_one() {
    for observed in [false, true] {
        let rig = Rig::new([
            code(1),
            pending(),
            refused("slow_down"),
            pending(),
            token("token-1", ""),
        ]);
        let mut client = rig.builder().deadline(SECOND * 12);
        if observed {
            client = client.on_wait(|_| ControlFlow::Continue(()));
        }
        let client = client.build().unwrap();
        let error = call(&client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(error.to_string().contains("deadline"), "{error}");
        assert_eq!(error.hint(), Some("set a later deadline"));
        assert!(error.is_retryable());
        // Nobody sleeps first and fails then.
        assert_eq!(rig.clock.now(), SECOND * 10);
        rig.advance(11);
        call(&client).unwrap();
        // What is overdue is asked at once, and after that at the pace that was agreed on.
        assert_eq!(rig.asked(), [0, 5, 10, 21, 31]);
        assert_eq!(rig.prompted(), ["USER-1"]);
        assert_eq!(tokens(&rig.api), ["token-1"]);
    }
}

#[test]
fn a_code_that_was_left_until_it_expired_is_replaced() {
    let rig = Rig::new([code(1), pending(), code(2), token("token-2", "")]);
    let client = rig.builder().deadline(SECOND * 8).build().unwrap();
    assert_eq!(call(&client).unwrap_err().kind(), ErrorKind::Timeout);
    rig.advance(895);
    call(&client).unwrap();
    assert_eq!(rig.sent(), ["code", "device-1", "code", "device-2"]);
    assert_eq!(rig.prompted(), ["USER-1", "USER-2"]);
}

#[test]
fn an_observer_hears_of_the_wait_and_can_break_it_off() {
    let rig = Rig::new([code(1), pending(), code(2), token("token-2", "")]);
    let heard: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (seen, breaks) = (Arc::clone(&heard), Arc::new(AtomicBool::new(true)));
    let may_break = Arc::clone(&breaks);
    let client = rig.builder().on_wait(move |wait| {
        assert_eq!(wait.reason, WaitReason::Token);
        let mut seen = seen.lock().unwrap();
        seen.push(wait.left.as_secs());
        if seen.len() == 8 && may_break.load(Ordering::SeqCst) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    // The wait for a person is none of those that this is for.
    let client = client.max_wait(Duration::ZERO).build().unwrap();
    let error = call(&client).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    assert_eq!(*heard.lock().unwrap(), [5, 4, 3, 2, 1, 5, 4, 3]);
    assert_eq!(rig.clock.now(), SECOND * 7);
    assert_eq!(rig.sent(), ["code", "device-1"]);
    breaks.store(false, Ordering::SeqCst);
    call(&client).unwrap();
    assert_eq!(rig.prompted(), ["USER-1", "USER-2"]);
    assert_eq!(rig.sent()[2..], ["code", "device-2"]);
}

#[test]
fn a_prompt_is_shown_with_no_lock_held() {
    within(PATIENCE, || {
        let rig = Rig::new([
            code(1),
            code(2),
            token("token-2", "refresh-2"),
            token("token-1", "refresh-1"),
        ]);
        // Whoever is asked may use the credential and a client of it.
        let inner: Arc<Mutex<Option<Client>>> = Arc::default();
        let (of_prompt, asked) = (Arc::clone(&inner), Arc::clone(&rig.prompts));
        let credential = DeviceCode::new("contoso.com", "an-app", move |prompt| {
            asked.lock().unwrap().push(prompt.clone());
            let client = of_prompt.lock().unwrap().take();
            if let Some(client) = client {
                assert!(!format!("{client:?}").is_empty());
                call(&client).unwrap();
            }
        });
        let credential = Arc::new(credential.unwrap());
        let outer = rig.builder_with(Arc::clone(&credential), &rig.login);
        let other = rig.builder_with(credential, &rig.login);
        *inner.lock().unwrap() = Some(other.build().unwrap());
        call(&outer.build().unwrap()).unwrap();
        assert_eq!(rig.prompted(), ["USER-1", "USER-2"]);
        assert_eq!(tokens(&rig.api), ["token-2", "token-1"]);
    });
}

#[test]
fn a_prompt_that_panics_does_no_harm_to_the_next_call() {
    within(PATIENCE, || {
        let rig = Rig::new([code(1), code(2), token("token-2", "")]);
        let first = AtomicBool::new(true);
        let credential = DeviceCode::new("contoso.com", "an-app", move |_| {
            assert!(!first.swap(false, Ordering::SeqCst), "on purpose");
        });
        let client = rig.builder_with(credential.unwrap(), &rig.login);
        let client = client.build().unwrap();
        catch_unwind(AssertUnwindSafe(|| call(&client))).unwrap_err();
        call(&client).unwrap();
        assert_eq!(rig.sent(), ["code", "code", "device-2"]);
    });
}

// --- secrets

/// Signs in where the secret is in these answers, looks at all that is said about it, and returns
/// the codes that were shown.
fn planted(planted: &Planted, answers: Vec<Answer>) -> Vec<String> {
    let login = planted.login(RawServer::script(answers));
    let api = planted.api(api());
    let clock = FakeClock::new();
    let prompts: Arc<Mutex<Vec<DeviceCodePrompt>>> = Arc::default();
    let shown = Arc::clone(&prompts);
    let credential = DeviceCode::new("contoso.com", "an-app", move |prompt| {
        shown.lock().unwrap().push(prompt.clone());
    });
    let credential = Arc::new(credential.unwrap());
    let waits: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&waits);
    let client = Client::builder(Arc::clone(&credential))
        .cloud(
            Cloud::COMMERCIAL
                .with_authority(login.url())
                .with_api_url(api.url()),
        )
        .clock(clock.clone())
        .no_proxy()
        .on_wait(move |wait| {
            told.lock().unwrap().push(format!("{wait} {wait:?}"));
            ControlFlow::Continue(())
        })
        .build()
        .unwrap();
    for _ in 0..3 {
        if let Err(error) = call(&client) {
            planted.look_at_error(&error);
        }
        planted.look_at(&credential);
        planted.look_at(&client);
        clock.advance(SECOND * 3_600);
    }
    for wait in waits.lock().unwrap().iter() {
        planted.look_at_text(wait);
    }
    let prompts = prompts.lock().unwrap();
    for prompt in prompts.iter() {
        planted.look_at(prompt);
    }
    prompts.iter().map(|it| it.user_code.clone()).collect()
}

/// A refusal that repeats it wherever there is a place.
fn saying(planted: &Planted, status: u16, code: &str) -> Answer {
    let it = planted.json();
    let body = format!(
        r#"{{"error":"{code}","error_description":"AADSTS1: '{it}' it is","correlation_id":"{it}","{it}":"{it}"}}"#
    );
    Answer::new(status, &[], body)
}

/// Answers to somebody who waits for a sign-in.
fn repeating(planted: &Planted) -> [Answer; 6] {
    [
        saying(planted, 400, "authorization_pending"),
        saying(planted, 400, "slow_down"),
        saying(planted, 503, &planted.json()),
        saying(planted, 429, "busy"),
        saying(planted, 400, "authorization_declined"),
        // The code is of no more use.
        refused("invalid_client"),
    ]
}

fn code_with(user_code: &str, device_code: &str) -> Answer {
    Answer::json(format!(
        r#"{{"user_code":"{user_code}","device_code":"{device_code}","verification_uri":"https://microsoft.com/{user_code}","message":"Enter {user_code}."}}"#
    ))
}

#[test]
fn a_device_code_is_in_no_text_though_the_endpoint_repeats_it() {
    for it in Planted::each() {
        let mut answers = vec![code_with("USER", &it.json())];
        answers.extend(repeating(&it));
        assert_eq!(planted(&it, answers), ["USER"]);
    }
}

#[test]
fn a_user_code_is_in_the_prompt_and_nowhere_else() {
    for it in [Planted::short(), Planted::plain()] {
        let mut answers = vec![code_with(&it.json(), "device-1")];
        answers.extend(repeating(&it));
        assert_eq!(planted(&it, answers), [it.secret.as_str()]);
    }
    // The host of a redirect is named in the hint.
    let it = Planted::plain();
    let location = format!("https://{}.example.com/", it.secret);
    let moved = Answer::new(302, &[("Location", &location)], "");
    let it = it.not_in_lines_of_others();
    let answers = vec![
        code_with(&it.json(), "device-1"),
        moved,
        refused("invalid_client"),
    ];
    assert_eq!(planted(&it, answers), [it.secret.as_str()]);
    // One that nobody could type is refused, and not shown either.
    let it = Planted::long();
    let answers = vec![code_with(&it.json(), "device-1")];
    assert!(planted(&it, answers).is_empty());
}

#[test]
fn a_refresh_token_is_in_no_text_though_the_endpoint_repeats_it() {
    for it in Planted::each() {
        let granted = Answer::json(format!(
            r#"{{"expires_in":3600,"access_token":"t","refresh_token":"{}"}}"#,
            it.json()
        ));
        let answers = vec![
            code_with("USER-1", "device-1"),
            granted,
            saying(&it, 503, &it.json()),
            saying(&it, 429, "busy"),
            saying(&it, 400, "invalid_client"),
            saying(&it, 400, "invalid_grant"),
            code_with("USER-2", "device-2"),
            token("t", ""),
        ];
        assert_eq!(planted(&it, answers), ["USER-1", "USER-2"]);
    }
}
