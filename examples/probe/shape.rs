//! What JSON rows look like, without what they say. Pure: no call, no file.
//!
//! Of a text only its shape is kept, of a number its digits, of a list its length, of a secret nothing
//! but that it is there. Values are kept for
//! keys alone that are enumerations, and of values that the crate doesn't know only those that look like
//! the service's own words: see [`may_be_shown`].

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::known::{Kind, Property, Schema};
use crate::models;

/// The entity of which a key that nobody knows may hold a secret.
const SECRETS: &str = "AuthParamsBase";
/// The longest name and value of the service's that is shown.
const LONGEST: usize = 40;

/// What is seen of the rows of one answer.
pub(crate) struct Seen<'a> {
    schema: &'a Schema,
    rows: usize,
    /// How many objects there were at a path.
    objects: BTreeMap<String, usize>,
    keys: BTreeMap<String, Key>,
    /// All texts but those of enumerations, in lower case: a value that occurs in one of them is
    /// somebody's.
    texts: HashSet<String>,
}

#[derive(Default)]
struct Key {
    parent: String,
    had: usize,
    types: BTreeMap<&'static str, usize>,
    /// Those that no source has for it.
    odd_types: BTreeMap<&'static str, usize>,
    shapes: BTreeMap<String, Lengths>,
    known_values: BTreeMap<String, usize>,
    /// With the number of rows that have it, and the last of them.
    other_values: BTreeMap<String, (usize, usize)>,
}

/// How often, and how long at least and at most.
struct Lengths {
    count: usize,
    shortest: usize,
    longest: usize,
}

