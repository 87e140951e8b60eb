use super::*;

#[test]
fn a_secret_may_hold_the_mark_of_a_cut() {
    let secret = Secret::from("ab…word1234");
    for (text, shown) in [
        ("it was ab…word1234", "it was ***"),
        ("ab\\u2026word1234, ab%E2%80%A6word1234…", "***, ***…"),
        ("ab… word1234", "ab… word1234"),
    ] {
        assert_eq!(without(text, &secret), shown);
    }
}

#[test]
fn a_secret_is_taken_out_in_every_form_that_texts_have_of_it() {
    let secret = Secret::from("aB3+/\"\\=~%&<' \u{fc}z");
    for form in [
        "aB3+/\"\\=~%&<' \u{fc}z",
        "ab3+/\"\\=~%&<' \u{fc}Z",
        "aB3%2B%2F%22%5C%3D%7E%25%26%3C%27%20%C3%BCz",
        "%61%42%33%2b%2f%22%5c%3d~%25%26%3c'+%c3%bc%7a",
        r#"aB3+/\"\\=~%&<' üz"#,
        r"aB3\u002b\/\u0022\u005C=~%\u0026\u003c\u0027 üz",
        r"aB3\u002b\/\u0022\u005C=~%\u0026\u003c\u0027 \u00fcz",
        r#"aB3+/\\\"\\\\=~%&<' \\u00FCz"#,
        "aB3+/&quot;\\=~%&amp;&lt;&#39; \u{fc}z",
        "aB3&#43;/&#x22;\\=~%&#X26;&lt;&apos; \u{fc}z",
        "aB3+/&quot;\\=~%&amp;&lt;&#39; &#252;z",
        "aB3+/&quot;\\=~%&amp;&lt;&#39; &#xFC;z",
    ] {
        assert_eq!(without(form, &secret), "***");
        let text = format!("a {form}{form}, aB");
        assert_eq!(without(&text, &secret), "a ******, aB");
        assert!(shows(&text, &secret) && !shows("a ******, aB", &secret));
    }
}

#[test]
fn a_secret_is_taken_out_whose_characters_are_escaped_as_wholes() {
    for (secret, forms) in [
        (
            "Z\u{fc}rich99pw",
            [
                r"Z\u00FCrich99pw",
                r"Z\\u00fcrich99pw",
                "Z&#252;rich99pw",
                "z%C3%BCrich99pw",
            ],
        ),
        (
            "tab\tpw99\n\r\u{8}\u{c}",
            [
                r"tab\tpw99\n\r\b\f",
                r"tab\\tpw99\\n\\r\\b\\f",
                r"tab\u0009pw99\u000a\u000D\b\f",
                "tab&#9;pw99&#10;&#xD;&#8;&#12;",
            ],
        ),
        (
            "5\u{20ac} is\u{1f600}",
            [
                r"5\u20AC is\ud83d\uDE00",
                r"5\\u20ac\\u0020is\\uD83D\\ude00",
                "5&#8364; is&#x1F600;",
                "5%E2%82%AC+is%F0%9F%98%80",
            ],
        ),
        // It begins with such a character.
        (
            "\u{1f600}\u{fc}abc",
            [
                r"\ud83d\ude00\u00fcabc",
                r"\\ud83d\\ude00\\u00fcabc",
                "&#128512;&#xfc;abc",
                "%f0%9f%98%80%c3%bcABC",
            ],
        ),
    ] {
        let secret = Secret::from(secret);
        for form in forms {
            assert_eq!(without(&format!("a {form}, b"), &secret), "a ***, b");
        }
    }
    for other in [r"Z\u00FDrich99pw", "Z&#253;rich99pw", r"Z\ud83drich99pw"] {
        assert_eq!(without(other, &Secret::from("Z\u{fc}rich99pw")), other);
    }
    // Cut within what stands for one character.
    let secret = Secret::from("pass\u{1f600}word");
    for cut in [
        r"pass\ud83d",
        r"pass\ud83d\ud",
        r"pass\u",
        "pass&#1285",
        "pass%F0%9",
    ] {
        assert_eq!(without(cut, &secret), "***", "{cut}");
    }
}

