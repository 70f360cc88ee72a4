#[gmp::test(flavor = "multi_thread")]
async fn case() {}

fn main() {}
