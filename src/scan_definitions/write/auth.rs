//! How a scanner is told to sign in: secrets, or the place in a key vault where they are.

use serde::{Serialize, Serializer};

use crate::Secret;
use crate::cloud::Origin;
use crate::wire::open_enum;

/// How a scanner signs in to network devices: one of the four ways of SNMP, for
/// [`NewScanDefinition::network`](super::NewScanDefinition::network) and
/// [`ScanDefinitionUpdate::snmp_auth`](super::ScanDefinitionUpdate::snmp_auth).
///
/// What is empty is refused when the definition is to be sent: a user name, a password, a community
/// string. The service never shows any of it again. `Debug` redacts the secrets.
///
/// Source: «Authenticated scan methods and properties».
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::{AuthProtocol, PrivProtocol, SnmpAuth};
///
/// let v2 = SnmpAuth::community_string("hunter2");
/// assert!(!format!("{v2:?}").contains("hunter2"));
///
/// let (auth_password, priv_password) = ("hunter3", "hunter4");
/// let v3 = SnmpAuth::auth_priv(
///     "scanner",
///     AuthProtocol::Sha1,
///     auth_password,
///     PrivProtocol::Aes,
///     priv_password,
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnmpAuth(pub(super) AuthParams);

impl SnmpAuth {
    /// By a community string.
    pub fn community_string(community_string: impl Into<Secret>) -> Self {
        Self(AuthParams {
            community_string: Some(community_string.into()),
            ..AuthParams::snmp(SnmpAuthType::CommunityString)
        })
    }

    /// By a user name alone (SNMP v3): neither authentication nor encryption.
    pub fn no_auth_no_priv(username: impl Into<String>) -> Self {
        Self(AuthParams {
            username: Some(username.into()),
            ..AuthParams::snmp(SnmpAuthType::NoAuthNoPriv)
        })
    }

    /// By a user name and a password (SNMP v3): authentication without encryption.
    pub fn auth_no_priv(
        username: impl Into<String>,
        auth_protocol: AuthProtocol,
        auth_password: impl Into<Secret>,
    ) -> Self {
        Self(AuthParams {
            username: Some(username.into()),
            auth_protocol: Some(auth_protocol),
            auth_password: Some(auth_password.into()),
            ..AuthParams::snmp(SnmpAuthType::AuthNoPriv)
        })
    }

    /// By a user name and two passwords (SNMP v3): authentication and encryption.
    pub fn auth_priv(
        username: impl Into<String>,
        auth_protocol: AuthProtocol,
        auth_password: impl Into<Secret>,
        priv_protocol: PrivProtocol,
        priv_password: impl Into<Secret>,
    ) -> Self {
        Self(AuthParams {
            username: Some(username.into()),
            auth_protocol: Some(auth_protocol),
            auth_password: Some(auth_password.into()),
            priv_protocol: Some(priv_protocol),
            priv_password: Some(priv_password.into()),
            ..AuthParams::snmp(SnmpAuthType::AuthPriv)
        })
    }

    /// In one of these ways, with what the scanner finds in a key vault: no user name or password is
    /// sent, which the documentation says need not be.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::{KeyVaultSecret, SnmpAuth, SnmpAuthType};
    ///
    /// let secret = KeyVaultSecret::new("https://contoso.vault.azure.net", "core-switches");
    /// let auth = SnmpAuth::in_key_vault(SnmpAuthType::AuthPriv, secret);
    /// ```
    pub fn in_key_vault(auth_type: SnmpAuthType, secret: KeyVaultSecret) -> Self {
        Self(AuthParams::snmp(auth_type).in_key_vault(secret))
    }
}

/// The ways of SNMP to sign in, for [`SnmpAuth::in_key_vault`]. When a definition is read,
/// [`AuthType`](crate::scan_definitions::AuthType) names them.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::{AuthType, SnmpAuthType};
///
/// assert_eq!(AuthType::from(SnmpAuthType::AuthPriv.as_str()), AuthType::AuthPriv);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SnmpAuthType {
    /// A community string.
    CommunityString,
    /// SNMP v3: neither authentication nor encryption.
    NoAuthNoPriv,
    /// SNMP v3: authentication without encryption.
    AuthNoPriv,
    /// SNMP v3: authentication and encryption.
    AuthPriv,
}

impl SnmpAuthType {
    /// The name as the service spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommunityString => "CommunityString",
            Self::NoAuthNoPriv => "NoAuthNoPriv",
            Self::AuthNoPriv => "AuthNoPriv",
            Self::AuthPriv => "AuthPriv",
        }
    }
}

/// How a scanner signs in to Linux devices, for
/// [`NewScanDefinition::linux`](super::NewScanDefinition::linux) and
/// [`ScanDefinitionUpdate::linux_auth`](super::ScanDefinitionUpdate::linux_auth).
///
/// All of it is from the service's own schema: no page of the vendor tells of it, and nobody has
/// confirmed that it works. What is empty is refused when the definition is to be sent. `Debug`
/// redacts the secrets.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::LinuxAuth;
///
/// let auth = LinuxAuth::private_key("scanner", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
/// assert!(!format!("{auth:?}").contains("BEGIN"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinuxAuth(pub(super) AuthParams);

impl LinuxAuth {
    /// By a user name and a password.
    pub fn password(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self(AuthParams {
            username: Some(username.into()),
            password: Some(password.into()),
            ..AuthParams::linux(LinuxAuthType::Password)
        })
    }

