//! A tree of contexts in words: which are done and why, who waits, and where the chain is broken.

use core::fmt;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Context;
use super::cancel::ContextError;
use super::expiry::Expiry;
use super::kind::Kind;
use super::node::Node;
use crate::g::current;
use crate::inspect::{GoroutineId, Location, PrimitiveKind};

/// The most children of one context that are shown.
const CHILDREN: usize = 16;
/// The deepest level that is shown.
const LEVELS: usize = 16;
/// The most goroutines that are named.
const NAMES: usize = 5;

/// A picture of the tree that a context belongs to, from its root on. Made by [`Context::tree`].
pub struct Tree {
    lines: Vec<String>,
}

impl Context {
    /// A picture of the tree that this context belongs to: each context with the line that made it, its
    /// state (who cancelled it where, or the time until its deadline), and the goroutines that wait for
    /// it. This context is marked.
    ///
    /// A context knows what can be cancelled with it, so the picture has that, and all that lies
    /// between. Where the leak detector watches, it has every context of the goroutine's scope, also
    /// those that were made from nothing by a goroutine that had a context of this tree: there the chain
    /// is broken.
    ///
    /// ```
    /// use gmp_core::context::{background, with_cancel, with_cancel_cause};
    ///
    /// let (request, cancel) = with_cancel_cause(&background());
    /// let (query, _stop) = with_cancel(&request);
    /// cancel.cancel_with("the client hung up");
    /// let tree = query.tree().to_string();
    /// let lines: Vec<&str> = tree.lines().collect();
    /// assert_eq!(lines[0], "background");
    /// assert!(lines[1].starts_with("└─ with_cancel_cause at "));
    /// assert!(lines[1].ends_with(", cause: the client hung up"));
    /// assert!(lines[2].starts_with("   └─ with_cancel at "));
    /// assert!(lines[2].ends_with(": done with its parent, 1 cancel handle <- here"));
    /// ```
    pub fn tree(&self) -> Tree {
        let mut forest = Forest::default();
        let ancestors = core::iter::successors(Some(self), |context| context.node().parent());
        // From the root on, so that the order does not depend on who asks.
        for context in ancestors.collect::<Vec<_>>().into_iter().rev() {
            forest.add(context);
            forest.add_listed();
        }
        forest.add_watched();
        forest.hang_broken();
        let path = self.node().lineage().map(|node| forest.numbers[&address(node)]);
        // Deeper than that nothing is drawn.
        let path: Vec<_> = path.collect::<Vec<_>>().into_iter().rev().take(LEVELS + 1).collect();
        let here = address(self.node());
        let mut painter = Painter { forest: &forest, here, path, lines: Vec::new() };
        painter.draw(forest.root_of(self.node()));
        Tree { lines: painter.lines }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.lines).finish()
    }
}

/// What is known of it on one line: `with_cancel at src/main.rs:3:9: active, 1 cancel handle`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self))
    }
}

/// Nodes by their number, kept alive while they are looked at. A parent comes before its children.
#[derive(Default)]
struct Forest {
    nodes: Vec<Context>,
    numbers: HashMap<*const Node, usize>,
    children: Vec<Vec<usize>>,
    /// Nodes whose lists were looked at.
    looked_at: usize,
    /// Roots that break the chain of the node of that number.
    broken: HashMap<usize, Vec<usize>>,
}

impl Forest {
    /// Adds `node` and its ancestors, as far as they are new.
    fn add(&mut self, context: &Context) {
        let is_new = |context: &&Context| !self.numbers.contains_key(&address(context.node()));
        let new = core::iter::successors(Some(context), |context| context.node().parent());
        let new: Vec<Context> = new.take_while(is_new).cloned().collect();
        for context in new.into_iter().rev() {
            let number = self.nodes.len();
            self.numbers.insert(address(context.node()), number);
            if let Some(parent) = context.node().parent() {
                let parent = self.numbers[&address(parent.node())];
                self.children[parent].push(number);
            }
            self.nodes.push(context);
            self.children.push(Vec::new());
        }
    }

