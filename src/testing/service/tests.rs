//! The operations over their sockets, as a client sees them.

use std::io::Read;

use serde_json::json;

use super::*;
use crate::auth::TokenClaims;
use crate::testing::history::TARGETS;
use crate::testing::server::raw::{ask, code, encoded, get, ids, numbered, post, send, token};
use crate::testing::{FakeClock, Tenant};

#[test]
fn without_a_token_of_this_tenant_the_api_answers_401() {
    let (tenant, other) = (Tenant::demo().unwrap(), Tenant::demo().unwrap());
    for token in ["", "x", &token(&other)] {
        let answer = get(&tenant, token, "/api/machines").unwrap();
        assert_eq!(code(&answer), (401, "Unauthorized".to_owned()));
    }
    assert_eq!(
        ask(&tenant, "GET /api/machines HTTP/1.1", "")
            .unwrap()
            .status,
        401
    );
    let token = token(&tenant);
    assert_eq!(get(&tenant, &token, "/api/machines").unwrap().status, 200);
    tenant.expire_tokens();
    assert_eq!(get(&tenant, &token, "/api/machines").unwrap().status, 401);
}

#[test]
fn a_token_says_what_was_granted_and_no_two_are_the_same() {
    let clock = FakeClock::new();
    let tenant = Tenant::builder().clock(clock.clone()).start().unwrap();
    let token = [token(&tenant), token(&tenant)];
    assert_ne!(token[0], token[1]);
    let claims = TokenClaims::decode(&token[0].as_str().into()).unwrap();
    assert_eq!(
        claims.audience(),
        Some("https://api.securitycenter.microsoft.com")
    );
    assert_eq!(claims.tenant_id(), Some(tenant.tenant_id()));
    assert_eq!(claims.app_id(), Some(tenant.client_id()));
    assert_eq!(claims.roles(), ["Machine.Read.All"]);
    let expiry = clock.utc() + Duration::from_secs(3_599);
    assert_eq!(
        claims.expires_at().unwrap().unix_timestamp(),
        expiry.unix_timestamp()
    );
}

