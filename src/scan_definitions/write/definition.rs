//! A definition that is to be added, and what is to be changed of one.

use std::fmt;

use super::auth::{LinuxAuth, SnmpAuth};
use super::fields::{Fields, trimmed};
use super::scanner::Scanner;
use super::targets::Targets;
use crate::error::Error;
use crate::machines::OnMachine;
use crate::scan_definitions::{ScanDefinition, ScanType};

/// A scan definition that is to be added, by
/// [`Client::add_scan_definition`](crate::Client::add_scan_definition).
///
/// A plain value: what is wrong with it is said when it is to be sent, before anything is. It can be
/// cloned and kept, but not serialised, since it may hold secrets; `Debug` redacts them.
///
/// Windows definitions can be read and not made: the vendor has retired that kind.
///
/// Source: «Add, update, or delete a scan definition».
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_agents::ScanAgent;
/// use defender_endpoint::scan_definitions::{NewScanDefinition, SnmpAuth};
///
/// # let (agent, community_string) = (ScanAgent::new("org_machine"), "hunter2");
/// let auth = SnmpAuth::community_string(community_string);
/// let targets = ["10.0.0.0/24", "core-switch.contoso.com"];
/// let new = NewScanDefinition::network("Core switches", &agent, targets, auth)
///     .interval_in_hours(4)
///     .active(false);
/// ```
#[derive(Clone, PartialEq)]
#[must_use = "nothing is sent until it is given to `Client::add_scan_definition`"]
pub struct NewScanDefinition(pub(super) Fields);

/// What is set, without the secrets.
impl fmt::Debug for NewScanDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show("NewScanDefinition", f)
    }
}

impl NewScanDefinition {
    /// A scan of network devices, by SNMP.
    ///
    /// The name is sent without blanks at its ends.
    ///
    /// The scanner is a scan agent, the scanner of another definition, a machine (see [`OnMachine`]), or as
    /// text the id of a machine, or of an agent if 40 hexadecimal digits, its machine's, stand behind the last
    /// `_`. Its machine's name is sent as well where it is known: the documentation wants the id alone, while a user reported that a definition couldn't be added without the name.
    ///
    /// Targets are IP addresses, ranges in CIDR notation, and host names. Each text may be a list of
    /// them with commas between, as [`target`](ScanDefinition::target) is. Each is sent once, as it was
    /// written first: `10.0.0.5/24` and `10.0.0.0/24` are the same range, and `10.0.0.5/32` is
    /// `10.0.0.5`.
    ///
    /// A host name has at most 253 bytes, and labels of 1 to 63 letters, digits, `-` and `_`, of which
    /// none begins or ends with `-`. The last label must have a letter. Refused as slips in an address
    /// are a last label such as `0x7f` (`0x` and hexadecimal digits or none), and three or more labels of
    /// digits and `-` alone before the last, such as those of `10.0.0.1a`.
    ///
    /// What the targets are goes with them as the target type: `Ip` for addresses and ranges, `Hostname`, or `Combined` for both, which is
    /// in the service's schema only. How many targets the service takes is not documented.
    pub fn network<T>(
        name: impl Into<String>,
        scanner: impl OnMachine,
        targets: T,
        auth: SnmpAuth,
    ) -> Self
    where
        T: IntoIterator,
        T::Item: ToString,
    {
        Self(Fields {
            auth: Some(auth.0),
            ..fields(ScanType::Network, &name.into(), &scanner, targets)
        })
    }

    /// A scan of Linux devices, of which only the service's schema tells: no page of the vendor does, and
    /// nobody has confirmed that it works. Otherwise as [`network`](Self::network).
    pub fn linux<T>(
        name: impl Into<String>,
        scanner: impl OnMachine,
        targets: T,
        auth: LinuxAuth,
    ) -> Self
    where
        T: IntoIterator,
        T::Item: ToString,
    {
        Self(Fields {
            auth: Some(auth.0),
            ..fields(ScanType::Linux, &name.into(), &scanner, targets)
        })
    }

