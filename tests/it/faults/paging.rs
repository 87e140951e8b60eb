//! Paging: links that lead astray, lists that change, walks that break off (F60 to F76).

use std::ops::Range;

use defender_endpoint::machines::ListMachines;
use defender_endpoint::scan_history::ListScanHistory;
use defender_endpoint::{Client, Error, ErrorKind, Page, RateLimits, RetryPolicy};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::Deserialize;

use crate::paging::{
    ByOffset, HISTORY, MACHINES, Row, history, linked, machines, numbers, page, persistent, walk,
    whole,
};
use crate::support::raw::{Answer, Forbidden, RawServer, Request, gzip};
use crate::support::{TOKEN, builder, client};

// Links that lead astray. The clients try again what they may: a call more would be seen.

/// Links to another host or port than the configured origin's, `127.0.0.1:{port}`, many of them to
/// one that nobody may connect to, `127.0.0.1:{other}`.
const FOREIGN_HOSTS: &[&str] = &[
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
    "https://xn--pi-6kc.securitycenter.microsoft.com/api/machines?$skip=1",
    "https://api。securitycenter.microsoft.com/api/machines?$skip=1",
    "https://ａpi.securitycenter.microsoft.com/api/machines?$skip=1",
    "https://api.security\u{ad}center.microsoft.com/api/machines?$skip=1",
    "https://api.securitycenter.microsoft.com\0.foreign.invalid/api/machines?$skip=1",
    "http://127.0.0.1\t:{port}/api/machines?$skip=1",
    "http://127.0.0.1:{port}:{other}/api/machines?$skip=1",
    "http://127.0.0.1:{port}\r\nHost: x/api/machines?$skip=1",
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
];

/// What is no link of http or https, or not of the origin's scheme.
const FOREIGN_SCHEMES: &[&str] = &[
    "https://127.0.0.1:{port}/api/machines?$skip=1",
    "http://api.securitycenter.microsoft.com/api/machines?$skip=1",
    "http://api.securitycenter.microsoft.com:443/api/machines?$skip=1",
    "//127.0.0.1:{port}/api/machines?$skip=1",
    "//127.0.0.1:{other}/api/machines?$skip=1",
    "///api/machines?$skip=1",
    "\\\\127.0.0.1:{other}/api/machines?$skip=1",
    "/\\127.0.0.1:{other}/api/machines?$skip=1",
    "http:/127.0.0.1:{other}/api/machines?$skip=1",
    "http:127.0.0.1:{other}/api/machines?$skip=1",
    "http:\\\\127.0.0.1:{other}\\api\\machines?$skip=1",
    " http://127.0.0.1:{other}/api/machines?$skip=1",
    "ws://127.0.0.1:{port}/api/machines?$skip=1",
    "ftp://127.0.0.1:{port}/api/machines?$skip=1",
    "file:///api/machines?$skip=1",
    "file:/api/machines?$skip=1",
    "javascript:alert(1)",
    "javascript://127.0.0.1:{port}/api/machines?$skip=1",
    "data:application/json,?$skip=1",
    "://127.0.0.1:{port}/api/machines?$skip=1",
    "127.0.0.1:{port}/api/machines?$skip=1",
];

