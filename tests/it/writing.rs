//! Adding, changing and deleting scan definitions: what is sent, what is refused, what comes back.

use std::net::IpAddr;

use defender_endpoint::machines::Machine;
use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::scan_definitions::{
    AuthProtocol, KeyVaultSecret, LatestScanStatus, LinuxAuth, LinuxAuthType, NewScanDefinition,
    PrivProtocol, ScanDefinition, ScanDefinitionUpdate, ScanType, ScannerAgent, SnmpAuth,
    SnmpAuthType, TargetType,
};
use defender_endpoint::{Client, Error, ErrorKind};
use serde_json::Value;

use crate::support::raw::{Answer, RawServer, Request};
use crate::support::{TOKEN, client, fixture};

const PATH: &str = "/api/DeviceAuthenticatedScanDefinitions";
const MACHINE: &str = "eb663a27ae9d032f61bc268a79eedf14c4b90f77";
const ID: &str = "d14cefe1-0301-488c-ad17-a86c428c3727";

fn documented(name: &str) -> ScanDefinition {
    let mut read: ScanDefinition = serde_json::from_str(&fixture(name)).unwrap();
    read.extra.remove("@odata.context");
    read
}

fn community() -> SnmpAuth {
    SnmpAuth::community_string("hunter2")
}

/// As in the vendor's samples, but for the authentication parameters.
fn network(auth: SnmpAuth) -> NewScanDefinition {
    NewScanDefinition::network("Test Network scan", MACHINE, ["127.0.0.1"], auth)
        .interval_in_hours(1)
}

/// What is sent to add a definition.
fn sent_to_add(new: &NewScanDefinition) -> Request {
    let server = RawServer::sending(Answer::json(fixture("scan_definition_added.json")));
    client(&server.url()).add_scan_definition(new).unwrap();
    server.only()
}

/// The body that is sent to change one.
fn update_body(update: &ScanDefinitionUpdate) -> String {
    let server = RawServer::sending(Answer::json(fixture("scan_definition_updated.json")));
    let client = client(&server.url());
    client.update_scan_definition(ID, update).unwrap();
    server.only().text().to_owned()
}

