//! Inputs: ids, filters, sizes, URLs and durations that callers give (F89 to F95).

use std::cell::Cell;
use std::time::Duration;

use defender_endpoint::filter::Filter;
use defender_endpoint::machines::{RiskScore, field};
use defender_endpoint::testing::FakeClock;
use defender_endpoint::{
    AccessToken, Client, ClientSecret, Cloud, Credential, Error, ErrorKind, RateLimiter,
    RateLimits, RetryPolicy, TokenRequest,
};
use mockito::{Matcher, Server};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;

use crate::config::{assert_config, refused as refused_setting, works};
use crate::requests::{first, refused, sent, walk};
use crate::support::raw::{Answer, Forbidden, RawServer, cloud};
use crate::support::{builder, client};

const NOTHING: &str = r#"{"value":[]}"#;
const ENTITY: &str = r#"{"id":"an-id"}"#;
const DAY: Duration = Duration::from_secs(86_400);

pub(super) type Get = fn(&Client, &str) -> Result<String, Error>;
/// What is asked for by one id, and where.
pub(super) const ENTITIES: [(&str, Get); 4] = [
    ("/api/DeviceAuthenticatedScanAgents/", |client, id| {
        client.scan_agent(id).map(|agent| agent.id)
    }),
    ("/api/machines/", |client, id| {
        client.machine(id).map(|machine| machine.id)
    }),
    ("/api/machines/", |client, id| {
        client.machine_of(id).map(|machine| machine.id)
    }),
    ("/api/DeviceAuthenticatedScanDefinitions/", |client, id| {
        client.scan_definition(id).map(|definition| definition.id)
    }),
];

/// A client whose limiter has one call to give, and no patience; and its server.
fn one_call_client() -> (Client, RawServer) {
    let server = RawServer::sending(Answer::json(NOTHING));
    let client = builder(&server.url())
        .rate_limits(RateLimits::new(1, 1))
        .max_wait(Duration::ZERO)
        .build()
        .unwrap();
    (client, server)
}

