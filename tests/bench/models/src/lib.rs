//! The crate's own models, from the crate's own files: every client decodes into the same types,
//! and those that don't use the crate don't build it.
#![allow(dead_code, unused_imports)]

#[rustfmt::skip] // the crate formats its own files, and their tests are not here
#[path = "../../../../src"]
mod sources {
    pub(crate) mod machines {
        pub(crate) mod model;
    }
    pub(crate) mod scan_history {
        pub(crate) mod model;
    }
    pub(crate) mod wire;
}

use sources::wire;

pub use sources::machines::model::Machine;
pub use sources::scan_history::model::ScanHistoryEntry;

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
