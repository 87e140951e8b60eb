//! The Azure CLI, which PATH decides: scripts stand in for it.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use defender_endpoint::{AzureCli, Client, Cloud, Error};

use crate::raw::{Answer, Forbidden, RawServer, cloud};
use crate::{NOTHING, URL, run};

/// The script, which the child writes: nobody else can then have it open when it is started.
const SCRIPT: &str = "DEFENDER_ENDPOINT_SCRIPT";
const TENANT: &str = "DEFENDER_ENDPOINT_TENANT";
const SUBSCRIPTION: &str = "DEFENDER_ENDPOINT_SUBSCRIPTION";
/// In milliseconds.
const LIMIT: &str = "DEFENDER_ENDPOINT_LIMIT";
const DEADLINE: &str = "DEFENDER_ENDPOINT_DEADLINE";

/// Of a form that no other text has.
const TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJhdWQiOiJodW50ZXIyIn0.aHVudGVyMg";
/// For longer than any test.
const HANG: &str = "sleep 300";

/// What the children of this module do.
pub(crate) fn task(name: &str) -> Option<Result<(), Error>> {
    (name == "azure cli").then(call)
}

fn call() -> Result<(), Error> {
    if let Some(script) = env::var_os(SCRIPT) {
        let path = env::var_os("PATH").unwrap();
        let folder = env::split_paths(&path).next().unwrap();
        plant(&folder, script.to_str().unwrap());
    }
    let milliseconds = |name| Some(Duration::from_millis(env::var(name).ok()?.parse().unwrap()));
    let mut cli = AzureCli::new();
    if let Ok(tenant) = env::var(TENANT) {
        cli = cli.tenant(tenant);
    }
    if let Ok(subscription) = env::var(SUBSCRIPTION) {
        cli = cli.subscription(subscription);
    }
    if let Some(limit) = milliseconds(LIMIT) {
        cli = cli.time_limit(limit);
    }
    let mut builder = Client::builder(cli).cloud(cloud(env::var(URL).unwrap()));
    if let Some(deadline) = milliseconds(DEADLINE) {
        builder = builder.deadline(deadline);
    }
    let client = builder.no_proxy().build()?;
    let begun = Instant::now();
    let outcome = client.scan_agents();
    if let Err(error) = &outcome {
        println!("retryable: {}", error.is_retryable());
    }
    println!("in time: {}", begun.elapsed() < Duration::from_secs(60));
    println!("zombies: {}", zombies());
    outcome.map(drop)
}

/// How many children of this process have ended and were not waited for, where the system tells.
fn zombies() -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|it| fs::read_to_string(it.path().join("stat")).ok());
    let own = |stat: &String| {
        // `7 (a name) Z 6 ...`: the state and the parent.
        let fields = stat.rsplit(") ").next().unwrap().split(' ');
        fields.take(2).eq(["Z", &std::process::id().to_string()])
    };
    stats.filter(own).count()
}

fn plant(folder: &Path, script: &str) {
    let file = folder.join("az");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("azure-cli-{test}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Where a script can write to.
    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.text())
    }

    fn written(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// First in PATH, before what scripts need.
    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.text())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What `az` prints where all goes well.
fn json() -> String {
    format!(
        r#"{{
  "accessToken": "{TOKEN}",
  "expiresOn": "2001-01-01 01:01:01.000000",
  "expires_on": 4000000000,
  "subscription": "11111111-2222-3333-4444-555555555555",
  "tenant": "11111111-2222-3333-4444-555555555555",
  "tokenType": "Bearer"
}}"#
    )
}

fn print(text: &str) -> String {
    format!("cat <<'END'\n{text}\nEND")
}

/// A run with this script that gets its token, and brings it to the service.
fn goes_well(folder: &Folder, script: &str, variables: &[(&str, &str)]) {
    let api = RawServer::sending(Answer::json(NOTHING));
    let (url, path) = (api.url(), folder.path());
    let own = [(URL, url.as_str()), ("PATH", &path), (SCRIPT, script)];
    let said = run("azure cli", &[&own[..], variables].concat());
    assert!(said.contains("<went well>"), "{said}");
    check(&said);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(api.only().header("authorization"), Some(bearer));
}

