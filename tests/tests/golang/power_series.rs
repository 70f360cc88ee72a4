//! Go's programs that calculate with power series: each series is a goroutine that gives its next
//! coefficient on demand.

use gmp::{Chan, chan, go, select};

/// A fraction in lowest terms, with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rat(i128, i128);

fn rat(num: i128, den: i128) -> Rat {
    let (mut a, mut b) = (num.abs(), den.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let sign = den.signum();
    Rat(sign * num / a.max(1), sign * den / a.max(1))
}

impl Rat {
    fn plus(self, other: Self) -> Self {
        rat(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
    }

    fn times(self, other: Self) -> Self {
        rat(self.0 * other.0, self.1 * other.1)
    }

    fn inverse(self) -> Self {
        rat(self.1, self.0)
    }
}

/// What travels on the channels in place of a fraction.
trait Element: From<Rat> + Into<Rat> + Send + 'static {}
impl<E: From<Rat> + Into<Rat> + Send + 'static> Element for E {}

/// A series: its next coefficient comes after each request.
struct Series<E> {
    ask: Chan<()>,
    answer: Chan<E>,
}

impl<E> Clone for Series<E> {
    fn clone(&self) -> Self {
        Self { ask: self.ask.clone(), answer: self.answer.clone() }
    }
}

impl<E: Element> Series<E> {
    fn empty() -> Self {
        Self { ask: chan(1), answer: chan(0) }
    }

    /// A series that a goroutine feeds.
    fn make<F: Future<Output = ()> + Send + 'static>(feed: impl FnOnce(Self) -> F) -> Self {
        let series = Self::empty();
        drop(go(feed(series.clone())));
        series
    }

    async fn get(&self) -> Rat {
        self.ask.send(()).await;
        self.answer.recv().await.expect("never closed").into()
    }

    async fn put(&self, coefficient: Rat) {
        self.ask.recv().await;
        self.answer.send(coefficient.into()).await;
    }

    /// Passes `from` on for ever.
    async fn pass(&self, from: Self) {
        loop {
            self.ask.recv().await;
            self.answer.send(from.get().await.into()).await;
        }
    }

    /// All coefficients are `c`.
    fn constant(c: Rat) -> Self {
        Self::make(move |out| async move {
            loop {
                out.put(c).await;
            }
        })
    }

    fn plus(self, other: Self) -> Self {
        Self::make(|out| async move {
            loop {
                out.ask.recv().await;
                let sum = self.get().await.plus(other.get().await);
                out.answer.send(sum.into()).await;
            }
        })
    }

    /// Each coefficient by what `f` makes of it and of its power.
    fn map(self, f: impl Fn(i128, Rat) -> Rat + Send + 'static) -> Self {
        Self::make(|out| async move {
            for power in 0.. {
                out.ask.recv().await;
                let c = self.get().await;
                out.answer.send(f(power, c).into()).await;
            }
        })
    }

    fn scaled(self, by: Rat) -> Self {
        self.map(move |_, c| c.times(by))
    }

    /// Times x, plus a constant.
    fn shifted(self, constant: Rat) -> Self {
        Self::make(move |out| async move {
            out.put(constant).await;
            out.pass(self).await;
        })
    }

    /// Without the constant, by x.
    async fn tail(self) -> Self {
        self.get().await;
        self
    }

    fn derivative(self) -> Self {
        Self::make(|out| async move {
            out.ask.recv().await;
            self.get().await;
            for power in 1.. {
                let c = self.get().await.times(rat(power, 1));
                out.answer.send(c.into()).await;
                out.ask.recv().await;
            }
        })
    }

    fn integral(self, constant: Rat) -> Self {
        self.map(|power, c| c.times(rat(1, power + 1))).shifted(constant)
    }

    /// The series with -x² in place of x.
    fn minus_square(self) -> Self {
        Self::make(|out| async move {
            for power in 0.. {
                let sign = if power % 2 == 0 { 1 } else { -1 };
                out.ask.recv().await;
                let c = self.get().await.times(rat(sign, 1));
                out.answer.send(c.into()).await;
                out.put(rat(0, 1)).await;
            }
        })
    }

    /// The same series twice. One reader may be ahead, and the series may be made from the other.
    fn split(self) -> (Self, Self) {
        let ends = [Self::empty(), Self::empty()];
        let (first, second) = (ends[0].clone(), ends[1].clone());
        drop(go(async move {
            let mut known: Vec<Rat> = Vec::new();
            let (mut given, mut wanted, mut asked) = ([0, 0], [false, false], false);
            loop {
                select! {
                    recv(ends[0].ask) -> _ => wanted[0] = true,
                    recv(ends[1].ask) -> _ => wanted[1] = true,
                    recv(self.answer) -> c => {
                        known.push(c.expect("never closed").into());
                        asked = false;
                    }
                }
                for (n, end) in ends.iter().enumerate() {
                    match known.get(given[n]) {
                        _ if !wanted[n] => {}
                        Some(c) => {
                            end.answer.send((*c).into()).await;
                            (given[n], wanted[n]) = (given[n] + 1, false);
                        }
                        None if asked => {}
                        None => {
                            self.ask.send(()).await;
                            asked = true;
                        }
                    }
                }
            }
        }));
        (first, second)
    }

    fn times(self, other: Self) -> Self {
        Self::make(|out| async move {
            out.ask.recv().await;
            let (f, g) = (self.get().await, other.get().await);
            out.answer.send(f.times(g).into()).await;
            let ((a, more_a), (b, more_b)) = (self.split(), other.split());
            let mixed = b.scaled(f).plus(a.scaled(g));
            out.pass(mixed.plus(more_a.times(more_b).shifted(rat(0, 1)))).await;
        })
    }

    /// One by the series.
    fn reciprocal(self) -> Self {
        Self::make(|out| async move {
            out.ask.recv().await;
            let first = self.get().await.inverse();
            out.answer.send(first.into()).await;
            let result = Self::empty();
            let (back, given) = result.clone().split();
            let minus = first.times(rat(-1, 1));
            let rest = self.times(back).scaled(minus).shifted(first);
            drop(go(async move { result.pass(rest).await }));
            out.pass(given.tail().await).await;
        })
    }

    /// e to the series, whose constant is zero or counts as zero.
    fn exponential(self) -> Self {
        let result = Self::empty();
        let (back, given) = result.clone().split();
        let made = back.times(self.derivative()).integral(rat(1, 1));
        drop(go(async move { result.pass(made).await }));
        given
    }

    /// The series with `inner`, whose constant is zero, in place of x.
    fn of(self, inner: Self) -> Self {
        Self::make(|out| async move {
            let (once, again) = inner.split();
            out.ask.recv().await;
            out.answer.send(self.get().await.into()).await;
            let rest = self.of(again);
            out.pass(once.tail().await.times(rest)).await;
        })
    }

    /// The series R with `self(R(x)) = x`; the constant of `self` is zero.
    fn reversed(self) -> Self {
        let result = Self::empty();
        let (back, given) = result.clone().split();
        drop(go(async move {
            let inverse = self.tail().await.of(back).reciprocal();
            result.pass(inverse.shifted(rat(0, 1))).await;
        }));
        given
    }

    async fn check<const N: usize>(self, want: [(i128, i128); N]) {
        for (power, (num, den)) in want.into_iter().enumerate() {
            assert_eq!(self.get().await, rat(num, den), "the coefficient of power {power}");
        }
    }
}

async fn all_checks<E: Element>() {
    let ones = || Series::<E>::constant(rat(1, 1));
    ones().plus(Series::constant(rat(2, 1))).check([(3, 1); 10]).await;
    ones().scaled(rat(-2, 3)).check([(-2, 3); 10]).await;
    ones().derivative().check([(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]).await;
    ones().integral(rat(7, 1)).check([(7, 1), (1, 1), (1, 2), (1, 3), (1, 4)]).await;
    ones().times(ones()).check([(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]).await;
    ones().reciprocal().check([(1, 1), (-1, 1), (0, 1), (0, 1), (0, 1)]).await;
    let e = ones().exponential();
    e.check([(1, 1), (1, 1), (3, 2), (13, 6), (73, 24), (167, 40), (4051, 720)]).await;
    let arc_tangent = || ones().minus_square().integral(rat(0, 1));
    arc_tangent().check([(0, 1), (1, 1), (0, 1), (-1, 3), (0, 1), (1, 5)]).await;
    let tangent = arc_tangent().reversed();
    let odd = [(1, 1), (1, 3), (2, 15), (17, 315), (62, 2835)];
    for (num, den) in odd {
        assert_eq!((tangent.get().await, tangent.get().await), (rat(0, 1), rat(num, den)));
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/powser1.go>
mod powser1 {
    // The program leaves the goroutines of its series behind, as Go's does.
    #[gmp::test(expect_leak)]
    async fn series_are_added_multiplied_inverted_and_reversed() {
        super::all_checks::<super::Rat>().await;
    }
}

/// <https://github.com/golang/go/blob/master/test/chan/powser2.go>
mod powser2 {
    use std::any::Any;

    use super::Rat;

    /// A fraction behind an interface, as that program passes it on.
    struct Item(Box<dyn Any + Send>);

    impl From<Rat> for Item {
        fn from(rat: Rat) -> Self {
            Self(Box::new(rat))
        }
    }

    impl From<Item> for Rat {
        fn from(item: Item) -> Self {
            *item.0.downcast().expect("a fraction")
        }
    }

    #[gmp::test(expect_leak)]
    async fn the_same_with_elements_behind_an_interface() {
        super::all_checks::<Item>().await;
    }
}
