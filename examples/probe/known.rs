//! What is known of the service's rows: the schema of `tests/fixtures/service_schema.txt`, read.

use std::collections::BTreeMap;

/// The file, whose format is told in the `README.md` beside it.
pub(crate) const TEXT: &str = include_str!("../../tests/fixtures/service_schema.txt");

/// Entities and enumerations, by the service's names for them.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) entities: Vec<Entity>,
    pub(crate) enums: BTreeMap<String, Vec<Member>>,
}

#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) name: String,
    /// The crate's type for it; that of the base where this is a kind of another, `None` where the crate
    /// keeps it untyped.
    pub(crate) model: Option<String>,
    base: Option<String>,
    properties: Vec<Property>,
}

#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    /// What else a source calls it.
    pub(crate) also_named: Vec<String>,
    /// Whether a source has it as text.
    pub(crate) also_text: bool,
    /// The crate's field, where it isn't the name in the crate's spelling.
    pub(crate) field: Option<String>,
    /// The name that the crate writes, where it is another.
    pub(crate) written: Option<String>,
    /// A secret, which the crate doesn't write.
    pub(crate) never_written: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Text,
    Bool,
    Int32,
    Int64,
    Number,
    Date,
    Guid,
    Duration,
    Texts,
    /// An enumeration or an entity.
    Named(String),
    List(String),
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) also_named: Vec<String>,
}

impl Schema {
    /// Reads the file's text; of what isn't in its format, the line is told.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut schema = Self::default();
        // The enumeration that the lines belong to, if it is no entity.
        let mut members: Option<String> = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let told = |why: String| format!("line {}: {why}", number + 1);
            if line.is_empty() {
                continue;
            }
            if let Some(name) = line.strip_prefix("enum ") {
                schema.enums.insert(name.trim().to_owned(), Vec::new());
                members = Some(name.trim().to_owned());
            } else if let Some(head) = line.strip_prefix("entity ") {
                let entity = schema.entity_of(head).map_err(told)?;
                schema.entities.push(entity);
                members = None;
            } else if let Some(name) = &members {
                let member = Member::read(line).map_err(told)?;
                schema.enums.entry(name.clone()).or_default().push(member);
            } else {
                let property = Property::read(line).map_err(told)?;
                let entity = schema.entities.last_mut();
                let entity = entity.ok_or_else(|| told("no entity above".to_owned()))?;
                entity.properties.push(property);
            }
        }
        schema.check()?;
        Ok(schema)
    }

    /// `Name = Model`, `Name : Base` or `Name`.
    fn entity_of(&self, head: &str) -> Result<Entity, String> {
        let (name, model, base) = match (head.split_once('='), head.split_once(':')) {
            (Some((name, model)), _) => (name, Some(model.trim().to_owned()), None),
            (None, Some((name, base))) => {
                let base = base.trim();
                let of_base = self.entity(base).ok_or("no such base")?;
                (name, of_base.model.clone(), Some(base.to_owned()))
            }
            (None, None) => (head, None, None),
        };
        Ok(Entity {
            name: name.trim().to_owned(),
            model,
            base,
            properties: Vec::new(),
        })
    }

    /// Whether every type that is named is there.
    fn check(&self) -> Result<(), String> {
        let properties = self.entities.iter().flat_map(|entity| &entity.properties);
        for property in properties {
            let known = match &property.kind {
                Kind::Named(name) => self.enums.contains_key(name) || self.entity(name).is_some(),
                Kind::List(name) => self.entity(name).is_some(),
                _ => true,
            };
            if !known {
                return Err(format!("the type of {} is nowhere", property.name));
            }
        }
        Ok(())
    }

    pub(crate) fn entity(&self, name: &str) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.name == name)
    }

    /// The properties of an entity, and of all that are kinds of it.
    pub(crate) fn properties(&self, name: &str) -> Vec<&Property> {
        let of_it = |entity: &&Entity| entity.name == name || entity.base.as_deref() == Some(name);
        let entities = self.entities.iter().filter(of_it);
        entities.flat_map(|entity| &entity.properties).collect()
    }

    /// Whether all keys of an entity are the service's own, so that one which isn't here is new.
    pub(crate) fn has_fixed_keys(&self, name: &str) -> bool {
        self.entity(name)
            .is_some_and(|entity| entity.model.is_some())
    }

    /// What a key of an entity is, in any spelling that a source has.
    pub(crate) fn property(&self, entity: &str, key: &str) -> Option<&Property> {
        let mut properties = self.properties(entity).into_iter();
        properties.find(|property| property.is(key))
    }
}

