//! Reading ahead and in parallel, by the functions that the example hands out for copying.

// The example as it is, with a `main` that nobody calls here.
#[expect(dead_code, reason = "only its functions are tested")]
#[path = "../../examples/pipeline.rs"]
mod example;

use std::io;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use defender_endpoint::machines::{ListMachines, Machine};
use defender_endpoint::scan_history::ListScanHistory;
use defender_endpoint::testing::{Exchange, FakeClock, Fault, Tenant};
use defender_endpoint::{
    Client, Error, ErrorKind, Items, Page, Pages, RateLimits, RetryPolicy, StaticToken,
};
use example::{Store, parallel, read_ahead};

use crate::support::raw::{Answer, RawServer, cloud};

const MACHINES: &str = "/api/machines";

/// A client for more calls than real time allows.
fn unlimited(tenant: &Tenant) -> Client {
    let limits = RateLimits::new(10_000, 10_000);
    let builder = tenant.client_builder().unwrap().rate_limits(limits);
    builder.build().unwrap()
}

fn ids_in_order(client: &Client) -> Vec<String> {
    let ids = client
        .machines()
        .into_iter()
        .map(|machine| machine.unwrap().id);
    ids.collect()
}

/// What a walk stored, and where it said to go on.
#[derive(Debug, Default, PartialEq)]
struct Stored {
    ids: Vec<String>,
    next_skip: u64,
}

impl Stored {
    /// One that may be wrong about its place shows it here.
    fn page(&mut self, machines: Vec<Machine>, next_skip: u64) {
        assert_eq!(next_skip, self.next_skip + machines.len() as u64);
        self.ids
            .extend(machines.into_iter().map(|machine| machine.id));
        self.next_skip = next_skip;
    }
}

fn kind(outcome: Result<(), Box<dyn std::error::Error>>) -> Option<ErrorKind> {
    let error = outcome.err()?;
    Some(error.downcast_ref::<Error>().unwrap().kind())
}

#[test]
fn requests_walks_and_pages_may_go_to_another_thread() {
    /// A row that can't leave its thread: a walk holds none, and may leave all the same.
    #[derive(serde::Deserialize)]
    struct Bound(PhantomData<Rc<u8>>);

    fn goes<T: Send + 'static>() {}
    goes::<Items<Machine>>();
    goes::<Items<Bound>>();
    goes::<Pages<Machine>>();
    goes::<Pages<Bound>>();
    goes::<Page<Machine>>();
    goes::<ListMachines>();
    goes::<ListScanHistory>();
    goes::<Result<Page<Machine>, Error>>();
}

// ---- Read-ahead ----

#[test]
fn read_ahead_hands_over_every_row_in_order() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let mut stored = Stored::default();
    let outcome = read_ahead(client.machines().pages(), |machines, next_skip| {
        stored.page(machines, next_skip);
        Ok(())
    });
    assert_eq!(kind(outcome), None);
    assert_eq!(tenant.calls(MACHINES), 4, "no call more than without it");
    assert_eq!(stored.ids, ids_in_order(&client));
    assert_eq!(stored.next_skip, 347);
}

#[test]
fn the_next_page_is_fetched_while_one_is_stored_and_no_other() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let mut stored = 0;
    let outcome = read_ahead(client.machines().pages(), |_, _| {
        stored += 1;
        let ahead = usize::min(stored + 1, 4);
        while tenant.calls(MACHINES) < ahead {
            thread::sleep(Duration::from_millis(1));
        }
        // A thread that went on from there would be seen by now.
        thread::sleep(Duration::from_millis(50));
        assert_eq!(tenant.calls(MACHINES), ahead);
        Ok(())
    });
    assert_eq!((kind(outcome), stored), (None, 4));
}

#[test]
fn an_error_comes_through_the_channel_behind_all_that_came_before() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    tenant.fail(Fault::status(403).path(MACHINES).on_call(3));
    let mut stored = Stored::default();
    let mut page = |machines, next_skip| {
        stored.page(machines, next_skip);
        Ok(())
    };
    let outcome = read_ahead(client.machines().pages(), &mut page);
    assert_eq!(kind(outcome), Some(ErrorKind::Forbidden));
    assert_eq!(tenant.calls(MACHINES), 3);
    // And on where it broke off.
    let outcome = read_ahead(client.machines().skip(200).pages(), &mut page);
    assert_eq!(kind(outcome), None);
    assert_eq!(stored.ids, ids_in_order(&client));
}

