//! Says why a context does not end the goroutine that waits for it, from where it comes from.

use std::collections::HashMap;

use gmp_core::inspect::PrimitiveId;

use super::finding::{ContextFault, Figure, Finding};
use crate::leak::contexts::{Break, Chain};

/// Why the context that `finding` waits for is not done, or what was found out about it before.
pub(super) fn of(finding: &Finding, chains: &HashMap<PrimitiveId, Chain>) -> Option<ContextFault> {
    let waited = finding.waits.iter().find_map(|wait| {
        let primitive = wait.primitive.as_ref()?;
        match primitive.figure {
            Figure::Context { cancel_handles, deadline_in, .. } => {
                Some((primitive.id, cancel_handles, deadline_in))
            }
            _ => None,
        }
    });
    let Some((id, handles, deadline_in)) = waited else { return finding.context.clone() };
    let chain = chains.get(&id);
    let broken = chain.and_then(|chain| chain.broken);
    Some(match (broken, deadline_in, chain.map(|chain| chain.kind), handles) {
        (Some(Break { at, kind, derive_from }), ..) => {
            ContextFault::OtherRoot { at: at.into(), kind, derive_from: derive_from.into() }
        }
        (_, Some(due_in), ..) => ContextFault::DeadlinePending { due_in },
        (_, _, Some(kind @ ("background" | "todo")), _) => ContextFault::NeverDone { kind },
        (_, _, _, 0) => ContextFault::HandleDropped,
        (_, _, _, handles) => ContextFault::NotCancelled { handles },
    })
}
