//! Query options: reading them, applying them to rows, and the query of a next link.

use std::borrow::Cow;
use std::cmp::Ordering;

use percent_encoding::percent_decode_str;

use super::filter::Filter;
use super::schema::{self, Kind, Property, Row, Scalar};

/// Why a query is refused, with the service's code for it; the status is 400.
#[derive(Debug)]
pub(super) struct BadQuery {
    pub(super) code: &'static str,
    pub(super) message: String,
}

fn bad<T>(message: impl Into<String>) -> Result<T, BadQuery> {
    Err(BadQuery {
        code: "BadRequest",
        message: message.into(),
    })
}

fn bad_odata<T>(message: impl Into<String>) -> Result<T, BadQuery> {
    Err(BadQuery {
        code: "ODataError",
        message: message.into(),
    })
}

/// What one operation accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Accepts {
    /// No option at all: the scan lists.
    Nothing,
    /// `$top` up to this many and `$skip`: the scan history.
    Pages(usize),
    /// `$top` up to this many and everything else: the machine list.
    All(usize),
}

#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) top: Option<usize>,
    pub(super) skip: usize,
    filter: Option<Filter>,
    order: Vec<(&'static Property, bool)>,
    select: Vec<&'static Property>,
}

impl Options {
    pub(super) fn read(query: Option<&str>, accepts: Accepts) -> Result<Self, BadQuery> {
        let mut options = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in parameters(query) {
            let Some((name, value)) = name.zip(value) else {
                return bad("The query is not percent-encoded UTF-8.");
            };
            if seen.contains(&name) {
                return bad(format!("The query option '{name}' is given twice."));
            }
            match (name.as_str(), accepts) {
                ("$top", Accepts::Pages(limit) | Accepts::All(limit)) => {
                    let top = count(&name, &value)?;
                    if top > limit {
                        return bad(format!(
                            "The limit of '{limit}' for $top has been exceeded."
                        ));
                    }
                    options.top = Some(top);
                }
                ("$skip", Accepts::Pages(_) | Accepts::All(_)) => {
                    options.skip = count(&name, &value)?;
                }
                ("$filter", Accepts::All(_)) => {
                    options.filter = Some(Filter::parse(&value).or_else(bad_odata)?);
                }
                ("$orderby", Accepts::All(_)) => options.order = order(&value)?,
                ("$select", Accepts::All(_)) => options.select = select(&value)?,
                _ => return bad(format!("The query option '{name}' is not supported here.")),
            }
            seen.push(name);
        }
        Ok(options)
    }

    /// The rows that the filter lets through, in the order wanted.
    pub(super) fn matching<'r>(&self, rows: &'r [Row]) -> Vec<&'r Row> {
        let wanted = |row: &&Row| {
            self.filter
                .as_ref()
                .is_none_or(|filter| filter.matches(row))
        };
        let mut rows: Vec<&Row> = rows.iter().filter(wanted).collect();
        rows.sort_by(|left, right| {
            let orders = self.order.iter().map(|(property, descending)| {
                let order = nulls_first(property.read(left), property.read(right));
                if *descending { order.reverse() } else { order }
            });
            orders.fold(Ordering::Equal, Ordering::then)
        });
        rows
    }

    /// The row with the properties asked for.
    pub(super) fn selected<'r>(&self, row: &'r Row) -> Cow<'r, Row> {
        if self.select.is_empty() {
            return Cow::Borrowed(row);
        }
        let wanted = |name: &str| self.select.iter().any(|property| property.name == name);
        let pairs = row.iter().filter(|(name, _)| wanted(name));
        Cow::Owned(
            pairs
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }
}

/// The order of sorting, where null comes before everything else.
pub(super) fn nulls_first(left: Scalar<'_>, right: Scalar<'_>) -> Ordering {
    match (left, right) {
        (Scalar::Null, Scalar::Null) => Ordering::Equal,
        (Scalar::Null, _) => Ordering::Less,
        (_, Scalar::Null) => Ordering::Greater,
        _ => schema::order(left, right).unwrap_or(Ordering::Equal),
    }
}

fn count(name: &str, value: &str) -> Result<usize, BadQuery> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse() {
        Ok(count) if digits => Ok(count),
        _ => bad(format!(
            "The value of the query option '{name}' is not a whole number."
        )),
    }
}

fn order(value: &str) -> Result<Vec<(&'static Property, bool)>, BadQuery> {
    let key = |key: &str| {
        let words: Vec<&str> = key.split_whitespace().collect();
        let (name, descending) = match words.as_slice() {
            [name] | [name, "asc"] => (*name, false),
            [name, "desc"] => (*name, true),
            _ => {
                return bad_odata(format!(
                    "'{key}' in $orderby is not a property, asc or desc."
                ));
            }
        };
        let property = known("$orderby", name)?;
        match property.kind {
            Kind::Texts | Kind::Complex => bad_odata(format!("'{name}' has no order.")),
            _ => Ok((property, descending)),
        }
    };
    value.split(',').map(key).collect()
}