/// Other paths of the same origin.
const FOREIGN_PATHS: &[&str] = &[
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

/// A server whose first page of machines has two rows and this link, in which `{port}` is its own.
fn leading_to(link: &str) -> RawServer {
    let link = link.to_owned();
    RawServer::new(move |request| {
        let host = request.header("host").unwrap();
        let (_, port) = host.rsplit_once(':').unwrap();
        let link = link.replace("{port}", port);
        let first = request.line() == MACHINES;
        Answer::json(if first {
            linked(0..2, &link)
        } else {
            page(2..3)
        })
    })
}

/// Each of the links ends a walk behind the rows before it, and nothing is sent because of it: not
/// to the host it names, and not to the configured one either.
fn refused(links: &[&str]) {
    let forbidden = Forbidden::new();
    for link in links {
        let link = link.replace("{other}", &forbidden.port().to_string());
        let server = leading_to(&link);
        let mut items = persistent(&server).into_iter();
        let (numbers, failure) = walk(&mut items);
        let error = failure.unwrap_or_else(|| panic!("{link} was followed"));
        assert_eq!((numbers, items.offset()), (vec![0, 1], 2), "{link}");
        assert_eq!(
            (error.kind(), error.is_retryable(), error.attempts()),
            (ErrorKind::Paging, false, 1),
            "{link}"
        );
        assert!(
            error
                .to_string()
                .starts_with("GET /api/machines: the next link"),
            "{error}"
        );
        let shown = format!("{error:?} {error:#?}");
        assert!(
            !shown.contains("skip=1") && !shown.contains("user:"),
            "{shown}"
        );
        assert_eq!(server.lines(), [MACHINES], "{link}");
        assert_eq!(server.connections(), 1, "{link}");
        forbidden.assert_untouched();
    }
}

/// F60: a link to another host or port, by whatever trick, gets no connection and so no token.
#[test]
fn a_link_to_another_host_gets_no_connection() {
    refused(FOREIGN_HOSTS);
}

/// F60: the error for a link to another host names that host.
#[test]
fn the_error_for_a_foreign_link_names_the_host() {
    for (link, host) in [
        (
            "https://Foreign.invalid/api/machines?$skip=1",
            "foreign.invalid",
        ),
        ("http://127.0.0.1:9/api/machines?$skip=1", "127.0.0.1"),
        (
            "https://a.api.securitycenter.microsoft.com/api/machines?$skip=1",
            "(a.api.securitycenter.microsoft.com",
        ),
    ] {
        let (_, failure) = walk(persistent(&leading_to(link)));
        let text = failure.unwrap().to_string();
        assert!(
            text.contains(host) && text.contains("nothing was sent there"),
            "{text}"
        );
    }
}

/// F60: the same holds for the pages of a walk, for lists that are fetched whole, and for a POST.
#[test]
fn no_list_follows_a_link_to_another_host() {
    let forbidden = Forbidden::new();
    let link = |path: &str| format!("http://{}{path}?$skip=1", forbidden.host());
    let server = leading_to(&link("/api/machines"));
    let mut pages = persistent(&server).pages();
    assert_eq!(pages.next().unwrap().unwrap().items.len(), 2);
    assert_eq!(pages.next().unwrap().unwrap_err().kind(), ErrorKind::Paging);
    assert!(pages.next().is_none());

    let (_, path) = HISTORY.split_once(' ').unwrap();
    let server = RawServer::pages([linked(0..2, &link(path))]);
    let (numbers, failure) = walk(history(&server).page_size(2));
    assert_eq!(
        (numbers, failure.unwrap().kind()),
        (vec![0, 1], ErrorKind::Paging)
    );

    for (path, list) in LISTS {
        let body = format!(
            r#"{{"value":[{{"id":"a"}}],"@odata.nextLink":"{}"}}"#,
            link(path)
        );
        let server = RawServer::pages([body]);
        let error = list(&client(&server.url())).unwrap_err();
        assert_eq!((error.kind(), server.calls()), (ErrorKind::Paging, 1));
    }
    forbidden.assert_untouched();
}

/// F61: a link of another scheme, or of none where a host should be, is refused.
#[test]
fn a_link_of_another_scheme_is_refused() {
    refused(FOREIGN_SCHEMES);
}

/// F60, F62: a link that is relative, writes the host in another case or the default port out, or
/// names another host of the service, is followed, and to the configured origin.
#[test]
fn a_link_of_the_service_is_followed_to_the_configured_origin() {
    for link in [
        "?$skip=2",
        "/api/machines?$skip=2",
        "/API/Machines?$skip=2",
        "http://127.0.0.1:{port}/api/machines?$skip=2",
        "HTTP://127.0.0.1:{port}/API/MACHINES?$skip=2",
        "https://api.securitycenter.microsoft.com/api/machines?$skip=2",
        "https://api.securitycenter.microsoft.com:443/api/machines?$skip=2",
        "HTTPS://API.SecurityCenter.Microsoft.COM/Api/Machines?$skip=2",
        "https://api-eu.securitycenter.microsoft.com/api/machines?$skip=2",
        "https://eu.api.security.microsoft.com/api/machines?$skip=2",
        "https://api-gov.securitycenter.microsoft.us/api/machines?$skip=2",
    ] {
        let server = leading_to(link);
        assert_eq!(whole(persistent(&server)), [0, 1, 2], "{link}");
        let expected = [MACHINES, &format!("{MACHINES}?$skip=2")];
        assert_eq!(server.lines(), expected, "{link}");
        for request in server.requests() {
            let bearer = request.header("authorization").unwrap();
            assert_eq!(bearer, format!("Bearer {TOKEN}"), "{link}");
        }
    }
}

/// F62: a host name in another case is the same host.
#[test]
fn a_host_name_in_another_case_is_the_same_host() {
    let server = leading_to("http://LocalHost:{port}/api/machines?$skip=2");
    let client = client(&format!("http://localhost:{}", server.port()));
    assert_eq!(whole(client.machines().deserialize()), [0, 1, 2]);
}

/// F63: a link to another path of the same host is refused, as is one that leads nowhere.
#[test]
fn a_link_to_another_path_is_refused() {
    refused(FOREIGN_PATHS);
}

/// The ids of a list that is fetched whole.
type Ids = fn(&Client) -> Result<Vec<String>, Error>;

/// What a row of scan history has in these tests.
#[derive(Deserialize)]
struct Session {
    id: String,
}

fn sessions(history: ListScanHistory) -> Result<Vec<String>, Error> {
    let sessions = history.deserialize::<Session>().into_iter();
    sessions.map(|session| Ok(session?.id)).collect()
}

/// The lists but that of the machines, each with its first request.
const LISTS: [(&str, Ids); 4] = [
    ("GET /api/DeviceAuthenticatedScanAgents", |client| {
        let agents = client.scan_agents()?;
        Ok(agents.into_iter().map(|agent| agent.id).collect())
    }),
    ("GET /api/DeviceAuthenticatedScanDefinitions", |client| {
        let definitions = client.scan_definitions()?;
        Ok(definitions.into_iter().map(|it| it.id).collect())
    }),
    (
        "POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId?$top=2",
        |client| sessions(client.scan_history(["an-id"]).top(2)),
    ),
    (
        "POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryBySessionId",
        |client| sessions(client.scan_history_by_session(["an-id"])),
    ),
];

/// F63: the links of every list are followed on its own path only, not on another list's.
#[test]
fn links_of_every_list_are_followed_on_its_own_path_only() {
    let entity = |id: &str, link: &str| {
        format!("{{\"value\":[{{\"id\":\"{id}\"}}],\"@odata.nextLink\":\"{link}\"}}")
    };
    // The request for the rows behind the first, and the link to them.
    let next = |line: &str| format!("{}?$skip=1", line.split('?').next().unwrap());
    let link = |line: &str| next(line).split_once(' ').unwrap().1.to_owned();
    for (line, list) in LISTS {
        let server = RawServer::pages([entity("a", &link(line)), entity("b", "")]);
        assert_eq!(list(&client(&server.url())).unwrap(), ["a", "b"]);
        assert_eq!(server.lines(), [line.to_owned(), next(line)]);
        for (foreign, _) in LISTS.into_iter().filter(|(other, _)| *other != line) {
            let server = RawServer::pages([entity("a", &link(foreign))]);
            let error = list(&client(&server.url())).unwrap_err();
            assert_eq!((error.kind(), server.calls()), (ErrorKind::Paging, 1));
        }
    }
}

// Walks that come nowhere.

/// A walk along links that never ends by itself. `links` gives the link of each page, counted from
/// 1, and `calls` is how many may be made before that is noticed.
fn circling(links: impl Fn(usize) -> String + Send + 'static, calls: usize) {
    let mut called = 0;
    let server = RawServer::new(move |_| {
        let n = u64::try_from(called).unwrap();
        called += 1;
        Answer::json(linked(n..n + 1, &links(called)))
    });
    let mut items = persistent(&server).into_iter();
    let (found, failure) = walk(&mut items);
    let error = failure.unwrap();
    assert_eq!(
        (error.kind(), error.is_retryable(), error.attempts()),
        (ErrorKind::Paging, false, 1)
    );
    assert!(error.to_string().contains("leads back"), "{error}");
    assert_eq!(server.calls(), calls, "{:?}", server.lines());
    // A row of each page that was fetched.
    let rows = u64::try_from(calls).unwrap();
    assert_eq!((found, items.offset()), (numbers(0..rows), rows));
}

/// F64: the same link again is an error.
#[test]
fn the_same_link_again_is_an_error() {
    circling(|_| "?$skiptoken=a".to_owned(), 2);
    circling(|_| "?$skip=1".to_owned(), 2);
    // The same, only written otherwise: another host of the service, another case.
    let starts = [
        "",
        "/api/machines",
        "/API/machines",
        "https://api.security.microsoft.com/api/machines",
    ];
    circling(move |call| format!("{}?$skiptoken=a", starts[call % 4]), 2);
}

/// F65: links that take turns, two or three of them, are an error when the first comes again.
#[test]
fn a_link_from_before_is_an_error() {
    circling(|call| format!("?$skiptoken={}", ["a", "b"][call % 2]), 3);
    circling(
        |call| format!("?$skiptoken={}", ["a", "b", "c"][call % 3]),
        4,
    );
}

/// F66: a link that grows while its `$skip` stays, or shrinks, is an error.
#[test]
fn a_link_whose_skip_does_not_grow_is_an_error() {
    circling(|call| format!("?{}&$skip=10000", "&=10000".repeat(call)), 2);
    circling(
        |call| format!("?{}&%24Skip=10000", "&=10000".repeat(call)),
        2,
    );
    circling(
        |call| format!("?$skip=1%30000{}", "&=10000".repeat(call)),
        2,
    );
    circling(|call| format!("?$skip={}", 100 - call), 2);
    circling(|call| format!("?$skip={}", [6, 5, 7][call % 3]), 3);
    circling(|_| "?$skip=0".to_owned(), 1);
    circling(|call| format!("?$skip=0&n={call}"), 1);
}

/// F66, F75: the same where `$skip` is more than can be counted.
#[test]
fn a_skip_that_can_not_be_counted_does_not_grow() {
    let largest = u64::MAX;
    circling(move |call| format!("?$skip={largest}&n={call}"), 2);
    circling(move |call| format!("?$skip={largest}0&n={call}"), 2);
}

/// F66: so is a link that leads back before the start of the walk.
#[test]
fn a_link_that_leads_back_before_the_start_of_the_walk_is_an_error() {
    let server = RawServer::pages([linked(7..8, "?$skip=5")]);
    let mut items = persistent(&server).skip(7).into_iter();
    let (numbers, failure) = walk(&mut items);
    assert_eq!(
        (numbers, failure.unwrap().kind()),
        (vec![7], ErrorKind::Paging)
    );
    assert_eq!((items.offset(), server.calls()), (8, 1));
}

/// F66: and one that leads back before the page it stands on.
#[test]
fn a_link_that_leads_back_before_the_page_it_stands_on_is_an_error() {
    for link in ["?$skip=1", "?$skip=2", "/api/machines?$top=2&$skip=2"] {
        let server = RawServer::pages([page(0..2), linked(2..4, link)]);
        let (numbers, failure) = walk(persistent(&server).page_size(2));
        assert_eq!(numbers, [0, 1, 2, 3], "{link}");
        assert_eq!(failure.unwrap().kind(), ErrorKind::Paging, "{link}");
        assert_eq!(server.calls(), 2, "{link}");
    }
}

/// F66: without links, a service that answers every `$skip` with the same rows is an error and no
/// endless walk.
#[test]
fn a_service_that_pays_no_heed_to_skip_is_an_error() {
    // A full page and a short one.
    for page_size in [2, 3] {
        let server = RawServer::pages([page(0..2)]);
        let mut items = persistent(&server).page_size(page_size).into_iter();
        let (numbers, failure) = walk(&mut items);
        let error = failure.unwrap();
        assert_eq!(numbers, [0, 1]);
        assert_eq!(
            (error.kind(), error.is_retryable(), error.attempts()),
            (ErrorKind::Paging, false, 1)
        );
        assert_eq!((items.offset(), server.calls()), (2, 2));
        let server = RawServer::pages([page(0..2)]);
        let (numbers, failure) = walk(history(&server).page_size(page_size));
        assert_eq!(
            (numbers, failure.unwrap().kind()),
            (vec![0, 1], ErrorKind::Paging)
        );
        assert_eq!(server.calls(), 2);
    }
}

/// F67: up to three empty pages in a row with links are borne; a fourth is an error.
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
        let mut items = persistent(&server).into_iter();
        let (numbers, failure) = walk(&mut items);
        if empty <= 3 {
            assert!(failure.is_none(), "{empty}: {failure:?}");
            assert_eq!(numbers, [0, 1, 2]);
        } else {
            let error = failure.unwrap();
            assert_eq!(error.kind(), ErrorKind::Paging);
            assert!(error.to_string().contains("three empty pages"), "{error}");
            assert_eq!((numbers, server.calls(), items.offset()), (vec![0], 5, 1));
        }
    }
}

