//! What a check found: the model, the symbols and source lines behind it, one file an output.

pub(crate) mod build;
mod fault;
pub mod finding;
#[cfg(test)]
mod fixtures;
pub mod group;
mod outline;
pub mod remedy;
pub mod source;
pub(crate) mod survive;
pub mod symbols;
pub mod text;
pub(crate) mod words;
