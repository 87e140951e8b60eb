//! HTTP: statuses, bodies and headers that are not what was hoped for (F15 to F29).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use defender_endpoint::machines::ListMachines;
use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
use defender_endpoint::{AccessToken, Client, Credential, Error, ErrorKind, Items, TokenRequest};
use serde::de::IgnoredAny;

use super::network::{
    NOTHING, PATIENCE, PLACES, Place, as_it_is, assert_backed_off, gives_up, is_final, passes,
    passes_after, stays,
};
use crate::decoding::{failure, shown};
use crate::errors::{SERVICE, assert_transport, assert_well_formed, call, error_of, error_of_rest};
use crate::retries::setup;
use crate::support::raw::{Answer, Forbidden, RawServer, bomb, gzip};
use crate::support::{client, retrying, retrying_with_secret, within};

const AGENTS: &str = "/api/DeviceAuthenticatedScanAgents";
const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];
const HTML: [(&str, &str); 1] = [("Content-Type", "text/html; charset=utf-8")];

fn first<T>(rows: impl IntoIterator<Item = Result<T, Error>>) -> Error {
    let error = rows.into_iter().next().expect("an empty list");
    error.err().expect("a row")
}

/// The error of each operation with a server that answers none of them well.
fn errors_of_all(client: &Client) -> [Error; 10] {
    let history = client.scan_history(["an-id"]);
    [
        first(client.machines()),
        first(client.machines().pages()),
        first(client.machines_by_id(["an-id"])),
        client.machine("an-id").unwrap_err(),
        client.scan_agents().unwrap_err(),
        client.scan_agent("an-id").unwrap_err(),
        client.scan_definitions().unwrap_err(),
        client.scan_definition("an-id").unwrap_err(),
        first(&history),
        first(history.pages()),
    ]
}

/// The same, where nothing may be tried again.
fn final_errors_of_all(fault: &Answer) -> [Error; 10] {
    let server = RawServer::sending(fault.clone());
    let clock = FakeClock::new();
    let errors = errors_of_all(&retrying(&server.url(), &clock).build().unwrap());
    assert_eq!(server.calls(), errors.len(), "one exchange for each");
    assert_eq!(clock.now(), Duration::ZERO, "nobody waits");
    for error in &errors {
        assert!(!error.is_retryable(), "{error:?}");
        assert_eq!(error.attempts(), 1, "{error:?}");
        assert_well_formed(error);
    }
    errors
}

// --- F15: redirects

/// F15: no redirect of any operation is followed: one exchange, no connection to where it points,
/// and an error with the status and that host, and with nothing else of the link.
#[test]
fn a_redirect_is_not_followed_and_names_its_host_only() {
    for status in 301..=308 {
        let target = Forbidden::new();
        let location = format!("http://{}/somewhere?secret=query", target.host());
        let redirect = Answer::new(status, &[("Location", &location)], "<html>");
        for error in final_errors_of_all(&redirect) {
            assert_eq!(
                (error.kind(), error.status()),
                (ErrorKind::Redirect, Some(status))
            );
            let hint = error.hint().unwrap();
            assert!(hint.contains("it points to 127.0.0.1;"), "{hint}");
            assert!(hint.contains("redirects are never followed"), "{hint}");
            let report = shown(&error);
            assert!(
                !report.contains("somewhere") && !report.contains("secret=query"),
                "{report}"
            );
        }
        target.assert_untouched();
    }
}

/// F15: one that points back to the same server, or to nowhere, is not followed either, and a
/// password in it is not shown.
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
        for place in PLACES {
            let redirect = Answer::new(307, &[("Location", location)], "");
            let error = is_final(place, &redirect);
            assert_eq!(error.status(), Some(307), "{location}");
            assert!(!shown(&error).contains("password"));
        }
    }
}

/// F15: nor is a redirect of the token endpoint, which would be sent the secret: neither where it
/// points nor the API sees a connection.
#[test]
fn a_redirect_of_the_token_endpoint_is_not_followed() {
    for status in 301..=308 {
        let (target, api) = (Forbidden::new(), Forbidden::new());
        let location = format!("http://{}/somewhere?x", target.host());
        let login = RawServer::sending(Answer::new(status, &[("Location", &location)], ""));
        let api_url = format!("http://{}", api.host());
        let client = retrying_with_secret(&login.url(), &api_url, &FakeClock::new());
        let error = client.build().unwrap().scan_agents().unwrap_err();
        assert_eq!(
            (error.kind(), error.status(), error.is_retryable()),
            (ErrorKind::Credential, Some(status), false)
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("it points to 127.0.0.1;"), "{hint}");
        assert!(!shown(&error).contains("somewhere"), "{error:?}");
        assert_well_formed(&error);
        target.assert_untouched();
        api.assert_untouched();
        assert_eq!(login.calls(), 1);
    }
}

