//! The service's limits, kept exactly. The only file that names governor.
//!
//! A governor quota of 100 a minute admits up to 199 calls within one minute: its cells refill
//! while the burst is being spent. So governor is used at the grain where it is exact. A window of
//! N calls is N limiters of one cell each, and a cell is taken when a call *ends*: the service
//! counts a call somewhere between its start and its end, so N calls that have ended a whole
//! window ago, or are known to have, can't be in the service's window any more.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::Quota;
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};

use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::wait::{Patience, Wait};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// The longest stretch slept at once, so that a caller is heard from and can be heard.
const STRETCH: Duration = Duration::from_secs(1);

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

    /// One of `processes` equal shares, rounded down, for processes that use the same app
    /// registration: the service counts them together. A share of less than one call, and zero
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

/// The API whose windows a call counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Api {
    Machines,
    ScanAgents,
    ScanDefinitions,
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

    /// Waits for room in both windows of this API, in the order of asking.
    pub(crate) fn acquire(&self, api: Api, patience: &mut Patience<'_>) -> Result<Permit, Error> {
        let [machines, scan_agents, scan_definitions, scan_history] = &*self.lanes;
        let lane = match api {
            Api::Machines => machines,
            Api::ScanAgents => scan_agents,
            Api::ScanDefinitions => scan_definitions,
            Api::ScanHistory => scan_history,
        };
        lane.acquire(patience)
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One API's windows and the queue before them.
struct Lane {
    api: Api,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    windows: [Window; 2],
    in_flight: usize,
    queue: VecDeque<u64>,
    next_ticket: u64,
    time: PinnedTime,
}

/// When there will be room.
enum Room {
    Now,
    After {
        wait: Duration,
        window: Duration,
        calls: usize,
    },
    /// Every call that could make room is still in flight; the wait is the least it can be.
    WhenOneEnds {
        wait: Duration,
        window: Duration,
        calls: usize,
    },
}

impl Lane {
    fn new(api: Api, rules: [(u32, Duration); 2], clock: Arc<dyn Clock>) -> Self {
        let state = State {
            windows: rules.map(|(calls, period)| Window::new(calls, period)),
            in_flight: 0,
            queue: VecDeque::new(),
            next_ticket: 0,
            time: PinnedTime::default(),
        };
        Self {
            api,
            clock,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// A panic elsewhere must not take the limiter down with it: the state is whole at all times.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire(self: &Arc<Self>, patience: &mut Patience<'_>) -> Result<Permit, Error> {
        let ticket = self.queue_up();
        loop {
            let mut state = self.lock();
            let position = state.position(ticket.number);
            let room = state.room(position, self.clock.now());
            let (wait, known) = match room {
                Room::Now if position == 0 => {
                    state.in_flight += 1;
                    drop(state);
                    return Ok(Permit {
                        lane: Arc::clone(self),
                        started: false,
                    });
                }
                // There is room, but those who came first take it first.
                Room::Now => (None, false),
                Room::After {
                    wait,
                    window,
                    calls,
                } => (
                    Some(Wait {
                        api: self.api,
                        left: wait,
                        window,
                        calls,
                    }),
                    position == 0,
                ),
                Room::WhenOneEnds {
                    wait,
                    window,
                    calls,
                } => (
                    Some(Wait {
                        api: self.api,
                        left: wait,
                        window,
                        calls,
                    }),
                    false,
                ),
            };
            if let Some(wait) = wait.filter(|wait| patience.must_hear_of(wait)) {
                drop(state);
                patience.bear(&wait)?;
                continue;
            }
            match wait {
                Some(wait) if known => {
                    drop(state);
                    self.clock.sleep(wait.left.min(STRETCH));
                }
                _ => drop(self.changed.wait_timeout(state, STRETCH)),
            }
        }
    }

    fn queue_up(self: &Arc<Self>) -> Ticket {
        let mut state = self.lock();
        let number = state.next_ticket;
        state.next_ticket = number.wrapping_add(1);
        state.queue.push_back(number);
        Ticket {
            lane: Arc::clone(self),
            number,
        }
    }
}

impl State {
    fn position(&self, ticket: u64) -> usize {
        self.queue
            .iter()
            .position(|queued| *queued == ticket)
            .unwrap_or(0)
    }

    /// When the caller with so many before it can go, by the window that keeps it longest.
    fn room(&mut self, before: usize, now: Duration) -> Room {
        self.time.pin(now);
        let taken = self.in_flight.saturating_add(before);
        let mut longest = Room::Now;
        for window in &mut self.windows {
            window.forget_old();
            let room = window.room(taken, &self.time);
            if room.wait() >= longest.wait() && !matches!(room, Room::Now) {
                longest = room;
            }
        }
        longest
    }
}

impl Room {
    fn wait(&self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::After { wait, .. } | Self::WhenOneEnds { wait, .. } => *wait,
        }
    }
}

/// A place in the queue, given up when dropped: served, refused or unwound.
struct Ticket {
    lane: Arc<Lane>,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.lane.lock();
        state.queue.retain(|queued| *queued != self.number);
        drop(state);
        self.lane.changed.notify_all();
    }
}

