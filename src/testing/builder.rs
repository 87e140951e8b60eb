//! What a fake tenant is made of.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::history;
use super::schema::Row;
use super::server::Server;
use super::service::{Service, State};
use super::tenant::Tenant;
use super::token::App;
use crate::auth::{check_client_id, check_tenant};
use crate::clock::{Clock, SystemClock};
use crate::secret::Secret;

const TENANT_ID: &str = "8f1d2c5e-3a47-4b0e-9c26-5d7e1f0a4b93";
const CLIENT_ID: &str = "c2b7e9a4-61d0-4f38-8e5b-0a93d4c7f612";
/// Has characters that must be encoded in a form, as real secrets do.
const SECRET: &str = "fake~8Q+secret/of the&demo=tenant%";

/// What a [`Tenant`] is made of; from [`Tenant::builder`].
///
/// Rows are anything that serialises to an object with the service's names, such as
/// `serde_json::Value` or this crate's own models.
///
/// # Example
///
/// ```
/// use defender_endpoint::testing::Tenant;
/// use serde_json::json;
///
/// let tenant = Tenant::builder()
///     .machines((0..250).map(|n| json!({ "id": format!("{n:040x}") })))
///     .page_size(100)
///     .start()?;
/// # drop(tenant);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct TenantBuilder {
    machines: Result<Vec<Row>, String>,
    scan_agents: Result<Vec<Row>, String>,
    scan_definitions: Result<Vec<Row>, String>,
    scan_history: Result<Vec<Row>, String>,
    page_size: usize,
    max_top: usize,
    tenant_id: String,
    client_id: String,
    secret: Secret,
    token_lifetime: Duration,
    roles: Vec<String>,
    gzip: bool,
    clock: Arc<dyn Clock>,
}

impl TenantBuilder {
    pub(super) fn new() -> Self {
        Self {
            machines: Ok(Vec::new()),
            scan_agents: Ok(Vec::new()),
            scan_definitions: Ok(Vec::new()),
            scan_history: Ok(Vec::new()),
            page_size: 10_000,
            max_top: usize::MAX,
            tenant_id: TENANT_ID.to_owned(),
            client_id: CLIENT_ID.to_owned(),
            secret: Secret::from(SECRET),
            token_lifetime: Duration::from_secs(3_599),
            roles: vec!["Machine.Read.All".to_owned()],
            gzip: true,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the machines, in the order in which they are listed. By default there are none.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let builder = Tenant::builder().machines([serde_json::json!({ "id": "1e5bc9d7" })]);
    /// # drop(builder);
    /// ```
    pub fn machines<I>(mut self, machines: I) -> Self
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        self.machines = rows("machines", machines);
        self
    }

    /// Sets the scan agents, in the order in which they are listed. By default there are none.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let builder = Tenant::builder()
    ///     .scan_agents([serde_json::json!({ "id": "org_1e5bc9d7", "machineId": "1e5bc9d7" })]);
    /// # drop(builder);
    /// ```
    pub fn scan_agents<I>(mut self, agents: I) -> Self
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        self.scan_agents = rows("scan_agents", agents);
        self
    }

