//! Known blocking bugs of real projects: exploration finds each of them, and nothing in their repaired forms.

mod cockroach_10214;
mod cockroach_3710;
mod cockroach_7504;
mod etcd_7443;
mod kubernetes_26980;
mod moby_28462;

use gmp::explore::{Explorer, Outcome};

/// A kernel and its two bodies, explored by what is given.
struct Kernel {
    name: &'static str,
    bug: fn(&Explorer) -> Outcome,
    replay: fn(&Explorer, &str) -> Outcome,
    control: fn(&Explorer) -> Outcome,
}

macro_rules! kernels {
    ($($name:ident),* $(,)?) => {
        const KERNELS: &[Kernel] = &[$(Kernel {
            name: stringify!($name),
            bug: |explorer| explorer.run($name::bug),
            replay: |explorer, schedule| explorer.replay(schedule, $name::bug),
            control: |explorer| explorer.run($name::control),
        }),*];
    };
}

kernels!(cockroach_10214, cockroach_3710, cockroach_7504, etcd_7443, kubernetes_26980, moby_28462,);

/// What must be left where a kernel shows its bug.
mod expected {
    use std::collections::BTreeMap;

    /// The goroutines that are left, sorted: wait reasons in Go's words, `body: ` before that of the body.
    type Left = Vec<String>;

    /// By kernel: the sets of goroutines that may be left, one of which must be.
    pub(crate) fn read() -> BTreeMap<&'static str, Vec<Left>> {
        let lines = include_str!("expected.tsv").lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split_once('\t').expect(line))
            .map(|(name, sets)| (name, all(sets)))
            .collect()
    }

    fn all(sets: &str) -> Vec<Left> {
        let one = |set: &str| {
            let mut left: Left = set.split(',').map(|g| g.trim().to_string()).collect();
            left.sort();
            left
        };
        sets.split('|').map(one).collect()
    }
}

fn left(finding: &gmp::explore::Finding) -> Vec<String> {
    let groups = finding.report.findings.iter();
    let mut left: Vec<String> = groups
        .flat_map(|group| {
            let body = if group.is_body { "body: " } else { "" };
            std::iter::repeat_n(format!("{body}{}", group.reason), group.count)
        })
        .collect();
    left.sort();
    left
}

#[test]
fn every_kernel_is_found_whatever_the_seed() {
    let expected = expected::read();
    assert_eq!(expected.len(), KERNELS.len());
    println!("{:18} {:>10} {:>10} {:>10}  left", "kernel", "schedule", "worst", "ms");
    for Kernel { name, bug, .. } in KERNELS {
        let mut found = Vec::new();
        for seed in 0..20 {
            let outcome = bug(&Explorer::new(*name).seed(seed));
            assert_eq!(outcome.trouble, None, "{name}");
            let finding = outcome.finding.unwrap_or_else(|| panic!("{name}: not with seed {seed}"));
            let left = left(&finding);
            assert!(
                expected[name].contains(&left),
                "{name}, seed {seed}: {left:?}\n{}",
                finding.report
            );
            found.push((finding.schedule, outcome.elapsed, left));
        }
        found.sort();
        let (middle, worst) = (&found[found.len() / 2], &found[found.len() - 1]);
        let slowest = found.iter().map(|f| f.1).max().unwrap_or_default().as_secs_f64() * 1e3;
        println!(
            "{name:18} {:>10} {:>10} {slowest:>10.1}  {}",
            middle.0,
            worst.0,
            middle.2.join(", ")
        );
    }
}

#[test]
fn repaired_kernels_show_nothing() {
    for Kernel { name, control, .. } in KERNELS {
        let outcome = control(&Explorer::new(*name).schedules(500));
        assert_eq!(outcome.trouble, None, "{name}");
        if let Some(finding) = outcome.finding {
            panic!("{name}, schedule {}: {}", finding.schedule, finding.report);
        }
    }
}

#[test]
fn a_schedule_that_was_found_shows_the_same_each_time_it_is_played() {
    for Kernel { name, bug, replay, .. } in KERNELS {
        let found = bug(&Explorer::new(*name)).finding.expect("as above");
        for _ in 0..1_000 / KERNELS.len() + 1 {
            let again = replay(&Explorer::new(*name), &found.replay);
            assert_eq!(again.trouble, None, "{name}: {}", found.replay);
            let again = again.finding.expect(name);
            assert_eq!((left(&again), &again.replay), (left(&found), &found.replay));
        }
    }
}
