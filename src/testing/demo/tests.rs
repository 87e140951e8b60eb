//! What the demo tenant holds, and that it stays the same.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::*;
use crate::testing::schema::{self, Row};

fn rows() -> Vec<Row> {
    machines()
        .into_iter()
        .map(|row| row.as_object().unwrap().clone())
        .collect()
}

fn count(wanted: impl Fn(&Row) -> bool) -> usize {
    rows().iter().filter(|row| wanted(row)).count()
}

#[test]
fn the_fleet_is_the_same_every_time_with_an_id_for_each_machine() {
    assert_eq!(machines(), machines());
    let ids: HashSet<String> = rows().iter().map(|row| row["id"].to_string()).collect();
    assert_eq!(ids.len(), 347);
    assert!(
        ids.iter().all(|id| id.len() == 42),
        "40 hex digits and two quotes"
    );
    assert_eq!(
        machine_id(0),
        "f82a6f1d1144170d852527f5df18ebbaafe538c7",
        "ids are for ever"
    );
}

#[test]
fn every_key_is_one_that_the_service_has() {
    for row in rows() {
        for key in row.keys() {
            assert!(schema::property(key).is_some(), "{key}");
        }
    }
}

#[test]
fn it_holds_what_real_fleets_surprise_with() {
    let mut names: HashMap<String, usize> = HashMap::new();
    for row in rows() {
        *names.entry(row["computerDnsName"].to_string()).or_default() += 1;
    }
    assert_eq!(names["\"lon-ws-0058.contoso.com\""], 2);
    assert_eq!(
        count(|row| row.get("mergedIntoMachineId").is_some_and(Value::is_string)),
        1
    );
    assert_eq!(count(|row| row["riskScore"] == "Critical"), 1);
    assert_eq!(count(|row| row["lastSeen"] == NEVER), 1);
    assert_eq!(count(|row| row["rbacGroupId"].is_string()), 1);
    assert_eq!(count(|row| row["onboardingStatus"] != "Onboarded"), 23);
    assert!(count(|row| !row.contains_key("ipAddresses")) > 10);
    assert!(count(|row| row["machineTags"].is_null()) > 10);
    let digits = |row: &Row| {
        let text = row["lastSeen"].as_str().unwrap();
        text.split_once('.')
            .map_or(0, |(_, fraction)| fraction.len() - 1)
    };
    let lengths: HashSet<usize> = rows().iter().map(digits).collect();
    assert_eq!(lengths, (0..=7).collect());
    for (key, values) in [
        ("osPlatform", 12),
        ("healthStatus", 6),
        ("exposureLevel", 4),
    ] {
        let found: HashSet<String> = rows().iter().map(|row| row[key].to_string()).collect();
        assert!(found.len() >= values, "{key}: {found:?}");
    }
}

#[test]
fn some_machines_are_stale_and_none_is_from_tomorrow() {
    let seen = |row: &Row| schema::date(row["lastSeen"].as_str().unwrap()).unwrap();
    let two_weeks_ago = start() - Duration::days(14);
    let stale = count(|row| seen(row) < two_weeks_ago);
    assert!((20..150).contains(&stale), "{stale}");
    assert_eq!(count(|row| seen(row) > start()), 0);
}

#[test]
fn the_scan_family_fits_together() {
    let (agents, definitions, history) = (scan_agents(), scan_definitions(), scan_history());
    assert_eq!((agents.len(), definitions.len(), history.len()), (5, 8, 60));
    assert!(
        agents
            .iter()
            .any(|agent| agent.get("ScannerSoftwareVersion").is_some())
    );
    assert!(
        agents
            .iter()
            .any(|agent| agent.get("scannerSoftwareVersion").is_some())
    );
    let ids: HashSet<String> = rows().iter().map(|row| row["id"].to_string()).collect();
    assert!(
        agents
            .iter()
            .all(|agent| ids.contains(&agent["machineId"].to_string()))
    );
    for definition in &definitions {
        assert!(schema::guid(definition["id"].as_str().unwrap()).is_some());
        let of_it = |row: &&Value| {
            let id = row
                .get("ScanDefinitionIds")
                .or_else(|| row.get("scanDefinitionId"));
            let id = id.unwrap();
            id == &definition["id"] || id.get(0) == Some(&definition["id"])
        };
        let newest = history.iter().find(of_it).map(|row| &row["LastScanned"]);
        let latest = &definition["latestScan"]["executionDateTime"];
        assert_eq!(newest.unwrap_or(&Value::Null), latest);
    }
    let never_ran = |definition: &&Value| definition["latestScan"]["status"].is_null();
    assert_eq!(definitions.iter().filter(never_ran).count(), 1);
    let failed = |d: &&Value| d["latestScan"]["failureReason"].is_string();
    assert_eq!(definitions.iter().filter(failed).count(), 2);
    let secrets = |d: &&Value| !d["scanAuthenticationParams"].is_null();
    assert_eq!(definitions.iter().filter(secrets).count(), 1);
    let partly = history
        .iter()
        .filter(|row| row["ScanStatus"] == "Partial Success")
        .count();
    assert!(partly > 3, "{partly}");
    assert!(
        history
            .iter()
            .any(|row| row["scanStatus"] == "PartialSuccess")
    );
}

#[test]
fn sessions_tell_which_targets_were_reached_and_why_others_were_not() {
    let targets_of = |row: &Value| {
        let targets = row
            .get("ListScannedTargets")
            .or_else(|| row.get("scannedTargets"));
        targets.and_then(Value::as_array).cloned()
    };
    let id_of = |row: &Value| {
        row.get("SessionIds")
            .or_else(|| row.get("sessionId"))
            .cloned()
    };
    let history = scan_history();
    let ids: Vec<String> = history
        .iter()
        .filter_map(id_of)
        .map(|id| id.to_string().replace(['[', ']'], ""))
        .collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    assert!((30..60).contains(&ids.len()), "{}", ids.len());
    // For each address its failures and its sessions.
    let mut seen: HashMap<String, (usize, usize)> = HashMap::new();
    let mut said: HashSet<String> = HashSet::new();
    for row in &history {
        assert_eq!(id_of(row).is_some(), targets_of(row).is_some());
        for target in targets_of(row).unwrap_or_default() {
            let is =
                |key: &str, lower: &str| target.get(key).or_else(|| target.get(lower)).cloned();
            let ip = is("Ip", "ip").unwrap().as_str().unwrap().to_owned();
            let failed = is("ScanStatus", "scanStatus").unwrap() == "Failure";
            let error = is("ErrorMessage", "errorMessage").unwrap();
            let error = error.as_str().unwrap_or_default();
            assert_eq!(failed, !error.is_empty());
            let (failures, sessions) = seen.entry(ip).or_default();
            *failures += usize::from(failed);
            *sessions += 1;
            said.insert(error.to_owned());
        }
    }
    let never: Vec<_> = seen.iter().filter(|(_, (bad, all))| bad == all).collect();
    assert_eq!(never.len(), 1, "{never:?}");
    assert!(said.len() >= 5, "{said:?}");
    let in_fleet = count(|row| {
        let ip = row["lastIpAddress"].as_str().unwrap_or_default();
        seen.contains_key(ip)
    });
    assert_eq!(in_fleet, 1);
    for id in scan_definitions()
        .iter()
        .map(|definition| &definition["id"])
    {
        let newest = history
            .iter()
            .find(|row| row.get("ScanDefinitionIds") == Some(id));
        assert!(newest.is_none_or(|row| id_of(row).is_some()));
    }
}
