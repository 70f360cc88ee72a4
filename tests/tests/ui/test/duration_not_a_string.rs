#[gmp::test(timeout = 60)]
async fn number() {}

#[gmp::test(timeout = std::time::Duration::from_secs(60))]
async fn expression() {}

#[gmp::test(linger)]
async fn bare() {}

#[gmp::test(linger("1s"))]
async fn list() {}

fn main() {}