impl Property {
    /// `name | type | sources | remarks`, of which the remarks may be left out.
    fn read(line: &str) -> Result<Self, String> {
        let mut columns = line.split('|').map(str::trim);
        let (Some(name), Some(kind), Some(sources)) =
            (columns.next(), columns.next(), columns.next())
        else {
            return Err("name, type and sources are needed".to_owned());
        };
        let known = |source: &str| matches!(source.trim(), "schema" | "page" | "answers");
        if !sources.split(',').all(known) {
            return Err(format!("no such source: {sources}"));
        }
        let bare = kind.trim_end_matches('?');
        let mut property = Self {
            name: name.to_owned(),
            kind: Kind::read(bare)?,
            nullable: bare != kind,
            also_named: Vec::new(),
            also_text: false,
            field: None,
            written: None,
            never_written: false,
        };
        for remark in remarks(columns.next()) {
            if let Some(names) = remark.strip_prefix("also named ") {
                property.also_named = list(names);
            } else if let Some(field) = remark.strip_prefix("field ") {
                property.field = Some(field.to_owned());
            } else if let Some(name) = remark.strip_prefix("written ") {
                property.written = Some(name.to_owned());
            } else {
                match remark {
                    "also typed text" => property.also_text = true,
                    "never written" => property.never_written = true,
                    _ => return Err(format!("no such remark: {remark}")),
                }
            }
        }
        Ok(property)
    }

    /// Whether a JSON type is one of those that a source has for it.
    pub(crate) fn may_be(&self, json_type: &str, schema: &Schema) -> bool {
        let fits = match &self.kind {
            Kind::Text | Kind::Date | Kind::Guid | Kind::Duration => json_type == "text",
            Kind::Bool => json_type == "bool",
            Kind::Int32 | Kind::Int64 => json_type == "integer",
            Kind::Number => matches!(json_type, "integer" | "fraction"),
            Kind::Texts | Kind::List(_) => json_type == "list",
            Kind::Named(name) if schema.enums.contains_key(name) => json_type == "text",
            Kind::Named(_) => json_type == "object",
        };
        fits || self.nullable && json_type == "null" || self.also_text && json_type == "text"
    }

    /// Whether a key means it. A first letter's case is no difference: the pages write some in
    /// `PascalCase`.
    pub(crate) fn is(&self, key: &str) -> bool {
        let same = |name: &str| {
            let first = name.get(..1).zip(key.get(..1));
            first.is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
                && name.get(1..) == key.get(1..)
        };
        same(&self.name) || self.also_named.iter().any(|name| same(name))
    }
}

impl Member {
    fn read(line: &str) -> Result<Self, String> {
        let (name, rest) = match line.split_once('|') {
            Some((name, rest)) => (name.trim(), Some(rest)),
            None => (line, None),
        };
        let mut also_named = Vec::new();
        for remark in remarks(rest) {
            let names = remark.strip_prefix("also named ");
            also_named = list(names.ok_or_else(|| format!("no such remark: {remark}"))?);
        }
        Ok(Self {
            name: name.to_owned(),
            also_named,
        })
    }
}

impl Kind {
    fn read(name: &str) -> Result<Self, String> {
        let of_list = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        Ok(match name {
            "" => return Err("no type".to_owned()),
            "text" => Self::Text,
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "number" => Self::Number,
            "date" => Self::Date,
            "guid" => Self::Guid,
            "duration" => Self::Duration,
            "texts" => Self::Texts,
            name => match of_list {
                Some(element) => Self::List(element.to_owned()),
                None => Self::Named(name.to_owned()),
            },
        })
    }
}

fn remarks(column: Option<&str>) -> impl Iterator<Item = &str> {
    let remarks = column.unwrap_or_default().split(';').map(str::trim);
    remarks.filter(|remark| !remark.is_empty())
}

fn list(names: &str) -> Vec<String> {
    names
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect()
}
