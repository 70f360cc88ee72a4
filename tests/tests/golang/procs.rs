//! All facts again on several Ps: Go's tests hold for any number of them. Those of a virtual clock need a
//! runtime with one, those that panic or leak need the harness, and those of the scheduler choose their Ps.

use gmp::__private::{Body, Clock, Descriptor, Submission, inventory};
use gmp::runtime::Builder;

fn on_ps(procs: usize, descriptor: &'static Descriptor) {
    let runtime = Builder::new().procs(procs).watch(true).build();
    let Body::Async(body) = descriptor.body() else {
        unreachable!("the bodies of this suite are async")
    };
    let outcome = runtime.block_on(body());
    assert!(outcome.is_success(), "{}", descriptor.path());
    let panics = runtime.scope().watch().expect("it watches").panics();
    assert!(panics.is_empty(), "{}: {panics:?}", descriptor.path());
}

fn all_on_ps(procs: usize) {
    let all = inventory::iter::<Submission>().map(|submission| submission.0);
    let plain = |descriptor: &&Descriptor| {
        let ends_well = !descriptor.expects_panic() && !descriptor.expects_leak();
        let chooses = descriptor.path().starts_with("runtime_proc::");
        descriptor.clock() == Clock::Real && ends_well && !chooses
    };
    let mut count = 0;
    for descriptor in all.filter(plain) {
        let path = descriptor.path();
        eprintln!("on {procs} Ps: {path}");
        on_ps(procs, descriptor);
        count += 1;
    }
    assert!(count > 80, "the facts are collected: {count}");
}

#[test]
fn on_two_ps() {
    all_on_ps(2);
}

#[test]
fn on_four_ps() {
    all_on_ps(4);
}
