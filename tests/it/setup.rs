//! The manual's pages on setting up: their commands run as they stand, with programs in place of `az`
//! and the others that write down what they were asked, and what they say of a refusal is what the
//! crate and its example `whoami` say.

use std::collections::BTreeSet;

use defender_endpoint::testing::FakeClock;
use defender_endpoint::{Client, Cloud, RetryPolicy, StaticToken};
use serde_json::{Value, json};

use crate::permissions::{client, refusal, report, token, why};
use crate::support::raw::{Answer, RawServer};
use crate::support::retrying_with_secret;

const SETUP: &str = include_str!("../../src/setup.rs");

/// What a page says beside its code.
fn page(source: &str) -> Vec<&str> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
    lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect()
}

/// The rows of the page's table of refusals.
fn refusals() -> Vec<String> {
    let lines = page(SETUP);
    let lines = lines
        .into_iter()
        .skip_while(|line| *line != "# What a refusal means");
    let rows = lines.filter(|line| line.starts_with("| ")).skip(2);
    rows.map(|row| row.replace('*', "")).collect()
}

/// The row of the table for what was said.
fn row(said: &str) -> String {
    let rows = refusals();
    let mut rows = rows
        .iter()
        .filter(|row| row.starts_with("| ") && cell(row).contains(said));
    let row = rows.next().unwrap_or_else(|| panic!("no row for {said}"));
    assert_eq!(rows.next(), None, "{said}");
    row.clone()
}

/// What is said, of a row.
fn cell(row: &str) -> &str {
    row.split('|').nth(1).unwrap()
}

/// Each row of what Entra says has the advice of the crate's hint.
#[test]
fn what_the_table_says_of_entras_codes_is_what_the_hints_say() {
    let advice = [
        ("AADSTS7000215", "not its id"),
        ("AADSTS7000222", "expired"),
        ("AADSTS700016", "no such application"),
        ("AADSTS7000229", "az ad sp create --id"),
        ("AADSTS7000112", "disabled in this tenant"),
        ("AADSTS90002", "DEFENDER_CLOUD"),
        ("AADSTS900382", "DEFENDER_CLOUD"),
        ("AADSTS500011", "DEFENDER_SCOPE"),
        ("AADSTS50001", "DEFENDER_SCOPE"),
        ("AADSTS1002012", "/.default"),
        ("AADSTS70011", "/.default"),
        ("AADSTS65001", "consent"),
        ("AADSTS50105", "assign"),
        ("AADSTS53003", "policies for workload identities"),
        ("AADSTS7000218", "public client flows"),
        ("AADSTS700213", "federated identity credential"),
        ("AADSTS700211", "federated identity credential"),
        ("AADSTS700212", "federated identity credential"),
        ("AADSTS70021", "federated identity credential"),
        ("AADSTS700024", "clock"),
        ("AADSTS700027", "upload the certificate"),
    ];
    let rows = refusals();
    let codes = rows.iter().flat_map(|row| cell(row).split('`'));
    let codes = codes.filter(|code| code.starts_with("AADSTS") && *code != "AADSTS");
    let codes: BTreeSet<&str> = codes.collect();
    let told: BTreeSet<&str> = advice.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, told);
    let hint_for = |code: &str| {
        let body = json!({
            "error": "an_error",
            "error_description": format!("{code}: Something is wrong.\r\nTrace ID: x"),
        });
        let json = [("Content-Type", "application/json")];
        hint_of_login(Answer::new(400, &json, body.to_string()))
            .unwrap_or_else(|| panic!("no hint for {code}"))
    };
    for (code, advice) in advice {
        for text in [hint_for(code), row(&format!("`{code}`"))] {
            assert!(text.contains(advice), "{code}: {text} has no {advice:?}");
        }
    }
    // Of any other there is a page.
    let page = "https://login.microsoftonline.com/error?code=";
    let hint = hint_for("AADSTS650052");
    assert!(hint.starts_with(&format!("{page}650052 ")), "{hint}");
    assert!(row("any other").contains(&format!("{page}NUMBER")));
    for text in [hint, row("any other")] {
        assert!(text.contains("with the Trace ID an"), "{text}");
    }
}

