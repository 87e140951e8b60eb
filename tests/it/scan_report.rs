//! The report on a tenant's scans, by the functions that the example hands out for copying.

// The example as it is, with a `main` that nobody calls here, and what all examples have in common.
#[expect(dead_code, clippy::duplicate_mod, reason = "only its report is tested")]
#[path = "../../examples/scan_report.rs"]
mod example;

use defender_endpoint::testing::{Exchange, Fault, Tenant};
use defender_endpoint::time::format_description::well_known::Rfc3339;
use defender_endpoint::time::{Duration, OffsetDateTime};
use example::{FailedTarget, Fetched, NeverReached, Report, State, Totals};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NOW: &str = "2026-11-22T12:00:00Z";
const DEFINITIONS: &str = "/api/DeviceAuthenticatedScanDefinitions";

fn rows<T: DeserializeOwned>(rows: Value) -> Vec<T> {
    serde_json::from_value(rows).unwrap()
}

fn now() -> OffsetDateTime {
    OffsetDateTime::parse(NOW, &Rfc3339).unwrap()
}

/// The report of what the service knows under these keys, where a day of silence is enough.
fn report(known: &Value) -> Report {
    let list = |key: &str| known.get(key).cloned().unwrap_or_else(|| json!([]));
    let fetched = Fetched {
        definitions: rows(list("definitions")),
        agents: rows(list("agents")),
        history: rows(list("history")),
        sessions: rows(list("sessions")),
        machines: rows(list("machines")),
    };
    example::report(&fetched, now(), Duration::hours(24))
}

/// What the report says of the only definition of these.
fn only(known: &Value) -> example::OfDefinition {
    let mut definitions = report(known).definitions;
    assert_eq!(definitions.len(), 1);
    definitions.remove(0)
}

fn written(date: Option<OffsetDateTime>) -> String {
    date.unwrap().format(&Rfc3339).unwrap()
}

