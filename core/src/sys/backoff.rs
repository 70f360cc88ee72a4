//! How a thread waits for something that another does in a few instructions: it spins, then lets other threads
//! run, then naps. Nobody has to wake it, and who has lost its CPU gets it back.

#[cfg(not(loom))]
use std::time::Duration;

/// Looks before the thread lets others run: 10 us where a pause of the processor takes 12 ns, 40 where it takes 45.
#[cfg(not(loom))]
const SPINS: u32 = 8;
/// The first look comes after two to the power of this, in pauses: 0.4 us, or 1.4. Whoever has what is waited for
/// mostly takes it again at once, and has it to itself for many times while others do not look; each look, and each
/// time that it changes threads, takes lines of memory from one processor to another.
#[cfg(not(loom))]
const FIRST_PAUSE: u32 = 5;
/// Each look comes twice as late as the one before, up to two to the power of this.
#[cfg(not(loom))]
const LONGEST_PAUSE: u32 = 7;
/// Looks before it naps between them.
#[cfg(not(loom))]
pub(super) const YIELDS: u32 = 32;
/// How long it naps.
#[cfg(not(loom))]
const NAP: Duration = Duration::from_micros(50);

/// Somebody who waits.
#[cfg(not(loom))]
pub(super) struct Backoff {
    looks: u32,
}

#[cfg(not(loom))]
impl Backoff {
    pub(super) fn new() -> Self {
        Self { looks: 0 }
    }

    /// Between two looks.
    pub(super) fn wait(&mut self) {
        match self.looks {
            0..SPINS => {
                (0..1u32 << (FIRST_PAUSE + self.looks).min(LONGEST_PAUSE))
                    .for_each(|_| core::hint::spin_loop());
            }
            SPINS..YIELDS => std::thread::yield_now(),
            _ => std::thread::sleep(NAP),
        }
        self.looks = (self.looks + 1).min(YIELDS);
    }
}

/// In a model another thread goes on.
#[cfg(loom)]
pub(super) struct Backoff;

#[cfg(loom)]
impl Backoff {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn wait(&mut self) {
        loom::thread::yield_now();
    }
}
