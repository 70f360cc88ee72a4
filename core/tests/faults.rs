//! What can go wrong around the scheduler: threads that the system refuses, forked children, panics that end
//! the process, runtimes that are gone.

mod support;

use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gmp_core::runtime::{Builder, PanicPolicy, Runtime};
use gmp_core::{blocking, chan, go, yield_now};
use support::{Life, panic_text, run_alone, run_alone_with};

fn with_procs(procs: usize) -> Runtime {
    Builder::new().procs(procs).build()
}

/// Runs the ignored test `name`, which has to succeed, in a process of its own.
fn succeeds_alone(name: &str) {
    // While a thread makes an arena of its own, the process is larger by far for a moment.
    let ran = run_alone_with(name, "MALLOC_ARENA_MAX", "1");
    let text = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(ran.status.success() && text[0].contains("1 passed"), "{}\n{}", text[0], text[1]);
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn panics_under_the_policy_of_go() {
    let runtime = Builder::new().procs(2).panics(PanicPolicy::Abort).build();
    let outer = runtime.go(async {
        go(async { panic!("boom {}", 7) }).await.ok();
    });
    runtime.block_on(outer).unwrap();
    unreachable!("the process has ended");
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn panics_on_the_global_runtime() {
    let outer = go(async {
        go(async { panic!("boom {}", 7) }).await.ok();
    });
    gmp_core::block_on(outer).unwrap();
    unreachable!("the process has ended");
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn panics_in_block_on() {
    gmp_core::block_on(async {
        go(async {
            go(async { panic!("boom {}", 7) }).await.ok();
        })
        .await
        .unwrap();
    });
    unreachable!("the process has ended");
}

#[test]
fn a_panic_ends_the_process_as_in_go_if_asked() {
    ends_as_in_go("panics_under_the_policy_of_go", "");
    ends_as_in_go("panics_on_the_global_runtime", "panicabort=1");
    ends_as_in_go("panics_in_block_on", "panicabort=1");
}

fn ends_as_in_go(name: &str, debug: &str) {
    let ran = run_alone(name, debug);
    let text = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{text}");
    let at = text.find("panic: boom 7\n\ngoroutine ").unwrap_or_else(|| panic!("{text}"));
    let rest = text[at..].lines().skip(2).collect::<Vec<_>>();
    assert!(rest[0].ends_with(" [running]:"), "{text}");
    assert!(rest[1].starts_with("created by gmp in goroutine "), "{text}");
    assert!(rest[2].starts_with("\tcore/tests/faults.rs:"), "{text}");
    assert_eq!(rest.len(), 3, "{text}");
}

#[test]
fn a_panic_is_reported_and_others_go_on_by_default() {
    let runtime = Builder::new().procs(2).panics(PanicPolicy::Report).build();
    let bystander = runtime.go(async { yield_now().await });
    assert!(runtime.block_on(runtime.go(async { panic!("alone") })).unwrap_err().is_panic());
    runtime.block_on(bystander).unwrap();
}

#[test]
fn a_destructor_that_panics_hurts_nobody_on_several_ps() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("late");
        }
    }
    let life = Life::default();
    let runtime = with_procs(2);
    for i in 0..50 {
        let value = life.make(i);
        let handle = runtime.go(async move {
            let _held = (value, Bomb);
            if i % 2 == 0 {
                chan::<u8>(0).recv().await;
            }
        });
        if i % 4 == 1 {
            assert!(runtime.block_on(handle).unwrap_err().is_panic());
        } else {
            handle.abort();
        }
    }
    assert_eq!(runtime.block_on(runtime.go(async { 1 })).unwrap(), 1);
    drop(runtime);
    assert_eq!(life.alive(), 0);
}

