//! A lane against its rules, against a model of its own, and under threads.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::clock::SystemClock;
use crate::error::ErrorKind;
use crate::rate_limit::{HOUR, MINUTE, RateLimiter, RateLimits};
use crate::testing::FakeClock;
use crate::wait::{Deadline, Observer};

type Rules = [(u32, Duration); 2];

const DOCUMENTED: Rules = [(100, MINUTE), (1_500, HOUR)];
const INSTANT: Duration = Duration::from_nanos(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn since(later: Duration, earlier: Duration) -> Duration {
    later.checked_sub(earlier).unwrap()
}

fn lane(rules: Rules, clock: &(impl Clock + Clone + 'static)) -> Arc<Lane> {
    let clock = Bounded {
        clock: clock.clone(),
        begun: Instant::now(),
    };
    Arc::new(Lane::new(Api::Machines, rules, Arc::new(clock)))
}

/// Breaks when a lane has been in use for long, so that a test that waits in vain fails. Whoever waits looks
/// at the clock once a second.
#[derive(Debug)]
struct Bounded<C> {
    clock: C,
    begun: Instant,
}

impl<C: Clock> Clock for Bounded<C> {
    fn now(&self) -> Duration {
        let stuck = self.begun.elapsed() > secs(30) && !thread::panicking();
        assert!(!stuck, "somebody waits in vain");
        self.clock.now()
    }

    fn utc(&self) -> OffsetDateTime {
        self.clock.utc()
    }

    fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration);
    }
}

/// A permit, however long that takes.
fn take(lane: &Arc<Lane>) -> Permit {
    take_within(lane, Duration::MAX).unwrap()
}

fn take_within(lane: &Arc<Lane>, max_wait: Duration) -> Result<Permit, Error> {
    lane.acquire(&mut patience(&*lane.clock, max_wait))
}

fn patience(clock: &dyn Clock, max_wait: Duration) -> Patience<'_> {
    Patience::new(clock, max_wait, Deadline::after(None, clock), None)
}

/// The error of one who would have to wait longer than that, for a limit or for the gate.
fn refusal(lane: &Arc<Lane>, max_wait: Duration) -> Error {
    let Err(error) = take_within(lane, max_wait) else {
        panic!("there was room");
    };
    let closed = lane.lock().gate > lane.clock.now();
    assert!(error.kind() == ErrorKind::RateLimited || closed, "{error}");
    error
}

/// A limiter with this lane for every API.
fn limiter_of(lane: &Arc<Lane>) -> RateLimiter {
    RateLimiter {
        limits: RateLimits::documented(),
        lanes: Arc::new([(); 4].map(|()| Arc::clone(lane))),
    }
}

/// A call that ends as soon as it has begun.
fn call(lane: &Arc<Lane>) {
    take(lane).start();
}

/// The most of these moments that are in one half-open window. They are in order.
fn most_in_any_window(moments: &[Duration], window: Duration) -> usize {
    let together = |first: usize| {
        let end = moments[first] + window;
        moments[first..].partition_point(|moment| *moment < end)
    };
    (0..moments.len()).map(together).max().unwrap_or(0)
}

/// Lets another thread get somewhere. Nothing is proved by how long it takes.
fn wait_until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < secs(60), "a thread is stuck");
        thread::yield_now();
    }
}

fn queued(lane: &Arc<Lane>) -> usize {
    lane.lock().queue.len()
}

fn cells(lane: &Arc<Lane>) -> [usize; 2] {
    let state = lane.lock();
    [0, 1].map(|window| state.windows[window].kept().len())
}

// ---- The limits, exactly ----

#[test]
fn a_greedy_caller_gets_every_call_at_the_earliest_moment_there_is() {
    let clock = FakeClock::new();
    let lane = lane(DOCUMENTED, &clock);
    let mut moments = Vec::new();
    for number in 1..=3_001_usize {
        call(&lane);
        moments.push(clock.now());
        // What any schedule that keeps both limits has to obey.
        let mut earliest = Duration::ZERO;
        for (calls, period) in [(100, MINUTE), (1_500, HOUR)] {
            if let Some(before) = number.checked_sub(1 + calls) {
                earliest = earliest.max(moments[before] + period);
            }
        }
        assert_eq!(clock.now(), earliest, "call {number}");
    }
    for (number, done) in [
        (1, 0),
        (100, 0),
        (101, 60),
        (200, 60),
        (245, 120),
        (1_500, 840),
        (1_501, 3_600),
        (3_000, 4_440),
        (3_001, 7_200),
    ] {
        assert_eq!(moments[number - 1], secs(done), "call {number}");
    }
    assert_eq!(most_in_any_window(&moments, MINUTE), 100);
    assert_eq!(most_in_any_window(&moments, HOUR), 1_500);
}

#[test]
fn a_call_has_its_place_in_the_windows_until_a_period_after_its_end() {
    let clock = FakeClock::new();
    let lane = lane([(1, MINUTE), (2, HOUR)], &clock);
    let mut first = take(&lane);
    first.start();
    clock.advance(secs(50));
    drop(first);
    call(&lane);
    assert_eq!(clock.now(), secs(110), "the minute counts from the end");
    call(&lane);
    assert_eq!(clock.now(), secs(3_650), "and so does the hour");
}

#[test]
fn calls_in_flight_have_their_place_too() {
    let clock = FakeClock::new();
    let lane = lane([(3, MINUTE), (10, HOUR)], &clock);
    let mut in_flight = [take(&lane), take(&lane), take(&lane)];
    in_flight.iter_mut().for_each(Permit::start);
    clock.advance(10 * HOUR);
    let error = refusal(&lane, secs(59));
    assert_eq!(error.retry_after(), Some(MINUTE), "the least it can be");
    drop(in_flight);
    assert_eq!(cells(&lane), [3, 3]);
    assert_eq!(
        refusal(&lane, since(MINUTE, INSTANT)).retry_after(),
        Some(MINUTE),
        "however long ago they began"
    );
}

