//! The tables of `src/sources.rs`: they are whole, and the tests and files that they name are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use defender_endpoint::permissions;
use serde_json::Value;

use crate::support::fixture;
use crate::support::sources::Source;

/// The page with the tables.
const PAGE: &str = include_str!("../../src/sources.rs");
/// The vendor's pages, each with its short name, and its samples without their defects.
const PAGES: [(&str, &str, &[&str]); 5] = [
    ("Get all scan agents", "agents", &["scan_agents.json"]),
    ("Get scan agent by ID", "agent", &["scan_agent_by_id.json"]),
    (
        "Get scan definitions",
        "definitions",
        &["scan_definitions.json"],
    ),
    ("List machines API", "machines", &["machines.json"]),
    (
        "Get scan history by definition",
        "history",
        &["scan_history.json", "scan_history_top1.json"],
    ),
];
/// The table of what several pages say.
const SEVERAL: &str = "On several pages";

/// The rows of the tables behind each heading, without the two rows that each table begins with.
fn tables(page: &str) -> BTreeMap<&str, Vec<Vec<&str>>> {
    let mut tables: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    let mut heading = "";
    let mut in_head = false;
    for line in page.lines() {
        let line = line.trim_start_matches("//!").trim();
        if let Some(title) = line.strip_prefix("## ").or(line.strip_prefix("# ")) {
            heading = title.trim_matches(['«', '»']);
        }
        let Some(row) = line.strip_prefix('|') else {
            in_head = true;
            continue;
        };
        if line.starts_with("| ---") {
            in_head = false;
        } else if !in_head {
            let row = row.strip_suffix('|').unwrap_or(row);
            let cells = row.split('|').map(str::trim).collect();
            tables.entry(heading).or_default().push(cells);
        }
    }
    tables
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of all tests in a source.
fn tests(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line == "#[test]" {
            is_test = true;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            let name = line.strip_prefix("fn ").and_then(|it| it.split('(').next());
            found.extend(name.filter(|_| is_test));
            is_test = false;
        }
    }
    found
}

/// The tests of the repository by their names, each with the folders and the file that it stands in.
fn all_tests() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut sources = Source::all();
    for folder in ["tests/it", "tests/environment"] {
        sources.extend(Source::within(folder));
    }
    for source in &sources {
        for test in tests(&source.text) {
            let path = source.path.trim_end_matches(".rs").to_owned();
            found.entry(test.to_owned()).or_default().push(path);
        }
    }
    found
}

/// What is wrong with a name of a test in backticks.
fn fault_of_test(name: &str, all: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let bare = name.strip_prefix('`').and_then(|it| it.strip_suffix('`'));
    let Some((module, test)) = bare.and_then(|it| it.rsplit_once("::")) else {
        return Some(format!("no `module::name`: {name}"));
    };
    let places = all.get(test).map(Vec::as_slice).unwrap_or_default();
    let here = places
        .iter()
        .filter(|it| it.split('/').any(|it| it == module));
    match here.count() {
        1 => None,
        0 => Some(format!("no such test: {name}")),
        _ => Some(format!("more than one such test: {name}")),
    }
}

/// Whether this is meant for a file of the repository.
fn is_file(text: &str) -> bool {
    ["src/", "tests/", "examples/", ".ci/"]
        .iter()
        .any(|folder| text.starts_with(folder))
}

/// Whether a cell leads to code: a link to an item, or a file.
fn leads_to_code(cell: &str) -> bool {
    cell.contains("](crate::") || quoted(cell).any(is_file)
}

/// What is wrong with the tables.
fn faults(page: &str, all: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    let tables = tables(page);
    let short: BTreeSet<&str> = PAGES.iter().map(|(_, short, _)| *short).collect();
    let mut titles = vec![SEVERAL];
    titles.extend(PAGES.map(|(title, ..)| title));
    for title in titles {
        let Some(rows) = tables.get(title) else {
            faults.push(format!("no table: {title}"));
            continue;
        };
        for row in rows {
            let (statement, code, tests) = match row.as_slice() {
                [statement, pages, code, tests] if title == SEVERAL => {
                    let unknown = pages.split(", ").filter(|it| !short.contains(it));
                    faults.extend(unknown.map(|it| format!("no such page: {it}, of {statement}")));
                    (statement, code, tests)
                }
                [statement, code, tests] if title != SEVERAL => (statement, code, tests),
                _ => {
                    faults.push(format!("another number of cells: {row:?}"));
                    continue;
                }
            };
            if statement.is_empty() || !leads_to_code(code) {
                faults.push(format!("no statement or no code: {row:?}"));
            }
            let tests = tests.split("; ");
            faults.extend(tests.filter_map(|name| fault_of_test(name, all)));
        }
    }
    for path in quoted(page).filter(|it| is_file(it)) {
        if !Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists() {
            faults.push(format!("no such file: {path}"));
        }
    }
    faults
}

