//! What an addition and an update have in common: the fields, whether they can be sent, and the body.

use std::io;

use serde::Serialize;
use zeroize::Zeroizing;

use super::params::AuthParams;
use super::targets::Targets;
use crate::Secret;
use crate::error::Error;
use crate::machines::OnMachine;
use crate::scan_definitions::{ScanDefinition, ScanType, ScannerAgent, TargetType};

/// Those that are to be set.
#[derive(Clone, Debug, Default, PartialEq)]
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

/// The machine that is to run the scan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scanner {
    machine_id: Option<String>,
    machine_name: Option<String>,
}

impl Scanner {
    pub(super) fn of(machine: &impl OnMachine) -> Self {
        let known = |text: Option<&str>| {
            text.filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
        };
        Self {
            machine_id: known(machine.machine_id()),
            machine_name: known(machine.machine_name()),
        }
    }

    fn is(&self, agent: &ScannerAgent) -> bool {
        let ids = self.machine_id.as_deref().zip(agent.machine_id());
        ids.is_some_and(|(id, shown)| id.eq_ignore_ascii_case(shown))
    }
}

impl Fields {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Without those that a definition has already. What the service never shows stays.
    pub(super) fn changes_to(mut self, definition: &ScanDefinition) -> Self {
        let shown = definition;
        self.scan_type
            .take_if(|it| shown.scan_type.as_ref() == Some(it));
        self.name.take_if(|it| shown.scan_name.as_ref() == Some(it));
        self.active.take_if(|it| shown.is_active == Some(*it));
        self.targets
            .take_if(|it| it.as_ref().is_ok_and(|targets| targets.are_of(shown)));
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

    /// With those of a definition where none is set.
    pub(super) fn with_rest_of(self, definition: &ScanDefinition) -> Self {
        let shown = definition;
        let targets = || Targets::shown_by(shown).map(Ok);
        Self {
            scan_type: self.scan_type.or_else(|| shown.scan_type.clone()),
            name: self.name.or_else(|| shown.scan_name.clone()),
            active: self.active.or(shown.is_active),
            targets: self.targets.or_else(targets),
            interval_in_hours: self.interval_in_hours.or(shown.interval_in_hours),
            scanner: self
                .scanner
                .or_else(|| shown.scanner_agent.as_ref().map(Scanner::of)),
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
        let body = self.checked().map_err(Error::invalid)?;
        let mut count = Counting(0);
        let mut json = match serde_json::to_writer(&mut count, &body) {
            Ok(()) => Zeroizing::new(Vec::with_capacity(count.0)),
            Err(error) => return Err(unwritable(&error)),
        };
        serde_json::to_writer(&mut *json, &body).map_err(|error| unwritable(&error))?;
        Ok(json)
    }

    fn checked(&self) -> Result<DefinitionBody<'_>, String> {
        if let Some(name) = &self.name {
            if name.trim().is_empty() {
                return Err("the scan's name is empty or blank".to_owned());
            }
        }
        let targets = self.targets.as_ref().map(Result::as_ref).transpose()?;
        if self.interval_in_hours == Some(0) {
            return Err("the interval must be at least one hour".to_owned());
        }
        let scanner = match &self.scanner {
            Some(Scanner {
                machine_id: None, ..
            }) => return Err("the scanner names no machine".to_owned()),
            Some(Scanner {
                machine_id: Some(machine_id),
                machine_name,
            }) => Some(ScannerBody {
                machine_id,
                machine_name: machine_name.as_deref(),
            }),
            None => None,
        };
        self.auth.as_ref().map_or(Ok(()), AuthParams::check)?;
        Ok(DefinitionBody {
            scan_type: self.scan_type.as_ref(),
            scan_name: self.name.as_deref(),
            is_active: self.active,
            target: targets.map(|targets| targets.text.as_str()),
            interval_in_hours: self.interval_in_hours,
            target_type: targets.and_then(|targets| targets.kind.as_ref()),
            scanner_agent: scanner,
            scan_authentication_params: self.auth.as_ref(),
        })
    }
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
    scanner_agent: Option<ScannerBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan_authentication_params: Option<&'a AuthParams>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScannerBody<'a> {
    machine_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_name: Option<&'a str>,
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
