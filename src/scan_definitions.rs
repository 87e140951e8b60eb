//! Scan definitions: the page «Get scan definitions».

mod model;

use crate::call::Operation;
use crate::http::Method;
use crate::paging::Listing;
use crate::rate_limit::Api;
use crate::scan_agents::{PERMISSIONS, SIZES};

pub use model::{
    AuthType, LatestScan, LatestScanStatus, RedactedMap, ScanAuthenticationParams, ScanDefinition,
    ScanType, ScannerAgent, TargetType,
};

static LIST: Operation = Operation {
    method: Method::Get,
    path: "/api/DeviceAuthenticatedScanDefinitions",
    api: Api::ScanDefinitions,
    permissions: PERMISSIONS,
};

pub(crate) fn list() -> Listing {
    Listing::new(&LIST, SIZES)
}
