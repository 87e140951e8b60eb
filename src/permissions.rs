//! What the documentation says an operation needs, as a 403 repeats it.

/// «List machines API».
pub(crate) const MACHINES: &str = "the application permission Machine.Read.All or Machine.ReadWrite.All, or the delegated \
     permission Machine.Read or Machine.ReadWrite with the role 'View Data'";

/// All pages of the scan family.
pub(crate) const SCANS: &str = "the application permission Machine.Read.All, or the delegated \
     permission Machine.Read.All with the role 'ViewData' or 'TvmViewData'";
