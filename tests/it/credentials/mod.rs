//! Each credential by itself, over the wire: what it sends, and what it makes of what comes.

pub(crate) mod client_assertion;
pub(crate) mod workload_identity;
//! The credentials, over the wire and each as a program meets it.

#[cfg(feature = "certificate")]
pub(crate) mod client_certificate;
//! The credentials that ask for more than one form, over the wire.

pub(crate) mod device_code;
//! The crate's credentials over the wire, a module for each.

pub(crate) mod managed_identity;
//! Credentials other than a client secret, a module for each.

pub(crate) mod azure_cli;
