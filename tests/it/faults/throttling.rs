//! Throttling: the service's limits, and ours (F51 to F59).
