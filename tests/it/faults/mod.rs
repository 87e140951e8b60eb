//! The faults that the crate is built for, by their numbers in its catalogue: a test's doc comment
//! begins with the number, its name says the rule.

#[cfg(feature = "rustls")]
mod tls;
