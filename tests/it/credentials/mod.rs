//! The credentials, over the wire and each as a program meets it.

#[cfg(feature = "certificate")]
pub(crate) mod client_certificate;
