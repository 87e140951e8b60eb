//! A variable that holds what is in a file, where the file's path belongs.

use crate::{CREDENTIALS, refused};

/// Whose base64 is known, so that neither is shown.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
const ENCODED: &str = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCmh1bnRlcjIKLS0tLS1FTkQg";

#[test]
fn a_content_in_the_place_of_its_files_path_is_refused_and_not_shown() {
    let [tenant, client, _] = CREDENTIALS;
    let long = "hunter2/".repeat(200);
    let lines = [KEY, &KEY.replace('\n', " "), &KEY.replace('\n', "\\n")].map(str::to_owned);
    let contents = [ENCODED.to_owned(), "hunter2\nhunter2".to_owned(), long];
    for name in names() {
        for content in lines.iter().chain(&contents) {
            let said = refused(
                &[tenant, client, (name, content)],
                &[name, "the path of the", "hint: give the path of the file"],
            );
            assert!(
                !said.contains("aHVudGVyM") && !said.contains("h1bnRlcjI"),
                "{said}"
            );
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let certificate = cfg!(feature = "certificate").then_some("AZURE_CLIENT_CERTIFICATE_PATH");
    ["AZURE_FEDERATED_TOKEN_FILE"]
        .into_iter()
        .chain(certificate)
}
