//! The two walks through a context tree: ending a node with all below it, and letting go of the nodes
//! above. Both are loops: a chain may be a million nodes long.

use core::cell::{Cell, RefCell};
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::sync::{Arc, Weak};

use super::Context;
use super::func::{Func, Funcs};
use super::node::Node;
use crate::g::Wake;
use crate::list::{Linked, Links, List};

/// The list tag of the children of one node, and of the nodes that a walk has still to end.
pub(super) struct ChildTag;

/// The children of a node that can be cancelled. It keeps none of them alive: a child takes itself out,
/// under the lock of the node, before it goes.
pub(super) type Children = List<Node, ChildTag>;

// SAFETY: projects to the one field.
unsafe impl Linked<ChildTag> for Node {
    fn links(node: NonNull<Self>) -> NonNull<Links<Self>> {
        Self::links_of(node)
    }
}

/// The end of a node and of all below it, in progress.
#[derive(Default)]
pub(super) struct Walk {
    /// Nodes to end, each with a reference that is the walk's: the first child of a node first.
    left: Children,
    wakes: Vec<Wake>,
    funcs: Vec<Func>,
}

impl Walk {
    /// Takes the children of a node over; called under its lock.
    pub(super) fn take(&mut self, children: &mut Children) {
        while let Some(child) = children.pop_back() {
            // SAFETY: a listed child is alive, or waits for the lock that the caller has, to take itself
            // out: then its memory is still there. The weak reference is not given up here: it stands
            // for the one that all references share.
            let weak = ManuallyDrop::new(unsafe { Weak::from_raw(child.as_ptr().cast_const()) });
            if let Some(node) = weak.upgrade() {
                node.unlisted();
                let _ = Arc::into_raw(node);
                // SAFETY: alive through the reference that was not dropped, and in no list.
                unsafe { self.left.push_front(child) };
            } else {
                // SAFETY: as above, until this call has told the child that it need not wait.
                unsafe { Node::unlisted_while_dropped(child) };
            }
        }
    }

    /// The next node to end.
    pub(super) fn next(&mut self) -> Option<Arc<Node>> {
        let node = self.left.pop_front()?;
        // SAFETY: `take` left a reference for it.
        Some(unsafe { Arc::from_raw(node.as_ptr().cast_const()) })
    }

    pub(super) fn wake(&mut self, wake: Wake) {
        self.wakes.push(wake);
    }

    pub(super) fn start(&mut self, funcs: Funcs) {
        self.funcs.extend(funcs.all());
    }

    /// Does what is owed, outside all locks.
    pub(super) fn settle(self) {
        self.wakes.into_iter().for_each(Wake::wake);
        self.funcs.into_iter().for_each(Func::start);
    }
}

/// How many nodes may drop each other's parents inside one another.
const DEPTH: u32 = 32;

thread_local! {
    static DEEP: Cell<u32> = const { Cell::new(0) };
    /// Parents whose turn has not come.
    static PUT_OFF: RefCell<Vec<Context>> = const { RefCell::new(Vec::new()) };
}

/// Lets go of a parent while its child is dropped: at once, or, deep inside other such drops, when the
/// outermost of them is over.
pub(super) fn let_go(parent: Context) {
    let depth = DEEP.get();
    if depth >= DEPTH {
        let mut parent = Some(parent);
        let _ = PUT_OFF.try_with(|put_off| put_off.borrow_mut().extend(parent.take()));
        // Without thread-locals the thread is ending: there is nobody to put it off to.
        return drop(parent);
    }
    DEEP.set(depth + 1);
    drop(parent);
    while depth == 0
        && let Ok(Some(next)) = PUT_OFF.try_with(|put_off| put_off.borrow_mut().pop())
    {
        drop(next);
    }
    DEEP.set(depth);
}
