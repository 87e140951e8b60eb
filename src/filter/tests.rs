//! The filters' unit and property tests.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::sample::select;
use time::PrimitiveDateTime;
use time::format_description::well_known::Rfc3339;

use time::{OffsetDateTime, UtcOffset};

use super::*;
use crate::encode::{check_id, encode};
use crate::fuzzing::{decoded, literals};

const TEXT: TextField = TextField::new("name");
const DATE: DateField = DateField::new("seen");
const ENUM: EnumField<String> = EnumField::new("kind");
const NUMBER: NumberField = NumberField::new("number");
const GUID: GuidField = GuidField::new("guid");
const TAGS: TagsField = TagsField::new("tags");

fn n(number: i64) -> Filter {
    NUMBER.eq(number)
}

// --- operators and parentheses

#[test]
fn parentheses_stand_where_the_meaning_needs_them_and_nowhere_else() {
    for (filter, expected) in [
        (
            n(1) & n(2) & n(3),
            "number eq 1 and number eq 2 and number eq 3",
        ),
        (
            n(1) & (n(2) & n(3)),
            "number eq 1 and number eq 2 and number eq 3",
        ),
        (
            n(1) | (n(2) | n(3)),
            "number eq 1 or number eq 2 or number eq 3",
        ),
        (
            n(1) | n(2) & n(3),
            "number eq 1 or number eq 2 and number eq 3",
        ),
        (
            (n(1) | n(2)) & n(3),
            "(number eq 1 or number eq 2) and number eq 3",
        ),
        (
            n(1) & (n(2) | n(3)),
            "number eq 1 and (number eq 2 or number eq 3)",
        ),
        (
            NUMBER.is_in([1, 2]) & n(3),
            "(number eq 1 or number eq 2) and number eq 3",
        ),
        (NUMBER.is_in([1]) & n(3), "number eq 1 and number eq 3"),
        (
            !n(1) & !(n(2) & n(3)),
            "not (number eq 1) and not (number eq 2 and number eq 3)",
        ),
        (!!n(1), "not (not (number eq 1))"),
        (
            TAGS.any_in(["a", "b"]) & n(1),
            "tags/any(t: t eq 'a' or t eq 'b') and number eq 1",
        ),
    ] {
        assert_eq!(filter.checked(), Ok(expected));
        assert_eq!(filter.to_string(), expected);
    }
}

#[test]
fn a_raw_filter_is_sent_as_given_and_in_parentheses_beside_others() {
    for (filter, expected) in [
        (Filter::raw(" a  eq\u{a0}'+%27' "), " a  eq\u{a0}'+%27' "),
        (Filter::raw("a eq 1") | n(2), "(a eq 1) or number eq 2"),
        (
            n(2) & Filter::raw("a eq 1 or b eq 1"),
            "number eq 2 and (a eq 1 or b eq 1)",
        ),
        (!Filter::raw("a eq 1"), "not (a eq 1)"),
    ] {
        assert_eq!(filter.checked(), Ok(expected));
    }
}

#[derive(Clone, Debug)]
enum Tree {
    Leaf(usize),
    IsIn(Vec<usize>),
    Raw(usize, usize),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
}

/// Number k is true if bit k of `facts` is set.
const NUMBERS: usize = 4;

fn trees(with_raw: bool) -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0..NUMBERS).prop_map(Tree::Leaf),
        prop::collection::vec(0..NUMBERS, 1..4).prop_map(Tree::IsIn),
        (0..NUMBERS, 0..NUMBERS).prop_map(move |(a, b)| {
            if with_raw {
                Tree::Raw(a, b)
            } else {
                Tree::Leaf(a)
            }
        }),
    ];
    leaf.prop_recursive(6, 48, 2, |inner| {
        let pair = (
            inner.clone().prop_map(Box::new),
            inner.clone().prop_map(Box::new),
        );
        prop_oneof![
            pair.clone().prop_map(|(a, b)| Tree::And(a, b)),
            pair.prop_map(|(a, b)| Tree::Or(a, b)),
            inner.prop_map(|a| Tree::Not(Box::new(a))),
        ]
    })
}

