//! Where polls are not suspended any more, because what they held there was needed by others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gmp_core::inspect::{Location, Operation};

/// After so many times no poll is suspended there any more: it may be chance once.
const PINNED: u32 = 2;

/// An operation on a line of the program.
type Site = (Operation, Option<Location>);

/// How often a poll that was suspended at an operation held what somebody else needed, in one exploration.
#[derive(Clone, Debug, Default)]
pub(super) struct Pins(Arc<Mutex<HashMap<Site, u32>>>);

impl Pins {
    /// It was so once more.
    pub(super) fn held(&self, operation: Operation, at: Option<Location>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held.entry((operation, at)).or_default() += 1;
    }

    /// Whether it was so too often.
    pub(super) fn has(&self, operation: Operation, at: Option<Location>) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&(operation, at)).is_some_and(|times| *times >= PINNED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_pinned_and_no_other_nor_another_exploration() {
        let one = Some(core::panic::Location::caller());
        let other = Some(core::panic::Location::caller());
        let pins = Pins::default();
        pins.held(Operation::Unlock, one);
        assert!(!pins.has(Operation::Unlock, one), "it was chance");
        pins.clone().held(Operation::Unlock, one);
        assert!(pins.has(Operation::Unlock, one));
        assert!(!pins.has(Operation::Unlock, other) && !pins.has(Operation::Close, one));
        assert!(!Pins::default().has(Operation::Unlock, one));
    }
}
