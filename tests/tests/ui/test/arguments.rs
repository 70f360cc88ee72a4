#[gmp::test]
async fn two(a: u8, b: u8) {}

#[gmp::test]
fn one(a: u8) {}

fn main() {}