impl Tree {
    fn filter(&self) -> Filter {
        let number = |k: &usize| i64::try_from(*k).unwrap();
        match self {
            Self::Leaf(k) => NUMBER.eq(number(k)),
            Self::IsIn(ks) => NUMBER.is_in(ks.iter().map(number)),
            Self::Raw(a, b) => Filter::raw(format!("number eq {a} or number eq {b}")),
            Self::And(a, b) => a.filter() & b.filter(),
            Self::Or(a, b) => a.filter() | b.filter(),
            Self::Not(a) => !a.filter(),
        }
    }

    fn holds(&self, facts: usize) -> bool {
        let fact = |k: &usize| facts >> k & 1 == 1;
        match self {
            Self::Leaf(k) => fact(k),
            Self::IsIn(ks) => ks.iter().any(fact),
            Self::Raw(a, b) => fact(a) || fact(b),
            Self::And(a, b) => a.holds(facts) && b.holds(facts),
            Self::Or(a, b) => a.holds(facts) || b.holds(facts),
            Self::Not(a) => !a.holds(facts),
        }
    }
}

/// What a reader with OData's precedence makes of an expression; `and` in `and`, `or` in `or`
/// are one.
#[derive(Debug, PartialEq)]
enum Read {
    Fact(usize),
    And(Vec<Read>),
    Or(Vec<Read>),
    Not(Box<Read>),
}

