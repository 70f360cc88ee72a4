//! Real blocking bugs of Go projects (the kernels of GoBench's GoKer): exploration finds each of them,
//! and nothing in its control, which is the same program without the bug.

mod expected;
mod support;

use std::time::Duration;

use expected::Expected;
use gmp::explore::{Explorer, Outcome};

/// A kernel, or a variant of one.
struct Kernel {
    name: &'static str,
    /// Explores it; the control if that is asked for.
    run: fn(&Explorer, bool) -> Outcome,
    /// Plays a schedule of it again.
    replay: fn(&Explorer, &str) -> Outcome,
}

/// Declares the modules of the kernels and lists them.
macro_rules! kernels {
    ($($name:ident)*) => {
        $(mod $name;)*
        const KERNELS: &[Kernel] = &[$(kernel!($name::kernel)),*];
    };
}

macro_rules! kernel {
    ($name:ident::$body:ident) => {
        Kernel {
            name: stringify!($name),
            run: |explorer, control| explorer.run(move || $name::$body(control)),
            replay: |explorer, schedule| explorer.replay(schedule, || $name::$body(false)),
        }
    };
}

kernels! {
    etcd_10492 etcd_6708 cockroach_9935 syncthing_4829 moby_36114 moby_17176 moby_7559 grpc_3017
    cockroach_10214 cockroach_7504 moby_4951 hugo_3251
    cockroach_16167 cockroach_3710 kubernetes_58107
    grpc_1275 grpc_1424 grpc_660 istio_17860 syncthing_5795 cockroach_24808 cockroach_2448
    kubernetes_70277 kubernetes_5316 moby_33293 moby_4395
    grpc_862 istio_18454 cockroach_13755 cockroach_13197 cockroach_10790
    moby_30408 moby_29733 kubernetes_11298
    grpc_1460 etcd_7492 etcd_7443 etcd_6873 istio_16224 kubernetes_26980 kubernetes_10182
    kubernetes_1321 moby_28462
    cockroach_1462 moby_25384
}

/// A number from the environment, for runs that take longer.
fn asked(variable: &str, default: u64) -> u64 {
    let asked = std::env::var(variable).ok();
    asked.map_or(default, |n| n.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[test]
fn every_kernel_is_listed() {
    let expected = Expected::read();
    let mut listed: Vec<_> = KERNELS.iter().map(|kernel| kernel.name).collect();
    listed.sort_unstable();
    assert_eq!(listed, expected.kernels().collect::<Vec<_>>());
    assert_eq!(expected.at_odds(), Vec::<&str>::new());
}

/// What explores a kernel: neither its name nor its place in the list has a part in that. As many schedules as by
/// default, however long a busy machine takes for them.
fn explorer(seed: u64) -> Explorer {
    Explorer::new("a kernel").seed(seed).schedules(10_000)
}

#[test]
fn every_kernel_is_found_whatever_the_seed() {
    let expected = Expected::read();
    let seeds = asked("GMP_TEST_SEEDS", 4);
    let only = std::env::var("GMP_TEST_KERNEL").unwrap_or_default();
    let (mut missed, mut all_times) = (Vec::new(), Vec::new());
    println!(
        "kernel              schedule  worst      ms   worst  left, and below it what is expected"
    );
    for kernel in KERNELS.iter().filter(|kernel| kernel.name.contains(&only)) {
        let mut found = Vec::new();
        for seed in 0..seeds {
            let outcome = (kernel.run)(&explorer(seed), false);
            assert_eq!(outcome.trouble, None, "{}, seed {seed}", kernel.name);
            match outcome.finding {
                None => missed.push(format!("{}: not with seed {seed}", kernel.name)),
                Some(finding) => {
                    if !expected.allows(kernel.name, &finding.report) {
                        missed.push(format!(
                            "{}, seed {seed}: {}\n{}\n{}",
                            kernel.name,
                            expected::line(&finding.report),
                            finding.replay,
                            finding.table,
                        ));
                    }
                    found.push((finding.schedule, outcome.elapsed, finding.report));
                }
            }
        }
        let mut times: Vec<_> = found.iter().map(|found| found.1).collect();
        times.sort_unstable();
        found.sort_by_key(|found| found.0);
        if let (Some(middle), Some(worst)) = (found.get(found.len() / 2), found.last()) {
            println!(
                "{:18} {:>9} {:>6} {:>7.1} {:>7.1}  {}",
                kernel.name,
                middle.0,
                worst.0,
                milliseconds(times[times.len() / 2]),
                milliseconds(times[times.len() - 1]),
                expected::line(&middle.2),
            );
            println!("{:47}{}", "", expected.of(kernel.name));
        }
        all_times.extend(times);
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    all_times.sort_unstable();
    let (middle, worst) = (all_times[all_times.len() / 2], all_times[all_times.len() - 1]);
    println!("all kernels: {:.1} ms, {:.1} ms at worst", milliseconds(middle), milliseconds(worst));
    // On a machine that does nothing else.
    let bars = [("GMP_TEST_MEDIAN_MS", middle), ("GMP_TEST_WORST_MS", worst)];
    for (bar, time) in bars {
        let most = asked(bar, u64::MAX);
        assert!(time.as_millis() < u128::from(most), "{time:?} where {bar} is {most}");
    }
}

#[test]
fn controls_show_nothing() {
    let schedules = asked("GMP_TEST_SCHEDULES", 500);
    for kernel in KERNELS {
        let outcome = (kernel.run)(&explorer(0).schedules(schedules), true);
        assert_eq!(outcome.trouble, None, "{}", kernel.name);
        if let Some(finding) = outcome.finding {
            panic!("{}, schedule {}: {}", kernel.name, finding.schedule, finding.report);
        }
    }
}

/// Draws and waits that have a variant without chance.
#[test]
fn variants_show_their_bug_always_or_never() {
    let always = [
        kernel!(cockroach_9935::always),
        kernel!(moby_33293::always),
        kernel!(grpc_862::plain_wait),
    ];
    for seed in 0..4 {
        for kernel in &always {
            let outcome = (kernel.run)(&explorer(seed).schedules(1), false);
            assert!(outcome.finding.is_some(), "{}", kernel.name);
            let outcome = (kernel.run)(&explorer(seed).schedules(500), true);
            assert!(outcome.finding.is_none(), "{}", kernel.name);
        }
        for kernel in [kernel!(cockroach_9935::never), kernel!(moby_33293::never)] {
            let outcome = (kernel.run)(&explorer(seed).schedules(500), false);
            assert!(outcome.finding.is_none(), "{}", kernel.name);
        }
    }
}

#[test]
fn a_schedule_shows_the_same_each_time_it_is_played() {
    let seeds = 4;
    let times = 1_000_usize.div_ceil(KERNELS.len() * seeds as usize);
    for (kernel, seed) in KERNELS.iter().flat_map(|kernel| (0..seeds).map(move |s| (kernel, s))) {
        let found = (kernel.run)(&explorer(seed), false).finding.expect("every kernel is found");
        let looks = expected::line(&found.report);
        for _ in 0..times {
            let again = (kernel.replay)(&explorer(seed), &found.replay);
            assert_eq!(again.trouble, None, "{}: {}", kernel.name, found.replay);
            let again = again.finding.expect(kernel.name);
            assert_eq!(again.replay, found.replay);
            assert_eq!(again.table.rows, found.table.rows, "{}", kernel.name);
            assert_eq!(expected::line(&again.report), looks, "{}", kernel.name);
        }
    }
}
