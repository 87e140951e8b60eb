//! Scan agents: the pages «Get all scan agents» and «Get scan agent by ID».

mod model;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::body::Spares;
use crate::call::{self, Call, Operation, Shared};
use crate::decode;
use crate::encode::{check_id, encode};
use crate::error::{Error, ErrorKind};
use crate::paging::{Listing, PageSizes};
use crate::permissions;
use crate::rate_limit::Api;

pub use model::ScanAgent;

static LIST: Operation = Operation::of(&permissions::SCAN_AGENTS, Api::ScanAgents);
/// Each call has a path of its own.
static ONE: Operation = Operation::of(&permissions::SCAN_AGENT, Api::ScanAgents);

pub(crate) fn list() -> Listing {
    Listing::new(&LIST, PageSizes::Undocumented)
}

/// What the service sends around the agent, of which it shows several forms.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// One agent by the key `id`, or by its machine's id.
pub(crate) fn get(shared: &Shared, id: &str) -> Result<ScanAgent, Error> {
    check_id(id)
        .map_err(|why| Error::invalid(format!("the scan agent's id can't be sent: {why}")))?;
    let path = format!("{}/{}", LIST.path, encode(id));
    let call = Call {
        operation: &ONE,
        path: &path,
        query: "",
        body: None,
        deadline: None,
        spares: &Spares::default(),
    };
    let mut refetch = !shared.retry_policy.is_off();
    let mut tries = 0_u32;
    loop {
        let answer = call::send(shared, &call).map_err(|error| {
            let tries = tries.saturating_add(error.attempts());
            error.with_attempts(tries)
        })?;
        tries = tries.saturating_add(answer.tries);
        let (text, sent) = answer.text();
        match text.and_then(|text| pick(&text, id)) {
            Ok(agent) => return Ok(agent),
            // A body that is damaged is fetched once more, as a list's page is.
            Err(error) if error.is_damage() && refetch => refetch = false,
            Err(error) => {
                let error = sent.out_of(error).with_attempts(tries);
                return Err(error.for_request(&call.name()));
            }
        }
    }
}

/// The agent out of a bare entity, an entity in `value`, or a list in `value`. Of a list only the
/// row that has the id is taken: another agent would be worse than none.
fn pick(text: &str, id: &str) -> Result<ScanAgent, Error> {
    let envelope: Envelope<'_> = decode::value(text)?;
    let Some(value) = envelope.value.map(RawValue::get) else {
        let mut agent: ScanAgent = decode::value(text)?;
        // The envelope's own key, which stands beside the agent's here.
        agent.extra.remove("@odata.context");
        return Ok(agent);
    };
    if !value.starts_with('[') {
        return decode::value(value);
    }
    let agents: Vec<ScanAgent> = decode::value(value)?;
    let is_it = |agent: &ScanAgent| {
        let machine = agent.machine_id.as_deref().unwrap_or_default();
        agent.id.eq_ignore_ascii_case(id) || machine.eq_ignore_ascii_case(id)
    };
    agents.into_iter().find(is_it).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "the answer holds no scan agent with this id",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = r#"{"id":"org_machine","machineId":"machine"}"#;

    #[test]
    fn every_form_of_the_answer_is_accepted() {
        for text in [
            AGENT.to_owned(),
            AGENT.replacen('{', r#"{"@odata.context":"x","#, 1),
            format!(r#"{{"@odata.context":"x","value":{AGENT}}}"#),
            format!(r#"{{"value":[{AGENT}]}}"#),
            format!(r#"{{"value":[{{"id":"other"}},{AGENT}]}}"#),
        ] {
            for id in ["org_machine", "MACHINE"] {
                let agent = pick(&text, id).unwrap();
                assert_eq!(agent.id, "org_machine", "{text}");
                assert!(agent.extra.is_empty(), "{text}");
            }
        }
    }

    #[test]
    fn another_agent_is_never_taken_for_the_one() {
        for text in [
            r#"{"value":[]}"#,
            r#"{"value":[{"id":"other","machineId":"also"}]}"#,
        ] {
            assert_eq!(
                pick(text, "machine").unwrap_err().kind(),
                ErrorKind::NotFound
            );
        }
    }

    #[test]
    fn an_answer_that_is_cut_may_be_whole_the_next_time() {
        for end in 1..AGENT.len() {
            let text = AGENT.get(..end).unwrap();
            assert!(pick(text, "machine").unwrap_err().is_damage(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_a_decode_error() {
        for text in [
            r#"{"value":"x"}"#,
            r#"{"value":[[1]]}"#,
            r#"{"id":null}"#,
            "{}",
            r#"{"id":"a"}x"#,
        ] {
            assert_eq!(
                pick(text, "a").unwrap_err().kind(),
                ErrorKind::Decode,
                "{text}"
            );
        }
    }
}
