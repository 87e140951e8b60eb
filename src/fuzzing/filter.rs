//! No text leaves the literal it is put in, and what is sent decodes to what was meant.

use crate::call::Operation;
use crate::encode::encode;
use crate::filter::{EnumField, Filter, GuidField, TagsField, TextField};
use crate::http::Method;
use crate::machines::{HealthStatus, field};
use crate::paging::{Listing, PageSizes};
use crate::permissions;
use crate::rate_limit::Api;

const TEXT: TextField = field::COMPUTER_DNS_NAME;
const ENUM: EnumField<HealthStatus> = field::HEALTH_STATUS;
const GUID: GuidField = field::AAD_DEVICE_ID;
const TAGS: TagsField = field::MACHINE_TAGS;

static LIST: Operation = Operation {
    method: Method::Get,
    path: "/",
    api: Api::Machines,
    permissions: &permissions::MACHINES,
    writes: None,
};

/// The first byte says where the others are split into two texts.
pub fn filter(input: &[u8]) {
    let Some((&cut, texts)) = input.split_first() else {
        return;
    };
    let (first, second) = texts.split_at(texts.len().min(usize::from(cut)));
    let (first, second) = (
        String::from_utf8_lossy(first),
        String::from_utf8_lossy(second),
    );
    literals_hold(&first, &second);
    guids_are_guids(&first);
    raw_is_sent_as_given(&second);
    options_arrive(&first, &second);
}

fn literals_hold(a: &str, b: &str) {
    let state = |text: &str| HealthStatus::Other(text.to_owned());
    for (filter, outside, values) in [
        (TEXT.eq(a), "computerDnsName eq $", vec![a]),
        (
            TEXT.ne(a) & !TEXT.is_in([b, a]),
            "computerDnsName ne $ and not (computerDnsName eq $ or computerDnsName eq $)",
            vec![a, b, a],
        ),
        (
            TEXT.starts_with(a),
            "startswith(computerDnsName,$)",
            vec![a],
        ),
        (
            ENUM.eq(state(a)) | ENUM.is_in([state(b)]),
            "healthStatus eq $ or healthStatus eq $",
            vec![a, b],
        ),
        (
            TAGS.any_in([a, b]) & TAGS.any_starts_with(b),
            "machineTags/any(t: t eq $ or t eq $) and machineTags/any(t: startswith(t,$))",
            vec![a, b, b],
        ),
    ] {
        let values = values.into_iter().map(str::to_owned).collect();
        let read = literals(&received(&filter));
        assert_eq!(read, (outside.to_owned(), values));
    }
}

fn guids_are_guids(text: &str) {
    if GUID.eq(text).checked().is_ok() {
        let expected = format!("aadDeviceId eq {text}");
        assert_eq!(received(&GUID.eq(text)), expected);
        let groups: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert!(text.chars().all(|c| c == '-' || c.is_ascii_hexdigit()));
    }
}

fn raw_is_sent_as_given(text: &str) {
    let filter = Filter::raw(text);
    match filter.checked() {
        Ok(_) => assert_eq!(received(&filter), text),
        Err(_) => assert!(text.trim().is_empty() || text.contains(char::is_control)),
    }
}

/// A request's query has the options it was given, and no others.
fn options_arrive(name: &str, value: &str) {
    let filter = TEXT.eq(value);
    let mut listing = Listing::new(&LIST, PageSizes::Undocumented);
    let given = [("$filter", filter.checked().unwrap()), (name, value)];
    listing.options = given
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let query = listing.query(7, Some(3));
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~%$&=".contains(&b);
    assert!(query.bytes().all(legal), "{query}");
    let read = query.split('&').map(|option| {
        let (name, value) = option.split_once('=').unwrap();
        let (dollar, name) = match name.strip_prefix('$') {
            Some(name) => ("$", name),
            None => ("", name),
        };
        (dollar.to_owned() + &decoded(name), decoded(value))
    });
    let given = given.into_iter().chain([("$top", "3"), ("$skip", "7")]);
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert!(read.eq(given), "{query}");
}

/// What the service gets to read.
fn received(filter: &Filter) -> String {
    decoded(&encode(filter.checked().unwrap()))
}

/// Percent-decodes what must be all unreserved characters and escapes.
pub(crate) fn decoded(encoded: &str) -> String {
    let mut bytes = vec![];
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
            assert!(
                digits
                    .iter()
                    .all(|d| matches!(d, b'0'..=b'9' | b'A'..=b'F')),
                "{encoded}"
            );
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            assert!(unreserved, "{encoded}");
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Reads texts that may have string literals in them: the parts outside, each literal's value.
pub(crate) fn literals(expression: &str) -> (String, Vec<String>) {
    let (mut outside, mut values) = (String::new(), vec![]);
    let mut rest = expression.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\'' {
            outside.push(c);
            continue;
        }
        let mut value = String::new();
        loop {
            match rest.next().expect("the literal's end") {
                '\'' if rest.next_if_eq(&'\'').is_none() => break,
                inner => value.push(inner),
            }
        }
        outside.push('$');
        values.push(value);
    }
    (outside, values)
}
