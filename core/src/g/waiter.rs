//! Whom a leaf wakes: its goroutine, somebody foreign, or the select whose arm it is.

use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use core::task::{Context, Waker};
use std::panic::catch_unwind;
use std::sync::Arc;

use super::cell::Header;
use super::gref::GRef;
use super::leaf::{Control, Leaf};
use super::panic::forget_payload;
use super::{current, waker};
use crate::inspect::{GoroutineId, Watch};

/// Whom a leaf wakes; one word.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Waiter(usize);

/// Low bits of a [`Waiter`].
mod tag {
    /// A goroutine whose cell contains the leaf: the leaf dies first, no reference needed.
    pub(super) const INLINE: usize = 0;
    /// A goroutine, with a reference.
    pub(super) const COUNTED: usize = 1;
    /// An `Arc<Foreign>`.
    pub(super) const FOREIGN: usize = 2;
    /// A select: the waiter is in its control leaf.
    pub(super) const SELECT: usize = 3;
    pub(super) const MASK: usize = 3;
}

/// A waker that is not the current goroutine's own: of another runtime, or of a combinator.
pub(crate) struct Foreign {
    waker: Waker,
    /// The goroutine in whose list the leaf is.
    g: Option<GRef>,
}

impl Waiter {
    /// Whether the leaf is the arm of a select.
    pub(super) fn is_select(self) -> bool {
        self.0 & tag::MASK == tag::SELECT
    }

    pub(super) const NONE: Self = Self(0);

    /// The waiter for a leaf at `leaf` that is polled with `cx`.
    pub(super) fn new(leaf: usize, cx: &Context<'_>) -> Self {
        let g = current::goroutine();
        if let Some(g) = g.filter(|g| waker::is_of(cx.waker(), *g)) {
            return Self::of_polled(g, leaf);
        }
        // SAFETY: the goroutine being polled is alive.
        let g = g.map(|g| unsafe { GRef::clone_from_raw(g) });
        let foreign = Arc::into_raw(Arc::new(Foreign { waker: cx.waker().clone(), g }));
        Self(foreign.expose_provenance() | tag::FOREIGN)
    }

    /// The waiter for a leaf at `leaf` of the goroutine `g` that is being polled.
    fn of_polled(g: NonNull<Header>, leaf: usize) -> Self {
        // SAFETY: the goroutine being polled is alive.
        let inline = unsafe { g.as_ref() }.contains(leaf);
        if inline {
            return Self(g.as_ptr().expose_provenance() | tag::INLINE);
        }
        // SAFETY: as above. The reference is given up in `release`.
        let g = unsafe { GRef::clone_from_raw(g) }.into_raw();
        Self(g.as_ptr().expose_provenance() | tag::COUNTED)
    }

    pub(super) fn address(self) -> usize {
        self.0 & !tag::MASK
    }

    pub(super) fn header(self) -> NonNull<Header> {
        // SAFETY: callers saw a tag that stands for a goroutine; `new` stored a non-null pointer.
        unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(self.address())) }
    }

    pub(super) fn control(self) -> NonNull<Control> {
        self.header().cast()
    }

    pub(super) fn foreign(self) -> *const Foreign {
        core::ptr::with_exposed_provenance(self.address())
    }

    /// The waiter of an arm of the select at `control`.
    pub(super) fn arm(control: NonNull<Control>) -> Self {
        Self(control.as_ptr().expose_provenance() | tag::SELECT)
    }

    /// Whether a poll with `cx` would store the same waiter.
    pub(super) fn is_for(self, cx: &Context<'_>) -> bool {
        if self.0 == 0 {
            return false;
        }
        match self.0 & tag::MASK {
            tag::FOREIGN => {
                // SAFETY: the leaf owns a reference to it until `release`.
                let foreign = unsafe { &*self.foreign() };
                foreign.waker.will_wake(cx.waker())
                    && foreign.g.as_ref().map(GRef::as_ptr) == current::goroutine()
            }
            _ => {
                waker::is_of(cx.waker(), self.header())
                    && current::goroutine() == Some(self.header())
            }
        }
    }

    /// The goroutine in whose list the leaf is.
    pub(super) fn goroutine(self) -> Option<NonNull<Header>> {
        if self.0 == 0 {
            return None;
        }
        match self.0 & tag::MASK {
            // SAFETY: the leaf owns a reference to it until `release`.
            tag::FOREIGN => unsafe { &*self.foreign() }.g.as_ref().map(GRef::as_ptr),
            _ => Some(self.header()),
        }
    }

    /// What wakes this waiter. Called under the primitive's lock while the leaf waits.
    pub(super) fn wake(self) -> Wake {
        match self.0 & tag::MASK {
            tag::FOREIGN => {
                // SAFETY: the leaf owns a reference until `release`; we take one of our own.
                Wake::Foreign(unsafe {
                    Arc::increment_strong_count(self.foreign());
                    Arc::from_raw(self.foreign())
                })
            }
            // SAFETY: a waiting leaf is either inside the cell or owns a reference to it.
            _ => unsafe {
                let g = self.header();
                // Mostly it is parked: then one step makes the reference and the goroutine ready. It is not
                // polled before the leaf has fired: only who has the wake queues it.
                match g.as_ref().state().ready_if_parked() {
                    true => Wake::Queue(GRef::from_raw(g)),
                    false => Wake::G(GRef::clone_from_raw(g)),
                }
            },
        }
    }

    /// Gives up what the waiter owns. User code (a foreign waker's drop) may run here.
    pub(super) fn release(self) {
        if self.0 == 0 {
            return;
        }
        match self.0 & tag::MASK {
            // SAFETY: `new` made these references, and the leaf gives each up once.
            tag::COUNTED => drop(unsafe { GRef::from_raw(self.header()) }),
            // SAFETY: as above.
            tag::FOREIGN => drop_foreign(unsafe { Arc::from_raw(self.foreign()) }),
            _ => {}
        }
    }
}

