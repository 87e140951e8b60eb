//! Every operation that reads, asked once by hand and once by the client.

use defender_endpoint::{Client, Cloud, Error};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::around;
use crate::ask::{Answer, Asker, Body, Call};
use crate::known::{Kind, Schema};
use crate::models::{self, Rows};
use crate::report::{Operation, Refusal};
use crate::shape::{self, Seen};

pub(crate) const MACHINES: &str = "/api/machines";
pub(crate) const AGENTS: &str = "/api/DeviceAuthenticatedScanAgents";
pub(crate) const DEFINITIONS: &str = "/api/DeviceAuthenticatedScanDefinitions";
const BY_DEFINITION: &str = "GetScanHistoryByScanDefinitionId";
const BY_SESSION: &str = "GetScanHistoryBySessionId";

/// How many rows of history are asked for, of how many definitions, and how many sessions.
const HISTORY: u64 = 100;
const DEFINITIONS_AT_ONCE: usize = 20;
const SESSIONS_AT_ONCE: usize = 10;

/// Of what is asked with ids that no list gave.
const NO_ID: &str = "not asked, there is no id";

type Row = Map<String, Value>;

/// An operation, how it was asked, and the raw answer.
pub(crate) struct Asked {
    pub(crate) name: &'static str,
    pub(crate) rows: Rows,
    path: String,
    body: Option<Value>,
    /// What the path or the body was made of.
    ids: Vec<String>,
    /// An error is why it was not asked, or not answered.
    pub(crate) outcome: Result<Answer, &'static str>,
}

/// How rows stand in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A list in `value`.
    List,
    /// One object in `value`.
    InValue,
    /// The answer is the object.
    Bare,
    /// A list without an envelope.
    BareList,
    None,
}

impl Form {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::List => "a list in `value`",
            Self::InValue => "one object in `value`",
            Self::Bare => "one bare object",
            Self::BareList => "a bare list",
            Self::None => "no rows",
        }
    }
}

/// The raw answers, in the order of the report.
pub(crate) struct Operations {
    pub(crate) machines: Asked,
    pub(crate) machine: Asked,
    pub(crate) agents: Asked,
    pub(crate) agent: Asked,
    pub(crate) definitions: Asked,
    pub(crate) definition: Asked,
    pub(crate) by_definition: Asked,
    pub(crate) by_session: Asked,
}

impl Operations {
    /// Eight calls at most: what needs an id is asked with those that the lists gave.
    pub(crate) fn ask(asker: &Asker<'_>, rows: u64) -> Self {
        let list = |name, kind, path: String| Asked::new(asker, name, kind, path, None, Vec::new());
        let machines = list(
            "GET /api/machines",
            Rows::Machines,
            format!("{MACHINES}?$top={rows}"),
        );
        let machine = machines.one(asker, "GET /api/machines/{id}", MACHINES);
        let agents = list(
            "GET /api/DeviceAuthenticatedScanAgents",
            Rows::Agents,
            AGENTS.to_owned(),
        );
        let agent = agents.one(asker, "GET /api/DeviceAuthenticatedScanAgents/{id}", AGENTS);
        let definitions = list(
            "GET /api/DeviceAuthenticatedScanDefinitions",
            Rows::Definitions,
            DEFINITIONS.to_owned(),
        );
        let definition = definitions.one(
            asker,
            "GET /api/DeviceAuthenticatedScanDefinitions/{id}",
            DEFINITIONS,
        );
        let mut ids: Vec<String> = definitions.rows().iter().filter_map(id).collect();
        ids.truncate(DEFINITIONS_AT_ONCE);
        let by_definition = Asked::new(
            asker,
            "POST …/GetScanHistoryByScanDefinitionId",
            Rows::History,
            format!("{DEFINITIONS}/{BY_DEFINITION}?$top={HISTORY}"),
            Some(json!({ "ScanDefinitionIds": ids })),
            ids,
        );
        let mut ids: Vec<String> = by_definition.rows().iter().filter_map(session).collect();
        ids.sort();
        ids.dedup();
        ids.truncate(SESSIONS_AT_ONCE);
        let by_session = Asked::new(
            asker,
            "POST …/GetScanHistoryBySessionId",
            Rows::History,
            format!("{DEFINITIONS}/{BY_SESSION}"),
            Some(json!({ "SessionIds": ids })),
            ids,
        );
        Self {
            machines,
            machine,
            agents,
            agent,
            definitions,
            definition,
            by_definition,
            by_session,
        }
    }