#[test]
fn a_future_may_be_dropped_on_another_thread() {
    let runtime = with_procs(2);
    let ch = chan::<u32>(0);
    for _ in 0..100 {
        let (own, (tx, rx)) = (ch.clone(), mpsc::channel());
        let mut receive = Box::pin(async move { own.recv().await });
        let parks = runtime.go(async move {
            core::future::poll_fn(|cx| {
                assert!(receive.as_mut().poll(cx).is_pending());
                core::task::Poll::Ready(())
            })
            .await;
            tx.send(receive).unwrap();
        });
        runtime.block_on(parks).unwrap();
        // It was registered by a goroutine that has ended.
        drop(rx.recv().unwrap());
    }
    let rx = ch.clone();
    let waits = runtime.go(async move { rx.recv().await });
    runtime.block_on(async { ch.send(4).await });
    assert_eq!(runtime.block_on(waits).unwrap(), Some(4), "nobody is left in the queue before it");
}

#[test]
fn whoever_says_so_may_block_inside_a_goroutine() {
    let runtime = with_procs(1);
    let ch = chan::<u32>(0);
    let rx = ch.clone();
    let blocks = runtime.go(async move { blocking(|| (rx.blocking_recv(), rx.blocking_recv())) });
    let sends = runtime.go(async move {
        ch.send(1).await;
        ch.send(2).await;
    });
    assert_eq!(runtime.block_on(blocks).unwrap(), (Some(1), Some(2)));
    runtime.block_on(sends).unwrap();
    // The P of a driven runtime cannot be lent.
    let text = panic_text(|| {
        gmp_core::block_on(async { blocking(|| chan::<u32>(1).blocking_recv()) });
    });
    assert!(text.contains("a blocking call inside a goroutine would stop its M"), "{text}");
}

#[test]
fn whatever_is_started_in_a_scope_whose_runtime_is_gone_is_dropped() {
    for procs in [None, Some(2)] {
        let runtime = match procs {
            None => Runtime::new(),
            Some(procs) => with_procs(procs),
        };
        let (life, scope, handle) = (Life::default(), runtime.scope().clone(), runtime.handle());
        drop(runtime);
        let value = life.make(0);
        let late = {
            let _entered = scope.enter();
            go(async move { drop(value) })
        };
        assert!(late.is_finished() && life.alive() == 0);
        assert!(gmp_core::block_on(late).unwrap_err().is_aborted());
        let late = handle.go(async {});
        assert!(gmp_core::block_on(late).unwrap_err().is_aborted(), "joining it ends");
    }
}

