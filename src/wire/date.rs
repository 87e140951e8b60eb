//! Dates as the service writes them: RFC 3339 with 0 to 9 digits of a second's fraction.
//!
//! A missing zone is read as UTC. An empty text and a year of 1 or less (the smallest date of .NET)
//! mean that there is no date. Values are held and written in UTC.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer, ser};
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use super::Nullable;
use super::digits::{byte, digits, fraction};

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
        let date =
            parse(text.as_bytes()).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))?;
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
