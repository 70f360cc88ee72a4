//! Identities of goroutines and primitives; unique in the process and never reused.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The identity of a goroutine, printed as `G7`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoroutineId(NonZeroU64);

/// The identity of a channel, lock, WaitGroup, timer or context.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrimitiveId(NonZeroU64);

static GOROUTINES: AtomicU64 = AtomicU64::new(1);

/// Takes the next number of `counter`.
fn next(counter: &AtomicU64) -> NonZeroU64 {
    // Relaxed: only uniqueness matters. A 64-bit counter does not wrap in any process's lifetime.
    NonZeroU64::new(counter.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroU64::MAX)
}

impl GoroutineId {
    /// Takes an id that no goroutine of this process had before.
    pub(crate) fn next() -> Self {
        Self(next(&GOROUTINES))
    }

    /// Takes `n` such numbers at once.
    pub(crate) fn next_block(n: u64) -> Range<u64> {
        let first = GOROUTINES.fetch_add(n, Ordering::Relaxed);
        first..first.saturating_add(n)
    }

    /// The number behind the `G`.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The goroutine with this number; `None` for zero. For tools that read ids back from a report.
    pub fn from_u64(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl PrimitiveId {
    /// Takes an id that no primitive of this process had before.
    pub(crate) fn next() -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(1);
        Self(next(&COUNTER))
    }

    /// The number of this primitive.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The primitive with this number; `None` for zero. For tools that read ids back from a report.
    pub fn from_u64(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl fmt::Display for GoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "G{}", self.0)
    }
}

impl fmt::Debug for GoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PrimitiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Debug for PrimitiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
