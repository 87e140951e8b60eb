//! How a client is built: the settings, each with its default, and what is checked of them.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "rustls", feature = "native-tls"))]
use zeroize::Zeroizing;

use super::Client;
use crate::auth::{Credential, TokenCache};
use crate::call::Shared;
use crate::clock::{Clock, SystemClock};
use crate::cloud::{Cloud, Origin};
use crate::environment;
use crate::error::Error;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use crate::http::Tls;
use crate::http::{Http, Proxy, Settings};
use crate::rate_limit::{RateLimiter, RateLimits};
use crate::retry::RetryPolicy;
use crate::secret::Secret;
use crate::wait::{Observer, Wait};

/// A timeout of one exchange that is longer is no timeout, and could overflow the transport's clock.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);

/// The settings of a [`Client`], each with a default. Made by [`Client::builder`].
///
/// Setters can't fail: [`build`](Self::build) checks them all.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Client, RateLimits, StaticToken};
///
/// // One of four processes on the same app registration.
/// let client = Client::builder(StaticToken::new("a-token")?)
///     .rate_limits(RateLimits::documented().divided_by(4))
///     .build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder {
    credential: Arc<dyn Credential>,
    cloud: Cloud,
    limits: RateLimits,
    limiter: Option<RateLimiter>,
    user_agent: Option<String>,
    connect_timeout: Duration,
    read_timeout: Duration,
    try_timeout: Duration,
    body_limit: u64,
    max_wait: Duration,
    deadline: Option<Duration>,
    retry_policy: RetryPolicy,
    observer: Option<Observer>,
    proxy: Proxy,
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    tls: Tls,
    clock: Arc<dyn Clock>,
}