// --- F16 to F19: refusals

/// F16: a token that is refused in the middle of a walk is replaced by one new one, and the walk
/// goes on.
#[test]
fn a_401_in_mid_walk_fetches_one_token_and_goes_on() {
    let (tenant, clock, builder) = setup();
    let client = builder.build().unwrap();
    let mut machines = client.machines().into_iter();
    let first = machines.by_ref().take(150).flatten().count();
    tenant.expire_tokens();
    let rest = machines.map(Result::unwrap).count();
    assert_eq!((first, rest), (150, 197));
    assert_eq!(tenant.token_requests(), 2);
    assert_eq!(tenant.calls("/api/machines"), 4 + 1);
    assert_eq!(clock.now(), Duration::ZERO);
}

/// F16: a 401 that stays is reported after one new token and one more try, with the service's own
/// message and the hint that a missing licence looks the same.
#[test]
fn a_401_that_stays_is_reported_after_one_fresh_token() {
    let (tenant, _, builder) = setup();
    let client = builder.build().unwrap();
    tenant.fail(Fault::unauthorized().message("No licence.").always());
    for calls in 1..=3 {
        let error = client.scan_agents().unwrap_err();
        assert_eq!(
            (error.kind(), error.attempts(), error.is_retryable()),
            (ErrorKind::Unauthorized, 2, false)
        );
        assert_eq!(error.message(), Some("No licence."));
        assert!(error.hint().unwrap().contains("licence"), "{error:?}");
        assert_well_formed(&error);
        assert_eq!(tenant.calls(AGENTS), 2 * calls);
    }
}

/// F16: a credential that has nothing but the token that was refused is not listened to twice.
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

/// F17: a 403 is final; the service's message is kept, since it may name the role that is missing,
/// and the hint names the permissions that the operation needs.
#[test]
fn a_403_keeps_the_message_and_names_the_permissions_of_its_operation() {
    let scan = "Machine.Read.All with the role 'ViewData' or 'TvmViewData'";
    let errors = final_errors_of_all(&Answer::new(403, &[], SERVICE));
    for (at, error) in errors.iter().enumerate() {
        assert_eq!(
            (error.kind(), error.status(), error.code()),
            (ErrorKind::Forbidden, Some(403), Some("SomeCode"))
        );
        assert_eq!(error.message(), Some("Something is wrong."));
        assert!(error.to_string().contains("Something is wrong."));
        let report = format!("{error:?}");
        let hint = report.lines().last().unwrap();
        assert!(hint.starts_with("  hint: "), "{report}");
        let permissions = if at < 4 {
            ["Machine.Read.All or Machine.ReadWrite.All", "'View Data'"]
        } else {
            [scan, "delegated"]
        };
        for text in permissions
            .iter()
            .chain(&["application permission", "delegated", "audience"])
        {
            assert!(hint.contains(text), "{report}");
        }
    }
}

/// Answers with which the service itself says 404.
const SERVICE_404: [&str; 3] = [
    "",
    "  \r\n",
    r#"{"error":{"code":"ResourceNotFound","message":"No machines.","target":"f0-0d"}}"#,
];

/// And with which somebody else does.
const FOREIGN_404: [&str; 6] = [
    "<html><body>Not Found</body></html>",
    "404 page not found",
    r#"{"statusCode":404,"message":"Resource not found"}"#,
    r#"{"error":"Not Found","path":"/api/machines"}"#,
    r#"{"error":null}"#,
    "[]",
];

/// The machines of a server, as anything.
fn machines(server: &RawServer) -> ListMachines<IgnoredAny> {
    let client = retrying(&server.url(), &FakeClock::new());
    client.build().unwrap().machines().deserialize()
}

/// How many rows come to the end of a walk that has one.
fn whole(items: &mut Items<IgnoredAny>) -> usize {
    items.map(Result::unwrap).count()
}

