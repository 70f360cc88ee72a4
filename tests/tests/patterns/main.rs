//! Programs that leak, each with its repaired form: the first must be reported with the right wait
//! reason and verdict, the second must stay silent.
//!
//! Every test may run many times, also at the same time as itself: `repeat` does so. What still has no
//! primitive to write it with is not here: the reset of a `Timer`.

mod articles;
mod primitives;
mod production;
mod repeat;
mod shared;
mod stores;
mod support;
