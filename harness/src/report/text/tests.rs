//! Whole reports, compared with the files in `golden/`. `UPDATE_GOLDEN=1` writes them anew.

use core::time::Duration;
use std::path::{Path, PathBuf};

use gmp_core::inspect::{IoWant, PrimitiveKind, TimerInfo, WaitReason};

use super::page::uncoloured;
use super::*;
use crate::leak::code::Code;
use crate::leak::severity::Severity;
use crate::leak::verdict::{Holder, Verdict};
use crate::report::finding::*;
use crate::report::fixtures::*;

const POOL: &str = "src/pool.rs";

/// The folder of the golden files, which is also the workspace of the program that they show.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/text/golden")
}

fn rendered(report: &Report, style: &Style) -> String {
    render_with(report, style, &Sources::new(vec![golden()]))
}

/// Compares the plain text of `report` with a golden file, and looks for what no report may hold.
#[track_caller]
fn check(name: &str, report: &Report) {
    let text = rendered(report, &Style::plain());
    for line in text.lines() {
        assert!(!line.chars().any(char::is_control), "control character in {line:?}");
        assert_eq!(line, line.trim_end(), "trailing space");
    }
    let file = golden().join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(text == expected.replace("\r\n", "\n"), "{name}: expected\n{expected}\ngot\n{text}");
    assert_eq!(uncoloured(&rendered(report, &Style::coloured())), text);
}

/// A wait in the program's source.
fn waits(reason: WaitReason, line: u32, column: u32, on: Primitive) -> Wait {
    wait(reason, at(POOL, line, column), Some(on))
}

/// Three workers that range over a channel nobody closes.
fn workers() -> Finding {
    let recv = waits(WaitReason::ChanReceive, 34, 19, chan(4, (0, 8), (5, 5)));
    let mut leak = finding(7, WaitReason::ChanReceive, vec![recv]);
    leak.count = 3;
    leak.goroutines = vec![g(7), g(8), g(9)];
    leak.waited = Duration::from_millis(1_234);
    leak.created_at = at(POOL, 12, 9);
    leak.stacks = vec![vec![
        frame("pool::Pool::next", POOL, 34, 26),
        frame("pool::Pool::work", POOL, 26, 43),
        frame("pool::shuts_down", POOL, 12, 42),
    ]];
    leak
}

/// A sleeper in a line that is too long to show.
fn sleeper() -> Finding {
    let due_in = Duration::from_secs(3_599);
    let timer = primitive(5, PrimitiveKind::Timer, Figure::Timer { due_in });
    let mut leak = finding(12, WaitReason::Sleep, vec![waits(WaitReason::Sleep, 54, 142, timer)]);
    leak.verdict = Verdict::Timer { due_in };
    leak.created_by = None;
    leak.created_at = at(POOL, 59, 5);
    leak
}

/// The body, which waits for two `done`s that never come.
fn body() -> Finding {
    let figure = Figure::WaitGroup {
        counter: 2,
        adds: vec![(at(POOL, 18, 8), 3)],
        dones: vec![(at(POOL, 19, 29), 1)],
    };
    let wg = primitive(6, PrimitiveKind::WaitGroup, figure);
    let mut body =
        finding(1, WaitReason::WaitGroupWait, vec![waits(WaitReason::WaitGroupWait, 20, 8, wg)]);
    body.is_body = true;
    body.created_at = at(POOL, 3, 1);
    body.created_by = None;
    body
}

/// A watcher whose context was derived from `background()`.
fn watcher() -> Finding {
    let figure =
        Figure::Context { cancel_handles: 0, deadline_in: None, below_test_context: false };
    let context = primitive(21, PrimitiveKind::Context, figure);
    let mut done = chan(22, (0, 0), (2, 2));
    done.created_at = Some(at(POOL, 5, 16));
    let mut leak = finding(
        10,
        WaitReason::Select,
        vec![
            waits(WaitReason::ContextDone, 40, 17, context),
            waits(WaitReason::ChanReceive, 41, 18, done),
        ],
    );
    leak.created_at = at(POOL, 14, 5);
    leak.context = Some(ContextFault::OtherRoot {
        at: at(POOL, 15, 27),
        kind: "background",
        derive_from: at(POOL, 8, 28),
    });
    let frames = vec![frame("pool::watch", POOL, 39, 5), frame("pool::shuts_down", POOL, 16, 28)];
    leak.stacks = vec![frames.clone(), frames];
    leak
}