#[test]
fn shutdowns_with_little_time_end_in_it_or_say_so() {
    let life = Life::default();
    let runtime = with_procs(2);
    for i in 0..100 {
        let value = life.make(i);
        drop(runtime.go(async move {
            let _value = value;
            chan::<u8>(0).recv().await;
        }));
    }
    assert!(runtime.shutdown_timeout(Duration::from_secs(3600)), "nothing is in a poll");
    assert_eq!(life.alive(), 0);
    assert!(Runtime::new().shutdown_timeout(Duration::ZERO), "it has no thread");
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use core::ffi::c_int;
    use std::panic::AssertUnwindSafe;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[repr(C)]
    struct Limit {
        now: u64,
        most: u64,
    }
    const ADDRESS_SPACE: c_int = 9;

    // SAFETY: as in POSIX; `setrlimit` reads one `Limit` behind the pointer.
    unsafe extern "C" {
        safe fn fork() -> c_int;
        safe fn _exit(status: c_int) -> !;
        fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
        fn setrlimit(resource: c_int, limit: *const Limit) -> c_int;
    }

    /// From now on there is no room for the stack of another thread.
    fn refuse_threads() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kib: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
        limit_address_space((kib + 1024) * 1024);
    }

    fn limit_address_space(now: u64) {
        let limit = Limit { now, most: u64::MAX };
        // SAFETY: it reads the limit.
        assert_eq!(unsafe { setrlimit(ADDRESS_SPACE, &raw const limit) }, 0);
    }

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn lives_without_its_first_thread() {
        refuse_threads();
        let runtime = with_procs(2);
        let text = panic_text(|| drop(runtime.go(async {})));
        assert!(text.starts_with("gmp: the system refused a thread: "), "{text}");
        assert_eq!(runtime.metrics().machines, 0);
        assert_eq!(runtime.block_on(async { 1 }), 1, "the main goroutine has a thread");
        drop(runtime);
    }

    #[test]
    fn the_first_thread_is_refused_with_a_clear_panic() {
        succeeds_alone("linux::lives_without_its_first_thread");
    }

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn lives_with_one_thread() {
        let runtime = with_procs(4);
        runtime.block_on(runtime.go(async {})).unwrap();
        while runtime.metrics().idle_procs < 4 {
            thread::yield_now();
        }
        let before = runtime.metrics();
        refuse_threads();
        let all: Vec<_> = (0..1_000)
            .map(|i| {
                runtime.go(async move {
                    yield_now().await;
                    // A call from which the P would be taken, if there were another thread.
                    blocking(|| {
                        if i % 100 == 0 {
                            thread::yield_now()
                        }
                    });
                    i
                })
            })
            .collect();
        let sum: usize = runtime.block_on(async {
            let mut sum = 0;
            for one in all {
                sum += one.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 1_000 * 999 / 2);
        assert_eq!(runtime.metrics().machines, before.machines);
    }

    #[test]
    fn work_goes_on_with_the_threads_there_are() {
        succeeds_alone("linux::lives_with_one_thread");
    }

    /// All Ms there are block in calls: one for each P, and those that came because this machine was slow.
    fn is_refused_a_thread_for_a_while(procs: usize) {
        let runtime = with_procs(procs);
        let (stop, stopped) = mpsc::channel::<()>();
        let stopped = Arc::new(Mutex::new(stopped));
        let go_blocking = || {
            let (stopped, begins) = (stopped.clone(), Arc::new(AtomicBool::new(false)));
            let begun = begins.clone();
            drop(runtime.go(async move {
                begins.store(true, Ordering::SeqCst);
                blocking(|| drop(stopped.lock().map(|stopped| stopped.recv())));
            }));
            begun
        };
        let begun = |one: &AtomicBool| one.load(Ordering::SeqCst);
        let all: Vec<_> = (0..procs).map(|_| go_blocking()).collect();
        while !all.iter().all(|one| begun(one)) {
            thread::yield_now();
        }
        refuse_threads();
        let mut blocked = procs;
        let waits = loop {
            let one = go_blocking();
            while !begun(&one) && runtime.metrics().machines > blocked {
                thread::yield_now();
            }
            if !begun(&one) {
                break one;
            }
            blocked += 1;
        };
        // A P is taken from a call, and no M is to be had for it.
        while runtime.metrics().idle_procs == 0 {
            thread::yield_now();
        }
        // Sysmon would have gone to sleep by then if it might.
        let rounds = || runtime.metrics().sysmon_rounds;
        let (before, began) = (rounds(), Instant::now());
        while rounds() < before + 100 {
            assert!(began.elapsed() < Duration::from_secs(20), "sysmon sleeps");
            thread::yield_now();
        }
        assert!(!begun(&waits));
        limit_address_space(u64::MAX);
        let began = Instant::now();
        while !begun(&waits) {
            assert!(began.elapsed() < Duration::from_secs(20), "it is left in the queue");
            thread::yield_now();
        }
        drop(stop);
    }

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn is_refused_its_second_thread() {
        is_refused_a_thread_for_a_while(1);
    }

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn is_refused_its_third_thread() {
        is_refused_a_thread_for_a_while(2);
    }

    #[test]
    fn work_goes_on_when_there_are_threads_again() {
        succeeds_alone("linux::is_refused_its_second_thread");
        succeeds_alone("linux::is_refused_its_third_thread");
    }

    /// Forks; the child ends with the status that `child` gives. Gives it to the parent.
    fn in_child(child: impl FnOnce() -> bool) -> bool {
        let pid = fork();
        if pid == 0 {
            // What panics must not end this thread: the child would be a success.
            let good = std::panic::catch_unwind(AssertUnwindSafe(child)).unwrap_or(false);
            _exit(c_int::from(!good))
        }
        let mut status = -1;
        // SAFETY: it writes the status.
        let waited = unsafe { waitpid(pid, &raw mut status, 0) };
        waited == pid && status == 0
    }

    fn is_refused(f: impl FnOnce()) -> bool {
        panic_text(f).starts_with(
            "gmp: this process was forked from one whose goroutine runtime has threads",
        )
    }

    /// Makes whoever waits for a channel ready when it is dropped.
    struct Closes(gmp_core::Chan<u32>);

    impl Drop for Closes {
        fn drop(&mut self) {
            self.0.close();
        }
    }

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn forks() {
        let runtime = with_procs(2);
        let barrier = Arc::new(Barrier::new(2));
        let other = barrier.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let busy = runtime.go(async move {
            other.wait();
            support::spin_until(&seen);
        });
        barrier.wait();
        assert_eq!(gmp_core::block_on(async { 1 }), 1);
        assert_eq!(runtime.block_on(go(async { 2 })).unwrap(), 2, "on the global one");
        // One whose only P is in use: nobody would be woken.
        let (full, values) = (with_procs(1), chan::<u32>(0));
        let from_inside = values.clone();
        let (receives, seen) = (values.clone(), stop.clone());
        let waits = full.go(async move { receives.recv().await });
        while full.metrics().parked_machines == 0 || full.metrics().total().dispatches() == 0 {
            thread::yield_now();
        }
        let (began, begun) = mpsc::channel();
        let spins = full.go(async move {
            // Forked by an M that has its P.
            let refused = in_child(|| is_refused(|| _ = from_inside.try_send(1)))
                && in_child(|| {
                    is_refused(|| {
                        let _unwinds = Closes(from_inside);
                        drop(go(async {}));
                    })
                });
            began.send(refused).unwrap();
            support::spin_until(&seen);
        });
        let refused_inside = begun.recv().unwrap();
        let refused = in_child(|| {
            is_refused(|| drop(runtime.go(async {})))
                && is_refused(|| runtime.block_on(async {}))
                && is_refused(|| drop(go(async {})))
                && is_refused(|| drop(full.handle().pause()))
                && is_refused(|| full.set_procs(2))
                && is_refused(|| values.blocking_send(1))
        });
        let works = in_child(|| {
            let new = with_procs(2);
            new.block_on(new.go(async { 3 })).is_ok_and(|got| got == 3)
                && gmp_core::block_on(async { go(async { 4 }).await }).is_ok_and(|got| got == 4)
        });
        stop.store(true, Ordering::Release);
        assert!(refused && refused_inside, "the child uses threads that it has not");
        assert!(works, "runtimes of the child's own");
        runtime.block_on(busy).unwrap();
        full.block_on(spins).unwrap();
        values.blocking_send(5);
        assert_eq!(full.block_on(waits).unwrap(), Some(5), "the parent is as it was");
    }

    #[test]
    fn a_forked_child_is_told_that_its_threads_are_missing() {
        succeeds_alone("linux::forks");
    }

    #[test]
    #[ignore = "run by the test below, in a process of its own"]
    fn drops_in_a_child() {
        let runtime = with_procs(2);
        runtime.block_on(runtime.go(async {})).unwrap();
        let runtime = core::cell::Cell::new(Some(runtime));
        assert!(in_child(|| {
            drop(runtime.take());
            true
        }));
        drop(runtime);
    }

    #[test]
    fn a_runtime_may_be_dropped_in_a_forked_child() {
        succeeds_alone("linux::drops_in_a_child");
    }
}
