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
const NO_MACHINE: &str =
    "there is no machine's id: the scanner is a scan agent, a machine, or a machine's id as text";
const BREAK: &str = "ends with a line break, as what is read from a file often does";
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

/// That the headers are those of any call with a body of JSON, and no others.
fn assert_headers(request: &Request) {
    let mut headers = request.headers();
    headers.retain(|line| !line.starts_with("host: ") && !line.starts_with("user-agent: "));
    let expected = [
        "accept-encoding: gzip".to_owned(),
        "accept: application/json".to_owned(),
        format!("authorization: Bearer {TOKEN}"),
        format!("content-length: {}", request.body.len()),
        "content-type: application/json".to_owned(),
    ];
    assert_eq!(headers, expected);
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
            "slash/pw99",
            r#"cannot bind {\"authPassword\":\"Z\\u00FCrich99pw\"}"#,
        ),
        (
            "Zürich99pw",
            "slash/pw99",
            r#"cannot bind {\"privPassword\":\"slash\\/pw99\"}"#,
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
    assert_headers(&request);
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
    assert_headers(&request);
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
    assert_headers(&request);
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
                " \u{fc} ",
            ),
            concat!(
                r#""type":"AuthPriv","username":"scanner","authProtocol":"SHA256","#,
                r#""authPassword":"say \"friend\" \\ and enter","privProtocol":"DES","privPassword":" ü ""#
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
    let longest = 2_147_483_647;
    let new = new.active(false).interval_in_hours(longest);
    let body: Value = serde_json::from_str(sent_to_add(&new).text()).unwrap();
    assert_eq!(body["isActive"], false);
    assert_eq!(body["intervalInHours"], longest);
    for hours in [longest + 1, u32::MAX] {
        let why = add_refused(&new.clone().interval_in_hours(hours));
        assert_eq!(why, "the interval must be 1 to 2,147,483,647 hours");
    }
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
            "https://user:hunter2@vault.example",
            "a",
            "the key vault's URL holds a user name or password",
        ),
        (
            "https://vault.example\n",
            "a",
            "the key vault's URL contains blanks or control characters",
        ),
        (
            "https://vault.example/secrets/core/0123",
            "core",
            "the key vault's URL is that of a secret: give the vault's, which ends with the host, and the \
             secret's name beside it",
        ),
        (
            "https://vault.example/?sig=hunter2",
            "core",
            "the key vault's URL has a path, a query or a fragment behind the host",
        ),
        (
            "https://vault.example",
            "core_switches",
            "the name of the key vault's secret is not 1 to 127 letters, digits and hyphens",
        ),
    ] {
        let vault = KeyVaultSecret::new(url, name);
        for vault in [vault.clone(), vault.sent_as_key_vault_url()] {
            let auth = SnmpAuth::in_key_vault(SnmpAuthType::AuthPriv, vault);
            let new = network(auth);
            let shown = format!("{new:?} {new:#?} {}", add_refused(&new));
            assert!(shown.ends_with(why), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

/// A file's text often ends with a line break, which is part of no password.
#[test]
fn a_control_character_is_refused_wherever_it_has_no_business() {
    let (md5, aes) = (AuthProtocol::Md5, PrivProtocol::Aes);
    let named = |name: &str| NewScanDefinition::network(name, MACHINE, ["::1"], community());
    let by = |machine: &str| NewScanDefinition::network("a", machine, ["::1"], community());
    let linux = |auth| NewScanDefinition::linux("a", MACHINE, ["::1"], auth);
    let snmp = |auth| network(auth);
    let with = |text: &str| {
        [
            ("scan's name", named(text)),
            ("scanner's machine id", by(text)),
            ("user name", snmp(SnmpAuth::no_auth_no_priv(text))),
            ("user name", linux(LinuxAuth::password(text, "p"))),
            ("password", linux(LinuxAuth::password("a", text))),
            ("community string", snmp(SnmpAuth::community_string(text))),
            (
                "authentication password",
                snmp(SnmpAuth::auth_no_priv("a", md5.clone(), text)),
            ),
            (
                "privacy password",
                snmp(SnmpAuth::auth_priv(
                    "a",
                    md5.clone(),
                    "p",
                    aes.clone(),
                    text,
                )),
            ),
        ]
    };
    for (text, why) in [
        ("hunter2\n", BREAK),
        ("hunter2\r\n", BREAK),
        ("hunter\n2", "contains a control character"),
        ("\u{1}hunter2", "contains a control character"),
        ("hunter2\t", "contains a control character"),
        ("\u{85}hunter2", "contains a control character"),
    ] {
        for (what, new) in with(text) {
            assert_eq!(add_refused(&new), format!("the {what} {why}"));
        }
    }
    // Blanks may be part of a password, and lines are of a private key.
    for (_, new) in with(" hunter 2 ") {
        new.check().unwrap();
    }
    linux(LinuxAuth::private_key("a", "a\r\nkey\n"))
        .check()
        .unwrap();
}

#[test]
fn what_would_be_refused_is_known_without_sending_it() {
    let new = || network(community());
    new().check().unwrap();
    let error = new().interval_in_hours(0).check().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), add_refused(&new().interval_in_hours(0)));
    let update = ScanDefinitionUpdate::new;
    update().active(true).check().unwrap();
    for update in [update(), update().name("\n"), update().targets(["a b"])] {
        let error = update.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let why = refused(|client| client.update_scan_definition(ID, &update));
        assert_eq!(error.to_string(), why);
    }
}

/// As the service shows them, or the same name would be a change each time.
#[test]
fn names_and_machines_are_sent_without_what_is_around_them() {
    let given = format!(" {MACHINE} ");
    let new = NewScanDefinition::network(" Core ", &given, ["::1"], community());
    let body = sent_to_add(&new);
    let wanted = format!(r#""scannerAgent":{{"machineId":"{MACHINE}"}}"#);
    assert!(body.text().contains(r#""scanName":"Core","#));
    assert!(body.text().contains(&wanted), "{}", body.text());
    assert_eq!(
        update_body(&ScanDefinitionUpdate::new().name("Core\u{a0} ")),
        r#"{"scanName":"Core"}"#
    );
    let mut machine = Machine::new("a-machine");
    machine.computer_dns_name = Some(" SCANNER-1 ".to_owned());
    assert_eq!(
        update_body(&ScanDefinitionUpdate::new().scanner(machine)),
        r#"{"scannerAgent":{"machineId":"a-machine","machineName":"SCANNER-1"}}"#
    );
    for (given, sent) in [
        (
            format!("47d41a0c-188d-46d3-bbea-a93dbc0bfcaa_{MACHINE}"),
            MACHINE,
        ),
        (format!(" _{MACHINE}"), MACHINE),
        ("org_machine".to_owned(), "org_machine"),
        (
            format!("a_{}", &MACHINE[1..]),
            &format!("a_{}", &MACHINE[1..]),
        ),
    ] {
        let update = ScanDefinitionUpdate::new().scanner(&given);
        let wanted = format!(r#"{{"scannerAgent":{{"machineId":"{sent}"}}}}"#);
        assert_eq!(update_body(&update), wanted, "{given}");
    }
    let dots = NewScanDefinition::network("a", "..", ["::1"], community());
    let why = add_refused(&dots);
    assert_eq!(
        why,
        "the scanner's machine id can't be sent: the id is a dot segment"
    );
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
            "the interval must be 1 to 2,147,483,647 hours",
        ),
        (
            NewScanDefinition::network("a", "", ["::1"], auth()),
            NO_MACHINE,
        ),
        (
            NewScanDefinition::network("a", ScanAgent::new("none"), ["::1"], auth()),
            NO_MACHINE,
        ),
        (
            NewScanDefinition::network("a", MACHINE, [""; 0], auth()),
            "a scan needs at least one target",
        ),
        (
            NewScanDefinition::network("a", MACHINE, ["::1", "10.0.0.1-10.0.0.9"], auth()),
            "target 2, `10.0.0.1-10.0.0.9`, is neither an IP address nor a host name, nor a range \
             written as CIDR, such as 10.0.0.0/24; commas separate targets",
        ),
    ] {
        assert_eq!(add_refused(&new), why);
    }
    let update = ScanDefinitionUpdate::new;
    for (update, why) in [
        (update().name(""), "the scan's name is empty or blank"),
        (
            update().interval_in_hours(0),
            "the interval must be 1 to 2,147,483,647 hours",
        ),
        (update().scanner(" "), NO_MACHINE),
        (
            update().targets([""]),
            "target 1 is empty: commas separate targets",
        ),
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
fn an_id_is_encoded_for_the_path_or_refused_before_anything_is_sent() {
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

/// F5: a connection that was kept may be dead, and would leave it open whether the request arrived.
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
        let methods = [
            "not there before and that the new one `is_like`",
            "same update again",
        ];
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
    assert!(!new().active(false).is_like(&shown));
    assert!(!new().interval_in_hours(99).is_like(&shown));
    let with = |name: &str, machine: &str, targets: &[&str]| {
        NewScanDefinition::network(name, machine, targets, community()).interval_in_hours(1)
    };
    let with_name = |name: &str| with(name, MACHINE, &["127.0.0.1"]);
    assert!(with_name("Test Network scan ").is_like(&shown));
    assert!(!with_name("Test network scan").is_like(&shown));
    let with_targets = |targets: &[&str]| with("Test Network scan", MACHINE, targets);
    assert!(with_targets(&["127.0.0.1", " 127.0.0.1"]).is_like(&shown));
    assert!(!with_targets(&["127.0.0.1", "127.0.0.2"]).is_like(&shown));
    assert!(with_targets(&["127.0.0.1/32"]).is_like(&shown));
    assert!(!with_targets(&["127.0.0.1/31"]).is_like(&shown));
    assert!(!with_targets(&["nonsense!"]).is_like(&shown));
    let upper = MACHINE.to_uppercase();
    for (machine, same) in [(upper.as_str(), true), ("another", false), ("", false)] {
        let new = with("Test Network scan", machine, &["127.0.0.1"]);
        assert_eq!(new.is_like(&shown), same, "{machine}");
    }
    let auth = LinuxAuth::password("a", "b");
    let linux = NewScanDefinition::linux("Test Network scan", MACHINE, ["127.0.0.1"], auth)
        .interval_in_hours(1);
    assert!(!linux.is_like(&shown));
    // What the service leaves out could be the same, but for the name and the targets.
    let without = |leave_out: fn(&mut ScanDefinition)| {
        let mut less = shown.clone();
        leave_out(&mut less);
        new().is_like(&less)
    };
    assert!(without(|it| it.scanner_agent = None));
    assert!(without(
        |it| it.scanner_agent = Some(ScannerAgent::default())
    ));
    assert!(without(|it| it.scan_type = None));
    assert!(without(|it| it.interval_in_hours = None));
    assert!(without(|it| it.is_active = None));
    assert!(without(|it| it.target_type = Some(TargetType::Combined)));
    assert!(!without(|it| it.scan_name = None));
    assert!(!without(|it| it.target = None));
    assert!(!without(|it| it.is_active = Some(false)));
    assert!(!without(|it| it.interval_in_hours = Some(24)));
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
    // Targets that are called by another type are still to be repaired, unless nobody knows that type.
    for (kind, changes) in [
        (Some(TargetType::Hostname), true),
        (Some(TargetType::Ip), false),
        (Some(TargetType::from("Range")), false),
        (None, false),
    ] {
        let mut shown = shown.clone();
        shown.target_type = kind;
        assert_eq!(!same().changes_to(&shown).is_empty(), changes, "{shown:?}");
    }
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
    // What can't be sent is not taken over.
    let mut nothing = ScanDefinition::new(ID);
    let rest_of = |shown: &ScanDefinition| ScanDefinitionUpdate::new().with_rest_of(shown);
    assert!(rest_of(&nothing).is_empty());
    nothing.scan_name = Some(" ".to_owned());
    nothing.target = Some(" ".to_owned());
    nothing.target_type = Some(TargetType::Ip);
    for hours in [i64::MIN, -1, 0, 2_147_483_648, i64::MAX] {
        nothing.interval_in_hours = Some(hours);
        assert!(rest_of(&nothing).is_empty(), "{hours}");
    }
    for machine in [None, Some(" "), Some("a\nb")] {
        let mut agent = ScannerAgent::default();
        agent.machine_id = machine.map(str::to_owned);
        nothing.scanner_agent = Some(agent);
        assert!(rest_of(&nothing).is_empty(), "{machine:?}");
    }
    // What was taken over is no change, however it is shown.
    let mut shown = ScanDefinition::new(ID);
    shown.scan_name = Some(" Core ".to_owned());
    shown.target = Some("10.0.0.1,,a,".to_owned());
    shown.interval_in_hours = Some(4);
    assert!(!rest_of(&shown).is_empty());
    assert!(rest_of(&shown).changes_to(&shown).is_empty());
}

/// The secrets are none of what is set.
#[test]
fn what_is_to_be_sent_is_shown_with_what_is_set_of_it() {
    let auth = SnmpAuth::auth_no_priv("scanner", AuthProtocol::Sha1, "hunter2");
    let shown = format!(
        r#"SnmpAuth {{ auth_type: AuthNoPriv, username: "scanner", auth_protocol: Sha1, {} }}"#,
        "authentication_password: ***"
    );
    assert_eq!(format!("{auth:?}"), shown);
    let new = NewScanDefinition::network("Core", "eb66", ["::1", "a"], auth);
    let wanted = format!(
        concat!(
            r#"NewScanDefinition {{ scan_type: Network, name: "Core", active: true, targets: "::1,a", "#,
            r#"target_type: Combined, interval_in_hours: 24, scanner: Scanner {{ machine_id: "eb66" }}, auth: {} }}"#,
        ),
        shown
    );
    assert_eq!(format!("{new:?}"), wanted);
    let update = ScanDefinitionUpdate::new();
    assert_eq!(format!("{update:?}"), "ScanDefinitionUpdate");
    let update = update.linux_auth(LinuxAuth::private_key("a", "hunter2"));
    assert_eq!(
        format!("{:?}", update.targets([""])),
        concat!(
            r#"ScanDefinitionUpdate { refused_targets: "target 1 is empty: commas separate targets", "#,
            r#"auth: LinuxAuth { auth_type: PrivateKey, username: "a", private_key: *** } }"#
        )
    );
    let vault = KeyVaultSecret::new("https://a:hunter2@vault.example", "core");
    let auth = SnmpAuth::in_key_vault(SnmpAuthType::AuthPriv, vault);
    assert_eq!(
        format!("{auth:?}"),
        r#"SnmpAuth { auth_type: AuthPriv, key_vault: KeyVaultSecret { host: "***", name: "core", .. } }"#
    );
}
