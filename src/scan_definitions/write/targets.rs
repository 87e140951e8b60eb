//! What a scan looks at: addresses, ranges and host names, which the service has in one text.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::excerpt::shortened;
use crate::scan_definitions::{ScanDefinition, TargetType};

/// The targets of one definition, fit to be sent, or as the service has sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Targets {
    /// With commas between them, and nothing else.
    pub(super) text: String,
    pub(super) kind: Option<TargetType>,
}

impl Targets {
    /// Takes each target once, in the order in which they were given, or says which of them is none.
    pub(super) fn of<I>(targets: I) -> Result<Self, String>
    where
        I: IntoIterator,
        I::Item: ToString,
    {
        let mut seen = HashSet::new();
        let mut text = String::new();
        let (mut addresses, mut names) = (false, false);
        let mut number = 0_usize;
        for targets in targets {
            let targets = targets.to_string();
            for target in targets.split(',').map(str::trim) {
                number += 1;
                let parsed = Target::parse(target).ok_or_else(|| refusal(number, target))?;
                match parsed {
                    Target::Range(..) => addresses = true,
                    Target::Name(_) => names = true,
                }
                if seen.insert(parsed) {
                    if !text.is_empty() {
                        text.push(',');
                    }
                    text.push_str(target);
                }
            }
        }
        let kind = match (addresses, names) {
            (true, false) => TargetType::Ip,
            (false, true) => TargetType::Hostname,
            (true, true) => TargetType::Combined,
            (false, false) => return Err("a scan needs at least one target".to_owned()),
        };
        Ok(Self {
            text,
            kind: Some(kind),
        })
    }

    /// Those that a definition has now, whatever the service lets stand there, if it is anything.
    pub(super) fn shown_by(definition: &ScanDefinition) -> Option<Self> {
        let text = definition.target.clone();
        Some(Self {
            text: text.filter(|text| !text.trim().is_empty())?,
            kind: definition.target_type.clone(),
        })
    }

    /// Whether a definition shows another type, and both are types that are known.
    pub(super) fn are_called_otherwise_by(&self, definition: &ScanDefinition) -> bool {
        let types = self.kind.as_ref().zip(definition.target_type.as_ref());
        types.is_some_and(|(kind, shown)| kind != shown && !matches!(shown, TargetType::Other(_)))
    }

    /// Whether these are the targets of a definition, in whatever order and spelling.
    pub(super) fn are_of(&self, definition: &ScanDefinition) -> bool {
        let shown = definition.target.as_deref();
        shown.is_some_and(|shown| all_of(shown) == all_of(&self.text))
    }
}

/// The targets in a text. What is none is compared as it stands, but for nothing between two commas.
fn all_of(text: &str) -> HashSet<Result<Target, &str>> {
    let targets = text.split(',').map(str::trim);
    targets
        .filter(|target| !target.is_empty())
        .map(|target| Target::parse(target).ok_or(target))
        .collect()
}

/// Which of the targets is none, counted from 1.
fn refusal(number: usize, target: &str) -> String {
    if target.is_empty() {
        return format!("target {number} is empty: commas separate targets");
    }
    format!(
        "target {number}, `{}`, is neither an IP address nor a host name, nor a range written as CIDR, such \
         as 10.0.0.0/24; commas separate targets",
        shortened(&visible(target))
    )
}

/// The text with what can't be seen escaped, such as the mark that some editors put first in a file.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if c == ' ' || c.is_ascii_graphic() {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    shown
}

/// One target. Equal if it means the same, however it is written.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Target {
    /// The first address of a range and the length of its prefix, which is full if it is one address.
    Range(IpAddr, u8),
    /// In lower case.
    Name(String),
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(number(prefix)?)),
            None => (text, None),
        };
        match address.parse() {
            Ok(address) => Self::range(address, prefix),
            Err(_) => is_host_name(text).then(|| Self::Name(text.to_ascii_lowercase())),
        }
    }

    fn range(address: IpAddr, prefix: Option<u8>) -> Option<Self> {
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        // None of an address is behind a full prefix, and all of it behind an empty one.
        let behind = u32::from(bits.checked_sub(prefix)?);
        let first = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(behind).unwrap_or_default();
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(behind).unwrap_or_default();
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        };
        Some(Self::Range(first, prefix))
    }
}

/// A prefix in its only spelling: no sign, and no zero before other digits.
fn number(text: &str) -> Option<u8> {
    let number: u8 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Whether the text is a host name. A last label without a letter or in hexadecimal, and one behind three or
/// more of digits, are rather of an address with a slip in it, or of a range from one to another.
fn is_host_name(text: &str) -> bool {
    let (before, last) = text.rsplit_once('.').unwrap_or(("", text));
    let is_number = |label: &str| {
        label
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    let numbers = before.split('.').count() >= 3 && before.split('.').all(is_number);
    let is_hex = last
        .strip_prefix("0x")
        .or(last.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.len() <= 253
        && text.split('.').all(is_label)
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !numbers
        && !is_hex
}

fn is_label(label: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(legal)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
