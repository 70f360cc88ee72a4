//! What the report says to change is what the repaired form of each pattern has changed.
//!
//! A pattern that leaks for more than one reason has a line for each of its findings.

use std::collections::BTreeSet;

use gmp::__private::{Submission, examine, inventory};
use gmp::leak::Code;
use gmp::report::remedy::remedy;
use gmp::report::source::Sources;

/// The pattern, the code of the finding, and words of its remedy: the names and lines of what the repaired form
/// has changed.
const REMEDIES: &[(&str, Code, &[&str])] = &[
    // One primitive each.
    ("primitives::nil_receive", Code::NilChan, &["`ch` is a nil channel", "made by `chan(..)`"]),
    ("primitives::nil_send", Code::NilChan, &["`ch` is a nil channel", "keep another arm"]),
    ("primitives::empty_select", Code::EmptySelect, &["without arms", "let the goroutine return"]),
    ("primitives::receive", Code::ChanReceive, &["Nobody is left to send on `ch`"]),
    ("primitives::send", Code::ChanSend, &["Nobody is left to receive from `ch`"]),
    ("primitives::send_full", Code::ChanSend, &["`ch` is full (2 of 2)"]),
    ("primitives::select_of_one", Code::ChanReceive, &["close it"]),
    (
        "primitives::select_of_two",
        Code::Select,
        &["Nobody is left to make one of its 2 arms ready"],
    ),
    ("primitives::wait_group", Code::WaitGroup, &["1 `done` is missing for the `add(2)`"]),
    (
        "primitives::mutex_of_a_stuck_goroutine",
        Code::ChanReceive,
        &["Nobody is left to send on `ch`"],
    ),
    ("primitives::mutex_forgotten", Code::Lock, &["locked `mutex`", "forgotten", "`mem::forget`"]),
    (
        "primitives::mutex_twice",
        Code::Circle,
        &["itself locked `mutex`", "Drop it before it locks again"],
    ),
    ("primitives::mixed", Code::ChanSend, &["Nobody is left to receive from `ch`"]),
    ("primitives::sleeping", Code::Timer, &["due in 59 min", "`abort()` it"]),
    ("primitives::timers_of_other_waits", Code::Timer, &["due in 59 min", "`ctx.done()`"]),
    ("primitives::timers_of_other_waits", Code::Timer, &["the only arm", "`ctx.done()`"]),
    ("primitives::timers_of_other_waits", Code::Timer, &["the only arm", "`ctx.done()`"]),
    (
        "primitives::global",
        Code::ChanReceive,
        &["1 is alive outside this test", "a static", "Drop the senders"],
    ),
    ("primitives::sibling", Code::Timer, &["due in 59 min", "outlives the test"]),
    (
        "primitives::bystander",
        Code::ChanReceive,
        &["`a_rx` ends when", "1 is alive outside this test"],
    ),
    ("primitives::foreign", Code::External, &["keeps its waker", "Close that end"]),
    ("primitives::no_waker_kept", Code::NoWaker, &["kept no waker", "`std::future::pending()`"]),
    ("primitives::spin", Code::Running, &["never reaches an await that waits", "Leave the loop"]),
    ("primitives::daisy_chain", Code::ChanReceive, &["Nobody is left to send on `from`"]),
    // From production.
    ("production::range_without_close", Code::ChanReceive, &["call `jobs.close()`"]),
    ("production::method_contract", Code::Select, &["close `stop`, whose arm ends it"]),
    (
        "production::double_send",
        Code::ChanSend,
        &[
            "a send on `results` before this one, at tests/tests/patterns/production.rs:",
            "return after it",
        ],
    ),
    ("production::returns_before_it_receives", Code::ChanSend, &["`chan(1)` instead of `chan(0)`"]),
    ("production::n_cast", Code::ChanSend, &["`chan(4)` instead of `chan(0)`"]),
    ("production::context_timeout", Code::ChanSend, &["`chan(1)` instead of `chan(0)`"]),
    ("production::timer_wins", Code::ChanSend, &["`chan(1)` instead of `chan(0)`"]),
    ("production::cancelled_parent", Code::ChanSend, &["`chan(1)` instead of `chan(0)`"]),
    // From articles.
    ("articles::leaky_receive", Code::ChanReceive, &["Nobody is left to send on `child`"]),
    ("articles::range_with_a_slow_body", Code::Select, &["close `done`, whose arm ends it"]),
    (
        "articles::add_inside_the_goroutine",
        Code::ChanSend,
        &["`chan(1)` instead of `chan(0)`", "The `add` at", "move it in front of the `go` at"],
    ),
    ("articles::done_skipped_by_a_panic", Code::WaitGroup, &["none has run at all", "`wg.go(..)`"]),
    (
        "articles::broken_context_chain",
        Code::BrokenChain,
        &["chain of `ctx` is broken at", "Derive it from the one made at"],
    ),
    ("articles::timer_that_is_never_stopped", Code::Timer, &["`abort()` it"]),
    (
        "articles::timer_reset_in_a_loop",
        Code::Timer,
        &["put off 3 times by `reset`", "close chan #"],
    ),
    (
        "articles::groups_in_a_map",
        Code::WaitGroup,
        &["keeps the group: a static", "call `done` then"],
    ),
    ("articles::started_on_the_way_out", Code::ChanSend, &["`chan(1)` instead of `chan(0)`"]),
    ("articles::deadlock", Code::ChanSend, &["`chan(1)` instead of `chan(0)`"]),
    (
        "articles::deadlock_of_a_plain_body",
        Code::ChanReceive,
        &["Start the sender with `go` before this line"],
    ),
    ("articles::lock_order", Code::Circle, &["in different orders", "in one order everywhere"]),
    (
        "articles::select_with_a_default_loop",
        Code::Running,
        &["yields again and again", "leave the loop"],
    ),
    (
        "articles::yield_loop",
        Code::Running,
        &["yields again and again", "what the loop polls comes true"],
    ),
    (
        "articles::semaphore_by_channel",
        Code::ChanSend,
        &["if the values are permits, one was not given back"],
    ),
    ("articles::worker_pool_of_8", Code::ChanReceive, &["call `jobs.close()`"]),
    ("articles::worker_pool_of_24", Code::ChanReceive, &["call `jobs.close()`"]),
    ("articles::worker_pool_of_32", Code::ChanReceive, &["call `jobs.close()`"]),
    (
        "stores::pool_without_put",
        Code::ChanReceive,
        &["alive outside this test", "a static", "goes back to it with `put`"],
    ),
    (
        "stores::pool_that_never_ages",
        Code::ChanReceive,
        &["alive outside this test", "end with `age`"],
    ),
    (
        "stores::wait_groups_in_a_map",
        Code::WaitGroup,
        &["keeps the group: a static", "call `done` then"],
    ),
    (
        "stores::wait_groups_in_a_map_removed_only",
        Code::WaitGroup,
        &["1 `done` is missing for the `add(2)`"],
    ),
    // Locks, conditions, semaphores, and what is done once.
    (
        "shared::rwlock_read_behind_a_stuck_writer",
        Code::ChanReceive,
        &["Nobody is left to send on `ch`"],
    ),
    (
        "shared::rwlock_write_behind_a_forgotten_reader",
        Code::Lock,
        &["for reading", "`mem::forget`"],
    ),
    (
        "shared::rwlock_read_twice",
        Code::Circle,
        &["itself read-locked `lock`", "Use the guard it has"],
    ),
    ("shared::rwlock_read_behind_a_writer_that_gives_up", Code::Timer, &["due in 59 min"]),
    ("shared::rwlock_guard_in_a_static", Code::Lock, &["for reading", "a static"]),
    (
        "shared::cond_without_signal",
        Code::Cond,
        &["Nobody is left to signal", "`signal` or `broadcast`"],
    ),
    ("shared::cond_one_signal_for_three", Code::Cond, &["`broadcast`"]),
    ("shared::cond_in_a_static", Code::Cond, &["outside this test could still signal"]),
    (
        "shared::semaphore_without_release",
        Code::Semaphore,
        &["1 taken at", "Drop their guards on every path"],
    ),
    ("shared::semaphore_held_by_a_stuck_goroutine", Code::ChanReceive, &["`ch.close()`"]),
    ("shared::once_whose_function_never_returns", Code::ChanReceive, &["`ch.close()`"]),
    ("shared::once_inside_itself", Code::Circle, &["must not call `once` again"]),
    ("shared::once_value_of_a_sleeper", Code::Timer, &["due in 59 min"]),
    ("shared::flight_that_never_lands", Code::ChanReceive, &["`ch.close()`"]),
    (
        "shared::group_with_a_member_that_is_stuck",
        Code::ChanSend,
        &["`chan(1)` instead of `chan(0)`"],
    ),
];

#[test]
fn the_remedy_of_each_pattern_is_the_change_of_its_repaired_form() {
    let sources = Sources::from_env();
    let mut wrong = Vec::new();
    let mut unknown = BTreeSet::new();
    for submission in inventory::iter::<Submission>() {
        let name = submission.0.path();
        if !submission.0.expects_leak() {
            continue;
        }
        let rows: Vec<_> = REMEDIES.iter().filter(|(pattern, ..)| *pattern == name).collect();
        let report = examine(submission.0);
        if rows.is_empty() {
            unknown.insert(name.clone());
        }
        if rows.len() != report.findings.len() {
            wrong.push(format!("{name}: {} rows for {report}", rows.len()));
            continue;
        }
        for ((_, code, words), finding) in rows.into_iter().zip(&report.findings) {
            let advice = remedy(finding, &report, &sources);
            let misses = words.iter().find(|word| !advice.contains(**word));
            if let Some(word) = misses {
                wrong.push(format!("{name}: {word:?} is not in: {advice}"));
            }
            if finding.code != *code {
                wrong.push(format!("{name}: {} instead of {code}", finding.code));
            }
        }
    }
    assert!(unknown.is_empty(), "patterns without a row: {unknown:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
