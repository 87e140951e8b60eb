//! Secrets: where they must never be seen (F98 to F104).
