//! The operations against the documented answers.

use std::time::Duration;

use defender_endpoint::machines::{HealthStatus, Machine, RiskScore};
use defender_endpoint::scan_definitions::ScanType;
use defender_endpoint::scan_history::{ScanHistoryEntry, ScanStatus};
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

/// The sessions `s` and `t`, where this is what the service answers.
fn by_session(name: &str) -> Vec<ScanHistoryEntry> {
    let mut server = Server::new();
    let path = "/api/DeviceAuthenticatedScanDefinitions/GetScanHistoryBySessionId";
    let call = server
        .mock("POST", path)
        .match_query(Matcher::Missing)
        .match_header("authorization", format!("Bearer {TOKEN}").as_str())
        .match_header("content-type", "application/json")
        .match_body(r#"{"SessionIds":["s","t"]}"#)
        .with_body(fixture(name))
        .expect(1)
        .create();
    let client = client(&server.url());
    let sessions = client.scan_history_by_session(["s", "t", "s"]);
    let sessions = sessions.into_iter().collect::<Result<_, _>>().unwrap();
    call.assert();
    sessions
}

#[test]
fn scan_history_is_asked_for_by_session_as_documented() {
    let sessions = by_session("scan_history_by_session.json");
    assert_eq!(sessions.len(), 1);
    let session = &sessions[0];
    assert_eq!(
        session.session_id.as_deref(),
        Some("01decc497f4b4ec49a5fc4e12597f8c8")
    );
    assert_eq!(
        session.scan_definition_id.as_deref(),
        Some("4ad8d463-6b3a-4894-b42a-a2de9ea0a8ae")
    );
    assert_eq!(session.scan_status, Some(ScanStatus::Success));
    assert_eq!(session.number_of_targets, Some(3));
    assert_eq!(session.number_of_successfully_scanned_targets, Some(3));
    assert_eq!(session.last_scanned.unwrap().nanosecond(), 556_179_100);
    assert_eq!(session.scanned_targets.len(), 3);
    let target = &session.scanned_targets[2];
    assert_eq!(target.scan_duration, Some(Duration::from_secs(8 * 60 + 50)));
    assert_eq!(target.ip.as_deref(), Some("127.0.0.3"));
    assert_eq!(target.hostname.as_deref(), Some("DESKTOP-Test3"));
    let description = target.scanned_device_description.as_deref();
    assert_eq!(description, Some("Network device 3"));
    assert_eq!(target.error_message.as_deref(), Some(""));
    assert_eq!(target.scan_status, Some(ScanStatus::Success));
}

#[test]
fn sessions_are_read_in_the_services_own_shape_too() {
    let sessions = by_session("scan_history_metadata_shape.json");
    let session = &sessions[0];
    assert_eq!(session.scan_status, Some(ScanStatus::PartialSuccess));
    assert_eq!(session.last_scanned, None);
    let [reached, failed] = session.scanned_targets.as_slice() else {
        panic!("{session:?}");
    };
    assert_eq!(
        reached.scan_duration,
        Some(Duration::new(8 * 60 + 30, 123_456_700))
    );
    assert_eq!(failed.scan_duration, Some(Duration::ZERO));
    assert_eq!(failed.scan_status, Some(ScanStatus::Failure));
    assert_eq!(failed.error_message.as_deref(), Some("No answer"));
}

#[test]
fn a_sessions_only_target_may_stand_without_its_list() {
    let sessions = by_session("scan_history_by_session_one_target.json");
    let [documented, schema] = sessions.as_slice() else {
        panic!("{sessions:?}");
    };
    assert_eq!(documented.scan_status, Some(ScanStatus::PartialSuccess));
    assert_eq!(schema.scan_status, Some(ScanStatus::Failure));
    for session in &sessions {
        assert_eq!(session.scanned_targets.len(), 1);
    }
    let target = &documented.scanned_targets[0];
    assert_eq!(target.scan_status, Some(ScanStatus::PartialSuccess));
    assert_eq!(target.scan_duration, Some(Duration::new(510, 500_000_000)));
    let target = &schema.scanned_targets[0];
    assert_eq!(target.error_message.as_deref(), Some("Access is denied"));
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
