#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process, thread};

use defender_endpoint::machines::{HealthStatus, RiskScore};
use serde_json::json;

use super::*;

/// A folder of a test's own beside this program, which is gone when the test is over.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::SeqCst);
        let name = format!("sync-tests-{}-{number}", process::id());
        let path = env::current_exe().unwrap().with_file_name(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What the tests of the walk look at, too.
impl Store {
    /// All that is in the database, a text for each row.
    pub(crate) fn dump(&self) -> Vec<String> {
        let mut rows = self.texts(
            "SELECT json_array(id, name, os, health, risk, last_seen, tags, first_synced,
                               changed, last_synced, walk, misses, json) FROM fleet ORDER BY id",
        );
        rows.extend(self.texts(
            "SELECT json_array(number, tenant, filter, started, stored, ended, counted, next_skip,
                               pages, inserted, updated, unchanged, repeated, unseen, deleted)
             FROM walks ORDER BY number",
        ));
        rows
    }

    /// The first column of each row.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        let mut statement = self.database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    pub(crate) fn run(&self, sql: &str) {
        self.database.execute_batch(sql).unwrap();
    }
}

fn all() -> List {
    List {
        tenant: "contoso".to_owned(),
        filter: String::new(),
    }
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
}

fn machine(id: &str, name: &str) -> Machine {
    let mut machine = Machine::new(id);
    machine.computer_dns_name = Some(name.to_owned());
    machine
}

/// A walk of one page.
fn walk_over(store: &mut Store, machines: &[Machine], seconds: i64) -> Counts {
    let mut walk = store.begin(&all(), at(seconds)).unwrap();
    let rows = u64::try_from(machines.len()).unwrap();
    store.page(&mut walk, machines, rows, at(seconds)).unwrap();
    store.end(walk, Some(3), at(seconds)).unwrap()
}

fn misses(store: &Store) -> Vec<String> {
    store.texts("SELECT id || ' ' || misses FROM fleet ORDER BY id")
}

#[test]
fn only_what_changed_is_written_anew() {
    let mut store = Store::in_memory().unwrap();
    let first = walk_over(&mut store, &[machine("a", "1"), machine("b", "1")], 0);
    assert_eq!((first.inserted, first.updated, first.unchanged), (2, 0, 0));
    let rows = [machine("a", "1"), machine("b", "2"), machine("c", "1")];
    let second = walk_over(&mut store, &rows, 60);
    assert_eq!(
        (second.inserted, second.updated, second.unchanged),
        (1, 1, 1)
    );
    let synced = "SELECT id || ' ' || name || ' ' || strftime('%s', first_synced) || ' '
                         || strftime('%s', changed) || ' ' || strftime('%s', last_synced)
                  FROM fleet ORDER BY id";
    assert_eq!(
        store.texts(synced),
        ["a 1 0 0 60", "b 2 0 60 60", "c 1 60 60 60"]
    );
}

#[test]
fn a_machine_goes_after_as_many_misses_in_a_row_and_not_before() {
    let mut store = Store::in_memory().unwrap();
    let (a, b) = (machine("a", "1"), machine("b", "1"));
    let both = [a.clone(), b];
    walk_over(&mut store, &both, 0);
    for _ in 0..2 {
        let counts = walk_over(&mut store, &both[..1], 0);
        assert_eq!((counts.unseen, counts.deleted), (1, 0));
    }
    assert_eq!(misses(&store), ["a 0", "b 2"]);
    walk_over(&mut store, &both, 0);
    assert_eq!(misses(&store), ["a 0", "b 0"], "it is back");
    for _ in 0..2 {
        walk_over(&mut store, &both[..1], 0);
    }
    let counts = walk_over(&mut store, &both[..1], 0);
    assert_eq!((counts.unseen, counts.deleted), (0, 1));
    assert_eq!(misses(&store), ["a 0"]);
}

#[test]
fn columns_are_what_people_ask_for_and_json_is_all_of_it() {
    let mut store = Store::in_memory().unwrap();
    let mut full = machine("a", "Zoë’s \"Surface\"");
    full.os_platform = Some("Windows11".to_owned());
    full.health_status = Some(HealthStatus::Active);
    full.risk_score = Some(RiskScore::Other("Critical".to_owned()));
    full.last_seen = Some(at(59) + Duration::nanoseconds(999_999_999));
    full.machine_tags = vec!["büro".to_owned(), "a, b".to_owned()];
    full.extra.insert("colour".to_owned(), json!("blue"));
    walk_over(&mut store, &[full.clone(), Machine::new("b")], 0);
    let columns = "SELECT json_array(name, os, health, risk, last_seen, json(tags)) FROM fleet";
    assert_eq!(
        store.texts(columns),
        [
            r#"["Zoë’s \"Surface\"","Windows11","Active","Critical","1970-01-01T00:00:59Z",["büro","a, b"]]"#,
            "[null,null,null,null,null,[]]",
        ]
    );
    let whole: Machine =
        serde_json::from_str(&store.texts("SELECT json FROM fleet WHERE id = 'a'")[0]).unwrap();
    assert_eq!(whole, full);
}

// ---- Which walk goes on ----

