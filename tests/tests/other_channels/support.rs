//! What the modules share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gmp::runtime::Builder;

/// Runs `main` on a runtime with four Ps.
pub(crate) fn on_ps<F: Future>(main: F) -> F::Output {
    Builder::new().procs(4).build().block_on(main)
}

/// Counts how many of its values live.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<AtomicUsize>);

/// A value of a [`Life`].
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Life {
    pub(crate) fn make(&self) -> Alive {
        self.0.fetch_add(1, Ordering::SeqCst);
        Alive(self.0.clone())
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether counts of equal chances are as they should be: each at least half of its share.
pub(crate) fn is_even(counts: &[usize]) -> bool {
    let share = counts.iter().sum::<usize>() / counts.len();
    counts.iter().all(|count| *count >= share / 2)
}
