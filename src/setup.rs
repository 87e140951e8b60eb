//! The manual's page on setting up: from a tenant in which nothing is prepared to the first list. It
//! holds no code.