#[test]
fn without_a_role_that_will_do_the_api_answers_403() {
    const AGENT: &str = "/api/DeviceAuthenticatedScanAgents/x";
    for (roles, machines, agent, said) in [
        (&[][..], 403, 403, "application roles: ."),
        (
            &["Machine.Read"],
            403,
            403,
            "application roles: Machine.Read.",
        ),
        (
            &["Machine.Isolate", "Machine.ReadWrite.All"],
            200,
            403,
            "application roles: Machine.Isolate,Machine.ReadWrite.All.",
        ),
        (&["Machine.Read.All"], 200, 404, "not found"),
    ] {
        let roles = roles.iter().copied();
        let tenant = Tenant::builder().roles(roles).start().unwrap();
        let token = token(&tenant);
        assert_eq!(
            get(&tenant, &token, "/api/machines").unwrap().status,
            machines
        );
        let answer = get(&tenant, &token, AGENT).unwrap();
        assert_eq!(answer.status, agent);
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn without_top_every_page_links_to_the_next_with_the_same_query() {
    let tenant = numbered(250).page_size(100).start().unwrap();
    let token = token(&tenant);
    let mut target = "/api/machines?$filter=id%20ne%20'7'".to_owned();
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let answer = get(&tenant, &token, &target).unwrap();
        let json = answer.json();
        assert_eq!(
            json["@odata.context"],
            format!("{}/api/$metadata#Machines", tenant.url())
        );
        assert_eq!(answer.header("odata-version"), Some("4.0"));
        assert_eq!(answer.header("content-length"), None);
        all.extend(ids(&answer));
        pages += 1;
        let Some(link) = json["@odata.nextLink"].as_str() else {
            break;
        };
        let skip = pages * 100;
        target = link.strip_prefix(tenant.url()).unwrap().to_owned();
        assert_eq!(
            target,
            format!("/api/machines?$filter=id%20ne%20'7'&$skip={skip}")
        );
    }
    assert_eq!(pages, 3);
    let expected: Vec<String> = (0..250)
        .filter(|n| *n != 7)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(all, expected);
    assert_eq!(tenant.calls("/api/machines"), 3);
}

#[test]
fn an_exactly_full_last_page_has_no_link() {
    let tenant = numbered(200).page_size(100).start().unwrap();
    let token = token(&tenant);
    let last = get(&tenant, &token, "/api/machines?$skip=100").unwrap();
    assert_eq!(
        (
            ids(&last).len(),
            last.json().get("@odata.nextLink").is_some()
        ),
        (100, false)
    );
    let beyond = get(&tenant, &token, "/api/machines?$skip=18446744073709551615").unwrap();
    assert_eq!(
        (
            ids(&beyond).len(),
            beyond.json().get("@odata.nextLink").is_some()
        ),
        (0, false)
    );
}

#[test]
fn with_top_there_is_no_link_and_a_cap_is_silent() {
    let tenant = numbered(250).page_size(100).max_top(150).start().unwrap();
    let token = token(&tenant);
    for (target, first, rows) in [
        ("/api/machines?$top=30&$skip=10", "10", 30),
        ("/api/machines?$top=150", "0", 150),
        ("/api/v1.0/machines?$top=10000&$skip=50", "50", 150),
        ("/api/machines?%24skip=240&%24top=100", "240", 10),
    ] {
        let answer = get(&tenant, &token, target).unwrap();
        let ids = ids(&answer);
        assert_eq!((ids[0].as_str(), ids.len()), (first, rows), "{target}");
        assert!(answer.json().get("@odata.nextLink").is_none());
    }
    let answer = get(&tenant, &token, "/api/machines?$top=10001").unwrap();
    assert_eq!(code(&answer), (400, "BadRequest".to_owned()));
}

#[test]
fn a_filter_is_decoded_evaluated_or_refused_with_its_place() {
    let tenant = Tenant::demo().unwrap();
    let token = token(&tenant);
    let count = |filter: &str| {
        let target = format!("/api/machines?$top=10000&$filter={}", encoded(filter));
        ids(&get(&tenant, &token, &target).unwrap()).len()
    };
    assert_eq!(count("computerDnsName eq 'O''Brien''s iPhone'"), 1);
    assert_eq!(count("computerDnsName eq 'lon-ws-0058.contoso.com'"), 2);
    assert_eq!(count("id eq 'nobody'"), 0);
    let sum: usize = ["Low", "Medium", "High", "Informational", "None", "Critical"]
        .map(|risk| count(&format!("riskScore eq '{risk}'")))
        .iter()
        .sum();
    assert_eq!(sum + count("riskScore eq null"), 347);
    let answer = get(&tenant, &token, "/api/machines?$filter=riskScore+eq+High").unwrap();
    assert_eq!(code(&answer), (400, "ODataError".to_owned()));
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("at character 14")
    );
}

#[test]
fn order_and_selection_work_and_other_options_are_refused() {
    let tenant = numbered(3).start().unwrap();
    let token = token(&tenant);
    let target = "/api/machines?$orderby=id%20desc&$select=id";
    assert_eq!(ids(&get(&tenant, &token, target).unwrap()), ["2", "1", "0"]);
    for target in [
        "/api/machines?$count=true",
        "/api/machines?top=1",
        "/api/DeviceAuthenticatedScanAgents?$top=1",
        "/api/DeviceAuthenticatedScanDefinitions?$skip=1",
    ] {
        assert_eq!(
            get(&tenant, &token, target).unwrap().status,
            400,
            "{target}"
        );
    }
}

#[test]
fn an_empty_fleet_is_an_empty_list() {
    let tenant = Tenant::builder().start().unwrap();
    let answer = get(&tenant, &token(&tenant), "/api/machines").unwrap();
    assert_eq!((answer.status, ids(&answer).len()), (200, 0));
}

