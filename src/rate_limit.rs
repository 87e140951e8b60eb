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
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use governor::Quota as Refill;
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};

use crate::clock::{Clock, SystemClock};
use crate::error::Error;
use crate::retry::LONGEST_PAUSE;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::wait::{Patience, TELL_EVERY, Wait, WaitReason};

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
        let lane = self.lane(api);
        let until = lane.clock.now().saturating_add(pause.min(LONGEST_PAUSE));
        let mut state = lane.lock();
        state.gate = state.gate.max(until);
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
    /// Until when the service asked to be left alone.
    gate: Duration,
    time: PinnedTime,
}

/// When there will be room.
#[derive(Clone, Copy)]
enum Room {
    Now,
    After {
        wait: Duration,
        reason: WaitReason,
    },
    /// Every call that could make room is still in flight; the wait is the least it can be.
    WhenOneEnds {
        wait: Duration,
        reason: WaitReason,
    },
}

impl Lane {
    fn new(api: Api, [minute, hour]: [(u32, Duration); 2], clock: Arc<dyn Clock>) -> Self {
        let state = State {
            windows: [
                Window::new(
                    minute.0,
                    minute.1,
                    WaitReason::MinuteWindow { calls: minute.0 },
                ),
                Window::new(hour.0, hour.1, WaitReason::HourWindow { calls: hour.0 }),
            ],
            in_flight: 0,
            queue: VecDeque::new(),
            next_ticket: 0,
            gate: Duration::ZERO,
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
        // Who would not wait so long hears of it before it stands in anybody's way.
        if let Some(wait) = self
            .present_wait()
            .filter(|wait| wait.left > patience.room())
        {
            patience.bear(&wait)?;
        }
        let ticket = self.queue_up();
        loop {
            let mut state = self.lock();
            let position = state.position(ticket.number);
            let room = state.room(position, self.clock.now());
            if matches!(room, Room::Now) && position == 0 {
                // Out of the queue and in flight at once: nobody counts this call twice.
                state.queue.pop_front();
                state.in_flight += 1;
                return Ok(Permit {
                    lane: Arc::clone(self),
                    started: false,
                });
            }
            // Where there is room, those who came first take it first.
            let wait = self.wait_for(room);
            let known = position == 0 && matches!(room, Room::After { .. });
            if let Some(wait) = wait.filter(|wait| patience.must_hear_of(wait)) {
                drop(state);
                patience.bear(&wait)?;
                continue;
            }
            match wait {
                Some(wait) if known => {
                    drop(state);
                    self.clock.sleep(wait.left.min(TELL_EVERY));
                }
                _ => {
                    let woken = self.changed.wait_timeout(state, TELL_EVERY);
                    let (state, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                    drop(state);
                    // There is room, and yet for a second nobody before this caller has moved.
                    if wait.is_none() && timeout.timed_out() {
                        let (reason, left) = (WaitReason::Queue, TELL_EVERY);
                        patience.bear(&Wait {
                            api: self.api,
                            reason,
                            left,
                        })?;
                    }
                }
            }
        }
    }

    /// What a caller would wait for that came now.
    fn present_wait(&self) -> Option<Wait> {
        let mut state = self.lock();
        let waiting = state.queue.len();
        self.wait_for(state.room(waiting, self.clock.now()))
    }

    fn wait_for(&self, room: Room) -> Option<Wait> {
        match room {
            Room::Now => None,
            Room::After { wait, reason } | Room::WhenOneEnds { wait, reason } => Some(Wait {
                api: self.api,
                reason,
                left: wait,
            }),
        }
    }

    fn quota(&self) -> ApiQuota {
        let mut state = self.lock();
        let waiting = state.queue.len();
        let next_call_in = state.room(waiting, self.clock.now()).wait();
        let in_flight = state.in_flight;
        let [minute, hour] = &state.windows;
        ApiQuota {
            left_in_minute: minute.left(in_flight),
            left_in_hour: hour.left(in_flight),
            next_call_in,
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
        let mut longest = match self.gate.checked_sub(now) {
            Some(wait) if !wait.is_zero() => Room::After {
                wait,
                reason: WaitReason::Throttled,
            },
            _ => Room::Now,
        };
        for window in &mut self.windows {
            window.forget_old();
            let room = window.room(self.in_flight, before, &self.time);
            if room.wait() >= longest.wait() && !matches!(room, Room::Now) {
                longest = room;
            }
        }
        longest
    }
}

impl Room {
    fn wait(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::After { wait, .. } | Self::WhenOneEnds { wait, .. } => wait,
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
    calls: u32,
    period: Duration,
    reason: WaitReason,
    ended: VecDeque<Cell>,
}

impl Window {
    fn new(calls: u32, period: Duration, reason: WaitReason) -> Self {
        Self {
            calls,
            period,
            reason,
            ended: VecDeque::new(),
        }
    }

    /// How many calls may be in the window at once.
    fn size(&self) -> usize {
        usize::try_from(self.calls).unwrap_or(usize::MAX)
    }

    fn forget_old(&mut self) {
        while self.ended.front().is_some_and(|cell| cell.check().is_ok()) {
            self.ended.pop_front();
        }
    }

    /// When there is room for a call that comes after those in flight and after `before` others.
    /// Whoever comes a window's size later goes a period later.
    ///
    /// Call after [`forget_old`](Self::forget_old), at the same pinned time: then no cell that is
    /// left can be taken, and checking one only tells when it can.
    fn room(&self, in_flight: usize, before: usize, time: &PinnedTime) -> Room {
        let (rounds, before) = (before / self.size(), before % self.size());
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        let later = self.period.saturating_mul(rounds);
        let reason = self.reason;
        let taken = self
            .ended
            .len()
            .saturating_add(in_flight)
            .saturating_add(before);
        // The oldest cell stands in the way if the window is full, the next one if it is overfull.
        let Some(blocking) = taken.checked_sub(self.size()) else {
            return if rounds == 0 {
                Room::Now
            } else {
                Room::After {
                    wait: later,
                    reason,
                }
            };
        };
        match self.ended.get(blocking).map(Cell::check) {
            Some(Err(not_until)) => {
                let wait = not_until.wait_time_from(time.now()).saturating_add(later);
                Room::After { wait, reason }
            }
            Some(Ok(())) => Room::Now,
            None => Room::WhenOneEnds {
                wait: self.period.saturating_add(later),
                reason,
            },
        }
    }

    /// How many calls could still go, besides those in flight.
    fn left(&self, in_flight: usize) -> u32 {
        let spent = self.ended.len().saturating_add(in_flight);
        self.calls
            .saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX))
    }

    fn stamp(&mut self, time: &PinnedTime) {
        let Some(quota) = Refill::with_period(self.period) else {
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

#[cfg(all(test, shuttle))]
mod interleavings;
#[cfg(all(test, not(shuttle)))]
mod tests;
