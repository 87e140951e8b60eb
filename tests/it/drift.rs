//! The models against the service's own schema, so that a field which is renamed or lost is noticed.

// The schema's reader, which the example needs too.
#[expect(dead_code, reason = "each user needs another part")]
#[path = "../../examples/probe/known.rs"]
mod known;

use std::collections::BTreeSet;
use std::fmt::Debug;

use defender_endpoint::machines::{Machine, MachineIpAddress, VmMetadata};
use defender_endpoint::scan_agents::ScanAgent;
use defender_endpoint::scan_definitions::{
    LatestScan, ScanAuthenticationParams, ScanDefinition, ScannerAgent,
};
use defender_endpoint::scan_history::{ScanHistoryEntry, ScannedTarget};
use known::{Kind, Member, Property, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

trait Model: DeserializeOwned + Serialize + Debug + PartialEq {
    /// The keys that have no field.
    fn unknown(&self) -> Vec<&str>;
}

macro_rules! model {
    ($($name:ty),+) => {
        $(impl Model for $name {
            fn unknown(&self) -> Vec<&str> {
                self.extra.keys().map(AsRef::as_ref).collect()
            }
        })+
    };
}

model!(
    Machine,
    MachineIpAddress,
    VmMetadata,
    ScanAgent,
    ScanDefinition,
    ScannerAgent,
    LatestScan,
    ScanAuthenticationParams,
    ScanHistoryEntry,
    ScannedTarget
);

/// What differs between the entities of a schema and the crate's types for them.
fn differences(schema: &Schema) -> Vec<String> {
    let mut models = BTreeSet::new();
    let mut all = Vec::new();
    for entity in &schema.entities {
        let Some(model) = entity.model.as_deref() else {
            continue;
        };
        if !models.insert(model) {
            continue;
        }
        let found = match model {
            "Machine" => of::<Machine>(schema, &entity.name),
            "MachineIpAddress" => of::<MachineIpAddress>(schema, &entity.name),
            "VmMetadata" => of::<VmMetadata>(schema, &entity.name),
            "ScanAgent" => of::<ScanAgent>(schema, &entity.name),
            "ScanDefinition" => of::<ScanDefinition>(schema, &entity.name),
            "ScannerAgent" => of::<ScannerAgent>(schema, &entity.name),
            "LatestScan" => of::<LatestScan>(schema, &entity.name),
            "ScanAuthenticationParams" => of::<ScanAuthenticationParams>(schema, &entity.name),
            "ScanHistoryEntry" => of::<ScanHistoryEntry>(schema, &entity.name),
            "ScannedTarget" => of::<ScannedTarget>(schema, &entity.name),
            other => vec![format!("no model {other}")],
        };
        all.extend(found.into_iter().map(|why| format!("{model}: {why}")));
    }
    all
}

fn of<T: Model>(schema: &Schema, entity: &str) -> Vec<String> {
    let properties = schema.properties(entity);
    let mut all = Vec::new();
    for property in &properties {
        for name in std::iter::once(&property.name).chain(&property.also_named) {
            for (sample, written) in samples(schema, property) {
                if let Err(why) = is_held::<T>(property, name, &sample, &written) {
                    all.push(format!("{name} = {sample}: {why}"));
                }
            }
        }
        if property.nullable && decode::<T>(&property.name, &Value::Null) != Ok(empty()) {
            all.push(format!("{}: null is not like a missing key", property.name));
        }
    }
    all.extend(fields::<T>(&properties));
    all
}

/// Whether a row that has this holds it in a field of its own and writes it as the service does.
fn is_held<T: Model>(
    property: &Property,
    name: &str,
    sample: &Value,
    written: &Value,
) -> Result<(), String> {
    let row: T = decode(name, sample)?;
    if !row.unknown().is_empty() {
        return Err("no field of its own".to_owned());
    }
    if row == empty() {
        return Err("lost in reading".to_owned());
    }
    let again = without_empty(&serde_json::to_value(&row).unwrap());
    if property.never_written {
        let is_there = again.get(name_written(property)).is_some();
        return if is_there {
            Err("written, although it is a secret".to_owned())
        } else {
            Ok(())
        };
    }
    match again.get(name_written(property)) {
        Some(value) if value == written => Ok(()),
        Some(value) => Err(format!("written as {value}")),
        None => Err("lost in writing".to_owned()),
    }
}

fn name_written(property: &Property) -> &str {
    property.written.as_ref().unwrap_or(&property.name)
}

/// A row with this key, and with the id that some can't be without.
fn decode<T: Model>(name: &str, value: &Value) -> Result<T, String> {
    let mut row = serde_json::to_value(empty::<T>()).unwrap();
    row.as_object_mut().unwrap().retain(|name, _| name == "id");
    row[name] = value.clone();
    serde_json::from_value(row).map_err(|error| error.to_string())
}

fn empty<T: Model>() -> T {
    serde_json::from_value(json!({}))
        .or_else(|_| serde_json::from_value(json!({ "id": "an-id" })))
        .unwrap()
}

/// The type's fields that no property has, the properties that have no field, and the same for the keys
/// that it writes. `Debug` tells the fields, as secrets are in no other list.
fn fields<T: Model>(properties: &[&Property]) -> Vec<String> {
    let shown = format!("{:#?}", empty::<T>());
    let line = |line: &str| -> Option<String> {
        let (name, _) = line.strip_prefix("    ")?.split_once(": ")?;
        (!name.starts_with(' ')).then(|| name.to_owned())
    };
    let has: BTreeSet<String> = shown.lines().filter_map(line).collect();
    let field = |property: &&Property| {
        let field = property.field.clone();
        field.unwrap_or_else(|| snake_case(name_written(property)))
    };
    let mut should: BTreeSet<String> = properties.iter().map(field).collect();
    should.insert("extra".to_owned());
    let row = serde_json::to_value(empty::<T>()).unwrap();
    let writes: BTreeSet<String> = row.as_object().unwrap().keys().cloned().collect();
    let written = properties.iter().filter(|property| !property.never_written);
    let written = written.map(|property| name_written(property).to_owned());
    let differ = |what: &str, one: &BTreeSet<String>, other: &BTreeSet<String>| {
        let names = one.symmetric_difference(other);
        let told = |name| format!("the {what} {name} is only in one of crate and schema");
        names.map(told).collect::<Vec<_>>()
    };
    let mut all = differ("field", &has, &should);
    all.extend(differ("key", &writes, &written.collect()));
    all
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Values of a property's type, each with what it is written as.
fn samples(schema: &Schema, property: &Property) -> Vec<(Value, Value)> {
    let same = |value: Value| vec![(value.clone(), value)];
    let mut all = match &property.kind {
        Kind::Text => same(json!(format!("a text for {}", property.name))),
        Kind::Bool => [same(json!(true)), same(json!(false))].concat(),
        Kind::Int32 => same(json!(i32::MAX)),
        Kind::Int64 => same(json!(i64::MAX)),
        Kind::Number => same(json!(1.5)),
        Kind::Date => same(json!("2025-03-04T05:06:07.1234567Z")),
        Kind::Guid => same(json!("fd2e4d29-7072-4195-aaa5-1af139b78028")),
        Kind::Duration => same(json!("01:08:30.5000000")),
        Kind::Texts => same(json!(["a text", "another"])),
        Kind::List(element) => {
            let (row, written) = entity(schema, element);
            vec![(json!([row, row]), json!([written, written]))]
        }
        Kind::Named(name) => match schema.enums.get(name) {
            Some(members) => members.iter().flat_map(spellings).collect(),
            None => vec![entity(schema, name)],
        },
    };
    if property.also_text {
        all.push(match property.kind {
            Kind::Int32 | Kind::Int64 => (json!("140"), json!(140)),
            _ => (json!("any text"), json!("any text")),
        });
    }
    all
}

/// A member as it is written, and in another case: only what is a variant of its own comes back in the
/// service's spelling, everything else as it was sent.
fn spellings(member: &Member) -> Vec<(Value, Value)> {
    let other_case = |name: &str| -> String {
        let flip = |letter: char| match letter {
            'a'..='z' => letter.to_ascii_uppercase(),
            other => other.to_ascii_lowercase(),
        };
        name.chars().map(flip).collect()
    };
    let names = std::iter::once(&member.name).chain(&member.also_named);
    let each = |name: &String| [name.clone(), other_case(name)];
    names
        .flat_map(each)
        .map(|spelled| (json!(spelled), json!(member.name)))
        .collect()
}

/// An entity with every property filled in, by the names of the schema, and as it is written.
fn entity(schema: &Schema, name: &str) -> (Value, Value) {
    let (mut row, mut written) = (Map::new(), Map::new());
    for property in schema.properties(name) {
        if let Some((sample, again)) = samples(schema, property).into_iter().next() {
            row.insert(property.name.clone(), sample);
            if !property.never_written {
                written.insert(name_written(property).to_owned(), again);
            }
        }
    }
    (row.into(), written.into())
}

/// The value without the keys that are null or an empty list.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(row) => {
            let pairs = row
                .iter()
                .filter(|(_, value)| !value.is_null() && **value != json!([]));
            let pairs = pairs.map(|(name, value)| (name.clone(), without_empty(value)));
            Value::Object(pairs.collect())
        }
        Value::Array(list) => list.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_models_hold_what_the_schema_has_and_nothing_else() {
    let schema = Schema::read(known::TEXT).unwrap();
    let models = schema
        .entities
        .iter()
        .filter(|entity| entity.model.is_some());
    assert_eq!(
        models.count(),
        13,
        "ten types, one of them for four entities"
    );
    let differences = differences(&schema);
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn a_difference_of_any_kind_is_told() {
    // None, as long as the test above passes.
    let already = differences(&Schema::read(known::TEXT).unwrap());
    let told = |from: &str, to: &str| {
        assert!(known::TEXT.contains(from), "{from}");
        let schema = Schema::read(&known::TEXT.replacen(from, to, 1)).unwrap();
        let mut all = differences(&schema);
        all.retain(|difference| !already.contains(difference));
        all.join("\n")
    };
    // A property that the models don't have, which is what a renamed field looks like.
    let new = told(
        "\nosPlatform  ",
        "\nosFlavour | text? | schema |\nosPlatform  ",
    );
    assert!(
        new.contains("osFlavour = \"a text for osFlavour\": no field of its own"),
        "{new}"
    );
    assert!(new.contains("field os_flavour is only in one"), "{new}");
    assert!(new.contains("key osFlavour is only in one"), "{new}");
    // A field that the schema doesn't have.
    let lost = told("\nosPlatform  ", "\n# osPlatform  ");
    assert!(lost.contains("field os_platform is only in one"), "{lost}");
    let lost = told("\nprivateKey  ", "\n# privateKey  ");
    assert_eq!(
        lost,
        "ScanAuthenticationParams: the field private_key is only in one of crate and schema"
    );
    // A member, a type, a null and a secret.
    let member = told("\nCanBeOnboarded", "\nCanBeOnboarded\nRetired");
    assert_eq!(
        member,
        "Machine: onboardingStatus = \"rETIRED\": written as \"rETIRED\"\n\
         Machine: onboardingstatus = \"rETIRED\": written as \"rETIRED\""
    );
    let kind = told(
        "isExcluded             | bool ",
        "isExcluded             | text ",
    );
    assert!(
        kind.contains("isExcluded = \"a text for isExcluded\": invalid type"),
        "{kind}"
    );
    let null = told(
        "\nid                     | text   ",
        "\nid                     | text?  ",
    );
    assert_eq!(null, "Machine: id: null is not like a missing key");
    let secret = told(
        "username               | text?                          | schema, page    |",
        "username               | text?                          | schema, page    | never written",
    );
    assert!(
        secret.contains("username = \"a text for username\": written, although"),
        "{secret}"
    );
}

#[test]
fn a_line_in_another_format_is_told() {
    for (text, expected) in [
        ("name | text | schema |", "line 1: no entity above"),
        (
            "entity A\nname | text",
            "line 2: name, type and sources are needed",
        ),
        (
            "entity A\nname | text | rumour |",
            "line 2: no such source: rumour",
        ),
        (
            "entity A\nname | text | page | really",
            "line 2: no such remark: really",
        ),
        ("entity A\nname | | page |", "line 2: no type"),
        (
            "entity A\nname | Colour | page |",
            "the type of name is nowhere",
        ),
        ("entity A : B", "line 1: no such base"),
        (
            "enum A\nname | written a",
            "line 2: no such remark: written a",
        ),
    ] {
        assert_eq!(Schema::read(text).unwrap_err(), expected, "{text}");
    }
}
