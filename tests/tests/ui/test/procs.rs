// A number of Ps that cannot be, and several Ps beside what needs one.
#[gmp::test(procs = 0)]
async fn none() {}

#[gmp::test(procs = "2")]
async fn text() {}

#[gmp::test(procs = 2, clock = "virtual")]
async fn virtual_time() {}

#[gmp::test(explore(schedules = 10), procs = 2)]
async fn explored() {}

fn main() {}
