//! Scan definitions: the page «Get scan definitions».

mod model;

use crate::call::Operation;
use crate::http::Method;
use crate::paging::{Listing, PageSizes};
use crate::permissions;
use crate::rate_limit::Api;

pub use model::{
    AuthType, LatestScan, LatestScanStatus, RedactedMap, ScanAuthenticationParams, ScanDefinition,
    ScanType, ScannerAgent, TargetType,
};

static LIST: Operation = Operation {
    method: Method::Get,
    path: "/api/DeviceAuthenticatedScanDefinitions",
    api: Api::ScanDefinitions,
    permissions: permissions::SCANS,
};

pub(crate) fn list() -> Listing {
    Listing::new(&LIST, PageSizes::Undocumented)
}
