//! The service: which path answers what.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::answer::{List, entity, error, list, new_id, next_number, not_found};
use super::definitions::{self, DEFINITIONS};
use super::exchange::Exchange;
use super::fault::{self, Effect, Fault};
use super::history::{BY_SESSION, HISTORY, HISTORY_BY_DEFINITION, HISTORY_BY_SESSION};
use super::odata::{self, Accepts, BadQuery, Options};
use super::reply::Reply;
use super::request::Request;
use super::schema::Row;
use super::server::Handler;
use super::token::{self, App, Denial};
use crate::clock::Clock;
use crate::permissions;

/// The highest `$top` of the machine list («List machines API»).
const MAX_MACHINES: usize = 10_000;

const AGENTS: &str = "DeviceAuthenticatedScanAgents";

pub(super) struct Service {
    pub(super) url: String,
    pub(super) app: App,
    pub(super) page_size: usize,
    pub(super) max_top: usize,
    pub(super) gzip: bool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) agents: Vec<Row>,
    /// Newest first.
    pub(super) history: Vec<Row>,
    pub(super) state: Mutex<State>,
}

/// What changes while the tenant runs.
#[derive(Default)]
pub(super) struct State {
    pub(super) machines: Arc<Vec<Row>>,
    pub(super) definitions: Arc<Vec<Row>>,
    /// Tokens that are good, with the time until which they are.
    pub(super) tokens: Vec<(String, Duration)>,
    pub(super) faults: Vec<Fault>,
    pub(super) exchanges: Vec<Exchange>,
}

impl Handler for Service {
    fn answer(&self, request: &Request) -> Reply {
        let struck = fault::strike(&mut self.state().faults, &request.method, &request.path);
        let reply = match struck {
            Some(Effect::Answer(answer)) => Self::fault(request, answer),
            Some(Effect::Deliver(delivery)) => Reply {
                delivery,
                ..self.work(request)
            },
            None => self.work(request),
        };
        let status = reply.delivery.has_head().then_some(reply.status);
        let exchange = Exchange::new(request, status, self.clock.now());
        self.state().exchanges.push(exchange);
        reply
    }

    fn refuse(&self, status: u16, why: &str) -> Reply {
        error(
            status,
            "BadRequest",
            &format!("The request is refused: {why}."),
        )
    }
}