/// The keys of all objects in this.
fn keys<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                found.insert(key);
                keys(value, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|it| keys(it, found)),
        _ => {}
    }
}

/// What is quoted in the statements of a table.
fn stated(page: &str, title: &str) -> BTreeSet<String> {
    let tables = tables(page);
    let rows = tables.get(title).map(Vec::as_slice).unwrap_or_default();
    let quoted = rows.iter().flat_map(|row| quoted(row[0]));
    quoted.map(str::to_owned).collect()
}

#[test]
fn every_row_has_code_and_tests_that_are_there() {
    let faults = faults(PAGE, &all_tests());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_key_of_the_samples_has_its_row() {
    for (title, _, samples) in PAGES {
        let stated = stated(PAGE, title);
        for sample in samples {
            let sample: Value = serde_json::from_str(&fixture(sample)).unwrap();
            let mut found = BTreeSet::new();
            keys(&sample, &mut found);
            for key in found {
                assert!(stated.contains(key), "{key} of «{title}»");
            }
        }
    }
}

#[test]
fn every_page_states_the_call_and_the_permissions_that_it_is_about() {
    for (title, ..) in PAGES {
        let mut stated_here = stated(PAGE, title);
        stated_here.extend(stated(PAGE, SEVERAL));
        let mut rows = permissions::all().iter().filter(|row| row.page() == title);
        let row = rows.next().unwrap();
        let call = format!("{} {}", row.method(), row.path());
        assert!(stated_here.contains(&call), "{call}");
        for permission in row.application().iter().chain(row.delegated()) {
            assert!(stated_here.contains(*permission), "{permission}, {title}");
        }
    }
}

/// A page of tables that is good, and each way to spoil it.
#[test]
fn what_is_wrong_with_a_table_is_found() {
    let here = vec!["tests/it/requests".to_owned()];
    let all = BTreeMap::from([
        ("a_rule".to_owned(), here.clone()),
        ("twice".to_owned(), [here.clone(), here].concat()),
    ]);
    let several = format!(
        "//! ## {SEVERAL}\n//!\n//! | a | b | c | d |\n//! | --- | --- | --- | --- |\n\
         //! | A. | agents, history | [`x`](crate::x) | `requests::a_rule` |\n"
    );
    let tables = PAGES.map(|(title, ..)| {
        format!(
            "//!\n//! ## «{title}»\n//! | a | b | c |\n//! | --- | --- | --- |\n\
             //! | {title}. | [`x`](crate::x), `tests/it` | `requests::a_rule` |\n"
        )
    });
    let page = several + &tables.concat();
    assert_eq!(faults(&page, &all), [""; 0]);
    for (good, bad, fault) in [
        ("## «List machines API»", "## «List»", "no table"),
        ("agents, history", "agents, alerts", "no such page: alerts"),
        ("| List machines API. |", "| |", "no statement or no code"),
        (
            "`x`](crate::x), `tests/it`",
            "x`",
            "no statement or no code",
        ),
        ("`requests::a_rule` |", "|", "no `module::name`"),
        ("`requests::a_rule`", "`a_rule`", "no `module::name`"),
        ("`requests::a_rule`", "doc: x", "no `module::name`"),
        ("requests::a_rule", "requests::another", "no such test"),
        ("requests::a_rule", "paging::a_rule", "no such test"),
        ("requests::a_rule", "requests::twice", "more than one"),
        ("`requests::a_rule` |", "`requests::a_rule` | |", "cells"),
        ("tests/it`", "tests/other`", "no such file: tests/other"),
    ] {
        let found = faults(&page.replacen(good, bad, 1), &all);
        let [found] = found.as_slice() else {
            panic!("{bad}: {found:?}");
        };
        assert!(found.contains(fault), "{found}");
    }
}

#[test]
fn tests_are_found_under_attributes_and_comments_and_in_macros() {
    let source = "#[test]\n#[ignore]\n/// Why.\nfn a() {\n}\nfn helper() {}\nproptest! {\n    \
                  #[test]\n    fn b(\n        x in 0..1,\n    ) {}\n}\n#[test]\nconst C: u8 = 0;\n\
                  fn no_test() {}\n";
    assert_eq!(tests(source), ["a", "b"]);
}
