//! What a reader may rely on: where things are, and how much of them he has to hold in his head at once.

use crate::support::sources::Source;

/// Lines of code in a file, without comments and tests.
const LONGEST: usize = 350;
/// Names that say nothing of what is in a file.
const IDLE: [&str; 6] = ["util", "utils", "helpers", "common", "types", "misc"];

fn own_files() -> impl Iterator<Item = Source> {
    Source::all().into_iter().filter(|it| !it.is_for_tests())
}

/// The files whose code names this crate's items.
fn users_of(name: &str) -> Vec<String> {
    let uses = |source: &Source| source.own_lines().iter().any(|line| line.contains(name));
    let mut paths: Vec<_> = own_files().filter(uses).map(|it| it.path).collect();
    paths.sort();
    paths
}

#[test]
fn no_file_is_long_and_each_name_tells_what_is_in_it() {
    for source in own_files() {
        let lines = source.own_lines();
        let code = lines.iter().filter(|line| !line.trim().is_empty()).count();
        assert!(code <= LONGEST, "{}: {code} lines", source.path);
        let name = source.path.rsplit('/').next().unwrap();
        let name = name.strip_suffix(".rs").unwrap();
        assert!(!IDLE.contains(&name), "{}", source.path);
    }
}

/// What is replaced one day is replaced in one place.
#[test]
fn the_transport_and_the_limiter_are_named_in_one_place_each() {
    assert_eq!(users_of("governor::"), ["src/rate_limit/window.rs"]);
    let transport = users_of("ureq::");
    assert!(transport.contains(&"src/http.rs".to_owned()));
    for path in transport {
        let inside = path == "src/http.rs" || path.starts_with("src/http/");
        assert!(inside, "{path}");
    }
}

/// A macro is read by nobody's tools. One makes the open enums, which nothing else could.
#[test]
fn there_is_one_macro() {
    assert_eq!(users_of("macro_rules!"), ["src/wire/open_enum.rs"]);
}
