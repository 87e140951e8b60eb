//! The words of the `$filter` language.

/// What is wrong, and at which byte of the filter.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) at: usize,
    pub(super) what: String,
}

pub(super) fn unreadable<T>(at: usize, what: impl Into<String>) -> Result<T, Unreadable> {
    Err(Unreadable {
        at,
        what: what.into(),
    })
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    /// `(`, `)`, `,`, `:` or `/`.
    Mark(char),
    /// Between single quotes, with the doubled ones undone.
    Quoted(String),
    /// A name, a keyword, a number, a date or a GUID.
    Word(&'t str),
}

/// The tokens of a filter, each with its place in bytes.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Unreadable> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        match first {
            ' ' | '\t' => rest = rest.trim_start_matches([' ', '\t']),
            '(' | ')' | ',' | ':' | '/' => {
                tokens.push((at, Token::Mark(first)));
                rest = rest.split_at(first.len_utf8()).1;
            }
            '\'' => {
                let mut quoted = String::new();
                rest = rest.split_at(1).1;
                loop {
                    let Some((part, after)) = rest.split_once('\'') else {
                        return unreadable(at, "the text that starts here is not closed");
                    };
                    quoted.push_str(part);
                    rest = after;
                    let Some(after) = rest.strip_prefix('\'') else {
                        break;
                    };
                    quoted.push('\'');
                    rest = after;
                }
                tokens.push((at, Token::Quoted(quoted)));
            }
            _ => {
                // Only a literal may hold `:` and `+`: in `any(t:t eq 'x')` the colon ends a name.
                let literal = first.is_ascii_digit() || first == '-';
                let part = |c: char| match c {
                    ':' | '+' => literal,
                    _ => c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'),
                };
                let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
                if length == 0 {
                    return unreadable(at, format!("{first:?} is not expected"));
                }
                let (word, after) = rest.split_at(length);
                tokens.push((at, Token::Word(word)));
                rest = after;
            }
        }
    }
    Ok(tokens)
}
