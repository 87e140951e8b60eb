//USE //! The five operations against the documented answers.
//USE
//USE use defender_endpoint::ErrorKind;

//! The five operations against the documented answers.

use defender_endpoint::machines::{HealthStatus, Machine, RiskScore};
use defender_endpoint::scan_definitions::ScanType;
use defender_endpoint::scan_history::ScanStatus;
use mockito::{Matcher, Server};

use crate::support::{TOKEN, client, fixture};

/// A server that answers one request line with a fixture.
fn serving(server: &mut Server, method: &str, path: &str, name: &str) -> mockito::Mock {
    server
        .mock(method, path)
        .match_header("authorization", format!("Bearer {TOKEN}").as_str())
        .match_header("accept", "application/json")
        .match_header("accept-encoding", "gzip")
        .with_body(fixture(name))
        .expect(1)
        .create()
}

#[test]
fn machines_are_listed_as_documented() {
    let mut server = Server::new();
    let call = serving(&mut server, "GET", "/api/machines", "machines.json");
    let machines: Vec<Machine> = client(&server.url())
        .machines()
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    call.assert();
    let machine = &machines[0];
    assert_eq!(machine.id, "1e5bc9d7e413ddd7902c2932e418702b84d0cc07");
    assert_eq!(machine.health_status, Some(HealthStatus::Active));
    assert_eq!(machine.risk_score, Some(RiskScore::Low));
    assert_eq!(machine.machine_tags, ["Tag1", "Tag2"]);
    assert_eq!(machine.first_seen.unwrap().nanosecond(), 779_185_600);
}

#[test]
fn scan_agents_are_listed_as_documented() {
    let mut server = Server::new();
    let call = serving(
        &mut server,
        "GET",
        "/api/DeviceAuthenticatedScanAgents",
        "scan_agents.json",
    );
    let agents = client(&server.url()).scan_agents().unwrap();
    call.assert();
    assert_eq!(agents.len(), 2);
    assert_eq!(agents[0].scanner_software_version.as_deref(), Some("7.1.1"));
}

#[test]
fn a_scan_agent_is_found_by_id_as_documented() {
    let id = "4ejh675b240118fbehiuiy5b64d704b4e53d15";
    let mut server = Server::new();
    let path = format!("/api/DeviceAuthenticatedScanAgents/{id}");
    let call = serving(&mut server, "GET", &path, "scan_agent_by_id.json");
    let agent = client(&server.url()).scan_agent(id).unwrap();
    call.assert();
    assert_eq!(agent.machine_id.as_deref(), Some(id));
}

#[test]
fn scan_definitions_are_listed_as_documented() {
    let mut server = Server::new();
    let path = "/api/DeviceAuthenticatedScanDefinitions";
    let call = serving(&mut server, "GET", path, "scan_definitions.json");
    let definitions = client(&server.url()).scan_definitions().unwrap();
    call.assert();
    assert_eq!(definitions.len(), 2);
    assert_eq!(definitions[1].scan_type, Some(ScanType::Network));
}

#[test]
fn scan_history_is_asked_for_by_definition_as_documented() {
    let mut server = Server::new();
    let path = "/api/DeviceAuthenticatedScanDefinitions/GetScanHistoryByScanDefinitionId";
    let call = server
        .mock("POST", path)
        .match_query(Matcher::Exact("$top=3".into()))
        .match_header("content-type", "application/json")
        .match_body(r#"{"ScanDefinitionIds":["a","b"]}"#)
        .with_body(fixture("scan_history.json"))
        .expect(1)
        .create();
    let client = client(&server.url());
    let history: Vec<_> = client
        .scan_history(["a", "b", "a"])
        .top(3)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    call.assert();
    assert_eq!(history.len(), 3);
    assert_eq!(history[0].scan_status, Some(ScanStatus::PartialSuccess));
}

#[test]
fn a_compressed_error_is_read_like_any_other() {
    use std::io::Write;

    let text =
        r#"{"error":{"code":"Forbidden","message":"Missing application roles.","target":"7"}}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let mut server = Server::new();
    server
        .mock("GET", "/api/DeviceAuthenticatedScanAgents")
        .with_status(403)
        .with_header("content-encoding", "gzip")
        .with_body(gzip.finish().unwrap())
        .create();
    let error = client(&server.url()).scan_agents().unwrap_err();
    assert_eq!(error.message(), Some("Missing application roles."));
    assert_eq!(
        (error.code(), error.request_id()),
        (Some("Forbidden"), Some("7"))
    );
}
