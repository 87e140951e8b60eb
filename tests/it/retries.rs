//! Walks that survive a bad day: retries, the gate after a 429, deadlines, observers, quotas.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::machines::Machine;
use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
use defender_endpoint::{
    Api, Client, ClientBuilder, ErrorKind, RateLimits, RetryPolicy, Wait, WaitReason,
};

pub(crate) const AGENTS: &str = "/api/DeviceAuthenticatedScanAgents";

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A demo tenant, a clock, and a builder for both.
pub(crate) fn setup() -> (Tenant, FakeClock, ClientBuilder) {
    let tenant = Tenant::demo().unwrap();
    let clock = FakeClock::new();
    let builder = tenant.client_builder().unwrap().clock(clock.clone());
    (tenant, clock, builder)
}

pub(crate) fn ids(client: &Client) -> Vec<String> {
    client
        .machines()
        .into_iter()
        .map(|machine| machine.unwrap().id)
        .collect()
}

#[test]
fn without_retries_the_first_failure_is_the_calls() {
    let (tenant, clock, builder) = setup();
    let client = builder.retry_policy(RetryPolicy::none()).build().unwrap();
    tenant.fail(Fault::status(503));
    assert_eq!(client.scan_agents().unwrap_err().attempts(), 1);
    tenant.fail(Fault::cut_body().path("/api/machines"));
    client.machines().into_iter().next().unwrap().unwrap_err();
    assert_eq!(clock.now(), Duration::ZERO);
}

#[test]
fn a_requests_own_deadline_goes_before_the_clients() {
    let (tenant, _, builder) = setup();
    let client = builder.deadline(seconds(60)).build().unwrap();
    tenant.fail(Fault::throttled(seconds(20)).path("/api/machines").times(2));
    let hasty = client.machines().deadline(seconds(5));
    let error = hasty.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(client.machines().into_iter().next().unwrap().is_ok());
    tenant.fail(Fault::throttled(seconds(20)).path("/api/machines"));
    let hasty = client.machines_by_id(["an-id"]).deadline(seconds(5));
    let error = hasty.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    let refused = client.machines().deadline(Duration::ZERO);
    let error = refused.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_deadline_of_the_whole_walk_counts_from_its_first_call() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    let mut items = client.machines().deadline_in_all(seconds(10)).into_iter();
    clock.advance(seconds(60)); // nothing has begun yet
    for _ in 0..100 {
        items.next().unwrap().unwrap();
    }
    // The second page comes in time, and its rows are handed out however late it is.
    clock.advance(seconds(9));
    items.next().unwrap().unwrap();
    clock.advance(seconds(2));
    for _ in 1..100 {
        items.next().unwrap().unwrap();
    }
    tenant.clear();
    let error = items.next().unwrap().unwrap_err();
    assert_eq!((error.kind(), items.offset()), (ErrorKind::Timeout, 200));
    assert!(error.is_retryable() && items.next().is_none());
    assert_eq!(tenant.calls(""), 0);
    assert_eq!(
        error.to_string(),
        "GET /api/machines: the deadline has passed"
    );
}

#[test]
fn a_deadline_of_the_whole_walk_bounds_each_of_its_calls() {
    let (tenant, clock, builder) = setup();
    let client = builder.deadline(seconds(30)).build().unwrap();
    let page_2 = || {
        Fault::throttled(seconds(20))
            .path("/api/machines")
            .on_call(2)
    };
    // A wait that the walk has no time for fails at once; one that it has time for is borne.
    for (in_all, kind) in [(25, None), (15, Some(ErrorKind::Throttled))] {
        tenant.clear();
        tenant.fail(page_2());
        let begun = clock.now();
        let walk = client.machines().deadline_in_all(seconds(in_all));
        let failure = walk.into_iter().find_map(Result::err);
        assert_eq!(failure.map(|error| error.kind()), kind, "{in_all}");
        let waited = if kind.is_none() { 20 } else { 0 };
        assert_eq!(clock.now().saturating_sub(begun).as_secs(), waited);
    }
    // The client's own deadline for each call counts beside it.
    clock.advance(seconds(60));
    tenant.clear();
    tenant.fail(
        Fault::throttled(seconds(40))
            .path("/api/machines")
            .on_call(1),
    );
    let walk = client.machines().deadline_in_all(seconds(600));
    let error = walk.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    // So it is with history.
    clock.advance(seconds(60));
    let history = client.scan_history(["a"]).deadline_in_all(seconds(5));
    tenant.fail(Fault::throttled(seconds(20)).path("GetScanHistory"));
    let error = history.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
}

/// A client that notes every wait it is told of.
fn observed(builder: ClientBuilder) -> (Client, Arc<Mutex<Vec<Wait>>>) {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&waits);
    let builder = builder.on_wait(move |wait| {
        heard.lock().unwrap().push(*wait);
        ControlFlow::Continue(())
    });
    (builder.build().unwrap(), waits)
}

