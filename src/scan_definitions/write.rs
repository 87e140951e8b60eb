//! What adds, changes and deletes definitions: the page «Add, update, or delete a scan definition».

mod auth;
mod definition;
mod fields;
mod params;
mod scanner;
mod targets;
mod vault;

use serde_json::json;

use super::ScanDefinition;
use crate::body::Spares;
use crate::call::{self, Call, Operation, Shared};
use crate::encode::check_ids;
use crate::entity;
use crate::error::Error;
use crate::permissions;
use crate::rate_limit::Api;
use fields::Fields;

pub use auth::{AuthProtocol, LinuxAuth, LinuxAuthType, PrivProtocol, SnmpAuth, SnmpAuthType};
pub use definition::{NewScanDefinition, ScanDefinitionUpdate};
pub use vault::KeyVaultSecret;

static ADD: Operation = Operation::writing(
    &permissions::ADD_SCAN_DEFINITION,
    Api::ScanDefinitions,
    "wait, list the scan definitions, and look for one that was not there before and that the new one `is_like`",
);

static UPDATE: Operation = Operation::writing(
    &permissions::UPDATE_SCAN_DEFINITION,
    Api::ScanDefinitions,
    "send the same update again: twice does no harm, if nobody else changes the definition meanwhile",
);

static DELETE: Operation = Operation::writing(
    &permissions::DELETE_SCAN_DEFINITIONS,
    Api::ScanDefinitions,
    "list the scan definitions to see which are still there; deleting those again does no harm",
);

/// Adds a definition.
pub(crate) fn add(shared: &Shared, new: &NewScanDefinition) -> Result<ScanDefinition, Error> {
    new.check()?;
    write(shared, &ADD, ADD.path, &new.0, entity::only)
}

/// Changes a definition.
pub(crate) fn update(
    shared: &Shared,
    id: &str,
    update: &ScanDefinitionUpdate,
) -> Result<ScanDefinition, Error> {
    let path = entity::path::<ScanDefinition>(&UPDATE, id)?;
    update.check()?;
    write(shared, &UPDATE, &path, &update.0, |text| {
        entity::pick(text, id)
    })
}

/// Sends the fields, which were checked, and reads the definition that they made.
fn write(
    shared: &Shared,
    operation: &'static Operation,
    path: &str,
    fields: &Fields,
    read: impl FnOnce(&str) -> Result<ScanDefinition, Error>,
) -> Result<ScanDefinition, Error> {
    let body = fields.body()?;
    let call = Call {
        operation,
        path,
        query: "",
        body: Some(&body),
        secrets: &fields.secrets(),
        deadline: None,
        spares: &Spares::default(),
    };
    let answer = call::send(shared, &call)?;
    let (status, tries) = (answer.status, answer.tries);
    let (text, sent) = answer.text();
    // The service has done it in all likelihood, or somebody else has answered.
    text.and_then(|text| read(&text))
        .map_err(|error| call.unusable(sent.out_of(error), status, tries))
}

/// What the service answered to a batch of deletions. Made by
/// [`Client::delete_scan_definitions`](crate::Client::delete_scan_definitions).
///
/// The vendor documents neither status nor body, so this is what came; any status from 200 to 299 is a
/// success. The outcome is unknown all the same where the body is a page for a browser, as the sign-in page of
/// a proxy or network is, breaks off, or is larger on its way than the client's body limit. Whether ids were
/// unknown to the service may be in the body, or nowhere: the list of definitions tells what is left.
///
/// Source: «Add, update, or delete a scan definition».
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchDeletion {
    /// The HTTP status, 200 to 299.
    pub status: u16,
    /// The body as text, as far as it could be read: U+FFFD stands where it is not UTF-8, and of
    /// compressed data what lies behind damage, or behind the client's body limit when it is inflated, is
    /// missing. Empty if there is none.
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
    let call = Call {
        operation: &DELETE,
        path: DELETE.path,
        query: "",
        body: Some(body.as_bytes()),
        secrets: &[],
        deadline: None,
        spares: &Spares::default(),
    };
    let answer = call::send(shared, &call)?;
    let (status, tries) = (answer.status, answer.tries);
    let (body, sent) = answer.any_text();
    match body {
        // Nobody knows what the service says when it has accepted it.
        Ok(body) => Ok(BatchDeletion { status, body }),
        Err(error) => Err(call.unusable(sent.out_of(error), status, tries)),
    }
}
