//! A page that comes in windows of any size is what its text says when it is read the plain way.

use std::fmt::{self, Debug};
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::is_plain_line;
use crate::error::ErrorKind;
use crate::inflate::CHUNK;
use crate::machines::Machine;
use crate::page::Rows;
use crate::scan_agents::ScanAgent;
use crate::scan_definitions::ScanDefinition;
use crate::scan_history::ScanHistoryEntry;

/// A body limit that no test's page comes near, but for those that mean to.
pub(crate) const LIMIT: u64 = 64 * 1024 * 1024;

/// How a compressed body begins.
const GZIP: &[u8] = &[0x1F, 0x8B];

/// The first four bytes choose the window, the wire, the type of the rows and the body limit; the
/// others are the page. If the third is 224 or more, three control characters, which JSON can't
/// have, stand for a lot of text: see [`stretched`].
pub fn page(input: &[u8]) {
    let Some((&[window, wire, rows, limit], body)) = input.split_first_chunk() else {
        return;
    };
    // What is compressed already is taken as it is.
    let case = if body.starts_with(GZIP) {
        let mut text = Vec::new();
        let mut inflating = MultiGzDecoder::new(body);
        let whole = inflating.read_to_end(&mut text).is_ok();
        if text.starts_with(GZIP) {
            return; // It would be inflated again where it is read as the text.
        }
        Case {
            damaged: !whole,
            body: body.to_vec(),
            ..Case::new(text, window, limit)
        }
    } else if rows >= 224 {
        Case::new(stretched(body), window, limit).wired(wire)
    } else {
        Case::new(body.to_vec(), window, limit).wired(wire)
    };
    match rows % 7 {
        0 => case.check::<Value>(),
        1 => case.check::<Raw>(),
        2 => case.check::<Machine>(),
        3 => case.check::<ScanAgent>(),
        4 => case.check::<ScanDefinition>(),
        5 => case.check::<ScanHistoryEntry>(),
        _ => case.check::<Hiding>(),
    }
}

/// Each `\x01` becomes blanks, each `\x02` letters and each `\x03` rows, as much of them as takes a
/// page from one window to the next; up to four in all, so that an input stays quick to read.
fn stretched(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len());
    let mut left = 4;
    for &byte in body {
        match byte {
            1..=3 if left == 0 => {}
            1 => text.resize(text.len() + 50_000, b' '),
            2 => text.resize(text.len() + 20_000, b'a'),
            3 => text.extend(b"{\"id\":\"1\"},".repeat(2_000)),
            _ => text.push(byte),
        }
        left -= usize::from((1..=3).contains(&byte) && left > 0);
    }
    text
}

/// A page, and how it comes.
struct Case {
    text: Vec<u8>,
    body: Vec<u8>,
    /// The body is not the whole text.
    damaged: bool,
    step: usize,
    /// A second reading is bounded like this, if it is.
    limit: Option<u64>,
}

impl Case {
    fn new(text: Vec<u8>, window: u8, limit: u8) -> Self {
        // Small windows over a long text would parse its long elements once a byte.
        let scale = if text.len() > 4_096 { 512 } else { 1 };
        let step = match usize::from(window) {
            0 => CHUNK,
            window => window * scale,
        };
        Self {
            body: text.clone(),
            text,
            damaged: false,
            step,
            limit: (limit > 0).then_some(u64::from(limit) * 16),
        }
    }

    fn wired(mut self, wire: u8) -> Self {
        match wire % 4 {
            1 => self.body = gzip(&self.text),
            2 => {
                let (first, second) = self.text.split_at(self.text.len() / 2);
                self.body = [gzip(first), gzip(b""), gzip(second)].concat();
            }
            3 => {
                self.body = gzip(&self.text);
                // So many bytes are lost.
                let lost = 1 + usize::from(wire / 4);
                self.body.truncate(self.body.len().saturating_sub(lost));
                self.damaged = true;
            }
            _ => {}
        }
        self
    }

    fn check<T: DeserializeOwned + PartialEq + Debug>(&self) {
        let longest = Plain::longest(&self.text);
        let decode = |body: &[u8], limit, step| {
            let mut page =
                Rows::new(body.into(), limit, Some("text/\u{202E}html\n")).with_step(step);
            read_within::<T>(&mut page, longest)
        };
        let whole = decode(&self.text, LIMIT, CHUNK);
        match plain::<T>(&self.text) {
            Plain::Page { rows, link } => {
                let end = Ok(link);
                assert_eq!(whole, Outcome { rows, end });
            }
            Plain::Broken { rows } => {
                assert!(whole.end.is_err(), "{:?} for {rows:?}", whole.end);
                assert!(rows.is_none_or(|rows| rows == whole.rows));
            }
        }
        let coming = decode(&self.body, LIMIT, self.step);
        if std::str::from_utf8(&self.text).is_err() {
            // It is found a stretch at a time, and the rows before it in the stretch go with it.
            assert!(coming.end.is_err(), "{:?}", coming.end);
        } else if self.damaged {
            assert!(coming.end.is_err(), "{:?}", coming.end);
            assert!(whole.rows.starts_with(&coming.rows));
        } else if members(&self.text).is_some() {
            assert_eq!(coming, whole, "in steps of {}", self.step);
        } else {
            // What has several faults is blamed for one of them.
            assert_eq!(coming.rows, whole.rows, "in steps of {}", self.step);
            let told = |outcome: &Outcome<T>| {
                let failure = outcome.end.as_ref().unwrap_err();
                (failure.kind, failure.retryable)
            };
            assert_eq!(told(&coming), told(&whole), "in steps of {}", self.step);
        }
        if let Some(limit) = self.limit {
            let bounded = decode(&self.body, limit, self.step);
            if self.text.len() as u64 <= limit {
                assert_eq!(bounded, coming);
            } else {
                assert!(bounded.end.is_err());
                assert!(coming.rows.starts_with(&bounded.rows));
            }
        }
    }
}