impl ClientBuilder {
    pub(super) fn new(credential: Arc<dyn Credential>) -> Self {
        Self {
            credential,
            cloud: Cloud::default(),
            limits: RateLimits::default(),
            limiter: None,
            user_agent: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            try_timeout: Duration::from_secs(300),
            body_limit: 64 * 1024 * 1024,
            max_wait: Duration::from_secs(300),
            deadline: None,
            retry_policy: RetryPolicy::default(),
            observer: None,
            proxy: Proxy::Environment,
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            tls: Tls::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Settings from environment variables: a credential, and the hosts. An empty variable counts as
    /// missing.
    ///
    /// The credential is the first of these whose variables are all set:
    ///
    /// | | |
    /// | --- | --- |
    /// | [workload identity](crate::WorkloadIdentity) | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_FEDERATED_TOKEN_FILE` |
    /// | client certificate (feature `certificate`) | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_CERTIFICATE_PATH` |
    /// | [client secret](crate::ClientSecret) | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` |
    /// | [a job of GitHub Actions](crate::ClientAssertion::github_actions) | `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, and `ACTIONS_ID_TOKEN_REQUEST_URL` with `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, which GitHub sets for a job with `id-token: write` |
    /// | [managed identity](crate::ManagedIdentity) | `IDENTITY_ENDPOINT` with `IDENTITY_HEADER` or `IMDS_ENDPOINT`, which the platform sets; with `AZURE_CLIENT_ID`, the user-assigned one of that id |
    ///
    /// `AZURE_TOKEN_CREDENTIALS` chooses among them, with the names that the Azure SDKs use:
    /// `WorkloadIdentityCredential` (a token's file, or GitHub), `EnvironmentCredential` (certificate or secret),
    /// `ManagedIdentityCredential` (then also the agent of Azure Arc, or the metadata service of a
    /// virtual machine, that no variable names) or
    /// `AzureCliCredential` ([the Azure CLI](crate::AzureCli), in the tenant `AZURE_TENANT_ID` if that
    /// is set). `prod` is the order above and `dev` the Azure CLI. Unless it is named, no metadata
    /// service is asked and no `az` is started.
    ///
    /// | variable | |
    /// | --- | --- |
    /// | `AZURE_AUTHORITY_HOST` | the login authority, if not the cloud's |
    /// | `DEFENDER_CLOUD` | `commercial` (default), `us`, `eu`, `uk`, `au`, `gcc`, `gcc-high` or `dod` |
    /// | `DEFENDER_API_URL` | the API host, if not the cloud's; without `DEFENDER_CLOUD`, a host of the vendor's list selects its cloud's authority and scope too |
    /// | `DEFENDER_SCOPE` | the token scope, if not the cloud's |
    /// | `DEFENDER_ROOT_CERTIFICATES` | a file in PEM, for `root_certificates`: with the built-in roots of `rustls`; refused with the system's |
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoCredential`](crate::ErrorKind::NoCredential): of these variables none is set that a
    /// person sets (`AZURE_…`, `DEFENDER_…` but the root certificates), nor `IDENTITY_ENDPOINT`; GitHub's own
    /// don't count. A program that also works without an account goes on here.
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): some are, but no credential is named completely,
    /// and text and hint say of each what is missing; a certificate is, and the feature `certificate` is off; a
    /// value makes no sense, or what is in a certificate's file, or that can't be read;
    /// or a variable isn't Unicode. Nothing is sent.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::ClientBuilder;
    ///
    /// let client = ClientBuilder::from_env()?.user_agent("asset-sync/1.4").build()?;
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn from_env() -> Result<Self, Error> {
        environment::with_process(|environment| {
            let credential = environment.credential()?;
            let builder = Self::new(credential).cloud(environment.cloud()?);
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            let builder = match environment.root_certificates()? {
                Some(pem) => builder.with_roots(pem, Some(environment::ROOTS)),
                None => builder,
            };
            Ok(builder)
        })
    }

    /// Root certificates, and the variable that names them, if one does.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    fn with_roots(mut self, pem: Zeroizing<Vec<u8>>, variable: Option<&'static str>) -> Self {
        self.tls.roots = Some(pem);
        self.tls.roots_variable = variable;
        self
    }

    /// Which hosts to talk to, and the token's scope: all of them, those of the environment included.
    /// Defaults to [`Cloud::COMMERCIAL`].
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// The limits to keep. Defaults to [`RateLimits::documented`]: 100 calls in 60 seconds and
    /// 1,500 in 3,600, for each API.
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.limits = limits;
        self.limiter = None;
        self
    }

    /// A limiter that other clients use too, instead of one of its own. It keeps the clock that it
    /// was made with. Defaults to none.
    pub fn rate_limiter(mut self, limiter: RateLimiter) -> Self {
        self.limiter = Some(limiter);
        self
    }

    /// The program's name for the `User-Agent` header, before the crate's own. Defaults to none.
    pub fn user_agent(mut self, product: impl Into<String>) -> Self {
        self.user_agent = Some(product.into());
        self
    }

    /// How long a connection may take, TLS included, up to a day. Defaults to 10 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the service may be silent in the middle of an exchange, up to a day. Defaults to 60
    /// seconds: a full page takes it a while to start.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How long one exchange may take, the whole body included, up to a day. Defaults to 300
    /// seconds.
    pub fn try_timeout(mut self, timeout: Duration) -> Self {
        self.try_timeout = timeout;
        self
    }

    /// The largest body that is accepted, in bytes, counted after inflating. Defaults to 64 MiB;
    /// a full page of machines is about 11 MB. One row may not be larger than 16 MiB, whatever the
    /// limit.
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.body_limit = bytes;
        self
    }

    /// The longest single wait: for the rate limit, before a retry, or for a pause that the service
    /// asked for. Defaults to 5 minutes. A call that would have to wait longer fails at once,
    /// without waiting first: with the error of its last try, or else as
    /// [`ErrorKind::RateLimited`](crate::ErrorKind::RateLimited), or as
    /// [`ErrorKind::Throttled`](crate::ErrorKind::Throttled) if the service asked for the pause.
    ///
    /// Who makes 1,500 calls in a quarter of an hour has to wait 45 minutes for the next one. A
    /// program that may do so sets `Duration::MAX`.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How long one call may take in all: waiting, token, tries and bodies. Each page of a list is a
    /// call. Defaults to none; a request's own, such as
    /// [`ListMachines::deadline`](crate::machines::ListMachines::deadline), goes before it.
    ///
    /// A page, or one agent, that arrives damaged and is fetched again is another call, with a
    /// deadline of its own.
    ///
    /// Nobody waits for what would come too late: a wait beyond the deadline fails at once, with
    /// the last real error of the call if there was one.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How failed calls are tried again. Defaults to [`RetryPolicy::default`]: three retries, from
    /// 0.8 seconds doubling to at most 60.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = policy;
        self
    }

    /// Hears of every wait: when it begins, and every second while it lasts. Returning
    /// [`ControlFlow::Break`] ends it, and the call fails with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). Defaults to none.
    ///
    /// Called on the thread that waits, without any lock held. It must return soon, since those
    /// who wait behind this call wait for it, and must not call the API itself. Waiting for the
    /// token that another thread fetches, for answers, and for the Azure CLI is not told.
    ///
    /// # Example
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use defender_endpoint::{Client, StaticToken};
    ///
    /// static STOP: AtomicBool = AtomicBool::new(false); // set by a signal handler
    ///
    /// let client = Client::builder(StaticToken::new("a-token")?)
    ///     .on_wait(|wait| {
    ///         if wait.elapsed().is_zero() {
    ///             eprintln!("{wait}"); // once: when it begins
    ///         }
    ///         if STOP.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    ///     })
    ///     .build()?;
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn on_wait(
        mut self,
        hear: impl Fn(&Wait) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.observer = Some(Observer::new(hear));
        self
    }

    /// An HTTP proxy, `http://[user:password@]host:port`, for the API and for tokens, or with
    /// `https://` one that is spoken to over TLS. User and password are percent-encoded. Defaults to
    /// the one that `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY` names, the first of these that is set
    /// and not empty, with the exceptions of `NO_PROXY` (names, addresses, and `.example.com` for what
    /// is below a domain, separated by commas without spaces). Each of these names counts in lower
    /// case too, after the same name in upper case. Plain `http` to a loopback address never goes
    /// through a proxy.
    ///
    /// Whatever the proxy is spoken to in, TLS with the service is inside: it sees which hosts are
    /// talked to, and no token.
    pub fn proxy(mut self, url: impl Into<Secret>) -> Self {
        self.proxy = Proxy::Url(url.into());
        self
    }

    /// No proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = Proxy::None;
        self
    }

    /// Root certificates, one or more in PEM, that are trusted in addition to the built-in ones: for
    /// a proxy that inspects TLS, or a gateway with certificates of the organisation's own. The last
    /// call counts. Defaults to none.
    ///
    /// The system's roots, as used by `platform_verifier` and `native_tls`, can't be added to: there,
    /// [`build`](Self::build) refuses other roots unless [`built_in_roots`](Self::built_in_roots) is
    /// `false`.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::ClientBuilder;
    ///
    /// let roots = std::fs::read("/etc/ssl/inspection-root.pem")?;
    /// let client = ClientBuilder::from_env()?.root_certificates(roots).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub fn root_certificates(self, pem: impl Into<Vec<u8>>) -> Self {
        self.with_roots(Zeroizing::new(pem.into()), None)
    }

