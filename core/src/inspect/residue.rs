//! What primitives left undone when they were dropped: counters above zero, values nobody received,
//! guards that were forgotten.

use super::{GoroutineId, Location, PrimitiveId, PrimitiveKind, Record, Site};
use crate::sys::Lock;

/// Lines that are told apart.
const LINES: usize = 64;

/// Primitives that were made at one line and dropped before the scope ended with something undone.
#[derive(Clone, Debug)]
pub struct Residue {
    /// The first of them.
    pub id: PrimitiveId,
    /// Their kind.
    pub kind: PrimitiveKind,
    /// Where they were made.
    pub created_at: Location,
    /// How many.
    pub count: usize,
    /// The counter of the first, or its values that nobody received.
    pub amount: i64,
    /// What each line did to the first one.
    pub sites: Vec<Site>,
    /// Who held the first one, a lock, and since which line.
    pub held: Option<(Option<GoroutineId>, Location)>,
}

/// The residues of a scope.
#[derive(Default)]
pub(crate) struct Residues(Lock<Vec<Residue>>);

impl Residues {
    /// A primitive is dropped with `amount` undone.
    fn add(&self, record: &Record, amount: i64) {
        let mut all = self.0.lock();
        let same = |r: &&mut Residue| r.kind == record.kind && r.created_at == record.created_at;
        if let Some(known) = all.iter_mut().find(same) {
            known.count += 1;
        } else if all.len() < LINES {
            all.push(Residue {
                id: record.id,
                kind: record.kind,
                created_at: record.created_at,
                count: 1,
                amount,
                sites: record.sites(),
                held: record.held_at().map(|at| (record.holder(), at)),
            });
        }
    }
}

impl super::Watch {
    /// What primitives of this scope left undone when they were dropped before it was closed.
    pub fn residue(&self) -> Vec<Residue> {
        self.residues().0.lock().clone()
    }
}

impl Record {
    /// The primitive is dropped with `amount` undone. What is dropped by the reaper was in use.
    pub(crate) fn left_undone(&self, amount: i64) {
        if !self.watch().is_closed() {
            self.watch().residues().add(self, amount);
        }
    }
}