#[test]
fn a_permit_that_was_never_started_leaves_no_trace() {
    let clock = FakeClock::new();
    let lane = lane([(2, MINUTE), (2, HOUR)], &clock);
    for _ in 0..10 {
        let permits = [take(&lane), take(&lane)];
        refusal(&lane, Duration::ZERO);
        drop(permits);
    }
    assert_eq!(cells(&lane), [0, 0]);
    assert_eq!(lane.lock().in_flight, 0);
    assert_eq!(clock.now(), Duration::ZERO);
}

#[test]
fn a_permit_that_was_started_counts_in_both_windows_once_however_often_it_was_started() {
    let clock = FakeClock::new();
    let lane = lane(DOCUMENTED, &clock);
    let mut permit = take(&lane);
    permit.start();
    permit.start();
    assert_eq!(cells(&lane), [0, 0], "not before it ends");
    drop(permit);
    assert_eq!(cells(&lane), [1, 1]);
}

// ---- The limits under any demand ----

/// One call that somebody wants to make.
#[derive(Clone, Copy, Debug)]
struct Wish {
    asked: Duration,
    lasts: Duration,
    /// Else its permit comes back unused.
    sent: bool,
    /// When the service counts it, in thousandths of the way from its start to its end.
    counted: u32,
    /// For how long the answer closes the gate.
    pause: Duration,
}

/// One call as it was made.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Made {
    start: Duration,
    end: Duration,
    sent: bool,
    pause: Duration,
}

impl Wish {
    fn made(self, start: Duration) -> Made {
        Made {
            start,
            end: start + self.lasts,
            sent: self.sent,
            pause: self.pause,
        }
    }
}

/// The model: a log of all calls, in the order of asking. A call that was sent blocks a place in a
/// window until a period after its end, any other until its end; whoever comes next needs a free
/// place in both, and keeps the pauses that were asked for by then. Nobody who only knows when calls
/// began and ended can go earlier and be sure.
struct Log {
    rules: Rules,
    made: Vec<Made>,
    /// For each window until when each call blocks a place; sorted.
    blocked: [Vec<Duration>; 2],
    /// From when until when.
    pauses: Vec<[Duration; 2]>,
}

impl Log {
    fn new(rules: Rules) -> Self {
        let (made, blocked, pauses) = Default::default();
        Self {
            rules,
            made,
            blocked,
            pauses,
        }
    }

    fn earliest(&self, asked: Duration) -> Duration {
        let mut start = self.made.last().map_or(asked, |last| last.start.max(asked));
        for ((calls, _), blocked) in self.rules.iter().zip(&self.blocked) {
            if let Some(rank) = blocked.len().checked_sub(*calls as usize) {
                start = start.max(blocked[rank]);
            }
        }
        let covers = |[from, until]: &&[Duration; 2], moment| (*from..*until).contains(&moment);
        while let Some([_, until]) = self.pauses.iter().find(|pause| covers(pause, start)) {
            start = *until;
        }
        start
    }

    /// The free places, in each window.
    fn left(&self, now: Duration) -> [u32; 2] {
        [0, 1].map(|window| {
            let blocked = &self.blocked[window];
            let taken = blocked.len() - blocked.partition_point(|until| *until <= now);
            self.rules[window].0 - u32::try_from(taken).unwrap()
        })
    }

    fn push(&mut self, made: Made) {
        for ((_, period), blocked) in self.rules.iter().zip(&mut self.blocked) {
            let until = made.end + if made.sent { *period } else { Duration::ZERO };
            blocked.insert(blocked.partition_point(|other| *other < until), until);
        }
        if !made.pause.is_zero() {
            self.pauses.push([made.end, made.end + made.pause]);
        }
        self.made.push(made);
    }
}

fn model(rules: Rules, wishes: &[Wish]) -> Vec<Made> {
    let mut log = Log::new(rules);
    for wish in wishes {
        log.push(wish.made(log.earliest(wish.asked)));
    }
    log.made
}

/// Time in which calls last: whoever sleeps lets those end that end meanwhile, each at its moment.
#[derive(Clone, Default)]
struct Simulation(Arc<Simulated>);

#[derive(Default)]
struct Simulated {
    now: Mutex<Duration>,
    in_flight: Mutex<BTreeMap<(Duration, usize), (Permit, Wish)>>,
}

impl Simulation {
    fn begin(&self, number: usize, wish: Wish, mut permit: Permit) -> Made {
        if wish.sent {
            permit.start();
        }
        let made = wish.made(self.now());
        let mut in_flight = self.0.in_flight.lock().unwrap();
        in_flight.insert((made.end, number), (permit, wish));
        made
    }

    fn in_flight(&self) -> usize {
        self.0.in_flight.lock().unwrap().len()
    }

    fn next_end(&self) -> Option<Duration> {
        let in_flight = self.0.in_flight.lock().unwrap();
        in_flight.keys().next().map(|(end, _)| *end)
    }

    fn pass_until(&self, moment: Duration) {
        while let Some(end) = self.next_end().filter(|end| *end <= moment) {
            *self.0.now.lock().unwrap() = end;
            let ended = self.0.in_flight.lock().unwrap().pop_first();
            let (_, (permit, wish)) = ended.unwrap();
            let limiter = limiter_of(&permit.lane);
            drop(permit);
            limiter.close(Api::Machines, wish.pause);
        }
        let mut now = self.0.now.lock().unwrap();
        *now = moment.max(*now);
    }

    fn end_all(&self) {
        while let Some(end) = self.next_end() {
            self.pass_until(end);
        }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulation")
    }
}

impl Clock for Simulation {
    fn now(&self) -> Duration {
        *self.0.now.lock().unwrap()
    }

    fn utc(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }

