//! The manual's page on what is known of the service, from where, and which code and test stand for
//! it. It holds no code.
