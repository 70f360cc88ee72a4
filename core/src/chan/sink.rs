//! The sending end of a channel as a [`Sink`].

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_sink::Sink;

use super::queue::Core;
use super::{SendChecked, SendError, TrySendError};
use crate::inspect::Location;

/// A channel as a [`Sink`], beside the stream that [`Range`](super::Range) is. Made by
/// [`Chan::sink`](crate::Chan::sink) and [`Sender::sink`](crate::Sender::sink).
///
/// A value that the channel does not take at once waits in the sink: one at most, and flushing waits
/// until the channel took it. A sink has to be pinned to be used through `SinkExt`.
///
/// # Cancel safety
/// A value that waits in the sink is dropped with it.
#[must_use = "sinks do nothing unless polled"]
pub struct SendSink<'a, T> {
    /// `None` is the nil channel.
    core: Option<&'a Core<T>>,
    sending: Option<SendChecked<'a, T>>,
    at: Location,
    closes: bool,
}

impl<'a, T> SendSink<'a, T> {
    /// With `closes` the channel is closed when the sink is.
    pub(super) fn new(core: Option<&'a Core<T>>, closes: bool, at: Location) -> Self {
        Self { core, sending: None, at, closes }
    }

    fn poll_sent(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        // SAFETY: the future is not moved until it is over and dropped in place.
        let sending = unsafe { &mut self.get_unchecked_mut().sending };
        let Some(future) = sending else { return Poll::Ready(Ok(())) };
        // SAFETY: pinned with the sink.
        let result = ready!(unsafe { Pin::new_unchecked(future) }.poll(cx));
        *sending = None;
        Poll::Ready(result)
    }
}

impl<T> Sink<T> for SendSink<'_, T> {
    type Error = SendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        self.poll_sent(cx)
    }

    /// # Panics
    /// If the sink is not ready.
    fn start_send(self: Pin<&mut Self>, value: T) -> Result<(), SendError<T>> {
        assert!(self.sending.is_none(), "gmp: `start_send` on a sink that is not ready");
        let offered = match self.core {
            Some(core) => core.try_send(value, self.at),
            None => Err(TrySendError::Full(value)),
        };
        match offered {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(value)) => Err(SendError(value)),
            Err(TrySendError::Full(value)) => {
                let future = SendChecked::new(self.core, value, self.at);
                // SAFETY: nothing pinned is moved: the place is empty, and the future was not polled.
                unsafe { self.get_unchecked_mut() }.sending = Some(future);
                Ok(())
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        self.poll_sent(cx)
    }

    /// Flushes. A `Chan` is closed then, if it is not yet; a `Sender` closes its channel when it is
    /// dropped.
    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let result = ready!(self.as_mut().poll_sent(cx));
        if let Some(core) = self.core.filter(|_| self.closes) {
            core.close();
        }
        Poll::Ready(result)
    }
}

impl<T> fmt::Debug for SendSink<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendSink").field("sending", &self.sending).finish_non_exhaustive()
    }
}
