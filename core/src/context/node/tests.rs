//! What the list of a node has in it.

use crate::context::{background, with_cancel};

#[test]
fn a_child_that_is_gone_or_done_is_not_listed() {
    let (parent, cancel) = with_cancel(&background());
    let listed = || {
        let mut count = 0;
        parent.node().inner.lock().children.walk(|_| {
            count += 1;
            true
        });
        count
    };
    for round in 0..10 {
        let (child, cancel) = with_cancel(&parent);
        assert_eq!(listed(), 1);
        if round % 2 == 0 {
            cancel.cancel();
            assert_eq!(listed(), 0);
        }
        drop((child, cancel));
        assert_eq!(listed(), 0);
    }
    let children = [with_cancel(&parent), with_cancel(&parent)];
    assert_eq!(listed(), 2);
    cancel.cancel();
    assert_eq!(listed(), 0);
    drop(children);
}