/// F68: a link of null or of nothing is the end, before the rows and behind them.
#[test]
fn a_link_of_null_or_nothing_is_the_end() {
    for link in ["null", "\"\""] {
        for body in [
            format!("{{\"@odata.nextLink\":{link},\"value\":[{{\"n\":0}}]}}"),
            format!("{{\"value\":[{{\"n\":0}}],\"@odata.nextLink\":{link}}}"),
        ] {
            let server = RawServer::pages([body]);
            assert_eq!(whole(persistent(&server)), [0], "{link}");
            assert_eq!(server.calls(), 1);
        }
    }
}

/// F68: a link that is no text is an error in the page's shape, and not the end of the list.
#[test]
fn a_link_that_is_no_text_is_an_error() {
    for link in ["5", "0", "true", "false", "[]", "{}", "[\"?$skip=1\"]"] {
        for (body, rows) in [
            (
                format!("{{\"@odata.nextLink\":{link},\"value\":[{{\"n\":0}}]}}"),
                0,
            ),
            (
                format!("{{\"value\":[{{\"n\":0}}],\"@odata.nextLink\":{link}}}"),
                1,
            ),
        ] {
            let server = RawServer::pages([body]);
            let mut items = persistent(&server).into_iter();
            let (found, failure) = walk(&mut items);
            let error = failure.unwrap_or_else(|| panic!("{link} was taken for the end"));
            assert_eq!((found, items.offset()), (numbers(0..rows), rows), "{link}");
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Decode, false)
            );
            assert!(error.to_string().contains("the next link"), "{error}");
            assert_eq!(server.calls(), 1);
        }
    }
}

