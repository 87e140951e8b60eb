//! Calls that change something, against a service in memory: what was surely not done is tried again,
//! and what may have been done never is.

use std::collections::VecDeque;
use std::error::Error as _;
use std::io;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::call;
use crate::http::memory::Service;

/// How to find out, in the words of this test.
const LOOK: &str = "look whether it is done";

static WRITE: Operation = Operation::writing(
    &permissions::DELETE_SCAN_DEFINITIONS,
    Api::ScanDefinitions,
    LOOK,
);
static READ: Operation = Operation::of(&permissions::SCAN_DEFINITIONS, Api::ScanDefinitions);

/// What each write of these tests says.
const BODY: &[u8] = br#"{"do":"it"}"#;

const RESET: Failure = Failure::RESET;
const NOT_CONNECTED: [Failure; 10] = [
    Failure::REFUSED,
    Failure::Io(io::ErrorKind::HostUnreachable),
    Failure::Io(io::ErrorKind::NetworkUnreachable),
    Failure::Io(io::ErrorKind::TimedOut),
    Failure::Unresolved,
    Failure::ConnectTimeout,
    // In a proxy's tunnel or in the handshake of TLS, or because little time was left.
    Failure::RESET,
    Failure::Io(io::ErrorKind::UnexpectedEof),
    Failure::ReadTimeout,
    Failure::TryTimeout,
];

/// What can end an exchange in which the request was sent. The system tells of a host that became
/// unreachable in the words that it has for one that never was.
const NO_ANSWER: [Failure; 10] = [
    Failure::RESET,
    Failure::Io(io::ErrorKind::UnexpectedEof),
    Failure::Io(io::ErrorKind::BrokenPipe),
    Failure::Io(io::ErrorKind::TimedOut),
    Failure::REFUSED,
    Failure::Io(io::ErrorKind::HostUnreachable),
    Failure::Io(io::ErrorKind::NetworkUnreachable),
    Failure::ReadTimeout,
    Failure::TryTimeout,
    Failure::Alert("received fatal alert: InternalError"),
];

fn send_within(rig: &Rig, deadline: Option<Duration>) -> Result<Answer, Error> {
    let call = Call {
        operation: &WRITE,
        path: WRITE.path,
        query: "",
        body: Some(BODY),
        secrets: &[],
        deadline,
        spares: &Spares::default(),
    };
    call::send(&rig.shared, &call)
}

/// Status, body and number of exchanges.
fn answer(rig: &Rig) -> (u16, String, u32) {
    let answer = send_within(rig, None).unwrap();
    let (status, tries) = (answer.status, answer.tries);
    (status, answer.text().0.unwrap_or_default(), tries)
}

fn failure_within(rig: &Rig, deadline: Option<Duration>) -> Error {
    match send_within(rig, deadline) {
        Ok(_) => panic!("the call went well"),
        Err(error) => error,
    }
}

fn failure(rig: &Rig) -> Error {
    failure_within(rig, None)
}

/// Nobody knows whether it is done, and nobody tried it again.
fn assert_unknown(rig: &Rig, error: &Error, attempts: u32) {
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error:?}");
    assert_eq!(error.attempts(), attempts, "{error:?}");
    assert!(error.hint().unwrap().ends_with(LOOK), "{error:?}");
    assert!(!error.is_retryable() && error.retry_after().is_none());
    assert!(
        error.to_string().contains(": the outcome is unknown: "),
        "{error}"
    );
    assert_eq!(rig.memory.count(), attempts as usize);
}

#[test]
fn a_write_is_sent_whole_with_its_length() {
    let rig = script([Reply::new(200)]);
    assert_eq!(answer(&rig), (200, String::new(), 1));
    let requests = rig.memory.requests();
    let request = &requests[0];
    assert_eq!((request.method.as_str(), &*request.body), ("POST", BODY));
    assert_eq!(request.target, WRITE.path);
    assert_eq!(request.header("content-length"), Some("11"));
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.bearer(), Some("token-1"));
}

/// More than is sent at a time.
#[test]
fn a_large_write_is_sent_whole() {
    let body = vec![b'7'; 200_000];
    let rig = script([Reply::new(200)]);
    let call = Call {
        operation: &WRITE,
        path: WRITE.path,
        query: "",
        body: Some(&body),
        secrets: &[],
        deadline: None,
        spares: &Spares::default(),
    };
    drop(call::send(&rig.shared, &call).unwrap());
    assert!(rig.memory.requests()[0].body == body);
}

