//! What a refusal of the service means, and what can be done about it, in words.

use super::{Operation, Shared};
use crate::auth::TokenClaims;
use crate::cloud::other_scope;
use crate::error::{Error, ErrorKind};
use crate::http::Response;
use crate::retry;
use crate::secret::Secret;

/// Adds what an answer says beside its body, and what can be done about it.
pub(super) fn explain(
    operation: &Operation,
    error: Error,
    response: &Response,
    bearer: &Secret,
    shared: &Shared,
) -> Error {
    let in_words = || match error.kind() {
        ErrorKind::Throttled => error.message().and_then(retry::wait_in_words),
        _ => None,
    };
    let asked = response.asked_wait(shared.clock.utc()).or_else(in_words);
    let error = error.with_retry_after(asked);
    let scope = shared.cloud.scope();
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::Forbidden
            if !error.is_from_service() && error.request_id().is_none() =>
        {
            error.with_hint(
                "this is no answer as the service gives it: see whether a proxy or a firewall stands \
                 between",
            )
        }
        ErrorKind::Unauthorized => {
            let hint = of_tenant(&error, shared.cloud.portal()).unwrap_or_else(|| {
                let other = other_scope(scope).map(|other| format!("; {UNDOCUMENTED}{other}"));
                let silent = says_nothing(&error).then(|| format!("; or it is {SILENT}"));
                format!(
                    "the token is not accepted; a tenant without a licence for the API is answered like \
                     this too{}{}",
                    other.unwrap_or_default(),
                    silent.unwrap_or_default(),
                )
            });
            error.with_hint(hint)
        }
        ErrorKind::Forbidden => {
            // An opaque token says nothing of itself.
            let claims = TokenClaims::decode(bearer).ok();
            let granted = claims.as_ref().map(|it| format!("; the token has {}", it.granted()));
            let mut causes = other_causes(operation, claims.as_ref(), scope);
            if says_nothing(&error) {
                causes.push(SILENT.to_owned());
            }
            let causes = match causes.as_slice() {
                [] => String::new(),
                causes => format!("; other causes: {}", causes.join(", ")),
            };
            error.with_hint(format!(
                "this needs {}{}{causes}",
                operation.permissions,
                granted.unwrap_or_default(),
            ))
        }
        ErrorKind::Redirect => {
            let to = response.location_host.as_deref().unwrap_or("somewhere else");
            error.with_hint(format!("it points to {to}; redirects are never followed: check the API URL"))
        }
        _ => error,
    }
}

/// Whose an answer without a body may be, beside the service's.
const SILENT: &str = "a proxy or a firewall, since the answer gives no reason";

fn says_nothing(error: &Error) -> bool {
    error.code().is_none() && error.message().is_none() && error.request_id().is_none()
}

/// What a 401 says of the tenant, where the token is good.
fn of_tenant(error: &Error, portal: &str) -> Option<String> {
    let message = error.message()?;
    if message.contains("Account mode is inactive") {
        return Some(format!(
            "the tenant's Defender was never set up, or its licence has ended: an administrator opens \
             {portal}, Settings, Endpoints, once, and looks at the licences"
        ));
    }
    message.contains("No Tvm license").then(|| {
        "the tenant has no licence for vulnerability management, which scans need; machines may be \
         listed all the same"
            .to_owned()
    })
}

const UNDOCUMENTED: &str = "the scope of this cloud is not documented, try DEFENDER_SCOPE=";

/// What a 403 may mean beside a permission that is missing, as far as the token doesn't exclude it.
fn other_causes(operation: &Operation, claims: Option<&TokenClaims>, scope: &str) -> Vec<String> {
    let mut causes = Vec::new();
    if claims.is_none() {
        causes.push("consent not given yet".to_owned());
    }
    let bare = |audience: &str| audience.trim_end_matches('/').to_owned();
    let wanted = scope.strip_suffix("/.default").unwrap_or(scope);
    let audience = claims.and_then(TokenClaims::audience);
    if audience.is_none_or(|audience| bare(audience) != bare(wanted)) {
        let text = "a token for another audience (see `Cloud::with_scope` and DEFENDER_SCOPE)";
        causes.push(text.to_owned());
    }
    if claims.is_none_or(TokenClaims::is_delegated) {
        let do_it = if operation.writes.is_some() {
            "change"
        } else {
            "see"
        };
        causes.push(format!("a user who may not {do_it} the data"));
    }
    if claims.is_some_and(|claims| operation.permissions.allowed_by(claims)) {
        causes.push("a licence or a feature that the tenant lacks".to_owned());
    }
    if let Some(other) = other_scope(scope) {
        causes.push(format!("{UNDOCUMENTED}{other}"));
    }
    causes
}
