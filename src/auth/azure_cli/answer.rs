//! What it means how `az` ended, and what it printed.

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::program::Output;
use super::{AzureCli, INSTALL};
use crate::auth::answer::{expiry, known};
use crate::auth::{AccessToken, check_token};
use crate::error::Error;
use crate::excerpt::{excerpt, without, without_tokens};
use crate::secret::Secret;

/// What shells end with where there is no such program: here what the script `az` starts is missing.
const NOT_FOUND: i32 = 127;
const NOT_FOUND_ON_WINDOWS: i32 = 9009;
const NOT_INSTALLED: &str = "the Azure CLI is not installed, or not whole";
const UPGRADE: &str = "run `az upgrade`: 2.54.0 or newer is needed";

impl AzureCli {
    /// What it means that `az` ended like this.
    pub(super) fn read(&self, scope: &str, output: &Output) -> Result<AccessToken, Error> {
        let token = token_of(&output.stdout);
        // Should it be in the error output too, it is taken out of that.
        let secret = token.as_ref().map(|token| token.secret.clone());
        let secret = secret.unwrap_or_else(|| Secret::from(""));
        let errors = output.errors();
        // First the token that is known, since it may hold what ends others.
        let clean = Zeroizing::new(without(&errors, &secret).into_owned());
        let said = excerpt(&without_tokens(&clean), &[&secret]);
        if output.code != Some(0) {
            return Err(self.refusal(scope, output.code, &errors, said.as_deref()));
        }
        let Some(token) = token else {
            let what = if output.stdout.trim_ascii().is_empty() {
                "nothing"
            } else {
                "something else than the JSON of a token"
            };
            let text = format!("the Azure CLI ended well, but printed {what}");
            return Err(
                Error::credential(with_words(text, said.as_deref())).with_hint(format!(
                    "see what `az account get-access-token --scope {scope}` does"
                )),
            );
        };
        let bearer = token.kind.as_deref().unwrap_or("Bearer");
        if !bearer.eq_ignore_ascii_case("bearer") {
            return Err(Error::credential(
                "the token of the Azure CLI is not of type Bearer",
            ));
        }
        check_token(&token.secret)?;
        // The other date, `expiresOn`, is a local time that doesn't say where.
        let moment = known(token.expires_on).ok_or_else(|| {
            Error::credential(
                "the Azure CLI is older than 2.54.0: it doesn't say when its token expires",
            )
            .with_hint(UPGRADE)
        })?;
        Ok(AccessToken::new(token.secret).expires_on(expiry(&moment)?))
    }

    /// Why there is no token, by all that the program said, of which a part may be shown.
    fn refusal(&self, scope: &str, code: Option<i32>, errors: &str, said: Option<&str>) -> Error {
        let (why, hint) = if matches!(code, Some(NOT_FOUND | NOT_FOUND_ON_WINDOWS)) {
            (NOT_INSTALLED, Some(INSTALL.to_owned()))
        } else if let Some(number) = entra_code(errors) {
            // The program's own advice is to sign in again, whether that helps or not.
            let hint = self.advice(number, scope);
            ("Entra gave the Azure CLI no token", hint)
        } else if errors.contains("unrecognized arguments") {
            ("the Azure CLI is too old", Some(UPGRADE.to_owned()))
        } else if errors.contains("az login") {
            let hint = self.sign_in(None);
            ("nobody is signed in to the Azure CLI", Some(hint))
        } else {
            ("the Azure CLI failed", None)
        };
        let how = match code {
            Some(code) => format!("{why} (exit code {code})"),
            None => format!("{why} (ended by a signal)"),
        };
        let error = Error::credential(with_words(how, said));
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// What to do about Entra's refusals, by their numbers. Only for people: Entra may change them.
    fn advice(&self, number: &str, scope: &str) -> Option<String> {
        match number {
            "65001" | "65002" => Some(
                "the API may not admit the Azure CLI's own app: use an app registration of your own, \
                 with a device code for instance"
                    .to_owned(),
            ),
            // Another factor, a device or a place that conditional access wants; a sign-in that has
            // expired or was revoked.
            "50072" | "50074" | "50076" | "50078" | "50079" | "50097" | "50132" | "50133"
            | "50158" | "50173" | "53000" | "53001" | "53003" | "70008" | "70043" | "70044"
            | "500133" | "700082" | "700084" => Some(self.sign_in(Some(scope))),
            "50001" | "500011" => Some(
                "the tenant doesn't know this audience: check the scope, and the cloud (`az cloud show`)"
                    .to_owned(),
            ),
            "90002" => Some(
                "there is no such tenant: check its id, and the cloud (`az cloud show`)".to_owned(),
            ),
            _ => None,
        }
    }

    fn sign_in(&self, scope: Option<&str>) -> String {
        let option = |name: &str, value: Option<&str>| {
            value.map_or_else(String::new, |value| format!(" --{name} {value}"))
        };
        let tenant = option("tenant", self.tenant.as_deref());
        format!("run `az login{tenant}{}`", option("scope", scope))
    }
}

fn with_words(text: String, said: Option<&str>) -> String {
    match said {
        Some(said) => format!("{text}: {said}"),
        None => text,
    }
}

/// The number of Entra's first refusal in a text: `50076` of `AADSTS50076: Due to a ...`.
fn entra_code(text: &str) -> Option<&str> {
    let (_, code) = text.split_once("AADSTS")?;
    code.split(|c: char| !c.is_ascii_digit()).next()
}

#[derive(Deserialize)]
struct CliToken {
    #[serde(rename = "accessToken")]
    secret: Secret,
    #[serde(rename = "tokenType")]
    kind: Option<String>,
    /// Seconds since 1970; since 2.54.0.
    expires_on: Option<Value>,
}

/// The token in what was printed. Warnings may stand before the JSON, some of which begin like it, and
/// whatever stands behind it doesn't matter.
fn token_of(stdout: &[u8]) -> Option<CliToken> {
    let mut rest = stdout;
    loop {
        let line = rest.split(|byte| *byte == b'\n').next()?;
        if line.trim_ascii_start().starts_with(b"{") {
            let json = serde_json::Deserializer::from_slice(rest);
            if let Some(Ok(token)) = json.into_iter().next() {
                return Some(token);
            }
        }
        rest = rest.get(line.len().saturating_add(1)..)?;
    }
}

#[cfg(test)]
mod tests;
