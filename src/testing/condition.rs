//! Conditions on machines: what a `$filter` means once it is read.

use std::cmp::Ordering;

use super::schema::{self, Kind, Property, Row, Scalar};

#[derive(Debug)]
pub(super) enum Expr {
    Text(String),
    Fixed(Scalar<'static>),
    Property(&'static Property),
    /// The element that the n-th enclosing `any` looks at.
    Variable(usize),
    Compare(Operator, Box<Expr>, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Call(Function, Box<Expr>, Box<Expr>),
    Any(&'static Property, Option<Box<Expr>>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    StartsWith,
    EndsWith,
    Contains,
}

impl Expr {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Text(_) | Self::Variable(_) => Kind::Text,
            Self::Fixed(Scalar::Null) => Kind::Null,
            Self::Fixed(Scalar::Number(_)) => Kind::Number,
            Self::Fixed(Scalar::Date(_)) => Kind::Date,
            Self::Fixed(Scalar::Guid(_)) => Kind::Guid,
            Self::Property(property) => property.kind,
            _ => Kind::Bool,
        }
    }

    /// A condition has three values: one that is null is neither met nor not met.
    pub(super) fn value<'a>(&'a self, row: &'a Row, variables: &mut Vec<&'a str>) -> Scalar<'a> {
        match self {
            Self::Text(text) => Scalar::Text(text),
            Self::Fixed(value) => *value,
            Self::Property(property) => property.read(row),
            Self::Variable(n) => variables
                .get(*n)
                .map_or(Scalar::Null, |text| Scalar::Text(text)),
            Self::Compare(operator, left, right) => Scalar::Bool(
                operator.holds(left.value(row, variables), right.value(row, variables)),
            ),
            Self::And(parts) => all_are(true, parts, row, variables),
            Self::Or(parts) => all_are(false, parts, row, variables),
            Self::Not(part) => match part.value(row, variables) {
                Scalar::Bool(met) => Scalar::Bool(!met),
                _ => Scalar::Null,
            },
            Self::Call(function, text, part) => {
                match (text.value(row, variables), part.value(row, variables)) {
                    (Scalar::Text(text), Scalar::Text(part)) => {
                        Scalar::Bool(function.holds(text, part))
                    }
                    _ => Scalar::Null,
                }
            }
            Self::Any(property, None) => Scalar::Bool(property.texts(row).next().is_some()),
            Self::Any(property, Some(condition)) => {
                Scalar::Bool(property.texts(row).any(|element| {
                    variables.push(element);
                    let met = matches!(condition.value(row, variables), Scalar::Bool(true));
                    variables.pop();
                    met
                }))
            }
        }
    }
}

/// `and` (`wanted` is true) and `or` (false): a part of the other value decides, else a null does.
fn all_are<'a>(
    wanted: bool,
    parts: &'a [Expr],
    row: &'a Row,
    variables: &mut Vec<&'a str>,
) -> Scalar<'a> {
    let mut outcome = Scalar::Bool(wanted);
    for part in parts {
        match part.value(row, variables) {
            Scalar::Bool(met) if met == wanted => {}
            Scalar::Bool(met) => return Scalar::Bool(met),
            _ => outcome = Scalar::Null,
        }
    }
    outcome
}

impl Operator {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            _ => return None,
        })
    }

    fn is_order(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }

    fn holds(self, left: Scalar<'_>, right: Scalar<'_>) -> bool {
        let order = match (left, right) {
            // Nothing is less or greater than null, but null equals null.
            (Scalar::Null, Scalar::Null) if !self.is_order() => Some(Ordering::Equal),
            _ => schema::order(left, right),
        };
        match self {
            Self::Eq => order == Some(Ordering::Equal),
            Self::Ne => order != Some(Ordering::Equal),
            Self::Lt => order.is_some_and(Ordering::is_lt),
            Self::Le => order.is_some_and(Ordering::is_le),
            Self::Gt => order.is_some_and(Ordering::is_gt),
            Self::Ge => order.is_some_and(Ordering::is_ge),
        }
    }
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "startswith" => Self::StartsWith,
            "endswith" => Self::EndsWith,
            "contains" => Self::Contains,
            _ => return None,
        })
    }

    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        }
    }
}

/// Whether the operator makes sense between two expressions; the error says why not.
pub(super) fn comparable(operator: Operator, left: &Expr, right: &Expr) -> Result<(), String> {
    let kinds = (left.kind(), right.kind());
    let alike = match kinds {
        (Kind::Texts, _) | (_, Kind::Texts) => false,
        (Kind::Null, _) | (_, Kind::Null) => true,
        (Kind::Enum, Kind::Text) => matches!(right, Expr::Text(_)),
        (Kind::Text, Kind::Enum) => matches!(left, Expr::Text(_)),
        (left, right) => left == right,
    };
    if !alike {
        let (left, right) = (shown(kinds.0), shown(kinds.1));
        return Err(format!("{left} can't be compared with {right}"));
    }
    let ordered = |kind| matches!(kind, Kind::Text | Kind::Number | Kind::Date | Kind::Null);
    match [kinds.0, kinds.1].into_iter().find(|kind| !ordered(*kind)) {
        Some(kind) if operator.is_order() => Err(format!("{} has no order", shown(kind))),
        _ => Ok(()),
    }
}

/// A kind in words, for messages.
pub(super) fn shown(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool => "a condition",
        Kind::Number => "a number",
        Kind::Text => "text",
        Kind::Enum => "a name of a list",
        Kind::Date => "a date",
        Kind::Guid => "a GUID",
        Kind::Texts => "a collection",
        Kind::Complex => "an object",
    }
}
