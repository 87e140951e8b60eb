//! The example `build-script` tells cargo which variables the crate reads.

use std::collections::BTreeSet;

use defender_endpoint::testing::{Fault, Tenant};
use serde_json::json;

use crate::support::sources::Source;

#[path = "../../examples/build-script/build.rs"]
#[expect(dead_code, unexpected_cfgs, reason = "the program is another crate's")]
mod script;

/// Where the Azure CLI and the agent of Azure Arc are installed: that changes no list, and `PATH` is another
/// one in each terminal and editor, so that each would make the others ask again.
const PLACES: [&str; 4] = ["PATH", "SystemRoot", "ProgramFiles", "ProgramData"];
/// Of a job of GitHub Actions: other ones in each job, and one of them is secret.
const OF_A_JOB: [&str; 3] = [
    "GITHUB_ACTIONS",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
];
/// Kept from the Azure CLI, and not read.
const NOT_READ: [&str; 1] = ["AZURE_CLIENT_CERTIFICATE_PASSWORD"];
/// Read by ureq alone.
const OF_THE_TRANSPORT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The texts between quotes of a line.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// Whether this is written as variables are.
fn is_name(text: &str) -> bool {
    let is = |fits: fn(&u8) -> bool| text.bytes().all(|byte| byte == b'_' || fits(&byte));
    let upper = is(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_proxy = text.ends_with("_proxy") && is(u8::is_ascii_lowercase);
    is_proxy || upper && text.trim_matches('_').contains('_')
}

/// The variables that a program with the crate reads.
fn read() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in Source::all() {
        // The fake tenant takes its settings from the test.
        if source.is_for_tests() || source.path.starts_with("src/testing/") {
            continue;
        }
        for line in source.own_lines() {
            for (at, _) in line.match_indices("env::") {
                let function = line[at + 5..].split(|c: char| !c.is_alphanumeric() && c != '_');
                let function = function.into_iter().next().unwrap();
                let known = ["", "var", "var_os", "split_paths", "VarError"];
                assert!(known.contains(&function), "{}: {line}", source.path);
            }
            if line.contains("env!(") {
                continue;
            }
            let asks = ["read(\"", "raw(\"", "var(\"", "var_os(\""];
            let asks = asks.into_iter().any(|call| line.contains(call));
            let found = literals(line).filter(|text| asks || is_name(text));
            names.extend(found.map(str::to_owned));
        }
    }
    names
}

/// The texts of an array in the source of an example.
fn array(text: &str, name: &str) -> BTreeSet<String> {
    let (_, rest) = text.split_once(&format!("const {name}: ")).unwrap();
    let (array, _) = rest.split_once("];").unwrap();
    array
        .lines()
        .flat_map(literals)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_variable_that_the_crate_reads_is_named_to_cargo_and_no_other() {
    let script = Source::of("examples/build-script/build.rs").text;
    let mut expected = read();
    for name in PLACES.iter().chain(&OF_A_JOB).chain(&NOT_READ) {
        assert!(expected.remove(*name), "{name} is not in the source");
    }
    expected.extend(OF_THE_TRANSPORT.map(str::to_owned));
    assert_eq!(array(&script, "VARIABLES"), expected);
}

#[test]
fn a_list_that_is_empty_or_not_found_never_stands_for_a_whole_one() {
    let tenant = Tenant::builder().machines([json!({ "id": "m1" })]);
    let tenant = tenant.start().unwrap();
    let client = tenant.client().unwrap();
    let ids = |machines: Vec<script::Machine>| -> Vec<String> {
        machines.into_iter().map(|machine| machine.id).collect()
    };
    assert_eq!(ids(script::walk(&client).unwrap()), ["m1"]);
    let why = |outcome: Result<_, script::Failure>| outcome.map(ids).unwrap_err().to_string();
    tenant
        .set_machines(Vec::<serde_json::Value>::new())
        .unwrap();
    assert_eq!(why(script::walk(&client)), "the list has no machines");
    tenant.fail(Fault::status(404).path("/api/machines"));
    let told = why(script::walk(&client));
    assert!(told.contains("404"), "{told}");
}

/// Cargo writes the values of variables down that are named to it.
#[test]
fn every_variable_whose_value_is_secret_is_known_as_such() {
    let script = Source::of("examples/build-script/build.rs").text;
    let ends = ["_SECRET", "_HEADER", "_PASSWORD", "_TOKEN"];
    let mut secret = read();
    secret.retain(|name| ends.iter().any(|end| name.ends_with(end)));
    for name in OF_A_JOB.iter().chain(&NOT_READ) {
        secret.remove(*name);
    }
    assert_eq!(array(&script, "SECRET"), secret);
}
