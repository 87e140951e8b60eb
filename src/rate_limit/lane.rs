//! One API's queue: who goes next, and what the others wait for.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::window::{PinnedTime, Room, Window};
use super::{Api, ApiQuota};
use crate::clock::Clock;
use crate::error::Error;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::wait::{Patience, TELL_EVERY, Wait, WaitReason};

/// One API's windows and the queue before them.
pub(super) struct Lane {
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

impl Lane {
    pub(super) fn new(
        api: Api,
        [minute, hour]: [(u32, Duration); 2],
        clock: Arc<dyn Clock>,
    ) -> Self {
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

    /// Waits for room in both windows, in the order of asking.
    pub(super) fn acquire(self: &Arc<Self>, patience: &mut Patience<'_>) -> Result<Permit, Error> {
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
                        patience.bear(&Wait::new(self.api, WaitReason::Queue, TELL_EVERY))?;
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
            Room::After { wait, reason } | Room::WhenOneEnds { wait, reason } => {
                Some(Wait::new(self.api, reason, wait))
            }
        }
    }

    pub(super) fn quota(&self) -> ApiQuota {
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

    /// Nobody goes for so long.
    pub(super) fn close(&self, pause: Duration) {
        let until = self.clock.now().saturating_add(pause);
        let mut state = self.lock();
        state.gate = state.gate.max(until);
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

#[cfg(all(test, shuttle))]
mod interleavings;
#[cfg(all(test, not(shuttle)))]
mod tests;
