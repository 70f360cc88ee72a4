//! What is checked: the channels of this project, and channels that are broken on purpose.

use std::collections::VecDeque;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt;
use gmp::chan::{TryRecvError, TrySendError};
use gmp::{Chan, chan, select, yield_now};

use crate::history::{Act, Arm};

/// A channel whose operations say what they did. Channels have numbers.
pub(crate) trait Subject: Clone + Send + Sync + 'static {
    /// Whether it can be a rendezvous, and an arm of a select.
    const IS_WHOLE: bool;
    fn make(cap: usize) -> Self;
    fn send(&self, n: usize, value: u8) -> impl Future<Output = Act> + Send;
    fn recv(&self, n: usize) -> impl Future<Output = Act> + Send;
    fn try_send(&self, n: usize, value: u8) -> Act;
    fn try_recv(&self, n: usize) -> Act;
    fn close(&self, n: usize) -> Act;
    /// A select over the arms, which are two, and a default.
    fn select(
        chans: [&Self; 2],
        arms: [Arm; 2],
        value: u8,
        with_default: bool,
    ) -> impl Future<Output = Act> + Send;
}

/// The result of a receive.
fn received(n: usize, value: Option<u8>) -> Act {
    value.map_or(Act::Drained(n), |value| Act::Received(n, value))
}

impl Subject for Chan<u8> {
    const IS_WHOLE: bool = true;

    fn make(cap: usize) -> Self {
        chan(cap)
    }

    async fn send(&self, n: usize, value: u8) -> Act {
        match self.send_checked(value).await {
            Ok(()) => Act::Sent(n, value),
            Err(error) => {
                assert_eq!(error.0, value, "another value came back");
                Act::Refused(vec![n])
            }
        }
    }

    async fn recv(&self, n: usize) -> Act {
        received(n, self.recv().await)
    }

    fn try_send(&self, n: usize, value: u8) -> Act {
        match self.try_send(value) {
            Ok(()) => Act::Sent(n, value),
            Err(TrySendError::Full(_)) => Act::Idle(vec![Arm::Send(n)]),
            Err(TrySendError::Closed(_)) => Act::Refused(vec![n]),
        }
    }

    fn try_recv(&self, n: usize) -> Act {
        match self.try_recv() {
            Ok(value) => Act::Received(n, value),
            Err(TryRecvError::Empty) => Act::Idle(vec![Arm::Recv(n)]),
            Err(TryRecvError::Closed) => Act::Drained(n),
        }
    }

    fn close(&self, n: usize) -> Act {
        match self.try_close() {
            Ok(()) => Act::Closed(n),
            Err(_) => Act::ClosedBefore(n),
        }
    }

    async fn select(chans: [&Self; 2], arms: [Arm; 2], value: u8, with_default: bool) -> Act {
        let selected = AssertUnwindSafe(select_arms(chans, arms, value, with_default));
        match selected.catch_unwind().await {
            Ok(act) => act,
            Err(payload) => {
                assert_eq!(payload.downcast_ref::<&str>(), Some(&CLOSED));
                let sends = |arm| if let Arm::Send(n) = arm { Some(n) } else { None };
                Act::Refused(arms.into_iter().filter_map(sends).collect())
            }
        }
    }
}

/// The panic of a send to a closed channel.
pub(crate) const CLOSED: &str = "send on closed channel";

async fn select_arms([a, b]: [&Chan<u8>; 2], arms: [Arm; 2], value: u8, with_default: bool) -> Act {
    let [Arm::Send(n) | Arm::Recv(n), Arm::Send(m) | Arm::Recv(m)] = arms;
    let idle = || Act::Idle(arms.to_vec());
    match (arms, with_default) {
        ([Arm::Recv(_), Arm::Recv(_)], false) => select! {
            recv(a) -> got => received(n, got),
            recv(b) -> got => received(m, got),
        },
        ([Arm::Recv(_), Arm::Recv(_)], true) => select! {
            recv(a) -> got => received(n, got),
            recv(b) -> got => received(m, got),
            default => idle(),
        },
        ([Arm::Send(_), Arm::Recv(_)], false) => select! {
            send(a, value) => Act::Sent(n, value),
            recv(b) -> got => received(m, got),
        },
        ([Arm::Send(_), Arm::Recv(_)], true) => select! {
            send(a, value) => Act::Sent(n, value),
            recv(b) -> got => received(m, got),
            default => idle(),
        },
        ([Arm::Recv(_), Arm::Send(_)], false) => select! {
            recv(a) -> got => received(n, got),
            send(b, value) => Act::Sent(m, value),
        },
        ([Arm::Recv(_), Arm::Send(_)], true) => select! {
            recv(a) -> got => received(n, got),
            send(b, value) => Act::Sent(m, value),
            default => idle(),
        },
        ([Arm::Send(_), Arm::Send(_)], false) => select! {
            send(a, value) => Act::Sent(n, value),
            send(b, value) => Act::Sent(m, value),
        },
        ([Arm::Send(_), Arm::Send(_)], true) => select! {
            send(a, value) => Act::Sent(n, value),
            send(b, value) => Act::Sent(m, value),
            default => idle(),
        },
    }
}

