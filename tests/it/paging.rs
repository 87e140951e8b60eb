//! Walks: which page is asked for next, when a walk ends, and where it stands when it breaks off.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;

use defender_endpoint::machines::{HealthStatus, ListMachines, Machine, field};
use defender_endpoint::scan_history::{ListScanHistory, ScanHistoryEntry};
use defender_endpoint::{Client, Error, ErrorKind, Filter, Items, Page, Pages, RetryPolicy};
use proptest::prelude::*;
use serde::Deserialize;

use crate::support::raw::{Answer, Forbidden, RawServer, Request, gzip};
use crate::support::{TOKEN, builder, client};

const MACHINES: &str = "GET /api/machines";
const HISTORY: &str =
    "POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId";

/// A row of the lists here: its number in the list.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Row {
    n: u64,
}

fn rows(numbers: Range<u64>) -> String {
    let rows: Vec<String> = numbers.map(|n| format!("{{\"n\":{n}}}")).collect();
    rows.join(",")
}

/// A page of the rows with these numbers.
fn page(numbers: Range<u64>) -> String {
    format!("{{\"value\":[{}]}}", rows(numbers))
}

/// The same with a link to a next page.
fn linked(numbers: Range<u64>, link: &str) -> String {
    let link = serde_json::to_string(link).unwrap();
    format!(
        "{{\"value\":[{}],\"@odata.nextLink\":{link}}}",
        rows(numbers)
    )
}

fn machines(server: &RawServer) -> ListMachines<Row> {
    client(&server.url()).machines().deserialize()
}

fn history(server: &RawServer) -> ListScanHistory<Row> {
    client(&server.url()).scan_history(["an-id"]).deserialize()
}

/// Walks to the end and past it. The numbers of the rows, and the error if there was one.
fn walk(items: impl IntoIterator<Item = Result<Row, Error>>) -> (Vec<u64>, Option<Error>) {
    let mut items = items.into_iter();
    let mut numbers = Vec::new();
    let mut failure = None;
    while failure.is_none() {
        match items.next() {
            Some(Ok(row)) => numbers.push(row.n),
            Some(Err(error)) => failure = Some(error),
            None => break,
        }
    }
    for _ in 0..3 {
        assert!(items.next().is_none(), "the end is no end");
    }
    (numbers, failure)
}

fn whole(items: impl IntoIterator<Item = Result<Row, Error>>) -> Vec<u64> {
    let (numbers, failure) = walk(items);
    assert!(failure.is_none(), "{failure:?}");
    numbers
}

fn numbers(range: Range<u64>) -> Vec<u64> {
    range.collect()
}

/// A service of so many rows that pages by `$top` and `$skip` and sends no links.
#[derive(Clone, Copy, Debug)]
struct ByOffset {
    rows: u64,
    /// The most rows that it puts on a page, whatever `$top` says.
    cap: u64,
}

impl ByOffset {
    fn answer(self, request: &Request) -> Answer {
        let skip = request.number("$skip").unwrap_or(0).min(self.rows);
        let top = request.number("$top").unwrap_or(u64::MAX).min(self.cap);
        Answer::json(page(skip..skip.saturating_add(top).min(self.rows)))
    }

    fn start(self) -> RawServer {
        RawServer::new(move |request| self.answer(request))
    }
}

// Paging by links.

#[test]
fn machines_without_a_page_size_are_asked_for_without_top_and_links_lead_the_way() {
    let server = RawServer::new(|request| {
        let host = &request.header("host").unwrap();
        let link = |query: &str| format!("http://{host}/api/machines?{query}");
        Answer::json(match request.option("$skip") {
            None => linked(0..3, &link("$skip=3")),
            // Longer, shorter and empty pages are no end: the link decides.
            Some("3") => linked(3..4, &link("$skip=4")),
            Some("4") => linked(4..4, &link("$skip=5")),
            Some("5") => linked(4..10_005, &link("$skip=10005")),
            Some(_) => page(10_005..10_006),
        })
    });
    let mut items = machines(&server).into_iter();
    assert_eq!(whole(&mut items), numbers(0..10_006));
    assert_eq!(
        (items.offset(), items.ended_by_not_found()),
        (10_006, false)
    );
    let queries = ["", "?$skip=3", "?$skip=4", "?$skip=5", "?$skip=10005"];
    assert_eq!(
        server.lines(),
        queries.map(|query| format!("{MACHINES}{query}"))
    );
    let bodies = server.requests().into_iter().map(|request| request.body);
    assert!(bodies.into_iter().all(|body| body.is_empty()));
}

#[test]
fn the_query_of_a_link_goes_back_as_it_came() {
    let query = "$filter=a%20eq%20'O''B%2Frien'+or+(b,c)&x=%c3%A4%&&=5&!~*;:@/?$skip=1&y=[1]";
    let server = RawServer::new(move |request| {
        let first = request.line() == MACHINES;
        Answer::json(if first {
            linked(0..1, &format!("/api/machines?{query}"))
        } else {
            page(1..2)
        })
    });
    assert_eq!(whole(machines(&server)), [0, 1]);
    assert_eq!(server.lines()[1], format!("{MACHINES}?{query}"));
}

#[test]
fn what_a_query_can_not_carry_is_encoded() {
    for (query, sent) in [
        (
            "$filter=a eq 'b c'&$skip=1",
            "$filter=a%20eq%20'b%20c'&$skip=1",
        ),
        (
            "$filter=a eq 'é😀'",
            "$filter=a%20eq%20'%C3%A9%F0%9F%98%80'",
        ),
        ("a=\"<>\\^`{|}\"", "a=%22%3C%3E%5C%5E%60%7B%7C%7D%22"),
        (
            "a=\r\nX-Injected: 1\t\0\u{7f}",
            "a=%0D%0AX-Injected:%201%09%00%7F",
        ),
        ("$skip=1#fragment?$skip=2", "$skip=1"),
    ] {
        for start in ["", "/api/machines"] {
            let server = RawServer::pages([linked(0..1, &format!("{start}?{query}")), page(1..2)]);
            assert_eq!(whole(machines(&server)), [0, 1], "{start}?{query}");
            assert_eq!(server.lines(), [MACHINES, &format!("{MACHINES}?{sent}")]);
            assert!(server.requests()[1].header("x-injected").is_none());
        }
    }
}

#[test]
fn a_link_of_the_same_origin_or_of_a_host_of_the_service_is_followed_to_the_configured_origin() {
    for link in [
        "?$skip=1",
        "/api/machines?$skip=1",
        "/API/Machines?$skip=1",
        "http://127.0.0.1:{port}/api/machines?$skip=1",
        "HTTP://127.0.0.1:{port}/API/MACHINES?$skip=1",
        "https://api.securitycenter.microsoft.com/api/machines?$skip=1",
        "https://api.securitycenter.microsoft.com:443/api/machines?$skip=1",
        "HTTPS://API.SecurityCenter.Microsoft.COM/Api/Machines?$skip=1",
        "https://api-eu.securitycenter.microsoft.com/api/machines?$skip=1",
        "https://eu.api.security.microsoft.com/api/machines?$skip=1",
        "https://api-gov.securitycenter.microsoft.us/api/machines?$skip=1",
    ] {
        let server = RawServer::new(move |request| {
            let host = request.header("host").unwrap();
            let (_, port) = host.split_once(':').unwrap();
            let link = link.replace("{port}", port);
            let first = request.line() == MACHINES;
            Answer::json(if first {
                linked(0..1, &link)
            } else {
                page(1..2)
            })
        });
        assert_eq!(whole(machines(&server)), [0, 1], "{link}");
        assert_eq!(server.lines()[1], format!("{MACHINES}?$skip=1"), "{link}");
    }
}