#[test]
fn a_consumer_that_stops_early_stops_the_thread_too() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let outcome = read_ahead(client.machines().pages(), |_, _| {
        Err(io::Error::other("the disk is full"))
    });
    assert_eq!(outcome.unwrap_err().to_string(), "the disk is full");
    // One was stored, one was ready; the thread is gone by now.
    assert_eq!(tenant.calls(MACHINES), 2);
}

#[test]
fn rows_can_be_read_ahead_by_a_thread_that_outlives_its_caller() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let spawn = || {
        let (send, receive) = mpsc::sync_channel(1);
        let mut machines = client.machines().into_iter();
        thread::spawn(move || machines.all(|machine| send.send(machine).is_ok()));
        receive
    };
    let ids: Vec<String> = spawn().iter().map(|machine| machine.unwrap().id).collect();
    assert_eq!(ids, ids_in_order(&client));
}

// ---- Pages in parallel ----

#[test]
fn parallel_pages_come_in_the_lists_order_whatever_the_size_and_the_number_of_threads() {
    // A cap that nobody is told of, as the service may have one: some pages take several calls.
    let tenant = Tenant::demo_builder().max_top(120).start().unwrap();
    let client = unlimited(&tenant);
    let expected = ids_in_order(&client);
    for (size, threads, start) in [
        (50, 4, 0),
        (10_000, 3, 0),
        (150, 4, 100),
        (347, 2, 0),
        (7, 8, 340),
        (1, 4, 330),
        (100, 0, 0),
        (100, 4, 347),
        (100, 4, u64::MAX),
    ] {
        let mut stored = Stored {
            next_skip: start,
            ..Stored::default()
        };
        let outcome = parallel(&client, start, size, threads, |machines, next_skip| {
            assert!(!machines.is_empty());
            stored.page(machines, next_skip);
            Ok(())
        });
        assert_eq!(kind(outcome), None);
        let skipped = usize::try_from(start).unwrap().min(expected.len());
        assert_eq!(stored.ids, expected[skipped..], "{size} {threads} {start}");
        assert_eq!(stored.next_skip, start.max(347));
    }
}

#[test]
fn the_end_of_a_parallel_walk_costs_a_call_for_each_thread_and_one_for_the_rest_of_the_last_page() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    parallel(&client, 0, 50, 1, |_, _| Ok(())).unwrap();
    assert_eq!(tenant.calls(MACHINES), 7 + 1);
    tenant.clear();
    parallel(&client, 0, 50, 4, |_, _| Ok(())).unwrap();
    let calls = tenant.calls(MACHINES);
    assert!((7 + 1..=7 + 1 + 3).contains(&calls), "{calls}");
}

#[test]
fn a_parallel_walk_keeps_the_limits() {
    let clock = FakeClock::new();
    let tenant = Tenant::demo_builder().clock(clock.clone()).start().unwrap();
    let client = tenant
        .client_builder()
        .unwrap()
        .clock(clock)
        .rate_limits(RateLimits::new(5, 20))
        .max_wait(Duration::MAX)
        .build()
        .unwrap();
    let mut stored = Stored::default();
    let outcome = parallel(&client, 0, 10, 6, |machines, next_skip| {
        stored.page(machines, next_skip);
        Ok(())
    });
    assert_eq!(kind(outcome), None);
    assert_eq!(stored.next_skip, 347);
    let mut calls: Vec<Duration> = tenant
        .exchanges()
        .iter()
        .filter(|call| !call.is_token_request())
        .map(Exchange::at)
        .collect();
    calls.sort();
    assert!(calls.len() >= 36, "{}", calls.len());
    for (limit, seconds) in [(5, 60), (20, 3_600)] {
        for window in calls.windows(limit + 1) {
            assert!(window[limit] >= window[0] + Duration::from_secs(seconds));
        }
    }
}

#[test]
fn the_first_error_of_a_parallel_walk_stops_all_threads_and_tells_where_to_go_on() {
    let tenant = Tenant::demo().unwrap();
    let client = unlimited(&tenant);
    let expected = ids_in_order(&client);
    for call in [1, 2, 6, 40] {
        tenant.clear();
        tenant.fail(Fault::status(403).path(MACHINES).on_call(call));
        let mut stored = Stored::default();
        let mut page = |machines, next_skip| {
            stored.page(machines, next_skip);
            Ok(())
        };
        let outcome = parallel(&client, 0, 1, 4, &mut page);
        assert_eq!(kind(outcome), Some(ErrorKind::Forbidden));
        let calls = tenant.calls(MACHINES);
        assert!(calls < 200, "{calls}");
        // The page that failed had no more before it than calls, and those of the other threads.
        assert!(stored.next_skip < call as u64 + 3, "{}", stored.next_skip);

        let on = stored.next_skip;
        let outcome = parallel(&client, on, 100, 4, |machines, next_skip| {
            stored.page(machines, next_skip);
            Ok(())
        });
        assert_eq!(kind(outcome), None);
        assert_eq!(stored.ids, expected);
    }
}