    pub(crate) fn all(&self) -> [&Asked; 8] {
        [
            &self.machines,
            &self.machine,
            &self.agents,
            &self.agent,
            &self.definitions,
            &self.definition,
            &self.by_definition,
            &self.by_session,
        ]
    }

    pub(crate) fn reports(&self, client: &Client, schema: &Schema) -> Vec<Operation> {
        let url = client.cloud().api_url();
        let all = self.all().into_iter();
        all.map(|asked| asked.report(url, schema)).collect()
    }

    /// Asks the same once more by the client, says in each report how that went, and returns how many
    /// calls it was, if none had to be repeated.
    pub(crate) fn by_the_client(
        &self,
        client: &Client,
        rows: u64,
        reports: &mut [Operation],
    ) -> usize {
        let mut calls = 0;
        for (asked, report) in self.all().into_iter().zip(reports) {
            let first = asked.ids.first();
            let outcome = match (asked.name.contains("{id}"), asked.rows, first) {
                (true, Rows::Machines, Some(id)) => client.machine(id).map(|_| 1),
                (true, Rows::Agents, Some(id)) => client.scan_agent(id).map(|_| 1),
                (true, Rows::Definitions, Some(id)) => client.scan_definition(id).map(|_| 1),
                (false, Rows::Machines, _) => counted(client.machines().top(rows)),
                (false, Rows::Agents, _) => client.scan_agents().map(|rows| rows.len()),
                (false, Rows::Definitions, _) => client.scan_definitions().map(|rows| rows.len()),
                (false, Rows::History, Some(_)) if asked.path.contains(BY_SESSION) => {
                    counted(client.scan_history_by_session(&asked.ids))
                }
                (false, Rows::History, Some(_)) => {
                    // As many as there are: after a short page the client asks whether there are more.
                    let rows = u64::try_from(asked.rows().len()).unwrap_or(HISTORY).max(1);
                    counted(client.scan_history(&asked.ids).top(rows))
                }
                _ => {
                    NO_ID.clone_into(&mut report.by_the_client);
                    continue;
                }
            };
            calls += 1;
            report.by_the_client = match outcome {
                Ok(rows) => format!("went through, rows: {rows}"),
                // No more of it: a message may quote the service.
                Err(error) => match error.status() {
                    Some(status) => format!("failed: {:?}, status {status}", error.kind()),
                    None => format!("failed: {:?}", error.kind()),
                },
            };
        }
        calls
    }
}

fn counted<T>(rows: impl IntoIterator<Item = Result<T, Error>>) -> Result<usize, Error> {
    rows.into_iter()
        .try_fold(0, |rows, row| row.map(|_| rows + 1))
}

impl Asked {
    /// What is asked with ids is not asked without any.
    fn new(
        asker: &Asker<'_>,
        name: &'static str,
        rows: Rows,
        path: String,
        body: Option<Value>,
        ids: Vec<String>,
    ) -> Self {
        let mut operation = Self {
            name,
            rows,
            path,
            body,
            ids,
            outcome: Err(NO_ID),
        };
        let needs_ids = operation.body.is_some() || name.contains("{id}");
        if !needs_ids || !operation.ids.is_empty() {
            operation.outcome = asker.ask(&operation.call());
        }
        operation
    }

