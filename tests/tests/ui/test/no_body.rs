#[gmp::test]
async fn no_body();

fn main() {}