/// F18: a 404 of the service itself ends the list of machines, as documented, and the walk can tell it
/// from an empty page. Where the service's own link has led to it, rows would be lost: that is an error.
#[test]
fn a_404_of_the_service_ends_the_machines_and_is_told() {
    let two = r#"{"value":[{"id":"a"},{"id":"b"}]}"#;
    let linked = r#"{"value":[{"id":"a"},{"id":"b"}],"@odata.nextLink":"?x=1"}"#;
    for body in SERVICE_404 {
        for not_found in [
            Answer::new(404, &[], body),
            Answer::new(404, &[("Content-Encoding", "gzip")], gzip(body)),
        ] {
            let server = RawServer::sending(not_found.clone());
            let mut items = machines(&server).into_iter();
            assert!(!items.ended_by_not_found());
            assert_eq!(whole(&mut items), 0, "{body:?}");
            assert_eq!((items.ended_by_not_found(), items.offset()), (true, 0));
            let mut pages = machines(&server).pages();
            assert!(pages.next().is_none() && pages.ended_by_not_found());
            assert_eq!(server.calls(), 2, "{body:?}");
            // As the answer to a later page.
            let server = RawServer::script([Answer::json(two), not_found.clone()]);
            let mut items = machines(&server).page_size(2).into_iter();
            assert_eq!(whole(&mut items), 2);
            assert_eq!((items.ended_by_not_found(), items.offset()), (true, 2));
            assert_eq!(server.lines()[1], "GET /api/machines?$top=2&$skip=2");
            let server = RawServer::script([Answer::json(linked), not_found.clone()]);
            let mut items = machines(&server).into_iter();
            assert!(items.by_ref().take(2).all(|row| row.is_ok()));
            let error = items.next().unwrap().unwrap_err();
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::NotFound, true)
            );
            assert_eq!((items.ended_by_not_found(), items.offset()), (false, 2));
            assert_eq!(server.lines()[1], "GET /api/machines?x=1");
            assert!(items.next().is_none());
        }
    }
    // And a list that is merely empty, or at its end, did not end like that.
    for body in [NOTHING, r#"{"value":[{"id":"a"}]}"#] {
        let server = RawServer::sending(Answer::json(body));
        let mut items = machines(&server).into_iter();
        whole(&mut items);
        assert!(!items.ended_by_not_found());
        let mut pages = machines(&server).pages();
        assert!(pages.by_ref().all(|page| page.is_ok()) && !pages.ended_by_not_found());
    }
}

/// F18: a 404 of anybody else, which a wrong path or a gateway answers, is an error and no empty
/// fleet, and so is any 404 whose text was lost on the way.
#[test]
fn a_404_of_anybody_else_is_an_error_and_no_empty_fleet() {
    let plain = FOREIGN_404.map(|body| body.as_bytes().to_vec());
    let compressed = FOREIGN_404.map(gzip);
    let foreign = plain.into_iter().chain(compressed);
    let foreign = foreign.map(|body| Answer::new(404, &HTML, body));
    let html = FOREIGN_404[0];
    let zipped = gzip(html);
    let lost = [
        Answer::new(404, &HTML, html).cut(html.len()),
        Answer::new(404, &[], &zipped).cut(zipped.len()),
        Answer::new(404, &[], &zipped[..2]),
        Answer::new(404, &[], &zipped[..12]),
    ];
    for answer in foreign.chain(lost) {
        let server = RawServer::sending(answer);
        let mut items = machines(&server).into_iter();
        let error = items.next().expect("somebody's 404 was taken for the end");
        let error = error.unwrap_err();
        assert_eq!(
            (error.kind(), error.status(), error.is_retryable()),
            (ErrorKind::NotFound, Some(404), false),
            "{error:?}"
        );
        assert!(items.next().is_none() && !items.ended_by_not_found());
        assert_eq!(server.calls(), 1);
    }
}

/// F18: of any other list a 404 is an error, whoever sends it: only the machines' is documented.
#[test]
fn a_404_of_any_other_list_is_not_found() {
    for body in SERVICE_404.into_iter().chain(FOREIGN_404) {
        let server = RawServer::sending(Answer::new(404, &[], body));
        let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
        let mut history = client.scan_history(["an-id"]).into_iter();
        let errors = [
            history.next().unwrap().unwrap_err(),
            client.scan_agents().unwrap_err(),
            client.scan_definitions().unwrap_err(),
            client.scan_agent("an-id").unwrap_err(),
            client.machine("an-id").unwrap_err(),
            client.scan_definition("an-id").unwrap_err(),
        ];
        assert!(!history.ended_by_not_found());
        for error in errors {
            assert_eq!(
                (error.kind(), error.status(), error.attempts()),
                (ErrorKind::NotFound, Some(404), 1),
                "{error}"
            );
        }
    }
}

