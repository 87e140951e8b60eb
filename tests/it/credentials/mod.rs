//! The credentials that ask for more than one form, over the wire.

pub(crate) mod device_code;
