//! A channel as a `Sink`: nothing that was accepted is lost, errors give the value back.

mod support;

use std::pin::pin;
use std::task::Poll;

use futures_util::{Sink, SinkExt, StreamExt, stream};
use gmp_core::chan::SendError;
use gmp_core::{Chan, block_on, chan, channel, go, yield_now};
use support::{Life, panic_text, poll_once};

#[test]
fn a_value_arrives_at_once_where_there_is_room() {
    block_on(async {
        let ch = chan(2);
        let mut sink = pin!(ch.sink());
        sink.feed(1).await.unwrap();
        assert_eq!(ch.len(), 1, "it does not wait for the flush");
        sink.send(2).await.unwrap();
        assert_eq!((ch.recv().await, ch.recv().await), (Some(1), Some(2)));
    });
}

#[test]
fn flushing_waits_until_the_channel_took_the_value() {
    block_on(async {
        let ch = chan(0);
        let mut sink = pin!(ch.sink());
        sink.feed(1).await.unwrap();
        assert!(poll_once(pin!(sink.flush())).is_pending());
        assert!(poll_once(pin!(sink.feed(2))).is_pending(), "one value at most waits in a sink");
        let rx = ch.clone();
        let receiver = go(async move { rx.recv().await });
        yield_now().await;
        sink.flush().await.unwrap();
        assert_eq!(receiver.await.unwrap(), Some(1));
    });
}

#[test]
fn a_stream_is_forwarded_through_channels() {
    block_on(async {
        for cap in [0, 1, 7] {
            let (first, second) = (chan(cap), chan(cap));
            let (from, to) = (first.clone(), second.clone());
            let pump = go(async move { from.range().map(Ok).forward(to.sink()).await });
            let feeder = go(async move {
                let mut sink = pin!(first.sink());
                sink.send_all(&mut stream::iter((0..100).map(Ok))).await?;
                sink.close().await
            });
            assert!(second.range().collect::<Vec<_>>().await.into_iter().eq(0..100));
            assert_eq!(feeder.await.unwrap(), Ok(()));
            assert_eq!(pump.await.unwrap(), Ok(()));
        }
    });
}

#[test]
fn closing_the_sink_closes_a_chan_and_not_a_pair() {
    block_on(async {
        let ch = chan::<u32>(1);
        pin!(ch.sink()).close().await.unwrap();
        assert!(ch.is_closed());
        pin!(ch.sink()).close().await.unwrap();
        let (tx, rx) = channel::<u32>(1);
        pin!(tx.sink()).close().await.unwrap();
        assert!(!rx.is_closed());
        tx.send(1).await.unwrap();
    });
}

#[test]
fn a_closed_channel_gives_the_value_back() {
    block_on(async {
        let ch = chan(0);
        let mut sink = pin!(ch.sink());
        sink.feed(1).await.unwrap();
        assert!(poll_once(pin!(sink.flush())).is_pending());
        ch.close();
        assert_eq!(sink.flush().await, Err(SendError(1)));
        assert_eq!(sink.flush().await, Ok(()), "the error is told once");
        assert_eq!(sink.send(2).await, Err(SendError(2)));
        let (tx, rx) = channel(1);
        drop(rx);
        assert_eq!(pin!(tx.sink()).send(3).await, Err(SendError(3)));
    });
}

#[test]
fn a_value_that_waits_in_a_sink_is_dropped_with_it_once() {
    let life = Life::default();
    let ch = chan(0);
    for is_polled in [false, true] {
        let mut sink = Box::pin(ch.sink());
        assert_eq!(
            poll_once(pin!(sink.feed(life.make(1)))).map(|fed| fed.is_ok()),
            Poll::Ready(true)
        );
        if is_polled {
            assert!(poll_once(pin!(sink.flush())).is_pending());
        }
        drop(sink);
        assert_eq!((life.alive(), ch.try_recv().is_err()), (0, true));
    }
}

#[test]
fn misuse_is_told() {
    let nil = Chan::nil();
    let mut sink = Box::pin(nil.sink());
    assert_eq!(sink.as_mut().start_send(1), Ok(()), "nil takes nothing, and is not closed");
    assert!(poll_once(pin!(sink.flush())).is_pending());
    let text = panic_text(|| _ = sink.as_mut().start_send(2));
    assert_eq!(text, "gmp: `start_send` on a sink that is not ready");
}
