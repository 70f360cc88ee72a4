//! Random choices of the runtime and of tests.

use core::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

thread_local!(static STATE: Cell<u64> = const { Cell::new(0) });

/// A number below `n`, drawn at random; a schedule exploration makes the draw part of the schedule.
///
/// # Panics
/// If `n` is zero.
///
/// ```
/// assert!(gmp_core::choose(3) < 3);
/// ```
pub fn choose(n: usize) -> usize {
    assert!(n > 0, "gmp: choose(0) has nothing to choose from");
    if let Some(chosen) = crate::g::point::choose(n) {
        return chosen;
    }
    // Multiply-shift maps 64 random bits onto 0..n with a bias below 2^-32 for any real `n`.
    ((u128::from(next()) * n as u128) >> 64) as usize
}

/// Marsaglia's xorshift64*, seeded once a thread from the standard library's random keys.
fn next() -> u64 {
    STATE.with(|state| {
        let mut x = state.get();
        if x == 0 {
            x = RandomState::new().hash_one(0u8) | 1;
        }
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    })
}
