//! What to do about a goroutine that waits for a socket, a pipe or a process.

use gmp_core::inspect::IoWant;

use super::Case;
use crate::report::finding::{Figure, Primitive};

impl Case<'_> {
    /// The world outside has not answered: the goroutine has to know when to stop to wait.
    pub(super) fn io_wait(&self) -> String {
        let figure = self.finding.waits.iter().find_map(|wait| match wait.primitive.as_ref()? {
            Primitive { figure: Figure::Io { peer, want, .. }, .. } => Some((peer, *want)),
            _ => None,
        });
        let peer = match figure {
            Some((Some(peer), _)) => format!("the other end ({peer})"),
            _ => "the other end".to_owned(),
        };
        match figure.map(|(_, want)| want) {
            Some(IoWant::Accept) => "Nobody connects any more. Accept in a `select!` beside \
                                     `ctx.done()`, or `close()` the listener when the service ends."
                .to_owned(),
            Some(IoWant::Exit) => "The child has not exited. Kill it, start it with \
                                   `kill_on_drop(true)`, or wait for it in a `select!` beside \
                                   `ctx.done()`."
                .to_owned(),
            Some(IoWant::Connect) => format!(
                "No answer came from {peer}. Put `gmp::time::timeout` around the connecting, or do it \
                 in a `select!` beside `ctx.done()`."
            ),
            Some(IoWant::Write) => format!(
                "No room to write: {peer} does not read. Set a write deadline, write in a `select!` \
                 beside `ctx.done()`, or close that end before the test returns."
            ),
            _ => format!(
                "Nothing came from {peer}, and it has not ended. Set a read deadline, read in a \
                 `select!` beside `ctx.done()`, or close that end before the test returns."
            ),
        }
    }
}
