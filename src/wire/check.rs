//! What the tests of every model need.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The rows of a page in `tests/fixtures`.
pub(crate) fn rows<T: DeserializeOwned>(page: &str) -> Vec<T> {
    #[derive(Deserialize)]
    struct Page<T> {
        value: Vec<T>,
    }
    serde_json::from_str::<Page<T>>(page).unwrap().value
}

/// A date, read by another parser than the one under test.
pub(crate) fn utc(text: &str) -> Option<OffsetDateTime> {
    Some(OffsetDateTime::parse(text, &Rfc3339).unwrap())
}

pub(crate) fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Asserts that a value survives being written and read, as text and as a tree, and that
/// writing it again gives the same text.
pub(crate) fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    let from_text: T = serde_json::from_str(&text).unwrap();
    assert_eq!(&from_text, value);
    let tree = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(tree).unwrap(), value);
    assert_eq!(serde_json::to_string(&from_text).unwrap(), text);
}

/// What an error says was expected: all that may be shown of it.
pub(crate) fn expected<T: DeserializeOwned + Debug>(json: &str) -> String {
    let error = serde_json::from_str::<T>(json).expect_err(json).to_string();
    let (_, expected) = error.rsplit_once(", expected ").expect(&error);
    expected.split(" at line ").next().unwrap().to_owned()
}
