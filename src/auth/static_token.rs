//! A token that somebody else got.

use crate::auth::{AccessToken, Credential, TokenRequest, check_token};
use crate::error::Error;
use crate::secret::Secret;

/// A ready-made access token, for a script that was handed one.
///
/// It can't be renewed: when it has expired the service answers 401. A program that runs for longer
/// than an hour wants [`ClientSecret`](crate::ClientSecret) or a [`Credential`] of its own.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Client, StaticToken};
///
/// let client = Client::builder(StaticToken::new("eyJ0eXAi...")?).build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StaticToken(Secret);

impl StaticToken {
    /// The token alone, without `Bearer` before it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credential`](crate::ErrorKind::Credential) when the token is empty, longer than
    /// 32 KiB, or holds spaces, line breaks or non-ASCII characters.
    pub fn new(token: impl Into<Secret>) -> Result<Self, Error> {
        let token = token.into();
        check_token(&token)?;
        Ok(Self(token))
    }
}

impl Credential for StaticToken {
    fn token(&self, _request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        Ok(AccessToken::new(self.0.clone()))
    }

    fn name(&self) -> &'static str {
        "ready-made token"
    }
}
