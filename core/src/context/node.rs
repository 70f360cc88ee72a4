//! A node of a context tree: its place, its state, and how it ends.
//!
//! A child keeps its parent alive; the parent lists its children without keeping them, and only those that
//! can be cancelled, directly or below contexts that cannot. One node's lock is held at a time, and nothing
//! of the user's runs under it.

use core::marker::PhantomPinned;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use super::Context;
use super::cancel::{Cause, ContextError, End};
use super::expiry::Expiry;
use super::func::{Func, Funcs};
use super::kind::{Kind, Spec};
use super::tree;
use super::value::Value;
use super::walk::{Children, Walk, let_go};
use crate::g::leaf::{FIRED, Leaf, Prepared};
use crate::g::{WaitQueue, current, drop_caught};
use crate::inspect::{
    Anchor, Capability, ContextUse, ContextView, GoroutineId, Location, PrimitiveKind, Record,
};
use crate::list::Links;
use crate::sys::BriefLock;
use crate::time::Instant;

/// The shared part of a context. The anchor comes first: leaves point to it.
#[repr(C)]
pub(super) struct Node {
    anchor: Anchor,
    kind: Kind,
    /// [`ContextError`] as a number, 0 while active: readable without the lock.
    error: AtomicU8,
    at: Location,
    broken_from: Option<Location>,
    parent: Option<Context>,
    /// The nearest deadline of it and its ancestors.
    deadline: Option<Instant>,
    expiry: OnceLock<Box<Expiry>>,
    value: Option<Value>,
    /// Live cancel handles.
    handles: AtomicUsize,
    /// In the list of its canceller above. Set by who makes the node, cleared under that one's lock.
    listed: AtomicBool,
    /// Its place there.
    links: Links<Node>,
    inner: BriefLock<Inner>,
    /// The list above has its address, also while it is dropped: `&mut` says nothing about who else uses it.
    _pinned: PhantomPinned,
}

// SAFETY: the links are used under the lock of the canceller above, or by the walk that took the node out of
// its list. All else is made to be shared.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

/// What the lock guards.
#[derive(Default)]
struct Inner {
    end: Option<End>,
    children: Children,
    waiters: WaitQueue,
    /// Most contexts have none.
    funcs: Option<Box<Funcs>>,
}

impl Inner {
    /// Whether its end concerns nobody else.
    fn is_alone(&self) -> bool {
        self.children.is_empty() && self.waiters.is_empty() && self.funcs.is_none()
    }
}

impl Node {
    pub(super) fn make(mut spec: Spec, at: Location) -> Arc<Self> {
        let (own, cause) = (spec.deadline, spec.cause.take());
        let record = current::record(PrimitiveKind::Context, at);
        // Built where it stays: it is large, and moving it is a good part of what making a context costs.
        let mut place = Arc::new_uninit();
        Arc::get_mut(&mut place).expect("it is new").write(Self::new(spec, record, at));
        // SAFETY: written just now.
        let node: Arc<Self> = unsafe { place.assume_init() };
        if let Some(record) = &node.anchor.record {
            let weak: Weak<dyn ContextView> = Arc::<Self>::downgrade(&node);
            record.set_context(weak);
            node.note_use();
        }
        if node.kind.cancels() {
            node.enlist();
        }
        // An ancestor's deadline that is not later does the work for both.
        let above = node.parent_in_time().and_then(|above| above.deadline);
        if let Some(own) = own.filter(|own| above.is_none_or(|above| *own < above)) {
            node.expire_at(own, cause);
        }
        node
    }

    /// A node that nothing leads to.
    #[inline(always)]
    pub(super) fn new(spec: Spec, record: Option<Arc<Record>>, at: Location) -> Self {
        let Spec { kind, parent, deadline, cause: _, value } = spec;
        let broken_from = if kind.is_root() { given() } else { None };
        let above = parent_in_time(kind, parent.as_ref()).and_then(|parent| parent.deadline);
        let deadline = [deadline, above].into_iter().flatten().min();
        Self {
            anchor: Anchor { describe: tree::describe, record },
            kind,
            error: AtomicU8::new(0),
            at,
            broken_from,
            parent,
            deadline,
            expiry: OnceLock::new(),
            value,
            handles: AtomicUsize::new(0),
            listed: AtomicBool::new(false),
            links: Links::new(),
            inner: BriefLock::default(),
            _pinned: PhantomPinned,
        }
    }

