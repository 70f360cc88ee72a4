//! The channels as [`Line`]: gmp's own and those that users of async runtimes pick.

use std::future::Future;

use crate::peer::{Line, Rt, Shared};

/// gmp's channel.
pub struct GmpChan;
/// tokio's `mpsc`; it has no rendezvous, one slot comes closest.
pub struct TokioMpsc;
/// async-channel; it has no rendezvous, one slot comes closest.
pub struct AsyncChannel;
/// flume.
pub struct Flume;
/// kanal.
pub struct Kanal;

impl Line for GmpChan {
    type Tx = gmp_core::Chan<u64>;
    type Rx = gmp_core::Chan<u64>;
    fn make(cap: usize) -> (Self::Tx, Self::Rx) {
        let ch = gmp_core::chan(cap);
        (ch.clone(), ch)
    }
    fn send(tx: &Self::Tx, value: u64) -> impl Future<Output = ()> + Send {
        tx.send(value)
    }
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = Option<u64>> + Send {
        rx.recv()
    }
    fn close(tx: Self::Tx) {
        tx.close();
    }
    async fn select<R: Rt>(a: &mut Self::Rx, b: &mut Self::Rx) -> Option<u64> {
        gmp_core::select! { recv(a) -> value => value, recv(b) -> value => value }
    }
}

impl Shared for GmpChan {
    fn share(rx: &Self::Rx) -> Self::Rx {
        rx.clone()
    }
}

impl Line for TokioMpsc {
    type Tx = tokio::sync::mpsc::Sender<u64>;
    type Rx = tokio::sync::mpsc::Receiver<u64>;
    fn make(cap: usize) -> (Self::Tx, Self::Rx) {
        tokio::sync::mpsc::channel(cap.max(1))
    }
    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).await.expect("open");
    }
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = Option<u64>> + Send {
        rx.recv()
    }
    fn close(tx: Self::Tx) {
        drop(tx);
    }
}

impl Line for AsyncChannel {
    type Tx = async_channel::Sender<u64>;
    type Rx = async_channel::Receiver<u64>;
    fn make(cap: usize) -> (Self::Tx, Self::Rx) {
        async_channel::bounded(cap.max(1))
    }
    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).await.expect("open");
    }
    async fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv().await.ok()
    }
    fn close(tx: Self::Tx) {
        drop(tx);
    }
}

impl Shared for AsyncChannel {
    fn share(rx: &Self::Rx) -> Self::Rx {
        rx.clone()
    }
}

impl Line for Flume {
    type Tx = flume::Sender<u64>;
    type Rx = flume::Receiver<u64>;
    fn make(cap: usize) -> (Self::Tx, Self::Rx) {
        flume::bounded(cap)
    }
    async fn send(tx: &Self::Tx, value: u64) {
        tx.send_async(value).await.expect("open");
    }
    async fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv_async().await.ok()
    }
    fn close(tx: Self::Tx) {
        drop(tx);
    }
}

impl Shared for Flume {
    fn share(rx: &Self::Rx) -> Self::Rx {
        rx.clone()
    }
}

impl Line for Kanal {
    type Tx = kanal::AsyncSender<u64>;
    type Rx = kanal::AsyncReceiver<u64>;
    fn make(cap: usize) -> (Self::Tx, Self::Rx) {
        kanal::bounded_async(cap)
    }
    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).await.expect("open");
    }
    async fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv().await.ok()
    }
    fn close(tx: Self::Tx) {
        drop(tx);
    }
}

impl Shared for Kanal {
    fn share(rx: &Self::Rx) -> Self::Rx {
        rx.clone()
    }
}