/// A call that is refused before anything is sent.
fn refused<T: std::fmt::Debug>(call: impl FnOnce(&Client) -> Result<T, Error>) -> String {
    let server = RawServer::sending(Answer::json("{}"));
    let error = call(&client(&server.url())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!((server.connections(), error.attempts()), (0, 0), "{error}");
    error.to_string()
}

fn add_refused(new: &NewScanDefinition) -> String {
    refused(|client| client.add_scan_definition(new))
}

fn headers(request: &Request) -> Vec<String> {
    let mut headers = request.headers();
    headers.retain(|line| !line.starts_with("host: ") && !line.starts_with("user-agent: "));
    headers
}

/// Of two passwords one begins like the other, and letters beyond ASCII are escaped as wholes.
#[test]
fn passwords_that_the_service_repeats_are_in_no_text() {
    for (auth_password, priv_password, repeated) in [
        (
            "Winter2026",
            "Winter2026!Priv",
            "privPassword 'Winter2026!Priv' is too short",
        ),
        (
            "Winter2026!Auth",
            "Winter2026",
            "'Winter2026!Auth', 'Winter2026'",
        ),
        (
            "Zürich99pw",
            "tab\tpw99",
            r#"cannot bind {\"authPassword\":\"Z\\u00FCrich99pw\"}"#,
        ),
        (
            "Zürich99pw",
            "tab\tpw99",
            r#"cannot bind {\"privPassword\":\"tab\\tpw99\"}"#,
        ),
        (
            "100 € und 😀",
            "Zürich99pw",
            r"100 \\u20AC und \\uD83D\\uDE00, Z&#252;rich99pw",
        ),
    ] {
        let auth = SnmpAuth::auth_priv(
            "username",
            AuthProtocol::Md5,
            auth_password,
            PrivProtocol::TripleDes,
            priv_password,
        );
        for body in [
            format!(r#"{{"error":{{"code":"BadRequest","message":"{repeated}"}}}}"#),
            // Another shape, so that all of the body is the message.
            format!(r#"{{"Message":"{repeated}"}}"#),
            repeated.to_owned(),
        ] {
            let server = RawServer::sending(Answer::new(400, &[], &*body));
            let outcome = client(&server.url()).add_scan_definition(&network(auth.clone()));
            let error = outcome.unwrap_err();
            assert!(error.message().unwrap().contains("***"), "{error}");
            let text = format!("{error:?} {error:#?}");
            for piece in [
                "Winter", "Priv'", "!", "rich99", "pw99", "20AC", "DE00", "100",
            ] {
                assert!(!text.contains(piece), "{piece}: {text}");
            }
        }
    }
}

#[test]
fn a_definition_is_added_as_documented() {
    let server = RawServer::sending(Answer::json(fixture("scan_definition_added.json")));
    let auth = SnmpAuth::auth_priv(
        "username",
        AuthProtocol::Md5,
        "authPassword",
        PrivProtocol::TripleDes,
        "privPassword",
    );
    let added = client(&server.url()).add_scan_definition(&network(auth));
    let added = added.unwrap();
    assert_eq!(added, documented("scan_definition_added.json"));
    assert_eq!(
        (added.id.as_str(), added.scan_type),
        (ID, Some(ScanType::Network))
    );
    assert_eq!(added.scan_authentication_params, None);
    assert!(added.extra.is_empty());

    let request = server.only();
    assert_eq!(request.line(), format!("POST {PATH}"));
    let body = concat!(
        r#"{"scanType":"Network","scanName":"Test Network scan","isActive":true,"target":"127.0.0.1","#,
        r#""intervalInHours":1,"targetType":"Ip","#,
        r#""scannerAgent":{"machineId":"eb663a27ae9d032f61bc268a79eedf14c4b90f77"},"#,
        r##""scanAuthenticationParams":{"@odata.type":"#microsoft.windowsDefenderATP.api.SnmpAuthParams","##,
        r#""type":"AuthPriv","username":"username","authProtocol":"MD5","authPassword":"authPassword","#,
        r#""privProtocol":"3DES","privPassword":"privPassword"}}"#,
    );
    assert_eq!(request.text(), body);
    assert_eq!(
        headers(&request),
        [
            "accept-encoding: gzip".to_owned(),
            "accept: application/json".to_owned(),
            format!("authorization: Bearer {TOKEN}"),
            format!("content-length: {}", body.len()),
            "content-type: application/json".to_owned(),
        ]
    );
}

#[test]
fn a_definition_is_changed_as_documented() {
    let server = RawServer::sending(Answer::json(fixture("scan_definition_updated.json")));
    let update = ScanDefinitionUpdate::new()
        .name("Test Network scan")
        .targets(["127.0.0.1", "127.0.0.2"])
        .interval_in_hours(1)
        .active(true)
        .scanner(MACHINE)
        .snmp_auth(SnmpAuth::community_string("community-string"));
    let id = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let updated = client(&server.url()).update_scan_definition(id, &update);
    let updated = updated.unwrap();
    // The sample answers with another id than it was asked for.
    assert_eq!(updated, documented("scan_definition_updated.json"));
    let latest = updated.latest_scan.unwrap();
    assert_eq!(latest.status, Some(LatestScanStatus::Fail));

    let request = server.only();
    assert_eq!(request.line(), format!("PATCH {PATH}/{id}"));
    let body = concat!(
        r#"{"scanName":"Test Network scan","isActive":true,"target":"127.0.0.1,127.0.0.2","#,
        r#""intervalInHours":1,"targetType":"Ip","#,
        r#""scannerAgent":{"machineId":"eb663a27ae9d032f61bc268a79eedf14c4b90f77"},"#,
        r##""scanAuthenticationParams":{"@odata.type":"#microsoft.windowsDefenderATP.api.SnmpAuthParams","##,
        r#""type":"CommunityString","communityString":"community-string"}}"#,
    );
    assert_eq!(request.text(), body);
    assert_eq!(
        headers(&request),
        [
            "accept-encoding: gzip".to_owned(),
            "accept: application/json".to_owned(),
            format!("authorization: Bearer {TOKEN}"),
            format!("content-length: {}", body.len()),
            "content-type: application/json".to_owned(),
        ]
    );
}

#[test]
fn definitions_are_deleted_as_documented() {
    let server = RawServer::sending(Answer::new(200, &[], ""));
    let client = client(&server.url());
    let deletion = client.delete_scan_definitions(["a", "b", "a"]).unwrap();
    assert_eq!((deletion.status, deletion.body.as_str()), (200, ""));
    let request = server.only();
    assert_eq!(request.line(), format!("POST {PATH}/BatchDelete"));
    assert_eq!(request.text(), r#"{"ScanDefinitionIds":["a","b"]}"#);
    assert_eq!(
        request.header("content-type").as_deref(),
        Some("application/json")
    );
}

/// What is sent for each way to sign in, and what is not.
#[test]
fn each_way_to_sign_in_is_sent_with_what_belongs_to_it() {
    let vault = || KeyVaultSecret::new("https://contoso.vault.azure.net", "a-secret");
    let in_vault = |kind| SnmpAuth::in_key_vault(kind, vault());
    let snmp = [
        (
            SnmpAuth::community_string("hunter2"),
            r#""type":"CommunityString","communityString":"hunter2""#,
        ),
        (
            SnmpAuth::no_auth_no_priv("scanner"),
            r#""type":"NoAuthNoPriv","username":"scanner""#,
        ),
        (
            SnmpAuth::auth_no_priv("scanner", AuthProtocol::Sha1, "hunter2"),
            r#""type":"AuthNoPriv","username":"scanner","authProtocol":"SHA1","authPassword":"hunter2""#,
        ),
        (
            SnmpAuth::auth_priv(
                "scanner",
                AuthProtocol::from("SHA256"),
                "say \"friend\" \\ and enter",
                PrivProtocol::Des,
                "\u{fc}\n",
            ),
            concat!(
                r#""type":"AuthPriv","username":"scanner","authProtocol":"SHA256","#,
                r#""authPassword":"say \"friend\" \\ and enter","privProtocol":"DES","privPassword":"ü\n""#
            ),
        ),
        (
            in_vault(SnmpAuthType::CommunityString),
            r#""type":"CommunityString","keyVaultUri":"https://contoso.vault.azure.net","keyVaultSecretName":"a-secret""#,
        ),
        (
            in_vault(SnmpAuthType::NoAuthNoPriv),
            r#""type":"NoAuthNoPriv","keyVaultUri":"https://contoso.vault.azure.net","keyVaultSecretName":"a-secret""#,
        ),
        (
            in_vault(SnmpAuthType::AuthNoPriv),
            r#""type":"AuthNoPriv","keyVaultUri":"https://contoso.vault.azure.net","keyVaultSecretName":"a-secret""#,
        ),
        (
            SnmpAuth::in_key_vault(SnmpAuthType::AuthPriv, vault().sent_as_key_vault_url()),
            r#""type":"AuthPriv","keyVaultUrl":"https://contoso.vault.azure.net","keyVaultSecretName":"a-secret""#,
        ),
    ];
    let linux = [
        (
            LinuxAuth::password("scanner", "hunter2"),
            r#""type":"Password","username":"scanner","password":"hunter2""#,
        ),
        (
            LinuxAuth::private_key("scanner", "a\nkey\n"),
            r#""type":"PrivateKey","username":"scanner","privateKey":"a\nkey\n""#,
        ),
        (
            LinuxAuth::in_key_vault(LinuxAuthType::Password, vault()),
            r#""type":"Password","keyVaultUri":"https://contoso.vault.azure.net","keyVaultSecretName":"a-secret""#,
        ),
        (
            LinuxAuth::in_key_vault(LinuxAuthType::PrivateKey, vault()),
            r#""type":"PrivateKey","keyVaultUri":"https://contoso.vault.azure.net","keyVaultSecretName":"a-secret""#,
        ),
    ];
    let params = |kind: &str, inside: &str| {
        format!(
            r##"{{"scanAuthenticationParams":{{"@odata.type":"#microsoft.windowsDefenderATP.api.{kind}",{inside}}}}}"##
        )
    };
    let after = |body: &str| format!("{{{}", &body[body.find("\"scanAuth").unwrap()..]);
    for (auth, inside) in snmp {
        let wanted = params("SnmpAuthParams", inside);
        let added = sent_to_add(&network(auth.clone()));
        assert!(added.text().starts_with(r#"{"scanType":"Network","#));
        assert_eq!(after(added.text()), wanted);
        let update = ScanDefinitionUpdate::new().snmp_auth(auth);
        assert_eq!(update_body(&update), wanted);
    }
    for (auth, inside) in linux {
        let wanted = params("LinuxAuthParams", inside);
        let new = NewScanDefinition::linux("Servers", MACHINE, ["srv-1"], auth.clone());
        let added = sent_to_add(&new);
        assert!(added.text().starts_with(concat!(
            r#"{"scanType":"Linux","scanName":"Servers","isActive":true,"target":"srv-1","#,
            r#""intervalInHours":24,"targetType":"Hostname","scannerAgent":"#
        )));
        assert_eq!(after(added.text()), wanted);
        let update = ScanDefinitionUpdate::new().snmp_auth(community());
        assert_eq!(update_body(&update.linux_auth(auth)), wanted);
    }
}

#[test]
fn a_definition_is_active_and_runs_once_a_day_unless_it_is_said() {
    let new = NewScanDefinition::network("a", MACHINE, ["::1"], community());
    let body: Value = serde_json::from_str(sent_to_add(&new).text()).unwrap();
    assert_eq!(
        (&body["isActive"], &body["intervalInHours"]),
        (&true.into(), &24.into())
    );
    let new = new.active(false).interval_in_hours(u32::MAX);
    let body: Value = serde_json::from_str(sent_to_add(&new).text()).unwrap();
    assert_eq!(body["isActive"], false);
    assert_eq!(body["intervalInHours"], u32::MAX);
}

/// The name goes with the id where it is known.
#[test]
fn the_scanner_is_named_by_whatever_knows_its_machine() {
    let scanner = |new: &NewScanDefinition| {
        let body: Value = serde_json::from_str(sent_to_add(new).text()).unwrap();
        body["scannerAgent"].to_string()
    };
    let with_name = r#"{"machineId":"a-machine","machineName":"SCANNER-1"}"#;
    let mut agent = ScanAgent::new("org_a-machine");
    let by = NewScanDefinition::network("a", &agent, ["::1"], community());
    assert_eq!(scanner(&by), r#"{"machineId":"a-machine"}"#);
    agent.computer_dns_name = Some("SCANNER-1".to_owned());
    let by = NewScanDefinition::network("a", &agent, ["::1"], community());
    assert_eq!(scanner(&by), with_name);
    let mut machine = Machine::new("a-machine");
    machine.computer_dns_name = Some("SCANNER-1".to_owned());
    let by = NewScanDefinition::network("a", &machine, ["::1"], community());
    assert_eq!(scanner(&by), with_name);
    machine.computer_dns_name = Some(" ".to_owned());
    let by = NewScanDefinition::network("a", machine, ["::1"], community());
    assert_eq!(scanner(&by), r#"{"machineId":"a-machine"}"#);
    let mut of_definition = ScannerAgent::default();
    of_definition.id = Some("org_a-machine".to_owned());
    of_definition.machine_name = Some("SCANNER-1".to_owned());
    let update = ScanDefinitionUpdate::new().scanner(&of_definition);
    assert_eq!(
        update_body(&update),
        format!(r#"{{"scannerAgent":{with_name}}}"#)
    );
}

#[test]
fn targets_of_any_kind_are_one_text_with_their_type() {
    let address: IpAddr = "10.1.0.7".parse().unwrap();
    for (update, wanted) in [
        (
            ScanDefinitionUpdate::new().targets([address]),
            r#"{"target":"10.1.0.7","targetType":"Ip"}"#,
        ),
        (
            ScanDefinitionUpdate::new().targets(vec!["10.0.0.0/24, 10.0.0.1", "10.0.0.1"]),
            r#"{"target":"10.0.0.0/24,10.0.0.1","targetType":"Ip"}"#,
        ),
        (
            ScanDefinitionUpdate::new().targets(["a.example".to_owned(), "b".to_owned()]),
            r#"{"target":"a.example,b","targetType":"Hostname"}"#,
        ),
        (
            ScanDefinitionUpdate::new().targets(["a.example,::1"]),
            r#"{"target":"a.example,::1","targetType":"Combined"}"#,
        ),
    ] {
        assert_eq!(update_body(&update), wanted);
    }
}

#[test]
fn only_what_an_update_sets_is_sent() {
    let update = ScanDefinitionUpdate::new;
    for (update, wanted) in [
        (update().name("Core"), r#"{"scanName":"Core"}"#),
        (update().active(false), r#"{"isActive":false}"#),
        (update().interval_in_hours(8), r#"{"intervalInHours":8}"#),
        (
            update().scanner(MACHINE),
            r#"{"scannerAgent":{"machineId":"eb663a27ae9d032f61bc268a79eedf14c4b90f77"}}"#,
        ),
    ] {
        assert!(!update.is_empty());
        assert_eq!(update_body(&update), wanted);
    }
    assert!(update().is_empty());
    for update in [update(), ScanDefinitionUpdate::default()] {
        let why = refused(|client| client.update_scan_definition(ID, &update));
        assert_eq!(why, "the update changes nothing");
    }
}

#[test]
fn what_is_empty_is_refused_by_name_before_anything_is_sent() {
    let (md5, des) = (AuthProtocol::Md5, PrivProtocol::Des);
    for (auth, why) in [
        (
            SnmpAuth::community_string(""),
            "the community string is empty",
        ),
        (
            SnmpAuth::no_auth_no_priv(" "),
            "the user name is empty or blank",
        ),
        (
            SnmpAuth::no_auth_no_priv("a\nb"),
            "the user name contains a control character",
        ),
        (
            SnmpAuth::auth_no_priv("", md5.clone(), "p"),
            "the user name is empty or blank",
        ),
        (
            SnmpAuth::auth_no_priv("a", md5.clone(), ""),
            "the authentication password is empty",
        ),
        (
            SnmpAuth::auth_no_priv("a", AuthProtocol::from(""), "p"),
            "the authentication protocol is empty or blank",
        ),
        (
            SnmpAuth::auth_priv("a", md5.clone(), "p", PrivProtocol::from(" "), "p"),
            "the privacy protocol is empty or blank",
        ),
        (
            SnmpAuth::auth_priv("a", md5, "p", des, ""),
            "the privacy password is empty",
        ),
    ] {
        assert_eq!(add_refused(&network(auth.clone())), why);
        let update = ScanDefinitionUpdate::new().snmp_auth(auth);
        assert_eq!(
            refused(|client| client.update_scan_definition(ID, &update)),
            why
        );
    }
    for (auth, why) in [
        (
            LinuxAuth::password("", "p"),
            "the user name is empty or blank",
        ),
        (LinuxAuth::password("a", ""), "the password is empty"),
        (LinuxAuth::private_key("a", ""), "the private key is empty"),
    ] {
        let new = NewScanDefinition::linux("a", MACHINE, ["b"], auth);
        assert_eq!(add_refused(&new), why);
    }
}

#[test]
fn a_key_vault_that_can_not_be_one_is_refused_before_anything_is_sent() {
    for (url, name, why) in [
        ("", "a", "the key vault's URL has no scheme (https://)"),
        (
            "http://vault.example",
            "a",
            "the key vault's URL is not https",
        ),
        (
            "https://user:word@vault.example",
            "a",
            "the key vault's URL holds a user name or password",
        ),
        (
            "https://vault.example\n",
            "a",
            "the key vault's URL contains blanks or control characters",
        ),
        (
            "https://vault.example",
            " ",
            "the name of the key vault's secret is empty or blank",
        ),
        (
            "https://vault.example",
            "a\0",
            "the name of the key vault's secret contains a control character",
        ),
    ] {
        let vault = KeyVaultSecret::new(url, name);
        for vault in [vault.clone(), vault.sent_as_key_vault_url()] {
            let auth = SnmpAuth::in_key_vault(SnmpAuthType::AuthPriv, vault);
            assert_eq!(add_refused(&network(auth)), why);
        }
    }
}

#[test]
fn a_definition_that_can_not_be_right_is_refused_before_anything_is_sent() {
    let auth = community;
    for (new, why) in [
        (
            NewScanDefinition::network(" ", MACHINE, ["::1"], auth()),
            "the scan's name is empty or blank",
        ),
        (
            network(auth()).interval_in_hours(0),
            "the interval must be at least one hour",
        ),
        (
            NewScanDefinition::network("a", "", ["::1"], auth()),
            "the scanner names no machine",
        ),
        (
            NewScanDefinition::network("a", ScanAgent::new("none"), ["::1"], auth()),
            "the scanner names no machine",
        ),
        (
            NewScanDefinition::network("a", MACHINE, [""; 0], auth()),
            "a scan needs at least one target",
        ),
        (
            NewScanDefinition::network("a", MACHINE, ["::1", "10.0.0.1-10.0.0.9"], auth()),
            "the target `10.0.0.1-10.0.0.9` is neither an IP address nor a host name, nor a range \
             written as CIDR, such as 10.0.0.0/24",
        ),
    ] {
        assert_eq!(add_refused(&new), why);
    }
    let update = ScanDefinitionUpdate::new;
    for (update, why) in [
        (update().name(""), "the scan's name is empty or blank"),
        (
            update().interval_in_hours(0),
            "the interval must be at least one hour",
        ),
        (update().scanner(" "), "the scanner names no machine"),
        (update().targets([""]), "a target is empty"),
    ] {
        assert!(!update.is_empty());
        assert_eq!(
            refused(|client| client.update_scan_definition(ID, &update)),
            why
        );
    }
    // The last word counts.
    let update = update().targets([""]).targets(["::1"]).name("").name("a");
    update_body(&update.interval_in_hours(0).interval_in_hours(1));
}

#[test]
fn an_id_that_can_not_be_in_a_path_is_refused_before_anything_is_sent() {
    let update = ScanDefinitionUpdate::new().active(true);
    for id in ["", " ", ".", "..", "a\n"] {
        refused(|client| client.update_scan_definition(id, &update));
    }
    let server = RawServer::sending(Answer::json(fixture("scan_definition_updated.json")));
    let client = client(&server.url());
    client
        .update_scan_definition("a/../b?c#d", &update)
        .unwrap();
    let line = server.only().line().to_owned();
    assert_eq!(line, format!("PATCH {PATH}/a%2F..%2Fb%3Fc%23d"));
}

/// A connection that was kept may be dead, and would leave it open whether the request arrived.
#[test]
fn each_write_has_a_connection_of_its_own() {
    let server = RawServer::new(|request| {
        Answer::json(match request.method() {
            "GET" => r#"{"value":[]}"#.to_owned(),
            _ => fixture("scan_definition_added.json"),
        })
    });
    let client = client(&server.url());
    let update = ScanDefinitionUpdate::new().active(true);
    for _ in 0..2 {
        client.scan_definitions().unwrap();
        client.scan_definitions().unwrap();
        client.add_scan_definition(&network(community())).unwrap();
        client.update_scan_definition(ID, &update).unwrap();
        client.delete_scan_definitions([ID]).unwrap();
    }
    let requests = server.requests();
    let on: Vec<usize> = requests.iter().map(|it| it.connection).collect();
    // Reads go on with what the last write left.
    assert_eq!(on, [0, 0, 1, 2, 3, 3, 3, 4, 5, 6]);
}

#[test]
fn the_answer_may_have_any_form() {
    let bare = fixture("scan_definition_added.json");
    let bare = bare.trim();
    let wanted = documented("scan_definition_added.json");
    let update = ScanDefinitionUpdate::new().active(true);
    for (status, body) in [
        (200, bare.to_owned()),
        (201, bare.to_owned()),
        (200, format!(r#"{{"value":{bare}}}"#)),
        (200, format!(r#"{{"value":[{bare}]}}"#)),
    ] {
        let server = RawServer::sending(Answer::new(status, &[], body));
        let client = client(&server.url());
        let added = client.add_scan_definition(&network(community())).unwrap();
        let updated = client.update_scan_definition(ID, &update).unwrap();
        for mut definition in [added, updated] {
            definition.extra.remove("@odata.context");
            assert_eq!(definition, wanted, "{status}");
        }
    }
    let older = fixture("scan_definition_created.json");
    let server = RawServer::sending(Answer::json(older));
    let added = client(&server.url()).add_scan_definition(&network(community()));
    assert_eq!(added.unwrap(), documented("scan_definition_created.json"));
}

/// It was done, so that whoever does it again without a look may do it twice.
#[test]
fn what_was_accepted_with_an_answer_that_says_nothing_has_an_unknown_outcome() {
    let two = format!(r#"{{"value":[{{"id":"{ID}"}},{{"id":"b"}}]}}"#);
    let update = ScanDefinitionUpdate::new().active(true);
    for (status, body, why) in [
        (204, "", "the body is empty"),
        (200, "", "the body is empty"),
        (202, "{}", "missing field `id`"),
        (200, "<html>", "the body is no page of JSON"),
        (200, r#"{"id":"#, "the body is damaged"),
        (200, r#"{"value":[]}"#, "the answer "),
        (201, r#"{"value":[{"id":7.5}]}"#, "expected a non-empty id"),
    ] {
        let server = RawServer::sending(Answer::new(status, &[], body));
        let client = client(&server.url());
        let added = client.add_scan_definition(&network(community()));
        let updated = client.update_scan_definition(ID, &update);
        let requests = ["POST ".to_owned() + PATH, format!("PATCH {PATH}/{ID}")];
        let methods = ["is_like", "changes_to"];
        for ((outcome, request), method) in [added, updated].into_iter().zip(requests).zip(methods)
        {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
            assert_eq!((error.status(), error.attempts()), (Some(status), 1));
            assert!(!error.is_retryable());
            let start = format!(
                "{request}: the outcome is unknown: it was accepted with {status}, but the answer can't be used: "
            );
            assert!(error.to_string().starts_with(&start), "{error}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.hint().unwrap().contains(method), "{error:?}");
        }
        assert_eq!(server.calls(), 2);
    }
    // Of two, the one that was changed has the id; nobody knows which was added.
    let server = RawServer::sending(Answer::json(two));
    let client = client(&server.url());
    assert_eq!(client.update_scan_definition(ID, &update).unwrap().id, ID);
    let error = client
        .add_scan_definition(&network(community()))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(
        error
            .to_string()
            .ends_with("the answer is a list of 2, not one scan definition")
    );
}

#[test]
fn a_line_of_a_private_key_is_in_no_text_either() {
    let key = "-----BEGIN KEY-----\nMHcCAQEEIA+hunter2/first\r\nAwEHoUQDQgAE+hunter2/second==\n-----END KEY-----\n";
    let said = r#"{"error":{"message":"no key in AwEHoUQDQgAE+hunter2\/second==, behind A"}}"#;
    let server = RawServer::sending(Answer::new(400, &[], said));
    let update = ScanDefinitionUpdate::new().linux_auth(LinuxAuth::private_key("a", key));
    let error = client(&server.url()).update_scan_definition(ID, &update);
    let error = error.unwrap_err();
    assert_eq!(error.message(), Some("no key in ***, behind A"));
    assert!(!format!("{error:?} {error:#?}").contains("hunter2"));
}

#[test]
fn a_definition_that_was_added_after_all_is_recognised() {
    let shown = documented("scan_definition_added.json");
    let new = || network(community());
    assert!(new().is_like(&shown));
    // What can be changed later is no difference.
    assert!(new().active(false).interval_in_hours(99).is_like(&shown));
    let with_name =
        |name: &str| NewScanDefinition::network(name, MACHINE, ["127.0.0.1"], community());
    assert!(!with_name("Test network scan").is_like(&shown));
    let with_targets = |targets: &[&str]| {
        NewScanDefinition::network("Test Network scan", MACHINE, targets, community())
    };
    assert!(with_targets(&["127.0.0.1", " 127.0.0.1"]).is_like(&shown));
    assert!(!with_targets(&["127.0.0.1", "127.0.0.2"]).is_like(&shown));
    assert!(!with_targets(&["127.0.0.1/32"]).is_like(&shown));
    assert!(!with_targets(&["nonsense!"]).is_like(&shown));
    let upper = MACHINE.to_uppercase();
    for (machine, same) in [(upper.as_str(), true), ("another", false), ("", false)] {
        let new =
            NewScanDefinition::network("Test Network scan", machine, ["127.0.0.1"], community());
        assert_eq!(new.is_like(&shown), same, "{machine}");
    }
    let auth = LinuxAuth::password("a", "b");
    let linux = NewScanDefinition::linux("Test Network scan", MACHINE, ["127.0.0.1"], auth);
    assert!(!linux.is_like(&shown));
    // What the service leaves out is not the same.
    let mut less = shown.clone();
    less.scanner_agent = None;
    assert!(!new().is_like(&less));
    assert!(!new().is_like(&ScanDefinition::new(ID)));
}

#[test]
fn an_update_is_reduced_to_what_it_changes() {
    let shown = documented("scan_definition_updated.json");
    let same = || {
        ScanDefinitionUpdate::new()
            .name("Test Network scan")
            .targets(["127.0.0.2", "127.0.0.1"])
            .interval_in_hours(1)
            .active(true)
            .scanner(MACHINE)
    };
    assert!(same().changes_to(&shown).is_empty());
    let body = |update: ScanDefinitionUpdate| update_body(&update.changes_to(&shown));
    assert_eq!(body(same().name("Core")), r#"{"scanName":"Core"}"#);
    assert_eq!(body(same().active(false)), r#"{"isActive":false}"#);
    assert_eq!(
        body(same().interval_in_hours(2)),
        r#"{"intervalInHours":2}"#
    );
    assert_eq!(
        body(same().targets(["127.0.0.1"])),
        r#"{"target":"127.0.0.1","targetType":"Ip"}"#
    );
    assert_eq!(
        body(same().scanner("another")),
        r#"{"scannerAgent":{"machineId":"another"}}"#
    );
    // The service never shows which it has.
    assert!(body(same().snmp_auth(community())).starts_with(r#"{"scanAuthenticationParams":"#));
    // What can't be sent is no change that was made.
    assert!(!same().targets([""]).changes_to(&shown).is_empty());
    let nothing = ScanDefinition::new(ID);
    assert_eq!(same().changes_to(&nothing), same());
}

#[test]
fn an_update_can_be_filled_up_with_what_is_there() {
    let mut shown = documented("scan_definition_updated.json");
    let update = ScanDefinitionUpdate::new().name("Core").active(false);
    let wanted = concat!(
        r#"{"scanType":"Network","scanName":"Core","isActive":false,"target":"127.0.0.1,127.0.0.2","#,
        r#""intervalInHours":1,"targetType":"Ip","scannerAgent":"#,
        r#"{"machineId":"eb663a27ae9d032f61bc268a79eedf14c4b90f77","machineName":"DESKTOP-TEST"}}"#,
    );
    let full = update.clone().with_rest_of(&shown);
    assert_eq!(update_body(&full), wanted);
    assert_eq!(full.changes_to(&shown), update);
    // As it stands there, also where it would be refused here.
    shown.target = Some("10.0.0.1-10.0.0.9".to_owned());
    shown.target_type = Some(TargetType::from("Range"));
    let body = update_body(&update.with_rest_of(&shown));
    assert!(body.contains(r#""target":"10.0.0.1-10.0.0.9","#), "{body}");
    assert!(body.contains(r#""targetType":"Range","#), "{body}");
    let nothing = ScanDefinition::new(ID);
    assert!(
        ScanDefinitionUpdate::new()
            .with_rest_of(&nothing)
            .is_empty()
    );
}
