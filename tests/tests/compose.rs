//! Other crates for tests, together with `#[gmp::test]`: small suites as their users write them.

/// Cases and fixtures.
mod with_rstest {
    use gmp::{Chan, chan, go};
    use rstest::{fixture, rstest};

    /// A fixture is made in the body of the test, so what it starts belongs to the test.
    #[fixture]
    fn doubler() -> (Chan<u32>, Chan<u32>) {
        let (numbers, doubled) = (chan::<u32>(0), chan(0));
        let (from, to) = (numbers.clone(), doubled.clone());
        go(async move {
            while let Some(number) = from.recv().await {
                to.send(2 * number).await;
            }
        });
        (numbers, doubled)
    }

    #[rstest]
    #[case(1, 2)]
    #[case::large(1_000, 2_000)]
    #[gmp::test]
    async fn each_case_is_a_test(
        doubler: (Chan<u32>, Chan<u32>),
        #[case] number: u32,
        #[case] expected: u32,
    ) {
        let (numbers, doubled) = doubler;
        numbers.send(number).await;
        assert_eq!(doubled.recv().await, Some(expected));
        numbers.close();
    }

    #[rstest]
    #[case(1)]
    #[case(3)]
    #[gmp::test(expect_leak("chan receive: Proven"))]
    async fn each_case_is_checked(doubler: (Chan<u32>, Chan<u32>), #[case] number: u32) {
        let (numbers, doubled) = doubler;
        numbers.send(number).await;
        assert_eq!(doubled.recv().await, Some(2 * number));
    }

    #[gmp::test(timeout = "30s")]
    #[rstest]
    fn ours_may_stand_above(#[values(1, 2)] cap: usize, #[values("a", "b")] text: &'static str) {
        let ch = chan(cap);
        ch.blocking_send(text);
        assert_eq!(ch.blocking_recv(), Some(text));
    }

    #[rstest]
    #[case::one(1)]
    #[case::many(5)]
    #[gmp::test(tokio)]
    async fn cases_may_run_on_tokio(#[case] tasks: u32) {
        let mut set: gmp::tokio::JoinSet<u32> = (0..tasks).map(|n| async move { n }).collect();
        let mut sum = 0;
        while let Some(number) = set.join_next().await {
            sum += number.unwrap();
        }
        assert_eq!(sum, tasks * (tasks - 1) / 2);
    }

    #[gmp::test(
        tokio(flavor = "multi_thread", worker_threads = 2),
        expect_leak("2 external: External")
    )]
    #[rstest]
    async fn values_may_run_on_tokio(#[values(1, 2)] first: u8) {
        assert_ne!(first, 0);
        for _ in 0..2 {
            let (to, from) = tokio::sync::oneshot::channel::<u8>();
            let (starts, started) = tokio::sync::oneshot::channel();
            drop(gmp::tokio::spawn(async move {
                starts.send(()).unwrap();
                from.await
            }));
            core::mem::forget(to);
            started.await.unwrap();
        }
    }

    #[rstest]
    #[case(0)]
    #[should_panic(expected = "the case fails")]
    #[gmp::test]
    async fn a_case_may_have_to_panic(#[case] number: u32) {
        assert_ne!(number, 0, "the case fails");
    }
}

/// A logger that is set up before the body.
mod with_test_log {
    use gmp::{chan, go};

    #[test_log::test(gmp::test)]
    async fn below_it() {
        let ch = chan(0);
        let sends = ch.clone();
        go(async move { sends.send(1).await });
        assert_eq!(ch.recv().await, Some(1));
    }

    #[gmp::test(expect_leak("chan send: Proven"))]
    #[test_log::test]
    async fn above_it() {
        drop(go(async { chan(0).send(1).await }));
    }

    #[test_log::test(gmp::test(tokio))]
    async fn on_tokio() {
        assert_eq!(gmp::tokio::spawn(async { 1 }).await.unwrap(), 1);
    }

    #[gmp::test(tokio, expect_leak("no waker kept: Proven"))]
    #[test_log::test]
    async fn on_tokio_above_it() {
        drop(gmp::tokio::spawn(core::future::pending::<()>()));
    }

    #[test_log::test(gmp::test)]
    fn without_async() {
        assert_eq!(chan::<u32>(0).try_recv().ok(), None);
    }
}

