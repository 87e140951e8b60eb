//! Walks that survive a bad day: retries, the gate after a 429, deadlines, observers, quotas.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::machines::Machine;
use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
use defender_endpoint::{
    Api, Client, ClientBuilder, ErrorKind, RateLimiter, RateLimits, RetryPolicy, Wait, WaitReason,
};

const AGENTS: &str = "/api/DeviceAuthenticatedScanAgents";

fn seconds(seconds: u64) -> Duration {
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
fn every_try_takes_a_place_in_the_limits() {
    let (tenant, clock, builder) = setup();
    let client = builder
        .rate_limits(RateLimits::new(2, 100))
        .build()
        .unwrap();
    tenant.fail(Fault::status(503).times(2));
    client.scan_agents().unwrap();
    assert!(
        clock.now() >= seconds(60),
        "the third try waited for the minute window"
    );
    assert_eq!(client.quota().scan_agents.left_in_hour, 97);
}

#[test]
fn a_429_holds_back_every_thread_and_clone_of_its_api_and_no_other() {
    let (tenant, clock, builder) = setup();
    let limiter = RateLimiter::new_with_clock(RateLimits::documented(), clock.clone()).unwrap();
    let client = builder
        .clone()
        .rate_limiter(limiter.clone())
        .build()
        .unwrap();
    let other = builder
        .rate_limiter(limiter)
        .retry_policy(RetryPolicy::none())
        .build()
        .unwrap();
    tenant.fail(Fault::throttled(seconds(40)));
    other.scan_agents().unwrap_err();
    // Another client with the same limiter waits, another API doesn't.
    client.scan_definitions().unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    assert_eq!(client.quota().scan_agents.next_call_in, seconds(40));
    let clone = client.clone();
    std::thread::spawn(move || clone.scan_agents().unwrap())
        .join()
        .unwrap();
    assert_eq!(clock.now(), seconds(40));
}

#[test]
fn a_pause_that_would_be_too_long_is_told_at_once() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    tenant.fail(Fault::throttled(seconds(1_000_000_000)));
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 1));
    assert_eq!(error.retry_after(), Some(seconds(1_000_000_000)));
    // The gate is closed, though for an hour at the most: no answer locks a client for ever.
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 0));
    assert_eq!(error.retry_after(), Some(seconds(3_600)));
    assert_eq!(tenant.calls(AGENTS), 1);
    assert_eq!(clock.now(), Duration::ZERO, "nobody slept");
    clock.advance(seconds(3_600));
    client.scan_agents().unwrap();
}

#[test]
fn the_wait_is_taken_from_the_header_the_date_or_the_words() {
    let words = "Maximum allowed 30 per 00:01:00. You can send requests again in 21 seconds.";
    for (fault, expected) in [
        (Fault::throttled(seconds(20)), 20),
        (Fault::status(429).message(words), 21),
        (Fault::status(503).retry_after(seconds(22)), 22),
        (
            Fault::status(429).header("Retry-After", "Mon, 01 Jan 2001 00:00:23 GMT"),
            0,
        ),
        (Fault::status(429).header("Retry-After", "soon"), 0),
    ] {
        let (tenant, clock, builder) = setup();
        let client = builder.build().unwrap();
        tenant.fail(fault.clone());
        client.scan_agents().unwrap();
        let waited = clock.now();
        assert_eq!(waited.as_secs(), expected, "{fault:?}");
    }
}

#[test]
fn a_deadline_bounds_waits_and_keeps_the_real_error() {
    let (tenant, clock, builder) = setup();
    let client = builder.deadline(seconds(10)).build().unwrap();
    tenant.fail(Fault::throttled(seconds(11)));
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 1));
    assert_eq!(
        clock.now(),
        Duration::ZERO,
        "nobody sleeps first and fails then"
    );
    // The next call has a deadline of its own, and eleven seconds to wait: too long as well.
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 0));
    assert!(
        error.to_string().contains("the deadline is in 10 s"),
        "{error}"
    );
    clock.advance(seconds(2));
    client.scan_agents().unwrap();
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
    let refused = client.machines().deadline(Duration::ZERO);
    let error = refused.into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let (_tenant, _, builder) = setup();
    for broken in [
        builder.clone().deadline(Duration::ZERO),
        builder.clone().connect_timeout(Duration::ZERO),
        builder.clone().read_timeout(Duration::ZERO),
        builder.clone().try_timeout(Duration::ZERO),
        builder.clone().connect_timeout(Duration::MAX),
        builder.clone().read_timeout(Duration::MAX),
        builder.clone().try_timeout(Duration::MAX),
        builder
            .clone()
            .retry_policy(RetryPolicy::default().base_delay(Duration::ZERO)),
        builder
            .clone()
            .retry_policy(RetryPolicy::default().max_delay(Duration::ZERO)),
    ] {
        assert_eq!(broken.build().unwrap_err().kind(), ErrorKind::Config);
    }
    let endless = builder
        .max_wait(Duration::MAX)
        .deadline(Duration::MAX)
        .retry_policy(
            RetryPolicy::default()
                .base_delay(Duration::MAX)
                .max_delay(Duration::MAX),
        );
    endless.build().unwrap().scan_agents().unwrap();
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
fn a_panicking_observer_leaves_the_queue() {
    let (tenant, _, builder) = setup();
    let calm = builder.clone();
    let limiter = RateLimiter::new_with_clock(RateLimits::documented(), FakeClock::new()).unwrap();
    let client = builder
        .rate_limiter(limiter.clone())
        .on_wait(|_| panic!("on purpose"))
        .build()
        .unwrap();
    tenant.fail(Fault::throttled(seconds(9)));
    assert!(
        std::thread::spawn(move || client.scan_agents())
            .join()
            .is_err()
    );
    calm.rate_limiter(limiter)
        .build()
        .unwrap()
        .scan_agents()
        .unwrap();
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
fn a_wrong_secret_is_not_hammered() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    let refusal = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid."}"#;
    tenant.fail(
        Fault::body(401, "application/json", refusal)
            .path("oauth2")
            .always(),
    );
    for _ in 0..5 {
        let error = client.scan_agents().unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Credential, Some("invalid_client"))
        );
    }
    assert_eq!(tenant.token_requests(), 1);
    assert_eq!(
        client.quota().scan_agents.left_in_minute,
        100,
        "no permit is burnt"
    );
    clock.advance(seconds(60));
    tenant.clear_faults();
    client.scan_agents().unwrap();
}

#[test]
fn a_token_endpoint_that_is_busy_is_tried_again_without_burning_permits() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    let busy = Fault::status(429)
        .retry_after(seconds(30))
        .path("oauth2")
        .times(2);
    tenant.fail(busy);
    client.scan_agents().unwrap();
    assert_eq!(clock.now(), seconds(60));
    assert_eq!(tenant.token_requests(), 3);
    assert_eq!(client.quota().scan_agents.left_in_hour, 1_499);
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

#[test]
fn no_header_puts_a_program_to_sleep_for_years() {
    for status in [429, 503] {
        let (tenant, clock, builder) = setup();
        let client = builder.max_wait(Duration::MAX).build().unwrap();
        tenant.fail(Fault::status(status).retry_after(seconds(3_601)));
        let error = client.scan_agents().unwrap_err();
        assert_eq!((error.status(), error.attempts()), (Some(status), 1));
        assert_eq!(clock.now(), Duration::ZERO);
    }
}

#[test]
fn a_header_of_nested_comments_is_no_date() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    tenant.fail(Fault::status(503).header("Retry-After", "(".repeat(30_000)));
    client.scan_agents().unwrap();
}
