#[gmp::test(timout = "5s")]
async fn case() {}

fn main() {}
