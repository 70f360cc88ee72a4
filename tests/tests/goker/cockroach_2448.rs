//! cockroach 2448: store and raft hand each other work over channels without slots.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gmp::sync::{Cond, Mutex};
use gmp::time::sleep;
use gmp::{Chan, chan, go, select};

use super::support::MILLI;

/// What the store passes back to raft when it has handled the event.
struct Event;
struct Callback;

#[derive(Clone)]
struct Node {
    events: Chan<Event>,
    callbacks: Chan<Callback>,
    stop: Chan<()>,
}

pub(crate) async fn kernel(control: bool) {
    let node = Node { events: chan(0), callbacks: chan(0), stop: chan(0) };
    let store = node.clone();
    go(async move { store.store().await });
    let raft = node.clone();
    if !control {
        go(async move { raft.raft().await });
        return;
    }
    let list = Arc::new(List::default());
    let (filled, drainer) = (list.clone(), node.clone());
    go(async move { raft.raft_with_list(&filled).await });
    go(async move { drainer.drain(&list).await });
    sleep(3 * MILLI).await;
    node.stop.close();
}

impl Node {
    async fn store(&self) {
        loop {
            select! {
                recv(self.events) -> event => if event.is_some() { self.handle().await },
                recv(self.stop) -> _ => return,
            }
        }
    }

    async fn handle(&self) {
        select! {
            send(self.callbacks, Callback) => {}
            recv(self.stop) -> _ => {}
        }
    }

    async fn raft(&self) {
        loop {
            select! {
                recv(self.stop) -> _ => return,
                recv(self.callbacks) -> _ => run_callback().await,
                default => select! {
                    send(self.events, Event) => {}
                    recv(self.stop) -> _ => {}
                },
            }
        }
    }

    async fn raft_with_list(&self, list: &List) {
        loop {
            select! {
                recv(self.stop) -> _ => break,
                recv(self.callbacks) -> _ => run_callback().await,
                default => list.push(Some(Event)).await,
            }
        }
        list.push(None).await;
    }

    /// Passes on what the list has, until it ends or everything stops.
    async fn drain(&self, list: &List) {
        while let Some(event) = list.pop().await {
            select! {
                send(self.events, event) => {}
                recv(self.stop) -> _ => {}
            }
        }
    }
}

async fn run_callback() {
    sleep(Duration::from_nanos(1)).await;
}

/// Events without a bound; `None` is the end.
#[derive(Default)]
struct List {
    events: Mutex<VecDeque<Option<Event>>>,
    filled: Cond,
}

impl List {
    async fn push(&self, event: Option<Event>) {
        self.events.lock().await.push_back(event);
        self.filled.signal();
    }

    async fn pop(&self) -> Option<Event> {
        let mut events = self.events.lock().await;
        loop {
            match events.pop_front() {
                Some(event) => return event,
                None => events = self.filled.wait(events).await,
            }
        }
    }
}
