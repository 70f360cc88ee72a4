//! Channels that keep each other alive by what lies in their buffers. A cycle that nobody can reach is
//! proven; one that a static or a live goroutine leads into is not.

use gmp::inspect::WaitReason;
use gmp::time::sleep;
use gmp::{Chan, Receiver, Sender, chan, channel, go};

use crate::support::{HOUR, assert_held_by, assert_held_outside, finding, keep, report_on};

/// A value that is itself a handle of a channel of such values.
#[derive(Debug)]
enum Handle {
    Chan(#[allow(dead_code, reason = "held, not used")] Chan<Handle>),
    Receiver(#[allow(dead_code, reason = "held, not used")] Receiver<Handle>),
    Sender(#[allow(dead_code, reason = "held, not used")] Sender<u32>),
    Nothing,
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn a_chan_in_its_own_buffer() {
    let ch = chan(1);
    ch.send(Handle::Chan(ch.clone())).await;
    drop(go(async move { ch.send(Handle::Nothing).await }));
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn a_receiver_in_its_own_buffer() {
    let (tx, rx) = channel(1);
    tx.send(Handle::Receiver(rx)).await.expect("open");
    drop(go(async move { tx.send(Handle::Nothing).await }));
}

#[gmp::test(expect_leak("chan send: Proven"))]
async fn two_channels_in_each_others_buffers() {
    let (a, b) = (chan(1), chan(1));
    a.send(Handle::Chan(b.clone())).await;
    b.send(Handle::Chan(a.clone())).await;
    drop(b);
    drop(go(async move { a.send(Handle::Nothing).await }));
}

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn a_sender_in_a_cycle() {
    let (tx, rx) = channel::<u32>(0);
    let ch = chan(2);
    ch.send(Handle::Sender(tx)).await;
    ch.send(Handle::Chan(ch.clone())).await;
    drop(ch);
    drop(go(async move { rx.recv().await }));
}

/// Two goroutines, each stuck in a send to a channel which holds a handle of itself: one of a pair, one
/// of a `Chan`. Gives back other handles that could release them.
async fn stuck_on_cycles() -> [Handle; 2] {
    let (tx, rx) = channel(1);
    tx.send(Handle::Receiver(rx.clone())).await.expect("open");
    drop(go(async move { tx.send(Handle::Nothing).await }));
    let ch = chan(1);
    ch.send(Handle::Chan(ch.clone())).await;
    let sends = ch.clone();
    drop(go(async move { sends.send(Handle::Nothing).await }));
    [Handle::Receiver(rx), Handle::Chan(ch)]
}

#[gmp::test(expect_leak("2 chan send: Proven"))]
async fn cycles_that_nobody_leads_into() {
    drop(stuck_on_cycles().await);
}

#[gmp::test(expect_leak("2 chan send: Reachable"))]
async fn cycles_that_the_buffer_of_a_static_leads_into() {
    let early = chan(2);
    keep(early.clone());
    for handle in stuck_on_cycles().await {
        early.send(handle).await;
    }
}

#[gmp::test(expect_leak("2 chan send: Reachable"))]
async fn cycles_that_the_buffer_of_a_later_static_leads_into() {
    let handles = stuck_on_cycles().await;
    let late = chan(2);
    keep(late.clone());
    for handle in handles {
        late.send(handle).await;
    }
}

#[gmp::test(expect_leak("2 chan send: Reachable", "sleep: Timer"))]
async fn cycles_that_a_sleeper_leads_into() {
    let handles = stuck_on_cycles().await;
    drop(go(async move {
        sleep(HOUR).await;
        drop(handles);
    }));
}

#[test]
fn the_sleeper_is_not_the_last_that_holds_the_cycles() {
    let report = report_on("cycles::cycles_that_a_sleeper_leads_into");
    // The cycle outlives the sleeper, so nobody can be named.
    finding(&report, WaitReason::Sleep);
    for finding in report.groups().filter(|f| f.reason == WaitReason::ChanSend) {
        assert_held_outside(finding);
    }
}

#[gmp::test(expect_leak("2 chan send: Reachable", "chan receive: Reachable"))]
async fn cycles_that_a_stuck_goroutine_leads_into_which_a_static_could_release() {
    let handles = stuck_on_cycles().await;
    let (tx, waits) = channel::<u32>(0);
    keep(tx);
    drop(go(async move {
        waits.recv().await;
        drop(handles);
    }));
}

#[gmp::test(expect_leak("chan receive: Reachable"))]
async fn a_sender_in_the_buffer_of_a_static() {
    let (tx, rx) = channel::<u32>(0);
    let ch = chan(1);
    keep(ch.clone());
    ch.send(Handle::Sender(tx)).await;
    drop(go(async move { rx.recv().await }));
}

#[gmp::test(expect_leak("chan receive: Reachable", "sleep: Timer"))]
async fn a_sender_in_the_buffer_of_a_sleeper() {
    let (tx, rx) = channel::<u32>(0);
    let ch = chan(1);
    ch.send(Handle::Sender(tx)).await;
    drop(go(async move { rx.recv().await }));
    drop(go(async move {
        sleep(HOUR).await;
        ch.recv().await
    }));
}

#[test]
fn the_sleeper_with_the_buffer_is_named() {
    let report = report_on("cycles::a_sender_in_the_buffer_of_a_sleeper");
    let stuck = finding(&report, WaitReason::ChanReceive);
    assert_held_by(stuck, finding(&report, WaitReason::Sleep), "Timer");
}

#[gmp::test(expect_leak("chan receive: Reachable", "sleep: Timer"))]
async fn a_sender_in_the_buffer_of_a_static_beside_a_sleeper() {
    let (tx, rx) = channel::<u32>(0);
    let ch = chan(1);
    keep(ch.clone());
    ch.send(Handle::Sender(tx)).await;
    drop(go(async move { rx.recv().await }));
    drop(go(sleep(HOUR)));
}

#[test]
fn the_sleeper_beside_it_is_not_blamed() {
    let report = report_on("cycles::a_sender_in_the_buffer_of_a_static_beside_a_sleeper");
    assert_held_outside(finding(&report, WaitReason::ChanReceive));
}
