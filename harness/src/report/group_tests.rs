//! Grouping and ordering of findings.

use core::time::Duration;

use super::super::fixtures::*;
use super::*;

fn receiver(id: u64) -> Finding {
    let on = chan(9, (0, 0), (1, 1));
    let line = at("src/pool.rs", 31, 20);
    finding(id, WaitReason::ChanReceive, vec![wait(WaitReason::ChanReceive, line, Some(on))])
}

fn ids(finding: &Finding) -> Vec<u64> {
    finding.goroutines.iter().map(|id| id.get()).collect()
}

#[test]
fn equal_leaks_become_one_group_with_the_longest_wait_and_the_first_ids() {
    let mut all: Vec<Finding> = (10..30).rev().map(receiver).collect();
    all[3].waited = Duration::from_secs(9);
    let groups = group(all);
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].count, 20);
    assert_eq!(groups[0].waited, Duration::from_secs(9));
    assert_eq!(ids(&groups[0]), (10..18).collect::<Vec<_>>());
    assert_eq!(groups[0].notes, [""; 0]);
}

#[test]
fn a_difference_in_verdict_spawn_line_or_wait_line_keeps_groups_apart() {
    let mut all: Vec<Finding> = (1..=5).map(receiver).collect();
    all[1].verdict = Verdict::External;
    all[2].created_at.line += 1;
    all[3].waits[0].at.line += 1;
    all[4].is_body = true;
    assert_eq!(group(all).len(), 5);
}

#[test]
fn untraced_goroutines_join_the_first_traced_group_that_equals_them() {
    let mut all: Vec<Finding> = (1..=6).map(receiver).collect();
    all[1].stacks = vec![vec![frame("pool::a", "src/pool.rs", 31, 20)]];
    all[2].stacks = vec![vec![frame("pool::b", "src/pool.rs", 31, 20)]];
    all[4].stacks = all[2].stacks.clone();
    let groups = group(all);
    let seen: Vec<_> = groups.iter().map(|f| (f.stacks[0][0].function.as_str(), ids(f))).collect();
    assert_eq!(seen, [("pool::a", vec![1, 2, 4, 6]), ("pool::b", vec![3, 5])]);
}

#[test]
fn figures_that_stand_for_one_goroutine_only_say_so() {
    let mut all: Vec<Finding> = (1..=3).map(receiver).collect();
    all[1].waits[0].primitive = Some(chan(10, (0, 0), (1, 1)));
    all[2].waits[0].primitive = Some(chan(11, (0, 0), (1, 1)));
    let groups = group(all);
    assert_eq!(groups[0].count, 3);
    assert_eq!(
        groups[0].notes,
        ["the figures are those of G1; others wait on primitives of their own"]
    );
}

#[test]
fn a_group_of_timers_says_when_the_first_is_due() {
    let mut all: Vec<Finding> = (1..=3).map(receiver).collect();
    for (finding, secs) in all.iter_mut().zip([5, 3, 4]) {
        finding.verdict = Verdict::Timer { due_in: Duration::from_secs(secs) };
    }
    assert_eq!(group(all)[0].verdict, Verdict::Timer { due_in: Duration::from_secs(3) });
}

#[test]
fn the_body_comes_first_then_causes_then_victims() {
    let mut all: Vec<Finding> = (1..=8).map(receiver).collect();
    let holder = Holder::Goroutine { id: g(5), verdict: "Timer" };
    all[0].verdict = Verdict::Reachable { by: holder };
    all[1].reason = WaitReason::WaitGroupWait;
    all[2].verdict = Verdict::External;
    all[3].verdict = Verdict::Running;
    all[4].verdict = Verdict::Timer { due_in: Duration::from_secs(1) };
    all[6].is_body = true;
    // 8 and 6 differ by their line; the larger group is first.
    all[7].created_at.line = 99;
    let mut twin = all[7].clone();
    twin.goroutines = vec![g(9)];
    all.push(twin);
    let order: Vec<Vec<u64>> = group(all).iter().map(ids).collect();
    assert_eq!(order, [vec![7], vec![8, 9], vec![6], vec![2], vec![4], vec![5], vec![3], vec![1]]);
}

#[test]
fn a_hundred_thousand_leaks_are_one_group() {
    // Quadratic time would be minutes.
    let groups = group((1..=100_000).map(receiver));
    assert_eq!((groups.len(), groups[0].count), (1, 100_000));
    assert_eq!(groups[0].goroutines.len(), NAMED);
}
