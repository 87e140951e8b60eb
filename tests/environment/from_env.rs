//! Which credential the environment names, and what is never asked unless it is named.

use std::fs;
use std::path::Path;

use crate::folder::Folder;
use crate::raw::{Answer, RawServer};
use crate::{CREDENTIALS, SECRET, refused, run, tenant};

/// As a variable has it.
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The form that a child with these variables posts for a token.
fn form(variables: &[(&str, &str)]) -> String {
    let server = tenant();
    let url = server.url();
    let hosts = [
        ("AZURE_AUTHORITY_HOST", url.as_str()),
        ("DEFENDER_API_URL", &url),
    ];
    let said = run("call", &[variables, &hosts].concat());
    assert!(said.contains("<went well>"), "{said}");
    let seen = server.requests();
    assert_eq!(seen.len(), 2, "a token and a call");
    assert_eq!(seen[0].method(), "POST");
    seen[0].text().to_owned()
}

/// What names the machine's own identity, which is nothing for a test to ask for, and has it asked for
/// here.
fn elsewhere(imds: &str) -> [(&str, &str); 2] {
    [
        ("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential"),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds),
    ]
}

#[test]
fn the_first_credential_that_is_named_completely_is_taken() {
    let folder = Folder::new();
    let file = folder.file("token", "eyJh.eyJi.c2ln\n");
    let token_file = ("AZURE_FEDERATED_TOKEN_FILE", text(&file));
    let [tenant, client, secret] = CREDENTIALS;
    let sent = form(&[tenant, client, secret, token_file]);
    assert!(
        sent.contains("client_assertion=eyJh%2EeyJi%2Ec2ln&"),
        "{sent}"
    );
    assert!(!sent.contains("hunter2"), "{sent}");
    // A workload identity that lacks something is no reason to stop.
    for left_over in ["AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT"] {
        let sent = form(&[tenant, client, secret, (left_over, "")]);
        assert!(sent.contains("client_secret="), "{sent}");
    }
}

#[cfg(feature = "certificate")]
#[test]
fn a_certificate_goes_before_a_secret() {
    let pem = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/certificates/rsa-2048-from-pfx.pem"
    );
    let [tenant, client, secret] = CREDENTIALS;
    let sent = form(&[
        tenant,
        client,
        secret,
        ("AZURE_CLIENT_CERTIFICATE_PATH", pem),
    ]);
    assert!(sent.contains("client_assertion=eyJ"), "{sent}");
    assert!(!sent.contains("client_secret"), "{sent}");
}

#[test]
fn a_file_that_is_named_and_is_not_there_is_told_with_its_variable() {
    let [tenant, client, _] = CREDENTIALS;
    let nowhere = "/nonexistent/defender-endpoint";
    let said = run(
        "call",
        &[tenant, client, ("AZURE_FEDERATED_TOKEN_FILE", nowhere)],
    );
    assert!(
        said.contains("<Credential> ") && said.contains(nowhere),
        "{said}"
    );
    #[cfg(feature = "certificate")]
    refused(
        &[tenant, client, ("AZURE_CLIENT_CERTIFICATE_PATH", nowhere)],
        &["AZURE_CLIENT_CERTIFICATE_PATH", nowhere],
    );
}

#[test]
fn what_is_missing_is_told_of_each_credential() {
    let all = refused(
        &[],
        &[
            "workload identity: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are missing",
            "client certificate: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_CERTIFICATE_PATH are missing",
            "client secret: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are missing",
            "managed identity: IDENTITY_ENDPOINT is missing",
            "AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential",
            "AZURE_TOKEN_CREDENTIALS=AzureCliCredential",
        ],
    );
    assert!(!all.contains("Azure CLI:"), "it was not looked for: {all}");
    refused(
        &[("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")],
        &["managed identity: IDENTITY_HEADER or IMDS_ENDPOINT is missing"],
    );
    // By name, only that one counts.
    let one = refused(
        &[
            ("AZURE_TOKEN_CREDENTIALS", "WorkloadIdentityCredential"),
            CREDENTIALS[2],
        ],
        &["workload identity: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE"],
    );
    assert!(one.contains("out of the environment"), "{one}");
    assert!(!one.contains("client secret:"), "{one}");
    assert!(
        one.contains("missing; AZURE_TOKEN_CREDENTIALS leaves out all others"),
        "{one}"
    );
    for whole in [all, refused(&[("AZURE_TOKEN_CREDENTIALS", "prod")], &[])] {
        assert!(!whole.contains("leaves out"), "{whole}");
    }
}