#[test]
fn a_host_name_in_another_case_is_the_same_host() {
    let server = RawServer::new(|request| {
        let host = request.header("host").unwrap();
        let (_, port) = host.rsplit_once(':').unwrap();
        let link = format!("http://LocalHost:{port}/api/machines?$skip=1");
        let first = request.line() == MACHINES;
        Answer::json(if first {
            linked(0..1, &link)
        } else {
            page(1..2)
        })
    });
    let client = client(&format!("http://localhost:{}", server.port()));
    assert_eq!(whole(client.machines().deserialize()), [0, 1]);
}

/// Links that lead to somewhere else than this list of the configured origin `127.0.0.1:{port}`,
/// many of them to a host that nobody may connect to, `127.0.0.1:{other}`.
const ELSEWHERE: &[&str] = &[
    // Hosts and ports.
    "http://127.0.0.1:{other}/api/machines?$skip=1",
    "http://localhost:{other}/api/machines?$skip=1",
    "http://localhost:{port}/api/machines?$skip=1",
    "http://127.0.0.1/api/machines?$skip=1",
    "http://127.1:{port}/api/machines?$skip=1",
    "http://2130706433:{port}/api/machines?$skip=1",
    "http://[::1]:{other}/api/machines?$skip=1",
    "http://[::ffff:127.0.0.1]:{port}/api/machines?$skip=1",
    "http://127.0.0.1.:{port}/api/machines?$skip=1",
    "http://a.127.0.0.1:{port}/api/machines?$skip=1",
    "https://foreign.invalid/api/machines?$skip=1",
    "https://a.api.securitycenter.microsoft.com/api/machines?$skip=1",
    "https://api.securitycenter.microsoft.com./api/machines?$skip=1",
    "https://api.securitycenter.microsoft.com:8443/api/machines?$skip=1",
    "https://api.securitycenter.microsoft.com.foreign.invalid/api/machines?$skip=1",
    "https://аpi.securitycenter.microsoft.com/api/machines?$skip=1",
    "https://api%2Esecuritycenter.microsoft.com/api/machines?$skip=1",
    // What only looks like the host.
    "http://127.0.0.1:{port}@127.0.0.1:{other}/api/machines?$skip=1",
    "http://127.0.0.1:{other}\\@127.0.0.1:{port}/api/machines?$skip=1",
    "http://user:password@127.0.0.1:{port}/api/machines?$skip=1",
    "http://@127.0.0.1:{port}/api/machines?$skip=1",
    "https://api.securitycenter.microsoft.com@127.0.0.1:{other}/api/machines?$skip=1",
    "http://127.0.0.1:{port}.foreign.invalid/api/machines?$skip=1",
    "http://127.0.0.1:{other}#@127.0.0.1:{port}/api/machines?$skip=1",
    "http://127.0.0.1:{other}?@127.0.0.1:{port}/api/machines?$skip=1",
    // Schemes.
    "https://127.0.0.1:{port}/api/machines?$skip=1",
    "http://api.securitycenter.microsoft.com/api/machines?$skip=1",
    "http://api.securitycenter.microsoft.com:443/api/machines?$skip=1",
    "//127.0.0.1:{port}/api/machines?$skip=1",
    "//127.0.0.1:{other}/api/machines?$skip=1",
    "///api/machines?$skip=1",
    "\\\\127.0.0.1:{other}/api/machines?$skip=1",
    "/\\127.0.0.1:{other}/api/machines?$skip=1",
    "ftp://127.0.0.1:{port}/api/machines?$skip=1",
    "file:///api/machines?$skip=1",
    "file:/api/machines?$skip=1",
    "javascript:alert(1)",
    "javascript://127.0.0.1:{port}/api/machines?$skip=1",
    "data:application/json,?$skip=1",
    "://127.0.0.1:{port}/api/machines?$skip=1",
    "127.0.0.1:{port}/api/machines?$skip=1",
    // Paths.
    "http://127.0.0.1:{port}/api/alerts?$skip=1",
    "http://127.0.0.1:{port}?$skip=1",
    "/api/alerts?$skip=1",
    "/?$skip=1",
    "api/machines?$skip=1",
    "machines?$skip=1",
    "/api/machines/?$skip=1",
    "/api/machines/../alerts?$skip=1",
    "/api/machines/..%2falerts?$skip=1",
    "/api/machines%3F$skip=1",
    "/api/machinesX?$skip=1",
    "/api/machine?$skip=1",
    "/api/../api/machines?$skip=1",
    "/api//machines?$skip=1",
    "/api/m%61chines?$skip=1",
    "/api/mach\u{131}nes?$skip=1",
    "/x/api/machines?$skip=1",
    "/api/machines;x?$skip=1",
    "/api/machines#?$skip=1",
    // Nowhere.
    "/api/machines",
    "/api/machines?",
    "?",
    "#",
    " ",
    "$skip=1",
];

#[test]
fn a_link_to_anywhere_else_is_refused_and_nothing_is_sent_there() {
    let forbidden = Forbidden::new();
    let other = forbidden.port().to_string();
    for link in ELSEWHERE {
        let link = link.replace("{other}", &other);
        let answered = link.clone();
        let server = RawServer::new(move |request| {
            let host = request.header("host").unwrap();
            let (_, port) = host.split_once(':').unwrap();
            let link = answered.replace("{port}", port);
            let first = request.line() == MACHINES;
            Answer::json(if first {
                linked(0..2, &link)
            } else {
                page(2..3)
            })
        });
        let mut items = machines(&server).into_iter();
        let (numbers, failure) = walk(&mut items);
        let error = failure.unwrap_or_else(|| panic!("{link} was followed"));
        assert_eq!(numbers, [0, 1], "{link}");
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Paging, false),
            "{link}"
        );
        assert_eq!(items.offset(), 2, "{link}");
        assert!(
            error
                .to_string()
                .starts_with("GET /api/machines: the next link"),
            "{error}"
        );
        assert!(
            !format!("{error:?} {error:#?}").contains("skip=1"),
            "{error:?}"
        );
        assert_eq!(server.lines(), [MACHINES], "{link}");
        forbidden.assert_untouched();
    }
}

#[test]
fn the_error_for_a_foreign_link_names_the_host() {
    let server = RawServer::pages([linked(0..1, "https://Foreign.invalid/api/machines?$skip=1")]);
    let (_, failure) = walk(machines(&server));
    let text = failure.unwrap().to_string();
    assert!(
        text.contains("foreign.invalid") && text.contains("nothing was sent there"),
        "{text}"
    );
}

#[test]
fn links_of_every_list_are_followed_on_its_own_path_only() {
    let agents = "/api/DeviceAuthenticatedScanAgents";
    let definitions = "/api/DeviceAuthenticatedScanDefinitions";
    for (path, foreign) in [(agents, definitions), (definitions, agents)] {
        let entity = |id: &str, link: &str| {
            format!("{{\"value\":[{{\"id\":\"{id}\"}}],\"@odata.nextLink\":\"{link}\"}}")
        };
        let ids = |client: &Client| -> Result<Vec<String>, Error> {
            Ok(if path == agents {
                client
                    .scan_agents()?
                    .into_iter()
                    .map(|agent| agent.id)
                    .collect()
            } else {
                client
                    .scan_definitions()?
                    .into_iter()
                    .map(|definition| definition.id)
                    .collect()
            })
        };
        let server = RawServer::pages([entity("a", &format!("{path}?$skip=1")), entity("b", "")]);
        assert_eq!(ids(&client(&server.url())).unwrap(), ["a", "b"]);
        assert_eq!(
            server.lines(),
            [format!("GET {path}"), format!("GET {path}?$skip=1")]
        );
        let server = RawServer::pages([entity("a", &format!("{foreign}?$skip=1"))]);
        let error = ids(&client(&server.url())).unwrap_err();
        assert_eq!((error.kind(), server.calls()), (ErrorKind::Paging, 1));
    }
}

