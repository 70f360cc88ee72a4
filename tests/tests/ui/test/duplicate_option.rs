#[gmp::test(timeout = "5s", linger = "1ms", timeout = "6s")]
async fn case() {}

fn main() {}
