//! The network: what fails before, within and behind an answer (F1 to F14).
