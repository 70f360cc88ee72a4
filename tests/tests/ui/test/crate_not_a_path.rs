#[gmp::test(crate = "some::path")]
async fn string() {}

#[gmp::test(crate)]
async fn bare() {}

fn main() {}
