//! The kinds of allow rule and what each of them looks at.

use core::fmt;

use gmp_core::inspect::PrimitiveKind;

use super::matching::Pattern;
use super::module::module_of;
use crate::report::finding::{Finding, Leftover, SourceLine};

/// What a rule is matched against. `Display` prints the word that rules are written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The function of any frame; the default.
    Any,
    /// The innermost function.
    Top,
    /// The place of the `go` that started the goroutine, and its module.
    CreatedBy,
    /// Any place: of a frame, of an awaited operation, of the `go`.
    File,
    /// The name of the test.
    Test,
    /// The wait reason.
    Reason,
    /// The place where a primitive it waits on was created.
    Primitive(PrimitiveKind),
}

/// Every kind, as it is written.
const KINDS: [(&str, Kind); 25] = [
    ("any", Kind::Any),
    ("top", Kind::Top),
    ("created-by", Kind::CreatedBy),
    ("file", Kind::File),
    ("test", Kind::Test),
    ("reason", Kind::Reason),
    primitive(PrimitiveKind::Chan),
    primitive(PrimitiveKind::Mutex),
    primitive(PrimitiveKind::RwLock),
    primitive(PrimitiveKind::WaitGroup),
    primitive(PrimitiveKind::Cond),
    primitive(PrimitiveKind::Once),
    primitive(PrimitiveKind::Semaphore),
    primitive(PrimitiveKind::SingleFlight),
    primitive(PrimitiveKind::Timer),
    primitive(PrimitiveKind::Ticker),
    primitive(PrimitiveKind::Context),
    primitive(PrimitiveKind::Goroutine),
    primitive(PrimitiveKind::TcpStream),
    primitive(PrimitiveKind::TcpListener),
    primitive(PrimitiveKind::UdpSocket),
    primitive(PrimitiveKind::UnixStream),
    primitive(PrimitiveKind::UnixListener),
    primitive(PrimitiveKind::Pipe),
    primitive(PrimitiveKind::Process),
];

const fn primitive(kind: PrimitiveKind) -> (&'static str, Kind) {
    (kind.as_str(), Kind::Primitive(kind))
}

impl Kind {
    /// The words that rules are written with.
    pub(super) const NAMES: [&'static str; KINDS.len()] = {
        let mut names = [""; KINDS.len()];
        let mut index = 0;
        while index < KINDS.len() {
            names[index] = KINDS[index].0;
            index += 1;
        }
        names
    };

    /// The kind that is written so.
    pub(super) fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|(known, _)| *known == name).map(|&(_, kind)| kind)
    }

    /// Whether `pattern`, under this kind, speaks of `finding` in `test`.
    pub(super) fn matches(self, pattern: &Pattern, test: &str, finding: &Finding) -> bool {
        let place = |place: &SourceLine| pattern.matches_place(place);
        let stacks = finding.stacks.iter();
        match self {
            Self::Any => stacks.flatten().any(|frame| pattern.matches_path(&frame.function)),
            Self::Top => stacks
                .filter_map(|stack| stack.first())
                .any(|frame| pattern.matches_path(&frame.function)),
            Self::CreatedBy => place(&finding.created_at) || created_in(pattern, finding),
            Self::File => {
                place(&finding.created_at)
                    || finding.waits.iter().any(|wait| place(&wait.at))
                    || stacks.flatten().filter_map(|frame| frame.at.as_ref()).any(place)
            }
            Self::Test => pattern.matches_path(test),
            Self::Reason => {
                let leaves = finding.waits.iter().map(|wait| wait.reason);
                leaves.chain([finding.reason]).any(|reason| pattern.matches_whole(reason.as_str()))
            }
            Self::Primitive(kind) => finding
                .waits
                .iter()
                .filter_map(|wait| wait.primitive.as_ref())
                .filter(|primitive| primitive.kind == kind)
                .filter_map(|primitive| primitive.created_at.as_ref())
                .any(place),
        }
    }

    /// Whether `pattern`, under this kind, speaks of primitives that `test` left behind.
    pub(super) fn matches_leftover(
        self,
        pattern: &Pattern,
        test: &str,
        leftover: &Leftover,
    ) -> bool {
        let place = |place: &SourceLine| pattern.matches_place(place);
        match self {
            Self::Primitive(kind) => kind == leftover.kind && place(&leftover.created_at),
            Self::File => {
                let lines = leftover.lines.iter().map(|(at, _)| at);
                let held = leftover.held.iter().map(|(_, at)| at);
                lines.chain(held).chain([&leftover.created_at]).any(place)
            }
            Self::Test => pattern.matches_path(test),
            // These speak of goroutines.
            Self::Any | Self::Top | Self::CreatedBy | Self::Reason => false,
        }
    }
}

/// Whether `pattern` speaks of the module of the `go`, or of the function around it. The function is known where
/// the goroutine runs a block of that function and was traced.
fn created_in(pattern: &Pattern, finding: &Finding) -> bool {
    let file = &finding.created_at.file;
    let package = std::env::var("CARGO_PKG_NAME").ok();
    // `pool::*` speaks of everything in `pool`, and the place of the `go` is in it.
    let is_in = |module: String| {
        pattern.matches_path(&module) || pattern.matches_path(&format!("{module}::"))
    };
    let outermost = finding.stacks.iter().filter_map(|stack| stack.last());
    module_of(file, package.as_deref()).is_some_and(is_in)
        || outermost
            .filter(|frame| frame.at.as_ref().is_some_and(|at| at.file.ends_with(file)))
            .any(|frame| pattern.matches_path(&frame.function))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(_, kind)| kind == self).map(|&(name, _)| name);
        f.write_str(name.unwrap_or("?"))
    }
}
