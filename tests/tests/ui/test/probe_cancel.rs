#[gmp::test(probe_cancel = true)]
async fn value() {}

#[gmp::test(probe_cancel("x"))]
async fn list() {}

fn main() {}