/// F89: what is no id is refused before any call, permit or token, of an entity and of several:
/// `..` would be another path at a proxy, be it encoded or not.
#[test]
fn an_id_that_is_empty_blank_or_a_dot_segment_costs_no_call_no_permit_and_no_token() {
    #[derive(Debug)]
    struct Untouchable;
    impl Credential for Untouchable {
        fn token(&self, _: &TokenRequest<'_>) -> Result<AccessToken, Error> {
            panic!("the credential was asked");
        }
    }
    let without_token = Client::builder(Untouchable)
        .cloud(cloud("http://127.0.0.1:1"))
        .no_proxy()
        .build()
        .unwrap();
    let (client, server) = one_call_client();
    for id in [
        "",
        " ",
        "\t",
        "\u{a0}",
        ".",
        "..",
        " .. ",
        ".\u{3000}",
        "\n..\n",
    ] {
        for client in [&client, &without_token] {
            let entities = ENTITIES.map(|(_, get)| get(client, id).unwrap_err());
            let mut errors = Vec::from(entities);
            let mut by_id = client.machines_by_id(["good", id, "better"]).into_iter();
            errors.push(by_id.next().unwrap().unwrap_err());
            assert!(by_id.next().is_none() && by_id.next().is_none());
            for history in [
                client.scan_history(["good", id, "better"]),
                client.scan_history_by_session(["good", id, "better"]),
            ] {
                let mut items = history.iter();
                errors.push(items.next().unwrap().unwrap_err());
                assert!(items.next().is_none() && items.next().is_none());
                errors.push(history.pages().next().unwrap().unwrap_err());
            }
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{id:?}: {error}");
                assert_eq!((error.attempts(), error.is_retryable()), (0, false));
                assert!(error.to_string().contains("the id is"), "{error}");
            }
        }
    }
    assert_eq!(server.connections(), 0);
    // The only call that the limiter has of each API is still there.
    assert_eq!(client.scan_agents().unwrap().len(), 0);
    assert_eq!(client.scan_definitions().unwrap().len(), 0);
    walk(client.machines());
    walk(client.scan_history(["a"]).top(1));
    assert_eq!(server.calls(), 4);
    let error = client.scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    let error = first(client.scan_history(["a"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
}

/// F90: whatever an id holds, it is one segment of the path.
#[test]
fn an_id_is_one_segment_of_the_path_whatever_it_holds() {
    for (id, segment) in [
        ("47d41a0c-1dfe_eb663a27", "47d41a0c-1dfe_eb663a27"),
        ("a/b", "a%2Fb"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("a%2Fb", "a%252Fb"),
        ("%2e%2e", "%252e%252e"),
        ("../machines", "..%2Fmachines"),
        ("a\\b", "a%5Cb"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a'b\"c", "a%27b%22c"),
        ("\u{fc}\u{1f600}", "%C3%BC%F0%9F%98%80"),
        ("a;b=c,d", "a%3Bb%3Dc%2Cd"),
        ("...", "..."),
    ] {
        for (path, get) in ENTITIES {
            let server = RawServer::sending(Answer::json(ENTITY));
            get(&client(&server.url()), id).unwrap();
            let expected = format!("GET {path}{segment} HTTP/1.1");
            assert_eq!(server.only().request_line(), expected);
        }
    }
}

/// F90: what no segment can carry is refused: NUL, line breaks and other control characters.
#[test]
fn an_id_with_control_characters_is_refused() {
    for id in [
        "",
        " ",
        "\t",
        ".",
        "..",
        " .. ",
        "a\0",
        "a\r\nX: y",
        "\u{7f}",
        "\u{85}",
    ] {
        for (_, get) in ENTITIES {
            let text = refused(|client| get(client, id));
            assert!(text.contains("id"), "{text}");
        }
        let text = refused(|client| first(client.machines_by_id([id])));
        assert!(text.contains("id"), "{text}");
    }
}

/// F90: so is an id that is longer than any, and would make the URL too long.
#[test]
fn an_id_that_makes_the_url_too_long_is_refused() {
    let long = "x".repeat(20_000);
    for (_, get) in ENTITIES {
        refused(|client| get(client, &long));
    }
    refused(|client| first(client.machines_by_id([&long])));
}

/// F90: an id of a definition or of a session is one string of the JSON body.
#[test]
fn a_definitions_id_is_one_string_of_the_body_whatever_it_holds() {
    let ids = [
        "a\"],\"x\":[\"",
        "b\\",
        "\u{fc}\u{1f600}",
        "{}",
        "a\u{2028}b",
    ];
    let seen = sent(|client| walk(client.scan_history(ids)));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body, serde_json::json!({ "ScanDefinitionIds": ids }));
    let seen = sent(|client| walk(client.scan_history_by_session(ids)));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body, serde_json::json!({ "SessionIds": ids }));
}

/// Strings that a careless hand would let out of their place, and all others.
fn awkward() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r#"[-./?#%&=+ '"\\$;:@a0]{0,12}"#,
        "[\\x00-\\x20\\x7f-\\xa0\u{2028}\u{feff}.]{0,4}",
        r"(\.|%2[eEfF]|/|%){0,6}",
        r"('|''|%27|&\$top=1| or 1 eq 1 or |\+){0,5}",
    ]
}

fn property<S: Strategy>(values: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: std::fmt::Debug,
{
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config).run(values, test).unwrap();
}

/// A client that may call as often as it likes.
fn unlimited(server: &RawServer) -> Client {
    builder(&server.url())
        .rate_limits(RateLimits::new(1_000_000, 1_000_000))
        .build()
        .unwrap()
}

/// F89, F90: of any text whatever.
#[test]
fn any_id_is_refused_or_arrives_as_exactly_that_one_segment() {
    let server = RawServer::sending(Answer::json(ENTITY));
    let client = unlimited(&server);
    property(
        &(awkward(), prop::sample::select(&ENTITIES[..])),
        |(id, (path, get))| {
            server.forget();
            let outcome = get(&client, &id);
            let seen = server.requests();
            if let Err(error) = outcome {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", error);
                prop_assert!(seen.is_empty());
                return Ok(());
            }
            prop_assert_eq!(seen.len(), 1);
            prop_assert_eq!(seen[0].request_line().split(' ').count(), 3);
            let segment = seen[0].target().strip_prefix(path).unwrap();
            let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
            prop_assert!(segment.bytes().all(harmless), "{}", segment);
            prop_assert!(!matches!(segment, "" | "." | ".."));
            prop_assert_eq!(percent_decode_str(segment).decode_utf8().unwrap(), id);
            Ok(())
        },
    );
}