fn tokens(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// `None` if the tokens are no expression.
fn read(tokens: &[String]) -> Option<Read> {
    let mut rest = tokens;
    let read = read_or(&mut rest)?;
    rest.is_empty().then_some(read)
}

fn take(rest: &mut &[String], token: &str) -> bool {
    let found = rest.first().is_some_and(|first| first == token);
    if found {
        *rest = &rest[1..];
    }
    found
}

fn read_or(rest: &mut &[String]) -> Option<Read> {
    let mut parts = vec![];
    loop {
        match read_and(rest)? {
            Read::Or(inner) => parts.extend(inner),
            other => parts.push(other),
        }
        if !take(rest, "or") {
            return Some(if parts.len() == 1 {
                parts.remove(0)
            } else {
                Read::Or(parts)
            });
        }
    }
}

fn read_and(rest: &mut &[String]) -> Option<Read> {
    let mut parts = vec![];
    loop {
        match read_unary(rest)? {
            Read::And(inner) => parts.extend(inner),
            other => parts.push(other),
        }
        if !take(rest, "and") {
            return Some(if parts.len() == 1 {
                parts.remove(0)
            } else {
                Read::And(parts)
            });
        }
    }
}

fn read_unary(rest: &mut &[String]) -> Option<Read> {
    if take(rest, "not") {
        // Before a comparison it would negate the comparison's left side.
        return read_group(rest).map(|inner| Read::Not(Box::new(inner)));
    }
    if take(rest, "number") {
        if !take(rest, "eq") {
            return None;
        }
        let number = rest.first()?.parse().ok()?;
        *rest = &rest[1..];
        return Some(Read::Fact(number));
    }
    read_group(rest)
}

fn read_group(rest: &mut &[String]) -> Option<Read> {
    if !take(rest, "(") {
        return None;
    }
    let inner = read_or(rest)?;
    take(rest, ")").then_some(inner)
}

impl Read {
    fn holds(&self, facts: usize) -> bool {
        match self {
            Self::Fact(k) => facts >> k & 1 == 1,
            Self::And(parts) => parts.iter().all(|part| part.holds(facts)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(facts)),
            Self::Not(part) => !part.holds(facts),
        }
    }
}

proptest! {
    #[test]
    fn the_text_of_a_filter_means_what_its_operators_said(tree in trees(true)) {
        let filter = tree.filter();
        let read = read(&tokens(filter.checked().unwrap())).expect("an expression");
        for facts in 0..1 << NUMBERS {
            prop_assert_eq!(read.holds(facts), tree.holds(facts), "{}, {:b}", filter, facts);
        }
    }

    #[test]
    fn no_pair_of_parentheses_could_be_left_out(tree in trees(false)) {
        let all = tokens(tree.filter().checked().unwrap());
        let whole = read(&all).expect("an expression");
        for open in (0..all.len()).filter(|&at| all[at] == "(") {
            let mut depth = 0;
            let close = open + all[open..].iter().position(|token| {
                depth += i32::from(token == "(") - i32::from(token == ")");
                depth == 0
            }).expect("a closing one");
            let mut fewer = all.clone();
            fewer.remove(close);
            fewer.remove(open);
            prop_assert!(read(&fewer).as_ref() != Some(&whole), "{fewer:?}");
        }
    }
}

// --- invalid filters

#[test]
fn what_can_not_be_sent_says_why() {
    let none: [&str; 0] = [];
    for (filter, expected) in [
        (TEXT.is_in(none), "name: the list of values is empty"),
        (ENUM.is_in([]), "kind: the list of values is empty"),
        (NUMBER.is_in([]), "number: the list of values is empty"),
        (GUID.is_in(none), "guid: the list of values is empty"),
        (TAGS.any_in(none), "tags: the list of values is empty"),
        (
            GUID.is_in(["fd2e4d29-7072-4195-aaa5-1af139b78028", ""]),
            "guid: the value is no GUID",
        ),
        (Filter::raw(""), "the raw filter is empty or blank"),
        (
            Filter::raw(" \t\u{2003}"),
            "the raw filter is empty or blank",
        ),
        (
            Filter::raw("a eq 1\nor b eq 1"),
            "the raw filter contains a control character",
        ),
        (
            Filter::raw("a eq '\0'"),
            "the raw filter contains a control character",
        ),
        (
            Filter::raw("a eq '\u{85}'"),
            "the raw filter contains a control character",
        ),
    ] {
        assert_eq!(filter.checked(), Err(expected));
        assert_eq!(filter.to_string(), format!("<invalid filter: {expected}>"));
    }
}

#[test]
fn combining_keeps_the_first_reason() {
    let empty = || Filter::raw("");
    let list = || NUMBER.is_in([]);
    for filter in [
        empty() & n(1),
        n(1) | empty(),
        !empty(),
        empty() & list(),
        n(1) & !(empty() | n(2)) & list(),
    ] {
        assert_eq!(filter.checked(), Err("the raw filter is empty or blank"));
    }
    assert_eq!(
        (list() | empty()).checked(),
        Err("number: the list of values is empty")
    );
}

#[test]
fn only_a_guid_is_a_guid() {
    for guid in [
        "fd2e4d29-7072-4195-aaa5-1af139b78028",
        "00000000-0000-0000-0000-00000000000F",
    ] {
        let (eq, ne) = (format!("guid eq {guid}"), format!("guid ne {guid}"));
        assert_eq!(GUID.eq(guid).checked(), Ok(eq.as_str()));
        assert_eq!(GUID.ne(guid).checked(), Ok(ne.as_str()));
        let either = format!("{eq} or {eq}");
        assert_eq!(GUID.is_in([guid; 2]).checked(), Ok(either.as_str()));
    }
    for other in [
        "",
        "PC-1",
        "fd2e4d2970724195aaa51af139b78028",
        "{fd2e4d29-7072-4195-aaa5-1af139b78028}",
        " fd2e4d29-7072-4195-aaa5-1af139b78028",
        "fd2e4d29-7072-4195-aaa5-1af139b78028 or 1 eq 1",
        "fd2e4d2-97072-4195-aaa5-1af139b78028",
        "gd2e4d29-7072-4195-aaa5-1af139b78028",
        "fd2e4d29-7072-4195-aaa5-1af139b7802",
        "fd2e4d29-7072-4195-aaa5-1af139b78028-",
        "éd2e4d2-7072-4195-aaa5-1af139b78028",
    ] {
        assert_eq!(
            GUID.eq(other).checked(),
            Err("guid: the value is no GUID"),
            "{other}"
        );
    }
}

// --- literals

/// Strings as they come and strings out of what breaks escaping.
fn any_text() -> impl Strategy<Value = String> {
    let hostile = select(vec![
        "'",
        "''",
        "' or 1 eq 1 or '",
        "&$top=1",
        "+",
        "%27",
        "%",
        "%2527",
        "#",
        "?",
        "/",
        "\\",
        "\"",
        "(",
        ")",
        ",",
        ";",
        "=",
        " ",
        "\0",
        "\r\n",
        "\u{7f}",
        "é",
        "\u{2028}",
        "\u{1f600}",
        "a",
    ]);
    prop_oneof![
        prop::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter),
        prop::collection::vec(hostile, 0..8).prop_map(|parts| parts.concat()),
    ]
}

