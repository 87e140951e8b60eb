//! A secret in a key vault, which is named instead of being sent.

use std::fmt;

use serde::Serialize;

use crate::cloud::Origin;

/// A secret in an Azure key vault, from which a scanner takes its credentials: so none of them is sent
/// to the service, and none is in the program that makes the definition.
///
/// The documentation calls the property with the vault's URL `KeyVaultUrl`, the service's schema
/// `keyVaultUri`. The latter is sent, and nobody has confirmed either: see
/// [`sent_as_key_vault_url`](Self::sent_as_key_vault_url).
///
/// The URL is `https://` and a host, with nothing behind but perhaps a port and `/`. The name is one of Azure's: 1 to
/// 127 letters, digits and hyphens. Anything else is refused when the definition is to be sent, a secret's
/// own URL too. `Debug` shows the host, and nothing of a URL or name that would be refused.
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
#[derive(Clone, PartialEq, Eq)]
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
            uri: url.filter(|_| !self.documented_key),
            url: url.filter(|_| self.documented_key),
            secret_name: &self.name,
        }
    }

    /// Why it can't be sent, if it can't. Neither is shown: a secret may have been taken for it.
    pub(super) fn check(&self) -> Result<(), String> {
        self.host()
            .map_err(|why| format!("the key vault's URL {why}"))?;
        if !self.is_named() {
            return Err(
                "the name of the key vault's secret is not 1 to 127 letters, digits and hyphens"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn host(&self) -> Result<&str, &'static str> {
        host(&self.vault_url)
    }

    fn is_named(&self) -> bool {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=127).contains(&self.name.len()) && self.name.bytes().all(legal)
    }
}

/// What can't be a vault or a name is not shown: it may hold a password, or be the secret itself.
impl fmt::Debug for KeyVaultSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_named() { &self.name } else { "***" };
        f.debug_struct("KeyVaultSecret")
            .field("host", &self.host().unwrap_or("***"))
            .field("name", &name)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
pub(super) struct VaultKeys<'a> {
    #[serde(rename = "keyVaultUri", skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(rename = "keyVaultUrl", skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(rename = "keyVaultSecretName")]
    secret_name: &'a str,
}

/// The host of a vault's URL, as it is written there, and its port if there is one. The text says what is
/// wrong without showing the URL, which may hold a password.
fn host(url: &str) -> Result<&str, &'static str> {
    if url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err("contains blanks or control characters");
    }
    let (_, rest) = Origin::split(url)?;
    let (scheme, host) = url
        .strip_suffix(rest)
        .and_then(|origin| origin.split_once("://"))
        .unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("https") {
        return Err("is not https");
    }
    if starts_with_ignoring_case(rest, "/secrets/") {
        return Err(
            "is that of a secret: give the vault's, which ends with the host, and the secret's name beside it",
        );
    }
    if !matches!(rest, "" | "/") {
        return Err("has a path, a query or a fragment behind the host");
    }
    Ok(host)
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|it| it.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_at_an_https_url() {
        for (url, wanted) in [
            ("https://contoso.vault.azure.net", "contoso.vault.azure.net"),
            (
                "HTTPS://Contoso.vault.azure.net/",
                "Contoso.vault.azure.net",
            ),
            ("https://10.0.0.1:8443", "10.0.0.1:8443"),
        ] {
            assert_eq!(host(url), Ok(wanted), "{url}");
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
            "https://contoso.vault.azure.net//",
            "https://contoso.vault.azure.net/keys",
            "https://contoso.vault.azure.net/secrets/hunter2/0123",
            "https://contoso.vault.azure.net/Secrets/hunter2",
            "https://contoso.vault.azure.net?sig=hunter2",
            "https://contoso.vault.azure.net/?sig=hunter2",
            "https://contoso.vault.azure.net#hunter2",
        ] {
            let why = host(url).unwrap_err();
            assert!(
                !why.contains("contoso") && !why.contains("hunter2"),
                "{why}"
            );
            assert_eq!(
                why.contains("is that of a secret"),
                url.to_lowercase().contains("/secrets/"),
                "{url}"
            );
            let shown = format!("{:?}", KeyVaultSecret::new(url, "core"));
            assert_eq!(shown, r#"KeyVaultSecret { host: "***", name: "core", .. }"#);
        }
    }

    #[test]
    fn a_secret_has_a_name_that_azure_could_have_given_it() {
        let secret = |name: &str| KeyVaultSecret::new("https://contoso.vault.azure.net", name);
        for name in ["a", "core-Switches-2", &"a".repeat(127)] {
            assert_eq!(secret(name).check(), Ok(()), "{name}");
            let shown = format!("{:?}", secret(name));
            let wanted = format!(
                r#"KeyVaultSecret {{ host: "contoso.vault.azure.net", name: "{name}", .. }}"#
            );
            assert_eq!(shown, wanted);
        }
        for name in [
            "",
            " ",
            "a b",
            "a\n",
            "hunter_2",
            "hunter/2",
            "h\u{fc}nter",
            &"a".repeat(128),
        ] {
            let why = secret(name).check().unwrap_err();
            assert!(
                why.ends_with("is not 1 to 127 letters, digits and hyphens"),
                "{why}"
            );
            let shown = format!("{:?}", secret(name));
            assert!(shown.contains(r#"name: "***""#), "{shown}");
        }
    }
}
