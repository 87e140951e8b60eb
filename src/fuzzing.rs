//! What must hold for any input whatever, in functions of bytes.
//!
//! The fuzz targets in `tests/fuzz` call them under `cfg(defender_endpoint_fuzzing)`, and this crate's
//! tests replay the inputs that are kept there. No other build has this module: `cfg(fuzzing)` would
//! not do, since cargo-fuzz sets it for every crate that a fuzz target of anybody's depends on. Each
//! function panics where the crate does not do what it says.

mod error_body;
mod filter;
mod page;

pub use error_body::error_body;
pub use filter::filter;
pub use page::page;

#[cfg(test)]
pub(crate) use filter::{decoded, literals};
#[cfg(test)]
pub(crate) use page::{Failure, LIMIT, Outcome, Plain, gzip, plain, read};

/// Whether a text is one line of a log that shows what it is: no control characters, no space but
/// the plain one, no marks that change how the text around them is shown.
fn is_plain_line(text: &str) -> bool {
    let is_mark = |c: char| {
        let code = u32::from(c);
        (0x200B..=0x200F).contains(&code)
            || (0x202A..=0x202E).contains(&code)
            || (0x2060..=0x2069).contains(&code)
            || [0x061C, 0xFEFF].contains(&code)
    };
    let is_odd = |c: char| c.is_control() || c.is_whitespace() && c != ' ' || is_mark(c);
    !text.contains(is_odd)
}

#[cfg(test)]
mod tests;