fn select(value: &str) -> Result<Vec<&'static Property>, BadQuery> {
    value
        .split(',')
        .map(|name| known("$select", name.trim()))
        .collect()
}

fn known(option: &str, name: &str) -> Result<&'static Property, BadQuery> {
    let property = schema::property(name);
    property.map_or_else(
        || bad_odata(format!("{option}: a machine has no property '{name}'.")),
        Ok,
    )
}

/// The parameters of a query, decoded; `None` where the text isn't percent-encoded UTF-8.
pub(super) fn parameters(
    query: Option<&str>,
) -> impl Iterator<Item = (Option<String>, Option<String>)> {
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (
            decoded(&name.replace('+', " ")),
            decoded(&value.replace('+', " ")),
        )
    })
}

/// Undoes percent-encoding, strictly: every `%` needs its two digits.
pub(super) fn decoded(text: &str) -> Option<String> {
    let whole = text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes().take(2);
        digits.len() == 2 && digits.all(|byte| byte.is_ascii_hexdigit())
    });
    let text = whole.then(|| percent_decode_str(text).decode_utf8().ok())??;
    Some(text.into_owned())
}

/// The same query with another `$skip`, which is how the service makes its next links.
pub(super) fn next_query(query: Option<&str>, skip: usize) -> String {
    let is_skip = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        decoded(name).as_deref() == Some("$skip")
    };
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    let mut next: Vec<&str> = pairs.filter(|pair| !is_skip(pair)).collect();
    let skip = format!("$skip={skip}");
    next.push(&skip);
    next.join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ALL: Accepts = Accepts::All(10_000);

    fn read(query: &str) -> Result<Options, BadQuery> {
        Options::read(Some(query), ALL)
    }

    #[test]
    fn options_are_decoded_and_a_plus_is_a_space() {
        let options = read("%24top=5&$skip=10&$filter=riskScore+eq%20%27High%27").unwrap();
        assert_eq!((options.top, options.skip), (Some(5), 10));
        assert!(options.filter.is_some());
    }

    #[test]
    fn what_is_not_an_option_here_is_refused() {
        for query in [
            "top=5",
            "$count=true",
            "$expand=x",
            "=5",
            "$top",
            "$top=-1",
            "$top=+1",
            "$top=1e2",
            "$skip=1e+06",
            "$top=1&%24top=2",
            "$filter=%zz",
            "$filter=%e9",
            "$filter=%",
            "$filter",
            "$filter=a+eq",
            "$orderby=",
            "$orderby=id+up",
            "$orderby=ipAddresses",
            "$select=x",
            "$skip=99999999999999999999999",
        ] {
            assert!(read(query).is_err(), "{query}");
        }
        let refused = |query, accepts| Options::read(Some(query), accepts).is_err();
        assert!(refused("$top=1", Accepts::Nothing));
        assert!(refused("$filter=1+eq+1", Accepts::Pages(4_096)));
        assert!(!refused("$top=4096&$skip=1", Accepts::Pages(4_096)));
        assert!(refused("$top=4097", Accepts::Pages(4_096)));
        assert!(refused("$top=10001", ALL));
    }

    #[test]
    fn a_next_query_repeats_everything_but_the_old_skip() {
        assert_eq!(next_query(None, 100), "$skip=100");
        assert_eq!(next_query(Some("$skip=100"), 200), "$skip=200");
        let query = "$filter=a%20eq+'b'&%24skip=100&$select=id";
        assert_eq!(
            next_query(Some(query), 200),
            "$filter=a%20eq+'b'&$select=id&$skip=200"
        );
    }

    #[test]
    fn rows_are_ordered_by_type_with_null_first_and_ties_as_they_came() {
        let rows: Vec<Row> = serde_json::from_value(json!([
            { "id": "a", "osBuild": 9, "riskScore": "Low" },
            { "id": "b", "osBuild": 10, "riskScore": "Low" },
            { "id": "c", "riskScore": "High" },
        ]))
        .unwrap();
        let ids = |query: &str| -> String {
            let options = read(query).unwrap();
            let rows = options.matching(&rows);
            rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
        };
        assert_eq!(ids("$orderby=osBuild"), "cab");
        assert_eq!(ids("$orderby=osBuild%20desc"), "bac");
        assert_eq!(ids("$orderby=riskScore,osBuild+desc"), "cba");
        assert_eq!(ids("$orderby=riskScore"), "cab");
    }

    #[test]
    fn select_keeps_the_named_properties() {
        let row: Row =
            serde_json::from_value(json!({ "id": "a", "version": "1", "x": 1 })).unwrap();
        let selected = read("$select=id,%20version")
            .unwrap()
            .selected(&row)
            .into_owned();
        assert_eq!(json!(selected), json!({ "id": "a", "version": "1" }));
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in ".*") {
            let _ = read(&query);
            let _ = next_query(Some(&query), 1);
        }
    }
}
