//! The typed fields: for each type of property the operators that make sense for it, and how its
//! values are written.

use std::fmt;
use std::marker::PhantomData;

use time::{OffsetDateTime, UtcOffset};

use super::{Binding, Filter};

/// A property that holds text.
///
/// Any text is a legal value: inner quotes are doubled and the whole is percent-encoded when it is
/// sent. Whether upper and lower case are the same is for the service to say; its documentation
/// doesn't.
///
/// Source: «List machines API».
///
/// # Example
///
/// ```
/// use defender_endpoint::filter::TextField;
/// use defender_endpoint::machines::field;
///
/// let name: TextField = field::COMPUTER_DNS_NAME;
/// assert_eq!(name.eq("pc-1").to_string(), "computerDnsName eq 'pc-1'");
/// assert_eq!(name.ne("o'brien").to_string(), "computerDnsName ne 'o''brien'");
/// assert_eq!(name.starts_with("srv-").to_string(), "startswith(computerDnsName,'srv-')");
/// assert_eq!(
///     name.is_in(["pc-1", "pc-2"]).to_string(),
///     "computerDnsName eq 'pc-1' or computerDnsName eq 'pc-2'",
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TextField {
    name: &'static str,
}

impl TextField {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The property is `value`.
    pub fn eq(self, value: impl AsRef<str>) -> Filter {
        Filter::comparison(self.name, "eq", &quoted(value.as_ref()))
    }

    /// The property is anything but `value`.
    pub fn ne(self, value: impl AsRef<str>) -> Filter {
        Filter::comparison(self.name, "ne", &quoted(value.as_ref()))
    }

    /// The property is one of `values`; without any, the filter is invalid.
    #[doc(alias = "in")]
    pub fn is_in(self, values: impl IntoIterator<Item = impl AsRef<str>>) -> Filter {
        Filter::one_of(self.name, values.into_iter().map(|value| self.eq(value)))
    }

    /// The property begins with `prefix`.
    #[doc(alias = "startswith")]
    pub fn starts_with(self, prefix: impl AsRef<str>) -> Filter {
        let prefix = quoted(prefix.as_ref());
        Filter::whole(format!("startswith({},{prefix})", self.name))
    }
}

/// A property that holds a point in time.
///
/// Takes what converts into [`OffsetDateTime`], which [`SystemTime`](std::time::SystemTime) does.
/// The point is sent in UTC and cut, not rounded, to seven digits of a second's fraction, which is
/// as precise as the service's own dates are. A point outside the years 1 to 9999 in UTC makes an
/// invalid filter. A `SystemTime` that is further away than `time` can express panics in `time`'s
/// conversion; no real clock shows one.
///
/// Source: «OData queries with Microsoft Defender for Endpoint».
///
/// # Example
///
/// ```
/// use defender_endpoint::filter::DateField;
/// use defender_endpoint::machines::field;
/// use defender_endpoint::time::{Duration, OffsetDateTime};
///
/// let seen: DateField = field::LAST_SEEN;
/// let from = OffsetDateTime::from_unix_timestamp(1_600_000_000)?;
/// let day = seen.ge(from) & seen.lt(from + Duration::DAY);
/// assert_eq!(
///     day.to_string(),
///     "lastSeen ge 2020-09-13T12:26:40Z and lastSeen lt 2020-09-14T12:26:40Z",
/// );
/// assert_eq!(
///     seen.gt(std::time::UNIX_EPOCH).to_string(),
///     "lastSeen gt 1970-01-01T00:00:00Z",
/// );
/// assert_eq!(
///     seen.le(from + Duration::nanoseconds(1_299)).to_string(),
///     "lastSeen le 2020-09-13T12:26:40.0000012Z",
/// );
/// # Ok::<(), defender_endpoint::time::error::ComponentRange>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DateField {
    name: &'static str,
}

impl DateField {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The property is earlier than `date`.
    pub fn lt(self, date: impl Into<OffsetDateTime>) -> Filter {
        self.compare("lt", date.into())
    }

    /// The property is `date` or earlier.
    pub fn le(self, date: impl Into<OffsetDateTime>) -> Filter {
        self.compare("le", date.into())
    }

    /// The property is later than `date`.
    pub fn gt(self, date: impl Into<OffsetDateTime>) -> Filter {
        self.compare("gt", date.into())
    }

