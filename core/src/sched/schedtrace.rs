//! What `GMP_DEBUG=schedtrace=1000,scheddetail=1` prints: the state of a scheduler in Go's line shape.
//!
//! The figures are read while they change: a line is no consistent picture, as in Go.

use core::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use super::owner::{Holder, Status};
use super::p::P;
use super::shared::Shared;
use crate::debug::{Debug, debug};
use crate::g::GRef;

/// The thread that prints, if there is one.
#[derive(Default)]
pub(super) struct Tracer(OnceLock<Thread>);

impl Tracer {
    /// Makes it look whether the runtime has ended.
    pub(super) fn unpark(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// One M, for its line.
#[derive(Clone, Copy)]
struct MachineLine {
    number: u32,
    spinning: bool,
    blocked: bool,
    /// The goroutine with which it lost its P.
    runs: *const (),
}

/// One P, for its line and for those of Ms and Gs.
#[derive(Clone, Copy)]
struct ProcLine {
    index: usize,
    holder: Holder,
    /// Which goroutine it runs, if it runs any.
    runs: *const (),
}

impl Shared {
    /// Prints the state of this runtime every so often until it ends, if `asked`, or else the environment,
    /// wants it.
    pub(crate) fn start_schedtrace(
        self: &Arc<Self>,
        asked: Option<Duration>,
        detail: Option<bool>,
    ) {
        static TRACED: AtomicUsize = AtomicUsize::new(1);
        let Debug { schedtrace, scheddetail, .. } = debug();
        let Some(every) = asked.or(*schedtrace) else { return };
        let detail = detail.unwrap_or(*scheddetail);
        // Go has one scheduler a process. The lines of the others are told apart.
        let suffix = match TRACED.fetch_add(1, Ordering::Relaxed) {
            1 => String::new(),
            number => format!(" runtime={number}"),
        };
        let shared = Arc::downgrade(self);
        let print = move || {
            while let Some(shared) = shared.upgrade().filter(|shared| !shared.was_shut_down()) {
                let text = shared.schedtrace(detail, &suffix);
                drop(shared);
                // There is nobody to tell.
                let _ = std::io::stderr().write_all(text.as_bytes());
                thread::park_timeout(every);
            }
        };
        // Without a thread there is no trace.
        if let Ok(printer) = thread::Builder::new().name("gmp-schedtrace".into()).spawn(print) {
            let _ = self.tracer.0.set(printer.thread().clone());
        }
    }

    /// The lines for this moment.
    pub(crate) fn schedtrace(&self, detail: bool, suffix: &str) -> String {
        let metrics = self.metrics();
        // With those that are too many by now and still in use.
        let too_many = |p: &&P| p.index >= metrics.procs && !(p.owner.is_idle() && p.is_empty());
        let ps = (0..metrics.procs).map(|i| self.p(i)).chain(self.ps().filter(too_many));
        let ps: Vec<ProcLine> = ps.map(ProcLine::of).collect();
        let is_driven = self.pool.is_none();
        let threads = if is_driven { 1 - metrics.idle_procs } else { metrics.machines };
        let mut text = format!(
            "SCHED {}ms: gomaxprocs={} idleprocs={} threads={threads} spinningthreads={} \
             idlethreads={} runqueue={} [",
            metrics.uptime.as_millis(),
            metrics.procs,
            metrics.idle_procs,
            metrics.spinning_machines,
            metrics.parked_machines,
            metrics.runnable_global,
        );
        for index in 0..metrics.procs {
            let runnable = metrics.ps.get(index).map_or(0, |p| p.runnable);
            let _ = write!(text, "{}{runnable}", if index == 0 { "" } else { " " });
        }
        let _ = writeln!(text, "]{suffix}");
        if detail {
            self.details(&ps, &mut text);
        }
        text
    }

    fn details(&self, ps: &[ProcLine], text: &mut String) {
        let goroutines: Vec<GRef> =
            self.scopes().iter().flat_map(|scope| scope.goroutines()).collect();
        for line in ps {
            let (p, status) = (self.p(line.index), line.status());
            let tick = p.tick();
            let _ = writeln!(
                text,
                "  P{}: status={status} schedtick={tick} m={} runqsize={}",
                line.index,
                or_nil(line.machine()),
                p.len(),
            );
        }
        let (machines, homes) = (self.machine_lines(ps), self.homes());
        for m in &machines {
            let p = ps.iter().find(|p| p.machine() == Some(m.number));
            let runs = p.map_or(m.runs, |p| p.runs);
            let _ = writeln!(
                text,
                "  M{}: p={} curg={} spinning={} blocked={} lockedg={}",
                m.number,
                or_nil(p.map(|p| p.index)),
                or_nil(goroutines.iter().find(|g| g.is_at(runs)).map(|g| g.id().get())),
                m.spinning,
                m.blocked,
                or_nil(homes.iter().find(|(_, home)| *home == m.number).map(|(g, _)| g.get())),
            );
        }
        for g in &goroutines {
            let runs = ps.iter().find(|p| g.is_at(p.runs));
            let lost = machines.iter().find(|m| g.is_at(m.runs)).map(|m| m.number);
            let m = runs.map_or(lost, ProcLine::machine);
            let in_call = runs.is_some_and(|p| p.holder.status == Status::Blocking);
            let (status, why) = doing(g, in_call);
            let (id, m, start) = (g.id().get(), or_nil(m), g.created_at());
            let home = homes.iter().find(|(home, _)| *home == g.id()).map(|(_, m)| m);
            let _ = writeln!(
                text,
                "  G{id}: status={status}{why} m={m} lockedm={} createdat={start}",
                or_nil(home)
            );
        }
    }

    fn machine_lines(&self, ps: &[ProcLine]) -> Vec<MachineLine> {
        let Some(pool) = &self.pool else {
            // Whoever drives the one P.
            let number = ps.first().and_then(ProcLine::machine);
            let line = |number| MachineLine {
                number,
                spinning: false,
                blocked: false,
                runs: core::ptr::null(),
            };
            return number.map(line).into_iter().collect();
        };
        pool.idle.read(|lists| {
            let line = |m: &Arc<super::parker::Parker>| MachineLine {
                number: m.number,
                spinning: m.spinning.load(Ordering::Relaxed),
                blocked: lists.ms.iter().any(|parked| Arc::ptr_eq(parked, m)),
                runs: m.lost_with.load(Ordering::Relaxed).cast(),
            };
            lists.all.iter().map(line).collect()
        })
    }
}

impl ProcLine {
    fn of(p: &P) -> Self {
        let (holder, runs) = (p.owner.holder(), p.meters.running());
        let in_poll = matches!(holder.status, Status::InPoll | Status::Blocking);
        let runs = if in_poll { runs } else { core::ptr::null() };
        Self { index: p.index, holder, runs }
    }

    /// Go's number.
    fn status(&self) -> u8 {
        match self.holder.status {
            Status::Idle => 0,
            Status::Owned | Status::InPoll => 1,
            Status::Blocking => 2,
        }
    }

    fn machine(&self) -> Option<u32> {
        (self.holder.status != Status::Idle).then_some(self.holder.machine)
    }
}

/// Go's number of what `g` is doing, and why it waits.
fn doing(g: &GRef, in_call: bool) -> (u8, String) {
    let state = g.snapshot();
    match () {
        () if state.is_complete() => (6, "()".into()),
        () if in_call => (3, "()".into()),
        () if state.is_running() => (2, "()".into()),
        () if state.is_scheduled() => (1, "()".into()),
        () => {
            let first = g.leaves().lock().first();
            let of_others = if state.wakers() > 0 { "(external)" } else { "(no waker kept)" };
            (4, first.map_or(of_others.into(), |(reason, at)| format!("({reason}) at={at}")))
        }
    }
}

fn or_nil(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "nil".to_string(), |value| value.to_string())
}
