//! The locks: the standard library's, or, under `--cfg shuttle`, those of a scheduler that tries the
//! interleavings of threads (see the modules `interleavings`).

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
