//! Advice on goroutines that wait for one another in a circle.

use gmp_core::inspect::PrimitiveKind as Kind;

use super::Case;
use crate::report::finding::{Circle, Edge};

impl Case<'_> {
    /// What to change so that the circle does not close.
    pub(super) fn circle(&self, circle: &Circle) -> String {
        let kind = |step: &Edge| step.primitive.map(|(_, kind)| kind);
        let is_lock = |step: &Edge| matches!(kind(step), Some(Kind::Mutex | Kind::RwLock));
        if circle.steps.iter().all(is_lock) {
            return "The locks are taken in different orders. Take them in one order everywhere."
                .to_owned();
        }
        // Whoever holds a lock while it waits is the easiest to change.
        let mut steps = circle.steps.iter().enumerate();
        if let Some((at, step)) = steps.find(|(_, step)| is_lock(step) && step.held_at.is_some()) {
            let next = &circle.steps[(at + 1) % circle.steps.len()];
            let held = step.held_at.as_ref().map(|at| self.sources.show_line(at));
            let wait = next.at.as_ref().map(|at| self.sources.show_line(at));
            return format!(
                "Break the circle: let {} drop the guard it took at {} before it waits at {}.",
                step.to,
                held.unwrap_or_default(),
                wait.unwrap_or_default()
            );
        }
        let chan = circle.steps.iter().find(|step| kind(step) == Some(Kind::Chan));
        match chan {
            Some(step) => {
                let at = step.at.as_ref().map(|at| self.sources.show_line(at)).unwrap_or_default();
                format!(
                    "Break the circle at one step: give the channel that {} waits on at {at} room, or \
                     wait there in a `select!` beside `ctx.done()`.",
                    step.from
                )
            }
            None => {
                "Break the circle at one step: one of them must go on, or end, without the next."
                    .to_owned()
            }
        }
    }
}