/// The hint of the error that such an answer to the token request is.
fn hint_of_login(answer: Answer) -> Option<String> {
    let login = RawServer::sending(answer);
    let client = retrying_with_secret(&login.url(), &login.url(), &FakeClock::new());
    let error = client.build().unwrap().token_claims().unwrap_err();
    error.hint().map(str::to_owned)
}

/// A login that somebody else refuses looks like one that Entra refuses.
#[test]
fn a_page_or_nothing_for_the_token_request_is_a_proxys() {
    let html = [("Content-Type", "text/html")];
    for status in [401, 403] {
        for body in ["<html>Blocked.</html>", ""] {
            let hint = hint_of_login(Answer::new(status, &html, body)).unwrap();
            for text in [hint, row("as HTML")] {
                assert!(text.contains("a proxy or a firewall"), "{text}");
                assert!(text.contains("Entra"), "{text}");
            }
        }
    }
    // Entra's own pages have an id, and other statuses have other causes.
    let id = [("Content-Type", "text/html"), ("x-ms-request-id", "1")];
    assert_eq!(hint_of_login(Answer::new(403, &id, "<html>")), None);
    assert_eq!(hint_of_login(Answer::new(400, &html, "<html>")), None);
}

#[test]
fn a_proxy_that_refuses_is_in_the_table() {
    let row = row("through the proxy");
    for (status, advice) in [
        (407, "wants a user name and password"),
        (403, "lets nobody through to this host"),
    ] {
        let proxy = RawServer::sending(Answer::new(status, &[], "No."));
        let client = Client::builder(StaticToken::new("a-token").unwrap())
            .cloud(Cloud::COMMERCIAL.with_api_url("https://api.example"))
            .clock(FakeClock::new())
            .retry_policy(RetryPolicy::none())
            .proxy(proxy.url())
            .build()
            .unwrap();
        let error = client.machines().into_iter().next().unwrap().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("no connection to api.example"), "{text}");
        assert!(text.contains(" through the proxy "), "{text}");
        let hint = error.hint().unwrap();
        for text in [hint, &row] {
            assert!(text.contains(advice), "{text}");
        }
        assert!(row.contains(&status.to_string()), "{row}");
    }
}

