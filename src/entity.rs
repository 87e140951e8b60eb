//! One entity by its id: the call, and the forms in which the service may wrap what it answers.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::body::Spares;
use crate::call::{self, Call, Operation, Shared};
use crate::decode;
use crate::encode::{check_id, encode};
use crate::error::{Error, ErrorKind};

/// What can be asked for by an id.
pub(crate) trait Entity: DeserializeOwned {
    /// What texts call it.
    const NAME: &'static str;

    /// Whether this id means it.
    fn is(&self, id: &str) -> bool;

    /// Forgets the envelope's own key, which stands beside the entity's in a bare answer.
    fn unwrapped(self) -> Self;
}

/// The path of an operation on one entity: the id is one segment of it, whatever it holds.
pub(crate) fn path<T: Entity>(operation: &Operation, id: &str) -> Result<String, Error> {
    check_id(id)
        .map_err(|why| Error::invalid(format!("the {}'s id can't be sent: {why}", T::NAME)))?;
    Ok(operation.path.replace("{id}", &encode(id)))
}

/// Fetches one entity.
pub(crate) fn get<T: Entity>(
    shared: &Shared,
    operation: &'static Operation,
    id: &str,
) -> Result<T, Error> {
    let path = path::<T>(operation, id)?;
    let call = Call {
        operation,
        path: &path,
        query: "",
        body: None,
        secrets: &[],
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
            Ok(entity) => return Ok(entity),
            // A body that is damaged is fetched once more, as a list's page is.
            Err(error) if error.is_damage() && refetch => refetch = false,
            Err(error) => {
                let error = sent.out_of(error).with_attempts(tries);
                return Err(error.for_request(&call.name()));
            }
        }
    }
}

/// What the service sends around an entity, of which it shows several forms.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

/// The entity out of a bare one, one in `value`, or a list in `value`. Of a list only the row that has
/// the id is taken: another would be worse than none.
pub(crate) fn pick<T: Entity>(text: &str, id: &str) -> Result<T, Error> {
    unwrap(text, |entities: Vec<T>| {
        let mut entities = entities.into_iter();
        entities.find(|entity| entity.is(id)).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("the answer holds no {} with this id", T::NAME),
            )
        })
    })
}

/// The same for one that was made just now, whose id nobody knows yet: a list must hold it alone.
#[cfg(feature = "write")]
pub(crate) fn only<T: Entity>(text: &str) -> Result<T, Error> {
    unwrap(text, |entities: Vec<T>| {
        let [entity] = <[T; 1]>::try_from(entities).map_err(|entities| {
            let text = format!(
                "the answer is a list of {}, not one {}",
                entities.len(),
                T::NAME
            );
            Error::new(ErrorKind::Decode, text)
        })?;
        Ok(entity)
    })
}

fn unwrap<T: Entity>(
    text: &str,
    of_list: impl FnOnce(Vec<T>) -> Result<T, Error>,
) -> Result<T, Error> {
    let envelope: Envelope<'_> = decode::value(text)?;
    match envelope.value.map(RawValue::get) {
        None => decode::value(text).map(T::unwrapped),
        Some(list) if list.starts_with('[') => of_list(decode::value(list)?),
        Some(entity) => decode::value(entity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan_agents::ScanAgent;

    fn agent(text: &str, id: &str) -> Result<ScanAgent, Error> {
        pick(text, id)
    }

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
                let agent = agent(&text, id).unwrap();
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
                agent(text, "machine").unwrap_err().kind(),
                ErrorKind::NotFound
            );
        }
    }

    #[cfg(feature = "write")]
    #[test]
    fn one_that_was_just_made_comes_alone() {
        let made = only::<crate::scan_definitions::ScanDefinition>;
        let definition = r#"{"id":"an-id","scanName":"a scan"}"#;
        for text in [
            definition.to_owned(),
            format!(r#"{{"value":{definition}}}"#),
            format!(r#"{{"value":[{definition}]}}"#),
        ] {
            assert_eq!(made(&text).unwrap().id, "an-id");
        }
        for (text, count) in [
            (r#"{"value":[]}"#.to_owned(), 0),
            (format!(r#"{{"value":[{definition},{definition}]}}"#), 2),
        ] {
            let error = made(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
            let wanted = format!("the answer is a list of {count}, not one scan definition");
            assert_eq!(error.to_string(), wanted);
        }
    }

    #[test]
    fn an_answer_that_is_cut_may_be_whole_the_next_time() {
        for end in 1..AGENT.len() {
            let text = AGENT.get(..end).unwrap();
            assert!(agent(text, "machine").unwrap_err().is_damage(), "{text}");
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
                agent(text, "a").unwrap_err().kind(),
                ErrorKind::Decode,
                "{text}"
            );
        }
    }
}
