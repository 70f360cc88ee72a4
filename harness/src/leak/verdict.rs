//! The class given to a goroutine that outlived its scope, and what backs it.

use core::fmt;
use core::time::Duration;

use gmp_core::inspect::GoroutineId;

/// How sure it is that a goroutine can never finish, and who could still release it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// No owner outside the leaked goroutines could ever release it.
    Proven,
    /// An armed timer or deadline is in its wait set.
    Timer {
        /// Time left until the earliest of them is due.
        due_in: Duration,
    },
    /// A waker clone is alive outside the runtime: I/O, a foreign future, an OS thread.
    External,
    /// A capability survives: somebody outside could still release it.
    Reachable {
        /// Who holds it, as far as that is known.
        by: Holder,
    },
    /// Not parked when the linger was over: it spins, or sits in a blocking call.
    Running,
}

/// Who still holds a capability to release a goroutine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// Something outside the scope: a static, another test, an OS thread, a leaked `Arc`.
    Outside,
    /// A goroutine of the scope that is itself Timer, External or Running.
    Goroutine {
        /// The holder.
        id: GoroutineId,
        /// The name of its verdict, as [`Verdict::name`] gives it.
        verdict: &'static str,
    },
}

impl Verdict {
    /// The name of the class: `Proven`, `Timer`, `External`, `Reachable` or `Running`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Proven => "Proven",
            Self::Timer { .. } => "Timer",
            Self::External => "External",
            Self::Reachable { .. } => "Reachable",
            Self::Running => "Running",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
