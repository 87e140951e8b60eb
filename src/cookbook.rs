//! The manual's page of recipes: what tools do with the crate, in a form to be copied. It holds no
//! code.