// Pages that are shorter or longer than they should be.

/// F69: where there are links, they alone decide: a short or empty page with one is not the last,
/// and a full page without one is.
#[test]
fn where_there_are_links_they_decide_what_is_the_last_page() {
    let server = RawServer::new(|request| {
        Answer::json(match request.number("$skip") {
            None => linked(0..3, "?$skip=3"),
            Some(3) => linked(3..4, "?$skip=4"),
            Some(4) => linked(4..4, "?$skip=5"),
            Some(5) => linked(4..5, "?$skip=6"),
            Some(_) => page(5..10_005),
        })
    });
    let mut items = persistent(&server).into_iter();
    assert_eq!(whole(&mut items), numbers(0..10_005));
    assert_eq!((items.offset(), server.calls()), (10_005, 5));
    assert!(!items.ended_by_not_found());
}

/// F69: by `$top` and `$skip`, the end is an empty page, or a short one after a full one.
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

/// F70: where the service puts fewer rows on a page than were asked for, without a word, the next
/// one is asked for behind those that came.
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

/// F70: the same for the most that a call may ask for, of which the service gives a part.
#[test]
fn a_service_that_caps_its_largest_pages_loses_no_row() {
    let service = ByOffset {
        rows: 2_500,
        cap: 1_000,
    };
    let server = service.start();
    assert_eq!(
        whole(persistent(&server).page_size(10_000)),
        numbers(0..2_500)
    );
    let skips = ["", "&$skip=1000", "&$skip=2000", "&$skip=2500"];
    assert_eq!(
        server.lines(),
        skips.map(|skip| format!("{MACHINES}?$top=10000{skip}"))
    );
    let server = service.start();
    assert_eq!(whole(history(&server)), numbers(0..2_500));
    assert_eq!(
        server.lines(),
        skips.map(|skip| format!("{HISTORY}?$top=4096{skip}"))
    );
}

