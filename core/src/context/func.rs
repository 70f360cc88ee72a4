//! `after_func`: starts a goroutine when a context is done.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use std::panic::Location as Panic;
use std::sync::Arc;

use super::Context;
use crate::g::{Scope, drop_caught, go_in, point};
use crate::inspect::{Location, Operation};
use crate::sched::scope_here;

/// A goroutine that is started when a context is done.
pub(super) struct Func {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    scope: Arc<Scope>,
    at: Location,
}

impl Func {
    pub(super) fn start(self) {
        drop(go_in(&self.scope, self.future, self.at));
    }
}

/// The functions of one node, by number.
#[derive(Default)]
pub(super) struct Funcs {
    kept: Vec<(u64, Func)>,
    next: u64,
}

impl Funcs {
    pub(super) fn add(&mut self, func: Func) -> u64 {
        let number = self.next;
        self.next += 1;
        self.kept.push((number, func));
        number
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Func> {
        let place = self.kept.binary_search_by_key(&number, |kept| kept.0).ok()?;
        Some(self.kept.remove(place).1)
    }

    /// All of them, in the order they were added.
    pub(super) fn all(self) -> impl Iterator<Item = Func> {
        self.kept.into_iter().map(|kept| kept.1)
    }
}

/// Starts `future` as a goroutine of its own when `context` is done; at once if it is. The goroutine
/// belongs to the scope of whoever calls this.
///
/// ```
/// use gmp_core::context::{after_func, background, with_cancel};
///
/// gmp_core::block_on(async {
///     let (ctx, cancel) = with_cancel(&background());
///     let cleaned = gmp_core::chan(1);
///     let tell = cleaned.clone();
///     let _stop = after_func(&ctx, async move { tell.send(()).await });
///     cancel.cancel();
///     assert_eq!(cleaned.recv().await, Some(()));
/// });
/// ```
#[track_caller]
pub fn after_func<F>(context: &Context, future: F) -> Stop
where
    F: Future<Output = ()> + Send + 'static,
{
    let node = context.node();
    node.note_use();
    let func = Func { future: Box::pin(future), scope: scope_here(), at: Panic::caller() };
    let number = match node.canceller().unwrap_or(node).add_func(func) {
        Ok(number) => Some(number),
        Err(func) => {
            func.start();
            None
        }
    };
    Stop { context: context.clone(), number }
}

/// Takes an [`after_func`] back. Dropping it does not.
#[must_use = "dropping it changes nothing; say `let _ = ..` if the function shall stay"]
pub struct Stop {
    context: Context,
    number: Option<u64>,
}

impl Stop {
    /// Drops the function. True if it will not run because of this call; false if it was started or
    /// stopped before.
    #[track_caller]
    pub fn stop(&self) -> bool {
        point::before(Operation::Timer, Some(Panic::caller()));
        let node = self.context.node();
        let holder = node.canceller().unwrap_or(node);
        let func = self.number.and_then(|number| holder.remove_func(number));
        let stopped = func.is_some();
        drop_caught(func);
        stopped
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").finish_non_exhaustive()
    }
}