#[test]
fn a_secret_that_is_cut_off_with_the_text_is_taken_out() {
    let secret = Secret::from("aB3+\"cdef&g");
    // And how much of it may be there before it is told from other words.
    for (form, harmless) in [
        ("aB3+\"cdef&g", 3),
        ("aB3%2B%22cdef%26g", 5),
        (r#"aB3+\"cdef&g"#, 3),
        ("aB3&#43;&quot;cdef&amp;g", 7),
    ] {
        for end in 1..=form.len() {
            let text = format!("seen: {}", form.get(..end).unwrap());
            let expected = if end > harmless { "seen: ***" } else { &text };
            assert_eq!(without(&text, &secret), expected);
            let marked = format!("{text}….x");
            assert_eq!(
                without(&marked, &secret).strip_suffix("….x"),
                Some(expected)
            );
        }
    }
}

#[test]
fn what_only_begins_like_a_secret_is_left_alone() {
    let secret = Secret::from("aB3+c");
    for text in [
        "",
        "aB3",
        "aB3+d",
        "aB3%2Bd",
        "100 % sure & \\ aB3%",
        "%",
        "\\",
        "&",
        "\\u00",
        "&#43",
        "aB3&#43;",
    ] {
        assert_eq!(without(text, &secret), text.replace("aB3&#43;", "***"));
    }
    assert_eq!(without("a x", &Secret::from("x")), "a x");
    assert_eq!(without("a x", &Secret::from("")), "a x");
}

#[test]
fn so_much_of_a_secret_as_gives_it_away_is_taken_out_wherever_it_stands() {
    let secret = Secret::from("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.é-and-more");
    for (text, expected) in [
        ("'eyJ0eXAiOiJKV1Qi...' is no good", "'***...' is no good"),
        (
            "'eyJ0eXAiOiJKV1Q...' is no good",
            "'eyJ0eXAiOiJKV1Q...' is no good",
        ),
        // It differs within a letter of two bytes.
        ("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.\u{e8}, x", "***, x"),
        ("eyJ0eXAiOiJKV1Qieyj0eXAiOiJKV1Qi, x", "******, x"),
    ] {
        assert_eq!(without(text, &secret), expected);
    }
    // The way that spells most of it counts.
    let secret = Secret::from("0123456789abcdef+ghi");
    assert_eq!(without("0123456789abcdef%2Bghi, x", &secret), "***, x");
}

#[test]
fn a_text_holds_a_secret_when_all_of_it_is_there_and_it_is_long() {
    let secret = Secret::from("0123456789abcdef+ghi");
    for (text, is_held) in [
        ("?t=0123456789abcdef%2bghi&u", true),
        ("0123456789abcdef+ghi", true),
        ("0123456789abcdef+gh", false),
        (
            "0123456789abcdef, 0123456789abcdef+gh, 0123456789ABCDEF+GHI",
            true,
        ),
        ("0123456789abcdef, 0123456789abcdef+gh", false),
    ] {
        assert_eq!(holds(text, &secret), is_held, "{text}");
    }
    assert!(holds("0123456789abcdef", &Secret::from("0123456789abcdef")));
    assert!(!holds("0123456789abcde", &Secret::from("0123456789abcde")));
}

/// The secret that costs most is like itself all over.
#[test]
fn a_text_that_is_like_the_secret_all_over_is_read_through_in_bounded_time() {
    let secret = Secret::from(format!("{}b", "a".repeat(32 * 1024 - 1)));
    let text = "a".repeat(64 * 1024);
    // Twice all of it but the last letter, and what is left.
    assert_eq!(without(&text, &secret), "******aa");
    assert!(!holds(&text, &secret));
    let text = format!("{}c", "a".repeat(15)).repeat(4 * 1024);
    assert_eq!(without(&text, &secret), text);
}

#[test]
fn marks_that_turn_or_hide_text_are_not_shown() {
    let marks = "a\u{61c}b\u{200b}c\u{202e}d\u{2066}e\u{feff}f\u{2028}g\u{85}h\u{7}i";
    assert_eq!(shortened(marks), "a b c d e f g h i");
}

#[test]
fn what_looks_like_a_token_is_taken_out_of_texts_of_which_nobody_knows() {
    let jwt = "eyJ0eXAiOiJKV1Qi.eyJhdWQi.c2ln";
    let opaque = "1.AXeaN".repeat(8);
    for (text, clean) in [
        (format!("got {jwt}, {jwt}"), "got ***, ***"),
        (format!("(x={opaque}==)"), "(x=***==)"),
        (format!("/{opaque}/a"), "***"),
        (
            "Bearer abc; bearer: x".to_owned(),
            "Bearer ***; bearer: ***",
        ),
        (
            "{\"accessToken\": \"ab\"}".to_owned(),
            "{\"accessToken\": \"***\"}",
        ),
        ("client_secret=a~b&c=d".to_owned(), "client_secret=***&c=d"),
    ] {
        assert_eq!(without_tokens(&text), clean, "{text}");
    }
    for harmless in [
        "",
        "ü \u{1b} ***",
        "AADSTS65002: Consent between first party application '04b07795-8ddb-461a-bbee-02f9e1bf7b46'.",
        "see https://login.microsoftonline.com/error?code=65002, or https://aka.ms/azsdk/net/identity/azclicredential/troubleshoot.",
        "/opt/az/lib/python3.11/site-packages/azure/cli/core/auth/msal_authentication.py, line 77",
        "azure.cli.core.auth.msal_authentication.UserCredential.acquire_token",
    ] {
        assert_eq!(without_tokens(harmless), harmless);
    }
}
