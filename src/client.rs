//! The client: one method for each operation.

mod builder;

use std::fmt;
use std::sync::Arc;

use crate::auth::{Credential, TokenClaims};
use crate::call::Shared;
use crate::cloud::Cloud;
use crate::error::Error;
use crate::machines::{self, ListMachines, Machine, MachinesById, OnMachine};
use crate::paging::{Items, Listing, Walk};
use crate::rate_limit::{Api, Quota};
use crate::scan_agents::{self, ScanAgent};
use crate::scan_definitions::{self, ScanDefinition};
#[cfg(feature = "write")]
use crate::scan_definitions::{BatchDeletion, NewScanDefinition, ScanDefinitionUpdate};
use crate::scan_history::ListScanHistory;
use crate::secret::Secret;
use crate::wait::Deadline;

pub use builder::ClientBuilder;

/// A client of the Microsoft Defender for Endpoint API.
///
/// Cheap to clone, and `Send + Sync`: clones share connections, the token and the rate limiter, so
/// make one client for a tenant and hand out clones. Every method blocks the calling thread for as
/// long as it takes, waiting for the rate limit included.
///
/// # Example
///
/// ```no_run
/// use defender_endpoint::Client;
///
/// let client = Client::from_env()?;
/// for machine in client.machines() {
///     println!("{}", machine?.id);
/// }
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone)]
pub struct Client(Arc<Shared>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("api_url", &self.0.url("", ""))
            .field("limits", &self.0.limiter.limits())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client with the credentials that the environment names, and default settings: see
    /// [`ClientBuilder::from_env`], which also takes settings of one's own:
    ///
    /// ```no_run
    /// use defender_endpoint::{ClientBuilder, Cloud};
    ///
    /// let client = ClientBuilder::from_env()?.cloud(Cloud::GCC_HIGH).build()?;
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoCredential`](crate::ErrorKind::NoCredential) and [`Config`](crate::ErrorKind::Config) as of
    /// [`ClientBuilder::from_env`], and those of [`ClientBuilder::build`]. Nothing is sent.
    pub fn from_env() -> Result<Self, Error> {
        ClientBuilder::from_env()?.build()
    }

    /// Starts to build a client with this credential.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use defender_endpoint::{Client, Cloud, StaticToken};
    ///
    /// let client = Client::builder(StaticToken::new("a-token")?)
    ///     .cloud(Cloud::EU)
    ///     .user_agent("asset-sync/1.4")
    ///     .max_wait(Duration::from_secs(3_600))
    ///     .build()?;
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn builder(credential: impl Credential + 'static) -> ClientBuilder {
        ClientBuilder::new(Arc::new(credential))
    }

    /// Lists the machines of the tenant: «List machines API», `GET /api/machines`.
    ///
    /// Application permission `Machine.Read.All` or `Machine.ReadWrite.All`; delegated
    /// `Machine.Read` or `Machine.ReadWrite` with the role 'View Data'. The request says what to
    /// ask for; iterating it does the work.
    pub fn machines(&self) -> ListMachines {
        ListMachines::new(self.clone())
    }

    /// One machine: «Get machine by ID API», `GET /api/machines/{id}`.
    ///
    /// The id is a machine's [`id`](Machine::id); its computer name is accepted too, says the vendor. Of
    /// several machines with one name the service chooses, and the short form of a full name may find
    /// nothing: [a list by name](crate::cookbook#a-machine-by-its-name) finds all of them. For many ids see
    /// [`machines_by_id`](Self::machines_by_id), which takes fewer calls.
    ///
    /// Application permission `Machine.Read.All` or `Machine.ReadWrite.All`; delegated
    /// `Machine.Read` or `Machine.ReadWrite` with the role 'View Data'.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an id that is empty, blank, `.` or
    /// `..`, or holds control characters, before anything is sent;
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is no such machine; and those of every
    /// call, listed at [`ErrorKind`](crate::ErrorKind). It has been reported that the service answers 404 for an
    /// id out of its own list, where a machine has several records, and also in passing.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let machine = client.machine("1e5bc9d7e413ddd7902c2932e418702b84d0cc07")?;
    /// println!("{:?} {:?}", machine.computer_dns_name, machine.health_status);
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn machine(&self, id: impl AsRef<str>) -> Result<Machine, Error> {
        machines::get(&self.0, id.as_ref())
    }

    /// The machines with these ids, up to 20 with one call: «List machines API»,
    /// `GET /api/machines?$filter=id eq '..' or id eq '..'`.
    ///
    /// Takes anything that gives strings: `["an-id"]`, `&ids`, or
    /// `agents.iter().filter_map(OnMachine::machine_id)` for the machines that agents run on. Ids
    /// only: neither a computer's name nor a scan agent's id finds anything here. Each id comes back once,
    /// with its machine or none; no ids at all are no call.
    ///
    /// Application permission `Machine.Read.All` or `Machine.ReadWrite.All`; delegated
    /// `Machine.Read` or `Machine.ReadWrite` with the role 'View Data'. The request says what to
    /// ask for; iterating it does the work.
    pub fn machines_by_id<I>(&self, ids: I) -> MachinesById
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        MachinesById::new(self.clone(), ids)
    }

    /// The machine behind a scan agent, a definition's scanner or a session of the scan history, with one call: that
    /// of [`machine`](Self::machine). For those behind many see [`machines_by_id`](Self::machines_by_id).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when there is no machine's id in it, before anything is sent, and
    /// those of [`machine`](Self::machine).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let agent = client.scan_agent("7f3d76a6976818553e996875dc91f55df6b26625")?;
    /// println!("{} runs on {:?}", agent.id, client.machine_of(&agent)?.os_platform);
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn machine_of(&self, what: impl OnMachine) -> Result<Machine, Error> {
        match what.machine_id() {
            Some(id) => self.machine(id),
            None => Err(Error::invalid(
                "there is no machine's id in it: a machine's name, where that is known, can be given to `machine`",
            )),
        }
    }

    /// Lists the scan agents: «Get all scan agents», `GET /api/DeviceAuthenticatedScanAgents`.
    ///
    /// Application permission `Machine.Read.All`; delegated `Machine.Read.All` with the role
    /// 'ViewData' or 'TvmViewData'. A prerelease API.
    ///
    /// # Errors
    ///
    /// Those of every call, listed at [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// for agent in client.scan_agents()? {
    ///     println!("{} last seen {:?}", agent.id, agent.last_seen);
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn scan_agents(&self) -> Result<Vec<ScanAgent>, Error> {
        Items::new(self.walk(scan_agents::list())).collect()
    }

    /// One scan agent: «Get scan agent by ID», `GET /api/DeviceAuthenticatedScanAgents/{id}`.
    ///
    /// The id is an agent's [`id`](ScanAgent::id); the vendor's sample uses the id of its machine,
    /// which is accepted too.
    ///
    /// Application permission `Machine.Read.All`; delegated `Machine.Read.All` with the role
    /// 'ViewData' or 'TvmViewData'. A prerelease API.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an id that is empty, blank, `.` or
    /// `..`, or holds control characters, before anything is sent;
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is no such agent; and those of every
    /// call, listed at [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::{Client, ErrorKind};
    ///
    /// # let client = Client::from_env()?;
    /// let agent = match client.scan_agent("7f3d76a6976818553e996875dc91f55df6b26625") {
    ///     Ok(agent) => Some(agent),
    ///     Err(error) if error.kind() == ErrorKind::NotFound => None,
    ///     Err(error) => return Err(error),
    /// };
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn scan_agent(&self, id: impl AsRef<str>) -> Result<ScanAgent, Error> {
        scan_agents::get(&self.0, id.as_ref())
    }

    /// Lists the scan definitions: «Get scan definitions»,
    /// `GET /api/DeviceAuthenticatedScanDefinitions`.
    ///
    /// Application permission `Machine.Read.All`; delegated `Machine.Read.All` with the role
    /// 'ViewData' or 'TvmViewData'. A prerelease API.
    ///
    /// # Errors
    ///
    /// Those of every call, listed at [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// for definition in client.scan_definitions()? {
    ///     println!("{:?} scans {:?}", definition.scan_name, definition.target);
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn scan_definitions(&self) -> Result<Vec<ScanDefinition>, Error> {
        Items::new(self.walk(scan_definitions::list())).collect()
    }

    /// One scan definition: `GET /api/DeviceAuthenticatedScanDefinitions/{id}`.
    ///
    /// The vendor documents no such call: the service's own schema has it, and the rights are those of
    /// «Get scan definitions».
    ///
    /// Application permission `Machine.Read.All`; delegated `Machine.Read.All` with the role
    /// 'ViewData' or 'TvmViewData'. A prerelease API.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an id that is empty, blank, `.` or
    /// `..`, or holds control characters, before anything is sent;
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is no such definition; and those of every
    /// call, listed at [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let definition = client.scan_definition("60c4aa57-ioi3-1290-7ff6-09fr14792a92")?;
    /// println!("{:?}", definition.latest_scan);
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn scan_definition(&self, id: impl AsRef<str>) -> Result<ScanDefinition, Error> {
        scan_definitions::get(&self.0, id.as_ref())
    }

    /// Adds a scan definition: «Add, update, or delete a scan definition»,
    /// `POST /api/DeviceAuthenticatedScanDefinitions`.
    ///
    /// Returns the definition as the service has made it, with its id and without its authentication
    /// parameters.
    ///
    /// Application permission `Machine.ReadWrite.All`; delegated `Machine.ReadWrite` or
    /// `Machine.Read.Write` with the role 'ManageSecurity'. A prerelease API.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), before anything is sent, for a name that is blank; no
    /// target, or one that is no address, range or host name; an interval of zero or above
    /// 2,147,483,647; a scanner without a machine's id, or with one that is `.` or `..` or longer than
    /// 1,024 bytes; authentication parameters of which one is empty; a key vault's URL that is more than
    /// `https://`, a host and its port, and a secret's name in it that is not 1 to 127 letters, digits and hyphens;
    /// and control characters, such as the line break at the end of a file, in any text but a private
    /// key ([`NewScanDefinition::check`] says the same without sending);
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when the call was sent and no answer says
    /// what became of it, or one that says that it was accepted can't be read; and those of every call,
    /// listed at [`ErrorKind`](crate::ErrorKind).
    ///
    /// Added twice, there are two definitions, so it isn't sent again by itself once the service may have
    /// had it, and a program should not do so either. After `OutcomeUnknown`, look for one that was not
    /// there before, a little later, since the request may still be at work; if there is none, it may
    /// still appear:
    ///
    /// ```no_run
    /// use std::{collections::HashSet, thread, time::Duration};
    ///
    /// use defender_endpoint::scan_definitions::{NewScanDefinition, ScanDefinition};
    /// use defender_endpoint::{Client, Error, ErrorKind};
    ///
    /// fn add(client: &Client, new: &NewScanDefinition) -> Result<ScanDefinition, Error> {
    ///     let before = client.scan_definitions()?;
    ///     let before: HashSet<String> = before.into_iter().map(|it| it.id).collect();
    ///     let error = match client.add_scan_definition(new) {
    ///         Err(error) if error.kind() == ErrorKind::OutcomeUnknown => error,
    ///         outcome => return outcome,
    ///     };
    ///     thread::sleep(Duration::from_secs(30));
    ///     let now = client.scan_definitions().unwrap_or_default(); // the first error tells more
    ///     let mut added = now.into_iter().filter(|it| !before.contains(&it.id));
    ///     added.find(|it| new.is_like(it)).ok_or(error)
    /// }
    /// ```
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::scan_definitions::{AuthProtocol, NewScanDefinition, PrivProtocol, SnmpAuth};
    ///
    /// # let client = defender_endpoint::Client::from_env()?;
    /// # let (auth_password, priv_password) = ("hunter2", "hunter3");
    /// let agents = client.scan_agents()?;
    /// if let Some(agent) = agents.first() {
    ///     let auth = SnmpAuth::auth_priv(
    ///         "scanner",
    ///         AuthProtocol::Sha1,
    ///         auth_password,
    ///         PrivProtocol::Aes,
    ///         priv_password,
    ///     );
    ///     let new = NewScanDefinition::network("Core switches", agent, ["10.0.0.0/24"], auth);
    ///     println!("{}", client.add_scan_definition(&new)?.id);
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    #[cfg(feature = "write")]
    #[cfg_attr(docsrs, doc(cfg(feature = "write")))]
    pub fn add_scan_definition(&self, new: &NewScanDefinition) -> Result<ScanDefinition, Error> {
        scan_definitions::add(&self.0, new)
    }

    /// Changes a scan definition: «Add, update, or delete a scan definition»,
    /// `PATCH /api/DeviceAuthenticatedScanDefinitions/{id}`.
    ///
    /// Sends what the update sets and nothing else. Returns the definition as it is then.
    ///
    /// Application permission `Machine.ReadWrite.All`; delegated `Machine.ReadWrite` or
    /// `Machine.Read.Write` with the role 'ManageSecurity'. A prerelease API.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), before anything is sent, for an update that sets
    /// nothing, for what [`add_scan_definition`](Self::add_scan_definition) refuses
    /// ([`ScanDefinitionUpdate::check`] says the same without sending), and for an id that is empty, blank,
    /// `.` or `..`, longer than 1,024 bytes, or holds control characters;
    /// [`NotFound`](crate::ErrorKind::NotFound) when there is no such definition;
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when the call was sent and no answer says
    /// what became of it, or one that says that it was accepted can't be read; and those of every call,
    /// listed at [`ErrorKind`](crate::ErrorKind).
    ///
    /// After `OutcomeUnknown` the same update can be sent again, whole: twice does no harm, if nobody else
    /// changes the definition meanwhile. The list shows whether that is needed, if it shows everything that
    /// was to change:
    ///
    /// ```no_run
    /// use defender_endpoint::scan_definitions::{ScanDefinition, ScanDefinitionUpdate};
    /// use defender_endpoint::{Client, Error, ErrorKind};
    ///
    /// fn update(client: &Client, id: &str, update: &ScanDefinitionUpdate) -> Result<ScanDefinition, Error> {
    ///     match client.update_scan_definition(id, update) {
    ///         Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
    ///             let definitions = client.scan_definitions().map_err(|_| error)?;
    ///             match definitions.into_iter().find(|it| it.id.eq_ignore_ascii_case(id)) {
    ///                 Some(it) if update.clone().changes_to(&it).is_empty() => Ok(it),
    ///                 _ => client.update_scan_definition(id, update),
    ///             }
    ///         }
    ///         outcome => outcome,
    ///     }
    /// }
    /// ```
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::scan_definitions::ScanDefinitionUpdate;
    ///
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let update = ScanDefinitionUpdate::new().interval_in_hours(8).active(true);
    /// let definition = client.update_scan_definition("d14cefe1-0301-488c-ad17-a86c428c3727", &update)?;
    /// println!("{:?}", definition.interval_in_hours);
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    #[cfg(feature = "write")]
    #[cfg_attr(docsrs, doc(cfg(feature = "write")))]
    pub fn update_scan_definition(
        &self,
        id: impl AsRef<str>,
        update: &ScanDefinitionUpdate,
    ) -> Result<ScanDefinition, Error> {
        scan_definitions::update(&self.0, id.as_ref(), update)
    }

    /// Deletes scan definitions, all in one call: «Add, update, or delete a scan definition»,
    /// `POST /api/DeviceAuthenticatedScanDefinitions/BatchDelete`.
    ///
    /// Takes anything that gives strings. An id that is given twice is sent once. How many ids the
    /// service takes at a time is not documented, nor what it says of one that it doesn't know: the list of
    /// definitions, before and after, tells what was deleted.
    ///
    /// Application permission `Machine.ReadWrite.All`; delegated `Machine.ReadWrite` or
    /// `Machine.Read.Write` with the role 'ManageSecurity'. A prerelease API.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for no ids, and for one that is empty, blank, `.` or
    /// `..`, longer than 1,024 bytes, or holds control characters, before anything is sent;
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when the call was sent and no answer says
    /// what became of it; and those of every call, listed at [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let answer = client.delete_scan_definitions(["60c4aa57-ioi3-1290-7ff6-09fr14792a92"])?;
    /// println!("{} {}", answer.status, answer.body);
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    #[cfg(feature = "write")]
    #[cfg_attr(docsrs, doc(cfg(feature = "write")))]
    pub fn delete_scan_definitions<I>(&self, ids: I) -> Result<BatchDeletion, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        scan_definitions::delete(&self.0, ids)
    }

    /// Lists the scan sessions of some definitions: «Get scan history by definition»,
    /// `POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId`.
    ///
    /// Takes anything that gives strings: `["an-id"]`, `&ids`, `definitions.iter().map(|d| &d.id)`.
    /// An id that is given twice is sent once.
    ///
    /// Application permission `Machine.Read.All`; delegated `Machine.Read.All` with the role
    /// 'ViewData' or 'TvmViewData'. A prerelease API.
    pub fn scan_history<I>(&self, definition_ids: I) -> ListScanHistory
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        ListScanHistory::by_definition(self.clone(), definition_ids)
    }

    /// Lists some scan sessions with the targets that were scanned in them: «Get scan history by session»,
    /// `POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryBySessionId`.
    ///
    /// Takes anything that gives strings, as [`scan_history`](Self::scan_history) does: the
    /// [`session_id`](crate::scan_history::ScanHistoryEntry::session_id) of rows by definition, where
    /// they have one (see [`ListScanHistory`]). An id that is given twice is sent once. How many the
    /// service takes at a time is not documented, nor is paging: `$top` and `$skip` are sent only if
    /// they are asked for.
    ///
    /// Application permission `Machine.Read.All`; delegated `Machine.Read.All` with the role
    /// 'ViewData' or 'TvmViewData'. A prerelease API.
    ///
    /// # Example
    ///
    /// The targets that the latest session of a definition didn't get into, and why:
    ///
    /// ```no_run
    /// use defender_endpoint::scan_history::ScanStatus;
    ///
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let mut latest = None;
    /// for session in client.scan_history(["60c4aa57-c573-4488-8d18-230914792a92"]) {
    ///     let session = session?;
    ///     latest = latest.max(Some((session.last_scanned, session.session_id)));
    /// }
    /// if let Some((_, Some(id))) = latest {
    ///     for session in client.scan_history_by_session([id]) {
    ///         for target in session?.scanned_targets {
    ///             if target.scan_status == Some(ScanStatus::Failure) {
    ///                 println!("{:?}: {:?}", target.ip, target.error_message);
    ///             }
    ///         }
    ///     }
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn scan_history_by_session<I>(&self, session_ids: I) -> ListScanHistory
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        ListScanHistory::by_session(self.clone(), session_ids)
    }

    /// What is left of the rate limits now, for each API, and when the next call may go. As far as
    /// this process knows: others on the same app registration are not seen.
    pub fn quota(&self) -> Quota {
        self.0.limiter.quota()
    }

    /// The credential that this client gets its tokens with.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::{Client, StaticToken};
    ///
    /// let client = Client::builder(StaticToken::new("a-token")?).build()?;
    /// assert_eq!(client.credential().name(), "ready-made token");
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn credential(&self) -> &dyn Credential {
        self.0.tokens.credential()
    }

    /// Which hosts and scope this client uses, as they were checked when it was built.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::{Client, Cloud, StaticToken};
    ///
    /// let client = Client::builder(StaticToken::new("a-token")?).cloud(Cloud::EU).build()?;
    /// assert_eq!(client.cloud(), &Cloud::EU);
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// The token that calls are made with, for an operation of the API that this crate doesn't have. It
    /// is valid now, and for five minutes more as a rule: ask again before each call. A call that is
    /// made by hand is not counted in the [limits](crate#limits-and-waiting), not tried again and not
    /// protected from redirects.
    ///
    /// It is got or renewed within the deadline if need be, asked for once, and not tried again: the
    /// caller can. The API is not called, and no place in its limits is taken. The callback of
    /// [`on_wait`](ClientBuilder::on_wait) hears of a credential's waits as those of the machines.
    ///
    /// # Errors
    ///
    /// Those of getting a token: [`Credential`](crate::ErrorKind::Credential), or
    /// [`Timeout`](crate::ErrorKind::Timeout), [`Transport`](crate::ErrorKind::Transport) or
    /// [`Tls`](crate::ErrorKind::Tls) where the endpoint can't be reached,
    /// [`Cancelled`](crate::ErrorKind::Cancelled) where a wait was broken off, and
    /// [`Config`](crate::ErrorKind::Config) where a setting of [`AzureCli`](crate::AzureCli) can't be
    /// used.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let token = client.access_token()?;
    /// let authorization = format!("Bearer {}", token.expose());
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn access_token(&self) -> Result<Secret, Error> {
        let deadline = Deadline::after(self.0.deadline, &*self.0.clock);
        let request = self.0.token_request(deadline, Api::Machines);
        self.0.tokens.bearer(&request, deadline)
    }

    /// Says that the service refused this token of [`access_token`](Self::access_token) with a 401, which
    /// calls of this crate do by themselves: the next call asks for another one. A token that was renewed
    /// meanwhile stays. Nothing is sent.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// # fn status_of_the_call(_: &str) -> u16 { 200 }
    /// let mut token = client.access_token()?;
    /// if status_of_the_call(token.expose()) == 401 {
    ///     client.discard_token(&token);
    ///     token = client.access_token()?; // and once more with this one, no third time
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn discard_token(&self, refused: &Secret) {
        self.0.tokens.refuse(refused);
    }

    /// What the token that calls are made with says of itself: what was granted, for which audience,
    /// and until when. For people and diagnostics only, see [`TokenClaims`].
    ///
    /// # Errors
    ///
    /// Those of [`access_token`](Self::access_token), and [`Decode`](crate::ErrorKind::Decode) where
    /// there is a token, but it is encrypted or no JWT: it may be good for calls and say nothing of
    /// itself.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let claims = client.token_claims()?;
    /// println!("for {:?}, with the roles {:?}", claims.audience(), claims.roles());
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn token_claims(&self) -> Result<TokenClaims, Error> {
        TokenClaims::decode(&self.access_token()?)
    }

    /// A client that a test has put together itself.
    #[cfg(test)]
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    pub(crate) fn walk(&self, listing: Listing) -> Walk {
        Walk::new(Arc::clone(&self.0), listing)
    }

    pub(crate) fn url_of(&self, listing: &Listing) -> String {
        self.0.url(listing.operation.path, &listing.first_query())
    }
}
