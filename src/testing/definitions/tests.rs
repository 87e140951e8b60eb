//! Definitions over their sockets: read, added, changed and deleted.

use serde_json::json;

use super::*;
use crate::ErrorKind;
use crate::scan_definitions::{
    AuthProtocol, KeyVaultSecret, LinuxAuth, LinuxAuthType, NewScanDefinition, PrivProtocol,
    ScanDefinitionUpdate, SnmpAuth, SnmpAuthType,
};
use crate::testing::server::raw::{Answer, ask, code, get, ids, post, send, token};
use crate::testing::{Fault, Tenant, TenantBuilder};

pub(super) const PATH: &str = "/api/DeviceAuthenticatedScanDefinitions";
pub(super) const BOTH: [&str; 2] = ["Machine.Read.All", "Machine.ReadWrite.All"];

pub(super) fn builder() -> TenantBuilder {
    let agents = [
        json!({ "id": "org_m1", "machineId": "m1", "computerDnsName": "srv-1", "lastSeen": null,
                "ScannerSoftwareVersion": "7.1.1", "assignedApplicationId": "app" }),
        json!({ "id": "m2", "MachineId": "m2" }),
    ];
    let definitions = [
        json!({ "id": "a", "scanType": "Network", "scanName": "A", "isTroubleshootMode": true }),
        json!({ "Id": "b", "ScanType": "Linux", "ScanName": "B" }),
        json!({ "id": "c", "scanType": "Windows", "scanName": "C" }),
    ];
    Tenant::builder()
        .roles(BOTH)
        .scan_agents(agents)
        .scan_definitions(definitions)
        .scan_history([json!({ "id": "1", "ScanDefinitionIds": "a" })])
}

pub(super) fn snmp(kind: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.windowsDefenderATP.api.SnmpAuthParams",
        "type": kind,
        "communityString": "canary-1",
        "username": "scanner",
        "authProtocol": "SHA1",
        "authPassword": "canary-2",
        "privProtocol": "3DES",
        "privPassword": "canary-3",
    })
}

pub(super) fn linux(kind: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.windowsDefenderATP.api.LinuxAuthParams",
        "type": kind,
        "username": "scanner",
        "password": "canary-4",
        "privateKey": "canary-5",
    })
}

pub(super) fn new_definition() -> Value {
    json!({
        "scanType": "Network",
        "scanName": "Core switches",
        "isActive": true,
        "target": "10.0.0.0/24,10.1.0.7",
        "intervalInHours": 4,
        "targetType": "Ip",
        "scannerAgent": { "machineId": "m1" },
        "scanAuthenticationParams": snmp("CommunityString"),
    })
}

/// A body with one value put to a place, or taken from it.
pub(super) fn with(mut body: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value),
        None => parent.remove(name),
    };
    body
}

pub(super) fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(super) fn one(tenant: &Tenant, token: &str, id: &str) -> Value {
    get(tenant, token, &format!("{PATH}/{id}")).unwrap().json()
}

#[test]
fn a_definition_is_found_by_its_id_in_either_spelling() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let context = format!(
        "{}/api/$metadata#DeviceAuthenticatedScanDefinitions/$entity",
        tenant.url()
    );
    let expected =
        json!({ "@odata.context": context, "Id": "b", "ScanType": "Linux", "ScanName": "B" });
    assert_eq!(one(&tenant, &token, "b"), expected);
    for id in ["B", "x", "a%2F"] {
        let answer = get(&tenant, &token, &format!("{PATH}/{id}")).unwrap();
        assert_eq!(code(&answer), (404, "ResourceNotFound".to_owned()), "{id}");
    }
    let answer = get(&tenant, &token, &format!("{PATH}/a?$select=id")).unwrap();
    assert_eq!(answer.status, 400);
}

#[test]
fn a_new_definition_is_answered_as_documented_and_listed() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let answer = post(&tenant, &token, PATH, &new_definition().to_string()).unwrap();
    let added = answer.json();
    let id = added["id"].as_str().unwrap();
    assert_eq!((answer.status, id.len()), (200, 36));
    let expected = json!({
        "@odata.context":
            format!("{}/api/$metadata#DeviceAuthenticatedScanDefinitions/$entity", tenant.url()),
        "id": id,
        "scanType": "Network",
        "scanName": "Core switches",
        "isActive": true,
        "target": "10.0.0.0/24,10.1.0.7",
        "orgId": "org",
        "intervalInHours": 4,
        "createdBy": tenant.client_id(),
        "targetType": "Ip",
        "scanAuthenticationParams": null,
        "scannerAgent": {
            "id": "org_m1",
            "machineId": "m1",
            "machineName": "srv-1",
            "lastSeen": null,
            "assignedApplicationId": "app",
            "scannerSoftwareVersion": "7.1.1",
            "lastCommandExecutionTimestamp": null,
            "mdeClientVersion": null,
        },
        "latestScan": { "status": null, "failureReason": null, "executionDateTime": null },
        "isTroubleshootMode": false,
        "advancedActiveConfiguration": null,
    });
    assert_eq!(added, expected);
    assert_eq!(one(&tenant, &token, id), expected);
    let listed = tenant.client().unwrap().scan_definitions().unwrap();
    let listed: Vec<&str> = listed.iter().map(|definition| &*definition.id).collect();
    assert_eq!(listed, ["a", "b", "c", id]);
}

