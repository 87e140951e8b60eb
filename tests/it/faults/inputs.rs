//! Inputs: ids, filters, sizes, URLs and durations that callers give (F89 to F95).
