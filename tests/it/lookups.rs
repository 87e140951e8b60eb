//! Entities by their ids: one machine, the machine behind something else, one definition, and machines
//! by many ids.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use defender_endpoint::machines::{
    HealthStatus, Machine, MachinesById, MachinesByIdIter, OnMachine, RiskScore,
};
use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::scan_definitions::{ScanDefinition, ScanType, ScannerAgent};
use defender_endpoint::scan_history::ScanHistoryEntry;
use defender_endpoint::testing::Tenant;
use defender_endpoint::{Error, ErrorKind, RateLimits};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::requests::refused;
use crate::support::raw::{Answer, RawServer, Request};
use crate::support::{builder, client, fixture};

// --- one entity

#[test]
fn a_machine_is_found_by_id_as_documented() {
    let server = RawServer::sending(Answer::json(fixture("machine_by_id.json")));
    let id = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
    let machine = client(&server.url()).machine(id).unwrap();
    assert_eq!(server.only().line(), format!("GET /api/machines/{id}"));
    assert_eq!(machine.id, id);
    assert_eq!(machine.os_platform.as_deref(), Some("Windows10"));
    assert_eq!(machine.health_status, Some(HealthStatus::Active));
    assert_eq!(machine.risk_score, Some(RiskScore::Low));
    assert_eq!(
        (machine.rbac_group_id, machine.is_aad_joined),
        (Some(140), Some(true))
    );
    assert_eq!(machine.machine_tags, ["test tag 1", "test tag 2"]);
    assert!(machine.extra.is_empty(), "{:?}", machine.extra);
}

#[test]
fn a_machine_is_found_by_its_name() {
    let server = RawServer::sending(Answer::json(fixture("machine_by_id.json")));
    let name = "MYMACHINE1.contoso.com";
    let machine = client(&server.url()).machine(name).unwrap();
    assert_eq!(server.only().line(), format!("GET /api/machines/{name}"));
    assert_eq!(machine.id, "1e5bc9d7e413ddd7902c2932e418702b84d0cc07");
}

#[test]
fn a_scan_definition_is_found_by_id() {
    let server = RawServer::sending(Answer::json(fixture("scan_definition_by_id.json")));
    let id = "60c4aa57-ioi3-1290-7ff6-09fr14792a92";
    let definition = client(&server.url()).scan_definition(id).unwrap();
    assert_eq!(
        server.only().line(),
        format!("GET /api/DeviceAuthenticatedScanDefinitions/{id}")
    );
    assert_eq!(definition.id, id);
    assert_eq!(definition.scan_type, Some(ScanType::Network));
    assert_eq!(
        definition.scanner_agent.unwrap().machine_id.as_deref(),
        Some("eb663a27676kjhj61bc268a79eedf14c4t78u7")
    );
    assert!(definition.extra.is_empty(), "{:?}", definition.extra);
}

#[test]
fn a_machine_with_another_id_out_of_a_list_is_not_taken_for_the_one() {
    let server = RawServer::sending(Answer::json(fixture("machines.json")));
    let error = client(&server.url()).machine("another").unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::NotFound, None));
    let text = error.to_string();
    assert!(text.starts_with("GET /api/machines/another"), "{text}");
}

// --- the machine behind something else

