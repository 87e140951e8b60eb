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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(targets: &[&str]) -> String {
        Targets::of(targets).unwrap().text
    }

    fn refused(target: &str) -> String {
        Targets::of([target]).unwrap_err()
    }

    #[test]
    fn targets_are_sent_once_each_in_their_order() {
        let targets = [
            " 10.0.0.7,host.example ",
            "10.0.0.0/24",
            "10.0.0.7",
            "HOST.example",
        ];
        assert_eq!(text(&targets), "10.0.0.7,host.example,10.0.0.0/24");
        assert_eq!(
            text(&["fe80::1", "FE80:0::1", "fe80::1/64"]),
            "fe80::1,fe80::1/64"
        );
        // Other spellings of the same target, and a range that holds another.
        assert_eq!(text(&["10.0.0.1/32,10.0.0.1"]), "10.0.0.1/32");
        assert_eq!(text(&["10.0.0.5/24", "10.0.0.0/24"]), "10.0.0.5/24");
        assert_eq!(text(&["10.0.0.0/24,10.0.0.0"]), "10.0.0.0/24,10.0.0.0");
    }

    #[test]
    fn what_there_is_among_them_makes_the_type() {
        for (targets, kind) in [
            (&["10.0.0.1", "10.0.0.0/8", "::1"][..], TargetType::Ip),
            (&["a.example", "b"], TargetType::Hostname),
            (&["a.example", "10.0.0.1"], TargetType::Combined),
            (&["10.0.0.0/8,b"], TargetType::Combined),
        ] {
            assert_eq!(
                Targets::of(targets).unwrap().kind,
                Some(kind),
                "{targets:?}"
            );
        }
    }

    #[test]
    fn addresses_ranges_and_host_names_are_targets() {
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        for target in [
            "0.0.0.0/0",
            "10.0.0.1/24",
            "255.255.255.255/32",
            "2001:db8::/32",
            "::/128",
            "srv-1",
            "_tcp.srv_1.example",
            "1.example",
            "xn--bcher-kva.example",
            "a.b1",
            "1.2.example",
            "1.2.3.a.example",
            "4.3.2.1.in-addr.arpa",
            "0xa.example",
            "0xfx",
            &longest,
        ] {
            assert_eq!(text(&[target]), target);
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let too_long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
        for target in [
            "10.0.0.300",
            "10.0.0",
            "10.0.0.O",
            "10.0.0.1a",
            "10.0.0.1-10.0.0.9a",
            "1.2.3.example",
            "0x7f000001",
            "10.0.0.0X1",
            "-",
            "-host",
            "a.host-.example",
            "010.0.0.1",
            "10.0.0.1-10.0.0.9",
            "10.0.0.1-9",
            "10.0.0.*",
            "10.0.0.0/33",
            "10.0.0.0/024",
            "10.0.0.0/+24",
            "10.0.0.0/",
            "10.0.0.0/24/24",
            "10.0.0.0/255.255.255.0",
            "2001:db8::/129",
            "host/24",
            "fe80::1%eth0",
            "[::1]",
            "10.0.0.1:161",
            "http://host",
            "a..b",
            "host.",
            "a b",
            "a;b",
            "b\u{fc}cher.example",
            &"a".repeat(64),
            &too_long,
        ] {
            let why = refused(target);
            assert!(
                why.starts_with(&format!("target 1, `{}`, is ", visible(target))),
                "{why}"
            );
            assert!(
                why.ends_with("as CIDR, such as 10.0.0.0/24; commas separate targets"),
                "{why}"
            );
        }
        assert!(refused("b\u{fc}cher").contains("`b\u{fc}cher`"));
        for (none, number) in [("", 1), (" ", 1), ("a,,b", 2), ("a,b,", 3)] {
            let wanted = format!("target {number} is empty: commas separate targets");
            assert_eq!(refused(none), wanted, "{none:?}");
        }
        let none = Targets::of([""; 0]).unwrap_err();
        assert_eq!(none, "a scan needs at least one target");
    }

    #[test]
    fn the_target_that_is_none_is_named_by_its_number_and_with_what_does_not_show() {
        let why = Targets::of(["a,b", "c d", "e"]).unwrap_err();
        assert!(why.starts_with("target 3, `c d`, is neither "), "{why}");
        for (target, shown) in [
            ("\u{feff}10.0.0.1", r"\u{feff}10.0.0.1"),
            ("a\n\u{202e}b", r"a\n\u{202e}b"),
            ("a\u{a0}b", r"a\u{a0}b"),
            ("10.0.0.1\u{200b}", r"10.0.0.1\u{200b}"),
        ] {
            let why = refused(target);
            assert!(
                why.starts_with(&format!("target 1, `{shown}`, is ")),
                "{why}"
            );
            assert!(!why.contains(char::is_control), "{why:?}");
        }
    }

    #[test]
    fn targets_are_compared_by_what_they_mean() {
        let targets = Targets::of(["10.0.0.1", "Host.example", "fe80::1/64"]).unwrap();
        let mut definition = ScanDefinition::new("an-id");
        assert!(!targets.are_of(&definition));
        for (shown, same) in [
            ("10.0.0.1,Host.example,fe80::1/64", true),
            ("fe80:0::1/64, host.EXAMPLE , 10.0.0.1,10.0.0.1", true),
            ("10.0.0.1,host.example", false),
            ("10.0.0.1/32,host.example,fe80::/64", true),
            ("10.0.0.1,,host.example,fe80::/64,", true),
            ("10.0.0.1,host.example,fe80:0:0:0:ffff:0:0:1/64", true),
            ("10.0.0.1,host.example,fe80::1", false),
            ("10.0.0.1/31,host.example,fe80::/64", false),
            ("10.0.0.1,host.example,fe80:0:0:1::/64", false),
            ("10.0.0.1,host.example,fe80::1/64,10.0.0.1-10.0.0.9", false),
            ("", false),
        ] {
            definition.target = Some(shown.to_owned());
            assert_eq!(targets.are_of(&definition), same, "{shown}");
        }
        let everything = Targets::of(["10.0.0.1/0", "fe80::1/0"]).unwrap();
        definition.target = Some("::/0,0.0.0.0/0".to_owned());
        assert!(everything.are_of(&definition));
        // What the service lets stand there need not be what is accepted here.
        definition.target = Some("10.0.0.1-10.0.0.9,a".to_owned());
        let shown = Targets::shown_by(&definition).unwrap();
        definition.target = Some("a,10.0.0.1-10.0.0.9".to_owned());
        assert!(shown.are_of(&definition));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_accepted_is_a_clean_list(targets in prop::collection::vec(
            prop_oneof!["\\PC*", "[0-9a-f:./, -]{0,20}", "[a-zA-Z0-9_.-]{1,70}"], 0..4,
        )) {
            if let Ok(accepted) = Targets::of(&targets) {
                for target in accepted.text.split(',') {
                    prop_assert!(!target.is_empty());
                    prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
                    prop_assert!(targets.iter().any(|given| given.contains(target)));
                }
                prop_assert_eq!(&Targets::of([&accepted.text]).unwrap(), &accepted);
            }
        }

        #[test]
        fn every_address_and_range_comes_out_as_it_went_in(
            four: [u8; 4], six: [u16; 8], short in 0..32_u8, long in 0..128_u8,
        ) {
            let (four, six) = (Ipv4Addr::from(four), Ipv6Addr::from(six));
            let given = [
                four.to_string(),
                six.to_string(),
                format!("{four}/{short}"),
                format!("{six}/{long}"),
            ];
            let targets = Targets::of(&given).unwrap();
            prop_assert_eq!(&targets.text, &given.join(","));
            prop_assert_eq!(targets.kind, Some(TargetType::Ip));
            let addresses = [IpAddr::from(four), IpAddr::from(six)];
            prop_assert_eq!(Targets::of(addresses).unwrap().text, given[..2].join(","));
        }
    }
}