#[test]
fn an_agent_is_found_by_any_id_as_one_encoded_segment() {
    let odd = "a/b?c#d%2F é+&..";
    let agents = [
        json!({ "id": odd, "machineId": "m1" }),
        json!({ "id": "m1", "machineId": "x" }),
    ];
    let tenant = Tenant::builder().scan_agents(agents).start().unwrap();
    let token = token(&tenant);
    let by_id = |id: &str| get(&tenant, &token, &format!("/api/{AGENTS}/{}", encoded(id))).unwrap();
    assert_eq!(ids(&by_id(odd)), [odd]);
    assert_eq!(ids(&by_id("x")), ["m1"]);
    assert_eq!(ids(&by_id("m1")), ["m1"], "an id comes before a machine id");
    let context = format!("{}/api/$metadata#{AGENTS}/$entity", tenant.url());
    assert_eq!(by_id("x").json()["@odata.context"], context);
    assert_eq!(code(&by_id("nobody")), (404, "ResourceNotFound".to_owned()));
    assert_eq!(
        tenant.exchanges()[1].path(),
        format!("/api/{AGENTS}/{}", encoded(odd))
    );
    for path in ["a/b", "%zz", "%ff"] {
        let answer = get(&tenant, &token, &format!("/api/{AGENTS}/{path}")).unwrap();
        assert!([400, 404].contains(&answer.status), "{path}");
    }
}

#[test]
fn a_machine_is_found_by_its_id_or_its_name_in_any_case() {
    let machines = [
        json!({ "id": "1E5b", "computerDnsName": "Srv-1.contoso.com" }),
        json!({ "id": "2f6c", "computerDnsName": "1e5B" }),
        json!({ "id": "3", "computerDnsName": "O'Brien/é?" }),
        json!({ "id": "4", "computerDnsName": null }),
    ];
    let tenant = Tenant::builder().machines(machines).start().unwrap();
    let token = token(&tenant);
    let ask = |target: &str| get(&tenant, &token, &format!("/api/{target}")).unwrap();
    for (id, expected) in [
        ("srv-1.CONTOSO.com", "1E5b"),
        ("1e5b", "1E5b"), // an id comes before a name
        ("2F6C", "2f6c"),
        ("o'brien/é?", "3"),
    ] {
        let answer = ask(&format!("v1.0/machines/{}", encoded(id)));
        assert_eq!(
            (answer.status, &answer.json()["id"]),
            (200, &json!(expected))
        );
    }
    let context = format!("{}/api/$metadata#Machines/$entity", tenant.url());
    let expected = json!({ "@odata.context": context, "id": "4", "computerDnsName": null });
    assert_eq!(ask("machines/4").json(), expected);
    for id in ["Srv-1", "null", "O'BRIEN%2F%C3%89%3F"] {
        let answer = ask(&format!("machines/{id}"));
        assert_eq!(code(&answer), (404, "ResourceNotFound".to_owned()), "{id}");
    }
    let message = &ask("machines/x").json()["error"]["message"];
    assert_eq!(message, "Machine x was not found");
    assert_eq!(ask("machines/4?$select=id").status, 400);
    tenant.set_machines([json!({ "id": "5" })]).unwrap();
    assert_eq!(
        (ask("machines/4").status, ask("machines/5").status),
        (404, 200)
    );
}

#[test]
fn each_operation_wants_a_permission_of_its_row() {
    for row in permissions::all() {
        let line = format!("{} {}", row.method(), row.path().replace("{id}", "x"));
        for role in row.application().iter().chain(&["Machine.Scan"]) {
            let tenant = Tenant::builder().roles([*role]).start().unwrap();
            let answer = send(&tenant, &token(&tenant), &line, "{}").unwrap();
            let refused = !row.application().contains(role);
            assert_eq!(answer.status == 403, refused, "{line} with {role}");
            assert_ne!(answer.status, 405, "{line}");
        }
    }
}

fn history() -> Tenant {
    let rows = [
        json!({ "id": "1", "ScanDefinitionIds": "a", "LastScanned": "2026-11-01T00:00:00Z" }),
        json!({ "id": "2", "ScanDefinitionIds": ["b"], "LastScanned": "2026-11-03T00:00:00Z" }),
        json!({ "id": "3", "scanDefinitionId": "a", "lastScanned": "2026-11-02T00:00:00.5Z" }),
        json!({ "id": "4", "scanDefinitionId": "a" }),
        json!({ "id": "5", "ScanDefinitionIds": "c", "LastScanned": "2026-11-05T00:00:00Z" }),
    ];
    Tenant::builder()
        .scan_history(rows)
        .max_top(3)
        .start()
        .unwrap()
}

