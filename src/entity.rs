//! One entity by its id: the call, and the forms in which the service may wrap what it answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
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

    /// The keys that have no field.
    fn extra(&mut self) -> &mut BTreeMap<String, Value>;
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
        None => {
            let mut entity: T = decode::value(text)?;
            // The envelope's own key, which stands beside the entity's in a bare answer.
            entity.extra().remove("@odata.context");
            Ok(entity)
        }
        Some(list) if list.starts_with('[') => of_list(decode::value(list)?),
        Some(entity) => decode::value(entity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::Machine;
    use crate::scan_agents::ScanAgent;
    use crate::scan_definitions::ScanDefinition;

    /// One of each, and how it can be asked for.
    trait Sample: Entity {
        const TEXT: &'static str;
        const ASKED: &'static [&'static str];

        fn parts(&self) -> (&str, &BTreeMap<String, Value>);
    }

    impl Sample for ScanAgent {
        const TEXT: &'static str = r#"{"id":"an-id","machineId":"machine"}"#;
        const ASKED: &'static [&'static str] = &["an-id", "AN-ID", "machine", "MACHINE"];

        fn parts(&self) -> (&str, &BTreeMap<String, Value>) {
            (&self.id, &self.extra)
        }
    }

    impl Sample for Machine {
        const TEXT: &'static str = r#"{"id":"an-id","computerDnsName":"Name.example"}"#;
        const ASKED: &'static [&'static str] = &["an-id", "AN-ID", "name.EXAMPLE"];

        fn parts(&self) -> (&str, &BTreeMap<String, Value>) {
            (&self.id, &self.extra)
        }
    }

    impl Sample for ScanDefinition {
        const TEXT: &'static str = r#"{"id":"an-id","scanName":"a scan"}"#;
        const ASKED: &'static [&'static str] = &["an-id", "AN-ID"];

        fn parts(&self) -> (&str, &BTreeMap<String, Value>) {
            (&self.id, &self.extra)
        }
    }

    fn refusal<T: Entity>(text: &str, id: &str) -> Error {
        match pick::<T>(text, id) {
            Ok(_) => panic!("{text} was taken for a {}", T::NAME),
            Err(error) => error,
        }
    }

    #[test]
    fn every_form_of_the_answer_is_accepted() {
        fn accepted<T: Sample>() {
            let one = T::TEXT;
            for text in [
                one.to_owned(),
                one.replacen('{', r#"{"@odata.context":"x","#, 1),
                format!(r#"{{"@odata.context":"x","value":{one}}}"#),
                format!(r#"{{"value":{one},"@odata.context":"x"}}"#),
                format!(r#"{{"value":[{one}]}}"#),
                format!(r#"{{"value": [ {{"id":"other"}},{one},{{"id":"another"}}]}}"#),
            ] {
                for id in T::ASKED {
                    let entity: T = pick(&text, id).unwrap();
                    let (id, extra) = entity.parts();
                    assert_eq!((id, extra.len()), ("an-id", 0), "{text}");
                }
            }
        }
        accepted::<ScanAgent>();
        accepted::<Machine>();
        accepted::<ScanDefinition>();
    }

    #[test]
    fn another_one_out_of_a_list_is_never_taken_for_the_one() {
        fn refused<T: Sample>() {
            for text in [
                r#"{"value":[]}"#,
                r#"{"value":[{"id":"other"}]}"#,
                r#"{"value":[{"id":"an-i"},{"id":"an-id-2"},{"id":" an-id"}]}"#,
            ] {
                let error = refusal::<T>(text, "an-id");
                assert_eq!(error.kind(), ErrorKind::NotFound, "{text}");
                assert!(error.to_string().contains(T::NAME), "{error}");
            }
        }
        refused::<ScanAgent>();
        refused::<Machine>();
        refused::<ScanDefinition>();
    }

    #[cfg(feature = "write")]
    #[test]
    fn one_that_was_just_made_comes_alone() {
        let made = only::<ScanDefinition>;
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
        fn damaged<T: Sample>() {
            let listed = format!(r#"{{"value":[{}]}}"#, T::TEXT);
            for whole in [T::TEXT, &listed] {
                for end in 1..whole.len() {
                    let text = whole.get(..end).unwrap();
                    assert!(refusal::<T>(text, "an-id").is_damage(), "{text}");
                }
            }
        }
        damaged::<ScanAgent>();
        damaged::<Machine>();
        damaged::<ScanDefinition>();
    }

    #[test]
    fn anything_else_is_a_decode_error() {
        fn misfit<T: Sample>() {
            for text in [
                r#"{"value":"x"}"#,
                r#"{"value":7}"#,
                r#"{"value":{}}"#,
                r#"{"value":[[1]]}"#,
                r#"{"value":[{"id":"an-id"},{"id":7.5}]}"#,
                r#"{"id":null}"#,
                r#"{"id":" "}"#,
                "{}",
                "[]",
                "null",
                r#"{"id":"an-id"}x"#,
            ] {
                let error = refusal::<T>(text, "an-id");
                assert_eq!(error.kind(), ErrorKind::Decode, "{text}");
                assert!(!error.is_damage(), "{text}");
            }
        }
        misfit::<ScanAgent>();
        misfit::<Machine>();
        misfit::<ScanDefinition>();
    }
}
