//! What the endpoint gives for a sign-in: what to tell the person, and how to ask for the token.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::auth::answer;
use crate::error::Error;
use crate::excerpt::{folded, without};
use crate::secret::Secret;

/// How long a code is good for where the answer doesn't say: Entra's own time.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(900);
/// Nobody is waited for longer than this, whatever the answer says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3_600);
/// The time between two requests where the answer doesn't say (RFC 8628, section 3.2).
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(5);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// What is longer than these, in characters, was not made for people.
const LONGEST_CODE: usize = 64;
const LONGEST_URI: usize = 2_048;
const LONGEST_MESSAGE: usize = 1_000;

/// What a person is asked to do, told to the callback of
/// [`DeviceCode::new`](crate::DeviceCode::new).
///
/// `Display` is one line that says it all: the message of the server, in the language that it
/// chose, or a sentence in English. `Debug` leaves the code out, so that it doesn't get into a log
/// by accident: whoever has it can ask the next person to sign in with it.
///
/// # Example
///
/// ```
/// use defender_endpoint::{DeviceCode, DeviceCodePrompt};
///
/// fn show(prompt: &DeviceCodePrompt) {
///     eprintln!("{}: {}", prompt.verification_uri, prompt.user_code);
///     eprintln!("within {} minutes", prompt.expires_in.as_secs() / 60);
/// }
///
/// let credential = DeviceCode::new("contoso.com", "11111111-2222-3333-4444-555555555555", show)?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceCodePrompt {
    /// The code to be entered there, such as `YZMYLD4K`.
    pub user_code: String,
    /// The page to be opened, such as `https://microsoft.com/devicelogin`: always on https.
    pub verification_uri: String,
    /// Both in a sentence of the server, if it sent one that names the code.
    pub message: Option<String>,
    /// How long the code is good for.
    pub expires_in: Duration,
}

impl fmt::Display for DeviceCodePrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => f.write_str(message),
            None => write!(
                f,
                "To sign in, open the page {} in a browser and enter the code {}",
                self.verification_uri, self.user_code
            ),
        }
    }
}

impl fmt::Debug for DeviceCodePrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = Secret::from(self.user_code.as_str());
        f.debug_struct("DeviceCodePrompt")
            .field("verification_uri", &without(&self.verification_uri, &code))
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct CodeAnswer {
    device_code: Secret,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    message: Option<String>,
    expires_in: Option<Value>,
    interval: Option<Value>,
}

/// What to tell the person, what to send for the token, and how often.
pub(super) fn read(
    body: &[u8],
    content_type: Option<&str>,
) -> Result<(DeviceCodePrompt, Secret, Duration), Error> {
    let answer: CodeAnswer = answer::parse(body, content_type, "a device code", &answer::TOKENS)?;
    let lacks = |what: &str| Error::credential(format!("the answer has no {what}"));
    if answer.device_code.expose().trim().is_empty() {
        return Err(lacks("device code"));
    }
    let user_code = readable(&answer.user_code, LONGEST_CODE);
    let user_code = user_code.ok_or_else(|| lacks("code that a person could enter"))?;
    let uri = answer.verification_uri;
    if !is_page(&uri) {
        return Err(lacks("https address of a page to sign in"));
    }
    let message = answer.message.and_then(|it| readable(&it, LONGEST_MESSAGE));
    let seconds = |value: Option<Value>| answer::seconds(&value?).map(Duration::from_secs);
    let expires_in = seconds(answer.expires_in).unwrap_or(UNKNOWN_LIFETIME);
    let expires_in = expires_in.min(LONGEST_LIFETIME);
    // The least time, so that one that is longer than the client would take is kept.
    let interval = seconds(answer.interval).unwrap_or(UNKNOWN_INTERVAL);
    let interval = interval.max(SHORTEST_INTERVAL);
    if expires_in < interval {
        // Nobody is asked for what could not succeed.
        let text = "the code would expire before it could be asked for (expires_in, interval)";
        return Err(Error::credential(text));
    }
    let prompt = DeviceCodePrompt {
        // One that doesn't name the code is of no use alone.
        // One that leads elsewhere is worse than none.
        message: message.filter(|it| it.contains(&user_code) && !it.contains("http://")),
        user_code,
        verification_uri: uri,
        expires_in,
    };
    Ok((prompt, answer.device_code, interval))
}

