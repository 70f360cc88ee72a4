//! Every future that can wait, in one table: each says why it waits and on which line of the user's, shows
//! itself in a trace poll, and can be dropped without harm to the next one.

use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use gmp_core::chan::Select;
use gmp_core::context::{background, with_cancel};
use gmp_core::inspect::{GoroutineId, WaitReason};
use gmp_core::runtime::{Builder, Runtime};
use gmp_core::snapshot::{Frozen, Traced, freeze_parked};
use gmp_core::sync::{
    Cond, ErrGroup, Mutex, Once, OnceValue, OwnedMutexGuard, OwnedPermit, OwnedRwLockReadGuard,
    OwnedRwLockWriteGuard, RwLock, Semaphore, SingleFlight, WaitGroup,
};
use gmp_core::time::{Ticker, Timer, after, now, sleep, sleep_until, timeout};
use gmp_core::{Chan, chan, channel, go, select, yield_now};

type Waits = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A future that has to wait.
struct Row {
    name: &'static str,
    reasons: Vec<WaitReason>,
    /// The lines that the future is made on: from here to the next row.
    line: u32,
    /// Makes the future, any number of times on one primitive.
    start: Box<dyn Fn() -> Waits>,
    /// Does what one of these futures waits for; `None` if nothing can.
    release: Option<Box<dyn Fn()>>,
}

const HOUR: Duration = Duration::from_secs(3600);

/// A row: what is shared, the future that waits on it, and what releases it.
macro_rules! row {
    ($rows:ident, $name:literal, [$($reason:ident),*], $made:expr,
     |$one:pat_param| $future:expr $(, |$two:pat_param| $release:expr)?) => {
        let made = &*Box::leak(Box::new($made));
        $rows.push(Row {
            name: $name,
            reasons: vec![$(WaitReason::$reason),*],
            line: line!(),
            start: Box::new(move || {
                let $one = made;
                Box::pin(async move {
                    let _ = $future.await;
                })
            }),
            release: row!(@release made $(, |$two| $release)?),
        });
    };
    (@release $made:ident) => { None };
    (@release $made:ident, |$two:pat_param| $release:expr) => {
        Some(Box::new(move || {
            let $two = $made;
            let _ = $release;
        }))
    };
}

/// A guard that is held until it is taken out.
fn hold<G>(guard: Option<G>) -> StdMutex<Option<G>> {
    StdMutex::new(Some(guard.expect("nobody else has it")))
}

fn let_go<G>(held: &StdMutex<Option<G>>) {
    drop(held.lock().unwrap().take());
}

fn channel_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    row!(rows, "Chan::recv", [ChanReceive], chan(0), |ch| ch.recv(), |ch| ch.try_send(1));
    row!(rows, "Chan::send", [ChanSend], chan(0), |ch| ch.send(1), |ch| ch.try_recv());
    row!(rows, "Chan::send_checked", [ChanSend], chan(0), |ch| ch.send_checked(1), |ch| ch.close());
    row!(rows, "Chan::range", [ChanReceive], chan(0), |ch| pin!(ch.range()).next(), |ch| ch
        .try_send(1));
    row!(rows, "Chan::sink", [ChanSend], chan(0), |ch| pin!(ch.sink()).send(1), |ch| ch.try_recv());
    row!(rows, "Sender::send", [ChanSend], channel(0), |(tx, _)| tx.send(1), |(_, rx)| rx
        .try_recv());
    row!(rows, "Receiver::recv", [ChanReceive], channel(0), |(_, rx)| rx.recv(), |(tx, _)| tx
        .try_send(1));
    row!(
        rows,
        "Receiver::range",
        [ChanReceive],
        channel(0),
        |(_, rx)| pin!(rx.range()).next(),
        |(tx, _)| tx.try_send(1)
    );
    row!(rows, "Sender::sink", [ChanSend], channel(0), |(tx, _)| pin!(tx.sink()).send(1), |(
        _,
        rx,
    )| {
        rx.try_recv()
    });
    row!(rows, "nil recv", [ChanReceiveNil], Chan::<u8>::nil(), |ch| ch.recv());
    row!(rows, "nil send", [ChanSendNil], Chan::nil(), |ch| ch.send(1));
    row!(rows, "after", [ChanReceive], after(HOUR), |ch| ch.recv(), |ch| ch.try_send(now()));
    row!(rows, "Timer::recv", [ChanReceive], Timer::new(HOUR), |timer| timer.recv(), |timer| timer
        .chan()
        .try_send(now()));
    row!(
        rows,
        "Ticker::recv",
        [ChanReceive],
        Ticker::new(HOUR),
        |ticker| ticker.recv(),
        |ticker| { ticker.chan().try_send(now()) }
    );
    rows
}