/// F71: rows that come twice are handed out twice, and a total that changes changes nothing.
#[test]
fn rows_that_come_twice_are_handed_out_twice() {
    let counted =
        |body: String, count: &str| body.replacen('{', &format!("{{\"@odata.count\":{count},"), 1);
    let server = RawServer::pages([
        counted(page(0..2), "2"),
        counted(page(1..3), "9999999999999999999999"),
        counted(page(0..0), "-1"),
    ]);
    assert_eq!(whole(persistent(&server).page_size(2)), [0, 1, 1, 2]);
    let server = RawServer::pages([
        counted(linked(0..2, "?x=1"), "5"),
        counted(linked(1..3, "?x=2"), "null"),
        counted(page(0..3), "\"three\""),
    ]);
    let mut items = persistent(&server).into_iter();
    assert_eq!(whole(&mut items), [0, 1, 1, 2, 0, 1, 2]);
    assert_eq!((items.offset(), items.pages_read()), (7, 3));
    // Within a page, too.
    let server = RawServer::pages(["{\"value\":[{\"n\":1},{\"n\":1}]}"]);
    assert_eq!(whole(persistent(&server)), [1, 1]);
}

// Walks that break off.

/// A service of so many rows that puts so many on a page and sends links.
#[derive(Clone, Copy, Debug)]
struct ByLink {
    rows: u64,
    size: u64,
}

impl ByLink {
    fn page(self, request: &Request) -> String {
        let from = request.number("$skip").unwrap_or(0).min(self.rows);
        let to = from.saturating_add(self.size).min(self.rows);
        if to == self.rows {
            page(from..to)
        } else {
            linked(from..to, &format!("/api/machines?$skip={to}"))
        }
    }
}

/// The page that a request asks for.
type Pager = fn(&Request) -> String;

/// Eight machines, three on a page, by links and by offsets; and the page size to ask for.
const PAGERS: [(Pager, Option<u32>); 2] = [
    (|request| ByLink { rows: 8, size: 3 }.page(request), None),
    (
        |request| ByOffset { rows: 8, cap: 100 }.page(request),
        Some(3),
    ),
];

/// A request to the service of a pager, of a client that tries again.
fn asking(server: &RawServer, page_size: Option<u32>) -> ListMachines<Row> {
    match page_size {
        Some(rows) => persistent(server).page_size(rows),
        None => persistent(server),
    }
}

/// Answers the calls before the bad one as `good` does, and the bad one and all that follow with
/// this.
fn failing(good: Pager, bad_call: usize, bad: Answer) -> RawServer {
    let mut calls = 0;
    RawServer::new(move |request| {
        calls += 1;
        if calls > bad_call {
            bad.clone()
        } else {
            Answer::json(good(request))
        }
    })
}

/// What may befall a page for good: the answer, the kind of the error, and how often a client with
/// the default policy asks for the page before it gives up.
fn for_good() -> Vec<(Answer, ErrorKind, u32)> {
    let refusal = r#"{"error":{"code":"BadRequest","message":"no"}}"#;
    let html = [("Content-Type", "text/html")];
    let body = page(3..6);
    let zipped = gzip(&body);
    vec![
        (Answer::new(400, &[], refusal), ErrorKind::Status, 1),
        (Answer::new(401, &[], refusal), ErrorKind::Unauthorized, 1),
        (Answer::new(403, &[], ""), ErrorKind::Forbidden, 1),
        (Answer::new(404, &html, "<html>"), ErrorKind::NotFound, 1),
        (
            Answer::new(302, &[("Location", "/x")], ""),
            ErrorKind::Redirect,
            1,
        ),
        (Answer::new(206, &[], &body), ErrorKind::Status, 1),
        (Answer::new(200, &html, "<html>"), ErrorKind::Decode, 1),
        (Answer::json("{\"value\":{}}"), ErrorKind::Decode, 1),
        (
            Answer::new(429, &[("Retry-After", "7")], ""),
            ErrorKind::Throttled,
            4,
        ),
        (Answer::new(503, &[], ""), ErrorKind::Server, 4),
        (Answer::nothing(), ErrorKind::Transport, 4),
        (Answer::nothing().reset(), ErrorKind::Transport, 4),
        (Answer::json(&body).cut(5), ErrorKind::Transport, 4),
        (Answer::json(&body).cut(5).reset(), ErrorKind::Transport, 4),
        (Answer::chunked(&body, 4).cut(5), ErrorKind::Transport, 4),
        // What only the decoder sees is fetched once more.
        (Answer::json(""), ErrorKind::Decode, 2),
        (Answer::json(" "), ErrorKind::Decode, 2),
        (Answer::json(&body[..1]), ErrorKind::Transport, 2),
        (Answer::gzipped(&zipped[..12]), ErrorKind::Transport, 2),
    ]
}

