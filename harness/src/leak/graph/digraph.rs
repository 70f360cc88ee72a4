//! A directed graph in two flat arrays, and its strongly connected components in linear time.

/// The nodes are the numbers below [`len`](Self::len). The edges of a node lie side by side.
#[derive(Debug, Default)]
pub(super) struct Digraph {
    /// Where the edges of each node begin; one entry more than there are nodes.
    starts: Vec<u32>,
    targets: Vec<u32>,
}

/// The strongly connected components of a graph, numbered so that every edge leads to the same or a
/// lower number: the ones that nothing leads out of come first.
#[derive(Debug)]
pub(super) struct Components {
    /// The component of each node.
    pub(super) of: Vec<u32>,
    /// How many there are.
    pub(super) count: usize,
}

impl Digraph {
    /// The graph with these edges, which keep their order at each node.
    pub(super) fn new(nodes: usize, edges: &[(u32, u32)]) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        for (from, _) in edges {
            starts[*from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut targets = vec![0; edges.len()];
        for (from, to) in edges {
            let place = &mut next[*from as usize];
            targets[*place as usize] = *to;
            *place += 1;
        }
        Self { starts, targets }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Where the edges of `node` lead.
    pub(super) fn from(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.targets[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// Tarjan's algorithm with a stack of its own: a chain of goroutines may be a million long.
    ///
    /// See R. Tarjan, "Depth-first search and linear graph algorithms", 1972.
    pub(super) fn components(&self) -> Components {
        /// Not reached yet.
        const NEW: u32 = u32::MAX;
        let nodes = self.len();
        let mut of = vec![NEW; nodes];
        let mut count = 0u32;
        // The order in which nodes were reached, and the earliest node that each leads back to.
        let (mut reached, mut low) = (vec![NEW; nodes], vec![0u32; nodes]);
        let mut clock = 0u32;
        let mut open: Vec<u32> = Vec::new();
        let mut way: Vec<(u32, u32)> = Vec::new();
        for root in 0..nodes as u32 {
            if reached[root as usize] != NEW {
                continue;
            }
            way.push((root, 0));
            while let Some((node, edge)) = way.last_mut() {
                let at = *node as usize;
                if *edge == 0 {
                    reached[at] = clock;
                    low[at] = clock;
                    clock += 1;
                    open.push(*node);
                }
                let Some(&to) = self.from(*node).get(*edge as usize) else {
                    let node = *node;
                    way.pop();
                    if let Some((above, _)) = way.last() {
                        let above = *above as usize;
                        low[above] = low[above].min(low[at]);
                    }
                    if low[at] == reached[at] {
                        while let Some(member) = open.pop() {
                            of[member as usize] = count;
                            if member == node {
                                break;
                            }
                        }
                        count += 1;
                    }
                    continue;
                };
                *edge += 1;
                let target = to as usize;
                if reached[target] == NEW {
                    way.push((to, 0));
                } else if of[target] == NEW {
                    low[at] = low[at].min(reached[target]);
                }
            }
        }
        Components { of, count: count as usize }
    }

    /// The shortest way from `node` back to itself along nodes of one component, without the last step;
    /// empty if there is none.
    pub(super) fn circle(&self, node: u32, components: &Components) -> Vec<u32> {
        let of = |node: u32| components.of[node as usize];
        let mut before = std::collections::HashMap::new();
        let mut queue = std::collections::VecDeque::from([node]);
        while let Some(at) = queue.pop_front() {
            for &to in self.from(at).iter().filter(|to| of(**to) == of(node)) {
                if to == node {
                    let back = |at: &u32| before.get(at).copied();
                    let mut way: Vec<u32> = core::iter::successors(Some(at), back).collect();
                    way.reverse();
                    return way;
                }
                if let std::collections::hash_map::Entry::Vacant(new) = before.entry(to) {
                    new.insert(at);
                    queue.push_back(to);
                }
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `to` can be reached from `from`, step by step.
    fn leads(graph: &Digraph, from: u32, to: u32) -> bool {
        let (mut seen, mut open) = (vec![false; graph.len()], vec![from]);
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            for &next in graph.from(at) {
                if !core::mem::replace(&mut seen[next as usize], true) {
                    open.push(next);
                }
            }
        }
        false
    }

    #[test]
    fn components_are_the_mutually_reachable_nodes_in_order() {
        let mut random = 11u64;
        let mut next = |n: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((random >> 33) % n) as u32
        };
        for _ in 0..300 {
            let nodes = 1 + next(9);
            let edges: Vec<_> =
                (0..next(20)).map(|_| (next(u64::from(nodes)), next(u64::from(nodes)))).collect();
            let graph = Digraph::new(nodes as usize, &edges);
            let found = graph.components();
            assert!(found.of.iter().all(|c| (*c as usize) < found.count), "{found:?}");
            for (from, to) in &edges {
                assert!(found.of[*from as usize] >= found.of[*to as usize], "{edges:?}");
            }
            for a in 0..nodes {
                for b in 0..nodes {
                    let together = leads(&graph, a, b) && leads(&graph, b, a);
                    assert_eq!(found.of[a as usize] == found.of[b as usize], together);
                }
            }
        }
    }

    #[test]
    fn a_circle_is_the_shortest_way_back() {
        let graph = Digraph::new(6, &[(0, 1), (1, 2), (2, 0), (0, 3), (3, 0), (4, 4), (4, 5)]);
        let components = graph.components();
        assert_eq!(graph.circle(0, &components), [0, 3]);
        assert_eq!(graph.circle(1, &components), [1, 2, 0]);
        assert_eq!(graph.circle(4, &components), [4]);
        assert!(graph.circle(5, &components).is_empty());
    }

    #[test]
    fn a_hundred_thousand_edges_need_no_deep_stack() {
        let n = 100_000;
        let chain: Vec<_> = (0..n - 1).map(|i| (i, i + 1)).collect();
        let found = Digraph::new(n as usize, &chain).components();
        assert_eq!(found.count, n as usize);
        assert_eq!((found.of[0], found.of[n as usize - 1]), (n - 1, 0));
        let ring: Vec<_> = (0..n).map(|i| (i, (i + 1) % n)).collect();
        let graph = Digraph::new(n as usize, &ring);
        let found = graph.components();
        assert_eq!(found.count, 1);
        assert_eq!(graph.circle(7, &found).len(), n as usize);
    }
}