/// What the service gets to read.
fn received(filter: &Filter) -> String {
    decoded(&encode(filter.checked().unwrap()))
}

proptest! {
    #[test]
    fn no_text_can_leave_its_literal(a in any_text(), b in any_text()) {
        let (a, b) = (a.as_str(), b.as_str());
        for (filter, outside, values) in [
            (TEXT.eq(a), "name eq $", vec![a]),
            (TEXT.ne(a) & TEXT.eq(b), "name ne $ and name eq $", vec![a, b]),
            (TEXT.starts_with(a), "startswith(name,$)", vec![a]),
            (!TEXT.is_in([a, b]), "not (name eq $ or name eq $)", vec![a, b]),
            (ENUM.eq(a.into()) | ENUM.ne(b.into()), "kind eq $ or kind ne $", vec![a, b]),
            (ENUM.is_in([a.into(), b.into()]), "kind eq $ or kind eq $", vec![a, b]),
            (TAGS.any_eq(a), "tags/any(t: t eq $)", vec![a]),
            (TAGS.any_in([a, b]), "tags/any(t: t eq $ or t eq $)", vec![a, b]),
            (TAGS.any_starts_with(a), "tags/any(t: startswith(t,$))", vec![a]),
        ] {
            let values = values.into_iter().map(str::to_owned).collect();
            prop_assert_eq!(literals(&received(&filter)), (outside.to_owned(), values));
        }
    }

    #[test]
    fn a_raw_filter_arrives_as_it_was_given(text in any_text()) {
        let filter = Filter::raw(text.as_str());
        match filter.checked() {
            Ok(_) => prop_assert_eq!(received(&filter), text),
            Err(_) => prop_assert!(text.trim().is_empty() || text.contains(char::is_control)),
        }
    }

    #[test]
    fn a_number_is_plain(number in any::<i64>()) {
        prop_assert_eq!(received(&NUMBER.ne(number)), format!("number ne {number}"));
    }

    #[test]
    fn a_date_is_sent_in_utc_or_not_at_all(
        second in -377_705_116_800..=253_402_300_799_i64,
        nanosecond in prop_oneof![Just(0), Just(120_000_000), 0..1_000_000_000_i64],
        offset in -93_599..=93_599,
    ) {
        let instant = OffsetDateTime::from_unix_timestamp(second).unwrap();
        let instant = instant + time::Duration::nanoseconds(nanosecond);
        let offset = UtcOffset::from_whole_seconds(offset).unwrap();
        let filter = DATE.ge(instant.checked_to_offset(offset).unwrap_or(instant));
        if !(1..=9999).contains(&instant.year()) {
            let expected = "seen: the date is not in the years 1 to 9999 in UTC";
            prop_assert_eq!(filter.checked(), Err(expected));
            return Ok(());
        }
        let text = received(&filter);
        let literal = text.strip_prefix("seen ge ").unwrap();
        let sent = OffsetDateTime::parse(literal, &Rfc3339).unwrap();
        prop_assert_eq!(sent, instant - time::Duration::nanoseconds(nanosecond % 100));
        let seconds = literal.strip_suffix('Z').unwrap();
        let digits = seconds.split_once('.').map_or("", |(_, digits)| digits);
        prop_assert!(digits.len() <= 7 && !digits.ends_with('0'), "{}", literal);
    }
}

