//! Scan history, by definition and by session.

use std::borrow::Cow;

use serde_json::Value;

use super::answer::{List, error, list, not_json};
use super::definitions::DEFINITIONS;
use super::odata::{self, Accepts, BadQuery, Options};
use super::reply::Reply;
use super::request::{Request, ids_in};
use super::schema::{self, Row, Scalar};
use super::service::Service;

/// The highest `$top` of the scan history («Get scan history by definition»).
const MAX_HISTORY: usize = 4_096;

pub(super) const HISTORY: &str = "GetScanHistoryByScanDefinitionId";
pub(super) const BY_SESSION: &str = "GetScanHistoryBySessionId";

/// The names of a history row's targets; the documentation has them in answers by session alone.
pub(super) const TARGETS: [&str; 4] = [
    "ListScannedTargets",
    "listScannedTargets",
    "ScannedTargets",
    "scannedTargets",
];

/// By what scan history is asked for.
pub(super) struct History {
    action: &'static str,
    /// The name of the ids in a body, where case matters.
    ids: &'static str,
    /// The names of the id in a row.
    id: [&'static str; 4],
}

pub(super) static HISTORY_BY_DEFINITION: History = History {
    action: HISTORY,
    ids: "ScanDefinitionIds",
    id: [
        "ScanDefinitionIds",
        "scanDefinitionIds",
        "ScanDefinitionId",
        "scanDefinitionId",
    ],
};
pub(super) static HISTORY_BY_SESSION: History = History {
    action: BY_SESSION,
    ids: "SessionIds",
    id: ["SessionIds", "sessionIds", "SessionId", "sessionId"],
};

impl History {
    /// The id of a row, in every spelling.
    fn id_of<'a>(&self, row: &'a Row) -> Option<&'a str> {
        match self.id.iter().find_map(|key| row.get(*key))? {
            Value::Array(ids) => ids.first()?.as_str(),
            id => id.as_str(),
        }
    }
}

impl Service {
    /// «Get scan history by definition» and «Get scan history by session».
    pub(super) fn scan_history(&self, request: &Request, by: &History) -> Result<Reply, BadQuery> {
        if !request.is_json() {
            return Ok(not_json());
        }
        let options = Options::read(request.query.as_deref(), Accepts::Pages(MAX_HISTORY))?;
        let Some(ids) = ids_in(&request.body, by.ids) else {
            let message = format!(r#"The body must be {{"{}": ["..."]}}."#, by.ids);
            return Ok(error(400, "InvalidRequestBody", &message));
        };
        let wanted = |row: &&Row| {
            let found = by.id_of(row);
            found.is_some_and(|found| ids.iter().any(|id| id == found))
        };
        let with_targets = by.action == BY_SESSION;
        // Sessions have no documented pages: without `$top` they come all at once.
        let page = if with_targets {
            usize::MAX
        } else {
            self.page_size.min(MAX_HISTORY)
        };
        let limit = options.top.map_or(page, |top| top.min(self.max_top));
        let rows = self
            .history
            .iter()
            .filter(wanted)
            .skip(options.skip)
            .take(limit);
        let value = rows
            .map(|row| {
                if with_targets {
                    Cow::Borrowed(row)
                } else {
                    without_targets(row)
                }
            })
            .collect();
        // This answer's context has no `$metadata`.
        let context = format!("{}/api/{DEFINITIONS}/{}", self.url, by.action);
        Ok(list(&List {
            context,
            value,
            next_link: None,
        }))
    }
}

fn without_targets(row: &Row) -> Cow<'_, Row> {
    if !TARGETS.iter().any(|key| row.contains_key(*key)) {
        return Cow::Borrowed(row);
    }
    let mut row = row.clone();
    row.retain(|key, _| !TARGETS.contains(&key.as_str()));
    Cow::Owned(row)
}

/// Puts rows into the service's order: newest first, those without a date last.
pub(super) fn sort(rows: &mut [Row]) {
    let date = |row: &Row| {
        let date = row.get("LastScanned").or_else(|| row.get("lastScanned"));
        let date = date.and_then(Value::as_str).and_then(schema::date);
        date.map_or(Scalar::Null, Scalar::Date)
    };
    rows.sort_by(|left, right| odata::nulls_first(date(right), date(left)));
}
