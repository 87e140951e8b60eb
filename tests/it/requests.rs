//! What is sent: method, path, query, headers and body, for each operation and each option.

use std::time::Duration;

use defender_endpoint::filter::Filter;
use defender_endpoint::machines::{HealthStatus, Machine, RiskScore, field};
use defender_endpoint::{Client, ClientSecret, Cloud, ErrorKind};
use mockito::Server;
use serde_json::Value;

use crate::support::raw::{Answer, Forbidden, RawServer, Request, gzip};
use crate::support::{TOKEN, builder, client, fixture};

const OWN_NAME: &str = concat!("defender-endpoint/", env!("CARGO_PKG_VERSION"));
const NOTHING: &str = r#"{"value":[]}"#;
const HISTORY: &str = "/api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId";
const BY_SESSION: &str = "/api/DeviceAuthenticatedScanDefinitions/GetScanHistoryBySessionId";

/// The only request that this sends to a server that has no rows.
pub(crate) fn sent(act: impl FnOnce(&Client)) -> Request {
    let server = RawServer::sending(Answer::json(NOTHING));
    act(&client(&server.url()));
    server.only()
}

/// The kind and text of the error with which this is refused, before anything is sent.
pub(crate) fn refused<T: std::fmt::Debug>(
    act: impl FnOnce(&Client) -> Result<T, defender_endpoint::Error>,
) -> String {
    let server = Forbidden::new();
    let client = client(&format!("http://{}", server.host()));
    let error = act(&client).unwrap_err();
    server.assert_untouched();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(error.attempts(), 0);
    assert!(!error.is_retryable());
    error.to_string()
}

/// Walks a list of nothing to its end.
pub(crate) fn walk<T>(rows: impl IntoIterator<Item = Result<T, defender_endpoint::Error>>) {
    assert_eq!(rows.into_iter().map(Result::unwrap).count(), 0);
}

pub(crate) fn first<T>(
    rows: impl IntoIterator<Item = Result<T, defender_endpoint::Error>>,
) -> Result<T, defender_endpoint::Error> {
    rows.into_iter().next().expect("an item")
}

// --- the operations, without options

#[test]
fn every_read_sends_these_headers_and_no_others() {
    type Act = fn(&Client);
    let acts: [(&str, Act); 7] = [
        ("/api/machines", |client| walk(client.machines())),
        ("/api/machines/an-id", |client| {
            client.machine("an-id").unwrap_err();
        }),
        ("/api/machines?$filter=id%20eq%20%27an-id%27", |client| {
            let found = first(client.machines_by_id(["an-id"])).unwrap();
            assert_eq!(found, ("an-id".to_owned(), None));
        }),
        ("/api/DeviceAuthenticatedScanAgents", |client| {
            client.scan_agents().unwrap();
        }),
        ("/api/DeviceAuthenticatedScanAgents/an-id", |client| {
            client.scan_agent("an-id").unwrap_err();
        }),
        ("/api/DeviceAuthenticatedScanDefinitions", |client| {
            client.scan_definitions().unwrap();
        }),
        ("/api/DeviceAuthenticatedScanDefinitions/an-id", |client| {
            client.scan_definition("an-id").unwrap_err();
        }),
    ];
    for (path, act) in acts {
        let server = RawServer::sending(Answer::json(NOTHING));
        act(&client(&server.url()));
        let seen = server.only();
        assert_eq!(seen.request_line(), format!("GET {path} HTTP/1.1"));
        assert_eq!(
            seen.headers(),
            [
                "accept-encoding: gzip".to_owned(),
                "accept: application/json".to_owned(),
                format!("authorization: Bearer {TOKEN}"),
                format!("host: {}", server.host()),
                format!("user-agent: {OWN_NAME}"),
            ],
            "{path}"
        );
        assert!(seen.body.is_empty());
    }
}

