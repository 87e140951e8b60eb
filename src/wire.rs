//! What this API's JSON needs everywhere: lenient text, numbers and lists here; dates, durations and
//! open enums in files of their own.
//!
//! Each error made here and there is one of serde's standard ones, which end in what was expected. The part
//! before may quote the value that was found, so whoever shows such an error cuts that part off.

pub(crate) mod date;
mod digits;
pub(crate) mod duration;
mod open_enum;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

pub(crate) use open_enum::open_enum;

/// Reads the id that a row can't do without: text that is not blank, or an integer as its digits.
///
/// A number with a fraction or beyond 64 bits is refused: it would lose digits, and two ids could
/// become one.
pub(crate) fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(KeyVisitor)
}

/// Reads text that may be null, and that the service also sends as a number.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = deserializer.deserialize_option(Nullable(TextVisitor))?;
    Ok(text.map(Cow::into_owned))
}

/// Reads an integer that may be null, and that the service also sends as text.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    deserializer.deserialize_option(Nullable(IntegerVisitor))
}

/// Reads a list; null is an empty one.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = deserializer.deserialize_option(Nullable(ListVisitor(PhantomData)))?;
    Ok(list.unwrap_or_default())
}

/// Null, or what the visitor inside takes.
pub(crate) struct Nullable<V>(pub(crate) V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Nullable<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self.0).map(Some)
    }
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Nullable<V> {
    type Value = Option<V::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

/// Text, or a number or truth value as text. Borrowed where it can be, and the same for every type
/// that is made of it: a generic visitor would be compiled once more for each of them.
pub(crate) struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a number")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(if value { "true" } else { "false" }))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.visit_string(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.visit_string(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        // JSON's own way of writing it: `10.0` stays `10.0`.
        match Number::from_f64(value) {
            Some(number) => self.visit_string(number.to_string()),
            None => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        number(map, &self).map(|number| Cow::Owned(number.to_string()))
    }
}

/// Lists of this API are short: one address or two, a tag or none. `Vec` makes room for four at
/// the first push, which for addresses is half of what a machine costs in memory.
pub(crate) struct ListVisitor<T>(pub(crate) PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            if list.is_empty() {
                list.reserve_exact(2);
            }
            list.push(element);
        }
        Ok(list)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a non-empty id")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
        if text.trim().is_empty() {
            return Err(E::invalid_value(Unexpected::Str(&text), &self));
        }
        Ok(text)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
        whole_number(map, &self)
    }
}

struct IntegerVisitor;

impl<'de> Visitor<'de> for IntegerVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer of 64 bits or its digits as text")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<i64, E> {
        whole(value).ok_or_else(|| E::invalid_value(Unexpected::Float(value), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
        text.parse()
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<i64, A::Error> {
        let number = number(map, &self)?;
        number
            .as_i64()
            .or_else(|| whole(number.as_f64()?))
            .ok_or_else(|| A::Error::invalid_type(Unexpected::Other("number"), &self))
    }
}

/// A float's value as an integer, if it has no fraction and fits; through text, as a cast is lossy.
fn whole(value: f64) -> Option<i64> {
    if value.fract() == 0.0 {
        format!("{value:.0}").parse().ok()
    } else {
        None
    }
}

/// A number that arrives as a map, as each that is no integer of 64 bits does for `deserialize_any`
/// once some crate in the tree turns on `serde_json`'s `arbitrary_precision`. Any other map is an
/// error.
fn number<'de, A: MapAccess<'de>>(map: A, expected: &dyn Expected) -> Result<Number, A::Error> {
    Number::deserialize(MapAccessDeserializer::new(map))
        .map_err(|_| A::Error::invalid_type(Unexpected::Map, expected))
}

/// The digits of an integer that arrives as a map, see [`number`].
pub(crate) fn whole_number<'de, A: MapAccess<'de>>(
    map: A,
    expected: &dyn Expected,
) -> Result<String, A::Error> {
    let number = number(map, expected)?;
    if number.is_i64() || number.is_u64() {
        return Ok(number.to_string());
    }
    Err(A::Error::invalid_type(
        Unexpected::Other("number"),
        expected,
    ))
}

#[cfg(test)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the fields they are compared with are optional"
)]
pub(crate) mod check;
#[cfg(test)]
mod tests;
