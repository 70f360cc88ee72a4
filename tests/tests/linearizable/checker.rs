//! Whether a history is linearizable: whether its operations, put into one order that keeps the order of
//! those that did not overlap, do what a channel may do one operation at a time.
//!
//! The search is that of Wing and Gong (Testing and Verifying Concurrent Objects, 1993), with Lowe's memo
//! of states that led nowhere. A rendezvous is the one case of two operations that take place together.

use std::collections::HashSet;

use crate::history::{Act, Arm, Event};

/// A channel, one operation at a time: Go's rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Model {
    cap: usize,
    is_closed: bool,
    queue: Vec<u8>,
}

impl Model {
    /// Whether `arm` would do something for certain. On a rendezvous that depends on a peer which waits,
    /// and nobody can tell from outside whether a peer that was called waits already.
    fn is_ready(&self, arm: Arm) -> bool {
        let can_go = match arm {
            Arm::Send(_) => self.queue.len() < self.cap,
            Arm::Recv(_) => !self.queue.is_empty(),
        };
        self.is_closed || can_go
    }
}

/// All channels of a program.
type Models = Vec<Model>;

/// The state after `act` alone; `None` if it cannot take place now.
fn apply(models: &Models, act: &Act) -> Option<Models> {
    let mut next = models.clone();
    let is_possible = match *act {
        Act::Sent(ch, value) => {
            let model = &mut next[ch];
            let has_room = !model.is_closed && model.queue.len() < model.cap;
            model.queue.push(value);
            has_room
        }
        Act::Received(ch, value) => {
            let queue = &mut next[ch].queue;
            !queue.is_empty() && queue.remove(0) == value
        }
        Act::Drained(ch) => next[ch].is_closed && next[ch].queue.is_empty(),
        Act::Refused(ref chans) => chans.iter().any(|&ch| next[ch].is_closed),
        Act::ClosedBefore(ch) => next[ch].is_closed,
        Act::Idle(ref arms) => arms.iter().all(|arm| {
            let (Arm::Send(ch) | Arm::Recv(ch)) = *arm;
            !next[ch].is_ready(*arm)
        }),
        Act::Closed(ch) => !std::mem::replace(&mut next[ch].is_closed, true),
    };
    is_possible.then_some(next)
}

/// The search for an order of `events`.
struct Search<'h> {
    events: &'h [Event],
    /// What was done and the state it led to, where no order of the rest was found.
    dead_ends: HashSet<(u64, Models)>,
}

impl Search<'_> {
    /// Whether the events that are not in `done` have an order from `models` on.
    fn from(&mut self, done: u64, models: Models) -> bool {
        let is_left = |n: &usize| done & 1 << n == 0;
        let left: Vec<usize> = (0..self.events.len()).filter(is_left).collect();
        let Some(first_return) = left.iter().map(|&n| self.events[n].returned).min() else {
            return true;
        };
        if self.dead_ends.contains(&(done, models.clone())) {
            return false;
        }
        // Whoever was called after another one returned comes after it.
        let next: Vec<usize> =
            left.into_iter().filter(|&n| self.events[n].called < first_return).collect();
        let found = next.iter().any(|&n| self.step(done, &models, n, &next));
        if !found {
            self.dead_ends.insert((done, models));
        }
        found
    }

    /// Whether there is an order that begins with the event `n`, alone or with its peer among `others`.
    fn step(&mut self, done: u64, models: &Models, n: usize, others: &[usize]) -> bool {
        let act = &self.events[n].act;
        if let Some(after) = apply(models, act)
            && self.from(done | 1 << n, after)
        {
            return true;
        }
        let Act::Sent(ch, value) = *act else { return false };
        if models[ch].cap > 0 || models[ch].is_closed {
            return false;
        }
        let takes = |&&peer: &&usize| self.events[peer].act == Act::Received(ch, value);
        let peer = others.iter().find(takes).copied();
        peer.is_some_and(|peer| self.from(done | 1 << n | 1 << peer, models.clone()))
    }
}

/// Whether `events` on open, empty channels of the capacities `caps` are linearizable.
///
/// # Panics
/// If there are more than 64 events.
pub(crate) fn is_linearizable(caps: &[usize], events: &[Event]) -> bool {
    assert!(events.len() <= 64, "{} events are too many", events.len());
    let model = |&cap: &usize| Model { cap, is_closed: false, queue: Vec::new() };
    let models = caps.iter().map(model).collect();
    Search { events, dead_ends: HashSet::new() }.from(0, models)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Act::*;

    /// A history of `(called, returned, act)` on channel 0.
    fn check(cap: usize, history: &[(usize, usize, Act)]) -> bool {
        let event = |(called, returned, act): &(usize, usize, Act)| Event {
            act: act.clone(),
            called: *called,
            returned: *returned,
        };
        is_linearizable(&[cap], &history.iter().map(event).collect::<Vec<_>>())
    }

    #[test]
    fn values_come_in_the_order_of_sends_that_do_not_overlap() {
        let sends = [(0, 1, Sent(0, 1)), (2, 3, Sent(0, 2))];
        let receives = |a, b| [(4, 5, Received(0, a)), (6, 7, Received(0, b))];
        assert!(check(2, &[sends.clone(), receives(1, 2)].concat()));
        assert!(!check(2, &[sends, receives(2, 1)].concat()));
        let beside = [(0, 3, Sent(0, 1)), (1, 2, Sent(0, 2))];
        assert!(check(2, &[beside.clone(), receives(1, 2)].concat()));
        assert!(check(2, &[beside, receives(2, 1)].concat()));
    }

    #[test]
    fn no_value_comes_twice_or_from_nowhere() {
        assert!(!check(1, &[(0, 1, Received(0, 1))]));
        let twice = [(0, 1, Sent(0, 1)), (2, 3, Received(0, 1)), (4, 5, Received(0, 1))];
        assert!(check(1, &twice[..2]) && !check(1, &twice));
    }

    #[test]
    fn the_capacity_is_kept() {
        assert!(!check(1, &[(0, 1, Sent(0, 1)), (2, 3, Sent(0, 2))]));
        assert!(!check(2, &[(0, 1, Sent(0, 1)), (2, 3, Idle(vec![Arm::Send(0)]))]));
        assert!(check(1, &[(0, 1, Sent(0, 1)), (2, 3, Idle(vec![Arm::Send(0)]))]));
        assert!(!check(1, &[(0, 1, Sent(0, 1)), (2, 3, Idle(vec![Arm::Recv(0)]))]));
    }

    #[test]
    fn a_rendezvous_overlaps() {
        assert!(check(0, &[(0, 2, Sent(0, 1)), (1, 3, Received(0, 1))]));
        assert!(!check(0, &[(0, 1, Sent(0, 1)), (2, 3, Received(0, 1))]));
        assert!(!check(0, &[(0, 3, Sent(0, 1)), (1, 2, Received(0, 2))]));
    }

    #[test]
    fn a_closed_channel_is_drained_and_takes_nothing() {
        let closed = [(0, 1, Sent(0, 1)), (2, 3, Closed(0))];
        let after = |act| check(2, &[&closed[..], &[(4, 5, act)]].concat());
        assert!(after(Received(0, 1)) && after(Refused(vec![0])) && after(ClosedBefore(0)));
        assert!(!after(Drained(0)) && !after(Sent(0, 2)) && !after(Closed(0)));
        assert!(!after(Idle(vec![Arm::Send(0)])) && !after(Idle(vec![Arm::Recv(0)])));
        assert!(!check(2, &[(0, 1, Refused(vec![0]))]) && !check(2, &[(0, 1, Drained(0))]));
    }
}
