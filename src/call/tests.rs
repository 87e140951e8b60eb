//! Calls against a service in memory: every exchange, permit and token is counted.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::rig::{Rig, settings};
use super::*;
use crate::auth::{AccessToken, jwt};
use crate::clock::Clock as _;
use crate::cloud::Cloud;
use crate::http::memory::{Failure, Received, Reply, Script, Step, Then};
use crate::http::{Method, Settings};
use crate::permissions;
use crate::rate_limit::{Api, RateLimits};
use crate::retry::RetryPolicy;
use crate::testing::FakeClock;
use crate::wait::Observer;

static READ: Operation = Operation {
    method: Method::Get,
    path: "/api/things",
    api: Api::Machines,
    permissions: &permissions::MACHINES,
    writes: None,
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn script<S: Into<Step>>(steps: impl IntoIterator<Item = S>) -> Rig {
    Rig::new(Script::new(steps))
}

fn send(rig: &Rig) -> Result<Answer, Error> {
    send_within(rig, None)
}

fn send_within(rig: &Rig, deadline: Option<Duration>) -> Result<Answer, Error> {
    let call = Call {
        operation: &READ,
        path: READ.path,
        query: "$top=5",
        body: None,
        secrets: &[],
        deadline,
        spares: &Spares::default(),
    };
    super::send(&rig.shared, &call)
}

/// The text of an answer, and how many exchanges it took.
fn answer(rig: &Rig) -> (String, u32) {
    let answer = send(rig).unwrap();
    let tries = answer.tries;
    (answer.text().0.unwrap(), tries)
}

fn failure(rig: &Rig) -> Error {
    failure_within(rig, None)
}

fn failure_within(rig: &Rig, deadline: Option<Duration>) -> Error {
    match send_within(rig, deadline) {
        Ok(_) => panic!("the call went well"),
        Err(error) => error,
    }
}

/// How many calls count in the windows now.
fn spent(rig: &Rig) -> u32 {
    let quota = rig.shared.limiter.quota().machines;
    assert_eq!(
        100 - quota.left_in_minute,
        1_500 - quota.left_in_hour,
        "nothing has aged yet"
    );
    100 - quota.left_in_minute
}

#[test]
fn a_line_of_the_log_says_when_the_next_try_is() {
    assert_eq!(next_try(Duration::ZERO), "next try at once");
    assert_eq!(next_try(Duration::from_millis(444)), "next try in 0.4 s");
    assert_eq!(next_try(Duration::from_secs(61)), "next try in 61.0 s");
}

#[test]
fn a_call_costs_a_token_a_permit_and_an_exchange() {
    let rig = script([Reply::json(r#"{"a":1}"#), Reply::json(r#"{"b":2}"#)]);
    assert_eq!(answer(&rig), (r#"{"a":1}"#.to_owned(), 1));
    assert_eq!(
        (rig.memory.count(), rig.tokens.asked(), spent(&rig)),
        (1, 1, 1)
    );
    assert_eq!(answer(&rig), (r#"{"b":2}"#.to_owned(), 1));
    assert_eq!(
        (rig.memory.count(), rig.tokens.asked(), spent(&rig)),
        (2, 1, 2)
    );
    assert_eq!(rig.clock.now(), Duration::ZERO);
    for request in rig.memory.requests() {
        assert_eq!(request.method, "GET");
        assert_eq!(request.target, "/api/things?$top=5");
        assert_eq!(request.bearer(), Some("token-1"));
        assert_eq!(request.header("content-type"), None);
    }
}

#[test]
fn a_token_that_can_not_be_had_costs_no_permit() {
    let rig = script::<Step>([]);
    rig.tokens
        .next(Err(Error::credential("the vault is sealed")));
    let error = failure(&rig);
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert_eq!(error.attempts(), 0);
    assert_eq!(error.to_string(), "GET /api/things: the vault is sealed");
    assert_eq!((rig.memory.count(), spent(&rig)), (0, 0));
}

#[test]
fn the_credential_and_the_exchange_hear_what_is_left_of_the_deadline() {
    let mut rig = script([Reply::json("{}"), Reply::json("{}")]);
    rig.set().deadline = Some(secs(100));
    rig.set_http(&Settings {
        try_timeout: secs(50),
        ..settings()
    });
    let token = AccessToken::new("short").expires_in(secs(1));
    rig.tokens.next(Ok(token));
    drop(send_within(&rig, Some(secs(20))).unwrap());
    rig.clock.advance(secs(1));
    drop(send(&rig).unwrap());
    assert_eq!(rig.tokens.times_left(), [Some(secs(20)), Some(secs(100))]);
    let times: Vec<Duration> = rig.memory.requests().iter().map(|sent| sent.time).collect();
    assert!(times[0] > secs(19) && times[0] <= secs(20), "{times:?}");
    assert!(times[1] > secs(49) && times[1] <= secs(50), "{times:?}");
}

#[test]
fn a_token_for_other_calls_is_got_within_the_deadline_too() {
    let mut rig = script::<Step>([]);
    rig.set().deadline = Some(secs(100));
    assert_eq!(rig.client().access_token().unwrap().expose(), "token-1");
    assert_eq!(rig.tokens.times_left(), [Some(secs(100))]);
}

#[test]
fn a_dead_connection_costs_a_permit_and_no_time() {
    let rig = script([
        Reply::json("{}").then(Then::Dead(Failure::RESET)),
        Reply::json("{}"),
    ]);
    assert_eq!(answer(&rig).1, 1);
    assert_eq!(answer(&rig).1, 2);
    assert_eq!(
        (rig.memory.count(), rig.memory.lost(), spent(&rig)),
        (2, 1, 3)
    );
    assert_eq!(rig.clock.now(), Duration::ZERO);
}

#[test]
fn after_an_answer_the_next_try_has_the_same_connection() {
    let rig = script([Reply::new(503), Reply::json("{}")]);
    assert_eq!(answer(&rig).1, 2);
    assert_eq!(rig.memory.connections().0, 1);
}

#[test]
fn a_try_that_would_have_to_wait_too_long_for_the_limit_is_not_begun() {
    let mut rig = script([Reply::json("{}")]);
    rig.set().max_wait = secs(59);
    rig.set_limits(RateLimits::new(1, 1_500));
    drop(send(&rig).unwrap());
    let error = failure(&rig);
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!((error.attempts(), error.retry_after()), (0, Some(secs(60))));
    assert_eq!(rig.memory.count(), 1);
    assert_eq!(rig.clock.now(), Duration::ZERO);
}

#[test]
fn a_body_that_is_cut_anywhere_is_asked_for_again() {
    let text = r#"{"name":"in several chunks"}"#;
    let whole = Reply::json(text);
    for reply in [
        whole.clone(),
        whole.clone().chunks(8),
        whole.clone().gzip().chunks(20),
    ] {
        for end in [
            Then::Closed,
            Then::Fails(Failure::RESET),
            Then::Fails(Failure::ReadTimeout),
        ] {
            for step in [1, usize::MAX] {
                // Up to the whole body, and some of the head.
                for cut in 1..70 {
                    let cut_off = reply.clone().step(step).cut(cut).then(end);
                    let rig = script([cut_off.clone(), whole.clone()]);
                    let (body, tries) = answer(&rig);
                    assert_eq!(body, text);
                    // The last line breaks of a chunked body add nothing to it.
                    let is_whole =
                        tries == 1 && cut <= 2 && end != Then::Fails(Failure::ReadTimeout);
                    assert!(tries == 2 || is_whole, "{cut_off:?}");
                }
            }
        }
    }
}

#[test]
fn what_a_call_says_is_sent_and_no_more() {
    let mut rig = script([Reply::json("{}"), Reply::json("{}")]);
    rig.set().origin = Cloud::EU.api_origin().unwrap();
    let spares = Spares::default();
    let mut call = Call {
        operation: &READ,
        path: "/api/things/5",
        query: "",
        body: Some(b"[1]"),
        secrets: &[],
        deadline: None,
        spares: &spares,
    };
    drop(super::send(&rig.shared, &call).unwrap());
    call.query = "a=b";
    call.body = None;
    drop(super::send(&rig.shared, &call).unwrap());
    let [with_body, with_query] = &rig.memory.requests()[..] else {
        panic!("two requests")
    };
    assert_eq!(
        with_body.header("host"),
        Some("api-eu.securitycenter.microsoft.com")
    );
    assert_eq!(with_body.target, "/api/things/5");
    assert_eq!(with_body.header("content-type"), Some("application/json"));
    assert_eq!(with_query.target, "/api/things/5?a=b");
    assert_eq!(with_query.header("content-type"), None);
    assert_eq!(
        call.name(),
        "GET /api/things/5",
        "the query is nobody's business"
    );
}

#[test]
fn a_retryable_failure_is_tried_as_often_as_the_policy_says() {
    for retries in 0..4 {
        let status = [408, 500, 502, 503, 504][retries as usize];
        let mut rig = Rig::new(move |_: &Received| Reply::new(status));
        rig.set().retry_policy = RetryPolicy::none().retries(retries);
        let error = failure(&rig);
        assert_eq!(error.status(), Some(status));
        let tries = retries + 1;
        assert_eq!(error.attempts(), tries);
        assert_eq!(rig.memory.count(), tries as usize);
        assert_eq!((rig.tokens.asked(), spent(&rig)), (1, tries));
    }
}

#[test]
fn the_pauses_double_and_the_last_failure_has_none_after_it() {
    for (retries, longest) in [(0, 0), (1, 800), (2, 2_400), (3, 5_600)] {
        let mut rig = Rig::new(|_: &Received| Reply::new(503));
        rig.set().retry_policy = RetryPolicy::none().retries(retries);
        failure(&rig);
        let longest = Duration::from_millis(longest);
        let paused = rig.clock.now();
        assert!(paused >= longest / 2 && paused <= longest, "{paused:?}");
    }
}

#[test]
fn what_is_no_use_trying_again_is_tried_once() {
    for status in [201, 203, 206, 302, 400, 403, 404, 405, 418, 501, 505] {
        let rig = script([Reply::new(status)]);
        let error = failure(&rig);
        assert_eq!((error.status(), error.attempts()), (Some(status), 1));
        assert!(!error.is_retryable());
        assert_eq!((rig.memory.count(), spent(&rig)), (1, 1));
        assert_eq!(rig.clock.now(), Duration::ZERO);
    }
}

#[test]
fn failures_below_http_are_tried_again() {
    let no_answers = [
        Step::NoConnection(Failure::REFUSED),
        Step::NoConnection(Failure::Unresolved),
        Step::NoConnection(Failure::ConnectTimeout),
        Reply::none(Failure::RESET).into(),
        Reply::bare("").then(Then::Closed).into(),
        Reply::none(Failure::ReadTimeout).into(),
        Reply::none(Failure::TryTimeout).into(),
        Reply::none(Failure::Io(std::io::ErrorKind::TimedOut)).into(),
    ];
    for step in no_answers {
        let rig = script([
            step.clone(),
            step.clone(),
            step.clone(),
            Reply::json("{}").into(),
        ]);
        assert_eq!(answer(&rig), ("{}".to_owned(), 4), "{step:?}");
        assert_eq!(spent(&rig), 4, "a try that fails costs its place too");
        let rig = script([step.clone(), step.clone(), step.clone(), step]);
        let error = failure(&rig);
        assert_eq!((error.attempts(), error.status()), (4, None));
    }
}

#[test]
fn an_empty_body_is_asked_for_once_more_and_no_oftener() {
    let empty = || Reply::json("");
    let rig = script([empty(), Reply::json("{}")]);
    assert_eq!(answer(&rig).1, 2);
    let rig = script([empty(), empty()]);
    let error = failure(&rig);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 2));
    assert!(error.to_string().contains("the body is empty"), "{error}");
    // Its one retry is not on top of those of others.
    let rig = script([Reply::new(503), empty()]);
    assert_eq!(failure(&rig).attempts(), 2);
    let mut rig = script([empty()]);
    rig.set().retry_policy = RetryPolicy::none();
    assert_eq!(failure(&rig).attempts(), 1);
}

#[test]
fn a_refused_token_is_exchanged_for_a_new_one_once() {
    let mut rig = script([Reply::new(401), Reply::json("{}")]);
    rig.set().retry_policy = RetryPolicy::none();
    assert_eq!(answer(&rig).1, 2);
    let bearers: Vec<_> = rig.memory.requests();
    let bearers: Vec<_> = bearers.iter().filter_map(|sent| sent.bearer()).collect();
    assert_eq!(bearers, ["token-1", "token-2"]);
    assert_eq!((rig.tokens.asked(), spent(&rig)), (2, 2));
    assert_eq!(rig.clock.now(), Duration::ZERO);

    let rig = script([Reply::new(401), Reply::new(401)]);
    let error = failure(&rig);
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 2)
    );
    assert!(error.hint().unwrap().contains("licence"));
    assert_eq!(
        (rig.memory.count(), rig.tokens.asked(), spent(&rig)),
        (2, 2, 2)
    );
}

#[test]
fn a_refused_token_takes_no_retry_from_the_failures_around_it() {
    let mut rig = script([
        Reply::new(503),
        Reply::new(401),
        Reply::new(503),
        Reply::json("{}"),
    ]);
    rig.set().retry_policy = RetryPolicy::none().retries(2);
    assert_eq!(answer(&rig).1, 4);
    assert_eq!(spent(&rig), 4);
    // A second refusal is the end, whatever was between.
    let rig = script([Reply::new(401), Reply::new(503), Reply::new(401)]);
    let error = failure(&rig);
    assert_eq!((error.status(), error.attempts()), (Some(401), 3));
}

#[test]
fn a_refused_token_that_comes_again_is_not_sent_again() {
    let rig = script([Reply::new(401), Reply::json("{}")]);
    for _ in 0..2 {
        rig.tokens.next(Ok(AccessToken::new("stale")));
    }
    let error = failure(&rig);
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 1)
    );
    assert_eq!(
        (rig.memory.count(), rig.tokens.asked(), spent(&rig)),
        (1, 2, 1)
    );
    // It isn't kept for the next call either.
    assert_eq!(answer(&rig).1, 1);
    assert_eq!(rig.memory.requests()[1].bearer(), Some("token-3"));
}

#[test]
fn a_token_that_others_renewed_in_the_meantime_is_used() {
    let clock = FakeClock::new();
    let rig = Arc::new(std::sync::OnceLock::<Rig>::new());
    let inner = Arc::clone(&rig);
    let service = move |sent: &Received| match sent.bearer() {
        Some("token-1") => {
            // Another call has met the same refusal before.
            let rig = inner.get().unwrap();
            rig.shared.tokens.refuse(&Secret::from("token-1"));
            let deadline = Deadline::after(None, &rig.clock);
            let token = rig.shared.tokens.bearer(&rig.token_request(), deadline);
            assert_eq!(token.unwrap().expose(), "token-2");
            Reply::new(401)
        }
        _ => Reply::json("{}"),
    };
    let rig = rig.get_or_init(|| Rig::with_clock(clock, service));
    assert_eq!(answer(rig).1, 2);
    assert_eq!(rig.tokens.asked(), 2);
}

#[test]
fn when_no_new_token_can_be_had_that_is_the_error() {
    let rig = script([Reply::new(401)]);
    rig.tokens.next(Ok(AccessToken::new("stale")));
    rig.tokens.next(Err(Error::credential("sealed")));
    let error = failure(&rig);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Credential, 1));
    assert_eq!((rig.memory.count(), spent(&rig)), (1, 1));
}

