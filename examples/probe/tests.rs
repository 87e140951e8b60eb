//! Whole reports, of fake tenants.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use defender_endpoint::Client;
use defender_endpoint::testing::{Exchange, FakeClock, Fault, Tenant, TenantBuilder};
use serde_json::{Value, json};

use super::*;
use crate::report::{Operation, Question, Verdict};

const AGENT: &str = "GET /api/DeviceAuthenticatedScanAgents/{id}";

fn probed(tenant: &Tenant, options: &Options) -> Report {
    let clock = FakeClock::new();
    let client = tenant.client_builder().unwrap().clock(clock).build();
    probed_by(&client.unwrap(), options).0
}

/// The report, and how long was waited.
fn probed_by(client: &Client, options: &Options) -> (Report, Duration) {
    let waited = Cell::new(Duration::ZERO);
    let wait = |time| waited.set(waited.get() + time);
    let asker = Asker::new(client, &|_| {}, &wait);
    let report = probe(client, &asker, options).unwrap();
    (report, waited.get())
}

fn demo() -> Report {
    probed(&Tenant::demo().unwrap(), &Options::default())
}

/// Both forms of a report.
fn written(report: &Report) -> String {
    let mut out = Vec::new();
    report::markdown(report, &mut out).unwrap();
    report::json(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn operation<'a>(report: &'a Report, name: &str) -> &'a Operation {
    report.operations.iter().find(|it| it.name == name).unwrap()
}

fn found<'a>(report: &'a Report, number: &str) -> (Verdict, &'a str) {
    let question = |it: &&Question| it.number == number;
    let question = report.questions.iter().find(question).unwrap();
    (question.answer, &question.evidence)
}

fn api_calls(tenant: &Tenant) -> Vec<Exchange> {
    let calls = tenant.exchanges().into_iter();
    calls.filter(|call| !call.is_token_request()).collect()
}

fn one_machine(machine: Value) -> Tenant {
    Tenant::builder().machines([machine]).start().unwrap()
}

