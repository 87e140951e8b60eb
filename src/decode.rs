//! What serde_json has to say, made fit to be shown: its own texts quote the values they complain
//! about, and a value may be a password.

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::excerpt::{CUT, shortened};
use crate::page;

/// Decodes one JSON value that is complete.
pub(crate) fn value<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| {
        if error.is_eof() {
            page::damaged("it ends before its closing bracket")
        } else {
            unfit(text, &error, "the answer")
        }
    })
}

/// The error for JSON that does not fit: where, by key, line and column of `text`, and what was
/// expected there.
pub(crate) fn unfit(text: &str, error: &serde_json::Error, what: &str) -> Error {
    let mut place = what.to_owned();
    let path = key_path(text, byte_of(text, error.line(), error.column()));
    if !path.is_empty() {
        place = format!("{place}, key `{path}`");
    }
    let (line, column) = (error.line(), error.column());
    let reason = reason(error);
    Error::new(
        ErrorKind::Decode,
        format!("{place}, line {line} column {column}: {reason}"),
    )
}

/// Whether the fault is only that the text ends too soon.
pub(crate) fn is_cut(text: &str, error: &serde_json::Error) -> bool {
    // serde_json has another word for a number that it skips: cut after one of these, it is invalid.
    let in_number = text.ends_with(['-', '+', '.', 'e', 'E']);
    error.is_eof() || in_number && byte_of(text, error.line(), error.column()) == text.len()
}

/// The part of the message that holds no value.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    if error.is_syntax() || error.is_eof() {
        return text.to_owned();
    }
    for safe in ["missing field `", "duplicate field `"] {
        if text.starts_with(safe) {
            return text.to_owned();
        }
    }
    // Other texts are a caller's own, and may quote a value with these words in it.
    let standard = text.starts_with("invalid ") || text.starts_with("unknown ");
    let split = text.rsplit_once(", expected ").filter(|_| standard);
    let Some((found, expected)) = split else {
        return "the value doesn't fit the type".to_owned();
    };
    // «invalid type: string "...": only the word for the kind of value is kept.
    let kinds = [
        "null",
        "boolean",
        "integer",
        "floating point",
        "string",
        "map",
        "sequence",
    ];
    let found = found.split_once(": ").map_or("", |(_, found)| found);
    match kinds.into_iter().find(|kind| found.starts_with(kind)) {
        Some(kind) => format!("expected {expected}, found {kind}"),
        None => format!("expected {expected}"),
    }
}

fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    before.saturating_add(column).min(text.len())
}

/// The keys and indices that lead to a byte of a JSON text: `scannerAgent.lastSeen`, `value[3].id`.
fn key_path(text: &str, end: usize) -> String {
    enum Level {
        Object(String),
        Array(usize),
    }
    const DEEPEST: usize = 64;
    const LONGEST_KEY: usize = 80;
    let mut levels: Vec<Level> = Vec::new();
    // Brackets beyond that are only counted: a body may hold millions of them.
    let mut deeper = 0_usize;
    let mut string: Option<(usize, String)> = None;
    let mut escaped = false;
    let mut last_string = String::new();
    for (at, c) in text.char_indices().take_while(|(at, _)| *at < end) {
        if let Some((_, content)) = &mut string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    last_string = std::mem::take(content);
                    string = None;
                    continue;
                }
                _ => {}
            }
            // The mark says that more followed.
            if content.len() < LONGEST_KEY {
                content.push(c);
            } else if !content.ends_with(CUT) {
                content.push(CUT);
            }
            continue;
        }
        let depth = levels.len();
        match (c, levels.last_mut()) {
            ('"', _) => string = Some((at, String::new())),
            ('{' | '[', _) if depth == DEEPEST => deeper += 1,
            ('}' | ']', _) if deeper > 0 => deeper -= 1,
            _ if deeper > 0 => {}
            ('{', _) => levels.push(Level::Object(String::new())),
            ('[', _) => levels.push(Level::Array(0)),
            ('}' | ']', _) => drop(levels.pop()),
            (':', Some(Level::Object(key))) => *key = std::mem::take(&mut last_string),
            (',', Some(Level::Array(index))) => *index += 1,
            _ => {}
        }
    }
    let mut path = String::new();
    for level in &levels {
        match level {
            Level::Object(key) if key.is_empty() => {}
            Level::Object(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&shortened(key));
            }
            Level::Array(index) => path = format!("{path}[{index}]"),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        #[expect(dead_code, reason = "only whether it decodes matters")]
        id: String,
        #[expect(dead_code, reason = "only whether it decodes matters")]
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Inner {
        #[expect(dead_code, reason = "only whether it decodes matters")]
        the_number: u8,
    }

    fn message(text: &str) -> String {
        value::<Row>(text).unwrap_err().to_string()
    }

    #[test]
    fn the_place_is_named_by_key_line_and_column() {
        let text = "{\"id\":\"a\",\n \"inner\":[{\"theNumber\":1},{\"theNumber\":\"PLANTED, expected x\"}]}";
        let message = message(text);
        assert!(
            message.contains("key `inner[1].theNumber`, line 2 column"),
            "{message}"
        );
        assert!(message.ends_with("expected u8, found string"), "{message}");
    }

    #[test]
    fn no_value_is_shown() {
        for text in [
            r#"{"id":["PLANTED"]}"#,
            r#"{"id":{"PLANTED":"PLANTED"}}"#,
            r#"{"id":"x","inner":[{"theNumber":"PLANTED"}]}"#,
            r#"{"id":"x","inner":"PLANTED"}"#,
            r#"{"id":"x","inner":[{"theNumber":77777}]}"#,
            r#""PLANTED""#,
        ] {
            let message = message(text);
            assert!(
                !message.contains("PLANTED") && !message.contains("77777"),
                "{message}"
            );
        }
    }

    #[test]
    fn what_is_missing_or_twice_is_named() {
        assert!(message("{}").ends_with("missing field `id`"));
        assert!(message(r#"{"id":"a","id":"b"}"#).ends_with("duplicate field `id`"));
        assert!(message(r#"{"id":"a""#).contains("damaged"));
    }

    #[test]
    fn a_place_millions_of_brackets_deep_is_named_in_no_time() {
        let text = format!("{{\"a\":{}", "[".repeat(4_000_000));
        let path = key_path(&text, text.len());
        assert!(path.starts_with("a[0][0]") && path.len() < 1_000);
        let closed = format!("{{\"a\":{}{},\"b\":", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(key_path(&closed, closed.len()), "b");
    }

    #[test]
    fn keys_with_quotes_and_braces_do_not_confuse_the_path() {
        let text = r#"{"a\"}{":{"b":[1,[2,{"c,":"#;
        assert_eq!(key_path(text, text.len()), r#"a\"}{.b[1][1].c,"#);
    }

    #[test]
    fn a_key_in_the_path_can_not_change_how_the_line_is_shown() {
        let text = "{\"a\u{202e}b\u{2028}\u{200b}\u{7f}\u{85}c\":{\"\u{feff}d\":[";
        assert_eq!(key_path(text, text.len()), "a b c.d[0]");
    }
}