#[test]
fn a_credential_that_fails_for_now_is_asked_again_like_any_try() {
    let busy = || Err(Error::credential("busy").with_retryable(true));
    let mut rig = script([Reply::json("{}")]);
    rig.set().retry_policy = RetryPolicy::default().retries(2);
    rig.tokens.next(busy());
    rig.tokens.next(busy());
    assert_eq!(answer(&rig).1, 1);
    assert_eq!((rig.tokens.asked(), spent(&rig)), (3, 1));
    let paused = rig.clock.now();
    assert!(paused >= Duration::from_millis(1_200) && paused <= Duration::from_millis(2_400));

    let mut rig = script::<Step>([]);
    rig.set().retry_policy = RetryPolicy::default().retries(1);
    rig.tokens.next(busy());
    rig.tokens.next(busy());
    let error = failure(&rig);
    assert_eq!(
        (error.attempts(), rig.tokens.asked(), spent(&rig)),
        (0, 2, 0)
    );
    assert_eq!(error.to_string(), "GET /api/things: busy");
}

/// An answer to too many calls.
fn throttled(retry_after: &str) -> Reply {
    Reply::new(429).header("Retry-After", retry_after)
}

#[test]
fn a_throttled_call_waits_as_long_as_it_was_asked_to_and_so_do_others() {
    let rig = script([throttled("8"), Reply::json("{}")]);
    assert_eq!(answer(&rig).1, 2);
    assert_eq!(rig.clock.now(), secs(8));
    assert_eq!(spent(&rig), 2);

    let mut rig = script([throttled("8"), Reply::json("{}")]);
    rig.set().retry_policy = RetryPolicy::none();
    let error = failure(&rig);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 1));
    assert_eq!(error.retry_after(), Some(secs(8)));
    assert_eq!(rig.clock.now(), Duration::ZERO, "nobody waits for nothing");
    let quota = rig.shared.limiter.quota();
    assert_eq!(quota.machines.next_call_in, secs(8));
    assert_eq!(quota.scan_agents.next_call_in, Duration::ZERO);
    assert_eq!(answer(&rig).1, 1);
    assert_eq!(rig.clock.now(), secs(8));
}

