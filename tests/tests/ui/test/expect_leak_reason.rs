#[gmp::test(expect_leak("chan recieve"))]
async fn misspelt() {}

#[gmp::test(expect_leak("chan receive", "2 tea break: Proven"))]
async fn unknown() {}

#[gmp::test(expect_leak())]
async fn empty_list() {}

fn main() {}
