//! The transitions of the state word, one by one.

use super::*;

#[test]
fn a_wake_during_a_poll_requeues_and_is_not_lost() {
    let state = State::new(false);
    assert_eq!(state.start_poll(), StartPoll::Poll);
    assert_eq!(state.ready(), Ready::Nothing);
    assert_eq!(state.end_poll(), EndPoll::Requeue);
    assert_eq!(state.start_poll(), StartPoll::Poll);
    assert_eq!(state.end_poll(), EndPoll::Parked);
    assert_eq!(state.ready(), Ready::Enqueue);
    assert_eq!(state.ready(), Ready::Nothing);
}

#[test]
fn a_frozen_goroutine_records_wakes_until_it_is_thawed() {
    let state = State::new(false);
    assert!(!state.freeze(), "queued goroutines cannot be frozen");
    assert_eq!(state.start_poll(), StartPoll::Poll);
    assert!(!state.freeze(), "running goroutines cannot be frozen");
    assert_eq!(state.end_poll(), EndPoll::Parked);
    assert!(state.freeze() && !state.freeze());
    assert_eq!(state.ready(), Ready::Nothing);
    assert!(state.load().was_woken());
    assert_eq!(state.thaw(), Ready::Enqueue);
    assert_eq!(state.start_poll(), StartPoll::Poll);
}

#[test]
fn an_abort_is_seen_before_or_after_a_poll() {
    let state = State::new(false);
    assert_eq!(state.abort(), Ready::Nothing);
    assert_eq!(state.start_poll(), StartPoll::Cancel);
    let state = State::new(false);
    assert_eq!(state.start_poll(), StartPoll::Poll);
    assert_eq!(state.abort(), Ready::Nothing);
    assert_eq!(state.end_poll(), EndPoll::Cancel);
}

#[test]
fn the_last_of_wakers_and_references_frees() {
    let state = State::new(true);
    state.waker_inc();
    assert!(!state.ref_dec() && !state.ref_dec() && !state.ref_dec());
    assert!(state.waker_dec());
}

#[test]
fn a_join_handle_that_goes_frees_or_leaves_the_cell_to_others() {
    let state = State::new(true);
    assert!(!state.ref_dec_by(2));
    state.waker_inc();
    assert_eq!(state.drop_join_and_ref(), DropJoin::Done, "a waker is left");
    let state = State::new(true);
    assert!(!state.ref_dec_by(2));
    assert_eq!(state.drop_join_and_ref(), DropJoin::Last);
    let state = State::new(true);
    assert!(state.complete(true) && !state.ref_dec_by(2));
    assert_eq!(state.drop_join_and_ref(), DropJoin::Output);
    assert!(state.ref_dec(), "the output comes first");
}

#[test]
fn an_output_is_taken_once() {
    let state = State::new(true);
    assert_eq!(state.start_poll(), StartPoll::Poll);
    assert!(state.complete(true));
    assert!(state.take_output() && !state.take_output() && !state.drop_join());
}
