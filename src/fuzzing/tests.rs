//! The inputs that are kept beside the fuzz targets, each through its property.

use std::fs;
use std::path::Path;

use super::*;

/// Gives every kept input of a target to its property. They are read and not built in: the packaged
/// crate comes without its folder of tests.
fn replay(target: &str, property: fn(&[u8])) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    if !tests.exists() {
        println!("nothing to replay: this is the packaged crate");
        return;
    }
    let folder = tests.join("fuzz/corpus").join(target);
    let inputs = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut replayed = 0;
    for input in inputs {
        let path = input.unwrap().path();
        // Shown if the test fails: the last one is at fault.
        println!("{}", path.display());
        property(&fs::read(&path).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 10, "{folder:?} has {replayed} inputs");
}

#[test]
fn kept_pages_are_what_their_text_says_in_every_window() {
    replay("page", page);
}

#[test]
fn kept_error_bodies_make_short_and_plain_errors_without_the_secret() {
    replay("error_body", error_body);
}

#[test]
fn kept_texts_stay_in_their_literals() {
    replay("filter", filter);
}
