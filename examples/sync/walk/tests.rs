#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use defender_endpoint::machines::Machine;
use defender_endpoint::testing::{FakeClock, Fault, Tenant};
use defender_endpoint::time::Duration;
use defender_endpoint::{Client, RateLimits};
use proptest::prelude::*;

use super::*;
use crate::demo;
use crate::store::AtWork;
use crate::store::tests::Folder;

const MACHINES: &str = "/api/machines";
const PAGE: usize = 4;

/// A tenant with small pages, and a program that copies it.
struct Rig {
    tenant: Tenant,
    client: Client,
    rules: Rules,
    /// Minutes since the first run.
    minutes: i64,
}

impl Rig {
    fn new(page: usize) -> Self {
        let clock = FakeClock::new();
        let tenant = Tenant::builder().page_size(page).clock(clock.clone());
        let tenant = tenant.start().unwrap();
        let client = tenant.client_builder().unwrap().clock(clock);
        let client = client.rate_limits(RateLimits::new(1_000_000, 1_000_000));
        Self {
            client: client.build().unwrap(),
            tenant,
            rules: Rules {
                misses: NonZeroU32::new(3).unwrap(),
                allow_fewer: false,
            },
            minutes: 0,
        }
    }

    fn lists(&self, fleet: &[Machine]) {
        self.tenant.set_machines(fleet).unwrap();
    }

    /// The call that brings this page, counted from 1, fails.
    fn breaks_at(&self, page: usize) {
        let fault = Fault::status(403).path(MACHINES).on_call(page);
        self.tenant.fail(fault);
    }

    fn sync(&self, store: &mut Store) -> Result<Outcome, Box<dyn Error>> {
        let list = List {
            tenant: self.tenant.tenant_id().to_owned(),
            filter: String::new(),
        };
        let now = || OffsetDateTime::UNIX_EPOCH + Duration::minutes(self.minutes);
        let request = self.client.machines();
        run(store, request, &list, &self.rules, now, |_| {})
    }

    /// Of each call for machines since the last time, where it began.
    fn skips(&self) -> Vec<String> {
        let calls = self.tenant.exchanges();
        self.tenant.clear();
        let calls = calls.iter().filter(|call| call.path() == MACHINES);
        calls
            .map(|call| call.query("$skip").unwrap_or_default())
            .collect()
    }
}

fn machine(number: usize, version: u32) -> Machine {
    let mut machine = Machine::new(format!("m{number:03}"));
    machine.computer_dns_name = Some(format!("v{version}"));
    machine
}

fn machines(numbers: impl IntoIterator<Item = usize>) -> Vec<Machine> {
    numbers
        .into_iter()
        .map(|number| machine(number, 1))
        .collect()
}

fn misses(store: &Store) -> Vec<String> {
    store.texts("SELECT id || ' ' || misses FROM fleet WHERE misses > 0 ORDER BY id")
}

fn count(store: &Store) -> usize {
    let sightings = store.texts("SELECT last_synced FROM sightings").len();
    let machines = store.texts("SELECT id FROM machines").len();
    assert_eq!(sightings, machines, "each has one");
    machines
}

// ---- Days ----

#[test]
fn the_demo_fleet_of_five_days_is_copied() {
    let rig = Rig::new(100);
    let mut store = Store::in_memory().unwrap();
    // Each day seven come; two are missing from then on, and one for that day.
    let expected = [
        (240, 0, 0, 240),
        (7, 3, 0, 247),
        (7, 5, 0, 254),
        (7, 5, 2, 259),
        (7, 5, 2, 264),
    ];
    for (day, (inserted, unseen, deleted, left)) in (0..).zip(expected) {
        let fleet = demo::fleet(day);
        rig.lists(&fleet);
        let outcome = rig.sync(&mut store).unwrap();
        let counts = outcome.counts;
        assert_eq!(
            (
                counts.inserted,
                counts.unseen,
                counts.deleted,
                count(&store)
            ),
            (inserted, unseen, deleted, left),
            "day {day}"
        );
        assert_eq!(counts.seen(), i64::try_from(fleet.len()).unwrap());
        assert!(day == 0 || (counts.updated > 50 && counts.unchanged > 50));
        assert_eq!(outcome.doubt, None);
    }
    assert_eq!(rig.tenant.calls(MACHINES), 15, "none more than the pages");
}

// ---- Broken off ----

