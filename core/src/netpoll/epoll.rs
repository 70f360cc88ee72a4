//! The system's side of the netpoll on Linux: epoll, edge-triggered, with an eventfd that ends a sleep.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::reactor::event;

pub(crate) use std::os::fd::AsFd as AsDescriptor;
pub(super) use std::os::fd::{BorrowedFd as Descriptor, RawFd as RawDescriptor};

/// Edges come without being asked for.
pub(super) const ASKS: bool = false;

/// The key of the eventfd.
const INTERRUPT: u64 = u64::MAX;
/// Events taken at a time. Go's number.
const BATCH: usize = 128;
/// The kernel counts the sleeps of epoll in milliseconds.
const GRAIN: Duration = Duration::from_millis(1);

/// An epoll instance.
pub(super) struct System {
    epoll: OwnedFd,
    interrupt: OwnedFd,
}

impl System {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let interrupt = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // By level: who only looks sees it as well, but must not take it from the sleeper.
        epoll::add(&epoll, &interrupt, EventData::new_u64(INTERRUPT), EventFlags::IN)?;
        Ok(Self { epoll, interrupt })
    }

    pub(super) fn add(&self, descriptor: Descriptor<'_>, key: u32) -> io::Result<()> {
        let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, descriptor, EventData::new_u64(u64::from(key)), edges)?)
    }

    pub(super) fn remove(&self, descriptor: Descriptor<'_>) {
        // It can only fail if it is gone already.
        let _ = epoll::delete(&self.epoll, descriptor);
    }

    #[expect(clippy::unused_self, reason = "its twin needs it")]
    pub(super) fn ask(&self, _: Descriptor<'_>, _: u32, _: bool, _: bool) {}

    /// Waits for events and hands over what came. A signal may end the wait early.
    pub(super) fn wait(
        &self,
        at_most: Option<Duration>,
        happened: impl FnOnce(&mut dyn Iterator<Item = (u32, u8)>),
    ) {
        let looks = at_most == Some(Duration::ZERO);
        let Some(at_most) = self.doze(at_most) else { return };
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; BATCH];
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, at_most.as_ref()) else {
            return;
        };
        let of_sources = |event: &epoll::Event| event.data.u64() != INTERRUPT;
        if !looks && !events.iter().all(of_sources) {
            let _ = rustix::io::read(&self.interrupt, &mut [0; 8]);
        }
        let translate = |event: &epoll::Event| (event.data.u64() as u32, bits(event.flags));
        happened(&mut events.iter().filter(|event| of_sources(event)).map(translate));
    }

    /// Sleeps out a wait that is shorter than epoll can be. `None` if nothing came; else how long to wait
    /// for events yet.
    fn doze(&self, at_most: Option<Duration>) -> Option<Option<Timespec>> {
        let Some(at_most) = at_most else { return Some(None) };
        let now = Timespec::default();
        if at_most >= GRAIN {
            // The rest is slept when the caller comes back.
            let millis = at_most.as_millis().min(i32::MAX as u128) as u64;
            return Some(Timespec::try_from(Duration::from_millis(millis)).ok());
        }
        if !at_most.is_zero() {
            let short = Timespec::try_from(at_most).unwrap_or_default();
            let ready = poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&short));
            if ready.is_ok_and(|ready| ready == 0) {
                return None;
            }
        }
        Some(Some(now))
    }

    pub(super) fn interrupt(&self) {
        let _ = rustix::io::write(&self.interrupt, &1u64.to_ne_bytes());
    }
}

/// The number of a descriptor.
pub(super) fn raw(of: &impl AsDescriptor) -> RawDescriptor {
    of.as_fd().as_raw_fd()
}

/// The descriptor with this number.
///
/// # Safety
/// It is open for `'a`.
pub(super) unsafe fn borrow<'a>(raw: RawDescriptor) -> Descriptor<'a> {
    // SAFETY: as the caller says.
    unsafe { Descriptor::borrow_raw(raw) }
}

/// What the flags say about reading and writing. An error ends both.
fn bits(flags: EventFlags) -> u8 {
    let mut bits = 0;
    if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI) {
        bits |= event::READ;
    }
    if flags.contains(EventFlags::OUT) {
        bits |= event::WRITE;
    }
    if flags.contains(EventFlags::RDHUP) {
        bits |= event::READ_ENDED;
    }
    if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
        bits |= event::READ | event::WRITE | event::READ_ENDED | event::WRITE_ENDED;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    fn taken(system: &System, at_most: Option<Duration>) -> Vec<(u32, u8)> {
        let mut all = Vec::new();
        system.wait(at_most, |events| all.extend(events));
        all
    }

    #[test]
    fn an_edge_is_told_once_and_an_interrupt_until_the_sleeper_has_it() {
        let system = System::new().unwrap();
        let (mut a, b) = UnixStream::pair().unwrap();
        system.add(b.as_fd(), 7).unwrap();
        assert_eq!(taken(&system, Some(Duration::ZERO)), [(7, event::WRITE)]);
        std::io::Write::write_all(&mut a, b"x").unwrap();
        assert_eq!(taken(&system, None), [(7, event::READ | event::WRITE)]);
        assert_eq!(taken(&system, Some(Duration::ZERO)), []);
        system.interrupt();
        // Who only looks leaves it to the sleeper.
        assert_eq!(taken(&system, Some(Duration::ZERO)), []);
        assert_eq!(taken(&system, None), []);
        drop(a);
        let told = taken(&system, None);
        assert!(told.iter().any(|(_, bits)| bits & event::READ_ENDED != 0), "{told:?}");
        system.remove(b.as_fd());
    }

    #[test]
    fn a_sleep_shorter_than_a_millisecond_ends_in_time_and_not_before() {
        let system = System::new().unwrap();
        let begin = Instant::now();
        assert_eq!(taken(&system, Some(Duration::from_micros(300))), []);
        assert!(begin.elapsed() >= Duration::from_micros(300));
    }
}