fn context(id: u64, kind: &'static str, line: u32, children: Vec<ContextNode>) -> ContextNode {
    ContextNode {
        id: p(id),
        kind,
        created_at: at(POOL, line, 27),
        created_by: Some(g(1)),
        state: ContextState::Active { cancel_handles: Some(1), deadline_in: None },
        waiting: Vec::new(),
        more_waiting: 0,
        broken_from: None,
        children,
    }
}

/// The tree that belongs to [`watcher`].
fn contexts() -> Vec<ContextNode> {
    let mut timed = context(19, "with_timeout", 8, Vec::new());
    let deadline_in = Some(Duration::from_secs(5));
    timed.state = ContextState::Active { cancel_handles: Some(1), deadline_in };
    timed.created_by = None;
    let mut root = context(17, "test::context", 3, vec![]);
    root.state = ContextState::Cancelled { at: None };
    root.created_by = None;
    root.children =
        vec![context(18, "with_cancel", 8, vec![timed]), context(23, "with_value", 9, Vec::new())];
    let mut broken = context(20, "background", 15, Vec::new());
    broken.state = ContextState::Active { cancel_handles: None, deadline_in: None };
    broken.created_by = Some(g(10));
    broken.broken_from = Some(at(POOL, 8, 28));
    let mut child = context(21, "with_cancel", 15, Vec::new());
    child.state = ContextState::Active { cancel_handles: Some(0), deadline_in: None };
    child.created_by = Some(g(10));
    child.waiting = vec![g(10)];
    broken.children = vec![child];
    vec![root, broken]
}

#[test]
fn leaks_are_shown_from_symptom_to_remedy() {
    let mut report = report(vec![workers(), sleeper()]);
    report.stock.before = Counts { goroutines: 1, contexts: 1, ..Counts::default() };
    report.stock.after =
        Counts { goroutines: 5, chans: 1, timers: 1, contexts: 1, ..Counts::default() };
    report.hidden = vec![Hidden {
        rule: "created-by:metrics::*".to_owned(),
        source: "GMP_LEAK_IGNORE".to_owned(),
        count: 2,
        primitives: 0,
    }];
    check("leaks", &report);
}

#[test]
fn a_body_that_is_asleep_is_a_deadlock() {
    let mut report = report(vec![body(), workers()]);
    report.outcome = BodyOutcome::Asleep;
    check("asleep", &report);
}

#[test]
fn a_body_that_timed_out_says_where_it_is() {
    let mut body = body();
    body.verdict = Verdict::External;
    body.reason = WaitReason::External;
    body.waits.clear();
    body.stacks = vec![vec![
        frame(
            "tokio::sync::mpsc::bounded::Receiver::recv",
            "/home/u/.cargo/registry/src/index.crates.io-1f/tokio-1.54.1/src/sync/mpsc/bounded.rs",
            251,
            14,
        ),
        frame("pool::shuts_down", POOL, 20, 15),
    ]];
    let mut report = report(vec![body]);
    report.outcome = BodyOutcome::TimedOut(Duration::from_secs(60));
    check("timeout", &report);
}

#[test]
fn a_broken_chain_of_contexts_is_marked_in_the_tree() {
    let mut report = report(vec![watcher()]);
    report.contexts = contexts();
    report.outcome = BodyOutcome::Failed;
    check("contexts", &report);
}