#[test]
fn a_link_of_null_or_nothing_is_the_end() {
    for link in ["null", "\"\""] {
        let body = format!("{{\"@odata.nextLink\":{link},\"value\":[{{\"n\":0}}]}}");
        let server = RawServer::pages([body]);
        assert_eq!(whole(machines(&server)), [0], "{link}");
        assert_eq!(server.calls(), 1);
    }
}

#[test]
fn the_query_of_a_link_is_no_part_of_what_decides_where_it_leads() {
    for (link, sent) in [
        (
            "http://{host}/api/machines?$filter=a eq 'b'&$skip=1",
            "$filter=a%20eq%20'b'&$skip=1",
        ),
        (
            "http://{host}/api/machines?$filter=a\\b\t&$skip=1",
            "$filter=a%5Cb%09&$skip=1",
        ),
        (
            "/api/machines?next=https://foreign.invalid/&$skip=1",
            "next=https://foreign.invalid/&$skip=1",
        ),
    ] {
        let server = RawServer::new(move |request| {
            let link = link.replace("{host}", &request.header("host").unwrap());
            let first = request.line() == MACHINES;
            Answer::json(if first {
                linked(0..1, &link)
            } else {
                page(1..2)
            })
        });
        assert_eq!(whole(machines(&server)), [0, 1], "{link}");
        assert_eq!(server.lines()[1], format!("{MACHINES}?{sent}"), "{link}");
    }
}

#[test]
fn a_404_whose_body_was_lost_is_not_taken_for_the_end() {
    let body = "<html><body>Not Found</body></html>";
    let compressed = gzip(body.as_bytes());
    for answer in [
        Answer::new(404, &[("Content-Type", "text/html")], body).cut(body.len()),
        Answer::new(404, &[], &compressed).cut(compressed.len()),
        Answer::new(404, &[], &compressed[..2]),
        Answer::new(404, &[], &compressed[..12]),
    ] {
        let server = RawServer::script([answer]);
        let mut items = machines(&server).into_iter();
        let (_, failure) = walk(&mut items);
        let error = failure.expect("an answer that was cut was taken for the end");
        assert!(
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Transport),
            "{error}"
        );
        assert!(!items.ended_by_not_found());
    }
}

#[test]
fn a_link_longer_than_what_may_be_sent_is_an_error() {
    for length in [17_000, 70_000, 2_000_000] {
        let link = format!("?a={}", "x".repeat(length));
        let server = RawServer::pages([linked(0..1, &link), page(1..2)]);
        let (numbers, failure) = walk(machines(&server));
        let error = failure.unwrap();
        assert_eq!(
            (numbers, error.kind()),
            (vec![0], ErrorKind::Paging),
            "{error}"
        );
        assert_eq!(server.calls(), 1);
    }
}

// Circles.

/// A walk along links that never ends by itself.
fn circling(first: &str, links: impl Fn(usize) -> String + Send + 'static, most_calls: usize) {
    let mut called = 0;
    let server = RawServer::new(move |_| {
        let n = u64::try_from(called).unwrap();
        called += 1;
        Answer::json(linked(n..n + 1, &links(called)))
    });
    let mut items = machines(&server).into_iter();
    let (numbers, failure) = walk(&mut items);
    let error = failure.unwrap();
    assert_eq!(
        (error.kind(), error.is_retryable()),
        (ErrorKind::Paging, false)
    );
    assert!(error.to_string().contains("leads back"), "{error}");
    assert!(server.calls() <= most_calls, "{} calls", server.calls());
    assert_eq!(server.lines()[0], format!("{MACHINES}{first}"));
    assert_eq!(
        numbers.len(),
        server.calls(),
        "a row of each page that was fetched"
    );
    assert_eq!(items.offset(), u64::try_from(numbers.len()).unwrap());
}

#[test]
fn the_same_link_again_is_an_error() {
    circling("", |_| "?$skiptoken=a".to_owned(), 2);
    circling("", |_| "?$skip=1".to_owned(), 2);
}

#[test]
fn a_link_from_before_is_an_error() {
    circling(
        "",
        |call| format!("?$skiptoken={}", ["a", "b"][call % 2]),
        3,
    );
    circling(
        "",
        |call| format!("?$skiptoken={}", ["a", "b", "c"][call % 3]),
        4,
    );
    // The same link, only written otherwise: another host of the service, another case.
    circling(
        "",
        |call| {
            let starts = [
                "",
                "/api/machines",
                "/API/machines",
                "https://api.security.microsoft.com/api/machines",
            ];
            format!("{}?$skiptoken=a", starts[call % 4])
        },
        2,
    );
}

#[test]
fn a_link_whose_skip_does_not_grow_is_an_error() {
    circling(
        "",
        |call| format!("?{}&$skip=10000", "&=10000".repeat(call)),
        2,
    );
    circling(
        "",
        |call| format!("?{}&%24Skip=10000", "&=10000".repeat(call)),
        2,
    );
    circling("", |call| format!("?$skip={}", 100 - call), 2);
    circling("", |call| format!("?$skip={}", [5, 7, 6][call % 3]), 4);
    circling("", |_| "?$skip=0".to_owned(), 1);
}

#[test]
fn a_link_that_leads_back_before_the_start_of_the_walk_is_an_error() {
    let server = RawServer::pages([linked(7..8, "?$skip=5")]);
    let mut items = machines(&server).skip(7).into_iter();
    let (numbers, failure) = walk(&mut items);
    assert_eq!(
        (numbers, failure.unwrap().kind()),
        (vec![7], ErrorKind::Paging)
    );
    assert_eq!((items.offset(), server.calls()), (8, 1));
}

#[test]
fn a_link_that_leads_back_before_the_page_it_stands_on_is_an_error() {
    for link in ["?$skip=1", "?$skip=2", "/api/machines?$top=2&$skip=2"] {
        let server = RawServer::pages([page(0..2), linked(2..4, link)]);
        let (numbers, failure) = walk(machines(&server).page_size(2));
        assert_eq!(numbers, [0, 1, 2, 3], "{link}");
        assert_eq!(failure.unwrap().kind(), ErrorKind::Paging, "{link}");
        assert_eq!(server.calls(), 2, "{link}");
    }
}

#[test]
fn three_empty_pages_in_a_row_with_links_are_borne_and_a_fourth_is_not() {
    for empty in 0..6_u64 {
        let server = RawServer::new(move |request| {
            let call = request.number("call").unwrap_or(0);
            let next = format!("?call={}", call + 1);
            Answer::json(match call {
                0 => linked(0..1, &next),
                call if call <= empty => linked(1..1, &next),
                // A page with rows begins the count anew.
                call if call == empty + 1 => linked(1..2, &next),
                call if call <= 2 * empty + 1 => linked(2..2, &next),
                _ => page(2..3),
            })
        });
        let mut items = machines(&server).into_iter();
        let (numbers, failure) = walk(&mut items);
        if empty <= 3 {
            assert!(failure.is_none(), "{empty}: {failure:?}");
            assert_eq!(numbers, [0, 1, 2]);
        } else {
            assert_eq!(failure.unwrap().kind(), ErrorKind::Paging);
            assert_eq!((numbers, server.calls(), items.offset()), (vec![0], 5, 1));
        }
    }
}

// Paging by offsets.

#[test]
fn with_a_page_size_pages_are_asked_for_with_top_and_skip() {
    let server = ByOffset { rows: 5, cap: 100 }.start();
    assert_eq!(whole(machines(&server).page_size(2)), numbers(0..5));
    let queries = ["?$top=2", "?$top=2&$skip=2", "?$top=2&$skip=4"];
    assert_eq!(
        server.lines(),
        queries.map(|query| format!("{MACHINES}{query}"))
    );
}

