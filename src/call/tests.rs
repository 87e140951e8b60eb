//! Calls against a service in memory: every exchange, permit and token is counted.

use super::rig::{Rig, settings};
use super::*;
use crate::auth::AccessToken;
use crate::http::Settings;
use crate::http::memory::{Failure, Reply, Script, Step, Then};
use crate::rate_limit::RateLimits;

static READ: Operation = Operation {
    method: Method::Get,
    path: "/api/things",
    api: Api::Machines,
    permissions: "Thing.Read.All",
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
        deadline,
        spares: &Spares::default(),
    };
    super::send(&rig.shared, &call)
}

/// The text of an answer, and how many exchanges it took.
fn answer(rig: &Rig) -> (String, u32) {
    let answer = send(rig).unwrap();
    let tries = answer.tries;
    (answer.text().unwrap(), tries)
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
    let text = r#"{"name":"a body of some length, in several chunks"}"#;
    let whole = Reply::json(text);
    for reply in [
        whole.clone(),
        whole.clone().chunks(16),
        whole.clone().gzip().chunks(20),
    ] {
        for end in [
            Then::Closed,
            Then::Fails(Failure::RESET),
            Then::Fails(Failure::ReadTimeout),
        ] {
            for step in [1, usize::MAX] {
                // Up to the whole body, and some of the head.
                for cut in 1..100 {
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