#[test]
fn branches_of_a_join_are_shown_one_by_one() {
    let mut leak = finding(
        11,
        WaitReason::Select,
        vec![
            waits(WaitReason::ChanReceive, 46, 21, chan(30, (0, 0), (2, 2))),
            waits(WaitReason::ChanSend, 50, 7, chan(31, (1, 1), (2, 2))),
        ],
    );
    leak.reason = WaitReason::ChanReceive;
    leak.verdict = Verdict::Reachable { by: Holder::Goroutine { id: g(12), verdict: "Timer" } };
    leak.created_at = at(POOL, 60, 5);
    let outer = [frame("pool::both", POOL, 46, 5), frame("pool::starts", POOL, 61, 22)];
    leak.stacks = vec![
        [&[frame("pool::both", POOL, 46, 28)], &outer[..]].concat(),
        [&[frame("pool::send_all", POOL, 50, 15)], &outer[..]].concat(),
    ];
    check("join", &report(vec![leak, sleeper()]));
}

#[test]
fn locks_in_different_orders_are_told_as_a_circle() {
    let lock = |id: u64, holder: u64, line| {
        let figure = Figure::Mutex { holder: Some(g(holder)), locked_at: Some(at(POOL, 27, 36)) };
        let mutex = primitive(id + 40, PrimitiveKind::Mutex, figure);
        finding(id, WaitReason::MutexLock, vec![waits(WaitReason::MutexLock, line, 36, mutex)])
    };
    let step = |from, to| Edge {
        from: g(from),
        to: g(to),
        primitive: Some((p(from + 40), PrimitiveKind::Mutex)),
        at: Some(at(POOL, 27, 36)),
        held_at: Some(at(POOL, 26, 9)),
    };
    let mut first = lock(3, 4, 27);
    first.code = Code::Circle;
    first.circle = Some(Circle { steps: vec![step(3, 4), step(4, 3)], length: 2 });
    let mut second = lock(4, 3, 27);
    second.waits_for = Some(g(3));
    first.followers = vec![second];
    check("lock_order", &report(vec![first]));
}

#[test]
fn two_hundred_behind_one_lost_done_are_one_block() {
    let mut lost = body();
    lost.is_body = false;
    lost.goroutines = vec![g(6)];
    lost.created_by = Some(g(5));
    lost.ancestry =
        vec![Ancestor { id: g(5), at: at(POOL, 14, 5) }, Ancestor { id: g(1), at: at(POOL, 3, 1) }];
    lost.created_at = at(POOL, 19, 5);
    let mut receivers = workers();
    (receivers.count, receivers.waits_for) = (150, Some(g(6)));
    let mut chained = workers();
    (chained.count, chained.waits_for) = (48, Some(g(7)));
    let mut same = body();
    (same.is_body, same.goroutines, same.created_at) = (false, vec![g(207)], at(POOL, 60, 5));
    lost.followers = vec![receivers, chained, same];
    check("followers", &report(vec![lost]));
}

#[test]
fn what_primitives_left_undone_is_told_with_its_lines() {
    let left = |code: Code, kind, amount| Leftover {
        code,
        severity: code.default_severity(),
        id: p(6),
        kind,
        created_at: at(POOL, 4, 16),
        count: 1,
        amount,
        is_alive: false,
        lines: Vec::new(),
        held: None,
        timer: None,
    };
    let mut group = left(Code::WaitGroupLeft, PrimitiveKind::WaitGroup, 2);
    group.lines = vec![(at(POOL, 18, 8), 3), (at(POOL, 19, 29), -1)];
    group.count = 3;
    let mut unread = left(Code::UnreadValues, PrimitiveKind::Chan, 5);
    unread.severity = Severity::Deny;
    let mut guard = left(Code::ForgottenGuard, PrimitiveKind::Mutex, 1);
    guard.held = Some((Some(g(7)), at(POOL, 27, 36)));
    let mut context = left(Code::ContextLeft, PrimitiveKind::Context, 1);
    context.is_alive = true;
    let mut permits = left(Code::ForgottenGuard, PrimitiveKind::Semaphore, 3);
    permits.lines = vec![(at(POOL, 18, 8), 2), (at(POOL, 19, 29), 1)];
    let mut timer = left(Code::TimerLeft, PrimitiveKind::Ticker, 1);
    timer.is_alive = true;
    timer.timer = Some(TimerInfo {
        armed: true,
        due_in: Some(Duration::from_millis(350)),
        every: Some(Duration::from_secs(60)),
        resets: 2,
    });
    let mut report = report(Vec::new());
    report.leftovers = vec![unread, group, guard, permits, context, timer];
    check("leftovers", &report);
    report.leftovers.remove(0);
    assert!(rendered(&report, &Style::plain()).starts_with("gmp: a WaitGroup above zero"));
}

