//! Go's programs that end in a deadlock, an exit or a panic:
//! <https://github.com/golang/go/blob/master/src/runtime/crash_test.go>,
//! <https://github.com/golang/go/blob/master/src/runtime/testdata/testprog/deadlock.go>

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gmp::report::finding::BodyOutcome;
use gmp::runtime::{exit_goroutine, lock_os_thread};
use gmp::{chan, go, yield_now};

#[gmp::test(expect_leak("select (no cases): Proven"))]
async fn a_simple_deadlock() {
    gmp::select! {}
}

#[gmp::test(expect_leak("chan receive: Proven"))]
async fn a_deadlock_of_whoever_is_locked_to_its_thread() {
    lock_os_thread();
    chan::<u32>(0).recv().await;
}

#[gmp::test(expect_leak("2 chan receive: Proven"))]
async fn a_deadlock_of_a_goroutine_and_main() {
    drop(go(async {
        lock_os_thread();
        chan::<u32>(0).recv().await;
    }));
    chan::<u32>(0).recv().await;
}

/// Go's `GoexitDeadlock`: the body exits, and somebody is left who waits for ever.
#[test]
fn an_exit_of_the_body_leaves_others_asleep() {
    let report = gmp::leak::examine("exits", || async {
        drop(go(async { chan::<u32>(0).recv().await }));
        yield_now().await;
        exit_goroutine()
    });
    let report = report.expect("good settings");
    let BodyOutcome::Panicked(text) = &report.outcome else { panic!("{report}") };
    assert!(text.starts_with("gmp: exit_goroutine in a main goroutine"), "{text}");
    let [left] = &report.findings[..] else { panic!("{report}") };
    assert_eq!(left.code.to_string(), "GMP001", "{report}");
}

#[test]
fn an_exit_runs_destructors_and_is_no_panic() {
    struct Notes(Arc<AtomicUsize>);
    impl Drop for Notes {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let notes = Notes(dropped.clone());
    gmp::block_on(async {
        let exits = go(async move {
            let _notes = notes;
            fn deep(n: u32) {
                if n == 0 { exit_goroutine() } else { deep(n - 1) }
            }
            deep(10);
            unreachable!("it has exited");
        });
        let error = exits.await.unwrap_err();
        assert!(error.is_exited() && !error.is_panic() && !error.is_aborted(), "{error}");
    });
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

/// A panic in a destructor during an exit is a panic.
#[test]
fn a_panic_after_an_exit_is_reported() {
    struct Ends;
    impl Future for Ends {
        type Output = ();
        fn poll(
            self: core::pin::Pin<&mut Self>,
            _: &mut core::task::Context<'_>,
        ) -> core::task::Poll<()> {
            exit_goroutine()
        }
    }
    impl Drop for Ends {
        fn drop(&mut self) {
            panic!("hello");
        }
    }
    let text = gmp::block_on(crate::panic_of(Ends));
    assert_eq!(text, "hello");
}

#[test]
fn an_exit_of_main_is_an_error_as_somebody_waits_for_its_result() {
    let text = crate::panic_in(|| gmp::block_on(async { exit_goroutine() }));
    assert!(text.starts_with("gmp: exit_goroutine in a main goroutine"), "{text}");
    let text = crate::panic_in(|| exit_goroutine());
    assert!(text.starts_with("gmp: exit_goroutine outside a goroutine"), "{text}");
}
