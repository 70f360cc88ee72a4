//! `select!` and `go!`: macros by example, so that the runtime alone needs no procedural macro.

/// Starts a goroutine: `go! { body }` is `go(async move { body })`.
///
/// ```
/// gmp_core::block_on(async {
///     let done = gmp_core::go! { 40 + 2 };
///     assert_eq!(done.await.unwrap(), 42);
/// });
/// ```
#[macro_export]
macro_rules! go {
    ($($body:tt)*) => {
        $crate::go(async move { $($body)* })
    };
}

/// Waits for the first of several arms: receives, sends, futures, or a default.
///
/// | arm | ready when |
/// |---|---|
/// | `recv(ch) -> value => ..` | a value comes (`Some`), or the channel is closed (`None`) |
/// | `send(ch, value) => ..` | the value is sent |
/// | `send(ch, value) -> result => ..` | the same, with the `Result` on a `Sender` and on `ch.checked()` |
/// | `pattern = future => ..` | the future is done |
/// | `default => ..` | no other arm is ready: the select does not wait |
///
/// `ch` is a `Chan`, a `Sender` or a `Receiver`. If several arms are ready, one is taken at random;
/// with `biased;` as the first words the first in order. Arms on a nil channel are never ready. A
/// select without arms waits for ever. For arms that are known at run time only, and for plain threads,
/// see [`Select`](crate::chan::Select).
///
/// # Panics
/// A send arm on a closed `Chan`, as in Go. One on [`ch.checked()`](crate::Chan::checked) gives an error instead.
///
/// # Cancel safety
/// Nothing is lost when the surrounding future is dropped, see [`Select::wait`](crate::chan::Select::wait).
///
/// ```
/// gmp_core::block_on(async {
///     let (a, b) = (gmp_core::chan::<u32>(1), gmp_core::chan::<u32>(0));
///     a.send(1).await;
///     let got = gmp_core::select! {
///         recv(a) -> value => value,
///         recv(b) -> value => value,
///     };
///     assert_eq!(got, Some(1));
///     let idle = gmp_core::select! {
///         send(b, 2) => false,
///         default => true,
///     };
///     assert!(idle);
/// });
/// ```
#[macro_export]
macro_rules! select {
    () => {
        { let _ = $crate::chan::SelectArms::new($crate::chan::NoArms, false, false).await; unreachable!() }
    };
    (biased; $($arms:tt)*) => { $crate::__select!(@arms true {} {} $($arms)*) };
    ($($arms:tt)*) => { $crate::__select!(@arms false {} {} $($arms)*) };
}

