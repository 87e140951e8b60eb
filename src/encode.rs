//! What makes a URL out of any text.

use std::collections::HashSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters. More than a URL demands, but what is encoded
/// can't be read as part of the URL by anything on the way.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes the name or value of a query option, or a segment of a path that has passed
/// [`check_id`]. A space becomes `%20` and never `+`.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Ids of this service have about a hundred characters.
const LONGEST_ID: usize = 1_024;

/// The ids that a body carries, each once, in the order in which they were given; or why they can't be
/// sent. There must be one at least.
pub(crate) fn check_ids<I>(what: &str, ids: I) -> Result<Vec<String>, String>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let (once, refusal) = distinct_ids(what, ids);
    match refusal {
        Some(why) => Err(why),
        None if once.is_empty() => Err(format!("the call needs the id of at least one {what}")),
        None => Ok(once),
    }
}

/// Ids, each once, in the order in which they were given, and why the first of them that can't be sent
/// can't; they are counted from 1.
pub(crate) fn distinct_ids<I>(what: &str, ids: I) -> (Vec<String>, Option<String>)
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut seen = HashSet::new();
    let mut once = Vec::new();
    let mut refusal = None;
    for (number, id) in (1_usize..).zip(ids) {
        let id = id.as_ref();
        if !seen.insert(id.to_owned()) {
            continue;
        }
        once.push(id.to_owned());
        if let Err(why) = check_id(id) {
            refusal.get_or_insert_with(|| format!("{what} id {number} can't be sent: {why}"));
        }
    }
    (once, refusal)
}

/// Whether an id can be a path segment; if not, why.
pub(crate) fn check_id(id: &str) -> Result<(), &'static str> {
    match id.trim() {
        "" => Err("the id is empty or blank"),
        // Dots are never encoded, and a URL's dot segments change its path.
        "." | ".." => Err("the id is a dot segment"),
        _ if id.len() > LONGEST_ID => Err("the id is longer than 1,024 bytes"),
        _ if id.contains(char::is_control) => Err("the id contains a control character"),
        _ => Ok(()),
    }
}