    fn sleep(&self, duration: Duration) {
        let until = self.now() + duration;
        self.pass_until(until);
    }
}

/// Callers that wait. While nothing but the end of a call can help, nobody could let time pass, so
/// that is done for them.
fn wait_for_all(rules: Rules, wishes: &[Wish]) -> Vec<Made> {
    let time = Simulation::default();
    let lane = lane(rules, &time);
    let fewest = rules[0].0.min(rules[1].0) as usize;
    let mut log = Vec::new();
    for (number, wish) in wishes.iter().enumerate() {
        time.pass_until(wish.asked);
        while time.in_flight() >= fewest {
            refusal(&lane, Duration::ZERO);
            time.pass_until(time.next_end().unwrap());
        }
        let made = time.begin(number, *wish, take(&lane));
        // A call of no length is over before the next one is wished for.
        time.pass_until(made.start);
        log.push(made);
    }
    time.end_all();
    log
}

/// Callers that don't wait but come again: refused an instant before there is room, served then.
fn ask_for_all(rules: Rules, wishes: &[Wish]) -> Vec<Made> {
    let time = Simulation::default();
    let lane = lane(rules, &time);
    let fewest = rules[0].0.min(rules[1].0) as usize;
    let mut log = Log::new(rules);
    for (number, wish) in wishes.iter().enumerate() {
        time.pass_until(wish.asked);
        let earliest = log.earliest(wish.asked);
        if earliest > time.now() {
            let left = since(earliest, time.now());
            let told = refusal(&lane, Duration::ZERO).retry_after().unwrap();
            if wishes.iter().all(|wish| wish.sent) {
                assert!(told <= left, "call {number}: {told:?} told, {left:?} left");
                // Nobody knows when a call in flight ends, or what the answer will ask for.
                let unknown = time.in_flight() >= fewest || !log.pauses.is_empty();
                assert!(unknown || told == left, "call {number}");
            }
            assert_eq!(lane.quota().next_call_in, told);
            time.pass_until(since(earliest, INSTANT));
            let told = refusal(&lane, Duration::ZERO).retry_after().unwrap();
            assert!(told >= INSTANT);
            time.pass_until(earliest);
        }
        let quota = lane.quota();
        assert_eq!(quota.next_call_in, Duration::ZERO);
        let left = [quota.left_in_minute, quota.left_in_hour];
        assert_eq!(left, log.left(time.now()), "before call {number}");
        let permit = take_within(&lane, Duration::ZERO).unwrap();
        let made = time.begin(number, *wish, permit);
        time.pass_until(made.start);
        log.push(made);
    }
    time.end_all();
    assert_eq!(lane.lock().in_flight, 0);
    log.made
}

/// The service counts each call that was sent at some moment between its start and its end.
fn never_above(rules: Rules, wishes: &[Wish], log: &[Made]) -> Result<(), TestCaseError> {
    let mut counted = Vec::new();
    for (wish, made) in wishes.iter().zip(log).filter(|(wish, _)| wish.sent) {
        counted.push(made.start + since(made.end, made.start) * wish.counted / 1_000);
    }
    counted.sort();
    for (calls, period) in rules {
        prop_assert!(most_in_any_window(&counted, period) <= calls as usize);
        // At the worst moment for each: all that are not over for a period when the last begins.
        for (number, last) in log.iter().enumerate().filter(|(_, last)| last.sent) {
            let longest = 2 * MINUTE;
            let first = log.partition_point(|made| made.start + longest + period < last.start);
            let together = log[first..=number]
                .iter()
                .filter(|made| made.sent && made.end + period > last.start)
                .count();
            prop_assert!(together <= calls as usize, "{together} of {calls}");
        }
    }
    Ok(())
}

/// Milliseconds, often with a few nanoseconds more.
fn time_up_to(milliseconds: u64) -> impl Strategy<Value = Duration> {
    let milliseconds = prop_oneof![Just(0), 0..=milliseconds / 20, 0..=milliseconds];
    (milliseconds, 0..3_u64).prop_map(|(milliseconds, nanoseconds)| {
        Duration::from_millis(milliseconds) + Duration::from_nanos(nanoseconds)
    })
}

/// What there is to wish for.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// All calls are sent, and none closes the gate.
    Plain,
    /// Some aren't sent.
    Unsent,
    /// Some answers close the gate.
    Pausing,
}

/// Wishes in the order of asking, up to `apart` milliseconds apart, for calls of up to 90 seconds.
fn wishes(
    number: impl Into<proptest::collection::SizeRange>,
    apart: u64,
    kind: Kind,
) -> impl Strategy<Value = Vec<Wish>> {
    let unsent = if kind == Kind::Unsent { 0.3 } else { 0.0 };
    let pausing = if kind == Kind::Pausing { 0.2 } else { 0.0 };
    let pause = (proptest::bool::weighted(pausing), time_up_to(200_000));
    let unsent = proptest::bool::weighted(unsent);
    let one = (
        time_up_to(apart),
        time_up_to(90_000),
        unsent,
        0..=1_000_u32,
        pause,
    );
    proptest::collection::vec(one, number).prop_map(|wishes| {
        let mut asked = Duration::ZERO;
        let wish = |(apart, lasts, unsent, counted, (pausing, pause)): (_, _, bool, _, _)| {
            asked += apart;
            Wish {
                asked,
                lasts,
                sent: !unsent,
                counted,
                pause: if pausing { pause } else { Duration::ZERO },
            }
        };
        wishes.into_iter().map(wish).collect()
    })
}

/// Small limits make every pattern likely: 3 and 7, and all around them.
fn small_rules() -> impl Strategy<Value = Rules> {
    let long = prop_oneof![Just(2 * MINUTE), Just(5 * MINUTE), Just(10 * MINUTE)];
    (1..=4_u32, 1..=9_u32, long).prop_map(|(few, many, long)| [(few, MINUTE), (many, long)])
}

