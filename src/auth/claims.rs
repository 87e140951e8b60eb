//! What an access token says of itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::auth::check_token;
use crate::error::{Error, ErrorKind};
use crate::excerpt::shortened;
use crate::secret::Secret;

/// So many permissions are named in a text; a token may have hundreds.
const NAMED: usize = 12;

/// What an access token says of itself: for whom it is, what was granted, and how long it is good.
///
/// Made by [`Client::token_claims`](crate::Client::token_claims). For people and diagnostics only,
/// such as a program that says why it is refused: **nothing is verified**, neither the signature nor
/// the time. An access token is a message to the API, and no client should build logic on what is in
/// it: Microsoft may change its claims, or encrypt it, at any time («Access tokens in the Microsoft
/// identity platform»).
///
/// The claims that the getters give are all that is kept. Neither the token, its signature nor the
/// name of a user is in here, so `Debug` shows everything.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Secret, TokenClaims};
///
/// // {"aud":"https://api.securitycenter.microsoft.com","roles":["Machine.Read.All"]}
/// let token = Secret::from(
///     "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2FwaS5zZWN1cml0eWNlbnRlci5taWNyb3NvZnQuY29tIiwi\
///      cm9sZXMiOlsiTWFjaGluZS5SZWFkLkFsbCJdfQ.c2lnbmF0dXJl",
/// );
/// let claims = TokenClaims::decode(&token)?;
/// assert_eq!(claims.audience(), Some("https://api.securitycenter.microsoft.com"));
/// assert_eq!(claims.roles(), ["Machine.Read.All"]);
/// assert!(!claims.is_delegated());
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    audience: Option<String>,
    tenant_id: Option<String>,
    app_id: Option<String>,
    roles: Vec<String>,
    scopes: Option<Vec<String>>,
    expires_at: Option<OffsetDateTime>,
}

/// The claims that are read. Of any type: one that is of another than usual is left out.
#[derive(Deserialize)]
struct Payload {
    aud: Option<Value>,
    tid: Option<Value>,
    appid: Option<Value>,
    azp: Option<Value>,
    roles: Option<Value>,
    scp: Option<Value>,
    exp: Option<Value>,
}

impl TokenClaims {
    /// Reads the claims of a token (RFC 7519's JWT, without verifying it).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credential`](crate::ErrorKind::Credential) where the text can't be a token: empty,
    /// longer than 32 KiB, with spaces or line breaks. [`ErrorKind::Decode`](crate::ErrorKind::Decode)
    /// where the token is encrypted, or no JWT at all, which the service may accept all the same.
    /// Nothing of the token is in the error.
    pub fn decode(token: &Secret) -> Result<Self, Error> {
        check_token(token)?;
        let parts: Vec<&str> = token.expose().split('.').collect();
        let payload = match parts.as_slice() {
            [_, payload, _] => payload,
            [_, _, _, _, _] => return Err(unreadable("is encrypted")),
            _ => return Err(unreadable("is opaque (no JWT)")),
        };
        let decoded = URL_SAFE_NO_PAD.decode(payload).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| unreadable("is opaque (no JWT)"))?;
        Self::read(&decoded)
    }

    /// A parser's error would quote the token.
    fn read(payload: &[u8]) -> Result<Self, Error> {
        let payload: Payload = serde_json::from_slice(payload)
            .map_err(|_| unreadable("has claims that are no JSON of a token"))?;
        let scopes = payload.scp.as_ref().and_then(Value::as_str);
        Ok(Self {
            audience: text(match &payload.aud {
                Some(Value::Array(audiences)) => audiences.first(),
                other => other.as_ref(),
            }),
            tenant_id: text(payload.tid.as_ref()),
            app_id: text(payload.appid.as_ref()).or_else(|| text(payload.azp.as_ref())),
            roles: match &payload.roles {
                Some(Value::Array(roles)) => roles.iter().filter_map(|it| text(Some(it))).collect(),
                other => text(other.as_ref()).into_iter().collect(),
            },
            scopes: scopes.map(|all| all.split_whitespace().filter_map(fit).collect()),
            expires_at: (payload.exp.as_ref().and_then(Value::as_i64))
                .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
        })
    }

    /// For whom the token is (`aud`): `https://api.securitycenter.microsoft.com`, for instance. The
    /// service answers 403 to any other's.
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// The tenant (`tid`), a GUID.
    pub fn tenant_id(&self) -> Option<&str> {
        self.tenant_id.as_deref()
    }

    /// The application that asked for the token (`appid`, or `azp`), a GUID.
    pub fn app_id(&self) -> Option<&str> {
        self.app_id.as_deref()
    }

    /// The application permissions that were granted (`roles`), such as `Machine.Read.All`. None
    /// where an administrator's consent is missing. Of a [delegated](Self::is_delegated) token these
    /// are roles of the user.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The delegated permissions that were granted (`scp`), such as `Machine.Read`. None in a token
    /// of an application.
    pub fn scopes(&self) -> &[String] {
        self.scopes.as_deref().unwrap_or_default()
    }

    /// Whether the token acts for a user, and sees only what that user may see: it has `scp`.
    pub fn is_delegated(&self) -> bool {
        self.scopes.is_some()
    }

    /// Until when the token says that it is good (`exp`), by the issuer's clock.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at
    }

    /// What was granted, in words.
    pub(crate) fn granted(&self) -> String {
        let (one, many, granted) = match &self.scopes {
            Some(scopes) => ("scope", "scopes", scopes),
            None => ("role", "roles", &self.roles),
        };
        let first = granted.iter().take(NAMED).map(String::as_str);
        let first = first.collect::<Vec<_>>().join(", ");
        match granted.len() {
            0 => format!("no {many}, as without an administrator's consent"),
            1 => format!("the {one} {first}"),
            2..=NAMED => format!("the {many} {first}"),
            all => format!("the {many} {first} and {} more", all - NAMED),
        }
    }

    /// Claims as a token would have them.
    #[cfg(test)]
    pub(crate) fn of_payload(payload: &str) -> Result<Self, Error> {
        Self::decode(&Secret::from(jwt(payload)))
    }
}

fn unreadable(why: &str) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("the access token {why}, so that its claims can't be read"),
    )
    .with_hint("the service may accept it all the same: only calling it tells")
}

/// Foreign text, fit for one line.
fn text(claim: Option<&Value>) -> Option<String> {
    fit(claim?.as_str()?)
}

fn fit(text: &str) -> Option<String> {
    Some(shortened(text)).filter(|text| !text.is_empty())
}

/// A token with this payload, which nobody has signed.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn jwt(payload: &str) -> String {
    let [header, payload, signature] = [r#"{"typ":"JWT","alg":"RS256"}"#, payload, "no signature"]
        .map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.{signature}")
}

#[cfg(test)]
mod tests {
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
}