    /// Where the list of its canceller above has its place.
    pub(super) fn links_of(node: NonNull<Self>) -> NonNull<Links<Self>> {
        // SAFETY: in bounds of a live node.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).links) }
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

    pub(super) fn parent(&self) -> Option<&Context> {
        self.parent.as_ref()
    }

    /// The nodes that will end with it, those below them apart; none once it has ended.
    pub(super) fn listed(&self) -> Vec<Context> {
        let mut listed = Vec::new();
        let inner = self.inner.lock();
        inner.children.walk(|child| {
            // SAFETY: a listed child is alive, or waits for the lock to take itself out: then its memory
            // is still there. The weak reference is not given up: it stands for the one that all
            // references share.
            let weak = ManuallyDrop::new(unsafe { Weak::from_raw(child.as_ptr().cast_const()) });
            listed.extend(weak.upgrade().map(|node| Context { node: Some(node) }));
            true
        });
        drop(inner);
        listed
    }

    /// Who waits on this node: `None` for somebody who is no goroutine.
    pub(super) fn waiting(&self) -> Vec<Option<GoroutineId>> {
        let inner = self.inner.lock();
        let mut waiting = Vec::new();
        inner.waiters.walk(|leaf| {
            // SAFETY: the leaf waits in this queue, whose lock is held.
            waiting.push(unsafe { Leaf::goroutine(leaf) });
            true
        });
        waiting
    }

    /// How many functions its end will start.
    pub(super) fn functions(&self) -> usize {
        self.inner.lock().funcs.as_ref().map_or(0, |funcs| funcs.len())
    }

    pub(super) fn handles(&self) -> &AtomicUsize {
        &self.handles
    }

    /// This node and its ancestors, up to the root.
    pub(super) fn lineage(&self) -> impl Iterator<Item = &Node> {
        core::iter::successors(Some(self), |node| node.parent.as_ref().map(Context::node))
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
    #[inline]
    pub(super) fn canceller(&self) -> Option<&Node> {
        match self.kind {
            kind if kind.cancels() => Some(self),
            kind if kind.is_root() => None,
            _ => self.cancellers().next(),
        }
    }

    /// The parent, if its end and its deadline are this one's too.
    #[inline]
    fn parent_in_time(&self) -> Option<&Node> {
        parent_in_time(self.kind, self.parent.as_ref())
    }

    /// The canceller above this node, which lists it.
    fn canceller_above(&self) -> Option<&Node> {
        self.parent_in_time()?.canceller()
    }

    /// Notes that the current goroutine has this context, if its scope watches.
    #[inline]
    pub(super) fn note_use(&self) {
        if self.kind.is_root() {
            return;
        }
        current::watched(|id, watch| {
            let by = self.anchor.record.as_ref().and_then(|record| record.created_by);
            let used = self.anchor.record.as_ref().map(|record| record.id);
            watch.note_context(id, ContextUse { id: used, made_at: self.at }, by);
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

    /// The goroutine that cancelled this node, a canceller.
    pub(super) fn ended_by(&self) -> Option<GoroutineId> {
        self.inner.lock().end.as_ref().and_then(|end| end.by)
    }

    /// The cause that whoever cancelled this node gave.
    pub(super) fn given_cause(&self) -> Option<Cause> {
        self.inner.lock().end.as_ref().and_then(|end| end.cause.clone())
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
            // Relaxed: the lock publishes it.
            self.listed.store(true, Ordering::Relaxed);
            let this = Arc::as_ptr(self).cast_mut();
            // SAFETY: an `Arc` is not null. The node is new, and takes itself out before it goes.
            unsafe { inner.children.push_back(NonNull::new_unchecked(this)) };
        }
        drop(inner);
        if let Some(end) = end {
            self.end(&end);
        }
    }

    /// It is out of the list of its canceller above, whose lock is held.
    pub(super) fn unlisted(&self) {
        // Release: pairs with `delist`.
        self.listed.store(false, Ordering::Release);
    }

    /// As [`unlisted`](Self::unlisted), for a node that is being dropped.
    ///
    /// # Safety
    /// It has not left `delist` yet. It may be gone after this call.
    pub(super) unsafe fn unlisted_while_dropped(node: NonNull<Self>) {
        // SAFETY: as the caller says; a reference to the one field, which outlives its use here only as
        // raw memory that is not touched any more.
        unsafe { (*node.as_ptr()).listed.store(false, Ordering::Release) };
    }

    /// Takes the node out of the list of its canceller above.
    fn delist(&self) {
        // Acquire: pairs with `unlisted`: who took it out does not touch it any more.
        if !self.listed.load(Ordering::Acquire) {
            return;
        }
        let Some(above) = self.canceller_above() else { return };
        let mut inner = above.inner.lock();
        if self.listed.load(Ordering::Relaxed) {
            // SAFETY: listed there, under this lock.
            unsafe { inner.children.remove(NonNull::from(self)) };
            self.listed.store(false, Ordering::Relaxed);
        }
    }

    fn expire_at(self: &Arc<Self>, deadline: Instant, cause: Option<Cause>) {
        if self.error().is_some() {
            return;
        }
        let expiry = self.expiry.get_or_init(|| Expiry::new(cause));
        // SAFETY: this node owns it, and disarms it in its drop.
        if !unsafe { expiry.arm(self, deadline) } {
            self.end(&expiry.end());
        }
        // It may have ended before its expiry was armed and could be stopped.
        if self.error().is_some() {
            expiry.disarm();
        }
    }

    /// Ends this node and everything below it.
    pub(super) fn end(&self, end: &End) {
        if self.error().is_some() {
            return;
        }
        let mut walk = None;
        self.end_one(end, &mut walk);
        while let Some(node) = walk.as_mut().and_then(Walk::next) {
            node.end_one(end, &mut walk);
        }
        self.delist();
        if let Some(walk) = walk {
            walk.settle();
        }
    }

    /// Ends one node; its children, and whoever waits for it, are left to do.
    fn end_one(&self, end: &End, walk: &mut Option<Walk>) {
        let mut inner = self.inner.lock();
        if inner.end.is_some() {
            return;
        }
        inner.end = Some(end.clone());
        // Release: pairs with `error`.
        self.error.store(end.error as u8, Ordering::Release);
        if !inner.is_alone() {
            let walk = walk.get_or_insert_default();
            walk.take(&mut inner.children);
            if let Some(funcs) = inner.funcs.take() {
                walk.start(*funcs);
            }
            while let Some(leaf) = inner.waiters.pop_front() {
                // SAFETY: just popped, under the lock of this node.
                walk.wake(unsafe { Leaf::fire(leaf, FIRED) });
            }
        }
        drop(inner);
        if let Some(expiry) = self.expiry() {
            expiry.disarm();
        }
    }

    /// Parks `leaf` unless the node has ended. False if it has.
    ///
    /// # Safety
    /// As for [`Leaf::park`], the lock apart.
    pub(super) unsafe fn park(&self, leaf: NonNull<Leaf>, waiter: Prepared) -> bool {
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
        if inner.end.is_some() {
            return Err(func);
        }
        Ok(inner.funcs.get_or_insert_default().add(func))
    }

    /// Takes a kept function out. To be dropped by the caller.
    pub(super) fn remove_func(&self, number: u64) -> Option<Func> {
        self.inner.lock().funcs.as_mut()?.remove(number)
    }

    /// Takes all kept functions out. To be dropped by the caller.
    pub(super) fn take_funcs(&self) -> Vec<Func> {
        let funcs = self.inner.lock().funcs.take();
        funcs.into_iter().flat_map(|funcs| funcs.all()).collect()
    }

    /// A cancel handle goes.
    pub(super) fn handle_dropped(&self) {
        self.anchor.let_go(Capability::Release);
        // The last one speaks for all. If there is one, it is the caller's, and nobody can clone another.
        // Acquire, AcqRel: pairs with those of the others.
        if self.handles.load(Ordering::Acquire) == 1 {
            self.handles.store(0, Ordering::Relaxed);
            self.anchor.died(Capability::Release);
        } else if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.anchor.died(Capability::Release);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.delist();
        if let Some(expiry) = self.expiry.take() {
            expiry.disarm();
            expiry.drop_cause();
        }
        let inner = self.inner.get_mut();
        if !inner.waiters.is_empty() {
            Leaf::orphan_all(&mut inner.waiters);
        }
        if let Some(funcs) = inner.funcs.take() {
            funcs.all().for_each(drop_caught);
        }
        if let Some(cause) = inner.end.as_mut().and_then(|end| end.cause.take()) {
            drop_caught(cause);
        }
        // Without a node it is the background, which stays.
        if let Some(parent) = self.parent.take_if(|parent| parent.node.is_some()) {
            let_go(parent);
        }
    }
}

/// The parent of a node of this `kind`, if its end and its deadline are that node's too.
#[inline]
fn parent_in_time(kind: Kind, parent: Option<&Context>) -> Option<&Node> {
    parent.filter(|_| kind != Kind::WithoutCancel).map(Context::node)
}

/// Where the context was made that the current goroutine was given, if its scope watches.
fn given() -> Option<Location> {
    current::watched(|id, watch| watch.given_context(id)).flatten()
}

#[cfg(all(test, not(loom)))]
mod tests;
