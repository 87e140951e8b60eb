//! How a text may spell a secret: as it is, or as a URL, a form, JSON or HTML has it.

use super::{SHORTEST_SECRET, TELLING};

/// How many bytes at the beginning of a text spell the secret, or enough of it, and whether that is
/// all of it: as it is, or as a URL, a form, JSON or HTML has it; in any case, since a host's name has
/// one of its own. The text may be cut, and then end in the middle of the secret.
pub(super) fn spelled(text: &[u8], secret: &[u8]) -> Option<(usize, bool)> {
    let ways: [Decode; 5] = [plain, from_url, from_json, from_nested_json, from_html];
    let lengths = ways.into_iter().filter_map(|decode| {
        let (mut rest, mut wanted) = (text, secret);
        while let Some(&next) = wanted.first() {
            let found = secret.len() - wanted.len();
            let Some((spelled, after)) = decode(rest) else {
                return (found >= SHORTEST_SECRET).then_some((text.len(), false));
            };
            let space = spelled.is(b"+") && next == b' ';
            let length = if space { 1 } else { spelled.length };
            match wanted.split_at_checked(length) {
                Some((these, others)) if space || spelled.is(these) => {
                    (rest, wanted) = (after, others);
                }
                _ => return (found >= TELLING).then_some((text.len() - rest.len(), false)),
            }
        }
        Some((text.len() - rest.len(), true))
    });
    lengths.max_by_key(|(length, is_whole)| (*is_whole, *length))
}

/// What a text spells at one place: a byte, or the UTF-8 of a character that is escaped as a whole.
struct Spelled {
    bytes: [u8; 4],
    length: usize,
}

impl Spelled {
    fn is(&self, wanted: &[u8]) -> bool {
        let bytes = self.bytes.get(..self.length);
        bytes.is_some_and(|bytes| bytes.eq_ignore_ascii_case(wanted))
    }
}

impl From<u8> for Spelled {
    fn from(byte: u8) -> Self {
        Self {
            bytes: [byte, 0, 0, 0],
            length: 1,
        }
    }
}

impl From<char> for Spelled {
    fn from(character: char) -> Self {
        let mut bytes = [0; 4];
        let length = character.encode_utf8(&mut bytes).len();
        Self { bytes, length }
    }
}

/// Takes one byte or character off a text, decoded; `None` at its end, be that in the middle of what
/// stands for it.
type Decode = fn(&[u8]) -> Option<(Spelled, &[u8])>;

fn plain(text: &[u8]) -> Option<(Spelled, &[u8])> {
    text.split_first()
        .map(|(byte, rest)| (Spelled::from(*byte), rest))
}

/// `%2B`, `%C3%BC`
fn from_url(text: &[u8]) -> Option<(Spelled, &[u8])> {
    match text {
        [b'%', high, low, rest @ ..] => match number(&[*high, *low], 16).map(u8::try_from) {
            Some(Ok(byte)) => Some((byte.into(), rest)),
            _ => plain(text),
        },
        [b'%', ..] => None,
        _ => plain(text),
    }
}

/// `\"`, `\t`, `\u002b`, `\u00fc`, `\ud83d\ude00`
fn from_json(text: &[u8]) -> Option<(Spelled, &[u8])> {
    unescaped(text, br"\")
}

/// JSON within a string of JSON: `\\u00fc`, `\\\"`
fn from_nested_json(text: &[u8]) -> Option<(Spelled, &[u8])> {
    match text {
        [b'\\', b'\\', b'\\', rest @ ..] => plain(rest),
        _ => unescaped(text, br"\\"),
    }
}

/// JSON whose escapes begin with this.
fn unescaped<'a>(text: &'a [u8], mark: &[u8]) -> Option<(Spelled, &'a [u8])> {
    let Some(escape) = text.strip_prefix(mark) else {
        return if mark.starts_with(text) {
            None
        } else {
            plain(text)
        };
    };
    match escape {
        [b'u', a, b, c, d, rest @ ..] => {
            let Some(unit) = number(&[*a, *b, *c, *d], 16) else {
                return plain(text);
            };
            if let Some(character) = char::from_u32(unit) {
                return Some((character.into(), rest));
            }
            match rest.strip_prefix(mark) {
                Some([b'u', a, b, c, d, rest @ ..]) => {
                    let low = number(&[*a, *b, *c, *d], 16);
                    match low.and_then(|low| of_surrogates(unit, low)) {
                        Some(character) => Some((character.into(), rest)),
                        None => plain(text),
                    }
                }
                Some([] | [b'u', ..]) => None,
                None if mark.starts_with(rest) => None,
                _ => plain(text),
            }
        }
        [] | [b'u', ..] => None,
        [escaped, rest @ ..] => {
            let byte = match escaped {
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'f' => 12,
                b'r' => b'\r',
                itself => *itself,
            };
            Some((byte.into(), rest))
        }
    }
}

fn of_surrogates(high: u32, low: u32) -> Option<char> {
    let units = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
    char::decode_utf16(units).next()?.ok()
}

/// `&amp;`, `&#43;`, `&#x2b;`, `&#252;`
fn from_html(text: &[u8]) -> Option<(Spelled, &[u8])> {
    /// The longest number, `#x10FFFF`; names are shorter.
    const LONGEST_NAME: usize = 8;
    let Some(name) = text.strip_prefix(b"&") else {
        return plain(text);
    };
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let mut seen = name.iter().take(LONGEST_NAME + 1);
    let end = match seen.position(|byte| !is_of_name(byte)) {
        Some(end) => end,
        None if name.len() <= LONGEST_NAME => return None,
        None => return plain(text),
    };
    let (name, rest) = name.split_at_checked(end)?;
    let character = match name {
        b"amp" => Some('&'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16).and_then(char::from_u32),
        [b'#', digits @ ..] => number(digits, 10).and_then(char::from_u32),
        _ => None,
    };
    match (character, rest) {
        (Some(character), [b';', rest @ ..]) => Some((character.into(), rest)),
        _ => plain(text),
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}