#[test]
fn a_throttled_call_without_a_time_waits_its_own_for_others_too() {
    let mut rig = script([Reply::new(429)]);
    rig.set().observer = Some(Observer::new(|_| ControlFlow::Break(())));
    assert_eq!(failure(&rig).kind(), ErrorKind::Cancelled);
    let pause = rig.shared.limiter.quota().machines.next_call_in;
    assert!(pause >= Duration::from_millis(400) && pause <= Duration::from_millis(800));

    // Whoever asks for no retries is told nothing, so others aren't stopped.
    let mut rig = script([Reply::new(429)]);
    rig.set().retry_policy = RetryPolicy::none();
    failure(&rig);
    assert_eq!(
        rig.shared.limiter.quota().machines.next_call_in,
        Duration::ZERO
    );
}

#[test]
fn a_pause_that_only_this_call_needs_stops_no_others() {
    let mut rig = script([Reply::new(503).header("Retry-After", "9")]);
    rig.set().observer = Some(Observer::new(|_| ControlFlow::Break(())));
    let error = failure(&rig);
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(
        rig.shared.limiter.quota().machines.next_call_in,
        Duration::ZERO
    );

    let rig = script([
        Reply::new(503).header("Retry-After", "9"),
        Reply::json("{}"),
    ]);
    assert_eq!(answer(&rig).1, 2);
    assert_eq!(rig.clock.now(), secs(9));
}