/// What the platform says is no reason to keep back what else is missing.
#[test]
fn a_managed_identity_that_can_not_be_it_is_one_reason_among_others() {
    let forgotten = "client secret: AZURE_CLIENT_SECRET is missing";
    let url = "http://127.0.0.1:1/x";
    let [tenant, client, _] = CREDENTIALS;
    let arc = [("IDENTITY_ENDPOINT", url), ("IMDS_ENDPOINT", url)];
    #[cfg(any(windows, target_os = "linux"))]
    refused(
        &[
            &[tenant, client, ("ProgramData", r"C:\ProgramData")],
            &arc[..],
        ]
        .concat(),
        &[
            forgotten,
            "managed identity: AZURE_CLIENT_ID: a server of Azure Arc has its system-assigned",
        ],
    );
    let shell = ("MSI_ENDPOINT", url);
    refused(
        &[shell],
        &[
            "client secret: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are missing",
            "managed identity: MSI_ENDPOINT: managed identities of Cloud Shell are not supported",
            "AZURE_TOKEN_CREDENTIALS=AzureCliCredential",
        ],
    );
    refused(&[tenant, client, shell], &[forgotten, "Cloud Shell"]);
    let foreign = ("IDENTITY_ENDPOINT", "https://example.com/x");
    refused(
        &[foreign, arc[1]],
        &["managed identity: IDENTITY_ENDPOINT: ", "are missing"],
    );
    // It is asked for by name, and then nothing else counts.
    let said = refused(
        &[
            ("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential"),
            shell,
        ],
        &["<Config> MSI_ENDPOINT: managed identities of Cloud Shell"],
    );
    assert!(!said.contains("missing"), "{said}");
}

#[test]
fn a_client_id_that_can_be_none_is_told_with_its_variable() {
    let odd = ("AZURE_CLIENT_ID", "my app");
    let said = refused(
        &[odd],
        &[
            "client secret: AZURE_TENANT_ID, AZURE_CLIENT_SECRET are missing",
            "managed identity: IDENTITY_ENDPOINT is missing",
        ],
    );
    assert!(!said.contains("my app"), "{said}");
    let app = [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/x"),
        ("IDENTITY_HEADER", "a-header"),
        odd,
    ];
    refused(&app, &["managed identity: AZURE_CLIENT_ID: the client id"]);
    for source in [&app[..], &[odd]] {
        let named = [&elsewhere("http://127.0.0.1:1"), source].concat();
        refused(&named, &["<Config> AZURE_CLIENT_ID: the client id"]);
    }
}

#[test]
fn a_choice_by_name_leaves_the_others_out() {
    let folder = Folder::new();
    let file = folder.file("token", "eyJh.eyJi.c2ln");
    let [tenant, client, secret] = CREDENTIALS;
    let all = [
        tenant,
        client,
        secret,
        ("AZURE_FEDERATED_TOKEN_FILE", text(&file)),
    ];
    for (choice, sent) in [
        ("EnvironmentCredential", "client_secret="),
        (" environmentcredential ", "client_secret="),
        ("WorkloadIdentityCredential", "client_assertion="),
        ("prod", "client_assertion="),
    ] {
        let form = form(&[&all[..], &[("AZURE_TOKEN_CREDENTIALS", choice)]].concat());
        assert!(form.contains(sent), "{choice}: {form}");
    }
    for unknown in ["VisualStudioCredential", "hunter2", "az"] {
        refused(
            &[&all[..], &[("AZURE_TOKEN_CREDENTIALS", unknown)]].concat(),
            &["AZURE_TOKEN_CREDENTIALS", "AzureCliCredential"],
        );
    }
}

