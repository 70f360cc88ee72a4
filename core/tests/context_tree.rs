//! The picture of a context tree: states, who cancelled, who waits, where the chain is broken.

use std::time::Duration;

use gmp_core::context::{
    Context, Key, after_func, background, todo, with_cancel, with_cancel_cause, with_deadline,
    with_deadline_cause, with_timeout, with_timeout_cause, with_value, without_cancel,
};
use gmp_core::runtime::Builder;
use gmp_core::time::now;
use gmp_core::{block_on, go, select, yield_now};

struct User;
impl Key for User {
    type Value = u32;
}

/// The picture without places and goroutines, which differ from run to run: `<at>` and `<G>`.
fn picture(context: &Context) -> String {
    let text = context.tree().to_string();
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ':']);
        let end = &word[bare.len()..];
        let is_place = bare.starts_with(file!());
        let is_goroutine = bare.starts_with('G') && bare[1..].bytes().all(|b| b.is_ascii_digit());
        match (is_place, is_goroutine) {
            (true, _) => format!("<at>{end}"),
            (_, true) => format!("<G>{end}"),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(|l| line(l) + "\n").collect()
}

#[test]
fn every_kind_and_state_has_its_words() {
    block_on(async {
        let (request, cancel) = with_cancel_cause(&background());
        let user = with_value::<User>(&request, 7);
        let (query, stop_query) = with_cancel(&user);
        let (_log, _kept) = with_cancel(&without_cancel(&query));
        let _second = stop_query.clone();
        let _stop = after_func(&query, async {});
        let (timed, gone) = with_timeout(&request, Duration::from_secs(3600));
        drop(gone);
        let (late, _late) = with_deadline(&request, now());
        let before = picture(&query);
        let lines: Vec<&str> = before.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "background",
                "└─ with_cancel_cause at <at>: active, 1 cancel handle",
                "   ├─ with_value User at <at>",
                "   │  └─ with_cancel at <at>: active, 2 cancel handles, 1 function to start <- here",
            ]
        );
        let timed_out = "   └─ with_timeout at <at>: active, no cancel handle left, 59m";
        assert!(lines[4].starts_with(timed_out), "{before}");
        assert_eq!(lines.len(), 5, "what has ended is not listed: {before}");
        cancel.cancel_with("the client hung up");
        let after = "\
background
└─ with_cancel_cause at <at>: cancelled at <at> by <G>, cause: the client hung up
   └─ with_timeout at <at>: done with its parent, no cancel handle left <- here
";
        assert_eq!(picture(&timed), after);
        assert_eq!(format!("{late}").split(": ").nth(1), Some("deadline exceeded"));
        assert!(todo().to_string().starts_with("todo at "));
        let (slow, _slow) = with_timeout_cause(&background(), Duration::ZERO, "too slow");
        let words = slow.to_string();
        assert!(words.starts_with("with_timeout_cause at "), "{words}");
        assert!(words.ends_with(": deadline exceeded, cause: too slow"), "{words}");
    });
}

#[test]
fn a_child_that_ended_for_another_cause_did_not_end_with_its_parent() {
    block_on(async {
        // Before the parent's end, however long the next line takes.
        let begin = now();
        let (parent, _one) = with_timeout_cause(&background(), Duration::from_millis(2), "parent");
        let (child, _two) = with_deadline_cause(&parent, begin, "child");
        let (with_it, _three) = with_cancel(&parent);
        with_it.done().await;
        let words = |ctx: &Context| ctx.to_string().split(": ").skip(1).collect::<String>();
        assert_eq!(words(&child), "deadline exceeded, causechild");
        assert_eq!(words(&with_it), "done with its parent, 1 cancel handle");
    });
}

#[test]
fn the_place_and_the_goroutine_of_a_cancel_are_named() {
    block_on(async {
        let (ctx, cancel) = with_cancel(&background());
        let (canceller, line) = (go(async move { cancel.cancel() }), line!());
        let id = canceller.id();
        canceller.await.unwrap();
        let text = ctx.to_string();
        assert!(text.contains(&format!("cancelled at {}:{line}:", file!())), "{text}");
        assert!(text.ends_with(&format!(" by {id}")), "{text}");
    });
}