impl Foreign {
    fn listed(&self) -> Option<GoroutineId> {
        self.g.as_ref().map(|g| g.id())
    }
}

/// Drops a foreign waker with its panics caught.
fn drop_foreign(foreign: Arc<Foreign>) {
    let listed = foreign.listed();
    Watch::waker_code(listed, || drop_caught(foreign));
}

fn drop_caught(foreign: Arc<Foreign>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(foreign))) {
        forget_payload(payload);
    }
}

/// A waiter made before the primitive's lock is taken, because making it may run user code.
pub(crate) struct Prepared(pub(super) Waiter);

impl Prepared {
    /// The waiter of `leaf` when polled with `cx`.
    pub(crate) fn new(leaf: NonNull<Leaf>, cx: &Context<'_>) -> Self {
        Self(Waiter::new(leaf.addr().get(), cx))
    }

    /// As [`new`](Self::new), but `None` if the waker is not the goroutine's own: making it would run user
    /// code, which must not happen under the primitive's lock.
    pub(crate) fn own(leaf: NonNull<Leaf>, cx: &Context<'_>) -> Option<Self> {
        let g = current::goroutine().filter(|g| waker::is_of(cx.waker(), *g))?;
        Some(Self(Waiter::of_polled(g, leaf.addr().get())))
    }

    /// Whether [`own`](Self::own) makes one.
    pub(crate) fn is_own(cx: &Context<'_>) -> bool {
        current::goroutine().is_some_and(|g| waker::is_of(cx.waker(), g))
    }

    /// The waiter of an arm of `control`, which is pinned until the arm is withdrawn.
    pub(crate) fn arm(control: NonNull<Control>) -> Self {
        Self(Waiter::arm(control))
    }

    pub(super) fn take(self) -> Waiter {
        core::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A wake that is owed to a leaf's owner; it is run outside all locks.
#[must_use]
pub(crate) enum Wake {
    /// A goroutine that may have to be made ready.
    G(GRef),
    /// A goroutine that is ready, and has to be queued.
    Queue(GRef),
    Foreign(Arc<Foreign>),
}

impl Wake {
    /// A wake that is a waker's.
    pub(crate) fn of(waker: Waker) -> Self {
        Self::Foreign(Arc::new(Foreign { waker, g: None }))
    }

    /// Makes the owner of the leaf go on.
    pub(crate) fn wake(self) {
        match self {
            Self::Queue(g) => g.enqueue(),
            Self::G(g) => g.ready(),
            Self::Foreign(foreign) => {
                let wake = || catch_unwind(AssertUnwindSafe(|| foreign.waker.wake_by_ref()));
                // A wake is not the work of the goroutine that is dropped, even if it is listed there.
                if let Err(payload) = Watch::waker_code(None, wake) {
                    forget_payload(payload);
                }
                drop_foreign(foreign);
            }
        }
    }
}