/// An answer without a body may be anybody's, and all three leave that open.
#[test]
fn a_refusal_that_says_nothing_may_be_a_proxys() {
    for status in [401, 403] {
        for (body, silent) in [("", true), (r#"{"error":{"code":"X"}}"#, false)] {
            let server = RawServer::sending(Answer::new(status, &[], body));
            let client = client(&server, &json!({ "roles": ["Machine.Read.All"] }));
            let error = client.machines().into_iter().next().unwrap().unwrap_err();
            for text in [&why(&client), error.hint().unwrap()] {
                let open = text.contains("a proxy or a firewall");
                assert_eq!(open, silent, "{status}: {text}");
                assert!(text.contains("licence"), "{status}: {text}");
            }
        }
    }
    assert!(row("no body").contains("a proxy or a firewall"));
}

/// Each cloud's administrators have a portal of their own.
#[test]
fn a_tenant_without_defender_is_sent_to_its_own_clouds_portal() {
    let inactive = "Unauthorized request - reason of failure: Account mode is inactive";
    for (cloud, portal) in [
        (Cloud::COMMERCIAL, "security.microsoft.com"),
        (Cloud::GCC, "security.microsoft.com"),
        (Cloud::GCC_HIGH, "security.microsoft.us"),
        (Cloud::DOD, "security.microsoft.us"),
    ] {
        let server = RawServer::sending(refusal(401, inactive));
        let aud = cloud.scope().trim_end_matches("/.default");
        let claims = json!({ "aud": aud, "roles": ["Machine.Read.All"] });
        let client = Client::builder(StaticToken::new(token(&claims)).unwrap())
            .cloud(cloud.with_api_url(server.url()))
            .clock(FakeClock::new())
            .no_proxy()
            .build()
            .unwrap();
        let error = client.machines().into_iter().next().unwrap().unwrap_err();
        for text in [&why(&client), error.hint().unwrap()] {
            assert!(text.contains(&format!("opens {portal}, ")), "{text}");
        }
        assert!(row("Account mode").contains(portal));
    }
}

/// Each row of what the service says is what the example makes of it, and the hint is at one with it.
#[test]
fn what_the_table_says_of_the_services_refusals_is_what_whoami_says() {
    let all = json!({ "roles": ["Machine.Read.All"] });
    let inactive = "Unauthorized request - reason of failure: Account mode is inactive";
    let licence = "Unauthorized request - reason of failure: No Tvm license";
    let feature = "Tenant feature is not enabled";
    let roles =
        "Missing application roles. API required roles: Machine.Read.All, application roles: .";
    let told: [(&str, u16, &str, Value, &str, &str); 7] = [
        (
            "Account mode",
            401,
            inactive,
            all.clone(),
            "Settings, Endpoints",
            "",
        ),
        (
            "No Tvm",
            401,
            licence,
            all.clone(),
            "for vulnerability management",
            "",
        ),
        (
            "401 with other",
            401,
            "No.",
            all.clone(),
            "another cloud or region",
            "",
        ),
        (
            "Missing app",
            403,
            roles,
            json!({ "roles": [] }),
            "consent",
            "another",
        ),
        (
            "403 to a user",
            403,
            "No.",
            json!({ "scp": "Machine.Read" }),
            "Defender",
            "consent",
        ),
        (
            "403, token",
            403,
            "No.",
            json!({ "aud": "https://graph.microsoft.com", "roles": ["Machine.Read.All"] }),
            "for another audience",
            "consent",
        ),
        (
            "Tenant feature",
            403,
            feature,
            all.clone(),
            "a licence or a feature",
            "consent",
        ),
    ];
    for (said, status, message, claims, advice, excluded) in told {
        let server = RawServer::sending(refusal(status, message));
        let client = client(&server, &claims);
        let why = why(&client);
        for text in [&why, &row(said)] {
            assert!(text.contains(advice), "{said}: {text} has no {advice:?}");
        }
        // What the token excludes is in neither, and what the message says is in both.
        let error = client.machines().into_iter().next().unwrap().unwrap_err();
        let hint = error.hint().unwrap();
        let is_told = [inactive, licence].contains(&message);
        assert!(!is_told || hint.contains(advice), "{said}: {hint}");
        let is_in = !excluded.is_empty() && hint.contains(excluded);
        assert!(!is_in, "{said}: {hint}");
    }
    let page = Answer::new(
        403,
        &[("Content-Type", "text/html")],
        "<html>Blocked.</html>",
    );
    let server = RawServer::sending(page);
    let client = client(&server, &all);
    let error = client.machines().into_iter().next().unwrap().unwrap_err();
    for text in [&why(&client), error.hint().unwrap(), &row("as HTML")] {
        assert!(text.contains("a proxy or a firewall"), "{text}");
        assert!(
            !text.contains("licence") && !text.contains("role"),
            "{text}"
        );
    }
    // Every other row was asked for here, or has a test of its own.
    let rows = refusals();
    let others = rows.iter().filter(|row| !cell(row).contains("AADSTS"));
    assert_eq!(others.count(), 11);
}

#[test]
fn a_list_that_is_not_found_is_in_the_table() {
    let server = RawServer::sending(refusal(404, "No machines."));
    let all = json!({ "roles": ["Machine.Read.All"] });
    let (_, text) = report(&client(&server, &all));
    for text in [&text, &row("404")] {
        assert!(text.contains("no machines"), "{text}");
    }
}

/// In a cloud whose scope nobody has confirmed, all three say which other one there is.
#[test]
fn a_refusal_in_a_government_cloud_names_the_other_scope() {
    let other = "DEFENDER_SCOPE=https://securitycenter.onmicrosoft.us/windowsatpservice/.default";
    assert!(page(SETUP).contains(&&*format!("export {other}")));
    let cloud = Cloud::GCC_HIGH;
    let audience = cloud.scope().trim_end_matches("/.default");
    for (status, claims) in [
        (401, json!({ "roles": ["Machine.Read.All"] })),
        (403, json!({ "roles": ["Machine.Read.All"] })),
        (403, json!({ "scp": "Machine.Read" })),
    ] {
        let mut claims = claims;
        claims["aud"] = audience.into();
        for (cloud, named) in [(Cloud::GCC_HIGH, true), (Cloud::COMMERCIAL, false)] {
            let server = RawServer::sending(refusal(status, "No."));
            let client = Client::builder(StaticToken::new(token(&claims)).unwrap())
                .cloud(cloud.with_api_url(server.url()))
                .clock(FakeClock::new())
                .no_proxy()
                .build()
                .unwrap();
            let error = client.machines().into_iter().next().unwrap().unwrap_err();
            let hint = error.hint().unwrap();
            assert_eq!(hint.contains(other), named, "{status}: {hint}");
            assert_eq!(
                why(&client).contains(other),
                named,
                "{status}: {}",
                why(&client)
            );
        }
    }
}

#[cfg(unix)]
mod commands {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Command, Output};

    use super::{BTreeSet, SETUP, page};
    use crate::support::folder::Folder;

    const CREDENTIALS: &str = include_str!("../../src/credentials.rs");
    const SECRET: &str = "s3~cret.of_a-year";

    /// Writes down its arguments, one a line behind its name, and answers as the real program does
    /// for what the pages ask. Files of the folder say what goes otherwise.
    const STUB: &str = r#"#!/bin/sh
here=$(dirname "$0")
program=$(basename "$0")
if [ -e "$here/windows" ] && [ -z "${inner-}" ]; then
    said=$(inner=yes "$0" "$@") || exit
    [ -z "$said" ] || printf '%s\r\n' "$said"
    exit
fi
{ printf '%s\n' "> $program"; for argument; do printf '%s\n' "$argument"; done; } >>"$here/log"
[ "$program" = az ] || { cat >/dev/null 2>&1 </dev/null; [ "$program" != openssl ] || : >key.pem >cert.pem; exit 0; }
case "$*" in
    'cloud set --name AzureUSGovernment') : >"$here/usgov" ;;
    'cloud show '*) [ -e "$here/usgov" ] && echo https://graph.microsoft.us/ || echo https://graph.microsoft.com/ ;;
    'account show '*) echo the-tenant ;;
    'account get-access-token '*) echo a-token ;;
    'ad app list '*) cat "$here/taken" 2>/dev/null || : ;;
    'ad app create '*) echo the-app ;;
    'ad sp create '*'--query id'*) echo the-identity ;;
    'ad sp show '*"[?value=='Machine."*) [ -e "$here/no-role" ] || echo the-role ;;
    'ad sp show --id fc780465-2017-40d4-a0c5-307022471b92 '*) echo the-resource ;;
    'ad sp show --id the-app '*) echo the-identity ;;
    'vm identity show '*) echo the-machine ;;
    'aks show '*) echo https://issuer.example ;;
    'ad app credential reset '*'--query password'*)
        [ ! -e "$here/policy" ] || { echo "Credential lifetime exceeds the max value allowed as per assigned policy 'x'." >&2; exit 1; }
        echo 's3~cret.of_a-year' ;;
    'rest '*|'ad app permission grant '*)
        left=$(cat "$here/slow" 2>/dev/null || echo 0)
        [ "$left" -eq 0 ] || { echo $((left - 1)) >"$here/slow"; echo 'Not Found' >&2; exit 1; } ;;
    'login '*|'ad sp create '*|'ad app permission add '*|'ad app update '*) ;;
    'ad app credential list '*|'ad app credential reset '*'--cert @cert.pem'*) ;;
    'ad app federated-credential create '*) ;;
    *) echo "not known: $*" >&2; exit 64 ;;
