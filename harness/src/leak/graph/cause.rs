//! The cause that each node of a wait-for graph is behind: a component that waits for nothing else.

use super::digraph::{Components, Digraph};

/// What every node is behind.
#[derive(Debug)]
pub(super) struct Causes {
    /// The component that is the cause, for each component.
    root: Vec<u32>,
    /// Whether the way from the component to its cause leads through no other goroutine.
    direct: Vec<bool>,
    components: Components,
}

impl Causes {
    /// Finds the causes. `is_goroutine` tells goroutines from primitives.
    ///
    /// Where several causes are possible, the one that most goroutines wait for directly is the likeliest
    /// to be the one to cure; then the one that was met first.
    pub(super) fn of(graph: &Digraph, is_goroutine: impl Fn(u32) -> bool) -> Self {
        let components = graph.components();
        let count = components.count;
        let of = |node: u32| components.of[node as usize] as usize;
        // What lies in a component, and how many goroutines lead straight into it.
        let (mut goroutines, mut waiters) = (vec![false; count], vec![0u32; count]);
        let mut first = vec![u32::MAX; count];
        let mut leads_out = vec![false; count];
        for node in 0..graph.len() as u32 {
            goroutines[of(node)] |= is_goroutine(node);
            first[of(node)] = first[of(node)].min(node);
            for &to in graph.from(node) {
                leads_out[of(node)] |= of(to) != of(node);
                waiters[of(to)] += u32::from(is_goroutine(node) && of(to) != of(node));
            }
        }
        let (mut root, mut direct) = (vec![0u32; count], vec![false; count]);
        // Edges lead to lower numbers, so whatever a component leads to has been decided before it.
        let mut members: Vec<u32> = (0..graph.len() as u32).collect();
        members.sort_unstable_by_key(|node| components.of[*node as usize]);
        let mut members = members.into_iter().peekable();
        for here in 0..count {
            let mut best: Option<usize> = None;
            while let Some(node) = members.next_if(|node| of(*node) == here) {
                for to in graph.from(node).iter().map(|to| of(*to)).filter(|to| *to != here) {
                    let rank = |to: usize| {
                        let root = root[to] as usize;
                        (waiters[root], core::cmp::Reverse(first[root]), direct[to])
                    };
                    if best.is_none_or(|best| rank(to) > rank(best)) {
                        best = Some(to);
                    }
                }
            }
            match best {
                None => (root[here], direct[here]) = (here as u32, true),
                Some(to) => {
                    root[here] = root[to];
                    direct[here] = direct[to] && !goroutines[to];
                }
            }
            debug_assert_eq!(best.is_some(), leads_out[here]);
        }
        Self { root, direct, components }
    }

    /// The cause of `node`, as the number of a component.
    pub(super) fn cause(&self, node: u32) -> u32 {
        self.root[self.components.of[node as usize] as usize]
    }

    /// Whether nothing but primitives lies between `node` and its cause.
    pub(super) fn is_direct(&self, node: u32) -> bool {
        self.direct[self.components.of[node as usize] as usize]
    }

    /// Whether `node` belongs to its cause.
    pub(super) fn is_part(&self, node: u32) -> bool {
        self.cause(node) == self.components.of[node as usize]
    }

    /// How many components there are: causes have lower numbers.
    pub(super) fn count(&self) -> usize {
        self.components.count
    }

    pub(super) fn components(&self) -> &Components {
        &self.components
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes below 10 are goroutines, the others primitives.
    fn causes(edges: &[(u32, u32)]) -> Causes {
        Causes::of(&Digraph::new(20, edges), |node| node < 10)
    }

    #[test]
    fn everything_behind_one_primitive_has_one_cause() {
        // 1 and 2 wait for 10; 3 joins 1; 4 waits for 11, which 3 holds.
        let found = causes(&[(1, 10), (2, 10), (3, 1), (4, 11), (11, 3)]);
        let cause = found.cause(10);
        for node in [1, 2, 3, 4, 11] {
            assert_eq!(found.cause(node), cause);
        }
        let direct: Vec<u32> = (1..5).filter(|node| found.is_direct(*node)).collect();
        assert_eq!(direct, [1, 2]);
        assert_ne!(found.cause(5), cause);
    }

    #[test]
    fn a_circle_is_a_cause_of_its_own() {
        let found = causes(&[(1, 10), (10, 2), (2, 11), (11, 1), (3, 10)]);
        assert!(found.is_part(1) && found.is_part(2) && !found.is_part(3));
        assert_eq!(found.cause(3), found.cause(1));
        assert!(!found.is_direct(3), "a goroutine of the circle holds what it waits for");
    }

    #[test]
    fn the_cause_that_most_wait_for_is_taken() {
        let found = causes(&[(1, 10), (1, 11), (2, 11), (3, 11), (4, 12)]);
        assert_eq!(found.cause(1), found.cause(11));
        assert_ne!(found.cause(10), found.cause(11));
    }

    #[test]
    fn contexts_lead_to_their_ancestors() {
        let found = causes(&[(1, 10), (10, 11), (2, 12), (12, 11)]);
        assert_eq!(found.cause(1), found.cause(11));
        assert!(found.is_direct(1) && found.is_direct(2));
    }

    #[test]
    fn a_self_loop_is_part_of_its_cause() {
        let found = causes(&[(1, 10), (10, 1), (2, 2)]);
        assert!(found.is_part(1) && found.is_part(2));
        assert_ne!(found.cause(1), found.cause(2));
    }
}
