//! How long one call is willing to wait, and who hears of it.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::rate_limit::Api;

/// A wait is told when it begins, and again whenever this much of it has passed.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(1);

/// A wait as it stands, told to the callback of
/// [`ClientBuilder::on_wait`](crate::ClientBuilder::on_wait).
///
/// `Display` is a phrase for a status line: `machines: 100 calls in 60 s are spent, 12 s left`.
///
/// # Example
///
/// ```
/// use std::ops::ControlFlow;
/// use defender_endpoint::{Client, StaticToken, Wait};
///
/// let client = Client::builder(StaticToken::new("a-token")?)
///     .on_wait(|wait: &Wait| {
///         eprint!("\r{wait} ");
///         ControlFlow::Continue(())
///     })
///     .build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// The API whose call waits.
    pub api: Api,
    /// Why it waits.
    pub reason: WaitReason,
    /// How long it will still have to, as far as can be known: callers before it may change that.
    pub left: Duration,
    elapsed: Duration,
}

impl Wait {
    pub(crate) fn new(api: Api, reason: WaitReason, left: Duration) -> Self {
        Self {
            api,
            reason,
            left,
            elapsed: Duration::ZERO,
        }
    }

    /// How long this wait has lasted: zero when it is told for the first time, then a second more each
    /// time, or a little over.
    ///
    /// Each wait of each try of each call begins at zero: one for the limits or for a pause that the
    /// service asked for, another between two tries, and each of a credential's. One whose reason
    /// changes on the way goes on. So a callback needs nothing of its own to log a wait once, or to
    /// count. Calls that wait out the same pause at the same time have a wait each.
    ///
    /// # Example
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    /// use defender_endpoint::WaitReason;
    /// use defender_endpoint::testing::{FakeClock, Fault, Tenant};
    ///
    /// static PAUSES: AtomicU32 = AtomicU32::new(0);
    ///
    /// let tenant = Tenant::demo()?;
    /// tenant.fail(Fault::throttled(Duration::from_secs(8)).times(2));
    /// let builder = tenant.client_builder()?.clock(FakeClock::new());
    /// let client = builder.on_wait(|wait| {
    ///     if wait.elapsed().is_zero() {
    ///         println!("{wait}"); // twice, and not every second
    ///         if wait.reason == WaitReason::Throttled {
    ///             PAUSES.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    ///     ControlFlow::Continue(())
    /// });
    /// client.build()?.scan_agents()?;
    /// assert_eq!(PAUSES.load(Ordering::Relaxed), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

/// Why a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitReason {
    /// As many calls as the limits allow have been made within a minute.
    MinuteWindow {
        /// The calls that are allowed in 60 seconds.
        calls: u32,
    },
    /// As many calls as the limits allow have been made within an hour.
    HourWindow {
        /// The calls that are allowed in 3,600 seconds.
        calls: u32,
    },
    /// The service answered 429 and asked for a pause.
    Throttled,
    /// A try failed, and the next one comes after a pause.
    BackOff,
    /// There is room, but a call that asked earlier has not taken it yet.
    Queue,
    /// The credential waits for its next request, until somebody has signed in, for instance.
    Token,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}, {} left",
            self.api,
            self.reason,
            Seconds(self.left)
        )
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinuteWindow { calls } => write!(f, "{calls} calls in 60 s are spent"),
            Self::HourWindow { calls } => write!(f, "{calls} calls in 3600 s are spent"),
            Self::Throttled => f.write_str("the service asked for a pause"),
            Self::BackOff => f.write_str("a try failed"),
            Self::Queue => f.write_str("an earlier call goes first"),
            Self::Token => f.write_str("there is no token yet"),
        }
    }
}

type Hear = dyn Fn(&Wait) -> ControlFlow<()> + Send + Sync;

/// Hears of waits, and may break them off.
#[derive(Clone)]
pub(crate) struct Observer(Arc<Hear>);

impl Observer {
    pub(crate) fn new(hear: impl Fn(&Wait) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// What one call brings along when it has to wait: how long one wait may be, when all must be over,
/// and who wants to hear of it.
#[derive(Debug)]
pub(crate) struct Patience<'a> {
    clock: &'a dyn Clock,
    max_wait: Duration,
    deadline: Deadline,
    observer: Option<&'a Observer>,
    /// When the present wait must be over.
    until: Option<Duration>,
    /// When it was first told.
    began: Duration,
    next_word: Duration,
}

/// When a call must be over, if ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Duration>);

impl Deadline {
    pub(crate) fn after(allowed: Option<Duration>, clock: &dyn Clock) -> Self {
        Self(allowed.map(|allowed| clock.now().saturating_add(allowed)))
    }