#[test]
fn a_walk_that_failed_goes_on_behind_its_last_page() {
    let rig = Rig::new(PAGE);
    let (mut store, mut undisturbed) = (Store::in_memory().unwrap(), Store::in_memory().unwrap());
    for (day, stored) in (1..).zip([8, 10, 11]) {
        let fleet: Vec<_> = (day..day + 10).map(|n| machine(n, 1)).collect();
        rig.lists(&fleet);
        rig.sync(&mut undisturbed).unwrap();
        rig.skips();
        rig.breaks_at(3);
        let before = misses(&store);
        assert!(rig.sync(&mut store).is_err());
        assert_eq!(rig.skips(), ["", "4", "8"]);
        assert_eq!(count(&store), stored, "two pages of three");
        assert!(
            before.iter().all(|it| misses(&store).contains(it)),
            "none counted"
        );
        rig.sync(&mut store).unwrap();
        assert_eq!(rig.skips(), ["8"]);
        assert_eq!(store.dump(), undisturbed.dump(), "day {day}");
    }
}

#[test]
fn an_outage_may_pass_and_a_refusal_does_not() {
    let rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    rig.lists(&machines(0..10));
    for (status, passes) in [(503, true), (403, false)] {
        let fault = Fault::status(status).path(MACHINES).on_call(2);
        rig.tenant.fail(fault.always());
        let error = rig.sync(&mut store).unwrap_err();
        assert_eq!(crate::may_pass(&*error), passes, "{error}");
        rig.tenant.clear_faults();
    }
    assert!(crate::may_pass(&AtWork));
    assert_eq!(count(&store), 2 * PAGE, "a page by each run");
    assert!(rig.sync(&mut store).is_ok());
    assert_eq!(count(&store), 10);
}

#[test]
fn a_walk_that_was_broken_off_too_long_ago_begins_anew() {
    let mut rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    rig.lists(&machines(0..10));
    rig.breaks_at(3);
    assert!(rig.sync(&mut store).is_err());
    rig.skips();
    rig.minutes += 61;
    rig.lists(&machines(5..10));
    let outcome = rig.sync(&mut store).unwrap();
    assert_eq!(rig.skips(), ["", "4"]);
    assert_eq!(outcome.number, 2);
    assert_eq!(
        misses(&store),
        ["m000 1", "m001 1", "m002 1", "m003 1", "m004 1"]
    );
}

/// A kill leaves what had been written by then, and of a write-ahead log that is its beginning, since
/// it is only ever appended to. So each beginning of the log of a run is what some kill leaves.
#[test]
fn a_run_that_is_killed_at_any_moment_does_no_harm() {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4_096;
    let mut rig = Rig::new(10);
    rig.rules.misses = NonZeroU32::MIN; // so that there is a deletion
    let fleet = |day| -> Vec<Machine> { demo::fleet(day).into_iter().take(45).collect() };
    let folder = Folder::new();
    let file = folder.path("fleet.db");
    rig.lists(&fleet(0));
    rig.sync(&mut Store::open(&file).unwrap()).unwrap();

    rig.minutes += 1;
    rig.lists(&fleet(1));
    let before = fs::read(&file).unwrap();
    let mut store = Store::open(&file).unwrap();
    store.run("PRAGMA wal_autocheckpoint = 0");
    let outcome = rig.sync(&mut store).unwrap();
    assert!(outcome.counts.updated > 0 && outcome.counts.deleted == 3);
    let undisturbed = store.dump();
    let log = fs::read(folder.path("fleet.db-wal")).unwrap();
    assert_eq!(fs::read(&file).unwrap(), before, "all of it is in the log");
    drop(store);

    let (mut from, mut ended) = (BTreeMap::new(), 0);
    let cuts = (0..log.len()).step_by(FRAME / 2).map(|cut| cut + HEADER);
    for cut in cuts.filter(|cut| *cut <= log.len()) {
        let killed = folder.path(&format!("killed-{cut}.db"));
        let mut store = left_by_a_kill(&killed, &before, &log[..cut]);
        let state = "SELECT number || ' ' || next_skip FROM walks
                     WHERE number = 2 AND ended IS NULL";
        *from.entry(store.texts(state)).or_insert(0) += 1;
        if store
            .texts("SELECT ended FROM walks WHERE ended IS NOT NULL")
            .len()
            == 2
        {
            ended += 1; // another run would be another walk
        } else {
            rig.sync(&mut store).unwrap();
        }
        assert_eq!(store.dump(), undisturbed, "the log cut at {cut}");
    }
    // Before the walk, at its beginning, and behind each of its five pages.
    let from: Vec<_> = from.into_keys().flatten().collect();
    let pages = ["2 0", "2 10", "2 20", "2 30", "2 40", "2 45"];
    assert_eq!(from, pages);
    assert!(ended > 0, "and at its end");
}

fn left_by_a_kill(file: &Path, before: &[u8], log: &[u8]) -> Store {
    fs::write(file, before).unwrap();
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    fs::write(name, log).unwrap();
    Store::open(file).unwrap()
}