#[test]
fn without_a_connection_a_write_is_tried_again() {
    for failed in NOT_CONNECTED {
        let none = Step::NoConnection(failed);
        let rig = script([none.clone(), none.clone(), none, Reply::new(200).into()]);
        assert_eq!(answer(&rig).2, 4, "{failed:?}");
        assert_eq!(rig.memory.count(), 1, "{failed:?}");

        let rig = script(vec![Step::NoConnection(failed); 4]);
        let error = failure(&rig);
        let timeouts = [
            Failure::Io(io::ErrorKind::TimedOut),
            Failure::ConnectTimeout,
            Failure::ReadTimeout,
            Failure::TryTimeout,
        ];
        let expected = if timeouts.contains(&failed) {
            ErrorKind::Timeout
        } else {
            ErrorKind::Transport
        };
        assert_eq!(error.kind(), expected, "{error:?}");
        assert_eq!((error.attempts(), error.is_retryable()), (4, true));
        assert_eq!(rig.memory.count(), 0);
    }
}

#[test]
fn without_a_secure_connection_nothing_is_tried_again_and_nothing_was_done() {
    for why in [
        "invalid peer certificate: Expired",
        "received fatal alert: HandshakeFailure",
    ] {
        let rig = script([Step::NoConnection(Failure::Alert(why))]);
        let error = failure(&rig);
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Tls, 1));
        assert!(!error.is_retryable());
        assert_eq!(rig.memory.count(), 0);
    }
}

#[test]
fn where_no_answer_came_the_outcome_is_unknown() {
    for failed in NO_ANSWER {
        for begun in [
            "",
            "HTTP/1.1 ",
            "HTTP/1.1 200 OK\r\nContent-",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            let rig = script([Reply::bare(begun).then(Then::Fails(failed))]);
            let error = failure(&rig);
            assert_unknown(&rig, &error, 1);
            assert_eq!(error.status(), None);
            assert_eq!(rig.clock.now(), Duration::ZERO);
        }
    }
    let fields = "X-Filler: 1\r\n".repeat(40_000);
    for sent in [
        "",
        "HTTP/1.1 200",
        "220 mail.example ESMTP\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\n{fields}\r\n"),
    ] {
        let rig = script([Reply::bare(sent).then(Then::Closed)]);
        assert_unknown(&rig, &failure(&rig), 1);
    }
}

/// TLS 1.3 tells it behind the handshake, when the client has sent its request already.
#[test]
fn who_is_refused_for_its_certificate_has_done_nothing() {
    for why in ["CertificateRequired", "UnknownCA", "AccessDenied"] {
        let why: &'static str = format!("received fatal alert: {why}").leak();
        let rig = script([Reply::none(Failure::Alert(why))]);
        let error = failure(&rig);
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Tls, 1));
        assert!(error.hint().unwrap().contains("client certificate"));
    }
}

#[test]
fn a_server_that_failed_leaves_the_outcome_unknown_and_is_quoted() {
    let said = r#"{"error":{"code":"Busy","message":"Not now.","target":"r-1"}}"#;
    for status in [301, 302, 303, 408, 500, 501, 502, 503, 504, 505, 599] {
        for cut in [0, 10] {
            let reply = Reply::new(status).header("Retry-After", "7").body(said);
            let rig = script([reply.cut(cut)]);
            let error = failure(&rig);
            assert_unknown(&rig, &error, 1);
            assert_eq!(error.status(), Some(status));
            assert_eq!(rig.clock.now(), Duration::ZERO);
            let quota = rig.shared.limiter.quota().scan_definitions;
            assert_eq!(quota.next_call_in, Duration::ZERO);
            if cut == 0 {
                let said = (error.code(), error.message(), error.request_id());
                assert_eq!(said, (Some("Busy"), Some("Not now."), Some("r-1")));
            }
        }
    }
}

#[test]
fn a_refusal_is_definite_and_final() {
    for (status, kind) in [
        (300, ErrorKind::Redirect),
        (307, ErrorKind::Redirect),
        (308, ErrorKind::Redirect),
        (400, ErrorKind::Status),
        (403, ErrorKind::Forbidden),
        (404, ErrorKind::NotFound),
        (405, ErrorKind::Status),
        (407, ErrorKind::Status),
        (409, ErrorKind::Status),
        (412, ErrorKind::Status),
        (413, ErrorKind::Status),
        (415, ErrorKind::Status),
        (499, ErrorKind::Status),
    ] {
        let reply = Reply::new(status).body("it is not to be");
        for reply in [
            reply.clone(),
            reply.clone().cut(5),
            reply.then(Then::Fails(RESET)),
        ] {
            let rig = script([reply]);
            let error = failure(&rig);
            assert_eq!((error.kind(), error.attempts()), (kind, 1), "{error:?}");
            assert_eq!(error.status(), Some(status));
            assert!(!error.is_retryable());
            assert_eq!((rig.memory.count(), rig.clock.now()), (1, Duration::ZERO));
        }
    }
}

