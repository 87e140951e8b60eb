//! Scan definitions: what reads them, and with the feature `write` what changes them.

#[cfg(feature = "write")]
mod contract;
#[cfg(feature = "write")]
mod write;

use std::sync::Arc;

use serde_json::Value;

use super::answer::{entity, not_found};
use super::odata::{Accepts, BadQuery, Options};
use super::reply::Reply;
use super::request::Request;
use super::schema::Row;
use super::service::Service;

pub(super) const DEFINITIONS: &str = "DeviceAuthenticatedScanDefinitions";
#[cfg(feature = "write")]
const BATCH_DELETE: &str = "BatchDelete";

/// The methods of an operation on definitions, as an `Allow` header has them; `None` if there is
/// nothing at its path.
pub(super) fn methods(operation: &[&str]) -> Option<&'static str> {
    match operation {
        #[cfg(feature = "write")]
        [_] => Some("GET, POST"),
        #[cfg(feature = "write")]
        [_, BATCH_DELETE] => Some("POST"),
        #[cfg(feature = "write")]
        [_, id] if !id.is_empty() => Some("GET, PATCH"),
        #[cfg(not(feature = "write"))]
        [_] => Some("GET"),
        #[cfg(not(feature = "write"))]
        [_, id] if !id.is_empty() => Some("GET"),
        _ => None,
    }
}

impl Service {
    /// Any operation on definitions whose method has been seen to be one of its own.
    pub(super) fn definitions(
        &self,
        request: &Request,
        operation: &[&str],
    ) -> Result<Reply, BadQuery> {
        match (request.method.as_str(), operation) {
            #[cfg(feature = "write")]
            ("POST", [_, BATCH_DELETE]) => write::with_body(request, |body| self.delete(body)),
            #[cfg(feature = "write")]
            ("POST", _) => write::with_body(request, |body| self.add(body)),
            #[cfg(feature = "write")]
            ("PATCH", [_, id]) => write::with_body(request, |body| self.update(id, body)),
            (_, [_, id]) => self.definition(request, id),
            _ => {
                let definitions = Arc::clone(&self.state().definitions);
                self.whole_list(request, DEFINITIONS, &definitions)
            }
        }
    }

    /// One definition: documented nowhere, but the service's own schema has it.
    fn definition(&self, request: &Request, id: &str) -> Result<Reply, BadQuery> {
        Options::read(request.query.as_deref(), Accepts::Nothing)?;
        let definitions = Arc::clone(&self.state().definitions);
        Ok(match definitions.iter().find(|row| is(row, id)) {
            Some(definition) => self.definition_entity(definition),
            None => no_definition(id),
        })
    }

    fn definition_entity(&self, definition: &Row) -> Reply {
        entity(self.context(&format!("{DEFINITIONS}/$entity")), definition)
    }
}

fn is(definition: &Row, id: &str) -> bool {
    let found = definition.get("id").or_else(|| definition.get("Id"));
    found.and_then(Value::as_str) == Some(id)
}

fn no_definition(id: &str) -> Reply {
    not_found(&format!("Scan definition {id} was not found"))
}

#[cfg(test)]
mod tests;
