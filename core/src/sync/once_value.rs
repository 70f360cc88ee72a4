//! `OnceValue`: a value that is made when it is asked for the first time.

use core::fmt;
use core::future::Future;
use core::pin::pin;
use core::task::Poll;
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location as Panic, catch_unwind, resume_unwind};
use std::sync::OnceLock;

use super::once::{Core, Words};
use crate::g::{block_on, current, payload_message, point};
use crate::inspect::{Operation, PrimitiveKind};

/// A value made once by an async function, as Go's `sync.OnceValue`.
///
/// ```
/// use gmp_core::sync::OnceValue;
///
/// gmp_core::block_on(async {
///     let answer = OnceValue::new(|| async { 6 * 7 });
///     assert_eq!(*answer.get().await, 42);
///     assert_eq!(answer.try_get(), Some(&42));
/// });
/// ```
pub struct OnceValue<T, F> {
    core: Core,
    made: OnceLock<Result<T, String>>,
    make: F,
}

impl<T, F, R> OnceValue<T, F>
where
    F: Fn() -> R,
    R: Future<Output = T>,
{
    /// A value that `make` will make.
    #[track_caller]
    pub fn new(make: F) -> Self {
        let record = current::record(PrimitiveKind::Once, Panic::caller());
        Self { core: Core::new(Words::Once, record), made: OnceLock::new(), make }
    }

    /// As [`new`](Self::new), for a `static`. The leak detector keeps no record of it.
    ///
    /// ```
    /// use gmp_core::sync::OnceValue;
    /// static HOST: OnceValue<String, fn() -> std::future::Ready<String>> =
    ///     OnceValue::const_new(|| std::future::ready("localhost".to_owned()));
    /// assert_eq!(HOST.blocking_get(), "localhost");
    /// ```
    pub const fn const_new(make: F) -> Self {
        Self { core: Core::new(Words::Once, None), made: OnceLock::new(), make }
    }

    /// The value. The first call makes it; the others wait until it is made.
    ///
    /// # Panics
    /// If `make` panicked: with its payload in the call that ran it, with its message in all others.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time. If it was making the value, that is dropped half-way, and
    /// the next caller begins anew.
    #[track_caller]
    pub fn get(&self) -> impl Future<Output = &T> {
        let at = Panic::caller();
        async move {
            if let Some(run) = self.core.enter(at).await {
                run.finish(self.make()).await;
            }
            match self.made.get().expect("it is made before the once is done") {
                Ok(value) => value,
                Err(message) => panic!("{message}"),
            }
        }
    }

    async fn make(&self) {
        match catch(async { (self.make)().await }).await {
            Ok(value) => drop(self.made.set(Ok(value))),
            Err(payload) => {
                let _ = self.made.set(Err(payload_message(&*payload)));
                resume_unwind(payload);
            }
        }
    }

    /// As [`get`](Self::get), on a plain thread, which waits.
    ///
    /// # Panics
    /// Inside a goroutine, and as `get`.
    #[track_caller]
    pub fn blocking_get(&self) -> &T {
        block_on(self.get())
    }

    /// The value, if it was made.
    #[track_caller]
    pub fn try_get(&self) -> Option<&T> {
        point::before(Operation::Look, Some(Panic::caller()));
        self.made.get().and_then(|made| made.as_ref().ok())
    }
}

/// Awaits `future`, with a panic as the error.
pub(super) async fn catch<R: Future>(future: R) -> Result<R::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    core::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}

impl<T: fmt::Debug, F> fmt::Debug for OnceValue<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.made.get().and_then(|made| made.as_ref().ok());
        f.debug_struct("OnceValue").field("value", &made).finish_non_exhaustive()
    }
}