#[test]
fn whoever_waits_is_named() {
    block_on(async {
        let (ctx, _cancel) = with_cancel(&background());
        let below = with_value::<User>(&ctx, 1);
        let wait = |ctx: Context| go(async move { _ = ctx.done().await });
        let first = wait(ctx.clone());
        yield_now().await;
        assert!(ctx.to_string().ends_with(&format!(", {} waits", first.id())), "{ctx}");
        let other = below.clone();
        let second = go(async move {
            select! { _ = other.done() => (), () = core::future::pending() => () }
        });
        yield_now().await;
        let both = format!(", {} and {} wait", first.id(), second.id());
        assert!(ctx.to_string().ends_with(&both), "{ctx}");
        let more: Vec<_> = (0..7).map(|_| wait(ctx.clone())).collect();
        yield_now().await;
        assert!(ctx.to_string().ends_with(" and 4 more wait"), "{ctx}");
        more.iter().chain([&first]).for_each(|handle| handle.abort());
        yield_now().await;
        assert!(ctx.to_string().ends_with(&format!(", {} waits", second.id())), "{ctx}");
    });
}

#[test]
fn a_root_that_breaks_the_chain_hangs_where_it_should_have_been_made() {
    Builder::new().watch(true).build().block_on(async {
        let (request, _cancel) = with_cancel(&background());
        let given = request.clone();
        let (made, made_by) = gmp_core::channel(1);
        drop(go(async move {
            assert!(given.err().is_none());
            let (own, stop) = with_cancel(&background());
            let _leaf = with_value::<User>(&own, 1);
            made.send(own.clone()).await.unwrap();
            own.done().await;
            drop(stop);
        }));
        let own = made_by.recv().await.unwrap();
        yield_now().await;
        assert_eq!(
            picture(&request),
            "\
background at <at> by <G>
└─ with_cancel at <at> by <G>: active, 1 cancel handle <- here
   └─ (chain broken: cancelling the context above does not reach this one) background at <at> by <G>
      └─ with_cancel at <at> by <G>: active, 1 cancel handle, <G> waits
         └─ with_value User at <at> by <G>
"
        );
        assert!(
            picture(&own)
                .contains("with_cancel at <at> by <G>: active, 1 cancel handle, <G> waits <- here")
        );
    });
}

#[test]
fn large_and_deep_trees_are_cut_and_say_so() {
    block_on(async {
        let (root, _cancel) = with_cancel(&background());
        let children: Vec<_> = (0..1_000).map(|_| with_cancel(&root)).collect();
        let waited = children[777].0.clone();
        let waiting = go(async move { _ = waited.done().await });
        yield_now().await;
        let text = root.tree().to_string();
        assert_eq!(text.lines().count(), 2 + 16 + 1, "{text}");
        assert!(text.contains(&format!("{} waits", waiting.id())), "who waits is not cut: {text}");
        assert!(text.ends_with("   └─ .. and 984 more\n"), "{text}");
        let mut chain = vec![with_cancel(&root)];
        for _ in 0..100_000 {
            chain.push(with_cancel(&chain[chain.len() - 1].0));
        }
        waiting.abort();
        yield_now().await;
        drop(children);
        let text = chain[0].0.tree().to_string();
        assert_eq!(text.lines().count(), 18, "{text}");
        assert!(text.trim_end().ends_with("└─ .. and more below"), "{text}");
    });
}

#[test]
fn a_picture_may_be_made_beside_cancels_and_drops() {
    let runtime = Builder::new().procs(4).build();
    runtime.block_on(async {
        let (root, _cancel) = with_cancel(&background());
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let root = root.clone();
                go(async move {
                    for _ in 0..200 {
                        let (child, cancel) = with_cancel(&root);
                        let waiter = child.clone();
                        let waiting = go(async move { waiter.done().await });
                        let text = child.tree().to_string();
                        assert!(text.contains("<- here"), "{text}");
                        cancel.cancel();
                        waiting.await.unwrap();
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        assert_eq!(root.tree().to_string().lines().count(), 2, "all children are gone");
    });
}
