//! What the thread that checks tells the thread that watches it.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gmp_core::inspect::GoroutineId;

use super::census::ThreadNumber;
use super::check::{BodyEnd, Checked};
use super::suspect::Suspect;

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The body runs.
    Body = 0,
    /// The body has ended; goroutines may still finish.
    Settling = 1,
    /// The scope is closed; futures are read, traced and dropped.
    Reaping = 2,
}

/// Shared by the two threads.
pub(crate) struct Progress {
    began: Instant,
    phase: AtomicU8,
    /// When the phase, or the drop within it, began: nanoseconds after `began`.
    since: AtomicU64,
    /// The goroutine that is being traced or dropped; 0 for none.
    at_work_on: AtomicU64,
    /// Counts the looks of the M between two polls: while it stands still, so does the M.
    beat: AtomicU32,
    /// The thread that is the M, as the system numbers it; 0 if that is not known.
    m: AtomicU64,
    handed_over: AtomicBool,
    body_done: AtomicBool,
    body: AtomicU64,
    /// An address in the frame that called a plain body: frames above it are not the user's.
    root: AtomicUsize,
    /// How the body ended, until a check takes it.
    end: Mutex<Option<(BodyEnd, Instant)>>,
    /// The same for a report without verdicts, if the check that took the end is lost.
    told: Mutex<Option<BodyEnd>>,
    /// What was found before anything was dropped.
    suspects: Mutex<Arc<Vec<Suspect>>>,
    result: Mutex<Option<Checked>>,
    finished: Condvar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            phase: AtomicU8::new(Phase::Body as u8),
            since: AtomicU64::new(0),
            at_work_on: AtomicU64::new(0),
            beat: AtomicU32::new(0),
            m: AtomicU64::new(0),
            handed_over: AtomicBool::new(false),
            body_done: AtomicBool::new(false),
            body: AtomicU64::new(0),
            root: AtomicUsize::new(usize::MAX),
            end: Mutex::new(None),
            told: Mutex::new(None),
            suspects: Mutex::default(),
            result: Mutex::new(None),
            finished: Condvar::new(),
        }
    }

    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    // Release and Acquire throughout: whoever sees a phase sees since when.
    pub(crate) fn enter(&self, phase: Phase) {
        self.since.store(self.elapsed(), Ordering::Release);
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// The phase, and for how long it has lasted. While reaping: how long the drop at work has lasted.
    pub(crate) fn phase(&self) -> (Phase, Duration) {
        let phase = match self.phase.load(Ordering::Acquire) {
            0 => Phase::Body,
            1 => Phase::Settling,
            _ => Phase::Reaping,
        };
        let lasted = self.elapsed().saturating_sub(self.since.load(Ordering::Acquire));
        (phase, Duration::from_nanos(lasted))
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The check works on this goroutine now.
    pub(crate) fn works_on(&self, id: Option<GoroutineId>) {
        self.since.store(self.elapsed(), Ordering::Release);
        self.at_work_on.store(id.map_or(0, GoroutineId::get), Ordering::Release);
    }

    /// The goroutine whose future the check is running or dropping.
    pub(crate) fn at_work_on(&self) -> Option<GoroutineId> {
        GoroutineId::from_u64(self.at_work_on.load(Ordering::Acquire))
    }

    /// This goroutine is the body.
    pub(crate) fn set_body(&self, id: GoroutineId) {
        self.body.store(id.get(), Ordering::Release);
    }

    /// The goroutine that is the body, once it was started.
    pub(crate) fn body(&self) -> Option<GoroutineId> {
        GoroutineId::from_u64(self.body.load(Ordering::Acquire))
    }

    /// A plain body is called from the frame that contains `address`.
    pub(crate) fn set_root(&self, address: usize) {
        self.root.store(address, Ordering::Release);
    }

    pub(crate) fn root(&self) -> usize {
        self.root.load(Ordering::Acquire)
    }

    pub(crate) fn body_is_done(&self) {
        self.body_done.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_body_done(&self) -> bool {
        self.body_done.load(Ordering::SeqCst)
    }

    /// The body ended now, in this way.
    pub(crate) fn set_end(&self, end: BodyEnd) {
        *lock(&self.told) = Some(end.told());
        *lock(&self.end) = Some((end, Instant::now()));
        self.enter(Phase::Settling);
    }

    /// How the body ended and when, once.
    pub(crate) fn take_end(&self) -> Option<(BodyEnd, Instant)> {
        lock(&self.end).take()
    }

    /// How the body ended, whoever took it.
    pub(crate) fn told_end(&self) -> Option<BodyEnd> {
        lock(&self.told).take()
    }

    /// Whether the body ended by itself: its goroutines get time to finish.
    pub(crate) fn body_finished(&self) -> bool {
        let end = lock(&self.end);
        matches!(*end, Some((BodyEnd::Returned(_) | BodyEnd::Panicked(_), _)))
    }

    pub(crate) fn publish(&self, suspects: &Arc<Vec<Suspect>>) {
        *lock(&self.suspects) = suspects.clone();
    }

    pub(crate) fn published(&self) -> Arc<Vec<Suspect>> {
        lock(&self.suspects).clone()
    }

    /// Hands the result over; the first one counts.
    pub(crate) fn finish(&self, checked: Checked) {
        let mut result = lock(&self.result);
        result.get_or_insert(checked);
        self.handed_over.store(true, Ordering::SeqCst);
        self.finished.notify_all();
    }

    /// No result is waited for any more.
    pub(crate) fn give_up(&self) {
        self.handed_over.store(true, Ordering::SeqCst);
    }

    /// Whether the result was handed over, taken or not, or given up.
    pub(crate) fn is_finished(&self) -> bool {
        self.handed_over.load(Ordering::SeqCst)
    }

    /// The calling thread is the M now.
    pub(crate) fn set_m(&self, thread: Option<ThreadNumber>) {
        // Relaxed: a number to look a thread up with.
        self.m.store(thread.unwrap_or(0), Ordering::Relaxed);
    }

    /// The thread that is the M, if that is known.
    pub(crate) fn m(&self) -> Option<ThreadNumber> {
        Some(self.m.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }

    /// The M is between two polls.
    pub(crate) fn beat(&self) {
        // Relaxed: only whether it changes matters.
        self.beat.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn beats(&self) -> u32 {
        self.beat.load(Ordering::Relaxed)
    }

    /// Waits for the result, at most this long.
    pub(crate) fn wait(&self, at_most: Duration) -> Option<Checked> {
        let result = lock(&self.result);
        let (mut result, _) = self
            .finished
            .wait_timeout_while(result, at_most, |result| result.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        result.take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
