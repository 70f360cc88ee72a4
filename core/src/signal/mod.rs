//! Signals of the operating system on a channel.
//!
//! ```
//! use gmp_core::signal::{self, Signal};
//!
//! # fn main() -> std::io::Result<()> {
//! gmp_core::block_on(async {
//!     let signals = gmp_core::chan(1);
//!     let _notify = signal::notify(&signals, [Signal::USER_1])?;
//!     # std::process::Command::new("kill").args(["-USR1", &std::process::id().to_string()]).status()?;
//!     // Somebody sends SIGUSR1 to this process.
//!     assert_eq!(signals.recv().await, Some(Signal::USER_1));
//!     Ok(())
//! })
//! # }
//! ```

mod relay;

use core::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;

use signal_hook::consts;

use crate::chan::Chan;
use relay::Relay;

/// A signal of the operating system, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

impl Signal {
    /// The terminal's interrupt key, usually Ctrl-C.
    pub const INTERRUPT: Self = Self(consts::SIGINT);
    /// The wish that the process ends.
    pub const TERMINATE: Self = Self(consts::SIGTERM);
    /// The terminal is gone; by custom, read the configuration again.
    pub const HANGUP: Self = Self(consts::SIGHUP);
    /// The terminal's quit key.
    pub const QUIT: Self = Self(consts::SIGQUIT);
    /// For whatever the program makes of it.
    pub const USER_1: Self = Self(consts::SIGUSR1);
    /// For whatever the program makes of it.
    pub const USER_2: Self = Self(consts::SIGUSR2);
    /// A child has ended or stopped.
    pub const CHILD: Self = Self(consts::SIGCHLD);
    /// The size of the terminal's window has changed.
    pub const WINDOW_CHANGE: Self = Self(consts::SIGWINCH);

    /// The signal with this number.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_hook::low_level::signal_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signal({self})")
    }
}

/// Signals go to a channel while this lives. Made by [`notify`].
///
/// When it is dropped they are no longer sent there; the process goes on ignoring them.
#[must_use = "the signals stop when it is dropped"]
pub struct Notify {
    relays: Vec<Arc<Relay>>,
}

/// Sends these signals to `ch` as they come, instead of what the system does with them otherwise.
///
/// As in Go, sending does not wait: a signal for which `ch` has no room is lost, so give it room for those that
/// may come at a time. The same signal coming twice before anybody could look may be sent once. A channel that
/// is closed gets nothing.
///
/// The runtime of whoever calls watches for the signals, so it has to be running.
///
/// # Errors
/// For signals that no process can catch, or that stand for an error of its own, such as `SIGKILL` and `SIGSEGV`;
/// what the system says.
#[track_caller]
pub fn notify(ch: &Chan<Signal>, signals: impl IntoIterator<Item = Signal>) -> io::Result<Notify> {
    let at = Location::caller();
    // What is there of it is dropped if one fails.
    let mut notify = Notify { relays: Vec::new() };
    for signal in signals {
        notify.relays.push(Relay::start(signal, ch.clone(), at)?);
    }
    Ok(notify)
}

impl Drop for Notify {
    fn drop(&mut self) {
        self.relays.iter().for_each(|relay| relay.stop());
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.relays.iter().map(|relay| relay.signal())).finish()
    }
}