#[test]
fn history_is_always_asked_for_with_top_and_skip_and_the_same_ids() {
    let server = ByOffset { rows: 5, cap: 100 }.start();
    let client = client(&server.url());
    let ids = vec!["b".to_owned(), "a".to_owned(), "b".to_owned()];
    let request = client.scan_history(&ids).skip(1).page_size(2).deserialize();
    assert_eq!(whole(request), numbers(1..5));
    let lines = ["?$top=2&$skip=1", "?$top=2&$skip=3", "?$top=2&$skip=5"];
    assert_eq!(
        server.lines(),
        lines.map(|query| format!("{HISTORY}{query}"))
    );
    for request in server.requests() {
        assert_eq!(request.text(), r#"{"ScanDefinitionIds":["b","a"]}"#);
        assert_eq!(request.header("content-type").unwrap(), "application/json");
    }
    let server = ByOffset {
        rows: 4_097,
        cap: 100_000,
    }
    .start();
    assert_eq!(whole(history(&server)), numbers(0..4_097));
    let lines = ["?$top=4096", "?$top=4096&$skip=4096"];
    assert_eq!(
        server.lines(),
        lines.map(|query| format!("{HISTORY}{query}"))
    );
}

#[test]
fn the_next_page_is_asked_for_behind_the_rows_received_not_those_asked_for() {
    // A service that caps `$top` without a word.
    let service = ByOffset { rows: 7, cap: 3 };
    let queries = [
        "?$top=5",
        "?$top=5&$skip=3",
        "?$top=5&$skip=6",
        "?$top=5&$skip=7",
    ];
    let server = service.start();
    assert_eq!(whole(machines(&server).page_size(5)), numbers(0..7));
    assert_eq!(
        server.lines(),
        queries.map(|query| format!("{MACHINES}{query}"))
    );
    let server = service.start();
    assert_eq!(whole(history(&server).page_size(5)), numbers(0..7));
    assert_eq!(
        server.lines(),
        queries.map(|query| format!("{HISTORY}{query}"))
    );
    let server = service.start();
    assert_eq!(whole(machines(&server).top(6)), numbers(0..6));
    assert_eq!(
        server.lines(),
        ["?$top=6", "?$top=3&$skip=3"].map(|query| format!("{MACHINES}{query}"))
    );
}

#[test]
fn a_walk_by_offsets_ends_where_the_list_is_known_to_end() {
    for (rows, cap, queries) in [
        // Nothing is nothing at once.
        (0, 9, vec!["?$top=2"]),
        // A first short page proves nothing.
        (1, 9, vec!["?$top=2", "?$top=2&$skip=1"]),
        // Nor does a full one, though it be the last.
        (2, 9, vec!["?$top=2", "?$top=2&$skip=2"]),
        (4, 9, vec!["?$top=2", "?$top=2&$skip=2", "?$top=2&$skip=4"]),
        // But a short one after a full one does.
        (3, 9, vec!["?$top=2", "?$top=2&$skip=2"]),
        // Unless no page was ever full.
        (
            3,
            1,
            vec![
                "?$top=2",
                "?$top=2&$skip=1",
                "?$top=2&$skip=2",
                "?$top=2&$skip=3",
            ],
        ),
    ] {
        for line in [MACHINES, HISTORY] {
            let server = ByOffset { rows, cap }.start();
            let found = if line == MACHINES {
                whole(machines(&server).page_size(2))
            } else {
                whole(history(&server).page_size(2))
            };
            assert_eq!(found, numbers(0..rows));
            let expected: Vec<_> = queries
                .iter()
                .map(|query| format!("{line}{query}"))
                .collect();
            assert_eq!(server.lines(), expected, "{rows} rows, {cap} a page");
        }
    }
}

#[test]
fn top_is_the_number_of_rows_in_all() {
    for (top, page_size, rows, queries) in [
        (0, None, 9, vec![]),
        (1, None, 9, vec!["?$top=1"]),
        (3, None, 3, vec!["?$top=3"]),
        (
            5,
            Some(2),
            9,
            vec!["?$top=2", "?$top=2&$skip=2", "?$top=1&$skip=4"],
        ),
        (4, Some(2), 9, vec!["?$top=2", "?$top=2&$skip=2"]),
        (2, Some(5), 9, vec!["?$top=2"]),
        (9, Some(2), 3, vec!["?$top=2", "?$top=2&$skip=2"]),
        (9, None, 3, vec!["?$top=9", "?$top=6&$skip=3"]),
    ] {
        for line in [MACHINES, HISTORY] {
            let server = ByOffset { rows, cap: 100 }.start();
            let (found, offset) = if line == MACHINES {
                let request = machines(&server).top(top);
                let request = match page_size {
                    Some(rows) => request.page_size(rows),
                    None => request,
                };
                let mut items = request.into_iter();
                (whole(&mut items), items.offset())
            } else {
                let request = history(&server).top(top);
                let request = match page_size {
                    Some(rows) => request.page_size(rows),
                    None => request,
                };
                let mut items = request.into_iter();
                (whole(&mut items), items.offset())
            };
            assert_eq!((found, offset), (numbers(0..rows.min(top)), rows.min(top)));
            let expected: Vec<_> = queries
                .iter()
                .map(|query| format!("{line}{query}"))
                .collect();
            assert_eq!(
                server.lines(),
                expected,
                "top {top} by {page_size:?} of {rows}"
            );
        }
    }
}

#[test]
fn top_beyond_what_a_call_may_ask_for_is_asked_for_in_pages() {
    let server = ByOffset {
        rows: 20_000,
        cap: 100_000,
    }
    .start();
    assert_eq!(whole(machines(&server).top(10_500)), numbers(0..10_500));
    let queries = ["?$top=10000", "?$top=500&$skip=10000"];
    assert_eq!(
        server.lines(),
        queries.map(|query| format!("{MACHINES}{query}"))
    );
    let server = ByOffset {
        rows: 20_000,
        cap: 100_000,
    }
    .start();
    assert_eq!(whole(history(&server).top(4_097)), numbers(0..4_097));
    let queries = ["?$top=4096", "?$top=1&$skip=4096"];
    assert_eq!(
        server.lines(),
        queries.map(|query| format!("{HISTORY}{query}"))
    );
}

#[test]
fn more_rows_than_asked_for_are_counted_as_they_come_and_cut_at_top() {
    let many = |_: &Request| Answer::json(page(0..5));
    let server = RawServer::new(many);
    assert_eq!(whole(machines(&server).top(3)), [0, 1, 2]);
    assert_eq!(server.calls(), 1);
    let server = RawServer::pages([page(0..5), page(5..6)]);
    assert_eq!(whole(machines(&server).page_size(2)), numbers(0..6));
    assert_eq!(server.lines()[1], format!("{MACHINES}?$top=2&$skip=5"));
}

#[test]
fn what_lies_behind_the_last_row_wanted_is_not_judged() {
    for body in [
        linked(0..2, "https://foreign.invalid/api/machines?$skip=2"),
        "{\"@odata.nextLink\":\"//foreign.invalid\",\"value\":[{\"n\":0},{\"n\":1}]}".to_owned(),
        "{\"value\":[{\"n\":0},{\"n\":1},{\"n\":\"PLANTED\"}]}".to_owned(),
        "{\"value\":[{\"n\":0},{\"n\":1},[1],x".to_owned(),
    ] {
        let server = RawServer::pages([body]);
        assert_eq!(whole(machines(&server).top(2)), [0, 1]);
        assert_eq!(server.calls(), 1);
        let pages: Result<Vec<Page<Row>>, Error> = machines(&server).top(2).pages().collect();
        assert_eq!(pages.unwrap()[0].next_skip, 2);
    }
}

#[test]
fn a_link_wins_over_offsets_and_offsets_go_on_where_links_end() {
    let script = |bodies: &[String]| RawServer::pages(bodies);
    // What the links bring counts towards the page that was asked for.
    let server = script(&[
        linked(0..1, "?page=b"),
        linked(1..2, "?page=c"),
        page(2..3),
        page(3..4),
        page(0..0),
    ]);
    assert_eq!(whole(machines(&server).page_size(3)), numbers(0..4));
    let queries = ["?$top=3", "?page=b", "?page=c", "?$top=3&$skip=3"];
    assert_eq!(
        server.lines(),
        queries.map(|query| format!("{MACHINES}{query}"))
    );
    // The same for a POST, whose ids go with every page.
    let server = script(&[
        linked(0..1, &format!("{}?x=1", &HISTORY[5..])),
        page(1..2),
        page(2..2),
    ]);
    assert_eq!(whole(history(&server).page_size(2)), [0, 1]);
    let queries = ["?$top=2", "?x=1", "?$top=2&$skip=2"];
    assert_eq!(
        server.lines(),
        queries.map(|query| format!("{HISTORY}{query}"))
    );
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.text().contains("an-id"))
    );
    // Top holds for rows that links bring, too.
    let server = script(&[linked(0..1, "?page=b"), linked(1..3, "?page=c")]);
    assert_eq!(whole(machines(&server).top(2)), [0, 1]);
    assert_eq!(server.calls(), 2);
}