    /// The property is `date` or later.
    pub fn ge(self, date: impl Into<OffsetDateTime>) -> Filter {
        self.compare("ge", date.into())
    }

    fn compare(self, operator: &str, date: OffsetDateTime) -> Filter {
        match date_literal(date) {
            Some(literal) => Filter::comparison(self.name, operator, &literal),
            None => Filter::invalid(format!(
                "{}: the date is not in the years 1 to 9999 in UTC",
                self.name
            )),
        }
    }
}

/// A property that holds one of the names of an enumeration `E`.
///
/// The name is sent as quoted text. `E` is open: a name that this crate doesn't know goes into its
/// `Other` and is sent as it stands; the service decides whether it knows it.
///
/// Source: «OData queries with Microsoft Defender for Endpoint».
///
/// # Example
///
/// ```
/// use defender_endpoint::filter::EnumField;
/// use defender_endpoint::machines::{RiskScore, field};
///
/// let risk: EnumField<RiskScore> = field::RISK_SCORE;
/// assert_eq!(risk.eq(RiskScore::High).to_string(), "riskScore eq 'High'");
/// assert_eq!(risk.ne(RiskScore::None).to_string(), "riskScore ne 'None'");
/// assert_eq!(
///     risk.is_in([RiskScore::High, RiskScore::Other("Severe".into())]).to_string(),
///     "riskScore eq 'High' or riskScore eq 'Severe'",
/// );
/// ```
pub struct EnumField<E> {
    name: &'static str,
    // `fn() -> E`: the field holds no `E`, so it is `Send`, `Sync` and `Copy` whatever `E` is.
    values: PhantomData<fn() -> E>,
}

impl<E> Clone for EnumField<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for EnumField<E> {}

impl<E> fmt::Debug for EnumField<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnumField")
            .field("name", &self.name)
            .finish()
    }
}

impl<E: AsRef<str>> EnumField<E> {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            values: PhantomData,
        }
    }

    /// The property is `value`.
    pub fn eq(self, value: E) -> Filter {
        Filter::comparison(self.name, "eq", &quoted(value.as_ref()))
    }

    /// The property is anything but `value`.
    pub fn ne(self, value: E) -> Filter {
        Filter::comparison(self.name, "ne", &quoted(value.as_ref()))
    }

    /// The property is one of `values`; without any, the filter is invalid.
    #[doc(alias = "in")]
    pub fn is_in(self, values: impl IntoIterator<Item = E>) -> Filter {
        Filter::one_of(self.name, values.into_iter().map(|value| self.eq(value)))
    }
}

/// A property that holds a whole number.
///
/// Source: «List machines API».
///
/// # Example
///
/// ```
/// use defender_endpoint::filter::NumberField;
/// use defender_endpoint::machines::field;
///
/// let group: NumberField = field::RBAC_GROUP_ID;
/// assert_eq!(group.eq(140).to_string(), "rbacGroupId eq 140");
/// assert_eq!(group.ne(0).to_string(), "rbacGroupId ne 0");
/// assert_eq!(group.is_in([140, 141]).to_string(), "rbacGroupId eq 140 or rbacGroupId eq 141");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NumberField {
    name: &'static str,
}

impl NumberField {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The property is `value`.
    pub fn eq(self, value: i64) -> Filter {
        Filter::comparison(self.name, "eq", &value.to_string())
    }

    /// The property is anything but `value`.
    pub fn ne(self, value: i64) -> Filter {
        Filter::comparison(self.name, "ne", &value.to_string())
    }

    /// The property is one of `values`; without any, the filter is invalid.
    #[doc(alias = "in")]
    pub fn is_in(self, values: impl IntoIterator<Item = i64>) -> Filter {
        Filter::one_of(self.name, values.into_iter().map(|value| self.eq(value)))
    }
}