/// F72: whatever befalls a page for good, everything before it was handed out, then comes exactly
/// one error, then nothing for ever; and a second walk from the offset completes the list.
#[test]
fn an_error_at_a_page_boundary_comes_once_behind_all_before_it_and_a_second_walk_completes_it() {
    for (bad, kind, asked) in for_good() {
        for (pager, page_size) in PAGERS {
            for before in 0..3_u64 {
                let (at, calls) = (before * 3, usize::try_from(before).unwrap());
                let told = format!("{bad:?} at row {at}, page size {page_size:?}");
                let resumed = |from: u64| {
                    let server = RawServer::new(move |request| Answer::json(pager(request)));
                    whole(asking(&server, page_size).skip(from))
                };

                let server = failing(pager, calls, bad.clone());
                let mut items = asking(&server, page_size).into_iter();
                let (mut found, failure) = walk(&mut items);
                let error = failure.unwrap();
                assert_eq!((error.kind(), error.attempts()), (kind, asked), "{told}");
                assert_eq!((&found, items.offset()), (&numbers(0..at), at), "{told}");
                // And after it nothing more is asked.
                assert_eq!(
                    server.calls(),
                    calls + usize::try_from(asked).unwrap(),
                    "{told}"
                );
                found.extend(resumed(items.offset()));
                assert_eq!(found, numbers(0..8), "{told}");

                let server = failing(pager, calls, bad.clone());
                let mut pages = asking(&server, page_size).pages();
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
                assert_eq!(error.kind(), kind, "{told}");
                assert!(pages.next().is_none() && pages.next().is_none());
                assert_eq!((&found, pages.offset()), (&numbers(0..at), at), "{told}");
                found.extend(resumed(pages.offset()));
                assert_eq!(found, numbers(0..8), "{told}");
            }
        }
    }
}

/// F72: a page that breaks off within a row is one error, too, and the walk is completed from there.
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