#[test]
fn a_service_that_pays_no_heed_to_skip_is_an_error_and_no_endless_walk() {
    let server = RawServer::pages([page(0..2)]);
    let mut items = machines(&server).page_size(2).into_iter();
    let seen: Vec<_> = items.by_ref().take(10).collect();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[2].as_ref().unwrap_err().kind(), ErrorKind::Paging);
    assert!(items.next().is_none());
    assert_eq!((items.offset(), server.calls()), (2, 2));
}

#[test]
fn rows_that_all_look_alike_are_not_taken_for_a_circle() {
    // What `$select` leaves of a row may be the same in all of them.
    let service = ByOffset { rows: 5, cap: 100 };
    let server = RawServer::new(move |request| {
        let text = String::from_utf8(service.page(request)).unwrap();
        let alike = (0..5).fold(text, |text, n| text.replace(&format!(":{n}}}"), ":7}"));
        Answer::json(alike)
    });
    let request = machines(&server).query_option("$select", "n");
    assert_eq!(whole(request.clone().page_size(2)), [7; 5]);
    assert_eq!(whole(request.page_size(1)), [7; 5]);
}

#[test]
fn rows_that_come_twice_are_handed_out_twice() {
    let server = RawServer::pages([page(0..2), page(1..3), page(0..0)]);
    assert_eq!(whole(machines(&server).page_size(2)), [0, 1, 1, 2]);
}

#[test]
fn an_offset_that_can_not_be_counted_is_an_error() {
    let server = RawServer::pages([page(0..2)]);
    let mut items = machines(&server)
        .skip(u64::MAX - 2)
        .page_size(2)
        .into_iter();
    let (numbers, failure) = walk(&mut items);
    let error = failure.unwrap();
    assert_eq!((numbers, error.kind()), (vec![0, 1], ErrorKind::Paging));
    assert_eq!((items.offset(), server.calls()), (u64::MAX, 1));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_row_is_lost_or_repeated_however_the_service_pages(
        rows in 0..30_u64, cap in 1..12_u64, page_size in 1..12_u32, top in prop::option::of(0..35_u64),
        skip in 0..35_u64, pages in any::<bool>(),
    ) {
        let server = ByOffset { rows, cap }.start();
        let request = machines(&server).page_size(page_size).skip(skip);
        let request = match top {
            Some(top) => request.top(top),
            None => request,
        };
        let last = rows.min(top.map_or(rows, |top| skip + top));
        let expected = numbers(skip..last.max(skip));
        if pages {
            let pages: Vec<Page<Row>> = request.pages().collect::<Result<_, _>>().unwrap();
            let mut offset = skip;
            for page in &pages {
                prop_assert!(!page.items.is_empty());
                offset += u64::try_from(page.items.len()).unwrap();
                prop_assert_eq!(page.next_skip, offset);
            }
            let found: Vec<u64> = pages.into_iter().flatten().map(|row| row.n).collect();
            prop_assert_eq!(found, expected);
        } else {
            let mut items = request.into_iter();
            prop_assert_eq!(whole(&mut items), expected);
            prop_assert_eq!(items.offset(), last.max(skip));
        }
        // No more than one call that brings nothing.
        let per_call = cap.min(u64::from(page_size));
        let needed = last.saturating_sub(skip).div_ceil(per_call);
        prop_assert!(server.calls() <= usize::try_from(needed).unwrap() + 1, "{:?}", server.lines());
    }

    #[test]
    fn no_row_is_lost_or_repeated_along_links_of_any_length(
        sizes in prop::collection::vec(prop_oneof![1..9_u64, 1..9_u64, Just(0)], 1..9), skip in 0..3_u64,
    ) {
        let empty = sizes.split(|size| *size > 0).map(<[u64]>::len).max().unwrap_or(0);
        prop_assume!(empty <= 3);
        let ends: Vec<u64> = sizes.iter().scan(skip, |end, size| { *end += size; Some(*end) }).collect();
        let total = *ends.last().unwrap();
        let server = RawServer::new(move |request| {
            let call = usize::try_from(request.number("call").unwrap_or(0)).unwrap();
            let numbers = ends[call] - sizes[call]..ends[call];
            Answer::json(if call + 1 == sizes.len() {
                page(numbers)
            } else {
                linked(numbers, &format!("?call={}", call + 1))
            })
        });
        let mut items = machines(&server).skip(skip).into_iter();
        prop_assert_eq!(whole(&mut items), numbers(skip..total));
        prop_assert_eq!(items.offset(), total);
    }
}

// Not found.

/// Answers with which the service itself says 404.
const SERVICE_404: [&str; 3] = [
    "",
    "  \r\n",
    r#"{"error":{"code":"ResourceNotFound","message":"No machines.","target":"f0-0d"}}"#,
];

/// And with which somebody else does.
const FOREIGN_404: [&str; 4] = [
    "<html><body>Not Found</body></html>",
    "404 page not found",
    r#"{"statusCode":404,"message":"Resource not found"}"#,
    "[]",
];

#[test]
fn a_404_of_the_service_ends_the_machines_and_is_told() {
    for body in SERVICE_404 {
        let server = RawServer::script([Answer::new(404, &[], body)]);
        let mut items = machines(&server).into_iter();
        assert!(!items.ended_by_not_found());
        assert_eq!(whole(&mut items), numbers(0..0), "{body:?}");
        assert_eq!(
            (items.ended_by_not_found(), items.offset()),
            (true, 0),
            "{body:?}"
        );
        let mut pages = machines(&server).pages();
        assert!(
            pages.next().is_none() && pages.ended_by_not_found(),
            "{body:?}"
        );
        assert_eq!(server.calls(), 2);
        let server = RawServer::script([Answer::new(404, &[], gzip(body.as_bytes()))]);
        let mut items = machines(&server).into_iter();
        assert_eq!(
            (whole(&mut items), items.ended_by_not_found()),
            (vec![], true),
            "{body:?}"
        );
        // As the answer to a later page, by offsets and by link.
        for (first, query) in [
            (page(0..2), "?$top=2&$skip=2"),
            (linked(0..2, "?x=1"), "?x=1"),
        ] {
            let server = RawServer::script([Answer::json(first), Answer::new(404, &[], body)]);
            let mut items = machines(&server).page_size(2).into_iter();
            assert_eq!(whole(&mut items), [0, 1]);
            assert_eq!(
                (items.ended_by_not_found(), items.offset()),
                (true, 2),
                "{body:?}"
            );
            assert_eq!(server.lines()[1], format!("{MACHINES}{query}"));
        }
    }
}

