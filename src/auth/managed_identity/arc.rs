//! Azure Arc's proof that who asks may ask: the agent names a file that only some can read, and wants
//! to see what is in it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::Error;
use crate::secret::Secret;

/// A key is no larger, in bytes.
const LARGEST: u64 = 4_096;
/// The name of its file is no longer.
const LONGEST_NAME: usize = 100;

/// The key that this challenge asks for: `Basic realm=<file>`. Only a key file of the agent's own
/// folder is read, whatever the challenge says, so that nobody can have other files sent to them.
pub(super) fn key(challenge: Option<&str>, folder: &Path) -> Result<Secret, Error> {
    let file = key_file(realm(challenge)?, folder)?;
    let content = read(&file).map_err(|error| {
        let text = format!("the Azure Arc agent's key {} can't be read", file.display());
        Error::credential(text).with_source(error).with_hint(
            "only administrators can read it, and members of the group himds (Linux) or Hybrid \
             agent extension applications (Windows)",
        )
    })?;
    let content = content.ok_or_else(|| {
        let text = "is no regular file of at most 4096 bytes";
        Error::credential(format!(
            "the Azure Arc agent's key {} {text}",
            file.display()
        ))
    })?;
    let content = std::str::from_utf8(&content).unwrap_or_default().trim();
    if content.is_empty() || !content.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = "is empty or holds characters that a header can't carry";
        return Err(Error::credential(format!(
            "the Azure Arc agent's key {} {text}",
            file.display()
        )));
    }
    Ok(Secret::from(content))
}

/// What the challenge names.
fn realm(challenge: Option<&str>) -> Result<&str, Error> {
    let challenge = challenge.ok_or_else(|| {
        Error::credential("the Azure Arc agent asks for a key, but not for which")
    })?;
    let unknown =
        || Error::credential("the Azure Arc agent asks for something else than a key file");
    let (scheme, rest) = challenge.trim().split_once(' ').ok_or_else(unknown)?;
    let (name, realm) = rest.split_once('=').ok_or_else(unknown)?;
    if !scheme.eq_ignore_ascii_case("basic") || !name.trim().eq_ignore_ascii_case("realm") {
        return Err(unknown());
    }
    let realm = realm.trim();
    match realm.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().ok_or_else(unknown),
        None => Ok(realm),
    }
}

/// The file, if it lies directly in the folder and is a key by its name. What else was named is not
/// repeated: it can be any text.
fn key_file(named: &str, folder: &Path) -> Result<PathBuf, Error> {
    let path = Path::new(named);
    let name = path.file_name().and_then(|name| name.to_str());
    // Its name is told in errors, and a colon would be another stream of a file, on Windows.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_key = |name: &&str| {
        let stem = name.strip_suffix(".key");
        let is_named = stem.is_some_and(|stem| !stem.is_empty());
        is_named && name.len() <= LONGEST_NAME && name.bytes().all(is_plain)
    };
    let here = path.parent().is_some_and(|parent| is_same(parent, folder));
    // Where a path ends in a separator or a dot, its last name is no file's.
    let ends = name.is_some_and(|name| named.ends_with(name));
    match name.filter(is_key) {
        Some(name) if here && ends => Ok(folder.join(name)),
        _ => Err(Error::credential(format!(
            "the Azure Arc agent names a file that is no key directly in {}",
            folder.display()
        ))
        .with_hint("what answers may not be the agent: check IDENTITY_ENDPOINT")),
    }
}

/// Part by part, dots and all: nothing is resolved.
fn is_same(one: &Path, other: &Path) -> bool {
    if !cfg!(windows) {
        return one == other;
    }
    let (mut one, mut other) = (one.components(), other.components());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one.as_os_str().eq_ignore_ascii_case(other.as_os_str()) => {
            }
            _ => return false,
        }
    }
}

/// What is in the file; nothing if that is a link, no file, or too large.
fn read(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.len() > LARGEST {
        return Ok(None);
    }
    let file = File::open(path)?;
    // Another may have been put in its place meanwhile.
    if !is_one(&found, &file.metadata()?) {
        return Ok(None);
    }
    let mut content = Zeroizing::new(Vec::with_capacity(
        usize::try_from(LARGEST + 1).unwrap_or(0),
    ));
    file.take(LARGEST + 1).read_to_end(&mut content)?;
    Ok(Some(content).filter(|content| content.len() as u64 <= LARGEST))
}