    /// Sets the scan definitions, in the order in which they are listed. By default there are
    /// none.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let builder = Tenant::builder()
    ///     .scan_definitions([serde_json::json!({ "id": "4ad8d463", "scanType": "Network" })]);
    /// # drop(builder);
    /// ```
    pub fn scan_definitions<I>(mut self, definitions: I) -> Self
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        self.scan_definitions = rows("scan_definitions", definitions);
        self
    }

    /// Sets the rows of the scan history, in any order: the service lists them newest first. By
    /// default there are none. A row belongs to the definition that its `ScanDefinitionIds` (a
    /// string or an array) or `scanDefinitionId` names, and is the session of its `SessionIds` or
    /// `sessionId`. Its `ListScannedTargets` or `scannedTargets` come only where it is asked for by
    /// session.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let builder = Tenant::builder().scan_history([serde_json::json!({
    ///     "ScanDefinitionIds": "4ad8d463",
    ///     "LastScanned": "2022-12-20T11:14:24.5561791Z",
    ///     "ScanStatus": "Partial Success",
    /// })]);
    /// # drop(builder);
    /// ```
    pub fn scan_history<I>(mut self, history: I) -> Self
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        self.scan_history = rows("scan_history", history);
        self
    }

    /// Sets how many rows a page has when the request doesn't say `$top`, 1 or more. By default
    /// 10,000, as the service has it. Scan history by session then comes all at once.
    ///
    /// # Example
    ///
    /// ```
    /// let builder = defender_endpoint::testing::Tenant::builder().page_size(2);
    /// # drop(builder);
    /// ```
    pub fn page_size(mut self, rows: usize) -> Self {
        self.page_size = rows;
        self
    }

    /// Gives at most this many rows, 1 or more, to a request that asks for more with `$top`, and
    /// doesn't tell. By default every `$top` that the documentation allows gets its rows.
    ///
    /// # Example
    ///
    /// ```
    /// let builder = defender_endpoint::testing::Tenant::builder().max_top(1_000);
    /// # drop(builder);
    /// ```
    pub fn max_top(mut self, rows: usize) -> Self {
        self.max_top = rows;
        self
    }

    /// Sets the tenant's id: a GUID, or a domain. By default a fixed one, the same for all tenants.
    ///
    /// A tenant refuses token requests that name another tenant or another application, as Entra does,
    /// and tokens that it has not made itself. So two tenants with ids of their own show whether a
    /// program mixes up its customers.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Tenant;
    /// use defender_endpoint::{Client, ErrorKind};
    ///
    /// let contoso = Tenant::demo()?;
    /// let fabrikam = Tenant::builder().tenant_id("0f4b7c9e-52d1-4a86-b3f0-9e1d6c8a2b75").start()?;
    ///
    /// let mixed_up = Client::builder(fabrikam.credential()?)
    ///     .cloud(contoso.cloud())
    ///     .no_proxy()
    ///     .build()?;
    /// let error = mixed_up.scan_agents().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Credential);
    /// assert!(error.to_string().contains("AADSTS90002")); // no such tenant
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tenant_id(mut self, id: impl Into<String>) -> Self {
        self.tenant_id = id.into();
        self
    }

    /// Sets the client id of the application that may fetch tokens: letters, digits and `-`. By default a
    /// fixed one, the same for all tenants; an application that serves many customers has the same in
    /// each. Another one is refused with AADSTS700016.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let id = "7d3a9f10-6b2e-4c58-a1d4-3e8f5b0c9d26";
    /// assert_eq!(Tenant::builder().client_id(id).start()?.client_id(), id);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = id.into();
        self
    }

    /// Sets the client secret that the token endpoint wants. By default a fixed one; see
    /// [`Tenant::client_secret`].
    ///
    /// # Example
    ///
    /// ```
    /// let builder = defender_endpoint::testing::Tenant::builder().secret("hunter2");
    /// # drop(builder);
    /// ```
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Secret::from(secret.into());
        self
    }

    /// Sets the `expires_in` that comes with a token, in whole seconds. By default 3,599 s. The
    /// service refuses it when that time is over, by [`clock`](Self::clock).
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let builder = Tenant::builder().token_lifetime(Duration::from_secs(600));
    /// # drop(builder);
    /// ```
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Sets the application permissions that an administrator has granted. By default
    /// `Machine.Read.All`, which is enough for all operations here that read; those that write, which are
    /// there with the feature `write`, need `Machine.ReadWrite.All`. A token says which there are
    /// ([`TokenClaims::roles`](crate::TokenClaims::roles)), and a call for which none will do is
    /// answered with 403.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::ErrorKind;
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let tenant = Tenant::demo_builder().roles(["Machine.ReadWrite.All"]).start()?;
    /// let client = tenant.client()?;
    /// assert!(client.machines().top(1).into_iter().all(|machine| machine.is_ok()));
    /// assert_eq!(client.scan_agents().unwrap_err().kind(), ErrorKind::Forbidden);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn roles<I>(mut self, roles: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether the API compresses its answers for a client that accepts gzip. By default it
    /// does.
    ///
    /// # Example
    ///
    /// ```
    /// let builder = defender_endpoint::testing::Tenant::builder().gzip(false);
    /// # drop(builder);
    /// ```
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }

    /// Sets the time in which the tenant lives: by it its tokens expire, and
    /// [`Exchange::at`](super::Exchange::at) is told. By default it is the system's.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::{FakeClock, Tenant};
    ///
    /// let clock = FakeClock::new(); // to be given to the client as well
    /// let builder = Tenant::builder().clock(clock.clone());
    /// # drop(builder);
    /// ```
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens a free port on `127.0.0.1` and answers on it until the tenant is dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a row doesn't serialise to an object, if a page
    /// size or the highest `$top` is 0, or if an id is none that a credential takes; else those of opening a port on loopback and of
    /// starting a thread.
    ///
    /// # Example
    ///
    /// ```
    /// use std::io::ErrorKind;
    ///
    /// use defender_endpoint::testing::Tenant;
    ///
    /// let error = Tenant::builder().machines(["not an object"]).start().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn start(self) -> io::Result<Tenant> {
        if self.page_size == 0 || self.max_top == 0 {
            return checked(Err("page_size and max_top are at least 1".to_owned()));
        }
        let ids = check_tenant(&self.tenant_id).and_then(|()| check_client_id(&self.client_id));
        checked(ids.map_err(|error| error.to_string()))?;
        let mut history = checked(self.scan_history)?;
        history::sort(&mut history);
        let state = State {
            machines: Arc::new(checked(self.machines)?),
            definitions: Arc::new(checked(self.scan_definitions)?),
            ..State::default()
        };

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let service = Arc::new(Service {
            url: format!("http://{}", listener.local_addr()?),
            app: App {
                tenant_id: self.tenant_id,
                client_id: self.client_id,
                secret: self.secret,
                token_lifetime: self.token_lifetime,
                roles: self.roles,
            },
            page_size: self.page_size,
            max_top: self.max_top,
            gzip: self.gzip,
            clock: self.clock,
            agents: checked(self.scan_agents)?,
            history,
            state: Mutex::new(state),
        });
        let server = Server::start(listener, service.clone())?;
        Ok(Tenant { service, server })
    }
}

