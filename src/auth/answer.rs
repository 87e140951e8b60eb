//! What a token endpoint answers, be it Entra's or one on the machine: a token or a refusal.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::auth::{AccessToken, check_token};
use crate::error::{Error, Retry};
use crate::excerpt::{excerpt, shows};
use crate::http::Response;
use crate::secret::Secret;

/// Whom an error is about, in words for people.
pub(super) struct Endpoint {
    /// What failed where it refused nothing, but didn't give what it was asked for either.
    pub(super) name: &'static str,
    /// What says where it is.
    pub(super) place: &'static str,
}

/// What gives tokens.
pub(super) const TOKENS: Endpoint = Endpoint {
    name: "token request",
    place: "the login authority",
};
/// Used when an answer doesn't say how long its token is good for.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(600);

/// What was granted.
pub(super) struct Grant {
    pub(super) token: AccessToken,
    /// For the next token, where that was asked for.
    pub(super) refresh_token: Option<Secret>,
}

/// Reads an answer. The secret that was sent for it is taken out of whatever is said about it.
pub(super) fn grant(
    answer: Response,
    secret: &Secret,
    now: OffsetDateTime,
) -> Result<Grant, Error> {
    good(answer, secret, now, &TOKENS, read)
}

/// The same for an answer of somebody else, or whose body is something else: `read` is given that and
/// its content type.
pub(super) fn good<T>(
    mut answer: Response,
    secret: &Secret,
    now: OffsetDateTime,
    of: &Endpoint,
    read: impl FnOnce(&[u8], Option<&str>) -> Result<T, Error>,
) -> Result<T, Error> {
    let body = Zeroizing::new(answer.small_body());
    if answer.status != 200 {
        return Err(refusal(&answer, &body, secret, now, of));
    }
    granted(&answer, &body, secret, read).map_err(|error| error.for_request(of.name))
}

fn granted<T>(
    answer: &Response,
    body: &[u8],
    secret: &Secret,
    read: impl FnOnce(&[u8], Option<&str>) -> Result<T, Error>,
) -> Result<T, Error> {
    let nothing = body.trim_ascii().is_empty();
    if answer.damaged {
        return Err(Error::credential("the answer is damaged").with_retry(Retry::Once));
    }
    if nothing && answer.whole {
        return Err(Error::credential("the answer is empty").with_retry(Retry::Once));
    }
    let kind = answer.content_type.as_deref();
    let kind = kind.and_then(|kind| excerpt(kind, &[secret]));
    read(body, kind.as_deref()).map_err(|error| {
        // One that is cut here, for its length, is cut the next time too.
        let retryable = error.is_retryable() && answer.whole;
        error.with_retryable(retryable)
    })
}

/// The error that an answer of another status is.
fn refusal(
    answer: &Response,
    body: &[u8],
    secret: &Secret,
    now: OffsetDateTime,
    of: &Endpoint,
) -> Error {
    let error = Error::from_token_status(answer.status, body, secret)
        .or_request_id(answer.request_id.as_deref(), &[secret])
        .with_retry_after(answer.asked_wait(now));
    let host = answer.location_host.as_deref();
    match (answer.status, host.filter(|host| !shows(host, secret))) {
        (300..=399, Some(host)) => error.with_hint(format!(
            "it points to {host}; redirects are never followed: check {} and the proxy",
            of.place
        )),
        _ => error,
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    refresh_token: Option<Secret>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    expires_on: Option<Value>,
}

/// Nothing of the answer itself is shown, since a parser's error text would quote the token; only
/// its content type.
pub(super) fn parse<T: DeserializeOwned>(
    body: &[u8],
    content_type: Option<&str>,
    what: &str,
    of: &Endpoint,
) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        let kind = content_type.map(|kind| format!(" (its content type is {kind})"));
        let text = format!(
            "the answer is not the JSON of {what}{}",
            kind.unwrap_or_default()
        );
        let refused = Error::credential(text);
        match error.classify() {
            // What is cut may be whole the next time.
            Category::Eof => refused.with_retryable(true),
            Category::Syntax => refused.with_hint(format!(
                "a sign-in page of a proxy or network answers like this: check {} and the proxy",
                of.place
            )),
            // JSON without a token is no page for people.
            Category::Data | Category::Io => refused,
        }
    })
}

