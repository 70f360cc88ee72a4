//! One schedule: played fast, or once more with everything that is to be known about it.

use std::panic::Location;
use std::sync::Arc;
use std::thread::Result as Caught;
use std::time::{Duration, Instant};

use gmp_core::inspect::{Location as At, WaitReason};
use gmp_core::runtime::play::{Audience, PlayEnd, Played, Terms};
use gmp_core::runtime::{Builder, Runtime, Scope};
use gmp_core::snapshot;

use super::guide::Guide;
use super::pins::Pins;
use crate::leak::census;
use crate::leak::check::{self, BodyEnd, Checked, Reach, payload_text};
use crate::leak::progress::Progress;
use crate::test::Outcome;

/// What an exploration runs again and again.
pub(super) type MakeBody<'a> = &'a dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = Outcome>>>;

/// What a schedule showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Goroutines outlived the body.
    Leak,
    /// The body is blocked for good.
    Deadlock,
    /// The body, or another goroutine, panicked.
    Panic,
    /// The body returned an error.
    Failure,
    /// It went on and on without anything new.
    Livelock,
}

impl Kind {
    /// The word of reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Deadlock => "deadlock",
            Self::Panic => "panic",
            Self::Failure => "failure",
            Self::Livelock => "livelock",
        }
    }
}

/// How a schedule came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Showed {
    Nothing,
    Found(Kind),
    /// A thread that is no part of it had a hand in it.
    Outside,
    /// It is not what was decided.
    Spoiled,
}

/// A goroutine that is left: where it was started, and what it waits for.
type Left = ((&'static str, u32), Vec<(WaitReason, u32)>);

/// What has to be the same in two schedules that show the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    kind: Kind,
    left: Vec<Left>,
    panics: Vec<String>,
}

/// What is to be had of a schedule besides what it showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Nothing,
    Sign,
    Judgement,
}

/// A schedule that was played.
pub(super) struct Seen {
    pub(super) showed: Showed,
    pub(super) steps: u64,
    /// The body is blocked for good since this moment of its schedule, and other goroutines went on for longer than
    /// it is worth looking at.
    pub(super) blocked_since: Option<Duration>,
    pub(super) sign: Option<Sign>,
    pub(super) checked: Option<Checked>,
    pub(super) guide: Box<Guide>,
}

/// Plays schedules, on one runtime as long as they leave nothing behind.
pub(super) struct Stage {
    runtime: Option<Runtime>,
    pub(super) max_steps: u64,
    /// The same if nobody comes to a new line.
    pub(super) max_in_all: u64,
    /// Schedules are looked at until some time after this moment: the body is blocked then.
    pub(super) blocked_since: Option<Duration>,
    pub(super) linger: Duration,
    pub(super) at: &'static Location<'static>,
    /// For how long something from outside is waited for.
    pub(super) patience: Duration,
    /// Panics are printed.
    pub(super) loud: bool,
    /// Some schedule had an operation at which a poll could have been suspended.
    pub(super) has_inner_points: bool,
    pins: Pins,
}

/// How many times longer a schedule may be in which nobody tries anything in vain.
const LONGER: u64 = 10;
/// How often a schedule is played again in which a suspended poll held what others needed.
const TRIES: u32 = 4;

impl Stage {
    pub(super) fn new(max_steps: u64, linger: Duration, at: &'static Location<'static>) -> Self {
        let max_in_all = max_steps.saturating_mul(LONGER);
        let (runtime, blocked_since, loud, has_inner_points) = (None, None, false, false);
        let pins = Pins::default();
        Self {
            runtime,
            max_steps,
            max_in_all,
            blocked_since,
            linger,
            at,
            patience: PATIENCE,
            loud,
            has_inner_points,
            pins,
        }
    }

    pub(super) fn play(&mut self, guide: Box<Guide>, body: MakeBody<'_>, want: Want) -> Seen {
        if !guide.inside {
            return self.play_once(guide, body, want);
        }
        for _ in 1..TRIES {
            let seen = self.play_once(guide.clone(), body, want);
            if seen.showed != Showed::Spoiled {
                return seen;
            }
        }
        self.play_once(guide, body, want)
    }

    fn play_once(&mut self, mut guide: Box<Guide>, body: MakeBody<'_>, want: Want) -> Seen {
        guide.begin();
        guide.pins = self.pins.clone();
        let runtime = match self.runtime.take() {
            Some(runtime) if want == Want::Nothing => runtime,
            _ => Builder::new().explored(true).build(),
        };
        let watch = want != Want::Nothing;
        let terms = Terms {
            watch,
            most_steps: self.max_steps,
            most_in_all: self.max_in_all,
            blocked_since: self.blocked_since,
            linger: self.linger,
            inside: guide.inside,
            quiet: !self.loud,
            at: self.at,
        };
        let mut seat = Seat::new(want, self.patience);
        let policy = runtime.play(&terms, guide, body(), &mut seat);
        let policy: Box<dyn std::any::Any> = policy;
        let guide = policy.downcast().expect("gmp: a policy comes back as it was");
        self.has_inner_points |= seat.inner_points > 0;
        if seat.showed == Showed::Nothing && runtime.is_as_new() && !watch {
            self.runtime = Some(runtime);
        }
        let Seat { showed, steps, times: (since, end), sign, checked, .. } = seat;
        let goes_on = showed == Showed::Found(Kind::Deadlock) && end > since + self.linger;
        Seen { showed, steps, blocked_since: goes_on.then_some(since), sign, checked, guide }
    }
}

