//! `Select`: a select whose arms are known at run time, each with a function for its result.

use core::fmt;
use core::future::Future;
use core::marker::Send as Sendable;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::panic::Location as Panic;
use std::time::Duration;

use super::select::{ArmList, Entries, NoArms, PinnedArm, Sealed, Select as Commit};
use super::{Chan, Checked, FutureArm, Receiver, RecvArm, SendArm, SendError, Sender};
use crate::g::block_on;
use crate::inspect::Location;
use crate::time::sleep;

mod sealed {
    pub trait Sealed {}
}

/// What an arm of a [`Select`] can receive from: a [`Chan`] or a [`Receiver`].
pub trait Source<T>: sealed::Sealed {
    #[doc(hidden)]
    fn recv_arm(&self, at: Location) -> RecvArm<'_, T>;
}

/// What an arm of a [`Select`] can send to: a [`Chan`], a [`Checked`] one or a [`Sender`].
pub trait Target<T>: sealed::Sealed {
    /// What a send that is over gives: nothing for a `Chan`, which panics when it is closed, and a
    /// `Result` for a `Sender` and a `Checked`.
    type Sent;
    #[doc(hidden)]
    fn send_arm(&self, value: T, at: Location) -> SendArm<'_, T>;
    #[doc(hidden)]
    fn sent(result: Result<(), SendError<T>>) -> Self::Sent;
}

impl<T> sealed::Sealed for Chan<T> {}
impl<T> sealed::Sealed for Checked<T> {}
impl<T> sealed::Sealed for Sender<T> {}
impl<T> sealed::Sealed for Receiver<T> {}

impl<T> Source<T> for Chan<T> {
    fn recv_arm(&self, at: Location) -> RecvArm<'_, T> {
        RecvArm::new(self.core(), at)
    }
}

impl<T> Source<T> for Receiver<T> {
    fn recv_arm(&self, at: Location) -> RecvArm<'_, T> {
        RecvArm::new(Some(self.core()), at)
    }
}

impl<T> Target<T> for Chan<T> {
    type Sent = ();
    fn send_arm(&self, value: T, at: Location) -> SendArm<'_, T> {
        SendArm::new(self.core(), value, at)
    }
    fn sent(result: Result<(), SendError<T>>) {
        let sent = result.is_ok();
        // Before the panic: a value's destructor must not run while unwinding.
        drop(result);
        assert!(sent, "send on closed channel");
    }
}

impl<T> Target<T> for Checked<T> {
    type Sent = Result<(), SendError<T>>;
    fn send_arm(&self, value: T, at: Location) -> SendArm<'_, T> {
        SendArm::new(self.chan().core(), value, at)
    }
    fn sent(result: Result<(), SendError<T>>) -> Self::Sent {
        result
    }
}

impl<T> Target<T> for Sender<T> {
    type Sent = Result<(), SendError<T>>;
    fn send_arm(&self, value: T, at: Location) -> SendArm<'_, T> {
        SendArm::new(Some(self.core()), value, at)
    }
    fn sent(result: Result<(), SendError<T>>) -> Self::Sent {
        result
    }
}

/// A select whose arms are known at run time: as [`select!`](crate::select), without a limit on how many
/// there are. Go programmers know it as `reflect.Select`.
///
/// Each arm has a function that turns its result into an `R`. The arms are tried in random order, or with
/// [`biased`](Self::biased) in the order they were added; what they do is the same as in `select!`.
///
/// ```
/// use gmp_core::chan::Select;
/// use gmp_core::{chan, go};
///
/// gmp_core::block_on(async {
///     let chans: Vec<_> = (0..10).map(|_| chan::<u32>(0)).collect();
///     let seventh = chans[7].clone();
///     let _ = go(async move { seventh.send(42).await });
///     let mut select = Select::new();
///     for (n, ch) in chans.iter().enumerate() {
///         select.recv(ch, move |value| (n, value));
///     }
///     assert_eq!(select.wait().await, (7, Some(42)));
/// });
/// ```
#[must_use = "a select does nothing before `wait`"]
pub struct Select<'a, R> {
    cases: Cases<'a, R>,
    default: Option<Default<'a, R>>,
    biased: bool,
}

type Default<'a, R> = Box<dyn FnOnce() -> R + Sendable + 'a>;

/// The arms, each in a place of its own.
struct Cases<'a, R>(Vec<Pin<Box<dyn Case<R> + Sendable + 'a>>>);

/// An arm and what becomes of its result.
trait Case<R> {
    fn arm(self: Pin<&mut Self>) -> PinnedArm<'_>;
    fn is_future(&self) -> bool;
    /// The result, if this arm won.
    fn finish(self: Pin<&mut Self>) -> Option<R>;
}

/// The one kind of case: `A` is the arm, and `take` runs the user's function on its result.
struct Arm<A, F> {
    arm: A,
    take: Option<F>,
}