#[test]
fn dates_look_like_the_services_own() {
    let date = |text| OffsetDateTime::parse(text, &Rfc3339).unwrap();
    for (filter, expected) in [
        (
            DATE.lt(date("2018-08-02T14:55:03.7791856Z")),
            "seen lt 2018-08-02T14:55:03.7791856Z",
        ),
        (
            DATE.le(date("2019-11-22T00:00:00.20Z")),
            "seen le 2019-11-22T00:00:00.2Z",
        ),
        (
            DATE.gt(date("2020-01-01T01:30:00+02:00")),
            "seen gt 2019-12-31T23:30:00Z",
        ),
        (
            DATE.ge(date("9999-12-31T23:59:59.999999999Z")),
            "seen ge 9999-12-31T23:59:59.9999999Z",
        ),
        (
            DATE.ge(date("0001-01-01T00:00:00.00000009Z")),
            "seen ge 0001-01-01T00:00:00Z",
        ),
        (
            DATE.lt(SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_050)),
            "seen lt 1970-01-02T00:00:00.05Z",
        ),
    ] {
        assert_eq!(filter.checked(), Ok(expected));
    }
}

#[test]
fn a_date_that_utc_can_not_hold_is_an_invalid_filter_and_no_panic() {
    let hours = |hours| UtcOffset::from_hms(hours, 0, 0).unwrap();
    for date in [
        PrimitiveDateTime::MAX.assume_offset(hours(-12)),
        PrimitiveDateTime::MIN.assume_offset(hours(12)),
        PrimitiveDateTime::MIN.assume_utc(),
        // The last second of the year 0.
        OffsetDateTime::from_unix_timestamp(-62_135_596_801).unwrap(),
    ] {
        assert!(DATE.lt(date).checked().is_err(), "{date}");
    }
}

// --- escaping

#[test]
fn encoding_leaves_nothing_to_read_as_url() {
    assert_eq!(
        encode("a eq 'O''B+&%27'"),
        "a%20eq%20%27O%27%27B%2B%26%2527%27"
    );
    assert_eq!(encode("-._~"), "-._~");
    assert_eq!(encode("a/b?c#d\\e%f é"), "a%2Fb%3Fc%23d%5Ce%25f%20%C3%A9");
}

#[test]
fn an_id_that_is_no_path_segment_is_refused() {
    for id in ["", " ", "\t\n", "\u{3000}"] {
        assert_eq!(check_id(id), Err("the id is empty or blank"), "{id:?}");
    }
    for id in [".", "..", " . ", "..\n", "\u{a0}.."] {
        assert_eq!(check_id(id), Err("the id is a dot segment"), "{id:?}");
    }
    for id in ["a\0", "a\r\nb", "\na", "a\u{7f}", "a\u{9f}"] {
        assert_eq!(
            check_id(id),
            Err("the id contains a control character"),
            "{id:?}"
        );
    }
    for id in [
        "a",
        "...",
        ".a",
        "47d41a0c-188d_eb663a27",
        "a/../b",
        "%2e%2e",
        "a b",
        "é'#?",
    ] {
        assert_eq!(check_id(id), Ok(()), "{id:?}");
    }
}

proptest! {
    #[test]
    fn an_id_is_refused_or_is_one_segment_that_decodes_to_itself(
        id in prop_oneof![any_text(), "[./ \t%2e]{0,4}"],
    ) {
        let segment = encode(&id);
        match check_id(&id) {
            Ok(()) => prop_assert!(!["", ".", ".."].contains(&segment.as_str())),
            Err(_) => prop_assert!(
                ["", ".", ".."].contains(&id.trim()) || id.contains(char::is_control)
            ),
        }
        // Which also asserts that there is no slash in it.
        prop_assert_eq!(decoded(&segment), id);
    }
}

// --- traits

#[test]
fn a_filter_and_a_reference_to_it_are_the_same_filter_to_a_request() {
    let filter = n(1) | n(2);
    assert_eq!((&filter).into_filter(), filter);
    assert_eq!(filter.clone().into_filter(), filter);
}

#[test]
fn fields_are_copied_and_shared_whatever_their_values_are() {
    fn shared<T: Copy + fmt::Debug + Send + Sync + 'static>(_: T) {}
    struct NeitherCopyNorSync(std::rc::Rc<str>);
    impl AsRef<str> for NeitherCopyNorSync {
        fn as_ref(&self) -> &str {
            &self.0
        }
    }
    shared(EnumField::<NeitherCopyNorSync>::new("kind"));
    shared((TEXT, DATE, NUMBER, GUID, TAGS));
    assert_eq!(format!("{ENUM:?}"), r#"EnumField { name: "kind" }"#);
}
