//! Credentials other than a client secret, a module for each.

pub(crate) mod azure_cli;
