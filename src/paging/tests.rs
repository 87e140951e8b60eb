//! Walks against a service in memory: every call, page and row is counted.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use super::listing::URL_LIMIT;
use super::*;
use crate::AccessToken;
use crate::call::Operation;
use crate::call::rig::Rig;
use crate::error::ErrorKind;
use crate::http::Method;
use crate::http::memory::{Failure, Received, Reply, Script, Step, Then};
use crate::permissions;
use crate::rate_limit::Api;
use crate::retry::RetryPolicy;

static THINGS: Operation = Operation {
    method: Method::Get,
    path: "/api/things",
    api: Api::Machines,
    permissions: &permissions::MACHINES,
    writes: None,
};

const BY_LINKS: PageSizes = PageSizes::ServiceChooses { most: 100 };
const BY_OFFSETS: PageSizes = PageSizes::CallerChooses { most: 4 };

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Row {
    n: u64,
}

fn rows(numbers: Range<u64>) -> String {
    let rows: Vec<String> = numbers.map(|n| format!("{{\"n\":{n}}}")).collect();
    rows.join(",")
}

/// A page of the rows with these numbers.
fn page(numbers: Range<u64>) -> Reply {
    Reply::json(format!("{{\"value\":[{}]}}", rows(numbers)))
}

/// The same with a link to a next page.
fn linked(numbers: Range<u64>, link: &str) -> Reply {
    let link = serde_json::to_string(link).unwrap();
    Reply::json(format!(
        "{{\"value\":[{}],\"@odata.nextLink\":{link}}}",
        rows(numbers)
    ))
}

fn script<S: Into<Step>>(steps: impl IntoIterator<Item = S>) -> Rig {
    Rig::new(Script::new(steps))
}

fn listing(sizes: PageSizes) -> Listing {
    Listing::new(&THINGS, sizes)
}

fn items(rig: &Rig, listing: &Listing) -> Items<Row> {
    Items::new(Walk::new(Arc::clone(&rig.shared), listing.clone()))
}

fn pages(rig: &Rig, listing: &Listing) -> Pages<Row> {
    Pages::new(Walk::new(Arc::clone(&rig.shared), listing.clone()))
}

/// Walks to the end and past it: the numbers of the rows, and the error if there was one.
fn walk(items: &mut Items<Row>) -> (Vec<u64>, Option<Error>) {
    let mut numbers = Vec::new();
    let mut failure = None;
    for row in items.by_ref() {
        assert!(failure.is_none(), "there is something behind the error");
        match row {
            Ok(row) => numbers.push(row.n),
            Err(error) => failure = Some(error),
        }
    }
    assert!(items.next().is_none());
    (numbers, failure)
}

/// The numbers of all rows, where there is no error.
fn whole(rig: &Rig, listing: &Listing) -> Vec<u64> {
    let (numbers, failure) = walk(&mut items(rig, listing));
    if let Some(error) = failure {
        panic!("{error:?}");
    }
    numbers
}

/// The error that comes after these rows.
fn failure_after(rows: Range<u64>, rig: &Rig, listing: &Listing) -> Error {
    let (numbers, failure) = walk(&mut items(rig, listing));
    assert_eq!(numbers, rows.collect::<Vec<_>>());
    failure.expect("an error")
}

fn numbers(range: Range<u64>) -> Vec<u64> {
    range.collect()
}

/// The queries that were sent.
fn queries(rig: &Rig) -> Vec<String> {
    let requests = rig.memory.requests().into_iter();
    let queries = requests.map(|sent| {
        let (path, query) = sent.target.split_once('?').unwrap_or((&sent.target, ""));
        assert_eq!(path, "/api/things");
        query.to_owned()
    });
    queries.collect()
}

/// A list of so many rows that gives as many as it is asked for, but never more than `cap`.
fn fleet(total: u64, cap: u64) -> Rig {
    Rig::new(move |sent: &Received| {
        let number = |name| sent.option(name).map(|text| text.parse::<u64>().unwrap());
        let skip = number("$skip").unwrap_or(0).min(total);
        let top = number("$top").unwrap_or(u64::MAX).min(cap);
        page(skip..skip.saturating_add(top).min(total))
    })
}

