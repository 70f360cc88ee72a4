//! The advice for each pattern of leak.

use core::time::Duration;

use gmp_core::inspect::{GoroutineId, IoWant, PrimitiveKind};

use super::super::finding::*;
use super::super::fixtures::*;
use super::*;
use crate::leak::severity::Severity;

/// The advice for the first of these findings, without any source at hand.
fn first(findings: Vec<Finding>) -> String {
    of(&report(findings))
}

fn of(report: &Report) -> String {
    remedy(&report.findings[0], report, &Sources::new(Vec::new()))
}

/// A goroutine that waits in this way on this primitive, at line 31.
fn stuck(id: u64, reason: WaitReason, on: Primitive) -> Finding {
    finding(id, reason, vec![wait(reason, at("src/pool.rs", 31, 20), Some(on))])
}

/// Asserts that `advice` holds every one of these words.
#[track_caller]
fn says(advice: &str, words: &[&str]) {
    for word in words {
        assert!(advice.contains(word), "{word:?} is not in: {advice}");
    }
}

#[test]
fn an_unbuffered_send_gets_room_for_every_sender() {
    let mut leak = stuck(7, WaitReason::ChanSend, chan(4, (0, 0), (2, 2)));
    leak.count = 3;
    let shared = first(vec![leak.clone()]);
    says(&shared, &["`chan(3)` instead of `chan(0)` at src/pool.rs:4", "ctx.done()"]);
    leak.notes.push(format!("the figures are those of G7; {OWN_PRIMITIVES}"));
    says(&first(vec![leak]), &["`chan(1)`"]);
}

#[test]
fn a_full_buffer_is_named_with_its_figures() {
    let advice = first(vec![stuck(7, WaitReason::ChanSend, chan(4, (8, 8), (2, 2)))]);
    says(&advice, &["chan #4 is full (8 of 8)", "ctx.done()"]);
}

#[test]
fn a_receiver_is_told_to_close_and_that_dropping_does_not() {
    let advice = first(vec![stuck(7, WaitReason::ChanReceive, chan(4, (0, 8), (2, 2)))]);
    says(
        &advice,
        &["Nobody is left to send on chan #4", "close", "dropping a `Chan` never closes"],
    );
}

#[test]
fn a_pair_closes_by_drop_so_its_senders_must_go() {
    let mut on = chan(4, (0, 8), (2, 1));
    if let Figure::Chan { pair, .. } = &mut on.figure {
        *pair = true;
    }
    let advice = first(vec![stuck(7, WaitReason::ChanReceive, on.clone())]);
    says(&advice, &["last `Sender` is dropped", "2 are alive"]);
    assert!(!advice.contains("close()"), "{advice}");
    says(&first(vec![stuck(7, WaitReason::ChanSend, on)]), &["chan #4 is full"]);
}

