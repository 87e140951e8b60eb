//! How claims are read out of tokens of every make.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn claims(payload: &str) -> TokenClaims {
    TokenClaims::of_payload(payload).unwrap()
}

#[test]
fn an_applications_token_is_read() {
    let claims = claims(
        r#"{"aud":"https://api.securitycenter.microsoft.com","iss":"https://sts.windows.net/x/",
            "exp":1700003900,"appid":"an-app","roles":["Machine.Read.All","Alert.Read.All"],
            "tid":"a-tenant","ver":"1.0","name":"Ada"}"#,
    );
    assert_eq!(
        claims.audience(),
        Some("https://api.securitycenter.microsoft.com")
    );
    assert_eq!(
        (claims.tenant_id(), claims.app_id()),
        (Some("a-tenant"), Some("an-app"))
    );
    assert_eq!(claims.roles(), ["Machine.Read.All", "Alert.Read.All"]);
    assert!(claims.scopes().is_empty() && !claims.is_delegated());
    let expiry = claims.expires_at().unwrap();
    assert_eq!(expiry.unix_timestamp(), 1_700_003_900);
    assert_eq!(
        claims.granted(),
        "the roles Machine.Read.All, Alert.Read.All"
    );
}

#[test]
fn a_users_token_is_read_and_the_user_is_not() {
    let claims = claims(
        r#"{"aud":["an-api","another"],"azp":"an-app","scp":" Machine.Read  openid ",
            "name":"Ada Lovelace","upn":"ada@contoso.com","oid":"f00d"}"#,
    );
    assert_eq!(claims.audience(), Some("an-api"));
    assert_eq!(claims.app_id(), Some("an-app"));
    assert_eq!(claims.scopes(), ["Machine.Read", "openid"]);
    assert!(claims.is_delegated());
    assert_eq!(claims.granted(), "the scopes Machine.Read, openid");
    let shown = format!("{claims:?}");
    assert!(shown.contains("Machine.Read"));
    for private in ["Ada", "ada@", "f00d", "eyJ"] {
        assert!(!shown.contains(private), "{shown}");
    }
}

#[test]
fn a_claim_of_another_type_is_left_out() {
    let nothing = claims("{}");
    assert_eq!(nothing.audience(), None);
    assert_eq!(
        nothing.granted(),
        "no roles, as without an administrator's consent"
    );
    for payload in [
        r#"{"aud":1,"tid":{},"appid":[],"roles":{},"scp":7,"exp":"soon"}"#,
        r#"{"aud":[],"tid":"","azp":null,"roles":[1,null],"exp":9223372036854775807}"#,
        r#"{"aud":null,"roles":null,"scp":null,"exp":1.5e300}"#,
    ] {
        assert_eq!(claims(payload), nothing, "{payload}");
    }
    assert_eq!(claims(r#"{"roles":"Machine.Read.All"}"#).roles().len(), 1);
    assert!(claims(r#"{"scp":""}"#).is_delegated());
}

#[test]
fn claims_are_fit_for_one_line() {
    let claims = claims(r#"{"aud":"a\n\u001b[31mb","roles":["x\r\ny"],"scp":"p\u202eq"}"#);
    assert_eq!(claims.audience(), Some("a [31mb"));
    assert_eq!(claims.roles(), ["x y"]);
    assert_eq!(claims.scopes(), ["p q"]);
    assert!(self::claims(r#"{"scp":"\u200b"}"#).scopes().is_empty());
    let long = format!(r#"{{"tid":"{}"}}"#, "t".repeat(20_000));
    let length = self::claims(&long).tenant_id().map(|id| id.chars().count());
    assert_eq!(length, Some(301));
}

#[test]
fn of_many_permissions_a_few_are_named() {
    let roles: Vec<String> = (0..100).map(|n| format!("\"Role.{n:03}\"")).collect();
    let claims = claims(&format!(r#"{{"roles":[{}]}}"#, roles.join(",")));
    assert_eq!(claims.roles().len(), 100);
    let words = claims.granted();
    assert!(words.ends_with(", Role.011 and 88 more"), "{words}");
}

#[test]
fn what_cannot_be_read_is_told_without_showing_it() {
    let private = URL_SAFE_NO_PAD.encode("hunter2hunter2");
    let long = "h".repeat(40_000);
    for (token, why) in [
        ("", "is empty"),
        ("a token", "holds spaces"),
        (long.as_str(), "is longer than 32 KiB"),
        ("opaque", "is opaque"),
        ("two.parts", "is opaque"),
        ("one.two.three.four", "is opaque"),
        ("one.two.three.four.five", "is encrypted"),
        ("one.tw+o.three", "is opaque"),
        ("one.e30=.three", "is opaque"),
        ("one..three", "no JSON"),
        (&format!("one.{private}.three"), "no JSON"),
    ] {
        let error = TokenClaims::decode(&Secret::from(token)).unwrap_err();
        let kind = match why {
            "is empty" | "holds spaces" | "is longer than 32 KiB" => ErrorKind::Credential,
            _ => ErrorKind::Decode,
        };
        assert_eq!((error.kind(), error.is_retryable()), (kind, false));
        let report = format!("{error:?} {error:#?}");
        assert!(report.contains(why), "{report}");
        for part in ["hunter2", "hhh", &private[..8]] {
            assert!(!report.contains(part), "{report}");
        }
    }
    for payload in [
        "[]",
        "null",
        "{",
        "{} x",
        r#"{"tid":"a","tid":"b"}"#,
        &format!(r#"{{"roles":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000)),
    ] {
        let error = TokenClaims::of_payload(payload).unwrap_err();
        assert!(error.to_string().contains("no JSON"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_in_a_claim_is_one_line_and_any_token_has_an_answer(
        texts in vec(any::<String>(), 4),
        token in vec(any::<u8>(), 0..200),
    ) {
        let payload = json!({
            "aud": texts[0], "tid": texts[1], "roles": [texts[2]], "scp": texts[3],
        });
        let claims = claims(&payload.to_string());
        let all = claims.roles().iter().chain(claims.scopes()).map(String::as_str);
        for shown in all.chain(claims.audience()).chain(claims.tenant_id()) {
            prop_assert!(!shown.is_empty() && !shown.contains(char::is_control));
        }
        // As text, and as what is inside of a token.
        let text = String::from_utf8_lossy(&token);
        let inside = format!("a.{}.b", URL_SAFE_NO_PAD.encode(&token));
        for token in [text.as_ref(), &inside] {
            if let Err(error) = TokenClaims::decode(&Secret::from(token)) {
                let report = format!("{error:?} {error:#?}");
                prop_assert!(token.len() < 8 || !report.contains(token));
            }
        }
    }
}
