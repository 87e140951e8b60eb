//! What is made of all that the Azure CLI may print.

use super::*;
use crate::error::ErrorKind;

const SCOPE: &str = "https://api.securitycenter.microsoft.com/.default";
/// Of the form of Entra's: three parts, the first of which is `{"typ":...`.
const JWT: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJwbGFudGVkIn0.c2lnbmF0dXJl";

fn read(code: impl Into<Option<i32>>, stdout: &str, stderr: &str) -> Result<AccessToken, Error> {
    let output = Output::of(code.into(), stdout.as_bytes(), stderr.as_bytes());
    AzureCli::new().read(SCOPE, &output)
}

/// A refusal: its text and its hint.
fn refused(code: impl Into<Option<i32>>, stdout: &str, stderr: &str) -> (String, String) {
    let error = read(code, stdout, stderr).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Credential, "{error:?}");
    assert!(!error.is_retryable(), "{error:?}");
    let hint = error.hint().unwrap_or_default().to_owned();
    (error.to_string(), hint)
}

#[test]
fn the_token_and_its_expiry_are_read() {
    for (before, expires_on, behind) in [
        ("", "1900000000", ""),
        ("", "\"1900000000\"", "\n"),
        (
            "WARNING: {a} [b]\n\nnotice\r\n",
            "1900000000",
            "\nand {more}\n",
        ),
        (
            "{notice}\n  {\"level\": \"warning\"}\n{ \n",
            "1900000000",
            "",
        ),
    ] {
        let stdout = format!(
            "{before}{{\n  \"accessToken\": \"{JWT}\",\n  \"expiresOn\": \"2001-01-01 01:01:01.000000\",\n  \
             \"expires_on\": {expires_on},\n  \"tokenType\": \"Bearer\"\n}}{behind}"
        );
        let token = read(0, &stdout, "WARNING: there is something newer").unwrap();
        assert_eq!(token.secret.expose(), JWT);
        assert_eq!(token.expires_on.unwrap().unix_timestamp(), 1_900_000_000);
        assert_eq!(token.expires_in, None);
    }
}

#[test]
fn blank_lines_cost_no_more_than_others() {
    let blank = "\n".repeat(64 * 1024);
    assert!(refused(0, &blank, "").0.contains("printed nothing"));
}

#[test]
fn output_that_is_no_token_is_refused_without_showing_it() {
    for (stdout, words) in [
        ("", "printed nothing"),
        (" \r\n", "printed nothing"),
        ("PLANTED", "something else than the JSON of a token"),
        ("[\"PLANTED\"]", "something else"),
        ("{\"accessToken\":\"PLANTED", "something else"),
        ("{\"PLANTED\":1}", "something else"),
        ("{\"accessToken\":[\"PLANTED\"]}", "something else"),
        (
            "{\"accessToken\":\"\",\"expires_on\":1900000000}",
            "is empty",
        ),
        (
            "{\"accessToken\":\"PLANTED x\",\"expires_on\":1900000000}",
            "holds spaces",
        ),
        (
            "{\"accessToken\":\"PLANTED\",\"tokenType\":\"pop\"}",
            "not of type Bearer",
        ),
        (
            "{\"accessToken\":\"PLANTED\",\"expires_on\":\"PLANTED\"}",
            "makes no sense",
        ),
        (
            "{\"accessToken\":\"PLANTED\",\"expires_on\":-1}",
            "makes no sense",
        ),
        (
            "{\"accessToken\":\"PLANTED\",\"expires_on\":1e300}",
            "makes no sense",
        ),
        (
            "{\"accessToken\":\"PLANTED\",\"expiresOn\":\"2099-01-01 00:00:00\"}",
            "older than 2.54.0",
        ),
        (
            "{\"accessToken\":\"PLANTED\",\"expires_on\":null}",
            "older than 2.54.0",
        ),
    ] {
        let error = read(0, stdout, "").err().unwrap();
        assert!(error.to_string().contains(words), "{stdout}: {error}");
        assert!(
            !format!("{error:?} {error:#?}").contains("PLANTED"),
            "{stdout}"
        );
        refused(0, stdout, "");
    }
    assert!(
        refused(0, "{\"accessToken\":\"t\"}", "")
            .1
            .contains("az upgrade")
    );
    let (text, hint) = refused(0, "", "WARNING: odd");
    assert!(text.ends_with("printed nothing: WARNING: odd"), "{text}");
    assert!(hint.contains(SCOPE), "{hint}");
}