#[test]
fn a_wait_is_told_when_it_begins_and_every_second_while_it_lasts() {
    let (_tenant, _, builder) = setup();
    let (client, waits) = observed(
        builder
            .rate_limits(RateLimits::new(1, 2))
            .max_wait(Duration::MAX),
    );
    client.scan_agents().unwrap();
    assert!(waits.lock().unwrap().is_empty());
    client.scan_agents().unwrap();
    client.scan_agents().unwrap();
    let waits = waits.lock().unwrap();
    let left = |reason| -> Vec<u64> {
        let of_reason = waits.iter().filter(|wait| wait.reason == reason);
        of_reason.map(|wait| wait.left.as_secs()).collect()
    };
    assert_eq!(
        left(WaitReason::MinuteWindow { calls: 1 }),
        (1..=60).rev().collect::<Vec<_>>()
    );
    let minute = waits.iter().take(60).map(|wait| wait.elapsed().as_secs());
    assert_eq!(minute.collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
    let hour = left(WaitReason::HourWindow { calls: 2 });
    assert_eq!((hour.first(), hour.last()), (Some(&3_540), Some(&1)));
    assert!(waits.iter().all(|wait| wait.api == Api::ScanAgents));
}

#[test]
fn back_off_and_throttling_are_told_as_such() {
    let (tenant, _, builder) = setup();
    let (client, waits) = observed(builder);
    tenant.fail(Fault::status(500));
    client.scan_agents().unwrap();
    tenant.fail(Fault::throttled(seconds(3)));
    client.scan_definitions().unwrap();
    let waits = waits.lock().unwrap();
    assert_eq!(waits[0].reason, WaitReason::BackOff);
    assert_eq!(waits[0].api, Api::ScanAgents);
    let throttled: Vec<u64> = waits[1..].iter().map(|wait| wait.left.as_secs()).collect();
    assert_eq!(throttled, [3, 2, 1]);
    assert_eq!(
        waits[1].to_string(),
        "scan definitions: the service asked for a pause, 3 s left"
    );
}

#[test]
fn each_wait_of_each_try_begins_at_zero() {
    let (tenant, _, builder) = setup();
    let policy = RetryPolicy::default().base_delay(seconds(8));
    let (client, waits) = observed(builder.retry_policy(policy));
    tenant.fail(Fault::throttled(seconds(3)).times(2));
    tenant.fail(Fault::status(503));
    client.scan_agents().unwrap();
    let waits = waits.lock().unwrap();
    let begin: Vec<_> = waits
        .iter()
        .filter(|wait| wait.elapsed().is_zero())
        .map(|wait| wait.reason)
        .collect();
    let throttled = WaitReason::Throttled;
    assert_eq!(begin, [throttled, throttled, WaitReason::BackOff]);
    assert!(waits.len() > begin.len() + 2 * 2, "{waits:?}");
    for pair in waits.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        if !after.elapsed().is_zero() {
            assert_eq!(after.elapsed(), before.elapsed() + seconds(1));
            assert_eq!(after.left + seconds(1), before.left);
        }
    }
}

#[test]
fn an_observer_breaks_a_wait_off() {
    let (tenant, clock, builder) = setup();
    let client = builder
        .on_wait(|wait| {
            if wait.left > seconds(55) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
        .build()
        .unwrap();
    tenant.fail(Fault::throttled(seconds(60)));
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Cancelled, 1));
    assert!(!error.is_retryable());
    assert_eq!(clock.now(), seconds(5));
}

#[test]
fn the_quota_shows_what_is_left() {
    let (_tenant, clock, builder) = setup();
    let client = builder
        .rate_limits(RateLimits::new(3, 4))
        .max_wait(Duration::MAX)
        .build()
        .unwrap();
    for left in [2, 1, 0] {
        client.scan_agents().unwrap();
        assert_eq!(client.quota().scan_agents.left_in_minute, left);
    }
    let quota = client.quota();
    assert_eq!(quota.scan_agents.left_in_hour, 1);
    assert_eq!(quota.scan_agents.next_call_in, seconds(60));
    assert_eq!(quota.machines.left_in_minute, 3);
    clock.advance(seconds(60));
    assert_eq!(client.quota().scan_agents.left_in_minute, 3);
    client.scan_agents().unwrap();
    assert_eq!(client.quota().scan_agents.left_in_hour, 0);
    assert_eq!(client.quota().scan_agents.next_call_in, seconds(3_540));
}

#[test]
fn the_offset_is_exact_when_any_page_fails() {
    let (tenant, _, builder) = setup();
    let client = builder.retry_policy(RetryPolicy::none()).build().unwrap();
    let whole = ids(&client);
    for page in 1..=4 {
        tenant.fail(Fault::status(500).path("/api/machines").on_call(page));
        let mut machines = client.machines().into_iter();
        let before: Vec<Machine> = machines.by_ref().map_while(Result::ok).collect();
        assert_eq!(before.len(), (page - 1) * 100);
        assert_eq!(machines.offset(), u64::try_from(before.len()).unwrap());
        assert!(machines.next().is_none(), "one error, and then nothing");
        let rest = client.machines().skip(machines.offset()).into_iter();
        let all: Vec<String> = before
            .into_iter()
            .chain(rest.map(Result::unwrap))
            .map(|machine| machine.id)
            .collect();
        assert_eq!(all, whole);
    }
}
