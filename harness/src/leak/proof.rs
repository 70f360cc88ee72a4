//! Which stuck goroutines are proven: the fixpoint over the reap log.
//!
//! Stage 4 of staged reaping. A goroutine belongs to L, the set that somebody outside may release, if a
//! capability of its wait set survived, or if it joins a goroutine that is a root or in L. Whatever died
//! after the first drop of a member of L may have been held by that member; so with d the earliest drop
//! in L, every goroutine whose last capability died after d joins L, until nothing changes. An unlucky
//! order of drops only makes L larger: it loses proofs and never invents one.

use std::collections::{HashMap, HashSet};

use gmp_core::inspect::{GoroutineId, Tick};

/// A stuck goroutine as the log saw it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Which.
    pub(crate) id: GoroutineId,
    /// When its drop began (δ); `None` if it could not be dropped.
    pub(crate) dropped: Option<Tick>,
    /// When the last of its capabilities died (τ); `None` if one survived.
    pub(crate) released: Option<Tick>,
    /// The goroutines it joins.
    pub(crate) joins: Vec<GoroutineId>,
}

/// The ids in L. `roots` are the goroutines that are not stuck for good.
pub(crate) fn reachable(entries: &[Entry], roots: &HashSet<GoroutineId>) -> HashSet<GoroutineId> {
    let mut joiners: HashMap<GoroutineId, Vec<usize>> = HashMap::new();
    for (i, entry) in entries.iter().enumerate() {
        for target in &entry.joins {
            joiners.entry(*target).or_default().push(i);
        }
    }
    // The latest τ first: a lower d takes a prefix of what is left.
    let mut by_release: Vec<usize> = (0..entries.len()).collect();
    by_release
        .sort_unstable_by_key(|&i| core::cmp::Reverse(entries[i].released.unwrap_or(Tick::MAX)));
    let mut by_release = by_release.into_iter().peekable();

    let mut found = HashSet::new();
    let mut earliest = Tick::MAX;
    let mut work: Vec<usize> = (0..entries.len())
        .filter(|&i| entries[i].released.is_none())
        .chain(roots.iter().flat_map(|root| joiners.get(root).into_iter().flatten().copied()))
        .collect();
    loop {
        while let Some(i) = work.pop() {
            if found.insert(entries[i].id) {
                earliest = earliest.min(entries[i].dropped.unwrap_or(Tick::MAX));
                work.extend(joiners.get(&entries[i].id).into_iter().flatten());
            }
        }
        let after = |i: &usize| entries[*i].released.is_none_or(|tau| tau > earliest);
        match by_release.next_if(after) {
            Some(i) => work.push(i),
            None => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn g(n: u64) -> GoroutineId {
        GoroutineId::from_u64(n).expect("not zero")
    }

    fn entry(id: u64, dropped: Tick, released: Option<Tick>, joins: &[u64]) -> Entry {
        let joins = joins.iter().map(|&n| g(n)).collect();
        Entry { id: g(id), dropped: Some(dropped), released, joins }
    }

    fn ids(found: HashSet<GoroutineId>) -> Vec<u64> {
        let mut ids: Vec<u64> = found.into_iter().map(GoroutineId::get).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn nothing_survives_everything_is_proven() {
        let entries = [entry(1, 10, Some(30), &[]), entry(2, 20, Some(11), &[])];
        assert!(reachable(&entries, &HashSet::new()).is_empty());
    }

    #[test]
    fn what_died_after_the_first_drop_of_a_survivor_is_lost() {
        // 2 survives and is dropped at 20: it may have held what died at 25, but not what died at 15.
        let entries =
            [entry(1, 30, Some(25), &[]), entry(2, 20, None, &[]), entry(3, 10, Some(15), &[])];
        assert_eq!(ids(reachable(&entries, &HashSet::new())), [1, 2]);
    }

    #[test]
    fn the_fixpoint_follows_an_earlier_drop() {
        // 3 survives, dropped at 30; so 1 (released at 31, dropped at 10) is in L; then 2 (at 11) too.
        let entries =
            [entry(1, 10, Some(31), &[]), entry(2, 20, Some(11), &[]), entry(3, 30, None, &[])];
        assert_eq!(ids(reachable(&entries, &HashSet::new())), [1, 2, 3]);
    }

    #[test]
    fn joins_follow_roots_and_survivors() {
        let entries =
            [entry(1, 30, Some(0), &[9]), entry(2, 31, Some(0), &[1]), entry(3, 32, Some(0), &[7])];
        assert_eq!(ids(reachable(&entries, &HashSet::from([g(9)]))), [1, 2]);
    }

    /// The definition, step by step.
    fn naive(entries: &[Entry], roots: &HashSet<GoroutineId>) -> HashSet<GoroutineId> {
        let mut found: HashSet<GoroutineId> = HashSet::new();
        loop {
            let first = entries
                .iter()
                .filter(|e| found.contains(&e.id))
                .map(|e| e.dropped.unwrap_or(Tick::MAX))
                .min()
                .unwrap_or(Tick::MAX);
            let grown: HashSet<GoroutineId> = entries
                .iter()
                .filter(|e| {
                    e.released.is_none_or(|tau| tau > first)
                        || e.joins.iter().any(|j| roots.contains(j) || found.contains(j))
                })
                .map(|e| e.id)
                .chain(found.iter().copied())
                .collect();
            if grown == found {
                return found;
            }
            found = grown;
        }
    }

    #[test]
    fn agrees_with_the_definition_on_random_logs() {
        let mut random = 7u64;
        let mut next = |n: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) % n
        };
        for _ in 0..2_000 {
            let n = 1 + next(8);
            let entries: Vec<Entry> = (1..=n)
                .map(|id| {
                    let released = (next(6) > 0).then(|| next(40));
                    let joins: Vec<u64> = if next(4) == 0 { vec![1 + next(n + 2)] } else { vec![] };
                    let mut entry = entry(id, 10 + 2 * id, released, &joins);
                    if next(10) == 0 {
                        entry.dropped = None;
                    }
                    entry
                })
                .collect();
            let roots = HashSet::from([g(n + 1)]);
            assert_eq!(reachable(&entries, &roots), naive(&entries, &roots), "{entries:?}");
        }
    }
}