/// A key in a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct KeyReport {
    pub(crate) path: String,
    /// How many of the objects that could have it have it.
    pub(crate) had: usize,
    pub(crate) of: usize,
    pub(crate) types: BTreeMap<&'static str, usize>,
    /// Those of a documented key that are not documented.
    pub(crate) odd_types: BTreeMap<&'static str, usize>,
    pub(crate) shapes: Vec<String>,
    pub(crate) values: BTreeMap<String, usize>,
    /// Values of an enumeration that the crate doesn't know, and in how many rows.
    pub(crate) unknown_values: BTreeMap<String, usize>,
    /// The shapes of those that are not shown.
    pub(crate) withheld_values: Vec<String>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(schema: &'a Schema) -> Self {
        Self {
            schema,
            rows: 0,
            objects: BTreeMap::new(),
            keys: BTreeMap::new(),
            texts: HashSet::new(),
        }
    }

    /// Looks at a row of this entity.
    pub(crate) fn look(&mut self, row: &Map<String, Value>, entity: &str) {
        self.rows += 1;
        self.object(row, Some(entity), "", false);
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        entity: Option<&str>,
        at: &str,
        is_secret: bool,
    ) {
        *self.objects.entry(at.to_owned()).or_default() += 1;
        // Two keys of one object may have one name here.
        let mut told = HashSet::new();
        for (key, value) in object {
            let path = join(at, &key_name(self.schema, entity, key));
            let schema = self.schema;
            let property = entity.and_then(|entity| schema.property(entity, key));
            let is_secret = is_secret
                || property.map_or(entity == Some(SECRETS), |property| property.never_written);
            let is_first = told.insert(path.clone());
            let seen = self.keys.entry(path.clone()).or_default();
            at.clone_into(&mut seen.parent);
            seen.had += usize::from(is_first);
            self.value(value, property, &path, is_secret);
        }
    }

    fn value(&mut self, value: &Value, property: Option<&Property>, path: &str, is_secret: bool) {
        let row = self.rows;
        let seen = self.keys.entry(path.to_owned()).or_default();
        let (name, shape, length) = match value {
            Value::Null => ("null", None, 0),
            Value::String(text) if is_secret && !text.is_empty() => {
                ("text", Some("a secret".to_owned()), 0)
            }
            Value::Number(_) if is_secret => ("number", None, 0),
            Value::Bool(_) => ("bool", None, 0),
            Value::Number(number) if number.is_f64() => ("fraction", None, 0),
            Value::Number(number) => {
                let text = number.to_string();
                let digits = text.trim_start_matches('-').len();
                ("integer", Some("digits".to_owned()), digits)
            }
            Value::String(text) => ("text", Some(shape(text)), text.chars().count()),
            Value::Array(list) => ("list", Some("elements".to_owned()), list.len()),
            Value::Object(object) => ("object", None, object.len()),
        };
        *seen.types.entry(name).or_default() += 1;
        if property.is_some_and(|property| !property.may_be(name, self.schema)) {
            *seen.odd_types.entry(name).or_default() += 1;
        }
        let kind = property.map(|property| &property.kind);
        let enumeration = match kind {
            Some(Kind::Named(name)) if self.schema.enums.contains_key(name) => Some(name),
            _ => None,
        };
        let spelled = match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        if let (Some(enumeration), Some(spelled)) = (enumeration, &spelled) {
            if models::is_known(enumeration, spelled) {
                // In the service's spelling, which may be another than the crate's.
                *seen.known_values.entry(spelled.clone()).or_default() += 1;
            } else {
                let (rows, last) = seen.other_values.entry(spelled.clone()).or_default();
                *rows += usize::from(*last != row);
                *last = row;
            }
            return;
        }
        if let Some(shape) = shape {
            let lengths = seen.shapes.entry(shape).or_insert(Lengths {
                count: 0,
                shortest: length,
                longest: length,
            });
            lengths.count += 1;
            lengths.shortest = lengths.shortest.min(length);
            lengths.longest = lengths.longest.max(length);
        }
        let entity = match kind {
            Some(Kind::Named(name) | Kind::List(name)) => Some(name.as_str()),
            _ => None,
        };
        match value {
            Value::String(text) => {
                self.texts.insert(text.to_lowercase());
            }
            Value::Object(object) => self.object(object, entity, path, is_secret),
            Value::Array(list) => {
                let path = format!("{path}[]");
                for element in list {
                    if let Value::Object(object) = element {
                        self.object(object, entity, &path, is_secret);
                    } else {
                        let seen = self.keys.entry(path.clone()).or_default();
                        seen.had += 1;
                        seen.parent.clone_from(&path);
                        *self.objects.entry(path.clone()).or_default() += 1;
                        self.value(element, None, &path, is_secret);
                    }
                }
            }
            _ => {}
        }
    }

    pub(crate) fn schema(&self) -> &'a Schema {
        self.schema
    }

    /// The paths at which the keys below `at` are this property's, in whatever spelling.
    pub(crate) fn paths_of(&self, property: &Property, at: &str) -> Vec<String> {
        let keys = self.keys.iter().filter(|(_, key)| key.parent == at);
        let names = keys.map(|(path, _)| (path, path.strip_prefix(at).unwrap_or(path)));
        names
            .filter(|(_, name)| property.is(name.trim_start_matches('.')))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Whether there was an object at this path.
    pub(crate) fn has_objects(&self, path: &str) -> bool {
        self.objects.contains_key(path)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Every key that was there, sorted.
    pub(crate) fn keys(&self) -> Vec<KeyReport> {
        let keys = self.keys.iter();
        keys.map(|(path, key)| self.key(path, key)).collect()
    }

    fn key(&self, path: &str, key: &Key) -> KeyReport {
        let mut report = KeyReport {
            path: path.to_owned(),
            had: key.had,
            of: self.objects.get(&key.parent).copied().unwrap_or_default(),
            types: key.types.clone(),
            odd_types: key.odd_types.clone(),
            shapes: key.shapes.iter().map(in_words).collect(),
            values: key.known_values.clone(),
            unknown_values: BTreeMap::new(),
            withheld_values: Vec::new(),
        };
        for (value, (rows, _)) in &key.other_values {
            if self.may_show(value, *rows) {
                report.unknown_values.insert(value.clone(), *rows);
            } else {
                report.withheld_values.push(shape(value));
            }
        }
        report.withheld_values.sort();
        report.withheld_values.dedup();
        report
    }

    fn may_show(&self, value: &str, rows: usize) -> bool {
        let lower = value.to_lowercase();
        if is_number(value) {
            // A few digits are in any id.
            return true;
        }
        let words: Vec<&str> = words(&lower).filter(|word| word.len() >= 4).collect();
        let is_somebodys = |text: &String| {
            text.contains(&lower) || self::words(text).any(|word| words.contains(&word))
        };
        may_be_shown(value, rows) && !self.texts.iter().any(is_somebodys)
    }
}

/// Whether a value of an enumeration looks like the service's own word and not like anybody's: letters,
/// digits, spaces, `-` and `_`, no more than 40, a letter first, no run of digits as in an id or a serial
/// number, and either one word of letters, or in several rows. A host name in the wrong place would have
/// digits or a `-`, and stand in one row. A number of up to four digits is a member without a name.
///
/// [`Seen`] also withholds what occurs anywhere in the answer's other texts, numbers excepted, and what
/// shares a word of four letters or more with one of them.
pub(crate) fn may_be_shown(value: &str, rows: usize) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let letters = value.chars().all(|c| c.is_ascii_alphabetic());
    let is_word = letters && value.len() <= 24;
    let runs = value.split(|c: char| !c.is_ascii_digit());
    let ids = value.split(|c: char| !c.is_ascii_hexdigit());
    let has_id =
        ids.into_iter().any(|run| run.len() >= 8) || runs.into_iter().any(|run| run.len() > 4);
    let begins = value.starts_with(|c: char| c.is_ascii_alphabetic());
    !value.is_empty()
        && value.len() <= LONGEST
        && value.chars().all(plain)
        && (is_number(value) || begins && !has_id && (is_word || rows > 1))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic())
}

/// Whether this is the number of an enumeration's member that has no name.
fn is_number(value: &str) -> bool {
    (1..=4).contains(&value.len()) && value.chars().all(|c| c.is_ascii_digit())
}