    /// How often the scan runs: 1 to 2,147,483,647 hours, which are the numbers of the schema's type. Which
    /// of them the service takes is not documented. Defaults to 24.
    pub fn interval_in_hours(mut self, hours: u32) -> Self {
        self.0.interval_in_hours = Some(hours.into());
        self
    }

    /// Whether the scan runs at all. Defaults to true.
    pub fn active(mut self, active: bool) -> Self {
        self.0.active = Some(active);
        self
    }

    /// Whether it could be sent, without sending it: for a program that reads definitions from a file and
    /// checks all before it adds any.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), for whatever
    /// [`Client::add_scan_definition`](crate::Client::add_scan_definition) refuses before it sends anything.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::{NewScanDefinition, SnmpAuth};
    ///
    /// let auth = SnmpAuth::community_string("hunter2");
    /// let new = NewScanDefinition::network("Core", "eb663a27", ["10.0.0.0/24", "10.0.0.300"], auth);
    /// let error = new.check().unwrap_err();
    /// assert!(error.to_string().starts_with("target 2, `10.0.0.300`, is neither"));
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        self.0.check()
    }

    /// Whether a definition could be this one: it has the same name and targets, and the same type,
    /// interval, scanner, and answer to whether it is active, as far as it shows them. The order and
    /// spelling of the targets don't count.
    ///
    /// It helps to find out whether this one was added after all when the answer was lost, among those
    /// that were not there before: one that was there, or that somebody else has made alike meanwhile,
    /// can't be told from it, since the service shows nothing of how the scanner signs in. See
    /// [`Client::add_scan_definition`](crate::Client::add_scan_definition).
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::{NewScanDefinition, ScanDefinition, SnmpAuth};
    ///
    /// let auth = SnmpAuth::community_string("hunter2");
    /// let new = NewScanDefinition::network("Core", "eb663a27", ["10.0.0.1", "10.0.0.2"], auth);
    /// let shown: ScanDefinition = serde_json::from_str(
    ///     r#"{"id": "d14cefe1", "scanType": "Network", "scanName": "Core", "isActive": true,
    ///         "intervalInHours": 24, "target": "10.0.0.2,10.0.0.1", "scannerAgent": {"machineId": "eb663a27"}}"#,
    /// )?;
    /// assert!(new.is_like(&shown));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn is_like(&self, definition: &ScanDefinition) -> bool {
        self.0.could_be(definition)
    }
}

fn fields<T>(scan_type: ScanType, name: &str, scanner: &impl OnMachine, targets: T) -> Fields
where
    T: IntoIterator,
    T::Item: ToString,
{
    Fields {
        scan_type: Some(scan_type),
        name: Some(trimmed(name)),
        active: Some(true),
        targets: Some(Targets::of(targets)),
        interval_in_hours: Some(24),
        scanner: Some(Scanner::of(scanner)),
        auth: None,
    }
}

/// What is to be changed of a scan definition, by
/// [`Client::update_scan_definition`](crate::Client::update_scan_definition).
///
/// Only what is set is sent. The documentation says that the authentication parameters may be left
/// out, and calls the other fields required, in a table for adding and updating both; the sample of an
/// older edition leaves out some of them. Should the service insist, [`with_rest_of`](Self::with_rest_of)
/// adds what is there already.
///
/// A plain value, as [`NewScanDefinition`] is, with the same rules for what can be sent.
///
/// Source: «Add, update, or delete a scan definition».
///
/// # Example
///
/// ```
/// use defender_endpoint::scan_definitions::ScanDefinitionUpdate;
///
/// let update = ScanDefinitionUpdate::new()
///     .targets(["10.0.0.0/24", "10.0.1.0/24"])
///     .active(true);
/// assert!(!update.is_empty());
/// ```
#[derive(Clone, Default, PartialEq)]
#[must_use = "nothing is sent until it is given to `Client::update_scan_definition`"]
pub struct ScanDefinitionUpdate(pub(super) Fields);

/// What is set, without the secrets.
impl fmt::Debug for ScanDefinitionUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show("ScanDefinitionUpdate", f)
    }
}