fn select_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    row!(
        rows,
        "select!",
        [ChanReceive, ChanSend],
        [chan(0), chan(0)],
        |[a, b]| async {
            select! { recv(a) -> _ => (), send(b, 1) => () }
        },
        |[a, _]| a.try_send(1)
    );
    row!(rows, "select! without arms", [SelectNoCases], (), |()| async {
        select! {}
    });
    row!(
        rows,
        "Select",
        [ChanReceive, ChanReceive],
        [chan::<u8>(0), chan(0)],
        |[a, b]| Select::new().recv(a, drop).recv(b, drop).wait(),
        |[_, b]| b.try_send(1)
    );
    row!(rows, "Select without arms", [SelectNoCases], (), |()| Select::<()>::new().wait());
    row!(
        rows,
        "select! with a future",
        [ChanReceive, Sleep],
        chan(0),
        |ch| async {
            select! { recv(ch) -> _ => (), () = sleep(HOUR) => () }
        },
        |ch| ch.try_send(1)
    );
    row!(rows, "timeout", [ChanReceive, Sleep], chan(0), |ch| timeout(HOUR, ch.recv()), |ch| ch
        .try_send(1));
    row!(rows, "sleep", [Sleep], (), |()| sleep(HOUR));
    row!(rows, "sleep_until", [Sleep], now() + HOUR, |moment| sleep_until(*moment));
    row!(
        rows,
        "Context::done",
        [ContextDone],
        with_cancel(&background()),
        |(ctx, _)| ctx.done(),
        |(_, cancel)| cancel.cancel()
    );
    row!(rows, "join", [Join], chan::<()>(0), |gate| go(gate.recv()), |gate| gate.close());
    rows
}

/// A lock and a guard of it that is held.
fn locked() -> (Arc<Mutex<u8>>, StdMutex<Option<OwnedMutexGuard<u8>>>) {
    let lock = Arc::new(Mutex::new(0));
    (lock.clone(), hold(lock.try_lock_owned()))
}

fn read_locked() -> (Arc<RwLock<u8>>, StdMutex<Option<OwnedRwLockReadGuard<u8>>>) {
    let lock = Arc::new(RwLock::new(0));
    (lock.clone(), hold(lock.try_read_owned()))
}

fn write_locked() -> (Arc<RwLock<u8>>, StdMutex<Option<OwnedRwLockWriteGuard<u8>>>) {
    let lock = Arc::new(RwLock::new(0));
    (lock.clone(), hold(lock.try_write_owned()))
}

fn acquired() -> (Arc<Semaphore>, StdMutex<Option<OwnedPermit>>) {
    let semaphore = Arc::new(Semaphore::new(1));
    (semaphore.clone(), hold(semaphore.try_acquire_owned(1)))
}

fn lock_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    row!(rows, "Mutex::lock", [MutexLock], locked(), |(m, _)| m.lock(), |(_, held)| let_go(held));
    row!(
        rows,
        "Mutex::lock_owned",
        [MutexLock],
        locked(),
        |(m, _)| m.clone().lock_owned(),
        |(_, held)| let_go(held)
    );
    row!(rows, "RwLock::read", [RwLockRead], write_locked(), |(lock, _)| lock.read(), |(
        _,
        held,
    )| {
        let_go(held)
    });
    row!(
        rows,
        "RwLock::read_owned",
        [RwLockRead],
        write_locked(),
        |(lock, _)| lock.clone().read_owned(),
        |(_, held)| let_go(held)
    );
    row!(rows, "RwLock::write", [RwLockWrite], read_locked(), |(lock, _)| lock.write(), |(
        _,
        held,
    )| {
        let_go(held)
    });
    row!(
        rows,
        "RwLock::write_owned",
        [RwLockWrite],
        read_locked(),
        |(lock, _)| lock.clone().write_owned(),
        |(_, held)| let_go(held)
    );
    row!(
        rows,
        "Semaphore::acquire",
        [Semacquire],
        acquired(),
        |(semaphore, _)| semaphore.acquire(1),
        |(_, held)| let_go(held)
    );
    row!(
        rows,
        "Semaphore::acquire_owned",
        [Semacquire],
        acquired(),
        |(semaphore, _)| semaphore.clone().acquire_owned(1),
        |(_, held)| let_go(held)
    );
    rows
}

/// Runs `body` in a goroutine of its own, until it waits for the gate.
async fn behind_a_gate<F>(body: impl FnOnce(Chan<()>) -> F) -> Chan<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let gate = chan(0);
    drop(go(body(gate.clone())));
    yield_now().await;
    gate
}

