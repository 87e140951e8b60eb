//! What becomes of everything that is no good answer.

use std::error::Error as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use defender_endpoint::{
    Client, ClientBuilder, ClientSecret, Cloud, Error, ErrorKind, RetryPolicy,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use mockito::Server;

use crate::support;
use crate::support::raw::{Answer, Forbidden, RawServer, cloud, deserted};

const SERVICE: &str =
    r#"{"error":{"code":"SomeCode","message":"Something is wrong.","target":"a-target"}}"#;
const REQUEST: &str = "GET /api/DeviceAuthenticatedScanAgents/an-id";

/// A client that tries once: each test below is about one exchange.
fn builder(url: &str) -> ClientBuilder {
    support::builder(url)
}

fn client(url: &str) -> Client {
    builder(url).build().unwrap()
}

/// The error of a call to a server that answers like this.
fn error_of(answer: impl Into<Answer>) -> Error {
    let server = RawServer::sending(answer);
    call(&server.url())
}

fn call(url: &str) -> Error {
    client(url).scan_agent("an-id").unwrap_err()
}

/// The error of a call to a server that sends this and closes the connection.
fn error_of_rest(bytes: impl Into<Vec<u8>>) -> Error {
    let server = RawServer::sending(Answer::bytes(bytes));
    call(&server.url())
}

/// What holds for every error, whatever it is.
fn assert_well_formed(error: &Error) {
    let line = error.to_string();
    assert!(
        !line.is_empty() && !line.contains(char::is_control),
        "{line:?}"
    );
    assert!(line.len() < 2_000, "{line}");
    assert!(!line.ends_with([' ', ':', ',', '.']), "{line}");
    let mut cause = error.source();
    while let Some(deeper) = cause {
        assert!(
            !line.contains(&deeper.to_string()),
            "{line} repeats {deeper}"
        );
        cause = deeper.source();
    }
    let report = format!("{error:?}");
    assert!(report.starts_with(&line), "{report}");
    for line in report.lines().skip(1) {
        let labels = ["  caused by: ", "  request id: ", "  hint: "];
        assert!(
            labels.iter().any(|label| line.starts_with(label)),
            "{report}"
        );
    }
    let fields = format!("{error:#?}");
    assert!(
        fields.starts_with("Error {\n") && fields.contains("\n    kind: "),
        "{fields}"
    );
}

// --- statuses

/// Every status that the faults speak of, and what it means.
const STATUSES: &[(u16, ErrorKind, bool)] = &[
    (201, ErrorKind::Status, false),
    (203, ErrorKind::Status, false),
    (204, ErrorKind::Status, false),
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
fn every_status_but_200_is_an_error_on_every_operation() {
    for status in [203, 204, 206, 302, 400, 403, 429, 500, 505] {
        let server = RawServer::sending(Answer::new(
            status,
            &[],
            if status == 204 { "" } else { r#"{"value":[]}"# },
        ));
        let client = client(&server.url());
        for error in [
            client.machines().iter().next().unwrap().unwrap_err(),
            client.machines().pages().next().unwrap().unwrap_err(),
            client.scan_agents().unwrap_err(),
            client.scan_agent("an-id").unwrap_err(),
            client.scan_definitions().unwrap_err(),
            client
                .scan_history(["an-id"])
                .iter()
                .next()
                .unwrap()
                .unwrap_err(),
        ] {
            assert_eq!(error.status(), Some(status), "{error}");
            assert_well_formed(&error);
        }
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

#[test]
fn an_error_body_in_any_state_of_repair_is_read() {
    type Found = (
        Option<&'static str>,
        Option<&'static str>,
        Option<&'static str>,
    );
    let cases: &[(&str, Found)] = &[
        // A number for a code, as the service's 429 has it in practice.
        (
            r#"{"error":{"code":429,"message":"m","target":"t"}}"#,
            (Some("429"), Some("m"), Some("t")),
        ),
        (
            r#"{"error":{"code":"429","message":"m"}}"#,
            (Some("429"), Some("m"), None),
        ),
        (
            r#"{"error":{"code":"c","message":"m","target":null}}"#,
            (Some("c"), Some("m"), None),
        ),
        (r#"{"error":{"code":"c"}}"#, (Some("c"), None, None)),
        (r#"{"error":{"message":"m"}}"#, (None, Some("m"), None)),
        (
            r#"{"error":{"code":"","message":" ","target":""}}"#,
            (None, None, None),
        ),
        (
            r#"{"error":{"code":["c"],"message":{"m":1},"target":true}}"#,
            (None, None, None),
        ),
        (
            r#"{"error":{"target":"|a.b."}}"#,
            (None, None, Some("|a.b.")),
        ),
        (r#"{"error":{}}"#, (None, None, None)),
        (r#"{"error":null}"#, (None, None, None)),
        (r#"{"error":"a text"}"#, (None, Some("a text"), None)),
        (
            "\u{feff}{\"error\":{\"code\":\"c\"}}",
            (Some("c"), None, None),
        ),
        (
            " {\"error\" : {\"code\":\"c\"} }\r\n",
            (Some("c"), None, None),
        ),
        (
            r#"{"error":{"code":"c","message":"m","innererror":{"x":1}},"y":2}"#,
            (Some("c"), Some("m"), None),
        ),
        // Another shape, or none at all: the text itself is the message.
        (
            r#"{"Message":"An error has occurred."}"#,
            (None, Some(r#"{"Message":"An error has occurred."}"#), None),
        ),
        (r#"["a"]"#, (None, Some(r#"["a"]"#), None)),
        (
            r#"{"error":{"code":"c""#,
            (None, Some(r#"{"error":{"code":"c""#), None),
        ),
        (
            "<html>\r\n<body>Bad\tGateway</body></html>",
            (None, Some("<html> <body>Bad Gateway</body></html>"), None),
        ),
        (
            "upstream timed out",
            (None, Some("upstream timed out"), None),
        ),
        ("", (None, None, None)),
        (" \r\n\t ", (None, None, None)),
    ];
    for (body, (code, message, request_id)) in cases {
        let error = error_of(Answer::new(500, &[], body));
        assert_eq!(error.status(), Some(500), "{body}");
        assert_eq!(
            (error.code(), error.message(), error.request_id()),
            (*code, *message, *request_id),
            "{body}"
        );
        assert_well_formed(&error);
    }
}

#[test]
fn an_error_body_that_is_no_text_does_no_harm() {
    for body in [
        &b"\xff\xfe\x00<\x80"[..],
        b"\x01x",
        b"{\"error\":{\"code\":\"\xff\"}}",
    ] {
        let error = error_of(Answer::new(
            502,
            &[("Content-Type", "text/html; charset=x")],
            body,
        ));
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Server, Some(502))
        );
        assert_well_formed(&error);
    }
}

#[test]
fn control_characters_never_reach_a_log_line() {
    let nasty = "one\u{0}two\u{1b}[31m\r\n2026-01-01 forged line\u{85}\u{2028}three\u{7f}\u{9b}";
    let quoted = serde_json::to_string(nasty).unwrap();
    for body in [
        nasty.to_owned(),
        format!(r#"{{"error":{{"code":{quoted},"message":{quoted},"target":{quoted}}}}}"#),
        format!(r#"{{"error":{quoted}}}"#),
    ] {
        let error = error_of(Answer::new(400, &[], body));
        for text in [error.code(), error.message(), error.request_id()]
            .into_iter()
            .flatten()
        {
            assert_eq!(text, "one two [31m 2026-01-01 forged line three");
        }
        assert_well_formed(&error);
        assert!(format!("{error:?}").lines().count() <= 3);
    }
}

#[test]
fn a_long_error_body_is_cut() {
    let long = "wörd ".repeat(4_000);
    for body in [
        long.clone(),
        "x".repeat(60_000),
        "\u{1f600}".repeat(10_000),
        format!(r#"{{"error":{{"code":"{long}","message":"{long}","target":"{long}"}}}}"#),
    ] {
        let error = error_of(Answer::new(500, &[], body));
        for text in [error.code(), error.message(), error.request_id()]
            .into_iter()
            .flatten()
        {
            assert!(text.chars().count() <= 301 && text.ends_with('…'), "{text}");
        }
        assert_well_formed(&error);
    }
}

#[test]
fn a_huge_error_body_is_not_read_to_its_end() {
    const HUGE: usize = 50 << 20;
    for status in [302, 403, 500] {
        let server = RawServer::new(move |_| {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {HUGE}\r\n\r\n");
            Answer::flood(head.into_bytes(), HUGE)
        });
        let error = call(&server.url());
        assert_eq!(error.status(), Some(status));
        assert_well_formed(&error);
        assert!(error.message().unwrap().chars().count() <= 301);
        assert!(
            server.flooded() < HUGE / 2,
            "{} bytes were taken",
            server.flooded()
        );
    }
}

#[test]
fn an_error_body_that_is_cut_leaves_its_status() {
    for rest in [
        "Content-Length: 500\r\n\r\nbroken",
        "Transfer-Encoding: chunked\r\n\r\n6\r\nbroken",
    ] {
        let error = error_of_rest(format!("HTTP/1.1 503 X\r\n{rest}"));
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Server, Some(503))
        );
        assert!(error.is_retryable());
        assert_eq!(error.message(), Some("broken"));
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
}

// --- hints

#[test]
fn a_403_names_the_permissions_of_its_operation() {
    let server = RawServer::sending(Answer::new(403, &[], SERVICE));
    let client = client(&server.url());
    let scan = "Machine.Read.All with the role 'ViewData' or 'TvmViewData'";
    let machines = ["Machine.Read.All or Machine.ReadWrite.All", "'View Data'"];
    for (error, permissions) in [
        (
            client.machines().iter().next().unwrap().unwrap_err(),
            machines.as_slice(),
        ),
        (client.scan_agents().unwrap_err(), &[scan]),
        (client.scan_agent("an-id").unwrap_err(), &[scan]),
        (client.scan_definitions().unwrap_err(), &[scan]),
        (
            client
                .scan_history(["an-id"])
                .iter()
                .next()
                .unwrap()
                .unwrap_err(),
            &[scan],
        ),
    ] {
        let report = format!("{error:?}");
        let hint = report.lines().last().unwrap();
        assert!(hint.starts_with("  hint: "), "{report}");
        for text in permissions
            .iter()
            .chain(&["application permission", "delegated", "audience"])
        {
            assert!(hint.contains(text), "{report}");
        }
        // What the service says itself comes first: it may name the very role that is missing.
        assert!(error.to_string().contains("Something is wrong."));
    }
}

#[test]
fn a_401_says_that_a_missing_licence_looks_the_same() {
    let report = format!("{:?}", error_of(Answer::new(401, &[], SERVICE)));
    assert!(
        report.contains("hint: ") && report.contains("licence"),
        "{report}"
    );
}

#[test]
fn a_404_for_one_agent_shows_its_id() {
    let error = error_of(Answer::new(404, &[], SERVICE));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().contains("/an-id: 404 Not Found"),
        "{error}"
    );
}

// --- redirects

#[test]
fn a_redirect_is_not_followed_and_names_its_host_only() {
    for status in [301, 302, 303, 307, 308] {
        let target = Forbidden::new();
        let location = format!("http://{}/somewhere?secret=query", target.host());
        let server = RawServer::sending(Answer::new(status, &[("Location", &location)], ""));
        let client = client(&server.url());
        for error in [
            client.scan_agents().unwrap_err(),
            client
                .scan_history(["an-id"])
                .iter()
                .next()
                .unwrap()
                .unwrap_err(),
        ] {
            assert_eq!(
                (error.kind(), error.status()),
                (ErrorKind::Redirect, Some(status))
            );
            assert!(!error.is_retryable());
            let report = format!("{error:?} {error:#?}");
            assert!(
                report.contains("127.0.0.1; redirects are never followed"),
                "{report}"
            );
            assert!(
                !report.contains("somewhere") && !report.contains("secret=query"),
                "{report}"
            );
        }
        target.assert_untouched();
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_redirect_to_where_it_came_from_is_not_followed_either() {
    for location in [
        "/api/machines",
        "",
        "//",
        "http://",
        "https://user:password@host/",
        "\u{fc}",
    ] {
        let server = RawServer::sending(Answer::new(307, &[("Location", location)], ""));
        let error = call(&server.url());
        assert_eq!(error.kind(), ErrorKind::Redirect, "{location}");
        assert!(!format!("{error:?}").contains("password"));
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_redirect_of_the_token_endpoint_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let target = Forbidden::new();
        let location = format!("http://{}/", target.host());
        let login = RawServer::sending(Answer::new(status, &[("Location", &location)], ""));
        let api = Forbidden::new();
        let cloud = Cloud::COMMERCIAL
            .with_authority(login.url())
            .with_api_url(format!("http://{}", api.host()));
        let credential = ClientSecret::new("contoso.com", "an-app", "a-secret").unwrap();
        let client = Client::builder(credential)
            .cloud(cloud)
            .no_proxy()
            .build()
            .unwrap();
        let error = client.scan_agents().unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Credential, Some(status))
        );
        target.assert_untouched();
        api.assert_untouched();
    }
}

// --- below HTTP

/// An error of the transport, retryable or not.
fn assert_transport(error: &Error, retryable: bool) {
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Transport, retryable),
        "{error:?}"
    );
    assert_eq!((error.status(), error.attempts()), (None, 1), "{error:?}");
    assert!(error.to_string().starts_with(REQUEST), "{error}");
    assert_well_formed(error);
}

#[test]
fn a_refused_connection_names_the_host_and_the_cause() {
    let host = deserted();
    let error = call(&format!("http://{host}"));
    assert_transport(&error, true);
    assert_eq!(
        error.to_string(),
        format!("{REQUEST}: {host} refused the connection")
    );
    assert!(error.source().is_some());
}

#[test]
fn a_connection_that_is_reset_is_worth_a_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        // Closed with the request unread, which makes the kernel send a reset.
        stream.peek(&mut [0; 1]).unwrap();
    });
    assert_transport(&call(&url), true);
}

#[test]
fn an_answer_that_breaks_off_is_worth_a_retry() {
    for bytes in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":\"an-id\"}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{\"id\":\"an-id\"}\r\n",
    ] {
        assert_transport(&error_of_rest(bytes), true);
    }
}

#[test]
fn what_is_no_http_is_not_tried_again() {
    let many = "X: y\r\n".repeat(129);
    let many = format!("HTTP/1.1 200 OK\r\n{many}\r\n");
    for bytes in [
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n{}",
        &many,
    ] {
        let error = error_of_rest(bytes);
        assert_transport(&error, false);
        assert!(error.to_string().contains("no valid HTTP"), "{error}");
    }
}

#[test]
fn headers_that_are_too_large_are_refused() {
    let error = error_of_rest(format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n",
        "x".repeat(70_000)
    ));
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::TooLarge, false),
        "{error:?}"
    );
    assert!(error.to_string().contains("headers"), "{error}");
    assert_well_formed(&error);
}

#[test]
fn bytes_behind_an_answer_do_not_reach_the_next_call() {
    let mut bytes = Answer::json(r#"{"id":"an-id"}"#).into_bytes();
    bytes.extend(Answer::json(r#"{"id":"stale"}"#).into_bytes());
    let server = RawServer::sending(bytes);
    let client = client(&server.url());
    for _ in 0..3 {
        assert_eq!(client.scan_agent("an-id").unwrap().id, "an-id");
    }
    assert_eq!(server.requests().len(), 3);
}

// --- time

#[test]
fn a_silent_service_is_a_timeout() {
    let short = Duration::from_millis(50);
    for (act, builder) in [
        ("", builder as fn(&str) -> ClientBuilder),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", builder),
    ] {
        let server = RawServer::new(move |_| Answer::bytes(act).held());
        let client = builder(&server.url()).read_timeout(short).build().unwrap();
        let error = client.scan_agent("an-id").unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Timeout, true),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("nothing arrived from 127.0.0.1"),
            "{error}"
        );
        assert!(error.to_string().ends_with("for 50ms"), "{error}");
        assert_eq!(error.attempts(), 1);
        assert_well_formed(&error);
    }
}

#[test]
fn an_exchange_that_takes_too_long_is_a_timeout() {
    let server = RawServer::new(|_| Answer::bytes(Vec::new()).held());
    let client = builder(&server.url())
        .try_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error = client.scan_agent("an-id").unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Timeout, true),
        "{error:?}"
    );
    assert!(error.to_string().ends_with("within 50ms"), "{error}");
}

// --- TLS

#[cfg(feature = "rustls")]
mod over_tls {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use defender_endpoint::{Cloud, Error, ErrorKind};

    use super::{assert_well_formed, builder, call};
    use crate::support::raw::deserted;
    use crate::tls;

    /// What a client with these roots makes of a server that shows this certificate.
    fn shown(certificate: &str, roots: Option<&str>) -> Error {
        let builder = builder(&format!("https://{}", tls::showing(certificate)));
        let builder = match roots {
            Some(roots) => builder.root_certificates(roots),
            None => builder,
        };
        let error = builder.build().unwrap().scan_agent("an-id").unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Tls, false),
            "{error:?}"
        );
        assert_well_formed(&error);
        error
    }

    #[test]
    fn an_unknown_issuer_is_named_with_the_setting_for_more_roots() {
        let report = format!("{:?}", shown(tls::GOOD, None));
        assert!(report.contains("UnknownIssuer"), "{report}");
        assert!(
            report.contains("hint: ") && report.contains("root_certificates"),
            "{report}"
        );
    }

    #[test]
    fn an_expired_certificate_and_a_wrong_name_keep_their_reason() {
        let report = format!("{:?}", shown(tls::EXPIRED, Some(tls::ROOT)));
        assert!(report.contains("expired"), "{report}");
        let report = format!("{:?}", shown(tls::OTHER, Some(tls::ROOT)));
        assert!(
            report.contains("not valid for name") && report.contains("other.example"),
            "{report}"
        );
    }

    #[test]
    fn root_certificates_are_trusted_and_replace_the_built_in_ones() {
        // The server has no key, so its handshake fails all the same, but only after its chain was
        // accepted.
        let report = format!("{:?}", shown(tls::GOOD, Some(tls::ROOT)));
        assert!(report.contains("BadSignature"), "{report}");
        let both = format!("{}{}", tls::OTHER, tls::ROOT);
        let report = format!("{:?}", shown(tls::GOOD, Some(&both)));
        assert!(report.contains("BadSignature"), "{report}");
        let report = format!("{:?}", shown(tls::GOOD, Some(tls::OTHER)));
        assert!(report.contains("UnknownIssuer"), "{report}");
    }

    #[test]
    fn plain_http_where_tls_should_be_is_a_tls_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
            // Stays open until the client has read this and gone away.
            while stream.read(&mut [0; 512]).is_ok_and(|read| read > 0) {}
        });
        let error = call(&url);
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Tls, false),
            "{error:?}"
        );
    }

    #[test]
    fn a_proxy_that_is_down_is_named_without_its_password() {
        let proxy = deserted();
        let client = builder("https://127.0.0.1:1")
            .proxy(format!("http://a-user:hunter2@{proxy}"))
            .build()
            .unwrap();
        let error = client.scan_agent("an-id").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
        assert!(
            error.to_string().contains(&format!("the proxy {proxy}")),
            "{error}"
        );
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
        assert_well_formed(&error);
    }

    #[test]
    fn a_handshake_that_gets_no_answer_is_a_connect_timeout() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", silent.local_addr().unwrap());
        let client = builder(&url)
            .connect_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        let error = client.scan_agent("an-id").unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Timeout, true),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("no connection to 127.0.0.1"),
            "{error}"
        );
    }

    #[test]
    fn a_name_that_does_not_resolve_says_so() {
        // Longer than a name's part may be, so that no resolver is asked.
        let host = "x".repeat(64);
        let client = builder("http://127.0.0.1")
            .cloud(Cloud::COMMERCIAL.with_api_url(format!("https://{host}")));
        let error = client.build().unwrap().scan_agent("an-id").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
        assert!(
            error
                .to_string()
                .contains(&format!("{host} could not be resolved")),
            "{error}"
        );
        assert_well_formed(&error);
    }
}

