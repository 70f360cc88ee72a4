//! `Chan<T>`: a channel with Go's semantics.

use core::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::queue::{Core, Ends, Offered, Taken};
use super::{
    Checked, CloseError, Range, Recv, RecvArm, Send, SendArm, SendChecked, SendError, SendSink,
    TryRecvError, TrySendError,
};
use crate::g::{block_on, point};
use crate::inspect::{Capability, Operation};

/// A channel with Go's semantics, as a handle that may be cloned.
///
/// Any handle sends, receives and closes. Dropping handles never closes the channel: only
/// [`close`](Self::close) does. A receive from a closed channel drains it and then gives `None`; a
/// send on a closed channel panics. For a pair that closes by drop see [`channel`](crate::channel).
///
/// ```
/// gmp_core::block_on(async {
///     let ch = gmp_core::chan(0);
///     let tx = ch.clone();
///     let _ = gmp_core::go(async move {
///         tx.send("hello").await;
///         tx.close();
///     });
///     assert_eq!(ch.recv().await, Some("hello"));
///     assert_eq!(ch.recv().await, None);
/// });
/// ```
pub struct Chan<T> {
    core: Option<Arc<Core<T>>>,
}

/// Makes a channel with room for `cap` values; zero is a rendezvous: a send completes when a receiver
/// takes the value. Memory is taken as values arrive, so a huge `cap` costs nothing by itself.
///
/// Values are `Send + 'static` because the leak detector may have to drop what a channel still holds
/// when its test is over, on another thread.
#[doc(alias = "make")]
#[track_caller]
pub fn chan<T: core::marker::Send + 'static>(cap: usize) -> Chan<T> {
    Chan { core: Some(Core::shared(cap, Ends::Any, Location::caller(), None)) }
}

impl<T> Chan<T> {
    /// The first handle of a channel.
    pub(super) fn of(core: Arc<Core<T>>) -> Self {
        Self { core: Some(core) }
    }

    pub(super) fn shared_core(&self) -> Option<&Arc<Core<T>>> {
        self.core.as_ref()
    }

    /// Time until the timer of this channel fires.
    pub(super) fn due_in(&self) -> Option<core::time::Duration> {
        self.core.as_ref()?.alarm()?.due_in()
    }

    /// The nil channel: sending and receiving block for ever, closing panics, and an arm of a
    /// `select!` is never ready.
    pub const fn nil() -> Self {
        Self { core: None }
    }

    /// Whether this is the nil channel.
    pub fn is_nil(&self) -> bool {
        self.core.is_none()
    }