fn read(body: &[u8], content_type: Option<&str>) -> Result<Grant, Error> {
    let answer: TokenAnswer = parse(body, content_type, "a token", &TOKENS)?;
    if answer
        .token_type
        .is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer"))
    {
        return Err(Error::credential("the token is not of type Bearer"));
    }
    check_token(&answer.access_token)?;
    let token = AccessToken::new(answer.access_token);
    // The date is a last resort: it is only as right as the local clock.
    let token = match (known(answer.expires_in), known(answer.expires_on)) {
        (Some(seconds), _) => token.expires_in(lifetime(&seconds)?),
        (None, Some(moment)) => token.expires_on(expiry(&moment)?),
        (None, None) => token.expires_in(UNKNOWN_LIFETIME),
    };
    Ok(Grant {
        token,
        refresh_token: answer.refresh_token.filter(|it| !it.expose().is_empty()),
    })
}

pub(super) fn known(member: Option<Value>) -> Option<Value> {
    member.filter(|value| !value.is_null())
}

fn lifetime(expires_in: &Value) -> Result<Duration, Error> {
    // A century is no lifetime either, and would overflow clocks further on.
    seconds(expires_in)
        .filter(|seconds| (1..=3_153_600_000).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| Error::credential("the token's lifetime (expires_in) makes no sense"))
}

/// Seconds since 1970.
pub(super) fn expiry(expires_on: &Value) -> Result<OffsetDateTime, Error> {
    seconds(expires_on)
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or_else(|| Error::credential("the token's expiry (expires_on) makes no sense"))
}

/// A number here, and text in older endpoints' answers.
pub(super) fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_answers_are_read() {
        for expires_in in ["3599", "\"3599\"", "\" 3599 \""] {
            let body = format!(
                "{{\"token_type\":\"bearer\",\"expires_in\":{expires_in},\"access_token\":\"t\"}}"
            );
            let token = read(body.as_bytes(), None).unwrap().token;
            assert_eq!(token.expires_in, Some(Duration::from_secs(3_599)));
            assert_eq!(token.secret.expose(), "t");
        }
        let unknown = read(br#"{"access_token":"t"}"#, None).unwrap().token;
        assert_eq!(unknown.expires_in, Some(UNKNOWN_LIFETIME));
    }

    #[test]
    fn odd_answers_are_refused_without_showing_them() {
        for body in [
            "",
            "[]",
            "<html>PLANTED</html>",
            r#"{"access_token":["PLANTED"]}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"PLANTED PLANTED"}"#,
            r#"{"access_token":"PLANTED\r\nX: y"}"#,
            r#"{"access_token":"PLANTED","token_type":"pop"}"#,
            r#"{"access_token":"PLANTED","expires_in":0}"#,
            r#"{"access_token":"PLANTED","expires_in":-5}"#,
            r#"{"access_token":"PLANTED","expires_in":1e300}"#,
            r#"{"access_token":"PLANTED","expires_in":18446744073709551615}"#,
            r#"{"access_token":"PLANTED","expires_in":"soon"}"#,
            r#"{"access_token":"PLANTED","expires_in":[]}"#,
        ] {
            let error = read(body.as_bytes(), None).err().unwrap();
            assert_eq!(error.kind(), crate::ErrorKind::Credential);
            assert!(
                !format!("{error} {error:?} {error:#?}").contains("PLANTED"),
                "{body}"
            );
        }
        assert!(
            read(br#"{"access_token":"PLA"#, None)
                .err()
                .unwrap()
                .is_retryable(),
            "cut"
        );
        assert!(!read(b"<html>", None).err().unwrap().is_retryable());
        let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(100_000));
        assert!(read(long.as_bytes(), None).is_err());
    }

    #[test]
    fn only_what_is_no_json_looks_like_a_sign_in_page() {
        for (body, hinted) in [
            ("<html>", true),
            ("Sign in", true),
            (r#"{"access_token":"t"}}"#, true),
            ("{}", false),
            ("[]", false),
            ("null", false),
            (r#"{"error":"nothing"}"#, false),
            (r#"{"access_token":7}"#, false),
            (r#"{"access_token":"#, false),
        ] {
            let error = read(body.as_bytes(), None).err().unwrap();
            let text = error.to_string();
            assert!(text.contains("not the JSON of a token"), "{body}: {text}");
            let hint = error.hint().unwrap_or_default();
            assert_eq!(hint.contains("sign-in page"), hinted, "{body}: {hint}");
        }
    }
}