// --- proxies

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    for (status, retryable) in [(407, false), (502, true)] {
        let api = Forbidden::new();
        let proxy = RawServer::new(move |_| Answer::new(status, &[], "").closed());
        let client = builder(&format!("https://{}", api.host()))
            .proxy(format!("http://a-user:hunter2@{}", proxy.host()))
            .build()
            .unwrap();
        let error = client.scan_agent("an-id").unwrap_err();
        assert_transport(&error, retryable);
        let report = format!("{error:?}");
        assert!(error.to_string().contains("proxy"), "{report}");
        assert!(
            report.contains(&status.to_string()) && report.contains("hint: "),
            "{report}"
        );
        assert!(
            !format!("{report} {error:#?}").contains("hunter2"),
            "{report}"
        );
        let seen = proxy.only();
        assert_eq!(
            seen.request_line(),
            format!("CONNECT {} HTTP/1.1", api.host())
        );
        assert_eq!(
            seen.header("proxy-authorization").as_deref(),
            Some("Basic YS11c2VyOmh1bnRlcjI=")
        );
        // The token is for the API alone.
        assert_eq!(seen.header("authorization"), None);
        api.assert_untouched();
    }
}

// --- answers that pass for good ones

#[test]
fn html_with_status_200_is_no_answer() {
    let page = Answer::new(
        200,
        &[("Content-Type", "text/html; charset=utf-8")],
        "<html>Sign in</html>",
    );
    let server = RawServer::sending(page);
    let client = client(&server.url());
    for error in [
        client.machines().iter().next().unwrap().unwrap_err(),
        client.scan_agents().unwrap_err(),
        client.scan_agent("an-id").unwrap_err(),
        client.scan_definitions().unwrap_err(),
        client
            .scan_history(["an-id"])
            .iter()
            .next()
            .unwrap()
            .unwrap_err(),
    ] {
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Decode, false),
            "{error:?}"
        );
        assert!(error.to_string().contains("text/html"), "{error}");
        assert!(!format!("{error:?}").contains("Sign in"), "{error:?}");
        assert_well_formed(&error);
    }
}