/// F19: what there is not is a 404 of its own kind, final, and shows the id that was asked for.
#[test]
fn a_404_for_one_entity_shows_its_id() {
    type Get = fn(&Client) -> Error;
    let gets: [(&str, Get); 4] = [
        (AGENTS, |client| client.scan_agent("an-id").unwrap_err()),
        ("/api/machines", |client| {
            client.machine("an-id").unwrap_err()
        }),
        ("/api/machines", |client| {
            let agent = ScanAgent::new("org_an-id");
            client.machine_of(&agent).unwrap_err()
        }),
        ("/api/DeviceAuthenticatedScanDefinitions", |client| {
            client.scan_definition("an-id").unwrap_err()
        }),
    ];
    for (path, get) in gets {
        let server = RawServer::sending(Answer::new(404, &[], SERVICE));
        let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
        let error = get(&client);
        assert_eq!(
            (error.kind(), error.status(), error.is_retryable()),
            (ErrorKind::NotFound, Some(404), false)
        );
        let text = error.to_string();
        let said = format!("GET {path}/an-id: 404 Not Found");
        assert!(text.starts_with(&said), "{text}");
        assert_eq!(error.message(), Some("Something is wrong."));
        assert_eq!(server.calls(), 1);
    }
}

/// F19: of several machines none is said to be missing because of a 404, whoever sent it.
#[test]
fn a_404_for_several_machines_is_an_error_and_none_for_none() {
    let own = SERVICE_404.iter().map(|body| Answer::new(404, &[], *body));
    let foreign = FOREIGN_404
        .iter()
        .map(|body| Answer::new(404, &HTML, *body));
    for answer in own.chain(foreign) {
        let server = RawServer::sending(answer);
        let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
        let mut items = client.machines_by_id(["a", "b"]).into_iter();
        let outcomes: Vec<_> = items.by_ref().collect();
        assert_eq!(server.calls(), 1);
        let [Err(error)] = &outcomes[..] else {
            panic!("a 404 was taken for machines that are missing: {outcomes:?}");
        };
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::NotFound, Some(404))
        );
        assert_eq!(items.remaining(), ["a", "b"]);
    }
}

// --- F20 and F21: the server in trouble

/// F20: 408, 500, 502, 503 and 504 are tried again, after a pause, at the API and at the token
/// endpoint; what stays is reported with its status and the number of tries.
#[test]
fn a_status_that_may_pass_is_tried_again() {
    for place in PLACES {
        for status in [408, 500, 502, 503, 504] {
            let fault = Answer::new(status, &[], "");
            let waited = passes(place, &fault, as_it_is).as_secs_f64();
            assert!((0.4..=0.8).contains(&waited), "{waited}");
            passes_after(3, place, &fault, as_it_is);
            let (error, waited) = stays(place, &fault, as_it_is);
            assert_eq!(error.status(), Some(status), "{error:?}");
            let kind = match (place, status) {
                (Place::Token, _) => ErrorKind::Credential,
                (_, 408) => ErrorKind::Status,
                _ => ErrorKind::Server,
            };
            assert_eq!(error.kind(), kind, "{error:?}");
            assert_backed_off(waited, false);
        }
    }
}