    /// Whether the roots are trusted that are there without being given: Mozilla's, or the system's
    /// with `platform_verifier` and `native_tls`. Defaults to `true`; `false` trusts those of
    /// [`root_certificates`](Self::root_certificates) alone.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::ClientBuilder;
    ///
    /// // Whatever leads to another root than these is refused.
    /// let roots = std::fs::read("/etc/ssl/gateway-root.pem")?;
    /// let client = ClientBuilder::from_env()?
    ///     .root_certificates(roots)
    ///     .built_in_roots(false)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub fn built_in_roots(mut self, trusted: bool) -> Self {
        self.tls.built_in_roots = trusted;
        self
    }

    /// A certificate to show to whoever asks for one in the TLS handshake (mutual TLS), as some
    /// proxies and gateways do: in PEM, the certificate, those between it and its root, and its
    /// private key, not encrypted. Defaults to none.
    ///
    /// This is not the credential: the service knows a program by its token, and neither the API nor
    /// Microsoft Entra asks for a client certificate in the handshake.
    ///
    /// The certificate is of X.509 version 3. The key may be RSA of 2,048, 3,072 or 4,096 bits, ECDSA
    /// of the curve P-256 or P-384, or Ed25519, as PKCS#8, PKCS#1 (RSA) or SEC1 (EC). A program that
    /// installs a default `CryptoProvider` of rustls of its own has the kinds of that one; with
    /// `native_tls` they are those of the system's library, as PKCS#8 alone.
    ///
    /// What is given here is wiped from memory when it is no longer needed. The HTTP and TLS libraries
    /// make copies of the key, some for as long as the client lives, and don't wipe them.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::ClientBuilder;
    ///
    /// let pem = std::fs::read_to_string("/etc/ssl/private/gateway-client.pem")?;
    /// let client = ClientBuilder::from_env()?.client_certificate(pem).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    pub fn client_certificate(mut self, pem: impl Into<Secret>) -> Self {
        self.tls.client_certificate = Some(pem.into());
        self
    }

    /// The system's TLS library and its certificates. Defaults to TLS in Rust, unless the feature
    /// `rustls` is off.
    #[cfg(feature = "native-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "native-tls")))]
    pub fn native_tls(mut self) -> Self {
        self.tls.native = true;
        self
    }

    /// The operating system's certificate verifier, with the roots that its administrator trusts.
    /// Defaults to Mozilla's roots, built in.
    #[cfg(feature = "platform-verifier")]
    #[cfg_attr(docsrs, doc(cfg(feature = "platform-verifier")))]
    pub fn platform_verifier(mut self) -> Self {
        self.tls.platform_verifier = true;
        self
    }

    /// Another source of time, for tests: see [`testing::FakeClock`](crate::testing::FakeClock).
    #[cfg(feature = "testing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): the API URL or authority has more than
    /// scheme, host and port, or is `http` to other than a loopback address; the scope is empty; a
    /// rate limit, timeout, deadline, delay or the body limit is zero, or a timeout longer than a
    /// day; the proxy URL, the environment's too, or the user agent is not valid; or the crate was
    /// built without a TLS feature.
    ///
    /// Of certificates: the PEM is damaged, or what it holds is no X.509 certificate; the root
    /// certificates hold none, none at all is trusted, or some are given in addition to the system's;
    /// the client certificate is missing, comes with no key or several, or with an encrypted one, that
    /// of another certificate or one of a kind that the TLS library doesn't take, or can't be used
    /// itself.
    pub fn build(self) -> Result<Client, Error> {
        let origin = self.cloud.api_origin()?;
        let authority = self.cloud.authority_origin()?;
        self.cloud.check_scope()?;
        check_tls([&origin, &authority])?;
        self.check()?;
        let http = Http::new(&Settings {
            user_agent: user_agent(self.user_agent.as_deref()),
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            try_timeout: self.try_timeout,
            body_limit: self.body_limit,
            proxy: self.proxy,
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            tls: self.tls,
        })?;
        let limiter = match self.limiter {
            Some(limiter) => limiter,
            None => RateLimiter::with_clock(self.limits, &self.clock)?,
        };
        Ok(Client(Arc::new(Shared {
            cloud: self
                .cloud
                .with_api_url(origin.to_string())
                .with_authority(authority.to_string()),
            origin,
            http,
            tokens: TokenCache::new(self.credential, Arc::clone(&self.clock)),
            limiter,
            clock: self.clock,
            max_wait: self.max_wait,
            deadline: self.deadline,
            retry_policy: self.retry_policy,
            observer: self.observer,
        })))
    }

    /// What can be said of the settings without the parts that are made of them.
    fn check(&self) -> Result<(), Error> {
        for (name, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("read_timeout", self.read_timeout),
            ("try_timeout", self.try_timeout),
        ] {
            if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
                return Err(Error::config(format!(
                    "{name} is zero or longer than a day"
                )));
            }
        }
        if self.deadline.is_some_and(|deadline| deadline.is_zero()) {
            return Err(Error::config("deadline is zero"));
        }
        self.retry_policy.check()?;
        if self.body_limit == 0 {
            return Err(Error::config("body_limit is zero"));
        }
        let product = self.user_agent.as_deref();
        if product.is_some_and(|product| product.trim().is_empty()) {
            return Err(Error::config("the user agent is empty"));
        }
        Ok(())
    }
}

fn check_tls(origins: [&Origin; 2]) -> Result<(), Error> {
    let is_built_in = cfg!(any(feature = "rustls", feature = "native-tls"));
    if is_built_in || !origins.into_iter().any(Origin::is_https) {
        return Ok(());
    }
    Err(
        Error::config("this program was built without TLS, which https needs")
            .with_hint("turn on the crate's feature `rustls` (the default) or `native-tls`"),
    )
}

/// What stands in `User-Agent`: the program's own name first.
fn user_agent(product: Option<&str>) -> String {
    let own_name = concat!("defender-endpoint/", env!("CARGO_PKG_VERSION"));
    match product {
        Some(product) => format!("{product} {own_name}"),
        None => own_name.to_owned(),
    }
}