/// Whether this is the address of a page that a program may open, as some do without a look at it: on
/// https, and of no characters that an address can't have.
fn is_page(uri: &str) -> bool {
    const SCHEME: &str = "https://";
    let scheme = uri.get(..SCHEME.len());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
        && (SCHEME.len() + 1..=LONGEST_URI).contains(&uri.len())
        && uri.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Foreign text for a terminal: one line, without what would steer it. Nothing if it is none, or
/// longer than so many characters.
fn readable(text: &str, longest: usize) -> Option<String> {
    let line = folded(text);
    let fits = !line.is_empty() && line.chars().nth(longest).is_none();
    fits.then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// As documented.
    const ANSWER: &str = r#"{"user_code":"YZMYLD4K","device_code":"HAQABAAEAAAD--DLA3VO7","verification_uri":"https://www.microsoft.com/link","expires_in":900,"interval":5,"message":"To sign in, use a web browser to open the page https://www.microsoft.com/link and enter the code YZMYLD4K to authenticate."}"#;

    fn read(body: &str) -> Result<(DeviceCodePrompt, Secret, Duration), Error> {
        super::read(body.as_bytes(), None)
    }

    #[test]
    fn the_documented_answer_is_read() {
        let (prompt, device_code, interval) = read(ANSWER).unwrap();
        assert_eq!(prompt.user_code, "YZMYLD4K");
        assert_eq!(prompt.verification_uri, "https://www.microsoft.com/link");
        assert_eq!(prompt.expires_in, Duration::from_secs(900));
        assert_eq!(
            prompt.to_string(),
            "To sign in, use a web browser to open the page https://www.microsoft.com/link and \
             enter the code YZMYLD4K to authenticate."
        );
        assert_eq!(device_code.expose(), "HAQABAAEAAAD--DLA3VO7");
        assert_eq!(interval, Duration::from_secs(5));
    }

    #[test]
    fn times_that_are_missing_or_odd_are_replaced_or_bounded() {
        for (members, expires_in, interval) in [
            ("", 900, 5),
            (r#","expires_in":null,"interval":null"#, 900, 5),
            (r#","expires_in":"600","interval":"7""#, 600, 7),
            (r#","expires_in":"soon","interval":"often""#, 900, 5),
            (r#","expires_in":-1,"interval":-1"#, 900, 5),
            (r#","interval":0"#, 900, 1),
            (r#","interval":90"#, 900, 90),
            (r#","interval":900"#, 900, 900),
            (r#","expires_in":18446744073709551615"#, 3_600, 5),
            (r#","expires_in":5"#, 5, 5),
        ] {
            let body = format!(
                r#"{{"device_code":"d","user_code":"u","verification_uri":"https://v"{members}}}"#
            );
            let (prompt, _, found) = read(&body).unwrap();
            let expected = (
                Duration::from_secs(expires_in),
                Duration::from_secs(interval),
            );
            assert_eq!((prompt.expires_in, found), expected, "{members}");
        }
    }

    #[test]
    fn answers_that_nobody_could_act_on_are_refused_without_showing_them() {
        let long = "PLANTED".repeat(1_000);
        for body in [
            String::new(),
            "[]".to_owned(),
            "<html>PLANTED</html>".to_owned(),
            r#"{"device_code":"PLANTED"}"#.to_owned(),
            ANSWER.replace("HAQABAAEAAAD--DLA3VO7", " "),
            ANSWER.replace(r#""YZMYLD4K""#, r#"["PLANTED"]"#),
            ANSWER.replace(r#""YZMYLD4K""#, r#"" \u0007\n""#),
            ANSWER.replace(r#""YZMYLD4K""#, &format!(r#""{long}""#)),
            ANSWER.replace(r#""https://www.microsoft.com/link""#, r#""""#),
            ANSWER.replace(
                r#""https://www.microsoft.com/link""#,
                &format!(r#""{long}""#),
            ),
            ANSWER.replace("https://www", "http://PLANTED"),
            ANSWER.replace("https://www", "javascript:PLANTED"),
            ANSWER.replace("https://www", "file://PLANTED"),
            ANSWER.replace("https://www", "//PLANTED"),
            ANSWER.replace("https://www", " https://PLANTED"),
            ANSWER.replace("https://www", "https://PLANTED "),
            ANSWER.replace("https://www", "https://PLANTED\\u001b"),
            ANSWER.replace("https://www", "https://PLANTED\\n"),
            ANSWER.replace("https://www", "https://PLANTED\u{202e}"),
            ANSWER.replace(r#"":5"#, r#"":18446744073709551615"#),
            ANSWER.replace(r#"":5"#, r#"":3601"#).replace("900", "7200"),
            ANSWER.replace("900", "0"),
            ANSWER.replace("900", "4"),
        ] {
            let error = read(&body).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Credential, "{body}");
            let report = format!("{error} {error:?} {error:#?}");
            assert!(!report.contains("PLANTED"), "{report}");
        }
    }

    #[test]
    fn without_a_message_that_names_the_code_the_prompt_has_its_own() {
        let none = r#"{"device_code":"d","user_code":"YZMYLD4K","verification_uri":"https://v"}"#;
        let with = |message: &str| none.replace('}', &format!(r#","message":"{message}"}}"#));
        let long = format!("YZMYLD4K {}", "x".repeat(1_000));
        for body in [none.to_owned(), with(""), with("Sign in!"), with(&long)] {
            assert_eq!(
                read(&body).unwrap().0.to_string(),
                "To sign in, open the page https://v in a browser and enter the code YZMYLD4K"
            );
        }
        let older = none.replace("verification_uri", "verification_url");
        assert_eq!(read(&older).unwrap().0.verification_uri, "https://v");
    }

    #[test]
    fn a_prompt_can_not_steer_a_terminal_and_its_debug_has_no_code() {
        let body = r#"{"device_code":"d","user_code":"YZMY\u001bLD4K\n","message":"a\u001b[2J\r\nb \u202eYZMY LD4K","verification_uri":"https://v?c=YZMY%20LD4K"}"#;
        let (prompt, ..) = read(body).unwrap();
        assert_eq!(prompt.user_code, "YZMY LD4K");
        assert_eq!(prompt.to_string(), "a [2J b YZMY LD4K");
        assert_eq!(prompt.verification_uri, "https://v?c=YZMY%20LD4K");
        for report in [format!("{prompt:?}"), format!("{prompt:#?}")] {
            assert!(report.contains("https://v?c=***"), "{report}");
            assert!(!report.contains("LD4K"), "{report}");
        }
    }
}
