//! The way to the tenant for programs that use the crate.

use super::Tenant;
use crate::auth::ClientSecret;
use crate::client::{Client, ClientBuilder};
use crate::cloud::Cloud;
use crate::error::Error;

impl Tenant {
    /// A client for this tenant, with its credentials and no proxy. It works for as long as the
    /// tenant is kept: dropping that stops the server.
    ///
    /// # Errors
    ///
    /// None in practice: the tenant's own settings are valid.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let tenant = Tenant::demo()?;
    /// assert_eq!(tenant.client()?.machines().into_iter().count(), 347);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client(&self) -> Result<Client, Error> {
        self.client_builder()?.build()
    }

    /// The same, for more settings: a clock, limits, timeouts.
    ///
    /// # Errors
    ///
    /// None in practice: the tenant's own settings are valid.
    pub fn client_builder(&self) -> Result<ClientBuilder, Error> {
        Ok(Client::builder(self.credential()?)
            .cloud(self.cloud())
            .no_proxy())
    }

    /// The tenant's API host and login authority, for a client with a
    /// [`Credential`](crate::Credential) of your own.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Tenant;
    /// use defender_endpoint::{Client, StaticToken};
    ///
    /// let tenant = Tenant::demo()?;
    /// let stranger = Client::builder(StaticToken::new("not-of-this-tenant")?)
    ///     .cloud(tenant.cloud())
    ///     .no_proxy()
    ///     .build()?;
    /// assert_eq!(stranger.scan_agents().unwrap_err().status(), Some(401));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cloud(&self) -> Cloud {
        Cloud::COMMERCIAL
            .with_api_url(self.url())
            .with_authority(self.authority())
    }

    /// The credential that the tenant's token endpoint accepts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if
    /// [`TenantBuilder::secret`](crate::testing::TenantBuilder::secret) was given one that can't be used.
    pub fn credential(&self) -> Result<ClientSecret, Error> {
        ClientSecret::new(self.tenant_id(), self.client_id(), self.client_secret())
    }
}
