//! Findings besides goroutines: primitives that a scope leaves in a bad state.
//!
//! What was dropped while the scope was open wrote a residue. What is alive after the reap is held by
//! somebody outside. Primitives that stuck goroutines wait for are told with these.

use std::collections::HashSet;

use gmp_core::inspect::{
    ContextState, PrimitiveId, PrimitiveKind as Kind, Record, Residue, Site, Watch,
};
use gmp_core::runtime::Scope;

use super::code::Code;
use super::suspect::Suspect;
use crate::report::build;
use crate::report::finding::{Leftover, SourceLine};

/// The most leftovers that are kept.
const KEPT: usize = 64;

/// The leftovers of a closed scope whose goroutines were reaped. The severities are the default ones.
pub(crate) fn of(scope: &Scope, suspects: &[Suspect]) -> Vec<Leftover> {
    let Some(watch) = scope.watch() else { return Vec::new() };
    let mut all: Vec<Leftover> = watch.residue().iter().map(dropped).collect();
    alive(scope, watch, suspects, &mut all);
    all
}

/// What was dropped with something undone.
fn dropped(residue: &Residue) -> Leftover {
    let code = match residue.kind {
        Kind::Chan => Code::UnreadValues,
        Kind::WaitGroup => Code::WaitGroupLeft,
        _ => Code::ForgottenGuard,
    };
    Leftover {
        code,
        severity: code.default_severity(),
        id: residue.id,
        kind: residue.kind,
        created_at: residue.created_at.into(),
        count: residue.count,
        amount: residue.amount,
        is_alive: false,
        lines: lines(residue.kind, &residue.sites),
        held: residue.held.map(|(who, at)| (who, at.into())),
        timer: None,
    }
}

/// What each line did; of a semaphore, the lines that took more than came back.
fn lines(kind: Kind, sites: &[Site]) -> Vec<(SourceLine, i64)> {
    match kind {
        Kind::Semaphore => build::outstanding(sites),
        _ => sites.iter().map(|site| (site.at.into(), site.amount)).collect(),
    }
}

/// What somebody outside keeps.
fn alive(scope: &Scope, watch: &Watch, suspects: &[Suspect], into: &mut Vec<Leftover>) {
    let records = watch.records();
    if records.is_empty() {
        return;
    }
    let told: HashSet<PrimitiveId> = suspects
        .iter()
        .flat_map(|suspect| &suspect.waits)
        .flat_map(|wait| {
            wait.record.iter().chain(wait.capabilities.iter().map(|(record, _)| record))
        })
        .map(|record| record.id)
        .collect();
    let harness = crate::test::context::id(scope);
    for record in records {
        let Some((code, amount)) = fault(&record) else { continue };
        if told.contains(&record.id) || harness == Some(record.id) {
            continue;
        }
        let created_at: SourceLine = record.created_at.into();
        let same = |l: &&mut Leftover| l.is_alive && l.code == code && l.created_at == created_at;
        if let Some(known) = into.iter_mut().find(same) {
            known.count += 1;
        } else if into.len() < KEPT {
            into.push(Leftover {
                code,
                severity: code.default_severity(),
                id: record.id,
                kind: record.kind,
                created_at,
                count: 1,
                amount,
                is_alive: true,
                lines: lines(record.kind, &record.sites()),
                held: record.held_at().map(|at| (record.holder(), at.into())),
                timer: record.timer(),
            });
        }
    }
}

/// What is wrong with a primitive that is alive, and its figure.
fn fault(record: &Record) -> Option<(Code, i64)> {
    match record.kind {
        Kind::WaitGroup => {
            let counter = record.outstanding();
            (counter > 0).then_some((Code::WaitGroupLeft, counter))
        }
        Kind::Mutex | Kind::RwLock => record.held_at().map(|_| (Code::ForgottenGuard, 1)),
        Kind::Semaphore => {
            let permits = record.outstanding();
            (permits > 0).then_some((Code::ForgottenGuard, permits))
        }
        Kind::Timer | Kind::Ticker => {
            record.timer().filter(|timer| timer.armed).map(|_| (Code::TimerLeft, 1))
        }
        Kind::Context => match record.context()?.state {
            ContextState::Active { cancel_handles: Some(handles), .. } => {
                Some((Code::ContextLeft, i64::try_from(handles).unwrap_or(i64::MAX)))
            }
            _ => None,
        },
        _ => None,
    }
}
