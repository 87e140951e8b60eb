//! The answers of the endpoint, and the waiting for a person, without a server.

use super::*;

/// As documented.
const ANSWER: &str = r#"{"user_code":"YZMYLD4K","device_code":"HAQABAAEAAAD--DLA3VO7","verification_uri":"https://www.microsoft.com/link","expires_in":900,"interval":5,"message":"To sign in, use a web browser to open the page https://www.microsoft.com/link and enter the code YZMYLD4K to authenticate."}"#;

fn read(body: &str) -> Result<(DeviceCodePrompt, Secret, Duration), Error> {
    super::read(body.as_bytes(), None)
}

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
fn the_documented_answer_is_read() {
    let (prompt, device_code, interval) = read(ANSWER).unwrap();
    assert_eq!(prompt.user_code, "YZMYLD4K");
    assert_eq!(prompt.verification_uri, "https://www.microsoft.com/link");
    assert_eq!(prompt.expires_in, Duration::from_secs(900));
    assert_eq!(
        prompt.to_string(),
        "To sign in, use a web browser to open the page https://www.microsoft.com/link and \
         enter the code YZMYLD4K to authenticate."
    );
    assert_eq!(device_code.expose(), "HAQABAAEAAAD--DLA3VO7");
    assert_eq!(interval, Duration::from_secs(5));
}

#[test]
fn times_that_are_missing_or_odd_are_replaced_or_bounded() {
    for (members, expires_in, interval) in [
        ("", 900, 5),
        (r#","expires_in":null,"interval":null"#, 900, 5),
        (r#","expires_in":"600","interval":"7""#, 600, 7),
        (r#","expires_in":"soon","interval":"often""#, 900, 5),
        (r#","expires_in":-1,"interval":-1"#, 900, 5),
        (r#","interval":0"#, 900, 1),
        (r#","interval":90"#, 900, 90),
        (r#","interval":900"#, 900, 900),
        (r#","expires_in":18446744073709551615"#, 3_600, 5),
        (r#","expires_in":5"#, 5, 5),
    ] {
        let body = format!(
            r#"{{"device_code":"d","user_code":"u","verification_uri":"https://v"{members}}}"#
        );
        let (prompt, _, found) = read(&body).unwrap();
        let expected = (
            Duration::from_secs(expires_in),
            Duration::from_secs(interval),
        );
        assert_eq!((prompt.expires_in, found), expected, "{members}");
    }
}

#[test]
fn answers_that_nobody_could_act_on_are_refused_without_showing_them() {
    let long = "PLANTED".repeat(1_000);
    for body in [
        String::new(),
        "[]".to_owned(),
        "<html>PLANTED</html>".to_owned(),
        r#"{"device_code":"PLANTED"}"#.to_owned(),
        ANSWER.replace("HAQABAAEAAAD--DLA3VO7", " "),
        ANSWER.replace(r#""YZMYLD4K""#, r#"["PLANTED"]"#),
        ANSWER.replace(r#""YZMYLD4K""#, r#"" \u0007\n""#),
        ANSWER.replace(r#""YZMYLD4K""#, &format!(r#""{long}""#)),
        ANSWER.replace(r#""https://www.microsoft.com/link""#, r#""""#),
        ANSWER.replace(
            r#""https://www.microsoft.com/link""#,
            &format!(r#""{long}""#),
        ),
        ANSWER.replace("https://www", "http://PLANTED"),
        ANSWER.replace("https://www", "javascript:PLANTED"),
        ANSWER.replace("https://www", "file://PLANTED"),
        ANSWER.replace("https://www", "//PLANTED"),
        ANSWER.replace("https://www", " https://PLANTED"),
        ANSWER.replace("https://www", "https://PLANTED "),
        ANSWER.replace("https://www", "https://PLANTED\\u001b"),
        ANSWER.replace("https://www", "https://PLANTED\\n"),
        ANSWER.replace("https://www", "https://PLANTED\u{202e}"),
        ANSWER.replace(r#"":5"#, r#"":18446744073709551615"#),
        ANSWER.replace(r#"":5"#, r#"":3601"#).replace("900", "7200"),
        ANSWER.replace("900", "0"),
        ANSWER.replace("900", "4"),
    ] {
        let error = read(&body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential, "{body}");
        let report = format!("{error} {error:?} {error:#?}");
        assert!(!report.contains("PLANTED"), "{report}");
    }
}

#[test]
fn without_a_message_that_names_the_code_the_prompt_has_its_own() {
    let none = r#"{"device_code":"d","user_code":"YZMYLD4K","verification_uri":"https://v"}"#;
    let with = |message: &str| none.replace('}', &format!(r#","message":"{message}"}}"#));
    let long = format!("YZMYLD4K {}", "x".repeat(1_000));
    for body in [none.to_owned(), with(""), with("Sign in!"), with(&long)] {
        assert_eq!(
            read(&body).unwrap().0.to_string(),
            "To sign in, open the page https://v in a browser and enter the code YZMYLD4K"
        );
    }
    let older = none.replace("verification_uri", "verification_url");
    assert_eq!(read(&older).unwrap().0.verification_uri, "https://v");
}

#[test]
fn a_prompt_can_not_steer_a_terminal_and_its_debug_has_no_code() {
    let body = r#"{"device_code":"d","user_code":"YZMY\u001bLD4K\n","message":"a\u001b[2J\r\nb \u202eYZMY LD4K","verification_uri":"https://v?c=YZMY%20LD4K"}"#;
    let (prompt, ..) = read(body).unwrap();
    assert_eq!(prompt.user_code, "YZMY LD4K");
    assert_eq!(prompt.to_string(), "a [2J b YZMY LD4K");
    assert_eq!(prompt.verification_uri, "https://v?c=YZMY%20LD4K");
    for report in [format!("{prompt:?}"), format!("{prompt:#?}")] {
        assert!(report.contains("https://v?c=***"), "{report}");
        assert!(!report.contains("LD4K"), "{report}");
    }
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
