//! Small random programs: goroutines that send, receive, select and close over one or two channels.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gmp::{go, yield_now};

use crate::history::{Arm, Event, History};
use crate::subject::Subject;

/// Marsaglia's xorshift64*.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) * n as u128) >> 64) as usize
    }
}

/// One step of a goroutine.
#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Recv(usize),
    TrySend(usize),
    TryRecv(usize),
    Select([Arm; 2], bool),
    Close(usize),
    Yield,
}

/// A program: the capacities of its channels, and the steps of its goroutines.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) caps: Vec<usize>,
    goroutines: Vec<Vec<Step>>,
}

impl Program {
    /// A random program; for channels that are not whole, without rendezvous and selects.
    pub(crate) fn random(rng: &mut Rng, is_whole: bool) -> Self {
        let chans = if is_whole { 1 + rng.below(2) } else { 1 };
        let cap = |rng: &mut Rng| if is_whole { rng.below(4) } else { 1 + rng.below(2) };
        let caps = (0..chans).map(|_| cap(rng)).collect();
        let steps =
            |rng: &mut Rng| (0..1 + rng.below(4)).map(|_| step(rng, chans, is_whole)).collect();
        let goroutines = (0..2 + rng.below(3)).map(|_| steps(rng)).collect();
        Self { caps, goroutines }
    }

    /// Runs it on channels of the kind `S`, and gives its history. At the end the channels are closed, so
    /// that whoever waits goes on; that is a part of the history.
    pub(crate) async fn run<S: Subject>(&self) -> Vec<Event> {
        let chans: Vec<S> = self.caps.iter().map(|&cap| S::make(cap)).collect();
        let (history, running) = (Arc::<History>::default(), Arc::new(AtomicUsize::new(0)));
        let start = |(me, steps): (usize, &Vec<Step>)| {
            running.fetch_add(1, Ordering::SeqCst);
            let actor = Actor { chans: chans.clone(), history: history.clone(), me, sent: 0 };
            let (steps, running) = (steps.clone(), running.clone());
            go(async move {
                actor.act(steps).await;
                running.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let handles: Vec<_> = self.goroutines.iter().enumerate().map(start).collect();
        // Until all are done, or none of them has gone on for a while.
        let (mut before, mut still) = (0, 0);
        while running.load(Ordering::SeqCst) > 0 && still < 8 {
            yield_now().await;
            let now = history.len();
            still = if now == before { still + 1 } else { 0 };
            before = now;
        }
        for (n, ch) in chans.iter().enumerate() {
            let called = history.call();
            let act = ch.close(n);
            history.note(called, act);
        }
        for handle in handles {
            handle.await.expect("no step panics");
        }
        history.take()
    }
}

fn step(rng: &mut Rng, chans: usize, is_whole: bool) -> Step {
    let ch = rng.below(chans);
    match rng.below(if is_whole { 16 } else { 12 }) {
        0..=2 => Step::Send(ch),
        3..=5 => Step::Recv(ch),
        6 | 7 => Step::TrySend(ch),
        8 | 9 => Step::TryRecv(ch),
        10 => Step::Yield,
        11 if rng.below(3) == 0 => Step::Close(ch),
        11 => Step::Recv(ch),
        _ => {
            let mut arm = || {
                let ch = rng.below(chans);
                if rng.below(2) == 0 { Arm::Send(ch) } else { Arm::Recv(ch) }
            };
            let arms = [arm(), arm()];
            Step::Select(arms, rng.below(3) == 0)
        }
    }
}

/// A goroutine of a program.
struct Actor<S> {
    chans: Vec<S>,
    history: Arc<History>,
    me: usize,
    sent: u8,
}

impl<S: Subject> Actor<S> {
    async fn act(mut self, steps: Vec<Step>) {
        for step in steps {
            if matches!(step, Step::Yield) {
                yield_now().await;
                continue;
            }
            // No value is sent twice in a program.
            let value = (self.me as u8) << 4 | self.sent;
            self.sent += 1;
            let called = self.history.call();
            let act = match step {
                Step::Send(n) => self.chans[n].send(n, value).await,
                Step::Recv(n) => self.chans[n].recv(n).await,
                Step::TrySend(n) => self.chans[n].try_send(n, value),
                Step::TryRecv(n) => self.chans[n].try_recv(n),
                Step::Close(n) => self.chans[n].close(n),
                Step::Select(arms, with_default) => {
                    let chan = |arm| match arm {
                        Arm::Send(n) | Arm::Recv(n) => &self.chans[n],
                    };
                    S::select(arms.map(chan), arms, value, with_default).await
                }
                Step::Yield => unreachable!("see above"),
            };
            self.history.note(called, act);
        }
    }
}