#[test]
fn a_list_that_ends_on_its_first_page_is_one_call() {
    let page = r#"{"value":[{"id":"a"},{"id":"b"}]}"#;
    let rig = script([Reply::json(page).gzip().chunks(9)]);
    let mut machines = rig.client().machines().into_iter();
    let ids: Vec<String> = machines
        .by_ref()
        .map(|machine| machine.unwrap().id)
        .collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!((machines.offset(), machines.pages_read()), (2, 1));
    assert!(!machines.ended_by_not_found());
    assert_eq!(rig.memory.requests()[0].target, "/api/machines");
    assert_eq!(rig.memory.count(), 1);
}

#[test]
fn nothing_is_sent_before_it_is_asked_for() {
    let rig = script([linked(0..2, "?a=1"), page(2..3)]);
    let mut items = items(&rig, &listing(BY_LINKS));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let before = (rig.memory.count(), items.offset(), items.pages_read());
        seen.push((before, items.next().unwrap().unwrap().n));
    }
    assert_eq!(seen, [((0, 0, 0), 0), ((1, 1, 0), 1), ((1, 2, 0), 2)]);
    assert_eq!(items.pages_read(), 1);
    assert!(items.next().is_none());
    assert_eq!((items.offset(), items.pages_read()), (3, 2));
}

#[test]
fn links_lead_the_way_where_the_service_chooses() {
    for sizes in [BY_LINKS, PageSizes::Undocumented] {
        let rig = script([
            linked(
                0..2,
                "https://api.securitycenter.microsoft.com/api/things?$skiptoken=a b&x=%20#end",
            ),
            linked(2..3, "/API/Things?$skip=3"),
            linked(3..3, "?$skip=4"),
            page(3..5),
        ]);
        assert_eq!(whole(&rig, &listing(sizes)), numbers(0..5));
        let expected = ["", "$skiptoken=a%20b&x=%20", "$skip=3", "$skip=4"];
        assert_eq!(queries(&rig), expected);
    }
}

#[test]
fn what_a_query_can_not_carry_is_encoded_and_the_rest_is_not() {
    let rig = script([linked(0..1, "?a=\"<>\\^`{|}\u{7f}é &b='(~)%2B"), page(1..1)]);
    assert_eq!(whole(&rig, &listing(BY_LINKS)), [0]);
    assert_eq!(
        queries(&rig)[1],
        "a=%22%3C%3E%5C%5E%60%7B%7C%7D%7F%C3%A9%20&b='(~)%2B"
    );
}

#[test]
fn a_link_to_anywhere_else_is_an_error_and_nothing_is_sent() {
    for (link, why) in [
        (
            "https://evil.example/api/things?a=1",
            "names another host (evil.example)",
        ),
        (
            "https://api.securitycenter.microsoft.com:8443/api/things?a=1",
            "names another host",
        ),
        (
            "http://api.securitycenter.microsoft.com/api/things?a=1",
            "names another host",
        ),
        (
            "https://u@api.securitycenter.microsoft.com/api/things?a=1",
            "holds a user name",
        ),
        ("//evil.example/api/things?a=1", "has no scheme"),
        (
            "ftp://evil.example/api/things?a=1",
            "has a scheme other than https",
        ),
        ("api/things?a=1", "has no scheme"),
        ("/api/other?a=1", "has another path"),
        (
            "https://api.securitycenter.microsoft.com?a=1",
            "has another path",
        ),
        ("/api/things", "has no query"),
        ("/api/things#a", "has no query"),
        ("/api/things?#a", "has no query"),
    ] {
        let rig = script([linked(0..2, link)]);
        let error = failure_after(0..2, &rig, &listing(BY_LINKS));
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Paging, 1));
        let text = error.to_string();
        assert!(text.contains(why) && text.contains("(at row 2)"), "{text}");
        assert!(text.starts_with("GET /api/things: "), "{text}");
    }
}

#[test]
fn a_link_to_another_host_of_the_service_is_asked_of_the_configured_one() {
    let link = "https://api-eu.securitycenter.microsoft.com/api/things?$skip=1";
    let rig = script([linked(0..1, link), page(1..2)]);
    assert_eq!(whole(&rig, &listing(BY_LINKS)), [0, 1]);
    let host = rig.memory.requests()[1].header("host").map(str::to_owned);
    assert_eq!(host.unwrap(), "api.securitycenter.microsoft.com");
}