#[test]
fn a_list_that_ends_with_its_last_page_did_not_end_by_not_found() {
    let server = RawServer::pages([page(0..0)]);
    let mut items = machines(&server).into_iter();
    assert_eq!(whole(&mut items), numbers(0..0));
    assert!(!items.ended_by_not_found());
    let mut pages = machines(&server).pages();
    assert!(pages.next().is_none() && !pages.ended_by_not_found());
}

#[test]
fn a_404_of_anybody_else_is_not_found() {
    let plain = FOREIGN_404.map(|body| body.as_bytes().to_vec());
    let compressed = FOREIGN_404.map(|body| gzip(body.as_bytes()));
    for body in plain.into_iter().chain(compressed) {
        let server = RawServer::script([Answer::new(404, &[("Content-Type", "text/html")], body)]);
        let mut items = machines(&server).into_iter();
        let (numbers, failure) = walk(&mut items);
        let error = failure.expect("somebody's 404 was taken for the end");
        assert_eq!(
            (numbers, error.kind(), error.status()),
            (vec![], ErrorKind::NotFound, Some(404))
        );
        assert!(!error.is_retryable() && !items.ended_by_not_found());
        assert_eq!(server.calls(), 1);
    }
}

#[test]
fn a_404_of_any_other_list_is_not_found() {
    for body in SERVICE_404 {
        let server = RawServer::script([Answer::new(404, &[], body)]);
        let client = client(&server.url());
        let mut items = history(&server).into_iter();
        let (_, failure) = walk(&mut items);
        assert!(!items.ended_by_not_found());
        let errors = [
            failure.unwrap(),
            client.scan_agents().unwrap_err(),
            client.scan_definitions().unwrap_err(),
            client.scan_agent("an-id").unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                (error.kind(), error.status()),
                (ErrorKind::NotFound, Some(404)),
                "{error}"
            );
        }
    }
}

// Where a walk stands when it breaks off.

/// Answers the calls before the bad one as `good` does, and the bad one and all that follow with
/// this.
fn failing(good: ByOffset, bad_call: usize, bad: Answer) -> RawServer {
    let mut calls = 0;
    RawServer::new(move |request| {
        calls += 1;
        if calls > bad_call {
            bad.clone()
        } else {
            good.answer(request)
        }
    })
}

#[test]
fn after_an_error_at_a_page_boundary_all_before_it_was_handed_out_and_a_second_walk_completes_it() {
    let service = ByOffset { rows: 8, cap: 100 };
    let refusal = || {
        Answer::new(
            400,
            &[],
            r#"{"error":{"code":"BadRequest","message":"no"}}"#,
        )
    };
    for bad_call in 0..4_u64 {
        let calls = usize::try_from(bad_call).unwrap();
        let at = bad_call * 3;
        let server = failing(service, calls, refusal());
        let mut items = machines(&server).page_size(3).into_iter();
        let (mut found, failure) = walk(&mut items);
        if bad_call == 3 {
            assert!(failure.is_none());
            assert_eq!(found, numbers(0..8));
            continue;
        }
        let error = failure.unwrap();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Status, Some(400))
        );
        assert_eq!((found.clone(), items.offset()), (numbers(0..at), at));
        assert_eq!(
            server.calls(),
            calls + 1,
            "after the error nothing more is asked"
        );
        let server = service.start();
        found.extend(whole(machines(&server).page_size(3).skip(items.offset())));
        assert_eq!(found, numbers(0..8));

        let server = failing(service, calls, refusal());
        let mut pages = machines(&server).page_size(3).pages();
        let mut found = Vec::new();
        let error = loop {
            match pages.next().unwrap() {
                Ok(page) => {
                    assert_eq!(page.next_skip, pages.offset());
                    found.extend(page.into_iter().map(|row| row.n));
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Status);
        assert!(pages.next().is_none() && pages.next().is_none());
        assert_eq!((found.clone(), pages.offset()), (numbers(0..at), at));
        let server = service.start();
        found.extend(whole(machines(&server).page_size(3).skip(pages.offset())));
        assert_eq!(found, numbers(0..8));
    }
}

#[test]
fn a_walk_that_breaks_off_within_a_page_is_completed_from_its_offset() {
    let service = ByOffset { rows: 8, cap: 100 };
    let json = [("Content-Type", "application/json")];
    let text = page(3..6);
    for cut in 1..text.len() {
        // Without a length: only the decoder can see that the second page is cut.
        let damaged = Answer::without_length(200, &json, &text.as_bytes()[..cut]);
        let server = RawServer::new(move |request| match request.number("$skip") {
            Some(skip) if skip >= 3 => damaged.clone(),
            _ => service.answer(request),
        });
        let mut items = machines(&server).page_size(3).into_iter();
        let (mut found, failure) = walk(&mut items);
        let error = failure.unwrap();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Transport, true),
            "{error}"
        );
        let at = items.offset();
        assert_eq!(found, numbers(0..at), "cut at {cut}");
        let mut pages = machines(&server).page_size(3).pages();
        assert_eq!(pages.next().unwrap().unwrap().next_skip, 3);
        assert!(pages.next().unwrap().is_err() && pages.next().is_none());
        assert_eq!(pages.offset(), 3);
        let server = service.start();
        found.extend(whole(machines(&server).page_size(3).skip(at)));
        assert_eq!(found, numbers(0..8), "cut at {cut}");
    }
}

#[test]
fn a_malformed_row_is_one_error_that_skip_steps_over() {
    for bad in [r#"{"n":"PLANTED"}"#, r#"{"m":1}"#, "[7]", "null", "7"] {
        for at in 0..8_u64 {
            let service = move |request: &Request| {
                let text = String::from_utf8(ByOffset { rows: 8, cap: 100 }.page(request)).unwrap();
                Answer::json(text.replace(&format!("{{\"n\":{at}}}"), bad))
            };
            let server = RawServer::new(service);
            let mut items = machines(&server).page_size(3).into_iter();
            let (mut found, failure) = walk(&mut items);
            let error = failure.unwrap();
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Decode, false)
            );
            let text = error.to_string();
            assert!(text.contains(&format!("at row {at} of the list")), "{text}");
            assert!(
                !format!("{error:?}{error:#?}").contains("PLANTED"),
                "{error:?}"
            );
            assert_eq!((found.clone(), items.offset()), (numbers(0..at), at));
            found.extend(whole(
                machines(&server).page_size(3).skip(items.offset() + 1),
            ));
            let rest: Vec<u64> = (0..8).filter(|n| *n != at).collect();
            assert_eq!(found, rest);

            // Pages: not even the rows before it on its page.
            let mut pages = machines(&server).page_size(3).pages();
            let whole_pages = at / 3 * 3;
            let good: Vec<u64> = pages
                .by_ref()
                .map_while(Result::ok)
                .flatten()
                .map(|row| row.n)
                .collect();
            assert_eq!(
                (good, pages.offset()),
                (numbers(0..whole_pages), whole_pages)
            );
            assert!(pages.next().is_none());
        }
    }
}

impl ByOffset {
    fn page(self, request: &Request) -> Vec<u8> {
        let skip = request.number("$skip").unwrap_or(0).min(self.rows);
        let top = request.number("$top").unwrap_or(u64::MAX).min(self.cap);
        page(skip..skip.saturating_add(top).min(self.rows)).into_bytes()
    }
}