#[test]
fn any_success_is_an_answer_with_its_whole_body() {
    // More than is read of a refusal.
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000));
    for status in [200, 201, 202, 203, 206, 226, 299] {
        for body in ["", r#"{"a":1}"#, &long] {
            for reply in [
                Reply::new(status).body(body),
                Reply::new(status).body(body).gzip(),
                Reply::new(status).body(body).until_close(),
            ] {
                let rig = script([reply]);
                let expected = (status, body.to_owned(), 1);
                assert!(answer(&rig) == expected, "{status}");
            }
        }
    }
    for status in [204, 205] {
        let rig = script([Reply::new(status)]);
        assert_eq!(answer(&rig), (status, String::new(), 1));
    }
}

#[test]
fn a_success_whose_body_is_lost_leaves_the_outcome_unknown() {
    let ends = NO_ANSWER.map(Then::Fails);
    for status in [200, 201, 202] {
        let whole = Reply::new(status).body(r#"{"id":"of-what-was-made"}"#);
        for cut in [3, 10, 25] {
            for end in ends.into_iter().chain([Then::Closed]) {
                for reply in [whole.clone(), whole.clone().chunks(4)] {
                    let rig = script([reply.cut(cut).then(end)]);
                    let error = failure(&rig);
                    assert_unknown(&rig, &error, 1);
                    assert_eq!(error.status(), Some(status));
                    let said =
                        format!("it was accepted with {status}, but the answer can't be used: ");
                    assert!(error.to_string().contains(&said), "{error}");
                }
            }
        }
        let mut rig = script([Reply::new(status).body("a body of 20 letters")]);
        rig.set_http(&Settings {
            body_limit: 19,
            ..settings()
        });
        let error = failure(&rig);
        assert_unknown(&rig, &error, 1);
        assert_eq!(error.status(), Some(status));
        assert!(error.to_string().contains("limit of 19 bytes"), "{error}");
        assert_eq!(error.hint(), Some(LOOK));
    }
}

#[test]
fn a_code_that_repeats_the_status_is_not_said_twice() {
    for code in ["500", "InternalServerError"] {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
        let rig = script([Reply::new(500).body(body)]);
        let text = failure(&rig).to_string();
        let said = "the outcome is unknown: 500 Internal Server Error: m";
        assert!(text.ends_with(said), "{text}");
    }
}

/// The shorter one is the token's, and begins the other one.
#[test]
fn a_secret_that_begins_with_another_is_taken_out_whole() {
    let longer = Secret::from("token-1!Priv");
    let body = r#"{"error":{"code":"c","message":"privPassword 'token-1!Priv' is too short"}}"#;
    let rig = script([Reply::new(400).body(body)]);
    let call = Call {
        operation: &WRITE,
        path: WRITE.path,
        query: "",
        body: Some(BODY),
        secrets: &[longer],
        deadline: None,
        spares: &Spares::default(),
    };
    let error = call::send(&rig.shared, &call).err().unwrap();
    assert_eq!(error.message(), Some("privPassword '***' is too short"));
}

#[test]
fn a_refused_token_is_exchanged_for_a_new_one_once() {
    let mut rig = script([Reply::new(401), Reply::new(200)]);
    rig.set().retry_policy = RetryPolicy::none();
    assert_eq!(answer(&rig).2, 2);
    assert_eq!(rig.memory.requests()[1].bearer(), Some("token-2"));
    assert_eq!(rig.memory.requests()[1].body, BODY);

    let rig = script([Reply::new(401), Reply::none(RESET)]);
    assert_unknown(&rig, &failure(&rig), 2);

    let rig = script([Reply::new(401), Reply::new(401)]);
    let error = failure(&rig);
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unauthorized, 2)
    );
}