#[test]
fn possible_holders_are_named_by_the_lines_of_their_clones() {
    let mut leak = workers();
    leak.verdict = Verdict::Reachable { by: Holder::Outside };
    leak.possible_holders = vec![(at(POOL, 12, 9), 3), (at(POOL, 14, 5), 1)];
    check("possible_holders", &report(vec![leak]));
}

#[test]
fn a_panic_alone_is_a_failure_that_names_the_goroutine() {
    let mut report = report(Vec::new());
    report.panics.push(GoroutinePanic {
        severity: Severity::Deny,
        goroutine: Some(g(5)),
        created_at: at(POOL, 19, 5),
        message: "sync: negative WaitGroup counter".to_owned(),
    });
    check("panic", &report);
}

#[test]
fn a_panic_that_somebody_may_have_received_is_a_warning_that_names_the_line() {
    let mut report = report(Vec::new());
    report.panics.push(GoroutinePanic {
        severity: Severity::Warn,
        goroutine: None,
        created_at: at(POOL, 19, 5),
        message: "no answer".to_owned(),
    });
    check("panic_of_a_task", &report);
}

#[test]
fn a_note_of_the_check_alone_is_a_failure_that_says_it_first() {
    let mut report = report(Vec::new());
    report.reap_notes = vec!["a thread stays behind".to_owned()];
    let text = rendered(&report, &Style::plain());
    assert!(text.starts_with("Error: gmp: pool::shuts_down: a thread stays behind\n"), "{text}");
}

#[test]
fn a_select_of_64_arms_stays_short() {
    let arm = |n: u64| waits(WaitReason::ChanReceive, n as u32, 9, chan(100 + n, (0, 0), (1, 1)));
    let mut leak = finding(7, WaitReason::Select, (1..=64).map(arm).collect());
    leak.stacks = vec![vec![frame("pool::watch", POOL, 39, 5)]; 64];
    check("select", &report(vec![leak]));
}

#[test]
fn a_socket_shows_both_ends_and_a_child_its_number() {
    let wait_at = |id, line, column, kind, figure| {
        let on = primitive(id, kind, figure);
        let mut leak =
            finding(id, WaitReason::IoWait, vec![waits(WaitReason::IoWait, line, column, on)]);
        leak.verdict = Verdict::External;
        leak
    };
    let read = Figure::Io {
        local: Some("127.0.0.1:8080".into()),
        peer: Some("192.0.2.7:50123".into()),
        want: IoWant::Read,
        since: Duration::from_millis(1_234),
    };
    let exit = Figure::Io {
        local: None,
        peer: Some("pid 4711".into()),
        want: IoWant::Exit,
        since: Duration::from_secs(75),
    };
    check(
        "network",
        &report(vec![
            wait_at(7, 67, 12, PrimitiveKind::TcpStream, read),
            wait_at(8, 68, 12, PrimitiveKind::Process, exit),
        ]),
    );
}

