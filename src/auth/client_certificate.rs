//! Client credentials with a certificate.

mod pem;

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::Digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use serde_json::json;
use time::OffsetDateTime;

use crate::auth::client_assertion::ask_with_assertion;
use crate::auth::{AccessToken, Credential, TokenRequest, entra};
use crate::error::Error;
use crate::excerpt::folded;
use crate::file;
use crate::secret::Secret;

use pem::Problem;

/// How long an assertion is good for, in seconds: the most that the vendor's page recommends.
const LIFETIME: i64 = 600;

/// An app registration and a certificate of it (OAuth 2.0 client credentials with a signed
/// assertion).
///
/// The way of «Microsoft identity platform application authentication certificate credentials».
/// Each token request carries a new assertion, signed with PS256 and good for ten minutes by the
/// local clock. The private key itself is never sent.
///
/// The certificate is registered in Entra, under «Certificates & secrets» of the app. Its key is an
/// RSA key of 2,048, 3,072 or 4,096 bits, and comes unencrypted as PEM, in PKCS#8 (`PRIVATE KEY`) or
/// PKCS#1 (`RSA PRIVATE KEY`). Whether the certificate has expired is for Entra to say.
///
/// What the crate copies of the PEM text is wiped. The key itself is in memory for as long as the
/// credential and its clones are, and is not wiped then.
///
/// # Example
///
/// ```no_run
/// use defender_endpoint::{Client, ClientCertificate};
///
/// let credential = ClientCertificate::from_file(
///     "contoso.onmicrosoft.com",
///     "11111111-2222-3333-4444-555555555555",
///     "/etc/asset-sync/certificate.pem",
/// )?;
/// let client = Client::builder(credential).build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientCertificate {
    tenant: String,
    client_id: String,
    key: Arc<RsaKeyPair>,
    /// SHA-256 of the certificate's DER.
    thumbprint: Digest,
}

impl ClientCertificate {
    /// The tenant by its id or one of its domains, the application (client) id, and a PEM text with
    /// the certificate and its private key, in any order. Other certificates may be there, such as
    /// those that signed it: the first whose key it is counts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the tenant is neither a GUID nor a
    /// domain, when the client id is empty or holds other than letters, digits and `-`, or when the
    /// PEM is none, is damaged, lacks the certificate or the key, or has a key that is encrypted, no
    /// RSA key, of another length, or of none of its certificates. Nothing is sent.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::ClientCertificate;
    ///
    /// let pem = "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n";
    /// let error = ClientCertificate::from_pem("contoso.com", "an-app", pem).unwrap_err();
    /// assert_eq!(error.to_string(), "the certificate's PEM holds no private key");
    /// ```
    pub fn from_pem(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        pem: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        let refused = |problem: Problem| problem.of("the certificate's PEM");
        Self::new(tenant.into(), client_id.into(), pem.as_ref(), refused)
    }

    /// The same with the PEM in a file, as `AZURE_CLIENT_CERTIFICATE_PATH` names it. It is read now,
    /// and not again.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem`](Self::from_pem), which then name the file, and
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when it can't be read, is larger than 1 MiB, or
    /// is no path: a PEM text, which is then not shown, something with line breaks or other control
    /// characters, or longer than 1,024 bytes.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::{ClientCertificate, ErrorKind};
    ///
    /// let error = ClientCertificate::from_file("contoso.com", "an-app", "no/such.pem").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Config);
    /// assert_eq!(error.to_string(), "the certificate file no/such.pem can't be read");
    /// ```
    pub fn from_file(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        path: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let pem = file::read_pem(path, "certificate file")?;
        let file = format!("the certificate file {}", folded(&path.to_string_lossy()));
        let refused = |problem: Problem| problem.of(&file);
        Self::new(tenant.into(), client_id.into(), &pem, refused)
    }

    fn new(
        tenant: String,
        client_id: String,
        pem: &[u8],
        refused: impl FnOnce(Problem) -> Error,
    ) -> Result<Self, Error> {
        entra::check_tenant(&tenant)?;
        entra::check_client_id(&client_id)?;
        let (key, thumbprint) = pem::read(pem).map_err(refused)?;
        Ok(Self {
            tenant,
            client_id,
            key: Arc::new(key),
            thumbprint,
        })
    }

