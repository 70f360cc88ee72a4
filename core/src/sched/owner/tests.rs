//! The transitions of the ownership word, one by one.

use super::*;

/// Both protocols, where the system offers both.
fn owners() -> impl Iterator<Item = Owner> {
    let by_hand = asymmetric::is_available().then_some(true);
    by_hand.into_iter().chain([false]).map(Owner::with)
}

#[test]
fn a_taken_p_cannot_be_claimed_by_its_old_owner() {
    for owner in owners() {
        let (first, second) = (Hand::new(), Hand::new());
        let old = owner.acquire(1).expect("idle");
        owner.begin(old, &first);
        assert!(owner.acquire(2).is_none() && owner.take(2).is_none(), "owned");
        assert_eq!(owner.look(), Look::Other);
        owner.lend(old, &first);
        assert_eq!(owner.look(), Look::InPoll(1));
        assert!(owner.claim(old, &first));
        assert!(owner.take(2).is_none(), "owned again");
        owner.lend(old, &first);
        let new = owner.take(2).expect("lent");
        assert!(!owner.claim(old, &first) && owner.take(3).is_none());
        owner.begin(new, &second);
        owner.lend(new, &second);
        assert!(!owner.claim(old, &first) && owner.claim(new, &second));
        owner.release(new);
        assert!(owner.is_idle() && owner.take(3).is_none());
        let again = owner.acquire(1).expect("idle");
        assert_ne!(again, old, "the same M in another epoch");
        owner.release(again);
        assert!(owner.is_idle(), "given up before it was used");
    }
}

#[test]
fn a_p_in_a_blocking_call_is_taken_or_comes_back() {
    for owner in owners() {
        let hand = Hand::new();
        let tenure = owner.acquire(1).expect("idle");
        owner.begin(tenure, &hand);
        owner.lend(tenure, &hand);
        assert!(owner.enter_blocking(tenure) && !owner.enter_blocking(tenure));
        assert_eq!(owner.look(), Look::Blocking(1));
        assert!(!owner.claim(tenure, &hand), "nobody pushes from inside the call");
        owner.leave_blocking(tenure);
        assert!(owner.claim(tenure, &hand));
        owner.lend(tenure, &hand);
        assert!(owner.enter_blocking(tenure) && owner.take(2).is_some());
        owner.leave_blocking(tenure);
        assert!(!owner.claim(tenure, &hand));
    }
}