#[test]
fn where_no_token_can_be_had_between_two_tries_nothing_was_done() {
    for first in [Reply::new(401), throttled("299")] {
        let rig = script([first]);
        let short = AccessToken::new("short").expires_in(secs(299));
        rig.tokens.next(Ok(short));
        rig.tokens.next(Err(Error::credential("sealed")));
        let error = failure(&rig);
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Credential, 1));
        assert_eq!((rig.memory.count(), rig.tokens.asked()), (1, 2));
    }
}

#[test]
fn a_throttled_write_waits_and_is_tried_again() {
    let rig = script([throttled("8"), throttled("9"), Reply::new(200)]);
    assert_eq!(answer(&rig).2, 3);
    assert_eq!(rig.clock.now(), secs(17));

    let rig = script([throttled("8"), Reply::none(RESET)]);
    let error = failure(&rig);
    assert_unknown(&rig, &error, 2);
    assert!(
        error.to_string().ends_with(" (after 2 attempts)"),
        "{error}"
    );
}

#[test]
fn a_throttled_write_that_is_not_tried_again_was_not_done() {
    let (none, default) = (RetryPolicy::none(), RetryPolicy::default());
    for (policy, deadline, max_wait) in [
        (none, None, secs(300)),
        (default, Some(secs(20)), secs(300)),
        (default, None, secs(19)),
    ] {
        let mut rig = script([throttled("20")]);
        rig.set().retry_policy = policy;
        rig.set().max_wait = max_wait;
        let error = failure_within(&rig, deadline);
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 1));
        assert_eq!(error.retry_after(), Some(secs(20)));
        assert!(error.is_retryable());
        assert_eq!(rig.clock.now(), Duration::ZERO);
    }

    let mut rig = script([throttled("20")]);
    rig.set().observer = Some(Observer::new(|_| ControlFlow::Break(())));
    let error = failure(&rig);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Cancelled, 1));
    assert!(error.source().unwrap().to_string().contains("429"));

    // No place is left for a second try.
    let mut rig = script([Reply::new(429)]);
    rig.set_limits(RateLimits::new(1, 1_500));
    rig.set().max_wait = secs(50);
    let error = failure(&rig);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 1));
}

#[test]
fn a_deadline_before_the_request_is_sent_leaves_nothing_done() {
    let rig = script::<Step>([]);
    rig.tokens
        .next_after(secs(20), Ok(AccessToken::new("late")));
    let error = failure_within(&rig, Some(secs(20)));
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 0));
    assert!(error.is_retryable());

    let mut rig = script([Step::NoConnection(Failure::TryTimeout)]);
    rig.set().retry_policy = RetryPolicy::none();
    let error = failure_within(&rig, Some(secs(20)));
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 1));
    assert!(error.to_string().contains("at the deadline"), "{error}");

    // Behind it, everything is possible.
    let rig = script([Reply::none(Failure::TryTimeout)]);
    let error = failure_within(&rig, Some(secs(20)));
    assert_unknown(&rig, &error, 1);
    assert!(error.to_string().contains("at the deadline"), "{error}");
}

#[test]
fn without_retries_the_first_failure_is_the_writes() {
    for step in [
        Step::NoConnection(RESET),
        throttled("1").into(),
        Reply::none(RESET).into(),
    ] {
        let mut rig = script([step]);
        rig.set().retry_policy = RetryPolicy::none();
        assert_eq!(failure(&rig).attempts(), 1);
    }
}

/// A kept-alive connection that dies under a request leaves open whether that arrived.
#[test]
fn a_write_takes_no_connection_that_was_kept() {
    let read = |rig: &Rig| {
        let call = Call {
            operation: &READ,
            path: READ.path,
            query: "",
            body: None,
            secrets: &[],
            deadline: None,
            spares: &Spares::default(),
        };
        drop(call::send(&rig.shared, &call).unwrap());
    };
    let dead = Reply::json("{}").then(Then::Dead(RESET));
    for first in [dead, Reply::json("{}")] {
        let rig = script([first, Reply::new(200), Reply::json("{}"), Reply::new(200)]);
        read(&rig);
        assert_eq!(answer(&rig).2, 1);
        // What a write leaves behind will do for a read.
        read(&rig);
        assert_eq!(answer(&rig).2, 1);
        let requests = rig.memory.requests();
        let places: Vec<_> = requests
            .iter()
            .map(|it| (it.connection, it.earlier))
            .collect();
        assert_eq!(places, [(0, 0), (1, 0), (1, 1), (2, 0)]);
        assert_eq!(rig.memory.lost(), 0);
    }
}

