//! The fault catalogue: for each fault that networks, servers, tokens, documents, inputs and threads
//! can bring, a test of the right behaviour. The table is at the head of the test binary.

mod http;
mod inputs;
mod network;
mod paging;
mod secrets;
mod table;
mod threads;
mod throttling;
#[cfg(feature = "rustls")]
mod tls;
mod tokens;
mod values;
mod writes;