#[test]
fn the_scanner_is_the_machine_of_an_agent_where_there_are_agents() {
    let scanner = json!({ "machineId": "m3", "machineName": "srv-3" });
    let body = with(new_definition(), "/scannerAgent", Some(scanner));
    let add = |builder: TenantBuilder, body: &Value| {
        let tenant = builder.start().unwrap();
        post(&tenant, &token(&tenant), PATH, &body.to_string()).unwrap()
    };
    let refused = add(builder(), &body);
    assert_eq!(code(&refused), (400, "InvalidInput".to_owned()));
    assert!(message(&refused).contains("'scannerAgent.machineId'"));

    let added = add(Tenant::builder().roles(BOTH), &body).json();
    let scanner = &added["scannerAgent"];
    let org = added["orgId"].as_str().unwrap();
    assert_eq!(scanner["machineName"], "srv-3");
    assert_eq!(scanner["id"], format!("{org}_m3"));
    assert_eq!(scanner["lastSeen"], Value::Null);

    // An agent's key in the other spelling, whose id names no organisation.
    let scanner = json!({ "machineId": "m2", "machineName": "srv-2" });
    let added = add(builder(), &with(body, "/scannerAgent", Some(scanner))).json();
    assert_eq!(added["orgId"], org);
    assert_eq!(added["scannerAgent"]["machineName"], "srv-2");
}

pub(super) fn listed(tenant: &Tenant) -> usize {
    tenant.client().unwrap().scan_definitions().unwrap().len()
}

#[test]
fn a_change_alters_what_it_names_and_nothing_else() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let patch = |id: &str, body: &Value| {
        send(
            &tenant,
            &token,
            &format!("PATCH {PATH}/{id}"),
            &body.to_string(),
        )
        .unwrap()
    };
    let context = one(&tenant, &token, "a")["@odata.context"].clone();
    let changes = json!({ "scanName": "A2", "scanAuthenticationParams": snmp("AuthPriv") });
    let expected = json!({ "@odata.context": context, "id": "a", "scanType": "Network",
        "scanName": "A2", "isTroubleshootMode": true, "scanAuthenticationParams": null });
    let answer = patch("a", &changes);
    assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    assert_eq!(one(&tenant, &token, "a"), expected);

    // What the row has in the other spelling isn't there twice afterwards.
    let answer = patch(
        "b",
        &json!({ "scanName": "B2", "scannerAgent": { "machineId": "m1" } }),
    );
    let answer = answer.json();
    assert_eq!(
        (&answer["scanName"], &answer["ScanType"]),
        (&json!("B2"), &json!("Linux"))
    );
    assert_eq!(answer.get("ScanName"), None);
    assert_eq!(answer["scannerAgent"]["machineName"], "srv-1");

    for (id, body, status, expected) in [
        ("x", json!({ "scanName": "X" }), 404, "ResourceNotFound"),
        ("B", json!({ "scanName": "X" }), 404, "ResourceNotFound"),
        ("a", json!({}), 400, "InvalidRequestBody"),
        (
            "a",
            json!({ "scannerAgent": {} }),
            400,
            "MissingRequiredParameter",
        ),
        (
            "a",
            json!({ "scannerAgent": { "machineId": "m3" } }),
            400,
            "InvalidInput",
        ),
        ("a", json!({ "scanType": "Windows" }), 400, "InvalidInput"),
    ] {
        assert_eq!(
            code(&patch(id, &body)),
            (status, expected.to_owned()),
            "{body}"
        );
    }
    assert_eq!(one(&tenant, &token, "a"), expected);
}