/// All that a page gave: its rows, and the link behind them or the error that ended it.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) end: Result<Option<String>, Failure>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) retryable: bool,
    pub(crate) text: String,
}

/// Reads a page to its end, and past it: there must be nothing more.
#[cfg(test)]
pub(crate) fn read<T: DeserializeOwned>(mut page: Rows) -> Outcome<T> {
    read_within(&mut page, usize::MAX / 8)
}

/// The same for a page whose longest element has so many bytes.
fn read_within<T: DeserializeOwned>(page: &mut Rows, longest: usize) -> Outcome<T> {
    let mut rows = Vec::new();
    let mut failure = None;
    while failure.is_none() {
        match page.next::<T>() {
            Some(Ok(row)) => rows.push(row),
            Some(Err(error)) => failure = Some(error),
            None => break,
        }
        // A window has room for an element and what it takes to see its end, and grows by doubling.
        let most = 4 * longest + 2 * CHUNK + 64;
        assert!(page.room() <= most, "{} bytes of {most}", page.room());
    }
    for _ in 0..3 {
        assert!(page.next::<T>().is_none(), "the end is no end");
    }
    let end = match failure {
        None => Ok(page.next_link().map(str::to_owned)),
        Some(error) => {
            let text = error.to_string();
            let kinds = [ErrorKind::Decode, ErrorKind::Transport, ErrorKind::TooLarge];
            assert!(kinds.contains(&error.kind()), "{error:?}");
            assert!(is_plain_line(&text) && text.len() < 10_000, "{text:?}");
            Err(Failure {
                kind: error.kind(),
                retryable: error.is_retryable(),
                text,
            })
        }
    };
    Outcome { rows, end }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut deflating = GzEncoder::new(Vec::new(), Compression::fast());
    deflating.write_all(bytes).unwrap();
    deflating.finish().unwrap()
}

/// What a page says.
pub(crate) enum Plain<T> {
    Page {
        rows: Vec<T>,
        link: Option<String>,
    },
    /// It says something that is no page. With the rows that are before it, where only a row is
    /// broken.
    Broken {
        rows: Option<Vec<T>>,
    },
}

/// Reads a page the plain way: the whole text at once, then each part by itself.
pub(crate) fn plain<T: DeserializeOwned>(text: &[u8]) -> Plain<T> {
    let broken = Plain::Broken { rows: None };
    let Some(members) = members(text) else {
        return broken;
    };
    let of = |key: &str| -> Vec<&str> {
        let same = members.iter().filter(|(name, _)| name == key);
        same.map(|(_, value)| value.get()).collect()
    };
    let ([value], links) = (&of("value")[..], of("@odata.nextLink")) else {
        return broken;
    };
    let link = match links[..] {
        [] => Ok(None),
        [link] => serde_json::from_str::<Option<String>>(link),
        _ => return broken,
    };
    let (Ok(all), Ok(link)) = (serde_json::from_str::<Vec<Box<RawValue>>>(value), link) else {
        return broken;
    };
    let mut rows = Vec::new();
    for row in all {
        match serde_json::from_str(row.get()) {
            Ok(row_read) if row.get().starts_with('{') => rows.push(row_read),
            _ => return Plain::Broken { rows: Some(rows) },
        }
    }
    Plain::Page {
        rows,
        link: link.filter(|link| !link.is_empty()),
    }
}

impl Plain<()> {
    /// The longest element of a page: key, row or value that is no list of rows.
    fn longest(text: &[u8]) -> usize {
        let Some(members) = members(text) else {
            return text.len();
        };
        let values = members.iter().map(|(key, value)| {
            let rows = serde_json::from_str::<Vec<&RawValue>>(value.get());
            let longest = match rows {
                Ok(rows) if key == "value" => rows.iter().map(|row| row.get().len()).max(),
                _ => Some(value.get().len()),
            };
            longest.unwrap_or(0).max(6 * key.len() + 2)
        });
        values.max().unwrap_or(0)
    }
}

type Member = (String, Box<RawValue>);

fn members(text: &[u8]) -> Option<Vec<Member>> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    serde_json::from_str(text).ok().map(|Members(list)| list)
}

/// The members of an object in their order, and none lost where a key comes twice.
struct Members(Vec<Member>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A row as its text.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Raw(Box<RawValue>);

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// A caller's type that says of every failure the same, also of the end of the input.
#[derive(Debug, PartialEq)]
struct Hiding(Value);

impl<'de> Deserialize<'de> for Hiding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer) {
            Ok(value) => Ok(Self(value)),
            Err(_) => Err(D::Error::custom("no")),
        }
    }
}
