//! A fake tenant: what a test asks of it and changes while it runs.

mod client;

use std::io;
use std::sync::Arc;

use serde::Serialize;

use super::builder::{self, TenantBuilder};
use super::demo;
use super::exchange::Exchange;
use super::fault::Fault;
use super::server::Server;
use super::service::Service;

/// A Defender for Endpoint tenant and its token endpoint on `127.0.0.1`, for tests and examples.
///
/// It listens on a free port from [`start`](TenantBuilder::start) or [`demo`](Self::demo) until it
/// is dropped, and never sleeps: a test decides with [`fail`](Self::fail) what goes wrong. It
/// answers
///
/// - `POST /{tenant_id}/oauth2/v2.0/token`, the client credentials flow, with the client secret or with
///   any JWT as `client_assertion`, whoever signed it; the answer is a new token each time, which says of
///   itself what real ones do, but is signed by nobody (tokens expire by [`TenantBuilder::clock`], and by
///   [`expire_tokens`](Self::expire_tokens)),
/// - `GET /api/machines` («List machines API») with `$top`, `$skip`, `$filter` over the documented
///   properties, `$orderby` and `$select`; without `$top` in pages with `@odata.nextLink`, with
///   `$top` without a link,
/// - `GET /api/machines/{id}` («Get machine by ID API»), by id or computer name,
/// - `GET /api/DeviceAuthenticatedScanAgents` («Get all scan agents») and
///   `GET /api/DeviceAuthenticatedScanAgents/{id}` («Get scan agent by ID»), by id or machine id,
/// - `GET /api/DeviceAuthenticatedScanDefinitions` («Get scan definitions») and
///   `GET /api/DeviceAuthenticatedScanDefinitions/{id}` (from the service's schema),
/// - `POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId` («Get scan
///   history by definition») with `$top` and `$skip`, newest rows first, without their targets,
/// - `POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryBySessionId` («Get scan history by
///   session»), the same rows with their targets, all at once where `$top` and `$skip` are left out,
///
/// also under `/api/v1.0/`, and 404 for every other path that no [`Fault`] serves. It is strict: what the documentation doesn't allow is refused with
/// the service's error JSON and a message that says what was wrong. In two places it takes more than
/// is documented, which the real service may refuse: `$top` and `$skip` by session, and, where
/// definitions are written, a scanner without a `machineName`. Filters know `eq`, `ne`, `lt`,
/// `le`, `gt`, `ge`, `and`, `or`, `not`, parentheses, `startswith`, `endswith`, `contains` and
/// `any`; text is compared exactly, enumerations have no order.
///
/// # Writing
///
/// With the feature `write` it also answers, for an application that has been granted
/// `Machine.ReadWrite.All` ([`TenantBuilder::roles`]), the page «Add, update, or delete a scan
/// definition»:
///
/// - `POST /api/DeviceAuthenticatedScanDefinitions`, which adds a definition,
/// - `PATCH /api/DeviceAuthenticatedScanDefinitions/{id}`, which changes one,
/// - `POST /api/DeviceAuthenticatedScanDefinitions/BatchDelete`, which deletes some and ignores ids that
///   it doesn't know. The real service's answer is not documented; here it is status 204 without a body.
///
/// What they did is in the next answers that list definitions. The history of a deleted one stays.
///
/// A body must have the documented names, in their case and no others, and values of their types; adding
/// needs all of them, changing at least one. `scanType` is `Network` or `Linux` (`Windows` is retired, and
/// stays only where it is), `targetType` is `Ip`, `Hostname` or `Combined`, and `scanAuthenticationParams`
/// are those of the scan's type, `SnmpAuthParams` or `LinuxAuthParams`, with all that their own `type`
/// needs, or with a key vault and the name of a secret in it. In a tenant with scan agents,
/// `scannerAgent.machineId` is the machine of one of them. What a target looks like is not checked. The
/// answer is the definition as it is then, without `scanAuthenticationParams`, as in practice: the tenant
/// doesn't keep credentials.
///
/// # Example
///
/// ```
/// use defender_endpoint::testing::{Fault, Tenant};
///
/// let tenant = Tenant::builder()
///     .machines([serde_json::json!({ "id": "1e5bc9d7", "computerDnsName": "srv-1" })])
///     .start()?;
/// tenant.fail(Fault::status(503).path("machines"));
///
/// // ... run the program under test against `tenant.url()` and `tenant.authority()` ...
///
/// for call in tenant.exchanges() {
///     println!("{} {} {:?}", call.method(), call.path(), call.status());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Tenant {
    pub(super) service: Arc<Service>,
    /// Only held: its drop ends the listener and the connections.
    pub(super) server: Server,
}

