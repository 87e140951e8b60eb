//! The report: what is in it, and how it is written.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::shape::KeyReport;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) crate_version: &'static str,
    pub(crate) host: String,
    pub(crate) credential: String,
    pub(crate) raw_calls: usize,
    pub(crate) calls_by_the_client: usize,
    pub(crate) questions: Vec<Question>,
    pub(crate) operations: Vec<Operation>,
}

/// An open question, and what the tenant says to it.
#[derive(Debug, Serialize)]
pub(crate) struct Question {
    pub(crate) number: &'static str,
    #[serde(rename = "question")]
    pub(crate) asks: &'static str,
    pub(crate) answer: Verdict,
    pub(crate) evidence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Yes,
    No,
    Unknown,
    NotTried,
}

impl Verdict {
    fn in_words(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
            Self::NotTried => "not tried",
        }
    }
}

/// One operation: its raw answer, and what the crate makes of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// In a few words, where there was no answer.
    pub(crate) not_answered: Option<String>,
    pub(crate) status: Option<u16>,
    /// The values of those that identify nothing; under `*` how many others there are.
    pub(crate) headers: BTreeMap<String, Option<String>>,
    pub(crate) body: String,
    pub(crate) envelope: Vec<String>,
    /// What `@odata.context` names.
    pub(crate) context: Option<String>,
    pub(crate) error_code: Option<String>,
    pub(crate) rows: usize,
    pub(crate) keys: Vec<KeyReport>,
    pub(crate) unknown_keys: BTreeMap<String, usize>,
    pub(crate) never_seen: Vec<String>,
    pub(crate) rows_refused: usize,
    pub(crate) refused: Vec<Refusal>,
    /// The same call by the client.
    pub(crate) by_the_client: String,
}

/// Why the crate's types refuse rows.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    pub(crate) path: String,
    pub(crate) why: String,
    pub(crate) rows: usize,
}

pub(crate) fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, report)?;
    writeln!(out)
}

pub(crate) fn markdown(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# Probe of the Defender for Endpoint API\n")?;
    writeln!(out, "- crate: defender-endpoint {}", report.crate_version)?;
    writeln!(out, "- host: {}", report.host)?;
    writeln!(out, "- credential: {}", report.credential)?;
    writeln!(
        out,
        "- calls: {} by hand, {} by the client, none of which writes; an operation may have 100 a \
         minute and 1,500 an hour",
        report.raw_calls, report.calls_by_the_client
    )?;
    writeln!(
        out,
        "- no names, ids, addresses, tags or texts of the tenant: texts are told by their shape, and \
         values only of enumerations\n"
    )?;
    writeln!(out, "## Open questions\n")?;
    writeln!(out, "| | question | answer | evidence |")?;
    writeln!(out, "| --- | --- | --- | --- |")?;
    for question in &report.questions {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            question.number,
            question.asks,
            question.answer.in_words(),
            question.evidence
        )?;
    }
    writeln!(out, "\n## What the crate doesn't know\n")?;
    unknown(report, out)?;
    writeln!(out, "\n## Types that are not documented\n")?;
    odd_types(report, out)?;
    for operation in &report.operations {
        section(operation, out)?;
    }
    Ok(())
}

fn unknown(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut lines = Vec::new();
    for operation in &report.operations {
        let name = operation.name;
        for (key, rows) in &operation.unknown_keys {
            lines.push(format!("{name}: key `{key}` has no field (rows: {rows})"));
        }
        for key in &operation.keys {
            for (value, rows) in &key.unknown_values {
                let path = &key.path;
                lines.push(format!("{name}: `{path}` is `{value}` (rows: {rows})"));
            }
            for shape in &key.withheld_values {
                let path = &key.path;
                lines.push(format!(
                    "{name}: `{path}` is something that may be the tenant's own ({shape})"
                ));
            }
        }
        for Refusal { path, why, rows } in &operation.refused {
            lines.push(format!("{name}: `{path}` is refused (rows: {rows}): {why}"));
        }
    }
    if lines.is_empty() {
        writeln!(out, "Nothing was seen that it doesn't know.")?;
    }
    for line in lines {
        writeln!(out, "- {line}")?;
    }
    Ok(())
}

fn odd_types(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut none = true;
    for operation in &report.operations {
        for key in &operation.keys {
            for (name, times) in &key.odd_types {
                none = false;
                writeln!(
                    out,
                    "- {}: `{}` is {name} ×{times}",
                    operation.name, key.path
                )?;
            }
        }
    }
    if none {
        writeln!(out, "None was seen.")?;
    }
    Ok(())
}

fn section(operation: &Operation, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n## {}\n", operation.name)?;
    if let Some(why) = &operation.not_answered {
        writeln!(out, "- no answer: {why}")?;
    }
    if let Some(status) = operation.status {
        writeln!(out, "- status: {status}, {}", operation.body)?;
        writeln!(out, "- headers: {}", headers(&operation.headers))?;
    }
    if let Some(code) = &operation.error_code {
        writeln!(out, "- error code: {code}")?;
    }
    if !operation.envelope.is_empty() {
        writeln!(out, "- envelope: {}", listed(&operation.envelope))?;
    }
    if let Some(context) = &operation.context {
        writeln!(out, "- `@odata.context`: {context}")?;
    }
    writeln!(out, "- by the client: {}", operation.by_the_client)?;
    if operation.rows == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "- rows: {}, of which the crate refuses {}",
        operation.rows, operation.rows_refused
    )?;
    if !operation.never_seen.is_empty() {
        let never = listed(&operation.never_seen);
        writeln!(out, "- documented, never seen: {never}")?;
    }
    writeln!(out, "\n| key | in | types | shapes | values |")?;
    writeln!(out, "| --- | --- | --- | --- | --- |")?;
    for key in &operation.keys {
        let types = key
            .types
            .iter()
            .map(|(name, times)| format!("{name} ×{times}"));
        let unknown = key.unknown_values.iter();
        let unknown = unknown.map(|(value, rows)| format!("unknown: {value} (rows: {rows})"));
        let withheld = key.withheld_values.iter();
        let withheld = withheld.map(|shape| format!("withheld: {shape}"));
        let values = key.values.iter();
        let values = values.map(|(value, times)| format!("{value} ×{times}"));
        let values: Vec<String> = values.chain(unknown).chain(withheld).collect();
        writeln!(
            out,
            "| `{}` | {} of {} | {} | {} | {} |",
            key.path,
            key.had,
            key.of,
            types.collect::<Vec<_>>().join(", "),
            key.shapes.join("; "),
            values.join(", ")
        )?;
    }
    Ok(())
}

pub(crate) fn headers(headers: &BTreeMap<String, Option<String>>) -> String {
    let all = headers.iter().map(|(name, value)| match value {
        Some(value) => format!("`{name}: {value}`"),
        None => format!("`{name}`"),
    });
    all.collect::<Vec<_>>().join(", ")
}

fn listed(names: &[String]) -> String {
    let quoted = names.iter().map(|name| format!("`{name}`"));
    quoted.collect::<Vec<_>>().join(", ")
}