#[test]
fn the_variable_is_read_from_the_source_line() {
    let dir = std::env::temp_dir().join(format!("gmp-remedy-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let text = "let job = self.jobs.recv().await;\ngmp::sleep(1).await;\n  .recv()\n";
    std::fs::write(dir.join("a.rs"), text).unwrap();
    let name = |line, column| {
        let mut leak = stuck(7, WaitReason::ChanReceive, chan(4, (0, 8), (2, 2)));
        leak.waits[0].at = at("a.rs", line, column);
        let report = report(vec![leak]);
        remedy(&report.findings[0], &report, &Sources::new(vec![dir.clone()]))
    };
    says(&name(1, 21), &["call `self.jobs.close()`"]);
    says(&name(2, 1), &["chan #4"]);
    says(&name(3, 4), &["chan #4"]);
    says(&name(1, 900), &["chan #4"]);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_is_reachable_is_never_said_to_be_out_of_reach() {
    let mut leak = stuck(7, WaitReason::ChanReceive, chan(4, (0, 8), (2, 2)));
    leak.verdict = Verdict::Reachable { by: Holder::Outside };
    let advice = first(vec![leak.clone()]);
    says(&advice, &["outside this test could still send"]);
    assert!(!advice.contains("Nobody"), "{advice}");
    leak.verdict = Verdict::Reachable { by: Holder::Goroutine { id: g(9), verdict: "Timer" } };
    says(&first(vec![leak]), &["Only G9 (Timer) could still send"]);
}

#[test]
fn a_body_asleep_is_told_to_start_its_peer_before() {
    for (reason, peer) in [(WaitReason::ChanSend, "receiver"), (WaitReason::ChanReceive, "sender")]
    {
        let mut leak = stuck(1, reason, chan(4, (0, 0), (1, 1)));
        leak.is_body = true;
        let mut report = report(vec![leak]);
        report.outcome = BodyOutcome::Asleep;
        says(&of(&report), &[&format!("Start the {peer} with `go` before this line")]);
    }
}

fn mutex(id: u64, holder: Option<u64>) -> Primitive {
    let figure = Figure::Mutex {
        holder: holder.and_then(GoroutineId::from_u64),
        locked_at: Some(at("src/pool.rs", 20, 9)),
    };
    primitive(id, PrimitiveKind::Mutex, figure)
}

#[test]
fn a_lock_names_its_holder_and_what_that_is_stuck_in() {
    let holder = stuck(8, WaitReason::ChanSend, chan(4, (0, 0), (1, 1)));
    let advice = first(vec![stuck(7, WaitReason::MutexLock, mutex(5, Some(8))), holder]);
    says(&advice, &["G8 locked mutex #5 at src/pool.rs:20", "chan send at src/pool.rs:31"]);
    says(&first(vec![stuck(7, WaitReason::MutexLock, mutex(5, Some(7)))]), &["not recursive"]);
    says(&first(vec![stuck(7, WaitReason::MutexLock, mutex(5, Some(9)))]), &["never dropped"]);
    says(&first(vec![stuck(7, WaitReason::MutexLock, mutex(5, None))]), &["mem::forget"]);
}

/// A step of a circle from one goroutine to another.
fn step(from: u64, to: u64, on: (u64, PrimitiveKind), locked: bool) -> Edge {
    Edge {
        from: g(from),
        to: g(to),
        primitive: Some((p(on.0), on.1)),
        at: Some(at("src/pool.rs", 31, 20)),
        held_at: locked.then(|| at("src/pool.rs", 20, 9)),
    }
}

fn with_circle(mut leak: Finding, steps: Vec<Edge>) -> String {
    leak.circle = Some(Circle { length: steps.len(), steps });
    first(vec![leak])
}

#[test]
fn a_circle_is_broken_where_that_is_easiest() {
    let leak = || stuck(7, WaitReason::MutexLock, mutex(5, Some(8)));
    let (lock, chan) = (PrimitiveKind::Mutex, PrimitiveKind::Chan);
    let locks = vec![step(7, 8, (5, lock), true), step(8, 7, (6, lock), true)];
    says(&with_circle(leak(), locks), &["different orders", "one order everywhere"]);
    let mixed = vec![step(7, 8, (5, lock), true), step(8, 7, (6, chan), false)];
    let words =
        ["let G8 drop the guard it took at src/pool.rs:20 before it waits at src/pool.rs:31"];
    says(&with_circle(leak(), mixed), &words);
    let chans = vec![step(7, 8, (5, chan), false), step(8, 7, (6, chan), false)];
    says(&with_circle(leak(), chans), &["the channel that G7 waits on at src/pool.rs:31 room"]);
}

#[test]
fn a_holder_that_waits_elsewhere_is_named_with_its_lock() {
    let advice = first(vec![
        stuck(7, WaitReason::MutexLock, mutex(5, Some(8))),
        stuck(8, WaitReason::MutexLock, mutex(6, Some(9))),
        stuck(9, WaitReason::MutexLock, mutex(5, Some(8))),
    ]);
    says(&advice, &["G8 locked mutex #5", "sync.Mutex.Lock at src/pool.rs:31"]);
}

fn wait_group() -> Primitive {
    let figure = Figure::WaitGroup {
        counter: 2,
        adds: vec![(at("src/pool.rs", 9, 1), 3)],
        dones: vec![(at("src/pool.rs", 14, 1), 1)],
    };
    primitive(6, PrimitiveKind::WaitGroup, figure)
}

#[test]
fn a_wait_group_shows_its_sums_and_who_owes() {
    let leak = stuck(1, WaitReason::WaitGroupWait, wait_group());
    let sums = "2 `done`s are missing for the `add(3)` at src/pool.rs:9.";
    says(&first(vec![leak.clone()]), &[sums, "Move `add` in front", "wg.go(..)"]);
    let debtor = stuck(8, WaitReason::ChanSend, chan(4, (0, 0), (1, 1)));
    says(&first(vec![leak.clone(), debtor]), &["G8, stuck in chan send at src/pool.rs:31"]);
    let mut report = report(vec![leak]);
    let message = "boom".to_owned();
    let created_at = at("src/pool.rs", 12, 5);
    report.panics.push(GoroutinePanic {
        severity: Severity::Deny,
        goroutine: Some(g(9)),
        created_at,
        message,
    });
    says(&of(&report), &["G9, started at src/pool.rs:12, panicked"]);
}

fn context(cancel_handles: usize) -> Primitive {
    let figure = Figure::Context { cancel_handles, deadline_in: None, below_test_context: false };
    primitive(3, PrimitiveKind::Context, figure)
}

#[test]
fn a_context_tells_why_it_is_never_done() {
    let leak = |handles, fault| {
        let mut leak = stuck(7, WaitReason::ContextDone, context(handles));
        leak.context = Some(fault);
        first(vec![leak])
    };
    says(&leak(0, ContextFault::HandleDropped), &["dropping does not cancel"]);
    let words = ["2 cancel handles are alive", "nobody calls `cancel()`"];
    says(&leak(2, ContextFault::NotCancelled { handles: 2 }), &words);
    let root = ContextFault::NeverDone { kind: "background" };
    says(&leak(0, root), &["is a `background()`, which is never done"]);
    let (at, derive_from) = (at("src/pool.rs", 2, 1), at("src/pool.rs", 77, 1));
    let broken = ContextFault::OtherRoot { at, kind: "background", derive_from };
    says(&leak(1, broken), &["broken at src/pool.rs:2", "the one made at src/pool.rs:77"]);
}

#[test]
fn a_sleeper_is_told_how_long_and_how_to_end_it() {
    let due_in = Duration::from_secs(3_600);
    let timer = primitive(2, PrimitiveKind::Timer, Figure::Timer { due_in });
    let mut leak = stuck(7, WaitReason::Sleep, timer);
    leak.verdict = Verdict::Timer { due_in };
    says(&first(vec![leak]), &["due in 1 h", "`ctx.done()`", "src/pool.rs:12", "`abort()`"]);
}

#[test]
fn whoever_waits_for_the_world_outside_is_told_how_to_stop() {
    let advice = |want, peer: Option<&str>| {
        let (local, peer) = (Some("10.0.0.1:80".to_owned()), peer.map(str::to_owned));
        let figure = Figure::Io { local, peer, want, since: Duration::from_secs(3) };
        let socket = primitive(4, PrimitiveKind::TcpStream, figure);
        first(vec![stuck(7, WaitReason::IoWait, socket)])
    };
    let peer = Some("192.0.2.7:443");
    says(
        &advice(IoWant::Read, peer),
        &["Nothing came from the other end (192.0.2.7:443)", "read deadline", "`ctx.done()`"],
    );
    says(&advice(IoWant::Read, None), &["Nothing came from the other end, and"]);
    says(
        &advice(IoWant::Write, peer),
        &["No room to write: the other end (192.0.2.7:443)", "write deadline", "`ctx.done()`"],
    );
    says(
        &advice(IoWant::Connect, peer),
        &["No answer came from the other end (192.0.2.7:443)", "`gmp::time::timeout`"],
    );
    says(&advice(IoWant::Accept, None), &["Nobody connects any more", "`close()` the listener"]);
    says(
        &advice(IoWant::Exit, Some("pid 4711")),
        &["The child has not exited", "`kill_on_drop(true)`", "`ctx.done()`"],
    );
}

#[test]
fn a_select_is_judged_by_the_arm_that_should_end_it() {
    let line = at("src/pool.rs", 31, 5);
    let arm = |reason, on| wait(reason, line.clone(), Some(on));
    let recv = || arm(WaitReason::ChanReceive, chan(4, (0, 0), (1, 1)));
    let done = arm(WaitReason::ContextDone, context(0));
    let plain = finding(7, WaitReason::Select, vec![recv(), recv()]);
    says(&first(vec![plain]), &["one of its 2 arms", "arm for `ctx.done()`", "close chan #4"]);
    let mut with_context = finding(7, WaitReason::Select, vec![recv(), done]);
    with_context.context = Some(ContextFault::HandleDropped);
    says(&first(vec![with_context]), &["dropping does not cancel"]);
}

#[test]
fn what_has_no_primitive_is_told_by_its_lines() {
    let leak = |reason| {
        let mut leak = finding(7, reason, Vec::new());
        leak.stacks = vec![vec![frame("pool::spin", "src/pool.rs", 44, 9)]];
        first(vec![leak])
    };
    says(&leak(WaitReason::ChanReceiveNil), &["nil channel", "`chan(..)`"]);
    says(&leak(WaitReason::SelectNoCases), &["without arms"]);
    says(&leak(WaitReason::External), &["outside gmp's primitives", "src/pool.rs:12"]);
    says(&leak(WaitReason::NoWaker), &["src/pool.rs:44", "cx.waker()"]);
    says(&leak(WaitReason::Runnable), &["yields", "src/pool.rs:44"]);
    says(&leak(WaitReason::Running), &["src/pool.rs:44", "gmp::blocking"]);
}

#[test]
fn a_join_points_at_the_goroutine_that_it_waits_for() {
    let target = primitive(8, PrimitiveKind::Goroutine, Figure::Goroutine { target: g(8) });
    let joiner = stuck(7, WaitReason::Join, target);
    says(&first(vec![joiner.clone()]), &["G8", "abort()"]);
    let leak = stuck(8, WaitReason::ChanSend, chan(4, (0, 0), (1, 1)));
    says(
        &first(vec![joiner, leak]),
        &["G8", "chan send at src/pool.rs:31", "Cure that leak first"],
    );
}

fn rwlock(holders: &[Option<u64>], writer: bool, pending_writers: usize) -> Primitive {
    let holder = |id: &Option<u64>| (id.and_then(GoroutineId::from_u64), at("src/pool.rs", 20, 9));
    let holders = holders.iter().map(holder).collect();
    primitive(5, PrimitiveKind::RwLock, Figure::RwLock { holders, writer, pending_writers })
}

#[test]
fn a_rwlock_names_who_holds_it_and_how() {
    let read = |on| stuck(7, WaitReason::RwLockRead, on);
    let write = |on| stuck(7, WaitReason::RwLockWrite, on);
    let advice = first(vec![read(rwlock(&[Some(8)], true, 0))]);
    says(&advice, &["G8 locked rwlock #5 for writing at src/pool.rs:20", "never dropped"]);
    let holder = stuck(8, WaitReason::ChanSend, chan(4, (0, 0), (1, 1)));
    let advice = first(vec![write(rwlock(&[Some(8), Some(9)], false, 1)), holder]);
    says(&advice, &["G8 locked rwlock #5 for reading", "stuck in chan send at src/pool.rs:31"]);
    says(&first(vec![read(rwlock(&[Some(7)], false, 1))]), &["waiting writer stops new readers"]);
    says(&first(vec![write(rwlock(&[Some(7)], true, 0))]), &["not recursive"]);
    says(&first(vec![write(rwlock(&[None], false, 0))]), &["outside any goroutine"]);
    says(&first(vec![read(rwlock(&[], false, 1))]), &["A writer is in line", "Await or drop"]);
}

#[test]
fn a_cond_wants_a_signal() {
    let on = primitive(5, PrimitiveKind::Cond, Figure::None);
    let advice = first(vec![stuck(7, WaitReason::CondWait, on)]);
    says(&advice, &["Nobody is left to signal cond #5", "`broadcast`"]);
}

#[test]
fn a_once_names_its_runner() {
    let once = |id| {
        let runner = GoroutineId::from_u64(id);
        let figure = Figure::Once { runner, called_at: Some(at("src/pool.rs", 20, 9)) };
        stuck(7, WaitReason::OnceDo, primitive(5, PrimitiveKind::Once, figure))
    };
    let runner = stuck(8, WaitReason::ChanReceive, chan(4, (0, 0), (1, 1)));
    let advice = first(vec![once(8), runner]);
    says(&advice, &["G8 runs it, called at src/pool.rs:20", "chan receive at src/pool.rs:31"]);
    says(&first(vec![once(7)]), &["G7 itself runs it", "must not call once #5 again"]);
    says(&first(vec![once(9)]), &["never ends"]);
}

#[test]
fn a_semaphore_names_the_lines_that_keep_permits() {
    let semaphore = |wants| {
        let taken = vec![(at("src/pool.rs", 20, 9), 3)];
        let figure = Figure::Semaphore { free: 1, size: 4, wants, taken };
        stuck(7, WaitReason::Semacquire, primitive(5, PrimitiveKind::Semaphore, figure))
    };
    says(&first(vec![semaphore(2)]), &["not given back: 3 taken at src/pool.rs:20"]);
    says(&first(vec![semaphore(5)]), &["wants 5 permits, and semaphore #5 has 4 in all"]);
}

/// The advice for a finding whose goroutine is started at line `go` of `text` and waits at line `at`.
fn beside(text: &str, name: &str, go: u32, at_line: (u32, u32), mut leak: Finding) -> String {
    let dir = std::env::temp_dir().join(format!("gmp-nearby-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("a.rs"), text).unwrap();
    leak.created_at = at("a.rs", go, 5);
    for wait in &mut leak.waits {
        wait.at = at("a.rs", at_line.0, at_line.1);
    }
    let report = report(vec![leak]);
    let advice = remedy(&report.findings[0], &report, &Sources::new(vec![dir.clone()]));
    std::fs::remove_dir_all(&dir).unwrap();
    advice
}

#[test]
fn a_send_before_the_stuck_one_is_named() {
    let send = || stuck(7, WaitReason::ChanSend, chan(4, (0, 0), (2, 2)));
    let twice = "fn f() {\n    ch.send(0);\n    my_ch.send(1);\n\n    ch.send(2);\n";
    says(&beside(twice, "twice", 1, (5, 8), send()), &["before this one, at a.rs:2", "return"]);
    let other = "    ch.send(0);\nfn f() {\n    my_ch.send(1);\n\n    ch.send(2);\n";
    let advice = beside(other, "other", 1, (5, 8), send());
    assert!(!advice.contains("before this one"), "{advice}");
}

#[test]
fn an_add_inside_the_goroutine_is_named_with_its_go() {
    let send = || stuck(7, WaitReason::ChanSend, chan(4, (0, 0), (2, 2)));
    let inside = "go(async {\n    wg.add(1);\n    ch.send(2);\n    wg.done();\n";
    let advice = beside(inside, "inside", 1, (3, 8), send());
    says(&advice, &["The `add` at a.rs:2 runs inside", "front of the `go` at a.rs:1"]);
    let sums = "go(async {\n    set.add(1);\n    ch.send(2);\n    wg.done();\n";
    let advice = beside(sums, "sums", 1, (3, 8), send());
    assert!(!advice.contains("`add`"), "{advice}");
}

#[test]
fn the_arm_that_leaves_a_select_is_the_one_to_close() {
    let on = || wait(WaitReason::ChanReceive, at("a.rs", 1, 5), Some(chan(4, (0, 0), (1, 1))));
    let select = || finding(7, WaitReason::Select, vec![on(), on()]);
    let text = |arm: &str| {
        format!("    select! {{\n        recv(work) -> _ => go_on(),\n        {arm}\n    }}\n")
    };
    for arm in ["recv(stop) -> _ => break,", "recv(stop) -> _ => {\n            return;"] {
        says(&beside(&text(arm), "arm", 1, (1, 5), select()), &["close `stop`, whose arm ends it"]);
    }
    let both = text("recv(stop) -> _ => break,").replace("go_on()", "return");
    says(&beside(&both, "both", 1, (1, 5), select()), &["close chan #4 when its producers"]);
}
