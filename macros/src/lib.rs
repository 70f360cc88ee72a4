//! The macros of gmp.
