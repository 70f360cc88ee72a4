//! Real async stacks, polled by hand, captured in a leaf and resolved.

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::hint::black_box;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use super::*;

thread_local! {
    /// The stacks that leaves captured, innermost instruction pointer first.
    static CAPTURED: RefCell<Vec<Vec<usize>>> = const { RefCell::new(Vec::new()) };
}

/// Never ready; captures the stack of every poll.
struct Leaf;

impl Future for Leaf {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let mut ips = Vec::new();
        backtrace::trace(|frame| {
            ips.push(frame.ip() as usize);
            ips.len() < 100
        });
        CAPTURED.with_borrow_mut(|all| all.push(ips));
        Poll::Pending
    }
}

async fn innermost<T>(_: T) {
    Leaf.await;
}

async fn middle() {
    innermost(1_u8).await;
}

struct Worker;

impl Worker {
    async fn run(&self) {
        middle().await;
    }
}

/// Polls two futures from one closure, as a join does.
async fn both(a: impl Future, b: impl Future) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| {
        let _ = a.as_mut().poll(cx);
        let _ = b.as_mut().poll(cx);
        Poll::<()>::Pending
    })
    .await;
}

async fn forked() {
    both(innermost(2_u8), async { middle().await }).await;
}

/// Polls `future` once, and gives the captured stacks cut at the poll root.
#[inline(never)]
fn stacks_of(future: impl Future<Output = ()> + 'static) -> Vec<Vec<Frame>> {
    let mut root = Vec::new();
    backtrace::trace(|frame| {
        root.push(frame.ip() as usize);
        true
    });
    // A runtime calls through a table; a direct call would be inlined into its caller.
    let mut future: Pin<Box<dyn Future<Output = ()>>> = black_box(Box::pin(future));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let sources = Sources::from_env();
    let mut symbols = Symbols::new(&sources);
    let captured = CAPTURED.take();
    captured
        .iter()
        .map(|ips| {
            let shared =
                ips.iter().rev().zip(root.iter().rev()).take_while(|(a, b)| a == b).count();
            // One more: this function itself, at another instruction.
            symbols.resolve(&ips[..ips.len() - shared - 1])
        })
        .collect()
}

/// Each function with the text of the line it is at.
fn shown(frames: &[Frame]) -> Vec<(String, String)> {
    let sources = Sources::from_env();
    let line = |frame: &Frame| {
        frame.at.as_ref().and_then(|at| sources.line(at)).unwrap_or_default().trim().to_owned()
    };
    frames.iter().map(|frame| (frame.function.clone(), line(frame))).collect()
}

/// What a stack must look like: function and source line.
fn expected(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    let path = "gmp::report::symbols::tests";
    rows.iter().map(|(f, line)| (format!("{path}::{f}"), (*line).to_owned())).collect()
}

#[test]
fn nested_async_functions_are_named_with_their_lines() {
    let stacks = stacks_of(async { Worker.run().await });
    assert_eq!(stacks.len(), 1);
    let rows = shown(&stacks[0]);
    let want = expected(&[
        ("innermost", "Leaf.await;"),
        ("middle", "innermost(1_u8).await;"),
        ("Worker::run", "middle().await;"),
        (
            "nested_async_functions_are_named_with_their_lines",
            "let stacks = stacks_of(async { Worker.run().await });",
        ),
    ]);
    assert_eq!(rows[1..], want, "{rows:#?}");
    assert!(rows[0].0.ends_with("Leaf::poll"), "{rows:#?}");
}

#[test]
fn branches_of_a_join_share_their_outer_rows() {
    let stacks = stacks_of(forked());
    assert_eq!(stacks.len(), 2);
    let outer = [
        ("both", "let _ = b.as_mut().poll(cx);"),
        ("both", ".await;"),
        ("forked", "both(innermost(2_u8), async { middle().await }).await;"),
    ];
    let mut first = vec![("innermost", "Leaf.await;")];
    first.extend([("both", "let _ = a.as_mut().poll(cx);")]);
    first.extend(&outer[1..]);
    assert_eq!(shown(&stacks[0])[1..], expected(&first));
    let mut second = vec![("innermost", "Leaf.await;"), ("middle", "innermost(1_u8).await;")];
    second.push(("forked", "both(innermost(2_u8), async { middle().await }).await;"));
    second.extend(outer);
    assert_eq!(shown(&stacks[1])[1..], expected(&second));
}

#[test]
fn what_is_known_is_not_looked_up_again() {
    let sources = Sources::from_env();
    let mut symbols = Symbols::new(&sources);
    let ip = stacks_of as fn(Pin<Box<dyn Future<Output = ()>>>) -> _ as usize + 8;
    assert_eq!(symbols.resolve(&[ip, ip]).len(), 1);
    let frame = Frame { function: "from::the_cache".to_owned(), at: None };
    symbols.known.insert(ip, vec![Row { frame: frame.clone(), layer: Layer::User }]);
    assert_eq!(symbols.resolve(&[ip]), [frame]);
}

#[test]
fn addresses_that_are_no_code_are_left_out() {
    let sources = Sources::new(Vec::new());
    let mut symbols = Symbols::new(&sources);
    assert_eq!(symbols.resolve(&[0, 1, usize::MAX]), []);
}

#[test]
fn names_and_files_tell_whose_function_it_is() {
    let of = |raw: &str, file: &str| {
        let file = (!file.is_empty()).then(|| Path::new(file));
        layer(raw, name::tidy(raw).as_deref(), file)
    };
    let registry = "/home/u/.cargo/registry/src/index-1f";
    assert_eq!(
        of("poll<(), a::b>", "/rustc/abc/library/core/src/future/poll_fn.rs"),
        Layer::Runtime
    );
    assert_eq!(of("<core::pin::Pin<P> as core::future::Future>::poll", ""), Layer::Runtime);
    assert_eq!(of("<gmp_core::chan::Recv<T> as core::future::Future>::poll", ""), Layer::Runtime);
    assert_eq!(of("poll", &format!("{registry}/gmp-core-0.1.0/src/chan/recv.rs")), Layer::Runtime);
    assert_eq!(of("poll", &format!("{registry}/gmp-tools-0.1.0/src/lib.rs")), Layer::User);
    assert_eq!(of("poll", &format!("{registry}/futures-util-0.3.1/src/join.rs")), Layer::Adapter);
    assert_eq!(of("<alloc::vec::Vec<T> as mine::Tr>::go", "/home/u/mine/src/a.rs"), Layer::User);
    assert_eq!(of("gmp::testing::f", "/home/u/gmp/src/a.rs"), Layer::User);
    assert_eq!(of("tokio::sync::mpsc::recv", ""), Layer::User);
}
