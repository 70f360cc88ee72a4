//! Every pattern has its repaired form beside it, by name.

use std::collections::BTreeSet;

use gmp::__private::{Descriptor, Submission, inventory};

/// Patterns whose repaired form has another name.
const ELSEWHERE: &[(&str, &str)] = &[
    // One form for every size.
    ("articles::worker_pool_of_8", "articles::worker_pool_fixed"),
    ("articles::worker_pool_of_24", "articles::worker_pool_fixed"),
    ("articles::worker_pool_of_32", "articles::worker_pool_fixed"),
    // A repair that was not enough.
    ("stores::wait_groups_in_a_map_removed_only", "stores::wait_groups_in_a_map_fixed"),
];

fn goes_wrong(descriptor: &Descriptor) -> bool {
    descriptor.expects_leak() || descriptor.expects_panic()
}

#[test]
fn every_pattern_has_a_repaired_form() {
    let all = || inventory::iter::<Submission>().map(|submission| submission.0);
    let clean: BTreeSet<String> =
        all().filter(|one| !goes_wrong(one)).map(|one| one.path()).collect();
    let mut patterns = 0;
    for wrong in all().filter(|one| goes_wrong(one)).map(|one| one.path()) {
        let elsewhere = ELSEWHERE.iter().find(|(pattern, _)| *pattern == wrong);
        let fixed = elsewhere.map_or(format!("{wrong}_fixed"), |(_, fixed)| (*fixed).to_owned());
        assert!(clean.contains(&fixed), "{wrong} has no repaired form {fixed}");
        patterns += 1;
    }
    assert!(patterns > 60, "the patterns are collected: {patterns}");
    for (pattern, _) in ELSEWHERE {
        assert!(all().any(|one| one.path() == *pattern), "{pattern} is gone");
    }
}