/// F72: a row that can't be decoded is one error, and the next walk may step over it.
#[test]
fn a_malformed_row_is_one_error_that_skip_steps_over() {
    for bad in [r#"{"n":"PLANTED"}"#, r#"{"m":1}"#, "[7]", "null", "7"] {
        for at in 0..8_u64 {
            let service = move |request: &Request| {
                let text = ByOffset { rows: 8, cap: 100 }.page(request);
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

/// F72: page by page, the page in front of a bad link is handed out before the error.
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

/// F72: a caller who leaves out the errors is not kept for ever.
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

// What is no page, and pages of any size.

/// F73: no `value`, or one that is null or no array, is an error and never «no machines».
#[test]
fn a_page_without_rows_in_value_is_an_error_and_not_an_empty_list() {
    for body in [
        "{}",
        r#"{"value":null}"#,
        r#"{"value":{"n":1}}"#,
        r#"{"value":"[]"}"#,
        r#"{"value":0}"#,
        r#"{"Value":[]}"#,
        r#"{"@odata.nextLink":"?$skip=1"}"#,
        r#"{"error":{"code":"x"}}"#,
    ] {
        let server = RawServer::pages([body]);
        let mut items = persistent(&server).into_iter();
        let (numbers, failure) = walk(&mut items);
        let error = failure.unwrap_or_else(|| panic!("{body} was taken for no machines"));
        assert_eq!((numbers, items.offset()), (vec![], 0));
        assert_eq!(
            (error.kind(), error.is_retryable(), error.attempts()),
            (ErrorKind::Decode, false, 1),
            "{body}"
        );
        assert!(error.to_string().contains("`value`"), "{error}");
        assert!(!items.ended_by_not_found());
        assert_eq!(server.calls(), 1, "{body}");
        for (_, list) in LISTS {
            let error = list(&client(&server.url())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        }
    }
}

/// F74: a page of more rows than documented is a page, up to the limit of bytes.
#[test]
fn a_page_of_more_rows_than_documented_is_a_page() {
    for rows in [10_001, 50_000] {
        let body = page(0..rows);
        let size = u64::try_from(body.len()).unwrap();
        let server = RawServer::sending(Answer::gzip(body));
        assert_eq!(whole(persistent(&server)), numbers(0..rows));
        assert_eq!(server.calls(), 1);
        let client = builder(&server.url())
            .retry_policy(RetryPolicy::default())
            .body_limit(size - 1)
            .build()
            .unwrap();
        let mut items = client.machines().deserialize().into_iter();
        let (found, failure) = walk(&mut items);
        assert_eq!(failure.unwrap().kind(), ErrorKind::TooLarge);
        assert_eq!(found, numbers(0..items.offset()));
        assert_eq!(server.calls(), 2);
    }
}

/// F75: an offset that can't be counted is an error behind the rows, however the walk came there.
#[test]
fn an_offset_that_can_not_be_counted_is_an_error() {
    for (skip, rows) in [
        (u64::MAX - 2, 2),
        (u64::MAX - 1, 1),
        (u64::MAX - 1, 2),
        (u64::MAX, 2),
    ] {
        let server = RawServer::pages([page(0..rows)]);
        let mut items = persistent(&server).skip(skip).page_size(2).into_iter();
        let (found, failure) = walk(&mut items);
        let error = failure.unwrap_or_else(|| panic!("{skip} and {rows} rows"));
        assert_eq!((found, error.kind()), (numbers(0..rows), ErrorKind::Paging));
        assert!(!error.is_retryable());
        assert_eq!((items.offset(), server.calls()), (u64::MAX, 1));
        assert_eq!(server.lines(), [format!("{MACHINES}?$top=2&$skip={skip}")]);
    }
}

/// F75: nor does anything overflow along links, with `top`, or page by page.
#[test]
fn the_largest_numbers_overflow_nowhere() {
    let most = u64::MAX;
    let server = RawServer::pages([linked(0..2, "?x=1"), page(2..4)]);
    let mut items = persistent(&server).skip(most).into_iter();
    assert_eq!(whole(&mut items), numbers(0..4));
    assert_eq!(items.offset(), most);
    let server = RawServer::pages([page(0..2), page(2..2)]);
    assert_eq!(whole(persistent(&server).top(most)), [0, 1]);
    assert_eq!(server.lines()[0], format!("{MACHINES}?$top=10000"));
    let server = RawServer::pages([page(0..2)]);
    assert_eq!(whole(persistent(&server).skip(most).top(2)), [0, 1]);
    let mut pages = persistent(&server).skip(most).top(most).pages();
    let first = pages.next().unwrap().unwrap();
    assert_eq!((first.next_skip, pages.offset()), (most, most));
    assert_eq!(pages.next().unwrap().unwrap_err().kind(), ErrorKind::Paging);
    assert!(pages.next().is_none());
}

/// F76: nothing is sent before it is asked for, no page is fetched ahead, and a walk that is given
/// up asks for nothing more.
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

// Any list, cut in any way.

/// A row whose name has characters of two and of four bytes, for pieces to fall into.
#[derive(Debug, PartialEq, Deserialize)]
struct Named {
    n: u64,
    name: String,
}

impl Named {
    fn new(n: u64) -> Self {
        Self {
            n,
            name: format!("Gerät {n} 😀"),
        }
    }

    fn page(numbers: Range<u64>, link: Option<&str>) -> String {
        let rows: Vec<String> = numbers
            .map(|n| format!("{{\"n\":{n},\"name\":\"{}\"}}", Self::new(n).name))
            .collect();
        let link = link.map_or(String::new(), |link| {
            format!(",\"@odata.nextLink\":\"{link}\"")
        });
        format!("{{\"value\":[{}]{link}}}", rows.join(","))
    }
}

/// How a body is put on the wire.
#[derive(Clone, Debug)]
enum Wire {
    Length,
    NoLength,
    Chunked(usize),
}

/// How a page comes: compressed or not, in members that end anywhere, in chunks of any size, in
/// pieces of any size.
#[derive(Clone, Debug)]
struct Way {
    /// Where one gzip member ends and the next begins; not compressed at all if there are none.
    members: Option<Vec<Index>>,
    wire: Wire,
    pieces: Vec<usize>,
}

impl Way {
    fn answer(&self, text: &str) -> Answer {
        let body = match &self.members {
            None => text.as_bytes().to_vec(),
            Some(cuts) => {
                let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
                cuts.push(text.len());
                cuts.sort_unstable();
                let starts = std::iter::once(0).chain(cuts.iter().copied());
                let members = starts
                    .zip(&cuts)
                    .map(|(from, to)| &text.as_bytes()[from..*to]);
                members.flat_map(gzip).collect()
            }
        };
        let json = [("Content-Type", "application/json")];
        let answer = match self.wire {
            Wire::Length => Answer::new(200, &json, body),
            Wire::NoLength => Answer::without_length(200, &json, body),
            Wire::Chunked(size) => Answer::chunked(body, size),
        };
        answer.in_pieces(self.pieces.clone())
    }
}

fn way() -> impl Strategy<Value = Way> {
    let members = prop::option::of(prop::collection::vec(any::<Index>(), 0..3));
    let wire = prop_oneof![
        Just(Wire::Length),
        Just(Wire::NoLength),
        (1..40_usize).prop_map(Wire::Chunked),
    ];
    let pieces = prop_oneof![
        Just(vec![usize::MAX]),
        prop::collection::vec(1..90_usize, 1..5),
        prop::collection::vec(select(vec![3, 50, 400]), 1..4),
    ];
    (members, wire, pieces).prop_map(|(members, wire, pieces)| Way {
        members,
        wire,
        pieces,
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Item by item and page by page, what is handed out is the list, in order, once.
    #[test]
    fn what_is_handed_out_is_the_list_however_it_is_cut_into_pages_and_pages_into_pieces(
        sizes in prop::collection::vec(0..7_u64, 1..7), ways in prop::collection::vec(way(), 1..4),
        by_links in any::<bool>(), in_pages in any::<bool>(), limit in 1..9_u32,
    ) {
        // Empty pages are told by links alone, and no more than three of them in a row.
        let sizes: Vec<u64> = sizes.iter().map(|size| if by_links { *size } else { size + 1 }).collect();
        let empty = sizes.split(|size| *size > 0).map(<[u64]>::len).max().unwrap_or(0);
        prop_assume!(empty <= 3);
        let rows: u64 = sizes.iter().sum();
        let service = ByOffset { rows, cap: sizes[0].max(1) };
        let pages = sizes.len();
        let mut calls = 0;
        let server = RawServer::new(move |request| {
            let way = &ways[calls % ways.len()];
            calls += 1;
            way.answer(&if by_links {
                let page = usize::try_from(request.number("page").unwrap_or(0)).unwrap();
                let from: u64 = sizes[..page].iter().sum();
                let next = format!("?page={}", page + 1);
                let link = (page + 1 < pages).then_some(next.as_str());
                Named::page(from..from + sizes[page], link)
            } else {
                Named::page(service.numbers(request), None)
            })
        });
        let request = client(&server.url()).machines().deserialize::<Named>();
        let request = if by_links { request } else { request.page_size(limit) };
        let expected: Vec<Named> = (0..rows).map(Named::new).collect();
        if in_pages {
            let pages: Vec<Page<Named>> = request.pages().collect::<Result<_, _>>().unwrap();
            let found: Vec<Named> = pages.into_iter().flatten().collect();
            prop_assert_eq!(found, expected);
        } else {
            let mut items = request.into_iter();
            let found: Vec<Named> = items.by_ref().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(items.offset(), rows);
        }
    }
}

/// A machine of which only the id is wanted.
#[derive(Deserialize)]
struct Id {
    id: String,
}

fn id(n: u64) -> String {
    format!("m-{n:06}")
}

/// The exchange that goes wrong, in one of many ways.
fn wrong(nth: usize, body: &str) -> Answer {
    let json = [("Content-Type", "application/json")];
    let half = body.len() / 2;
    let zipped = || {
        let mut deflating = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::Write::write_all(&mut deflating, body.as_bytes()).unwrap();
        deflating.finish().unwrap()
    };
    match nth % 12 {
        0 => Answer::new(503, &[], ""),
        1 => Answer::nothing().reset(),
        2 => Answer::json(body).cut(half),
        3 => {
            let zipped = zipped();
            Answer::gzipped(&zipped[..zipped.len() / 2])
        }
        4 => Answer::new(429, &[("Retry-After", "3")], "slow down"),
        5 => Answer::nothing(),
        6 => Answer::json(body).cut(half).reset(),
        7 => {
            let mut zipped = zipped();
            let sum = zipped.len() - 8;
            zipped[sum] ^= 1;
            Answer::gzipped(zipped)
        }
        8 => Answer::json(""),
        9 => Answer::chunked(body, 1_000).cut(half),
        10 => Answer::without_length(200, &json, &body[..half]),
        _ => Answer::new(
            504,
            &[("Content-Type", "text/html")],
            "<html>Gateway</html>",
        ),
    }
}

/// A hundred thousand machines through a service that fails every third exchange, each time in
/// another way: all of them come, in order, once, and no call is made in vain.
#[test]
fn a_hundred_thousand_machines_come_once_and_in_order_though_every_third_exchange_fails() {
    const ROWS: u64 = 100_000;
    const SIZE: u64 = 500;
    for by_links in [true, false] {
        let mut calls = 0;
        let server = RawServer::new(move |request| {
            calls += 1;
            let from = request.number("$skip").unwrap_or(0).min(ROWS);
            let to = (from + SIZE).min(ROWS);
            let rows: Vec<String> = (from..to)
                .map(|n| format!("{{\"id\":\"{}\"}}", id(n)))
                .collect();
            let link = if by_links && to < ROWS {
                format!("\"@odata.nextLink\":\"/api/machines?$skip={to}\",")
            } else {
                String::new()
            };
            let body = format!("{{{link}\"value\":[{}]}}", rows.join(","));
            if calls % 3 == 0 {
                wrong(calls / 3, &body)
            } else {
                Answer::json(body)
            }
        });
        let client = builder(&server.url())
            .retry_policy(RetryPolicy::default())
            .rate_limits(RateLimits::documented())
            .build()
            .unwrap();
        let request = client.machines().deserialize::<Id>();
        let request = if by_links {
            request
        } else {
            request.page_size(u32::try_from(SIZE).unwrap())
        };
        let mut items = request.into_iter();
        let mut found = 0;
        for row in items.by_ref() {
            assert_eq!(row.unwrap().id, id(found));
            found += 1;
        }
        assert_eq!((found, items.offset()), (ROWS, ROWS));
        // 200 pages, by offsets an empty one behind them; and each failure costs one call.
        let pages = 200 + usize::from(!by_links);
        assert_eq!(server.calls() - server.calls() / 3, pages);
    }
}
