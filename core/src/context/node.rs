//! A node of a context tree: its place, its state, and the walk that ends it and all below.
//!
//! A child keeps its parent alive; the parent knows its children weakly and lists only those that can
//! be cancelled, directly or below contexts that cannot. One node's lock is held at a time, and nothing
//! of the user's runs under it. Both walks, ending and dropping, are loops: a chain may be a million
//! nodes long.

use core::cell::RefCell;
use core::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use super::cancel::{Cause, ContextError, End};
use super::expiry::Expiry;
use super::func::{Func, Funcs};
use super::tree;
use super::value::{Value, drop_user};
use crate::g::leaf::{Leaf, Wake};
use crate::g::{WaitQueue, current};
use crate::inspect::{Anchor, Capability, ContextView, Location, PrimitiveKind};
use crate::sys::Lock;
use crate::time::Instant;

/// The function that made a context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Background,
    Todo,
    WithCancel,
    WithCancelCause,
    WithTimeout,
    WithDeadline,
    WithValue,
    WithoutCancel,
}

impl Kind {
    /// Whether contexts of this kind have a state and cancel handles of their own.
    pub(super) fn cancels(self) -> bool {
        use Kind::{WithCancel, WithCancelCause, WithDeadline, WithTimeout};
        matches!(self, WithCancel | WithCancelCause | WithTimeout | WithDeadline)
    }

    fn is_root(self) -> bool {
        matches!(self, Self::Background | Self::Todo)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Todo => "todo",
            Self::WithCancel => "with_cancel",
            Self::WithCancelCause => "with_cancel_cause",
            Self::WithTimeout => "with_timeout",
            Self::WithDeadline => "with_deadline",
            Self::WithValue => "with_value",
            Self::WithoutCancel => "without_cancel",
        }
    }
}

/// What a node is made of.
pub(super) struct Spec {
    pub(super) kind: Kind,
    pub(super) parent: Option<Arc<Node>>,
    /// Its own deadline.
    pub(super) deadline: Option<Instant>,
    pub(super) value: Option<Value>,
}

impl Spec {
    pub(super) fn root(kind: Kind) -> Self {
        Self { kind, parent: None, deadline: None, value: None }
    }
}

/// Not in a parent's list.
const UNLISTED: usize = usize::MAX;

/// The shared part of a context. The anchor comes first: leaves point to it.
#[repr(C)]
pub(super) struct Node {
    anchor: Anchor,
    kind: Kind,
    /// [`ContextError`] as a number, 0 while active: readable without the lock.
    error: AtomicU8,
    at: Location,
    broken_from: Option<Location>,
    parent: Option<Arc<Node>>,
    /// The nearest deadline of it and its ancestors.
    deadline: Option<Instant>,
    expiry: OnceLock<Arc<Expiry>>,
    value: Option<Value>,
    /// Live cancel handles.
    handles: AtomicUsize,
    /// Its place in the list of its canceller above.
    place: AtomicUsize,
    inner: Lock<Inner>,
}

/// What the lock guards.
#[derive(Default)]
struct Inner {
    end: Option<End>,
    children: Children,
    waiters: WaitQueue,
    funcs: Funcs,
}

/// Children by place; places are used again.
#[derive(Default)]
struct Children {
    entries: Vec<Option<Weak<Node>>>,
    free: Vec<usize>,
}

impl Children {
    fn insert(&mut self, child: Weak<Node>) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        self.entries[place] = Some(child);
        place
    }

    /// What is taken out is to be dropped outside the lock.
    fn remove(&mut self, place: usize) -> Option<Weak<Node>> {
        let child = self.entries.get_mut(place)?.take()?;
        self.free.push(place);
        Some(child)
    }
}

/// What is owed after a walk, to be done outside all locks.
#[derive(Default)]
struct Aftermath {
    wakes: Vec<Wake>,
    funcs: Vec<Func>,
}

impl Aftermath {
    fn settle(self) {
        self.wakes.into_iter().for_each(Wake::wake);
        self.funcs.into_iter().for_each(Func::start);
    }
}

impl Node {
    pub(super) fn make(spec: Spec, at: Location) -> Arc<Self> {
        let Spec { kind, parent, deadline: own, value } = spec;
        let above = parent.as_ref().filter(|_| kind != Kind::WithoutCancel);
        let above = above.and_then(|parent| parent.deadline);
        let deadline = own.into_iter().chain(above).min();
        let had = || current::watched(|id, watch| watch.given_context(id)).flatten();
        let record = current::record(PrimitiveKind::Context, at);
        let node = Arc::new(Self {
            anchor: Anchor { describe: tree::describe, record },
            kind,
            error: AtomicU8::new(0),
            at,
            broken_from: if kind.is_root() { had() } else { None },
            parent,
            deadline,
            expiry: OnceLock::new(),
            value,
            handles: AtomicUsize::new(0),
            place: AtomicUsize::new(UNLISTED),
            inner: Lock::default(),
        });
        if let Some(record) = &node.anchor.record {
            let weak: Weak<Self> = Arc::downgrade(&node);
            let weak: Weak<dyn ContextView> = weak;
            record.set_context(weak);
        }
        node.note_use();
        if kind.cancels() {
            node.enlist();
        }
        // An ancestor's deadline that is not later does the work for both.
        if let Some(own) = own.filter(|own| above.is_none_or(|above| *own < above)) {
            node.expire_at(own);
        }
        node
    }