#[test]
fn a_link_is_sent_up_to_its_limit() {
    let longest = URL_LIMIT - THINGS.path.len();
    for (length, is_sent) in [(longest - 1, true), (longest, true), (longest + 1, false)] {
        let query = format!("a={}", "x".repeat(length - 2));
        let rig = script([linked(0..1, &format!("?{query}")), page(1..1)]);
        let (rows, error) = walk(&mut items(&rig, &listing(BY_LINKS)));
        assert_eq!(rows, [0]);
        assert_eq!(error.is_none(), is_sent, "{length}");
        if is_sent {
            assert_eq!(queries(&rig)[1], query);
        }
    }
}

#[test]
fn a_link_that_leads_back_is_an_error() {
    for links in [
        &["?a=1", "?a=1"][..],
        &["?a=1", "?a=2", "?a=1"],
        &["?$skip=0"],
        &["?$skip=2", "?$skip=2&again=1"],
        &["?$skip=2", "?$skip=3", "?b=1&$skip=2"],
        &["?$skip=2", "?a=1", "?%24SKIP=1"],
    ] {
        let count = links.len() as u64;
        let pages = links.iter().zip(0..);
        let rig = script(pages.map(|(link, n)| linked(n..n + 1, link)));
        let error = failure_after(0..count, &rig, &listing(BY_LINKS));
        assert!(error.to_string().contains("leads back"), "{error}");
        assert_eq!(rig.memory.count(), links.len());
    }
    // What is no number says nothing, and a query without it neither.
    let links = [
        "?$skip=2",
        "?$skip=x",
        "?skip=1",
        "?$skip=3",
        "?$skip&a=$skip=1",
    ];
    let pages = links
        .iter()
        .zip(0..)
        .map(|(link, n)| linked(n..n + 1, link));
    let rig = script(pages.chain([page(5..6)]));
    assert_eq!(whole(&rig, &listing(BY_LINKS)), numbers(0..6));
}

#[test]
fn a_link_may_not_lead_before_the_start_of_the_walk() {
    for (skip, is_back) in [(4, true), (5, true), (6, false)] {
        let mut listing = listing(BY_LINKS);
        listing.skip = 5;
        let rig = script([linked(5..6, &format!("?$skip={skip}")), page(6..6)]);
        let (rows, error) = walk(&mut items(&rig, &listing));
        assert_eq!((rows, error.is_some()), (vec![5], is_back));
        assert_eq!(queries(&rig)[0], "$skip=5");
    }
}

#[test]
fn three_empty_pages_with_links_are_borne_and_a_fourth_is_not() {
    let empty = |n: u64| linked(0..0, &format!("?a={n}"));
    let few = [
        empty(1),
        empty(2),
        empty(3),
        linked(0..1, "?a=4"),
        empty(5),
        empty(6),
        empty(7),
    ];
    let rig = script(few.into_iter().chain([page(1..2)]));
    assert_eq!(whole(&rig, &listing(BY_LINKS)), [0, 1]);
    let rig = script([1, 2, 3, 4].map(empty));
    let error = failure_after(0..0, &rig, &listing(BY_LINKS));
    assert!(error.to_string().contains("three empty pages"), "{error}");
    assert_eq!(rig.memory.count(), 4);
}

#[test]
fn a_walk_by_offsets_ends_where_the_list_is_known_to_end() {
    for (total, cap, expected) in [
        // Nothing is known of a short first page: the service may cap what it gives.
        (0, 9, &["$top=4"][..]),
        (3, 9, &["$top=4", "$top=4&$skip=3"]),
        (4, 9, &["$top=4", "$top=4&$skip=4"]),
        (6, 9, &["$top=4", "$top=4&$skip=4"]),
        (8, 9, &["$top=4", "$top=4&$skip=4", "$top=4&$skip=8"]),
        (
            5,
            2,
            &[
                "$top=4",
                "$top=4&$skip=2",
                "$top=4&$skip=4",
                "$top=4&$skip=5",
            ],
        ),
    ] {
        let rig = fleet(total, cap);
        assert_eq!(whole(&rig, &listing(BY_OFFSETS)), numbers(0..total));
        assert_eq!(queries(&rig), expected, "{total} rows, {cap} at a time");
    }
}

