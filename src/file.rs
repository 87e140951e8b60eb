//! Files that a caller or a variable names: keys, tokens, certificates.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Error;
#[cfg(any(feature = "certificate", feature = "rustls", feature = "native-tls"))]
use crate::excerpt::folded;

/// No path that people give is longer, in bytes, and most keys are.
const LONGEST_PATH: usize = 1_024;
/// More than all the certificates of a system.
#[cfg(any(feature = "certificate", feature = "rustls", feature = "native-tls"))]
const LARGEST_PEM: usize = 1024 * 1024;
/// What a PEM text begins with, and what that is in base64.
const PEM: [&str; 2] = ["-----BEGIN", "LS0tLS1CRUdJTi"];

/// Refuses what somebody gave instead of a path: the file's content. Paths are shown, and that must
/// not be.
pub(crate) fn check_path(path: &Path, of: &str) -> Result<(), Error> {
    let text = path.to_string_lossy();
    let why = if PEM.iter().any(|start| text.contains(start)) {
        "is a PEM text itself"
    } else if holds_token(&text) || is_der(&text) {
        "is a token or a key itself"
    } else if text.chars().any(char::is_control) {
        "holds line breaks or other control characters"
    } else if text.len() > LONGEST_PATH {
        "is longer than 1,024 bytes"
    } else {
        return Ok(());
    };
    Err(Error::config(format!("the path of the {of} {why}"))
        .with_hint("give the path of the file, not what is in it"))
}

/// Whether a JWT is in it, with quotes or something else around it. No part of a path that begins like
/// an object of JSON in base64url has two dots and so many letters by chance.
fn holds_token(text: &str) -> bool {
    const SHORTEST: usize = 32;
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    words.any(|word| {
        word.len() >= SHORTEST && word.starts_with("eyJ") && word.matches('.').count() == 2
    })
}

/// Whether it is DER in base64, as a key or a certificate begins.
fn is_der(text: &str) -> bool {
    const SHORTEST: usize = 100;
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let text = text.trim();
    text.len() >= SHORTEST && text.starts_with("MI") && text.bytes().all(digit)
}

/// The whole file, where it has at most 1 MiB: certificates, with their key or without.
#[cfg(any(feature = "certificate", feature = "rustls", feature = "native-tls"))]
pub(crate) fn read_pem(path: &Path, of: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    check_path(path, of)?;
    let file = format!("the {of} {}", folded(&path.to_string_lossy()));
    let pem = read(path, LARGEST_PEM)
        .map_err(|error| Error::config(format!("{file} can't be read")).with_source(error))?;
    if pem.len() > LARGEST_PEM {
        return Err(Error::config(format!("{file} is larger than 1 MiB")));
    }
    Ok(pem)
}

/// The whole file, or a byte more than is taken.
pub(crate) fn read(path: &Path, longest: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let room = longest.saturating_add(1);
    // Room for all of it, so that it doesn't move and leave copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(room));
    let room = u64::try_from(room).unwrap_or(u64::MAX);
    file.take(room).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_and_a_content_is_refused_without_showing_it() {
        let longest = "a".repeat(LONGEST_PATH);
        for path in [
            "",
            "/etc/a key.pem",
            "C:\\Schlüssel\\a.pem",
            "BEGIN-----",
            &longest,
        ] {
            assert!(check_path(Path::new(path), "file").is_ok(), "{path}");
        }
        let jwt = format!("eyJ{}.{}.c", "hunter2".repeat(4), "b".repeat(9));
        for secret in [
            jwt.clone(),
            format!("\"{jwt}\""),
            format!("Bearer {jwt}"),
            format!("{{\"value\":\"{jwt}\"}}"),
            format!("MIGH{}==", "hunter2+/".repeat(20)),
        ] {
            let error = check_path(Path::new(&secret), "file").unwrap_err();
            let said = format!("{error} {error:?} {error:#?}");
            assert!(
                said.contains("a token or a key") && !said.contains("hunter2"),
                "{said}"
            );
        }
        for path in [
            "/home/eyJ.b.c/MIGH",
            "MIGH.pem",
            &format!("/{}", "MI".repeat(99)),
        ] {
            assert!(check_path(Path::new(path), "file").is_ok(), "{path}");
        }
        let too_long = format!("{longest}a");
        for (content, why) in [
            ("-----BEGIN PRIVATE KEY-----PLANTED", "is a PEM text itself"),
            ("PLANTED -----BEGIN", "is a PEM text itself"),
            ("LS0tLS1CRUdJTiBQUklWPLANTED", "is a PEM text itself"),
            ("PLANTED\nPLANTED", "line breaks"),
            ("PLANTED\r", "line breaks"),
            (&too_long, "is longer than 1,024 bytes"),
        ] {
            let error = check_path(Path::new(content), "file").unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            let text = format!("{error} {error:?} {error:#?}");
            assert!(text.contains(why), "{text}");
            assert!(
                !text.contains("PLANTED") && !text.contains("aaaa"),
                "{text}"
            );
        }
    }
}
