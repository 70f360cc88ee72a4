#!/usr/bin/env bash
# Weakens, one after the other, each ordering that the READMEs of core/src/sched and core/src/sys call model-checked,
# in a copy of the sources: the models must fail. Minutes of work for each.
#
# usage: ci/soak/orderings.sh [NAME..]
set -euo pipefail
source "$(dirname "$0")/../common.sh"

# name ~ file in core/src ~ models ~ text ~ what it becomes, wherever it stands in the file
weakened() {
    cat <<'END'
state-change~g/state.rs~g::~compare_exchange_weak(now, new, Ordering::SeqCst, Ordering::Acquire)~compare_exchange_weak(now, new, Ordering::Relaxed, Ordering::Relaxed)
state-alone~g/state.rs~g::state~let now = self.0.load(Ordering::Acquire);~let now = self.0.load(Ordering::Relaxed);
acquire~sched/owner.rs~sched::owner~(tenure.0 | OWNED, Ordering::Acquire);~(tenure.0 | OWNED, Ordering::Relaxed);
take-hand~sched/owner.rs~sched::owner~hand.0.load(Ordering::Acquire)~hand.0.load(Ordering::Relaxed)
lend-hand~sched/owner.rs~sched::owner~hand.0.store(false, Ordering::Release);~hand.0.store(false, Ordering::Relaxed);
lend-word~sched/owner.rs~sched::owner~store(tenure.0 | IN_POLL, Ordering::Release);~store(tenure.0 | IN_POLL, Ordering::Relaxed);
release~sched/owner.rs~sched::owner~store(tenure.0 | IDLE, Ordering::Release);~store(tenure.0 | IDLE, Ordering::Relaxed);
fence-light~sched/owner.rs~sched::owner~asymmetric::light();~{}
fence-heavy~sched/owner.rs~sched::owner~asymmetric::heavy();~true;
ring-tail-put~sched/runq.rs~sched::runq~tail.wrapping_add(1), Ordering::Release);~tail.wrapping_add(1), Ordering::Relaxed);
ring-tail-take~sched/runq.rs~sched::runq~let tail = self.tail.load(Ordering::Acquire);~let tail = self.tail.load(Ordering::Relaxed);
ring-commit~sched/runq.rs~sched::runq~(head.wrapping_add(n), Ordering::Release);~(head.wrapping_add(n), Ordering::Relaxed);
p-looks-empty~sched/p.rs~sched::p::~self.next.load(Ordering::Acquire).is_null() &&~self.next.load(Ordering::Relaxed).is_null() &&
p-next-then-ring~sched/p.rs~sched::p::~self.next.load(Ordering::Acquire).is_null() && self.queue.len() == 0~self.queue.len() == 0 && self.next.load(Ordering::Acquire).is_null()
start-after-end~g/spawn.rs~g::scope~let _ = joined.discard_idle();~
scope-close~g/scope.rs~g::scope~self.closed.store(true, Ordering::SeqCst);~
push-fences~sched/counts.rs~sched::counts~fence(Ordering::SeqCst);~
park-fence~sched/idle.rs~sched::idle~self.counts.fence_idle();~
park-beside-stop~sched/idle.rs~sched::idle~index < lists.limit() && gives_up(lists);~gives_up(lists);
come-back~sched/idle.rs~sched::idle~lists.ms.remove(at);~
wake-again~sched/idle.rs~sched::idle~while self.counts.wants_spinner() {~if self.counts.wants_spinner() {
park-in-bed~sched/parker.rs~sched::parker~state.sleeps_in = Some(bed.clone());~drop(state); let mut state = self.state.lock(); state.sleeps_in = Some(bed.clone());
keeper-fences~sched/keeper.rs~sched::keeper~fence(Ordering::SeqCst);~
edge-read~netpoll/edges.rs~netpoll::edges~self.word(want).load(Ordering::Acquire)~self.word(want).load(Ordering::Relaxed)
edge-told~netpoll/edges.rs~netpoll::edges~(Ordering::Release, Ordering::Relaxed);~(Ordering::Relaxed, Ordering::Relaxed);
edge-beside-wait~netpoll/edges.rs~netpoll::edges~& !word::DRY != before & !word::DRY {~& 0 != before & 0 {
sleep-fences~sched/sleeper.rs~sched::sleeper~fence(Ordering::SeqCst);~
sleep-in-bed~sched/sleeper.rs~sched::sleeper~self.in_bed.store(true, Ordering::Relaxed);~
short-lock-take~sys/gate.rs~sys::models~compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)~compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed)
short-lock-give~sys/gate.rs~sys::models~flag.store(false, Ordering::Release);~flag.store(false, Ordering::Relaxed);
short-lock-recheck~sys/gate.rs~sys::models~uses == FEW || self.word.load(Ordering::Relaxed) != LEARNING~uses == FEW
short-lock-word~sys/gate.rs~sys::models~self.word.load(Ordering::Acquire)~self.word.load(Ordering::Relaxed)
short-lock-shared~sys/gate.rs~sys::models~self.word.store(SHARED, Ordering::Release);~self.word.store(SHARED, Ordering::Relaxed);
short-lock-busy~sys/gate.rs~sys::models~self.busy.load(Ordering::Acquire)~self.busy.load(Ordering::Relaxed)
short-lock-light~sys/gate.rs~sys::models~asymmetric::light();~{}
short-lock-heavy~sys/gate.rs~sys::models~asymmetric::heavy()~true
END
}

export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"
export RUSTFLAGS="$RUSTFLAGS --cfg loom -A dead_code -A unused_imports -A unused_variables -A unused_must_use"
copy=$(mktemp -d)
log=$(mktemp)
trap 'rm -rf "$copy" "$log"' EXIT
git ls-files -z | xargs -0 tar cf - | tar xf - -C "$copy"
export CARGO_TARGET_DIR="$PWD/target/loom-weakened"

models() {
    (cd "$copy" && timeout 900 cargo test --package gmp-core --lib -- "$1" 2>&1) >"$log"
}

survived=""
while IFS='~' read -r name file filter text becomes <&3; do
    if [[ $# != 0 && " $* " != *" $name "* ]]; then
        continue
    fi
    source="$copy/core/src/$file"
    cp "$source" "$source.kept"
    TEXT=$text BECOMES=$becomes perl -pi -e 's/\Q$ENV{TEXT}\E/$ENV{BECOMES}/g' "$source"
    if cmp -s "$source" "$source.kept"; then
        fail "$name: core/src/$file has no such text"
    fi
    if models "$filter"; then
        survived="$survived $name"
        echo "$name: NOT noticed"
    elif grep -q 'could not compile' "$log"; then
        cat "$log"
        fail "$name: does not compile"
    else
        echo "$name: noticed"
    fi
    mv "$source.kept" "$source"
done 3< <(weakened)
[[ -z $survived ]] || fail "no model notices:$survived"