#[test]
fn the_rows_of_a_page_are_the_callers_choice_up_to_what_is_left() {
    let by = |sizes, page_size, top| {
        let mut listing = listing(sizes);
        (listing.page_size, listing.top) = (page_size, top);
        let rig = fleet(7, 100);
        let rows = whole(&rig, &listing);
        assert_eq!(rows, numbers(0..top.unwrap_or(7).min(7)));
        queries(&rig)
    };
    assert_eq!(by(BY_LINKS, None, None), [""]);
    assert_eq!(by(BY_LINKS, Some(5), None), ["$top=5", "$top=5&$skip=5"]);
    assert_eq!(by(BY_LINKS, None, Some(3)), ["$top=3"]);
    assert_eq!(
        by(BY_LINKS, None, Some(300)),
        ["$top=100", "$top=100&$skip=7"]
    );
    assert_eq!(
        by(BY_LINKS, Some(2), Some(5)),
        ["$top=2", "$top=2&$skip=2", "$top=1&$skip=4"]
    );
    assert_eq!(by(BY_OFFSETS, Some(3), Some(3)), ["$top=3"]);
    assert_eq!(by(BY_OFFSETS, None, Some(5)), ["$top=4", "$top=1&$skip=4"]);
    assert_eq!(by(PageSizes::Undocumented, None, None), [""]);
    assert_eq!(by(PageSizes::Undocumented, None, Some(0)), [""; 0]);
    assert_eq!(
        by(PageSizes::Undocumented, Some(7), None),
        ["$top=7", "$top=7&$skip=7"]
    );
}

#[test]
fn rows_that_were_not_asked_for_are_cut_and_what_is_behind_them_is_not_judged() {
    let mut listing = listing(BY_LINKS);
    listing.top = Some(2);
    let rig = script([linked(0..5, "https://evil.example")]);
    let mut items = items(&rig, &listing);
    assert_eq!(walk(&mut items).0, [0, 1]);
    assert_eq!((items.offset(), items.pages_read()), (2, 1));
    // More than asked for is a full page, and all of it is counted.
    let mut listing = self::listing(BY_OFFSETS);
    listing.page_size = Some(2);
    let rig = script([page(0..5), page(5..6)]);
    assert_eq!(whole(&rig, &listing), numbers(0..6));
    assert_eq!(queries(&rig), ["$top=2", "$top=2&$skip=5"]);
}

#[test]
fn where_links_end_offsets_go_on_behind_all_rows_that_came() {
    let rig = script([
        linked(0..2, "?a=1"),
        linked(2..3, "?a=2"),
        page(3..4),
        page(4..5),
    ]);
    assert_eq!(whole(&rig, &listing(BY_OFFSETS)), numbers(0..5));
    assert_eq!(queries(&rig), ["$top=4", "a=1", "a=2", "$top=4&$skip=4"]);
    // A page that was asked for by its offset raises what a link may name.
    let rig = script([page(0..4), linked(4..5, "?$skip=4")]);
    let error = failure_after(0..5, &rig, &listing(BY_OFFSETS));
    assert!(error.to_string().contains("leads back"), "{error}");
}

#[test]
fn the_same_page_twice_is_an_error_where_its_rows_can_be_told_apart() {
    let again = || page(0..4);
    let rig = script([again(), again()]);
    let error = failure_after(0..4, &rig, &listing(BY_OFFSETS));
    assert!(
        error.to_string().contains("the same page came twice"),
        "{error}"
    );
    assert_eq!(error.attempts(), 1);

    let rows = [0, 1, 2, 3, 0, 1, 2, 3];
    for name in ["$select", "SELECT", "$Select"] {
        let mut listing = listing(BY_OFFSETS);
        listing
            .options
            .push(("$orderby".to_owned(), "n".to_owned()));
        listing.options.push((name.to_owned(), "n".to_owned()));
        let rig = script([again(), again(), page(0..0)]);
        assert_eq!(whole(&rig, &listing), rows, "{name}");
    }
    // A link says itself that it leads on.
    let rig = script([linked(0..4, "?a=1"), again(), page(0..0)]);
    assert_eq!(whole(&rig, &listing(BY_OFFSETS)), rows);
    // Another option looks alike.
    let mut other = listing(BY_OFFSETS);
    other.options.push(("selected".to_owned(), "n".to_owned()));
    let rig = script([again(), again()]);
    failure_after(0..4, &rig, &other);
}