    /// Sends `value`. The future waits until a receiver takes it or the buffer has room.
    ///
    /// # Panics
    /// When polled, if the channel is closed: "send on closed channel".
    ///
    /// # Cancel safety
    /// See [`SendChecked`].
    ///
    /// ```
    /// gmp_core::block_on(async {
    ///     let ch = gmp_core::chan(1);
    ///     ch.send("hello").await;
    ///     assert_eq!(ch.recv().await, Some("hello"));
    /// });
    /// ```
    #[track_caller]
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send::new(self.send_checked(value))
    }

    /// As [`send`](Self::send), with an error instead of a panic if the channel is closed.
    ///
    /// # Errors
    /// [`SendError`] with the value, if the channel is closed.
    #[track_caller]
    pub fn send_checked(&self, value: T) -> SendChecked<'_, T> {
        SendChecked::new(self.core.as_deref(), value, Location::caller())
    }

    /// Receives a value: `None` once the channel is closed and drained.
    ///
    /// # Cancel safety
    /// See [`Recv`].
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(self.core.as_deref(), Location::caller())
    }

    /// The values until the channel is closed and drained, as a stream: Go's `for range`.
    ///
    /// ```
    /// use futures_util::StreamExt;
    ///
    /// gmp_core::block_on(async {
    ///     let ch = gmp_core::chan(3);
    ///     for n in 1..=3 {
    ///         ch.send(n).await;
    ///     }
    ///     ch.close();
    ///     assert_eq!(ch.range().fold(0, async |sum, n| sum + n).await, 6);
    /// });
    /// ```
    #[track_caller]
    pub fn range(&self) -> Range<'_, T> {
        Range::new(self.recv())
    }

    /// The channel as a [`Sink`](futures_sink::Sink), which closes the channel when it is closed itself:
    /// what `forward` does at its end.
    ///
    /// ```
    /// use futures_util::StreamExt;
    ///
    /// gmp_core::block_on(async {
    ///     let (from, to) = (gmp_core::chan(1), gmp_core::chan(1));
    ///     let copy = (from.clone(), to.clone());
    ///     let copied = gmp_core::go(async move { copy.0.range().map(Ok).forward(copy.1.sink()).await });
    ///     from.send(1).await;
    ///     from.close();
    ///     assert_eq!(to.recv().await, Some(1));
    ///     assert_eq!(to.recv().await, None);
    ///     assert_eq!(copied.await.unwrap(), Ok(()));
    /// });
    /// ```
    #[track_caller]
    pub fn sink(&self) -> SendSink<'_, T> {
        SendSink::new(self.core(), true, Location::caller())
    }

    /// The channel for the send arms of a select, which then give a `Result` instead of a panic if it is closed:
    /// [`send_checked`](Self::send_checked) as an arm, of [`select!`](crate::select) and of
    /// [`Select`](super::Select).
    ///
    /// ```
    /// gmp_core::block_on(async {
    ///     let ch = gmp_core::chan(0);
    ///     ch.close();
    ///     let sent = gmp_core::select! { send(ch.checked(), "hello") -> result => result };
    ///     assert_eq!(sent.unwrap_err().0, "hello", "the value comes back");
    /// });
    /// ```
    pub fn checked(&self) -> &Checked<T> {
        Checked::of(self)
    }

    pub(super) fn core(&self) -> Option<&Core<T>> {
        self.core.as_deref()
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// [`TrySendError`] with the value, if it cannot be sent at once or the channel is closed.
    #[track_caller]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match &self.core {
            Some(core) => core.try_send(value, Location::caller()),
            None => Err(TrySendError::Full(value)),
        }
    }

    /// Receives without waiting.
    ///
    /// ```
    /// use gmp_core::chan::{TryRecvError, TrySendError};
    ///
    /// let ch = gmp_core::chan(1);
    /// assert_eq!((ch.try_send(1), ch.try_send(2)), (Ok(()), Err(TrySendError::Full(2))));
    /// assert_eq!((ch.try_recv(), ch.try_recv()), (Ok(1), Err(TryRecvError::Empty)));
    /// ```
    ///
    /// # Errors
    /// [`TryRecvError`], if nothing can be received at once or the channel is closed and drained.
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let at = Location::caller();
        self.core.as_ref().map_or(Err(TryRecvError::Empty), |core| core.try_recv(at))
    }

    /// Sends from a plain thread, which waits.
    ///
    /// # Panics
    /// If the channel is closed, or inside a goroutine.
    #[track_caller]
    pub fn blocking_send(&self, value: T) {
        block_on(self.send(value));
    }

    /// As [`blocking_send`](Self::blocking_send), with an error instead of a panic if the channel is
    /// closed.
    ///
    /// # Errors
    /// [`SendError`] with the value, if the channel is closed.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_send_checked(&self, value: T) -> Result<(), SendError<T>> {
        block_on(self.send_checked(value))
    }

    /// Receives on a plain thread, which waits.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_recv(&self) -> Option<T> {
        block_on(self.recv())
    }

    /// Closes the channel: parked receivers get `None`, parked senders panic.
    ///
    /// ```
    /// let ch = gmp_core::chan::<u32>(0);
    /// ch.close();
    /// assert_eq!(ch.blocking_recv(), None);
    /// assert!(ch.try_close().is_err());
    /// ```
    ///
    /// # Panics
    /// If it is closed or nil, as Go does; see [`try_close`](Self::try_close).
    #[track_caller]
    pub fn close(&self) {
        if let Err(error) = self.try_close() {
            panic!("{error}");
        }
    }

    /// Closes the channel.
    ///
    /// # Errors
    /// If it is closed already, or nil.
    #[track_caller]
    pub fn try_close(&self) -> Result<(), CloseError> {
        let core = self.core.as_ref().ok_or(CloseError::Nil)?;
        point::before(Operation::Close, Some(Location::caller()));
        if core.close() { Ok(()) } else { Err(CloseError::Closed) }
    }

    /// Whether the channel was closed; it may still hold values.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        point::before(Operation::Look, Some(Location::caller()));
        self.core.as_ref().is_some_and(|core| core.is_closed())
    }

    /// Values in the buffer. A value that a dropped receiver gave back counts, so that this may
    /// exceed [`cap`](Self::cap) for a moment.
    #[track_caller]
    pub fn len(&self) -> usize {
        point::before(Operation::Look, Some(Location::caller()));
        self.core.as_ref().map_or(0, |core| core.lock().len())
    }

    /// Whether the buffer is empty.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room for values; zero for a rendezvous and for nil.
    pub fn cap(&self) -> usize {
        self.core.as_ref().map_or(0, |core| core.cap())
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn recv_arm(&self) -> RecvArm<'_, T> {
        RecvArm::new(self.core.as_deref(), Location::caller())
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn send_arm(&self, value: T) -> SendArm<'_, T> {
        SendArm::new(self.core.as_deref(), value, Location::caller())
    }

    #[doc(hidden)]
    pub fn sent(&self, result: Result<(), SendError<T>>) {
        let sent = result.is_ok();
        // Before the panic: a value's destructor must not run while unwinding.
        drop(result);
        assert!(sent, "send on closed channel");
    }
}

