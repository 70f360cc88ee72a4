#[gmp::test]
struct Case;

#[gmp::test]
mod case {}

#[gmp::test]
const CASE: u8 = 0;

fn main() {}