#[test]
fn an_offset_that_can_not_be_counted_is_an_error() {
    let mut listing = listing(BY_OFFSETS);
    listing.skip = u64::MAX - 2;
    listing.page_size = Some(2);
    let rig = script([page(0..2)]);
    let error = failure_after(0..2, &rig, &listing);
    assert!(error.to_string().contains("can be counted"), "{error}");
    // The end is the end, there too.
    listing.top = Some(2);
    assert_eq!(whole(&script([page(0..2)]), &listing), [0, 1]);
}

#[test]
fn a_404_of_the_service_is_the_end_where_that_is_documented() {
    let said = r#"{"error":{"code":"ResourceNotFound","message":"no recent machines"}}"#;
    let mut machines = listing(BY_LINKS);
    machines.not_found_is_end = true;
    for body in ["", said] {
        let not_found = || Reply::new(404).body(body);
        let rig = script([not_found()]);
        let mut walked = items(&rig, &machines);
        assert!(!walked.ended_by_not_found());
        assert!(walk(&mut walked).1.is_none());
        assert!(walked.ended_by_not_found());
        let rig = script([not_found()]);
        let mut walked = pages(&rig, &machines);
        assert!(!walked.ended_by_not_found());
        assert!(walked.next().is_none() && walked.ended_by_not_found());
        // So it is where rows were asked for by their place, and any other list knows no such end.
        let mut by_place = listing(BY_OFFSETS);
        by_place.not_found_is_end = true;
        assert_eq!(
            whole(&script([page(0..4), not_found()]), &by_place),
            numbers(0..4)
        );
        // But not where the service has given a link to them.
        let rig = script([linked(0..2, "?a=1"), not_found()]);
        let error = failure_after(0..2, &rig, &machines);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.is_retryable() && error.hint().unwrap().contains("begin anew"));
        let rig = script([not_found()]);
        let error = failure_after(0..0, &rig, &listing(BY_LINKS));
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    for (status, body) in [(404, "<html>"), (403, said), (410, "")] {
        let rig = script([Reply::new(status).body(body)]);
        let mut walked = items(&rig, &machines);
        assert_eq!(walk(&mut walked).1.unwrap().status(), Some(status));
        assert!(!walked.ended_by_not_found());
    }
}

/// A body that is cut without the transport seeing it.
fn damaged(whole: &Reply, bytes: usize) -> Reply {
    whole.clone().until_close().cut(bytes)
}

#[test]
fn a_damaged_page_is_fetched_once_more_and_no_row_is_lost_or_repeated() {
    let second = || linked(3..8, "?a=2");
    for cut in 1..50 {
        let rig = script([
            linked(0..3, "?a=1"),
            damaged(&second(), cut),
            second(),
            page(8..9),
        ]);
        assert_eq!(whole(&rig, &listing(BY_LINKS)), numbers(0..9), "{cut}");
        assert_eq!(queries(&rig), ["", "a=1", "a=1", "a=2"]);

        let rig = script([
            linked(0..3, "?a=1"),
            damaged(&second(), cut),
            damaged(&second(), cut),
        ]);
        let mut items = items(&rig, &listing(BY_LINKS));
        let (rows, error) = walk(&mut items);
        let error = error.unwrap();
        assert!(rows.len() >= 3 && rows == numbers(0..items.offset()));
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 2));
        assert!(error.is_retryable());
        assert_eq!(rig.memory.count(), 3);
    }
}

#[test]
fn a_compressed_page_that_is_cut_anywhere_is_fetched_once_more() {
    let compressed = page(0..3).gzip();
    for left in 1..compressed.body_len() {
        let cut = damaged(&compressed, compressed.body_len() - left);
        let rig = script([cut, compressed.clone()]);
        assert_eq!(whole(&rig, &listing(BY_LINKS)), [0, 1, 2], "{left} bytes");
        assert_eq!(rig.memory.count(), 2);
    }
}

