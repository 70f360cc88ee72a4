#[gmp::test(expect_leak("0 chan receive"))]
async fn zero() {}

#[gmp::test(expect_leak("-2 chan receive"))]
async fn negative() {}

#[gmp::test(expect_leak(2))]
async fn not_a_string() {}

fn main() {}
