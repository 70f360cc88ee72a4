//! Advice on locks and WaitGroups.

use gmp_core::inspect::{GoroutineId, PrimitiveKind, WaitReason};

use super::Case;
use crate::report::finding::{Figure, Finding, SourceLine, Wait};
use crate::report::words::{LIST_LIMIT, list};

impl Case<'_> {
    pub(super) fn mutex(&self) -> String {
        let Some((wait, holder, locked_at)) = lock_of(self.finding) else {
            return "Drop the guard before the goroutine that holds it waits or ends.".to_owned();
        };
        let name = self.name(wait);
        let locked = locked_at
            .map_or("earlier".to_owned(), |at| format!("at {}", self.sources.show_line(at)));
        let Some(holder) = holder else {
            return format!(
                "{name} was locked {locked} and its guard was never dropped. Look for a forgotten or \
                 stored guard (`mem::forget`, a static, a leaked struct)."
            );
        };
        if self.finding.goroutines.contains(&holder) {
            return format!(
                "{holder} itself locked {name} {locked} and still holds the guard. Drop it before it \
                 locks again; a `Mutex` is not recursive."
            );
        }
        match self.leak_of(holder) {
            Some(leak) => format!(
                "{holder} locked {name} {locked} and is stuck in {} with the guard in its hands. \
                 Drop the guard before that await.",
                self.place(leak)
            ),
            None => format!(
                "{holder} locked {name} {locked} and never dropped the guard. Look for a forgotten or \
                 stored guard (`mem::forget`, a static, a leaked struct)."
            ),
        }
    }

    pub(super) fn wait_group(&self) -> String {
        let figure = self.waits_on(PrimitiveKind::WaitGroup).find_map(|wait| {
            match &wait.primitive.as_ref()?.figure {
                Figure::WaitGroup { counter, adds, dones } => Some((*counter, adds, dones)),
                _ => None,
            }
        });
        let Some((counter, adds, dones)) = figure else {
            return "Start the goroutines with `wg.go(..)`, which counts by itself.".to_owned();
        };
        let times = if counter == 1 { "`done` is" } else { "`done`s are" };
        let none = if dones.is_empty() { "; none has run at all" } else { "" };
        format!("{counter} {times} missing{}{none}. {}", self.added(adds), self.who_owes())
    }

    /// ` for the add of 3 at src/a.rs:5 and 1 at src/a.rs:9`.
    fn added(&self, adds: &[(SourceLine, i64)]) -> String {
        let each: Vec<String> = adds
            .iter()
            .take(LIST_LIMIT + 1)
            .map(|(at, n)| format!("`add({n})` at {}", self.sources.show_line(at)))
            .collect();
        if each.is_empty() {
            return String::new();
        }
        format!(" for the {}", list(&each, adds.len(), LIST_LIMIT))
    }

    /// Whose `done` is missing, as far as the other findings tell.
    fn who_owes(&self) -> String {
        if let Some(panic) = self.report.panics.iter().find(|panic| panic.goroutine.is_some()) {
            return format!(
                "{}, started at {}, panicked and may have skipped its own: start it with `wg.go(..)`, \
                 which is done in every case.",
                panic.who(),
                self.sources.show_line(&panic.created_at)
            );
        }
        let next = self.finding.waits_for.and_then(|id| self.leak_of(id));
        // What is behind this finding waits for it, and owes nothing.
        let debtor = next.or_else(|| {
            self.report.findings.iter().find(|other| {
                !core::ptr::eq(*other, self.finding)
                    && !other.is_body
                    && other.reason != WaitReason::WaitGroupWait
            })
        });
        match debtor {
            Some(leak) => {
                let who = leak.goroutines.first().map_or(String::new(), |id| format!("{id}, "));
                format!("{who}stuck in {}, may owe it: cure that leak first.", self.place(leak))
            }
            None if self.is_held_outside() => {
                "Something outside this test keeps the group: a static, another test, an OS thread or \
                 a leaked `Arc`. Take it out of there when its work ends, also when that is given up, \
                 and call `done` then."
                    .to_owned()
            }
            None => "Move `add` in front of the `go` that it counts, or start the goroutines with \
                     `wg.go(..)`, which adds before the start and is done at the end."
                .to_owned(),
        }
    }
}

/// The lock that a finding waits for, who holds it and since which line.
fn lock_of(finding: &Finding) -> Option<(&Wait, Option<GoroutineId>, Option<&SourceLine>)> {
    finding.waits.iter().find_map(|wait| match &wait.primitive.as_ref()?.figure {
        Figure::Mutex { holder, locked_at } => Some((wait, *holder, locked_at.as_ref())),
        _ => None,
    })
}