    /// The time left; `None` without a deadline.
    pub(crate) fn left(self, clock: &dyn Clock) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_sub(clock.now()))
    }

    /// An error once it has passed.
    pub(crate) fn check(self, clock: &dyn Clock) -> Result<(), Error> {
        match self.left(clock) {
            Some(Duration::ZERO) => {
                Err(Error::new(ErrorKind::Timeout, "the deadline has passed").with_retryable(true))
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Patience<'a> {
    pub(crate) fn new(
        clock: &'a dyn Clock,
        max_wait: Duration,
        deadline: Deadline,
        observer: Option<&'a Observer>,
    ) -> Self {
        Self {
            clock,
            max_wait,
            deadline,
            observer,
            until: None,
            began: Duration::ZERO,
            next_word: Duration::ZERO,
        }
    }

    /// The longest wait that would be borne if it began now. A deadline must leave time to send.
    pub(crate) fn room(&self) -> Duration {
        const TO_SEND: Duration = Duration::from_millis(1);
        let left = self.deadline.left(self.clock);
        left.map_or(self.max_wait, |left| {
            left.saturating_sub(TO_SEND).min(self.max_wait)
        })
    }

    /// The wait that was borne is over; another one is another.
    pub(crate) fn rest(&mut self) {
        self.until = None;
        self.next_word = Duration::ZERO;
    }

    /// Whether [`bear`](Self::bear) has anything to say to this wait, so that the caller can let
    /// go of its lock first.
    pub(crate) fn must_hear_of(&self, wait: &Wait) -> bool {
        let now = self.clock.now();
        now >= self.next_word
            || self
                .until
                .is_some_and(|until| now.saturating_add(wait.left) > until)
    }

    /// Refuses a wait that would be longer than allowed, before it is begun: nobody sleeps first
    /// and fails then. Tells the observer, who may break it off.
    pub(crate) fn bear(&mut self, wait: &Wait) -> Result<(), Error> {
        let now = self.clock.now();
        if self.until.is_none() {
            self.began = now;
            if wait.left > TELL_EVERY {
                log::info!("waiting: {wait}");
            }
        }
        let room = self.room();
        let until = *self.until.get_or_insert_with(|| now.saturating_add(room));
        if now.saturating_add(wait.left) > until {
            return Err(self.too_long(wait));
        }
        self.next_word = now.saturating_add(TELL_EVERY);
        let wait = Wait {
            elapsed: now.saturating_sub(self.began),
            ..*wait
        };
        match self.observer.map(|observer| (observer.0)(&wait)) {
            Some(ControlFlow::Break(())) => Err(Error::new(
                ErrorKind::Cancelled,
                format!("a wait was broken off ({wait})"),
            )),
            _ => Ok(()),
        }
    }

    /// Waits for so long, in stretches that the observer hears of.
    pub(crate) fn pause(
        &mut self,
        api: Api,
        reason: WaitReason,
        pause: Duration,
    ) -> Result<(), Error> {
        let end = self.clock.now().saturating_add(pause);
        loop {
            let left = end.saturating_sub(self.clock.now());
            if left.is_zero() {
                self.rest();
                return Ok(());
            }
            self.bear(&Wait::new(api, reason, left))?;
            self.clock.sleep(left.min(TELL_EVERY));
        }
    }

    fn too_long(&self, wait: &Wait) -> Error {
        let kind = match wait.reason {
            WaitReason::Throttled => ErrorKind::Throttled,
            WaitReason::Token => ErrorKind::Timeout,
            _ => ErrorKind::RateLimited,
        };
        let (bound, hint) = match self.deadline.left(self.clock) {
            Some(left) if left < self.max_wait => (
                format!("the deadline is in {}", Seconds(left)),
                "set a later deadline",
            ),
            _ => (
                format!("max_wait is {}", Seconds(self.max_wait)),
                "a program that may wait sets `max_wait(Duration::MAX)`",
            ),
        };
        Error::new(
            kind,
            format!("the call would have to wait too long: {wait}, and {bound}"),
        )
        .with_retryable(true)
        .with_retry_after(Some(wait.left))
        .with_hint(hint)
    }
}

/// A duration in whole seconds, rounded up.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self
            .0
            .as_secs()
            .saturating_add(u64::from(self.0.subsec_nanos() > 0));
        write!(f, "{seconds} s")
    }
}