async fn group_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let counted = WaitGroup::new();
    counted.add(1);
    row!(rows, "WaitGroup::wait", [WaitGroupWait], counted, |wg| wg.wait(), |wg| wg.done());
    row!(
        rows,
        "Cond::wait",
        [CondWait],
        (Mutex::new(()), Cond::new()),
        |(mutex, cond)| cond.wait(mutex.try_lock().unwrap()),
        |(_, cond)| cond.signal()
    );
    row!(
        rows,
        "Cond::wait with a read lock",
        [CondWait],
        (RwLock::new(()), Cond::new()),
        |(lock, cond)| cond.wait(lock.try_read().unwrap()),
        |(_, cond)| cond.signal()
    );
    row!(
        rows,
        "Cond::wait with a write lock",
        [CondWait],
        (RwLock::new(()), Cond::new()),
        |(lock, cond)| cond.wait(lock.try_write().unwrap()),
        |(_, cond)| cond.signal()
    );
    let once = Arc::new(Once::new());
    let runs = once.clone();
    let gate =
        behind_a_gate(async move |gate: Chan<()>| runs.call(async || _ = gate.recv().await).await)
            .await;
    row!(
        rows,
        "Once::call",
        [OnceDo],
        (once, gate),
        |(once, _)| once.call(async || unreachable!("it runs once")),
        |(_, gate)| gate.close()
    );
    let gate = chan::<()>(0);
    let made = gate.clone();
    let value = Arc::new(OnceValue::new(move || {
        let gate = made.clone();
        async move { gate.recv().await }
    }));
    let makes = value.clone();
    drop(go(async move { _ = makes.get().await }));
    yield_now().await;
    row!(
        rows,
        "OnceValue::get",
        [OnceDo],
        (value, gate),
        |(value, _)| async { _ = value.get().await },
        |(_, gate)| gate.close()
    );
    let flight = Arc::new(SingleFlight::<u8, ()>::new());
    let runs = flight.clone();
    let gate = behind_a_gate(async move |gate: Chan<()>| {
        let _ = runs.run(1, || async move { _ = gate.recv().await }).await;
    })
    .await;
    row!(
        rows,
        "SingleFlight::run",
        [SingleFlightDo],
        (flight, gate),
        |(flight, _)| flight.run(1, || async { unreachable!("the first call does it") }),
        |(_, gate)| gate.close()
    );
    let (group, gate) = (ErrGroup::<()>::new(), chan::<()>(0));
    let member = gate.clone();
    group.go(async move {
        member.recv().await;
        Ok(())
    });
    row!(
        rows,
        "ErrGroup::wait",
        [WaitGroupWait],
        (group, gate),
        |(group, _)| group.wait(),
        |(_, gate)| gate.close()
    );
    let (group, gate) = (ErrGroup::<()>::with_limit(1), chan::<()>(0));
    let member = gate.clone();
    group.go(async move {
        member.recv().await;
        Ok(())
    });
    row!(
        rows,
        "ErrGroup::go_when_free",
        [Semacquire],
        (group, gate),
        |(group, _)| group.go_when_free(async { Ok(()) }),
        |(_, gate)| gate.close()
    );
    rows
}

/// Looks at the parked goroutine `id`.
fn look<R>(runtime: &Runtime, id: GoroutineId, look: impl FnOnce(&Frozen) -> R) -> R {
    let all = freeze_parked(runtime.scope());
    let looked = all.iter().find(|frozen| frozen.id() == id).map(look);
    all.into_iter().for_each(Frozen::thaw);
    looked.expect("it is there")
}

/// Checks that `at` lies between the beginning of the row and `end`.
#[track_caller]
fn is_of_row(row: &Row, end: u32, at: &Location<'_>) {
    assert_eq!(at.file(), file!(), "{}", row.name);
    assert!((row.line..end).contains(&at.line()), "{}: {at} is not the user's line", row.name);
}

async fn check(runtime: &Runtime, row: &Row, end: u32) {
    let dropped = go((row.start)());
    for _ in 0..3 {
        yield_now().await;
    }
    look(runtime, dropped.id(), |frozen| {
        let waits = frozen.waits();
        let mut reasons: Vec<_> = waits.iter().map(|wait| wait.reason).collect();
        reasons.sort_unstable();
        assert_eq!(reasons, row.reasons, "{}", row.name);
        waits.iter().for_each(|wait| is_of_row(row, end, wait.at));
        let mut seen = Vec::new();
        let traced = frozen.trace(&mut |at, _| seen.push(at));
        assert_eq!(traced, Some(Traced::Parked), "{}: a trace poll changes nothing", row.name);
        assert!(!seen.is_empty(), "{}: a trace poll sees it", row.name);
        seen.iter().flatten().for_each(|at| is_of_row(row, end, at));
        assert_eq!(frozen.waits().len(), row.reasons.len(), "{}: it waits as before", row.name);
    });
    let next = go((row.start)());
    yield_now().await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_aborted(), "{}", row.name);
    let Some(release) = &row.release else { return next.abort() };
    assert!(!next.is_finished(), "{}: a drop releases nobody", row.name);
    release();
    if let Err(error) = next.await {
        panic!("{}: what was dropped harmed the next: {error}", row.name);
    }
}

#[test]
fn each_has_its_reason_and_its_line_is_traced_and_may_be_dropped() {
    let runtime = Builder::new().watch(true).build();
    runtime.block_on(async {
        let tables = [channel_rows(), select_rows(), lock_rows(), group_rows().await];
        for mut rows in tables {
            let ends: Vec<_> = rows.iter().skip(1).map(|row| row.line).chain([u32::MAX]).collect();
            for (row, end) in rows.iter_mut().zip(ends) {
                row.reasons.sort_unstable();
                check(&runtime, row, end).await;
            }
        }
    });
}