fn parsed(date: &str) -> time::OffsetDateTime {
    time::OffsetDateTime::parse(date, &time::format_description::well_known::Rfc2822).unwrap()
}

#[test]
fn the_wait_is_read_from_the_header_or_else_from_the_words() {
    let said = r#"{"error":{"code":"429","message":"You can send requests again in 8 seconds."}}"#;
    let start = parsed("Sun, 06 Nov 1994 08:49:40 GMT");
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let until = "Sun, 06 Nov 1994 08:49:57 GMT";
    for (status, headers, expected) in [
        (429, &[][..], Some(8)),
        (429, &[("Retry-After", "5")], Some(5)),
        (429, &[("Retry-After", "soon")], Some(8)),
        (429, &[("Retry-After", until), ("Date", date)], Some(20)),
        (429, &[("Retry-After", until)], Some(17)),
        (503, &[], None),
        (503, &[("Retry-After", "5")], Some(5)),
    ] {
        let mut reply = Reply::new(status).body(said);
        for (name, value) in headers {
            reply = reply.header(name, value);
        }
        let mut rig = Rig::with_clock(FakeClock::starting_at(start), Script::new([reply]));
        rig.set().retry_policy = RetryPolicy::none();
        let error = failure(&rig);
        assert_eq!(error.retry_after(), expected.map(secs), "{headers:?}");
    }
}