fn printed(report: &Report) -> String {
    let mut out = Vec::new();
    example::print(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn fetched(tenant: &Tenant) -> Fetched {
    example::fetch(&tenant.client().unwrap(), 3).unwrap()
}

// ---- The calls ----

#[test]
fn a_404_for_the_machines_leaves_a_report_without_them() {
    let tenant = Tenant::demo().unwrap();
    tenant.fail(Fault::status(404).path("/api/machines"));
    let fetched = fetched(&tenant);
    assert!(fetched.machines.is_empty() && !fetched.agents.is_empty());
}

#[test]
fn five_calls_answer_everything() {
    let tenant = Tenant::demo().unwrap();
    let fetched = fetched(&tenant);
    let exchanges = tenant.exchanges();
    let calls: Vec<_> = exchanges
        .iter()
        .map(Exchange::path)
        .filter(|path| path.starts_with("/api/"))
        .collect();
    assert_eq!(
        calls,
        [
            DEFINITIONS,
            "/api/DeviceAuthenticatedScanAgents",
            &format!("{DEFINITIONS}/GetScanHistoryByScanDefinitionId"),
            &format!("{DEFINITIONS}/GetScanHistoryBySessionId"),
            "/api/machines",
        ]
    );
    assert!(
        fetched
            .history
            .iter()
            .all(|it| it.scanned_targets.is_empty())
    );
    assert!(
        fetched
            .sessions
            .iter()
            .all(|it| !it.scanned_targets.is_empty())
    );
    let totals = example::report(&fetched, OffsetDateTime::now_utc(), Duration::hours(24)).totals;
    let expected = Totals {
        definitions: 8,
        failed: 2,
        partial: 2,
        never_ran: 1,
        scanners: 5,
        silent: 1,
        never_reached: 1,
        sessions: 60,
        sessions_read: 21,
        is_cut: false,
    };
    assert_eq!(totals, expected);
}

#[test]
fn where_there_is_nothing_nothing_more_is_asked_for() {
    let tenant = Tenant::builder().start().unwrap();
    let report = example::report(&fetched(&tenant), now(), Duration::hours(24));
    assert_eq!(tenant.calls(""), 3, "a token, definitions and agents");
    assert!(report.definitions.is_empty() && report.scanners.is_empty());
}

#[test]
fn sessions_without_ids_are_not_asked_for_and_the_report_says_so() {
    let tenant = Tenant::builder()
        .scan_definitions([json!({ "id": "d", "latestScan": { "status": "Success" } })])
        .scan_history([
            json!({ "ScanDefinitionIds": "d", "ScanStatus": "Success" }),
            json!({ "ScanDefinitionIds": "d", "SessionIds": " " }),
        ])
        .start()
        .unwrap();
    let report = example::report(&fetched(&tenant), now(), Duration::hours(24));
    assert_eq!(tenant.calls("GetScanHistoryBySessionId"), 0);
    assert_eq!(report.definitions[0].state, State::Success);
    assert!(printed(&report).contains("No session came with its targets"));
}

#[test]
fn the_targets_asked_for_are_those_of_each_definitions_newest_sessions() {
    let session = |definition: &str, id: &str, day: u8| {
        json!({ "scanDefinitionId": definition, "sessionId": id,
                "lastScanned": format!("2026-11-{day:02}T00:00:00Z") })
    };
    let tenant = Tenant::builder()
        .scan_definitions([json!({ "id": "d" }), json!({ "id": "e" })])
        .scan_history([
            session("d", "d1", 1),
            session("d", "d4", 4),
            session("d", "d3", 3),
            session("e", "e2", 2),
        ])
        .start()
        .unwrap();
    let client = tenant.client().unwrap();
    example::fetch(&client, 2).unwrap();
    let exchanges = tenant.exchanges();
    let by_session = exchanges.last().unwrap();
    assert_eq!(by_session.body(), r#"{"SessionIds":["d4","d3","e2"]}"#);
    example::fetch(&client, 0).unwrap();
    assert_eq!(tenant.calls("GetScanHistoryBySessionId"), 1);
}

// ---- Scanners ----

#[test]
fn a_scanner_is_silent_for_each_reason_there_is() {
    let active = json!([{ "id": "m", "healthStatus": "Active" }]);
    let impaired = json!([{ "id": "m", "healthStatus": "ImpairedCommunication" }]);
    let inactive = json!([{ "id": "M", "healthStatus": "Inactive" }]);
    let agent = |seen: Value| json!([{ "id": "a", "machineId": "m", "lastSeen": seen }]);
    for (agents, machines, reasons) in [
        (agent(json!("2026-11-22T11:00:00Z")), &active, &[][..]),
        (agent(json!("2026-11-21T12:00:01Z")), &impaired, &[]),
        (
            agent(json!("2026-11-21T12:00:00Z")),
            &active,
            &["it was not seen for 24 h"],
        ),
        (
            agent(json!("2026-11-12T12:00:00Z")),
            &active,
            &["it was not seen for 10 days"],
        ),
        (agent(Value::Null), &active, &["it was never seen"]),
        (
            agent(json!("0001-01-01T00:00:00Z")),
            &active,
            &["it was never seen"],
        ),
        (
            agent(json!(NOW)),
            &json!([]),
            &["its machine is not in the tenant"],
        ),
        (
            json!([{ "id": "a", "lastSeen": NOW }]),
            &active,
            &["its machine is not named"],
        ),
        (agent(json!(NOW)), &inactive, &["its machine is inactive"]),
        (
            agent(json!("2026-11-20T12:00:00Z")),
            &inactive,
            &["it was not seen for 48 h", "its machine is inactive"],
        ),
    ] {
        let report = report(&json!({ "agents": agents, "machines": machines }));
        let scanner = &report.scanners[0];
        assert_eq!(scanner.reasons, reasons, "{agents} {machines}");
        assert_eq!(scanner.is_silent, !reasons.is_empty());
        assert_eq!(report.totals.silent, usize::from(!reasons.is_empty()));
    }
}

#[test]
fn a_scanner_is_one_whether_its_agent_or_definitions_name_it() {
    let scanner = |id: &str, machine: Value| {
        json!({ "id": format!("d{id}"), "scannerAgent": {
            "id": id, "machineId": machine, "machineName": "S", "lastSeen": NOW } })
    };
    let known = json!({
        "agents": [{ "id": "org_aa", "machineId": "aa", "lastSeen": NOW }],
        "definitions": [
            scanner("org_aa", json!("AA")),
            scanner("org_aa", Value::Null),
            scanner("org_bb", json!("bb")),
            scanner("ORG_BB", json!("bb")),
            { "id": "d", "scannerAgent": { "machineName": "By name only" } },
            { "id": "e", "scannerAgent": { "machineName": "by name only", "id": " " } },
            { "id": "f", "scannerAgent": { "machineName": "another" } },
            { "id": "g", "scannerAgent": { "machineName": "", "id": "one" } },
            { "id": "h", "scannerAgent": { "machineName": "", "id": "two" } },
            { "id": "without" },
        ],
        "machines": [{ "id": "aa" }, { "id": "bb" }],
    });
    let scanners = report(&known).scanners;
    let found: Vec<_> = scanners
        .iter()
        .map(|it| (it.machine_id.as_deref(), it.definitions, it.is_silent))
        .collect();
    let named = [(Some("aa"), 2, false), (Some("bb"), 2, true)];
    assert_eq!(found[..2], named);
    assert_eq!(scanners[1].reasons, ["it is not in the list of agents"]);
    let unnamed = [2, 1, 1, 1].map(|definitions| (None, definitions, true));
    assert_eq!(found[2..], unnamed);
}

// ---- Definitions ----

#[test]
fn the_newer_of_definition_and_history_says_how_the_latest_scan_went() {
    let scan = |status: &str, day: u8| {
        json!({ "status": status, "failureReason": "a reason",
                "executionDateTime": format!("2026-11-{day:02}T00:00:00Z") })
    };
    let session = |status: &str, day: u8| {
        json!([{ "scanDefinitionId": "D", "scanStatus": status, "generalErrorMessage": "an error",
                 "sessionId": "s", "lastScanned": format!("2026-11-{day:02}T00:00:00Z") }])
    };
    let target =
        |status: &str| json!([{ "ip": "a", "scanStatus": status, "errorMessage": "a target's" }]);
    let none = || json!([]);
    let empty = json!({ "status": null, "failureReason": null, "executionDateTime": null });
    for (scan, history, state, reasons) in [
        (empty.clone(), none(), State::NeverRan, &[][..]),
        (Value::Null, none(), State::NeverRan, &[]),
        (scan("Success", 2), none(), State::Success, &[]),
        (scan("Fail", 2), none(), State::Failed, &["a reason"]),
        (
            scan("Success", 2),
            session("Success", 2),
            State::Success,
            &[],
        ),
        // Of one and the same run: the definition knows no success in part.
        (
            scan("Success", 2),
            session("Partial Success", 2),
            State::PartialSuccess,
            &["a reason", "an error"],
        ),
        (
            scan("Success", 2),
            session("Failure", 2),
            State::Failed,
            &["a reason", "an error", "a target's"],
        ),
        // Of two runs.
        (
            scan("Success", 3),
            session("Failure", 2),
            State::Success,
            &[],
        ),
        (scan("Fail", 2), session("Success", 3), State::Success, &[]),
        (
            scan("Fail", 3),
            session("Failure", 2),
            State::Failed,
            &["a reason"],
        ),
        (
            scan("Success", 2),
            session("Failure", 3),
            State::Failed,
            &["an error", "a target's"],
        ),
        (empty, session("Success", 2), State::Success, &[]),
        (Value::Null, session("Running", 2), State::Unknown, &[]),
    ] {
        let case = format!("{scan} {history}");
        let definitions = json!([{ "id": "d", "latestScan": scan }]);
        let mut sessions = history.clone();
        if let Some(session) = sessions.get_mut(0) {
            let failed = session["scanStatus"] == "Failure";
            session["scannedTargets"] = target(if failed { "Failure" } else { "Success" });
        }
        let known = json!({ "definitions": definitions, "history": history, "sessions": sessions });
        let found = only(&known);
        assert_eq!(found.state, state, "{case}");
        assert_eq!(found.reasons, reasons, "{case}");
    }
}

/// One may tell when it began, and the other when it ended.
#[test]
fn dates_that_differ_by_less_than_a_run_are_of_the_same() {
    for (interval, of_scan, of_session, is_one) in [
        (json!(24), "00:00:00", "00:00:30", true),
        (json!(24), "00:59:59", "00:00:00", true),
        (json!(24), "00:00:00", "01:00:00", false),
        (Value::Null, "00:00:00", "00:59:59.9", true),
        (json!(1), "00:00:00", "00:29:59", true),
        (json!(1), "00:00:00", "00:30:00", false),
    ] {
        let date = |time: &str| format!("2026-11-02T{time}Z");
        let scan = json!({ "status": "Fail", "failureReason": "the reason",
                           "executionDateTime": date(of_scan) });
        let definition = json!({ "id": "d", "intervalInHours": interval, "latestScan": scan });
        let session = json!({ "scanDefinitionId": "d", "scanStatus": "Partial Success",
                              "generalErrorMessage": "the error", "lastScanned": date(of_session) });
        let found = only(&json!({ "definitions": [definition], "history": [session] }));
        let (state, reasons) = if is_one {
            (State::Failed, &["the reason", "the error"][..])
        } else {
            (State::PartialSuccess, &["the error"][..])
        };
        assert_eq!(found.state, state, "{interval} {of_scan} {of_session}");
        assert_eq!(found.reasons, reasons);
        assert_eq!(date(of_scan.max(of_session)), written(found.latest_scan));
    }
}

#[test]
fn without_dates_the_services_order_says_which_session_is_the_newest() {
    let session = |status: &str| json!({ "ScanDefinitionIds": "d", "ScanStatus": status });
    let found = only(&json!({
        "definitions": [{ "id": "d" }],
        "history": [session("Failure"), session("Success")],
    }));
    assert_eq!(found.state, State::Failed);
    assert_eq!(found.latest_scan, None);
}

/// A definition whose sessions are these, newest first, each with address, status and error of its
/// targets.
fn with_targets(sessions: &[&[[&str; 3]]]) -> Value {
    let date = |at: usize| format!("2026-11-{:02}T00:00:00Z", 20 - at);
    let row = |at: usize| {
        json!({ "scanDefinitionId": "d", "sessionId": format!("s{at}"), "lastScanned": date(at),
                "scanStatus": "Success" })
    };
    let target = |[ip, status, error]: &[&str; 3]| json!({ "ip": ip, "scanStatus": status, "errorMessage": error });
    let read: Vec<_> = sessions
        .iter()
        .enumerate()
        .map(|(at, targets)| {
            let mut row = row(at);
            row["scannedTargets"] = targets.iter().map(target).collect();
            row
        })
        .collect();
    let history: Vec<_> = (0..sessions.len()).map(row).collect();
    json!({ "definitions": [{ "id": "d" }], "history": history, "sessions": read })
}

#[test]
fn the_errors_of_the_newest_sessions_targets_are_told_each_once() {
    let found = only(&with_targets(&[
        &[
            ["a", "Failure", "SNMP: timeout"],
            ["b", "Failure", "SNMP: timeout"],
            ["c", "Failure", " "],
            ["e", "Success", ""],
        ],
        &[["e", "Failure", "of an older session"]],
    ]));
    assert_eq!(found.state, State::PartialSuccess);
    assert_eq!(found.reasons, ["SNMP: timeout"]);
    assert_eq!((found.targets, found.sessions_read), (4, 2));
    let failed = |target: &str, error: Option<&str>| FailedTarget {
        target: target.to_owned(),
        error: error.map(str::to_owned),
    };
    let timeout = Some("SNMP: timeout");
    assert_eq!(
        found.failed_targets,
        [
            failed("a", timeout),
            failed("b", timeout),
            failed("c", None)
        ]
    );
}

#[test]
fn the_targets_of_an_older_session_say_nothing_of_the_latest_scan() {
    let mut known = with_targets(&[&[["a", "Failure", "No answer"]]]);
    let newest = json!({ "scanDefinitionId": "d", "lastScanned": NOW, "scanStatus": "Success" });
    known["history"].as_array_mut().unwrap().insert(0, newest);
    let found = only(&known);
    assert_eq!((found.state, found.targets), (State::Success, 0));
    assert_eq!(found.never_reached.len(), 1);
}

/// The schema's rows have no dates, and no answer promises what else is in them.
#[test]
fn a_session_and_its_targets_are_joined_by_the_sessions_id_alone() {
    let target =
        json!([{ "ip": "a", "scanStatus": "Failure" }, { "ip": "b", "scanStatus": "Success" }]);
    let found = report(&json!({
        "definitions": [{ "id": "d", "latestScan": null }],
        "history": [
            { "scanDefinitionId": "d", "sessionId": "one", "lastScanned": "2026-11-01T00:00:00Z" },
            { "scanDefinitionId": "d", "sessionId": "two", "lastScanned": "2026-11-02T00:00:00Z" },
            { "scanDefinitionId": "d", "sessionId": "three", "lastScanned": "2026-10-02T00:00:00Z" },
        ],
        "sessions": [
            { "sessionId": "TWO", "generalErrorMessage": "from the session", "scannedTargets": target },
            { "sessionId": "one" },
            { "sessionId": "of nobody", "scannedTargets": target },
        ],
    }));
    let definition = &found.definitions[0];
    assert_eq!(definition.state, State::PartialSuccess);
    assert_eq!(definition.reasons, ["from the session"]);
    assert_eq!(written(definition.latest_scan), "2026-11-02T00:00:00Z");
    assert_eq!((definition.targets, definition.reached_targets), (2, 1));
    assert_eq!(
        (definition.sessions_read, found.totals.sessions_read),
        (1, 1)
    );
    assert_eq!(found.totals.sessions, 3);
}

#[test]
fn a_scan_that_got_into_no_target_failed_and_only_a_success_is_a_target_reached() {
    for (statuses, state, reached) in [
        (&["Failure", "Failure"][..], State::Failed, 0),
        (&["Failure", "Success"], State::PartialSuccess, 1),
        (&["Success", "PartialSuccess"], State::Success, 2),
        (&["Success", "Running", "", "Paused"], State::Success, 1),
        (&["Failure", "Running"], State::PartialSuccess, 0),
    ] {
        let targets: Vec<_> = statuses.iter().map(|status| ["a", status, ""]).collect();
        let found = only(&with_targets(&[&targets]));
        assert_eq!(found.state, state, "{statuses:?}");
        assert_eq!(
            (found.targets, found.reached_targets),
            (statuses.len(), reached)
        );
    }
}

#[test]
fn a_target_counts_once_in_a_session_and_once_in_the_total() {
    let mut known = with_targets(&[
        &[["a", "Failure", ""], ["A", "Failure", ""]],
        &[["a", "Failure", ""]],
        &[["b", "Failure", ""], ["b", "Success", ""]],
    ]);
    let more = [("history", 0), ("sessions", 0)];
    for (list, at) in more {
        let mut row = known[list][at].clone();
        (row["scanDefinitionId"], row["sessionId"]) = (json!("e"), json!("another"));
        known[list].as_array_mut().unwrap().push(row);
    }
    known["definitions"] = json!([{ "id": "d" }, { "id": "e" }]);
    let found = report(&known);
    let sessions = |at: usize| {
        let never = found.definitions[at].never_reached.iter();
        never
            .map(|it| (it.target.as_str(), it.sessions))
            .collect::<Vec<_>>()
    };
    assert_eq!((sessions(0), sessions(1)), (vec![("a", 2)], vec![("a", 1)]));
    assert_eq!(found.totals.never_reached, 1);
    assert!(printed(&found).contains(": 1 target never reached\n"));
}

#[test]
fn a_target_was_never_reached_if_every_session_that_lists_it_failed_to() {
    let found = only(&with_targets(&[
        &[
            ["never", "Failure", "the newest error"],
            ["NOW", "Success", ""],
            ["lost", "Failure", "No answer"],
            ["new", "Failure", ""],
            ["running", "Running", ""],
        ],
        &[
            ["never", "Failure", "an older error"],
            ["now", "Failure", "No answer"],
            ["lost", "PartialSuccess", ""],
        ],
        &[["now", "Failure", "No answer"], ["running", "Failure", ""]],
    ]));
    let never = |target: &str, sessions, error: Option<&str>| NeverReached {
        target: target.to_owned(),
        sessions,
        error: error.map(str::to_owned),
    };
    assert_eq!(
        found.never_reached,
        [
            never("never", 2, Some("the newest error")),
            never("new", 1, None),
        ]
    );
}

#[test]
fn a_target_without_an_address_goes_by_its_name() {
    let mut known = with_targets(&[&[["", "Failure", "No answer"]]]);
    known["sessions"][0]["scannedTargets"][0]["hostname"] = json!("jump1");
    let found = only(&known);
    assert_eq!(found.never_reached[0].target, "jump1");
    assert_eq!(found.failed_targets[0].target, "jump1");
}

#[test]
fn history_is_cut_where_the_page_is_full_or_lacks_a_definition_that_ran() {
    let session = |_| json!({ "scanDefinitionId": "d", "sessionId": "s" });
    let of = |rows| report(&json!({ "history": (0..rows).map(session).collect::<Vec<_>>() }));
    assert!(!of(4_095).totals.is_cut);
    assert!(of(4_096).totals.is_cut);
    assert!(printed(&of(4_096)).contains("There may be more sessions"));

    let ran = json!({ "executionDateTime": "2026-11-02T00:00:00Z" });
    let never = json!({ "status": null, "failureReason": null, "executionDateTime": null });
    for (scan, rows, state, is_cut) in [
        (&ran, 0, State::Unknown, true),
        (&ran, 1, State::Unknown, false),
        (&never, 0, State::NeverRan, false),
        (&Value::Null, 0, State::NeverRan, false),
    ] {
        let history: Vec<_> = (0..rows).map(session).collect();
        let definitions = json!([{ "id": "d", "latestScan": scan }]);
        let found = report(&json!({ "definitions": definitions, "history": history }));
        assert_eq!(found.totals.is_cut, is_cut, "{scan} {rows}");
        assert_eq!(found.definitions[0].state, state, "{scan} {rows}");
    }
}

#[test]
fn where_sessions_may_be_missing_only_the_definitions_own_word_says_that_it_never_ran() {
    let never = json!({ "status": null, "executionDateTime": null });
    let ran = json!({ "status": "Success", "executionDateTime": "2026-11-02T00:00:00Z" });
    let found = report(&json!({ "definitions": [
        { "id": "a", "latestScan": ran }, { "id": "b", "latestScan": never }, { "id": "c" },
    ] }));
    let states: Vec<_> = found.definitions.iter().map(|it| it.state).collect();
    assert_eq!(states, [State::Success, State::NeverRan, State::Unknown]);
    assert!(found.totals.is_cut);
    assert_eq!(found.totals.never_ran, 1);
}

// ---- How it is shown ----

#[test]
fn every_state_is_shown() {
    let text = printed(&report(&json!({
        "agents": [
            { "id": "org_aa", "machineId": "aa", "computerDnsName": "scan-1", "lastSeen": "2026-11-22T09:05:00Z" },
            { "id": "org_bb", "machineId": "bb", "computerDnsName": "", "lastSeen": "0001-01-01T00:00:00Z" },
        ],
        "machines": [{ "id": "aa", "healthStatus": "Active" }],
        "definitions": [
            { "id": "ok", "scanName": "Core", "scannerAgent": { "machineId": "aa" } },
            { "id": "part", "scanName": "Printers" },
            { "id": "bad", "scanName": " ",
              "latestScan": { "status": "Fail", "failureReason": "it is cold",
                              "executionDateTime": "2026-11-21T23:07:59Z" } },
            { "id": "new", "scanName": "New" },
            { "id": "off", "scanName": "Off", "isActive": false },
            { "id": "what", "scanName": "Running" },
        ],
        "history": [
            { "scanDefinitionId": "ok", "sessionId": "1", "lastScanned": "2026-11-20T00:01:00Z" },
            { "scanDefinitionId": "ok", "sessionId": "2", "lastScanned": "2026-11-21T13:02:00Z" },
            { "scanDefinitionId": "part", "sessionId": "3", "scanStatus": "Partial Success" },
            { "scanDefinitionId": "bad", "lastScanned": "2026-11-21T23:08:00Z" },
            { "scanDefinitionId": "what", "scanStatus": "Running" },
        ],
        "sessions": [
            { "sessionId": "2", "scanStatus": "Success", "scannedTargets": [{ "ip": "a", "scanStatus": "Success" }] },
            { "sessionId": "1", "scanStatus": "Failure", "scannedTargets": [{ "ip": "a", "scanStatus": "Failure" }] },
            { "sessionId": "3", "generalErrorMessage": "x".repeat(79), "scannedTargets": [
                { "ip": "b", "scanStatus": "Failure", "errorMessage": "No answer" },
                { "ip": "c", "scanStatus": "Success" },
                { "ip": "d" },
            ] },
        ],
    })));
    let expected = format!(
        "\
SCANNER                        LAST SEEN         MACHINE            SCANS STATE
scan-1                         2026-11-22 09:05Z Active             1     ok
org_bb                         never             -                  0     silent
  it was never seen
  its machine is not in the tenant

DEFINITION                     LATEST SCAN       STATE        TARGETS REACHED
Core                           2026-11-21 13:02Z success      1 of 1
Printers                       -                 partly       1 of 3
  {}…
  No answer
  b never reached in 1 session: No answer
bad                            2026-11-21 23:08Z FAILED       -
  it is cold
New                            never             never ran    -
Off                            never             never ran    -
  it is inactive
Running                        -                 unknown      -

2 scanners: 1 silent
6 definitions: 1 failed, 1 failed in part, 1 never ran
5 sessions, 3 read with their targets: 1 target never reached
",
        "x".repeat(77)
    );
    assert_eq!(text, expected);
}

#[test]
fn the_tables_fit_a_terminal_whatever_the_service_says() {
    let long = "x\u{1b}[2J東京".repeat(40);
    let mut known = with_targets(&[&[[&long, "Failure", &long]]]);
    known["definitions"] = json!([{ "id": "d", "scanName": long,
        "scannerAgent": { "id": long, "machineName": long } }]);
    known["machines"] = json!([{ "id": long, "healthStatus": long }]);
    let text = printed(&report(&known));
    assert!(!text.contains('\u{1b}'));
    for line in text.lines() {
        assert!(console::measure_text_width(line) <= 80, "{line}");
    }
}

#[test]
fn a_subnet_of_failures_takes_a_few_lines_of_the_table() {
    let ips = ["1", "2", "3", "4", "5", "6", "7"];
    let of = |many: usize| {
        let failed: Vec<_> = ips[..many]
            .iter()
            .map(|ip| [*ip, "Failure", "No answer"])
            .collect();
        printed(&report(&with_targets(&[&failed])))
    };
    let lines = |text: &str| {
        text.matches(" never reached in 1 session: No answer\n")
            .count()
    };
    assert!(lines(&of(5)) == 5 && !of(5).contains("more"));
    assert!(lines(&of(7)) == 5 && of(7).contains("\n  and 2 more: --json has them all\n"));
}

#[test]
fn the_document_keeps_its_shape() {
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let mut known = with_targets(&[&[["a", "Failure", "No answer"]]]);
    known["agents"] = json!([{ "id": "org_aa", "lastSeen": "2026-11-01T00:00:00Z" }]);
    let document = serde_json::to_value(report(&known)).unwrap();
    assert_eq!(keys(&document), ["definitions", "scanners", "totals"]);
    let definition = &document["definitions"][0];
    assert_eq!(
        keys(definition),
        [
            "failedTargets",
            "id",
            "isActive",
            "latestScan",
            "name",
            "neverReached",
            "reachedTargets",
            "reasons",
            "scannerMachineId",
            "sessionsRead",
            "state",
            "targets",
        ]
    );
    assert_eq!(definition["state"], "failed");
    assert_eq!(definition["latestScan"], "2026-11-20T00:00:00Z");
    assert_eq!(keys(&definition["failedTargets"][0]), ["error", "target"]);
    assert_eq!(
        keys(&definition["neverReached"][0]),
        ["error", "sessions", "target"]
    );
    assert_eq!(
        keys(&document["scanners"][0]),
        [
            "definitions",
            "id",
            "isSilent",
            "lastSeen",
            "machineHealth",
            "machineId",
            "name",
            "reasons",
        ]
    );
    assert_eq!(
        keys(&document["totals"]),
        [
            "definitions",
            "failed",
            "isCut",
            "neverRan",
            "neverReached",
            "partial",
            "scanners",
            "sessions",
            "sessionsRead",
            "silent",
        ]
    );
}
