//! Advice on contexts that are never done, or that nobody looks at.

use gmp_core::inspect::PrimitiveKind;

use super::Case;
use crate::report::finding::ContextFault;
use crate::report::words::duration;

impl Case<'_> {
    pub(super) fn context_done(&self) -> String {
        let wait = self.waits_on(PrimitiveKind::Context).next();
        let wait = wait.and_then(|wait| Some((wait, wait.primitive.as_ref()?)));
        let (Some((wait, primitive)), Some(fault)) = (wait, &self.finding.context) else {
            return "Derive the context from `gmp::test::context()`, which is cancelled when the body \
                    ends."
                .to_owned();
        };
        let name = self.name(wait);
        let made = self.made_at(primitive);
        match fault {
            ContextFault::OtherRoot { at, kind, derive_from } => format!(
                "The chain of {name} is broken at {}: `{kind}` starts anew where a context was at \
                 hand. Derive it from the one made at {}, so that cancelling reaches this goroutine.",
                self.sources.show_line(at),
                self.sources.show_line(derive_from)
            ),
            ContextFault::DeadlinePending { due_in } => format!(
                "{name}{made} is done in {} at the latest, after the test. Cancel it when the body \
                 ends, or derive it from `gmp::test::context()`.",
                duration(*due_in)
            ),
            ContextFault::NeverDone { kind } => format!(
                "{name}{made} is a `{kind}()`, which is never done. Derive it from the caller's \
                 context, in tests from `gmp::test::context()`."
            ),
            ContextFault::HandleDropped | ContextFault::Ignored { .. } => format!(
                "The cancel handle of {name}{made} was dropped without a call, and dropping does not \
                 cancel. Keep the handle and call `cancel()`, or derive the context from \
                 `gmp::test::context()`."
            ),
            ContextFault::NotCancelled { handles } => {
                let handles = if *handles == 1 {
                    "A cancel handle is".to_owned()
                } else {
                    format!("{handles} cancel handles are")
                };
                format!(
                    "{handles} alive for {name}{made}, but nobody calls `cancel()`. Call it when the \
                     work is done, or derive the context from `gmp::test::context()`."
                )
            }
        }
    }

    /// When the goroutine has a context that is done, and does not look at it.
    pub(super) fn ignored_context(&self) -> Option<String> {
        let Some(ContextFault::Ignored { made_at, cancelled_at }) = &self.finding.context else {
            return None;
        };
        let done = match cancelled_at {
            Some(at) => format!("was cancelled at {}", self.sources.show_line(at)),
            None => "is done".to_owned(),
        };
        let place = match self.finding.waits.first() {
            Some(wait) => format!("at {}", self.sources.show_line(&wait.at)),
            None => "here".to_owned(),
        };
        Some(format!(
            "Its context, made at {}, {done}, but the wait {place} does not look at it. Wait in a \
             `select!` with an arm for `ctx.done()` that returns.",
            self.sources.show_line(made_at)
        ))
    }
}
