//! Client credentials with a shared secret.

use crate::auth::{AccessToken, Credential, TokenRequest, entra};
use crate::error::Error;
use crate::secret::Secret;

/// An app registration and its client secret (OAuth 2.0 client credentials).
///
/// The way of «Create an app to access Microsoft Defender for Endpoint without a user». The token
/// is asked for at `{authority}/{tenant}/oauth2/v2.0/token`, through the client's own proxy and
/// root certificates. A token that comes without a lifetime counts as good for ten minutes.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Client, ClientSecret, Cloud};
///
/// # let secret = String::from("a~secret");
/// let credential = ClientSecret::new(
///     "contoso.onmicrosoft.com",
///     "11111111-2222-3333-4444-555555555555",
///     secret,
/// )?;
/// let client = Client::builder(credential).cloud(Cloud::UK).build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientSecret {
    tenant: String,
    client_id: String,
    secret: Secret,
}

impl ClientSecret {
    /// The tenant by its id or one of its domains, the application (client) id, and the secret's
    /// value (not its id).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the tenant is neither a GUID nor a
    /// domain, when the client id is empty or holds other than letters, digits and `-`, or when
    /// the secret is empty or holds control characters, such as the line break at the end of a
    /// file. Nothing is sent.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        secret: impl Into<Secret>,
    ) -> Result<Self, Error> {
        let (tenant, client_id, secret) = (tenant.into(), client_id.into(), secret.into());
        entra::check_tenant(&tenant)?;
        entra::check_client_id(&client_id)?;
        if secret.expose().trim().is_empty() || secret.expose().chars().any(char::is_control) {
            return Err(
                Error::config("the client secret is empty or holds control characters")
                    .with_hint("a secret read from a file may have a line break at its end"),
            );
        }
        Ok(Self {
            tenant,
            client_id,
            secret,
        })
    }
}

impl Credential for ClientSecret {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let form = [
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.secret.expose()),
            ("grant_type", "client_credentials"),
            ("scope", request.scope()),
        ];
        entra::ask(request, &self.tenant, &form, &self.secret)
    }

    fn name(&self) -> &'static str {
        "client secret"
    }
}
