//! One client for a day: walks, expiring tokens, an outage, throttling.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use defender_endpoint::testing::{Clock, Exchange, FakeClock, Fault, Tenant};
use defender_endpoint::{RateLimits, Wait};

const TICK: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const PER_MINUTE: u32 = 30;
const PER_HOUR: u32 = 150;

/// The most calls in any window of this length, as the service counts.
fn most(times: &[Duration], window: Duration) -> usize {
    let in_window = |(first, start): (usize, &Duration)| {
        times[first..]
            .iter()
            .take_while(|time| **time < *start + window)
            .count()
    };
    times.iter().enumerate().map(in_window).max().unwrap_or(0)
}

/// Notes how many waits there were for each reason, and how long they were together.
#[derive(Clone, Default)]
struct Waits(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    by_reason: BTreeMap<String, (u32, Duration)>,
    last: Duration,
}

impl Waits {
    fn hear(&self, wait: &Wait, now: Duration) -> ControlFlow<()> {
        let Heard { by_reason, last } = &mut *self.0.lock().unwrap();
        let (count, time) = by_reason.entry(wait.reason.to_string()).or_default();
        // Words come every second: a longer silence means that another wait has begun.
        *count += u32::from(now > *last + Duration::from_millis(1_001));
        *time += wait.left.min(Duration::from_secs(1));
        *last = now;
        ControlFlow::Continue(())
    }
}

/// What happens to the service at this time of the day.
fn weather(tenant: &Tenant, tick: u32, now: Duration, out: &mut bool) {
    let outage = Duration::from_secs(8 * 3_600)..Duration::from_secs(9 * 3_600);
    let is_out = outage.contains(&now);
    if is_out != *out {
        *out = is_out;
        tenant.clear_faults();
        if is_out {
            tenant.fail(Fault::status(503).always());
            tenant.fail(Fault::status(503).path("oauth2").always());
        }
    }
    if tick % 9 == 0 && !is_out {
        tenant.fail(
            Fault::throttled(Duration::from_secs(20))
                .on_call(3)
                .times(2),
        );
        tenant.fail(Fault::disconnect().on_call(8));
        tenant.fail(Fault::cut_body().on_call(11));
    }
}

/// A sync tool in small: each quarter of an hour it goes on where it stopped, or begins anew.
#[test]
fn a_day_of_walks_loses_no_row_and_breaks_no_limit() {
    let clock = FakeClock::new();
    let tenant = Tenant::demo_builder()
        .clock(clock.clone())
        .page_size(10)
        .start()
        .unwrap();
    let waits = Waits::default();
    let (heard, now) = (waits.clone(), clock.clone());
    let client = tenant
        .client_builder()
        .unwrap()
        .clock(clock.clone())
        .rate_limits(RateLimits::new(PER_MINUTE, PER_HOUR))
        .max_wait(Duration::from_secs(30 * 60))
        .on_wait(move |wait| heard.hear(wait, now.now()))
        .build()
        .unwrap();

    let mut rows: Vec<String> = Vec::new();
    let (mut complete, mut broken) = (0, 0);
    let fleet: Vec<String> = {
        let quiet = tenant.client().unwrap();
        quiet
            .machines()
            .into_iter()
            .map(|machine| machine.unwrap().id)
            .collect()
    };
    tenant.clear();
    let mut out = false;
    for tick in 1..=96_u32 {
        let due = TICK * tick;
        clock.advance(due.saturating_sub(clock.now()));
        weather(&tenant, tick, clock.now(), &mut out);
        let offset = u64::try_from(rows.len()).unwrap();
        let mut machines = client.machines().skip(offset).into_iter();
        let mut failed = false;
        for machine in machines.by_ref() {
            match machine {
                Ok(machine) => rows.push(machine.id),
                Err(error) => {
                    assert!(error.is_retryable(), "{error:?}");
                    failed = true;
                }
            }
        }
        assert_eq!(machines.offset(), u64::try_from(rows.len()).unwrap());
        if failed {
            broken += 1;
        } else {
            assert_eq!(rows, fleet, "walk that ended in tick {tick}");
            rows.clear();
            complete += 1;
        }
    }

    let calls = tenant.exchanges();
    let times: Vec<Duration> = calls
        .iter()
        .filter(|call| !call.is_token_request())
        .map(Exchange::at)
        .collect();
    let (minute, hour) = (most(&times, MINUTE), most(&times, HOUR));
    println!(
        "{} calls, at most {minute} in 60 s and {hour} in 3600 s; {} token requests; \
         {complete} walks complete, {broken} broken off; waits: {:?}",
        times.len(),
        tenant.token_requests(),
        waits.0.lock().unwrap().by_reason,
    );
    assert!(minute <= 30 && hour <= 150);
    assert_eq!(broken, 4, "only those of the outage");
    assert_eq!(complete, 92);
    // A token lasts an hour and is renewed five minutes early; the outage adds its tries.
    let tokens = calls
        .iter()
        .filter(|call| call.is_token_request() && call.status() == Some(200));
    assert!((24..=28).contains(&tokens.count()));
    let refused = calls
        .iter()
        .filter(|call| call.status() == Some(401))
        .count();
    assert_eq!(refused, 0, "no token was used after its time");
}
