//! The state of a `RwLock`, its two lines of waiters, and who holds it.
//!
//! The word counts the readers and says whether a writer owns the lock and whether anybody stands in
//! line. Nobody takes the lock past a line: whoever lets go hands it over, under the lock of the lines.
//! A reader stands in line only while a writer owns the lock or stands in line itself.

use core::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use super::super::seat::{release_all, release_first};
use crate::g::leaf::Leaf;
use crate::g::{WaitQueue, Wake, current, point};
use crate::inspect::{
    Anchor, Capability, Figure, GoroutineId, Location, Operation, Record, WaitInfo, WaitReason,
};
use crate::sys::BriefLock;
use crate::sys::atomic::{AtomicUsize, Ordering};

/// A writer owns the lock.
const WRITING: usize = 1;
/// Somebody stands in line. Changed under the lock of the lines.
const QUEUED: usize = 1 << 1;
/// One reader owns the lock.
const READER: usize = 1 << 2;
/// A word with more readers than this is near its end. Only guards that are forgotten in a loop get there.
const MOST: usize = usize::MAX / 2;

/// The result in a leaf that was handed the lock.
pub(super) const HANDED: u32 = 8;

/// What is asked of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    Write,
}

/// The lock without its value.
pub(super) struct Core {
    state: AtomicUsize,
    record: Option<Arc<Record>>,
    /// Made by the first waiter, or the first owner that is recorded. It stays in place when the lock
    /// moves: leaves point to it.
    room: OnceLock<Arc<Room>>,
}

/// Where waiters wait. The anchor comes first.
#[repr(C)]
pub(super) struct Room {
    anchor: Anchor,
    pub(super) lines: BriefLock<Lines>,
    holders: BriefLock<Holders>,
}

/// Who waits.
#[derive(Default)]
pub(super) struct Lines {
    readers: WaitQueue,
    writers: WaitQueue,
    /// Writers that came to the line and have neither taken the lock nor given up.
    pending_writers: usize,
}

/// Who owns the lock, if there is a record to show it.
#[derive(Default)]
struct Holders {
    last_token: u64,
    list: Vec<Holder>,
}

struct Holder {
    token: u64,
    mode: Mode,
    who: Option<GoroutineId>,
    at: Location,
}

impl Mode {
    /// The word after the lock was taken so; `None` if it has to wait.
    ///
    /// # Panics
    /// If there are too many readers: a count that wraps would let a writer in beside them.
    fn taken(self, now: usize) -> Option<usize> {
        assert!(now <= MOST, "gmp: too many read guards of one RwLock");
        match self {
            Self::Read => (now & (WRITING | QUEUED) == 0).then_some(now + READER),
            Self::Write => (now == 0).then_some(WRITING),
        }
    }

    pub(super) fn reason(self) -> WaitReason {
        match self {
            Self::Read => WaitReason::RwLockRead,
            Self::Write => WaitReason::RwLockWrite,
        }
    }
}

impl Lines {
    pub(super) fn line(&mut self, mode: Mode) -> &mut WaitQueue {
        match mode {
            Mode::Read => &mut self.readers,
            Mode::Write => &mut self.writers,
        }
    }

    fn are_empty(&self) -> bool {
        self.readers.is_empty() && self.writers.is_empty()
    }
}

impl Core {
    pub(super) const fn new(record: Option<Arc<Record>>) -> Self {
        Self { state: AtomicUsize::new(0), record, room: OnceLock::new() }
    }

    /// Where waiters wait, and the anchor for their leaves.
    pub(super) fn room(&self) -> (&Room, NonNull<Anchor>) {
        let room = self.room.get_or_init(|| {
            let anchor = Anchor { describe, record: self.record.clone() };
            Arc::new(Room { anchor, lines: BriefLock::default(), holders: BriefLock::default() })
        });
        (room, NonNull::from(&**room).cast())
    }

    /// Takes the lock if it need not wait for it; the token is for [`unlock`](Self::unlock).
    #[inline]
    pub(super) fn try_lock(&self, mode: Mode, at: Location) -> Option<u64> {
        // Acquire: pairs with the release of whoever let go: the value is as it was left.
        let order = (Ordering::Acquire, Ordering::Relaxed);
        self.state.fetch_update(order.0, order.1, |now| mode.taken(now)).ok()?;
        Some(self.owned(mode, at))
    }

