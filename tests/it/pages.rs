//! What the vendor's five pages say and no other test holds as such: the permissions to the letter, the
//! hosts, the URLs of the examples, and the samples as they are printed, which are no JSON. Which test
//! stands for which statement is in `src/sources.rs`.

use defender_endpoint::permissions;
use defender_endpoint::{Client, Cloud, Error, ErrorKind};

use crate::support::raw::{Answer, RawServer};
use crate::support::{client, fixture};

/// The refusal of whatever this asks for, where the service answers with this.
fn refusal<T>(body: &str, ask: impl FnOnce(&Client) -> Result<T, Error>) -> Error {
    let server = RawServer::sending(Answer::json(body));
    match ask(&client(&server.url())) {
        Ok(_) => panic!("{body} was accepted"),
        Err(error) => error,
    }
}

#[test]
fn each_page_names_these_permissions_and_roles() {
    let scans: [&[&str]; 3] = [
        &["Machine.Read.All"],
        &["Machine.Read.All"],
        &["ViewData", "TvmViewData"],
    ];
    let machines: [&[&str]; 3] = [
        &["Machine.Read.All", "Machine.ReadWrite.All"],
        &["Machine.Read", "Machine.ReadWrite"],
        &["View Data"],
    ];
    for (page, needed) in [
        ("Get all scan agents", scans),
        ("Get scan agent by ID", scans),
        ("Get scan definitions", scans),
        ("List machines API", machines),
        ("Get scan history by definition", scans),
    ] {
        let mut rows = permissions::all().iter().filter(|row| row.page() == page);
        let row = rows.next().unwrap();
        assert_eq!(
            [row.application(), row.delegated(), row.roles()],
            needed,
            "{page}"
        );
    }
}

#[test]
fn the_hosts_are_those_of_the_pages() {
    for (cloud, host) in [
        (Cloud::default(), "api.securitycenter.microsoft.com"),
        (Cloud::US, "api-us.securitycenter.microsoft.com"),
        (Cloud::EU, "api-eu.securitycenter.microsoft.com"),
        (Cloud::UK, "api-uk.securitycenter.microsoft.com"),
        (Cloud::AU, "api-au.securitycenter.microsoft.com"),
        (Cloud::GCC, "api-gcc.securitycenter.microsoft.us"),
        (Cloud::GCC_HIGH, "api-gov.securitycenter.microsoft.us"),
        (Cloud::DOD, "api-gov.securitycenter.microsoft.us"),
    ] {
        assert_eq!(cloud.api_url(), format!("https://{host}"));
    }
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
#[test]
fn the_urls_of_the_examples_are_what_is_asked_for() {
    let token = defender_endpoint::StaticToken::new("t").unwrap();
    let client = Client::builder(token).no_proxy().build().unwrap();
    assert_eq!(
        client.machines().url(),
        "https://api.securitycenter.microsoft.com/api/machines"
    );
    assert_eq!(
        client.scan_history(["an-id"]).top(1).url(),
        "https://api.securitycenter.microsoft.com/api/DeviceAuthenticatedScanDefinitions\
         /GetScanHistoryByScanDefinitionId?$top=1"
    );
}

#[test]
fn the_examples_ids_are_posted_as_one_array_in_one_call() {
    let ids = [
        "4ad8d463-6b3a-4894-b42a-a2de9ea0a8ae",
        "60c4aa57-c573-4488-8d18-230914792a92",
        "c6220f67-2cad-4ba3-a2fa-7ded6384da56",
    ];
    let server = RawServer::sending(Answer::json(fixture("scan_history.json")));
    let history = client(&server.url()).scan_history(ids).top(3);
    let found: Vec<_> = history.iter().map(Result::unwrap).collect();
    let body: serde_json::Value = serde_json::from_str(server.only().text()).unwrap();
    assert_eq!(body, serde_json::json!({ "ScanDefinitionIds": ids }));
    let found: Vec<_> = found
        .iter()
        .filter_map(|row| row.scan_definition_id.as_deref())
        .collect();
    assert_eq!(found, ids);
}

/// The sample asks for `7f3d…` and is answered with an agent of another id and another machine: in a
/// tenant that would be somebody else's agent.
#[test]
fn the_sample_of_one_agent_answers_for_another_than_was_asked_for() {
    let asked = "7f3d76a6976818553e996875dc91f55df6b26625";
    let server = RawServer::sending(Answer::json(fixture("scan_agent_by_id.json")));
    let error = client(&server.url()).scan_agent(asked).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(
        server.only().target(),
        format!("/api/DeviceAuthenticatedScanAgents/{asked}")
    );
}

/// Each fault that keeps a sample of the pages from being JSON, by itself.
#[test]
fn a_sample_as_it_is_printed_is_an_error_and_not_a_shorter_list() {
    let comma = r#"{"value":[{"id":"a"},]}"#;
    let mut errors = vec![
        refusal(comma, Client::scan_agents),
        refusal(comma, |client| client.scan_agent("a")),
        refusal(comma, |client| {
            client.machines().iter().collect::<Result<Vec<_>, _>>()
        }),
        refusal(r#"{"value":[{"id":"a"},...]}"#, |client| {
            client.machines().iter().collect::<Result<Vec<_>, _>>()
        }),
        refusal(r#"{"value":[{"ScannerId":"a"},]}"#, |client| {
            client
                .scan_history(["a"])
                .iter()
                .collect::<Result<Vec<_>, _>>()
        }),
    ];
    for definitions in [
        // The first definition has no end.
        r#"{"value":[{"id":"a","latestScan":{"status":"Fail"},{"id":"b"}]}"#,
        // A quote too many, one too few, a brace too many.
        r##"{"value":[{"id":"a","scanAuthenticationParams":{"@odata.type":"#x"","username":"u"}}]}"##,
        r#"{"value":[{"id":"a","scanAuthenticationParams":{type":"AuthPriv"}}]}"#,
        r#"{"value":[{"id":"a"}, }]}"#,
    ] {
        errors.push(refusal(definitions, Client::scan_definitions));
    }
    for error in errors {
        let is = (error.kind(), error.is_retryable());
        assert_eq!(is, (ErrorKind::Decode, false), "{error}");
    }
}

/// The pages apply to some plans only. A tenant without any of them is answered 401.
#[test]
fn a_401_that_stays_may_be_a_plan_that_is_missing() {
    let body = r#"{"error":{"code":"Unauthorized","message":"No Tvm license"}}"#;
    let server = RawServer::sending(Answer::new(401, &[], body));
    let error = client(&server.url()).scan_agents().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.message(), Some("No Tvm license"));
    assert!(
        error.hint().unwrap().contains("has no licence"),
        "{error:?}"
    );
}

/// Some devices are kept from a user by device groups, some have left with the retention period: of the
/// list they are no part, and asked for by their ids they are no error.
#[test]
fn a_machine_that_the_service_keeps_back_is_none_of_the_list() {
    let server = RawServer::sending(Answer::json(fixture("machines.json")));
    let one = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
    let found: Vec<_> = client(&server.url())
        .machines_by_id([one, "kept-back"])
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let [(first_id, Some(machine)), (second_id, None)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((first_id.as_str(), machine.id.as_str()), (one, one));
    assert_eq!(second_id, "kept-back");
}
