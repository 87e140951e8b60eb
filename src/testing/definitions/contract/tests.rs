//! What bodies are refused for, over sockets.

use serde_json::{Value, json};

use super::*;
use crate::testing::definitions::tests::{
    PATH, builder, linux, listed, message, new_definition, one, snmp, with,
};
use crate::testing::server::raw::{code, post, send, token};
use crate::testing::{Tenant, remembered};

/// The code and the message with which adding is refused.
fn refused(tenant: &Tenant, token: &str, body: &Value) -> (String, String) {
    let answer = post(tenant, token, PATH, &body.to_string()).unwrap();
    let (status, code) = code(&answer);
    let message = message(&answer);
    assert_eq!(status, 400, "{body}");
    assert!(
        !answer.body.windows(6).any(|part| part == b"canary"),
        "{message}"
    );
    (code, message)
}

#[test]
fn the_first_parameter_that_is_missing_is_named() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let mut body = new_definition();
    let order = [
        "scanAuthenticationParams",
        "scannerAgent",
        "targetType",
        "intervalInHours",
        "target",
        "isActive",
        "scanName",
        "scanType",
    ];
    for name in order {
        body = with(body, &format!("/{name}"), None);
        let (code, message) = refused(&tenant, &token, &body);
        let name = name.replace("scannerAgent", "scannerAgent.machineId");
        assert_eq!(code, "MissingRequiredParameter");
        assert_eq!(
            message,
            format!("The required parameter '{name}' is missing.")
        );
    }
    for name in ["scannerAgent/machineId", "scanAuthenticationParams/type"] {
        let body = with(new_definition(), &format!("/{name}"), None);
        let (code, message) = refused(&tenant, &token, &body);
        assert_eq!(code, "MissingRequiredParameter");
        assert!(message.contains(&name.replace('/', ".")), "{message}");
    }
    assert_eq!(one(&tenant, &token, "a")["scanName"], "A");
    assert_eq!(listed(&tenant), 3, "nothing was added");
}

/// Adding and changing are refused alike, with code and message.
fn assert_malformed(rows: &[(&str, Value, &str)]) {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    for (pointer, value, said) in rows {
        let body = with(new_definition(), pointer, Some(value.clone()));
        let (code, message) = refused(&tenant, &token, &body);
        assert_eq!(code, "InvalidRequestBody", "{body}");
        assert!(message.contains(said), "{message}: {said}");
        let answer = send(
            &tenant,
            &token,
            &format!("PATCH {PATH}/a"),
            &body.to_string(),
        );
        assert_eq!(self::message(&answer.unwrap()), message);
    }
    assert_eq!(
        (listed(&tenant), &one(&tenant, &token, "a")["scanName"]),
        (3, &json!("A"))
    );
}

#[test]
fn names_types_and_values_are_those_of_the_service() {
    assert_malformed(&[
        (
            "/ScanName",
            json!("x"),
            "'ScanName' is not known. Names are case-sensitive: 'scanName'",
        ),
        ("/id", json!("x"), "'id' is not known."),
        ("/password", json!("canary"), "'password' is not known."),
        (
            "/scanName",
            json!(" "),
            "'scanName' must be text that is not blank.",
        ),
        ("/scanName", json!(null), "'scanName' must be text"),
        ("/target", json!(["10.0.0.1"]), "'target' must be text"),
        (
            "/isActive",
            json!("true"),
            "'isActive' must be true or false.",
        ),
        (
            "/intervalInHours",
            json!("4"),
            "'intervalInHours' must be a whole number",
        ),
        ("/intervalInHours", json!(0), "'intervalInHours' must be"),
        ("/intervalInHours", json!(-1), "'intervalInHours' must be"),
        ("/intervalInHours", json!(1.5), "'intervalInHours' must be"),
        (
            "/intervalInHours",
            json!(2_147_483_648_u32),
            "'intervalInHours' must be",
        ),
        (
            "/targetType",
            json!("IP Address"),
            "'targetType' must be one of Ip, Hostname, Combined.",
        ),
        (
            "/scanType",
            json!("network"),
            "'scanType' must be one of Network, Linux.",
        ),
        (
            "/scannerAgent",
            json!("m1"),
            "'scannerAgent' must be an object.",
        ),
        (
            "/scannerAgent/machineId",
            json!(1),
            "'scannerAgent.machineId' must be text",
        ),
        (
            "/scannerAgent/MachineName",
            json!("x"),
            "'machineName' is known.",
        ),
    ]);
}

#[test]
fn credentials_have_the_names_and_values_of_their_kind() {
    assert_malformed(&[
        (
            "/scanAuthenticationParams",
            json!(null),
            "'scanAuthenticationParams' must be an object.",
        ),
        (
            "/scanAuthenticationParams/@odata.type",
            json!("SnmpAuthParams"),
            "SnmpAuthParams, #micro",
        ),
        (
            "/scanAuthenticationParams/type",
            json!("Password"),
            "must be one of CommunityString, No",
        ),
        (
            "/scanAuthenticationParams/communityString",
            json!(""),
            "must be text that is not empty.",
        ),
        (
            "/scanAuthenticationParams/authProtocol",
            json!("SHA256"),
            "must be one of MD5, SHA1.",
        ),
        (
            "/scanAuthenticationParams/privProtocol",
            json!("canary"),
            "must be one of DES, 3DES, AES.",
        ),
        (
            "/scanAuthenticationParams/privateKey",
            json!("canary"),
            "Params.privateKey' is not known.",
        ),
    ]);
}