/// The platform's variables name a server on loopback, which says what it was asked.
#[test]
fn a_managed_identity_is_taken_where_the_platform_names_it() {
    let identity =
        RawServer::new(|_| Answer::json(r#"{"access_token":"a-token","expires_on":"4102444800"}"#));
    let api = tenant();
    let endpoint = format!("{}/msi/token", identity.url());
    let url = api.url();
    let named = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", SECRET),
        ("DEFENDER_API_URL", &url),
    ];
    let client = ("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555");
    for (more, asked) in [(None, false), (Some(client), true)] {
        let variables: Vec<_> = named.into_iter().chain(more).collect();
        let said = run("call", &variables);
        assert!(said.contains("<went well>"), "{said}");
        let seen = identity.requests();
        let line = seen.last().unwrap().request_line();
        assert_eq!(line.contains("client_id=11111111"), asked, "{line}");
    }
    // Everything else goes before it.
    let sent = form(&[&CREDENTIALS[..], &named[..2]].concat());
    assert!(sent.contains("client_secret="), "{sent}");
    assert_eq!(identity.calls(), 2);
}

#[test]
fn the_metadata_service_is_asked_where_it_is_named() {
    let installed = fs::exists("/opt/azcmagent/bin/himds").unwrap();
    if installed {
        // That agent would be asked instead.
        return;
    }
    let imds = RawServer::sending(Answer::json(
        r#"{"access_token":"a-token","expires_on":"4102444800"}"#,
    ));
    let (api, base) = (tenant(), imds.url());
    let url = api.url();
    let api_url = ("DEFENDER_API_URL", url.as_str());
    let id = "11111111-2222-3333-4444-555555555555";
    for (client, option) in [
        (None, String::new()),
        (Some(("AZURE_CLIENT_ID", id)), format!("&client_id={id}")),
    ] {
        imds.forget();
        let named = elsewhere(&base).into_iter().chain([api_url]);
        let said = run("call", &named.chain(client).collect::<Vec<_>>());
        assert!(said.contains("<went well>"), "{said}");
        let target = "GET /metadata/identity/oauth2/token?api-version=2018-02-01\
                      &resource=https%3A%2F%2Fapi.securitycenter.microsoft.com";
        assert_eq!(imds.only().line(), format!("{target}{option}"));
    }
    // Without being named, it isn't asked.
    imds.forget();
    refused(&elsewhere(&base)[1..], &["IDENTITY_ENDPOINT is missing"]);
    assert_eq!(imds.calls(), 0);
    let tokens = api.requests();
    let tokens = tokens.iter().map(|seen| seen.header("authorization"));
    assert_eq!(
        tokens.collect::<Vec<_>>(),
        vec![Some("Bearer a-token".to_owned()); 2]
    );
}

#[cfg(unix)]
#[test]
fn no_program_is_started_unless_it_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let mark = folder.path("was-started");
    let az = folder.file(
        "az",
        format!(
            "#!/bin/sh\n/usr/bin/touch '{}'\necho '{{\"accessToken\":\"a-token\",\"expires_on\":4102444800}}'\n",
            mark.display()
        ),
    );
    fs::set_permissions(&az, fs::Permissions::from_mode(0o755)).unwrap();
    let path = ("PATH", text(az.parent().unwrap()));
    for variables in [&[][..], &[("AZURE_TOKEN_CREDENTIALS", "prod")]] {
        refused(&[variables, &[path]].concat(), &["no credential"]);
        assert!(!mark.exists());
    }
    let api = tenant();
    let url = api.url();
    for choice in ["AzureCliCredential", "dev"] {
        let variables = [
            path,
            ("AZURE_TOKEN_CREDENTIALS", choice),
            ("DEFENDER_API_URL", &url),
        ];
        let said = run("call", &variables);
        assert!(said.contains("<went well>"), "{said}");
        fs::remove_file(&mark).unwrap();
    }
    assert!(api.requests().iter().all(|seen| seen.method() == "GET"));
}