#[test]
fn the_offset_is_right_behind_every_row_and_every_page() {
    for skip in [0, 5] {
        let server = ByOffset { rows: 12, cap: 100 }.start();
        let mut items = machines(&server).page_size(3).skip(skip).into_iter();
        for n in skip..12 {
            assert_eq!(items.offset(), n);
            assert_eq!(items.next().unwrap().unwrap().n, n);
        }
        assert_eq!(items.offset(), 12);
        assert!(items.next().is_none());
        assert_eq!(items.offset(), 12);
        let mut pages = machines(&server).page_size(3).skip(skip).pages();
        let mut offset = skip;
        while let Some(page) = pages.next() {
            let page = page.unwrap();
            assert_eq!(page.items[0].n, offset);
            offset += u64::try_from(page.items.len()).unwrap();
            assert_eq!((page.next_skip, pages.offset()), (offset, offset));
        }
        assert_eq!((offset, pages.offset()), (12, 12));
    }
}

#[test]
fn a_page_is_handed_out_before_the_error_of_the_way_on_from_it() {
    let server = RawServer::pages([linked(0..2, "https://foreign.invalid/api/machines?$skip=2")]);
    let mut pages = machines(&server).pages();
    let first = pages.next().unwrap().unwrap();
    assert_eq!(
        (first.items.len(), first.next_skip, pages.offset()),
        (2, 2, 2)
    );
    assert_eq!(pages.next().unwrap().unwrap_err().kind(), ErrorKind::Paging);
    assert!(pages.next().is_none());
    assert_eq!((pages.offset(), server.calls()), (2, 1));
}

#[test]
fn empty_pages_are_not_handed_out() {
    let server = RawServer::pages([linked(0..0, "?x=1"), linked(0..2, "?x=2"), page(2..2)]);
    let pages: Vec<Page<Row>> = machines(&server).pages().collect::<Result<_, _>>().unwrap();
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0].items, [Row { n: 0 }, Row { n: 1 }]);
}

#[test]
fn flattening_a_walk_that_fails_comes_to_an_end() {
    // An iterator that gave its error again and again would hang the test below.
    fn ends<T, I: Iterator<Item = Result<T, Error>>>(walk: impl Fn() -> I, good: usize) {
        assert!(walk().take(10).count() <= good + 1, "errors without end");
        assert_eq!(walk().flatten().count(), good);
    }
    let bodies = [
        page(0..3).replace("\"n\":1", "\"n\":null"),
        "<html>".to_owned(),
        linked(0..1, "https://foreign.invalid/api/machines?$skip=1"),
    ];
    for (body, (rows, pages)) in bodies.into_iter().zip([(1, 0), (0, 0), (1, 1)]) {
        let server = RawServer::pages([body]);
        ends(|| machines(&server).into_iter(), rows);
        ends(|| machines(&server).pages(), pages);
    }
    let server = RawServer::script([Answer::new(403, &[], "")]);
    ends(|| machines(&server).into_iter(), 0);
    ends(|| machines(&server).page_size(0).into_iter(), 0);
}

// Pages that arrive damaged, and may be whole when they are fetched again.

/// A request of a client that tries again.
fn persistent(server: &RawServer) -> ListMachines<Row> {
    let client = builder(&server.url()).retry_policy(RetryPolicy::default());
    client.build().unwrap().machines().deserialize()
}

/// A body without its end, which only the decoder can see.
fn damaged(body: &str, length: usize) -> Answer {
    let json = [("Content-Type", "application/json")];
    Answer::without_length(200, &json, &body.as_bytes()[..length])
}

#[test]
fn a_page_damaged_once_at_any_byte_is_asked_for_again_and_no_row_is_lost_or_repeated() {
    for (first, bad, queries) in [
        (page(0..3), page(3..5), ["?$top=3", "?$top=3&$skip=3"]),
        (linked(0..3, "?x=1"), linked(3..5, ""), ["?$top=3", "?x=1"]),
    ] {
        for cut in 1..bad.len() {
            let server = RawServer::script([
                Answer::json(&first),
                damaged(&bad, cut),
                Answer::json(&bad),
                Answer::json(page(5..5)),
            ]);
            let mut items = persistent(&server).page_size(3).into_iter();
            for n in 0..5 {
                assert_eq!(items.next().unwrap().unwrap().n, n, "cut at {cut}");
                assert_eq!(items.offset(), n + 1, "cut at {cut}");
            }
            assert!(items.next().is_none(), "cut at {cut}");
            assert_eq!(items.pages_read(), 2 + u64::from(server.calls() == 4));
            let [first_query, bad_query] = queries.map(|query| format!("{MACHINES}{query}"));
            let expected = [first_query, bad_query.clone(), bad_query];
            assert_eq!(server.lines()[..3], expected, "cut at {cut}");
        }
        let server = RawServer::script([
            Answer::json(&first),
            damaged(&bad, bad.len() - 5),
            Answer::json(&bad),
            Answer::json(page(5..5)),
        ]);
        let pages: Vec<Page<Row>> = persistent(&server)
            .page_size(3)
            .pages()
            .collect::<Result<_, _>>()
            .unwrap();
        let ends: Vec<u64> = pages.iter().map(|page| page.next_skip).collect();
        assert_eq!((ends, pages[1].items.len()), (vec![3, 5], 2));
    }
}

#[test]
fn every_page_of_a_walk_may_be_damaged_once_and_none_twice() {
    let mut calls = 0;
    let server = RawServer::new(move |request| {
        calls += 1;
        let from = request.number("x").unwrap_or(0);
        let whole = if from == 12 {
            page(12..14)
        } else {
            linked(from..from + 3, &format!("?x={}", from + 3))
        };
        let half = whole.len() / 2;
        if calls % 2 == 1 {
            damaged(&whole, half)
        } else {
            Answer::json(whole)
        }
    });
    assert_eq!(whole(persistent(&server)), numbers(0..14));
    assert_eq!(server.calls(), 10);

    let bad = page(3..6);
    for first in [linked(0..3, "?x=1"), page(0..3)] {
        for cut in 1..bad.len() {
            // The second answer is damaged too, at the same place or only further on.
            for second in [cut, bad.len() - 1] {
                let server = RawServer::script([
                    Answer::json(&first),
                    damaged(&bad, cut),
                    damaged(&bad, second),
                    Answer::json(&bad),
                ]);
                let mut items = persistent(&server).page_size(3).into_iter();
                let (numbers, failure) = walk(&mut items);
                let error = failure.unwrap();
                let told = (error.kind(), error.is_retryable());
                assert_eq!(told, (ErrorKind::Transport, true), "cut at {cut}: {error}");
                assert_eq!(
                    numbers,
                    (0..items.offset()).collect::<Vec<_>>(),
                    "cut at {cut}"
                );
                assert_eq!(server.calls(), 3, "cut at {cut}");
            }
        }
    }
}

#[test]
fn the_second_answer_for_a_damaged_page_decides_what_comes_after_it() {
    let bad = linked(0..4, "?old=1");
    let early = "{\"@odata.nextLink\":\"?old=1\",\"value\":[{\"n\":0},{\"n\":1},".to_owned();
    for bad in [damaged(&bad, 30), damaged(&early, early.len())] {
        // Another link, and more rows.
        let server = RawServer::script([
            bad.clone(),
            Answer::json(linked(0..6, "?new=1")),
            Answer::json(page(6..7)),
        ]);
        assert_eq!(whole(persistent(&server)), numbers(0..7));
        assert_eq!(server.lines()[2], format!("{MACHINES}?new=1"));
        // Fewer rows than were handed out: none is repeated.
        let server = RawServer::script([bad.clone(), Answer::json(page(0..1))]);
        let mut items = persistent(&server).into_iter();
        assert_eq!(whole(&mut items), numbers(0..items.offset()));
        // No such page any more.
        let server = RawServer::script([bad.clone(), Answer::new(404, &[], "")]);
        let mut items = persistent(&server).into_iter();
        let rows = whole(&mut items);
        assert_eq!(
            (rows, items.ended_by_not_found()),
            (numbers(0..items.offset()), true)
        );
        assert_eq!(server.calls(), 2);
        // An error.
        let server = RawServer::script([bad.clone(), Answer::new(403, &[], "")]);
        let mut items = persistent(&server).into_iter();
        let (rows, failure) = walk(&mut items);
        assert_eq!(failure.unwrap().kind(), ErrorKind::Forbidden);
        assert_eq!((rows, server.calls()), (numbers(0..items.offset()), 2));
    }
}