#[test]
fn history_posts_the_ids_and_a_page_size() {
    let server = RawServer::sending(Answer::json(NOTHING));
    walk(client(&server.url()).scan_history(["one", "two"]));
    let seen = server.only();
    assert_eq!(
        seen.request_line(),
        format!("POST {HISTORY}?$top=4096 HTTP/1.1")
    );
    assert_eq!(seen.text(), r#"{"ScanDefinitionIds":["one","two"]}"#);
    assert_eq!(
        seen.headers(),
        [
            "accept-encoding: gzip".to_owned(),
            "accept: application/json".to_owned(),
            format!("authorization: Bearer {TOKEN}"),
            "content-length: 35".to_owned(),
            "content-type: application/json".to_owned(),
            format!("host: {}", server.host()),
            format!("user-agent: {OWN_NAME}"),
        ],
    );
}

#[test]
fn history_by_session_posts_the_ids_and_asks_for_no_pages() {
    let server = RawServer::sending(Answer::json(NOTHING));
    walk(client(&server.url()).scan_history_by_session(["a", "b", "a"]));
    let seen = server.only();
    assert_eq!(seen.request_line(), format!("POST {BY_SESSION} HTTP/1.1"));
    assert_eq!(seen.text(), r#"{"SessionIds":["a","b"]}"#);
    assert_eq!(
        seen.headers(),
        [
            "accept-encoding: gzip".to_owned(),
            "accept: application/json".to_owned(),
            format!("authorization: Bearer {TOKEN}"),
            "content-length: 24".to_owned(),
            "content-type: application/json".to_owned(),
            format!("host: {}", server.host()),
            format!("user-agent: {OWN_NAME}"),
        ],
    );
}

#[test]
fn history_says_that_its_body_is_json() {
    let seen = sent(|client| walk(client.scan_history(["an-id"])));
    assert_eq!(
        seen.header("content-type").as_deref(),
        Some("application/json")
    );
}

// --- machines: one test for each option

#[test]
fn machines_filter_is_sent_as_dollar_filter() {
    let seen = sent(|client| {
        let high = field::RISK_SCORE.eq(RiskScore::High);
        walk(client.machines().filter(high));
    });
    assert_eq!(seen.query(), "$filter=riskScore%20eq%20%27High%27");
}

#[test]
fn machines_filters_add_up() {
    let seen = sent(|client| {
        let high = field::RISK_SCORE.eq(RiskScore::High);
        walk(client.machines().filter(high).filter(Filter::raw("a or b")));
    });
    assert_eq!(
        seen.query(),
        "$filter=riskScore%20eq%20%27High%27%20and%20%28a%20or%20b%29"
    );
}

#[test]
fn machines_top_is_sent_as_dollar_top() {
    let seen = sent(|client| walk(client.machines().top(5)));
    assert_eq!(seen.query(), "$top=5");
}

#[test]
fn machines_skip_is_sent_as_dollar_skip() {
    let seen = sent(|client| walk(client.machines().skip(20_000)));
    assert_eq!(seen.query(), "$skip=20000");
}

#[test]
fn machines_skip_of_nothing_is_not_sent() {
    let seen = sent(|client| walk(client.machines().skip(0)));
    assert_eq!(seen.target(), "/api/machines");
}

#[test]
fn machines_page_size_is_sent_as_dollar_top() {
    for rows in [1, 10_000] {
        let seen = sent(|client| walk(client.machines().page_size(rows)));
        assert_eq!(seen.query(), format!("$top={rows}"));
    }
}

#[test]
fn machines_top_below_the_page_size_is_what_is_asked_for() {
    let seen = sent(|client| walk(client.machines().page_size(100).top(7)));
    assert_eq!(seen.query(), "$top=7");
}

#[test]
fn machines_query_option_is_sent_under_its_name() {
    let seen = sent(|client| {
        walk(
            client
                .machines()
                .query_option("$orderby", "lastSeen desc")
                .query_option("x y", "a&b=c#+"),
        );
    });
    assert_eq!(
        seen.query(),
        "$orderby=lastSeen%20desc&x%20y=a%26b%3Dc%23%2B"
    );
}

#[test]
fn machines_query_option_is_no_way_round_the_methods() {
    for name in [
        "$top", "top", "$TOP", " $top ", "$skip", "$filter", "Filter",
    ] {
        let text = refused(|client| first(client.machines().query_option(name, "1")));
        assert!(text.contains("query_option"), "{text}");
    }
}

#[test]
fn machines_query_option_needs_a_name() {
    for name in ["", " ", "$", "a\nb"] {
        refused(|client| first(client.machines().query_option(name, "1")));
    }
}

#[test]
fn machines_options_stand_together_in_one_query() {
    let seen = sent(|client| {
        let request = client
            .machines()
            .skip(3)
            .top(5)
            .page_size(2)
            .query_option("$orderby", "id")
            .filter(field::HEALTH_STATUS.ne(HealthStatus::Active));
        walk(request);
    });
    let filter = "$filter=healthStatus%20ne%20%27Active%27";
    assert_eq!(seen.query(), format!("{filter}&$orderby=id&$top=2&$skip=3"));
}

#[test]
fn machines_in_pages_and_in_other_types_are_asked_for_alike() {
    let plain = sent(|client| walk(client.machines().skip(3).top(5)));
    let pages = sent(|client| walk(client.machines().skip(3).top(5).pages()));
    let values = sent(|client| walk(client.machines().skip(3).top(5).deserialize::<Value>()));
    assert_eq!(plain.request_line(), pages.request_line());
    assert_eq!(plain.request_line(), values.request_line());
}

#[test]
fn the_url_of_a_request_is_what_is_sent() {
    let server = RawServer::sending(Answer::json(NOTHING));
    let client = client(&server.url());
    let filter = field::COMPUTER_DNS_NAME.eq("O'Brien & \u{fc}");
    let machines = client
        .machines()
        .filter(filter)
        .skip(1)
        .page_size(9)
        .query_option("$select", "id");
    walk(&machines);
    let history = client.scan_history(["a"]).skip(1).top(2).page_size(3);
    walk(&history);
    let sessions = client.scan_history_by_session(["a"]);
    walk(&sessions);
    let some = client.scan_history_by_session(["a"]).skip(1).page_size(3);
    walk(&some);
    let targets: Vec<_> = server
        .requests()
        .iter()
        .map(|seen| format!("{}{}", server.url(), seen.target()))
        .collect();
    let urls = [machines.url(), history.url(), sessions.url(), some.url()];
    assert_eq!(targets, urls);
}

// --- scan history: one test for each option

#[test]
fn history_top_is_sent_as_dollar_top() {
    let seen = sent(|client| walk(client.scan_history(["a"]).top(1)));
    assert_eq!(seen.query(), "$top=1");
}

#[test]
fn history_skip_is_sent_as_dollar_skip() {
    let seen = sent(|client| walk(client.scan_history(["a"]).skip(1_000)));
    assert_eq!(seen.query(), "$top=4096&$skip=1000");
}

#[test]
fn history_page_size_is_sent_as_dollar_top() {
    for rows in [1, 4_096] {
        let seen = sent(|client| walk(client.scan_history(["a"]).page_size(rows)));
        assert_eq!(seen.query(), format!("$top={rows}"));
    }
}

#[test]
fn history_sends_every_page_as_the_same_post() {
    let server = RawServer::new(|seen| {
        Answer::json(match seen.query() {
            "$top=1" => r#"{"value":[{"ScanDefinitionIds":"a"}]}"#,
            _ => NOTHING,
        })
    });
    let rows = client(&server.url()).scan_history(["a"]).page_size(1);
    assert_eq!(rows.iter().map(Result::unwrap).count(), 1);
    let seen = server.requests();
    let queries: Vec<_> = seen.iter().map(Request::query).collect();
    assert_eq!(queries, ["$top=1", "$top=1&$skip=1"]);
    assert_eq!(seen[0].text(), seen[1].text());
    assert_eq!(seen[0].headers(), seen[1].headers());
}

// --- scan history by session: one test for each option

#[test]
fn history_by_session_top_is_sent_as_dollar_top() {
    for (top, query) in [(1, "$top=1"), (4_096, "$top=4096"), (5_000, "$top=4096")] {
        let seen = sent(|client| walk(client.scan_history_by_session(["a"]).top(top)));
        assert_eq!(seen.query(), query);
    }
}

#[test]
fn history_by_session_skip_is_sent_as_dollar_skip_alone() {
    let seen = sent(|client| walk(client.scan_history_by_session(["a"]).skip(7)));
    assert_eq!(seen.query(), "$skip=7");
    let seen = sent(|client| walk(client.scan_history_by_session(["a"]).skip(0)));
    assert_eq!(seen.target(), BY_SESSION);
}

#[test]
fn history_by_session_page_size_is_sent_as_dollar_top() {
    for rows in [1, 4_096] {
        let seen = sent(|client| walk(client.scan_history_by_session(["a"]).page_size(rows)));
        assert_eq!(seen.query(), format!("$top={rows}"));
    }
}

#[test]
fn history_by_session_in_pages_and_in_other_types_is_asked_for_alike() {
    let plain = sent(|client| walk(client.scan_history_by_session(["a"]).skip(1)));
    let pages = sent(|client| walk(client.scan_history_by_session(["a"]).skip(1).pages()));
    let values = sent(|client| {
        let request = client.scan_history_by_session(["a"]).skip(1);
        walk(request.deserialize::<Value>());
    });
    for seen in [pages, values] {
        assert_eq!(plain.request_line(), seen.request_line());
        assert_eq!(plain.text(), seen.text());
    }
}

#[test]
fn history_by_session_sends_every_page_as_the_same_post() {
    let next =
        format!(r#"{{"value":[{{"SessionIds":"a"}}],"@odata.nextLink":"{BY_SESSION}?$skip=1"}}"#);
    // With links where no pages are asked for, and by offsets where they are.
    for (page_size, first) in [
        (None, next.as_str()),
        (Some(1), r#"{"value":[{"sessionId":"a"}]}"#),
    ] {
        let first = first.to_owned();
        let server = RawServer::new(move |seen| {
            Answer::json(if seen.query().contains("$skip") {
                NOTHING
            } else {
                &first
            })
        });
        let mut request = client(&server.url()).scan_history_by_session(["a", "b"]);
        if let Some(rows) = page_size {
            request = request.page_size(rows);
        }
        assert_eq!(request.iter().map(Result::unwrap).count(), 1);
        let seen = server.requests();
        let queries: Vec<_> = seen.iter().map(Request::query).collect();
        assert_eq!(
            queries,
            if page_size.is_some() {
                ["$top=1", "$top=1&$skip=1"]
            } else {
                ["", "$skip=1"]
            }
        );
        assert_eq!(seen[0].text(), seen[1].text());
        assert_eq!(seen[0].headers(), seen[1].headers());
    }
}

// --- who says hello

#[test]
fn the_programs_name_stands_before_the_crates() {
    let server = RawServer::sending(Answer::json(NOTHING));
    let client = builder(&server.url())
        .user_agent("asset-sync/1.4")
        .build()
        .unwrap();
    walk(client.machines());
    let name = server.only().header("user-agent");
    assert_eq!(name, Some(format!("asset-sync/1.4 {OWN_NAME}")));
}

#[test]
fn the_token_endpoint_is_sent_a_form_and_no_authorization() {
    let login = RawServer::sending(Answer::json(r#"{"access_token":"t","expires_in":3599}"#));
    let api = RawServer::sending(Answer::json(NOTHING));
    let credential = ClientSecret::new("contoso.com", "an-app", "a-secret").unwrap();
    let client = Client::builder(credential)
        .cloud(
            Cloud::COMMERCIAL
                .with_api_url(api.url())
                .with_authority(login.url()),
        )
        .no_proxy()
        .build()
        .unwrap();
    walk(client.machines());
    let seen = login.only();
    assert_eq!(
        seen.request_line(),
        "POST /contoso.com/oauth2/v2.0/token HTTP/1.1"
    );
    assert_eq!(
        seen.headers(),
        [
            "accept-encoding: gzip".to_owned(),
            "accept: application/json".to_owned(),
            format!("content-length: {}", seen.body.len()),
            "content-type: application/x-www-form-urlencoded".to_owned(),
            format!("host: {}", login.host()),
            format!("user-agent: {OWN_NAME}"),
        ],
    );
    assert_eq!(
        api.only().header("authorization").as_deref(),
        Some("Bearer t")
    );
}

// --- connections, and what they bring back

#[test]
fn calls_one_after_the_other_share_a_connection() {
    let server = RawServer::sending(Answer::json(NOTHING));
    let client = client(&server.url());
    for _ in 0..5 {
        drop(client.scan_agents().unwrap());
    }
    assert_eq!((server.requests().len(), server.connections()), (5, 1));
}

#[test]
fn a_clone_shares_the_connection() {
    let server = RawServer::sending(Answer::json(NOTHING));
    let client = client(&server.url());
    drop(client.scan_agents().unwrap());
    drop(client.clone().scan_agents().unwrap());
    assert_eq!((server.requests().len(), server.connections()), (2, 1));
}

#[test]
fn a_deadline_does_not_cost_the_connection() {
    let server = RawServer::sending(Answer::json(NOTHING));
    let client = builder(&server.url())
        .deadline(Duration::from_secs(60))
        .build()
        .unwrap();
    for _ in 0..3 {
        drop(client.scan_agents().unwrap());
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_small_error_answer_leaves_the_connection_whole() {
    let server = RawServer::sending(Answer::new(403, &[], r#"{"error":{"code":"Forbidden"}}"#));
    let client = client(&server.url());
    for _ in 0..3 {
        assert_eq!(
            client.scan_agents().unwrap_err().kind(),
            ErrorKind::Forbidden
        );
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn compressed_answers_are_read_with_and_without_their_header() {
    for headers in [&[("Content-Encoding", "gzip")][..], &[]] {
        let server = RawServer::new(move |seen| {
            let text = match seen.target() {
                "/api/machines" => fixture("machines.json"),
                "/api/DeviceAuthenticatedScanAgents" => fixture("scan_agents.json"),
                "/api/DeviceAuthenticatedScanDefinitions" => fixture("scan_definitions.json"),
                target if target.starts_with(HISTORY) => fixture("scan_history.json"),
                _ => fixture("scan_agent_by_id.json"),
            };
            Answer::new(200, headers, gzip(&text))
        });
        let client = client(&server.url());
        let machines: Vec<Machine> = client.machines().iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(machines[0].id, "1e5bc9d7e413ddd7902c2932e418702b84d0cc07");
        assert_eq!(client.scan_agents().unwrap().len(), 2);
        assert_eq!(client.scan_definitions().unwrap().len(), 2);
        assert_eq!(
            client
                .scan_history(["a"])
                .top(3)
                .iter()
                .map(Result::unwrap)
                .count(),
            3
        );
        let id = "4ejh675b240118fbehiuiy5b64d704b4e53d15";
        assert_eq!(
            client.scan_agent(id).unwrap().machine_id.as_deref(),
            Some(id)
        );
    }
}

#[test]
fn a_compressed_refusal_is_read() {
    let body = gzip(r#"{"error":{"code":"Forbidden","message":"No.","target":"a-target"}}"#);
    for headers in [&[("Content-Encoding", "gzip")][..], &[]] {
        let server = RawServer::sending(Answer::new(403, headers, &body));
        let error = client(&server.url()).scan_agents().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        let said = (error.code(), error.message(), error.request_id());
        assert_eq!(said, (Some("Forbidden"), Some("No."), Some("a-target")));
    }
}

#[test]
fn a_compressed_token_and_its_refusal_are_read() {
    let api = RawServer::sending(Answer::json(NOTHING));
    let call = |status, body: &str| {
        let login = RawServer::sending(Answer::new(
            status,
            &[("Content-Encoding", "gzip")],
            gzip(body),
        ));
        let cloud = Cloud::COMMERCIAL
            .with_api_url(api.url())
            .with_authority(login.url());
        let credential = ClientSecret::new("contoso.com", "an-app", "a-secret").unwrap();
        Client::builder(credential)
            .cloud(cloud)
            .no_proxy()
            .build()
            .unwrap()
            .scan_agents()
    };
    call(200, r#"{"access_token":"t","expires_in":3599}"#).unwrap();
    assert_eq!(
        api.only().header("authorization").as_deref(),
        Some("Bearer t")
    );
    let error = call(
        401,
        r#"{"error":"invalid_client","error_description":"No."}"#,
    )
    .unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Some("invalid_client"), Some("No."))
    );
}

#[test]
fn an_answer_in_chunks_is_read() {
    let mut server = Server::new();
    server
        .mock("GET", "/api/machines")
        .with_chunked_body(|out| {
            for piece in fixture("machines.json").as_bytes().chunks(7) {
                out.write_all(piece)?;
            }
            Ok(())
        })
        .create();
    assert_eq!(
        client(&server.url())
            .machines()
            .iter()
            .map(Result::unwrap)
            .count(),
        1
    );
}
