//! The crate's credentials over the wire, a module for each.

pub(crate) mod managed_identity;
