//! An operation as a value: what the documentation says of it.

use crate::error::Error;
use crate::http::Method;
use crate::permissions::OperationPermissions;
use crate::rate_limit::Api;

/// What is the same for all calls of an operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// In whose windows a call counts.
    pub(crate) api: Api,
    /// What a 403 should say is needed.
    pub(crate) permissions: &'static OperationPermissions,
    /// For an operation that changes something: how to find out whether a call did its work whose
    /// answer was lost. Its calls are tried again only where the last one did nothing.
    pub(crate) writes: Option<&'static str>,
}

impl Operation {
    /// The operation of a row in the table of permissions.
    pub(crate) const fn of(permissions: &'static OperationPermissions, api: Api) -> Self {
        Self {
            method: permissions.method,
            path: permissions.path,
            api,
            permissions,
            writes: None,
        }
    }

    /// The same, changing something.
    #[cfg(feature = "write")]
    pub(crate) const fn writing(
        permissions: &'static OperationPermissions,
        api: Api,
        find_out: &'static str,
    ) -> Self {
        Self {
            writes: Some(find_out),
            ..Self::of(permissions, api)
        }
    }

    /// The error of one exchange, which for an operation that changes something may leave open whether
    /// it did.
    pub(super) fn with_outcome(&self, error: Error) -> Error {
        match self.writes {
            Some(find_out) if error.may_have_acted() => error.with_outcome_unknown(find_out),
            _ => error,
        }
    }
}
