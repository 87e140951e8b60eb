//! What the SDK promises, where other crates of the build have turned on the features of its
//! dependencies that could get in the way; `Cargo.toml` lists them.

#[path = "../../it/support/raw.rs"]
mod raw;

use std::fmt::Debug;
use std::time::Duration;

use defender_endpoint::machines::Machine;
use defender_endpoint::testing::{Clock, FakeClock, Fault, Tenant};
use defender_endpoint::{Client, ClientBuilder, ErrorKind, RetryPolicy, StaticToken, permissions};
use serde_json::{Value, json};

use raw::{Answer, RawServer, gzip};

/// A client for a server on loopback, in a time of its own.
fn builder(server: &RawServer) -> ClientBuilder {
    Client::builder(StaticToken::new("a-token").unwrap())
        .cloud(raw::cloud(server.url()))
        .clock(FakeClock::new())
        .no_proxy()
}

/// A page of machines with nothing but ids of 40 digits.
fn page(machines: usize) -> String {
    let rows: Vec<_> = (0..machines)
        .map(|number| json!({ "id": format!("{number:040}") }))
        .collect();
    json!({ "value": rows }).to_string()
}

/// The rows as they are written again.
fn written<T: serde::Serialize, E: Debug>(
    rows: impl IntoIterator<Item = Result<T, E>>,
) -> Vec<String> {
    rows.into_iter()
        .map(|row| serde_json::to_string(&row.unwrap()).unwrap())
        .collect()
}

/// This build has the feature `write` from nobody.
#[test]
fn no_operation_writes_unless_somebody_asks_for_it() {
    let mut posts = Vec::new();
    for operation in permissions::all() {
        match operation.method() {
            "GET" => {}
            "POST" => posts.push(operation.path()),
            other => panic!("{other} {}", operation.path()),
        }
    }
    let definitions = "/api/DeviceAuthenticatedScanDefinitions";
    let reads = ["ByScanDefinitionId", "BySessionId"];
    assert_eq!(
        posts,
        reads.map(|by| format!("{definitions}/GetScanHistory{by}"))
    );
}

/// Nor does the fake tenant write then, for whoever sends it something without the SDK.
#[test]
fn a_tenant_allows_no_method_that_writes_unless_somebody_asks_for_it() {
    let tenant = Tenant::demo_builder()
        .roles(["Machine.Read.All", "Machine.ReadWrite.All"])
        .start()
        .unwrap();
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent();
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        tenant.authority(),
        tenant.tenant_id()
    );
    let form = [
        ("client_id", tenant.client_id()),
        ("client_secret", tenant.client_secret()),
        ("grant_type", "client_credentials"),
        ("scope", "https://api.securitycenter.microsoft.com/.default"),
    ];
    let mut answer = agent.post(url).send_form(form).unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    let token = format!("Bearer {}", answer["access_token"].as_str().unwrap());

    let definitions = format!("{}/api/DeviceAuthenticatedScanDefinitions", tenant.url());
    let read = agent.get(&definitions).header("Authorization", &token);
    assert_eq!(read.call().unwrap().status(), 200);
    for request in [
        agent.post(&definitions),
        agent.patch(format!("{definitions}/an-id")),
        agent.post(format!("{definitions}/BatchDelete")),
    ] {
        let answer = request.header("Authorization", &token).send_json(json!({}));
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["Allow"], "GET");
    }
}

#[test]
fn the_limits_hold() {
    let clock = FakeClock::new();
    let tenant = Tenant::builder().clock(clock.clone()).start().unwrap();
    let client = tenant.client_builder().unwrap().clock(clock.clone());
    let client = client.max_wait(Duration::MAX).build().unwrap();
    for _ in 0..1_501 {
        client.scan_agents().unwrap();
    }
    let mut calls = tenant.exchanges();
    calls.retain(|call| !call.is_token_request());
    for (number, done) in [
        (100, 0),
        (101, 60),
        (245, 120),
        (1_500, 840),
        (1_501, 3_600),
    ] {
        assert_eq!(
            calls[number - 1].at(),
            Duration::from_secs(done),
            "call {number}"
        );
    }
    assert_eq!(clock.now(), Duration::from_secs(3_600));
}

#[test]
fn a_walk_over_compressed_pages_brings_the_same_rows() {
    let walk = |gzip| {
        let tenant = Tenant::demo_builder().gzip(gzip).start().unwrap();
        let client = tenant.client().unwrap();
        let ids = client.scan_definitions().unwrap();
        let ids: Vec<_> = ids.into_iter().map(|definition| definition.id).collect();
        [
            written(client.machines()),
            written::<_, ()>(client.scan_agents().unwrap().into_iter().map(Ok)),
            written::<_, ()>(client.scan_definitions().unwrap().into_iter().map(Ok)),
            written(client.scan_history(ids)),
        ]
    };
    let (plain, compressed) = (walk(false), walk(true));
    assert_eq!(plain.each_ref().map(Vec::len), [347, 5, 8, 60]);
    assert_eq!(plain, compressed);
}

