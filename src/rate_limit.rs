//! The service's limits: as settings, as the limiter that keeps them, and what is left of them.

mod lane;
mod window;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::retry::LONGEST_PAUSE;
use crate::wait::Patience;
use lane::{Lane, Permit};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// How many calls an API may receive from this process, in any minute and in any hour.
///
/// Each API has windows of its own: machines, scan agents (the list and the agent by id), scan
/// definitions, scan history. Each documentation page («List machines API», «Get all scan agents»
/// and so on) gives the limits that [`documented`](RateLimits::documented) holds. A retry counts
/// like any call; token requests don't.
///
/// # Example
///
/// ```
/// use defender_endpoint::RateLimits;
///
/// // Three processes share one app registration.
/// let limits = RateLimits::documented().divided_by(3);
/// assert_eq!((limits.per_minute(), limits.per_hour()), (33, 500));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a setting does nothing until a client is built with it"]
pub struct RateLimits {
    per_minute: u32,
    per_hour: u32,
}

impl RateLimits {
    /// The documented limits: 100 calls in 60 seconds and 1,500 in 3,600, for each API.
    pub const fn documented() -> Self {
        Self::new(100, 1_500)
    }

    /// Other limits. Zero is refused when the limiter is made; there is no way to have none, but a
    /// large number comes close.
    pub const fn new(per_minute: u32, per_hour: u32) -> Self {
        Self {
            per_minute,
            per_hour,
        }
    }

    /// One of `processes` equal shares, rounded down, for processes that call the same tenant with the
    /// same app registration: the service counts them together. Processes for different tenants need
    /// not divide. A share of less than one call, and zero
    /// processes, are refused when the limiter is made.
    pub const fn divided_by(self, processes: u32) -> Self {
        Self::new(
            share(self.per_minute, processes),
            share(self.per_hour, processes),
        )
    }

    /// Calls in any 60 seconds.
    pub const fn per_minute(self) -> u32 {
        self.per_minute
    }

    /// Calls in any 3,600 seconds.
    pub const fn per_hour(self) -> u32 {
        self.per_hour
    }
}

const fn share(limit: u32, processes: u32) -> u32 {
    match limit.checked_div(processes) {
        Some(share) => share,
        None => 0,
    }
}

/// [`RateLimits::documented`].
impl Default for RateLimits {
    fn default() -> Self {
        Self::documented()
    }
}

/// An API of the service, each with limits of its own.
///
/// Which calls the service counts together is not documented. Those on the same rows share the limits of
/// one API here, which is the safe side.
///
/// # Example
///
/// ```
/// use defender_endpoint::Api;
///
/// assert_eq!(Api::ScanHistory.to_string(), "scan history");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// «List machines API» and «Get machine by ID API».
    Machines,
    /// «Get all scan agents» and «Get scan agent by ID».
    ScanAgents,
    /// «Get scan definitions», and with the feature `write` also «Add, update, or delete a scan
    /// definition».
    ScanDefinitions,
    /// «Get scan history by definition» and «Get scan history by session».
    ScanHistory,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machines => "machines",
            Self::ScanAgents => "scan agents",
            Self::ScanDefinitions => "scan definitions",
            Self::ScanHistory => "scan history",
        })
    }
}

/// What keeps the limits: a handle that clients can share.
///
/// Every client has one of its own, and its clones share it. Clients for the same tenant and app
/// registration in one process should share one, since the service counts them together.
///
/// Callers are served in the order in which they asked. Waiting callers hold no lock.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Client, Cloud, RateLimiter, RateLimits, StaticToken};
///
/// let limiter = RateLimiter::new(RateLimits::documented())?;
/// let nearby = Client::builder(StaticToken::new("a-token")?).rate_limiter(limiter.clone()).build()?;
/// let europe = Client::builder(StaticToken::new("a-token")?)
///     .cloud(Cloud::EU)
///     .rate_limiter(limiter)
///     .build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone)]
pub struct RateLimiter {
    limits: RateLimits,
    lanes: Arc<[Arc<Lane>; 4]>,
}