#[test]
fn failures_come_with_what_to_do_about_them() {
    const AGAIN: &str = "run `az login --scope https://api.securitycenter.microsoft.com/.default`";
    for (code, stderr, words, advice) in [
        (
            127,
            "python3: not found",
            "not installed, or not whole (exit code 127): python3",
            "install it",
        ),
        (
            9009,
            "",
            "not installed, or not whole (exit code 9009)",
            "install it",
        ),
        (
            1,
            "ERROR: Please run 'az login' to setup account.\n",
            "nobody is signed in",
            "run `az login`",
        ),
        (
            1,
            "WARNING: x\nERROR: AADSTS50076: Due to a change, use MFA.\r\nTrace ID: 1\r\nPlease explicitly log in with:\naz login",
            "no token (exit code 1): ERROR: AADSTS50076: Due to a change, use MFA. Trace ID: 1",
            AGAIN,
        ),
        (1, "ERROR: AADSTS50079: enroll", "AADSTS50079", AGAIN),
        (1, "ERROR: AADSTS50158: external", "AADSTS50158", AGAIN),
        (
            1,
            "ERROR: AADSTS700082: The refresh token has expired",
            "AADSTS700082",
            AGAIN,
        ),
        (
            1,
            "ERROR: AADSTS65001: no consent. run:\naz login --scope x",
            "AADSTS65001",
            "of your own",
        ),
        (
            1,
            "{\"error_description\":\"AADSTS65002: Consent between",
            "AADSTS65002",
            "of your own",
        ),
        (1, "AADSTS500011: no resource", "AADSTS500011", "audience"),
        (1, "AADSTS90002: no tenant", "AADSTS90002", "tenant"),
        (1, "AADSTS1: what?", "gave the Azure CLI no token", ""),
        (
            2,
            "ERROR: unrecognized arguments: --scope x",
            "too old (exit code 2)",
            "az upgrade",
        ),
        (
            1,
            "Traceback\n\tImportError",
            "failed (exit code 1): Traceback ImportError",
            "",
        ),
        (3, "", "the Azure CLI failed (exit code 3)", ""),
    ] {
        let (text, hint) = refused(code, "", stderr);
        assert!(text.contains(words), "{stderr}: {text}");
        assert!(hint.contains(advice), "{stderr}: {hint}");
        assert_eq!(hint.is_empty(), advice.is_empty(), "{stderr}: {hint}");
    }
    assert!(refused(None, "", "").0.ends_with("(ended by a signal)"));
    let cli = AzureCli::new().tenant("contoso.com");
    assert_eq!(cli.sign_in(None), "run `az login --tenant contoso.com`");
}

#[test]
fn what_to_do_does_not_hang_on_how_much_is_shown() {
    let long = format!("ERROR: {} run:\naz login", "word ".repeat(100));
    let (text, hint) = refused(1, "", &long);
    assert!(text.ends_with('…') && !text.contains("az login"), "{text}");
    assert_eq!(hint, "run `az login`");
}

#[test]
fn a_token_in_the_error_output_is_not_shown() {
    let json = format!("{{\"accessToken\":\"{JWT}\",\"expires_on\":1900000000}}");
    let odd = "a\"b/c%d\\e&f'g<h";
    let odd_json = serde_json::json!({ "accessToken": odd }).to_string();
    for (stdout, stderr) in [
        ("", format!("ERROR: got {JWT}")),
        ("", format!("DEBUG: {json}")),
        ("", format!("Authorization: Bearer {JWT}, and more")),
        ("", format!("{}{JWT}", "x ".repeat(140))),
        (
            "",
            format!("\"refresh_token\": \"{}\"", "1.AXeaNb-_7".repeat(20)),
        ),
        (json.as_str(), format!("ERROR: {JWT}")),
        (odd_json.as_str(), format!("ERROR: {odd} and {odd_json}")),
    ] {
        let (text, hint) = refused(1, stdout, &stderr);
        for part in [&JWT[..16], &JWT[40..56], "AXeaN", odd, &odd[..8]] {
            assert!(
                !text.contains(part) && !hint.contains(part),
                "{stderr}: {text}"
            );
        }
        assert!(text.contains("***"), "{stderr}: {text}");
    }
}

#[test]
fn error_output_is_one_short_plain_line() {
    let (text, _) = refused(
        1,
        "",
        &format!("\u{1b}[31mERROR:\u{202e}\ta\r\n{}", "b ".repeat(9_000)),
    );
    assert!(
        text.len() < 400 && !text.chars().any(char::is_control),
        "{text}"
    );
    let output = Output::of(Some(1), b"", b"ERROR: \xff\xfe");
    assert!(AzureCli::new().read(SCOPE, &output).is_err());
}
