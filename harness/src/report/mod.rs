//! What a check found: the model, the symbols and source lines behind it, one file an output.

pub mod finding;