    /// Puts the signature behind what is signed.
    fn sign(&self, unsigned: String, random: &SystemRandom) -> Result<Secret, Error> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, random, unsigned.as_bytes(), &mut signature)
            .map_err(|_| {
                Error::credential("the assertion can't be signed")
                    .with_hint("the private key may be damaged: check it with `openssl rsa -check`")
            })?;
        let mut assertion = unsigned;
        // Room for all of it, so that no part of the signature is left behind.
        assertion.reserve_exact(1 + signature.len().div_ceil(3) * 4);
        assertion.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
        Ok(Secret::from(assertion))
    }
}

impl Credential for ClientCertificate {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let random = SystemRandom::new();
        let mut id = [0; 16];
        random
            .fill(&mut id)
            .map_err(|_| Error::credential("the system gave no random numbers"))?;
        let unsigned = unsigned(
            self.thumbprint.as_ref(),
            &entra::url(request, &self.tenant, "token"),
            &self.client_id,
            &guid(id),
            request.now(),
        );
        let assertion = self.sign(unsigned, &random)?;
        ask_with_assertion(request, &self.tenant, &self.client_id, &assertion)
    }

    fn name(&self) -> &'static str {
        "client certificate"
    }
}

impl Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self
            .thumbprint
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"));
        f.debug_struct("ClientCertificate")
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .field("thumbprint", &format_args!("{}", hex.collect::<String>()))
            .finish_non_exhaustive()
    }
}

/// Header and claims of an assertion, as they are signed.
fn unsigned(
    thumbprint: &[u8],
    audience: &str,
    client_id: &str,
    id: &str,
    now: OffsetDateTime,
) -> String {
    let now = now.unix_timestamp();
    let header = json!({
        "alg": "PS256",
        "typ": "JWT",
        "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint),
    });
    let claims = json!({
        "aud": audience,
        "iss": client_id,
        "sub": client_id,
        "jti": id,
        "nbf": now,
        "exp": now.saturating_add(LIFETIME),
    });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}")
}

/// A GUID of version 4 out of random bytes.
fn guid(random: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(random);
    let bits = bits & !(0xF << 76) | 4 << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xFFFF,
        bits >> 64 & 0xFFFF,
        bits >> 48 & 0xFFFF,
        bits & 0xFFFF_FFFF_FFFF,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn header_and_claims_are_those_of_the_vendors_page() {
        let unsigned = unsigned(
            &[0xFB; 32],
            "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",
            "an-app",
            "an-id",
            OffsetDateTime::from_unix_timestamp(1_767_225_600).unwrap(),
        );
        let (header, claims) = unsigned.split_once('.').unwrap();
        assert_eq!(
            decoded(header),
            json!({
                "alg": "PS256",
                "typ": "JWT",
                "x5t#S256": "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s",
            })
        );
        assert_eq!(
            decoded(claims),
            json!({
                "aud": "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",
                "iss": "an-app",
                "sub": "an-app",
                "jti": "an-id",
                "nbf": 1_767_225_600,
                "exp": 1_767_226_200,
            })
        );
    }

    #[test]
    fn a_guid_is_of_version_four_whatever_the_random_bytes_are() {
        assert_eq!(guid([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(guid([255; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let bytes = std::array::from_fn(|at| u8::try_from(at).unwrap() * 0x11);
        assert_eq!(guid(bytes), "00112233-4455-4677-8899-aabbccddeeff");
    }

    #[test]
    fn debug_shows_tenant_app_and_thumbprint_alone() {
        let pem = concat!(
            include_str!("../../tests/fixtures/certificates/rsa-2048.key"),
            include_str!("../../tests/fixtures/certificates/rsa-2048.crt"),
        );
        let credential = ClientCertificate::from_pem("contoso.com", "an-app", pem).unwrap();
        assert_eq!(
            format!("{credential:?}"),
            "ClientCertificate { tenant: \"contoso.com\", client_id: \"an-app\", thumbprint: 84DD480889BB04F7E3C604FE13A420FBE63D2BF27678F5A2D919F1C1BF981B9C, .. }"
        );
        assert_eq!(credential.name(), "client certificate");
    }
}