// ---- A list that changes ----

#[test]
fn a_machine_that_comes_twice_in_a_walk_counts_once_as_it_came_last() {
    let rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    let mut fleet = machines(0..6);
    fleet.push(machine(0, 2));
    fleet.push(machine(5, 1));
    rig.lists(&fleet);
    let counts = rig.sync(&mut store).unwrap().counts;
    assert_eq!((counts.inserted, counts.repeated, counts.unseen), (6, 2, 0));
    let name = "SELECT name FROM fleet WHERE id = 'm000'";
    assert_eq!(store.texts(name), ["v2"]);
}

#[test]
fn a_list_that_shrinks_during_a_walk_costs_a_miss_and_no_machine() {
    let rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    rig.lists(&machines(0..10));
    rig.sync(&mut store).unwrap();
    rig.breaks_at(2);
    assert!(rig.sync(&mut store).is_err());
    // The first is gone, so that what was the fifth is now on the page that has been read.
    rig.lists(&machines(1..10));
    rig.sync(&mut store).unwrap();
    assert_eq!(misses(&store), ["m004 1"]);
    rig.sync(&mut store).unwrap();
    assert_eq!(misses(&store), ["m000 1"]);
}

#[test]
fn a_list_that_shrinks_to_less_than_was_read_ends_there() {
    let rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    rig.lists(&machines(0..10));
    rig.breaks_at(3);
    assert!(rig.sync(&mut store).is_err());
    rig.lists(&machines(0..2));
    let outcome = rig.sync(&mut store).unwrap();
    assert_eq!((outcome.number, outcome.counts.inserted), (1, 8));
    assert_eq!((outcome.counts.unseen, outcome.doubt), (0, None));
}

// ---- Ends that prove nothing ----

#[test]
fn an_empty_list_marks_nothing_unless_told_so() {
    let mut rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    rig.lists(&machines(0..5));
    rig.sync(&mut store).unwrap();
    rig.lists(&[]);
    for _ in 0..4 {
        let outcome = rig.sync(&mut store).unwrap();
        assert_eq!(outcome.doubt, Some(Doubt::Empty));
    }
    assert_eq!((count(&store), misses(&store).len()), (5, 0));
    let counted = "SELECT ifnull(ended, '-') || ' ' || counted FROM walks";
    let date = "1970-01-01T00:00:00Z";
    let none = format!("{date} 0");
    assert_eq!(
        store.texts(counted),
        [
            format!("{date} 1"),
            none.clone(),
            none.clone(),
            none.clone(),
            none
        ]
    );

    rig.rules.allow_fewer = true;
    for unseen in [5, 5, 0] {
        let outcome = rig.sync(&mut store).unwrap();
        assert_eq!((outcome.counts.unseen, outcome.doubt), (unseen, None));
    }
    assert_eq!(count(&store), 0);
}

#[test]
fn a_walk_that_goes_on_with_an_empty_list_marks_nothing() {
    let rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    rig.lists(&machines(0..100));
    rig.sync(&mut store).unwrap();
    for _ in 0..3 {
        rig.lists(&machines(0..100));
        rig.breaks_at(2);
        assert!(rig.sync(&mut store).is_err());
        rig.lists(&[]);
        let outcome = rig.sync(&mut store).unwrap();
        assert_eq!(outcome.counts.seen(), 4, "a page of the run before");
        assert_eq!(outcome.doubt, Some(Doubt::Shrunk));
    }
    assert_eq!((count(&store), misses(&store).len()), (100, 0));
}

#[test]
fn a_list_of_less_than_half_marks_nothing_unless_told_so() {
    let mut rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    rig.lists(&machines(0..10));
    rig.sync(&mut store).unwrap();
    rig.lists(&machines(0..4));
    let outcome = rig.sync(&mut store).unwrap();
    assert_eq!(outcome.doubt, Some(Doubt::Shrunk));
    assert_eq!((outcome.counts.unseen, misses(&store).len()), (0, 0));
    // Half of them is believed.
    rig.lists(&machines(0..5));
    let outcome = rig.sync(&mut store).unwrap();
    assert_eq!((outcome.counts.unseen, outcome.doubt), (5, None));
    rig.rules.allow_fewer = true;
    rig.lists(&machines(0..1));
    let outcome = rig.sync(&mut store).unwrap();
    assert_eq!((outcome.counts.unseen, outcome.doubt), (9, None));
}