#[test]
fn a_consumer_that_stops_early_stops_all_threads() {
    let tenant = Tenant::demo().unwrap();
    let client = unlimited(&tenant);
    let outcome = parallel(&client, 0, 1, 4, |_, _| Err(io::Error::other("enough")));
    assert_eq!(outcome.unwrap_err().to_string(), "enough");
    let calls = tenant.calls(MACHINES);
    assert!(calls < 200, "{calls}");
}

#[test]
fn a_short_page_before_others_is_an_error_and_loses_no_rows_in_silence() {
    let behind = AtomicBool::new(false);
    let server = RawServer::new(move |seen| {
        let rows = match seen.number("$skip").unwrap_or(0) {
            0 => r#"{"id":"a"},{"id":"b"}"#,
            // Not before the page behind it has been asked for.
            2 if !behind.load(Ordering::Relaxed) => return Answer::new(503, &[], ""),
            2 => r#"{"id":"c"}"#,
            skip => {
                behind.store(true, Ordering::Relaxed);
                if skip == 4 { r#"{"id":"d"}"# } else { "" }
            }
        };
        Answer::json(format!(r#"{{"value":[{rows}]}}"#))
    });
    let client = Client::builder(StaticToken::new("a-token").unwrap())
        .cloud(cloud(server.url()))
        .clock(FakeClock::new())
        .no_proxy()
        .retry_policy(RetryPolicy::default().retries(10_000))
        .rate_limits(RateLimits::new(1_000_000, 1_000_000))
        .max_wait(Duration::MAX);
    let client = client.build().unwrap();
    let mut stored = Vec::new();
    let outcome = parallel(&client, 0, 2, 2, |machines, _| {
        stored.extend(machines.into_iter().map(|machine| machine.id));
        Ok(())
    });
    let error = outcome.unwrap_err().to_string();
    assert!(
        error.starts_with("a page in the middle is short"),
        "{error}"
    );
    assert_eq!(stored, ["a", "b", "c"]);
}

/// It is documented for an empty list; behind rows it would be a short fleet in silence.
#[test]
fn a_404_ends_a_parallel_walk_as_an_error_unless_nothing_came_before() {
    // In the middle, behind the list's end, behind the first part of a page, and where a walk goes on.
    for (start, size, call, stored_to) in [
        (0, 100, 3, Some(200)),
        (0, 100, 5, Some(347)),
        (0, 300, 2, Some(120)),
        (347, 100, 1, Some(347)),
        (0, 100, 1, None),
    ] {
        let tenant = Tenant::demo_builder().max_top(120).start().unwrap();
        let client = unlimited(&tenant);
        let not_found = Fault::status(404).empty_body();
        tenant.fail(not_found.path(MACHINES).on_call(call));
        let mut stored = Stored {
            next_skip: start,
            ..Stored::default()
        };
        let outcome = parallel(&client, start, size, 1, |machines, next_skip| {
            stored.page(machines, next_skip);
            Ok(())
        });
        let said = outcome.err().map(|error| error.to_string());
        let expected =
            stored_to.map(|row| format!("404 behind row {row}, as if the list ended there"));
        assert_eq!(said, expected, "{start} {size} {call}");
        assert_eq!(stored.next_skip, stored_to.unwrap_or(0));
    }
}

// ---- What is stored ----

#[test]
fn a_machine_that_turns_up_on_two_pages_is_kept_once() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let expected = ids_in_order(&client);
    let added = Arc::new(AtomicUsize::new(0));
    let mut store = Store::new(Vec::new(), 0);
    // A machine is added in front while the list is read: its last one of each page comes again.
    let outcome = parallel(&client, 0, 100, 1, |machines, next_skip| {
        let fleet: Vec<Machine> = client.machines().into_iter().map(Result::unwrap).collect();
        let new = Machine::new(format!("new-{}", added.fetch_add(1, Ordering::Relaxed)));
        let fleet: Vec<Machine> = [new].into_iter().chain(fleet).collect();
        tenant.set_machines(fleet)?;
        store.page(machines, next_skip)
    });
    assert_eq!(kind(outcome), None);
    assert!(store.next_skip > 347, "some came twice");
    assert_eq!(store.seen.len(), 347);
    let text = String::from_utf8(store.out.into_inner().unwrap()).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}
