//! The token endpoint («Microsoft identity platform and the OAuth 2.0 client credentials flow»). What it
//! says to a wrong `client_assertion` is no documented page's, but what people report of Entra.

use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;

use super::odata;
use super::reply::Reply;
use super::request::Request;
use crate::auth::{JWT_BEARER, check_assertion, jwt};
use crate::secret::Secret;

/// The app registration that may fetch tokens.
#[derive(Debug)]
pub(super) struct App {
    pub(super) tenant_id: String,
    pub(super) client_id: String,
    pub(super) secret: Secret,
    pub(super) token_lifetime: Duration,
    /// The application permissions that an administrator has granted it.
    pub(super) roles: Vec<String>,
}

/// An error of the endpoint.
#[derive(Debug)]
pub(super) struct Denial {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
}

const END: &str = "/oauth2/v2.0/token";

pub(super) fn is_token_path(path: &str) -> bool {
    path.ends_with(END)
}

impl App {
    /// Checks a token request, whose path has been seen to be one, and says for which audience the
    /// token shall be.
    pub(super) fn check(&self, request: &Request) -> Result<String, Denial> {
        if request.method != "POST" {
            let message = "The endpoint only accepts POST requests.";
            return denied(400, "invalid_request", 900_561, message);
        }
        let tenant = request
            .path
            .strip_suffix(END)
            .and_then(|path| path.strip_prefix('/'));
        let tenant = tenant.and_then(odata::decoded).unwrap_or_default();
        if !tenant.eq_ignore_ascii_case(&self.tenant_id) {
            let message = format!("Tenant '{tenant}' not found.");
            return denied(400, "invalid_request", 90_002, message);
        }
        if needed(request, "grant_type")? != "client_credentials" {
            let message = "The app requested an unsupported grant type.";
            return denied(400, "unsupported_grant_type", 70_003, message);
        }
        let client_id = needed(request, "client_id")?;
        if !client_id.eq_ignore_ascii_case(&self.client_id) {
            let message = format!("Application with identifier '{client_id}' was not found.");
            return denied(400, "unauthorized_client", 700_016, message);
        }
        let scope = needed(request, "scope")?;
        let Some(audience) = scope.strip_suffix("/.default") else {
            let message = "Client credential flows must have a scope value with /.default \
                           suffixed to the resource identifier.";
            return denied(400, "invalid_scope", 1_002_012, message);
        };
        self.check_proof(request)?;
        Ok(audience.to_owned())
    }

    /// Who asks shows that it is the app: with the secret, or with an assertion, of which no more is
    /// wanted than that it looks like one.
    fn check_proof(&self, request: &Request) -> Result<(), Denial> {
        if let Some(assertion) = sent(request, "client_assertion") {
            if needed(request, "client_assertion_type")? != JWT_BEARER {
                let message = "Unexpected client assertion type.";
                return denied(400, "invalid_request", 90_011, message);
            }
            if check_assertion(&Secret::from(assertion)).is_err() {
                let message = "JWT token is invalid or malformed.";
                return denied(400, "invalid_request", 50_027, message);
            }
            return Ok(());
        }
        let Some(secret) = sent(request, "client_secret") else {
            let message = "'client_assertion', 'client_secret' or 'request' is required for the \
                           'client_credentials' grant type.";
            return denied(401, "invalid_client", 7_000_216, message);
        };
        if secret != self.secret.expose() {
            let message = "Invalid client secret provided. Ensure the secret being sent in the \
                           request is the client secret value, not the client secret ID.";
            return denied(401, "invalid_client", 7_000_215, message);
        }
        Ok(())
    }

    /// A new token, which says of itself what the service's say; `number` makes it differ from all
    /// others. As there, there are no roles where none are granted.
    pub(super) fn token(&self, audience: &str, now: OffsetDateTime, number: u64) -> String {
        let now = now.unix_timestamp();
        let lifetime = i64::try_from(self.token_lifetime.as_secs()).unwrap_or(i64::MAX);
        let mut claims = json!({
            "aud": audience,
            "iss": format!("https://sts.windows.net/{}/", self.tenant_id),
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(lifetime),
            "appid": self.client_id,
            "idtyp": "app",
            "tid": self.tenant_id,
            "uti": format!("fake-{number}"),
            "ver": "1.0",
        });
        if let (Some(claims), false) = (claims.as_object_mut(), self.roles.is_empty()) {
            claims.insert("roles".to_owned(), json!(self.roles));
        }
        jwt(&claims.to_string())
    }

    pub(super) fn grant(&self, token: &str) -> Reply {
        let seconds = self.token_lifetime.as_secs();
        let body = json!({
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        });
        reply(200, &body)
    }
}

/// A parameter of the form that is sent, and not empty.
fn sent(request: &Request, name: &str) -> Option<String> {
    let content_type = request.header("content-type").unwrap_or_default();
    let form = content_type.starts_with("application/x-www-form-urlencoded");
    let body = std::str::from_utf8(&request.body).ok().filter(|_| form);
    let mut parameters = odata::parameters(body);
    let found = parameters.find(|(found, _)| found.as_deref() == Some(name));
    let value = found.and_then(|(_, value)| value);
    value.filter(|value| !value.is_empty())
}

/// The same, of a parameter that must be there.
fn needed(request: &Request, name: &str) -> Result<String, Denial> {
    match sent(request, name) {
        Some(value) => Ok(value),
        None => denied(
            400,
            "invalid_request",
            900_144,
            format!("The request body must contain the following parameter: '{name}'."),
        ),
    }
}

fn denied<T>(
    status: u16,
    error: &'static str,
    code: u32,
    message: impl Into<String>,
) -> Result<T, Denial> {
    Err(Denial {
        status,
        error,
        code,
        message: message.into(),
    })
}

impl Denial {
    /// A fault, in the words of this endpoint.
    pub(super) fn fault(status: u16, message: Option<String>) -> Self {
        let (error, code) = match status {
            401 => ("invalid_client", 7_000_215),
            429 | 500.. => ("temporarily_unavailable", 90_033),
            _ => ("invalid_request", 90_013),
        };
        let message = message.unwrap_or_else(|| "The service is told to fail.".to_owned());
        Self {
            status,
            error,
            code,
            message,
        }
    }

    pub(super) fn reply(&self, code: Option<&str>, trace_id: &str) -> Reply {
        let now = OffsetDateTime::now_utc();
        let clock = format!("{:02}:{:02}:{:02}", now.hour(), now.minute(), now.second());
        let timestamp = format!("{} {clock}Z", now.date());
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace_id} Correlation ID: {trace_id} Timestamp: {timestamp}",
            self.code, self.message
        );
        let body = json!({
            "error": code.unwrap_or(self.error),
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": trace_id,
        });
        reply(self.status, &body)
    }
}

fn reply(status: u16, body: &serde_json::Value) -> Reply {
    let body = body.to_string().into_bytes();
    Reply::new(status, "application/json; charset=utf-8", body).header("Cache-Control", "no-store")
}
