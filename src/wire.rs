//! What this API's JSON needs everywhere: open enums, lenient dates and numbers.
//!
//! Each error made here is one of serde's standard ones, which end in what was expected. The part
//! before may quote the value that was found, so whoever shows such an error cuts that part off.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// Declares an enum of names the service uses, open to names it will use later.
///
/// A macro, because eighteen enums need the same six impls, and a derive can't give them:
/// `#[serde(other)]` loses the text, and `untagged` buffers every value and spoils the error. What
/// follows a `|` is a further spelling that is read but never written. Case is ignored when
/// reading, since the vendor's documentation and the service's schema disagree about it.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal $(| $also:literal)*,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A name that this version of the crate doesn't know, as the service spells it; a
            /// number is kept as its digits. Don't make one by hand: `From` finds the variant of a
            /// known name, whatever its ASCII case, so that equal names are equal values.
            Other(String),
        }

        impl $name {
            /// The name as the service spells it.
            $vis fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }

            fn known(text: &str) -> Option<Self> {
                $(
                    if text.eq_ignore_ascii_case($text) $(|| text.eq_ignore_ascii_case($also))* {
                        return Some(Self::$variant);
                    }
                )+
                None
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::known(text).unwrap_or_else(|| Self::Other(text.to_owned()))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::known(&text).unwrap_or_else(|| Self::Other(text))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = deserializer.deserialize_any($crate::wire::TextVisitor)?;
                Ok(Self::known(&text).unwrap_or_else(|| Self::Other(text.into_owned())))
            }
        }
    };
}

pub(crate) use open_enum;

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

/// Dates as the service writes them: RFC 3339 with 0 to 9 digits of a second's fraction.
///
/// A missing zone is read as UTC. An empty text and a year of 1 or less (the smallest date of .NET)
/// mean that there is no date. Values are held and written in UTC.
pub(crate) mod date {
    use std::fmt;

    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer, ser};
    use time::format_description::well_known::Rfc3339;
    use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

    use super::Nullable;
    use super::clock::{byte, digits, fraction};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<OffsetDateTime>, D::Error> {
        deserializer
            .deserialize_option(Nullable(DateVisitor))
            .map(Option::flatten)
    }

    #[expect(
        clippy::ref_option,
        reason = "serde calls it with a reference to the field"
    )]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<OffsetDateTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let Some(value) = value else {
            return serializer.serialize_none();
        };
        let text = value
            .checked_to_offset(UtcOffset::UTC)
            .and_then(|utc| utc.format(&Rfc3339).ok());
        match text {
            Some(text) => serializer.serialize_str(&text),
            None => Err(ser::Error::custom("a date's year must be 0 to 9999 in UTC")),
        }
    }

    struct DateVisitor;

    impl Visitor<'_> for DateVisitor {
        type Value = Option<OffsetDateTime>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a date and time (RFC 3339)")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            if text.is_empty() {
                return Ok(None);
            }
            let date = parse(text.as_bytes())
                .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
            Ok((date.year() > 1).then_some(date))
        }
    }

    fn parse(mut text: &[u8]) -> Option<OffsetDateTime> {
        let text = &mut text;
        let year = digits(text, 4)?;
        byte(text, b"-")?;
        let month = Month::try_from(digits::<u8>(text, 2)?).ok()?;
        byte(text, b"-")?;
        let date = Date::from_calendar_date(year, month, digits(text, 2)?).ok()?;
        byte(text, b"Tt")?;
        let hour = digits(text, 2)?;
        byte(text, b":")?;
        let minute = digits(text, 2)?;
        byte(text, b":")?;
        let second = digits(text, 2)?;
        let time = Time::from_hms_nano(hour, minute, second, fraction(text)?).ok()?;
        let offset = offset(text)?;
        PrimitiveDateTime::new(date, time)
            .assume_offset(offset)
            .checked_to_offset(UtcOffset::UTC)
            .filter(|utc| utc.year() <= 9999 && text.is_empty())
    }

    fn offset(text: &mut &[u8]) -> Option<UtcOffset> {
        if text.is_empty() || byte(text, b"Zz").is_some() {
            return Some(UtcOffset::UTC);
        }
        let sign = if byte(text, b"-").is_some() {
            -1
        } else {
            byte(text, b"+")?;
            1
        };
        let hours = digits::<i8>(text, 2).filter(|hours| *hours < 24)?;
        byte(text, b":")?;
        let minutes = digits::<i8>(text, 2).filter(|minutes| *minutes < 60)?;
        UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
    }
}

