//! The way of one signal to one channel: a pipe that the handler writes, and a waker that sends.
//!
//! No goroutine and no thread stands in between: the M that sees the pipe ready runs the waker.

use core::task::{Context, Poll, Waker};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};
use std::task::Wake;

use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;
use signal_hook::low_level::{pipe, unregister};

use super::Signal;
use crate::chan::Chan;
use crate::g::{Scope, current};
use crate::inspect::{IoWant, Location, PrimitiveKind};
use crate::netpoll::{Attempt, Names, Netpoll, Object, Source};
use crate::sched::scope_here;
use crate::sys::{Lock, Rounds};

/// The way of one signal to one channel.
pub(super) struct Relay {
    signal: Signal,
    source: Arc<Source<Pipe>>,
    /// `None` once it was stopped.
    to: Lock<Option<Chan<Signal>>>,
    id: SigId,
    /// Who reads the pipe.
    rounds: Rounds,
    /// Of whoever asked for it: its runtime watches the pipe.
    scope: Weak<Scope>,
    netpoll: Arc<Netpoll>,
}

/// The end of the pipe that is read.
struct Pipe(UnixStream);

impl Relay {
    pub(super) fn start(signal: Signal, to: Chan<Signal>, at: Location) -> io::Result<Arc<Self>> {
        if FORBIDDEN.contains(&signal.number()) {
            let text = format!("{signal} cannot be caught");
            return Err(io::Error::new(ErrorKind::InvalidInput, text));
        }
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        let source = Source::new(Pipe(read), at);
        source.head.register()?;
        let id = pipe::register(signal.number(), write)?;
        let (to, rounds) = (Lock::new(Some(to)), Rounds::new());
        let scope = scope_here();
        let netpoll = scope.schedule().netpoll().clone();
        netpoll.add_listener();
        let scope = Arc::downgrade(&scope);
        let relay = Arc::new(Self { signal, source, to, id, rounds, scope, netpoll });
        relay.pass_outside();
        Ok(relay)
    }

    pub(super) fn signal(&self) -> Signal {
        self.signal
    }

    /// Nothing is sent any more.
    pub(super) fn stop(&self) {
        unregister(self.id);
        let to = self.to.lock().take();
        if to.is_some() {
            self.netpoll.remove_listener();
        }
        drop(to);
        // Releases the waker, which holds this relay.
        self.source.head.close();
    }

    /// It is nobody's wait: no goroutine is to be found waiting here.
    fn pass_outside(self: &Arc<Self>) {
        if let Some(scope) = self.scope.upgrade() {
            current::outside(scope, || self.pass());
        }
    }

    /// Sends what has come, and waits for more. Whoever calls while somebody is at it makes that one look again.
    fn pass(self: &Arc<Self>) {
        if !self.rounds.begin() {
            return;
        }
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            while let Poll::Ready(Ok(())) = self.source.poll(IoWant::Read, &mut cx, Pipe::empty) {
                let to = self.to.lock().clone();
                // No room: it is lost, as announced.
                let _ = to.map(|to| to.try_send(self.signal));
            }
            if self.rounds.end() {
                return;
            }
        }
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.pass_outside();
    }
}

impl Pipe {
    /// Takes all that has come: one signal, however often it came.
    fn empty(&self) -> io::Result<Attempt<()>> {
        let mut any = false;
        loop {
            match (&self.0).read(&mut [0; 64]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => any = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock && any => return Ok(().into()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Object for Pipe {
    const KIND: PrimitiveKind = PrimitiveKind::Pipe;
    fn names(&self) -> Names {
        Names::default()
    }
}
