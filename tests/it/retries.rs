//! Walks that survive a bad day: retries, the gate after a 429, deadlines, observers, quotas.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::machines::Machine;
use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
use defender_endpoint::{
    AccessToken, Api, Client, ClientBuilder, Credential, Error, ErrorKind, RateLimiter, RateLimits,
    RetryPolicy, TokenRequest, Wait, WaitReason,
};

const AGENTS: &str = "/api/DeviceAuthenticatedScanAgents";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A demo tenant, a clock, and a builder for both.
fn setup() -> (Tenant, FakeClock, ClientBuilder) {
    let tenant = Tenant::demo().unwrap();
    let clock = FakeClock::new();
    let builder = tenant.client_builder().unwrap().clock(clock.clone());
    (tenant, clock, builder)
}

fn ids(client: &Client) -> Vec<String> {
    client
        .machines()
        .into_iter()
        .map(|machine| machine.unwrap().id)
        .collect()
}

#[test]
fn a_call_succeeds_after_failures_that_pass() {
    for fault in [
        Fault::status(408),
        Fault::status(500),
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
        Fault::throttled(seconds(7)),
        Fault::disconnect(),
        Fault::cut_body(),
        Fault::body(200, "application/json", ""),
    ] {
        let (tenant, _, builder) = setup();
        let client = builder.build().unwrap();
        tenant.fail(fault.clone().path(AGENTS));
        assert_eq!(client.scan_agents().unwrap().len(), 5, "{fault:?}");
        assert_eq!(tenant.calls(AGENTS), 2, "{fault:?}");
    }
}

#[test]
fn after_the_last_retry_the_real_error_comes_with_the_number_of_tries() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    tenant.fail(
        Fault::status(503)
            .code("Busy")
            .message("Come back later")
            .always(),
    );
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Server, 4));
    assert_eq!(
        (error.code(), error.message()),
        (Some("Busy"), Some("Come back later"))
    );
    assert!(error.is_retryable());
    assert!(error.to_string().ends_with("(after 4 attempts)"), "{error}");
    assert_eq!(tenant.calls(AGENTS), 4);
    // 0.8 + 1.6 + 3.2 seconds, each between half and all of it.
    let waited = clock.now().as_secs_f64();
    assert!((2.8..=5.6).contains(&waited), "{waited}");
}

#[test]
fn the_first_retry_after_a_dead_connection_comes_at_once() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    client.scan_agents().unwrap();
    tenant.fail(Fault::disconnect());
    client.scan_agents().unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    tenant.fail(Fault::disconnect().times(2));
    client.scan_agents().unwrap();
    assert!(
        clock.now() >= Duration::from_millis(800),
        "the second one backs off"
    );
}

#[test]
fn an_empty_200_is_tried_again_once_only() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    tenant.fail(Fault::body(200, "application/json", "").always());
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 2));
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
fn a_damaged_page_is_fetched_again_and_its_rows_are_not_handed_out_twice() {
    let whole = {
        let (_tenant, _, builder) = setup();
        ids(&builder.build().unwrap())
    };
    // A cut body shows while it is read. Damage that shows only while rows are decoded: the page
    // ends in mid-row although it arrived in full.
    for rows in [0, 1, 57] {
        let (tenant, _, builder) = setup();
        let client = builder.build().unwrap();
        let row = |id: &String| format!("{{\"id\":\"{id}\"}}");
        let text: Vec<String> = whole[100..100 + rows].iter().map(row).collect();
        let text = format!("{{\"value\":[{},{{\"id\":\"half", text.join(","));
        let text = text.replace("[,", "[");
        tenant.fail(
            Fault::body(200, "application/json", text)
                .path("/api/machines")
                .on_call(2),
        );
        assert_eq!(ids(&client), whole, "{rows} rows before the damage");
        assert_eq!(tenant.calls("/api/machines"), 5);
    }
}

#[test]
fn a_page_that_stays_damaged_ends_the_walk_with_an_exact_offset() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    let text = "{\"value\":[{\"id\":\"x\"},{\"id\"";
    let damage = Fault::body(200, "application/json", text).path("/api/machines");
    tenant.fail(damage.clone().on_call(2));
    tenant.fail(damage.on_call(3));
    let mut machines = client.machines().into_iter();
    let seen = machines.by_ref().take_while(Result::is_ok).count();
    assert_eq!((seen, machines.offset()), (101, 101));
    assert!(machines.next().is_none());
    let rest = client
        .machines()
        .skip(101)
        .into_iter()
        .map(Result::unwrap)
        .count();
    assert_eq!(rest, 246);
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
fn a_401_in_mid_walk_fetches_one_token_and_goes_on() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    let mut machines = client.machines().into_iter();
    let first = machines.by_ref().take(150).flatten().count();
    tenant.expire_tokens();
    let rest = machines.map(Result::unwrap).count();
    assert_eq!((first, rest), (150, 197));
    assert_eq!(tenant.token_requests(), 2);
}

#[test]
fn a_401_that_stays_is_reported_after_one_fresh_token() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    tenant.fail(Fault::unauthorized().always());
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 2)
    );
    assert_eq!((tenant.token_requests(), tenant.calls(AGENTS)), (2, 2));
}

#[test]
fn the_same_token_is_not_sent_again_after_a_401() {
    #[derive(Debug)]
    struct Fixed(AtomicUsize);
    impl Credential for Fixed {
        fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(AccessToken::new("always-the-same"))
        }
    }
    let tenant = Tenant::demo().unwrap();
    let credential = Arc::new(Fixed(AtomicUsize::new(0)));
    let cloud = defender_endpoint::Cloud::COMMERCIAL
        .with_api_url(tenant.url())
        .with_authority(tenant.authority());
    let client = Client::builder(Arc::clone(&credential))
        .cloud(cloud)
        .no_proxy()
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 1)
    );
    assert_eq!(error.code(), Some("Unauthorized"));
    assert_eq!(tenant.calls(AGENTS), 1);
    assert_eq!(credential.0.load(Ordering::Relaxed), 2);
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

#[test]
fn an_agents_damaged_answer_is_fetched_once_more() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    let id = client.scan_agents().unwrap()[0].id.clone();
    let path = format!("{AGENTS}/");
    let cut_character = Fault::body(200, "application/json", "").path(&path);
    tenant.fail(cut_character);
    assert_eq!(client.scan_agent(&id).unwrap().id, id);
}