    /// The first of a list, by its id.
    fn one(&self, asker: &Asker<'_>, name: &'static str, path: &str) -> Self {
        let first = self.rows().iter().find_map(id);
        let encoded = first.as_deref().unwrap_or_default();
        let encoded = utf8_percent_encode(encoded, NON_ALPHANUMERIC);
        let path = format!("{path}/{encoded}");
        Self::new(
            asker,
            name,
            self.rows,
            path,
            None,
            first.into_iter().collect(),
        )
    }

    /// The call, to be made again.
    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            name: self.name,
            path: &self.path,
            body: self.body.clone(),
        }
    }

    pub(crate) fn was_asked(&self) -> bool {
        self.outcome.as_ref().err() != Some(&NO_ID)
    }

    pub(crate) fn answer(&self) -> Option<&Answer> {
        self.outcome.as_ref().ok()
    }

    pub(crate) fn form(&self) -> Form {
        self.answer().map_or(Form::None, |answer| parts(answer).0)
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        self.answer()
            .map_or_else(Vec::new, |answer| parts(answer).1)
    }

    fn report(&self, url: &str, schema: &Schema) -> Operation {
        let mut report = Operation {
            name: self.name,
            ..Operation::default()
        };
        let answer = match &self.outcome {
            Ok(answer) => answer,
            Err(why) => {
                report.not_answered = Some((*why).to_owned());
                return report;
            }
        };
        report.status = Some(answer.status);
        report.headers = around::headers(answer);
        let (form, rows) = parts(answer);
        report.body = match &answer.body {
            Body::Empty => "no body".to_owned(),
            Body::Json(_) => form.in_words().to_owned(),
            Body::Other(bytes) => format!("{bytes} bytes that are no JSON"),
            Body::TooLong => "a body too long to be read".to_owned(),
        };
        report.envelope = around::envelope(answer, form);
        let top = |key: &str| answer.json().and_then(|json| json.get(key));
        report.context = top("@odata.context")
            .and_then(Value::as_str)
            .map(|context| context_in_words(context, url, schema));
        report.error_code = around::error_code(answer);
        let mut seen = Seen::new(schema);
        for row in &rows {
            seen.look(row, self.rows.entity());
        }
        report.rows = seen.rows();
        report.keys = seen.keys();
        if !rows.is_empty() {
            report.never_seen = seen.never_seen(self.rows.entity());
        }
        let read = models::read_all(self.rows, &rows, schema);
        report.unknown_keys = read.unknown_keys;
        report.rows_refused = read.refused_rows;
        let refused = read.refused.into_iter();
        report.refused = refused
            .map(|((path, why), rows)| Refusal { path, why, rows })
            .collect();
        report
    }

    /// How many keys of the rows are spelled as in the schema, how many otherwise by the pages, and how
    /// many are neither's.
    pub(crate) fn spelling(&self, schema: &Schema) -> String {
        let (mut by_schema, mut by_pages, mut neither) = (0, 0, 0);
        let mut keys: Vec<String> = self
            .rows()
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            match schema.property(self.rows.entity(), &key) {
                Some(property) if property.name == key => by_schema += 1,
                Some(_) => by_pages += 1,
                None => neither += 1,
            }
        }
        format!("keys as in the schema {by_schema}, as on the pages {by_pages}, neither {neither}")
    }
}

impl Seen<'_> {
    /// The paths of the documented keys that no object had which could have had them.
    fn never_seen(&self, entity: &str) -> Vec<String> {
        let mut all = Vec::new();
        self.never_below(entity, "", &mut all);
        all
    }

    fn never_below(&self, entity: &str, at: &str, all: &mut Vec<String>) {
        for property in self.schema().properties(entity) {
            let found: Vec<String> = self.paths_of(property, at);
            let path = shape::join(at, &property.name);
            if found.is_empty() && !all.contains(&path) {
                all.push(path);
            }
            let (below, mark) = match &property.kind {
                Kind::Named(name) => (name, ""),
                Kind::List(name) => (name, "[]"),
                _ => continue,
            };
            for path in found {
                let path = format!("{path}{mark}");
                if self.has_objects(&path) {
                    self.never_below(below, &path, all);
                }
            }
        }
    }
}