#[test]
fn each_page_may_be_damaged_once() {
    let rig = script([
        damaged(&page(0..4), 5),
        page(0..4),
        damaged(&page(4..8), 5),
        page(4..8),
        page(8..8),
    ]);
    assert_eq!(whole(&rig, &listing(BY_OFFSETS)), numbers(0..8));
    let expected = [
        "$top=4",
        "$top=4",
        "$top=4&$skip=4",
        "$top=4&$skip=4",
        "$top=4&$skip=8",
    ];
    assert_eq!(queries(&rig), expected);
}

#[test]
fn pages_of_which_the_same_bytes_are_left_are_not_taken_for_the_same_page() {
    let stump = || Reply::json("{\"value\":[").until_close();
    let rig = script([
        stump(),
        page(0..4),
        stump(),
        page(4..8),
        // One that comes whole is compared with the whole one before it.
        page(4..8),
    ]);
    let error = failure_after(0..8, &rig, &listing(BY_OFFSETS));
    assert!(
        error.to_string().contains("the same page came twice"),
        "{error}"
    );
    // Whatever came in between, even a damaged answer of the very page.
    let rig = script([page(0..4), stump(), page(0..4)]);
    let error = failure_after(0..4, &rig, &listing(BY_OFFSETS));
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Paging, 2));
    assert!(
        error.to_string().contains("the same page came twice"),
        "{error}"
    );
    // One that is as damaged as before is damaged.
    let rig = script([stump(), stump()]);
    let error = failure_after(0..0, &rig, &listing(BY_OFFSETS));
    assert_eq!(error.kind(), ErrorKind::Transport);
}

#[test]
fn a_link_that_holds_a_token_is_not_followed_be_it_the_one_refused_before() {
    let tokens = ["the-first-token-of-all", "the-second-token-of-all"];
    for repeated in tokens {
        let rig = script([Reply::new(401), linked(0..2, &format!("?t={repeated}"))]);
        for token in tokens {
            rig.tokens.next(Ok(AccessToken::new(token)));
        }
        let error = failure_after(0..2, &rig, &listing(BY_LINKS));
        assert!(error.to_string().contains("holds the token"), "{error}");
        assert_eq!(rig.memory.count(), 2);
    }
}

#[test]
fn without_retries_nothing_is_fetched_again() {
    let mut rig = script([damaged(&page(0..4), 5)]);
    rig.set().retry_policy = RetryPolicy::none();
    let error = failure_after(0..3, &rig, &listing(BY_LINKS));
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(rig.memory.count(), 1);
}

/// The rows that were handed out are stepped over: should one of them be wrong now, it is named by its
/// own place.
#[test]
fn a_row_that_is_wrong_in_the_second_answer_is_named_by_its_place() {
    let rig = script([
        page(0..4),
        damaged(&page(4..8), 5),
        Reply::json(r#"{"value":[{"n":4},nonsense"#),
    ]);
    let error = failure_after(0..7, &rig, &listing(BY_OFFSETS));
    assert!(
        error.to_string().contains("at row 5 of the list"),
        "{error}"
    );
}

#[test]
fn what_is_whole_and_wrong_is_not_fetched_again() {
    let rig = script([Reply::json(r#"{"value":[{"n":0},{"n":"x"},{"n":2}]}"#)]);
    let mut items = items(&rig, &listing(BY_LINKS));
    let (rows, error) = walk(&mut items);
    let error = error.unwrap();
    assert_eq!((rows, error.kind()), (vec![0], ErrorKind::Decode));
    let text = error.to_string();
    assert!(
        text.starts_with("GET /api/things: at row 1 of the list"),
        "{text}"
    );
    assert_eq!((items.offset(), items.pages_read()), (1, 0));
    assert_eq!((error.attempts(), rig.memory.count()), (1, 1));
}

#[test]
fn the_second_answer_for_a_damaged_page_decides() {
    let cut = || damaged(&page(0..5), 4);
    // It has fewer rows than were handed out: the next call goes on behind them.
    let rig = script([cut(), page(0..2), page(4..4)]);
    assert_eq!(whole(&rig, &listing(BY_OFFSETS)), numbers(0..4));
    assert_eq!(queries(&rig), ["$top=4", "$top=4", "$top=4&$skip=4"]);
    // It says that there are no rows, though some were handed out.
    let mut machines = listing(BY_LINKS);
    machines.not_found_is_end = true;
    let rig = script([cut(), Reply::new(404)]);
    let error = failure_after(0..4, &rig, &machines);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::NotFound, 2));
    // It is an error, and all exchanges of the page count.
    let rig = script([cut(), Reply::new(503), Reply::new(403)]);
    let error = failure_after(0..4, &rig, &listing(BY_LINKS));
    assert_eq!((error.status(), error.attempts()), (Some(403), 3));
    // It is damaged within the rows that were handed out.
    let rig = script([cut(), Reply::new(503), damaged(&page(0..5), 20)]);
    let error = failure_after(0..4, &rig, &listing(BY_LINKS));
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 3));
}

