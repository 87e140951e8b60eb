//! Behaviour of the crate through its public API, a module for each capability.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod day;
mod operations;
mod retries;
mod support;
