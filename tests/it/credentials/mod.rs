//! The credentials that ask for more than a form with a secret, over the wire: a module for each.

pub(crate) mod azure_cli;
pub(crate) mod client_assertion;
#[cfg(feature = "certificate")]
pub(crate) mod client_certificate;
pub(crate) mod device_code;
pub(crate) mod managed_identity;
pub(crate) mod workload_identity;