/// F20: faults of every sort that pass are all the same to a call.
#[test]
fn a_call_succeeds_after_failures_that_pass() {
    for fault in [
        Fault::status(408),
        Fault::status(500),
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
        Fault::throttled(Duration::from_secs(7)),
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

/// F20: after the last retry the real error comes, with what the service said in it.
#[test]
fn after_the_last_retry_the_real_error_comes_with_the_number_of_tries() {
    let busy = Answer::new(
        503,
        &[],
        r#"{"error":{"code":"Busy","message":"Come back later"}}"#,
    );
    let (error, waited) = stays(Place::Get, &busy, as_it_is);
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(
        (error.code(), error.message()),
        (Some("Busy"), Some("Come back later"))
    );
    assert_backed_off(waited, false);
}

/// F21: 501, 505, 418 and what else won't pass are one exchange, at the API and at the token
/// endpoint.
#[test]
fn a_status_that_will_not_pass_is_not_tried_again() {
    for place in PLACES {
        for status in [400, 402, 405, 409, 410, 413, 415, 418, 501, 505, 511, 599] {
            let error = is_final(place, &Answer::new(status, &[], ""));
            assert_eq!(error.status(), Some(status), "{error:?}");
            let kind = match (place, status) {
                (Place::Token, _) => ErrorKind::Credential,
                (_, 500..) => ErrorKind::Server,
                _ => ErrorKind::Status,
            };
            assert_eq!(error.kind(), kind, "{error:?}");
        }
    }
}

// --- F22 and F23: what stands in errors

/// F22, F23: whatever an error's body is, the status stays exact, and what can be read is: the
/// service's JSON in any state of repair, and else the text itself.
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

/// F23: of a token endpoint's refusal, members that are not text are left out and the others kept.
#[test]
fn a_refusal_with_an_odd_member_keeps_the_others() {
    for body in [
        r#"{"error":"invalid_client","error_description":"No.","trace_id":5,"correlation_id":null}"#,
        r#"{"error":"invalid_client","error_description":"No.","error_codes":{},"correlation_id":[]}"#,
    ] {
        let error = is_final(Place::Token, &Answer::new(401, &[], body));
        assert_eq!(
            (error.code(), error.message(), error.request_id()),
            (Some("invalid_client"), Some("No."), None)
        );
    }
    for body in [
        r#"{"error":7}"#,
        r#"{"error":{"code":"c"}}"#,
        "[]",
        "{",
        "hunter2~a-secret",
    ] {
        let error = is_final(Place::Token, &Answer::new(400, &[], body));
        assert_eq!((error.code(), error.message()), (None, None), "{body}");
    }
}

/// F22: bytes that are no text do no harm, and the status stays exact.
#[test]
fn an_error_body_that_is_no_text_does_no_harm() {
    for body in [
        &b"\xff\xfe\x00<\x80"[..],
        b"\x01x",
        b"{\"error\":{\"code\":\"\xff\"}}",
    ] {
        let error = error_of(Answer::new(502, &HTML, body));
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Server, Some(502))
        );
        assert_well_formed(&error);
    }
}

/// F22: the page of a gateway in trouble is a 502 like any other, tried again, with its text for a
/// message.
#[test]
fn the_html_of_a_gateway_is_a_message_and_is_tried_again() {
    let page = "<html>\r\n<body>Bad\tGateway</body></html>";
    let fault = Answer::new(502, &HTML, page);
    for place in PLACES {
        passes(place, &fault, as_it_is);
        let (error, _) = stays(place, &fault, as_it_is);
        assert_eq!(error.status(), Some(502));
        // Of a token endpoint only what the protocol defines is shown.
        let message = "<html> <body>Bad Gateway</body></html>";
        assert_eq!(error.message(), (place != Place::Token).then_some(message));
    }
}

/// F22: control characters and marks of direction never reach a line of a log.
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
    let refusal = format!(r#"{{"error":{quoted},"error_description":{quoted}}}"#);
    let error = is_final(Place::Token, &Answer::new(400, &[], refusal));
    let said = "one two [31m 2026-01-01 forged line three";
    assert_eq!((error.code(), error.message()), (Some(said), Some(said)));
    let error = error_of(Answer::new(500, &[], "a\u{202e}b\u{200b}c\u{2066}d"));
    assert_eq!(error.message(), Some("a b c d"));
}

/// F22: where nothing but control characters is left, there is no message.
#[test]
fn control_characters_are_no_message() {
    for body in [
        "\0",
        "\u{1}\u{2}",
        r#"{"error":{"code":"\u0000","message":"\u0001"}}"#,
        "\u{feff}",
    ] {
        let error = error_of(Answer::new(502, &[], body));
        assert_eq!(
            (error.code(), error.message()),
            (None, None),
            "{body:?} {error:?}"
        );
    }
}

