//! A fence for two sides of which one comes by all the time and the other hardly ever.
//!
//! The frequent side only keeps the compiler from moving accesses; the rare side asks the system to run a full
//! fence on every thread of this process (`membarrier`, Linux). Together they are what a SeqCst fence on each
//! side would be. Where the system does not offer it, whoever asks has to use another protocol.

use crate::debug::debug;

/// The fence of the frequent side.
#[inline(always)]
pub(crate) fn light() {
    #[cfg(loom)]
    loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
    #[cfg(not(loom))]
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
}

/// The fence of the rare side. False: the system refused, and nothing was ordered.
#[must_use]
pub(crate) fn heavy() -> bool {
    #[cfg(loom)]
    loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
    cfg!(loom) || system::run()
}

/// Whether the two are to be used in this process.
pub(crate) fn is_used() -> bool {
    is_available() && !debug().membarrieroff
}

/// Whether the two can be used in this process.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *AVAILABLE.get_or_init(|| !cfg!(miri) && system::register() && system::run())
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod system {
    use core::ffi::{c_int, c_long};

    const MEMBARRIER: c_long = if cfg!(target_arch = "x86_64") { 324 } else { 283 };
    const PRIVATE_EXPEDITED: c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }

    fn membarrier(command: c_int) -> bool {
        // SAFETY: the call takes three integers and touches no memory of ours.
        unsafe { syscall(MEMBARRIER, command, 0 as c_int, 0 as c_int) == 0 }
    }

    pub(super) fn register() -> bool {
        membarrier(REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn run() -> bool {
        membarrier(PRIVATE_EXPEDITED)
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod system {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn run() -> bool {
        false
    }
}
