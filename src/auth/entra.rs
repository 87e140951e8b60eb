//! Microsoft Entra's v2.0 token endpoint: make the request, read the answer.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::auth::{AccessToken, TokenRequest, check_token};
use crate::body::Spares;
use crate::error::{Error, Retry};
use crate::excerpt::{excerpt, shows};
use crate::http::{Method, Request};
use crate::secret::Secret;

/// Used when an answer doesn't say how long its token is good for.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(600);

/// One token request. `form` holds the members that make up the grant, among them the secret,
/// which is taken out of whatever is said about the answer.
pub(super) fn ask(
    request: &TokenRequest<'_>,
    tenant: &str,
    form: &[(&str, &str)],
    secret: &Secret,
) -> Result<AccessToken, Error> {
    let url = format!("{}/{tenant}/oauth2/v2.0/token", request.authority());
    let body = encode(form);
    let mut answer = request
        .transport()
        .send(&Request {
            method: Method::Post,
            url: &url,
            bearer: None,
            content_type: Some("application/x-www-form-urlencoded"),
            body: body.as_bytes(),
            time_left: request.time_left(),
            // The last one was an hour ago, as a rule: a connection that was kept since is dead.
            anew: true,
            small: true,
            spares: &Spares::default(),
        })
        .map_err(|error| error.for_request("token request"))?;
    let secret_answer = Zeroizing::new(answer.small_body());
    if answer.status == 200 {
        let nothing = secret_answer.trim_ascii().is_empty();
        let token = if answer.damaged {
            Err(Error::credential("the answer is damaged").with_retry(Retry::Once))
        } else if nothing && answer.whole {
            Err(Error::credential("the answer is empty").with_retry(Retry::Once))
        } else {
            let kind = answer.content_type.as_deref();
            let kind = kind.and_then(|kind| excerpt(kind, secret));
            read(&secret_answer, kind.as_deref()).map_err(|error| {
                // One that is cut here, for its length, is cut the next time too.
                let retryable = error.is_retryable() && answer.whole;
                error.with_retryable(retryable)
            })
        };
        return token.map_err(|error| error.for_request("token request"));
    }
    let error = Error::from_token_status(answer.status, &secret_answer, secret)
        .or_request_id(answer.request_id.as_deref(), secret)
        .with_retry_after(answer.asked_wait(request.now()));
    let host = answer.location_host.filter(|host| !shows(host, secret));
    if let (300..=399, Some(host)) = (answer.status, host) {
        return Err(error.with_hint(format!(
            "it points to {host}; redirects are never followed: check the login authority and the proxy"
        )));
    }
    Err(match hint(error.message().unwrap_or_default()) {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

/// `application/x-www-form-urlencoded`; wiped after use, since it holds the secret.
fn encode(form: &[(&str, &str)]) -> Zeroizing<String> {
    let mut body = Zeroizing::new(String::with_capacity(512));
    for (name, value) in form {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        body.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    body
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    token_type: Option<String>,
    expires_in: Option<Value>,
    expires_on: Option<Value>,
}

/// Nothing of the answer itself is shown, since a parser's error text would quote the token; only
/// its content type.
fn read(body: &[u8], content_type: Option<&str>) -> Result<AccessToken, Error> {
    let answer: TokenAnswer = serde_json::from_slice(body).map_err(|error| {
        let kind = content_type.map(|kind| format!(" (its content type is {kind})"));
        let text = format!(
            "the answer is not the JSON of a token{}",
            kind.unwrap_or_default()
        );
        let refused = Error::credential(text);
        match error.classify() {
            // What is cut may be whole the next time.
            Category::Eof => refused.with_retryable(true),
            Category::Syntax => refused.with_hint(
                "a sign-in page of a proxy or network answers like this: check the login authority \
                 and the proxy",
            ),
            // JSON without a token is no page for people.
            Category::Data | Category::Io => refused,
        }
    })?;
    if answer
        .token_type
        .is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer"))
    {
        return Err(Error::credential("the token is not of type Bearer"));
    }
    check_token(&answer.access_token)?;
    let token = AccessToken::new(answer.access_token);
    // The date is a last resort: it is only as right as the local clock.
    match (known(answer.expires_in), known(answer.expires_on)) {
        (Some(seconds), _) => Ok(token.expires_in(lifetime(&seconds)?)),
        (None, Some(moment)) => Ok(token.expires_on(expiry(&moment)?)),
        (None, None) => Ok(token.expires_in(UNKNOWN_LIFETIME)),
    }
}

fn known(member: Option<Value>) -> Option<Value> {
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
fn expiry(expires_on: &Value) -> Result<OffsetDateTime, Error> {
    seconds(expires_on)
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or_else(|| Error::credential("the token's expiry (expires_on) makes no sense"))
}

/// A number here, and text in older endpoints' answers.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// What to do about the refusals that people meet. Only for people: Entra may change its codes.
fn hint(message: &str) -> Option<&'static str> {
    let hints = [
        (
            "AADSTS7000215",
            "the client secret is wrong: give its value, not its id",
        ),
        (
            "AADSTS7000222",
            "the client secret has expired: add a new one to the app registration",
        ),
        (
            "AADSTS700016",
            "the tenant has no such application: check client id and tenant",
        ),
        (
            "AADSTS90002",
            "there is no such tenant: check its id, and the cloud",
        ),
        (
            "AADSTS500011",
            "the tenant doesn't know this audience: check the scope, and the cloud",
        ),
        (
            "AADSTS50001",
            "the tenant doesn't know this audience: check the scope, and the cloud",
        ),
        (
            "AADSTS70011",
            "the scope is not valid: it should end in /.default",
        ),
    ];
    let code = message
        .split([':', ' '])
        .find(|word| word.starts_with("AADSTS"))?;
    hints
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, hint)| *hint)
}

/// A GUID or a domain: the tenant becomes part of a path.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), Error> {
    let hex =
        |group: &str, length| group.len() == length && group.bytes().all(|b| b.is_ascii_hexdigit());
    let groups: Vec<&str> = tenant.split('-').collect();
    let guid = groups.len() == 5
        && groups
            .iter()
            .zip([8, 4, 4, 4, 12])
            .all(|(group, length)| hex(group, length));
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let domain = tenant.len() <= 253 && tenant.contains('.') && tenant.split('.').all(label);
    if guid || domain {
        return Ok(());
    }
    Err(Error::config("the tenant is neither a GUID nor a domain")
        .with_hint("the directory (tenant) id stands on the app registration's overview"))
}

/// Application ids are GUIDs today; that much is left to Entra.
pub(crate) fn check_client_id(client_id: &str) -> Result<(), Error> {
    if !client_id.is_empty()
        && client_id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Ok(());
    }
    Err(
        Error::config("the client id is empty or holds other than letters, digits and '-'")
            .with_hint("the application (client) id stands on the app registration's overview"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_a_guid_or_a_domain() {
        for tenant in [
            "11111111-aaaa-BBBB-cccc-222222222222",
            "contoso.com",
            "a-b.onmicrosoft.com",
        ] {
            assert!(check_tenant(tenant).is_ok(), "{tenant}");
        }
        for tenant in [
            "",
            " ",
            "contoso",
            "common",
            "..",
            ".",
            ".com",
            "contoso.",
            "a..b",
            "contoso.com/x",
            "contoso.com?x=1",
            "contoso.com#",
            "a%2Fb.com",
            "11111111-aaaa-bbbb-cccc-22222222222",
            "con toso.com",
            "contoso.com\n",
            "ü.com",
            "../contoso.com",
            "a.b\\c",
        ] {
            assert!(check_tenant(tenant).is_err(), "{tenant:?}");
        }
    }

    #[test]
    fn the_form_decodes_to_what_was_given() {
        let secret = "a+b &c=d%e~ü'\"\u{0}";
        let body = encode(&[("client_secret", secret), ("scope", "s")]);
        let (name, value) = body.split('&').next().unwrap().split_once('=').unwrap();
        assert_eq!(name, "client_secret");
        assert_eq!(
            percent_encoding::percent_decode_str(value)
                .decode_utf8()
                .unwrap(),
            secret
        );
        assert!(body.ends_with("&scope=s"));
    }

    #[test]
    fn the_usual_answers_are_read() {
        for expires_in in ["3599", "\"3599\"", "\" 3599 \""] {
            let body = format!(
                "{{\"token_type\":\"bearer\",\"expires_in\":{expires_in},\"access_token\":\"t\"}}"
            );
            let token = read(body.as_bytes(), None).unwrap();
            assert_eq!(token.expires_in, Some(Duration::from_secs(3_599)));
            assert_eq!(token.secret.expose(), "t");
        }
        let unknown = read(br#"{"access_token":"t"}"#, None).unwrap();
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
            let error = read(body.as_bytes(), None).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Credential);
            assert!(
                !format!("{error} {error:?} {error:#?}").contains("PLANTED"),
                "{body}"
            );
        }
        assert!(
            read(br#"{"access_token":"PLA"#, None)
                .unwrap_err()
                .is_retryable(),
            "cut"
        );
        assert!(!read(b"<html>", None).unwrap_err().is_retryable());
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
            let error = read(body.as_bytes(), None).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("not the JSON of a token"), "{body}: {text}");
            let hint = error.hint().unwrap_or_default();
            assert_eq!(hint.contains("sign-in page"), hinted, "{body}: {hint}");
        }
    }

    #[test]
    fn well_known_refusals_come_with_a_hint() {
        assert!(
            hint("AADSTS7000215: Invalid client secret provided.")
                .unwrap()
                .contains("value")
        );
        assert!(hint("AADSTS7000222: expired").unwrap().contains("expired"));
        assert!(hint("AADSTS1: something else").is_none());
        assert!(hint("").is_none());
    }
}