/// F22: a long text is cut, wherever it stands.
#[test]
fn a_long_error_body_is_cut() {
    let long = "w\u{f6}rd ".repeat(4_000);
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

/// F22: of 50 MB of error no more than a little is read, and the status is exact.
#[test]
fn a_huge_error_body_is_not_read_to_its_end() {
    const HUGE: usize = 50 << 20;
    for status in [302, 403, 404, 500] {
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

/// F22: an error's body that breaks off, stalls or is reset leaves its status and what came of it.
#[test]
fn an_error_body_that_is_cut_leaves_its_status() {
    for rest in [
        "Content-Length: 500\r\n\r\nbroken",
        "Transfer-Encoding: chunked\r\n\r\n6\r\nbroken",
    ] {
        let cut = Answer::bytes(format!("HTTP/1.1 503 X\r\n{rest}"));
        let error = error_of(cut.clone());
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Server, Some(503))
        );
        assert!(error.is_retryable());
        assert_eq!(error.message(), Some("broken"));
        for place in PLACES {
            passes(place, &cut, as_it_is);
        }
        let error = within(PATIENCE, move || {
            let server = RawServer::sending(cut.held());
            let client = crate::support::builder(&server.url());
            let client = client.read_timeout(Duration::from_secs(1));
            client.build().unwrap().scan_agents().unwrap_err()
        });
        assert_eq!(
            (error.status(), error.message()),
            (Some(503), Some("broken"))
        );
    }
}

/// F22: an error's body whose compression is broken, or a bomb, leaves its status.
#[test]
fn a_compressed_refusal_that_is_cut_or_a_bomb_leaves_its_status() {
    for body in [
        &gzip("{}")[..12],
        &gzip("{}")[..3],
        b"\x1f\x8bno gzip",
        &bomb("", 300, "x"),
    ] {
        let refusal = Answer::new(503, &[("Content-Encoding", "gzip")], body);
        for place in PLACES {
            passes(place, &refusal, as_it_is);
            let (error, _) = stays(place, &refusal, as_it_is);
            assert_eq!(error.status(), Some(503));
            assert!(error.to_string().chars().count() < 500, "{error}");
        }
    }
}

// --- F24 to F26: answers that pass for good ones

/// F24: HTML with status 200, a sign-in page or a captive portal's, is an error of every operation
/// that names the content type, and never an empty list; it is one exchange.
#[test]
fn html_with_status_200_is_no_answer() {
    let html = "<!DOCTYPE html><html><title>Sign in</title></html>";
    for body in [html.as_bytes().to_vec(), gzip(html)] {
        for error in final_errors_of_all(&Answer::new(200, &HTML, body)) {
            assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
            assert!(
                error.to_string().contains("text/html; charset=utf-8"),
                "{error}"
            );
            let hint = error.hint().unwrap();
            assert!(hint.contains("sign-in page"), "{hint}");
            assert!(!shown(&error).contains("Sign in"), "{error:?}");
        }
    }
}

/// F24: nor is it a token: the error names the content type, without what it may repeat of the
/// secret, and shows nothing of the page.
#[test]
fn html_with_status_200_is_no_token() {
    let html = "<!DOCTYPE html><html><title>Sign in</title></html>";
    for body in [html.as_bytes().to_vec(), gzip(html)] {
        let error = is_final(Place::Token, &Answer::new(200, &HTML, body));
        assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
        assert!(
            error.to_string().contains("text/html; charset=utf-8"),
            "{error}"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("sign-in page"), "{hint}");
        assert!(!shown(&error).contains("Sign in"), "{error:?}");
    }
    let repeating = [("Content-Type", "text/hunter2~a-secret")];
    let error = is_final(Place::Token, &Answer::new(200, &repeating, html));
    assert!(error.to_string().contains("text/***"), "{error:?}");
    assert!(!shown(&error).contains("hunter2"), "{error:?}");
}

/// F24: a content type of any length is shown in part.
#[test]
fn a_content_type_is_cut() {
    let long = format!("text/{}", "x".repeat(20_000));
    for place in PLACES {
        let page = Answer::new(200, &[("Content-Type", &long)], "<html>");
        let error = is_final(place, &page);
        assert!(error.to_string().contains("text/xxx"), "{error}");
        assert!(error.to_string().len() < 1000, "{error}");
    }
}

/// F24: JSON that is a page of anything but rows is an error too, and no empty list.
#[test]
fn a_page_of_json_that_is_no_list_is_no_answer() {
    for body in ["[]", "null", "\"\"", "0", "true"] {
        for error in final_errors_of_all(&Answer::json(body)) {
            assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
            assert!(error.to_string().contains("application/json"), "{error}");
        }
    }
}

/// F25: an empty 200 is no empty list, for any operation: it is tried once more, and then an error
/// that says so.
#[test]
fn an_empty_200_is_no_empty_list_and_is_tried_once_more() {
    for body in ["", " ", "\r\n", "\u{FEFF}"] {
        for empty in [
            Answer::new(200, &JSON, body),
            Answer::gzip(body),
            Answer::chunked(body, 1),
            Answer::new(200, &[], body),
            Answer::without_length(200, &[], body),
        ] {
            let error = failure(empty.clone());
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Decode, true),
                "{error}"
            );
            let server = RawServer::sending(empty.clone());
            let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
            let errors = errors_of_all(&client);
            assert_eq!(
                server.calls(),
                2 * errors.len(),
                "{body:?} {:#?}",
                server.lines()
            );
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
                assert!(error.to_string().contains("the body is empty"), "{error}");
            }
            for place in [Place::Get, Place::Post] {
                passes(place, &empty, as_it_is);
            }
        }
    }
    let agent = Answer::json(r#"{"id":"an-id"}"#);
    let server = RawServer::script([Answer::json(""), agent]);
    let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
    assert_eq!(client.scan_agent("an-id").unwrap().id, "an-id");
}

