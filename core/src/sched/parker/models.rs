//! Models of an M that parks: whoever tells it something ends its wait, wherever it sleeps.

use std::time::Duration;

use loom::thread;

use super::*;

/// Stands for the netpoll: an interrupt stays until the sleeper has taken it.
pub(in crate::sched) struct Event {
    set: Lock<bool>,
    told: Condvar,
}

impl Event {
    pub(in crate::sched) fn new() -> Self {
        Self { set: Lock::new(false), told: Condvar::new() }
    }
}

impl Bed for Event {
    fn block(&self, _: Option<Duration>) -> Vec<Wake> {
        let mut set = self.set.lock();
        while !*set {
            (set, _) = wait_until(&self.told, set, None);
        }
        *set = false;
        Vec::new()
    }

    fn interrupt(&self) {
        *self.set.lock() = true;
        self.told.notify_one();
    }
}

/// Waits until it was told `wanted` times, and says how often by a grant.
fn wait(parker: &Parker<Event>, bed: Option<&Arc<Event>>, wanted: usize) -> usize {
    let told = (0..wanted).map(|_| match bed {
        Some(bed) => parker.wait_in(bed, None).0,
        None => parker.wait(None),
    });
    told.filter(|woken| matches!(woken, Woken::Granted(Grant::Exit))).count()
}

/// On the parker, and in a bed.
fn model(check: fn(Option<Arc<Event>>)) {
    for in_bed in [false, true] {
        loom::model(move || check(in_bed.then(|| Arc::new(Event::new()))));
    }
}

#[test]
fn a_grant_ends_the_wait_of_an_m() {
    model(|bed| {
        let parker = Parker::<Event>::new(1);
        let grants = parker.clone();
        let granter = thread::spawn(move || grants.grant(Grant::Exit));
        assert_eq!(wait(&parker, bed.as_ref(), 1), 1);
        granter.join().expect("the granter");
    });
}

#[test]
fn a_grant_and_a_poke_are_both_told() {
    model(|bed| {
        let parker = Parker::<Event>::new(1);
        let (grants, pokes) = (parker.clone(), parker.clone());
        let granter = thread::spawn(move || grants.grant(Grant::Exit));
        let poker = thread::spawn(move || pokes.poke());
        assert_eq!(wait(&parker, bed.as_ref(), 2), 1);
        granter.join().expect("the granter");
        poker.join().expect("the poker");
    });
}

#[test]
fn what_is_told_between_two_waits_ends_the_next_in_a_bed() {
    loom::model(|| {
        let (parker, bed) = (Parker::<Event>::new(1), Arc::new(Event::new()));
        let tells = parker.clone();
        let other = thread::spawn(move || {
            tells.poke();
            tells.grant(Grant::Exit);
        });
        assert_eq!(wait(&parker, None, 1) + wait(&parker, Some(&bed), 1), 1);
        other.join().expect("the other");
    });
}