/// Durations as the service writes them: `hh:mm:ss`, days before it as `d.`, a fraction behind it
/// of up to 9 digits. An empty text means that there is none.
pub(crate) mod duration {
    use std::fmt;
    use std::time::Duration;

    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};

    use super::Nullable;
    use super::clock::{byte, digits, fraction};

    const DAY: u64 = 24 * 60 * 60;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        deserializer
            .deserialize_option(Nullable(DurationVisitor))
            .map(Option::flatten)
    }

    #[expect(
        clippy::ref_option,
        reason = "serde calls it with a reference to the field"
    )]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_str(&format(*value)),
            None => serializer.serialize_none(),
        }
    }

    struct DurationVisitor;

    impl Visitor<'_> for DurationVisitor {
        type Value = Option<Duration>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration (hh:mm:ss)")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            if text.is_empty() {
                return Ok(None);
            }
            parse(text)
                .map(Some)
                .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    fn parse(text: &str) -> Option<Duration> {
        let (days, clock) = match text.split_once('.') {
            Some((days, clock)) if days.bytes().all(|b| b.is_ascii_digit()) => (days, clock),
            _ => ("0", text),
        };
        let text = &mut clock.as_bytes();
        let hours = digits::<u64>(text, 2).filter(|hours| *hours < 24)?;
        byte(text, b":")?;
        let minutes = digits::<u64>(text, 2).filter(|minutes| *minutes < 60)?;
        byte(text, b":")?;
        let seconds = digits::<u64>(text, 2).filter(|seconds| *seconds < 60)?;
        let nanos = fraction(text)?;
        let seconds = days
            .parse::<u64>()
            .ok()?
            .checked_mul(DAY)?
            .checked_add((hours * 60 + minutes) * 60 + seconds)?;
        text.is_empty().then(|| Duration::new(seconds, nanos))
    }

    fn format(value: Duration) -> String {
        let (days, seconds) = (value.as_secs() / DAY, value.as_secs() % DAY);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let clock = format!("{hours:02}:{minutes:02}:{seconds:02}");
        let days = if days == 0 {
            String::new()
        } else {
            format!("{days}.")
        };
        // The service counts in steps of 100 ns and writes all seven digits or none.
        match value.subsec_nanos() {
            0 => format!("{days}{clock}"),
            nanos if nanos % 100 == 0 => format!("{days}{clock}.{:07}", nanos / 100),
            nanos => format!("{days}{clock}.{nanos:09}"),
        }
    }
}

/// The pieces of dates and durations: each takes its piece off the front of the text.
mod clock {
    /// A number of exactly `count` digits.
    pub(super) fn digits<T: TryFrom<u32>>(text: &mut &[u8], count: usize) -> Option<T> {
        let (digits, rest) = text.split_at_checked(count)?;
        let mut value = 0_u32;
        for digit in digits {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
        }
        *text = rest;
        T::try_from(value).ok()
    }

    /// One of these bytes.
    pub(super) fn byte(text: &mut &[u8], wanted: &[u8]) -> Option<()> {
        let (first, rest) = text.split_first()?;
        if !wanted.contains(first) {
            return None;
        }
        *text = rest;
        Some(())
    }

    /// The fraction of a second in nanoseconds, 0 if there is none.
    pub(super) fn fraction(text: &mut &[u8]) -> Option<u32> {
        if byte(text, b".").is_none() {
            return Some(0);
        }
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        let missing = u32::try_from(9_usize.checked_sub(count)?).ok()?;
        digits::<u32>(text, count)?.checked_mul(10_u32.checked_pow(missing)?)
    }
}

/// What the tests of every model need.
#[cfg(test)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the fields they are compared with are optional"
)]
pub(crate) mod check {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    /// The rows of a page in `tests/fixtures`.
    pub(crate) fn rows<T: DeserializeOwned>(page: &str) -> Vec<T> {
        #[derive(Deserialize)]
        struct Page<T> {
            value: Vec<T>,
        }
        serde_json::from_str::<Page<T>>(page).unwrap().value
    }

    /// A date, read by another parser than the one under test.
    pub(crate) fn utc(text: &str) -> Option<OffsetDateTime> {
        Some(OffsetDateTime::parse(text, &Rfc3339).unwrap())
    }

    pub(crate) fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// Asserts that a value survives being written and read, as text and as a tree, and that
    /// writing it again gives the same text.
    pub(crate) fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let text = serde_json::to_string(value).unwrap();
        let from_text: T = serde_json::from_str(&text).unwrap();
        assert_eq!(&from_text, value);
        let tree = serde_json::to_value(value).unwrap();
        assert_eq!(&serde_json::from_value::<T>(tree).unwrap(), value);
        assert_eq!(serde_json::to_string(&from_text).unwrap(), text);
    }

    /// What an error says was expected: all that may be shown of it.
    pub(crate) fn expected<T: DeserializeOwned + Debug>(json: &str) -> String {
        let error = serde_json::from_str::<T>(json).expect_err(json).to_string();
        let (_, expected) = error.rsplit_once(", expected ").expect(&error);
        expected.split(" at line ").next().unwrap().to_owned()
    }
}

#[cfg(test)]
mod tests;
