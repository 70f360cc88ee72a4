//! `SingleFlight`: calls for the same key at the same time are done as one.

use core::fmt;
use core::future::Future;
use core::hash::Hash;
use std::collections::HashMap;
use std::panic::{Location as Panic, resume_unwind};
use std::sync::{Arc, OnceLock};

use super::once::{Core, Words};
use super::once_value::catch;
use crate::g::{current, payload_message, point};
use crate::inspect::{Operation, PrimitiveKind};
use crate::sys::Lock;
use crate::sys::atomic::{AtomicBool, Ordering};

/// Suppresses duplicate work, as Go's `singleflight.Group`: while somebody works for a key, others that
/// ask for the same key wait and get a clone of the result.
///
/// Comparing and hashing keys must not use the same `SingleFlight`.
///
/// ```
/// use gmp_core::sync::SingleFlight;
///
/// gmp_core::block_on(async {
///     let flights = SingleFlight::new();
///     let page = flights.run("/", || async { "hello".to_owned() }).await;
///     assert_eq!((page.value.as_str(), page.shared), ("hello", false));
/// });
/// ```
pub struct SingleFlight<K, V> {
    flights: Lock<HashMap<K, Arc<Flight<V>>>>,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared<V> {
    /// The result.
    pub value: V,
    /// Several callers got it.
    pub shared: bool,
}

/// The work for one key.
struct Flight<V> {
    core: Core,
    landed: OnceLock<Result<V, String>>,
    shared: AtomicBool,
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// Nobody works.
    pub fn new() -> Self {
        Self { flights: Lock::new(HashMap::new()) }
    }

    /// The result of `work` for `key`: of this one, or of somebody else's who works for the same key now.
    ///
    /// # Panics
    /// If the work panicked: with its payload in the call that ran it, with its message in all others.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time. If it was working, that is dropped half-way, and the next
    /// caller in line does its own work.
    #[track_caller]
    pub fn run<F, R>(&self, key: K, work: F) -> impl Future<Output = Shared<V>>
    where
        F: FnOnce() -> R,
        R: Future<Output = V>,
    {
        let at = Panic::caller();
        async move {
            let caller = self.join(key, at);
            let flight = &*caller.flight;
            if let Some(run) = flight.core.enter(at).await {
                run.finish(caller.work(work)).await;
            }
            // Relaxed: whoever joined did so under the lock that the worker took when it landed.
            let shared = flight.shared.load(Ordering::Relaxed);
            match flight.landed.get().expect("it has landed before it is done") {
                Ok(value) => Shared { value: value.clone(), shared },
                Err(message) => panic!("{message}"),
            }
        }
    }

    /// Lets the next caller for `key` work anew, though somebody works for it now.
    #[track_caller]
    pub fn forget(&self, key: &K) {
        point::before(Operation::Store, Some(Panic::caller()));
        let gone = self.flights.lock().remove_entry(key);
        drop(gone);
    }

    /// Joins the flight for `key`, or opens one.
    fn join(&self, key: K, at: crate::inspect::Location) -> Caller<'_, K, V> {
        let mut flights = self.flights.lock();
        let flight = match flights.get(&key) {
            Some(flight) => {
                flight.shared.store(true, Ordering::Relaxed);
                flight.clone()
            }
            None => {
                let flight = Arc::new(Flight::new(at));
                flights.insert(key.clone(), flight.clone());
                flight
            }
        };
        drop(flights);
        Caller { flights: self, key, flight }
    }
}

impl<V> Flight<V> {
    fn new(at: crate::inspect::Location) -> Self {
        let record = current::record(PrimitiveKind::SingleFlight, at);
        let core = Core::new(Words::SingleFlight, record);
        Self { core, landed: OnceLock::new(), shared: AtomicBool::new(false) }
    }
}

/// A caller's part in a flight.
struct Caller<'a, K: Eq + Hash, V> {
    flights: &'a SingleFlight<K, V>,
    key: K,
    flight: Arc<Flight<V>>,
}

impl<K: Eq + Hash, V> Caller<'_, K, V> {
    async fn work<F, R>(&self, work: F)
    where
        F: FnOnce() -> R,
        R: Future<Output = V>,
    {
        let landed = catch(async { work().await }).await;
        // Later callers open a flight of their own.
        self.take_off_the_map();
        match landed {
            Ok(value) => drop(self.flight.landed.set(Ok(value))),
            Err(payload) => {
                let _ = self.flight.landed.set(Err(payload_message(&*payload)));
                resume_unwind(payload);
            }
        }
    }

    /// Removes this flight, and not one that was opened after it was forgotten.
    fn take_off_the_map(&self) {
        let mut flights = self.flights.flights.lock();
        let ours = flights.get(&self.key).is_some_and(|now| Arc::ptr_eq(now, &self.flight));
        let gone = ours.then(|| flights.remove_entry(&self.key));
        drop(flights);
        drop(gone);
    }
}

impl<K: Eq + Hash, V> Drop for Caller<'_, K, V> {
    fn drop(&mut self) {
        // The map has a reference and this caller has one: nobody else is left who would work.
        let mut flights = self.flights.flights.lock();
        let last = flights
            .get(&self.key)
            .is_some_and(|now| Arc::ptr_eq(now, &self.flight) && Arc::strong_count(now) == 2);
        let gone = last.then(|| flights.remove_entry(&self.key));
        drop(flights);
        drop(gone);
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").field("keys", &self.flights.lock().len()).finish()
    }
}
