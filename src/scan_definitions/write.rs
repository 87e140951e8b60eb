//! What changes definitions: the page «Add, update, or delete a scan definition».

use serde_json::json;

use crate::body::Spares;
use crate::call::{self, Call, Operation, Shared};
use crate::encode::check_ids;
use crate::error::Error;
use crate::permissions;
use crate::rate_limit::Api;

static DELETE: Operation = Operation::writing(
    &permissions::DELETE_SCAN_DEFINITIONS,
    Api::ScanDefinitions,
    "list the scan definitions to see which are still there; deleting those again does no harm",
);

/// What the service answered to a batch of deletions. Made by
/// [`Client::delete_scan_definitions`](crate::Client::delete_scan_definitions).
///
/// The vendor documents neither status nor body, so this is what came; any status from 200 to 299 is a
/// success. Whether ids were unknown to the service may be in the body, or nowhere: the list of
/// definitions tells what is left.
///
/// Source: «Add, update, or delete a scan definition».
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchDeletion {
    /// The HTTP status, 200 to 299.
    pub status: u16,
    /// The body as it came, if it could be read; often empty.
    pub body: String,
}

/// Deletes definitions, all in one call.
pub(crate) fn delete<I>(shared: &Shared, ids: I) -> Result<BatchDeletion, Error>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let ids = check_ids("scan definition", ids).map_err(Error::invalid)?;
    let body = json!({ "ScanDefinitionIds": ids }).to_string();
    let answer = call::send(
        shared,
        &Call {
            operation: &DELETE,
            path: DELETE.path,
            query: "",
            body: Some(body.as_bytes()),
            secrets: &[],
            deadline: None,
            spares: &Spares::default(),
        },
    )?;
    let status = answer.status;
    // The service has accepted it: what is wrong with the body is no failure of the call.
    let body = answer.text().0.unwrap_or_default();
    Ok(BatchDeletion { status, body })
}
