//! What is sent, what refusals mean and how long it is waited, without a server.

use super::*;

fn refused(code: &str) -> Error {
    let body = format!(r#"{{"error":"{code}","error_description":"AADSTS1: It is so."}}"#);
    Error::from_token_status(400, body.as_bytes(), &Secret::from("a-code"))
}

#[test]
fn the_forms_are_those_of_the_standard() {
    let secret = Secret::from("s");
    assert_eq!(
        code_form("an-app", "a offline_access"),
        [("client_id", "an-app"), ("scope", "a offline_access")]
    );
    assert_eq!(
        token_form("an-app", &secret),
        [
            ("client_id", "an-app"),
            ("device_code", "s"),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ]
    );
    assert_eq!(
        refresh_form("an-app", "a offline_access", &secret),
        [
            ("client_id", "an-app"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "s"),
            ("scope", "a offline_access"),
        ]
    );
}

#[test]
fn each_refusal_means_what_the_standard_says() {
    assert!(matches!(
        meaning(refused("authorization_pending")),
        Meaning::Pending
    ));
    assert!(matches!(meaning(refused("slow_down")), Meaning::SlowDown));
    for (code, words, retryable) in [
        ("authorization_declined", "declined", false),
        ("access_denied", "declined", false),
        ("expired_token", "expired", true),
        ("bad_verification_code", "not known", true),
        ("invalid_grant", "refused", false),
    ] {
        let Meaning::Over(error) = meaning(refused(code)) else {
            panic!("{code} is the end");
        };
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.is_retryable(), retryable, "{code}");
        assert_ne!(
            error.retry(),
            Retry::BackOff,
            "{code} asks anew in one call"
        );
    }
    let busy = Error::from_token_status(503, b"", &Secret::from("a-code"));
    assert!(matches!(meaning(busy), Meaning::Trouble(_)));
}

#[test]
fn only_what_a_person_can_mend_is_a_reason_to_ask_again() {
    for (code, asks) in [
        ("invalid_grant", true),
        ("interaction_required", true),
        ("login_required", true),
        ("consent_required", true),
        ("invalid_client", false),
        ("invalid_scope", false),
        ("temporarily_unavailable", false),
    ] {
        assert_eq!(needs_a_person(&refused(code)), asks, "{code}");
    }
    assert!(!needs_a_person(&Error::credential("cut")));
}

#[test]
fn pauses_double_while_there_is_no_answer_and_only_then() {
    let seconds = Duration::from_secs;
    let mut sign_in = SignIn {
        authority: String::new(),
        scope: String::new(),
        device_code: Secret::from("d"),
        user_code: Secret::from("u"),
        expires_at: seconds(900),
        next_request: seconds(5),
        interval: seconds(5),
        failures: 0,
        trouble: None,
    };
    let fail = |sign_in: &mut SignIn| sign_in.failed(Error::credential("cut")).as_secs();
    let pauses: Vec<u64> = (0..40).map(|_| fail(&mut sign_in)).collect();
    assert_eq!(pauses.get(..5).unwrap(), [10, 20, 40, 60, 60]);
    assert_eq!(pauses.last(), Some(&60));
    assert_eq!(sign_in.answered(Duration::ZERO), seconds(5));
    assert!(sign_in.trouble.is_none());
    assert_eq!(sign_in.answered(SLOWER), seconds(10));
    assert_eq!(sign_in.answered(Duration::ZERO), seconds(10));
    assert_eq!(fail(&mut sign_in), 20);
    // Longer than the longest back-off, if that is what the server asked for.
    sign_in.interval = seconds(90);
    assert_eq!(fail(&mut sign_in), 90);
}
