//! Walks: which page is asked for next, when a walk ends, and where it stands when it breaks off.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;

use defender_endpoint::filter::Filter;
use defender_endpoint::machines::{HealthStatus, ListMachines, Machine, field};
use defender_endpoint::scan_history::{ListScanHistory, ScanHistoryEntry};
use defender_endpoint::{Error, ErrorKind, Items, Page, Pages, RetryPolicy};
use proptest::prelude::*;
use serde::Deserialize;

use crate::support::raw::{Answer, RawServer, Request};
use crate::support::{builder, client};

pub(crate) const MACHINES: &str = "GET /api/machines";
pub(crate) const HISTORY: &str =
    "POST /api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId";

/// A row of the lists here: its number in the list.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub(crate) struct Row {
    pub(crate) n: u64,
}

fn rows(numbers: Range<u64>) -> String {
    let rows: Vec<String> = numbers.map(|n| format!("{{\"n\":{n}}}")).collect();
    rows.join(",")
}

/// A page of the rows with these numbers.
pub(crate) fn page(numbers: Range<u64>) -> String {
    format!("{{\"value\":[{}]}}", rows(numbers))
}

/// The same with a link to a next page.
pub(crate) fn linked(numbers: Range<u64>, link: &str) -> String {
    let link = serde_json::to_string(link).unwrap();
    format!(
        "{{\"value\":[{}],\"@odata.nextLink\":{link}}}",
        rows(numbers)
    )
}

pub(crate) fn machines(server: &RawServer) -> ListMachines<Row> {
    client(&server.url()).machines().deserialize()
}

pub(crate) fn history(server: &RawServer) -> ListScanHistory<Row> {
    client(&server.url()).scan_history(["an-id"]).deserialize()
}

/// Walks to the end and past it. The numbers of the rows, and the error if there was one.
pub(crate) fn walk(
    items: impl IntoIterator<Item = Result<Row, Error>>,
) -> (Vec<u64>, Option<Error>) {
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

pub(crate) fn whole(items: impl IntoIterator<Item = Result<Row, Error>>) -> Vec<u64> {
    let (numbers, failure) = walk(items);
    assert!(failure.is_none(), "{failure:?}");
    numbers
}

pub(crate) fn numbers(range: Range<u64>) -> Vec<u64> {
    range.collect()
}

/// A service of so many rows that pages by `$top` and `$skip` and sends no links.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByOffset {
    pub(crate) rows: u64,
    /// The most rows that it puts on a page, whatever `$top` says.
    pub(crate) cap: u64,
}

impl ByOffset {
    /// The rows that a request asks for.
    pub(crate) fn numbers(self, request: &Request) -> Range<u64> {
        let skip = request.number("$skip").unwrap_or(0).min(self.rows);
        let top = request.number("$top").unwrap_or(u64::MAX).min(self.cap);
        skip..skip.saturating_add(top).min(self.rows)
    }

    pub(crate) fn page(self, request: &Request) -> String {
        page(self.numbers(request))
    }

    pub(crate) fn answer(self, request: &Request) -> Answer {
        Answer::json(self.page(request))
    }

    pub(crate) fn start(self) -> RawServer {
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
            Some("3") => linked(3..6, &link("$skip=6")),
            Some(_) => page(6..8),
        })
    });
    let mut items = machines(&server).into_iter();
    assert_eq!(whole(&mut items), numbers(0..8));
    assert_eq!((items.offset(), items.ended_by_not_found()), (8, false));
    let queries = ["", "?$skip=3", "?$skip=6"];
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
fn rows_that_all_look_alike_are_not_taken_for_a_circle() {
    // What `$select` leaves of a row may be the same in all of them.
    let service = ByOffset { rows: 5, cap: 100 };
    let server = RawServer::new(move |request| {
        let text = service.page(request);
        let alike = (0..5).fold(text, |text, n| text.replace(&format!(":{n}}}"), ":7}"));
        Answer::json(alike)
    });
    let request = machines(&server).query_option("$select", "n");
    assert_eq!(whole(request.clone().page_size(2)), [7; 5]);
    assert_eq!(whole(request.page_size(1)), [7; 5]);
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

// Where a walk stands when it breaks off.

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
fn empty_pages_are_not_handed_out() {
    let server = RawServer::pages([linked(0..0, "?x=1"), linked(0..2, "?x=2"), page(2..2)]);
    let pages: Vec<Page<Row>> = machines(&server).pages().collect::<Result<_, _>>().unwrap();
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0].items, [Row { n: 0 }, Row { n: 1 }]);
}

// Pages that arrive damaged, and may be whole when they are fetched again.

/// A request of a client that tries again.
pub(crate) fn persistent(server: &RawServer) -> ListMachines<Row> {
    let client = builder(&server.url()).retry_policy(RetryPolicy::default());
    client.build().unwrap().machines().deserialize()
}

/// A body without its end, which only the decoder can see.
pub(crate) fn damaged(body: &str, length: usize) -> Answer {
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
        // An error. A 404 is one too: that there are no rows can't be, of a page that had some.
        for (status, kind) in [(403, ErrorKind::Forbidden), (404, ErrorKind::NotFound)] {
            let server = RawServer::script([bad.clone(), Answer::new(status, &[], "")]);
            let mut items = persistent(&server).into_iter();
            let (rows, failure) = walk(&mut items);
            assert_eq!(failure.unwrap().kind(), kind);
            assert_eq!((rows, server.calls()), (numbers(0..items.offset()), 2));
            assert!(!items.ended_by_not_found());
        }
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
    movable(&client.machines_by_id(["a"]).into_iter());
    shared(&client.machines_by_id(["a"]));
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