#[test]
fn numbers_are_read_as_ever_and_unknown_ones_keep_their_digits() {
    let row = r#"{
        "id": 17, "version": 9.5, "osBuild": 22631.0, "rbacGroupId": 140, "riskScore": 4.5,
        "zoned": 12345678901234567890.5, "area": {"y": 1e+400, "x": [-0.10]}
    }"#;
    let server = RawServer::sending(Answer::gzipped(gzip(format!(r#"{{"value":[{row}]}}"#))));
    let client = builder(&server).build().unwrap();
    let machine = client.machines().into_iter().next().unwrap().unwrap();
    assert_eq!(machine.id, "17");
    assert_eq!(machine.version.as_deref(), Some("9.5"));
    assert_eq!(
        (machine.os_build, machine.rbac_group_id),
        (Some(22_631), Some(140))
    );
    assert_eq!(machine.risk_score.as_ref().map(AsRef::as_ref), Some("4.5"));

    let text = serde_json::to_string(&machine).unwrap();
    for kept in [
        r#""zoned":12345678901234567890.5"#,
        r#""area":{"y":1e+400,"x":[-0.10]}"#,
    ] {
        assert!(text.contains(kept), "{text}");
    }
    assert_eq!(serde_json::from_str::<Machine>(&text).unwrap(), machine);
    let tree: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::from_value::<Machine>(tree).unwrap(), machine);
}

#[test]
fn the_body_limit_counts_what_was_inflated() {
    let (page, limit) = (page(10_000), 100_000);
    let body = gzip(&page);
    assert!(page.len() > limit && body.len() < limit, "{}", body.len());
    let server = RawServer::sending(Answer::gzipped(body));
    let rows = |limit: usize| {
        let client = builder(&server).body_limit(u64::try_from(limit).unwrap());
        client.build().unwrap().machines().into_iter()
    };
    for limit in [limit, page.len() - 1] {
        // Before the first row: no more than the limit is taken in.
        let error = rows(limit).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
    assert_eq!(rows(page.len()).flatten().count(), 10_000);
}

#[test]
fn a_compressed_page_that_breaks_off_is_fetched_again() {
    let tenant = Tenant::demo().unwrap();
    tenant.fail(Fault::cut_body().path("/api/machines").on_call(2));
    let client = tenant.client_builder().unwrap().clock(FakeClock::new());
    let machines = client.build().unwrap().machines().into_iter();
    let ids: Vec<_> = machines.map(|machine| machine.unwrap().id).collect();
    assert_eq!(ids.len(), 347);
    assert_eq!(tenant.calls("/api/machines"), 5);
}

/// The answer is whole, what is in it isn't.
#[test]
fn damage_in_the_compressed_data_is_fetched_again() {
    let whole = gzip(page(1_000));
    let half = whole[..whole.len() / 2].to_vec();
    let mut spoilt = whole.clone();
    *spoilt.last_mut().unwrap() ^= 1; // of the length that the data should have
    for damaged in [half, spoilt] {
        let body = damaged.clone();
        let always = RawServer::sending(Answer::gzipped(&body));
        let client = builder(&always).retry_policy(RetryPolicy::none());
        let error = client
            .build()
            .unwrap()
            .machines()
            .into_iter()
            .find_map(Result::err);
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert!(error.is_retryable());
        // The transport's word for it: here it inflates, and not the SDK.
        assert!(
            error.to_string().contains("the compressed body is damaged"),
            "{error}"
        );

        let bodies = std::sync::Mutex::new(vec![whole.clone(), damaged]);
        let once = RawServer::new(move |_| Answer::gzipped(bodies.lock().unwrap().pop().unwrap()));
        let machines = builder(&once).build().unwrap().machines();
        let ids: Vec<_> = machines
            .into_iter()
            .map(|machine| machine.unwrap().id)
            .collect();
        assert_eq!((ids.len(), once.requests().len()), (1_000, 2));
    }
}

#[test]
fn a_number_in_an_error_is_cut_like_any_other_text() {
    let digits = "7".repeat(10_000);
    let body = format!(r#"{{"error":{{"code":{digits},"message":{digits}}}}}"#);
    let server = RawServer::sending(Answer::new(400, &[], body));
    let client = builder(&server).build().unwrap();
    let error = client.scan_agent("an-id").unwrap_err();
    for text in [error.code(), error.message()] {
        assert_eq!(text, Some(&*("7".repeat(300) + "…")));
    }
}

#[test]
fn only_what_the_sdk_reads_is_offered_and_only_http_proxies_are_taken() {
    let server = RawServer::sending(Answer::json(page(1)));
    let client = builder(&server).build().unwrap();
    assert_eq!(client.machines().into_iter().count(), 1);
    assert_eq!(
        server.only().header("accept-encoding").as_deref(),
        Some("gzip")
    );
    for url in ["socks4://127.0.0.1:1080", "socks5://127.0.0.1:1080"] {
        let error = builder(&server).proxy(url).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
    }
}