/// Looks for a simple example of a fault only so long.
fn cases(number: u32) -> ProptestConfig {
    ProptestConfig {
        max_shrink_time: 20_000,
        ..ProptestConfig::with_cases(number)
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn small_limits_are_kept_and_nobody_waits_longer_than_needed(
        rules in small_rules(),
        wishes in wishes(0..60, 40_000, Kind::Plain),
    ) {
        let log = wait_for_all(rules, &wishes);
        never_above(rules, &wishes, &log)?;
        prop_assert_eq!(log, model(rules, &wishes));
    }

    #[test]
    fn permits_that_come_back_unused_make_room_at_once(
        rules in small_rules(),
        wishes in wishes(0..60, 40_000, Kind::Unsent),
    ) {
        let log = ask_for_all(rules, &wishes);
        never_above(rules, &wishes, &log)?;
        prop_assert_eq!(log, model(rules, &wishes));
    }

    #[test]
    fn a_refusal_tells_the_wait_that_is_left(
        rules in small_rules(),
        wishes in wishes(0..60, 40_000, Kind::Plain),
    ) {
        ask_for_all(rules, &wishes);
    }

    #[test]
    fn pauses_are_kept_besides_the_limits_and_nobody_waits_longer_than_needed(
        rules in small_rules(),
        wishes in wishes(0..60, 40_000, Kind::Pausing),
    ) {
        for log in [wait_for_all(rules, &wishes), ask_for_all(rules, &wishes)] {
            never_above(rules, &wishes, &log)?;
            prop_assert_eq!(log, model(rules, &wishes));
        }
    }

    #[test]
    fn who_sleeps_hears_of_a_permit_that_came_back_unused_within_a_second(
        rules in small_rules(),
        wishes in wishes(0..60, 40_000, Kind::Unsent),
    ) {
        let log = wait_for_all(rules, &wishes);
        never_above(rules, &wishes, &log)?;
        let mut before = Log::new(rules);
        for (wish, made) in wishes.iter().zip(log) {
            let earliest = before.earliest(wish.asked);
            prop_assert!(made.start >= earliest);
            prop_assert!(made.start < earliest + secs(1));
            before.push(made);
        }
    }
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn the_documented_limits_are_kept_and_nobody_waits_longer_than_needed(
        wishes in wishes(2_500..3_200_usize, 1_500, Kind::Plain),
    ) {
        let log = wait_for_all(DOCUMENTED, &wishes);
        never_above(DOCUMENTED, &wishes, &log)?;
        prop_assert_eq!(log, model(DOCUMENTED, &wishes));
    }

    #[test]
    fn the_documented_limits_are_kept_when_permits_come_back_unused(
        wishes in wishes(2_500..3_200_usize, 1_500, Kind::Unsent),
    ) {
        let log = ask_for_all(DOCUMENTED, &wishes);
        never_above(DOCUMENTED, &wishes, &log)?;
        prop_assert_eq!(log, model(DOCUMENTED, &wishes));
    }
}

// ---- Threads ----

#[test]
fn thirty_two_threads_never_exceed_the_limits_as_the_service_sees_them() {
    let rules = [
        (20, Duration::from_millis(250)),
        (60, Duration::from_millis(900)),
    ];
    let lane = lane(rules, &SystemClock);
    let counted = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for thread in 0..32_u64 {
            let (lane, counted) = (&lane, &counted);
            scope.spawn(move || {
                for call in 0..5 {
                    let mut permit = take(lane);
                    permit.start();
                    thread::sleep(Duration::from_millis((thread + call) % 4));
                    counted.lock().unwrap().push(SystemClock.now());
                    thread::sleep(Duration::from_millis((thread * 3 + call) % 7));
                    drop(permit);
                }
            });
        }
    });
    let mut counted = counted.into_inner().unwrap();
    counted.sort();
    assert_eq!(counted.len(), 160, "everybody was served");
    for (calls, period) in rules {
        let most = most_in_any_window(&counted, period);
        assert!(most <= calls as usize, "{most} in {period:?}");
    }
}

#[test]
fn a_permit_that_comes_back_unused_wakes_those_who_wait_for_one() {
    // Whoever is not woken looks again after a second: with 400 hand-overs that would be minutes.
    let clock = FakeClock::new();
    let lane = lane([(1, MINUTE), (1, HOUR)], &clock);
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let permit = take(&lane);
                    thread::yield_now();
                    drop(permit);
                }
            });
        }
    });
    assert!(begun.elapsed() < secs(30), "took {:?}", begun.elapsed());
    assert_eq!(clock.now(), Duration::ZERO, "and no time was slept away");
}

/// Time as one caller sees it: it tells that it was looked at, and panics on demand.
#[derive(Clone, Debug, Default)]
struct Watch {
    clock: FakeClock,
    looks: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
}

impl Watch {
    fn showing(clock: &FakeClock) -> Self {
        Self {
            clock: clock.clone(),
            ..Self::default()
        }
    }

    fn breaks(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    fn is_repaired(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }

    fn look(&self) {
        self.looks.fetch_add(1, Ordering::SeqCst);
        assert!(!self.broken.load(Ordering::SeqCst), "the watch is broken");
    }
}

impl Clock for Watch {
    fn now(&self) -> Duration {
        self.look();
        self.clock.now()
    }

    fn utc(&self) -> OffsetDateTime {
        self.clock.utc()
    }

    fn sleep(&self, duration: Duration) {
        self.look();
        self.clock.sleep(duration);
    }
}

/// Callers who queue up one after another behind a call in flight, on a lane of one call a minute.
struct Queue<'scope, 'env> {
    lane: &'scope Arc<Lane>,
    scope: &'scope thread::Scope<'scope, 'env>,
    clock: &'scope FakeClock,
    served: &'scope Mutex<Vec<(&'static str, Duration)>>,
}