    /// By a user name and a private key. Which form of key the service takes is not known.
    pub fn private_key(username: impl Into<String>, private_key: impl Into<Secret>) -> Self {
        Self(AuthParams {
            username: Some(username.into()),
            private_key: Some(private_key.into()),
            ..AuthParams::linux(LinuxAuthType::PrivateKey)
        })
    }

    /// In one of these ways, with what the scanner finds in a key vault.
    pub fn in_key_vault(auth_type: LinuxAuthType, secret: KeyVaultSecret) -> Self {
        Self(AuthParams::linux(auth_type).in_key_vault(secret))
    }
}

/// The ways to sign in to a Linux device, for [`LinuxAuth::in_key_vault`].
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::LinuxAuthType;
///
/// assert_eq!(LinuxAuthType::PrivateKey.as_str(), "PrivateKey");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinuxAuthType {
    /// A password.
    Password,
    /// A private key.
    PrivateKey,
}

impl LinuxAuthType {
    /// The name as the service spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "Password",
            Self::PrivateKey => "PrivateKey",
        }
    }
}

open_enum! {
    /// How SNMP v3 authenticates («Authenticated scan methods and properties»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::AuthProtocol;
    ///
    /// assert_eq!(AuthProtocol::from("sha1"), AuthProtocol::Sha1);
    /// ```
    pub enum AuthProtocol {
        /// HMAC with MD5.
        Md5 = "MD5",
        /// HMAC with SHA-1.
        Sha1 = "SHA1",
    }
}

open_enum! {
    /// How SNMP v3 encrypts («Authenticated scan methods and properties»).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::PrivProtocol;
    ///
    /// assert_eq!(PrivProtocol::TripleDes.as_str(), "3DES");
    /// ```
    pub enum PrivProtocol {
        /// DES.
        Des = "DES",
        /// Triple DES.
        TripleDes = "3DES",
        /// AES.
        Aes = "AES",
    }
}

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
}

/// The object `scanAuthenticationParams`. Keys are written in the order of the documentation's sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthParams {
    #[serde(rename = "@odata.type")]
    odata_type: &'static str,
    #[serde(rename = "type")]
    auth_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    private_key: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_protocol: Option<AuthProtocol>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    auth_password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priv_protocol: Option<PrivProtocol>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    priv_password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    community_string: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_vault_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_vault_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_vault_secret_name: Option<String>,
}

impl AuthParams {
    fn snmp(auth_type: SnmpAuthType) -> Self {
        let odata_type = "#microsoft.windowsDefenderATP.api.SnmpAuthParams";
        Self::new(odata_type, auth_type.as_str())
    }

    fn linux(auth_type: LinuxAuthType) -> Self {
        let odata_type = "#microsoft.windowsDefenderATP.api.LinuxAuthParams";
        Self::new(odata_type, auth_type.as_str())
    }

    fn new(odata_type: &'static str, auth_type: &'static str) -> Self {
        Self {
            odata_type,
            auth_type,
            username: None,
            password: None,
            private_key: None,
            auth_protocol: None,
            auth_password: None,
            priv_protocol: None,
            priv_password: None,
            community_string: None,
            key_vault_uri: None,
            key_vault_url: None,
            key_vault_secret_name: None,
        }
    }

    fn in_key_vault(mut self, secret: KeyVaultSecret) -> Self {
        let key = if secret.documented_key {
            &mut self.key_vault_url
        } else {
            &mut self.key_vault_uri
        };
        *key = Some(secret.vault_url);
        self.key_vault_secret_name = Some(secret.name);
        self
    }

    /// Why it can't be sent, if it can't. No secret and no user name is in the text.
    pub(super) fn check(&self) -> Result<(), String> {
        let texts = [
            ("user name", self.username.as_deref()),
            (
                "authentication protocol",
                self.auth_protocol.as_ref().map(AuthProtocol::as_str),
            ),
            (
                "privacy protocol",
                self.priv_protocol.as_ref().map(PrivProtocol::as_str),
            ),
            (
                "name of the key vault's secret",
                self.key_vault_secret_name.as_deref(),
            ),
        ];
        for (what, text) in texts {
            if text.is_some_and(|text| text.trim().is_empty()) {
                return Err(format!("the {what} is empty or blank"));
            }
            if text.is_some_and(|text| text.contains(char::is_control)) {
                return Err(format!("the {what} contains a control character"));
            }
        }
        for (what, secret) in self.named_secrets() {
            // Blanks could be a password.
            if secret.is_some_and(|secret| secret.expose().is_empty()) {
                return Err(format!("the {what} is empty"));
            }
        }
        let url = self.key_vault_uri.as_ref().or(self.key_vault_url.as_ref());
        url.map_or(Ok(()), |url| {
            check_vault(url).map_err(|why| format!("the key vault's URL {why}"))
        })
    }

    /// What no text may show.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.named_secrets()
            .into_iter()
            .filter_map(|(_, secret)| secret)
    }

    fn named_secrets(&self) -> [(&'static str, Option<&Secret>); 5] {
        [
            ("password", self.password.as_ref()),
            ("private key", self.private_key.as_ref()),
            ("authentication password", self.auth_password.as_ref()),
            ("privacy password", self.priv_password.as_ref()),
            ("community string", self.community_string.as_ref()),
        ]
    }
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

#[expect(clippy::ref_option, reason = "serde gives the field as it is")]
fn exposed<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
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