#[test]
fn what_is_whole_and_wrong_is_not_asked_for_again_nor_is_anything_without_retries() {
    for body in [
        page(0..3).replace("\"n\":1", "\"n\":null"),
        page(0..3) + "x",
        "{\"value\":{}}".to_owned(),
        "<html>".to_owned(),
        "{\"value\":[[1]]}".to_owned(),
    ] {
        let server = RawServer::pages([&body]);
        let (_, failure) = walk(persistent(&server));
        assert_eq!(
            (failure.unwrap().kind(), server.calls()),
            (ErrorKind::Decode, 1),
            "{body}"
        );
    }
    let server = RawServer::script([damaged(&page(0..3), 20), Answer::json(page(0..3))]);
    let (_, failure) = walk(machines(&server));
    assert_eq!(
        (failure.unwrap().kind(), server.calls()),
        (ErrorKind::Transport, 1)
    );
}

// Nothing is done before it is asked for.

#[test]
fn nothing_is_sent_before_the_first_next_and_no_page_is_fetched_ahead() {
    let server = ByOffset { rows: 4, cap: 100 }.start();
    let request = machines(&server).page_size(2);
    let copy = request.clone();
    let shown = format!("{request:?} {}", request.url());
    let mut items = request.iter();
    let mut pages = request.clone().pages();
    let shown = format!("{shown} {items:?} {pages:?}");
    assert!(!shown.contains(TOKEN));
    assert_eq!((items.offset(), pages.offset(), server.calls()), (0, 0, 0));
    for (row, calls) in [(0, 1), (1, 1), (2, 2), (3, 2)] {
        assert_eq!(items.next().unwrap().unwrap().n, row);
        assert_eq!(server.calls(), calls, "at row {row}");
    }
    assert!(items.next().is_none());
    assert_eq!(server.calls(), 3);
    for calls in [4, 5] {
        pages.next().unwrap().unwrap();
        assert_eq!(server.calls(), calls);
    }
    // A walk that is given up asks for nothing more.
    drop((items, pages, copy));
    assert_eq!(server.calls(), 5);
}

#[test]
fn url_is_what_is_sent_first() {
    let server = ByOffset { rows: 1, cap: 100 }.start();
    let client = client(&server.url());
    let filter =
        field::HEALTH_STATUS.ne(HealthStatus::Active) & Filter::raw("x eq 'ü&$top=1 +%27#?'");
    let requests = [
        client.machines(),
        client.machines().skip(7),
        client.machines().top(3),
        client.machines().top(30_000).skip(1),
        client.machines().page_size(10).top(3).skip(2),
        client.machines().page_size(10_000),
        client
            .machines()
            .query_option("$orderby", "lastSeen desc")
            .query_option("pageSize", "1"),
        client
            .machines()
            .filter(filter)
            .query_option("a&b=c#", "ü +%&=")
            .page_size(5),
    ];
    for request in requests {
        let (url, before) = (request.url(), server.calls());
        drop(request.deserialize::<Row>().iter().next());
        assert_eq!(server.lines()[before].replace("GET ", &server.url()), url);
    }
    let history = client.scan_history(["a"]).skip(3).page_size(4);
    let before = server.calls();
    drop(history.clone().deserialize::<Row>().iter().next());
    assert_eq!(
        server.lines()[before].replace("POST ", &server.url()),
        history.url()
    );
}

#[test]
fn requests_can_be_cloned_kept_and_walked_again() {
    let server = ByOffset { rows: 3, cap: 100 }.start();
    let request = machines(&server).page_size(2).top(3);
    let copy = request.clone();
    for _ in 0..2 {
        assert_eq!(whole(&request), [0, 1, 2]);
    }
    assert_eq!(whole(request.iter()), [0, 1, 2]);
    assert_eq!(whole(copy.skip(1)), [1, 2]);
    assert_eq!(whole(request), [0, 1, 2]);
    let request = history(&server).page_size(2);
    let copy = request.clone();
    assert_eq!(
        (whole(&request), whole(copy)),
        (numbers(0..3), numbers(0..3))
    );
    assert_eq!(whole(request), numbers(0..3));
}

#[test]
fn walks_can_be_sent_to_another_thread_and_requests_shared() {
    fn movable<T: Send + 'static>(_: &T) {}
    fn shared<T: Clone + Debug + Send + Sync + 'static>(_: &T) {}
    let server = ByOffset { rows: 3, cap: 100 }.start();
    let client = client(&server.url());
    let machines: Items<Machine> = client.machines().into_iter();
    let machine_pages: Pages<Machine> = client.machines().pages();
    let sessions: Items<ScanHistoryEntry> = client.scan_history(["a"]).into_iter();
    let session_pages: Pages<ScanHistoryEntry> = client.scan_history(["a"]).pages();
    movable(&machines);
    movable(&machine_pages);
    movable(&sessions);
    movable(&session_pages);
    shared(&client.machines());
    shared(&client.scan_history(["a"]));
    let mut items = client.machines().deserialize::<Row>().into_iter();
    assert_eq!(items.next().unwrap().unwrap().n, 0);
    let rest = std::thread::spawn(move || whole(items)).join().unwrap();
    assert_eq!(rest, [1, 2]);
}

// What can just be asked for, and what comes back of it.

#[test]
fn the_largest_page_sizes_and_queries_and_many_ids_are_sent() {
    let server = ByOffset { rows: 0, cap: 100 }.start();
    let client = client(&server.url());
    assert_eq!(
        whole(client.machines().page_size(10_000).deserialize()),
        numbers(0..0)
    );
    assert_eq!(
        whole(client.machines().page_size(1).deserialize()),
        numbers(0..0)
    );
    let long = client.machines().query_option("a", "x".repeat(16_000));
    assert_eq!(whole(long.deserialize()), numbers(0..0));
    let ids: Vec<String> = (0..10_000).map(|n| format!("id-{}", n % 5_000)).collect();
    assert_eq!(
        whole(client.scan_history(&ids).page_size(4_096).deserialize()),
        numbers(0..0)
    );
    let requests = server.requests();
    let body: BTreeMap<String, Vec<String>> = serde_json::from_str(requests[3].text()).unwrap();
    assert_eq!(body["ScanDefinitionIds"], ids[..5_000]);
    let queries = ["?$top=10000", "?$top=1"].map(|query| format!("{MACHINES}{query}"));
    assert_eq!(server.lines()[..2], queries);
}

#[test]
fn a_blank_200_is_tried_once_more() {
    for blank in [" ", "\r\n", "\u{FEFF}"] {
        let server = RawServer::script([Answer::json(blank), Answer::json(page(0..1))]);
        assert_eq!(whole(persistent(&server)), [0], "{blank:?}");
        let server = RawServer::script([Answer::json(blank)]);
        let (_, failure) = walk(persistent(&server));
        assert_eq!(
            (failure.unwrap().kind(), server.calls()),
            (ErrorKind::Decode, 2)
        );
    }
    let server = RawServer::script([Answer::gzip(""), Answer::json(page(0..1))]);
    assert_eq!(whole(persistent(&server)), [0]);
}