#[test]
fn a_body_is_one_json_object_and_an_interval_fits_32_bits() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    for body in [json!([]), json!("x"), json!(null)] {
        let (code, message) = refused(&tenant, &token, &body);
        assert_eq!(code, "InvalidRequestBody");
        assert_eq!(message, "The body must be a JSON object.");
    }
    let answer = post(&tenant, &token, PATH, &format!("{}x", new_definition())).unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(listed(&tenant), 3);
    let largest = with(new_definition(), "/intervalInHours", Some(json!(i32::MAX)));
    assert_eq!(
        post(&tenant, &token, PATH, &largest.to_string())
            .unwrap()
            .status,
        200
    );
}

#[test]
fn each_way_to_sign_in_needs_its_own_or_a_key_vault() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let auth = ["username", "authProtocol", "authPassword"];
    let private = [
        "username",
        "authProtocol",
        "authPassword",
        "privProtocol",
        "privPassword",
    ];
    for (scan_type, params, needs) in [
        ("Network", snmp("CommunityString"), &["communityString"][..]),
        ("Network", snmp("NoAuthNoPriv"), &["username"]),
        ("Network", snmp("AuthNoPriv"), &auth),
        ("Network", snmp("AuthPriv"), &private),
        ("Linux", linux("Password"), &["username", "password"]),
        ("Linux", linux("PrivateKey"), &["username", "privateKey"]),
    ] {
        let body = with(new_definition(), "/scanType", Some(json!(scan_type)));
        let body = |params: &Value| {
            with(
                body.clone(),
                "/scanAuthenticationParams",
                Some(params.clone()),
            )
        };
        let added =
            |params: &Value| post(&tenant, &token, PATH, &body(params).to_string()).unwrap();
        // What is needed is enough.
        let odata_type = &params["@odata.type"];
        let bare = json!({ "@odata.type": odata_type, "type": params["type"] });
        let enough = needs.iter().fold(bare.clone(), |enough, name| {
            with(enough, &format!("/{name}"), Some(params[*name].clone()))
        });
        assert_eq!(
            added(&enough).json()["scanAuthenticationParams"],
            Value::Null
        );
        for name in needs {
            let less = with(params.clone(), &format!("/{name}"), None);
            let (code, message) = refused(&tenant, &token, &body(&less));
            assert_eq!(code, "MissingRequiredParameter", "{less}");
            assert!(
                message.contains(&format!("'scanAuthenticationParams.{name}'")),
                "{message}"
            );
        }
        for name in ["keyVaultUri", "keyVaultUrl"] {
            let half = with(
                bare.clone(),
                &format!("/{name}"),
                Some(json!("https://v.example")),
            );
            let (_, message) = refused(&tenant, &token, &body(&half));
            assert!(
                message.contains("Params.keyVaultSecretName' is missing"),
                "{message}"
            );
            let whole = with(half, "/keyVaultSecretName", Some(json!("snmp")));
            assert_eq!(added(&whole).status, 200);
        }
        let half = with(bare, "/keyVaultSecretName", Some(json!("snmp")));
        let (_, message) = refused(&tenant, &token, &body(&half));
        assert!(
            message.contains("Params.keyVaultUri' is missing"),
            "{message}"
        );
    }
}

#[test]
fn credentials_are_of_the_scans_type_and_windows_is_retired() {
    let tenant = builder().start().unwrap();
    let token = token(&tenant);
    let linux_for_network = with(
        new_definition(),
        "/scanAuthenticationParams",
        Some(linux("Password")),
    );
    let windows = with(new_definition(), "/scanType", Some(json!("Windows")));
    let snmp_for_linux = with(new_definition(), "/scanType", Some(json!("Linux")));
    for (body, said) in [
        (
            linux_for_network,
            "LinuxAuthParams' are for scans of type Linux",
        ),
        (
            snmp_for_linux,
            "SnmpAuthParams' are for scans of type Network",
        ),
        (windows, "retired"),
    ] {
        let (code, message) = refused(&tenant, &token, &body);
        assert_eq!(code, "InvalidInput");
        assert!(message.contains(said), "{message}");
    }
    // The type that a definition has may be named, another that is retired may not.
    for (id, status) in [("c", 200), ("a", 400)] {
        let body = json!({ "scanType": "Windows", "isActive": false }).to_string();
        let answer = send(&tenant, &token, &format!("PATCH {PATH}/{id}"), &body).unwrap();
        assert_eq!(answer.status, status, "{id}");
    }
    assert_eq!(one(&tenant, &token, "c")["scanType"], "Windows");
    // A change without a type is for the type that the definition has.
    for (id, params, status) in [
        ("a", snmp("AuthPriv"), 200),
        ("a", linux("Password"), 400),
        ("b", linux("Password"), 200),
        ("b", snmp("AuthPriv"), 400),
        ("c", snmp("AuthPriv"), 400),
    ] {
        let body = json!({ "scanAuthenticationParams": params }).to_string();
        let answer = send(&tenant, &token, &format!("PATCH {PATH}/{id}"), &body).unwrap();
        assert_eq!(answer.status, status, "{id}");
    }
}

/// Each name, with whether a text there is kept: neither a secret nor one in an object's place.
fn names(members: &[Member]) -> impl Iterator<Item = (&'static str, bool)> {
    members.iter().map(|(name, kind)| {
        let object = ["scannerAgent", "scanAuthenticationParams"].contains(name);
        (*name, !object && !matches!(kind, Kind::Secret))
    })
}

#[test]
fn all_that_is_no_secret_is_remembered() {
    let all = [&DEFINITION[..], &SCANNER, SNMP.members, LINUX.members];
    for (name, open) in all.into_iter().flat_map(names) {
        let body = format!("{{ \"{name}\": \"canary\" }}");
        let kept = if open { "canary" } else { "***" };
        let text = remembered::text(body.as_bytes());
        assert_eq!(text, format!(r#"{{"{name}":"{kept}"}}"#));
    }
}