#[test]
fn a_list_that_ends_with_404_marks_nothing_wherever_it_comes() {
    let mut rig = Rig::new(PAGE);
    let mut store = Store::in_memory().unwrap();
    rig.lists(&machines(0..10));
    rig.sync(&mut store).unwrap();
    rig.lists(&machines(20..30));
    let not_found = || Fault::status(404).path(MACHINES);
    rig.tenant.fail(not_found());
    let outcome = rig.sync(&mut store).unwrap();
    assert_eq!(outcome.doubt, Some(Doubt::NotFound));
    assert_eq!(count(&store), 10);
    // Behind the service's own link it is a fault, and the next run asks there again.
    rig.tenant.fail(not_found().on_call(2));
    let error = rig.sync(&mut store).unwrap_err();
    assert!(crate::may_pass(&*error), "{error}");
    rig.tenant.fail(not_found());
    let outcome = rig.sync(&mut store).unwrap();
    assert_eq!(outcome.doubt, Some(Doubt::NotFound));
    assert_eq!(count(&store), 10 + PAGE, "the rows before it are stored");
    assert_eq!(misses(&store).len(), 0);
    rig.rules.allow_fewer = true;
    rig.tenant.fail(Fault::status(404).path(MACHINES));
    let outcome = rig.sync(&mut store).unwrap();
    assert_eq!((outcome.counts.unseen, outcome.doubt), (14, None));
}

// ---- A model ----

/// What a run meets.
#[derive(Clone, Debug)]
struct Day {
    /// The machines, by number and version, in the service's order; a number may come twice.
    fleet: Vec<(usize, u32)>,
    /// The call that fails, if the list has so many pages; and how many minutes pass before the next run.
    breaks_at: Option<usize>,
    minutes: i64,
}

fn day() -> impl Strategy<Value = Day> {
    let fleet = prop::collection::vec((0_usize..16, 0_u32..2), 0..18);
    let breaks_at = prop::option::of(1_usize..6);
    let minutes = prop_oneof![3 => Just(10_i64), 1 => Just(61)];
    (fleet, breaks_at, minutes).prop_map(|(fleet, breaks_at, minutes)| Day {
        fleet,
        breaks_at,
        minutes,
    })
}

/// What the database should hold, in the simplest words.
#[derive(Default)]
struct Model {
    /// Of each machine its version, its misses, and the minutes when it was first and last seen.
    machines: BTreeMap<usize, (u32, u32, i64, i64)>,
    /// What the present walk has seen so far, and when that was.
    open: Option<(Vec<usize>, i64)>,
}

impl Model {
    fn run(&mut self, day: &Day, now: i64) {
        let fresh = self.open.take().filter(|(_, at)| now - at <= 60);
        let (mut seen, at) = fresh.unwrap_or((Vec::new(), now));
        let rest = day.fleet.get(seen.len()..).unwrap_or_default();
        // Without a row there is one call, too.
        let calls = rest.len().div_ceil(PAGE).max(1);
        let failed = day.breaks_at.filter(|call| *call <= calls);
        let rest = &rest[..failed.map_or(rest.len(), |call| (call - 1) * PAGE)];
        for (number, version) in rest {
            let machine = self.machines.entry(*number);
            let machine = machine.or_insert((*version, 0, now, now));
            *machine = (*version, 0, machine.2, now);
            seen.push(*number);
        }
        if failed.is_some() {
            self.open = Some((seen, if rest.is_empty() { at } else { now }));
            return;
        }
        let once: BTreeSet<_> = seen.iter().collect();
        if once.is_empty() || once.len() * 2 < self.machines.len() {
            return;
        }
        self.machines.retain(|number, (_, misses, ..)| {
            *misses += u32::from(!seen.contains(number));
            *misses < 3
        });
    }

    fn dump(&self) -> Vec<String> {
        let machines = self.machines.iter();
        machines
            .map(|(number, (version, misses, first, last))| {
                format!("m{number:03} v{version} {misses} {first} {last}")
            })
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_database_is_what_a_simple_model_says(days in prop::collection::vec(day(), 1..9)) {
        let mut rig = Rig::new(PAGE);
        let mut store = Store::in_memory().unwrap();
        let mut model = Model::default();
        for day in days {
            let fleet = day.fleet.iter().map(|(number, version)| machine(*number, *version));
            rig.lists(&fleet.collect::<Vec<_>>());
            rig.tenant.clear_faults();
            if let Some(call) = day.breaks_at {
                rig.breaks_at(call);
            }
            drop(rig.sync(&mut store));
            model.run(&day, rig.minutes);
            let rows = store.texts(
                "SELECT id || ' ' || name || ' ' || misses
                        || ' ' || (strftime('%s', first_synced) / 60)
                        || ' ' || (strftime('%s', last_synced) / 60)
                 FROM fleet ORDER BY id",
            );
            prop_assert_eq!(rows, model.dump());
            rig.minutes += day.minutes;
        }
    }
}