/// One of them.
struct Caller<'scope> {
    watch: Watch,
    thread: thread::ScopedJoinHandle<'scope, Result<(), Error>>,
}

impl<'scope> Queue<'scope, '_> {
    /// Comes back when the caller waits in the queue and has begun to count its time.
    fn up(&self, name: &'static str, max_wait: Duration) -> Caller<'scope> {
        let (lane, served) = (self.lane, self.served);
        let watch = Watch::showing(self.clock);
        let looks = Arc::clone(&watch.looks);
        let before = queued(lane);
        let clock = watch.clone();
        let thread = self.scope.spawn(move || {
            let mut permit = lane.acquire(&mut patience(&clock, max_wait))?;
            permit.start();
            served.lock().unwrap().push((name, lane.clock.now()));
            Ok(())
        });
        wait_until(|| queued(lane) == before + 1 && looks.load(Ordering::SeqCst) > 2);
        Caller { watch, thread }
    }

    fn shrinks_to(&self, length: usize) {
        wait_until(|| {
            // With a fake clock nobody wakes the sleepers when time has passed.
            self.lane.changed.notify_all();
            queued(self.lane) == length
        });
    }
}

/// Lets callers queue up behind a call, and tells who was served when.
fn serve(callers: impl FnOnce(&Queue<'_, '_>)) -> Vec<(&'static str, Duration)> {
    let clock = FakeClock::new();
    let lane = lane([(1, MINUTE), (1_500, HOUR)], &clock);
    let served = Mutex::new(Vec::new());
    let mut in_flight = take(&lane);
    in_flight.start();
    thread::scope(|scope| {
        callers(&Queue {
            lane: &lane,
            scope,
            clock: &clock,
            served: &served,
        });
        drop(in_flight);
    });
    assert_eq!(queued(&lane), 0);
    assert_eq!(lane.lock().in_flight, 0);
    served.into_inner().unwrap()
}

#[test]
fn those_who_asked_first_are_served_first() {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let served = serve(|queue| {
        for name in NAMES {
            queue.up(name, Duration::MAX);
        }
    });
    let minutes = (1..).map(|minute| minute * MINUTE);
    assert_eq!(served, NAMES.into_iter().zip(minutes).collect::<Vec<_>>());
}

#[test]
fn nobody_overtakes_those_who_asked_first_though_there_is_room_for_all() {
    let watch = Watch::default();
    let lane = lane(DOCUMENTED, &watch);
    let first = lane.queue_up();
    thread::scope(|scope| {
        let second = scope.spawn(|| drop(take(&lane)));
        let looks = || watch.looks.load(Ordering::SeqCst);
        wait_until(|| {
            lane.changed.notify_all();
            looks() > 5 || second.is_finished()
        });
        assert_eq!(queued(&lane), 2, "it looked, saw room, and waited");
        drop(first);
    });
    assert_eq!(queued(&lane), 0);
}

#[test]
fn who_is_woken_in_vain_is_not_refused_for_it() {
    let watch = Watch::default();
    let lane = lane(DOCUMENTED, &watch);
    let first = lane.queue_up();
    let begun = Instant::now();
    // Only where nobody has moved for a second.
    let may_be_refused = || begun.elapsed() >= TELL_EVERY;
    thread::scope(|scope| {
        let second = scope.spawn(|| take_within(&lane, Duration::ZERO).map(drop));
        wait_until(|| {
            lane.changed.notify_all();
            watch.looks.load(Ordering::SeqCst) > 10 || second.is_finished()
        });
        drop(first);
        let served = second.join().unwrap().is_ok();
        assert!(served || may_be_refused(), "there was room all the time");
    });
}

#[test]
fn who_leaves_the_queue_wakes_those_behind() {
    // Whoever is not woken looks again after a second: for 60 queues that would be a minute.
    let begun = Instant::now();
    for _ in 0..60 {
        let lane = lane(DOCUMENTED, &FakeClock::new());
        let first = lane.queue_up();
        thread::scope(|scope| {
            for waiting in 1..=3 {
                scope.spawn(|| take(&lane).start());
                wait_until(|| queued(&lane) == 1 + waiting);
            }
            drop(first);
        });
        assert_eq!(cells(&lane), [3, 3]);
    }
    assert!(begun.elapsed() < secs(30), "took {:?}", begun.elapsed());
}

#[test]
fn a_place_in_the_queue_is_given_up_alone() {
    let lane = lane(DOCUMENTED, &FakeClock::new());
    let [first, second, third] = [(); 3].map(|()| lane.queue_up());
    let left = || lane.lock().queue.iter().copied().collect::<Vec<_>>();
    let (one, two, three) = (first.number, second.number, third.number);
    assert_eq!(left(), [one, two, three]);
    drop(second);
    assert_eq!(left(), [one, three]);
    drop(third);
    assert_eq!(left(), [one]);
    drop(first);
    assert!(left().is_empty());
}

#[test]
fn who_gives_up_leaves_the_queue_and_blocks_nobody() {
    let served = serve(|queue| {
        let first = queue.up("first", secs(90));
        queue.up("second", Duration::MAX);
        // Behind two others it has to wait for several minutes, however it is counted.
        let third = queue.up("third", secs(300));
        queue.up("fourth", Duration::MAX);
        // The call in flight still hasn't ended: from now on it is a minute at least.
        queue.clock.advance(secs(31));
        queue.shrinks_to(3);
        queue.clock.advance(secs(210));
        queue.shrinks_to(2);
        for gone in [first, third] {
            let error = gone.thread.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RateLimited);
            assert!(error.retry_after() >= Some(MINUTE));
        }
        assert_eq!(queue.clock.now(), secs(241), "nobody slept");
    });
    assert_eq!(served, [("second", secs(301)), ("fourth", secs(361))]);
}