esac
"#;

    /// The commands of `az` (2.91) that the pages use, with their options. Those of all commands:
    /// `--query`, `--output`, `--only-show-errors`.
    const KNOWN: [(&str, &[&str]); 19] = [
        ("login", &["--allow-no-subscriptions", "--tenant"]),
        ("cloud set", &["--name"]),
        ("cloud show", &["--name"]),
        ("account show", &[]),
        ("account get-access-token", &["--scope"]),
        ("ad app list", &["--filter", "--display-name"]),
        (
            "ad app create",
            &[
                "--display-name",
                "--is-fallback-public-client",
                "--sign-in-audience",
            ],
        ),
        ("ad app update", &["--id", "--sign-in-audience"]),
        ("ad app delete", &["--id"]),
        (
            "ad app permission add",
            &["--id", "--api", "--api-permissions"],
        ),
        ("ad app permission grant", &["--id", "--api", "--scope"]),
        (
            "ad app credential reset",
            &["--id", "--append", "--years", "--cert"],
        ),
        ("ad app credential list", &["--id"]),
        (
            "ad app federated-credential create",
            &["--id", "--parameters"],
        ),
        ("ad sp create", &["--id"]),
        ("ad sp show", &["--id"]),
        ("rest", &["--method", "--url", "--body"]),
        ("vm identity show", &["--resource-group", "--name"]),
        ("aks show", &["--resource-group", "--name"]),
    ];

    /// Queries that were tried with JMESPath. `…` is the permission.
    const QUERIES: [&str; 12] = [
        "[0].appId",
        "tenantId",
        "endpoints.microsoftGraphResourceId",
        "id",
        "appId",
        "appRoles[?value=='…'].id | [0]",
        "oauth2PermissionScopes[?value=='…'].id | [0]",
        "password",
        "[].[keyId, endDateTime]",
        "principalId",
        "oidcIssuerProfile.issuerUrl",
        "accessToken",
    ];

    /// The blocks of a page that are commands, in order.
    fn blocks(source: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut lines = page(source).into_iter();
        while lines.by_ref().any(|line| line == "```sh") {
            let block = lines.by_ref().take_while(|line| *line != "```");
            blocks.push(block.fold(String::new(), |block, line| block + line + "\n"));
        }
        blocks
    }

    /// A folder with the programs, where a script runs.
    struct Shell {
        folder: Folder,
    }

    impl Shell {
        /// None where there is no bash.
        fn new() -> Option<Self> {
            if Command::new("bash").arg("--version").output().is_err() {
                eprintln!("skipped: there is no bash");
                return None;
            }
            let folder = Folder::new();
            for program in ["az", "openssl", "sleep", "cargo"] {
                let file = folder.file(program, STUB);
                fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
            }
            // Nothing else is there to be started.
            let path = std::env::var_os("PATH").unwrap();
            for program in ["bash", "basename", "cat", "dirname", "rm", "sed", "tr"] {
                let mut files = std::env::split_paths(&path).map(|it| it.join(program));
                symlink(files.find(|it| it.is_file()).unwrap(), folder.path(program)).unwrap();
            }
            Some(Self { folder })
        }

        /// Runs blocks in one shell, in which the lines that one prints for it are pasted.
        fn run(&self, blocks: &[String]) -> Output {
            let mut script = String::new();
            for (number, block) in blocks.iter().enumerate() {
                let file = self.folder.file(&format!("block-{number}"), block);
                let (file, printed) = (file.display(), self.folder.path("printed"));
                let printed = printed.display();
                writeln!(
                    script,
                    "source '{file}' >'{printed}'\ncat '{printed}'\n\
                     eval \"$(sed -n '/^export /p' '{printed}')\""
                )
                .unwrap();
            }
            let script = self.folder.file("script", script);
            let mut bash = Command::new("bash");
            bash.args(["-euo", "pipefail"]).arg(script);
            bash.current_dir(self.folder.path(".")).env_clear();
            bash.env("PATH", self.folder.path("."));
            bash.output().unwrap()
        }

        /// Runs blocks of which none must fail, and returns what they print.
        fn run_well(&self, blocks: &[String]) -> String {
            let output = self.run(blocks);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            String::from_utf8(output.stdout).unwrap()
        }

        /// What was called with what since the last time.
        fn calls(&self) -> Vec<Vec<String>> {
            let file = self.folder.path("log");
            let log = fs::read_to_string(&file).unwrap_or_default();
            drop(fs::remove_file(file));
            let mut calls: Vec<Vec<String>> = Vec::new();
            for line in log.lines() {
                match (line.strip_prefix("> "), calls.last_mut()) {
                    (Some(program), _) => calls.push(vec![program.to_owned()]),
                    (None, Some(call)) => call.push(line.to_owned()),
                    (None, None) => panic!("{log}"),
                }
            }
            calls
        }

        /// The same, each in one line.
        fn lines(&self) -> Vec<String> {
            self.calls().iter().map(|call| call.join(" ")).collect()
        }
    }

    /// The block of a page that holds this.
    fn block(text: &str) -> String {
        let all = blocks(SETUP).into_iter().chain(blocks(CREDENTIALS));
        let with: Vec<String> = all.filter(|block| block.contains(text)).collect();
        assert_eq!(with.len(), 1, "{text}: {with:?}");
        with.concat()
    }

    fn register() -> String {
        block("secret=yes")
    }

    #[test]
    fn each_pages_commands_run_in_order_in_one_shell() {
        let Some(shell) = Shell::new() else { return };
        let all: Vec<String> = [SETUP, CREDENTIALS].into_iter().flat_map(blocks).collect();
        assert!(all.len() > 12, "{}", all.len());
        let printed = shell.run_well(&all);
        assert!(printed.contains("Machine.Read.All is granted"), "{printed}");
        let known = BTreeMap::from(KNOWN);
        let mut queries = BTreeSet::new();
        for call in shell.calls() {
            assert!(
                call.iter().all(|it| !it.is_empty()),
                "an empty argument: {call:?}"
            );
            if call[0] != "az" {
                continue;
            }
            let words: Vec<&str> = call[1..].iter().map(String::as_str).collect();
            let of = words.iter().position(|it| it.starts_with("--"));
            let (name, options) = words.split_at(of.unwrap_or(words.len()));
            let name = name.join(" ");
            let known = known.get(&*name).unwrap_or_else(|| panic!("az {name}"));
            for option in options.iter().filter(|it| it.starts_with("--")) {
                let always = ["--query", "--output", "--only-show-errors"];
                assert!(
                    known.contains(option) || always.contains(option),
                    "{call:?}"
                );
            }
            let at = options.iter().position(|it| *it == "--query");
            queries.extend(at.map(|at| {
                let mut parts = options[at + 1].split('\'');
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(head), Some(_), Some(tail)) => format!("{head}'…'{tail}"),
                    _ => options[at + 1].to_owned(),
                }
            }));
        }
        for query in queries {
            assert!(QUERIES.contains(&&*query), "{query} was never tried");
        }
    }

    #[test]
    fn an_app_is_made_granted_its_permission_and_shown_as_variables() {
        let Some(shell) = Shell::new() else { return };
        let printed = shell.run_well(&[register()]);
        let lines: Vec<&str> = printed
            .lines()
            .filter(|it| it.starts_with("export"))
            .collect();
        assert_eq!(
            lines,
            [
                "export AZURE_TENANT_ID=the-tenant",
                "export AZURE_CLIENT_ID=the-app",
                &format!("export AZURE_CLIENT_SECRET='{SECRET}'"),
            ]
        );
        let calls = shell.lines();
        let changes = calls.iter().filter(|line| {
            let reads = [" show ", " list ", "sleep "];
            !reads.iter().any(|word| line.contains(word))
        });
        assert_eq!(
            changes.collect::<Vec<_>>(),
            [
                "az ad app create --display-name asset-sync --query appId --output tsv",
                "az ad sp create --id the-app --query id --output tsv",
                "az ad app permission add --id the-app --api fc780465-2017-40d4-a0c5-307022471b92 \
                 --api-permissions the-role=Role --only-show-errors",
                "az rest --method POST --url \
                 https://graph.microsoft.com/v1.0/servicePrincipals/the-identity/appRoleAssignments \
                 --body {\"principalId\":\"the-identity\",\"resourceId\":\"the-resource\",\
                 \"appRoleId\":\"the-role\"} --output none",
                "az ad app credential reset --id the-app --append --years 1 --only-show-errors \
                 --query password --output tsv",
            ]
        );
        // Without a secret, and in the other cloud.
        let printed = shell.run_well(&[
            block("az cloud set"),
            register().replace("secret=yes", "secret=no"),
        ]);
        let lines: Vec<&str> = printed
            .lines()
            .filter(|it| it.starts_with("export"))
            .collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "export DEFENDER_CLOUD=gcc-high");
        let calls = shell.lines();
        assert!(
            calls.iter().all(|line| !line.contains("credential")),
            "{calls:?}"
        );
        let rest = calls.iter().find(|line| line.starts_with("az rest "));
        let rest = rest.unwrap();
        assert!(
            rest.contains("--url https://graph.microsoft.us/v1.0/"),
            "{rest}"
        );
    }

    /// An administrator may have several, of which `az` has chosen one.
    #[test]
    fn the_tenant_is_named_to_the_login_and_shown_before_it_is_changed() {
        let all = blocks(SETUP).concat();
        let logins = all.lines().filter(|line| line.starts_with("az login"));
        let logins: Vec<&str> = logins.collect();
        assert_eq!(logins.len(), 2);
        assert!(
            logins.iter().all(|it| it.contains(" --tenant contoso.")),
            "{logins:?}"
        );
        let Some(shell) = Shell::new() else { return };
        for block in [
            register(),
            block("permissions=\"Machine.Read "),
            format!(
                "permission=Machine.Read.All identity=x\n{}",
                block("${identity:?}")
            ),
        ] {
            let printed = shell.run_well(&[block]);
            assert!(printed.starts_with("tenant the-tenant\n"), "{printed}");
            let calls = shell.lines();
            let pause = calls.iter().position(|line| line == "sleep 5").unwrap();
            let reads = |line: &String| line.contains(" show ") || line.contains(" list ");
            assert!(calls[..pause].iter().all(reads), "{calls:?}");
        }
    }

    /// The app stands and has its permission: without its id nobody could go on.
    #[test]
    fn a_secret_that_a_policy_refuses_leaves_the_ids() {
        let Some(shell) = Shell::new() else { return };
        shell.folder.file("policy", "");
        let output = shell.run(&[register()]);
        assert!(!output.status.success());
        let said = fs::read_to_string(shell.folder.path("printed")).unwrap();
        for line in [
            "export AZURE_TENANT_ID=the-tenant",
            "export AZURE_CLIENT_ID=the-app",
        ] {
            assert!(said.lines().any(|it| it == line), "{said}");
        }
        assert!(!said.contains("SECRET"), "{said}");
        let errors = String::from_utf8(output.stderr).unwrap();
        let row = page(SETUP).join("\n");
        for text in [&errors, &row] {
            assert!(text.contains("as per assigned policy"), "{text}");
        }
        assert!(row.contains("--append --end-date 20"), "{row}");
    }

    /// The `az` of Windows, called from a shell that is none of Windows.
    #[test]
    fn lines_that_end_in_cr_leave_none_in_an_id() {
        let Some(shell) = Shell::new() else { return };
        shell.folder.file("windows", "");
        let app = "AZURE_CLIENT_ID=the-app\n".to_owned();
        for blocks in [
            vec![register()],
            vec![block("permissions=\"Machine.Read ")],
            vec![
                app,
                block("permission=Machine.ReadWrite.All"),
                block("${identity:?}"),
            ],
        ] {
            let printed = shell.run_well(&blocks);
            assert!(!printed.contains('\r'), "{printed:?}");
            let calls = shell.lines();
            assert!(!calls.concat().contains('\r'), "{calls:?}");
        }
        // What fails still ends it.
        shell.folder.file("policy", "");
        assert!(!shell.run(&[register()]).status.success());
    }

    /// Whoever made the app may be in another shell now.
    #[test]
    fn no_command_runs_for_an_app_that_is_not_named() {
        let Some(shell) = Shell::new() else { return };
        let with = |block: &String| block.contains("AZURE_CLIENT_ID:?");
        let with: Vec<String> = blocks(SETUP).into_iter().filter(with).collect();
        assert_eq!(with.len(), 3);
        for block in with {
            for named in ["", "AZURE_CLIENT_ID=\n"] {
                let output = shell.run(&[named.to_owned(), block.clone()]);
                assert!(!output.status.success());
                assert_eq!(shell.lines(), [""; 0]);
            }
        }
        assert!(!blocks(SETUP).concat().contains("--id \"$AZURE_CLIENT_ID\""));
    }

    #[test]
    fn nothing_is_made_where_the_name_is_taken_or_the_permission_unknown() {
        let Some(shell) = Shell::new() else { return };
        for (file, said) in [("taken", "asset-sync already"), ("no-role", "no such ")] {
            for block in [register(), block("permissions=\"Machine.Read ")] {
                let file = shell.folder.file(file, "another-app\n");
                let output = shell.run(&[block]);
                fs::remove_file(file).unwrap();
                assert!(!output.status.success());
                let errors = String::from_utf8(output.stderr).unwrap();
                let said = said.trim_end_matches(" already");
                assert!(errors.contains(said), "{errors}");
                let calls = shell.lines();
                assert!(!calls.is_empty());
                for done in [" create", " add", "rest", "grant", " reset"] {
                    assert!(calls.iter().all(|line| !line.contains(done)), "{calls:?}");
                }
            }
        }
    }

    #[test]
    fn a_directory_that_is_slow_is_asked_again_and_one_that_refuses_ends_it() {
        let Some(shell) = Shell::new() else { return };
        for (block, granted) in [
            (register(), "az rest "),
            (
                block("permissions=\"Machine.Read "),
                "az ad app permission grant ",
            ),
        ] {
            // The first one is to look whose tenant it is.
            for (slow, tries, sleeps) in [("2", 3, 3), ("9", 5, 5)] {
                shell.folder.file("slow", slow);
                let output = shell.run(std::slice::from_ref(&block));
                assert_eq!(output.status.success(), slow == "2");
                let said = String::from_utf8(output.stdout).unwrap();
                assert_eq!(said.contains("export "), slow == "2", "{said}");
                // What broke off has exported nothing: the app is taken back by this.
                let printed = fs::read_to_string(shell.folder.path("printed")).unwrap();
                assert!(printed.contains("the app is the-app\n"), "{printed}");
                let calls = shell.lines();
                let count = |start: &str| calls.iter().filter(|it| it.starts_with(start)).count();
                assert_eq!((count(granted), count("sleep ")), (tries, sleeps));
                assert_eq!(
                    count("az ad app credential") > 0,
                    slow == "2" && granted == "az rest "
                );
                shell.folder.file("slow", "0");
            }
        }
    }

    /// The variable may name another app, where the lines that make one broke off.
    #[test]
    fn an_app_is_taken_back_by_the_id_that_was_printed() {
        let lines = page(SETUP)
            .into_iter()
            .filter(|line| line.contains("az ad app delete"));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines, ["az ad app delete --id THE-ID-BEHIND-«the app is»"]);
    }

    #[test]
    fn a_user_and_an_identity_get_what_is_named() {
        let Some(shell) = Shell::new() else { return };
        let printed = shell.run_well(&[block("permissions=\"Machine.Read ")]);
        assert!(
            printed.ends_with("export AZURE_CLIENT_ID=the-app\n"),
            "{printed}"
        );
        let calls = shell.lines();
        for call in [
            "--display-name asset-sync-users --is-fallback-public-client true",
            "--api-permissions the-role=Scope the-role=Scope",
            "--scope Machine.Read Machine.Read.All --output none",
        ] {
            assert!(
                calls.iter().any(|line| line.contains(call)),
                "{call}: {calls:?}"
            );
        }
        assert!(
            calls.iter().all(|line| !line.contains("credential")),
            "{calls:?}"
        );
        let grant = block("${identity:?}");
        for (who, identity, permission) in [
            (block("az vm identity"), "the-machine", "Machine.Read.All"),
            (
                block("permission=Machine.ReadWrite.All"),
                "the-identity",
                "Machine.ReadWrite.All",
            ),
        ] {
            let app = "AZURE_CLIENT_ID=the-app\n".to_owned();
            let printed = shell.run_well(&[app, who, grant.clone()]);
            assert!(
                printed.contains(&format!("{permission} is granted")),
                "{printed}"
            );
            let calls = shell.lines();
            let call =
                format!("/{identity}/appRoleAssignments --body {{\"principalId\":\"{identity}\"");
            assert!(calls.iter().any(|line| line.contains(&call)), "{calls:?}");
        }
        // Without an identity nobody is asked for anything.
        assert!(!shell.run(&[grant]).status.success());
        assert!(
            shell
                .lines()
                .iter()
                .all(|line| !line.starts_with("az rest"))
        );
    }
}
