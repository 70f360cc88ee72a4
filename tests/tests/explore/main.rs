//! Exploration: what it finds, what it says, and what it does with bodies that cannot be explored.

mod attribute;
mod bad_input;
mod blocked;
mod environment;
mod findings;
mod inside;
mod livelock;
mod points;
mod terms;
