//! Foreign text made fit for one line of a log: short, plain, and without a secret that it repeats.

use std::borrow::Cow;

use crate::secret::Secret;

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

/// How many bytes at the beginning of a text spell the secret, or enough of it, and whether that is
/// all of it: as it is, or as a URL, a form, JSON or HTML has it; in any case, since a host's name has
/// one of its own. The text may be cut, and then end in the middle of the secret.
fn spelled(text: &[u8], secret: &[u8]) -> Option<(usize, bool)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_may_hold_the_mark_of_a_cut() {
        let secret = Secret::from("ab…word1234");
        for (text, shown) in [
            ("it was ab…word1234", "it was ***"),
            ("ab\\u2026word1234, ab%E2%80%A6word1234…", "***, ***…"),
            ("ab… word1234", "ab… word1234"),
        ] {
            assert_eq!(without(text, &secret), shown);
        }
    }

    #[test]
    fn a_secret_is_taken_out_in_every_form_that_texts_have_of_it() {
        let secret = Secret::from("aB3+/\"\\=~%&<' \u{fc}z");
        for form in [
            "aB3+/\"\\=~%&<' \u{fc}z",
            "ab3+/\"\\=~%&<' \u{fc}Z",
            "aB3%2B%2F%22%5C%3D%7E%25%26%3C%27%20%C3%BCz",
            "%61%42%33%2b%2f%22%5c%3d~%25%26%3c'+%c3%bc%7a",
            r#"aB3+/\"\\=~%&<' üz"#,
            r"aB3\u002b\/\u0022\u005C=~%\u0026\u003c\u0027 üz",
            r"aB3\u002b\/\u0022\u005C=~%\u0026\u003c\u0027 \u00fcz",
            r#"aB3+/\\\"\\\\=~%&<' \\u00FCz"#,
            "aB3+/&quot;\\=~%&amp;&lt;&#39; \u{fc}z",
            "aB3&#43;/&#x22;\\=~%&#X26;&lt;&apos; \u{fc}z",
            "aB3+/&quot;\\=~%&amp;&lt;&#39; &#252;z",
            "aB3+/&quot;\\=~%&amp;&lt;&#39; &#xFC;z",
        ] {
            assert_eq!(without(form, &secret), "***");
            let text = format!("a {form}{form}, aB");
            assert_eq!(without(&text, &secret), "a ******, aB");
            assert!(shows(&text, &secret) && !shows("a ******, aB", &secret));
        }
    }

    #[test]
    fn a_secret_is_taken_out_whose_characters_are_escaped_as_wholes() {
        for (secret, forms) in [
            (
                "Z\u{fc}rich99pw",
                [
                    r"Z\u00FCrich99pw",
                    r"Z\\u00fcrich99pw",
                    "Z&#252;rich99pw",
                    "z%C3%BCrich99pw",
                ],
            ),
            (
                "tab\tpw99\n\r\u{8}\u{c}",
                [
                    r"tab\tpw99\n\r\b\f",
                    r"tab\\tpw99\\n\\r\\b\\f",
                    r"tab\u0009pw99\u000a\u000D\b\f",
                    "tab&#9;pw99&#10;&#xD;&#8;&#12;",
                ],
            ),
            (
                "5\u{20ac} is\u{1f600}",
                [
                    r"5\u20AC is\ud83d\uDE00",
                    r"5\\u20ac\\u0020is\\uD83D\\ude00",
                    "5&#8364; is&#x1F600;",
                    "5%E2%82%AC+is%F0%9F%98%80",
                ],
            ),
            // It begins with such a character.
            (
                "\u{1f600}\u{fc}abc",
                [
                    r"\ud83d\ude00\u00fcabc",
                    r"\\ud83d\\ude00\\u00fcabc",
                    "&#128512;&#xfc;abc",
                    "%f0%9f%98%80%c3%bcABC",
                ],
            ),
        ] {
            let secret = Secret::from(secret);
            for form in forms {
                assert_eq!(without(&format!("a {form}, b"), &secret), "a ***, b");
            }
        }
        for other in [r"Z\u00FDrich99pw", "Z&#253;rich99pw", r"Z\ud83drich99pw"] {
            assert_eq!(without(other, &Secret::from("Z\u{fc}rich99pw")), other);
        }
        // Cut within what stands for one character.
        let secret = Secret::from("pass\u{1f600}word");
        for cut in [
            r"pass\ud83d",
            r"pass\ud83d\ud",
            r"pass\u",
            "pass&#1285",
            "pass%F0%9",
        ] {
            assert_eq!(without(cut, &secret), "***", "{cut}");
        }
    }

    #[test]
    fn a_secret_that_is_cut_off_with_the_text_is_taken_out() {
        let secret = Secret::from("aB3+\"cdef&g");
        // And how much of it may be there before it is told from other words.
        for (form, harmless) in [
            ("aB3+\"cdef&g", 3),
            ("aB3%2B%22cdef%26g", 5),
            (r#"aB3+\"cdef&g"#, 3),
            ("aB3&#43;&quot;cdef&amp;g", 7),
        ] {
            for end in 1..=form.len() {
                let text = format!("seen: {}", form.get(..end).unwrap());
                let expected = if end > harmless { "seen: ***" } else { &text };
                assert_eq!(without(&text, &secret), expected);
                let marked = format!("{text}….x");
                assert_eq!(
                    without(&marked, &secret).strip_suffix("….x"),
                    Some(expected)
                );
            }
        }
    }

    #[test]
    fn what_only_begins_like_a_secret_is_left_alone() {
        let secret = Secret::from("aB3+c");
        for text in [
            "",
            "aB3",
            "aB3+d",
            "aB3%2Bd",
            "100 % sure & \\ aB3%",
            "%",
            "\\",
            "&",
            "\\u00",
            "&#43",
            "aB3&#43;",
        ] {
            assert_eq!(without(text, &secret), text.replace("aB3&#43;", "***"));
        }
        assert_eq!(without("a x", &Secret::from("x")), "a x");
        assert_eq!(without("a x", &Secret::from("")), "a x");
    }

    #[test]
    fn so_much_of_a_secret_as_gives_it_away_is_taken_out_wherever_it_stands() {
        let secret = Secret::from("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.é-and-more");
        for (text, expected) in [
            ("'eyJ0eXAiOiJKV1Qi...' is no good", "'***...' is no good"),
            (
                "'eyJ0eXAiOiJKV1Q...' is no good",
                "'eyJ0eXAiOiJKV1Q...' is no good",
            ),
            // It differs within a letter of two bytes.
            ("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.\u{e8}, x", "***, x"),
            ("eyJ0eXAiOiJKV1Qieyj0eXAiOiJKV1Qi, x", "******, x"),
        ] {
            assert_eq!(without(text, &secret), expected);
        }
        // The way that spells most of it counts.
        let secret = Secret::from("0123456789abcdef+ghi");
        assert_eq!(without("0123456789abcdef%2Bghi, x", &secret), "***, x");
    }

    #[test]
    fn a_text_holds_a_secret_when_all_of_it_is_there_and_it_is_long() {
        let secret = Secret::from("0123456789abcdef+ghi");
        for (text, is_held) in [
            ("?t=0123456789abcdef%2bghi&u", true),
            ("0123456789abcdef+ghi", true),
            ("0123456789abcdef+gh", false),
            (
                "0123456789abcdef, 0123456789abcdef+gh, 0123456789ABCDEF+GHI",
                true,
            ),
            ("0123456789abcdef, 0123456789abcdef+gh", false),
        ] {
            assert_eq!(holds(text, &secret), is_held, "{text}");
        }
        assert!(holds("0123456789abcdef", &Secret::from("0123456789abcdef")));
        assert!(!holds("0123456789abcde", &Secret::from("0123456789abcde")));
    }

    /// The secret that costs most is like itself all over.
    #[test]
    fn a_text_that_is_like_the_secret_all_over_is_read_through_in_bounded_time() {
        let secret = Secret::from(format!("{}b", "a".repeat(32 * 1024 - 1)));
        let text = "a".repeat(64 * 1024);
        // Twice all of it but the last letter, and what is left.
        assert_eq!(without(&text, &secret), "******aa");
        assert!(!holds(&text, &secret));
        let text = format!("{}c", "a".repeat(15)).repeat(4 * 1024);
        assert_eq!(without(&text, &secret), text);
    }

    #[test]
    fn marks_that_turn_or_hide_text_are_not_shown() {
        let marks = "a\u{61c}b\u{200b}c\u{202e}d\u{2066}e\u{feff}f\u{2028}g\u{85}h\u{7}i";
        assert_eq!(shortened(marks), "a b c d e f g h i");
    }

    #[test]
    fn what_looks_like_a_token_is_taken_out_of_texts_of_which_nobody_knows() {
        let jwt = "eyJ0eXAiOiJKV1Qi.eyJhdWQi.c2ln";
        let opaque = "1.AXeaN".repeat(8);
        for (text, clean) in [
            (format!("got {jwt}, {jwt}"), "got ***, ***"),
            (format!("(x={opaque}==)"), "(x=***==)"),
            (format!("/{opaque}/a"), "***"),
            (
                "Bearer abc; bearer: x".to_owned(),
                "Bearer ***; bearer: ***",
            ),
            (
                "{\"accessToken\": \"ab\"}".to_owned(),
                "{\"accessToken\": \"***\"}",
            ),
            ("client_secret=a~b&c=d".to_owned(), "client_secret=***&c=d"),
        ] {
            assert_eq!(without_tokens(&text), clean, "{text}");
        }
        for harmless in [
            "",
            "ü \u{1b} ***",
            "AADSTS65002: Consent between first party application '04b07795-8ddb-461a-bbee-02f9e1bf7b46'.",
            "see https://login.microsoftonline.com/error?code=65002, or https://aka.ms/azsdk/net/identity/azclicredential/troubleshoot.",
            "/opt/az/lib/python3.11/site-packages/azure/cli/core/auth/msal_authentication.py, line 77",
            "azure.cli.core.auth.msal_authentication.UserCredential.acquire_token",
        ] {
            assert_eq!(without_tokens(harmless), harmless);
        }
    }
}