    /// Under the lock of the lines: takes the lock, or makes sure that whoever lets go looks into the lines
    /// and counts a writer as pending. False: the caller has to stand in line.
    pub(super) fn compete(&self, lines: &mut Lines, mode: Mode) -> bool {
        let step = |now| Some(mode.taken(now).unwrap_or(now | QUEUED));
        // Acquire: as in `try_lock`.
        let before = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, step);
        let taken = before.is_ok_and(|before| mode.taken(before).is_some());
        if !taken && mode == Mode::Write {
            lines.pending_writers += 1;
        }
        taken
    }

    /// Notes an owner; the token is for [`unlock`](Self::unlock).
    #[inline]
    pub(super) fn owned(&self, mode: Mode, at: Location) -> u64 {
        if self.record.is_some() { self.note_owner(mode, at) } else { 0 }
    }

    #[cold]
    fn note_owner(&self, mode: Mode, at: Location) -> u64 {
        let (room, _) = self.room();
        room.anchor.touch();
        let mut holders = room.holders.lock();
        holders.last_token += 1;
        let token = holders.last_token;
        holders.list.push(Holder { token, mode, who: current::id(), at });
        self.note_first(&holders);
        token
    }

    /// The record names the first of the holders.
    fn note_first(&self, holders: &Holders) {
        if let Some(record) = &self.record {
            record.set_holder(holders.list.first().map(|holder| (holder.who, holder.at)));
        }
    }

    /// A writer that was handed the lock takes it.
    pub(super) fn receive_write(&self) {
        self.room().0.lines.lock().pending_writers -= 1;
    }

    /// Gives the lock up, by an owner, who took it at the line `at`.
    #[inline]
    pub(super) fn unlock(&self, mode: Mode, token: u64, at: Location) {
        point::before(Operation::Unlock, Some(at));
        if token != 0 {
            let mut holders = self.room().0.holders.lock();
            holders.list.retain(|holder| holder.token != token);
            self.note_first(&holders);
        }
        match mode {
            Mode::Read => self.unlock_read(),
            Mode::Write => self.unlock_write(),
        }
    }

    fn unlock_read(&self) {
        // Release: pairs with the acquire of the next writer.
        let before = self.state.fetch_sub(READER, Ordering::Release);
        if before & !QUEUED == READER {
            self.note_release();
            if before & QUEUED != 0 {
                self.pass_on(false);
            }
        }
    }

    fn unlock_write(&self) {
        self.note_release();
        // Release: pairs with the acquire of the next owner.
        let free = self.state.compare_exchange(WRITING, 0, Ordering::Release, Ordering::Relaxed);
        if free.is_err() {
            self.pass_on(true);
        }
    }

    fn note_release(&self) {
        if let Some(record) = &self.record {
            record.touch();
            record.released();
        }
    }

    #[cold]
    fn pass_on(&self, wrote: bool) {
        let mut wakes = Vec::new();
        self.regulate(&mut self.room().0.lines.lock(), wrote, &mut wakes);
        wakes.into_iter().for_each(Wake::wake);
    }

    /// Under the lock of the lines: lets in whose turn it is. `wrote`: the caller owns the lock as a writer
    /// and lets go. All readers in line follow a writer; else a writer in line goes first.
    pub(super) fn regulate(&self, lines: &mut Lines, wrote: bool, wakes: &mut Vec<Wake>) {
        let mine = if wrote { WRITING } else { 0 };
        if lines.are_empty() {
            // Release: pairs with the acquire of the next owner.
            self.state.fetch_and(!(mine | QUEUED), Ordering::Release);
            return;
        }
        // Somebody stands in line, so only owners that let go change the word meanwhile. The last of
        // them comes here after us.
        let owned = self.state.load(Ordering::Relaxed) & !(mine | QUEUED) != 0;
        let written = self.state.load(Ordering::Relaxed) & !mine & WRITING != 0;
        if !written && !lines.readers.is_empty() && (wrote || lines.writers.is_empty()) {
            self.admit_readers(lines, mine, wakes);
        } else if !owned && !lines.writers.is_empty() {
            self.admit_writer(lines, wakes);
        }
    }

    fn admit_readers(&self, lines: &mut Lines, mine: usize, wakes: &mut Vec<Wake>) {
        let mut count = 0;
        lines.readers.walk(|_| {
            count += 1;
            true
        });
        let queued = if lines.writers.is_empty() { 0 } else { QUEUED };
        let step = |now: usize| Some(((now & !(mine | QUEUED)) + count * READER) | queued);
        // AcqRel: hands on what the owners before wrote. The word counts the readers before they run.
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, step);
        release_all(&mut lines.readers, HANDED, wakes);
    }

    fn admit_writer(&self, lines: &mut Lines, wakes: &mut Vec<Wake>) {
        // AcqRel: as above, through the readers' chain of changes. The word is ours: nobody owns the lock.
        self.state.swap(WRITING | QUEUED, Ordering::AcqRel);
        wakes.extend(release_first(&mut lines.writers, HANDED));
        if lines.are_empty() {
            // Relaxed: changed under the lock of the lines.
            self.state.fetch_and(!QUEUED, Ordering::Relaxed);
        }
    }

    /// Under the lock of the lines: a waiter left its line.
    pub(super) fn left_line(&self, lines: &mut Lines, mode: Mode, wakes: &mut Vec<Wake>) {
        if mode == Mode::Write {
            self.gave_up(lines);
        }
        self.regulate(lines, false, wakes);
    }

    /// A waiter that was handed the lock does not want it.
    pub(super) fn decline(&self, mode: Mode, at: Location) {
        if mode == Mode::Write {
            self.gave_up(&mut self.room().0.lines.lock());
        }
        self.unlock(mode, 0, at);
    }

    /// A pending writer gives up: that may let readers in.
    fn gave_up(&self, lines: &mut Lines) {
        lines.pending_writers -= 1;
        if let (0, Some(record)) = (lines.pending_writers, &self.record) {
            record.gave_up();
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.died(Capability::Release);
            record.died(Capability::GiveUp);
            // The guards that were not dropped.
            let held = self.room.get().map_or(0, |room| room.holders.lock().list.len());
            if held > 0 {
                record.left_undone(i64::try_from(held).unwrap_or(i64::MAX));
            }
        }
        if let Some(room) = self.room.get_mut().and_then(Arc::get_mut) {
            let lines = room.lines.get_mut();
            Leaf::orphan_all(&mut lines.readers);
            Leaf::orphan_all(&mut lines.writers);
        }
    }
}