/// The rows of an answer, and how they stand in it. The keys of the envelope are not the row's.
fn parts(answer: &Answer) -> (Form, Vec<Row>) {
    let objects = |list: &[Value]| -> Vec<Row> {
        let rows = list.iter().filter_map(Value::as_object);
        rows.cloned().collect()
    };
    match answer.json().filter(|_| answer.is_success()) {
        Some(Value::Array(list)) => (Form::BareList, objects(list)),
        Some(Value::Object(object)) => match object.get("value") {
            Some(Value::Array(list)) => (Form::List, objects(list)),
            Some(Value::Object(row)) => (Form::InValue, vec![row.clone()]),
            Some(_) => (Form::None, Vec::new()),
            None => {
                let mut row = object.clone();
                row.remove("@odata.context");
                (Form::Bare, vec![row])
            }
        },
        _ => (Form::None, Vec::new()),
    }
}

/// The rows of any answer.
pub(crate) fn rows_of(answer: &Answer) -> Vec<Row> {
    parts(answer).1
}

fn id(row: &Row) -> Option<String> {
    let id = row.get("id").or_else(|| row.get("Id"))?.as_str()?;
    (!id.trim().is_empty()).then(|| id.to_owned())
}

/// By hand, as a row that the crate refuses has one too.
fn session(row: &Row) -> Option<String> {
    let names = ["sessionId", "SessionId", "sessionIds", "SessionIds"];
    let id = match names.into_iter().find_map(|name| row.get(name))? {
        Value::Array(ids) => ids.first()?.as_str()?,
        id => id.as_str()?,
    };
    (!id.trim().is_empty()).then(|| id.to_owned())
}

/// Scheme, host and port of an absolute URL, in lower case.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{host}").to_lowercase())
}

/// A host of the API by its name, and any other by what it is.
pub(crate) fn host(url: &str) -> String {
    match origin(url) {
        Some(origin) if Cloud::of_api_url(&origin).is_some() => origin,
        Some(origin) if origin.starts_with("http://") => "loopback".to_owned(),
        _ => "a host that is none of the API's".to_owned(),
    }
}

/// Where a link leads, without saying where that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    Home,
    Known,
    Foreign,
}

pub(crate) fn leads(link: &str, url: &str) -> Leads {
    match origin(link) {
        Some(origin) if self::origin(url).as_ref() != Some(&origin) => {
            if Cloud::of_api_url(&origin).is_some() {
                Leads::Known
            } else {
                Leads::Foreign
            }
        }
        // A relative one, too.
        _ => Leads::Home,
    }
}

impl Leads {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Home => "the same host",
            Self::Known => "another host of the API",
            Self::Foreign => "a foreign host",
        }
    }
}

/// The host's kind, and what is behind the `#`, if it is made of the schema's words.
fn context_in_words(context: &str, url: &str, schema: &Schema) -> String {
    let words = [
        "Machines",
        "DeviceAuthenticatedScanAgents",
        "DeviceAuthenticatedScanDefinitions",
        "Collection",
        "entity",
        "microsoft",
        "windowsDefenderATP",
        "api",
        "Edm",
        "String",
    ];
    let fragment = context.split_once('#').map_or("", |(_, fragment)| fragment);
    let known =
        |word: &str| word.is_empty() || words.contains(&word) || schema.entity(word).is_some();
    let mut split = fragment.split(|c: char| "/.$()".contains(c));
    let fragment = if fragment.is_empty() {
        "without a `#`".to_owned()
    } else if split.all(known) {
        format!("`#{fragment}`")
    } else {
        "something else behind the `#`".to_owned()
    };
    format!("{}, {fragment}", leads(context, url).in_words())
}

#[cfg(test)]
mod tests;
