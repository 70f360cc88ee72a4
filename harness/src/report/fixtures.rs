//! Builds models of reports for the tests of this folder.

use core::time::Duration;

use gmp_core::inspect::{GoroutineId, PrimitiveId, PrimitiveKind, WaitReason};

use super::finding::*;
use crate::leak::code::Code;
use crate::leak::severity::Severity;
use crate::leak::verdict::Verdict;

/// The goroutine with this number.
pub(crate) fn g(number: u64) -> GoroutineId {
    GoroutineId::from_u64(number).unwrap()
}

/// The primitive with this number.
pub(crate) fn p(number: u64) -> PrimitiveId {
    PrimitiveId::from_u64(number).unwrap()
}

/// A position.
pub(crate) fn at(file: &str, line: u32, column: u32) -> SourceLine {
    SourceLine { file: file.into(), line, column }
}

/// A frame.
pub(crate) fn frame(function: &str, file: &str, line: u32, column: u32) -> Frame {
    Frame { function: function.to_owned(), at: Some(at(file, line, column)) }
}

/// A channel of capacity `cap` holding `len` values, with this many senders and receivers.
pub(crate) fn chan(id: u64, (len, cap): (usize, usize), handles: (usize, usize)) -> Primitive {
    let (senders, receivers) = handles;
    Primitive {
        id: p(id),
        kind: PrimitiveKind::Chan,
        created_at: Some(at("src/pool.rs", 4, 16)),
        figure: Figure::Chan { len, cap, senders, receivers, pair: false },
    }
}

/// A primitive of any kind.
pub(crate) fn primitive(id: u64, kind: PrimitiveKind, figure: Figure) -> Primitive {
    Primitive { id: p(id), kind, created_at: Some(at("src/pool.rs", 4, 16)), figure }
}

/// A wait.
pub(crate) fn wait(reason: WaitReason, at: SourceLine, primitive: Option<Primitive>) -> Wait {
    Wait { reason, at, primitive }
}

/// One goroutine with this wait set; Proven, created in line 12.
pub(crate) fn finding(id: u64, reason: WaitReason, waits: Vec<Wait>) -> Finding {
    Finding {
        code: Code::of_wait(reason, &[]),
        severity: Severity::Deny,
        verdict: Verdict::Proven,
        reason,
        count: 1,
        goroutines: vec![g(id)],
        is_body: false,
        waited: Duration::from_millis(3),
        waits,
        created_at: at("src/pool.rs", 12, 9),
        created_by: Some(g(1)),
        stacks: Vec::new(),
        notes: Vec::new(),
        ancestry: Vec::new(),
        followers: Vec::new(),
        waits_for: None,
        circle: None,
        context: None,
        probe: None,
        possible_holders: Vec::new(),
        is_task: false,
    }
}

/// A report with these findings.
pub(crate) fn report(findings: Vec<Finding>) -> Report {
    Report {
        name: "pool::shuts_down".to_owned(),
        outcome: BodyOutcome::Passed,
        findings,
        verdict_after: Duration::from_micros(180),
        ..Report::default()
    }
}
