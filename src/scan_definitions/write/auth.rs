//! How a scanner is told to sign in: by which way, and with what.

use std::fmt;

use super::params::AuthParams;
use super::vault::KeyVaultSecret;
use crate::secret::Secret;
use crate::wire::open_enum;

/// How a scanner signs in to network devices: one of the four ways of SNMP, for
/// [`NewScanDefinition::network`](super::NewScanDefinition::network) and
/// [`ScanDefinitionUpdate::snmp_auth`](super::ScanDefinitionUpdate::snmp_auth).
///
/// What is empty or holds a control character is refused when the definition is to be sent: a user name,
/// a password, a community string. What is read from a file often ends with a line break, which is one.
/// The service never shows any of it again. `Debug` redacts the secrets.
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
#[derive(Clone, PartialEq, Eq)]
pub struct SnmpAuth(pub(super) AuthParams);

impl fmt::Debug for SnmpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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
/// confirmed that it works. What is empty is refused when the definition is to be sent, and so are
/// control characters, but in a private key. `Debug` redacts the secrets.
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::LinuxAuth;
///
/// let auth = LinuxAuth::private_key("scanner", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
/// assert!(!format!("{auth:?}").contains("BEGIN"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LinuxAuth(pub(super) AuthParams);

impl fmt::Debug for LinuxAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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
