//! Raw calls: what the service really answers, before anything reads it.

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::time::Duration;

use defender_endpoint::Client;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Request, Response};

/// A page of 10,000 machines is about 11 MB; what is longer is not read.
const MAX_BODY: u64 = 64 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(120);
/// How long a 429 is waited for at most, where it says nothing or more.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Asks by hand, with the client's tokens, but with none of its settings: through the proxy that the
/// environment names, with the certificates that ureq brings.
pub(crate) struct Asker<'a> {
    client: &'a Client,
    agent: Agent,
    tell: &'a dyn Fn(&str),
    wait: &'a dyn Fn(Duration),
    calls: Cell<usize>,
    throttled: RefCell<Option<Answer>>,
}

/// An answer of any status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    /// No JSON, or cut off: so many bytes of it.
    Other(usize),
    TooLong,
}

/// A call: what is asked, and what it is called in a report.
pub(crate) struct Call<'a> {
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
    /// Makes it a POST.
    pub(crate) body: Option<Value>,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(
        client: &'a Client,
        tell: &'a dyn Fn(&str),
        wait: &'a dyn Fn(Duration),
    ) -> Self {
        let config = Agent::config_builder()
            // A token goes nowhere else, and a redirect is an answer worth seeing.
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT));
        let url = client.cloud().api_url();
        let config = if url.starts_with("http://") {
            // Loopback alone, where a proxy would be wrong.
            config.proxy(None)
        } else {
            config
        };
        #[cfg(all(feature = "native-tls", not(feature = "rustls")))]
        let config = config.tls_config(
            ureq::tls::TlsConfig::builder()
                .provider(ureq::tls::TlsProvider::NativeTls)
                .build(),
        );
        Self {
            client,
            agent: config.build().new_agent(),
            tell,
            wait,
            calls: Cell::new(0),
            throttled: RefCell::new(None),
        }
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls.get()
    }

    /// The first 429.
    pub(crate) fn throttled(&self) -> Option<Answer> {
        self.throttled.borrow().clone()
    }

    /// Asks, and once more after a 429, when it has waited. What went wrong without an answer is told
    /// in a few words of this program's own.
    pub(crate) fn ask(&self, call: &Call<'_>) -> Result<Answer, &'static str> {
        let answer = self.ask_once(call)?;
        if answer.status != 429 {
            return Ok(answer);
        }
        let wait = answer.retry_after().unwrap_or(MAX_WAIT).min(MAX_WAIT);
        (self.tell)(&format!("the service asks to wait: {} s", wait.as_secs()));
        (self.wait)(wait);
        self.ask_once(call)
    }

    pub(crate) fn ask_once(&self, call: &Call<'_>) -> Result<Answer, &'static str> {
        self.calls.set(self.calls.get() + 1);
        let outcome = self.send(call);
        match &outcome {
            Ok(answer) => (self.tell)(&format!("{}: {}", call.name, answer.status)),
            Err(why) => (self.tell)(&format!("{}: {why}", call.name)),
        }
        if let Ok(answer) = &outcome {
            if answer.status == 429 {
                self.throttled
                    .borrow_mut()
                    .get_or_insert_with(|| answer.clone());
            }
        }
        outcome
    }

    fn send(&self, call: &Call<'_>) -> Result<Answer, &'static str> {
        let token = self.client.access_token().map_err(|_| "no token")?;
        let base = self.client.cloud().api_url().trim_end_matches('/');
        let method = if call.body.is_some() { "POST" } else { "GET" };
        let request = Request::builder()
            .method(method)
            .uri(format!("{base}{}", call.path))
            .header("Authorization", format!("Bearer {}", token.expose()))
            .header("Accept", "application/json")
            // What the crate offers, so that the answer is the one that it gets.
            .header("Accept-Encoding", "gzip");
        let sent = if let Some(body) = &call.body {
            let request = request.header("Content-Type", "application/json");
            let request = request.body(body.to_string());
            self.agent.run(request.map_err(|_| "no valid request")?)
        } else {
            let request = request.body(());
            self.agent.run(request.map_err(|_| "no valid request")?)
        };
        Ok(Answer::read(sent.map_err(|error| in_words(&error))?))
    }
}

impl Answer {
    fn read(response: Response<ureq::Body>) -> Self {
        let headers = response.headers().iter();
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| {
                let value = value.to_str().unwrap_or_default();
                (name.as_str().to_owned(), value.to_owned())
            })
            .collect();
        let mut answer = Self {
            status: response.status().as_u16(),
            headers,
            body: Body::Empty,
        };
        let raw = response.into_body().into_with_config().limit(MAX_BODY + 1);
        answer.body = body(raw.reader());
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(found, _)| found == name)?;
        Some(value)
    }

    pub(crate) fn json(&self) -> Option<&Value> {
        match &self.body {
            Body::Json(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

fn body(reader: impl Read) -> Body {
    let (bytes, whole) = read(reader);
    // Whatever the headers say: another crate of a build may have made ureq unpack it.
    let (bytes, whole) = if bytes.starts_with(b"\x1F\x8B") {
        let (unpacked, unpacked_whole) = read(MultiGzDecoder::new(bytes.as_slice()));
        (unpacked, whole && unpacked_whole)
    } else {
        (bytes, whole)
    };
    if u64::try_from(bytes.len()).is_ok_and(|read| read > MAX_BODY) {
        return Body::TooLong;
    }
    if bytes.is_empty() && whole {
        return Body::Empty;
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    match serde_json::from_slice(text) {
        Ok(value) if whole => Body::Json(value),
        _ => Body::Other(bytes.len()),
    }
}

/// What can be read, and whether that is all.
fn read(reader: impl Read) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let whole = reader.take(MAX_BODY + 1).read_to_end(&mut bytes).is_ok();
    (bytes, whole)
}

/// Only the kind: an error's own text may name hosts and addresses.
fn in_words(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "no answer in time",
        ureq::Error::HostNotFound => "the host has no address",
        ureq::Error::ConnectionFailed => "no connection",
        ureq::Error::Io(_) => "the connection broke off",
        _ => "the exchange failed",
    }
}