/// Matchers, and assertions that do not end the test.
mod with_googletest {
    use gmp::{chan, go};
    use googletest::prelude::*;

    #[gtest]
    #[gmp::test]
    async fn below_it() -> Result<()> {
        let ch = chan(2);
        let sends = ch.clone();
        let sent = go(async move {
            sends.send(1).await;
            sends.send(2).await;
        });
        expect_that!(sent.await, ok(eq(&())));
        expect_that!(ch.len(), eq(2));
        verify_that!(ch.recv().await, some(eq(1)))
    }

    #[gtest]
    #[gmp::test(tokio)]
    async fn on_tokio() -> Result<()> {
        let task = gmp::tokio::spawn(async { 7 });
        verify_that!(task.await.ok(), some(eq(7)))
    }

    #[gmp::test(expect_leak("chan receive: Proven"))]
    #[gtest]
    async fn above_it() -> Result<()> {
        let waits = go(async { chan::<u32>(0).recv().await });
        verify_that!(waits.is_finished(), eq(false))
    }
}

/// Bodies that run for many inputs.
mod with_proptest {
    use gmp::leak::{Verdict, examine};
    use gmp::{chan, go};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[gmp::test]
        fn a_channel_keeps_the_order(numbers in prop::collection::vec(0_u32..100, 0..20), cap in 0_usize..4) {
            let ch = chan(cap);
            let (sends, sent) = (ch.clone(), numbers.clone());
            go(async move {
                for number in sent {
                    sends.send(number).await;
                }
                sends.close();
            });
            let got: Vec<u32> = std::iter::from_fn(|| ch.blocking_recv()).collect();
            prop_assert_eq!(got, numbers);
        }

        #[test]
        fn every_stuck_task_is_counted(tasks in 0_usize..20) {
            let body = move || async move {
                for _ in 0..tasks {
                    gmp::tokio::spawn(core::future::pending::<()>());
                }
            };
            let report = gmp::tokio::examine("tasks", gmp::tokio::Settings::default(), body);
            let report = report.expect("settings that can be read");
            prop_assert_eq!(report.groups().map(|finding| finding.count).sum::<usize>(), tasks);
        }

        #[test]
        fn every_stuck_sender_is_counted(senders in 1_usize..40, cap in 0_usize..20) {
            let report = examine("senders", move || async move {
                let ch = chan(cap);
                for n in 0..senders {
                    let ch = ch.clone();
                    go(async move { ch.send(n).await });
                }
            });
            let report = report.expect("settings that can be read");
            let stuck = report.groups().map(|finding| finding.count).sum::<usize>();
            prop_assert_eq!(stuck, senders.saturating_sub(cap));
            prop_assert!(report.groups().all(|finding| finding.verdict == Verdict::Proven));
        }
    }
}

/// Traits with async functions, called through a pointer.
mod with_async_trait {
    use async_trait::async_trait;
    use gmp::leak::examine;
    use gmp::{Chan, chan, go};

    #[async_trait]
    trait Service: Send + Sync {
        async fn serve(&self) -> u32;
    }

    struct Waits(Chan<u32>);

    #[async_trait]
    impl Service for Waits {
        async fn serve(&self) -> u32 {
            self.0.recv().await.unwrap_or_default() // <serve>
        }
    }

    #[gmp::test]
    async fn a_service_answers() {
        let ch = chan(1);
        let service: Box<dyn Service> = Box::new(Waits(ch.clone()));
        ch.send(7).await;
        assert_eq!(go(async move { service.serve().await }).await.expect("no panic"), 7);
    }

    #[test]
    fn the_stack_goes_through_the_pointer() {
        let report = examine("stuck", || async {
            let service: Box<dyn Service> = Box::new(Waits(chan(0)));
            go(async move { service.serve().await });
        });
        let report = report.expect("settings that can be read");
        let line = gmp_tests::line(include_str!("compose.rs"), "serve");
        let serve = report.findings[0].stacks[0]
            .iter()
            .find(|frame| frame.at.as_ref().is_some_and(|at| at.line == line));
        let serve = serve.unwrap_or_else(|| panic!("{:#?}", report.findings[0].stacks));
        assert!(
            serve.function.contains("Waits") && serve.function.contains("serve"),
            "{}",
            serve.function
        );
    }
}
