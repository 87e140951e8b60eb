//! Durations as the service writes them: `hh:mm:ss`, days before it as `d.`, a fraction behind it
//! of up to 9 digits. An empty text means that there is none.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

use super::Nullable;
use super::digits::{byte, digits, fraction};

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
