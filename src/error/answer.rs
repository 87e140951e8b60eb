//! The errors that answers are: what a service, a gateway or a token endpoint says of a failure.

use serde::Deserialize;
use serde_json::Value;

use super::{Error, ErrorKind, Retry};
use crate::excerpt::excerpt;
use crate::secret::Secret;

impl Error {
    /// An answer that is no success, read leniently: the body may be the service's error JSON,
    /// a gateway's page or nothing. Should it repeat a secret that it was sent, that is taken out.
    pub(crate) fn from_status(status: u16, body: &[u8], secrets: &[&Secret]) -> Self {
        let kind = match status {
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            429 => ErrorKind::Throttled,
            500..=599 => ErrorKind::Server,
            300..=399 => ErrorKind::Redirect,
            _ => ErrorKind::Status,
        };
        let mut error = Self::new(kind, status_line(status)).with_retry(retry_of(status));
        error.0.status = Some(status);
        if (200..300).contains(&status) {
            // A success of another kind: its body is data, which is no error's message.
            error.0.text.push_str(", where only a 200 is an answer");
            return error;
        }
        match ServiceError::read(body, secrets) {
            Some(said) => {
                error.0.from_service = said.is_complete;
                error.0.code = said.code;
                error.0.message = said.message;
                error.0.request_id = said.target;
            }
            None if body.iter().all(u8::is_ascii_whitespace) => error.0.from_service = true,
            None => error.0.message = excerpt(&String::from_utf8_lossy(body), secrets),
        }
        error
    }

    /// A token endpoint's refusal. Only the members that the protocols define are read: the rest
    /// of such an answer stays out of every text.
    pub(crate) fn from_token_status(status: u16, body: &[u8], secret: &Secret) -> Self {
        let mut error = Self::credential(format!(
            "the token request was refused: {}",
            status_line(status)
        ))
        .with_retry(retry_of(status));
        error.0.status = Some(status);
        if let Ok(said) = serde_json::from_slice::<TokenError>(body) {
            let shown = |member: Value| member.as_str().and_then(|text| excerpt(text, &[secret]));
            error.0.code = said.error.and_then(shown);
            error.0.message =
                (said.error_description.and_then(shown)).or(said.message.and_then(shown));
            let (correlation, trace) = (said.correlation_id, said.trace_id);
            error.0.request_id = correlation.and_then(shown).or(trace.and_then(shown));
        }
        error
    }

    /// The id from a header, unless the body named one.
    pub(crate) fn or_request_id(mut self, id: Option<&str>, secrets: &[&Secret]) -> Self {
        let id = id.and_then(|id| excerpt(id, secrets));
        self.0.request_id = self.0.request_id.or(id);
        self
    }
}

/// The service's error body, `{"error": {"code", "message", "target"}}`, in any state of repair.
struct ServiceError {
    code: Option<String>,
    message: Option<String>,
    target: Option<String>,
    /// An object with a code, as the service sends it: `error` alone is what many servers send.
    is_complete: bool,
}

impl ServiceError {
    fn read(body: &[u8], secrets: &[&Secret]) -> Option<Self> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let mut envelope: Value = serde_json::from_slice(body).ok()?;
        let error = envelope.get_mut("error")?;
        let mut take = |key: &str| match error.get_mut(key).map(Value::take) {
            Some(Value::String(text)) => excerpt(&text, secrets),
            // As long as it likes, where another crate of the build keeps all digits.
            Some(Value::Number(number)) => excerpt(&number.to_string(), secrets),
            _ => None,
        };
        let (code, message, target) = (take("code"), take("message"), take("target"));
        let bare = error.as_str().and_then(|text| excerpt(text, secrets));
        Some(Self {
            is_complete: code.is_some(),
            code,
            message: message.or(bare),
            target,
        })
    }
}

/// The members of a token endpoint's error answer that may be shown (RFC 6749, section 5.2, and
/// Entra's additions), and what App Service says instead.
#[derive(Deserialize)]
struct TokenError {
    error: Option<Value>,
    error_description: Option<Value>,
    message: Option<Value>,
    correlation_id: Option<Value>,
    trace_id: Option<Value>,
}

/// What may pass, by the status.
fn retry_of(status: u16) -> Retry {
    match status {
        // As empty as a 200 without a body, which may be an accident.
        204 => Retry::Once,
        408 | 429 | 500 | 502 | 503 | 504 => Retry::BackOff,
        _ => Retry::Never,
    }
}

/// A status with its reason phrase, which HTTP/2 and many gateways don't send.
pub(super) fn status_line(status: u16) -> String {
    let reason = match status {
        204 => " No Content",
        301 => " Moved Permanently",
        302 => " Found",
        303 => " See Other",
        307 => " Temporary Redirect",
        308 => " Permanent Redirect",
        400 => " Bad Request",
        401 => " Unauthorized",
        403 => " Forbidden",
        404 => " Not Found",
        405 => " Method Not Allowed",
        408 => " Request Timeout",
        409 => " Conflict",
        413 => " Content Too Large",
        415 => " Unsupported Media Type",
        429 => " Too Many Requests",
        500 => " Internal Server Error",
        502 => " Bad Gateway",
        503 => " Service Unavailable",
        504 => " Gateway Timeout",
        _ => "",
    };
    format!("{status}{reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESCAPED: &str = r#"{"error":{"code":"c","message":"it was {}","target":"t"}}"#;

    fn error(body: &str, secret: &str) -> Error {
        Error::from_status(500, body.as_bytes(), &[&Secret::from(secret)])
    }

    #[test]
    fn a_secret_of_digits_is_taken_out_of_numbers_too() {
        let body = r#"{"error":{"code":20481632,"message":120481632,"target":429}}"#;
        let error = error(body, "20481632");
        assert_eq!(error.code(), Some("***"));
        assert_eq!(error.message(), Some("1***"));
        assert_eq!(error.request_id(), Some("429"));
    }

    #[test]
    fn a_secret_with_spaces_is_taken_out_whatever_spaces_it_comes_back_with() {
        let secret = "correct  horse\u{a0}battery";
        for repeated in [
            secret,
            "correct horse battery",
            r"correct\thorse\n battery",
            "correct\u{200b} horse\u{2003}battery",
            "correct%20%20horse%C2%A0battery",
        ] {
            let error = error(&ESCAPED.replace("{}", repeated), secret);
            assert_eq!(error.message(), Some("it was ***"), "{repeated:?}");
        }
    }

    #[test]
    fn a_message_is_cut_behind_300_characters_and_only_then() {
        for (length, cut) in [(299, false), (300, false), (301, true)] {
            for text in ["ä".repeat(length), "x y".repeat(length)] {
                let text: String = text.chars().take(length - 1).chain(['z']).collect();
                let shown: String = text.chars().take(300).collect();
                let shown = if cut { shown + "…" } else { shown };
                let body = ESCAPED.replace("it was {}", &text);
                assert_eq!(error(&body, "a-token").message(), Some(&*shown));
            }
        }
    }
}
