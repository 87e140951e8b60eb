//! The ID token of a job of GitHub Actions, which vouches for an app registration.

use serde::Deserialize;

use crate::auth::{TokenRequest, answer};
use crate::body::Spares;
use crate::cloud::Origin;
use crate::environment::Environment;
use crate::error::Error;
use crate::http::{Method, Request};
use crate::secret::Secret;

/// Where a job asks for its ID token.
pub(crate) const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
/// What it asks with.
const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
/// What stands before an error of it.
const NAME: &str = "GitHub's ID token";
const HINT: &str = "the job, or its workflow, needs `permissions: id-token: write`; a pull request from a \
                    fork gets no such token";

/// What a job knows of the issuer of its ID tokens.
pub(super) struct Issuer {
    url: String,
    token: Secret,
}

#[derive(Deserialize)]
struct IdToken {
    value: Secret,
}

impl Issuer {
    /// The one that the variables name, which GitHub sets for a job that may have an ID token.
    pub(super) fn from_variables(environment: &Environment<'_>) -> Result<Self, Error> {
        let read = |name: &'static str| {
            let value = environment.read(name)?;
            value.ok_or_else(|| Error::config(format!("{name} is missing")).with_hint(HINT))
        };
        let (url, token) = (read(URL)?, Secret::from(read(TOKEN)?));
        let wrong = |why: &str| Error::config(format!("the URL {why}")).for_request(URL);
        let (origin, _) = Origin::split(&url).map_err(wrong)?;
        if !origin.is_https() && !origin.is_loopback() {
            return Err(wrong("is http to a host that isn't loopback"));
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('#') {
            return Err(wrong("has a fragment, or characters that must be encoded"));
        }
        Ok(Self { url, token })
    }

    /// A new ID token, for Entra in the cloud of this request.
    pub(super) fn assertion(&self, request: &TokenRequest<'_>) -> Result<Secret, Error> {
        // Government clouds are told by their login authority (the page `credentials`).
        let audience = if request.authority().rsplit('.').next() == Some("us") {
            "api%3A%2F%2FAzureADTokenExchangeUSGov"
        } else {
            "api%3A%2F%2FAzureADTokenExchange"
        };
        let joint = if self.url.contains('?') { '&' } else { '?' };
        let answer = request.transport().send(&Request {
            method: Method::Get,
            url: &format!("{}{joint}audience={audience}", self.url),
            bearer: Some(&self.token),
            headers: &[],
            content_type: None,
            body: &[],
            time_left: request.time_left(),
            anew: true,
            writes: false,
            small: true,
            nearby: None,
            spares: &Spares::default(),
        });
        let token = answer.and_then(|answer| {
            let (secret, now) = (&self.token, request.now());
            answer::good(answer, secret, now, |body, content_type| {
                answer::parse::<IdToken>(body, content_type, "an ID token")
            })
        });
        match token {
            Ok(token) => Ok(token.value),
            Err(error) => {
                let refused = matches!(error.status(), Some(401 | 403));
                let error = error.for_request(NAME);
                Err(if refused {
                    error.with_hint(HINT)
                } else {
                    error
                })
            }
        }
    }
}
