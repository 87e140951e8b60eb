//! What becomes of everything that is no good answer.

use std::error::Error as _;
use std::io;

use defender_endpoint::{Client, ClientBuilder, Error, ErrorKind, RetryPolicy};
use mockito::Server;

use crate::support;
use crate::support::raw::{Answer, RawServer, cloud, deserted};
pub(crate) use crate::support::well_formed::assert_well_formed;

pub(crate) const SERVICE: &str =
    r#"{"error":{"code":"SomeCode","message":"Something is wrong.","target":"a-target"}}"#;
pub(crate) const REQUEST: &str = "GET /api/DeviceAuthenticatedScanAgents/an-id";

/// A client that tries once: each test below is about one exchange.
pub(crate) fn builder(url: &str) -> ClientBuilder {
    support::builder(url)
}

pub(crate) fn client(url: &str) -> Client {
    builder(url).build().unwrap()
}

/// The error of a call to a server that answers like this.
pub(crate) fn error_of(answer: impl Into<Answer>) -> Error {
    let server = RawServer::sending(answer);
    call(&server.url())
}

pub(crate) fn call(url: &str) -> Error {
    client(url).scan_agent("an-id").unwrap_err()
}

/// The error of a call to a server that sends this and closes the connection.
pub(crate) fn error_of_rest(bytes: impl Into<Vec<u8>>) -> Error {
    let server = RawServer::sending(Answer::bytes(bytes));
    call(&server.url())
}

/// An error of the transport, retryable or not.
pub(crate) fn assert_transport(error: &Error, retryable: bool) {
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Transport, retryable),
        "{error:?}"
    );
    assert_eq!(error.status(), None, "{error:?}");
    assert!(error.to_string().starts_with(REQUEST), "{error}");
    assert_well_formed(error);
}

// --- statuses

/// Every status that the faults speak of, and what it means.
const STATUSES: &[(u16, ErrorKind, bool)] = &[
    (201, ErrorKind::Status, false),
    (203, ErrorKind::Status, false),
    (204, ErrorKind::Status, true),
    (206, ErrorKind::Status, false),
    (301, ErrorKind::Redirect, false),
    (302, ErrorKind::Redirect, false),
    (303, ErrorKind::Redirect, false),
    (307, ErrorKind::Redirect, false),
    (308, ErrorKind::Redirect, false),
    (400, ErrorKind::Status, false),
    (401, ErrorKind::Unauthorized, false),
    (403, ErrorKind::Forbidden, false),
    (404, ErrorKind::NotFound, false),
    (405, ErrorKind::Status, false),
    (408, ErrorKind::Status, true),
    (409, ErrorKind::Status, false),
    (413, ErrorKind::Status, false),
    (418, ErrorKind::Status, false),
    (429, ErrorKind::Throttled, true),
    (500, ErrorKind::Server, true),
    (501, ErrorKind::Server, false),
    (502, ErrorKind::Server, true),
    (503, ErrorKind::Server, true),
    (504, ErrorKind::Server, true),
    (505, ErrorKind::Server, false),
    (599, ErrorKind::Server, false),
    (600, ErrorKind::Status, false),
    (999, ErrorKind::Status, false),
];

#[test]
fn every_status_but_200_is_an_error_of_its_kind() {
    for (status, kind, retryable) in STATUSES {
        let error = error_of(Answer::new(*status, &[], ""));
        assert_eq!(error.kind(), *kind, "{error}");
        assert_eq!(error.status(), Some(*status));
        assert_eq!(error.is_retryable(), *retryable, "{error}");
        assert_eq!((error.code(), error.message()), (None, None));
        assert_eq!((error.request_id(), error.retry_after()), (None, None));
        assert_eq!(error.attempts(), 1);
        assert!(
            error
                .to_string()
                .starts_with(&format!("{REQUEST}: {status}")),
            "{error}"
        );
        assert_well_formed(&error);
    }
}

#[test]
fn a_known_status_is_named() {
    for (status, name) in [
        (403, "403 Forbidden"),
        (404, "404 Not Found"),
        (429, "429 Too Many Requests"),
        (503, "503 Service Unavailable"),
    ] {
        assert_eq!(
            error_of(Answer::new(status, &[], "")).to_string(),
            format!("{REQUEST}: {name}")
        );
    }
}

// --- error bodies

#[test]
fn the_services_own_json_is_read_at_every_status() {
    let refusals = STATUSES.iter().filter(|(status, ..)| *status >= 300);
    for (status, kind, retryable) in refusals {
        let error = error_of(Answer::new(
            *status,
            &[("Content-Type", "application/json")],
            SERVICE,
        ));
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (*kind, *retryable),
            "{error}"
        );
        assert_eq!(error.status(), Some(*status));
        assert_eq!(error.code(), Some("SomeCode"));
        assert_eq!(error.message(), Some("Something is wrong."));
        assert_eq!(error.request_id(), Some("a-target"));
        assert!(
            error
                .to_string()
                .ends_with(", SomeCode: Something is wrong."),
            "{error}"
        );
        assert!(format!("{error:?}").contains("\n  request id: a-target"));
    }
}

