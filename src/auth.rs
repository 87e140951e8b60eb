//! Tokens: what a credential is, and the cache that asks it as rarely as possible.

mod answer;
mod azure_cli;
mod cache;
mod claims;
mod client_assertion;
#[cfg(feature = "certificate")]
mod client_certificate;
mod client_secret;
mod device_code;
mod entra;
mod github_actions;
mod managed_identity;
mod static_token;
mod workload_identity;

use std::fmt::{self, Debug};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use time::OffsetDateTime;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::http::Http;
use crate::rate_limit::Api;
use crate::secret::Secret;
use crate::wait::{Deadline, Observer, Patience, WaitReason};

pub(crate) use cache::TokenCache;
#[cfg(feature = "testing")]
pub(crate) use claims::jwt;
#[cfg(feature = "testing")]
pub(crate) use client_assertion::{JWT_BEARER, check_assertion};
pub(crate) use entra::{check_client_id, check_tenant};
pub(crate) use github_actions::{TOKEN as ID_TOKEN_KEY, URL as ID_TOKEN_URL};

pub use azure_cli::AzureCli;
pub use claims::TokenClaims;
pub use client_assertion::ClientAssertion;
#[cfg(feature = "certificate")]
#[cfg_attr(docsrs, doc(cfg(feature = "certificate")))]
pub use client_certificate::ClientCertificate;
pub use client_secret::ClientSecret;
pub use device_code::{DeviceCode, DeviceCodePrompt};
pub use managed_identity::ManagedIdentity;
pub use static_token::StaticToken;
pub use workload_identity::WorkloadIdentity;

/// Something that can get an access token.
///
/// The crate has [those that are common](crate::credentials). Implement this for any other source; the
/// client caches what it returns until five minutes before it expires, and lets one thread ask for
/// all. A credential must not cache an answer itself, or it should never return one that the
/// service has refused: after a 401 the client asks again.
///
/// # Errors
///
/// [`Error::credential`] makes the error for "no token"; mark it
/// [retryable](Error::with_retryable) if asking again could help.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use defender_endpoint::{AccessToken, Client, Credential, Error, TokenRequest};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl Credential for Vault {
///     fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
///         let token = ask_the_vault(request.audience())
///             .map_err(|cause| Error::credential("the vault gave no token").with_source(cause))?;
///         Ok(AccessToken::new(token).expires_in(Duration::from_secs(3_600)))
///     }
/// }
/// # fn ask_the_vault(_: &str) -> std::io::Result<String> { Ok("a-token".into()) }
/// let client = Client::builder(Vault).build()?;
/// # Ok::<(), Error>(())
/// ```
pub trait Credential: Debug + Send + Sync {
    /// Asks for a new token. Called without any lock held, by one thread at a time for a client.
    ///
    /// # Errors
    ///
    /// Of kind [`Credential`](crate::ErrorKind::Credential): see the trait.
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error>;

    /// What kind of credential this is, for people: `client secret`, for instance, or `GitHub Actions`
    /// for an assertion that a job there asks for. Defaults to `credential`.
    fn name(&self) -> &'static str {
        "credential"
    }
}

impl<C: Credential + ?Sized> Credential for Arc<C> {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        (**self).token(request)
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }
}

impl<C: Credential + ?Sized> Credential for Box<C> {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        (**self).token(request)
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }
}

/// What a [`Credential`] is asked for.
///
/// # Example
///
/// ```
/// use defender_endpoint::TokenRequest;
///
/// fn describe(request: &TokenRequest<'_>) -> String {
///     format!("{} from {}", request.scope(), request.authority())
/// }
/// ```
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    scope: &'a str,
    authority: &'a str,
    transport: &'a Http,
    clock: &'a dyn Clock,
    deadline: Deadline,
    /// For a call of this API.
    api: Api,
    /// Who hears of waits.
    observer: Option<&'a Observer>,
    /// Is told of a wait that was refused or broken off.
    gave_up: Option<&'a OnceLock<ErrorKind>>,
    /// The old token is still good.
    early: bool,
}

impl<'a> TokenRequest<'a> {
    pub(crate) fn new(
        scope: &'a str,
        authority: &'a str,
        transport: &'a Http,
        clock: &'a dyn Clock,
        deadline: Deadline,
        api: Api,
    ) -> Self {
        Self {
            scope,
            authority,
            transport,
            clock,
            deadline,
            api,
            observer: None,
            gave_up: None,
            early: false,
        }
    }