/// F25: a 204 is as empty as an empty 200, and treated like it, by its own status.
#[test]
fn a_204_is_no_empty_list_and_is_tried_once_more() {
    let nothing = Answer::new(204, &[], "");
    for place in PLACES {
        passes(place, &nothing, as_it_is);
        let error = gives_up(place, &nothing, 2);
        assert_eq!(error.status(), Some(204), "{error:?}");
        assert!(error.is_retryable(), "{error:?}");
    }
    let server = RawServer::sending(nothing);
    for error in errors_of_all(&client(&server.url())) {
        assert_eq!(error.kind(), ErrorKind::Status, "{error:?}");
        assert!(error.to_string().contains("204 No Content"), "{error}");
    }
}

/// F25: a token endpoint that says nothing has given no token, and is asked once more.
#[test]
fn an_empty_answer_is_no_token_and_is_asked_for_once_more() {
    for body in ["", "\r\n"] {
        for empty in [Answer::json(body), Answer::gzip(body)] {
            passes(Place::Token, &empty, as_it_is);
            let error = gives_up(Place::Token, &empty, 2);
            assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
            assert!(error.is_retryable(), "{error:?}");
            assert!(error.to_string().contains("the answer is empty"), "{error}");
        }
    }
}

/// F26: a 203 or 206, or any other success than 200, is refused after one exchange: what it has may
/// not be all. Its body is data, which no error shows.
#[test]
fn another_success_is_refused_and_shows_no_data() {
    let body = r#"{"value":[{"id":"a","scanAuthenticationParams":{"authPassword":"hunter2"}}]}"#;
    for status in [201, 202, 203, 205, 206, 207, 226] {
        for error in final_errors_of_all(&Answer::new(status, &JSON, body)) {
            assert_eq!(
                (error.kind(), error.status(), error.message()),
                (ErrorKind::Status, Some(status), None),
                "{error:?}"
            );
            assert!(error.to_string().contains("only a 200 is an answer"));
            assert!(!shown(&error).contains("hunter2"), "{error:?}");
        }
        let token = r#"{"access_token":"hunter2","expires_in":3599}"#;
        let error = is_final(Place::Token, &Answer::new(status, &JSON, token));
        assert_eq!(error.status(), Some(status));
        assert!(!shown(&error).contains("hunter2"), "{error:?}");
    }
}

// --- F27 to F29: what is no HTTP, or more than that

/// F27, F28: what is no HTTP, has more than 128 header fields or contradicts itself about its length
/// is an error of the protocol, and not tried again.
#[test]
fn what_is_no_http_is_not_tried_again() {
    let many = "X: y\r\n".repeat(129);
    let many = format!("HTTP/1.1 200 OK\r\n{many}\r\n");
    for bytes in [
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01|\r\n\r\n",
        "<html>Bad Gateway</html>\r\n\r\n",
        "{\"value\":[]}\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n{}",
        &many,
    ] {
        let error = error_of_rest(bytes);
        assert_transport(&error, false);
        for place in PLACES {
            let error = is_final(place, &Answer::bytes(bytes));
            assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
            assert!(error.to_string().contains("no valid HTTP"), "{error}");
        }
    }
}