impl ScanDefinitionUpdate {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the scan another name. Defaults to the name that it has.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = Some(trimmed(&name.into()));
        self
    }

    /// Sets all targets, and their type with them: see [`NewScanDefinition::network`]. Defaults to those
    /// that it has.
    pub fn targets<T>(mut self, targets: T) -> Self
    where
        T: IntoIterator,
        T::Item: ToString,
    {
        self.0.targets = Some(Targets::of(targets));
        self
    }

    /// Sets how often the scan runs: see [`NewScanDefinition::interval_in_hours`]. Defaults to the interval that it has.
    pub fn interval_in_hours(mut self, hours: u32) -> Self {
        self.0.interval_in_hours = Some(hours.into());
        self
    }

    /// Says whether the scan runs at all. Defaults to what it does now.
    pub fn active(mut self, active: bool) -> Self {
        self.0.active = Some(active);
        self
    }

    /// Lets another machine run the scan: see [`NewScanDefinition::network`]. Defaults to the one that
    /// does.
    pub fn scanner(mut self, scanner: impl OnMachine) -> Self {
        self.0.scanner = Some(Scanner::of(&scanner));
        self
    }

    /// Lets the scanner of network devices sign in in another way. Replaces
    /// [`linux_auth`](Self::linux_auth). Defaults to the way that it has.
    pub fn snmp_auth(mut self, auth: SnmpAuth) -> Self {
        self.0.auth = Some(auth.0);
        self
    }

    /// Lets the scanner of Linux devices sign in in another way. Replaces
    /// [`snmp_auth`](Self::snmp_auth). Defaults to the way that it has.
    pub fn linux_auth(mut self, auth: LinuxAuth) -> Self {
        self.0.auth = Some(auth.0);
        self
    }

    /// Leaves out what a definition has already, so that only what changes is sent: if nothing does, it
    /// [is empty](Self::is_empty) then.
    ///
    /// Authentication parameters stay, since the service never shows which a definition has. Targets in
    /// another order or spelling are no change, but another type of targets is one where it is a known
    /// one. Another name for the scanner's machine is none.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::scan_definitions::ScanDefinitionUpdate;
    ///
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let wanted = ScanDefinitionUpdate::new().interval_in_hours(8).active(true);
    /// for definition in client.scan_definitions()? {
    ///     let changes = wanted.clone().changes_to(&definition);
    ///     if !changes.is_empty() {
    ///         client.update_scan_definition(&definition.id, &changes)?;
    ///     }
    /// }
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn changes_to(self, definition: &ScanDefinition) -> Self {
        Self(self.0.changes_to(definition))
    }

    /// Adds what a definition has where nothing is set, its scan type too, as it stands there. All but
    /// the authentication parameters: the service never shows them. What can't be sent is left out: a
    /// blank name, no targets, an interval of zero, a scanner without a machine's id.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use defender_endpoint::scan_definitions::ScanDefinitionUpdate;
    ///
    /// # let client = defender_endpoint::Client::from_env()?;
    /// let definition = client.scan_definition("d14cefe1-0301-488c-ad17-a86c428c3727")?;
    /// let update = ScanDefinitionUpdate::new().name("Core").with_rest_of(&definition);
    /// client.update_scan_definition(&definition.id, &update)?;
    /// # Ok::<(), defender_endpoint::Error>(())
    /// ```
    pub fn with_rest_of(self, definition: &ScanDefinition) -> Self {
        Self(self.0.with_rest_of(definition))
    }

    /// Whether nothing is set. Such an update is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it could be sent, without sending it, as [`NewScanDefinition::check`] says of a definition.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), for whatever
    /// [`Client::update_scan_definition`](crate::Client::update_scan_definition) refuses before it sends
    /// anything, but for the id.
    ///
    /// # Example
    ///
    /// ```
    /// use defender_endpoint::scan_definitions::ScanDefinitionUpdate;
    ///
    /// assert!(ScanDefinitionUpdate::new().interval_in_hours(8).check().is_ok());
    /// assert!(ScanDefinitionUpdate::new().check().is_err()); // it sets nothing
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        if self.is_empty() {
            return Err(Error::invalid("the update changes nothing"));
        }
        self.0.check()
    }
}