/// Sorts the arms of [`select!`] and emits the code. A body in braces is matched by its braces: a `block` would also
/// try an expression that another macro passes on, and fail. Each arm gets the identifier `arm` of its own
/// expansion, so that hygiene tells them apart.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // recv
    (@arms $biased:tt {$($done:tt)*} $default:tt recv($c:expr) -> $p:pat => { $($b:tt)* } , $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src recv ($c) ($p) ({ $($b)* })}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt recv($c:expr) -> $p:pat => { $($b:tt)* } $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src recv ($c) ($p) ({ $($b)* })}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt recv($c:expr) -> $p:pat => $b:expr, $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src recv ($c) ($p) ($b)}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt recv($c:expr) -> $p:pat => $b:expr) => {
        $crate::__select!(@arms $biased {$($done)* {arm src recv ($c) ($p) ($b)}} $default)
    };
    // send -> result
    (@arms $biased:tt {$($done:tt)*} $default:tt send($c:expr, $v:expr) -> $p:pat => { $($b:tt)* } , $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src send ($c, $v) ($p) ({ $($b)* })}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt send($c:expr, $v:expr) -> $p:pat => { $($b:tt)* } $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src send ($c, $v) ($p) ({ $($b)* })}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt send($c:expr, $v:expr) -> $p:pat => $b:expr, $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src send ($c, $v) ($p) ($b)}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt send($c:expr, $v:expr) -> $p:pat => $b:expr) => {
        $crate::__select!(@arms $biased {$($done)* {arm src send ($c, $v) ($p) ($b)}} $default)
    };
    // send
    (@arms $biased:tt {$($done:tt)*} $default:tt send($c:expr, $v:expr) => { $($b:tt)* } , $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src send ($c, $v) (()) ({ $($b)* })}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt send($c:expr, $v:expr) => { $($b:tt)* } $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src send ($c, $v) (()) ({ $($b)* })}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt send($c:expr, $v:expr) => $b:expr, $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src send ($c, $v) (()) ($b)}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt send($c:expr, $v:expr) => $b:expr) => {
        $crate::__select!(@arms $biased {$($done)* {arm src send ($c, $v) (()) ($b)}} $default)
    };
    // default
    (@arms $biased:tt $done:tt {} default => { $($b:tt)* } , $($rest:tt)*) => {
        $crate::__select!(@arms $biased $done {{ $($b)* }} $($rest)*)
    };
    (@arms $biased:tt $done:tt {} default => { $($b:tt)* } $($rest:tt)*) => {
        $crate::__select!(@arms $biased $done {{ $($b)* }} $($rest)*)
    };
    (@arms $biased:tt $done:tt {} default => $b:expr, $($rest:tt)*) => {
        $crate::__select!(@arms $biased $done {$b} $($rest)*)
    };
    (@arms $biased:tt $done:tt {} default => $b:expr) => {
        $crate::__select!(@arms $biased $done {$b})
    };
    (@arms $biased:tt $done:tt {$($once:tt)+} default => $($rest:tt)*) => {
        compile_error!("a `select!` has at most one `default` arm")
    };
    // future
    (@arms $biased:tt {$($done:tt)*} $default:tt $p:pat = $f:expr => { $($b:tt)* } , $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src future ($f) ($p) ({ $($b)* })}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt $p:pat = $f:expr => { $($b:tt)* } $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src future ($f) ($p) ({ $($b)* })}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt $p:pat = $f:expr => $b:expr, $($rest:tt)*) => {
        $crate::__select!(@arms $biased {$($done)* {arm src future ($f) ($p) ($b)}} $default $($rest)*)
    };
    (@arms $biased:tt {$($done:tt)*} $default:tt $p:pat = $f:expr => $b:expr) => {
        $crate::__select!(@arms $biased {$($done)* {arm src future ($f) ($p) ($b)}} $default)
    };
    // all sorted
    (@arms $biased:tt {$({$arm:ident $src:ident $kind:ident $args:tt $p:tt $b:tt})*} {$($default:expr)?}) => {{
        $($crate::__select!(@bind $arm $src $kind $args);)*
        let _ = $crate::chan::SelectArms::new(
            {
                #[allow(unused_imports, reason = "a select of no arms but `default` does not need it")]
                use $crate::chan::ArmList as _;
                $crate::chan::NoArms$(.with($arm.as_mut()))*
            },
            $crate::__select!(@has {$($default)?}),
            $biased,
        ).await;
        match () {
            $(
                () if $arm.is_done() => {
                    $crate::__select!(@got $arm $src $kind $p);
                    $crate::__select!(@body $b)
                }
            )*
            () => $crate::__select!(@default $($default)?),
        }
    }};
    (@has {}) => { false };
    (@has {$default:expr}) => { true };
    (@bind $arm:ident $src:ident recv ($c:expr)) => {
        let $src = &$c;
        let mut $arm = ::core::pin::pin!($src.recv_arm());
    };
    (@bind $arm:ident $src:ident send ($c:expr, $v:expr)) => {
        let $src = &$c;
        let mut $arm = ::core::pin::pin!($src.send_arm($v));
    };
    (@bind $arm:ident $src:ident future ($f:expr)) => {
        let mut $arm = ::core::pin::pin!($crate::chan::FutureArm::new(
            ::core::future::IntoFuture::into_future($f)
        ));
    };
    (@got $arm:ident $src:ident send ($p:pat)) => {
        let Some(result) = $arm.as_mut().take() else { unreachable!() };
        let $p = $src.sent(result);
    };
    (@got $arm:ident $src:ident $kind:ident ($p:pat)) => {
        let Some(got) = $arm.as_mut().take() else { unreachable!() };
        let $p = got;
    };
    (@body ($b:expr)) => { $b };
    (@default $default:expr) => { $default };
    (@default) => { unreachable!("a select without default ends with an arm") };
}
