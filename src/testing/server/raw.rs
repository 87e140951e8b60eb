//! The smallest client: bytes out, an answer in. And what the tests ask of a tenant with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::testing::{Tenant, TenantBuilder};

#[derive(Debug)]
pub(in crate::testing) struct Answer {
    pub(in crate::testing) status: u16,
    pub(in crate::testing) head: String,
    pub(in crate::testing) body: Vec<u8>,
}

impl Answer {
    pub(in crate::testing) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(in crate::testing) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| {
            line.split_once(':')
                .is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        let line = self.head.lines().find(named)?;
        Some(line.split_once(':').unwrap().1.trim())
    }
}

/// Sends bytes on a connection and reads one answer; `None` if it ends before its promise.
pub(in crate::testing) fn exchange(
    connection: &mut BufReader<TcpStream>,
    bytes: &[u8],
) -> Option<Answer> {
    connection.get_mut().write_all(bytes).ok()?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if connection.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).ok()?;
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; length + 2];
            connection.read_exact(&mut chunk).ok()?;
            chunk.truncate(length);
            answer.body.extend(&chunk);
            if length == 0 {
                break;
            }
        }
    } else if status != 204 {
        let length = answer.header("content-length")?.parse().ok()?;
        answer.body = vec![0; length];
        connection.read_exact(&mut answer.body).ok()?;
    }
    Some(answer)
}

pub(in crate::testing) fn connect(url: &str) -> BufReader<TcpStream> {
    BufReader::new(TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap())
}

pub(in crate::testing) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

pub(in crate::testing) fn ask(tenant: &Tenant, head: &str, body: &str) -> Option<Answer> {
    let length = body.len();
    let request = format!("{head}\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    exchange(&mut connect(tenant.url()), request.as_bytes())
}

pub(in crate::testing) fn form(tenant: &Tenant) -> Vec<(&'static str, String)> {
    vec![
        ("client_id", tenant.client_id().to_owned()),
        ("client_secret", tenant.client_secret().to_owned()),
        ("grant_type", "client_credentials".to_owned()),
        (
            "scope",
            "https://api.securitycenter.microsoft.com/.default".to_owned(),
        ),
    ]
}

pub(in crate::testing) fn ask_token(tenant: &Tenant, form: &[(&str, String)]) -> Option<Answer> {
    let pairs: Vec<String> = form
        .iter()
        .map(|(k, v)| format!("{k}={}", encoded(v)))
        .collect();
    let head = format!(
        "POST /{}/oauth2/v2.0/token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded",
        tenant.tenant_id()
    );
    ask(tenant, &head, &pairs.join("&"))
}

pub(in crate::testing) fn token(tenant: &Tenant) -> String {
    let answer = ask_token(tenant, &form(tenant)).unwrap();
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

pub(in crate::testing) fn get(tenant: &Tenant, token: &str, target: &str) -> Option<Answer> {
    let head = format!("GET {target} HTTP/1.1\r\nAuthorization: Bearer {token}");
    ask(tenant, &head, "")
}

pub(in crate::testing) fn post(
    tenant: &Tenant,
    token: &str,
    target: &str,
    body: &str,
) -> Option<Answer> {
    send(tenant, token, &format!("POST {target}"), body)
}

/// Sends a method, a target and a body of JSON.
pub(in crate::testing) fn send(
    tenant: &Tenant,
    token: &str,
    line: &str,
    body: &str,
) -> Option<Answer> {
    let head = format!(
        "{line} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json; charset=utf-8"
    );
    ask(tenant, &head, body)
}

pub(in crate::testing) fn numbered(count: usize) -> TenantBuilder {
    Tenant::builder().machines((0..count).map(|n| json!({ "id": n.to_string() })))
}

pub(in crate::testing) fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let rows = json["value"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

pub(in crate::testing) fn code(answer: &Answer) -> (u16, String) {
    let json = answer.json();
    assert!(
        json["error"]["message"].is_string() && json["error"]["target"].is_string(),
        "{json}"
    );
    (
        answer.status,
        json["error"]["code"].as_str().unwrap().to_owned(),
    )
}