    pub(super) fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    pub(super) fn anchor_ptr(&self) -> NonNull<Anchor> {
        NonNull::from(self).cast()
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn at(&self) -> Location {
        self.at
    }

    pub(super) fn broken_from(&self) -> Option<Location> {
        self.broken_from
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn expiry(&self) -> Option<&Expiry> {
        self.expiry.get().map(|expiry| &**expiry)
    }

    pub(super) fn value(&self) -> Option<&Value> {
        self.value.as_ref()
    }

    pub(super) fn handles(&self) -> &AtomicUsize {
        &self.handles
    }

    /// This node and its ancestors, up to the root.
    pub(super) fn lineage(&self) -> impl Iterator<Item = &Node> {
        core::iter::successors(Some(self), |node| node.parent.as_deref())
    }

    /// The part of the lineage that ends this node when it ends: nearest first.
    pub(super) fn cancellers(&self) -> impl Iterator<Item = &Node> {
        let mut cut = false;
        let reached = move |node: &&Node| {
            let reached = !cut;
            cut = node.kind == Kind::WithoutCancel;
            reached
        };
        self.lineage().take_while(reached).filter(|node| node.kind.cancels())
    }

    /// The node whose state is this one's.
    pub(super) fn canceller(&self) -> Option<&Node> {
        self.cancellers().next()
    }

    /// The canceller above this node, which lists it.
    fn canceller_above(&self) -> Option<&Node> {
        self.parent.as_deref().filter(|_| self.kind != Kind::WithoutCancel)?.canceller()
    }

    /// Notes that the current goroutine has this context, if its scope watches.
    pub(super) fn note_use(&self) {
        if self.kind.is_root() {
            return;
        }
        current::watched(|id, watch| {
            let by = self.anchor.record.as_ref().and_then(|record| record.created_by);
            watch.note_context(id, self.at, by);
        });
    }

    /// Why this node, a canceller, has ended.
    pub(super) fn error(&self) -> Option<ContextError> {
        // Acquire: pairs with `end_one`: whoever sees the end sees what came before the cancel.
        ContextError::from_number(self.error.load(Ordering::Acquire))
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        self.inner.lock().end.as_ref().map(End::cause)
    }

    /// Where this node, a canceller, was cancelled.
    pub(super) fn ended_at(&self) -> Option<Location> {
        self.inner.lock().end.as_ref().and_then(|end| end.at)
    }

    /// Lists a new node in its canceller above, or ends it if that one has ended.
    fn enlist(self: &Arc<Self>) {
        let Some(above) = self.canceller_above() else { return };
        let mut inner = above.inner.lock();
        let end = inner.end.clone();
        if end.is_none() {
            let place = inner.children.insert(Arc::downgrade(self));
            // Relaxed: used under the same lock.
            self.place.store(place, Ordering::Relaxed);
        }
        drop(inner);
        if let Some(end) = end {
            self.end(&end);
        }
    }

    /// Takes the node out of the list of its canceller above.
    fn delist(&self) {
        let place = self.place.load(Ordering::Relaxed);
        if place == UNLISTED {
            return;
        }
        if let Some(above) = self.canceller_above() {
            let mut inner = above.inner.lock();
            // A canceller that has ended gave its list away and takes nobody in any more.
            let child = inner.children.remove(place);
            drop(inner);
            drop(child);
        }
        self.place.store(UNLISTED, Ordering::Relaxed);
    }

    fn expire_at(self: &Arc<Self>, deadline: Instant) {
        if self.error().is_some() {
            return;
        }
        match Expiry::arm(self, deadline) {
            Ok(expiry) => drop(self.expiry.set(expiry)),
            Err(()) => self.end(&End::new(ContextError::DeadlineExceeded, None, None)),
        }
        // It may have ended before its expiry was there to be stopped.
        if let Some(expiry) = self.expiry().filter(|_| self.error().is_some()) {
            expiry.disarm();
        }
    }

    /// Ends this node and everything below it.
    pub(super) fn end(self: &Arc<Self>, end: &End) {
        if self.error().is_some() {
            return;
        }
        let mut aftermath = Aftermath::default();
        let mut left = vec![self.clone()];
        while let Some(node) = left.pop() {
            node.end_one(end, &mut left, &mut aftermath);
        }
        self.delist();
        aftermath.settle();
    }

    /// Ends one node; its children are left to do.
    fn end_one(&self, end: &End, left: &mut Vec<Arc<Node>>, aftermath: &mut Aftermath) {
        let mut inner = self.inner.lock();
        if inner.end.is_some() {
            return;
        }
        inner.end = Some(end.clone());
        // Release: pairs with `error`.
        self.error.store(end.error as u8, Ordering::Release);
        let children = core::mem::take(&mut inner.children);
        aftermath.funcs.extend(inner.funcs.take());
        while let Some(leaf) = inner.waiters.pop_front() {
            // SAFETY: just popped, under the lock of this node.
            aftermath.wakes.push(unsafe { Leaf::fire(leaf, crate::g::leaf::FIRED) });
        }
        drop(inner);
        if let Some(expiry) = self.expiry() {
            expiry.disarm();
        }
        left.extend(children.entries.iter().rev().flatten().filter_map(Weak::upgrade));
    }

    /// Parks `leaf` unless the node has ended. False if it has.
    ///
    /// # Safety
    /// As for [`Leaf::park`], the lock apart.
    pub(super) unsafe fn park(
        &self,
        leaf: NonNull<Leaf>,
        waiter: crate::g::leaf::Prepared,
    ) -> bool {
        let mut inner = self.inner.lock();
        if inner.end.is_some() {
            drop(inner);
            drop(waiter);
            return false;
        }
        // SAFETY: as the caller says; the lock is held.
        unsafe { Leaf::park(leaf, waiter, &mut inner.waiters) };
        true
    }

    /// A parked `leaf` is polled by another task now. False if it was released meanwhile.
    ///
    /// # Safety
    /// Called by the owner of a leaf that was parked on this node.
    pub(super) unsafe fn adopt(&self, leaf: NonNull<Leaf>, cx: &core::task::Context<'_>) -> bool {
        // SAFETY: as the caller says.
        unsafe { Leaf::adopt(leaf, cx, || self.inner.lock()) }
    }

    /// Takes `leaf` out of the queue if it still waits.
    ///
    /// # Safety
    /// Called by the owner of a leaf that was parked on this node.
    pub(super) unsafe fn withdraw(&self, leaf: NonNull<Leaf>) {
        let mut inner = self.inner.lock();
        // SAFETY: the owner calls, so the leaf is alive; it is in this queue while it waits.
        unsafe {
            if leaf.as_ref().is_waiting() {
                inner.waiters.remove(leaf);
            }
        }
    }

    /// Keeps `func` until the node ends, and returns its number; gives it back if the node has ended.
    pub(super) fn add_func(&self, func: Func) -> Result<u64, Func> {
        let mut inner = self.inner.lock();
        if inner.end.is_some() { Err(func) } else { Ok(inner.funcs.add(func)) }
    }

    /// Takes a kept function out. To be dropped by the caller.
    pub(super) fn remove_func(&self, number: u64) -> Option<Func> {
        self.inner.lock().funcs.remove(number)
    }

    /// Takes all kept functions out. To be dropped by the caller.
    pub(super) fn take_funcs(&self) -> Vec<Func> {
        self.inner.lock().funcs.take()
    }

    /// A cancel handle goes.
    pub(super) fn handle_dropped(&self) {
        // AcqRel: the last one speaks for all.
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.anchor.died(Capability::Release);
        } else {
            self.anchor.touch();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.delist();
        if let Some(expiry) = self.expiry.get() {
            expiry.disarm();
        }
        let inner = self.inner.get_mut();
        Leaf::orphan_all(&mut inner.waiters);
        inner.funcs.take().into_iter().for_each(drop_user);
        drop_user(inner.end.take());
        if let Some(parent) = self.parent.take() {
            drop_later(parent);
        }
    }
}

thread_local! {
    /// Parents whose turn has not come, while a drop is in progress on this thread.
    static DROPPING: RefCell<Option<Vec<Arc<Node>>>> = const { RefCell::new(None) };
}

/// Drops `node` without recursion: a drop that happens inside another one is put off until that one is
/// over.
fn drop_later(node: Arc<Node>) {
    let mut node = Some(node);
    let outermost = DROPPING.try_with(|dropping| {
        let mut dropping = dropping.borrow_mut();
        match &mut *dropping {
            Some(put_off) => {
                put_off.extend(node.take());
                false
            }
            none => {
                *none = Some(Vec::new());
                true
            }
        }
    });
    // Without thread-locals the thread is ending: there is nobody to put it off to.
    drop(node);
    if outermost == Ok(true) {
        let next = || DROPPING.with(|d| d.borrow_mut().as_mut().and_then(Vec::pop));
        while let Some(next) = next() {
            drop(next);
        }
        DROPPING.with(|d| drop(d.borrow_mut().take()));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::context::{background, with_cancel};

    #[test]
    fn places_of_children_that_are_gone_are_used_again() {
        let (parent, cancel) = with_cancel(&background());
        let places = || parent.node.inner.lock().children.entries.len();
        for round in 0..100 {
            let (child, cancel) = with_cancel(&parent);
            if round % 2 == 0 {
                cancel.cancel();
            }
            drop((child, cancel));
            assert_eq!(places(), 1);
        }
        cancel.cancel();
        assert_eq!(places(), 0);
    }
}
