//! Tokens: how they are had, kept and renewed, and what is refused (F34 to F45).
