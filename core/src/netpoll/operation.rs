//! One operation on a source: attempted until it need not wait, parked in between.

use core::future::Future;
use core::pin::Pin;
use core::ptr::NonNull;
use core::task::{Context, Poll};
use std::io::{self, ErrorKind};

use super::edges::{IoLeaf, word};
use super::source::{Object, Source};
use crate::g::leaf::Leaf;
use crate::inspect::{IoWant, Location, WaitReason};

/// What an attempt gave.
pub(crate) struct Attempt<T> {
    pub(crate) value: T,
    /// It took, or filled, less than it could have: the next would have to wait.
    pub(crate) dry: bool,
}

impl<T> From<T> for Attempt<T> {
    fn from(value: T) -> Self {
        Self { value, dry: false }
    }
}

/// Waits until an operation could be done. Dropping it before it is done has no effect on the source.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Operation<'a, S: Object, F> {
    source: &'a Source<S>,
    leaf: IoLeaf,
    op: F,
}

impl<S: Object> Source<S> {
    /// Does `op` as soon as it need not wait; it says so by [`ErrorKind::WouldBlock`].
    pub(crate) fn when_ready<'a, T, F>(
        &'a self,
        want: IoWant,
        at: Location,
        op: F,
    ) -> Operation<'a, S, F>
    where
        F: FnMut(&S) -> io::Result<Attempt<T>>,
    {
        let leaf = Leaf::new(WaitReason::IoWait, self.head.anchor(), at, want);
        Operation { source: self, leaf, op }
    }
}

impl<S: Object, T, F> Future for Operation<'_, S, F>
where
    F: FnMut(&S) -> io::Result<Attempt<T>>,
{
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the leaf is not moved; the closure is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: the leaf is ours, pinned with us, and withdrawn when we are dropped.
        unsafe { attempt(this.source, NonNull::from(&this.leaf), cx, &mut this.op) }
    }
}

impl<S: Object, F> Drop for Operation<'_, S, F> {
    fn drop(&mut self) {
        if !self.leaf.is_idle() {
            // SAFETY: ours, and it parked on this source.
            unsafe { self.source.head.withdraw(NonNull::from(&self.leaf)) };
        }
    }
}

/// Attempts `op`, and registers the leaf when it would have to wait.
///
/// # Safety
/// The caller owns the leaf. It is pinned, used on this source only, and withdrawn before it goes.
pub(super) unsafe fn attempt<S: Object, T>(
    source: &Source<S>,
    leaf: NonNull<IoLeaf>,
    cx: &mut Context<'_>,
    mut op: impl FnMut(&S) -> io::Result<Attempt<T>>,
) -> Poll<io::Result<T>> {
    let head = &source.head;
    // SAFETY: alive, as the caller says.
    let own = unsafe { leaf.as_ref() };
    if own.traced(cx) || own.waits_for(cx) {
        return Poll::Pending;
    }
    if !own.is_idle() {
        // SAFETY: the caller is the owner, and it parked here.
        unsafe { head.withdraw(leaf) };
    }
    if !own.proceed(cx) {
        return Poll::Pending;
    }
    loop {
        let before = head.edges.before(own.slot);
        if let Some(error) = refused(before) {
            return Poll::Ready(Err(error.into()));
        }
        if before & word::DRY == 0 {
            match op(&source.io) {
                Ok(Attempt { value, dry }) => {
                    if dry {
                        head.edges.is_dry(own.slot, before);
                    }
                    return Poll::Ready(Ok(value));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Closed since, on this side: the system's error would be a riddle.
                Err(_) if head.edges.before(own.slot) & word::CLOSED != 0 => continue,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if let Err(error) = head.register() {
            return Poll::Ready(Err(error));
        }
        // SAFETY: idle, and pinned until it is withdrawn, as the caller says.
        if unsafe { head.park(leaf, cx, before) } {
            return Poll::Pending;
        }
    }
}

/// Why nothing is attempted any more.
fn refused(word: u32) -> Option<ErrorKind> {
    match word {
        _ if word & word::CLOSED != 0 => Some(ErrorKind::NotConnected),
        _ if word & word::EXPIRED != 0 => Some(ErrorKind::TimedOut),
        _ => None,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::panic::Location;
    use std::pin::pin;
    use std::sync::Arc;

    use super::super::reactor::event;
    use super::*;

    fn source() -> (Arc<Source<UnixStream>>, UnixStream) {
        let (a, b) = UnixStream::pair().expect("a pair");
        a.set_nonblocking(true).expect("a socket");
        (Source::new(a, Location::caller()), b)
    }

    /// Polls an operation once that gives what `op` does with the source, and counts its attempts.
    fn poll_once(
        source: &Source<UnixStream>,
        op: impl Fn(u32) -> io::Result<Attempt<()>>,
    ) -> (Poll<io::Result<()>>, u32) {
        let mut attempts = 0;
        let polled = {
            let op = |_: &UnixStream| {
                attempts += 1;
                op(attempts)
            };
            let waiting = pin!(source.when_ready(IoWant::Read, Location::caller(), op));
            waiting.poll(&mut Context::from_waker(core::task::Waker::noop()))
        };
        (polled, attempts)
    }

    #[test]
    fn an_edge_that_comes_while_an_attempt_fails_makes_it_try_again() {
        crate::block_on(async {
            let (source, _peer) = source();
            let (polled, attempts) = poll_once(&source, |attempt| match attempt {
                1 => {
                    source.head.happened(event::READ, &mut Vec::new());
                    Err(ErrorKind::WouldBlock.into())
                }
                _ => Ok(().into()),
            });
            assert!(matches!(polled, Poll::Ready(Ok(()))));
            assert_eq!(attempts, 2);
        });
    }

    #[test]
    fn an_attempt_that_a_signal_interrupts_is_made_again() {
        crate::block_on(async {
            let (source, _peer) = source();
            let (polled, attempts) = poll_once(&source, |attempt| match attempt {
                1 => Err(ErrorKind::Interrupted.into()),
                _ => Ok(().into()),
            });
            assert!(matches!(polled, Poll::Ready(Ok(()))));
            assert_eq!(attempts, 2);
        });
    }

    #[test]
    fn what_ran_dry_is_not_tried_before_the_next_edge() {
        crate::block_on(async {
            let (source, _peer) = source();
            let dry = |_| Ok(Attempt { value: (), dry: true });
            assert_eq!(poll_once(&source, dry).1, 1);
            let (polled, attempts) = poll_once(&source, dry);
            assert!(polled.is_pending());
            assert_eq!(attempts, 0, "it would have found nothing");
            source.head.happened(event::READ, &mut Vec::new());
            assert_eq!(poll_once(&source, dry).1, 1);
        });
    }

    #[test]
    fn an_edge_that_comes_while_it_runs_dry_counts_and_so_does_the_end() {
        crate::block_on(async {
            let (source, _peer) = source();
            let edge = |_| {
                source.head.happened(event::READ, &mut Vec::new());
                Ok(Attempt { value: (), dry: true })
            };
            assert_eq!(poll_once(&source, edge).1, 1);
            assert_eq!(poll_once(&source, |_| Ok(().into())).1, 1, "there is more");
            source.head.happened(event::READ | event::READ_ENDED, &mut Vec::new());
            let dry = |_| Ok(Attempt { value: (), dry: true });
            assert_eq!(poll_once(&source, dry).1, 1);
            assert_eq!(poll_once(&source, dry).1, 1, "the end is found again and again");
        });
    }
}