    /// Adds what can be cancelled with the nodes that are new.
    fn add_listed(&mut self) {
        while let Some(context) = self.nodes.get(self.looked_at).cloned() {
            context.node().listed().iter().for_each(|child| self.add(child));
            self.looked_at += 1;
        }
    }

    /// Adds all contexts of the scope that the current goroutine belongs to.
    fn add_watched(&mut self) {
        let records = current::watched(|_, watch| watch.records()).unwrap_or_default();
        let mut records: Vec<_> =
            records.into_iter().filter(|record| record.kind == PrimitiveKind::Context).collect();
        records.sort_unstable_by_key(|record| record.id);
        let nodes = records.iter().filter_map(|record| record.context_node());
        let nodes = nodes.filter_map(|node| node.downcast().ok());
        nodes.for_each(|node| self.add(&Context { node: Some(node) }));
    }

    /// Hangs each root that breaks a chain below the context that it should have been made from.
    fn hang_broken(&mut self) {
        let mut made_at: HashMap<Location, usize> = HashMap::new();
        for (number, context) in self.nodes.iter().enumerate() {
            made_at.entry(context.node().at()).or_insert(number);
        }
        for (number, context) in self.nodes.iter().enumerate() {
            let from = context.node().broken_from().and_then(|at| made_at.get(at));
            if let Some(from) = from.filter(|from| **from != number) {
                self.broken.entry(*from).or_default().push(number);
            }
        }
    }

    fn root_of(&self, node: &Node) -> usize {
        self.numbers[&address(node.lineage().last().unwrap_or(node))]
    }

    /// How gladly a node is left out: never one that leads to `here`, seldom one with something to tell.
    fn silence(&self, number: usize, path: &[usize]) -> u8 {
        let node = self.nodes[number].node();
        let tells = !node.waiting().is_empty() || self.broken.contains_key(&number);
        if path.contains(&number) { 0 } else { 2 - u8::from(tells) }
    }
}

struct Painter<'f> {
    forest: &'f Forest,
    here: *const Node,
    /// The numbers of the nodes from the root to `here`.
    path: Vec<usize>,
    lines: Vec<String>,
}

/// What tells a node from others.
fn address(node: &Node) -> *const Node {
    node
}

/// A node that is still to be drawn: its number, what stands before it and before those below it, and
/// its level.
struct Todo {
    number: usize,
    branch: String,
    indent: String,
    level: usize,
}

impl Painter<'_> {
    /// Draws the tree below `root`. Not by recursion: a chain may be a million contexts long.
    fn draw(&mut self, root: usize) {
        let first = Todo { number: root, branch: String::new(), indent: String::new(), level: 0 };
        let mut todo = vec![Ok(first)];
        let mut drawn = vec![false; self.forest.nodes.len()];
        while let Some(next) = todo.pop() {
            let Todo { number, branch, indent, level } = match next {
                Ok(node) => node,
                Err(text) => {
                    self.lines.push(text);
                    continue;
                }
            };
            // A root that breaks a chain may be reached from several sides.
            if std::mem::replace(&mut drawn[number], true) {
                continue;
            }
            let here = if address(self.forest.nodes[number].node()) == self.here {
                " <- here"
            } else {
                ""
            };
            self.lines.push(format!("{branch}{}{here}", words(&self.forest.nodes[number])));
            todo.extend(self.below(number, &indent, level).into_iter().rev());
        }
    }

    /// What is drawn below a node.
    fn below(&self, number: usize, indent: &str, level: usize) -> Vec<Result<Todo, String>> {
        let mut children = self.forest.children[number].clone();
        let broken = self.forest.broken.get(&number).map_or(&[][..], Vec::as_slice);
        if children.is_empty() && broken.is_empty() {
            return Vec::new();
        }
        if level == LEVELS {
            return vec![Err(format!("{indent}└─ .. and more below"))];
        }
        // Of many, those that have something to tell.
        let hidden = children.len().saturating_sub(CHILDREN);
        if hidden > 0 {
            children.sort_by_cached_key(|child| self.forest.silence(*child, &self.path));
            children.truncate(CHILDREN);
            children.sort_unstable();
        }
        let lines = children.len() + broken.len() + usize::from(hidden > 0);
        let mut below = Vec::with_capacity(lines);
        let ends =
            |n: usize| if n + 1 == lines { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let all = children.iter().map(|n| (*n, "")).chain(broken.iter().map(|n| (*n, BROKEN)));
        for (n, (number, note)) in all.enumerate() {
            let (corner, space) = ends(n);
            let branch = format!("{indent}{corner}{note}");
            below.push(Ok(Todo {
                number,
                branch,
                indent: format!("{indent}{space}"),
                level: level + 1,
            }));
        }
        if hidden > 0 {
            below.push(Err(format!("{indent}└─ .. and {hidden} more")));
        }
        below
    }
}

