//! The object `scanAuthenticationParams` as it is sent, and what of it can't be.

use std::fmt;

use serde::{Serialize, Serializer};

use super::auth::{AuthProtocol, LinuxAuthType, PrivProtocol, SnmpAuthType};
use super::fields::{field, unbroken};
use super::vault::KeyVaultSecret;
use crate::secret::Secret;

const PRIVATE_KEY: &str = "private key";

/// The object `scanAuthenticationParams`. Keys are written in the order of the documentation's sample.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthParams {
    #[serde(rename = "@odata.type")]
    pub(super) odata_type: &'static str,
    #[serde(rename = "type")]
    pub(super) auth_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub(super) password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub(super) private_key: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_protocol: Option<AuthProtocol>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub(super) auth_password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) priv_protocol: Option<PrivProtocol>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub(super) priv_password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub(super) community_string: Option<Secret>,
    #[serde(flatten, serialize_with = "vault_keys")]
    pub(super) key_vault: Option<KeyVaultSecret>,
}

impl AuthParams {
    pub(super) fn snmp(auth_type: SnmpAuthType) -> Self {
        let odata_type = "#microsoft.windowsDefenderATP.api.SnmpAuthParams";
        Self::new(odata_type, auth_type.as_str())
    }

    pub(super) fn linux(auth_type: LinuxAuthType) -> Self {
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
            key_vault: None,
        }
    }

    pub(super) fn in_key_vault(mut self, secret: KeyVaultSecret) -> Self {
        self.key_vault = Some(secret);
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
        ];
        for (what, text) in texts {
            if text.is_some_and(|text| text.trim().is_empty()) {
                return Err(format!("the {what} is empty or blank"));
            }
            unbroken(what, text.unwrap_or_default())?;
        }
        for (what, secret) in self.named_secrets() {
            let Some(secret) = secret else { continue };
            // Blanks could be a password.
            if secret.expose().is_empty() {
                return Err(format!("the {what} is empty"));
            }
            // A private key has lines.
            if what != PRIVATE_KEY {
                unbroken(what, secret.expose())?;
            }
        }
        self.key_vault
            .as_ref()
            .map_or(Ok(()), KeyVaultSecret::check)
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
            (PRIVATE_KEY, self.private_key.as_ref()),
            ("authentication password", self.auth_password.as_ref()),
            ("privacy password", self.priv_password.as_ref()),
            ("community string", self.community_string.as_ref()),
        ]
    }
}

/// As the type of which it is the content, with what is set.
#[expect(
    clippy::missing_fields_in_debug,
    reason = "the secrets are named, and none is shown"
)]
impl fmt::Debug for AuthParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.odata_type.rsplit('.').next().unwrap_or_default();
        let mut out = f.debug_struct(kind.trim_end_matches("Params"));
        out.field("auth_type", &format_args!("{}", self.auth_type));
        field(&mut out, "username", self.username.as_ref());
        field(&mut out, "auth_protocol", self.auth_protocol.as_ref());
        field(&mut out, "priv_protocol", self.priv_protocol.as_ref());
        for (what, secret) in self.named_secrets() {
            let hidden = secret.map(|_| format_args!("***"));
            field(&mut out, &what.replace(' ', "_"), hidden.as_ref());
        }
        field(&mut out, "key_vault", self.key_vault.as_ref());
        out.finish()
    }
}

#[expect(clippy::ref_option, reason = "serde gives the field as it is")]
fn exposed<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde gives the field as it is")]
fn vault_keys<S: Serializer>(
    secret: &Option<KeyVaultSecret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret
        .as_ref()
        .map(KeyVaultSecret::keys)
        .serialize(serializer)
}