/// # Safety
/// As [`Describe`](crate::inspect::anchor::Describe) asks; the anchor is that of a [`Room`].
unsafe fn describe(anchor: NonNull<Anchor>, leaf: NonNull<()>, out: &mut dyn FnMut(WaitInfo)) {
    // SAFETY: as the caller says; every leaf starts with the fields of `Leaf<()>`.
    let (room, leaf) = unsafe { (anchor.cast::<Room>().as_ref(), leaf.cast::<Leaf>().as_ref()) };
    let pending_writers = room.lines.lock().pending_writers;
    let mut capabilities = room.anchor.only(Capability::Release);
    if leaf.reason() == WaitReason::RwLockRead && pending_writers > 0 {
        capabilities.extend(room.anchor.only(Capability::GiveUp));
    }
    let holders = room.holders.lock();
    let figure = Figure::RwLock {
        writer: holders.list.iter().any(|holder| holder.mode == Mode::Write),
        holders: holders.list.iter().map(|holder| (holder.who, holder.at)).collect(),
        pending_writers,
    };
    drop(holders);
    out(WaitInfo {
        reason: leaf.reason(),
        in_select: false,
        at: leaf.at(),
        figure,
        record: room.anchor.record.clone(),
        complete: !capabilities.is_empty(),
        capabilities,
        due_in: None,
    });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "too many read guards")]
    fn readers_are_counted_up_to_a_limit() {
        let _ = Mode::Read.taken(MOST + 1);
    }
}