#[test]
fn an_empty_body_with_status_200_is_no_empty_list() {
    let server = RawServer::sending(Answer::new(
        200,
        &[("Content-Type", "application/json")],
        "",
    ));
    let client = client(&server.url());
    for error in [
        client.machines().iter().next().unwrap().unwrap_err(),
        client.scan_agents().unwrap_err(),
        client.scan_agent("an-id").unwrap_err(),
        client
            .scan_history(["an-id"])
            .iter()
            .next()
            .unwrap()
            .unwrap_err(),
    ] {
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Decode, true),
            "{error:?}"
        );
        assert!(error.to_string().contains("empty"), "{error}");
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_plain_and_inflated() {
    let agent = format!(r#"{{"id":"an-id","machineName":"{}"}}"#, "x".repeat(20_000));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(agent.as_bytes()).unwrap();
    let small = encoder.finish().unwrap();
    assert!(small.len() < 1_000);
    for body in [agent.as_bytes(), &small] {
        let server = RawServer::sending(Answer::json(body));
        let size = u64::try_from(agent.len()).unwrap();
        let limited = |limit| builder(&server.url()).body_limit(limit).build().unwrap();
        assert_eq!(limited(size).scan_agent("an-id").unwrap().id, "an-id");
        let error = limited(size - 1).scan_agent("an-id").unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::TooLarge, false),
            "{error:?}"
        );
        assert!(format!("{error:?}").contains("body_limit"), "{error:?}");
        assert_well_formed(&error);
    }
}

#[test]
fn a_body_beyond_the_limit_is_not_read_to_its_end() {
    const HUGE: usize = 50 << 20;
    let server = RawServer::new(|_| {
        Answer::flood(
            format!("HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n"),
            HUGE,
        )
    });
    let client = builder(&server.url()).body_limit(100_000).build().unwrap();
    let error = client.scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    assert!(server.flooded() < HUGE / 2);
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
        .filter(defender_endpoint::Filter::raw(
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
            let cause = std::io::Error::other("the vault is sealed");
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
}