#[cfg(unix)]
fn is_one(found: &Metadata, opened: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    opened.is_file() && (found.dev(), found.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_one(_: &Metadata, opened: &Metadata) -> bool {
    opened.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::managed_identity::tests::Folder;

    const KEY: &str = "hunter2KeyOfTheAgent==";

    fn challenge(file: &Path) -> String {
        format!("Basic realm={}", file.display())
    }

    /// The error for this challenge, which shows no key.
    fn refused(challenge: Option<&str>, folder: &Folder) -> Error {
        let error = key(challenge, folder.path()).unwrap_err();
        let said = format!("{error} {error:?} {error:#?}");
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(error.kind(), crate::ErrorKind::Credential);
        assert!(!error.is_retryable());
        error
    }

    #[test]
    fn the_key_is_read_and_trimmed() {
        let folder = Folder::new();
        let full = "k".repeat(4_096);
        for (content, expected) in [
            (KEY, KEY),
            (&format!("  {KEY}\r\n"), KEY),
            (full.as_str(), full.as_str()),
        ] {
            let file = folder.file("a-b.key", content);
            let plain = challenge(&file);
            let quoted = format!("basic  Realm = \"{}\", charset=\"UTF-8\"", file.display());
            for challenge in [plain, quoted] {
                let key = key(Some(&challenge), folder.path()).unwrap();
                assert_eq!(key.expose(), expected, "{challenge}");
            }
        }
    }

    /// F50: a file that doesn't lie directly in the agent's folder, or is no key by its name, is
    /// refused.
    #[test]
    fn a_file_elsewhere_is_not_read() {
        let (folder, elsewhere) = (Folder::new(), Folder::new());
        let outside = elsewhere.file("a.key", KEY);
        folder.file("a.key", KEY);
        folder.file("a.txt", KEY);
        folder.file(".key", KEY);
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub").join("a.key"), KEY).unwrap();
        let inside = folder.path().display().to_string();
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        for realm in [
            outside.display().to_string(),
            format!("{inside}/a.txt"),
            format!("{inside}/.key"),
            format!("{inside}/sub/a.key"),
            format!("{inside}/sub/../a.key"),
            format!("{inside}/../{name}/a.key"),
            format!("{inside}/../a.key"),
            format!("{inside}/.."),
            format!("{inside}/a.key/"),
            format!("{inside}/a.key/."),
            format!("{inside}/a.key/.."),
            format!("{inside}/a.txt:b.key"),
            format!("{inside}/sub\\a.key"),
            format!("{inside}/a b.key"),
            format!("{inside}/\u{e4}.key"),
            format!("{inside}/a\u{202e}.key"),
            format!("{inside}/{}.key", "k".repeat(97)),
            format!("{inside}/"),
            inside.clone(),
            format!("{inside}a.key"),
            "a.key".to_owned(),
            "./a.key".to_owned(),
            "/a.key".to_owned(),
            "/etc/passwd".to_owned(),
            String::new(),
        ] {
            let error = refused(Some(&format!("Basic realm={realm}")), &folder);
            assert!(
                error.to_string().contains("no key directly in"),
                "{realm}: {error}"
            );
        }
    }

    /// F50: a key above 4,096 bytes, and one that is no regular file, is refused.
    #[test]
    fn a_file_that_can_be_no_key_is_not_read() {
        let folder = Folder::new();
        let large = folder.file("large.key", &"k".repeat(4_097));
        let below = folder.path().join("folder.key");
        fs::create_dir(&below).unwrap();
        let mut files = vec![large, below];
        // The last would not even be opened.
        #[cfg(unix)]
        {
            let link = folder.path().join("link.key");
            let real = folder.file("real.key", KEY);
            std::os::unix::fs::symlink(real, &link).unwrap();
            let socket = folder.path().join("socket.key");
            drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
            files.extend([link, socket]);
        }
        for file in files {
            let error = refused(Some(&challenge(&file)), &folder);
            assert!(error.to_string().contains("is no regular file"), "{error}");
        }
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused() {
        let folder = Folder::new();
        for content in [
            "",
            " \r\n",
            "hunter2\r\nX: y",
            "hunter2 hunter2",
            "hunter2\u{e9}",
            "hunter2\0",
        ] {
            let file = folder.file("a.key", content);
            let error = refused(Some(&challenge(&file)), &folder);
            assert!(error.to_string().contains("can't carry"), "{error}");
        }
        fs::write(folder.path().join("a.key"), b"hunter2\xff").unwrap();
        refused(Some(&challenge(&folder.path().join("a.key"))), &folder);
    }

    #[test]
    fn a_key_that_is_not_there_is_named() {
        let folder = Folder::new();
        let file = folder.path().join("gone.key");
        let error = refused(Some(&challenge(&file)), &folder);
        assert!(
            error.to_string().contains("gone.key can't be read"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("himds"));
    }

    #[test]
    fn a_challenge_of_another_kind_is_refused() {
        let folder = Folder::new();
        let file = folder.file("a.key", KEY);
        let file = file.display();
        let error = refused(None, &folder);
        assert!(error.to_string().contains("not for which"), "{error}");
        for challenge in [
            String::new(),
            "Basic".to_owned(),
            "Basic ".to_owned(),
            format!("Basic {file}"),
            format!("Basic realm:{file}"),
            format!("Bearer realm={file}"),
            format!("Basic scope={file}"),
            format!("realm={file}"),
        ] {
            let error = refused(Some(&challenge), &folder);
            assert!(
                error.to_string().contains("something else"),
                "{challenge}: {error}"
            );
        }
    }

    #[test]
    fn folders_are_compared_by_their_parts() {
        let path = Path::new;
        assert!(is_same(path("/a/b"), path("/a/b/")));
        assert!(is_same(path("/a//b"), path("/a/b")));
        assert!(!is_same(path("/a/b"), path("/a/b/c")));
        assert!(!is_same(path("/a/b/c"), path("/a/b")));
        assert!(!is_same(path("/a/c/../b"), path("/a/b")));
        assert_eq!(is_same(path("/A/b"), path("/a/B")), cfg!(windows));
    }
}
