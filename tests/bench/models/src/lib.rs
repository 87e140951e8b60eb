//! The crate's own models, from the crate's own files: every client decodes into the same types,
//! and those that don't use the crate don't build it.
#![allow(dead_code, unused_imports)]

#[rustfmt::skip] // the crate formats its own files, and their tests are not here
#[path = "../../../../src/machines/model.rs"]
mod machine;
#[rustfmt::skip]
#[path = "../../../../src/scan_history/model.rs"]
mod scan_history;
#[rustfmt::skip]
#[path = "../../../../src/wire.rs"]
mod wire;

pub use machine::Machine;
pub use scan_history::ScanHistoryEntry;

use serde::Deserialize;

/// A page as one value.
#[derive(Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub value: Vec<T>,
    /// Where the next page is.
    #[serde(rename = "@odata.nextLink")]
    pub next_link: Option<String>,
}

/// What the token endpoint answers.
#[derive(Deserialize)]
pub struct Token {
    /// The token.
    pub access_token: String,
}