impl RateLimiter {
    /// A limiter with nothing spent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when a limit is zero.
    pub fn new(limits: RateLimits) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Self::with_clock(limits, &clock)
    }

    /// A limiter that lives in another time, for tests.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when a limit is zero.
    #[cfg(feature = "testing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
    pub fn new_with_clock(limits: RateLimits, clock: impl Clock + 'static) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        Self::with_clock(limits, &clock)
    }

    pub(crate) fn with_clock(limits: RateLimits, clock: &Arc<dyn Clock>) -> Result<Self, Error> {
        if limits.per_minute == 0 || limits.per_hour == 0 {
            return Err(
                Error::config("a rate limit of zero would never let a call through").with_hint(
                    "`RateLimits::divided_by` rounds down: fewer processes, or larger limits",
                ),
            );
        }
        let rules = [(limits.per_minute, MINUTE), (limits.per_hour, HOUR)];
        let lane = |api| Arc::new(Lane::new(api, rules, Arc::clone(clock)));
        let lanes = [
            Api::Machines,
            Api::ScanAgents,
            Api::ScanDefinitions,
            Api::ScanHistory,
        ];
        Ok(Self {
            limits,
            lanes: Arc::new(lanes.map(lane)),
        })
    }

    /// The limits that are kept.
    pub fn limits(&self) -> RateLimits {
        self.limits
    }

    /// What is left of the limits now, for each API.
    pub fn quota(&self) -> Quota {
        let [machines, scan_agents, scan_definitions, scan_history] = &*self.lanes;
        Quota {
            machines: machines.quota(),
            scan_agents: scan_agents.quota(),
            scan_definitions: scan_definitions.quota(),
            scan_history: scan_history.quota(),
        }
    }

    /// Waits for room in both windows of this API, in the order of asking.
    pub(crate) fn acquire(&self, api: Api, patience: &mut Patience<'_>) -> Result<Permit, Error> {
        let permit = self.lane(api).acquire(patience)?;
        patience.rest();
        Ok(permit)
    }

    /// The service asked for a pause: nobody calls this API for so long.
    pub(crate) fn close(&self, api: Api, pause: Duration) {
        self.lane(api).close(pause.min(LONGEST_PAUSE));
    }

    fn lane(&self, api: Api) -> &Arc<Lane> {
        let [machines, scan_agents, scan_definitions, scan_history] = &*self.lanes;
        match api {
            Api::Machines => machines,
            Api::ScanAgents => scan_agents,
            Api::ScanDefinitions => scan_definitions,
            Api::ScanHistory => scan_history,
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What is left of the limits, as far as this process knows: see
/// [`Client::quota`](crate::Client::quota).
///
/// # Example
///
/// ```
/// # let client = defender_endpoint::Client::builder(defender_endpoint::StaticToken::new("t")?).build()?;
/// let quota = client.quota();
/// assert_eq!(quota.machines.left_in_minute, 100);
/// assert_eq!(quota.machines.left_in_hour, 1_500);
/// assert!(quota.machines.next_call_in.is_zero());
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// Of [`Api::Machines`].
    pub machines: ApiQuota,
    /// Of [`Api::ScanAgents`].
    pub scan_agents: ApiQuota,
    /// Of [`Api::ScanDefinitions`].
    pub scan_definitions: ApiQuota,
    /// Of [`Api::ScanHistory`].
    pub scan_history: ApiQuota,
}

/// What is left of one API's limits: a part of [`Quota`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiQuota {
    /// Calls that may still be made within the present 60 seconds.
    pub left_in_minute: u32,
    /// Calls that may still be made within the present 3,600 seconds.
    pub left_in_hour: u32,
    /// When the next call may go, if it asked now: behind those that are waiting already, and
    /// after a pause that the service asked for.
    pub next_call_in: Duration,
}

#[cfg(all(test, not(shuttle)))]
mod tests;
