//! Targets that are sent, and those that are refused.

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
