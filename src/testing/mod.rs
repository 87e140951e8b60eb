//! Testing
mod clock;
pub use crate::clock::Clock;
pub use clock::FakeClock;