#[test]
fn a_walk_is_taken_up_within_an_hour_of_its_last_page() {
    let mut store = Store::in_memory().unwrap();
    let mut walk = store.begin(&all(), at(0)).unwrap();
    let machines = [machine("a", "1"), machine("b", "1")];
    store.page(&mut walk, &machines, 2, at(3_000)).unwrap();
    for seconds in [3_000, 6_600] {
        let next = store.begin(&all(), at(seconds)).unwrap();
        assert_eq!((next.number, next.next_skip), (walk.number, 2));
        assert_eq!(next.counts, walk.counts);
    }
    let next = store.begin(&all(), at(6_601)).unwrap();
    assert_eq!((next.number, next.next_skip), (walk.number + 1, 0));
    assert_eq!(next.counts, Counts::default());
    let late = store.page(&mut walk, &[], 3, at(6_602));
    assert!(late.is_err(), "it has been given up");
}

#[test]
fn a_walk_of_the_future_is_not_taken_up() {
    let mut store = Store::in_memory().unwrap();
    let walk = store.begin(&all(), at(9_000)).unwrap();
    let next = store.begin(&all(), at(8_999)).unwrap();
    assert_ne!(next.number, walk.number);
}

#[test]
fn a_walk_with_another_filter_or_one_that_ended_is_not_taken_up() {
    let mut store = Store::in_memory().unwrap();
    let walk = store.begin(&all(), at(0)).unwrap();
    let risky = List {
        filter: "riskScore eq 'High'".to_owned(),
        ..all()
    };
    let other = store.begin(&risky, at(0)).unwrap();
    assert_ne!(other.number, walk.number);
    // A newer one has been at the machines since.
    let again = store.begin(&all(), at(0)).unwrap();
    assert!(again.number > other.number);
    store.end(again, None, at(0)).unwrap();
    assert_eq!(store.begin(&all(), at(0)).unwrap().number, 4);
}

#[test]
fn a_page_is_stored_only_where_the_walk_stands() {
    let mut store = Store::in_memory().unwrap();
    let mut walk = store.begin(&all(), at(0)).unwrap();
    let mut twin = store.begin(&all(), at(0)).unwrap();
    store
        .page(&mut walk, &[machine("a", "1")], 1, at(0))
        .unwrap();
    let before = store.dump();
    let twins = store.page(&mut twin, &[machine("b", "1")], 1, at(0));
    assert!(twins.unwrap_err().to_string().contains("somebody else"));
    assert!(store.end(twin, Some(1), at(0)).is_err());
    assert_eq!(store.dump(), before);
}

#[test]
fn a_database_belongs_to_one_tenant() {
    let mut store = Store::in_memory().unwrap();
    walk_over(&mut store, &[machine("a", "1")], 0);
    let before = store.dump();
    let other = List {
        tenant: "fabrikam".to_owned(),
        ..all()
    };
    let error = store.begin(&other, at(0)).unwrap_err().to_string();
    assert!(error.contains("belongs to the tenant contoso"), "{error}");
    assert_eq!(store.dump(), before);
}

// ---- The file ----

#[test]
fn a_second_process_stops_and_a_reader_does_not_mind() {
    let folder = Folder::new();
    let file = folder.path("fleet.db");
    let mut first = Store::open(&file).unwrap();
    walk_over(&mut first, &[machine("a", "bad\tname\n")], 0);
    let Err(error) = Store::open(&file) else {
        panic!("two at once");
    };
    assert!(error.is::<AtWork>() && is_retryable(&*error), "{error}");
    let mut listed = Vec::new();
    list(&file, &mut listed).unwrap();
    assert_eq!(
        String::from_utf8(listed).unwrap(),
        "a\t0\t1970-01-01T00:00:00Z\t1970-01-01T00:00:00Z\tbad name \t\t\t\t\t[]\n"
    );
    let before = first.dump();
    drop(first);
    assert_eq!(Store::open(&file).unwrap().dump(), before);
}

#[test]
fn of_two_that_begin_at_once_one_goes_on() {
    let folder = Folder::new();
    let file = folder.path("fleet.db");
    for round in 0..200 {
        let start = Barrier::new(2);
        let begin = || {
            start.wait();
            lock(&file)
                .map_err(|error| assert!(error.is::<AtWork>(), "{error}"))
                .ok()
        };
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(begin);
            (begin(), one.join().unwrap())
        });
        assert!(one.is_some() != other.is_some(), "round {round}");
    }
}

#[test]
fn a_reader_that_locks_the_database_is_a_reason_to_come_again() {
    let folder = Folder::new();
    let file = folder.path("fleet.db");
    let mut store = Store::open(&file).unwrap();
    store
        .database
        .busy_timeout(std::time::Duration::ZERO)
        .unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.begin(&all(), at(0)).unwrap_err();
    assert!(is_retryable(&*error), "{error}");
    assert!(!is_retryable(&*Box::<dyn Error>::from("something else")));
}

#[test]
fn databases_of_others_are_left_alone() {
    let cases = [
        ("CREATE TABLE mine (x)", "another program"),
        ("PRAGMA user_version = 1", "another program"),
        ("PRAGMA application_id = 1", "another program"),
        (
            "CREATE TABLE mine (x); PRAGMA user_version = 1",
            "another program",
        ),
        (
            "CREATE TABLE mine (x); PRAGMA user_version = 1; PRAGMA application_id = 1",
            "another program",
        ),
        (
            "PRAGMA application_id = 0x53594E43; PRAGMA user_version = 2",
            "version 2",
        ),
        (
            "PRAGMA application_id = 0x53594E43; PRAGMA user_version = -1",
            "version -1",
        ),
    ];
    for (sql, told) in cases {
        let folder = Folder::new();
        let file = folder.path("fleet.db");
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&file).unwrap();
        let Err(error) = Store::open(&file) else {
            panic!("taken: {sql}");
        };
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(fs::read(&file).unwrap(), before, "{sql}");
    }
}