#[test]
fn who_panics_while_waiting_leaves_the_queue_and_blocks_nobody() {
    let served = serve(|queue| {
        let first = queue.up("first", Duration::MAX);
        queue.up("second", Duration::MAX);
        let third = queue.up("third", Duration::MAX);
        queue.up("fourth", Duration::MAX);
        first.watch.breaks();
        third.watch.breaks();
        queue.shrinks_to(2);
        assert!(first.thread.join().is_err());
        assert!(third.thread.join().is_err());
    });
    assert_eq!(served, [("second", secs(60)), ("fourth", secs(120))]);
}

#[test]
fn who_panics_while_sleeping_leaves_the_queue() {
    /// Breaks when somebody sleeps.
    #[derive(Clone, Debug)]
    struct Sleepless(FakeClock);

    impl Clock for Sleepless {
        fn now(&self) -> Duration {
            self.0.now()
        }

        fn utc(&self) -> OffsetDateTime {
            self.0.utc()
        }

        fn sleep(&self, _: Duration) {
            panic!("can't sleep");
        }
    }

    let clock = FakeClock::new();
    let lane = lane([(1, MINUTE), (2, HOUR)], &Sleepless(clock.clone()));
    call(&lane);
    assert!(panic::catch_unwind(AssertUnwindSafe(|| take(&lane))).is_err());
    assert_eq!(queued(&lane), 0);
    clock.advance(MINUTE);
    assert!(take_within(&lane, Duration::ZERO).is_ok());
}

#[test]
fn a_panic_while_holding_a_permit_gives_it_back() {
    let clock = FakeClock::new();
    for sent in [false, true] {
        let lane = lane([(1, MINUTE), (1, HOUR)], &clock);
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
            let mut permit = take(&lane);
            if sent {
                permit.start();
            }
            panic!("in the middle of the call");
        }));
        assert!(panicked.is_err());
        assert_eq!(lane.lock().in_flight, 0);
        assert_eq!(cells(&lane), [usize::from(sent); 2], "sent: {sent}");
        assert_eq!(take_within(&lane, Duration::ZERO).is_ok(), !sent);
    }
}

#[test]
fn a_panic_under_the_lock_does_not_take_the_limiter_down() {
    let clock = Watch::default();
    let lane = lane(DOCUMENTED, &clock);
    call(&lane);
    clock.breaks();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        lane.acquire(&mut patience(&clock.clock, Duration::MAX))
    }));
    assert!(panicked.is_err());
    assert!(lane.state.is_poisoned(), "it did happen under the lock");
    clock.is_repaired();
    assert_eq!(queued(&lane), 0);
    call(&lane);
    assert_eq!(cells(&lane), [2, 2]);
}

#[test]
fn each_of_those_who_wait_takes_the_next_place_that_gets_free() {
    let clock = FakeClock::new();
    let lane = lane([(4, MINUTE), (100, HOUR)], &clock);
    for _ in 0..4 {
        call(&lane);
        clock.advance(secs(10));
    }
    // The calls ended at 0, 10, 20 and 30; now it is 40.
    let mut before = Vec::new();
    for left in [20, 30, 40, 50] {
        let told = refusal(&lane, Duration::ZERO).retry_after();
        assert_eq!(told, Some(secs(left)), "behind {}", before.len());
        assert_eq!(lane.quota().next_call_in, secs(left));
        before.push(lane.queue_up());
    }
}

#[test]
fn those_who_wait_count_before_one_who_comes_later() {
    let clock = FakeClock::new();
    let lane = lane([(3, MINUTE), (10, HOUR)], &clock);
    let before = [lane.queue_up(), lane.queue_up(), lane.queue_up()];
    let error = refusal(&lane, secs(59));
    assert_eq!(error.retry_after(), Some(MINUTE));
    assert_eq!(queued(&lane), 3, "who is refused leaves");
    drop(before);
    assert!(take_within(&lane, Duration::ZERO).is_ok());
}

// ---- How long one waits ----

#[test]
fn a_wait_longer_than_max_wait_is_refused_at_once() {
    let clock = FakeClock::new();
    let lane = lane(DOCUMENTED, &clock);
    for _ in 0..100 {
        call(&lane);
    }
    let now = Duration::from_millis(10_500);
    clock.advance(now);
    for max_wait in [Duration::ZERO, secs(49), Duration::from_millis(49_499)] {
        let error = refusal(&lane, max_wait);
        assert_eq!(clock.now(), now, "nobody slept");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(49_500)));
        assert!(error.is_retryable());
        assert_eq!(error.attempts(), 0);
    }
    assert_eq!(queued(&lane), 0);
    let text = refusal(&lane, secs(49)).to_string();
    for part in [
        "machines",
        "100 calls in 60 s",
        "50 s left",
        "max_wait is 49 s",
    ] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
    // The wait that was told is enough, and one that is just allowed is waited.
    drop(take_within(&lane, Duration::from_millis(49_500)).unwrap());
    assert_eq!(clock.now(), MINUTE);
}

#[test]
fn a_refusal_names_the_window_that_keeps_the_caller_longest() {
    let clock = FakeClock::new();
    let lane = lane(DOCUMENTED, &clock);
    for _ in 0..1_500 {
        call(&lane);
    }
    assert_eq!(clock.now(), secs(840));
    let error = refusal(&lane, secs(300));
    assert_eq!(error.retry_after(), Some(secs(2_760)));
    let text = error.to_string();
    for part in ["1500 calls in 3600 s", "2760 s left", "max_wait is 300 s"] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
    assert_eq!(clock.now(), secs(840));
    drop(take_within(&lane, secs(2_760)).unwrap());
    assert_eq!(clock.now(), secs(3_600));
}

