//! Why a context does not end a goroutine: the fault, its lines, and trees that are deep or wide.

use gmp::context::{background, with_cancel, with_timeout};
use gmp::leak::{Code, Finding, Report, examine};
use gmp::report::finding::{ContextFault, ContextNode};
use gmp::{chan, go, select, yield_now};

use crate::{HOUR, one};

#[test]
fn one_context_that_nobody_cancels_is_one_finding() {
    let report = examine("context", || async {
        let (parent, cancel) = with_cancel(&background());
        for _ in 0..10 {
            let (child, _) = with_cancel(&parent);
            let work = chan::<u32>(0);
            drop(go(async move {
                select! {
                    recv(work) -> _ => (),
                    _ = child.done() => (),
                }
            }));
        }
        drop(go(async move { parent.done().await }));
        yield_now().await;
        drop(cancel);
    })
    .unwrap();
    let finding = one(&report);
    assert_eq!((finding.code, finding.total()), (Code::ContextNotDone, 11));
    assert_eq!(finding.context, Some(ContextFault::HandleDropped));
}

#[test]
fn why_a_context_does_not_end_a_goroutine_is_told() {
    let nobody = examine("nobody cancels", || async {
        let (ctx, cancel) = with_cancel(&background());
        drop(go(async move { ctx.done().await }));
        core::mem::forget(cancel);
        yield_now().await;
    });
    assert_eq!(fault(&nobody.unwrap()), ContextFault::NotCancelled { handles: 1 });
    let late = examine("deadline", || async {
        let (ctx, _cancel) = with_timeout(&background(), HOUR);
        drop(go(async move { ctx.done().await }));
        yield_now().await;
    });
    assert!(matches!(fault(&late.unwrap()), ContextFault::DeadlinePending { .. }));
    let root = examine("root", || async {
        drop(go(async { background().done().await }));
        yield_now().await;
    });
    assert_eq!(fault(&root.unwrap()), ContextFault::NeverDone { kind: "background" });
}

/// The text of a report, however wide it is.
fn one_line(report: &Report) -> String {
    report.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The fault of the only finding.
#[track_caller]
fn fault(report: &Report) -> ContextFault {
    one(report).context.clone().expect("a fault")
}

#[test]
fn a_context_that_is_done_and_not_looked_at_is_told_with_its_lines() {
    let of_the_test = examine("ignored", || async {
        let (ctx, jobs) = (gmp::test::context(), chan::<u32>(0));
        drop(go(async move {
            while ctx.err().is_none() {
                jobs.recv().await;
            }
        }));
        yield_now().await;
    })
    .unwrap();
    assert!(matches!(fault(&of_the_test), ContextFault::Ignored { cancelled_at: None, .. }));
    assert_eq!(one(&of_the_test).code, Code::IgnoredContext);
    let made = line!() + 2;
    let report = examine("ignored", || async {
        let (ctx, cancel) = with_cancel(&background());
        drop(go(async move {
            assert!(ctx.err().is_none());
            chan::<u32>(0).recv().await;
        }));
        yield_now().await;
        cancel.cancel();
    })
    .unwrap();
    let ContextFault::Ignored { made_at, cancelled_at } = fault(&report) else {
        panic!("{report}")
    };
    let cancelled = made + 6;
    assert_eq!(made_at.line, made);
    assert_eq!(cancelled_at.map(|at| at.line), Some(cancelled));
    let text = one_line(&report);
    for words in [format!("contexts.rs:{made}, was"), format!("contexts.rs:{cancelled}, but")] {
        assert!(text.contains(&words), "{words:?} is not in {text}");
    }
}

// Whoever only has a context, and has never asked it anything, is not known to have one.
#[test]
fn a_context_that_was_never_used_is_not_said_to_be_ignored() {
    let report = examine("unused", || async {
        let (ctx, jobs) = (gmp::test::context(), chan::<u32>(0));
        drop(go(async move {
            let _unused = ctx;
            jobs.recv().await;
        }));
        yield_now().await;
    })
    .unwrap();
    assert_eq!((one(&report).code, &one(&report).context), (Code::ChanReceive, &None));
}

/// A goroutine that waits on a context so many levels below one that hangs off another root.
async fn broken(levels: usize) {
    let (parent, cancel) = with_cancel(&background()); // <parent>
    drop(go(async move {
        assert!(parent.err().is_none());
        let (mut ctx, _kept) = with_cancel(&background()); // <broken>
        let mut all = Vec::new();
        for _ in 0..levels {
            let (child, kept) = with_cancel(&ctx);
            ctx = child;
            all.push(kept);
        }
        ctx.done().await;
    }));
    yield_now().await;
    cancel.cancel();
}

#[test]
fn a_broken_chain_is_told_with_both_lines_however_deep_the_waiter_is() {
    let line = |mark| gmp_tests::line(include_str!("contexts.rs"), mark);
    for levels in [0, 100] {
        let report = examine("other root", move || broken(levels)).unwrap();
        let ContextFault::OtherRoot { at, kind, derive_from } = fault(&report) else {
            panic!("{levels} levels: {report}")
        };
        assert_eq!((at.line, derive_from.line), (line("broken"), line("parent")), "{levels}");
        assert_eq!((kind, one(&report).code), ("background", Code::BrokenChain));
        let text = one_line(&report);
        let change = format!("is broken at tests/tests/graph/contexts.rs:{}", at.line);
        let with = format!("made at tests/tests/graph/contexts.rs:{}, so", derive_from.line);
        assert!(text.contains(&change) && text.contains(&with), "{text}");
    }
}

/// The nodes of a tree, and the goroutines that are named in it.
fn size(roots: &[ContextNode]) -> (usize, usize) {
    let mut open: Vec<&ContextNode> = roots.iter().collect();
    let (mut nodes, mut named) = (0, 0);
    while let Some(node) = open.pop() {
        nodes += 1;
        named += node.waiting.len();
        open.extend(&node.children);
    }
    (nodes, named)
}

const MANY: usize = 100_000;

#[test]
fn a_hundred_thousand_contexts_are_told_on_a_page() {
    let report = examine("wide", || async {
        let (parent, _kept) = with_cancel(&background());
        for _ in 0..MANY {
            let (child, cancel) = with_cancel(&parent);
            core::mem::forget(cancel);
            drop(go(async move { child.done().await }));
        }
        yield_now().await;
    })
    .unwrap();
    assert_eq!(report.findings.iter().map(Finding::total).sum::<usize>(), MANY);
    let (nodes, named) = size(&report.contexts);
    assert!(nodes <= 1_000 && named <= nodes, "{nodes} nodes, {named} goroutines");
    // The background, the parent and the context of the test are the others.
    assert_eq!(nodes + report.more_contexts, MANY + 3);
    assert!(report.to_string().len() < 16 << 10);
}

#[test]
fn a_hundred_thousand_that_wait_for_one_context_are_counted() {
    let report = examine("one", || async {
        let (ctx, _kept) = with_cancel(&background());
        for _ in 0..MANY {
            let ctx = ctx.clone();
            drop(go(async move { ctx.done().await }));
        }
        yield_now().await;
    })
    .unwrap();
    let (_, named) = size(&report.contexts);
    assert!(named <= 64, "{named}");
    let text = one_line(&report);
    assert!(text.contains("and 99,994 more wait"), "{text}");
}
