//! Programs that leak, each with its repaired form: the first must be reported with the right wait
//! reason and verdict, the second must stay silent.
//!
//! Every test may run many times, also at the same time as itself: `repeat` does so. What the report says to
//! change is what the repaired form has changed: `remedies` has it line by line.

mod articles;
mod primitives;
mod production;
mod remedies;
mod repaired;
mod repeat;
mod shared;
mod soak;
mod stores;
mod support;