#[test]
fn a_retry_that_would_come_too_late_is_not_waited_for() {
    for (deadline, max_wait) in [(Some(secs(20)), secs(300)), (None, secs(19))] {
        let mut rig = script([throttled("20")]);
        rig.set().max_wait = max_wait;
        let error = failure_within(&rig, deadline);
        assert_eq!((error.status(), error.attempts()), (Some(429), 1));
        assert_eq!(rig.clock.now(), Duration::ZERO);
    }
    // A second less, and there is time to send: that second.
    let rig = script([throttled("19"), Reply::json("{}")]);
    assert_eq!(send_within(&rig, Some(secs(20))).unwrap().tries, 2);
    let time = rig.memory.requests()[1].time;
    assert!(time > Duration::ZERO && time <= secs(1), "{time:?}");
}

#[test]
fn where_the_next_try_gets_no_permit_the_last_failure_is_the_calls() {
    let mut rig = script([Reply::new(503).body("worn out")]);
    rig.set_limits(RateLimits::new(1, 1_500));
    rig.set().max_wait = secs(50);
    let error = failure(&rig);
    assert_eq!((error.status(), error.attempts()), (Some(503), 1));
    assert!(error.to_string().contains("worn out"), "{error}");

    let mut rig = script([Reply::new(401)]);
    rig.set_limits(RateLimits::new(1, 1_500));
    rig.set().max_wait = secs(50);
    let error = failure(&rig);
    assert_eq!((error.status(), error.attempts()), (Some(401), 1));
    assert_eq!(rig.tokens.asked(), 1);
}

