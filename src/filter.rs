//! OData filter expressions and escaping.
//!
//! A [`Filter`] is what the service's `$filter` option takes. It is made from the typed constants
//! in [`machines::field`](crate::machines::field), each of which has only the operators that make
//! sense for its type, and combined with `&`, `|` and `!`. Values are written as OData literals
//! here, so that no value can change the meaning of the expression around it.
//!
//! Sources: «List machines API» and «OData queries with Microsoft Defender for Endpoint».
//!
//! # Example
//!
//! ```
//! use defender_endpoint::machines::{HealthStatus, RiskScore, field};
//!
//! let filter = field::HEALTH_STATUS.ne(HealthStatus::Active)
//!     & (field::RISK_SCORE.eq(RiskScore::High) | field::COMPUTER_DNS_NAME.starts_with("srv-"));
//! assert_eq!(
//!     filter.to_string(),
//!     "healthStatus ne 'Active' and (riskScore eq 'High' or startswith(computerDnsName,'srv-'))",
//! );
//! ```

mod fields;

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

pub use fields::{DateField, EnumField, GuidField, NumberField, TagsField, TextField};

/// An OData filter expression.
///
/// Made by the constants in [`machines::field`](crate::machines::field) or by [`Filter::raw`], and
/// combined with `&` (`and`), `|` (`or`) and `!` (`not`), which put parentheses where the meaning
/// needs them. `Display` shows the expression as the service reads it, before percent-encoding.
///
/// Making and combining filters never fails. A filter that can't be sent (no values in a list, a
/// blank raw filter, a GUID that is none, a date outside the years 1 to 9999) remembers the first
/// reason, which `Display` then shows instead, and the request that was given it fails with
/// `ErrorKind::InvalidInput` before anything is sent.
///
/// How long an expression may be is not documented, and it travels in the URL: ask for a long list
/// of values in several requests.
///
/// Source: «OData queries with Microsoft Defender for Endpoint».
///
/// # Example
///
/// ```
/// use defender_endpoint::filter::Filter;
/// use defender_endpoint::machines::field;
///
/// let tagged = field::MACHINE_TAGS.any_eq("lab");
/// let filter: Filter = field::COMPUTER_DNS_NAME.eq("o'brien-pc") & !tagged;
/// assert_eq!(
///     filter.to_string(),
///     "computerDnsName eq 'o''brien-pc' and not (machineTags/any(t: t eq 'lab'))",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a filter does nothing until a request is given it"]
#[doc(alias = "$filter")]
#[doc(alias = "and")]
#[doc(alias = "or")]
#[doc(alias = "not")]
pub struct Filter {
    /// The expression, or why there is none that could be sent.
    expression: Result<String, String>,
    binding: Binding,
}

/// How tightly the parts of an expression hold together, the loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    /// Text of the caller's, of which nothing is known.
    Raw,
    /// Operands joined by `or`.
    Or,
    /// Operands joined by `and`.
    And,
    /// A comparison, a call or `not (..)`: never needs parentheses beside `and` and `or`.
    Whole,
}

impl Filter {
    /// The escape hatch: an expression as OData text, for what the typed fields can't say.
    ///
    /// The text is sent as given. Nothing in it is checked or escaped, so quotes inside a value
    /// must be doubled by the caller; never put text from elsewhere into it. Combined with other
    /// filters it is put in parentheses. Empty or blank text, and text with control characters
    /// (line breaks and tabs too), is an invalid filter.
    ///
    /// Source: «List machines API», which allows OData V4 queries on the properties it lists.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::filter::Filter;
    /// use defender_endpoint::machines::{RiskScore, field};
    ///
    /// let filter = Filter::raw("aadDeviceId eq null") & field::RISK_SCORE.eq(RiskScore::High);
    /// assert_eq!(filter.to_string(), "(aadDeviceId eq null) and riskScore eq 'High'");
    /// ```
    pub fn raw(expression: impl Into<String>) -> Self {
        let text = expression.into();
        let expression = if text.trim().is_empty() {
            Err("the raw filter is empty or blank".to_owned())
        } else if text.contains(char::is_control) {
            Err("the raw filter contains a control character".to_owned())
        } else {
            Ok(text)
        };
        Self {
            expression,
            binding: Binding::Raw,
        }
    }