impl Tenant {
    /// Starts a tenant with a demo fleet: 347 machines in pages of 100, 5 scan agents, 8 scan
    /// definitions and 60 rows of scan history.
    ///
    /// The fleet is the same every time, with what real ones hold: stale and merely discovered
    /// devices, a name with two ids, a merged record, names with quotes and umlauts, missing and
    /// null fields, a value that no list documents, a date of the year 1, both spellings of the
    /// scan family, targets of scans that were reached, lost, and never reached. Dates are relative to
    /// the moment the process first made a demo tenant, so that "not seen for two weeks" means the same
    /// devices on every day.
    ///
    /// # Errors
    ///
    /// Those of opening a port on loopback and of starting a thread.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// assert!(tenant.url().starts_with("http://127.0.0.1:"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn demo() -> io::Result<Self> {
        Self::demo_builder().start()
    }

    /// The demo fleet for more settings: a clock, other pages.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::{FakeClock, Tenant};
    ///
    /// let tenant = Tenant::demo_builder().clock(FakeClock::new()).page_size(10).start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn demo_builder() -> TenantBuilder {
        Self::builder()
            .machines(demo::machines())
            .scan_agents(demo::scan_agents())
            .scan_definitions(demo::scan_definitions())
            .scan_history(demo::scan_history())
            .page_size(100)
    }

    /// A tenant to be filled: without rows, and with pages of 10,000.
    ///
    /// # Example
    ///
    /// ```
    /// let empty = defender_endpoint::testing::Tenant::builder().start()?;
    /// # drop(empty);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> TenantBuilder {
        TenantBuilder::new()
    }

    /// The origin of the API, such as `http://127.0.0.1:40123`, without a slash at the end.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// let machines = format!("{}/api/machines", tenant.url());
    /// # drop(machines);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn url(&self) -> &str {
        &self.service.url
    }

    /// The origin of the token endpoint, which is that of the API; the endpoint itself is
    /// `{authority}/{tenant_id}/oauth2/v2.0/token`.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// let token = format!("{}/{}/oauth2/v2.0/token", tenant.authority(), tenant.tenant_id());
    /// # drop(token);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn authority(&self) -> &str {
        self.url()
    }

    /// The tenant id that the token endpoint answers for; see [`TenantBuilder::tenant_id`].
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// assert_eq!(tenant.tenant_id().len(), 36);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn tenant_id(&self) -> &str {
        &self.service.app.tenant_id
    }

    /// The client id that may fetch tokens; see [`TenantBuilder::client_id`].
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// assert_eq!(tenant.client_id().len(), 36);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn client_id(&self) -> &str {
        &self.service.app.client_id
    }

    /// The client secret that fetches tokens. It opens nothing but this fake.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::builder().secret("hunter2").start()?;
    /// assert_eq!(tenant.client_secret(), "hunter2");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn client_secret(&self) -> &str {
        self.service.app.secret.expose()
    }

    /// The calls so far, token requests included, in the order in which they were answered; since
    /// the last [`clear`](Self::clear), if there was one.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// assert!(tenant.exchanges().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.service.state().exchanges.clone()
    }

    /// How many of the [`exchanges`](Self::exchanges) have this text in their path.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// assert_eq!(tenant.calls("/api/machines"), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn calls(&self, path_part: &str) -> usize {
        let state = self.service.state();
        state
            .exchanges
            .iter()
            .filter(|call| call.path().contains(path_part))
            .count()
    }

    /// How many of the [`exchanges`](Self::exchanges) are token requests, granted or not.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// assert_eq!(tenant.token_requests(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn token_requests(&self) -> usize {
        let state = self.service.state();
        state
            .exchanges
            .iter()
            .filter(|call| call.is_token_request())
            .count()
    }

    /// Forgets the exchanges so far. Queued faults stay, and so do tokens.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// tenant.clear();
    /// assert!(tenant.exchanges().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn clear(&self) {
        self.service.state().exchanges.clear();
    }

    /// Queues a fault for calls from now on.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::{Fault, Tenant};
    ///
    /// let tenant = Tenant::demo()?;
    /// tenant.fail(Fault::disconnect().path("machines").on_call(2));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fail(&self, fault: Fault) {
        self.service.state().faults.push(fault);
    }

    /// Takes back all faults, so that everything works again.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::testing::{Fault, Tenant};
    ///
    /// let tenant = Tenant::demo()?;
    /// tenant.fail(Fault::status(503).always());
    /// // ... the program under test reports an outage ...
    /// tenant.clear_faults();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn clear_faults(&self) {
        self.service.state().faults.clear();
    }

    /// Makes every token handed out so far answer 401.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// tenant.expire_tokens();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn expire_tokens(&self) {
        self.service.state().tokens.clear();
    }

    /// Changes the fleet while the tenant runs, as devices come and go between two pages: with an
    /// iterator of one thread exactly there, if it is called between two of its `next`s
    /// ([«A bad day»](crate::testing#a-bad-day)). A thread that reads ahead may have fetched the next
    /// page already.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a row doesn't serialise to an object; the
    /// fleet then stays as it was.
    ///
    /// # Example
    ///
    /// ```
    /// let tenant = defender_endpoint::testing::Tenant::demo()?;
    /// tenant.set_machines([serde_json::json!({ "id": "1e5bc9d7" })])?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_machines<I>(&self, machines: I) -> io::Result<()>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let machines = builder::checked(builder::rows("machines", machines))?;
        self.service.state().machines = Arc::new(machines);
        Ok(())
    }
}

/// Rows, faults and exchanges are left out.
impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant")
            .field("url", &self.service.url)
            .field("app", &self.service.app)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