    pub(crate) fn heard_by(self, observer: Option<&'a Observer>) -> Self {
        Self { observer, ..self }
    }

    /// The same, but that a wait for which this caller has no time or no patience is noted here, by the
    /// kind of its error: whatever the credential makes of that, it is not everybody's.
    fn noting(self, gave_up: &'a OnceLock<ErrorKind>) -> Self {
        Self {
            gave_up: Some(gave_up),
            ..self
        }
    }

    /// The same for another time.
    fn until(self, deadline: Deadline) -> Self {
        Self { deadline, ..self }
    }

    /// The same while the old token is good, or not.
    fn early(self, early: bool) -> Self {
        Self { early, ..self }
    }

    /// The same for another scope, `/.default` behind the audience: for a credential that needs a token
    /// of another one first.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::{Credential, Error, Secret, TokenRequest};
    ///
    /// /// What another credential vouches with.
    /// fn assertion(of: &dyn Credential, request: &TokenRequest<'_>) -> Result<Secret, Error> {
    ///     let request = request.with_scope("api://AzureADTokenExchange/.default");
    ///     Ok(of.token(&request)?.secret().clone())
    /// }
    /// ```
    pub fn with_scope(self, scope: &'a str) -> Self {
        Self { scope, ..self }
    }

    /// The scope of the v2.0 token endpoint, such as
    /// `https://api.securitycenter.microsoft.com/.default`.
    pub fn scope(&self) -> &'a str {
        self.scope
    }

    /// The scope without `/.default`: what endpoints with a `resource` parameter want.
    pub fn audience(&self) -> &'a str {
        self.scope.strip_suffix("/.default").unwrap_or(self.scope)
    }

    /// The login authority, without a slash at its end, such as
    /// `https://login.microsoftonline.com`.
    pub fn authority(&self) -> &'a str {
        self.authority
    }

    /// What is left of the deadline of the call that needs the token, if it has one: half of it
    /// where the old token is still good, so that the call gets its time even if this one hangs.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline.left(self.clock)
    }

    /// Lets a credential wait before its next request. Fails at once if the deadline comes first,
    /// and when the client's observer breaks the wait off.
    fn pause(&self, pause: Duration) -> Result<(), Error> {
        let mut patience = Patience::new(self.clock, Duration::MAX, self.deadline, self.observer);
        let outcome = patience.pause(self.api, WaitReason::Token, pause);
        if let (Err(error), Some(gave_up)) = (&outcome, self.gave_up) {
            gave_up.get_or_init(|| error.kind());
        }
        outcome
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.utc()
    }

    fn transport(&self) -> &'a Http {
        self.transport
    }
}

impl Debug for TokenRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("scope", &self.scope)
            .field("authority", &self.authority)
            .field("time_left", &self.time_left())
            .finish_non_exhaustive()
    }
}

/// A token and how long it is good for.
///
/// Without an expiry the token is used until the service refuses it. With both, the earlier one
/// counts.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use defender_endpoint::AccessToken;
///
/// let token = AccessToken::new("eyJ0eXAi...").expires_in(Duration::from_secs(3_599));
/// assert!(!format!("{token:?}").contains("eyJ0"));
/// ```
#[derive(Clone, Debug)]
pub struct AccessToken {
    secret: Secret,
    expires_in: Option<Duration>,
    expires_on: Option<OffsetDateTime>,
}

impl AccessToken {
    /// A token that doesn't say when it expires.
    pub fn new(token: impl Into<Secret>) -> Self {
        Self {
            secret: token.into(),
            expires_in: None,
            expires_on: None,
        }
    }

    /// How long it is good for, from now on. Counted on the monotonic clock, so that a wrong
    /// system time does no harm; prefer it where the answer has both.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.expires_in = Some(lifetime);
        self
    }

    /// The token itself, for a credential that gets its own by means of another's.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Until when it is good, by the system's date and time.
    pub fn expires_on(mut self, moment: impl Into<OffsetDateTime>) -> Self {
        self.expires_on = Some(moment.into());
        self
    }
}

/// Whether this can stand behind `Bearer ` in a header (RFC 6750's `b64token`, within reason).
fn check_token(token: &Secret) -> Result<(), Error> {
    const LONGEST: usize = 32 * 1024;
    let token = token.expose();
    let why = if token.is_empty() {
        "is empty"
    } else if token.len() > LONGEST {
        "is longer than 32 KiB"
    } else if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    } else {
        "holds spaces, line breaks or other characters that a token can't have"
    };
    Err(Error::credential(format!("the access token {why}")))
}