#[test]
fn who_would_not_wait_so_long_never_stands_in_the_queue() {
    let lane = lane([(1, MINUTE), (10, HOUR)], &FakeClock::new());
    call(&lane);
    let ticket = || lane.lock().next_ticket;
    let before = ticket();
    refusal(&lane, since(MINUTE, INSTANT));
    assert_eq!(ticket(), before);
    take_within(&lane, MINUTE).unwrap().start();
    assert_eq!(ticket(), before + 1);
}

#[test]
fn who_waits_just_as_long_as_allowed_has_its_place_before_it_hears_of_the_wait() {
    let clock = FakeClock::new();
    let lane = lane([(1, MINUTE), (10, HOUR)], &clock);
    call(&lane);
    let places = Arc::new(Mutex::new(Vec::new()));
    let (heard, waited_for) = (Arc::clone(&places), Arc::clone(&lane));
    let observer = Observer::new(move |_| {
        heard.lock().unwrap().push(queued(&waited_for));
        ControlFlow::Continue(())
    });
    let never = Deadline::after(None, &clock);
    let mut patience = Patience::new(&clock, MINUTE, never, Some(&observer));
    drop(lane.acquire(&mut patience).unwrap());
    assert_eq!(*places.lock().unwrap(), [1; 60], "once a second");
}

/// As the manual says it.
fn in_words(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => "none".to_owned(),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn in_groups(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8(groups.join(&b',')).unwrap()
}

#[test]
fn how_long_a_large_tenant_takes() {
    let clock = FakeClock::new();
    let lane = lane(DOCUMENTED, &clock);
    let made = |_| {
        call(&lane);
        clock.now()
    };
    let calls: Vec<Duration> = (0..100_000).map(made).collect();
    let waits = calls.windows(2).map(|pair| since(pair[1], pair[0]));
    assert_eq!(waits.max(), Some(secs(46 * 60)));

    let manual = include_str!("../../lib.rs");
    for machines in [1_000_000, 10_000_000] {
        for page in [10_000, 1_000, 100] {
            let pages = machines / page;
            let [of, on, number] = [machines, page, pages].map(in_groups);
            let time = in_words(calls[pages - 1]);
            let row = format!("//! | {of} | {on} | {number} | {time} |\n");
            assert!(manual.contains(&row), "{row}");
        }
    }
}

#[test]
fn max_wait_bounds_the_whole_of_a_wait_and_not_its_stretches() {
    // A call is in flight; when that ends late, a minute is still to come.
    let served = serve(|queue| {
        let caller = queue.up("only", secs(61));
        queue.clock.advance(secs(1));
        let looks = || caller.watch.looks.load(Ordering::SeqCst);
        let before = looks();
        wait_until(|| {
            queue.lane.changed.notify_all();
            looks() > before + 1
        });
        assert_eq!(queued(queue.lane), 1, "a minute and a second is allowed");
        queue.clock.advance(INSTANT);
        queue.shrinks_to(0);
        assert!(caller.thread.join().unwrap().is_err());
    });
    assert_eq!(served, []);
}

#[test]
fn every_wait_of_a_call_may_be_as_long_as_max_wait() {
    let clock = FakeClock::new();
    let limiter = limiter_of(&lane([(1, MINUTE), (1_500, HOUR)], &clock));
    let mut patience = patience(&clock, MINUTE);
    for waited in [0, 60, 120, 180] {
        limiter
            .acquire(Api::Machines, &mut patience)
            .unwrap()
            .start();
        assert_eq!(clock.now(), secs(waited));
    }
}

#[test]
fn the_longest_max_wait_there_is_overflows_nowhere() {
    let clock = FakeClock::new();
    clock.advance(secs(u64::from(u32::MAX)));
    let lane = lane([(1, MINUTE), (2, HOUR)], &clock);
    let begun = clock.now();
    for _ in 0..3 {
        drop(take_within(&lane, Duration::MAX).map(|mut permit| permit.start()));
    }
    assert_eq!(since(clock.now(), begun), HOUR);
}

// ---- The gate that the service closes ----

#[test]
fn a_closed_gate_holds_back_every_call_of_its_api_and_no_other() {
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::new());
    let limiter = RateLimiter::with_clock(RateLimits::documented(), &clock).unwrap();
    limiter.close(Api::ScanAgents, secs(40));
    let mut at_once = patience(&*clock, Duration::ZERO);
    for api in [Api::Machines, Api::ScanDefinitions, Api::ScanHistory] {
        assert!(limiter.acquire(api, &mut at_once).is_ok());
    }
    let Err(error) = limiter.acquire(Api::ScanAgents, &mut at_once) else {
        panic!("the gate is closed");
    };
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(secs(40)));
    assert!(error.is_retryable());
    let text = error.to_string();
    for part in ["scan agents", "40 s", "max_wait is 0 s"] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
    assert_eq!(clock.now(), Duration::ZERO, "nobody slept");
    let mut patient = patience(&*clock, secs(40));
    for _ in 0..2 {
        drop(
            limiter
                .clone()
                .acquire(Api::ScanAgents, &mut patient)
                .unwrap(),
        );
        assert_eq!(clock.now(), secs(40), "open for all");
    }
}

#[test]
fn the_longest_pause_that_was_asked_for_holds_but_none_longer_than_an_hour() {
    let clock = FakeClock::new();
    let lane = lane(DOCUMENTED, &clock);
    let limiter = limiter_of(&lane);
    let closed_for = |lane: &Arc<Lane>| lane.quota().next_call_in;
    for (pause, closed) in [(10, 10), (30, 30), (20, 30), (0, 30)] {
        limiter.close(Api::Machines, secs(pause));
        assert_eq!(closed_for(&lane), secs(closed));
    }
    clock.advance(secs(25));
    limiter.close(Api::Machines, secs(10));
    assert_eq!(closed_for(&lane), secs(10), "from now on");
    limiter.close(Api::Machines, Duration::MAX);
    assert_eq!(closed_for(&lane), HOUR);
}