/// A run with this script that fails before anything is sent: what it says.
fn fails(folder: &Folder, script: &str, variables: &[(&str, &str)]) -> String {
    let path = folder.path();
    fails_with(&[&[("PATH", path.as_str()), (SCRIPT, script)][..], variables].concat())
}

fn fails_with(variables: &[(&str, &str)]) -> String {
    let api = Forbidden::new();
    let url = format!("http://{}", api.host());
    let said = run(
        "azure cli",
        &[&[(URL, url.as_str())][..], variables].concat(),
    );
    assert!(!said.contains("<went well>"), "{said}");
    check(&said);
    api.assert_untouched();
    said
}

/// The same, refused for good and with this in what it says.
fn refused(folder: &Folder, script: &str, words: &[&str]) {
    let said = fails(folder, script, &[]);
    for words in [&["<Credential> ", "retryable: false"], words].concat() {
        assert!(said.contains(words), "{said:?} doesn't say {words:?}");
    }
}

/// What holds for each run.
fn check(said: &str) {
    assert!(said.contains("in time: true"), "{said}");
    assert!(said.contains("zombies: 0"), "{said}");
    for part in [&TOKEN[..20], &TOKEN[36..]] {
        assert!(!said.contains(part), "the token is shown: {said}");
    }
}

#[test]
fn the_token_of_the_azure_cli_is_brought_to_the_service() {
    let folder = Folder::new("good");
    goes_well(&folder, &print(&json()), &[]);
}

/// F46: it is started once, with a list of arguments in which each value is one, without anything to
/// read, from a folder that can be trusted, in a process group of its own and without the secrets of others.
#[test]
fn the_azure_cli_is_started_with_what_it_needs_and_no_more() {
    let folder = Folder::new("arguments");
    let script = format!(
        "{{ for it in \"$@\"; do printf '<%s>' \"$it\"; done; echo; \
         pwd; cat | wc -c | tr -d ' '; echo \"$HOME,$AZURE_CONFIG_DIR,$AZURE_CLIENT_SECRET$AZURE_CLIENT_CERTIFICATE_PASSWORD$ACTIONS_ID_TOKEN_REQUEST_TOKEN\"; \
         ps -o pgid= -p $$ | tr -d ' '; echo $$; }} >> {}\n{}",
        folder.file("seen"),
        print(&json())
    );
    let variables = [
        ("HOME", "/home/a user"),
        ("AZURE_CONFIG_DIR", "/etc/azure"),
        ("AZURE_CLIENT_SECRET", crate::SECRET),
        ("AZURE_CLIENT_CERTIFICATE_PASSWORD", crate::SECRET),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", crate::SECRET),
        (SUBSCRIPTION, "Pay as you go"),
    ];
    goes_well(&folder, &script, &variables);
    let seen = folder.written("seen");
    let lines: Vec<&str> = seen.lines().collect();
    let cloud = Cloud::COMMERCIAL;
    let scope = cloud.scope();
    let arguments = format!(
        "<account><get-access-token><-o><json><--scope><{scope}><--subscription><Pay as you go>"
    );
    assert_eq!(
        lines[..4],
        [&*arguments, "/", "0", "/home/a user,/etc/azure,"]
    );
    // The group, where there is a program to tell it.
    assert_eq!(lines[lines.len() - 1], lines[4], "{seen}");
    assert!(lines.len() <= 6, "started once: {seen}");

    let script = format!("echo \"$*\" > {}\n{}", folder.file("seen"), print(&json()));
    goes_well(&folder, &script, &[(TENANT, "contoso.com")]);
    let seen = folder.written("seen");
    assert!(seen.ends_with("/.default --tenant contoso.com\n"), "{seen}");
}

/// F46: a warning before the JSON does no harm, and neither do words behind it.
#[test]
fn a_warning_before_the_json_does_no_harm() {
    let folder = Folder::new("warning");
    let text = format!("WARNING: {{x}}\n{{a notice}}\n\n{}\nDone.", json());
    let script = format!("echo 'WARNING: upgrade' >&2\n{}", print(&text));
    goes_well(&folder, &script, &[]);
}

