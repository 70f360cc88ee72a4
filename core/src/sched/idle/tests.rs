//! One wake at a time: who is started by a push, and who by whoever was started.

use super::*;
use crate::sched::owner::Owner;

/// As `Shared::start_one`, with Ms that stand still: gives the M that was granted a P.
fn start(idle: &Idle, owners: &[Owner], granted: &mut Vec<u32>) -> Started {
    let chosen = idle.change(|lists| {
        let (index, parked) = lists.take_pair()?;
        let parker = parked.expect("as many Ms as Ps");
        let tenure = owners[index].acquire(parker.number).expect("a listed P is idle");
        Some((parker, Grant::P(index, tenure)))
    });
    let Some((parker, grant)) = chosen else { return Started::NoP };
    granted.push(parker.number);
    parker.grant(grant);
    Started::Yes
}

/// As many Ps as Ms, all idle.
fn idle(procs: usize) -> (Idle, Vec<Owner>) {
    let idle = Idle::new(procs);
    idle.change(|lists| lists.ms.extend((0..procs as u32).map(Parker::new)));
    (idle, (0..procs).map(|_| Owner::new()).collect())
}

#[test]
fn a_push_wakes_one_and_that_one_wakes_the_next_when_it_has_found_something() {
    let (procs, mut granted) = (3, Vec::new());
    let (idle, owners) = idle(procs);
    let wake = |granted: &mut Vec<u32>| {
        assert!(idle.wake_one(|| start(&idle, &owners, granted)).is_none());
    };
    for busy in 1..=procs {
        wake(&mut granted);
        assert_eq!((granted.len(), idle.counts.spinning()), (busy, 1), "one is woken, and looks");
        // Others push while it looks.
        (0..5).for_each(|_| wake(&mut granted));
        assert_eq!(granted.len(), busy, "one looks already");
        assert_eq!(idle.counts.idle_ps(), procs - busy);
        // It finds something, and stops spinning before it wakes.
        idle.counts.end_spinning();
    }
    wake(&mut granted);
    assert_eq!((granted.len(), idle.counts.spinning()), (procs, 0), "all Ps are in use");
    granted.sort_unstable();
    assert!(granted.into_iter().eq(0..procs as u32), "each M was granted once");
}

#[test]
fn a_waker_that_finds_no_p_counts_as_spinning_no_more() {
    let (idle, _) = idle(1);
    let mut asked = 0;
    let refused = idle.wake_one(|| {
        asked += 1;
        // Somebody else takes it first.
        idle.change(|lists| lists.take_pair().map(drop));
        Started::NoP
    });
    assert_eq!((refused.is_none(), asked, idle.counts.spinning()), (true, 1, 0));
}

#[test]
fn a_thread_that_is_refused_is_told_and_counts_as_spinning_no_more() {
    let (idle, _) = idle(1);
    let refuse = || Started::Refused(std::io::Error::other("no more threads"));
    assert_eq!(idle.wake_one(refuse).expect("refused").to_string(), "no more threads");
    assert_eq!(idle.counts.spinning(), 0);
}

#[test]
fn an_m_comes_back_once_and_not_while_a_grant_is_on_its_way() {
    let (idle, owners) = idle(1);
    let parker = idle.read(|lists| lists.ms[0].clone());
    let (mut granted, mut taken) = (Vec::new(), Vec::new());
    assert!(idle.wake_one(|| start(&idle, &owners, &mut granted)).is_none());
    assert!(!idle.unpark(&parker, |index| taken.push(index)), "a grant is on its way");
    // It takes the grant, finds nothing, parks, and sees work.
    assert!(idle.park(&parker, 0, |_| true));
    assert!(idle.look_again(true, || true));
    assert!(idle.unpark(&parker, |index| taken.push(index)));
    assert_eq!(idle.read(|lists| lists.ms.len()), 0, "it is not listed any more");
    assert_eq!((taken, idle.counts.spinning()), (vec![0], 1));
}

#[test]
fn nobody_parks_on_a_p_that_is_one_too_many() {
    let (idle, _) = idle(1);
    let parker = Parker::new(7);
    idle.stop();
    assert!(!idle.park(&parker, 0, |_| unreachable!("it keeps the P")));
    assert!(idle.give_up_surplus(&parker, 0, |_| ()));
    assert_eq!(idle.read(|lists| lists.ms.len()), 0, "told to exit instead");
}
