//! Who looks at the network and when, and who is woken for what came. Rules 21 to 26 of `README.md`.

use std::time::Instant;

use super::idle::Started;
use super::m::Machine;
use super::pool::Pool;
use super::shared::Shared;
use super::sysmon::SLICE;
use crate::g::Wake;

/// A busy P looks at the network on every dispatch with a multiple of this number.
const NET_TICK: u64 = 64;

impl Machine {
    /// On some dispatches of a busy P: the network must not wait until it has nothing else to do.
    pub(super) fn look_at_net_now_and_then(&self) {
        if self.p().tick().is_multiple_of(NET_TICK) {
            self.shared().look_at_net();
        }
    }
}

impl Shared {
    /// Looks at the network without waiting. True if something is ready now.
    pub(super) fn look_at_net(&self) -> bool {
        self.netpoll.is_on() && self.run_ready(self.netpoll.look())
    }

    /// Makes ready whoever waited for what has come. An M that calls has no P, or is between two polls.
    pub(super) fn run_ready(&self, mut ready: Vec<Wake>) -> bool {
        let count = ready.len();
        if count > 1 {
            // What is woken last runs next: so they run in the order of their events.
            ready.rotate_left(1);
        }
        ready.into_iter().for_each(Wake::wake);
        if let Some(pool) = self.pool.as_ref().filter(|_| count > 1) {
            self.wake_more(pool, count - 1);
        }
        count > 0
    }

    /// Makes up to `wanted` Ms more look for work, as far as Ps are idle: much has come at once.
    fn wake_more(&self, pool: &Pool, wanted: usize) {
        for _ in 0..wanted.min(pool.idle.counts.idle_ps()) {
            pool.idle.counts.start_spinning();
            if !matches!(self.start_one(pool), Started::Yes) {
                pool.idle.counts.end_spinning();
                // Whoever pushed meanwhile relied on us.
                return self.wake_one(pool);
            }
        }
    }
}

/// When the network was last looked at, as far as sysmon knows.
pub(super) struct NetWatch {
    looks: Option<u32>,
    since: Instant,
}

impl NetWatch {
    pub(super) fn new() -> Self {
        Self { looks: None, since: Instant::now() }
    }

    /// Looks at the network if nobody has for a slice: long polls must not starve it.
    pub(super) fn look_if_nobody_does(&mut self, shared: &Shared) {
        let looks = shared.netpoll.looks();
        if looks != self.looks {
            *self = Self { looks, since: Instant::now() };
        } else if looks.is_some() && self.since.elapsed() >= SLICE {
            shared.look_at_net();
        }
    }
}
