//! What may be shown of an answer around its rows: headers, the keys beside them, an error's code. Whatever
//! stands between may have written some of it, and named it after somebody.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ask::Answer;
use crate::operations::Form;
use crate::shape;

/// The keys beside the rows.
pub(crate) fn envelope(answer: &Answer, form: Form) -> Vec<String> {
    let Some(object) = answer.json().and_then(Value::as_object) else {
        return Vec::new();
    };
    let is_rows = matches!(form, Form::List | Form::InValue);
    let is_name = |key: &str| key.len() <= 40 && key.chars().all(|c| c.is_ascii_alphabetic());
    // What stands beside no rows may be a gateway's, and its keys anybody's.
    let is_shown = |key: &str| {
        matches!(key, "value" | "error")
            || is_rows && is_name(key)
            || shape::is_annotation(key, |annotated| annotated == "value")
    };
    let keys = object.keys();
    let keys = keys.filter(|key| form != Form::Bare || key.as_str() == "@odata.context");
    keys.map(|key| if is_shown(key) { key } else { "*" }.to_owned())
        .collect()
}

/// Those of an error that the service documents, and the one that it sends.
const ERROR_CODES: [&str; 21] = [
    "BadRequest",
    "ODataError",
    "InvalidInput",
    "InvalidRequestBody",
    "InvalidHashValue",
    "InvalidDomainName",
    "InvalidIpAddress",
    "InvalidUrl",
    "MaximumBatchSizeExceeded",
    "MissingRequiredParameter",
    "OsPlatformNotSupported",
    "ClientVersionNotSupported",
    "Unauthorized",
    "Forbidden",
    "DisabledFeature",
    "DisallowedOperation",
    "NotFound",
    "ResourceNotFound",
    "TooManyRequests",
    "429",
    "InternalServerError",
];

/// An error's code if it may be shown. Another than those only where the answer has the service's own
/// request id, since a gateway's may be its name.
pub(crate) fn error_code(answer: &Answer) -> Option<String> {
    let error = answer.json()?.get("error")?;
    let code = error.get("code")?.as_str()?;
    let target = error.get("target").and_then(Value::as_str);
    let is_id = |text: &str| shape::shape(text) == "GUID";
    let has_id = target.is_some_and(|target| is_id(target) || target.starts_with('|'))
        || REQUEST_IDS
            .iter()
            .any(|name| answer.header(name).is_some_and(is_id));
    let is_shown = ERROR_CODES.contains(&code) || has_id && shape::may_be_shown(code, 1);
    Some(if is_shown { code } else { "not shown" }.to_owned())
}

/// Those of Microsoft's services; `x-request-id` is any gateway's.
const REQUEST_IDS: [&str; 3] = ["mise-correlation-id", "x-ms-request-id", "request-id"];

/// The headers of almost any answer, whose names say nothing.
const USUAL: [&str; 45] = [
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "age",
    "allow",
    "alt-svc",
    "api-supported-versions",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "permissions-policy",
    "pragma",
    "proxy-authenticate",
    "referrer-policy",
    "request-context",
    "retry-after",
    "server",
    "server-timing",
    "set-cookie",
    "strict-transport-security",
    "traceparent",
    "transfer-encoding",
    "vary",
    "via",
    "www-authenticate",
    "x-aspnet-version",
    "x-content-type-options",
    "x-frame-options",
    "x-powered-by",
    "x-xss-protection",
];

/// What a report is made for: whatever tells of a limit or identifies a request.
const TELLING: [&str; 7] = [
    "ratelimit",
    "rate-limit",
    "retry",
    "request-id",
    "correlation",
    "ms-",
    "odata",
];

/// Whether a header's name may be shown: a usual one, or a telling one of words without digits. Whoever
/// stands between may name others after himself.
fn is_shown(name: &str) -> bool {
    let begins_a_word = |(at, _): (usize, &str)| {
        let before = name.get(..at);
        before.is_some_and(|before| before.is_empty() || before.ends_with('-'))
    };
    let is_telling = TELLING
        .iter()
        .any(|telling| name.match_indices(telling).any(begins_a_word));
    let plain = |c: char| c.is_ascii_lowercase() || c == '-';
    USUAL.contains(&name) || is_telling && name.len() <= 40 && name.chars().all(plain)
}

/// The headers that may be shown, and under `*` how many others there are.
pub(crate) fn headers(answer: &Answer) -> BTreeMap<String, Option<String>> {
    let (shown, others): (Vec<_>, Vec<_>) =
        answer.headers.iter().partition(|(name, _)| is_shown(name));
    let shown = shown.into_iter();
    let mut headers: BTreeMap<String, Option<String>> = shown
        .map(|(name, value)| (name.clone(), header_value(name, value)))
        .collect();
    if !others.is_empty() {
        headers.insert("*".to_owned(), Some(others.len().to_string()));
    }
    headers
}

/// The words that a header may have whose value says something about the service and nothing about the
/// tenant. Numbers are in any of them.
fn words(name: &str) -> Option<&'static str> {
    Some(match name {
        "content-type" => {
            "application charset false full html json metadata minimal none odata plain problem \
             streaming text true utf xml"
        }
        "content-encoding" | "transfer-encoding" => "br chunked deflate gzip identity zstd",
        "vary" => {
            "accept accept-charset accept-encoding accept-language authorization cookie \
             odata-maxversion odata-version origin prefer user-agent"
        }
        "cache-control" => {
            "immutable max-age must-revalidate must-understand no-cache no-store no-transform \
             private proxy-revalidate public s-maxage stale-if-error stale-while-revalidate"
        }
        "retry-after" => {
            "mon tue wed thu fri sat sun jan feb mar apr may jun jul aug sep oct nov dec gmt"
        }
        "content-length" | "odata-version" => "",
        _ => return None,
    })
}

/// The value of a header if it may be shown: of a few names alone, known words, and nothing that may be an
/// id. Of limits only numbers, since a policy may have the name of what it counts.
fn header_value(name: &str, value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " /;=,.*+-_:".contains(c);
    let of_limits = name.starts_with("ratelimit") || name.starts_with("x-ratelimit");
    let mut hex = value.split(|c: char| !c.is_ascii_hexdigit());
    let has_id = hex.any(|run| run.len() >= 8);
    let lower = value.to_lowercase();
    let of_words = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut found = lower.split(|c| !of_words(c)).filter_map(|word| {
        let word = word.trim_matches(|c: char| c == '-' || c.is_ascii_digit());
        (!word.is_empty()).then_some(word)
    });
    let is_known = match words(name) {
        Some(words) => found.all(|word| words.split(' ').any(|known| known == word)),
        None => of_limits && found.all(|word| word.len() <= 1),
    };
    let shown = is_known && value.len() <= 100 && value.chars().all(plain) && !has_id;
    shown.then(|| value.to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
