//! What may be sent, shared and moved: a change here is a change of the public interface.

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::rc::Rc;

use gmp_core::chan::{
    Checked, CloseError, Range, Recv, Select, Send as Sending, SendChecked, SendError, SendSink,
    TryRecvError, TrySendError, Waiting,
};
use gmp_core::context::{Cancel, Context, ContextError, Done, Stop, Tree};
use gmp_core::runtime::drive::{Body, Driver};
use gmp_core::runtime::{Builder, Entered, Runtime, Scope, Turn};
use gmp_core::sync::{
    Acquire, AcquireOwned, Cond, ErrGroup, Lent, Lock, LockOwned, Map, Mutex, MutexGuard, Once,
    OnceValue, OwnedMutexGuard, OwnedPermit, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, Permit,
    Pool, ReadLock, ReadLockOwned, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore,
    SingleFlight, Value, Wait, WaitGroup, WaitGroupError, WriteLock, WriteLockOwned,
};
use gmp_core::time::{AfterFunc, Elapsed, Instant, Sleep, Ticker, Timeout, Timer};
use gmp_core::{
    AbortHandle, Chan, JoinError, JoinHandle, Receiver, Sender, chan, select, yield_now,
};

/// Does not compile unless the type is all of these.
macro_rules! is {
    ($($t:ty: $($b:ident)+;)+) => {$({
        fn check<T: ?Sized $(+ $b)+>() {}
        check::<$t>();
    })+};
}

/// Does not compile if the type is any of these: the call would have two candidates.
macro_rules! is_not {
    ($($t:ty: $($b:ident)+;)+) => {$($({
        trait Ambiguous<A> { fn check() {} }
        impl<T: ?Sized> Ambiguous<()> for T {}
        struct Yes;
        impl<T: ?Sized + $b> Ambiguous<Yes> for T {}
        let _ = <$t as Ambiguous<_>>::check;
    })+)+};
}

/// A value that may be sent but not shared.
type SendOnly = Cell<u8>;
/// A value that may be neither.
type Local = Rc<u8>;

#[test]
fn handles() {
    is! {
        Chan<SendOnly>: Send Sync Unpin Clone;
        Sender<SendOnly>: Send Sync Unpin Clone;
        Receiver<SendOnly>: Send Sync Unpin Clone;
        Chan<PhantomPinned>: Unpin;
        JoinHandle<SendOnly>: Send Sync Unpin;
        Checked<SendOnly>: Send Sync Unpin;
        JoinHandle<PhantomPinned>: Unpin;
        AbortHandle: Send Sync Unpin Clone;
        Runtime: Send Sync;
        Builder: Send Sync;
        Scope: Send Sync;
        Turn: Send Sync Copy;
    }
    is_not! {
        Chan<Local>: Send Sync;
        Sender<Local>: Send Sync;
        Receiver<Local>: Send Sync;
        Checked<Local>: Send Sync;
        Driver<'static>: Send Sync;
        Entered: Send;
        Body<u8>: Send Sync;
    }
}

#[test]
fn futures() {
    is! {
        Recv<'static, SendOnly>: Send Sync;
        Range<'static, SendOnly>: Send Sync;
        Sending<'static, SendOnly>: Send Sync;
        SendChecked<'static, SendOnly>: Send Sync;
        SendSink<'static, SendOnly>: Send Sync;
        Select<'static, Local>: Send Unpin;
        Waiting<'static, Local>: Send;
    }
    is_not! {
        SendSink<'static, SendOnly>: Unpin;
        Waiting<'static, u8>: Unpin;
        SendSink<'static, Local>: Send Sync;
        Recv<'static, SendOnly>: Unpin;
        Range<'static, SendOnly>: Unpin;
        Sending<'static, SendOnly>: Unpin;
        SendChecked<'static, SendOnly>: Unpin;
        Recv<'static, Local>: Send Sync;
        Sending<'static, Local>: Send Sync;
        SendChecked<Local>: Send Sync;
    }
}

#[test]
fn errors() {
    use std::error::Error;
    is! {
        JoinError: Send Sync Unpin Error;
        SendError<u8>: Send Sync Unpin Error Copy;
        TrySendError<u8>: Send Sync Unpin Error Copy;
        TryRecvError: Send Sync Unpin Error Copy;
        CloseError: Send Sync Unpin Error Copy;
    }
}

#[test]
fn unnamed_futures() {
    fn send<T: Send>(_: T) {}
    fn send_sync_unpin<T: Send + Sync + Unpin>(_: T) {}
    send_sync_unpin(yield_now());
    let ch = chan::<SendOnly>(0);
    send(async {
        select! {
            recv(ch) -> _ => {}
            send(ch, Cell::new(1)) => {}
            () = std::future::ready(()) => {}
        }
    });
}