/// F27: bytes without end that are no HTTP are not read to their end.
#[test]
fn garbage_without_end_is_not_read_to_its_end() {
    const HUGE: usize = 50 << 20;
    for head in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nX: "] {
        let flooded = within(PATIENCE, move || {
            let server = RawServer::new(move |_| Answer::flood(head, HUGE));
            let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
            let error = client.scan_agents().unwrap_err();
            assert!(!error.is_retryable(), "{error:?}");
            assert_eq!(server.calls(), 1);
            assert_well_formed(&error);
            server.flooded()
        });
        assert!(flooded < HUGE / 2, "{flooded} bytes");
    }
}

/// F27: 128 header fields, and many bytes of them, are borne.
#[test]
fn many_headers_are_borne() {
    let many = format!("X: {}\r\n", "y".repeat(400)).repeat(126);
    let body = format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 12\r\n\r\n{NOTHING}");
    let server = RawServer::sending(body);
    assert!(client(&server.url()).scan_agents().unwrap().is_empty());
}

/// F27: headers that are larger than 64 KiB are refused, and not asked for again.
#[test]
fn headers_that_are_too_large_are_refused() {
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    for place in PLACES {
        let error = is_final(place, &Answer::bytes(large.clone()));
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
        assert!(error.to_string().contains("headers"), "{error}");
    }
}

/// F28: the same length twice, which proxies add, is no contradiction; and where chunks come as
/// well, they count.
#[test]
fn lengths_that_agree_and_chunks_beside_a_length_are_borne() {
    for answer in [
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{NOTHING}\r\n0\r\n\r\n"
        ),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nc\r\n{NOTHING}\r\n0\r\n\r\n"
        ),
    ] {
        let server = RawServer::sending(Answer::bytes(answer));
        assert!(client(&server.url()).scan_agents().unwrap().is_empty());
    }
}

/// F29: bytes behind an answer belong to no other: the connection is dropped, and the next call has
/// a new one and its own answer.
#[test]
fn bytes_behind_an_answer_do_not_reach_the_next_call() {
    let mut smuggled = Answer::json(r#"{"id":"an-id"}"#).into_bytes();
    smuggled.extend(Answer::json(r#"{"id":"stale"}"#).into_bytes());
    let mut chunked = Answer::chunked(r#"{"id":"an-id"}"#, 5).into_bytes();
    chunked.extend(Answer::json(r#"{"id":"stale"}"#).into_bytes());
    for bytes in [smuggled, chunked] {
        let server = RawServer::sending(bytes);
        let client = client(&server.url());
        for _ in 0..3 {
            assert_eq!(client.scan_agent("an-id").unwrap().id, "an-id");
        }
        let requests = server.requests();
        let connections: Vec<usize> = requests.iter().map(|it| it.connection).collect();
        assert_eq!(connections, [0, 1, 2]);
    }
}

/// F29: bytes behind an error do not reach the next call either, which is tried again on a new
/// connection; nor do those behind a token.
#[test]
fn bytes_behind_an_error_or_a_token_do_not_reach_the_next_call() {
    let mut refusal = Answer::new(503, &[], "busy").into_bytes();
    refusal.extend(Answer::json(r#"{"value":[{"id":"stale"}]}"#).into_bytes());
    let server = RawServer::script([Answer::from(refusal), Answer::json(NOTHING)]);
    let client = retrying(&server.url(), &FakeClock::new()).build().unwrap();
    assert!(client.scan_agents().unwrap().is_empty());
    assert_eq!((server.calls(), server.connections()), (2, 2));

    let mut token = Answer::json(r#"{"access_token":"good"}"#).into_bytes();
    token.extend(Answer::json(r#"{"access_token":"stale"}"#).into_bytes());
    let login = RawServer::sending(token);
    let unauthorized = Answer::new(401, &[], "");
    let api = RawServer::script([unauthorized, Answer::json(NOTHING)]);
    let client = retrying_with_secret(&login.url(), &api.url(), &FakeClock::new());
    // The same token again is not sent again.
    let error = client.build().unwrap().scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
    assert_eq!((login.calls(), login.connections(), api.calls()), (2, 2, 1));
}
