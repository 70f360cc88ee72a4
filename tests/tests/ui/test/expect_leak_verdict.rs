#[gmp::test(expect_leak("chan receive: proven"))]
async fn lower_case() {}

#[gmp::test(expect_leak("chan receive: Stuck"))]
async fn unknown() {}

#[gmp::test(expect_leak("chan receive:"))]
async fn empty() {}

fn main() {}