/// Rows are left out: scan definitions may hold secrets.
impl std::fmt::Debug for TenantBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count =
            |rows: &Result<Vec<Row>, String>| rows.as_ref().map(Vec::len).map_err(Clone::clone);
        f.debug_struct("TenantBuilder")
            .field("machines", &count(&self.machines))
            .field("scan_agents", &count(&self.scan_agents))
            .field("scan_definitions", &count(&self.scan_definitions))
            .field("scan_history", &count(&self.scan_history))
            .field("page_size", &self.page_size)
            .field("max_top", &self.max_top)
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .field("secret", &self.secret)
            .field("token_lifetime", &self.token_lifetime)
            .field("roles", &self.roles)
            .field("gzip", &self.gzip)
            .field("clock", &self.clock)
            .finish()
    }
}

/// The rows as objects, or which one is none.
pub(super) fn rows<I>(what: &str, rows: I) -> Result<Vec<Row>, String>
where
    I: IntoIterator,
    I::Item: Serialize,
{
    let row = |(number, row)| match serde_json::to_value(row) {
        Ok(Value::Object(row)) => Ok(row),
        _ => Err(format!(
            "row {number} of {what} doesn't serialise to an object"
        )),
    };
    rows.into_iter().enumerate().map(row).collect()
}

pub(super) fn checked<T>(result: Result<T, String>) -> io::Result<T> {
    result.map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))
}