/// Leave for one exchange. Its age in the windows starts when it is dropped.
#[must_use]
pub(crate) struct Permit {
    lane: Arc<Lane>,
    started: bool,
}

impl Permit {
    /// The exchange begins: from here on the service may count it. A permit that is dropped
    /// before, because there was no token for instance, leaves no trace.
    pub(crate) fn start(&mut self) {
        self.started = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.lane.clock.now();
        let mut state = self.lane.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        if self.started {
            state.time.pin(now);
            let time = state.time.clone();
            for window in &mut state.windows {
                window.stamp(&time);
            }
        }
        drop(state);
        self.lane.changed.notify_all();
    }
}

/// The middleware type is spelled out because governor's default for it changes with its features.
type Cell = governor::RateLimiter<NotKeyed, InMemoryState, PinnedTime, NoOpMiddleware<Nanos>>;

/// N calls in one period: a cell for each call that ended, the oldest in front. Cells that could
/// be taken again are forgotten, so there are at most N, and none before there were calls.
struct Window {
    calls: usize,
    period: Duration,
    ended: VecDeque<Cell>,
}

impl Window {
    fn new(calls: u32, period: Duration) -> Self {
        Self {
            calls: usize::try_from(calls).unwrap_or(usize::MAX),
            period,
            ended: VecDeque::new(),
        }
    }

    fn forget_old(&mut self) {
        while self.ended.front().is_some_and(|cell| cell.check().is_ok()) {
            self.ended.pop_front();
        }
    }

    /// Call after [`forget_old`](Self::forget_old), at the same pinned time: then no cell that is
    /// left can be taken, and checking one only tells when it can.
    fn room(&self, taken: usize, time: &PinnedTime) -> Room {
        let wanted = self.ended.len().saturating_add(taken).saturating_add(1);
        let Some(to_expire) = wanted.checked_sub(self.calls).filter(|cells| *cells > 0) else {
            return Room::Now;
        };
        let (window, calls) = (self.period, self.calls);
        match self.ended.get(to_expire - 1).map(Cell::check) {
            Some(Err(not_until)) => Room::After {
                wait: not_until.wait_time_from(time.now()),
                window,
                calls,
            },
            Some(Ok(())) => Room::Now,
            None => Room::WhenOneEnds {
                wait: self.period,
                window,
                calls,
            },
        }
    }

    fn stamp(&mut self, time: &PinnedTime) {
        let Some(quota) = Quota::with_period(self.period) else {
            return;
        };
        let cell = Cell::direct_with_clock(quota, time.clone());
        if cell.check().is_ok() {
            self.ended.push_back(cell);
        }
    }
}

/// The time at which the cells are looked at, the same for all of them while the lock is held.
#[derive(Clone, Debug, Default)]
struct PinnedTime(Arc<AtomicU64>);

impl PinnedTime {
    fn pin(&self, now: Duration) {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl GovernorClock for PinnedTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}
