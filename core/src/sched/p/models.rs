//! Models of the look whether a P has a goroutine: as long as there is one at each moment, in `runnext` or in the ring,
//! no P looks empty.

use loom::sync::Arc;
use loom::thread;

use super::*;

/// Something to queue. Only its address is used: it is given back before it is dropped.
fn number(n: usize) -> GRef {
    let g = NonNull::new(core::ptr::without_provenance_mut(n)).expect("not zero");
    // SAFETY: nobody follows it, and `taken` forgets it.
    unsafe { GRef::from_raw(g) }
}

fn taken(g: Option<GRef>) -> usize {
    g.expect("there is one").into_raw().addr().get()
}

/// The fact of Go's `TestSchedLocalQueueEmpty`: while somebody looks, a second goroutine comes, into `runnext` or
/// behind, and one goes.
#[test]
fn a_p_that_has_a_goroutine_at_each_moment_does_not_look_empty() {
    for (first_is_next, second_is_next) in
        [(true, true), (true, false), (false, true), (false, false)]
    {
        loom::model(move || {
            let (p, global) = (Arc::new(P::new(0, true, true)), Global::new());
            let put = |n, is_next| {
                // SAFETY: this thread alone uses the P, the other one looks at it.
                unsafe {
                    match is_next {
                        true => _ = p.put_next(number(n), &global),
                        false => p.put(number(n), &global),
                    }
                }
            };
            // SAFETY: as above.
            let take = || taken(unsafe { p.pick(&global, 2) });
            put(1, first_is_next);
            let looked_at = p.clone();
            let looks = thread::spawn(move || assert!(!looked_at.is_empty()));
            put(2, second_is_next);
            let first = take();
            looks.join().expect("it does not look empty");
            assert_eq!(first + take(), 3, "each comes out once");
        });
    }
}
