//! Adding, changing and deleting definitions («Add, update, or delete a scan definition»).

use std::sync::Arc;

use serde_json::{Value, json};

use super::contract::{self, BadBody};
use super::{is, no_definition};
use crate::testing::answer::{new_id, not_json};
use crate::testing::demo::ORG;
use crate::testing::odata::{Accepts, BadQuery, Options};
use crate::testing::reply::Reply;
use crate::testing::request::{Request, ids_in};
use crate::testing::schema::Row;
use crate::testing::service::Service;

/// What a definition tells of its scanner.
const SCANNER: [&str; 8] = [
    "id",
    "machineId",
    "machineName",
    "lastSeen",
    "assignedApplicationId",
    "scannerSoftwareVersion",
    "lastCommandExecutionTimestamp",
    "mdeClientVersion",
];

/// Answers a request whose body says what to do.
pub(super) fn with_body(
    request: &Request,
    work: impl FnOnce(&[u8]) -> Result<Reply, BadBody>,
) -> Result<Reply, BadQuery> {
    Options::read(request.query.as_deref(), Accepts::Nothing)?;
    if !request.is_json() {
        return Ok(not_json());
    }
    Ok(work(&request.body).unwrap_or_else(|bad| bad.reply()))
}

impl Service {
    pub(super) fn add(&self, body: &[u8]) -> Result<Reply, BadBody> {
        let given = self.as_answered(contract::read_new(body)?)?;
        let scanner = given.get("scannerAgent");
        let latest_scan =
            json!({ "status": null, "failureReason": null, "executionDateTime": null });
        let own = [
            ("id", json!(new_id())),
            ("orgId", json!(scanner.map_or(ORG, organisation))),
            ("createdBy", json!(self.app.client_id)),
            ("latestScan", latest_scan),
            ("isTroubleshootMode", json!(false)),
            ("advancedActiveConfiguration", Value::Null),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let definition = own.into_iter().chain(given).collect();
        let reply = self.definition_entity(&definition);
        Arc::make_mut(&mut self.state().definitions).push(definition);
        Ok(reply)
    }

    pub(super) fn update(&self, id: &str, body: &[u8]) -> Result<Reply, BadBody> {
        let mut state = self.state();
        let definitions = Arc::make_mut(&mut state.definitions);
        let Some(definition) = definitions.iter_mut().find(|row| is(row, id)) else {
            return Ok(no_definition(id));
        };
        let scan_type = either(definition, "scanType").and_then(Value::as_str);
        let changes = self.as_answered(contract::read_changes(body, scan_type)?)?;
        for (name, value) in changes {
            definition.remove(&pascal(&name));
            definition.insert(name, value);
        }
        Ok(self.definition_entity(definition))
    }

    /// Nobody has documented the answer: it is the one without a body.
    pub(super) fn delete(&self, body: &[u8]) -> Result<Reply, BadBody> {
        let Some(ids) = ids_in(body, "ScanDefinitionIds") else {
            let message = r#"The body must be {"ScanDefinitionIds": ["..."]}."#;
            return Err(BadBody::malformed(message));
        };
        let stays = |row: &Row| !ids.iter().any(|id| is(row, id));
        Arc::make_mut(&mut self.state().definitions).retain(stays);
        Ok(Reply::no_content())
    }

    /// What was given, as answers show it and the tenant keeps it: without the credentials, and with
    /// all that is known of the scanner.
    fn as_answered(&self, mut given: Row) -> Result<Row, BadBody> {
        if let Some(params) = given.get_mut("scanAuthenticationParams") {
            *params = Value::Null;
        }
        if let Some(scanner) = given.get_mut("scannerAgent") {
            *scanner = self.scanner(scanner)?;
        }
        Ok(given)
    }

    /// The agent on the machine that was given. In a tenant without agents any machine will do.
    fn scanner(&self, given: &Value) -> Result<Value, BadBody> {
        let machine_id = given
            .get("machineId")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let runs_on =
            |row: &&Row| either(row, "machineId").and_then(Value::as_str) == Some(machine_id);
        let agent = self.agents.iter().find(runs_on);
        if agent.is_none() && !self.agents.is_empty() {
            let message = "No scan agent runs on the machine of 'scannerAgent.machineId'.";
            return Err(BadBody::invalid(message));
        }
        let known = |name: &str| {
            let value = agent.and_then(|agent| match name {
                "machineName" => either(agent, "computerDnsName"),
                _ => either(agent, name),
            });
            let value = value.or_else(|| given.get(name)).cloned();
            match name {
                "id" => value.unwrap_or_else(|| format!("{ORG}_{machine_id}").into()),
                _ => value.unwrap_or_default(),
            }
        };
        let scanner = SCANNER.iter().map(|name| ((*name).to_owned(), known(name)));
        Ok(Value::Object(scanner.collect()))
    }
}

/// The organisation of a scanner, with which its id begins.
fn organisation(scanner: &Value) -> &str {
    let text = |name| scanner.get(name).and_then(Value::as_str);
    let found = text("id")
        .zip(text("machineId"))
        .and_then(|(id, machine_id)| id.strip_suffix(machine_id)?.strip_suffix('_'));
    found.unwrap_or(ORG)
}

/// A member in either spelling that the service has.
fn either<'a>(row: &'a Row, name: &str) -> Option<&'a Value> {
    row.get(name).or_else(|| row.get(&pascal(name)))
}

fn pascal(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_ascii_uppercase().to_string() + chars.as_str()
    })
}