#[test]
fn a_wait_that_is_broken_off_has_the_failure_before_it_as_its_cause() {
    use std::error::Error as _;

    let mut rig = script([Reply::new(503)]);
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    rig.set().observer = Some(Observer::new(move |wait| {
        ear.lock().unwrap().push(wait.reason);
        ControlFlow::Break(())
    }));
    let error = failure(&rig);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Cancelled, 1));
    assert!(error.source().unwrap().to_string().contains("503"));
    assert_eq!(*heard.lock().unwrap(), [WaitReason::BackOff]);
    assert_eq!(rig.clock.now(), Duration::ZERO);

    // Before the first try there is none.
    let mut rig = script([Reply::json("{}")]);
    rig.set_limits(RateLimits::new(1, 1_500));
    rig.set().observer = Some(Observer::new(|_| ControlFlow::Break(())));
    drop(send(&rig).unwrap());
    let error = failure(&rig);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Cancelled, 0));
    assert!(error.source().is_none());
}

#[test]
fn a_token_that_takes_longer_than_the_deadline_is_not_sent() {
    let rig = script([Reply::json("{}")]);
    rig.tokens
        .next_after(secs(20), Ok(AccessToken::new("late")));
    let error = failure_within(&rig, Some(secs(20)));
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 0));
    assert!(
        error.to_string().contains("the deadline has passed"),
        "{error}"
    );
    assert_eq!((rig.memory.count(), spent(&rig)), (0, 0));
    // It is good for the next call.
    assert_eq!(answer(&rig).1, 1);
    assert_eq!(rig.memory.requests()[0].bearer(), Some("late"));
    assert_eq!(rig.tokens.asked(), 1);
}