/// F91: a value is one literal, its quotes doubled and all of it encoded, whatever it holds and
/// whatever it is compared by. Nothing of it is read as an operator or as another option.
#[test]
fn a_filter_value_is_one_literal_whatever_it_holds() {
    for (value, literal) in [
        ("O'Brien", "'O''Brien'"),
        ("' or 1 eq 1 or '", "''' or 1 eq 1 or '''"),
        ("&$top=1", "'&$top=1'"),
        ("+", "'+'"),
        ("%27", "'%27'"),
        ("%", "'%'"),
        ("a#b?c/d\\", "'a#b?c/d\\'"),
        ("\u{fc} \u{1f600}", "'\u{fc} \u{1f600}'"),
        ("a\r\nX: y\0", "'a\r\nX: y\0'"),
        ("", "''"),
    ] {
        for (filter, expected) in [
            (
                field::COMPUTER_DNS_NAME.eq(value),
                format!("computerDnsName eq {literal}"),
            ),
            (
                field::COMPUTER_DNS_NAME.ne(value),
                format!("computerDnsName ne {literal}"),
            ),
            (
                field::COMPUTER_DNS_NAME.starts_with(value),
                format!("startswith(computerDnsName,{literal})"),
            ),
            (
                field::COMPUTER_DNS_NAME.is_in([value, "b"]),
                format!("computerDnsName eq {literal} or computerDnsName eq 'b'"),
            ),
            (
                field::MACHINE_TAGS.any_eq(value),
                format!("machineTags/any(t: t eq {literal})"),
            ),
        ] {
            let seen = sent(|client| walk(client.machines().filter(filter)));
            let options: Vec<_> = seen.query().split('&').collect();
            assert_eq!(options.len(), 1, "{options:?}");
            let sent = options[0].strip_prefix("$filter=").unwrap();
            let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
            assert!(sent.bytes().all(harmless), "{sent}");
            assert_eq!(percent_decode_str(sent).decode_utf8().unwrap(), expected);
        }
    }
}

/// F91: another reader of URLs reads it as it was meant.
#[test]
fn a_filter_arrives_decoded_as_it_was_meant() {
    let mut server = Server::new();
    let filter = "computerDnsName eq 'O''Brien & Söhne #1 + 100%' and riskScore eq 'High'";
    let call = server
        .mock("GET", "/api/machines")
        .match_query(Matcher::UrlEncoded("$filter".into(), filter.into()))
        .with_body(NOTHING)
        .expect(1)
        .create();
    let name = field::COMPUTER_DNS_NAME.eq("O'Brien & Söhne #1 + 100%");
    walk(
        client(&server.url())
            .machines()
            .filter(name & field::RISK_SCORE.eq(RiskScore::High)),
    );
    call.assert();
}

/// F91: of any text whatever.
#[test]
fn any_filter_value_arrives_as_exactly_that_literal() {
    let server = RawServer::sending(Answer::json(NOTHING));
    let client = unlimited(&server);
    property(&awkward(), |value| {
        server.forget();
        walk(
            client
                .machines()
                .filter(field::COMPUTER_DNS_NAME.eq(&value)),
        );
        let seen = server.requests();
        prop_assert_eq!(seen.len(), 1);
        prop_assert_eq!(seen[0].request_line().split(' ').count(), 3);
        let filter = seen[0]
            .target()
            .strip_prefix("/api/machines?$filter=")
            .unwrap();
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        prop_assert!(filter.bytes().all(harmless), "{}", filter);
        let filter = percent_decode_str(filter).decode_utf8().unwrap();
        let literal = filter
            .strip_prefix("computerDnsName eq '")
            .and_then(|rest| rest.strip_suffix('\''))
            .unwrap();
        // Every quote inside is one of a pair, so that the literal ends where it should.
        prop_assert!(!literal.replace("''", "").contains('\''), "{}", literal);
        prop_assert_eq!(literal.replace("''", "'"), value);
        Ok(())
    });
}

/// F92: a raw filter of nothing or of more than a line is the first error, which says what is wrong.
#[test]
fn a_filter_that_cannot_be_sent_is_the_first_error() {
    for filter in [
        Filter::raw(""),
        Filter::raw(" "),
        Filter::raw("id eq 'a'\r\nX: y"),
        field::ID.is_in([""; 0]),
    ] {
        let text = refused(|client| first(client.machines().filter(filter)));
        assert!(text.contains("filter"), "{text}");
    }
}