/// Stands before a root that should have been made from the context above it.
const BROKEN: &str = "(chain broken: cancelling the context above does not reach this one) ";

/// A context in words.
fn words(context: &Context) -> String {
    let node = context.node();
    let mut text = node.kind().as_str().to_owned();
    if let Some(key) = node.value().map(|value| value.name()) {
        text += &format!(" {key}");
    }
    // The node that unwatched backgrounds share was made nowhere.
    if context.node.is_some() {
        text += &format!(" at {}", node.at());
    }
    if let Some(by) = node.anchor().record.as_ref().and_then(|record| record.created_by) {
        text += &format!(" by {by}");
    }
    if node.kind().cancels() {
        text += &format!(": {}", state(node));
    } else if node.kind() == Kind::WithoutCancel {
        text += ": not cancelled with its parent";
    }
    match node.waiting().as_slice() {
        [] => {}
        [one] => text += &format!(", {} waits", name(one)),
        all => text += &format!(", {} wait", names(all)),
    }
    text
}

/// The state of a node that can be cancelled.
fn state(node: &Node) -> String {
    // Relaxed: a figure for people.
    let handles = node.handles().load(Ordering::Relaxed);
    let handles = match handles {
        0 => "no cancel handle left".to_owned(),
        1 => "1 cancel handle".to_owned(),
        more => format!("{more} cancel handles"),
    };
    let Some(error) = node.error() else {
        let mut text = format!("active, {handles}");
        if let Some(left) = node.expiry().and_then(Expiry::due_in) {
            text += &format!(", {} until its deadline", rounded(left));
        }
        return match node.functions() {
            0 => text,
            1 => text + ", 1 function to start",
            more => format!("{text}, {more} functions to start"),
        };
    };
    let above = node.parent().and_then(|parent| parent.node().canceller());
    let cause =
        |node: &Node| node.given_cause().as_ref().map(Arc::as_ptr).map(<*const _>::cast::<()>);
    let same_end = |above: &Node| {
        above.error() == Some(error)
            && above.ended_at() == node.ended_at()
            && cause(above) == cause(node)
    };
    if node.kind() != Kind::WithoutCancel && above.is_some_and(same_end) {
        return format!("done with its parent, {handles}");
    }
    let mut text = match error {
        ContextError::DeadlineExceeded => "deadline exceeded".to_owned(),
        ContextError::Canceled => "cancelled".to_owned(),
    };
    if let Some(at) = node.ended_at() {
        text += &format!(" at {at}");
    }
    if let Some(by) = node.ended_by() {
        text += &format!(" by {by}");
    }
    if let Some(cause) = node.given_cause() {
        text += &format!(", cause: {cause}");
    }
    text
}

/// The waiters as a list.
fn names(waiting: &[Option<GoroutineId>]) -> String {
    let named: Vec<_> = waiting.iter().take(NAMES).map(name).collect();
    match waiting.len().saturating_sub(NAMES) {
        0 => {
            let (last, first) = named.split_last().expect("there are two at least");
            format!("{} and {last}", first.join(", "))
        }
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Who waits: `None` is a plain thread, or a task of another runtime.
fn name(waiter: &Option<GoroutineId>) -> String {
    waiter.map_or("a thread".to_owned(), |id| id.to_string())
}

/// A duration as Go prints it, with no more digits than anybody reads.
fn rounded(left: Duration) -> String {
    let seconds = left.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{}ms", left.as_millis()),
        (0, 0, s) => format!("{s}.{}s", left.subsec_millis() / 100),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}