#[test]
fn the_place_of_a_call_is_free_a_minute_after_its_end() {
    let clock = FakeClock::new();
    let time = clock.clone();
    let mut rig = Rig::with_clock(clock, move |_: &Received| {
        time.advance(secs(10));
        Reply::json("{}")
    });
    rig.set_limits(RateLimits::new(1, 1_500));
    drop(send(&rig).unwrap());
    assert_eq!(rig.shared.limiter.quota().machines.next_call_in, secs(60));
    assert_eq!(rig.clock.now(), secs(10));
    drop(send(&rig).unwrap());
    assert_eq!(rig.clock.now(), secs(80));
}

#[test]
fn an_answer_that_repeats_the_token_is_shown_without_it() {
    let repeat = |sent: &Received| {
        let token = sent.bearer().unwrap();
        let reply = match token {
            "token-1" => Reply::json("<html>").header("Content-Type", token),
            "token-2" => Reply::new(403).header("Request-Id", token).body(token),
            _ => Reply::new(404).header("Request-Id", "r-5").body("\n"),
        };
        reply.then(Then::Closed)
    };
    let rig = Rig::new(repeat);
    let rows = send(&rig).unwrap().rows().0.next::<u8>();
    let shown = format!("{:?}", rows.unwrap().unwrap_err());
    assert!(!shown.contains("token-1"), "{shown}");
    rig.shared.tokens.refuse(&Secret::from("token-1"));
    let error = failure(&rig);
    assert_eq!(error.request_id(), Some("***"));
    assert!(!format!("{error:?}").contains("token-2"), "{error:?}");
    assert!(
        error
            .hint()
            .unwrap()
            .contains("this needs the application permission Machine.Read.All or")
    );
    rig.shared.tokens.refuse(&Secret::from("token-2"));
    let error = failure(&rig);
    assert_eq!(error.request_id(), Some("r-5"));
    assert!(error.is_from_service() && error.hint().is_none());
}

/// A token that was refused here may be good elsewhere.
#[test]
fn an_answer_that_repeats_the_token_refused_before_is_shown_without_it() {
    for last in [
        |token: &str| Reply::new(403).header("Request-Id", token).body(token),
        |token: &str| Reply::new(307).header("Location", &format!("https://{token}.example/")),
        |token: &str| Reply::json("<html>").header("Content-Type", token),
        |token: &str| Reply::json(format!("{{\"{token}\":x")),
    ] {
        let rig = Rig::new(move |sent: &Received| match sent.bearer().unwrap() {
            "token-1" => Reply::new(401),
            _ => last("token-1"),
        });
        let error = match send(&rig) {
            Ok(answer) => {
                let (mut rows, sent) = answer.rows();
                sent.out_of(rows.next::<u8>().unwrap().unwrap_err())
            }
            Err(error) => error,
        };
        assert_eq!(rig.memory.count(), 2);
        let shown = format!("{error:?} {error:#?}");
        assert!(!shown.contains("token-1"), "{shown}");
    }
}

#[test]
fn an_error_page_of_which_some_was_lost_is_not_from_the_service() {
    let said = r#"{"error":{"code":"NotFound"}}"#;
    let rig = script([
        Reply::new(404).body(said),
        Reply::new(404)
            .body(said)
            .until_close()
            .then(Then::Fails(Failure::ReadTimeout)),
        Reply::new(404).body(" ".repeat(70_000)),
        Reply::new(404).body("").cut(0),
    ]);
    let from_service = [(); 4].map(|()| failure(&rig).is_from_service());
    assert_eq!(from_service, [true, false, false, true]);
}