/// F46: a good end without output is no token, and what was printed instead of one is not shown.
#[test]
fn output_without_a_token_is_refused_and_not_shown() {
    let folder = Folder::new("empty");
    refused(&folder, "exit 0", &["printed nothing", "hint: see what"]);
    let script = "echo 'WARNING: odd' >&2";
    refused(&folder, script, &["printed nothing: WARNING: odd"]);
    let script = print("hunter2 is no JSON");
    refused(&folder, &script, &["something else than the JSON"]);
    let script = print(&json().replace("\"expires_on\"", "\"other\""));
    refused(
        &folder,
        &script,
        &["older than 2.54.0", "hint: run `az upgrade`"],
    );
}

/// F46: who is not signed in hears how that is done, in the program's own words too.
#[test]
fn who_is_not_signed_in_is_told_how() {
    let folder = Folder::new("login");
    let script = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1";
    let words = [
        "nobody is signed in",
        "(exit code 1)",
        "setup account.",
        "hint: run `az login`",
    ];
    refused(&folder, script, &words);
    let script = "echo 'ERROR: AADSTS50076: MFA, please' >&2; exit 1";
    refused(
        &folder,
        script,
        &["AADSTS50076: MFA", "hint: run `az login --scope https://"],
    );
}

/// F46: without `az` in PATH the error says so. Neither the current folder nor one that depends on it
/// counts as PATH, nor does a file that nobody may run.
#[test]
fn the_azure_cli_is_found_in_absolute_folders_of_path_alone() {
    let folder = Folder::new("missing");
    let harmless = Folder::new("missing-harmless");
    fs::write(harmless.0.join("az"), "no program").unwrap();
    fs::create_dir(harmless.0.join("sub")).unwrap();
    fs::create_dir(harmless.0.join("sub/az")).unwrap();
    plant(&folder.0, &format!(": > {}", folder.file("started")));
    // Tests run in the crate's folder, and so do their children.
    let here = env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let relative = format!("{up}{}", &folder.text()[1..]);
    assert!(Path::new(&relative).join("az").is_file(), "{relative}");
    let path = format!("{relative}::.:{}:{}/sub", harmless.text(), harmless.text());
    for path in [path.as_str(), ""] {
        let said = fails_with(&[("PATH", path)]);
        for words in [
            "<Credential> ",
            "is not installed",
            "retryable: false",
            "hint: install",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }
    fails_with(&[]);
    assert!(!Path::new(&folder.file("started")).exists());
    // The same file is good where its path is absolute.
    let said = fails_with(&[("PATH", folder.text())]);
    assert!(said.contains("printed nothing"), "{said}");
    assert!(Path::new(&folder.file("started")).exists());
}

/// F46: a script whose program is missing, and a file that can't be run, are told as such.
#[test]
fn an_azure_cli_that_is_not_whole_is_told_as_such() {
    let folder = Folder::new("broken");
    refused(
        &folder,
        "no-such-python3 -m azure",
        &["not whole (exit code 127)", "hint: install"],
    );
    refused(&folder, "kill -s KILL $$", &["ended by a signal"]);
    let file = folder.0.join("az");
    fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let said = fails_with(&[("PATH", folder.text())]);
    assert!(
        said.contains("could not be run") && said.contains("caused by: "),
        "{said}"
    );
}

/// F46: one that hangs is ended with its time limit, and with it what it has started, which holds its
/// output open.
#[test]
fn what_hangs_is_ended_with_all_that_it_started() {
    let folder = Folder::new("hangs");
    let pids = folder.file("pids");
    for (script, hangs) in [
        (format!("exec {HANG}"), 1),
        (format!("{HANG} & echo $! >> {pids}; wait"), 2),
        (format!("echo '{{'; {HANG} >&2; echo never"), 1),
        (format!("exec {HANG} >&- 2>&-"), 1),
    ] {
        let _ = fs::remove_file(&pids);
        let script = format!("echo $$ >> {pids}; {script}");
        let said = fails(&folder, &script, &[(LIMIT, "1000")]);
        for words in [
            "<Credential> ",
            "was not done after 1s",
            "retryable: true",
            "hint: ",
        ] {
            assert!(said.contains(words), "{said}");
        }
        let pids = folder.written("pids");
        assert!(pids.lines().count() <= hangs, "started once: {pids}");
        // What there is to end a group with, and to see that it has ended.
        let known = Path::new("/bin/kill").exists() && Path::new("/proc/self").exists();
        for pid in pids.lines().filter(|_| known) {
            await_end(pid);
        }
    }
}

/// What is killed goes in its own time, and is waited for by others.
fn await_end(pid: &str) {
    let begun = Instant::now();
    loop {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Another process may have the number by now.
        let goes_on =
            (state.contains("(sleep)") || state.contains("(az)")) && !state.contains(") Z ");
        if !goes_on {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{state}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// F46: a deadline that comes first ends it too.
#[test]
fn the_deadline_of_a_call_ends_it() {
    let folder = Folder::new("deadline");
    let script = format!("exec {HANG}");
    // The time limit is longer than `check` allows.
    let limits = [(DEADLINE, "700"), (LIMIT, "90000")];
    let said = fails(&folder, &script, &limits);
    for words in ["<Timeout> ", "deadline", "retryable: true"] {
        assert!(said.contains(words), "{said}");
    }
}

/// F46: what is left behind with the output open, as the telemetry of `az` may be, is not waited for.
#[test]
fn a_program_that_is_left_behind_is_not_waited_for() {
    let folder = Folder::new("behind");
    let pid = folder.file("pid");
    let script = format!("{}\n{HANG} & echo $! > {pid}", print(&json()));
    // Longer than `check` allows.
    goes_well(&folder, &script, &[(LIMIT, "90000")]);
    let pid = folder.written("pid");
    // It is not ended either: whoever started it had a reason.
    let ended = std::process::Command::new("kill").arg(pid.trim()).status();
    assert!(ended.unwrap().success());
}

/// F46: a flood of output ends in bounded time and memory; one of errors is read to its end.
#[test]
fn a_flood_of_output_is_no_token() {
    let folder = Folder::new("floods");
    refused(&folder, "yes hunter2", &["printed more than 64 KiB"]);
    let errors = "yes 'a warning' | head -c 1000000 >&2";
    goes_well(&folder, &format!("{errors}\n{}", print(&json())), &[]);
    refused(
        &folder,
        &format!("{errors}\nexit 1"),
        &["(exit code 1): a warning a warning", "…"],
    );
    // The end of them is what decides.
    refused(
        &folder,
        &format!("{errors}\necho 'ERROR: AADSTS50076: MFA' >&2\nexit 1"),
        &[
            "(exit code 1): ERROR: AADSTS50076: MFA",
            "hint: run `az login",
        ],
    );
    let said = fails(&folder, "yes >&2", &[(LIMIT, "700")]);
    assert!(said.contains("was not done after 700ms"), "{said}");
}

/// F46: a token in the error output is in no text, whether the output has it too or not.
#[test]
fn a_token_in_the_error_output_is_in_no_text() {
    let folder = Folder::new("token");
    let mut all = String::new();
    for line in [
        "ERROR: TOKEN",
        "DEBUG: {\"accessToken\": \"TOKEN\"}",
        "Bearer TOKEN",
    ] {
        let line = print(&line.replace("TOKEN", TOKEN));
        let quiet = format!("{{ {line}\n}} >&2\nexit 1");
        refused(&folder, &quiet, &["(exit code 1): ", "***"]);
        let both = format!("{}\n{quiet}", print(&json()));
        refused(&folder, &both, &["(exit code 1): ", "***"]);
        write!(all, "{{ {line}\n}} >&2\n").unwrap();
    }
    refused(&folder, &all, &["printed nothing: ", "***"]);
    goes_well(&folder, &format!("{all}{}", print(&json())), &[]);
}
