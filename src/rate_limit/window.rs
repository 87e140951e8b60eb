//! One window of N calls, kept exactly. The only file that names governor.
//!
//! A governor quota of 100 a minute admits up to 199 calls within one minute: its cells refill
//! while the burst is being spent. So governor is used at the grain where it is exact. A window of
//! N calls is N limiters of one cell each, and a cell is taken when a call *ends*: the service
//! counts a call somewhere between its start and its end, so N calls that have ended a whole
//! window ago, or are known to have, can't be in the service's window any more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::Quota as Refill;
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};

use crate::wait::WaitReason;

/// The middleware type is spelled out because governor's default for it changes with its features.
type Cell = governor::RateLimiter<NotKeyed, InMemoryState, PinnedTime, NoOpMiddleware<Nanos>>;

/// N calls in one period: a cell for each call that ended, the oldest in front. Cells that could
/// be taken again are forgotten, so there are at most N, and none before there were calls.
pub(super) struct Window {
    calls: u32,
    period: Duration,
    reason: WaitReason,
    ended: VecDeque<Cell>,
}

impl Window {
    pub(super) fn new(calls: u32, period: Duration, reason: WaitReason) -> Self {
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

    /// The cells that could not be taken again when they were looked at last.
    #[cfg(all(test, not(shuttle)))]
    pub(super) fn kept(&self) -> &VecDeque<Cell> {
        &self.ended
    }

    pub(super) fn forget_old(&mut self) {
        while self.ended.front().is_some_and(|cell| cell.check().is_ok()) {
            self.ended.pop_front();
        }
    }

    /// When there is room for a call that comes after those in flight and after `before` others.
    /// Whoever comes a window's size later goes a period later.
    ///
    /// Call after [`forget_old`](Self::forget_old), at the same pinned time: then no cell that is
    /// left can be taken, and checking one only tells when it can.
    pub(super) fn room(&self, in_flight: usize, before: usize, time: &PinnedTime) -> Room {
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
    pub(super) fn left(&self, in_flight: usize) -> u32 {
        let spent = self.ended.len().saturating_add(in_flight);
        self.calls
            .saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX))
    }

    /// A call has ended now.
    pub(super) fn stamp(&mut self, time: &PinnedTime) {
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
pub(super) struct PinnedTime(Arc<AtomicU64>);

impl PinnedTime {
    pub(super) fn pin(&self, now: Duration) {
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

/// When there will be room.
#[derive(Clone, Copy)]
pub(super) enum Room {
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

impl Room {
    pub(super) fn wait(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::After { wait, .. } | Self::WhenOneEnds { wait, .. } => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::{HOUR, MINUTE};

    const INSTANT: Duration = Duration::from_nanos(1);

    #[test]
    fn a_governor_cell_conforms_a_whole_period_after_it_was_taken_and_not_before() {
        for period in [INSTANT, MINUTE, HOUR] {
            for taken in [Duration::ZERO, INSTANT, Duration::from_secs(1_000_000)] {
                let time = PinnedTime::default();
                time.pin(taken);
                let quota = Refill::with_period(period).unwrap();
                let cell = Cell::direct_with_clock(quota, time.clone());
                assert!(cell.check().is_ok(), "a new cell can be taken");
                let not_until = cell.check().unwrap_err();
                assert_eq!(not_until.wait_time_from(time.now()), period);
                time.pin((taken + period).checked_sub(INSTANT).unwrap());
                let not_until = cell.check().unwrap_err();
                assert_eq!(not_until.wait_time_from(time.now()), INSTANT);
                time.pin(taken + period);
                assert!(cell.check().is_ok(), "{period:?} after {taken:?}");
                assert!(cell.check().is_err(), "it was taken again by the check");
            }
        }
    }

    #[test]
    fn the_time_that_cells_see_never_goes_back() {
        let time = PinnedTime::default();
        time.pin(Duration::from_secs(5));
        time.pin(Duration::from_secs(3));
        assert_eq!(
            GovernorClock::now(&time),
            Nanos::from(Duration::from_secs(5))
        );
    }
}
