// Every mistake is reported in one run of the compiler.
#[gmp::test(timeout = "5 sec", lingers = "1ms", expect_leak("chan recv"))]
async fn case(x: u8) {}

fn main() {}
