//! Stacks of frozen goroutines by trace poll: a few of each group, before anything is dropped.

use std::sync::Arc;

use gmp_core::snapshot::{Sink, TracePoll, Traced};

use super::progress::Progress;
use super::suspect::{Class, Stack, Suspect, number_kinds};

/// Goroutines of each (spawn line, leaf lines) group that are traced; the others wait in the same
/// places.
const TRACED_PER_GROUP: usize = 4;
/// Frames kept of one stack, and stacks kept of one goroutine (the arms of a large join).
const FRAMES: usize = 64;
const STACKS: usize = 16;

/// Traces representatives. One that makes progress was not stuck: it had only lost a wake-up.
pub(crate) fn trace(
    suspects: &mut [Suspect],
    progress: &Progress,
    may_trace: impl Fn(&Suspect) -> bool,
) {
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); number_kinds(suspects)];
    for (i, suspect) in suspects.iter().enumerate() {
        if suspect.class != Class::Running && may_trace(suspect) {
            groups[suspect.kind as usize].push(i);
        }
    }
    for members in &groups {
        for (n, &i) in members.iter().take(TRACED_PER_GROUP).enumerate() {
            progress.works_on(Some(suspects[i].id()));
            trace_one(&mut suspects[i]);
            // Equal ones share theirs: then they are compared quickly.
            let equal = members[..n].iter().find(|&&j| suspects[j].stacks == suspects[i].stacks);
            suspects[i].stacks =
                equal.map_or(suspects[i].stacks.clone(), |&j| suspects[j].stacks.clone());
        }
        let shown = members.iter().take(TRACED_PER_GROUP).find_map(|&i| suspects[i].stacks.clone());
        let Some(stacks) = shown else { continue };
        for &i in members {
            if suspects[i].stacks.is_none() && suspects[i].class != Class::Running {
                suspects[i].stacks = Some(stacks.clone());
            }
        }
    }
}

fn trace_one(suspect: &mut Suspect) {
    let (stacks, traced) = stacks(|sink| suspect.frozen.trace(sink));
    suspect.stacks = (!stacks.is_empty()).then(|| Arc::new(stacks));
    match traced {
        Some(Traced::Progressed) => {
            suspect.class = Class::External;
            suspect
                .notes
                .push("a look at it made it go on: it was not stuck, it had lost a wake-up".into());
        }
        Some(Traced::Panicked) => {
            suspect.class = Class::External;
            suspect.notes.push("a look at it made it panic".into());
        }
        Some(Traced::Parked) | None => {}
    }
}

/// The places that a trace poll shows.
fn stacks<R>(trace: impl FnOnce(&mut Sink<'_>) -> R) -> (Vec<Stack>, R) {
    let mut stacks: Vec<Stack> = Vec::new();
    let traced = trace(&mut |_, root| {
        if stacks.len() < STACKS {
            stacks.push(capture(root));
        }
    });
    (stacks, traced)
}

/// The stacks of a goroutine that is bound to this thread: where a trace poll shows that its future waits, or
/// where the thread itself does, below `root`.
pub(crate) fn of_thread(trace: Option<&mut TracePoll<'_>>, root: usize) -> Vec<Stack> {
    match trace {
        Some(trace) => stacks(|sink| trace(sink)).0,
        None => vec![capture(root)],
    }
}

/// The instruction pointers of this thread's stack below `root`, an address in the frame at which the
/// poll began. Where stack addresses are not known the whole stack is taken.
fn capture(root: usize) -> Stack {
    let mut ips = Vec::with_capacity(FRAMES);
    backtrace::trace(|frame| {
        let sp = frame.sp().addr();
        if sp != 0 && sp > root {
            return false;
        }
        ips.push(frame.ip().addr());
        ips.len() < FRAMES
    });
    ips
}
