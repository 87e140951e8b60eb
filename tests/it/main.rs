//! Behaviour of the crate through its public API, a module for each capability.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod auth;
mod config;
mod day;
mod decoding;
mod errors;
mod faults;
mod hostile;
mod limits;
mod logs;
mod operations;
mod paging;
mod pipeline;
mod requests;
mod retries;
mod support;