/// Who looks at a schedule.
struct Seat {
    want: Want,
    showed: Showed,
    steps: u64,
    times: (Duration, Duration),
    inner_points: u64,
    sign: Option<Sign>,
    checked: Option<Checked>,
    waits_since: Option<Instant>,
    patience: Duration,
}

/// For how long something from outside is waited for while goroutines are stuck; and in the schedule that decides
/// whether they are, as a process that is started takes long on a busy machine.
const PATIENCE: Duration = Duration::from_millis(100);
pub(super) const MORE_PATIENCE: Duration = Duration::from_secs(1);

impl Seat {
    fn new(want: Want, patience: Duration) -> Self {
        let (sign, checked, waits_since) = (None, None, None);
        Self {
            want,
            showed: Showed::Nothing,
            steps: 0,
            times: Default::default(),
            inner_points: 0,
            sign,
            checked,
            waits_since,
            patience,
        }
    }
}

fn showed(played: &Played<Outcome>, scope: &Scope) -> Showed {
    if played.end == PlayEnd::Outside {
        return Showed::Outside;
    }
    if played.spoiled {
        return Showed::Spoiled;
    }
    let kind = match &played.body {
        _ if played.runaway => Kind::Livelock,
        Some(Err(_)) => Kind::Panic,
        _ if played.end == PlayEnd::TooLong => Kind::Livelock,
        None => Kind::Deadlock,
        Some(Ok(Outcome(false))) => Kind::Failure,
        Some(Ok(_)) if scope.live() > 0 => Kind::Leak,
        Some(Ok(_)) => return Showed::Nothing,
    };
    Showed::Found(kind)
}

impl Audience<Outcome> for Seat {
    fn begins(&mut self, scope: &Arc<Scope>) {
        match self.want {
            Want::Nothing => crate::test::context::attach_lazily(scope),
            _ => crate::test::context::attach(scope),
        }
    }

    fn body_ended(&mut self, scope: &Arc<Scope>) {
        crate::test::context::cancel(scope);
    }

    fn waits(&mut self, scope: &Arc<Scope>) -> bool {
        let evidence = snapshot::read(scope).iter().any(snapshot::Reading::is_external)
            || census::foreign_thread_lives();
        evidence && self.waits_since.get_or_insert_with(Instant::now).elapsed() < self.patience
    }

    fn ends(&mut self, scope: &Arc<Scope>, played: Played<Outcome>) {
        self.showed = showed(&played, scope);
        if self.showed == Showed::Nothing && played.panics > 0 {
            // Without a watch it is not known whether somebody has taken the panic by joining.
            let unknown = scope.watch().is_none();
            let noted = scope.watch().is_some_and(|watch| !watch.panics().is_empty());
            if unknown || noted {
                self.showed = Showed::Found(Kind::Panic);
            }
        }
        (self.steps, self.inner_points, self.times) =
            (played.steps, played.inner_points, played.times);
        let Showed::Found(kind) = self.showed else { return };
        match self.want {
            Want::Nothing => {}
            Want::Sign => self.sign = Some(sign(kind, scope, &played)),
            Want::Judgement => {
                self.sign = Some(sign(kind, scope, &played));
                let reach = Reach {
                    body: Some(played.body_id),
                    body_is_elsewhere: false,
                    spare_ready_tasks: false,
                };
                let end = body_end(played.body, played.end);
                let progress = Progress::new();
                let since = Instant::now();
                self.checked = Some(check::close_and_judge(scope, &progress, &reach, end, since));
            }
        }
    }
}

fn body_end(body: Option<Caught<Outcome>>, end: PlayEnd) -> BodyEnd {
    match body {
        Some(Ok(outcome)) => BodyEnd::Returned(outcome.0),
        Some(Err(payload)) => BodyEnd::Panicked(payload),
        None if end == PlayEnd::TooLong => BodyEnd::TimedOut(Duration::ZERO),
        None => BodyEnd::Asleep,
    }
}

fn sign(kind: Kind, scope: &Arc<Scope>, played: &Played<Outcome>) -> Sign {
    let place = |at: At| (at.file(), at.line());
    let frozen = snapshot::freeze_parked(scope);
    let mut left: Vec<Left> = frozen
        .iter()
        .map(|g| {
            let mut waits: Vec<_> =
                g.waits().iter().map(|wait| (wait.reason, wait.at.line())).collect();
            waits.sort_unstable();
            (place(g.created_at()), waits)
        })
        .collect();
    frozen.into_iter().for_each(snapshot::Frozen::thaw);
    left.sort_unstable();
    let of_body = played.body.as_ref().and_then(|body| body.as_ref().err());
    let mut panics: Vec<String> =
        of_body.map(|payload| payload_text(&**payload)).into_iter().collect();
    let noted = scope.watch().map(|watch| watch.panics()).unwrap_or_default();
    panics.extend(noted.into_iter().map(|note| note.message));
    // Who else is left when somebody panics, or how far a loop has got, may differ.
    if matches!(kind, Kind::Panic | Kind::Failure | Kind::Livelock) {
        left.clear();
    }
    Sign { kind, left, panics }
}
