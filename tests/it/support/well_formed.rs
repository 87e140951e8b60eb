//! What holds for every error.

use std::error::Error as _;

use defender_endpoint::Error;

/// What holds for every error, whatever it is.
pub(crate) fn assert_well_formed(error: &Error) {
    let line = error.to_string();
    assert!(
        !line.is_empty() && !line.contains(char::is_control),
        "{line:?}"
    );
    assert!(line.len() < 2_000, "{line}");
    // The words of the service, or of the Azure CLI, may be a sentence.
    let own = error.message().is_none() && error.code().is_none() && !line.contains("(exit code ");
    assert!(!own || !line.ends_with([' ', ':', ',', '.']), "{line}");
    let mut cause = error.source();
    while let Some(deeper) = cause {
        assert!(
            !line.contains(&deeper.to_string()),
            "{line} repeats {deeper}"
        );
        cause = deeper.source();
    }
    let report = format!("{error:?}");
    assert!(report.starts_with(&line), "{report}");
    for line in report.lines().skip(1) {
        // The last is a line of a list, in a hint.
        let labels = ["  caused by: ", "  request id: ", "  hint: ", "    "];
        assert!(
            labels.iter().any(|label| line.starts_with(label)),
            "{report}"
        );
    }
    // The same in one line.
    let whole = report
        .replace("\n  caused by: ", ": ")
        .replace("\n  request id: ", "; request id: ")
        .replace("\n  hint: ", "; hint: ")
        .replace("\n    ", " ");
    assert_eq!(format!("{error:#}"), whole);
    let fields = format!("{error:#?}");
    assert!(
        fields.starts_with("Error {\n") && fields.contains("\n    kind: "),
        "{fields}"
    );
}
