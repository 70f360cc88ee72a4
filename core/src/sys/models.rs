//! Models of the short lock: whoever has it has it alone and sees what the others did, biased or not.

use super::BriefLock;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;

type Count = Arc<BriefLock<u32>>;

/// One more, `times` times. Each look at the value is tracked, see [`Track`](super::modelled::Track).
fn count(lock: &Count, times: u32) {
    (0..times).for_each(|_| *lock.lock() += 1);
}

/// A lock that this thread had `times` times: it is looked at from the second on, and biased to it from the third on.
fn had(times: u32) -> Count {
    let lock = Arc::new(BriefLock::learning(0));
    count(&lock, times);
    lock
}

/// This thread, which had the lock `before`, and others have it as often as they say at the same time.
fn together(before: u32, own: u32, others: &'static [u32]) {
    let mut model = Builder::new();
    // Three that wait for each other by looking take hours with one more.
    if own > 0 && others.len() > 1 {
        model.preemption_bound = Some(2);
    }
    model.check(move || {
        let lock = had(before);
        assert_eq!(lock.is_biased(), before > 2);
        let threads: Vec<_> = others
            .iter()
            .map(|times| {
                let lock = lock.clone();
                thread::spawn(move || count(&lock, *times))
            })
            .collect();
        count(&lock, own);
        for other in threads {
            other.join().expect("the other");
        }
        assert_eq!(*lock.lock(), before + own + others.iter().sum::<u32>());
    });
}

#[test]
fn one_has_it_at_a_time_and_sees_what_the_others_did() {
    together(0, 1, &[1]);
}

/// Two come when it is about to look whom it could be biased to.
#[test]
fn two_who_learn_of_it_have_it_in_turn() {
    together(1, 1, &[1]);
    // One has found no thread yet, and comes in when the other has the bias.
    together(1, 3, &[1]);
}

/// It becomes biased while the other wants it.
#[test]
fn a_thread_that_is_given_the_bias_has_it_alone() {
    together(2, 2, &[1]);
}

#[test]
fn a_thread_that_has_the_bias_loses_it_to_another() {
    together(3, 2, &[2]);
}

#[test]
fn two_revoke_the_bias_of_a_third() {
    together(3, 0, &[1, 1]);
    together(3, 1, &[1, 1]);
}

/// Changes from thread to thread until it is for all.
#[test]
fn threads_that_take_turns_share_it() {
    together(1, 2, &[2]);
}