#[test]
fn the_first_error_is_the_last_item_and_all_before_it_was_handed_out() {
    for failures in 0..3 {
        let retries = RetryPolicy::default().retries(failures);
        let down = (0..=failures).map(|_| Step::NoConnection(Failure::REFUSED));
        let closed = linked(0..3, "?a=1").then(Then::Closed);
        let mut rig = script(std::iter::once(closed.into()).chain(down));
        rig.set().retry_policy = retries;
        let mut items = items(&rig, &listing(BY_LINKS));
        let (rows, error) = walk(&mut items);
        assert_eq!((rows, items.offset()), (vec![0, 1, 2], 3));
        assert_eq!(error.unwrap().attempts(), failures + 1);
        assert_eq!(items.pages_read(), 1);
    }
}

#[test]
fn pages_are_handed_out_whole_and_the_empty_ones_are_not() {
    let rig = script([
        linked(0..2, "?a=1"),
        linked(2..2, "?a=2"),
        linked(2..3, "?a=3"),
        page(3..3),
    ]);
    let mut walked = pages(&rig, &listing(BY_LINKS));
    assert_eq!(walked.offset(), 0);
    let first = walked.next().unwrap().unwrap();
    assert_eq!(
        (first.items.len(), first.next_skip, walked.offset()),
        (2, 2, 2)
    );
    assert_eq!(rig.memory.count(), 1);
    let second = walked.next().unwrap().unwrap();
    assert_eq!((second.next_skip, walked.offset()), (3, 3));
    assert_eq!(second.into_iter().collect::<Vec<_>>(), [Row { n: 2 }]);
    assert_eq!(rig.memory.count(), 3);
    assert!(walked.next().is_none() && walked.next().is_none());
    assert!(!walked.ended_by_not_found());
    assert_eq!(rig.memory.count(), 4);
}

#[test]
fn a_page_that_fails_in_its_last_row_is_not_handed_out() {
    let rig = script([
        linked(0..2, "?a=1"),
        Reply::json(r#"{"value":[{"n":2},{"n":[]}]}"#),
    ]);
    let mut walked = pages(&rig, &listing(BY_LINKS));
    assert_eq!(walked.next().unwrap().unwrap().items.len(), 2);
    let error = walked.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("at row 3"), "{error}");
    assert_eq!(walked.offset(), 2);
    assert!(walked.next().is_none());
}

#[test]
fn a_page_is_handed_out_before_the_error_of_the_way_on_from_it() {
    let rig = script([linked(0..2, "https://evil.example")]);
    let mut walked = pages(&rig, &listing(BY_LINKS));
    assert_eq!(walked.next().unwrap().unwrap().next_skip, 2);
    assert_eq!(
        walked.next().unwrap().unwrap_err().kind(),
        ErrorKind::Paging
    );
    assert!(walked.next().is_none());
    // There is no page before this one.
    let rig = script([linked(0..0, "https://evil.example")]);
    let mut walked = pages(&rig, &listing(BY_LINKS));
    assert_eq!(
        walked.next().unwrap().unwrap_err().kind(),
        ErrorKind::Paging
    );
    assert!(walked.next().is_none());
}

