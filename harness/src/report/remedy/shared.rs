//! Advice on RwLocks, Conds, Onces and semaphores.

use gmp_core::inspect::{PrimitiveKind, WaitReason};

use super::Case;
use crate::report::finding::{Figure, Wait};
use crate::report::words::{LIST_LIMIT, list};

impl Case<'_> {
    pub(super) fn rwlock(&self) -> String {
        let lock = self.figure_of(PrimitiveKind::RwLock);
        let Some((wait, Figure::RwLock { holders, writer, pending_writers })) = lock else {
            return "Drop the guards before the goroutines that hold them wait or end.".to_owned();
        };
        let name = self.name(wait);
        let Some((who, at)) = holders.first() else {
            return format!(
                "A writer is in line for {name} and never takes its turn. Await or drop its future."
            );
        };
        let at = self.sources.show_line(at);
        let how = if *writer { "for writing" } else { "for reading" };
        let mut mine = holders.iter().filter_map(|(who, at)| Some(((*who)?, at)));
        let mine = mine.rfind(|(who, _)| self.finding.goroutines.contains(who));
        if let Some((own, since)) = mine {
            let since = self.sources.show_line(since);
            if wait.reason == WaitReason::RwLockRead && *pending_writers > 0 {
                return format!(
                    "{own} itself read-locked {name} at {since}, and a writer came in line since: a \
                     waiting writer stops new readers. Use the guard it has instead of a second one."
                );
            }
            return format!(
                "{own} itself locked {name} {how} at {since} and still holds the guard. Drop it before \
                 it locks again; a `RwLock` is not recursive."
            );
        }
        let Some(who) = who else {
            return format!(
                "{name} was locked {how} at {at} outside any goroutine; drop that guard."
            );
        };
        match self.leak_of(*who) {
            Some(leak) => format!(
                "{who} locked {name} {how} at {at} and is stuck in {} with the guard in its hands. Drop \
                 the guard before that await.",
                self.place(leak)
            ),
            None => format!(
                "{who} locked {name} {how} at {at} and never dropped the guard. Look for a forgotten or \
                 stored guard (`mem::forget`, a static, a leaked struct)."
            ),
        }
    }

    pub(super) fn cond(&self) -> String {
        let wait = self.waits_on(PrimitiveKind::Cond).next();
        let name = wait.map_or("the Cond".to_owned(), |wait| self.name(wait));
        format!(
            "{} Call `signal` or `broadcast` on {name} after each change of what it waits for, also when \
             the work ends, and let the loop around `wait` look for that end.",
            self.who_could(&format!("signal {name}"))
        )
    }

    pub(super) fn once(&self) -> String {
        let figure = self
            .figure_of(PrimitiveKind::Once)
            .or_else(|| self.figure_of(PrimitiveKind::SingleFlight));
        let Some((wait, Figure::Once { runner: Some(runner), called_at })) = figure else {
            return "Let the function that is run once return.".to_owned();
        };
        let at = called_at
            .as_ref()
            .map_or(String::new(), |at| format!(" at {}", self.sources.show_line(at)));
        if self.finding.goroutines.contains(runner) {
            return format!(
                "{runner} itself runs it, called{at}: the function that is run once must not call {} \
                 again.",
                self.name(wait)
            );
        }
        match self.leak_of(*runner) {
            Some(leak) => format!(
                "{runner} runs it, called{at}, and is stuck in {}. Cure that leak first; this one goes \
                 with it.",
                self.place(leak)
            ),
            None => format!("{runner} runs it, called{at}, and never ends. Let it return."),
        }
    }

    pub(super) fn semaphore(&self) -> String {
        let figure = self.figure_of(PrimitiveKind::Semaphore);
        let Some((wait, Figure::Semaphore { size, wants, taken, .. })) = figure else {
            return "Give the permits back: drop their guards.".to_owned();
        };
        let name = self.name(wait);
        if wants > size {
            return format!(
                "It wants {wants} permits, and {name} has {size} in all. Ask for fewer, or make it larger."
            );
        }
        let each: Vec<String> = taken
            .iter()
            .take(LIST_LIMIT + 1)
            .map(|(at, sum)| format!("{sum} taken at {}", self.sources.show_line(at)))
            .collect();
        let missing = match each.is_empty() {
            true => String::new(),
            false => format!(": {}", list(&each, taken.len(), LIST_LIMIT)),
        };
        format!(
            "Permits of {name} were not given back{missing}. Drop their guards on every path, and before \
             the goroutine that has them waits for something else."
        )
    }

    /// The first wait on a primitive of this kind, with its figure.
    fn figure_of(&self, kind: PrimitiveKind) -> Option<(&Wait, &Figure)> {
        let wait = self.waits_on(kind).next()?;
        Some((wait, &wait.primitive.as_ref()?.figure))
    }
}
