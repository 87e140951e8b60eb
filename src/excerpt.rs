//! Foreign text made fit for one line of a log: short, plain, and without a secret that it repeats.

mod spelling;

use std::borrow::Cow;

use crate::secret::Secret;
use spelling::spelled;

/// How much of a text is kept, in characters.
const LONGEST: usize = 300;
/// Stands where a text was cut.
pub(crate) const CUT: char = '…';

/// Foreign text without the secrets, which it may repeat, without control characters, runs of space
/// folded, and cut, in this order. Nothing if nothing is left. The longest secret stands first: one
/// that begins like another would leave the rest of that behind.
pub(crate) fn excerpt(text: &str, secrets: &[&Secret]) -> Option<String> {
    let clean = |text: Cow<'_, str>, secret: &Secret| without(&text, secret).into_owned();
    let text = secrets.iter().fold(Cow::Borrowed(text), |text, secret| {
        Cow::Owned(clean(text, secret))
    });
    // The spaces of a secret may have come back as others.
    let line = secrets.iter().fold(folded(&text), |line, secret| {
        clean(line.into(), &Secret::from(folded(secret.expose())))
    });
    Some(cut(line)).filter(|line| !line.is_empty())
}

/// The same for text that can't hold a secret.
pub(crate) fn shortened(text: &str) -> String {
    cut(folded(text))
}

/// The words of a text in one line, without what does not show.
pub(crate) fn folded(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || is_unprintable(c));
    let words = words.filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn cut(mut line: String) -> String {
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push(CUT);
    }
    line
}

/// What a line of text can't hold: control characters, ends of lines, and marks that change how the
/// text around them is shown.
fn is_unprintable(c: char) -> bool {
    let mark = matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}');
    mark || c.is_control()
}

/// Shorter secrets stand in any text, and guard nothing.
const SHORTEST_SECRET: usize = 4;
/// So much of a longer one gives it away, whatever the text goes on with.
const TELLING: usize = 16;

/// Whether foreign text repeats a secret, or enough of it.
pub(crate) fn shows(text: &str, secret: &Secret) -> bool {
    let is_in = |part| find(part, secret.expose()).is_some();
    is_in(text) || text.contains(CUT) && text.split(CUT).any(is_in)
}

/// Whether foreign text holds the whole of a secret that is too long to be there by chance.
pub(crate) fn holds(mut text: &str, secret: &Secret) -> bool {
    let secret = secret.expose();
    while let Some(found) = find(text, secret) {
        if found.is_whole && secret.len() >= TELLING {
            return true;
        }
        text = found.after;
    }
    false
}

/// The text without the secret.
pub(crate) fn without<'a>(text: &'a str, secret: &Secret) -> Cow<'a, str> {
    if !shows(text, secret) {
        return Cow::Borrowed(text);
    }
    let clean = |mut rest: &str| {
        let mut part = String::new();
        while let Some(found) = find(rest, secret.expose()) {
            part.extend([found.before, "***"]);
            rest = found.after;
        }
        part + rest
    };
    // First as it is, since the mark of a cut may be part of the secret.
    let text = clean(text);
    if !text.contains(CUT) {
        return Cow::Owned(text);
    }
    let parts: Vec<String> = text.split(CUT).map(clean).collect();
    Cow::Owned(parts.join("…"))
}

/// The text without what looks like a token, where nobody knows which it may hold: another program's
/// words. Long words of letters and digits that are no path, what begins like a JWT, and what stands
/// behind a token's name. It may take out more than that.
pub(crate) fn without_tokens(text: &str) -> String {
    const NAMES: [&str; 6] = [
        "bearer",
        "accesstoken",
        "access_token",
        "refresh_token",
        "id_token",
        "client_secret",
    ];
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/%".contains(c);
    let mut clean = String::with_capacity(text.len());
    let mut is_named = false;
    for part in text.split_inclusive(|c| !is_of_token(c)) {
        let word = part.trim_end_matches(|c| !is_of_token(c));
        if !word.is_empty() {
            let hidden = is_named || looks_like_token(word);
            clean.push_str(if hidden { "***" } else { word });
            is_named = NAMES.iter().any(|name| word.eq_ignore_ascii_case(name));
        }
        clean.extend(part.strip_prefix(word));
    }
    clean
}

fn looks_like_token(word: &str) -> bool {
    /// Longer than a GUID.
    const LONG: usize = 40;
    let is_opaque = |part: &str| {
        part.len() >= LONG
            && part.bytes().any(|byte| byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    (word.contains("eyJ") && word.len() >= TELLING) || word.split('/').any(is_opaque)
}

/// A place where a text spells a secret, or enough of it.
struct Found<'a> {
    before: &'a str,
    after: &'a str,
    is_whole: bool,
}

/// The first of these places. However much of a text is like the secret, the work is bounded: what
/// is enough of it is found and left behind.
fn find<'a>(text: &'a str, secret: &str) -> Option<Found<'a>> {
    let first = secret.bytes().next()?;
    if secret.len() < SHORTEST_SECRET {
        return None;
    }
    let may_begin = |byte: u8| byte.eq_ignore_ascii_case(&first) || b"%\\&+".contains(&byte);
    let mut places = text
        .bytes()
        .enumerate()
        .filter(|(_, byte)| may_begin(*byte));
    places.find_map(|(at, _)| {
        let (before, rest) = text.split_at_checked(at)?;
        let (length, is_whole) = spelled(rest.as_bytes(), secret.as_bytes())?;
        let end = (length..rest.len()).find(|end| rest.is_char_boundary(*end));
        Some(Found {
            before,
            after: end.and_then(|end| rest.get(end..)).unwrap_or_default(),
            is_whole,
        })
    })
}

#[cfg(test)]
mod tests;
