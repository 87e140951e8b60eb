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
mod tests;
