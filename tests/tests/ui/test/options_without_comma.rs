#[gmp::test(timeout = "5s" linger = "1ms")]
async fn case() {}

fn main() {}