#[test]
fn the_query_says_what_is_asked_for() {
    let mut asked = listing(BY_OFFSETS);
    let add = |asked: &mut Listing, name: &str, value: &str| {
        asked.options.push((name.to_owned(), value.to_owned()));
    };
    assert_eq!(asked.first_query(), "$top=4");
    assert_eq!(asked.query(0, None), "");
    assert_eq!(asked.query(1, None), "$skip=1");
    add(&mut asked, "$filter", "a eq 'b&c'");
    add(&mut asked, "x$y", "é+");
    asked.skip = 9;
    asked.top = Some(2);
    assert_eq!(
        asked.first_query(),
        "$filter=a%20eq%20%27b%26c%27&x%24y=%C3%A9%2B&$top=2&$skip=9"
    );
}

#[test]
fn what_can_not_be_asked_for_costs_no_call() {
    let refused = |change: &dyn Fn(&mut Listing)| {
        let mut listing = listing(BY_LINKS);
        change(&mut listing);
        let rig = script::<Step>([]);
        let error = failure_after(0..0, &rig, &listing);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    for size in [0, 101, u32::MAX] {
        let text = refused(&|listing| listing.page_size = Some(size));
        assert_eq!(text, "page_size must be from 1 to 100");
    }
    for name in ["", "$", " ", "$ ", "a\nb"] {
        let text = refused(&|listing| listing.options.push((name.to_owned(), "x".to_owned())));
        assert_eq!(text, "a query option needs a name");
    }
    let text = refused(&|listing| {
        listing.refuse("one reason");
        listing.refuse("another");
    });
    assert_eq!(text, "one reason");
    for size in [1, 100] {
        let mut listing = listing(BY_LINKS);
        listing.page_size = Some(size);
        assert!(whole(&fleet(0, 9), &listing).is_empty());
    }
}

#[test]
fn path_and_query_are_sent_up_to_their_limit() {
    // Room is kept for the longest numbers.
    let numbers = format!("&$top={0}&$skip={0}", u64::MAX).len();
    let longest = URL_LIMIT - THINGS.path.len() - "$filter=".len() - numbers;
    for (length, is_sent) in [(longest - 1, true), (longest, true), (longest + 1, false)] {
        let mut listing = listing(BY_LINKS);
        listing
            .options
            .push(("$filter".to_owned(), "x".repeat(length)));
        let rig = fleet(0, 9);
        let (_, error) = walk(&mut items(&rig, &listing));
        assert_eq!(error.is_none(), is_sent, "{length}");
        let Some(error) = error else { continue };
        assert!(
            error.to_string().contains("are 16385 bytes long"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("is_in"));
    }
    assert_eq!(URL_LIMIT, 16_384);
}

#[test]
fn a_walk_is_shown_without_what_it_holds() {
    let rig = script([page(0..2), page(0..2)]);
    let mut items = items(&rig, &listing(BY_LINKS));
    items.next().unwrap().unwrap();
    assert_eq!(format!("{items:?}"), "Items { offset: 1, done: false, .. }");
    let mut pages = pages(&rig, &listing(BY_LINKS));
    assert!(pages.by_ref().all(|page| page.is_ok()));
    assert_eq!(format!("{pages:?}"), "Pages { offset: 2, done: true, .. }");
}

#[test]
fn the_deadline_and_the_body_of_a_list_are_those_of_each_call() {
    static ASK: Operation = Operation {
        method: Method::Post,
        path: "/api/things",
        api: Api::ScanHistory,
        permissions: &permissions::MACHINES,
        writes: None,
    };
    let mut listing = Listing::new(&ASK, BY_LINKS);
    listing.body = Some(Arc::from(&b"[7]"[..]));
    listing.deadline = Some(std::time::Duration::from_secs(9));
    let rig = script([linked(0..1, "?a=1"), page(1..2)]);
    assert_eq!(whole(&rig, &listing), [0, 1]);
    for sent in rig.memory.requests() {
        assert_eq!((&*sent.method, &*sent.body), ("POST", &b"[7]"[..]));
        assert!(sent.time.as_secs_f64() <= 9.0, "{:?}", sent.time);
    }
}