/// What a service does with the next connection or request.
#[derive(Clone, Debug)]
enum Event {
    NoConnection(Failure),
    /// It does nothing, and says so.
    Refuses(u16),
    /// It does nothing for now.
    Throttles(Option<u16>),
    /// It fails, and may have done its work before.
    Fails {
        status: u16,
        acts: bool,
    },
    /// Its answer does not arrive, whether it has done its work or not.
    Lost {
        failed: Failure,
        acts: bool,
    },
    /// It does its work, and so much of the answer is cut.
    Acts {
        status: u16,
        cut: usize,
    },
}

fn events() -> impl Strategy<Value = Event> {
    let acts = any::<bool>();
    prop_oneof![
        3 => select(&NOT_CONNECTED[..]).prop_map(Event::NoConnection),
        1 => select(vec![307, 308, 400, 403, 404, 409, 413]).prop_map(Event::Refuses),
        2 => Just(Event::Refuses(401)),
        3 => option::of(0..400_u16).prop_map(Event::Throttles),
        2 => (select(vec![408, 500, 502, 503, 504, 301, 302, 303]), acts)
            .prop_map(|(status, acts)| Event::Fails { status, acts }),
        2 => (select(&NO_ANSWER[..]), any::<bool>())
            .prop_map(|(failed, acts)| Event::Lost { failed, acts }),
        2 => (200..300_u16, 0..60_usize).prop_map(|(status, cut)| Event::Acts { status, cut }),
    ]
}

/// Does what happens, one after the other, and then its work.
#[derive(Default)]
struct Fate {
    events: Mutex<VecDeque<Event>>,
    /// Requests that it did the work of, and those of which nobody else can say so.
    acted: AtomicUsize,
    open: AtomicUsize,
}

struct Happening(Arc<Fate>);

impl Service for Happening {
    fn connect(&self) -> Result<(), Failure> {
        let mut events = self.0.events.lock().unwrap();
        match events.front() {
            Some(Event::NoConnection(failed)) => {
                let failed = *failed;
                events.pop_front();
                Err(failed)
            }
            _ => Ok(()),
        }
    }

    fn answer(&self, request: &Received) -> Reply {
        assert_eq!((request.earlier, &*request.body), (0, BODY));
        let event = self.0.events.lock().unwrap().pop_front();
        let event = event.unwrap_or(Event::Acts {
            status: 200,
            cut: 0,
        });
        let (reply, acts, open) = match event {
            Event::NoConnection(failed) => panic!("a connection in spite of {failed:?}"),
            Event::Refuses(status) => (Reply::new(status), false, false),
            Event::Throttles(None) => (Reply::new(429), false, false),
            Event::Throttles(Some(wait)) => (throttled(&wait.to_string()), false, false),
            Event::Fails { status, acts } => (Reply::new(status), acts, true),
            Event::Lost { failed, acts } => (Reply::none(failed), acts, true),
            Event::Acts { status, cut } => {
                let reply = Reply::new(status).body(if status == 204 { "" } else { "{\"a\":1}" });
                (reply.cut(cut), true, true)
            }
        };
        self.0.acted.fetch_add(usize::from(acts), Ordering::SeqCst);
        self.0.open.fetch_add(usize::from(open), Ordering::SeqCst);
        reply
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_a_write_is_done_once_at_most_and_nothing_false_is_said_of_it(
        events in vec(events(), 0..7),
        retries in 0..5_u32,
        deadline in option::of(1..600_u64),
        max_wait in select(vec![0, 5, 300]),
    ) {
        let fate = Arc::new(Fate { events: Mutex::new(events.into()), ..Fate::default() });
        let mut rig = Rig::new(Happening(Arc::clone(&fate)));
        rig.set().retry_policy = RetryPolicy::default().retries(retries);
        rig.set().max_wait = secs(max_wait);
        let outcome = send_within(&rig, deadline.map(secs));
        let acted = fate.acted.load(Ordering::SeqCst);
        let open = fate.open.load(Ordering::SeqCst);
        prop_assert!(open <= 1, "{open} requests that may have been acted on");
        match outcome {
            Ok(answer) => {
                prop_assert!((200..300).contains(&answer.status));
                prop_assert_eq!(acted, 1);
            }
            Err(error) => {
                let unknown = error.kind() == ErrorKind::OutcomeUnknown;
                prop_assert_eq!(unknown, open == 1, "{:?}", error);
                prop_assert!(unknown || acted == 0, "{error:?}");
                prop_assert!(!unknown || !error.is_retryable(), "{error:?}");
            }
        }
    }
}