/// A value out of JSON.
fn from<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[test]
fn whatever_names_a_machine_leads_to_it_with_one_call() {
    let agent: ScanAgent = from(json!({"id": "org_other", "machineId": "a-machine"}));
    let definition: ScanDefinition = from(json!({
        "id": "a-definition", "scannerAgent": {"id": "org_other", "machineId": "a-machine"}
    }));
    let scanner = definition.scanner_agent.unwrap();
    // A documented one.
    let spaced: ScannerAgent = from(json!({"id": "org_ a-machine", "machineId": " "}));
    let blank: ScanAgent = from(json!({"id": "org_a-machine", "machineId": ""}));
    let session: ScanHistoryEntry = from(json!({"ScannerId": "a-machine"}));
    let by_agent: ScanHistoryEntry = from(json!({"ScannerId": "an_org_a-machine"}));
    let things: [&dyn OnMachine; 10] = [
        &agent,
        &&agent,
        &ScanAgent::new("org_a-machine"),
        &blank,
        &scanner,
        &spaced,
        &session,
        &by_agent,
        &Machine::new("a-machine"),
        &"a-machine".to_owned(),
    ];
    for thing in things {
        let server = RawServer::sending(Answer::json(r#"{"id":"a-machine"}"#));
        let machine = client(&server.url()).machine_of(thing).unwrap();
        assert_eq!(server.only().line(), "GET /api/machines/a-machine");
        assert_eq!(machine.id, "a-machine");
    }
    let server = RawServer::sending(Answer::json(r#"{"id":"a-machine"}"#));
    client(&server.url()).machine_of("a-machine").unwrap();
    client(&server.url()).machine_of(agent).unwrap();
    assert_eq!(server.lines(), ["GET /api/machines/a-machine"; 2]);
}

#[test]
fn what_names_no_machine_is_refused() {
    let nameless: ScannerAgent = from(json!({"machineName": "a-name"}));
    let endless: ScannerAgent = from(json!({"id": "org_", "machineId": null}));
    let things: [&dyn OnMachine; 6] = [
        &ScanAgent::new("an-agent"),
        &ScanAgent::new("org_ "),
        &nameless,
        &endless,
        &ScanHistoryEntry::default(),
        &from::<ScanHistoryEntry>(json!({"ScannerId": " "})),
    ];
    for thing in things {
        let text = refused(|client| client.machine_of(thing));
        assert!(text.contains("no machine's id in it"), "{text}");
    }
}

// --- machines by many ids

/// The ids of a call's filter, if it is one as `machines_by_id` sends it.
fn asked(request: &Request) -> Vec<String> {
    assert_eq!(
        (request.method(), request.target().split('?').next()),
        ("GET", Some("/api/machines"))
    );
    let filter = request.query().strip_prefix("$filter=").unwrap();
    let filter = percent_decode_str(filter).decode_utf8().unwrap();
    let mut ids = Vec::new();
    let mut rest = filter.as_ref();
    loop {
        rest = rest.strip_prefix("id eq '").unwrap();
        // Inner quotes are doubled.
        let whole = rest.replace("''", "\0\0");
        let end = whole.find('\'').unwrap();
        ids.push(rest[..end].replace("''", "'"));
        rest = &rest[end + 1..];
        if rest.is_empty() {
            return ids;
        }
        rest = rest.strip_prefix(" or ").unwrap();
    }
}

/// What the service answers that has these machines, in an order of its own.
fn answer(request: &Request, present: &HashSet<String>) -> Answer {
    let asked = asked(request);
    let rows: Vec<_> = asked
        .iter()
        .rev()
        .map(|id| id.to_ascii_lowercase())
        .filter(|id| present.contains(id))
        .map(|id| json!({ "id": id }))
        .collect();
    Answer::json(json!({ "value": rows }).to_string())
}

/// A service that has these machines.
fn having(present: impl IntoIterator<Item = impl Into<String>>) -> RawServer {
    let present: HashSet<String> = present.into_iter().map(Into::into).collect();
    RawServer::new(move |request| answer(request, &present))
}

/// `machine-0` and so on.
fn ids(count: usize) -> Vec<String> {
    (0..count).map(|id| format!("machine-{id}")).collect()
}

/// Of each item the id, and that of the machine; to the end and past it.
fn all(items: &mut MachinesByIdIter) -> (Vec<(String, Option<String>)>, Option<Error>) {
    let mut found = Vec::new();
    let mut failure = None;
    for item in items.by_ref() {
        assert!(failure.is_none(), "an item behind an error");
        match item {
            Ok((id, machine)) => found.push((id, machine.map(|machine| machine.id))),
            Err(error) => failure = Some(error),
        }
    }
    assert!(items.next().is_none() && items.next().is_none());
    (found, failure)
}

/// The same of a walk that ends well.
fn whole(request: &MachinesById) -> Vec<(String, Option<String>)> {
    let mut items = request.iter();
    let (found, failure) = all(&mut items);
    assert!(failure.is_none(), "{failure:?}");
    assert!(items.remaining().is_empty());
    found
}

/// The machines that were found for these ids.
fn found(ids: &[String]) -> Vec<(String, Option<String>)> {
    let pair = |id: &String| (id.clone(), Some(id.clone()));
    ids.iter().map(pair).collect()
}

#[test]
fn machines_by_id_are_asked_for_twenty_at_a_time() {
    for (count, calls) in [(1, 1), (20, 1), (21, 2), (45, 3)] {
        let ids = ids(count);
        let server = having(ids.clone());
        assert_eq!(
            whole(&client(&server.url()).machines_by_id(&ids)),
            found(&ids)
        );
        let seen = server.requests();
        assert_eq!(seen.len(), calls);
        assert!(seen.iter().map(asked).eq(ids.chunks(20)));
    }
}

#[test]
fn the_filter_is_all_that_is_sent() {
    let server = having(["a"]);
    whole(&client(&server.url()).machines_by_id(["a", "B"]));
    assert_eq!(
        server.only().line(),
        "GET /api/machines?$filter=id%20eq%20%27a%27%20or%20id%20eq%20%27B%27"
    );
}

#[test]
fn no_ids_are_no_machines_and_no_call() {
    let server = having(["a"]);
    let client = client(&server.url());
    assert!(whole(&client.machines_by_id(Vec::<String>::new())).is_empty());
    assert!(whole(&client.machines_by_id([""; 0]).ids_per_call(1)).is_empty());
    assert_eq!(server.calls(), 0);
}

#[test]
fn an_id_comes_back_without_a_machine_where_there_is_none() {
    let server = having(["b", "d"]);
    let client = client(&server.url());
    let expected = ["a", "b", "c", "d"].map(|id| {
        let there = ["b", "d"].contains(&id);
        (id.to_owned(), there.then(|| id.to_owned()))
    });
    for size in [1, 2, 20] {
        let request = client.machines_by_id(["a", "b", "c", "d"]);
        assert_eq!(whole(&request.ids_per_call(size)), expected);
    }
    let mut items = client.machines_by_id(["x", "y"]).into_iter();
    let (none, _) = all(&mut items);
    assert_eq!(none, [("x".to_owned(), None), ("y".to_owned(), None)]);
}

#[test]
fn an_id_that_is_given_twice_is_asked_for_once() {
    let server = having(["ab", "c"]);
    let request = client(&server.url()).machines_by_id(["ab", "c", "ab", "c", "c"]);
    assert_eq!(whole(&request), found(&["ab", "c"].map(str::to_owned)));
    assert_eq!(asked(&server.only()), ["ab", "c"]);
}

#[test]
fn ids_that_differ_in_case_are_each_asked_for_and_none_loses_its_machine() {
    let ids = ["aB", "c", "AB", "ab", "C"];
    let expected = ids.map(|id| (id.to_owned(), Some(id.to_ascii_lowercase())));
    for size in [1, 2, 20] {
        let server = having(["ab", "c"]);
        let request = client(&server.url()).machines_by_id(ids.iter().chain(&ids));
        assert_eq!(whole(&request.ids_per_call(size)), expected);
        let asked: Vec<_> = server.requests().iter().flat_map(asked).collect();
        assert_eq!(asked, ids);
    }
    // A service to which case matters has one row for each.
    for rows in [["ab", "AB"], ["AB", "ab"]] {
        let rows = rows.map(|id| json!({ "id": id }));
        let server = RawServer::sending(Answer::json(json!({ "value": rows }).to_string()));
        let request = client(&server.url()).machines_by_id(["ab", "AB"]);
        assert_eq!(whole(&request), found(&["ab", "AB"].map(str::to_owned)));
    }
    // And one to which it doesn't, one for all, be it in a case of its own.
    let server = RawServer::sending(Answer::json(r#"{"value":[{"id":"Ab"}]}"#));
    let request = client(&server.url()).machines_by_id(["ab", "AB"]);
    let expected = ["ab", "AB"].map(|id| (id.to_owned(), Some("Ab".to_owned())));
    assert_eq!(whole(&request), expected);
}

#[test]
fn case_matters_beyond_ascii() {
    let server = having(["\u{fc}", "\u{dc}"]);
    let ids = ["\u{fc}".to_owned(), "\u{dc}".to_owned()];
    assert_eq!(
        whole(&client(&server.url()).machines_by_id(&ids)),
        found(&ids)
    );
}

#[test]
fn an_id_is_one_literal_of_the_filter_whatever_it_holds() {
    let ids = [
        "o'brien",
        "''",
        "' or 1 eq 1 or '",
        "&$top=1",
        "a+b%27",
        "a b?c#d/e\\",
        "\u{fc}\u{1f600}",
    ]
    .map(str::to_owned);
    let server = having(ids.clone());
    assert_eq!(
        whole(&client(&server.url()).machines_by_id(&ids)),
        found(&ids)
    );
    assert_eq!(asked(&server.only()), ids);
}

#[test]
fn how_many_ids_a_call_has_can_be_set() {
    let ids = ids(10);
    for (size, calls) in [(1, 10), (3, 4), (10, 1), (19, 1)] {
        let server = having(ids.clone());
        let request = client(&server.url()).machines_by_id(&ids);
        assert_eq!(whole(&request.ids_per_call(size)), found(&ids));
        assert_eq!(server.calls(), calls);
    }
}

#[test]
fn a_request_that_cannot_be_sent_is_the_first_error_and_costs_no_call() {
    type Change = fn(MachinesById) -> MachinesById;
    let cases: [(&[&str], Change, &str); 10] = [
        (&["a"], |it| it.ids_per_call(0), "from 1 to 20"),
        (&["a"], |it| it.ids_per_call(21), "from 1 to 20"),
        (&["a"], |it| it.ids_per_call(u32::MAX), "from 1 to 20"),
        (&[], |it| it.ids_per_call(0), "from 1 to 20"),
        (&["a"], |it| it.deadline(Duration::ZERO), "deadline"),
        (&[], |it| it.deadline(Duration::ZERO), "deadline"),
        (
            &["a", "", "b"],
            |it| it,
            "machine id 2 can't be sent: the id is empty or blank",
        ),
        (
            &["a", "b", ".."],
            |it| it,
            "machine id 3 can't be sent: the id is a dot segment",
        ),
        (&["a\n"], |it| it, "control character"),
        (&["a", " "], |it| it.ids_per_call(1), "empty or blank"),
    ];
    for (ids, change, word) in cases {
        let text = refused(|client| {
            let mut items = change(client.machines_by_id(ids)).into_iter();
            let first = items.next().unwrap();
            assert!(items.next().is_none() && items.next().is_none());
            // Nothing is lost, also what can't be sent.
            assert_eq!(items.remaining(), ids);
            first
        });
        assert!(text.contains(word), "{text}");
    }
    let server = having(["a"]);
    let request = client(&server.url()).machines_by_id(["a"]);
    assert_eq!(whole(&request.ids_per_call(0).ids_per_call(20)).len(), 1);
}

#[test]
fn ids_that_are_too_long_for_one_url_are_asked_for_with_more_calls() {
    // Six bytes each when they are sent; two of these ids and no third fit into 16 KiB.
    let long: Vec<String> = (0..5)
        .map(|id| format!("{id}{}", "'".repeat(1_023)))
        .collect();
    let ids = [&long[..], &ids(25)].concat();
    let server = having(ids.clone());
    let request = client(&server.url()).machines_by_id(&ids);
    assert_eq!(whole(&request), found(&ids));
    let seen = server.requests();
    let sizes: Vec<usize> = seen.iter().map(|it| asked(it).len()).collect();
    assert_eq!(sizes, [2, 2, 20, 6]);
    assert!(seen.iter().all(|it| it.target().len() <= 16 * 1024));
}

#[test]
fn after_an_error_what_remains_can_be_asked_for() {
    let ids = ids(45);
    let present: HashSet<String> = ids.iter().cloned().collect();
    let mut calls = 0;
    let server = RawServer::new(move |request| {
        calls += 1;
        match calls {
            2 => Answer::new(400, &[], ""),
            _ => answer(request, &present),
        }
    });
    let client = client(&server.url());
    let mut items = client.machines_by_id(&ids).into_iter();
    assert_eq!(items.remaining(), ids);
    let first = items.next().unwrap().unwrap();
    assert_eq!(first.0, ids[0]);
    // What was fetched and not handed out remains, too.
    assert_eq!(items.remaining(), &ids[1..]);
    let (before, failure) = all(&mut items);
    assert_eq!(before, found(&ids[1..20]));
    let error = failure.unwrap();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Status, Some(400))
    );
    assert_eq!(items.remaining(), &ids[20..]);
    let rest = client.machines_by_id(items.remaining());
    assert_eq!(whole(&rest), found(&ids[20..]));
    assert_eq!(server.calls(), 4);
}

#[test]
fn a_call_that_breaks_off_hands_out_nothing() {
    let body = r#"{"value":[{"id":"a"},{"id":"b"#;
    let server = RawServer::sending(Answer::json(body));
    let mut items = client(&server.url()).machines_by_id(["a", "b"]).into_iter();
    let (found, failure) = all(&mut items);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(failure.unwrap().kind(), ErrorKind::Transport);
    assert_eq!(items.remaining(), ["a", "b"]);
}

#[test]
fn a_404_is_an_error_after_which_nothing_is_lost() {
    let ids = ids(3);
    let present: HashSet<String> = ids.iter().cloned().collect();
    let server = RawServer::new(move |request| {
        if asked(request).contains(&"machine-1".to_owned()) {
            return Answer::new(404, &[], "");
        }
        answer(request, &present)
    });
    let request = client(&server.url()).machines_by_id(&ids).ids_per_call(1);
    let mut items = request.into_iter();
    let (before, failure) = all(&mut items);
    assert_eq!(before, found(&ids[..1]));
    let error = failure.unwrap();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::NotFound, Some(404))
    );
    let hint = error.hint().unwrap();
    assert!(hint.contains("no recent machines"), "{hint}");
    assert_eq!(items.remaining(), &ids[1..]);
    assert_eq!(server.calls(), 2);
}

#[test]
fn a_machine_that_was_not_asked_for_ends_the_walk_at_once() {
    let linked = |rows: &str| format!(r#"{{"value":[{rows}],"@odata.nextLink":"?$skip=3"}}"#);
    for rows in [
        r#"{"id":"x"},{"id":"a"},{"id":"b"}"#,
        r#"{"id":"a"},{"id":"b"},{"id":"hunter2","computerDnsName":"a"}"#,
        // Of the first call, and of no concern to the second.
        r#"{"id":"c"}"#,
    ] {
        let server = RawServer::sending(Answer::json(linked(rows)));
        let request = client(&server.url()).machines_by_id(["a", "b", "c"]);
        let mut items = request.ids_per_call(2).into_iter();
        let (found, failure) = all(&mut items);
        assert!(found.is_empty());
        let error = failure.unwrap();
        assert_eq!(
            (error.kind(), error.attempts(), error.is_retryable()),
            (ErrorKind::Paging, 1, false)
        );
        let text = error.to_string();
        assert!(
            text.starts_with("GET /api/machines: ") && text.contains("not asked for"),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(items.remaining(), ["a", "b", "c"]);
        assert_eq!(server.calls(), 1, "the link is not followed");
    }
}

#[test]
fn a_row_that_comes_twice_is_taken_once() {
    let rows = r#"{"value":[{"id":"B","osBuild":1},{"id":"a"},{"id":"B","osBuild":2},{"id":"a"}]}"#;
    let server = RawServer::sending(Answer::json(rows));
    let items = client(&server.url()).machines_by_id(["a", "b"]).into_iter();
    let found: Vec<_> = items.map(Result::unwrap).collect();
    assert_eq!(found.len(), 2);
    let machine = found[1].1.as_ref().unwrap();
    assert_eq!((machine.id.as_str(), machine.os_build), ("B", Some(1)));
    // As well where it is the very id.
    let items = client(&server.url()).machines_by_id(["a", "B"]).into_iter();
    let found: Vec<_> = items.map(Result::unwrap).collect();
    assert_eq!(found[1].1.as_ref().unwrap().os_build, Some(1));
}

#[test]
fn a_next_link_is_followed_within_the_ids_of_one_call() {
    let server = RawServer::script([
        Answer::json(r#"{"value":[{"id":"b"}],"@odata.nextLink":"?$filter=f&$skip=1"}"#),
        Answer::json(r#"{"value":[{"id":"a"}]}"#),
        Answer::json(r#"{"value":[{"id":"c"}]}"#),
    ]);
    let ids = ["a", "b", "c"].map(str::to_owned);
    let request = client(&server.url()).machines_by_id(&ids).ids_per_call(2);
    assert_eq!(whole(&request), found(&ids));
    let lines = server.lines();
    assert_eq!(lines[1], "GET /api/machines?$filter=f&$skip=1");
    assert_eq!(asked(&server.requests()[2]), ["c"]);
}

#[test]
fn a_request_is_a_value_that_can_be_iterated_again() {
    let server = having(["a"]);
    let request = client(&server.url()).machines_by_id(["a", "b"]);
    let shown = format!("{request:?}");
    assert!(
        shown.contains("ids: 2") && !shown.contains("\"a\""),
        "{shown}"
    );
    for looked_up in &request {
        looked_up.unwrap();
    }
    for looked_up in request.clone() {
        looked_up.unwrap();
    }
    assert_eq!(server.calls(), 2);
    // Sent away while it is walked.
    let mut items = request.into_iter();
    items.next().unwrap().unwrap();
    let rest = std::thread::spawn(move || (format!("{items:?}"), items.count()));
    let (shown, rest) = rest.join().unwrap();
    assert!(shown.contains("remaining: 1"), "{shown}");
    assert_eq!((rest, server.calls()), (1, 3));
}

#[test]
fn each_call_takes_a_permit_of_the_machines() {
    let server = having(["a"]);
    let client = builder(&server.url())
        .rate_limits(RateLimits::new(2, 2))
        .max_wait(Duration::ZERO)
        .build()
        .unwrap();
    let request = client.machines_by_id(["a", "b", "c"]).ids_per_call(1);
    let mut items = request.iter();
    let (found, failure) = all(&mut items);
    assert_eq!((found.len(), items.remaining().len()), (2, 1));
    let error = failure.unwrap();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.to_string().contains("machines"), "{error}");
}

#[test]
fn the_machines_of_all_scanners_take_few_calls() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let agents = client.scan_agents().unwrap();
    let machines: HashMap<String, Option<Machine>> = client
        .machines_by_id(agents.iter().filter_map(OnMachine::machine_id))
        .into_iter()
        .collect::<Result<_, Error>>()
        .unwrap();
    assert_eq!(tenant.calls("/api/machines"), 1);
    for agent in &agents {
        let machine = machines[agent.machine_id().unwrap()].as_ref().unwrap();
        assert_eq!(Some(machine.id.as_str()), agent.machine_id.as_deref());
    }
}

#[test]
fn all_machines_of_a_fleet_are_found_by_their_ids() {
    let tenant = Tenant::demo().unwrap();
    let client = tenant.client().unwrap();
    let fleet: Vec<Machine> = client.machines().into_iter().map(Result::unwrap).collect();
    tenant.clear();
    let by_id = client.machines_by_id(fleet.iter().map(|machine| &machine.id));
    let machines: Vec<Machine> = by_id.into_iter().map(|it| it.unwrap().1.unwrap()).collect();
    assert_eq!(machines, fleet);
    assert_eq!(tenant.calls("/api/machines"), fleet.len().div_ceil(20));
}

/// Whatever is asked for and whatever is there, every id comes back once, in order, with its machine
/// if there is one, and no call is made that could be spared.
#[test]
fn any_ids_come_back_once_in_order_with_their_machines() {
    let id = prop_oneof![
        "[a-cA-C]{1,2}",
        "[a-f0-9]{40}",
        r#"[-./?#%&=+ '"\\$;:@a0]{1,12}"#,
        "[^\\p{Cc}]{1,8}",
    ];
    let sendable = id.prop_filter("no id", |id| !matches!(id.trim(), "" | "." | ".."));
    let ids = prop::collection::vec((sendable, any::<bool>()), 0..70);
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&(ids, 1..=20_usize), |(ids, size)| {
        let mut once: Vec<String> = Vec::new();
        for (id, _) in &ids {
            if !once.contains(id) {
                once.push(id.clone());
            }
        }
        let present = ids.iter().filter(|(_, there)| *there);
        let present: HashSet<String> = present.map(|(id, _)| id.to_ascii_lowercase()).collect();
        let server = having(present.clone());
        let client = builder(&server.url())
            .rate_limits(RateLimits::new(1_000, 1_000))
            .build()
            .unwrap();
        let request = client.machines_by_id(ids.iter().map(|(id, _)| id));
        let request = request.ids_per_call(u32::try_from(size).unwrap());
        let expected: Vec<_> = once
            .iter()
            .map(|id| (id.clone(), present.get(&id.to_ascii_lowercase()).cloned()))
            .collect();
        prop_assert_eq!(whole(&request), expected);
        prop_assert_eq!(server.calls(), once.len().div_ceil(size));
        Ok(())
    });
    outcome.unwrap();
}
