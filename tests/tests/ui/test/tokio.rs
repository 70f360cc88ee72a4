//! Wrong uses of the option `tokio`.

#[gmp::test(tokio(flavor = "multi_thred"))]
async fn a_flavour_that_is_none() {}

#[gmp::test(tokio(worker_threads = 2))]
async fn workers_without_threads() {}

#[gmp::test(tokio(flavor = "multi_thread", worker_threads = 0))]
async fn no_workers() {}

#[gmp::test(tokio(flavor = "multi_thread", start_paused = true))]
async fn a_pause_on_many_threads() {}

#[gmp::test(tokio(start_pause = true))]
async fn a_name_that_is_none() {}

#[gmp::test(tokio(start_paused = 1))]
async fn a_value_that_is_none() {}

#[gmp::test(tokio(flavor = "local", flavor = "local"))]
async fn twice() {}

#[gmp::test(tokio, clock = "virtual")]
async fn a_clock_beside_it() {}

#[gmp::test(explore(schedules = 3), tokio)]
async fn exploration_beside_it() {}

#[gmp::test(tokio = "current_thread")]
async fn a_value_instead_of_settings() {}

#[gmp::test(tokio)]
fn a_plain_body() {}

#[gmp::test]
#[tokio::test]
async fn both() {}

fn main() {}
