//! Tables for a terminal.

/// Text from the service in one table cell: no control characters, which a terminal would obey, and
/// cut to the width.
pub(crate) fn cell(text: &str, width: usize) -> String {
    let mut cell: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if cell.chars().count() > width {
        cell = cell
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect();
    }
    format!("{cell:width$}")
}