/// What is wrong with a channel.
pub(crate) trait Fault: Send + Sync + 'static {
    /// Puts `value` into a buffer that has room.
    fn push(queue: &mut VecDeque<u8>, value: u8) {
        queue.push_back(value);
    }
    /// Whether a buffer has room.
    fn has_room(len: usize, cap: usize) -> bool {
        len < cap
    }
    /// Takes a value out of a buffer, in one step or two.
    fn pop(queue: &Mutex<State>) -> impl Future<Output = Option<u8>> + Send {
        let value = lock(queue).queue.pop_front();
        async move { value }
    }
    /// Whether a receiver that finds nothing at this moment finds the channel closed.
    fn is_drained(state: &State) -> bool {
        state.is_closed && state.queue.is_empty()
    }
}

/// Nothing is: the broken ones are broken by their faults alone.
pub(crate) struct Sound;
impl Fault for Sound {}

/// The last value comes first.
pub(crate) struct Stack;
impl Fault for Stack {
    fn push(queue: &mut VecDeque<u8>, value: u8) {
        queue.push_front(value);
    }
}

/// Two receivers that look before either takes get the same value.
pub(crate) struct LookThenTake;
impl Fault for LookThenTake {
    async fn pop(queue: &Mutex<State>) -> Option<u8> {
        let value = lock(queue).queue.front().copied();
        yield_now().await;
        lock(queue).queue.pop_front();
        value
    }
}

/// There is room for one more than there should be.
pub(crate) struct OneTooMany;
impl Fault for OneTooMany {
    fn has_room(len: usize, cap: usize) -> bool {
        len <= cap
    }
}

/// A receiver does not drain what was sent before the close.
pub(crate) struct Forgetful;
impl Fault for Forgetful {
    fn is_drained(state: &State) -> bool {
        state.is_closed
    }
}

/// A channel with a buffer, as simple as it can be, with the fault `F`.
pub(crate) struct Simple<F> {
    state: Arc<Mutex<State>>,
    cap: usize,
    fault: PhantomData<F>,
}

#[derive(Default)]
pub(crate) struct State {
    queue: VecDeque<u8>,
    is_closed: bool,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

impl<F> Clone for Simple<F> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), ..*self }
    }
}

impl<F: Fault> Subject for Simple<F> {
    const IS_WHOLE: bool = false;

    fn make(cap: usize) -> Self {
        Self { state: Arc::default(), cap, fault: PhantomData }
    }

    async fn send(&self, n: usize, value: u8) -> Act {
        loop {
            match self.try_send(n, value) {
                Act::Idle(_) => yield_now().await,
                act => return act,
            }
        }
    }

    async fn recv(&self, n: usize) -> Act {
        loop {
            if F::is_drained(&lock(&self.state)) {
                return Act::Drained(n);
            }
            if let Some(value) = F::pop(&self.state).await {
                return Act::Received(n, value);
            }
            yield_now().await;
        }
    }

    fn try_send(&self, n: usize, value: u8) -> Act {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Act::Refused(vec![n]);
        }
        if !F::has_room(state.queue.len(), self.cap) {
            return Act::Idle(vec![Arm::Send(n)]);
        }
        F::push(&mut state.queue, value);
        Act::Sent(n, value)
    }

    fn try_recv(&self, n: usize) -> Act {
        let mut state = lock(&self.state);
        if F::is_drained(&state) {
            return Act::Drained(n);
        }
        let value = state.queue.pop_front();
        value.map_or(Act::Idle(vec![Arm::Recv(n)]), |value| Act::Received(n, value))
    }

    fn close(&self, n: usize) -> Act {
        match std::mem::replace(&mut lock(&self.state).is_closed, true) {
            false => Act::Closed(n),
            true => Act::ClosedBefore(n),
        }
    }

    async fn select(_: [&Self; 2], _: [Arm; 2], _: u8, _: bool) -> Act {
        unreachable!("it is not whole")
    }
}
