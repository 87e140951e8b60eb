//! The ID token of a job of GitHub Actions, which vouches for an app registration.

use serde::Deserialize;

use crate::auth::TokenRequest;
use crate::auth::answer::{self, Endpoint};
use crate::auth::client_assertion::check_assertion;
use crate::body::Spares;
use crate::cloud::Origin;
use crate::environment::Environment;
use crate::error::Error;
use crate::http::{Method, Request};
use crate::secret::Secret;

/// Where a job asks for its ID token.
pub(crate) const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
/// What it asks with.
pub(crate) const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
/// Whom an error of it is about.
const GITHUB: Endpoint = Endpoint {
    name: "GitHub's ID token",
    place: URL,
};
const NOT_ACCEPTED: &str = "the job's token is not accepted: it is good only while its job runs";
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
        let missing = |name| Error::config(format!("{name} is missing")).with_hint(HINT);
        let url = environment.read(URL)?.ok_or_else(|| missing(URL))?;
        let token = environment.secret(TOKEN)?.ok_or_else(|| missing(TOKEN))?;
        let wrong = |why: &str| Error::config(format!("the URL {why}")).for_request(URL);
        let (origin, rest) = Origin::split(&url).map_err(wrong)?;
        if !origin.is_https() && !origin.is_loopback() {
            return Err(wrong("is http to a host that isn't loopback"));
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('#') {
            return Err(wrong("has a fragment, or characters that must be encoded"));
        }
        // The transport tells by the scheme in lower case what may go through a proxy.
        let url = format!("{origin}{rest}");
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
            let token = answer::good(answer, secret, now, &GITHUB, read);
            // Who refuses may repeat an ID token, of which nobody here knows.
            token.map_err(Error::without_tokens)
        });
        token.map_err(|error| {
            let error = error.for_request(GITHUB.name);
            match error.status() {
                Some(401 | 403) => error.with_hint(NOT_ACCEPTED),
                _ => error,
            }
        })
    }
}

fn read(body: &[u8], content_type: Option<&str>) -> Result<Secret, Error> {
    let answer: IdToken = answer::parse(body, content_type, "an ID token", &GITHUB)?;
    check_assertion(&answer.value)?;
    Ok(answer.value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::rig::Rig;
    use crate::cloud::Cloud;
    use crate::http::memory::{Received, Reply, Script, Step};
    use crate::rate_limit::Api;
    use crate::wait::Deadline;

    const KEY: &str = "hunter2-of-the-job";
    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";

    fn issuer(url: &str) -> Result<Issuer, Error> {
        Issuer::from_variables(&Environment(&|name| {
            Ok(match name {
                URL => Some(url.to_owned()),
                TOKEN => Some(format!(" {KEY}\n")),
                _ => None,
            })
        }))
    }

    /// What a job gets from this answer, in this time.
    fn asked(
        cloud: Cloud,
        deadline: Option<Duration>,
        answer: impl Into<Step>,
    ) -> (Result<Secret, Error>, Received) {
        let mut rig = Rig::new(Script::new([answer]));
        rig.set().cloud = cloud;
        let issuer = issuer("http://127.0.0.1:1/idtoken?a=b").unwrap();
        let deadline = Deadline::after(deadline, &rig.clock);
        let request = rig.shared.token_request(deadline, Api::Machines);
        let outcome = issuer.assertion(&request);
        if let Err(error) = &outcome {
            let said = format!("{error} {error:#} {error:?} {error:#?}");
            assert!(!said.contains("hunter2") && !said.contains("eyJ"), "{said}");
        }
        let received = rig.memory.requests().remove(0);
        (outcome, received)
    }

    fn good() -> Reply {
        Reply::json(format!(r#"{{"count":1,"value":"{JWT}"}}"#))
    }

    fn error_of(answer: impl Into<Step>) -> Error {
        asked(Cloud::default(), None, answer).0.unwrap_err()
    }

    #[test]
    fn the_audience_is_that_of_the_cloud() {
        for (cloud, audience) in [
            (Cloud::COMMERCIAL, "api%3A%2F%2FAzureADTokenExchange"),
            (Cloud::GCC, "api%3A%2F%2FAzureADTokenExchange"),
            (Cloud::GCC_HIGH, "api%3A%2F%2FAzureADTokenExchangeUSGov"),
        ] {
            let (token, received) = asked(cloud, None, good());
            assert_eq!(token.unwrap().expose(), JWT);
            assert_eq!(received.bearer(), Some(KEY));
            assert_eq!(received.option("audience"), Some(audience));
            assert_eq!(received.option("a"), Some("b"));
        }
    }

    #[test]
    fn the_deadline_of_the_call_counts() {
        let allowed = Duration::from_secs(7);
        let (_, received) = asked(Cloud::default(), Some(allowed), good());
        assert!(received.time <= allowed, "{received:?}");
    }

    /// Whoever it is that answers: neither what was sent is shown, nor what may be another job's.
    #[test]
    fn a_refusal_is_told_without_the_tokens_that_it_repeats() {
        for (status, body) in [
            (401, format!(r#"{{"message":"no {KEY}, but {JWT}"}}"#)),
            (
                400,
                format!(r#"{{"error":"{JWT}","error_description":"no {KEY}, but {JWT}"}}"#),
            ),
            (
                400,
                format!(r#"{{"error_description":"no {KEY}, but {JWT}","trace_id":"{JWT}"}}"#),
            ),
        ] {
            let error = error_of(Reply::new(status).body(body));
            assert_eq!(error.message(), Some("no ***, but ***"));
        }
    }

    #[test]
    fn who_was_asked_is_named_and_no_login_authority() {
        let too_late = "it is good only while its job runs";
        let look = "check ACTIONS_ID_TOKEN_REQUEST_URL and the proxy";
        for (answer, text, hint) in [
            (Reply::new(401), "refused: 401 Unauthorized", Some(too_late)),
            (Reply::new(403), "refused: 403 Forbidden", Some(too_late)),
            (Reply::new(404), "refused: 404 Not Found", None),
            (
                Reply::json("<html>"),
                "not the JSON of an ID token",
                Some(look),
            ),
            (
                Reply::new(302).header("location", "https://login.example/"),
                "refused: 302 Found",
                Some(look),
            ),
            (
                Reply::json(r#"{"value":"a.b"}"#),
                "the assertion is no JWT",
                None,
            ),
            (Reply::json("{}"), "not the JSON of an ID token", None),
        ] {
            let error = error_of(answer);
            let said = error.to_string();
            assert!(said.starts_with("GitHub's ID token: the "), "{said}");
            assert!(said.contains(text), "{said}");
            let told = error.hint().unwrap_or_default();
            assert!(told.contains(hint.unwrap_or_default()), "{told}");
            assert_eq!(error.hint().is_some(), hint.is_some(), "{told}");
        }
    }

    /// In its usual spelling, by which the transport tells what no proxy may see.
    #[test]
    fn the_url_is_kept_as_the_transport_knows_it() {
        for (url, kept) in [
            ("HTTP://LocalHost:80/a?B=c", "http://localhost/a?B=c"),
            ("hTTps://Example.com/A", "https://example.com/A"),
            ("HTTP://[::1]:1", "http://[::1]:1"),
        ] {
            assert_eq!(issuer(url).unwrap().url, kept);
        }
    }
}
