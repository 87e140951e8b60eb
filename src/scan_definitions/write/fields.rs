//! What an addition and an update have in common: the fields, whether they can be sent, and the body.

use std::{fmt, io};

use serde::Serialize;
use zeroize::Zeroizing;

use super::params::AuthParams;
use super::scanner::Scanner;
use super::targets::Targets;
use crate::error::Error;
use crate::scan_definitions::{ScanDefinition, ScanType, TargetType};
use crate::secret::Secret;

/// Those that are to be set.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Fields {
    pub(super) scan_type: Option<ScanType>,
    pub(super) name: Option<String>,
    pub(super) active: Option<bool>,
    /// Or why there are none.
    pub(super) targets: Option<Result<Targets, String>>,
    pub(super) interval_in_hours: Option<i64>,
    pub(super) scanner: Option<Scanner>,
    pub(super) auth: Option<AuthParams>,
}

/// Without blanks at its ends, which the service doesn't show. Control characters stay, to be refused.
pub(super) fn trimmed(text: &str) -> String {
    text.trim_matches(|c: char| c.is_whitespace() && !c.is_control())
        .to_owned()
}

/// Whether a text is free of control characters. What is wrong is said without showing it.
pub(super) fn unbroken(what: &str, text: &str) -> Result<(), String> {
    if text.ends_with(['\n', '\r']) {
        return Err(format!(
            "the {what} ends with a line break, as what is read from a file often does"
        ));
    }
    if text.contains(char::is_control) {
        return Err(format!("the {what} contains a control character"));
    }
    Ok(())
}

/// The schema's type is a signed number of 32 bits.
fn check_interval(hours: i64) -> Result<(), String> {
    if (1..=i64::from(i32::MAX)).contains(&hours) {
        return Ok(());
    }
    Err("the interval must be 1 to 2,147,483,647 hours".to_owned())
}

impl Fields {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Shows those that are set, as what they are part of.
    pub(super) fn show(&self, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets = self.targets.as_ref();
        let sent = targets.and_then(|it| it.as_ref().ok());
        let mut out = f.debug_struct(what);
        field(&mut out, "scan_type", self.scan_type.as_ref());
        field(&mut out, "name", self.name.as_ref());
        field(&mut out, "active", self.active.as_ref());
        field(&mut out, "targets", sent.map(|it| &it.text));
        field(
            &mut out,
            "target_type",
            sent.and_then(|it| it.kind.as_ref()),
        );
        let refused = targets.and_then(|it| it.as_ref().err());
        field(&mut out, "refused_targets", refused);
        field(
            &mut out,
            "interval_in_hours",
            self.interval_in_hours.as_ref(),
        );
        field(&mut out, "scanner", self.scanner.as_ref());
        field(&mut out, "auth", self.auth.as_ref());
        out.finish()
    }

    /// Without those that a definition has already. What the service never shows stays.
    pub(super) fn changes_to(mut self, definition: &ScanDefinition) -> Self {
        let shown = definition;
        self.scan_type
            .take_if(|it| shown.scan_type.as_ref() == Some(it));
        self.name.take_if(|it| is_name(it, shown));
        self.active.take_if(|it| shown.is_active == Some(*it));
        self.targets.take_if(|it| {
            it.as_ref().is_ok_and(|targets| {
                targets.are_of(shown) && !targets.are_called_otherwise_by(shown)
            })
        });
        self.interval_in_hours
            .take_if(|it| shown.interval_in_hours == Some(*it));
        self.scanner.take_if(|it| {
            shown
                .scanner_agent
                .as_ref()
                .is_some_and(|agent| it.is(agent))
        });
        self
    }

    /// Whether a definition could be these: it has the name and the targets, and shows nothing else that
    /// differs.
    pub(super) fn could_be(&self, definition: &ScanDefinition) -> bool {
        fn fits<T: PartialEq>(mine: Option<&T>, shown: Option<&T>) -> bool {
            mine.zip(shown).is_none_or(|(mine, shown)| mine == shown)
        }
        let shown = definition;
        let name = self.name.as_deref();
        let targets = self.targets.as_ref().and_then(|it| it.as_ref().ok());
        let scanner = self.scanner.as_ref();
        name.is_some_and(|it| is_name(it, shown))
            && targets.is_some_and(|it| it.are_of(shown))
            && scanner.is_none_or(|it| it.may_be(shown.scanner_agent.as_ref()))
            && fits(self.scan_type.as_ref(), shown.scan_type.as_ref())
            && fits(
                self.interval_in_hours.as_ref(),
                shown.interval_in_hours.as_ref(),
            )
            && fits(self.active.as_ref(), shown.is_active.as_ref())
    }