#[test]
fn a_redirect_names_the_host_that_it_points_to() {
    for (location, hint) in [
        (
            Some("https://elsewhere.example/x?secret=1"),
            "elsewhere.example;",
        ),
        (Some("/x"), "somewhere else;"),
        (None, "somewhere else;"),
    ] {
        let mut reply = Reply::new(307);
        if let Some(location) = location {
            reply = reply.header("Location", location);
        }
        let error = failure(&script([reply]));
        assert_eq!(error.kind(), ErrorKind::Redirect);
        assert!(
            error
                .hint()
                .unwrap()
                .starts_with(&format!("it points to {hint}"))
        );
    }
}

#[test]
fn the_content_type_of_what_is_no_page_is_told() {
    let rig = script([Reply::new(200)
        .header("Content-Type", "text/html")
        .body("<html>")]);
    let error = send(&rig).unwrap().text().0.unwrap_err();
    assert!(error.to_string().contains("text/html"), "{error}");
}

#[test]
fn pages_that_differ_have_other_fingerprints() {
    let rig = script(["{}", "[]", "{}"].map(Reply::json));
    let [one, other, same] = [(); 3].map(|()| send(&rig).unwrap().fingerprint());
    assert_ne!(one, other);
    assert_eq!(one, same);
}

#[test]
fn chance_is_from_nothing_to_all() {
    let chances: Vec<f64> = (0..1_000).map(|_| chance()).collect();
    assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
    for tenth in 0..10 {
        let range = f64::from(tenth) / 10.0..f64::from(tenth + 1) / 10.0;
        let there = chances.iter().filter(|chance| range.contains(*chance));
        assert!(there.count() > 20, "{range:?}");
    }
}

#[test]
fn a_403_says_what_the_token_was_granted_if_the_token_does() {
    for (payload, granted) in [
        (
            r#"{"roles":["Machine.Isolate"]}"#,
            "; the token has the role Machine.Isolate; other causes: a token for another audience (see \
             `Cloud::with_scope` and DEFENDER_SCOPE)",
        ),
        (
            r#"{"roles":["Alert.Read.All","Machine.Isolate"],"name":"Ada"}"#,
            "; the token has the roles Alert.Read.All, Machine.Isolate; other causes: a token for",
        ),
        (
            r#"{"aud":"an-api"}"#,
            "; the token has no roles, as without an administrator's consent; other causes",
        ),
        (
            r#"{"scp":"openid","aud":"https://api.securitycenter.microsoft.com/"}"#,
            "; the token has the scope openid; other causes: a user who may not see the data",
        ),
        // What the token excludes is no cause.
        (
            r#"{"roles":["Machine.Isolate"],"aud":"https://api.securitycenter.microsoft.com"}"#,
            "; the token has the role Machine.Isolate",
        ),
        (
            r#"{"roles":["Machine.Read.All"],"aud":"https://api.securitycenter.microsoft.com"}"#,
            "; the token has the role Machine.Read.All; other causes: a licence or a feature that the \
             tenant lacks",
        ),
    ] {
        let rig = script([Reply::new(403).body(r#"{"error":{"code":"Forbidden"}}"#)]);
        let token = jwt(payload);
        rig.tokens.next(Ok(AccessToken::new(token.as_str())));
        let error = failure(&rig);
        let hint = error.hint().unwrap();
        assert!(hint.contains("this needs the application"), "{hint}");
        let whole = !granted.ends_with("for") && !granted.ends_with("causes");
        assert!(hint.contains(granted), "{hint}");
        assert!(!whole || hint.ends_with(granted), "{hint}");
        let report = format!("{error:?} {error:#?}");
        for part in token.split('.').chain(["Ada"]) {
            assert!(!report.contains(part), "{report}");
        }
    }
    let hint = failure(&script([Reply::new(403)]));
    let hint = hint.hint().unwrap();
    assert!(!hint.contains("the token has"), "{hint}");
}

#[cfg(feature = "write")]
mod writes;
