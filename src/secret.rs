//! A string that does not show itself.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

/// A password, token, key or community string.
///
/// `Debug` prints `Secret(***)`, there is no `Display`, and it can't be serialised, so that a secret doesn't reach a
/// log or a file by accident. The memory is overwritten when the value is dropped, as far as that can be done: copies
/// that the caller, the allocator or the operating system made are not reached.
///
/// # Example
///
/// ```
/// use defender_endpoint::Secret;
///
/// let secret = Secret::from("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself. Pass it only to what needs it.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(defender_endpoint::Secret::from("hunter2").expose().len(), 7);
    /// ```
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}
