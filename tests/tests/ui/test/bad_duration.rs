#[gmp::test(timeout = "60")]
async fn no_unit() {}

#[gmp::test(timeout = "1 minute")]
async fn unknown_unit() {}

#[gmp::test(linger = "soon")]
async fn no_number() {}

#[gmp::test(linger = "")]
async fn empty() {}

#[gmp::test(linger = "-1s")]
async fn negative() {}

#[gmp::test(timeout = "0s")]
async fn no_time_at_all() {}

#[gmp::test(timeout = "99999999999999999999s")]
async fn too_long() {}

fn main() {}