/// The name by which a key is shown. At a place where the schema knows the keys, another is the
/// service's too. Below a key that nobody knows there may be a map by name or id, so those keys are `*`.
/// What has an `@` may be an address, and is shown only where it annotates the object or a known key.
pub(crate) fn key_name(schema: &Schema, entity: Option<&str>, key: &str) -> String {
    let Some(entity) = entity.filter(|entity| schema.entity(entity).is_some()) else {
        return "*".to_owned();
    };
    let is_known = |key: &str| schema.property(entity, key).is_some();
    let few_digits = key.chars().filter(char::is_ascii_digit).count() <= 4;
    let is_name = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.len() <= LONGEST
        && few_digits
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_shown = is_name || is_annotation(key, is_known);
    if is_known(key) || is_shown && schema.has_fixed_keys(entity) {
        key.to_owned()
    } else {
        "*".to_owned()
    }
}

/// Whether this is an annotation of OData's or Microsoft's, of the object itself or of such a key.
pub(crate) fn is_annotation(key: &str, of: impl Fn(&str) -> bool) -> bool {
    let Some((annotated, name)) = key.split_once('@') else {
        return false;
    };
    let mut words = name.split('.');
    key.len() <= LONGEST
        && (annotated.is_empty() || of(annotated))
        && matches!(words.next(), Some("odata" | "microsoft"))
        && name.contains('.')
        && words.all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic()))
}

pub(crate) fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

fn in_words((shape, lengths): (&String, &Lengths)) -> String {
    let range = if lengths.shortest == lengths.longest {
        lengths.longest.to_string()
    } else {
        format!("{} to {}", lengths.shortest, lengths.longest)
    };
    match shape.as_str() {
        "digits" | "elements" if range == "1" => format!("1 {}", shape.trim_end_matches('s')),
        "digits" | "elements" => format!("{range} {shape}"),
        "text" => format!("text of {range} characters ×{}", lengths.count),
        other => format!("{other} ×{}", lengths.count),
    }
}

/// What a text looks like.
pub(crate) fn shape(text: &str) -> String {
    let all = |wanted: fn(char) -> bool| text.chars().all(wanted);
    if text.is_empty() {
        "empty".to_owned()
    } else if text.trim().is_empty() {
        "blank".to_owned()
    } else if let Some(date) = date(text) {
        date
    } else if is_guid(text) {
        "GUID".to_owned()
    } else if text.parse::<Ipv4Addr>().is_ok() {
        "IPv4 address".to_owned()
    } else if text.parse::<Ipv6Addr>().is_ok() {
        "IPv6 address".to_owned()
    } else if let Some(duration) = duration(text) {
        duration
    } else if all(|c| c.is_ascii_hexdigit())
        && (matches!(text.len(), 12 | 32 | 40 | 64)
            || text.len() >= 8 && text.contains(|c: char| c.is_ascii_alphabetic()))
    {
        format!("hex of {}", text.len())
    } else if all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | ',')) {
        "number-like".to_owned()
    } else if let Some((one, other)) = text.split_once('_').filter(|(one, _)| is_guid(one)) {
        format!("{} _ {}", shape(one), shape(other))
    } else {
        "text".to_owned()
    }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &&str| part.chars().all(|c| c.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(hex)
}

/// Whether the text matches a pattern of `0` for a digit and everything else as it is.
fn is_like(text: &str, pattern: &str) -> bool {
    let fits = |(c, wanted): (char, char)| {
        if wanted == '0' {
            c.is_ascii_digit()
        } else {
            c == wanted
        }
    };
    text.chars().count() == pattern.len() && text.chars().zip(pattern.chars()).all(fits)
}

/// A fraction's digits, and what follows them.
fn fraction(text: &str) -> Option<(usize, &str)> {
    let Some(digits) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let count = digits.len() - rest.len();
    (count > 0).then_some((count, rest))
}

fn date(text: &str) -> Option<String> {
    let (head, rest) = (text.get(..19)?, text.get(19..)?);
    if !is_like(head, "0000-00-00T00:00:00") && !is_like(head, "0000-00-00 00:00:00") {
        return is_like(text, "0000-00-00").then(|| "date without a time".to_owned());
    }
    let (digits, zone) = fraction(rest)?;
    let zone = match zone {
        "Z" => "Z",
        "" => "no zone",
        _ if is_like(zone, "+00:00") || is_like(zone, "-00:00") => "an offset",
        _ => return None,
    };
    let never = if head.starts_with("000") {
        " of year 1"
    } else {
        ""
    };
    Some(format!("date{never}, {digits} fraction digits, {zone}"))
}

fn duration(text: &str) -> Option<String> {
    let (head, rest) = (text.get(..8)?, text.get(8..)?);
    let (digits, rest) = fraction(rest)?;
    (is_like(head, "00:00:00") && rest.is_empty())
        .then(|| format!("hh:mm:ss, {digits} fraction digits"))
}

#[cfg(test)]
mod tests;