impl Service {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, request: &Request) -> Reply {
        if token::is_token_path(&request.path) {
            return match self.app.check(request) {
                Ok(audience) => self.app.grant(&self.new_token(&audience)),
                Err(denial) => denial.reply(None, &new_id()),
            };
        }
        let reply = self.api(request).header("Vary", "Accept-Encoding");
        if self.gzip && request.accepts_gzip() && !reply.body.is_empty() {
            gzipped(reply)
        } else {
            reply
        }
    }

    fn fault(request: &Request, answer: fault::Answer) -> Reply {
        let fault::Answer {
            status,
            headers,
            code,
            message,
            body,
        } = answer;
        let mut reply = if let Some((content_type, text)) = body {
            Reply::new(status, &content_type, text.into_bytes())
        } else if token::is_token_path(&request.path) {
            Denial::fault(status, message).reply(code.as_deref(), &new_id())
        } else {
            let code = code.unwrap_or_else(|| fault::usual_code(status));
            let message = message.unwrap_or_else(|| "The service is told to fail.".to_owned());
            error(status, &code, &message)
        };
        reply.headers.extend(headers);
        reply
    }

    fn new_token(&self, audience: &str) -> String {
        let number = next_number();
        let token = self.app.token(audience, self.clock.utc(), number);
        let now = self.clock.now();
        let until = now.saturating_add(self.app.token_lifetime);
        let tokens = &mut self.state().tokens;
        tokens.retain(|(_, until)| *until > now);
        tokens.push((token.clone(), until));
        token
    }

    fn api(&self, request: &Request) -> Reply {
        // Decoded one by one: an encoded slash stays inside its segment.
        let segments = request.path.split('/').skip(1).map(odata::decoded);
        let Some(segments) = segments.collect::<Option<Vec<String>>>() else {
            return error(400, "BadRequest", "The path is not percent-encoded UTF-8.");
        };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (["api", "v1.0", operation @ ..] | ["api", operation @ ..]) = segments.as_slice()
        else {
            return not_found("There is nothing at this path.");
        };
        if !self.is_authorized(request) {
            let message = "Unauthorized request - reason of failure: Invalid access token";
            return error(401, "Unauthorized", message).header("WWW-Authenticate", "Bearer");
        }
        let allowed = match operation {
            ["machines" | AGENTS] => Some("GET"),
            ["machines" | AGENTS, id] if !id.is_empty() => Some("GET"),
            [DEFINITIONS, HISTORY | BY_SESSION] => Some("POST"),
            [DEFINITIONS, ..] => definitions::methods(operation),
            _ => None,
        };
        let Some(allowed) = allowed else {
            return not_found("There is nothing at this path.");
        };
        let method = request.method.as_str();
        if !allowed.split(", ").any(|allowed| allowed == method) {
            let message = format!("The resource does not support '{method}'.");
            return error(405, "MethodNotAllowed", &message).header("Allow", allowed);
        }
        if let Some(missing) = self.missing_roles(method, operation) {
            return error(403, "Forbidden", &missing);
        }
        let reply = match operation {
            ["machines"] => self.machines(request),
            ["machines", id] => self.machine(request, id),
            [AGENTS, id] => self.agent(request, id),
            [AGENTS] => self.whole_list(request, AGENTS, &self.agents),
            [DEFINITIONS, HISTORY] => self.scan_history(request, &HISTORY_BY_DEFINITION),
            [DEFINITIONS, BY_SESSION] => self.scan_history(request, &HISTORY_BY_SESSION),
            _ => self.definitions(request, operation),
        };
        reply.unwrap_or_else(|BadQuery { code, message }| error(400, code, &message))
    }

    fn is_authorized(&self, request: &Request) -> bool {
        let header = request.header("authorization").unwrap_or_default();
        let Some((scheme, token)) = header.split_once(' ') else {
            return false;
        };
        let now = self.clock.now();
        let good = |(known, until): &(String, Duration)| known == token && *until > now;
        scheme.eq_ignore_ascii_case("bearer") && self.state().tokens.iter().any(good)
    }

    /// What the service says where the application lacks what the operation needs.
    fn missing_roles(&self, method: &str, operation: &[&str]) -> Option<String> {
        let mut rows = permissions::all().iter();
        let row = rows.find(|row| {
            // Behind `/api/`.
            let segments = row.path().split('/').skip(2);
            let length = segments.clone().count();
            let mut pairs = segments.zip(operation);
            row.method() == method
                && length == operation.len()
                && pairs.all(|(wanted, found)| wanted == *found || wanted == "{id}")
        });
        let (needed, granted) = (row?.application(), &self.app.roles);
        if granted.iter().any(|role| needed.contains(&role.as_str())) {
            return None;
        }
        Some(format!(
            "Missing application roles. API required roles: {}, application roles: {}.",
            needed.join(","),
            granted.join(",")
        ))
    }

    /// «List machines API».
    fn machines(&self, request: &Request) -> Result<Reply, BadQuery> {
        let query = request.query.as_deref();
        let options = Options::read(query, Accepts::All(MAX_MACHINES))?;
        let machines = Arc::clone(&self.state().machines);
        let matching = options.matching(&machines);
        let limit = options
            .top
            .map_or(self.page_size, |top| top.min(self.max_top));
        let rows = matching.iter().skip(options.skip).take(limit);
        let value: Vec<Cow<'_, Row>> = rows.map(|row| options.selected(row)).collect();

        let end = options.skip.saturating_add(value.len());
        let more = options.top.is_none() && !value.is_empty() && end < matching.len();
        let link = |query| format!("{}{}?{query}", self.url, request.path);
        let next_link = more.then(|| link(odata::next_query(query, end)));
        Ok(list(&List {
            context: self.context("Machines"),
            value,
            next_link,
        }))
    }

    /// «Get machine by ID API», which finds a machine by its name, too.
    fn machine(&self, request: &Request, id: &str) -> Result<Reply, BadQuery> {
        Options::read(request.query.as_deref(), Accepts::Nothing)?;
        let machines = Arc::clone(&self.state().machines);
        let has = |row: &&Row, key| {
            let text = row.get(key).and_then(Value::as_str);
            text.is_some_and(|text| text.eq_ignore_ascii_case(id))
        };
        let by = |key| machines.iter().find(|row| has(row, key));
        let Some(machine) = by("id").or_else(|| by("computerDnsName")) else {
            return Ok(not_found(&format!("Machine {id} was not found")));
        };
        Ok(entity(self.context("Machines/$entity"), machine))
    }

    /// «Get all scan agents» and «Get scan definitions».
    pub(super) fn whole_list(
        &self,
        request: &Request,
        set: &str,
        rows: &[Row],
    ) -> Result<Reply, BadQuery> {
        Options::read(request.query.as_deref(), Accepts::Nothing)?;
        let value = rows.iter().map(Cow::Borrowed).collect();
        Ok(list(&List {
            context: self.context(set),
            value,
            next_link: None,
        }))
    }

    /// «Get scan agent by ID».
    fn agent(&self, request: &Request, id: &str) -> Result<Reply, BadQuery> {
        Options::read(request.query.as_deref(), Accepts::Nothing)?;
        let has = |row: &&Row, key| row.get(key).and_then(Value::as_str) == Some(id);
        let by = |key| self.agents.iter().find(|row| has(row, key));
        let Some(agent) = by("id").or_else(|| by("machineId")) else {
            return Ok(not_found(&format!("Scan agent {id} was not found")));
        };
        let context = self.context(&format!("{AGENTS}/$entity"));
        Ok(list(&List {
            context,
            value: vec![Cow::Borrowed(agent)],
            next_link: None,
        }))
    }

    pub(super) fn context(&self, fragment: &str) -> String {
        format!("{}/api/$metadata#{fragment}", self.url)
    }
}

fn gzipped(reply: Reply) -> Reply {
    let compress = |body: &[u8]| -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body)?;
        encoder.finish()
    };
    match compress(&reply.body) {
        Ok(body) => Reply { body, ..reply }.header("Content-Encoding", "gzip"),
        Err(_) => reply,
    }
}

#[cfg(test)]
mod tests;