    /// With those of a definition where none is set, as far as they can be sent.
    pub(super) fn with_rest_of(self, definition: &ScanDefinition) -> Self {
        let shown = definition;
        let name = || {
            let name = shown.scan_name.clone();
            name.filter(|name| check_name(name).is_ok())
        };
        let scanner = || {
            let scanner = shown.scanner_agent.as_ref().map(Scanner::of);
            scanner.filter(|scanner| scanner.check().is_ok())
        };
        let interval = shown
            .interval_in_hours
            .filter(|hours| check_interval(*hours).is_ok());
        Self {
            scan_type: self.scan_type.or_else(|| shown.scan_type.clone()),
            name: self.name.or_else(name),
            active: self.active.or(shown.is_active),
            targets: self.targets.or_else(|| Targets::shown_by(shown).map(Ok)),
            interval_in_hours: self.interval_in_hours.or(interval),
            scanner: self.scanner.or_else(scanner),
            auth: self.auth,
        }
    }

    /// What no text may show: of a key of several lines each line too, since one alone may be complained
    /// about.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let mut secrets = Vec::new();
        for secret in self.auth.iter().flat_map(AuthParams::secrets) {
            secrets.push(secret.clone());
            if secret.expose().contains('\n') {
                secrets.extend(secret.expose().lines().map(Secret::from));
            }
        }
        secrets
    }

    /// The body of the call, in the order of keys that the documentation's sample has.
    ///
    /// It holds the secrets, so it is counted first and then written into room that need not grow: no
    /// piece of it is left behind where it was moved away from.
    pub(super) fn body(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let body = self.object();
        let mut count = Counting(0);
        let mut json = match serde_json::to_writer(&mut count, &body) {
            Ok(()) => Zeroizing::new(Vec::with_capacity(count.0)),
            Err(error) => return Err(unwritable(&error)),
        };
        serde_json::to_writer(&mut *json, &body).map_err(|error| unwritable(&error))?;
        Ok(json)
    }

    /// Whether the service could take them.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.refusal()
            .map_or(Ok(()), |why| Err(Error::invalid(why)))
    }

    fn refusal(&self) -> Option<String> {
        let name = self.name.as_deref().map(check_name);
        let targets = self.targets.as_ref().map(|targets| match targets {
            Ok(_) => Ok(()),
            Err(why) => Err(why.clone()),
        });
        let interval = self.interval_in_hours.map(check_interval);
        let scanner = self.scanner.as_ref().map(Scanner::check);
        let auth = self.auth.as_ref().map(AuthParams::check);
        let checks = [name, targets, interval, scanner, auth];
        checks.into_iter().flatten().find_map(Result::err)
    }

    /// What is sent of fields that were checked.
    fn object(&self) -> DefinitionBody<'_> {
        let targets = self.targets.as_ref().and_then(|it| it.as_ref().ok());
        DefinitionBody {
            scan_type: self.scan_type.as_ref(),
            scan_name: self.name.as_deref(),
            is_active: self.active,
            target: targets.map(|targets| targets.text.as_str()),
            interval_in_hours: self.interval_in_hours,
            target_type: targets.and_then(|targets| targets.kind.as_ref()),
            scanner_agent: self.scanner.as_ref(),
            scan_authentication_params: self.auth.as_ref(),
        }
    }
}

fn is_name(name: &str, definition: &ScanDefinition) -> bool {
    let shown = definition.scan_name.as_deref();
    shown.is_some_and(|shown| trimmed(shown) == trimmed(name))
}

fn check_name(name: &str) -> Result<(), String> {
    if trimmed(name).is_empty() {
        return Err("the scan's name is empty or blank".to_owned());
    }
    unbroken("scan's name", name)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DefinitionBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    scan_type: Option<&'a ScanType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_in_hours: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_type: Option<&'a TargetType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanner_agent: Option<&'a Scanner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan_authentication_params: Option<&'a AuthParams>,
}

/// Shows a field if it is set.
pub(super) fn field<T: fmt::Debug>(
    out: &mut fmt::DebugStruct<'_, '_>,
    name: &str,
    value: Option<&T>,
) {
    if let Some(value) = value {
        out.field(name, value);
    }
}

/// Counts what is written and keeps none of it.
struct Counting(usize);

impl io::Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nothing of the body can fail to be JSON, but serde's signature allows for it. Its own text is left
/// out: it could quote what it complains about.
fn unwritable(_: &serde_json::Error) -> Error {
    Error::invalid("the definition can't be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan_definitions::SnmpAuth;

    #[test]
    fn a_body_is_written_into_room_that_need_not_grow() {
        let quoted = "\"\\\n\u{1}\u{fc}".repeat(1_000);
        let fields = Fields {
            name: Some(quoted.clone()),
            auth: Some(SnmpAuth::community_string(quoted).0),
            ..Fields::default()
        };
        let body = fields.body().unwrap();
        assert_eq!(body.len(), body.capacity());
        assert!(body.len() > 20_000);
    }
}
