//! HTTP: statuses, bodies and headers that are not what was hoped for (F15 to F29).