#[test]
fn deletions_take_what_they_name_and_leave_the_history() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let target = format!("{PATH}/BatchDelete");
    for body in [
        "",
        "{}",
        r#"{"scanDefinitionIds":["a"]}"#,
        r#"{"ScanDefinitionIds":"a"}"#,
        r#"{"ScanDefinitionIds":[]}"#,
        r#"{"ScanDefinitionIds":["a"],"x":1}"#,
    ] {
        let answer = post(&tenant, &token, &target, body).unwrap();
        assert_eq!(
            code(&answer),
            (400, "InvalidRequestBody".to_owned()),
            "{body}"
        );
    }
    assert_eq!(listed(&tenant), 3);
    let head = format!(
        "POST {target} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nAccept-Encoding: gzip"
    );
    let answer = ask(&tenant, &head, r#"{"ScanDefinitionIds":["a","x","b","a"]}"#).unwrap();
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    for header in ["content-encoding", "content-type", "content-length"] {
        assert_eq!(answer.header(header), None);
    }
    assert_eq!(ids(&get(&tenant, &token, PATH).unwrap()), ["c"]);
    assert_eq!(
        get(&tenant, &token, &format!("{PATH}/a")).unwrap().status,
        404
    );
    let history = tenant.client().unwrap().scan_history(["a"]);
    assert_eq!(history.into_iter().count(), 1);
}

#[test]
fn what_writes_wants_json_and_no_query_options() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let lines = [
        (format!("POST {PATH}"), new_definition()),
        (format!("PATCH {PATH}/a"), json!({ "scanName": "A2" })),
        (
            format!("POST {PATH}/BatchDelete"),
            json!({ "ScanDefinitionIds": ["a"] }),
        ),
    ];
    for (line, body) in lines {
        let body = body.to_string();
        for header in ["X: y", "Content-Type: text/json"] {
            let head = format!("{line} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{header}");
            let answer = ask(&tenant, &head, &body).unwrap();
            assert_eq!(
                code(&answer),
                (415, "UnsupportedMediaType".to_owned()),
                "{line}"
            );
        }
        let answer = send(&tenant, &token, &format!("{line}?$top=1"), &body).unwrap();
        assert_eq!(code(&answer), (400, "BadRequest".to_owned()), "{line}");
    }
    assert_eq!(
        (
            listed(&tenant),
            one(&tenant, &token, "a")["scanName"].clone()
        ),
        (3, json!("A"))
    );
}

#[test]
fn a_lost_answer_belongs_to_a_write_that_was_done_and_a_refusal_to_none() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let body = new_definition().to_string();
    tenant.fail(Fault::status(503).method("POST"));
    assert_eq!(post(&tenant, &token, PATH, &body).unwrap().status, 503);
    assert_eq!(listed(&tenant), 3);
    for (fault, count) in [(Fault::disconnect(), 4), (Fault::cut_body(), 5)] {
        tenant.fail(fault.method("POST").path("ScanDefinitions"));
        assert_eq!(listed(&tenant), count - 1, "reading is spared");
        assert!(post(&tenant, &token, PATH, &body).is_none());
        assert_eq!(listed(&tenant), count);
    }
    let client = tenant.client().unwrap();
    for (fault, kind, left) in [
        (Fault::status(403), ErrorKind::Forbidden, 5),
        (Fault::disconnect(), ErrorKind::OutcomeUnknown, 4),
    ] {
        tenant.clear();
        tenant.fail(fault.method("POST"));
        let error = client.delete_scan_definitions(["a"]).unwrap_err();
        assert_eq!((error.kind(), tenant.calls("BatchDelete")), (kind, 1));
        assert_eq!(listed(&tenant), left);
    }
    // Where there is no body, there is nothing to cut.
    tenant.fail(Fault::cut_body().method("POST").path("BatchDelete"));
    assert_eq!(client.delete_scan_definitions(["b"]).unwrap().status, 204);
    assert_eq!(listed(&tenant), 3);
}

