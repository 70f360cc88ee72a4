//! What is known of the tokio side of a scope: tasks that stand for goroutines, calls in line, panics.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::any::Any;
use std::collections::HashMap;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gmp_core::inspect::{GoroutineId, PanicNote};
use gmp_core::runtime::{Scope, host};

use super::panics::{PanicRecord, TaskPanic};
use crate::leak::check::payload_text;
use crate::leak::severity::Severity;
use crate::leak::suspect::Suspect;
use crate::report::finding::GoroutinePanic;

/// The most panics of tasks that are not ours that are kept.
const KEPT: usize = 64;

/// One for each scope that tasks are tracked in.
#[derive(Default)]
pub(crate) struct Session {
    /// Tasks of runtimes that count them which stand for goroutines.
    tasks: AtomicUsize,
    /// The runtime counts local tasks too.
    counts_local: AtomicBool,
    /// Calls of `spawn_blocking` that wait for a thread.
    queued: AtomicUsize,
    /// Those that have one.
    calls: AtomicUsize,
    panics: Mutex<Vec<Arc<PanicRecord>>>,
    /// Panics of tasks that are not ours, which somebody may have received.
    untracked: Mutex<Vec<GoroutinePanic>>,
    /// What is to be said of goroutines that stand for tasks which are not ours.
    notes: Mutex<Vec<(GoroutineId, &'static str)>>,
}

/// One more is counted as long as the value lives.
pub(super) struct Counted {
    session: Arc<Session>,
    count: fn(&Session) -> &AtomicUsize,
}

impl Counted {
    fn new(session: &Arc<Session>, count: fn(&Session) -> &AtomicUsize) -> Self {
        // SeqCst, here and below: read together with other counts.
        count(session).fetch_add(1, Ordering::SeqCst);
        Self { session: session.clone(), count }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.session).fetch_sub(1, Ordering::SeqCst);
    }
}

static SESSIONS: Mutex<Vec<(Weak<Scope>, Arc<Session>)>> = Mutex::new(Vec::new());

impl Session {
    /// The session of `scope`, made when it is first asked for.
    pub(crate) fn of(scope: &Arc<Scope>) -> Arc<Self> {
        let mut all = lock(&SESSIONS);
        if let Some(known) = find(&all, scope) {
            return known;
        }
        all.retain(|(scope, _)| scope.strong_count() > 0);
        let session = Arc::<Self>::default();
        all.push((Arc::downgrade(scope), session.clone()));
        session
    }

    /// The session of `scope`, if there is one.
    pub(crate) fn find(scope: &Scope) -> Option<Arc<Self>> {
        find(&lock(&SESSIONS), scope)
    }

    /// The scope is over.
    pub(crate) fn forget(scope: &Scope) {
        lock(&SESSIONS).retain(|(known, _)| !core::ptr::eq(known.as_ptr(), scope));
    }

    /// Local tasks are counted by the runtime, instead of by a `LocalSet`.
    pub(super) fn count_local(&self) {
        self.counts_local.store(true, Ordering::SeqCst);
    }

    pub(super) fn counts_local(&self) -> bool {
        self.counts_local.load(Ordering::SeqCst)
    }

    /// A task that the runtime counts begins or ends to stand for a goroutine.
    pub(super) fn count_task(&self, change: isize) {
        // SeqCst: read together with tokio's own count.
        self.tasks.fetch_add(change.cast_unsigned(), Ordering::SeqCst);
    }

    /// Tasks that the runtime counts and that stand for goroutines.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.load(Ordering::SeqCst)
    }

    /// A blocking call gets in line, as long as the value lives.
    pub(super) fn queue_call(self: &Arc<Self>) -> Counted {
        // It is registered as a goroutine before it leaves the line.
        Counted::new(self, |session| &session.queued)
    }

    /// Blocking calls in line.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::SeqCst)
    }

    /// A blocking call has a thread, as long as the value lives.
    pub(super) fn start_call(self: &Arc<Self>) -> Counted {
        Counted::new(self, |session| &session.calls)
    }

    /// Blocking calls that have a thread.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Notes a panic; what tokio is to get instead of the payload.
    pub(super) fn panicked(
        &self,
        goroutine: GoroutineId,
        created_at: gmp_core::inspect::Location,
        payload: Box<dyn Any + Send>,
    ) -> Box<dyn Any + Send> {
        // One that was joined, and thrown on.
        TaskPanic::receive(&*payload);
        let note = PanicNote { goroutine, created_at, message: payload_text(&*payload) };
        let record = PanicRecord::new(note);
        lock(&self.panics).push(record.clone());
        Box::new(TaskPanic::new(payload, record))
    }

    /// Tells the scope of the panics that nobody has received; the body ended with `payload`.
    pub(crate) fn tell_panics(&self, scope: &Scope, payload: Option<&(dyn Any + Send)>) {
        if let Some(payload) = payload {
            TaskPanic::receive(payload);
            // `handle.await.unwrap()` throws a text with the message in it.
            let text = payload_text(payload);
            lock(&self.untracked).retain(|panic| !text.contains(&panic.message));
        }
        let panics = core::mem::take(&mut *lock(&self.panics));
        for record in panics.iter().filter(|record| !record.is_received()) {
            host::note_panic(scope, record.note.clone());
        }
    }

    /// `text` is to be said of this goroutine.
    pub(super) fn note(&self, id: GoroutineId, text: &'static str) {
        lock(&self.notes).push((id, text));
    }
}

/// In the panic hook, on a thread that polls no goroutine but a body: notes the panic of a task that is not ours.
/// tokio keeps it for whoever awaits the `JoinHandle`, and tells nobody whether anybody does.
pub(crate) fn note_untracked(info: &PanicHookInfo<'_>) {
    let (Some(at), Some(_)) = (info.location(), ::tokio::task::try_id()) else { return };
    let Some(scope) = host::watched_scope() else { return };
    let session = Session::of(&scope);
    let mut untracked = lock(&session.untracked);
    if untracked.len() < KEPT {
        untracked.push(GoroutinePanic {
            severity: Severity::Warn,
            goroutine: None,
            created_at: at.into(),
            message: payload_text(info.payload()),
        });
    }
}

/// Panics of tasks of `scope` that are not ours.
pub(crate) fn untracked_panics(scope: &Scope) -> Vec<GoroutinePanic> {
    Session::find(scope).map(|session| lock(&session.untracked).clone()).unwrap_or_default()
}

/// Says what is known of suspects that stand for tasks.
pub(crate) fn annotate(scope: &Scope, suspects: &mut [Suspect]) {
    let Some(session) = Session::find(scope) else { return };
    let notes: HashMap<GoroutineId, &'static str> = lock(&session.notes).iter().copied().collect();
    for suspect in suspects {
        let note = notes.get(&suspect.id()).map(ToString::to_string);
        suspect.notes.extend(note);
    }
}

fn find(all: &[(Weak<Scope>, Arc<Session>)], scope: &Scope) -> Option<Arc<Session>> {
    let known = all.iter().find(|(known, _)| core::ptr::eq(known.as_ptr(), scope));
    known.map(|(_, session)| session.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
