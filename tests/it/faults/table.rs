//! The table at the head of the test binary: it is whole, and it says what is so.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Where the table stands.
const HEAD: &str = include_str!("../main.rs");
/// The groups of the catalogue, each with its module and its faults.
const GROUPS: [(&str, &str, RangeInclusive<u32>); 10] = [
    ("network", include_str!("network.rs"), 1..=14),
    ("http", include_str!("http.rs"), 15..=29),
    ("tls", include_str!("tls.rs"), 30..=33),
    ("tokens", include_str!("tokens.rs"), 34..=50),
    ("throttling", include_str!("throttling.rs"), 51..=59),
    ("paging", include_str!("paging.rs"), 60..=76),
    ("values", include_str!("values.rs"), 77..=88),
    ("inputs", include_str!("inputs.rs"), 89..=95),
    ("threads", include_str!("threads.rs"), 96..=97),
    ("secrets", include_str!("secrets.rs"), 98..=104),
];
/// Elsewhere: what is otherwise with calls that write, what the environment decides, what memory is
/// taken, what belongs to one credential, and unit tests of what no other test can reach.
const BESIDE: [(&str, &str); 11] = [
    ("writes", include_str!("writes.rs")),
    ("writing", include_str!("../writing.rs")),
    ("environment", include_str!("../../environment/main.rs")),
    ("allocations", include_str!("../../allocations.rs")),
    (
        "credentials::azure_cli",
        include_str!("../credentials/azure_cli.rs"),
    ),
    (
        "credentials::client_certificate",
        include_str!("../credentials/client_certificate.rs"),
    ),
    (
        "credentials::managed_identity",
        include_str!("../credentials/managed_identity.rs"),
    ),
    (
        "credentials::workload_identity",
        include_str!("../credentials/workload_identity.rs"),
    ),
    (
        "environment::azure_cli",
        include_str!("../../environment/azure_cli.rs"),
    ),
    (
        "environment::managed_identity",
        include_str!("../../environment/managed_identity.rs"),
    ),
    (
        "auth::managed_identity::arc",
        include_str!("../../../src/auth/managed_identity/arc.rs"),
    ),
];
/// Faults of one credential each, which are proved beside its other tests.
const OF_CREDENTIALS: RangeInclusive<u32> = 46..=50;

/// The faults, each with the tests that prove it: `module::name`, and ` (stand-in)` where it stands in.
type Proofs = BTreeMap<u32, Vec<String>>;

/// What the table says.
fn table() -> Proofs {
    let rows = HEAD.lines().filter_map(|line| line.strip_prefix("//! | F"));
    let mut proofs = Proofs::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [number, _, tests] = cells[..] else {
            panic!("a row of three cells: {row}");
        };
        let tests = tests.split("; ").map(|test| test.replace('`', ""));
        let twice = proofs.insert(number.parse().unwrap(), tests.collect());
        assert_eq!(twice, None, "F{number} has two rows");
    }
    proofs
}

/// What the tests say of themselves, in the first line of their doc comments.
fn claims() -> Proofs {
    let mut proofs = Proofs::new();
    let groups = GROUPS.iter().map(|(module, source, _)| (*module, *source));
    for (module, source) in groups.chain(BESIDE) {
        for (name, doc) in tests(source) {
            let Some((numbers, stand_in)) = numbers(doc) else {
                continue;
            };
            for number in numbers {
                let proof = format!("{module}::{name}{stand_in}");
                proofs.entry(number).or_default().push(proof);
            }
        }
    }
    proofs
}

/// The names of the tests in a source, each with the first line of its doc comment.
fn tests(source: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let (mut doc, mut is_test) = (None, false);
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            doc = doc.or(Some(text));
        } else if line.starts_with("///") {
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]";
        } else {
            let name = line.strip_prefix("fn ").and_then(|it| it.split('(').next());
            if let (true, Some(name)) = (is_test, name) {
                found.push((name, doc.unwrap_or_default()));
            }
            (doc, is_test) = (None, false);
        }
    }
    found
}

/// The faults that a doc comment begins with, as in `F7, F8 (stand-in): ...`, and whether the test
/// stands in for them.
fn numbers(doc: &str) -> Option<(Vec<u32>, &str)> {
    let (head, _) = doc.split_once(": ")?;
    let (numbers, stand_in) = match head.strip_suffix(" (stand-in)") {
        Some(numbers) => (numbers, " (stand-in)"),
        None => (head, ""),
    };
    let number = |word: &str| word.strip_prefix('F')?.parse().ok();
    let numbers: Option<Vec<u32>> = numbers.split(", ").map(number).collect();
    Some((numbers?, stand_in))
}

#[test]
fn every_fault_has_its_row_in_the_catalogues_order() {
    let rows = HEAD.lines().filter_map(|line| line.strip_prefix("//! | F"));
    let rows: Vec<u32> = rows
        .map(|row| row.split(' ').next().unwrap().parse().unwrap())
        .collect();
    let faults: Vec<u32> = (1..=104).collect();
    assert_eq!(rows, faults);
}

#[test]
fn every_row_names_the_tests_of_its_fault_and_no_others() {
    let (table, claims) = (table(), claims());
    for (number, tests) in &table {
        assert_eq!(Some(tests), claims.get(number), "F{number}");
    }
    assert!(claims.keys().all(|number| table.contains_key(number)));
}

/// A fault may show elsewhere too: a dead connection under TLS, many threads without a token.
#[test]
fn every_fault_is_proved_in_the_module_of_its_group() {
    let claims = claims();
    for (module, _, faults) in GROUPS {
        let here = format!("{module}::");
        for number in faults.filter(|number| !OF_CREDENTIALS.contains(number)) {
            let tests = &claims[&number];
            assert!(
                tests.iter().any(|it| it.starts_with(&here)),
                "F{number}: {tests:?}"
            );
        }
    }
}

#[test]
fn tests_and_numbers_are_found() {
    let source = "/// F7, F8 (stand-in): what happens.\n/// More.\n#[test]\nfn a_rule() {\n}\n\
                  /// F9: no test.\nfn helper() {}\n#[test]\nfn plain() {}\n";
    let found = tests(source);
    assert_eq!(
        found,
        [
            ("a_rule", "F7, F8 (stand-in): what happens."),
            ("plain", "")
        ]
    );
    assert_eq!(numbers(found[0].1), Some((vec![7, 8], " (stand-in)")));
    assert_eq!(numbers("Fast: not a fault."), None);
    assert_eq!(numbers(""), None);
}
