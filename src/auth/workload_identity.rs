//! Client credentials with an assertion that the platform keeps in a file.

use std::fs;
use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::auth::client_assertion::{ask_with_assertion, check_assertion};
use crate::auth::{AccessToken, Credential, TokenRequest, entra};
use crate::error::{Error, Retry};
use crate::excerpt::folded;
use crate::file;
use crate::secret::Secret;

/// Of the file, white space and all.
const LONGEST: usize = 64 * 1024;

/// An app registration or managed identity that trusts a token which the platform keeps in a file,
/// as Kubernetes does for a pod's service account.
///
/// The way of «Workload identity federation» and of «Use Microsoft Entra Workload ID on Azure
/// Kubernetes Service (AKS)», where the variables `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
/// `AZURE_FEDERATED_TOKEN_FILE` have the three arguments.
///
/// The platform replaces the file before its token expires, so it is read anew each time that an
/// access token is due. It must be a regular file (or a link to one) of at most 64 KiB, which holds
/// one JWT and perhaps white space around it. Anything else is an error of kind
/// [`Credential`](crate::ErrorKind::Credential) that names the path and never the content; nothing is
/// sent then. Of a file that is missing or empty, as it may be while it is replaced, the error is
/// [retryable](Error::is_retryable), and the next call looks again.
///
/// When Entra has refused an assertion, the file is not looked at again for a minute.
///
/// # Example
///
/// ```
/// use defender_endpoint::{Client, WorkloadIdentity};
///
/// let credential = WorkloadIdentity::new(
///     "contoso.onmicrosoft.com",
///     "11111111-2222-3333-4444-555555555555",
///     "/var/run/secrets/azure/tokens/azure-identity-token",
/// )?;
/// let client = Client::builder(credential).build()?;
/// # Ok::<(), defender_endpoint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WorkloadIdentity {
    tenant: String,
    client_id: String,
    token_file: PathBuf,
}

impl WorkloadIdentity {
    /// The tenant by its id or one of its domains, the application (client) id, and the path of the
    /// file, which need not be there yet. A relative path is looked up in the folder that is the
    /// process's at that moment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the tenant is neither a GUID nor a
    /// domain, when the client id is empty or holds other than letters, digits and `-`, or when the
    /// path is empty, longer than 1,024 bytes, holds line breaks or other control characters, or is
    /// the token itself or a PEM text, which is then not shown.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        token_file: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        let (tenant, client_id, token_file) = (tenant.into(), client_id.into(), token_file.into());
        entra::check_tenant(&tenant)?;
        entra::check_client_id(&client_id)?;
        if token_file.as_os_str().is_empty() {
            return Err(Error::config(
                "the path of the federated token file is empty",
            ));
        }
        if token_file.to_str().is_some_and(is_token) {
            let text = "the path of the federated token file is a token";
            let hint = "give the path, or the token itself by way of a `ClientAssertion`";
            return Err(Error::config(text).with_hint(hint));
        }
        file::check_path(&token_file, "federated token file")?;
        Ok(Self {
            tenant,
            client_id,
            token_file,
        })
    }

    /// What the file holds now.
    fn assertion(&self) -> Result<Secret, Error> {
        let assertion = self.contents().map_err(unreadable);
        let assertion = assertion.and_then(|contents| read(&contents));
        assertion.map_err(|error| {
            let file = format!("the federated token file {}", self.token_file.display());
            error.behind(&folded(&file))
        })
    }

    /// The file up to the first byte that is too many.
    fn contents(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        // To open a pipe is to wait until somebody writes.
        if !fs::metadata(&self.token_file)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        file::read(&self.token_file, LONGEST)
    }
}

impl Credential for WorkloadIdentity {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let assertion = self.assertion()?;
        ask_with_assertion(request, &self.tenant, &self.client_id, &assertion)
    }

    fn name(&self) -> &'static str {
        "workload identity"
    }
}

/// Why there is nothing to read.
fn unreadable(cause: io::Error) -> Error {
    let error = if cause.kind() == io::ErrorKind::NotFound {
        Error::credential("it is not there")
            .with_retry(Retry::Later)
            .with_hint("check the path, and whether the token is mounted into the pod")
    } else {
        Error::credential("it can't be read")
    };
    error.with_source(cause)
}

/// The assertion in a file. Nothing of what else is in there is shown.
fn read(contents: &[u8]) -> Result<Secret, Error> {
    if contents.len() > LONGEST {
        return Err(Error::credential("it is longer than 64 KiB"));
    }
    let text =
        std::str::from_utf8(contents).map_err(|_| Error::credential("it holds other than text"))?;
    let assertion = Secret::from(text.trim());
    if assertion.expose().is_empty() {
        return Err(Error::credential("it is empty").with_retry(Retry::Later));
    }
    check_assertion(&assertion)?;
    Ok(assertion)
}

/// Whether somebody gave the content of the file instead of its path. A JWT begins with an object of
/// JSON in base64url, which no file's name does by chance.
fn is_token(path: &str) -> bool {
    let path = path.trim();
    path.starts_with("eyJ") && check_assertion(&Secret::from(path)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_the_assertion_is_left_out() {
        for contents in ["a.b.c", "a.b.c\n", "a.b.c\r\n", "\n\t a.b.c \n\n"] {
            assert_eq!(read(contents.as_bytes()).unwrap().expose(), "a.b.c");
        }
    }

    #[test]
    fn as_much_white_space_as_there_is_room_for_is_borne() {
        let contents = format!("a.b.c{}", " ".repeat(LONGEST - 5));
        assert_eq!(read(contents.as_bytes()).unwrap().expose(), "a.b.c");
        let error = read(format!("{contents} ").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "it is longer than 64 KiB");
    }

    #[test]
    fn what_holds_no_assertion_is_refused_without_showing_it() {
        for (contents, why, retryable) in [
            (&b""[..], "it is empty", true),
            (b" \r\n\t\n", "it is empty", true),
            (b"PLANTED\xff\xfe.b.c", "it holds other than text", false),
            (b"PLANTED\n.b.c", "line breaks", false),
            (b"a.b.c\na.PLANTED.c", "line breaks", false),
            (b"PLANTED", "is no JWT", false),
            (b"\xef\xbb\xbfPLANTED.b.c", "other characters", false),
            (br#"{"token":"PLANTED"}"#, "is no JWT", false),
        ] {
            let error = read(contents).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Credential);
            assert_eq!(error.is_retryable(), retryable, "{error}");
            let texts = format!("{error} {error:?} {error:#?}");
            assert!(texts.contains(why) && !texts.contains("PLANTED"), "{texts}");
        }
    }

    #[test]
    fn a_token_is_not_taken_for_a_path() {
        for token in ["eyJhbGciOiJub25lIn0.e30.a-_", " eyJh.b.c\n"] {
            assert!(is_token(token), "{token:?}");
        }
        for path in ["token.jwt.old", "eyJ", "eyJ.b", "/eyJ.b.c", "./eyJ.b.c", ""] {
            assert!(!is_token(path), "{path:?}");
        }
    }
}
