//! Walks that survive a bad day: retries, the gate after a 429, deadlines, observers, quotas.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::machines::Machine;
use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
use defender_endpoint::{
    AccessToken, Api, Client, ClientBuilder, Credential, Error, ErrorKind, RateLimits, RetryPolicy,
    TokenRequest, Wait, WaitReason,
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
fn an_agents_damaged_answer_is_fetched_once_more() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    let id = client.scan_agents().unwrap()[0].id.clone();
    let path = format!("{AGENTS}/");
    let cut_character = Fault::body(200, "application/json", "").path(&path);
    tenant.fail(cut_character);
    assert_eq!(client.scan_agent(&id).unwrap().id, id);
}