#[test]
fn locks_and_their_guards() {
    is! {
        Mutex<SendOnly>: Send Sync Unpin;
        Lock<'static, SendOnly>: Send;
        LockOwned<SendOnly>: Send;
        MutexGuard<'static, u8>: Send Sync Unpin;
        MutexGuard<'static, SendOnly>: Send;
        OwnedMutexGuard<u8>: Send Sync Unpin;
        OwnedMutexGuard<SendOnly>: Send;
        RwLock<u8>: Send Sync Unpin;
        RwLock<SendOnly>: Send;
        ReadLock<'static, u8>: Send;
        WriteLock<'static, u8>: Send;
        ReadLockOwned<u8>: Send;
        WriteLockOwned<u8>: Send;
        RwLockReadGuard<'static, u8>: Send Sync Unpin;
        RwLockWriteGuard<'static, u8>: Send Sync Unpin;
        OwnedRwLockReadGuard<u8>: Send Sync Unpin;
        OwnedRwLockWriteGuard<u8>: Send Sync Unpin;
    }
    is_not! {
        Mutex<Local>: Send Sync;
        Mutex<PhantomPinned>: Unpin;
        Lock<'static, u8>: Unpin;
        Lock<'static, Local>: Send Sync;
        LockOwned<u8>: Unpin;
        LockOwned<Local>: Send Sync;
        MutexGuard<'static, SendOnly>: Sync;
        MutexGuard<'static, Local>: Send Sync;
        OwnedMutexGuard<SendOnly>: Sync;
        OwnedMutexGuard<Local>: Send Sync;
        RwLock<SendOnly>: Sync;
        RwLock<Local>: Send Sync;
        ReadLock<'static, SendOnly>: Send;
        ReadLock<'static, u8>: Unpin;
        WriteLock<'static, u8>: Unpin;
        ReadLockOwned<u8>: Unpin;
        WriteLockOwned<SendOnly>: Send Unpin;
        RwLockReadGuard<'static, SendOnly>: Send Sync;
        RwLockWriteGuard<'static, SendOnly>: Send Sync;
        OwnedRwLockReadGuard<SendOnly>: Send Sync;
        OwnedRwLockWriteGuard<SendOnly>: Send Sync;
    }
}

#[test]
fn what_else_goroutines_share() {
    is! {
        Cond: Send Sync Unpin;
        Once: Send Sync Unpin;
        OnceValue<u8, fn()>: Send Sync;
        Semaphore: Send Sync Unpin;
        Permit<'static>: Send Sync Unpin;
        OwnedPermit: Send Sync Unpin;
        Acquire<'static>: Send Sync;
        AcquireOwned: Send Sync;
        ErrGroup<u8>: Send Sync Unpin Clone;
        SingleFlight<u8, u8>: Send Sync;
        Pool<SendOnly>: Send Sync Unpin;
        Lent<'static, u8>: Send Sync Unpin;
        Map<u8, u8>: Send Sync Unpin;
        Value<u8>: Send Sync Unpin;
        WaitGroup: Send Sync Unpin;
        Wait<'static>: Send Sync;
        WaitGroupError: Send Sync Unpin;
    }
    is_not! {
        Acquire<'static>: Unpin;
        AcquireOwned: Unpin;
        Wait<'static>: Unpin;
        OnceValue<SendOnly, fn()>: Sync;
        ErrGroup<Local>: Send Sync;
        SingleFlight<u8, SendOnly>: Send Sync;
        Pool<Local>: Send Sync;
        Map<u8, SendOnly>: Send Sync;
        Map<SendOnly, u8>: Send Sync;
        Value<SendOnly>: Send Sync;
    }
}

#[test]
fn unnamed_futures_of_sync() {
    fn send<T: Send>(_: T) {}
    let (mutex, lock, cond, once) = (Mutex::new(0), RwLock::new(0), Cond::new(), Once::new());
    send(cond.wait(mutex.try_lock().unwrap()));
    send(cond.wait(lock.try_read().unwrap()));
    send(once.call(|| async {}));
    send(OnceValue::new(|| async { 1 }).get());
    send(SingleFlight::<u8, u8>::new().run(1, || async { 1 }));
    send(ErrGroup::<u8>::new().wait());
    send(ErrGroup::<u8>::with_limit(1).go_when_free(async { Ok(()) }));
}

#[test]
fn contexts() {
    is! {
        Context: Send Sync Unpin Clone;
        Cancel: Send Sync Unpin Clone;
        ContextError: Send Sync Unpin Copy;
        Done<'static>: Send Sync;
        Stop: Send Sync Unpin;
        Tree: Send Sync Unpin;
    }
    is_not! {
        Done<'static>: Unpin;
    }
}

#[test]
fn times() {
    is! {
        Instant: Send Sync Unpin Copy;
        Sleep: Send Sync;
        Timeout<SendOnly>: Send;
        Timeout<u8>: Send Sync;
        Timer: Send Sync Unpin;
        Ticker: Send Sync Unpin;
        AfterFunc: Send Sync Unpin;
        Elapsed: Send Sync Unpin;
    }
    is_not! {
        Sleep: Unpin;
        Timeout<u8>: Unpin;
        Timeout<SendOnly>: Sync;
        Timeout<Local>: Send Sync;
    }
}