#[test]
fn a_gate_that_closes_while_somebody_sleeps_holds_that_one_back_too() {
    let clock = FakeClock::new();
    let lane = lane([(1, MINUTE), (1_500, HOUR)], &clock);
    call(&lane);
    let limiter = limiter_of(&lane);
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let (heard, time) = (Arc::clone(&reasons), clock.clone());
    let observer = Observer::new(move |wait| {
        heard.lock().unwrap().push(wait.reason);
        if time.now() == secs(30) {
            limiter.close(Api::Machines, secs(70));
        }
        ControlFlow::Continue(())
    });
    let no_deadline = Deadline::after(None, &clock);
    let mut patience = Patience::new(&clock, Duration::MAX, no_deadline, Some(&observer));
    drop(lane.acquire(&mut patience).unwrap());
    assert_eq!(clock.now(), secs(100));
    let mut reasons = reasons.lock().unwrap().clone();
    assert_eq!(reasons.len(), 100, "once a second");
    reasons.dedup();
    let minute = WaitReason::MinuteWindow { calls: 1 };
    assert_eq!(reasons, [minute, WaitReason::Throttled]);
}

// ---- What is kept ----

#[test]
fn no_more_cells_are_kept_than_the_limits_allow_calls() {
    let clock = FakeClock::new();
    let lane = lane(DOCUMENTED, &clock);
    let capacity = |lane: &Arc<Lane>| {
        let state = lane.lock();
        [0, 1].map(|window| state.windows[window].kept().capacity())
    };
    assert_eq!(capacity(&lane), [0, 0], "none before there are calls");
    for _ in 0..6_000 {
        call(&lane);
        let [minute, hour] = cells(&lane);
        assert!(minute <= 100 && hour <= 1_500, "{minute}, {hour}");
    }
    let [minute, hour] = capacity(&lane);
    assert!(minute <= 2 * 100 && hour <= 2 * 1_500, "{minute}, {hour}");
    clock.advance(HOUR);
    drop(take(&lane));
    assert_eq!(cells(&lane), [0, 0], "old ones are forgotten");
}

#[test]
fn the_largest_limits_neither_overflow_nor_allocate_in_advance() {
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::new());
    let limits = RateLimits::new(u32::MAX, u32::MAX);
    let limiter = RateLimiter::with_clock(limits, &clock).unwrap();
    let lane = &limiter.lanes[0];
    for window in &lane.lock().windows {
        assert_eq!(window.left(0), u32::MAX);
        assert_eq!(window.kept().capacity(), 0);
    }
    let in_flight: Vec<Permit> = (0..1_000).map(|_| take(lane)).collect();
    for _ in 0..1_000 {
        call(lane);
    }
    drop(in_flight);
    assert_eq!(cells(lane), [1_000, 1_000]);
    assert_eq!(clock.now(), Duration::ZERO);
}

#[test]
fn nobody_is_refused_while_there_is_room_for_all_who_ask_at_once() {
    for _ in 0..1_000 {
        let lane = lane([(4, MINUTE), (4, HOUR)], &FakeClock::new());
        let start = std::sync::Barrier::new(4);
        thread::scope(|scope| {
            let ask = || {
                start.wait();
                take_within(&lane, Duration::ZERO).unwrap().start();
            };
            for _ in 0..4 {
                scope.spawn(ask);
            }
        });
    }
}

#[test]
fn who_is_refused_spoils_nobodys_wait() {
    for _ in 0..500 {
        let clock = FakeClock::new();
        let lane = lane([(1, MINUTE), (20, HOUR)], &clock);
        call(&lane);
        clock.advance(secs(50));
        let start = std::sync::Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                drop(take_within(&lane, Duration::ZERO));
            });
            scope.spawn(|| {
                start.wait();
                take_within(&lane, secs(30)).unwrap().start();
            });
        });
    }
}

#[test]
fn who_asks_behind_many_hears_at_once_how_long_it_takes() {
    let clock = FakeClock::new();
    let lane = lane([(2, MINUTE), (100, HOUR)], &clock);
    call(&lane);
    clock.advance(secs(10));
    call(&lane);
    let mut before = Vec::new();
    for left in [50, 60, 110, 120, 170] {
        let told = refusal(&lane, Duration::ZERO).retry_after();
        assert_eq!(told, Some(secs(left)), "behind {}", before.len());
        before.push(lane.queue_up());
    }
}

#[test]
fn max_wait_holds_for_one_who_stands_behind_a_busy_head() {
    let clock = FakeClock::new();
    let lane = lane([(2, MINUTE), (100, HOUR)], &clock);
    call(&lane);
    call(&lane);
    let (go_on, stays) = std::sync::mpsc::channel::<()>();
    let (stays, busy) = (Mutex::new(stays), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&busy);
    // As `on_wait` may well do: it blocks, say on a full pipe.
    let observer = Observer::new(move |_| {
        told.store(true, Ordering::SeqCst);
        let _ = stays.lock().unwrap().recv();
        ControlFlow::Continue(())
    });
    thread::scope(|scope| {
        let head = scope.spawn(|| {
            let never = Deadline::after(None, &clock);
            let mut patience = Patience::new(&clock, Duration::MAX, never, Some(&observer));
            lane.acquire(&mut patience).map(drop)
        });
        wait_until(|| busy.load(Ordering::SeqCst));
        clock.advance(MINUTE); // room for both
        let second = scope.spawn(|| take_within(&lane, Duration::ZERO).map(drop));
        let begun = Instant::now();
        while !second.is_finished() && begun.elapsed() < secs(5) {
            clock.advance(Duration::from_millis(10));
            thread::sleep(Duration::from_millis(10));
        }
        let unanswered = !second.is_finished();
        drop(go_on);
        head.join().unwrap().unwrap();
        assert!(!unanswered, "max_wait was nothing");
    });
}
