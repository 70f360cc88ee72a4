//! Advice on channels.

use gmp_core::inspect::PrimitiveKind;

use super::Case;
use crate::leak::verdict::{Holder, Verdict};
use crate::report::finding::{Figure, Primitive, Wait};

/// The largest capacity that is proposed by number.
const ROOM: usize = 64;

/// The figures of a channel.
struct Chan<'a> {
    wait: &'a Wait,
    primitive: &'a Primitive,
    len: usize,
    cap: usize,
    senders: usize,
    receivers: usize,
    pair: bool,
}

impl<'a> Case<'a> {
    pub(super) fn nil_chan(&self) -> String {
        let wait = self.finding.waits.first();
        let name = wait.map_or("the channel".to_owned(), |wait| self.name(wait));
        let line = wait.map_or(self.spawn_line(), |wait| self.sources.show_line(&wait.at));
        format!(
            "{name} is a nil channel at {line}, and every operation on one waits for ever. Assign it \
             a channel made by `chan(..)` before; to switch off an arm of a `select!`, keep another \
             arm that ends it."
        )
    }

    pub(super) fn chan_receive(&self) -> String {
        let Some(chan) = self.chan() else { return self.beside_done("Receive") };
        let name = self.name(chan.wait);
        if chan.pair {
            let whose = match &self.finding.verdict {
                Verdict::Reachable { by: Holder::Goroutine { id, verdict } } => {
                    format!(", held by {id} ({verdict})")
                }
                _ if self.is_held_outside() => {
                    " outside this test: in a static, another test, an OS thread or a leaked `Arc`"
                        .to_owned()
                }
                _ => String::new(),
            };
            let often = match self.is_held_outside() {
                true => {
                    "one that a `Pool` made goes back to it with `put`, and those that are idle there \
                     end with `age`."
                }
                false => "the original often stays behind when clones are handed out.",
            };
            return format!(
                "{name} ends when its last `Sender` is dropped, and {} alive{whose}. Drop the senders \
                 that nobody uses any more; {often}",
                are(chan.senders)
            );
        }
        let who = self.who_could(&format!("send on {name}"));
        let close = name
            .strip_suffix('`')
            .map_or("close it".to_owned(), |name| format!("call {name}.close()`"));
        if self.is_sleeping_body() {
            return format!(
                "{who} Start the sender with `go` before this line, or {close} when there is nothing \
                 more to send."
            );
        }
        format!(
            "{who} When the producers are done, {close} (dropping a `Chan` never closes it), so that \
             the receiver gets `None`; or receive in a `select!` beside `ctx.done()`."
        )
    }

    pub(super) fn chan_send(&self) -> String {
        let Some(chan) = self.chan() else { return self.beside_done("Send") };
        let name = self.name(chan.wait);
        let mut who = self.who_could(&format!("receive from {name}"));
        if let Some(earlier) = self.earlier_send(&chan.wait.at) {
            who.push_str(&format!(
                " There is a send on {name} before this one, at {}: if that was the answer, return after it.",
                self.sources.show_line(&earlier)
            ));
        }
        if chan.cap > 0 {
            return self.full(&chan, &name, &who);
        }
        let make = if chan.pair { "channel" } else { "chan" };
        let made = self.made_at(chan.primitive);
        let room = match self.finding.count {
            n if n > ROOM => format!("Make it with room for every sender{made}"),
            n => {
                let n = if self.is_shared() { n } else { 1 };
                format!("Make it with room, `{make}({n})` instead of `{make}(0)`{made}")
            }
        };
        if self.is_sleeping_body() {
            return format!(
                "{who} Start the receiver with `go` before this line. {room}, if the value may wait."
            );
        }
        match chan.pair {
            true => format!(
                "{who} {room}, or drop the `Receiver` ({} alive): `send` then returns an error.",
                are(chan.receivers)
            ),
            false => format!(
                "{who} {room}, so that the value can be left behind; or send in a `select!` beside \
                 `ctx.done()`."
            ),
        }
    }

    /// A send on a full buffer.
    fn full(&self, chan: &Chan<'_>, name: &str, who: &str) -> String {
        let Chan { len, cap, .. } = chan;
        format!(
            "{name} is full ({len} of {cap}). {who} Receive until the senders are done, or send in a \
             `select!` beside `ctx.done()`; if the values are permits, one was not given back."
        )
    }

    /// When nothing is known of the channel.
    fn beside_done(&self, what: &str) -> String {
        format!(
            "{what} in a `select!` beside `ctx.done()`, so that the goroutine ends with the test."
        )
    }

    /// The first channel that is waited on.
    fn chan(&self) -> Option<Chan<'a>> {
        self.waits_on(PrimitiveKind::Chan).find_map(|wait| {
            let primitive = wait.primitive.as_ref()?;
            match primitive.figure {
                Figure::Chan { len, cap, senders, receivers, pair } => {
                    Some(Chan { wait, primitive, len, cap, senders, receivers, pair })
                }
                _ => None,
            }
        })
    }
}

/// `1 is`, `3 are`.
fn are(n: usize) -> String {
    if n == 1 { "1 is".to_owned() } else { format!("{n} are") }
}
