//! The service's answers in JSON: lists, entities and errors.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde_json::json;

use super::reply::Reply;
use super::schema::Row;

/// Numbers tokens and answers, in all tenants of the process: a token of one is none of another.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Serialize)]
pub(super) struct List<'a> {
    #[serde(rename = "@odata.context")]
    pub(super) context: String,
    pub(super) value: Vec<Cow<'a, Row>>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    pub(super) next_link: Option<String>,
}

pub(super) fn list(list: &List<'_>) -> Reply {
    streamed(list)
}

/// One row, with the envelope's key beside its own.
pub(super) fn entity(context: String, row: &Row) -> Reply {
    let mut entity = row.clone();
    entity.insert("@odata.context".to_owned(), context.into());
    streamed(&entity)
}

fn streamed(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => Reply {
            chunked: true,
            ..json_reply(200, body)
        },
        Err(_) => error(500, "InternalServerError", "The answer can't be written."),
    }
}

pub(super) fn not_found(message: &str) -> Reply {
    error(404, "ResourceNotFound", message)
}

pub(super) fn not_json() -> Reply {
    let message = "The Content-Type must be application/json.";
    error(415, "UnsupportedMediaType", message)
}

/// The service's error JSON («Common REST API error codes»).
pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    let target = new_id();
    let body = json!({ "error": { "code": code, "message": message, "target": target } });
    json_reply(status, body.to_string().into_bytes()).header("mise-correlation-id", &target)
}

fn json_reply(status: u16, body: Vec<u8>) -> Reply {
    let content_type = "application/json; odata.metadata=minimal; odata.streaming=true";
    Reply::new(status, content_type, body).header("OData-Version", "4.0")
}

pub(super) fn next_number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A new id in the form of a GUID.
pub(super) fn new_id() -> String {
    format!("5ca1ab1e-0000-4000-8000-{:012x}", next_number())
}
