//! Tables for a terminal.

use console::{Alignment, pad_str};

/// Text from the service in one table cell: no control characters, which a terminal would obey, and
/// cut or filled up to the width.
pub(crate) fn cell(text: &str, width: usize) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    pad_str(&text, width, Alignment::Left, Some("…")).into_owned()
}
