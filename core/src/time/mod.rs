//! Time: the clock, the timer heap, and what waits on them.

pub(crate) mod clock;
pub(crate) mod current;
pub(crate) mod heap;