impl<T> Core<T> {
    pub(super) fn try_send(
        &self,
        value: T,
        at: crate::inspect::Location,
    ) -> Result<(), TrySendError<T>> {
        point::before(Operation::TrySend, Some(at));
        let offered = self.lock().offer(value);
        match offered {
            Offered::Sent(wake) => {
                if let Some(wake) = wake {
                    wake.wake();
                }
                Ok(())
            }
            Offered::Full(value) => {
                point::idles();
                Err(TrySendError::Full(value))
            }
            Offered::Closed(value) => Err(TrySendError::Closed(value)),
        }
    }

    pub(super) fn try_recv(&self, at: crate::inspect::Location) -> Result<T, TryRecvError> {
        point::before(Operation::TryReceive, Some(at));
        let taken = self.lock().take();
        match taken {
            Taken::Value(value, wake) => {
                if let Some(wake) = wake {
                    wake.wake();
                }
                Ok(value)
            }
            Taken::Empty => {
                point::idles();
                Err(TryRecvError::Empty)
            }
            Taken::Closed => Err(TryRecvError::Closed),
        }
    }
}

impl<T> Clone for Chan<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        if let Some(core) = &self.core {
            // Relaxed: a figure of the report.
            core.handles.fetch_add(1, Ordering::Relaxed);
            core.anchor().cloned(Location::caller());
        }
        Self { core: self.core.clone() }
    }
}

impl<T> Drop for Chan<T> {
    fn drop(&mut self) {
        if let Some(core) = &self.core {
            if core.handles.fetch_sub(1, Ordering::Relaxed) == 1
                && let Some(alarm) = core.alarm()
            {
                alarm.disarm();
            }
            core.anchor().let_go(Capability::Release);
        }
    }
}

impl<T> Default for Chan<T> {
    /// The nil channel, Go's zero value.
    fn default() -> Self {
        Self::nil()
    }
}

/// Two handles are equal if they are of the same channel, as in Go.
impl<T> PartialEq for Chan<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.core, &other.core) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl<T> Eq for Chan<T> {}

impl<T> fmt::Debug for Chan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nil() {
            return f.write_str("Chan(nil)");
        }
        let (len, cap, closed) = (self.len(), self.cap(), self.is_closed());
        f.debug_struct("Chan")
            .field("len", &len)
            .field("cap", &cap)
            .field("closed", &closed)
            .finish()
    }
}