impl<A, F, O, R> Case<R> for Arm<A, F>
where
    A: Outcome<Output = O>,
    F: FnOnce(O) -> R,
{
    fn arm(self: Pin<&mut Self>) -> PinnedArm<'_> {
        // SAFETY: the arm is pinned with the case, which does not move it.
        unsafe { self.map_unchecked_mut(|case| &mut case.arm) }
    }

    fn is_future(&self) -> bool {
        super::Arm::leaf(&self.arm).is_none()
    }

    fn finish(self: Pin<&mut Self>) -> Option<R> {
        // SAFETY: the arm stays where it is; the function is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as in `arm`.
        let result = unsafe { Pin::new_unchecked(&mut this.arm) }.result()?;
        this.take.take().map(|take| take(result))
    }
}

/// An arm whose result can be taken.
trait Outcome: super::Arm {
    type Output;
    fn result(self: Pin<&mut Self>) -> Option<Self::Output>;
}

impl<T> Outcome for RecvArm<'_, T> {
    type Output = Option<T>;
    fn result(self: Pin<&mut Self>) -> Option<Option<T>> {
        self.take()
    }
}

impl<T> Outcome for SendArm<'_, T> {
    type Output = Result<(), SendError<T>>;
    fn result(self: Pin<&mut Self>) -> Option<Self::Output> {
        self.take()
    }
}

impl<F: Future> Outcome for FutureArm<F> {
    type Output = F::Output;
    fn result(self: Pin<&mut Self>) -> Option<F::Output> {
        self.take()
    }
}

impl<R> Sealed for Cases<'_, R> {}

impl<R> ArmList for Cases<'_, R> {
    // A list without arms is `NoArms`. How many there are is known at run time only.
    const LEN: usize = 1;

    /// They were in no select before.
    fn renew(&mut self) {}

    fn has_futures(&self) -> bool {
        self.0.iter().any(|case| case.is_future())
    }

    fn collect<'l>(&'l mut self, entries: &mut Entries<'l>) {
        for case in &mut self.0 {
            let arm = case.as_mut().arm();
            let leaf = arm.leaf();
            entries.add(arm, leaf);
        }
    }
}

impl<'a, R> Select<'a, R> {
    /// A select without arms, which would wait for ever.
    pub fn new() -> Self {
        Self { cases: Cases(Vec::new()), default: None, biased: false }
    }

    fn add(&mut self, case: impl Case<R> + Sendable + 'a) -> &mut Self {
        self.cases.0.push(Box::pin(case));
        self
    }

