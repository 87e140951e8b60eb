use serde_json::json;

use super::*;
use crate::ask::Body;

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], json: Value) -> Answer {
    let headers = headers.iter();
    Answer {
        status,
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: Body::Json(json),
    }
}

#[test]
fn a_headers_value_is_shown_where_it_identifies_nothing() {
    for (name, value) in [
        (
            "content-type",
            "application/json; odata.metadata=minimal; charset=utf-8",
        ),
        ("retry-after", "17"),
        ("retry-after", "Sun, 22 Nov 2026 17:00:00 GMT"),
        ("vary", "Accept-Encoding, Origin"),
        ("vary", "*"),
        ("cache-control", "no-store, max-age=0, private"),
        ("transfer-encoding", "chunked"),
        ("content-length", "1234"),
        ("odata-version", "4.0"),
        ("x-ratelimit-remaining", "99"),
        ("ratelimit", "limit=100"),
        ("ratelimit", "100;w=60"),
    ] {
        let shown = header_value(name, value);
        assert_eq!(shown.is_some(), value != "limit=100", "{name}: {value}");
        assert!(shown.is_none_or(|shown| shown == value));
    }
    for (name, value) in [
        ("date", "Sun, 22 Nov 2026 17:00:00 GMT"),
        ("mise-correlation-id", "1"),
        ("set-cookie", "a=b"),
        ("location", "https://example.com/"),
        ("retry-after", "fd2e4d29-7072-4195-aaa5-1af139b78028"),
        ("x-ratelimit-key", "contoso"),
        ("content-type", "text/html; boundary=\u{e9}"),
        ("vary", "ada@contoso.com"),
        ("vary", "Accept-Encoding, X-Contoso-User"),
        ("cache-control", "private=\"x-contoso\""),
        ("cache-control", "private=x-contoso"),
        ("content-type", "application/vnd.contoso+json"),
        ("retry-after", "after lunch"),
        ("content-encoding", "contoso"),
    ] {
        assert_eq!(header_value(name, value), None, "{name}");
    }
}

#[test]
fn a_header_that_anybody_may_have_named_is_only_counted() {
    let shown = [
        "content-type",
        "date",
        "x-ratelimit-limit-minute",
        "x-rate-limit-reset",
        "retry-after-ms",
        "x-ms-request-id",
        "mise-correlation-id",
        "odata-version",
        "client-request-id",
    ];
    let others = [
        "x-planted-proxy01",
        "x-contoso",
        "x-ratelimit-of-dc01",
        "x-items-left",
        "x-jsmithretry",
    ];
    let all: Vec<_> = shown.iter().chain(&others).map(|it| (*it, "1")).collect();
    let mut told = headers(&answer(200, &all, Value::Null));
    assert_eq!(told.remove("*"), Some(Some("5".to_owned())));
    let mut expected = shown.to_vec();
    expected.sort_unstable();
    assert_eq!(told.into_keys().collect::<Vec<_>>(), expected);
    assert!(!headers(&answer(200, &all[..2], Value::Null)).contains_key("*"));
}

#[test]
fn an_error_code_is_shown_if_it_is_the_services() {
    let guid = "fd2e4d29-7072-4195-aaa5-1af139b78028";
    let of = |code: &str, target: &str, headers: &[(&str, &str)]| {
        let json = json!({ "error": { "code": code, "target": target } });
        error_code(&answer(403, headers, json)).unwrap()
    };
    for code in ERROR_CODES {
        assert_eq!(of(code, "", &[]), code);
    }
    assert_eq!(of("QuotaGone", guid, &[]), "QuotaGone");
    assert_eq!(of("QuotaGone", "|a.b", &[]), "QuotaGone");
    assert_eq!(
        of("QuotaGone", "", &[("mise-correlation-id", guid)]),
        "QuotaGone"
    );
    for (code, target, headers) in [
        ("ContosoGateway", "", &[][..]),
        ("ContosoGateway", "contoso", &[]),
        ("ContosoGateway", "", &[("x-request-id", guid)]),
        ("ContosoGateway", "", &[("request-id", "1")]),
        ("pc1.contoso.com", guid, &[]),
    ] {
        assert_eq!(of(code, target, headers), "not shown", "{code} {target}");
    }
    assert_eq!(error_code(&answer(403, &[], json!({ "error": "x" }))), None);
}

#[test]
fn of_an_envelope_only_the_services_keys_are_shown() {
    let of = |status, form, json| {
        let answer = answer(status, &[], json);
        envelope(&answer, form).join(" ")
    };
    let keys = json!({
        "@odata.count": 1, "contoso": 1, "contoso@odata.type": 1, "error": 1,
        "john.smith@contoso.com": 1, "value": [], "value@odata.type": 1,
    });
    assert_eq!(
        of(200, Form::List, keys.clone()),
        "@odata.count contoso * error * value value@odata.type"
    );
    assert_eq!(
        of(502, Form::None, keys),
        "@odata.count * * error * value value@odata.type"
    );
    assert_eq!(
        of(200, Form::None, json!({ "value": 1, "contoso": 1 })),
        "* value"
    );
}
