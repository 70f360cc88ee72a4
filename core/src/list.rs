//! An intrusive doubly linked list: nodes live inside futures and cells, the list owns nothing.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// The links a node carries for one list. `Tag` tells the lists apart that one node may be in.
pub(crate) struct Links<T> {
    prev: UnsafeCell<Option<NonNull<T>>>,
    next: UnsafeCell<Option<NonNull<T>>>,
}

impl<T> Links<T> {
    pub(crate) const fn new() -> Self {
        Self { prev: UnsafeCell::new(None), next: UnsafeCell::new(None) }
    }
}

/// A type that can be linked into a `List<Self, Tag>`.
///
/// # Safety
/// `links` returns the same field of the node each time, by projection only, without making a
/// reference to the whole node.
pub(crate) unsafe trait Linked<Tag>: Sized {
    /// The links that `node` carries for this list.
    fn links(node: NonNull<Self>) -> NonNull<Links<Self>>;
}

/// A list of nodes that its user keeps alive and in place while they are linked.
pub(crate) struct List<T, Tag> {
    head: Option<NonNull<T>>,
    tail: Option<NonNull<T>>,
    tag: PhantomData<Tag>,
}

// SAFETY: the list is a pair of pointers. Whoever moves it to another thread holds the lock that
// guards it and its nodes, as each unsafe method demands.
unsafe impl<T, Tag> Send for List<T, Tag> {}

