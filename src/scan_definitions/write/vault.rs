//! A secret in a key vault, which is named instead of being sent.

use serde::Serialize;

use crate::cloud::Origin;

/// A secret in an Azure key vault, from which a scanner takes its credentials: so none of them is sent
/// to the service, and none is in the program that makes the definition.
///
/// The documentation calls the property with the vault's URL `KeyVaultUrl`, the service's schema
/// `keyVaultUri`. The latter is sent, and nobody has confirmed either: see
/// [`sent_as_key_vault_url`](Self::sent_as_key_vault_url).
///
/// A URL that isn't `https`, or has a user name, a password, blanks or control characters, and a name
/// that is blank or has control characters are refused when the definition is to be sent.
///
/// Source: «Authenticated scan methods and properties».
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::KeyVaultSecret;
///
/// let secret = KeyVaultSecret::new("https://contoso.vault.azure.net", "core-switches");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVaultSecret {
    vault_url: String,
    name: String,
    documented_key: bool,
}

impl KeyVaultSecret {
    /// The secret of this name in the vault at this URL.
    pub fn new(vault_url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            vault_url: vault_url.into(),
            name: name.into(),
            documented_key: false,
        }
    }

    /// Sends the vault's URL as `keyVaultUrl`, for a service that doesn't know `keyVaultUri`.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::KeyVaultSecret;
    ///
    /// let vault = "https://contoso.vault.azure.net";
    /// let secret = KeyVaultSecret::new(vault, "core-switches").sent_as_key_vault_url();
    /// ```
    pub fn sent_as_key_vault_url(mut self) -> Self {
        self.documented_key = true;
        self
    }

    /// What is sent of it.
    pub(super) fn keys(&self) -> VaultKeys<'_> {
        let url = Some(self.vault_url.as_str());
        VaultKeys {
            key_vault_uri: url.filter(|_| !self.documented_key),
            key_vault_url: url.filter(|_| self.documented_key),
            key_vault_secret_name: &self.name,
        }
    }

    /// Why it can't be sent, if it can't.
    pub(super) fn check(&self) -> Result<(), String> {
        let what = "name of the key vault's secret";
        if self.name.trim().is_empty() {
            return Err(format!("the {what} is empty or blank"));
        }
        if self.name.contains(char::is_control) {
            return Err(format!("the {what} contains a control character"));
        }
        check_vault(&self.vault_url).map_err(|why| format!("the key vault's URL {why}"))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VaultKeys<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_vault_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_vault_url: Option<&'a str>,
    key_vault_secret_name: &'a str,
}

/// The text says what is wrong without showing the URL, which may hold a password.
fn check_vault(url: &str) -> Result<(), &'static str> {
    if url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err("contains blanks or control characters");
    }
    Origin::split(url)?;
    let https = url
        .get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    https.then_some(()).ok_or("is not https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_at_an_https_url() {
        for url in [
            "https://contoso.vault.azure.net",
            "HTTPS://contoso.vault.azure.net/",
            "https://10.0.0.1:8443",
        ] {
            assert_eq!(check_vault(url), Ok(()), "{url}");
        }
        for url in [
            "",
            "contoso.vault.azure.net",
            "http://contoso.vault.azure.net",
            "http://127.0.0.1",
            "https://",
            "https://user:hunter2@contoso.vault.azure.net",
            "https://contoso.vault.azure.net/\n",
            "https://contoso .vault.azure.net",
        ] {
            let why = check_vault(url).unwrap_err();
            assert!(
                !why.contains("contoso") && !why.contains("hunter2"),
                "{why}"
            );
        }
    }
}