#[test]
fn nothing_that_is_kept_or_said_holds_a_credential() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let linux = with(
        new_definition(),
        "/scanAuthenticationParams",
        Some(linux("PrivateKey")),
    );
    let linux = with(linux, "/scanType", Some(json!("Linux")));
    let misspelled = with(
        new_definition(),
        "/scanAuthenticationParams/Password",
        Some("canary".into()),
    );
    let misplaced = with(new_definition(), "/scanAuthParams", Some(snmp("canary")));
    let nested = with(
        new_definition(),
        "/target",
        Some(json!([{ "password": "canary" }])),
    );
    let flat = with(
        new_definition(),
        "/scanAuthenticationParams",
        Some("canary".into()),
    );
    let listed = with(
        new_definition(),
        "/scanAuthenticationParams",
        Some(json!(["canary"])),
    );
    let added = json!({ "password": "canary", "scanAuthenticationParams": "x" });
    let mut bodies = [
        &new_definition(),
        &linux,
        &misspelled,
        &misplaced,
        &nested,
        &flat,
        &listed,
        &added,
    ]
    .map(Value::to_string)
    .to_vec();
    bodies.push(format!("{}x", new_definition()));
    bodies.push(r#"["canary"]"#.to_owned());
    // Of a name that occurs twice, only the last value is read.
    let twice = r#"{"scanAuthenticationParams":{"communityString":"canary"},"scanAuthenticationParams":"x"}"#;
    bodies.push(twice.to_owned());
    let lines = [
        format!("POST {PATH}"),
        format!("PATCH {PATH}/a"),
        format!("POST {PATH}/BatchDelete"),
        format!("PUT {PATH}"),
        "POST /api/elsewhere".to_owned(),
    ];
    let mut accepted = 0;
    for line in &lines {
        for body in &bodies {
            let answer = send(&tenant, &token, line, body).unwrap();
            let text = format!("{} {}", answer.head, String::from_utf8_lossy(&answer.body));
            assert!(!text.contains("canary"), "{line} {body}: {text}");
            accepted += usize::from(answer.status == 200);
        }
    }
    assert_eq!(accepted, 4, "two added, and put to the same definition");
    let listed = get(&tenant, &token, PATH).unwrap().json();
    let kept = format!("{tenant:?} {:?} {listed}", tenant.exchanges());
    assert!(!kept.contains("canary"), "{kept}");

    let calls = tenant.exchanges();
    let first: Value = serde_json::from_str(calls[1].body()).unwrap();
    let mut expected = new_definition();
    for name in ["communityString", "authPassword", "privPassword"] {
        let pointer = format!("/scanAuthenticationParams/{name}");
        expected = with(expected, &pointer, Some(json!("***")));
    }
    assert_eq!(first, expected, "all else is remembered");
}

#[test]
fn threads_that_add_at_once_add_one_each() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let body = new_definition().to_string();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let add = || assert_eq!(post(&tenant, &token, PATH, &body).unwrap().status, 200);
            scope.spawn(move || (0..4).for_each(|_| add()));
        }
    });
    let listed = tenant.client().unwrap().scan_definitions().unwrap();
    let mut ids: Vec<String> = listed.into_iter().map(|definition| definition.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3 + 32);
}

#[test]
fn what_the_client_writes_is_accepted_and_read_back() {
    let (user, secret) = ("scanner", "canary");
    let vault = || KeyVaultSecret::new("https://vault.example", "scan");
    let snmp = [
        SnmpAuth::community_string(secret),
        SnmpAuth::no_auth_no_priv(user),
        SnmpAuth::auth_no_priv(user, AuthProtocol::Md5, secret),
        SnmpAuth::auth_priv(
            user,
            AuthProtocol::Sha1,
            secret,
            PrivProtocol::TripleDes,
            secret,
        ),
        SnmpAuth::in_key_vault(SnmpAuthType::AuthPriv, vault()),
        SnmpAuth::in_key_vault(
            SnmpAuthType::CommunityString,
            vault().sent_as_key_vault_url(),
        ),
    ];
    let linux = [
        LinuxAuth::password(user, secret),
        LinuxAuth::private_key(user, secret),
        LinuxAuth::in_key_vault(LinuxAuthType::Password, vault()),
    ];
    let tenant = Tenant::demo_builder().roles(BOTH).start().unwrap();
    let client = tenant.client().unwrap();
    let agent = client.scan_agents().unwrap().remove(0);
    let targets = ["10.0.0.0/24", "core-switch.contoso.com"];
    let snmp = snmp.map(|auth| NewScanDefinition::network("Core", &agent, targets, auth));
    let linux = linux.map(|auth| NewScanDefinition::linux("Core", &agent, targets, auth));
    for new in snmp.into_iter().chain(linux) {
        let added = client.add_scan_definition(&new).unwrap();
        assert!(new.is_like(&added), "{added:?}");
        assert_eq!(client.scan_definition(&added.id).unwrap(), added);
        let scanner = added.scanner_agent.unwrap();
        assert_eq!(scanner.machine_name, agent.computer_dns_name);
        assert_eq!(scanner.last_seen, agent.last_seen);
        assert_eq!(
            scanner.scanner_software_version,
            agent.scanner_software_version
        );
    }
    for definition in client.scan_definitions().unwrap() {
        let update = ScanDefinitionUpdate::new()
            .name("New")
            .active(false)
            .scanner(&agent);
        let update = update.with_rest_of(&definition);
        let updated = client
            .update_scan_definition(&definition.id, &update)
            .unwrap();
        assert!(update.changes_to(&updated).is_empty(), "{updated:?}");
        assert_eq!(client.scan_definition(&definition.id).unwrap(), updated);
    }
    let update = ScanDefinitionUpdate::new().snmp_auth(SnmpAuth::community_string(secret));
    let first = &client.scan_definitions().unwrap()[0].id;
    client.update_scan_definition(first, &update).unwrap();
    assert!(!format!("{:?}", tenant.exchanges()).contains(secret));
}