impl<T: Linked<Tag>, Tag> Default for List<T, Tag> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Linked<Tag>, Tag> List<T, Tag> {
    pub(crate) const fn new() -> Self {
        Self { head: None, tail: None, tag: PhantomData }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The first node.
    pub(crate) fn front(&self) -> Option<NonNull<T>> {
        self.head
    }

    /// The node behind `node`.
    ///
    /// # Safety
    /// `node` is linked in this very list.
    pub(crate) unsafe fn after(&self, node: NonNull<T>) -> Option<NonNull<T>> {
        // SAFETY: linked here, hence alive.
        unsafe { Self::next(node) }
    }

    /// Links `node` at the end.
    ///
    /// # Safety
    /// `node` is alive, in no list of this tag, and stays in place until it is unlinked.
    pub(crate) unsafe fn push_back(&mut self, node: NonNull<T>) {
        // SAFETY: the caller keeps `node` and all linked nodes alive; `&mut self` is exclusive.
        unsafe {
            Self::set_prev(node, self.tail);
            Self::set_next(node, None);
            match self.tail {
                Some(tail) => Self::set_next(tail, Some(node)),
                None => self.head = Some(node),
            }
        }
        self.tail = Some(node);
    }

    /// Links `node` at the front.
    ///
    /// # Safety
    /// As for [`push_back`](Self::push_back).
    pub(crate) unsafe fn push_front(&mut self, node: NonNull<T>) {
        // SAFETY: the caller keeps `node` and all linked nodes alive; `&mut self` is exclusive.
        unsafe {
            Self::set_next(node, self.head);
            Self::set_prev(node, None);
            match self.head {
                Some(head) => Self::set_prev(head, Some(node)),
                None => self.tail = Some(node),
            }
        }
        self.head = Some(node);
    }

    /// Unlinks and returns the first node.
    pub(crate) fn pop_front(&mut self) -> Option<NonNull<T>> {
        let node = self.head?;
        // SAFETY: `node` is linked in this list, hence alive.
        unsafe { self.remove(node) };
        Some(node)
    }

    /// Unlinks and returns the last node.
    pub(crate) fn pop_back(&mut self) -> Option<NonNull<T>> {
        let node = self.tail?;
        // SAFETY: `node` is linked in this list, hence alive.
        unsafe { self.remove(node) };
        Some(node)
    }

    /// Unlinks `node`.
    ///
    /// # Safety
    /// `node` is linked in this very list.
    pub(crate) unsafe fn remove(&mut self, node: NonNull<T>) {
        // SAFETY: `node` and its neighbours are linked here, hence alive; `&mut self` is exclusive.
        unsafe {
            let (prev, next) = (Self::prev(node), Self::next(node));
            match prev {
                Some(prev) => Self::set_next(prev, next),
                None => self.head = next,
            }
            match next {
                Some(next) => Self::set_prev(next, prev),
                None => self.tail = prev,
            }
            Self::set_prev(node, None);
            Self::set_next(node, None);
        }
    }

    /// Calls `visit` with each node, front to back, until it returns `false`. A node may be
    /// unlinked by nobody during the walk.
    pub(crate) fn walk(&self, mut visit: impl FnMut(NonNull<T>) -> bool) {
        let mut at = self.head;
        while let Some(node) = at {
            // SAFETY: `node` is linked, hence alive; the links are read before `visit` may use it.
            at = unsafe { Self::next(node) };
            if !visit(node) {
                return;
            }
        }
    }

    /// Links `node` at the front of a list that has only a head.
    ///
    /// # Safety
    /// As for [`push_back`](Self::push_back); the caller owns `head` and its nodes' links.
    pub(crate) unsafe fn push_head(head: &mut Option<NonNull<T>>, node: NonNull<T>) {
        let mut list = Self { head: *head, tail: None, tag: PhantomData };
        // SAFETY: the caller keeps the nodes alive; the tail is not looked at.
        unsafe { list.push_front(node) };
        *head = list.head;
    }

    /// Unlinks `node` from a list that has only a head.
    ///
    /// # Safety
    /// `node` is linked in the list of this `head`, which the caller owns.
    pub(crate) unsafe fn remove_head(head: &mut Option<NonNull<T>>, node: NonNull<T>) {
        let mut list = Self { head: *head, tail: None, tag: PhantomData };
        // SAFETY: the caller keeps the nodes alive; the tail is not looked at.
        unsafe { list.remove(node) };
        *head = list.head;
    }

    /// Walks a list that has only a head, see [`walk`](Self::walk).
    pub(crate) fn walk_head(head: Option<NonNull<T>>, visit: impl FnMut(NonNull<T>) -> bool) {
        Self { head, tail: None, tag: PhantomData }.walk(visit);
    }

    unsafe fn prev(node: NonNull<T>) -> Option<NonNull<T>> {
        // SAFETY: the caller has a live node and exclusive use of the list's links.
        unsafe { *T::links(node).as_ref().prev.get() }
    }

    unsafe fn next(node: NonNull<T>) -> Option<NonNull<T>> {
        // SAFETY: the caller has a live node and exclusive use of the list's links.
        unsafe { *T::links(node).as_ref().next.get() }
    }

    unsafe fn set_prev(node: NonNull<T>, to: Option<NonNull<T>>) {
        // SAFETY: the caller has a live node and exclusive use of the list's links.
        unsafe { *T::links(node).as_ref().prev.get() = to }
    }

    unsafe fn set_next(node: NonNull<T>, to: Option<NonNull<T>>) {
        // SAFETY: the caller has a live node and exclusive use of the list's links.
        unsafe { *T::links(node).as_ref().next.get() = to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Node {
        value: u32,
        links: Links<Node>,
    }

    struct Queue;

    // SAFETY: projects to the one field.
    unsafe impl Linked<Queue> for Node {
        fn links(node: NonNull<Self>) -> NonNull<Links<Self>> {
            // SAFETY: in bounds of a live node.
            unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).links) }
        }
    }

    #[test]
    fn order_is_kept_and_any_node_can_be_removed() {
        let nodes: Vec<Box<Node>> =
            (0..5).map(|value| Box::new(Node { value, links: Links::new() })).collect();
        let at = |i: usize| NonNull::from(&*nodes[i]);
        let mut list = List::<Node, Queue>::new();
        // SAFETY: the nodes are boxed and outlive the list; each is linked once.
        unsafe {
            for i in 1..4 {
                list.push_back(at(i));
            }
            list.push_front(at(0));
            list.push_back(at(4));
            list.remove(at(2));
            list.remove(at(0));
            list.remove(at(4));
        }
        let mut seen = Vec::new();
        list.walk(|node| {
            // SAFETY: linked nodes are alive.
            seen.push(unsafe { node.as_ref() }.value);
            true
        });
        assert_eq!(seen, [1, 3]);
        // SAFETY: as above.
        assert_eq!(list.pop_front().map(|n| unsafe { n.as_ref() }.value), Some(1));
        assert!(list.pop_front().is_some() && list.pop_front().is_none() && list.is_empty());
    }
}