#[test]
fn twenty_two_calls_answer_everything_and_none_of_them_writes() {
    let tenant = Tenant::demo().unwrap();
    let report = probed(&tenant, &Options::default());
    let calls = api_calls(&tenant);
    assert_eq!((report.raw_calls, report.calls_by_the_client), (14, 8));
    let paths: Vec<_> = calls.iter().map(|it| (it.path(), it.raw_query())).collect();
    assert_eq!(calls.len(), 22, "{paths:#?}");
    for call in calls {
        let is_history = call.path().contains("/GetScanHistoryBy");
        assert_eq!(call.method(), if is_history { "POST" } else { "GET" });
    }
    assert_eq!(report.operations.len(), 8);
    let names: Vec<&str> = report.questions.iter().map(|it| it.number).collect();
    let expected = [
        "1a", "1b", "1c", "2a", "2b", "3", "4", "5", "6a", "6b", "6c", "7", "8",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_demo_tenant_answers_what_it_can() {
    let report = demo();
    for operation in &report.operations {
        assert_eq!(operation.status, Some(200), "{}", operation.name);
        assert!(operation.by_the_client.starts_with("went through, rows: "));
        assert_eq!(operation.rows_refused, 0);
        assert!(operation.unknown_keys.is_empty(), "{}", operation.name);
    }
    for (number, expected) in [
        ("1a", Verdict::No),
        ("1b", Verdict::Yes),
        ("1c", Verdict::Yes),
        ("2a", Verdict::No),
        ("3", Verdict::NotTried),
        ("4", Verdict::NotTried),
        ("5", Verdict::Yes),
        ("6a", Verdict::Yes),
        ("6b", Verdict::No),
        ("6c", Verdict::Yes),
        ("7", Verdict::Yes),
        ("8", Verdict::NotTried),
    ] {
        assert_eq!(found(&report, number).0, expected, "{number}");
    }
    let text = written(&report);
    assert!(
        text.contains("`riskScore` is `Critical` (rows: 1)"),
        "{text}"
    );
    assert!(text.contains("| `PartialSuccess ×") || text.contains("Partial Success ×"));
}

#[test]
fn nothing_of_the_demo_fleet_is_in_the_report() {
    let tenant = Tenant::demo().unwrap();
    let text = written(&probed(&tenant, &Options::default()));
    let client = tenant.client().unwrap();
    let mut checked = 0;
    for machine in client.machines() {
        let machine = machine.unwrap();
        let name = machine.computer_dns_name.iter();
        let group = machine.rbac_group_name.iter();
        let addresses = machine.ip_addresses.iter();
        let addresses = addresses.flat_map(|it| it.ip_address.iter().chain(&it.mac_address));
        let all = std::iter::once(&machine.id).chain(name).chain(group);
        let all = all.chain(addresses).chain(&machine.machine_tags);
        // Shorter ones may be part of any word.
        for value in all.filter(|value| value.len() > 5) {
            assert!(!text.contains(value.as_str()), "{value}");
            checked += 1;
        }
    }
    assert!(checked > 2_000, "{checked}");
    for secret in [
        tenant.client_secret(),
        tenant.tenant_id(),
        tenant.client_id(),
        "eyJ",
    ] {
        assert!(!text.contains(secret));
    }
}

/// This row with another text for every text in it that doesn't have to be what it is.
fn planted(row: &mut Value, mark: &str, all: &mut Vec<String>) {
    match row {
        Value::Object(row) => {
            for (key, value) in row {
                planted(value, &format!("{mark}-{key}"), all);
            }
        }
        Value::Array(list) => {
            for (number, value) in list.iter_mut().enumerate() {
                planted(value, &format!("{mark}{number}"), all);
            }
        }
        value => {
            let text = format!("PLANTED-{mark}");
            *value = json!(text);
            all.push(text);
        }
    }
}

fn plants(rows: Value, mark: &str, all: &mut Vec<String>) -> Vec<Value> {
    let Value::Array(mut rows) = rows else {
        panic!("no rows");
    };
    for (number, row) in rows.iter_mut().enumerate() {
        planted(row, &format!("{mark}{number}"), all);
    }
    rows
}

fn planted_tenant(all: &mut Vec<String>) -> TenantBuilder {
    let read = |name: &str| -> Value {
        let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["value"].clone()
    };
    let mut machines = read("machine_full.json");
    machines[0]["colour"] = json!({ "red": [{ "shade": "x" }], "blue": "x" });
    let machines = plants(machines, "m", all);
    let agents = plants(read("scan_agents.json"), "a", all);
    let definitions = read("scan_definitions.json");
    let mut definitions = plants(definitions, "d", all);
    definitions[0]["scanAuthenticationParams"] =
        json!({ "pin": "PLANTED-pin", "password": "PLANTED" });
    let mut history = read("scan_history_by_session.json");
    for row in history.as_array_mut().unwrap() {
        row["SessionIds"] = json!("x");
    }
    let mut history = plants(history, "h", all);
    for row in &mut history {
        row["ScanDefinitionIds"] = definitions[0]["id"].clone();
    }
    Tenant::builder()
        .machines(machines)
        .scan_agents(agents)
        .scan_definitions(definitions)
        .scan_history(history)
}

#[test]
fn no_text_of_the_tenant_is_in_the_report() {
    let mut all = Vec::new();
    let tenant = planted_tenant(&mut all).start().unwrap();
    let header = |fault: Fault| {
        fault
            .header("X-Tenant", "PLANTED")
            .header("X-Planted-Proxy01", "1")
            .header("Vary", "PLANTED-Host")
            .header("Cache-Control", "private=\"PLANTED\"")
            .header("X-RateLimit-Key", "PLANTED")
    };
    let denied = header(Fault::status(403))
        .code("PLANTED.1")
        .message("PLANTED");
    tenant.fail(denied.path("ScanDefinitions/PLANTED"));
    let report = probed(&tenant, &Options::default());
    let text = written(&report);
    assert!(all.len() > 60, "{}", all.len());
    assert!(!text.to_lowercase().contains("planted"), "{text}");
    assert!(
        text.contains("`x-ratelimit-key`")
            && text.contains("`*: 2`")
            && text.contains("error code: not shown"),
        "{text}"
    );
    // All of it was looked at.
    for operation in &report.operations {
        assert!(
            operation.rows > 0 || operation.status == Some(403),
            "{operation:?}"
        );
    }
    let machines = operation(&report, "GET /api/machines");
    let paths: Vec<&str> = machines.keys.iter().map(|key| key.path.as_str()).collect();
    for path in [
        "riskScore",
        "colour.*[].*",
        "vmMetadata.resourceId",
        "machineTags[]",
    ] {
        assert!(paths.contains(&path), "{path}");
    }
}

#[test]
fn odd_rows_are_told_by_place_and_kind() {
    let tenant = Tenant::builder()
        .machines([
            json!({ "id": "m1", "colour": "blue", "riskScore": "Critical", "osBuild": true }),
            json!({ "id": "m2", "ipAddresses": [{ "ipAddress": "10.1.2.3", "speed": 1 },
                { "ipAddress": ["10.1.2.4"], "type": "Carrier" }], "vmMetadata": { "zone": "z" } }),
            json!({ "id": "m3", "colour": null, "lastSeen": "yesterday", "isExcluded": "SECRET" }),
        ])
        .scan_definitions([
            json!({ "id": "d1", "latestScan": { "status": "Fail", "took": 3 },
            "ScanName": "a", "scanName": "b" }),
        ])
        .start()
        .unwrap();
    let report = probed(&tenant, &Options::default());
    let machines = operation(&report, "GET /api/machines");
    assert_eq!((machines.rows, machines.rows_refused), (3, 3));
    let refused: Vec<(&str, &str)> = machines
        .refused
        .iter()
        .map(|it| (it.path.as_str(), it.why.as_str()))
        .collect();
    assert_eq!(
        refused,
        [
            ("ipAddresses[].ipAddress", "invalid type, expected a string"),
            ("isExcluded", "invalid type, expected a boolean"),
            (
                "lastSeen",
                "invalid value, expected a date and time (RFC 3339)"
            ),
            (
                "osBuild",
                "invalid type, expected an integer of 64 bits or its digits as text"
            ),
        ]
    );
    assert!(
        machines.by_the_client.starts_with("failed: Decode"),
        "{}",
        machines.by_the_client
    );
    let definitions = operation(&report, "GET /api/DeviceAuthenticatedScanDefinitions");
    assert_eq!(definitions.refused[0].path, "several keys together");
    assert_eq!(definitions.refused[0].why, "duplicate field");
    let text = written(&report);
    for line in [
        "`riskScore` is `Critical`",
        "`ipAddresses[].type` is `Carrier`",
    ] {
        assert!(text.contains(line), "{line}");
    }
    for value in ["yesterday", "SECRET", "10.1.2", "blue", "m1"] {
        assert!(!text.contains(value), "{value}");
    }
}

#[test]
fn keys_without_a_field_are_named_wherever_they_are() {
    let tenant = Tenant::builder()
        .machines([
            json!({ "id": "m1", "colour": 1, "ipAddresses": [{ "speed": 1 }, { "speed": 2 }] }),
            json!({ "id": "m2", "colour": 2, "vmMetadata": { "zone": "z" } }),
        ])
        .scan_agents([json!({ "id": "a1", "mood": "x" })])
        .scan_definitions([json!({ "id": "d1", "latestScan": { "took": 3 }, "rank": 1,
            "scannerAgent": { "mood": 1 }, "scanAuthenticationParams": { "pin": 1 } })])
        .scan_history([
            json!({ "ScanDefinitionIds": "d1", "SessionIds": "s1", "weather": 1,
            "ListScannedTargets": [{ "depth": 1 }] }),
        ])
        .start()
        .unwrap();
    let report = probed(&tenant, &Options::default());
    let unknown = |name: &str| -> Vec<(&str, usize)> {
        let keys = operation(&report, name).unknown_keys.iter();
        keys.map(|(key, rows)| (key.as_str(), *rows)).collect()
    };
    assert_eq!(
        unknown("GET /api/machines"),
        [
            ("colour", 2),
            ("ipAddresses[].speed", 1),
            ("vmMetadata.zone", 1)
        ]
    );
    assert_eq!(unknown(AGENT), [("mood", 1)]);
    assert_eq!(
        unknown("GET /api/DeviceAuthenticatedScanDefinitions/{id}"),
        [
            ("latestScan.took", 1),
            ("rank", 1),
            ("scanAuthenticationParams.pin", 1),
            ("scannerAgent.mood", 1)
        ]
    );
    assert_eq!(
        unknown("POST …/GetScanHistoryBySessionId"),
        [("scannedTargets[].depth", 1), ("weather", 1)]
    );
    let machines = operation(&report, "GET /api/machines");
    let never = |path: &str| machines.never_seen.iter().any(|it| it == path);
    assert!(
        never("computerDnsName") && never("ipAddresses[].ipAddress") && never("vmMetadata.vmId")
    );
    assert!(!never("id") && !never("vmMetadata"));
}

#[test]
fn the_first_429_ends_the_asking_and_the_other_paths_are_asked_once() {
    let tenant = Tenant::demo().unwrap();
    let refused = || Fault::throttled(Duration::from_secs(17)).header("X-Request-Id", "PLANTED");
    // The 4th call that asks for one machine, after those for `$count` and `$select`.
    tenant.fail(refused().path("/api/machines").on_call(11).always());
    tenant.fail(refused().path("ScanAgents").on_call(6).always());
    let options = Options {
        until_429: true,
        ..Options::default()
    };
    let report = probed(&tenant, &options);
    let (answer, evidence) = found(&report, "3");
    assert_eq!(answer, Verdict::Yes);
    assert!(
        evidence.contains("`retry-after: 17`") && evidence.contains("`x-request-id`"),
        "{evidence}"
    );
    assert!(!evidence.contains("PLANTED"));
    let (answer, evidence) = found(&report, "4");
    assert_eq!(answer, Verdict::Yes);
    let (shared, apart) = evidence.split_once("Went through: ").unwrap();
    assert!(
        shared.contains("GET /api/machines/{id}") && shared.contains("ScanAgents"),
        "{evidence}"
    );
    assert!(apart.contains("ScanDefinitions") && apart.contains("GetScanHistoryBySessionId"));
    let calls = api_calls(&tenant);
    let after = calls.iter().skip_while(|call| call.status() != Some(429));
    assert_eq!(after.count(), 8, "the refused one, and seven others");
}

#[test]
fn where_none_is_refused_it_ends_after_two_hundred_calls() {
    let tenant = one_machine(json!({ "id": "m1" }));
    let options = Options {
        until_429: true,
        ..Options::default()
    };
    let report = probed(&tenant, &options);
    assert_eq!(
        found(&report, "3"),
        (Verdict::Unknown, "no 429 in 200 calls, after 200 calls")
    );
    assert_eq!(found(&report, "4").0, Verdict::Unknown);
}

#[test]
fn a_429_by_chance_is_waited_for_and_told() {
    let tenant = Tenant::demo().unwrap();
    tenant.fail(Fault::throttled(Duration::from_secs(17)).path("ScanAgents"));
    let client = tenant.client().unwrap();
    let (report, waited) = probed_by(&client, &Options::default());
    assert_eq!(waited, Duration::from_secs(17));
    assert_eq!(found(&report, "3").0, Verdict::Yes);
    assert!(found(&report, "3").1.starts_with("by chance: "));
    assert_eq!(found(&report, "4").0, Verdict::NotTried);
    assert_eq!(
        operation(&report, "GET /api/DeviceAuthenticatedScanAgents").status,
        Some(200)
    );
}

/// A tenant that answers calls of this path with this text, however often.
fn answering(path: &str, text: &str) -> Report {
    let tenant = Tenant::demo().unwrap();
    tenant.fail(
        Fault::body(200, "application/json", text)
            .path(path)
            .always(),
    );
    probed(&tenant, &Options::default())
}

#[test]
fn other_answers_lead_to_other_findings() {
    let agents = r#"{"@odata.context":"https://api-eu.securitycenter.microsoft.com/api/$metadata#Machines(pc1)",
        "value":[{"id":"a"},{"id":"b"}],"@odata.nextLink":"https://evil.example/PLANTED"}"#;
    let report = answering("/api/DeviceAuthenticatedScanAgents", agents);
    assert_eq!(found(&report, "2a").0, Verdict::Yes);
    let (answer, evidence) = found(&report, "7");
    assert_eq!(answer, Verdict::No);
    assert!(
        evidence.contains("a foreign host") && !evidence.contains("evil"),
        "{evidence}"
    );
    let context = &operation(&report, "GET /api/DeviceAuthenticatedScanAgents").context;
    assert_eq!(
        context.as_deref(),
        Some("another host of the API, something else behind the `#`")
    );

    let report = answering("/api/DeviceAuthenticatedScanAgents", r#"{"id":"a"}"#);
    let expected =
        "200, one bare object, rows: 1; keys as in the schema 1, as on the pages 0, neither 0";
    assert_eq!(found(&report, "1a"), (Verdict::Yes, expected));

    let rows: Vec<Value> = (0..9).map(|n| json!({ "id": n.to_string(), "lastSeen": format!("2025-01-0{}T00:00:00Z", 1 + n * 7 % 9) })).collect();
    let text = json!({ "value": rows, "@odata.count": 9 }).to_string();
    let report = answering("/api/machines", &text);
    assert_eq!(
        found(&report, "6a"),
        (Verdict::No, "200, but 9 rows are not sorted")
    );
    assert_eq!(found(&report, "6b").0, Verdict::Yes);
    assert_eq!(
        found(&report, "6c"),
        (Verdict::No, "200, but a row has 2 keys all the same")
    );
    assert_eq!(found(&report, "7").0, Verdict::Unknown);
}

#[test]
fn whatever_is_answered_there_is_a_report() {
    for fault in [
        Fault::status(500),
        Fault::status(404).empty_body(),
        Fault::status(302).header("Location", "https://evil.example/"),
        Fault::body(200, "text/html", "<html>PLANTED</html>"),
        Fault::body(
            200,
            "application/json",
            "[1, \"PLANTED\", {\"PLANTED.x\": null}]",
        ),
        Fault::body(200, "application/json", r#"{"value": "PLANTED"}"#),
        Fault::body(
            502,
            "application/json",
            r#"{"PLANTED": 1, "PLANTED@contoso.com": 1, "error": { "code": "PLANTED" }}"#,
        ),
        Fault::body(200, "application/json", r#"{"PLANTED": 1, "value": "x"}"#),
        Fault::body(
            200,
            "application/json",
            r#"{"PLANTED@contoso.com": 1, "value": [{ "id": "x", "PLANTED@contoso.com": 1 }]}"#,
        ),
        Fault::body(
            200,
            "application/json",
            r#"{"value": {"id": {"PLANTED": 1}}}"#,
        ),
        Fault::cut_body(),
        Fault::disconnect(),
        Fault::unauthorized(),
    ] {
        let shown = format!("{fault:?}");
        let tenant = Tenant::demo().unwrap();
        tenant.fail(fault.path("/api/").always());
        let text = written(&probed(&tenant, &Options::default()));
        assert!(
            !text.contains("PLANTED") && !text.contains("evil"),
            "{shown}: {text}"
        );
        let redirected = shown.contains("status: 302");
        assert_eq!(text.contains("status: 302"), redirected, "{shown}");
        assert!(text.contains("by the client: failed: "), "{shown}: {text}");
    }
}

#[test]
fn the_progress_names_no_id() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let lines = RefCell::new(Vec::new());
    let tell = |line: &str| lines.borrow_mut().push(line.to_owned());
    let asker = Asker::new(&client, &tell, &|_| {});
    probe(&client, &asker, &Options::default()).unwrap();
    let lines = lines.into_inner();
    assert_eq!(lines.len(), 14);
    assert!(
        lines.contains(&"GET /api/machines/{id}: 200".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn options_are_few_and_checked() {
    let read = |arguments: &[&str]| options(lexopt::Parser::from_args(arguments));
    let plain = read(&[]).unwrap().unwrap();
    assert_eq!(
        (plain.rows, plain.json, plain.until_429),
        (200, false, false)
    );
    let all = read(&["--rows", "5", "--json", "--until-429", "--yes"]).unwrap();
    let all = all.unwrap();
    assert_eq!((all.rows, all.json, all.until_429), (5, true, true));
    assert!(read(&["-h"]).unwrap().is_none());
    for wrong in [
        &["--rows", "0"][..],
        &["--rows", "10001"],
        &["--rows", "x"],
        &["--until-429"],
        &["more"],
    ] {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
}