/// A property that holds a GUID.
///
/// A GUID is 32 hexadecimal digits of any case in groups of 8, 4, 4, 4 and 12, joined by hyphens,
/// and is sent without quotes. Any other text makes an invalid filter.
///
/// Source: «List machines API».
///
/// # Example
///
/// ```
/// use defender_endpoint::filter::GuidField;
/// use defender_endpoint::machines::field;
///
/// let device: GuidField = field::AAD_DEVICE_ID;
/// let guid = "fd2e4d29-7072-4195-aaa5-1af139b78028";
/// assert_eq!(device.eq(guid).to_string(), format!("aadDeviceId eq {guid}"));
/// assert_eq!(device.ne(guid).to_string(), format!("aadDeviceId ne {guid}"));
/// assert_eq!(device.is_in([guid]), device.eq(guid));
/// assert_eq!(
///     device.eq("PC-1").to_string(),
///     "<invalid filter: aadDeviceId: the value is no GUID>",
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GuidField {
    name: &'static str,
}

impl GuidField {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The property is `guid`.
    pub fn eq(self, guid: impl AsRef<str>) -> Filter {
        self.compare("eq", guid.as_ref())
    }

    /// The property is anything but `guid`.
    pub fn ne(self, guid: impl AsRef<str>) -> Filter {
        self.compare("ne", guid.as_ref())
    }

    /// The property is one of `guids`; without any, the filter is invalid.
    #[doc(alias = "in")]
    pub fn is_in(self, guids: impl IntoIterator<Item = impl AsRef<str>>) -> Filter {
        Filter::one_of(self.name, guids.into_iter().map(|guid| self.eq(guid)))
    }

    fn compare(self, operator: &str, guid: &str) -> Filter {
        if is_guid(guid) {
            Filter::comparison(self.name, operator, guid)
        } else {
            Filter::invalid(format!("{}: the value is no GUID", self.name))
        }
    }
}

/// A property that holds a collection of tags.
///
/// Each operator holds if at least one tag of the machine fits; `!` turns it into «no tag fits».
///
/// Source: «List machines API».
///
/// # Example
///
/// ```
/// use defender_endpoint::filter::TagsField;
/// use defender_endpoint::machines::field;
///
/// let tags: TagsField = field::MACHINE_TAGS;
/// assert_eq!(tags.any_eq("lab").to_string(), "machineTags/any(t: t eq 'lab')");
/// assert_eq!(
///     tags.any_in(["lab", "test"]).to_string(),
///     "machineTags/any(t: t eq 'lab' or t eq 'test')",
/// );
/// assert_eq!(
///     (!tags.any_starts_with("tmp-")).to_string(),
///     "not (machineTags/any(t: startswith(t,'tmp-')))",
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TagsField {
    name: &'static str,
}

impl TagsField {
    /// What a tag is called inside `any`.
    const TAG: TextField = TextField::new("t");

    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// A tag is `tag`.
    #[doc(alias = "any")]
    #[doc(alias = "eq")]
    pub fn any_eq(self, tag: impl AsRef<str>) -> Filter {
        self.any(Self::TAG.eq(tag))
    }

    /// A tag is one of `tags`; without any, the filter is invalid.
    #[doc(alias = "any")]
    #[doc(alias = "in")]
    pub fn any_in(self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Filter {
        self.any(Filter::one_of(
            self.name,
            tags.into_iter().map(|tag| Self::TAG.eq(tag)),
        ))
    }

    /// A tag begins with `prefix`.
    #[doc(alias = "any")]
    #[doc(alias = "startswith")]
    pub fn any_starts_with(self, prefix: impl AsRef<str>) -> Filter {
        self.any(Self::TAG.starts_with(prefix))
    }

    fn any(self, tag: Filter) -> Filter {
        let expression = tag
            .expression
            .map(|tag| format!("{}/any(t: {tag})", self.name));
        Filter {
            expression,
            binding: Binding::Whole,
        }
    }
}

/// A string literal.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A date literal, unless the year has no four digits in UTC.
fn date_literal(date: OffsetDateTime) -> Option<String> {
    // The unchecked conversion panics at the ends of the range.
    let utc = date.checked_to_offset(UtcOffset::UTC)?;
    if !(1..=9999).contains(&utc.year()) {
        return None;
    }
    let (year, month, day) = utc.to_calendar_date();
    let (hour, minute, second, nanosecond) = utc.to_hms_nano();
    let month = u8::from(month);
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let fraction = format!(".{:07}", nanosecond / 100);
    // Without zeros at the end, and without the point if nothing is left, as the service does it.
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    // `Z`, since the plus of `+00:00` doesn't survive everywhere in a URL.
    Some(format!("{whole}{fraction}Z"))
}

/// Whether the text is a GUID as OData writes it.
fn is_guid(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}
