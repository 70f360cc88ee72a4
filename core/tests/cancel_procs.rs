//! Futures that are dropped at random awaits lose and double nothing on several Ps.

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use gmp_core::chan::Select;
use gmp_core::runtime::Builder;
use gmp_core::{Chan, chan, go, select, yield_now};
use support::{Life, Living, Rng, join_all, rounds};

/// Polls a future so many times at most, and drops it then.
struct Cut<F>(Option<Pin<Box<F>>>, usize);

impl<F: Future> Future for Cut<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut().expect("polled until it is over");
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if self.1 == 0 {
            self.0 = None;
            return Poll::Ready(None);
        }
        self.1 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn cut<F: Future>(future: F, rng: &mut Rng) -> Cut<F> {
    Cut(Some(Box::pin(future)), rng.below(3))
}

/// What became of the values of one program.
#[derive(Default)]
struct Books {
    sent: Vec<usize>,
    received: Vec<usize>,
}

/// What the goroutines of one program share.
#[derive(Clone)]
struct Shared {
    life: Life,
    chans: Vec<Chan<Living>>,
    books: Arc<Mutex<Books>>,
}

impl Shared {
    fn sent(&self, id: usize) {
        self.books.lock().unwrap().sent.push(id);
    }

    fn got(&self, value: Option<Living>) {
        self.books.lock().unwrap().received.extend(value.map(|value| value.id));
    }

    /// One goroutine: each operation may be dropped half-way.
    async fn act(self, me: usize, mut rng: Rng) {
        for n in 0..8 {
            let id = me * 8 + n;
            let (a, b) = (rng.below(self.chans.len()), rng.below(self.chans.len()));
            let (a, b) = (&self.chans[a], &self.chans[b]);
            match rng.below(5) {
                0 | 1 => {
                    if cut(a.send(self.life.make(id)), &mut rng).await.is_some() {
                        self.sent(id);
                    }
                }
                2 => self.got(cut(a.recv(), &mut rng).await.flatten()),
                3 => {
                    let value = self.life.make(id);
                    let selected = async {
                        select! { send(a, value) => self.sent(id), recv(b) -> got => self.got(got) }
                    };
                    cut(selected, &mut rng).await;
                }
                _ => {
                    let mut select = Select::new();
                    select
                        .recv(a, |got| self.got(got))
                        .send(b, self.life.make(id), |()| self.sent(id));
                    let waiting = select.wait();
                    cut(waiting, &mut rng).await;
                }
            }
            if rng.chance(20) {
                yield_now().await;
            }
        }
    }
}

/// Runs a random program of goroutines, some of which are aborted, and settles the books.
async fn program(seed: u64) {
    let mut rng = Rng::new(seed);
    let chans: Vec<_> = (0..1 + rng.below(2)).map(|_| chan(rng.below(3))).collect();
    let shared = Shared { life: Life::default(), chans, books: Arc::default() };
    let act = |me: usize| go(shared.clone().act(me, Rng::new(seed ^ (me as u64 + 1) << 32)));
    let actors: Vec<_> = (0..2 + rng.below(5)).map(act).collect();
    for actor in &actors {
        if rng.chance(25) {
            yield_now().await;
            actor.abort();
        }
    }
    for actor in actors {
        let ended = actor.await;
        assert!(ended.is_ok() || ended.is_err_and(|error| error.is_aborted()), "seed {seed}");
    }
    let Books { sent, mut received } = std::mem::take(&mut *shared.books.lock().unwrap());
    for ch in &shared.chans {
        received.extend(std::iter::from_fn(|| ch.try_recv().ok()).map(|value| value.id));
    }
    assert_eq!(shared.life.alive(), 0, "seed {seed}: values were leaked");
    received.sort_unstable();
    let once = received.windows(2).all(|pair| pair[0] != pair[1]);
    assert!(once, "seed {seed}: a value came twice: {received:?}");
    for id in sent {
        assert!(received.binary_search(&id).is_ok(), "seed {seed}: {id} was sent and lost");
    }
}

fn programs(procs: usize) {
    let runtime = Builder::new().procs(procs).build();
    runtime.block_on(async {
        let part = |part: u64| {
            go(async move {
                for n in 0..rounds(500) as u64 {
                    program(part << 40 | n).await;
                }
            })
        };
        join_all((0..4).map(part)).await;
    });
}

#[test]
fn on_one_p() {
    programs(1);
}

#[test]
fn on_two_ps() {
    programs(2);
}

#[test]
fn on_four_ps() {
    programs(4);
}