    /// The expression before percent-encoding, or the reason why it can't be sent.
    pub(crate) fn checked(&self) -> Result<&str, &str> {
        self.expression.as_deref().map_err(String::as_str)
    }

    fn whole(expression: String) -> Self {
        Self {
            expression: Ok(expression),
            binding: Binding::Whole,
        }
    }

    fn invalid(reason: String) -> Self {
        Self {
            expression: Err(reason),
            binding: Binding::Whole,
        }
    }

    /// `name operator literal`.
    fn comparison(name: &str, operator: &str, literal: &str) -> Self {
        Self::whole(format!("{name} {operator} {literal}"))
    }

    /// The alternatives joined by `or`: OData 4.0, which the service speaks, has no `in`.
    fn one_of(name: &str, alternatives: impl Iterator<Item = Self>) -> Self {
        alternatives
            .reduce(Self::bitor)
            .unwrap_or_else(|| Self::invalid(format!("{name}: the list of values is empty")))
    }

    fn joined(self, operator: &str, binding: Binding, other: Self) -> Self {
        let expression = match (self.operand(binding), other.operand(binding)) {
            (Ok(left), Ok(right)) => Ok(left + operator + &right),
            (Err(reason), _) | (_, Err(reason)) => Err(reason),
        };
        Self {
            expression,
            binding,
        }
    }

    /// The expression as an operand of an operator that binds as tightly as `operator`.
    fn operand(self, operator: Binding) -> Result<String, String> {
        if self.binding < operator {
            self.expression.map(|expression| format!("({expression})"))
        } else {
            self.expression
        }
    }
}

/// Both must hold: `and`.
impl BitAnd for Filter {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.joined(" and ", Binding::And, other)
    }
}

/// At least one must hold: `or`.
impl BitOr for Filter {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.joined(" or ", Binding::Or, other)
    }
}

/// Must not hold: `not`.
impl Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        // Always in parentheses: `not` binds tighter than a comparison.
        let expression = self
            .expression
            .map(|expression| format!("not ({expression})"));
        Self {
            expression,
            binding: Binding::Whole,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.checked() {
            Ok(expression) => f.write_str(expression),
            Err(reason) => write!(f, "<invalid filter: {reason}>"),
        }
    }
}

/// What a request takes as its filter: a [`Filter`] or a reference to one.
///
/// A closure is not one: `filter` of a request is answered by the service, from an expression that
/// is sent to it. To filter on this side, call `into_iter()` first and then the iterator's own
/// `filter`. (If the closure's parameter has no type, the compiler may stop at «type annotations
/// needed» before it comes to say so.)
///
/// # Example
///
/// A saved search can be handed to `filter` like a filter:
///
/// ```
/// use defender_endpoint::filter::Filter;
/// use defender_endpoint::filter::IntoFilter;
/// use defender_endpoint::machines::{HealthStatus, RiskScore, field};
///
/// struct Urgent;
///
/// impl IntoFilter for Urgent {
///     fn into_filter(self) -> Filter {
///         field::RISK_SCORE.eq(RiskScore::High) & field::HEALTH_STATUS.ne(HealthStatus::Active)
///     }
/// }
///
/// let filter = Urgent.into_filter();
/// assert_eq!((&filter).into_filter(), filter);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an OData filter",
    label = "expected a `Filter`, such as `field::HEALTH_STATUS.eq(HealthStatus::Active)`",
    note = "for an expression as text, write `Filter::raw(..)`; combine filters with `&`, `|` and `!`",
    note = "this `filter` is done by the service; for a closure, which filters on this side, write \
            `.into_iter().filter(..)`"
)]
pub trait IntoFilter {
    /// The filter to send.
    fn into_filter(self) -> Filter;
}

impl IntoFilter for Filter {
    fn into_filter(self) -> Filter {
        self
    }
}

impl IntoFilter for &Filter {
    fn into_filter(self) -> Filter {
        self.clone()
    }
}

#[cfg(test)]
mod tests;