#[test]
fn no_part_of_a_report_lets_control_characters_through() {
    let evil = "\x1b]0;owned\x07\x1b[2J\u{9b}31m\r\n\u{202e}\0";
    let place = || SourceLine { file: format!("{evil}.rs").into(), line: 7, column: 3 };
    let edge = |from, to| Edge {
        from: g(from),
        to: g(to),
        primitive: Some((p(9), PrimitiveKind::Mutex)),
        at: Some(place()),
        held_at: Some(place()),
    };
    let faults = [
        ContextFault::OtherRoot { at: place(), kind: "background", derive_from: place() },
        ContextFault::Ignored { made_at: place(), cancelled_at: Some(place()) },
    ];
    let mut findings: Vec<Finding> = Vec::new();
    for fault in faults {
        let on = primitive(9, PrimitiveKind::Context, Figure::None);
        let mut leak = finding(
            1,
            WaitReason::ContextDone,
            vec![wait(WaitReason::ContextDone, place(), Some(on))],
        );
        leak.context = Some(fault);
        leak.probe = Some(CancelProbe::Stays);
        leak.verdict = Verdict::Reachable { by: Holder::Outside };
        leak.possible_holders = vec![(place(), 1), (place(), 2)];
        leak.ancestry =
            vec![Ancestor { id: g(4), at: place() }, Ancestor { id: g(3), at: place() }];
        findings.push(leak);
    }
    let locked = Figure::Mutex { holder: Some(g(2)), locked_at: Some(place()) };
    let on = primitive(9, PrimitiveKind::Mutex, locked);
    let mut circle =
        finding(1, WaitReason::MutexLock, vec![wait(WaitReason::MutexLock, place(), Some(on))]);
    circle.circle = Some(Circle { steps: vec![edge(1, 2), edge(2, 1)], length: 2 });
    let mut follower = findings[0].clone();
    follower.waits_for = Some(g(1));
    circle.followers = vec![follower];
    findings.push(circle);
    let io = Figure::Io {
        local: Some(evil.to_owned()),
        peer: Some(evil.to_owned()),
        want: IoWant::Read,
        since: Duration::from_secs(1),
    };
    let on = primitive(10, PrimitiveKind::UnixStream, io);
    findings.push(finding(
        5,
        WaitReason::IoWait,
        vec![wait(WaitReason::IoWait, place(), Some(on))],
    ));
    let mut report = report(findings);
    report.leftovers = vec![Leftover {
        code: Code::ForgottenGuard,
        severity: Severity::Deny,
        id: p(6),
        kind: PrimitiveKind::Mutex,
        created_at: place(),
        count: 1,
        amount: 1,
        is_alive: true,
        lines: vec![(place(), 1)],
        held: Some((None, place())),
        timer: None,
    }];
    report.contexts = contexts();
    report.contexts[1].broken_from = Some(place());
    report.contexts[0].created_at = place();
    report.contexts[0].state = ContextState::Cancelled { at: Some(place()) };
    report.outcome = BodyOutcome::Panicked(evil.to_owned());
    let text = rendered(&report, &Style::plain());
    assert!(text.matches("\\u{1b}").count() > 20, "the names are there: {text}");
    for line in text.lines() {
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
    assert_eq!(uncoloured(&rendered(&report, &Style::coloured())), text);
}

#[test]
fn a_line_of_source_with_escapes_is_shown_without_them() {
    let folder = std::env::temp_dir().join(format!("gmp-escapes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("evil.rs");
    std::fs::write(&file, "let a = \"\x1b[2J\u{202e}\"; a.recv().await;\n").unwrap();
    let place = SourceLine { file: file.clone(), line: 1, column: 22 };
    let leak =
        finding(1, WaitReason::ChanReceive, vec![wait(WaitReason::ChanReceive, place, None)]);
    let told = |leak: &Finding| rendered(&report(vec![leak.clone()]), &Style::plain());
    let text = told(&leak);
    assert!(text.contains("let a = ") && text.contains(r"\u{1b}[2J\u{202e}"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    // A file that is gone since: its line is named and not shown.
    std::fs::remove_dir_all(&folder).unwrap();
    let text = told(&leak);
    assert!(text.contains("evil.rs:1:22") && !text.contains("let a = "), "{text}");
}

#[test]
fn a_hundred_thousand_hostile_leaks_fit_on_a_page() {
    let evil = "a\x1b[2Jb\r\nError: gmp: nothing\u{202e}";
    let place = SourceLine { file: format!("{evil}.rs").into(), line: 7, column: 3 };
    let mut on = chan(9, (0, 0), (1, 1));
    on.created_at = Some(place.clone());
    let mut leak =
        finding(1, WaitReason::ChanSend, vec![wait(WaitReason::ChanSend, place.clone(), Some(on))]);
    leak.count = 100_000;
    leak.goroutines = (1..=8).map(g).collect();
    leak.created_at = place.clone();
    leak.created_by = None;
    leak.notes = vec![evil.to_owned()];
    leak.verdict = Verdict::Reachable { by: Holder::Outside };
    let deep = (0..500).map(|n| frame(&format!("f{n}::{evil}"), "gone.rs", n + 1, 1));
    leak.stacks = vec![deep.collect()];
    leak.waited = Duration::from_secs(4_000);
    let mut report = report(vec![leak]);
    report.name = evil.to_owned();
    report.reap_notes = vec![evil.to_owned()];
    let (rule, source) = (evil.to_owned(), evil.to_owned());
    report.hidden = vec![Hidden { rule, source, count: 1, primitives: 2 }];
    let message = evil.repeat(99);
    let (severity, goroutine) = (Severity::Deny, Some(g(5)));
    report.panics = vec![GoroutinePanic { severity, goroutine, created_at: place, message }];
    check("hostile", &report);
    // Every list is bounded.
    report.findings = vec![report.findings[0].clone(); 44];
    report.panics = vec![report.panics[0].clone(); 25];
    report.more_panics = 1_000;
    report.reap_notes = vec![evil.to_owned(); 25];
    report.hidden = vec![report.hidden[0].clone(); 25];
    let text = rendered(&report, &Style::plain());
    for more in [
        "\nand 24 more groups of leaks, 2,400,000 goroutines in all\n",
        "\nand 1,005 more goroutines panicked\n",
        "\nreap      and 5 more\n",
        "\nhidden    and by 5 more rules\n",
    ] {
        assert!(text.contains(more), "{more:?} is not in {text}");
    }
    assert!(text.len() < 128 << 10, "{} bytes", text.len());
}

#[test]
fn a_large_tree_of_contexts_shows_what_leads_to_a_goroutine() {
    let mut roots = contexts();
    roots[0].children.extend((100..5_000).map(|id| context(id, "with_cancel", 8, Vec::new())));
    let mut deep = context(99, "with_value", 8, Vec::new());
    deep.waiting = vec![g(11)];
    for id in 5_000..9_000 {
        deep = context(id, "with_value", 8, vec![deep]);
    }
    roots.insert(0, deep);
    let mut report = report(vec![watcher()]);
    report.contexts = roots;
    report.more_contexts = 1_000;
    let text = rendered(&report, &Style::plain());
    assert!(text.contains("chain broken here"), "{text}");
    assert!(text.contains("<- G10 waits"), "{text}");
    assert!(text.contains("  and 9,893 more contexts\n"), "{text}");
}

#[test]
fn nothing_wrong_is_one_line_that_is_no_error() {
    assert_eq!(
        rendered(&report(Vec::new()), &Style::plain()),
        "gmp: nothing leaked in pool::shuts_down\n"
    );
}

#[test]
fn the_first_line_begins_with_the_words_that_runners_look_for() {
    for style in [Style::plain(), Style::coloured()] {
        let text = rendered(&report(vec![workers()]), &style);
        assert!(text.starts_with("Error: gmp: "), "{text}");
    }
}

#[test]
fn narrow_and_wide_terminals_are_respected() {
    let report = report(vec![workers(), sleeper()]);
    for width in [60, 80, 120] {
        let text = rendered(&report, &Style::plain().with_width(width));
        let long =
            text.lines().skip(1).find(|line| crate::report::words::text_columns(line) > width);
        assert_eq!(long, None);
    }
}