    /// An arm that receives: `then` gets `None` if the channel is closed and drained.
    #[track_caller]
    pub fn recv<T, S, F>(&mut self, from: &'a S, then: F) -> &mut Self
    where
        T: Sendable + 'a,
        S: Source<T>,
        F: FnOnce(Option<T>) -> R + Sendable + 'a,
    {
        self.add(Arm { arm: from.recv_arm(Panic::caller()), take: Some(then) })
    }

    /// An arm that sends `value`, which is dropped if another arm wins.
    ///
    /// # Panics
    /// In [`wait`](Self::wait), if this arm is taken and the `Chan` is closed; see [`Chan::checked`].
    ///
    /// ```
    /// use gmp_core::chan::Select;
    ///
    /// gmp_core::block_on(async {
    ///     let (tx, rx) = gmp_core::channel(1);
    ///     let sent = Select::new().send(&tx, 5, |result| result.is_ok()).wait().await;
    ///     assert_eq!((sent, rx.recv().await), (true, Some(5)));
    /// });
    /// ```
    #[track_caller]
    pub fn send<T, S, F>(&mut self, to: &'a S, value: T, then: F) -> &mut Self
    where
        T: Sendable + 'a,
        S: Target<T>,
        F: FnOnce(S::Sent) -> R + Sendable + 'a,
    {
        let take = move |result| then(S::sent(result));
        self.add(Arm { arm: to.send_arm(value, Panic::caller()), take: Some(take) })
    }

    /// An arm that is ready when `future` is, which is dropped if another arm wins.
    ///
    /// ```
    /// use gmp_core::chan::Select;
    /// use gmp_core::context::{background, with_cancel};
    ///
    /// gmp_core::block_on(async {
    ///     let (ctx, cancel) = with_cancel(&background());
    ///     let work = gmp_core::chan::<u32>(0);
    ///     cancel.cancel();
    ///     let mut select = Select::new();
    ///     select.recv(&work, |job| job).future(ctx.done(), |_| None);
    ///     assert_eq!(select.wait().await, None);
    /// });
    /// ```
    pub fn future<F, N>(&mut self, future: F, then: N) -> &mut Self
    where
        F: Future + Sendable + 'a,
        F::Output: Sendable,
        N: FnOnce(F::Output) -> R + Sendable + 'a,
    {
        self.add(Arm { arm: FutureArm::new(future), take: Some(then) })
    }

    /// An arm that is ready when `duration` has passed from now.
    ///
    /// ```
    /// use gmp_core::chan::Select;
    /// use std::time::Duration;
    ///
    /// gmp_core::block_on(async {
    ///     let work = gmp_core::chan::<u32>(0);
    ///     let mut select = Select::new();
    ///     select.recv(&work, |_| "work").after(Duration::from_millis(1), || "too late");
    ///     assert_eq!(select.wait().await, "too late");
    /// });
    /// ```
    #[track_caller]
    pub fn after<F>(&mut self, duration: Duration, then: F) -> &mut Self
    where
        F: FnOnce() -> R + Sendable + 'a,
    {
        self.future(sleep(duration), |()| then())
    }

    /// What happens if no arm is ready: the select does not wait.
    ///
    /// # Panics
    /// If there is a default already.
    ///
    /// ```
    /// use gmp_core::chan::Select;
    ///
    /// gmp_core::block_on(async {
    ///     let work = gmp_core::chan::<u32>(0);
    ///     let mut select = Select::new();
    ///     select.recv(&work, |job| job).default(|| None);
    ///     assert_eq!(select.wait().await, None);
    /// });
    /// ```
    pub fn default<F>(&mut self, then: F) -> &mut Self
    where
        F: FnOnce() -> R + Sendable + 'a,
    {
        assert!(self.default.is_none(), "gmp: a select has at most one default");
        self.default = Some(Box::new(then));
        self
    }

    /// Tries the arms in the order they were added instead of a random one.
    pub fn biased(&mut self) -> &mut Self {
        self.biased = true;
        self
    }

    /// How many arms there are, the default apart.
    pub fn arms(&self) -> usize {
        self.cases.0.len()
    }

    /// Waits for the first arm, and gives what its function makes of the result. The select is empty
    /// afterwards and may be filled again. Without arms and default it waits for ever, as Go's does.
    ///
    /// # Panics
    /// If a send to a closed `Chan` is taken: "send on closed channel".
    ///
    /// # Cancel safety
    /// Nothing is lost: a value that was handed to an arm goes back to its channel, a value that nobody
    /// took is dropped with the future. No function runs.
    #[track_caller]
    pub fn wait(&mut self) -> Waiting<'a, R> {
        let Self { cases, default, biased } = core::mem::take(self);
        let with_default = default.is_some();
        let commit = match cases.0.len() {
            0 => Kind::Empty(Commit::new(NoArms, with_default, biased)),
            _ => Kind::Some(Commit::new(cases, with_default, biased)),
        };
        Waiting { commit, default }
    }

    /// As [`wait`](Self::wait), on a plain thread: the blocking form of a select.
    ///
    /// # Panics
    /// Inside a goroutine, and as `wait`.
    ///
    /// ```
    /// use gmp_core::chan::Select;
    ///
    /// let (work, quit) = (gmp_core::chan::<u32>(0), gmp_core::chan::<()>(0));
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| work.blocking_send(1));
    ///     let mut select = Select::new();
    ///     select.recv(&work, |job| job).recv(&quit, |_| None);
    ///     assert_eq!(select.blocking_wait(), Some(1));
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait(&mut self) -> R {
        block_on(self.wait())
    }
}

/// Waits for the first arm of a [`Select`]. Made by [`Select::wait`].
///
/// # Cancel safety
/// Nothing is lost when it is dropped, see [`Select::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct Waiting<'a, R> {
    commit: Kind<'a, R>,
    default: Option<Default<'a, R>>,
}

enum Kind<'a, R> {
    Empty(Commit<NoArms>),
    Some(Commit<Cases<'a, R>>),
}

impl<R> Future for Waiting<'_, R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        // SAFETY: the select is not moved; the default is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        match &mut this.commit {
            // SAFETY: pinned with this.
            Kind::Empty(commit) => drop(ready!(unsafe { Pin::new_unchecked(commit) }.poll(cx))),
            Kind::Some(commit) => {
                // SAFETY: as above.
                let won = ready!(unsafe { Pin::new_unchecked(&mut *commit) }.poll(cx));
                let mut cases = commit.list_mut().0.iter_mut();
                if let Some(result) = cases.find_map(|case| case.as_mut().finish()).filter(|_| won)
                {
                    return Poll::Ready(result);
                }
            }
        }
        let default = this.default.take().expect("a select ends once, with an arm or its default");
        Poll::Ready(default())
    }
}

impl<R> core::default::Default for Select<'_, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> fmt::Debug for Select<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("arms", &self.arms()).finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for Waiting<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.commit {
            Kind::Empty(commit) => fmt::Debug::fmt(commit, f),
            Kind::Some(commit) => fmt::Debug::fmt(commit, f),
        }
    }
}