// --- what the headers say

#[test]
fn the_request_id_comes_from_the_body_or_a_header() {
    for name in ["mise-correlation-id", "x-ms-request-id", "request-id"] {
        let error = error_of(Answer::new(500, &[(name, "of-header")], ""));
        assert_eq!(error.request_id(), Some("of-header"));
        assert!(format!("{error:?}").ends_with("\n  request id: of-header"));
        let error = error_of(Answer::new(500, &[(name, "of-header")], SERVICE));
        assert_eq!(error.request_id(), Some("a-target"));
    }
    // The first that says something.
    let headers = [("x-ms-request-id", ""), ("request-id", "good")];
    let error = error_of(Answer::new(500, &headers, ""));
    assert_eq!(error.request_id(), Some("good"));
}

#[test]
fn a_long_request_id_of_a_header_is_cut() {
    let long = "x".repeat(20_000);
    let error = error_of(Answer::new(500, &[("x-ms-request-id", &long)], ""));
    let id = error.request_id().unwrap();
    assert!(id.chars().count() <= 301 && id.ends_with('…'), "{id}");
}

#[test]
fn the_cause_underneath_is_what_it_was() {
    let error = call(&format!("http://{}", deserted()));
    let cause = error.source().unwrap().downcast_ref::<io::Error>();
    let kind = cause.map(io::Error::kind);
    assert_eq!(kind, Some(io::ErrorKind::ConnectionRefused), "{error:?}");
}

// --- the error as a value

#[test]
fn an_error_is_one_word_and_goes_everywhere() {
    fn goes_everywhere<T: std::error::Error + Send + Sync + Unpin + 'static>() {}
    goes_everywhere::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
}

#[test]
fn a_text_names_the_request_without_its_query() {
    let mut server = Server::new();
    server
        .mock("GET", mockito::Matcher::Any)
        .with_status(500)
        .with_body(SERVICE)
        .create();
    let rows = client(&server.url())
        .machines()
        .filter(defender_endpoint::filter::Filter::raw(
            "computerDnsName eq 'private-name'",
        ))
        .skip(7);
    let error = rows.iter().next().unwrap().unwrap_err();
    let line = "GET /api/machines: 500 Internal Server Error, SomeCode: Something is wrong.";
    assert_eq!(error.to_string(), line);
    let all = format!("{error:?} {error:#?}");
    for query in ["private-name", "filter", "skip"] {
        assert!(!all.contains(query), "{all}");
    }
}

#[test]
fn an_error_prints_as_a_report_and_in_detail_as_fields() {
    let error = error_of(Answer::new(403, &[], SERVICE));
    let report = format!("{error:?}");
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines.len(), 3, "{report}");
    assert_eq!(
        lines[0],
        format!("{REQUEST}: 403 Forbidden, SomeCode: Something is wrong.")
    );
    assert_eq!(lines[1], "  request id: a-target");
    assert!(lines[2].starts_with("  hint: this needs "), "{report}");
    let fields = format!("{error:#?}");
    for field in [
        "kind: Forbidden",
        "status: Some(",
        "code: Some(",
        "attempts: 1",
        "retryable: false",
    ] {
        assert!(fields.contains(field), "{fields}");
    }

    let error = call(&format!("http://{}", deserted()));
    let report = format!("{error:?}");
    let lines: Vec<&str> = report.lines().collect();
    assert!(lines[0].ends_with("refused the connection"), "{report}");
    assert!(lines[1].starts_with("  caused by: "), "{report}");
}

#[test]
fn a_credentials_own_error_keeps_its_causes() {
    #[derive(Debug)]
    struct Sealed;
    impl defender_endpoint::Credential for Sealed {
        fn token(
            &self,
            _: &defender_endpoint::TokenRequest<'_>,
        ) -> Result<defender_endpoint::AccessToken, Error> {
            let cause = io::Error::other("the vault is sealed");
            Err(Error::credential("the vault gave no token")
                .with_source(cause)
                .with_retryable(true))
        }
    }
    let client = Client::builder(Sealed)
        .cloud(cloud("http://127.0.0.1:1"))
        .no_proxy()
        .retry_policy(RetryPolicy::none())
        .build()
        .unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Credential, 0));
    assert!(error.is_retryable());
    let report = "GET /api/DeviceAuthenticatedScanAgents: the vault gave no token\n  \
                  caused by: the vault is sealed";
    assert_eq!(format!("{error:?}"), report);
    assert_well_formed(&error);
    // A cause of somebody else's may have several lines, and one line stays one.
    let error = Error::credential("no token").with_source(io::Error::other("sealed\nand locked"));
    assert_eq!(format!("{error:#}"), "no token: sealed and locked");
}