/// F92: so is one that makes path and query longer than may be sent; the error names the limit.
#[test]
fn a_query_that_is_too_long_is_refused() {
    let text = refused(|client| first(client.machines().filter(Filter::raw("x".repeat(20_000)))));
    assert!(text.contains("16384"), "{text}");
    let text = refused(|client| {
        first(
            client
                .machines()
                .query_option("$select", "x".repeat(20_000)),
        )
    });
    assert!(text.contains("16384"), "{text}");
}

/// F92: a raw filter is sent as it is given, encoded; and up to the limit.
#[test]
fn a_raw_filter_is_sent_encoded_up_to_the_limit() {
    let raw = "a eq 'b' & $top=1 # + % \u{fc}";
    let seen = sent(|client| walk(client.machines().filter(Filter::raw(raw))));
    let filter = seen.query().strip_prefix("$filter=").unwrap();
    assert!(!filter.contains(['&', '#', '+', ' ', '=']), "{filter}");
    assert_eq!(percent_decode_str(filter).decode_utf8().unwrap(), raw);

    let (mut longest, mut refused) = (0, usize::MAX);
    let server = RawServer::sending(Answer::json(NOTHING));
    let client = client(&server.url());
    for length in (16_200..16_500).step_by(4) {
        let machines = client.machines().filter(Filter::raw("x".repeat(length)));
        match machines.into_iter().next() {
            Some(Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                refused = refused.min(length);
            }
            _ => longest = longest.max(length),
        }
    }
    assert!(longest > 16_250 && longest < refused, "{longest} {refused}");
    let lengths = server
        .requests()
        .into_iter()
        .map(|seen| seen.target().len());
    assert!(lengths.max().unwrap() <= 16 * 1024);
    // Every option counts, and each character as it is encoded.
    let machines = client.machines().query_option("a", "\u{fc}".repeat(2_000));
    let both = machines.filter(Filter::raw("x".repeat(5_000)));
    assert_eq!(first(both).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// F93: `top` is the number of rows in all: of none, nothing is sent, and what is more than a page may
/// have is asked for in pages of the largest size.
#[test]
fn a_top_of_nothing_sends_nothing_and_one_beyond_a_page_asks_for_a_page() {
    let server = Forbidden::new();
    let nowhere = client(&format!("http://{}", server.host()));
    walk(nowhere.machines().top(0));
    walk(nowhere.scan_history(["a"]).top(0));
    walk(nowhere.scan_history_by_session(["a"]).top(0));
    assert_eq!(nowhere.machines().top(0).pages().count(), 0);
    server.assert_untouched();
    for (top, machines, history) in [
        (1, "$top=1", "$top=1"),
        (4_096, "$top=4096", "$top=4096"),
        (4_097, "$top=4097", "$top=4096"),
        (10_000, "$top=10000", "$top=4096"),
        (10_001, "$top=10000", "$top=4096"),
        (u64::MAX, "$top=10000", "$top=4096"),
    ] {
        let seen = sent(|client| walk(client.machines().top(top)));
        assert_eq!(seen.query(), machines);
        let seen = sent(|client| walk(client.scan_history(["a"]).top(top)));
        assert_eq!(seen.query(), history);
        let seen = sent(|client| walk(client.scan_history_by_session(["a"]).top(top)));
        assert_eq!(seen.query(), history);
    }
}

/// F93: a page size out of range is refused, and the error names the range.
#[test]
fn machines_page_size_out_of_range_is_refused_with_the_range() {
    for rows in [0, 10_001, u32::MAX] {
        let text = refused(|client| first(client.machines().page_size(rows)));
        assert!(text.contains("from 1 to 10000"), "{text}");
    }
}

/// F93: of scan history, whose range is another.
#[test]
fn history_page_size_out_of_range_is_refused_with_the_range() {
    for rows in [0, 4_097] {
        let text = refused(|client| first(client.scan_history(["a"]).page_size(rows)));
        assert!(text.contains("from 1 to 4096"), "{text}");
        let text = refused(|client| first(client.scan_history_by_session(["a"]).page_size(rows)));
        assert!(text.contains("from 1 to 4096"), "{text}");
    }
}

/// F93: a history of no definitions or no sessions is refused; the empty list must never mean all of
/// them.
#[test]
fn history_without_ids_is_refused() {
    let text = refused(|client| first(client.scan_history([""; 0])));
    assert!(text.contains("at least one scan definition"), "{text}");
    let text = refused(|client| first(client.scan_history_by_session([""; 0])));
    assert!(text.contains("at least one scan session"), "{text}");
    for id in ["", " ", "a\nb", "\0", ".", ".."] {
        refused(|client| first(client.scan_history(["good", id])));
        refused(|client| first(client.scan_history_by_session(["good", id])));
    }
}

/// F93: an id that is given twice is sent once. Case may matter to the service, so it does here.
#[test]
fn history_sends_an_id_once_and_keeps_the_order() {
    let seen = sent(|client| walk(client.scan_history(["b", "a", "b", "A", "a"])));
    assert_eq!(seen.text(), r#"{"ScanDefinitionIds":["b","a","A"]}"#);
    let seen = sent(|client| walk(client.scan_history_by_session(["b", "a", "b", "A", "a"])));
    assert_eq!(seen.text(), r#"{"SessionIds":["b","a","A"]}"#);
}

/// F93: the documentation names no largest number of ids, so none is made up here.
#[test]
fn history_takes_ten_thousand_ids() {
    let ids: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let seen = sent(|client| walk(client.scan_history(&ids)));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["ScanDefinitionIds"].as_array().unwrap().len(), 10_000);
    let seen = sent(|client| walk(client.scan_history_by_session(&ids)));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["SessionIds"].as_array().unwrap().len(), 10_000);
}

/// F92, F93: what can't be asked for is the first error and the last item, in rows and in pages, and
/// costs no call and no permit.
#[test]
fn what_can_not_be_asked_for_is_the_first_error_and_costs_no_call() {
    let (client, server) = one_call_client();
    let long = "x".repeat(16 * 1024);
    let requests = [
        client.machines().page_size(0),
        client.machines().page_size(10_001),
        client.machines().page_size(u32::MAX),
        client.machines().page_size(0).top(0),
        client.machines().query_option("$top", "1"),
        client.machines().query_option("top", "1"),
        client.machines().query_option("$Skip", "1"),
        client.machines().query_option("SKIP", "1"),
        client.machines().query_option("$FILTER", "a eq 'b'"),
        client.machines().query_option(" $filter ", "a eq 'b'"),
        client.machines().query_option("$$top", "1"),
        client.machines().query_option("", "1"),
        client.machines().query_option("$", "1"),
        client.machines().query_option(" ", "1"),
        client.machines().query_option("a\nb", "1"),
        client.machines().query_option("a", long.clone()),
        client.machines().query_option(long.clone(), "1"),
        client.machines().filter(Filter::raw(long)),
        client.machines().filter(Filter::raw("")),
        client.machines().filter(field::RISK_SCORE.is_in([])),
        client
            .machines()
            .filter(field::RISK_SCORE.is_in([]))
            .filter(Filter::raw("a eq 'b'")),
    ];
    for request in requests {
        let shown = format!("{request:?}");
        let mut items = request.iter();
        let error = items.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{shown}");
        assert_eq!(
            (error.attempts(), error.is_retryable()),
            (0, false),
            "{shown}"
        );
        assert!(items.next().is_none() && items.next().is_none(), "{shown}");
        let mut pages = request.pages();
        let error = pages.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{shown}");
        assert!(pages.next().is_none(), "{shown}");
    }
    assert_eq!(server.calls(), 0);
    // The only call that the limiter has is still there.
    walk(client.machines());
    let error = client.machines().into_iter().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
}

/// Base URLs that are wrong, and a word of what is wrong with them.
const BAD_BASES: &[(&str, &str)] = &[
    ("", "scheme"),
    ("api.securitycenter.microsoft.com", "scheme"),
    ("//api.securitycenter.microsoft.com", "scheme"),
    ("ftp://host", "scheme"),
    ("file:///etc/passwd", "scheme"),
    ("https://", "host"),
    ("https:///", "host"),
    ("https://host/api", "path"),
    ("https://host//", "path"),
    ("https://host?query", "query"),
    ("https://host/?", "query"),
    ("https://host#fragment", "fragment"),
    ("https://user@host", "user name"),
    ("https://user:hunter2@host", "user name"),
    ("https://good.example:hunter2@evil.example", "user name"),
    ("https://host:", "port"),
    ("https://host:0", "port"),
    ("https://host:65536", "port"),
    ("https://host:hunter2", "port"),
    ("https://ho st", "host name"),
    ("https://host\n", "host name"),
    ("https://host\\@evil.example", "user name"),
    ("https://h\u{f6}st", "host"),
    ("https://[::1", "host"),
    ("http://example.com", "https only"),
    ("http://192.168.0.1", "https only"),
    ("http://127.0.0.1.example.com", "https only"),
    ("http://localhost.example.com", "https only"),
];

/// F94: an API URL that has more or less than scheme, host and port is refused when the client is
/// built, with a word of what is wrong, and without showing it.
#[test]
fn an_api_url_is_scheme_host_and_port_and_secure() {
    for (url, word) in BAD_BASES {
        let cloud = Cloud::COMMERCIAL.with_api_url(*url);
        let error = refused_setting(|builder| builder.cloud(cloud), &["the API URL", word]);
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

/// F94: so is a login authority, to which the client secret is sent.
#[test]
fn a_login_authority_is_scheme_host_and_port_and_secure() {
    for (url, word) in BAD_BASES {
        let cloud = Cloud::COMMERCIAL.with_authority(*url);
        let error = refused_setting(
            |builder| builder.cloud(cloud),
            &["the login authority", word],
        );
        assert!(
            !format!("{error:?} {error:#?}").contains("hunter2"),
            "{error:?}"
        );
    }
}

/// F94: one slash at the end is what people copy, and is not doubled.
#[test]
fn one_slash_behind_a_base_url_is_let_pass() {
    let server = RawServer::sending(Answer::json(r#"{"value":[]}"#));
    let client = client(&format!("{}/", server.url()));
    drop(client.scan_agents().unwrap());
    assert_eq!(server.only().target(), "/api/DeviceAuthenticatedScanAgents");
}

/// Texts that look like base URLs, and all others.
fn bases(good: &RawServer, other: &Forbidden) -> impl Strategy<Value = String> {
    let pieces: Vec<String> = [
        "http://",
        "https://",
        "HTTP://",
        "ftp://",
        "//",
        ":",
        ":0",
        ":080",
        "@",
        "/",
        "\\",
        "?",
        "#",
        "%40",
        "%2e",
        "..",
        ".",
        " ",
        "\t",
        "\n",
        "\0",
        "user",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[",
        "]",
        "\u{fc}",
        "a.b",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        good.host(),
        other.host(),
        format!("http://{}", good.host()),
        format!(":{}", good.port()),
    ])
    .collect();
    let url = format!("http://{}", good.host());
    prop_oneof![
        any::<String>(),
        r"(http|https)://[a-z0-9.@:/\[\]-]{0,12}",
        prop::collection::vec(prop::sample::select(pieces.clone()), 0..6)
            .prop_map(|all| all.concat()),
        prop::collection::vec(prop::sample::select(pieces), 0..3)
            .prop_map(move |all| format!("{url}{}", all.concat())),
    ]
}

/// The scheme, host and port that a text names if it names nothing else, as they are written.
fn origin_of(text: &str) -> Option<(String, String, u16)> {
    let text = text.to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://")?;
    let place = rest.strip_suffix('/').unwrap_or(rest);
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (host, port) = match place.rsplit_once(':').filter(|_| !place.ends_with(']')) {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (place, default),
    };
    Some((scheme.to_owned(), host.to_owned(), port))
}

/// F94: of any text whatever: it is refused or it is exactly an origin, nothing panics, and requests
/// go there and nowhere else. So it is for the API and for the login authority.
#[test]
fn any_base_url_is_refused_or_is_the_only_place_to_which_anything_is_sent() {
    let other = Forbidden::new();
    let good = RawServer::new(|seen| {
        Answer::json(match seen.method() {
            "POST" => r#"{"access_token":"t","expires_in":3599}"#,
            _ => NOTHING,
        })
    });
    let (refused, sent) = (Cell::new(0), Cell::new(0));
    property(&bases(&good, &other), |url| {
        good.forget();
        let credential = ClientSecret::new("contoso.com", "an-app", "a-secret").unwrap();
        let builder = Client::builder(credential)
            .clock(FakeClock::new())
            .retry_policy(RetryPolicy::none())
            .no_proxy();
        let here = Cloud::COMMERCIAL
            .with_api_url(good.url())
            .with_authority(good.url());
        let as_api = builder
            .clone()
            .cloud(here.clone().with_api_url(&url))
            .build();
        let as_login = builder.cloud(here.with_authority(&url)).build();
        prop_assert_eq!(as_api.is_ok(), as_login.is_ok());
        let (as_api, as_login) = match (as_api, as_login) {
            (Ok(as_api), Ok(as_login)) => (as_api, as_login),
            (one, two) => {
                for error in [one.unwrap_err(), two.unwrap_err()] {
                    prop_assert_eq!(error.kind(), ErrorKind::Config);
                    prop_assert!(!error.to_string().contains(char::is_control));
                }
                refused.set(refused.get() + 1);
                return Ok(());
            }
        };
        let (scheme, host, port) = origin_of(&url).unwrap();
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
        prop_assert!(name.bytes().all(harmless) && !name.is_empty(), "{}", url);
        let address = name.parse::<std::net::IpAddr>();
        let loopback = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
        prop_assert!(scheme == "https" || loopback, "{}", url);
        let shown = match (scheme.as_str(), port) {
            ("http", 80) | ("https", 443) => format!("{scheme}://{host}/api/machines"),
            _ => format!("{scheme}://{host}:{port}/api/machines"),
        };
        prop_assert_eq!(as_api.machines().url(), shown);
        if (scheme.as_str(), port) == ("http", good.port())
            && ["127.0.0.1", "localhost"].contains(&host.as_str())
        {
            as_api.scan_agents().unwrap();
            as_login.scan_agents().unwrap();
            let lines: Vec<_> = good.lines();
            let token = "POST /contoso.com/oauth2/v2.0/token";
            let call = "GET /api/DeviceAuthenticatedScanAgents";
            prop_assert_eq!(lines, [token, call, token, call]);
            sent.set(sent.get() + 1);
        }
        Ok(())
    });
    other.assert_untouched();
    // Both came up often.
    let (refused, sent) = (refused.get(), sent.get());
    assert!(
        refused > 100 && sent > 10,
        "{refused} refused, {sent} sent to"
    );
}

/// F95: a timeout of nothing is refused when the client is built, by name.
#[test]
fn no_timeout_may_be_zero() {
    refused_setting(
        |builder| builder.connect_timeout(Duration::ZERO),
        &["connect_timeout", "zero"],
    );
    refused_setting(
        |builder| builder.read_timeout(Duration::ZERO),
        &["read_timeout", "zero"],
    );
    refused_setting(
        |builder| builder.try_timeout(Duration::ZERO),
        &["try_timeout", "zero"],
    );
}

/// F95: one of more than a day is refused too, and a day isn't: more would overflow the transport's clock.
#[test]
fn no_timeout_may_be_longer_than_a_day() {
    // The longest would overflow the transport's clock.
    for timeout in [DAY + Duration::from_nanos(1), Duration::MAX] {
        refused_setting(
            |builder| builder.connect_timeout(timeout),
            &["connect_timeout", "day"],
        );
        refused_setting(
            |builder| builder.read_timeout(timeout),
            &["read_timeout", "day"],
        );
        refused_setting(
            |builder| builder.try_timeout(timeout),
            &["try_timeout", "day"],
        );
    }
    works(|builder| {
        builder
            .connect_timeout(DAY)
            .read_timeout(DAY)
            .try_timeout(DAY)
    });
}

/// F95: a deadline of nothing is refused, the client's when it is built and a request's as its first
/// error; an endless one is none.
#[test]
fn a_deadline_must_not_be_zero_and_may_be_endless() {
    refused_setting(
        |builder| builder.deadline(Duration::ZERO),
        &["deadline", "zero"],
    );
    let text = refused(|client| first(client.machines().deadline(Duration::ZERO)));
    assert!(text.contains("the deadline is zero"), "{text}");
    let text = refused(|client| first(client.scan_history(["a"]).deadline(Duration::ZERO)));
    assert!(text.contains("the deadline is zero"), "{text}");
    let text = refused(|client| first(client.machines_by_id(["a"]).deadline(Duration::ZERO)));
    assert!(text.contains("the deadline is zero"), "{text}");
    let text = refused(|client| first(client.machines().deadline_in_all(Duration::ZERO)));
    assert!(text.contains("the deadline is zero"), "{text}");
    let text = refused(|client| first(client.scan_history(["a"]).deadline_in_all(Duration::ZERO)));
    assert!(text.contains("the deadline is zero"), "{text}");
    sent(|client| walk(client.machines().deadline_in_all(Duration::MAX)));
    works(|builder| builder.deadline(Duration::MAX));
    sent(|client| walk(client.machines().deadline(Duration::MAX)));
    sent(|client| walk(client.scan_history(["a"]).deadline(Duration::MAX)));
}

/// F95: a body limit of nothing is refused; the largest one doesn't overflow.
#[test]
fn a_body_limit_must_not_be_zero_and_may_be_anything_else() {
    refused_setting(|builder| builder.body_limit(0), &["body_limit", "zero"]);
    works(|builder| builder.body_limit(u64::MAX));
}

/// F95: a rate limit of nothing is refused, and so is a share of the documented limits that comes to
/// nothing; dividing by zero is no panic.
#[test]
fn a_rate_limit_must_not_be_zero_and_may_be_anything_else() {
    for limits in [
        RateLimits::new(0, 1),
        RateLimits::new(1, 0),
        RateLimits::documented().divided_by(0),
        RateLimits::documented().divided_by(101),
        RateLimits::documented().divided_by(u32::MAX),
    ] {
        refused_setting(
            |builder| builder.rate_limits(limits),
            &["rate limit", "zero"],
        );
        assert_config(
            &RateLimiter::new(limits).unwrap_err(),
            &["rate limit", "zero"],
        );
    }
    works(|builder| builder.rate_limits(RateLimits::new(u32::MAX, u32::MAX)));
    works(|builder| builder.rate_limits(RateLimits::new(1, 1)));
}

/// F95: `max_wait` may be anything.
#[test]
fn a_wait_may_be_none_or_endless() {
    works(|builder| builder.max_wait(Duration::ZERO));
    works(|builder| builder.max_wait(Duration::MAX));
}

/// F95: of none, a call for which there is no room fails at once.
#[test]
fn a_wait_of_none_fails_at_once_where_there_is_no_room() {
    let server = RawServer::sending(Answer::json(r#"{"value":[]}"#));
    let clock = FakeClock::new();
    let client = builder(&server.url())
        .clock(clock.clone())
        .rate_limits(RateLimits::new(1, 1))
        .max_wait(Duration::ZERO)
        .build()
        .unwrap();
    drop(client.scan_agents().unwrap());
    let error = client.scan_agents().unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::RateLimited, 0),
        "{error:?}"
    );
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        defender_endpoint::testing::Clock::now(&clock),
        Duration::ZERO
    );
}

/// F95: a retry policy without a delay is refused, with a hint to what turns retries off.
#[test]
fn a_retry_delay_must_not_be_zero_and_may_be_endless() {
    for policy in [
        RetryPolicy::default().base_delay(Duration::ZERO),
        RetryPolicy::default().max_delay(Duration::ZERO),
        RetryPolicy::none().base_delay(Duration::ZERO),
    ] {
        let error = refused_setting(|builder| builder.retry_policy(policy), &["delay", "zero"]);
        assert!(error.hint().unwrap().contains("RetryPolicy::none()"));
    }
    let endless = RetryPolicy::default()
        .base_delay(Duration::MAX)
        .max_delay(Duration::MAX);
    works(|builder| builder.retry_policy(endless.retries(u32::MAX)));
}

/// F95: endless waits, deadlines, delays and retries are added up without overflow where they are
/// really waited for: before a retry, for the rate limit, and for as long as the service says.
#[test]
fn endless_durations_do_not_overflow_where_they_are_waited_for() {
    let endless = RetryPolicy::default()
        .base_delay(Duration::MAX)
        .max_delay(Duration::MAX)
        .retries(u32::MAX);
    for after in [
        "0",
        "1",
        "18446744073709551615",
        "99999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "-1",
    ] {
        for clock in [FakeClock::new(), near_the_end()] {
            for status in [429, 503] {
                let busy = Answer::new(status, &[("Retry-After", after)], "");
                let server = RawServer::script([busy, Answer::json(NOTHING)]);
                let client = builder(&server.url())
                    .clock(clock.clone())
                    .retry_policy(endless)
                    .max_wait(Duration::MAX)
                    .deadline(Duration::MAX)
                    .rate_limits(RateLimits::new(1, 1))
                    .build()
                    .unwrap();
                // It waits and goes on, or it says at once that there is no time left for it.
                match client.scan_agents() {
                    Ok(_) => assert_eq!(server.calls(), 2),
                    Err(error) => {
                        assert_eq!(error.status(), Some(status), "{error}");
                        assert_eq!((error.attempts(), server.calls()), (1, 1));
                    }
                }
            }
        }
    }
}

/// A clock that has not much further to go.
fn near_the_end() -> FakeClock {
    let clock = FakeClock::new();
    clock.advance(Duration::MAX.saturating_sub(DAY));
    clock
}
