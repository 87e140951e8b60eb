//! The crate's own source, for what nothing that runs can show.

use std::fs;
use std::path::Path;

/// A file of the crate.
pub(crate) struct Source {
    /// `src/client.rs`
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn of(path: &str) -> Self {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        Self {
            path: path.to_owned(),
            text: fs::read_to_string(place).unwrap(),
        }
    }

    /// Every file of Rust in the folder `src` and in those within.
    pub(crate) fn all() -> Vec<Self> {
        Self::within("src")
    }

    /// Every file of Rust in a folder of the repository and in those within.
    pub(crate) fn within(folder: &str) -> Vec<Self> {
        let mut found = Vec::new();
        gather(folder, &mut found);
        found
    }

    /// Whether the file is there for tests alone.
    pub(crate) fn is_for_tests(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap();
        let names = [
            "tests.rs",
            "interleavings.rs",
            "memory.rs",
            "rig.rs",
            "under_fire.rs",
        ];
        let folders = ["/fuzzing", "/tests/"];
        names.contains(&name) || folders.iter().any(|folder| self.path.contains(folder))
    }

    /// The lines that a program gets: without comments, and without each item that is there for
    /// tests alone, be it in the middle of the file.
    pub(crate) fn own_lines(&self) -> Vec<&str> {
        let mut own = Vec::new();
        let mut skipped = None;
        for line in self.text.lines() {
            let code = line.trim_start();
            let indent = line.len() - code.len();
            if skipped.is_some() {
                // As rustfmt writes it, an item ends where its first line stands.
                let is_last = code.ends_with(['}', ';']);
                if is_last && skipped == Some(indent) {
                    skipped = None;
                }
            } else if code.starts_with("#[cfg(test)")
                || code.starts_with("#[cfg(any(test,")
                || code.starts_with("#[cfg(all(test,")
            {
                skipped = Some(indent);
            } else if !code.starts_with("//") {
                own.push(line);
            }
        }
        own
    }
}

fn gather(folder: &str, found: &mut Vec<Source>) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for entry in fs::read_dir(place).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            gather(&path, found);
        } else if Path::new(&path).extension().is_some_and(|it| it == "rs") {
            found.push(Source::of(&path));
        }
    }
}

#[test]
fn what_is_for_tests_alone_is_left_out_and_nothing_else() {
    let text = "use a;\n#[cfg(all(test, shuttle))]\nuse b;\n// c\nimpl D {\n    #[cfg(test)]\n    \
                fn e() {\n        f();\n    }\n    fn g() {}\n    \
                #[cfg(test)]\n    fn h() {}\n    fn i() {}\n}\n#[cfg(test)]\n#[expect(\n    j\n)]\n\
                mod tests {\n    k();\n}\nfn l() {}\n";
    let source = Source {
        path: "src/a.rs".to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(
        source.own_lines(),
        [
            "use a;",
            "impl D {",
            "    fn g() {}",
            "    fn i() {}",
            "}",
            "fn l() {}"
        ]
    );
}