#[test]
fn history_is_of_the_definitions_asked_for_newest_first() {
    let tenant = history();
    let token = token(&tenant);
    let path = format!("/api/{DEFINITIONS}/{HISTORY}");
    let ask =
        |query: &str, body: &str| post(&tenant, &token, &format!("{path}{query}"), body).unwrap();
    let both = r#"{"ScanDefinitionIds":["a","b","a"]}"#;
    assert_eq!(ids(&ask("", both)), ["2", "3", "1", "4"]);
    assert_eq!(ids(&ask("?$top=1&$skip=1", both)), ["3"]);
    assert_eq!(
        ids(&ask("?$top=4096", both)),
        ["2", "3", "1"],
        "the cap of this tenant"
    );
    assert!(ids(&ask("", r#"{"ScanDefinitionIds":["d"]}"#)).is_empty());
    let answer = ask("", both);
    assert_eq!(
        answer.json()["@odata.context"],
        format!("{}{path}", tenant.url())
    );
    assert_eq!(tenant.exchanges().last().unwrap().body(), both);
    assert_eq!(ask("?$top=4097", both).status, 400);
    assert_eq!(ask("?$filter=1+eq+1", both).status, 400);
}

/// Sessions in every spelling, and two without an id; those of the second half with targets.
fn sessions() -> Tenant {
    let day = |day| format!("2026-11-0{day}T00:00:00Z");
    let rows = [
        json!({ "id": "1", "SessionIds": "s1", "LastScanned": day(1) }),
        json!({ "id": "2", "sessionIds": ["s2"], "LastScanned": day(2) }),
        json!({ "id": "3", "ScanDefinitionIds": "a", "LastScanned": day(3) }),
        json!({ "id": "4", "ScanDefinitionIds": "a", "SessionId": null, "LastScanned": day(4) }),
        json!({ "id": "5", "ScanDefinitionIds": "a", "SessionId": "s3", "LastScanned": day(5),
                "ListScannedTargets": [{ "Ip": "t" }], "listScannedTargets": [] }),
        json!({ "id": "6", "scanDefinitionId": "a", "sessionId": "s4", "LastScanned": day(6),
                "ScannedTargets": [], "scannedTargets": [{ "ip": "t" }] }),
    ];
    Tenant::builder()
        .scan_history(rows)
        .page_size(1)
        .start()
        .unwrap()
}

#[test]
fn sessions_are_asked_for_by_their_ids_newest_first_all_at_once() {
    let tenant = sessions();
    let token = token(&tenant);
    let path = format!("/api/{DEFINITIONS}/{BY_SESSION}");
    let ask =
        |query: &str, body: &str| post(&tenant, &token, &format!("{path}{query}"), body).unwrap();
    let all = r#"{"SessionIds":["s1","s2","s3","s4","s1","x"]}"#;
    assert_eq!(ids(&ask("", all)), ["6", "5", "2", "1"]);
    assert_eq!(ids(&ask("?$top=2&$skip=1", all)), ["5", "2"]);
    assert_eq!(ids(&ask("", r#"{"SessionIds":["s2"]}"#)), ["2"]);
    assert!(ids(&ask("", r#"{"SessionIds":["a"]}"#)).is_empty());
    let context = format!("{}{path}", tenant.url());
    assert_eq!(ask("", all).json()["@odata.context"], context);
    assert_eq!(ask("?$top=4097", all).status, 400);
    assert_eq!(ask("?$filter=1+eq+1", all).status, 400);
    assert_eq!(get(&tenant, &token, &path).unwrap().status, 405);
}

#[test]
fn targets_come_by_session_and_not_by_definition() {
    let tenant = sessions();
    let token = token(&tenant);
    let path = |action: &str| format!("/api/{DEFINITIONS}/{action}?$top=10");
    let body = r#"{"SessionIds":["s3","s4"]}"#;
    let by_session = post(&tenant, &token, &path(BY_SESSION), body).unwrap();
    let rows = by_session.json()["value"].clone();
    assert_eq!(rows[1]["ListScannedTargets"], json!([{ "Ip": "t" }]));
    assert_eq!(rows[0]["scannedTargets"], json!([{ "ip": "t" }]));
    let body = r#"{"ScanDefinitionIds":["a"]}"#;
    let by_definition = post(&tenant, &token, &path(HISTORY), body).unwrap();
    let rows = by_definition.json()["value"].clone();
    assert_eq!(ids(&by_definition), ["6", "5", "4", "3"]);
    assert_eq!(rows[0]["sessionId"], "s4");
    for key in TARGETS {
        assert!(rows[0].get(key).is_none() && rows[1].get(key).is_none());
    }
}

#[test]
fn a_history_request_needs_its_content_type_and_its_exact_body() {
    let tenant = history();
    let token = token(&tenant);
    let path = format!("/api/{DEFINITIONS}/{HISTORY}");
    for (path, key, other) in [
        (path.clone(), "ScanDefinitionIds", "SessionIds"),
        (
            format!("/api/{DEFINITIONS}/{BY_SESSION}"),
            "SessionIds",
            "ScanDefinitionIds",
        ),
    ] {
        let lower = format!("s{}", &key[1..]);
        for body in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            format!(r#"{{"{lower}":["a"]}}"#),
            format!(r#"{{"{other}":["a"]}}"#),
            format!(r#"{{"{key}":"a"}}"#),
            format!(r#"{{"{key}":[]}}"#),
            format!(r#"{{"{key}":[1]}}"#),
            format!(r#"{{"{key}":["a"],"top":1}}"#),
            format!(r#"{{"{key}":["a"]}}x"#),
        ] {
            let answer = post(&tenant, &token, &path, &body).unwrap();
            assert_eq!(
                code(&answer),
                (400, "InvalidRequestBody".to_owned()),
                "{body}"
            );
            let message = answer.json()["error"]["message"].to_string();
            assert!(message.contains(key), "{message}");
        }
    }
    for header in [
        "X: y",
        "Content-Type: text/json",
        "Content-Type: application/jsonx",
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{header}");
        let answer = ask(&tenant, &head, r#"{"ScanDefinitionIds":["a"]}"#).unwrap();
        assert_eq!(
            code(&answer),
            (415, "UnsupportedMediaType".to_owned()),
            "{header}"
        );
    }
}

#[test]
fn unknown_paths_are_404_and_wrong_methods_405() {
    let tenant = Tenant::demo().unwrap();
    let token = token(&tenant);
    for target in [
        "/",
        "/api",
        "/api/machine",
        "/api/Machines",
        "/api/machines/",
        "/api/machines/a/b",
        "/api/DeviceAuthenticatedScanDefinitions/",
        "/api/DeviceAuthenticatedScanDefinitions/a/b",
        "/machines",
    ] {
        assert_eq!(
            code(&get(&tenant, &token, target).unwrap()).0,
            404,
            "{target}"
        );
    }
    for (path, allowed) in [
        ("machines".to_owned(), "GET"),
        ("machines/x".to_owned(), "GET"),
        (AGENTS.to_owned(), "GET"),
        (format!("{AGENTS}/x"), "GET"),
        (DEFINITIONS.to_owned(), "GET, POST"),
        (format!("{DEFINITIONS}/x"), "GET, PATCH"),
        (format!("{DEFINITIONS}/BatchDelete"), "POST"),
        (format!("{DEFINITIONS}/{HISTORY}"), "POST"),
        (format!("{DEFINITIONS}/{BY_SESSION}"), "POST"),
    ] {
        for method in ["GET", "POST", "PATCH", "PUT", "DELETE", "get"] {
            let answer = send(&tenant, &token, &format!("{method} /api/{path}"), "{}").unwrap();
            if allowed.split(", ").any(|allowed| allowed == method) {
                assert_ne!(answer.status, 405, "{method} {path}");
            } else {
                assert_eq!(code(&answer), (405, "MethodNotAllowed".to_owned()));
                assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
            }
        }
    }
    assert_eq!(code(&ask(&tenant, "GET / HTTP/3", "").unwrap()).0, 505);
}

#[test]
fn gzip_is_sent_to_those_who_accept_it() {
    for (gzip, expected) in [(true, Some("gzip")), (false, None)] {
        let tenant = numbered(500).gzip(gzip).start().unwrap();
        let head = format!(
            "GET /api/machines HTTP/1.1\r\nAuthorization: bearer {}\r\nAccept-Encoding: gzip",
            token(&tenant)
        );
        let mut answer = ask(&tenant, &head, "").unwrap();
        assert_eq!(answer.header("content-encoding"), expected);
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        if gzip {
            let mut body = Vec::new();
            flate2::read::GzDecoder::new(&*answer.body)
                .read_to_end(&mut body)
                .unwrap();
            answer.body = body;
        }
        assert_eq!(ids(&answer).len(), 500);
    }
}
