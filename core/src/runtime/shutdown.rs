//! The end of a runtime: every future that is left is dropped, outside all locks, panics caught.

use std::sync::Arc;
use std::time::Duration;

use crate::g::Scope;
use crate::sched::Shared;

/// Ends the Ms, at most for `at_most`, closes the scope and drops all futures in it. A goroutine inside
/// a poll is dropped by its M when the poll ends. False if one was still in a poll.
pub(crate) fn shut_down(shared: &Shared, scope: &Arc<Scope>, at_most: Option<Duration>) -> bool {
    scope.close();
    let ended = shared.stop(at_most);
    scope.discard_all();
    shared.set_shut_down();
    // What was started between the last look and now; from now on whoever starts it drops it.
    scope.discard_all();
    shared.timers().close();
    ended
}
