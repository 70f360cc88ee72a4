//! The context of a test, which is cancelled when its body ends.

use gmp_core::context::{self, Cancel, Context};
use gmp_core::inspect::{PrimitiveId, PrimitiveKind};
use gmp_core::runtime::{Scope, current_scope};

/// A test's context that is made when it is asked for: nobody inspects the scope.
#[cfg(feature = "explore")]
#[derive(Default)]
struct LazyContext(std::sync::Mutex<Option<(Context, Cancel)>>);

#[cfg(feature = "explore")]
impl LazyContext {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<(Context, Cancel)>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn context(&self) -> Context {
        let made = self.slot().as_ref().map(|(context, _)| context.clone());
        made.unwrap_or_else(|| {
            let made = context::with_cancel(&context::background());
            self.slot().get_or_insert(made).0.clone()
        })
    }
}

/// What the harness attaches to the scope of a test.
struct TestContext {
    context: Context,
    cancel: Cancel,
    id: Option<PrimitiveId>,
}

/// The context of the test that is running: it is cancelled when the body has ended, so that goroutines
/// which wait for that end with it.
///
/// # Panics
/// Outside a `#[gmp::test]` and what it started.
///
/// ```
/// async fn worker(ctx: gmp::context::Context) {
///     ctx.done().await;
/// }
///
/// #[gmp::test]
/// async fn the_worker_ends_with_the_test() {
///     drop(gmp::go(worker(gmp::test::context())));
/// }
/// # fn main() {}
/// ```
pub fn context() -> Context {
    let scope = current_scope();
    #[cfg(feature = "explore")]
    if let Some(lazy) = scope.attached::<LazyContext>() {
        return lazy.context();
    }
    match scope.attached::<TestContext>() {
        Some(test) => test.context.clone(),
        None => panic!(
            "gmp::test::context() outside a test: call it in a function with #[gmp::test], or in a \
             goroutine that one started"
        ),
    }
}

/// How many live contexts of `scope` the harness made itself.
pub(crate) fn own(scope: &Scope) -> usize {
    // The context of the test, and the background it is made from.
    scope.attached::<TestContext>().map_or(0, |_| 2)
}

/// Makes the context of the test that owns `scope`.
#[track_caller]
pub(crate) fn attach(scope: &std::sync::Arc<Scope>) {
    let _entered = scope.enter();
    let (context, cancel) = context::with_cancel(&context::background());
    let id = scope.watch().and_then(|watch| {
        let contexts = watch.records().into_iter().filter(|r| r.kind == PrimitiveKind::Context);
        contexts.map(|record| record.id).max()
    });
    scope.attach(TestContext { context, cancel, id });
}

/// As [`attach`], for a scope that nobody inspects. It may have been that of another schedule.
#[cfg(feature = "explore")]
pub(crate) fn attach_lazily(scope: &Scope) {
    match scope.attached::<LazyContext>() {
        None => scope.attach(LazyContext::default()),
        Some(lazy) => {
            let before = lazy.slot().take();
            drop(before);
        }
    }
}

/// Cancels the context of the test that owns `scope`.
pub(crate) fn cancel(scope: &Scope) {
    #[cfg(feature = "explore")]
    if let Some(lazy) = scope.attached::<LazyContext>() {
        let made = lazy.slot().take();
        if let Some((_, cancel)) = &made {
            cancel.cancel();
        }
        *lazy.slot() = made;
    }
    if let Some(test) = scope.attached::<TestContext>() {
        test.cancel.cancel();
    }
}

/// The context of the test that owns `scope`, as the inspection knows it.
pub(crate) fn id(scope: &Scope) -> Option<PrimitiveId> {
    scope.attached::<TestContext>()?.id
}
