//! The runtime of gmp.
pub mod inspect;
