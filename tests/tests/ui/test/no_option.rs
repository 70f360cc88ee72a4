#[gmp::test("5s")]
async fn case() {}

fn main() {}
