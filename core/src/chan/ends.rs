//! `channel()`: a sender and a receiver that close the channel by being dropped.

use core::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::queue::{Core, Ends};
use super::{
    Range, Recv, RecvArm, SendArm, SendChecked, SendError, SendSink, TryRecvError, TrySendError,
};
use crate::g::{block_on, point};
use crate::inspect::{Capability, Location as At, Operation};

/// The sending half of [`channel`]. The last one to be dropped closes the channel.
pub struct Sender<T> {
    core: Arc<Core<T>>,
    /// The line that made it.
    at: At,
}

/// The receiving half of [`channel`]. When the last one is dropped, sends fail and buffered values are
/// dropped.
pub struct Receiver<T> {
    core: Arc<Core<T>>,
    /// The line that made it.
    at: At,
}

/// Makes a channel with room for `cap` values whose halves close it by drop, as Rust users expect.
/// Zero is a rendezvous.
///
/// ```
/// gmp_core::block_on(async {
///     let (tx, rx) = gmp_core::channel(1);
///     tx.send(7).await.unwrap();
///     drop(tx);
///     assert_eq!(rx.recv().await, Some(7));
///     assert_eq!(rx.recv().await, None);
/// });
/// ```
#[track_caller]
pub fn channel<T: Send + 'static>(cap: usize) -> (Sender<T>, Receiver<T>) {
    let at = Location::caller();
    let core = Core::shared(cap, Ends::Pair, at, None);
    (Sender { core: core.clone(), at }, Receiver { core, at })
}

impl<T> Sender<T> {
    /// Sends `value`. The future waits until a receiver takes it or the buffer has room.
    ///
    /// # Errors
    /// [`SendError`] with the value, once all receivers are gone.
    ///
    /// # Cancel safety
    /// See [`SendChecked`].
    #[track_caller]
    pub fn send(&self, value: T) -> SendChecked<'_, T> {
        SendChecked::new(Some(&self.core), value, Location::caller())
    }

    /// The channel as a [`Sink`](futures_sink::Sink). It is closed when the last `Sender` is dropped, not
    /// with the sink.
    ///
    /// ```
    /// use futures_util::SinkExt;
    /// use std::pin::pin;
    ///
    /// gmp_core::block_on(async {
    ///     let (tx, rx) = gmp_core::channel(2);
    ///     pin!(tx.sink()).send_all(&mut futures_util::stream::iter([Ok(1), Ok(2)])).await.unwrap();
    ///     assert_eq!((rx.recv().await, rx.recv().await), (Some(1), Some(2)));
    /// });
    /// ```
    #[track_caller]
    pub fn sink(&self) -> SendSink<'_, T> {
        SendSink::new(Some(&self.core), false, Location::caller())
    }

    pub(super) fn core(&self) -> &Core<T> {
        &self.core
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// [`TrySendError`] with the value, if it cannot be sent at once or all receivers are gone.
    #[track_caller]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.core.try_send(value, Location::caller())
    }

    /// Sends from a plain thread, which waits.
    ///
    /// # Errors
    /// [`SendError`] with the value, once all receivers are gone.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        block_on(self.send(value))
    }

    /// Whether all receivers are gone.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        point::before(Operation::Look, Some(Location::caller()));
        self.core.is_closed()
    }

    /// Values in the buffer.
    #[track_caller]
    pub fn len(&self) -> usize {
        point::before(Operation::Look, Some(Location::caller()));
        self.core.lock().len()
    }

    /// Whether the buffer is empty.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room for values.
    pub fn cap(&self) -> usize {
        self.core.cap()
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn send_arm(&self, value: T) -> SendArm<'_, T> {
        SendArm::new(Some(&self.core), value, Location::caller())
    }

    #[doc(hidden)]
    pub fn sent(&self, result: Result<(), SendError<T>>) -> Result<(), SendError<T>> {
        result
    }
}

impl<T> Receiver<T> {
    pub(super) fn core(&self) -> &Core<T> {
        &self.core
    }

    /// Receives a value: `None` once all senders are gone and the channel is drained.
    ///
    /// # Cancel safety
    /// See [`Recv`].
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, T> {
        Recv::new(Some(&self.core), Location::caller())
    }

    /// The values until all senders are gone and the channel is drained, as a stream.
    #[track_caller]
    pub fn range(&self) -> Range<'_, T> {
        Range::new(self.recv())
    }

    /// Receives without waiting.
    ///
    /// # Errors
    /// [`TryRecvError`], if nothing can be received at once, or all senders are gone and the channel
    /// is drained.
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.core.try_recv(Location::caller())
    }

    /// Receives on a plain thread, which waits.
    ///
    /// # Panics
    /// Inside a goroutine.
    #[track_caller]
    pub fn blocking_recv(&self) -> Option<T> {
        block_on(self.recv())
    }

    /// Whether all senders are gone; there may still be values.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        point::before(Operation::Look, Some(Location::caller()));
        self.core.is_closed()
    }

    /// Values in the buffer.
    #[track_caller]
    pub fn len(&self) -> usize {
        point::before(Operation::Look, Some(Location::caller()));
        self.core.lock().len()
    }

    /// Whether the buffer is empty.
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Room for values.
    pub fn cap(&self) -> usize {
        self.core.cap()
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn recv_arm(&self) -> RecvArm<'_, T> {
        RecvArm::new(Some(&self.core), Location::caller())
    }
}

impl<T> Clone for Sender<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        // Relaxed: the count only has to be exact; `drop` orders.
        self.core.senders.fetch_add(1, Ordering::Relaxed);
        let at = Location::caller();
        self.core.anchor().cloned(at);
        Self { core: self.core.clone(), at }
    }
}

impl<T> Clone for Receiver<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        self.core.receivers.fetch_add(1, Ordering::Relaxed);
        let at = Location::caller();
        self.core.anchor().cloned(at);
        Self { core: self.core.clone(), at }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.core.anchor().let_go(Capability::Release);
        // AcqRel: the last sender closes after all others have sent.
        if self.core.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            point::before(Operation::DropEnd, Some(self.at));
            self.core.anchor().died(Capability::Release);
            self.core.close();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.core.anchor().let_go(Capability::Receive);
        // AcqRel: as for senders.
        if self.core.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            point::before(Operation::DropEnd, Some(self.at));
            self.core.anchor().died(Capability::Receive);
            self.core.close();
            // Dropped here, outside the lock: nobody can receive them any more.
            drop(self.core.drain_unread());
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
