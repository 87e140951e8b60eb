//! A body that nobody can tell the kind of beforehand, as text.

use std::io::Read as _;

use super::SIGN_IN_PAGE;
use crate::body::Body;
use crate::error::{Error, ErrorKind};
use crate::inflate::Inflate;

/// A body that may be anything but a page for people, as text: as much of it as can be inflated and is
/// within the limit, with a mark for what is no UTF-8.
pub(crate) fn any_text(
    body: Body,
    limit: u64,
    content_type: Option<&str>,
) -> Result<String, Error> {
    let mut bytes = Vec::new();
    // Where the compression is broken, what came before that is there.
    let _ = Inflate::new(body).take(limit).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let is_html = content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    if text.trim_start().starts_with('<') || is_html && !text.trim().is_empty() {
        let what = "the body is a page for a browser, not the service's";
        return Err(Error::new(ErrorKind::Decode, what).with_hint(SIGN_IN_PAGE));
    }
    Ok(text.to_owned())
}
