//! The end of a runtime: every future that is left is dropped, outside all locks, panics caught.

use crate::g::{GRef, Scope};

/// Rounds after which goroutines that keep appearing (a destructor that calls `go`) are given up.
const ROUNDS: usize = 64;

/// Closes the scope and drops all futures in it. A goroutine inside a poll on another thread is left.
pub(crate) fn shut_down(scope: &Scope) {
    scope.close();
    for _ in 0..ROUNDS {
        let left = scope.goroutines();
        if left.iter().filter(|g| discard(g)).count() == 0 {
            return;
        }
    }
}

/// Drops the future of a goroutine that nobody runs.
fn discard(g: &GRef) -> bool {
    if !(g.seize() && g.claim_frozen()) {
        return false;
    }
    if let Err(payload) = g.discard() {
        crate::g::forget_payload(payload);
    }
    true
}
