//! The alarm clock for plain bodies: they run on the test's thread, so nobody else watches their
//! time-out.
//!
//! One thread for the whole process sleeps until the earliest deadline. Most tests end long before
//! theirs, so setting and clearing an alarm only touches a list.

use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Instant;

use crate::leak::census::Ours;

/// What happens when the time has come.
type Ring = Box<dyn FnOnce() + Send>;

static ALARMS: Mutex<Alarms> = Mutex::new(Alarms { next: 0, set: Vec::new() });
static CHANGED: Condvar = Condvar::new();

struct Alarms {
    /// The number of the next alarm.
    next: u64,
    set: Vec<Entry>,
}

struct Entry {
    number: u64,
    at: Instant,
    ring: Ring,
}

/// An alarm that is cleared when the value is dropped.
pub(super) struct Alarm(u64);

impl Alarm {
    /// Calls `ring` at `at`, on a thread that must not be kept.
    pub(super) fn set(at: Instant, ring: impl FnOnce() + Send + 'static) -> Self {
        static CLOCK: Once = Once::new();
        CLOCK.call_once(|| {
            let started = thread::Builder::new().name("gmp-alarm".into()).spawn(sleep);
            started.unwrap_or_else(|e| panic!("gmp: the system refused a thread: {e}"));
        });
        let mut alarms = lock();
        let number = alarms.next;
        alarms.next += 1;
        let is_first = alarms.set.iter().all(|entry| at < entry.at);
        alarms.set.push(Entry { number, at, ring: Box::new(ring) });
        drop(alarms);
        if is_first {
            CHANGED.notify_one();
        }
        Self(number)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut alarms = lock();
        let at = alarms.set.iter().position(|entry| entry.number == self.0);
        let cleared = at.map(|at| alarms.set.swap_remove(at));
        drop(alarms);
        drop(cleared);
    }
}

/// On the alarm's thread: rings one after the other, for ever.
fn sleep() {
    let _ours = Ours::register();
    let mut alarms = lock();
    loop {
        let now = Instant::now();
        if let Some(due) = alarms.set.iter().position(|entry| entry.at <= now) {
            let due = alarms.set.swap_remove(due);
            drop(alarms);
            (due.ring)();
            alarms = lock();
            continue;
        }
        alarms = match alarms.set.iter().map(|entry| entry.at).min() {
            None => CHANGED.wait(alarms).unwrap_or_else(PoisonError::into_inner),
            Some(first) => {
                let slept = CHANGED.wait_timeout(alarms, first - now);
                slept.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

fn lock() -> MutexGuard<'static, Alarms> {
    ALARMS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn an_alarm_rings_at_its_time_unless_it_is_cleared() {
        let (rang, ring) = mpsc::channel();
        let now = Instant::now();
        let set = |name, ms| {
            let rang = rang.clone();
            Alarm::set(now + Duration::from_millis(ms), move || rang.send(name).unwrap())
        };
        let cleared = set("cleared", 1_000);
        let late = set("late", 40);
        let early = set("early", 20);
        drop(cleared);
        assert_eq!((ring.recv(), ring.recv()), (Ok("early"), Ok("late")));
        assert!(now.elapsed() >= Duration::from_millis(40));
        drop((early, late));
        drop(rang);
        assert!(ring.recv().is_err(), "nothing holds the sender of a cleared alarm");
    }
}
