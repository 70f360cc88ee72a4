#[gmp::test(ignore)]
async fn bare() {}

#[gmp::test(ignore())]
async fn empty_list() {}

#[gmp::test(ignore(""))]
async fn empty_rule() {}

#[gmp::test(ignore = "top:worker")]
async fn assigned() {}

#[gmp::test(ignore("top:worker", 3))]
async fn number() {}

fn main() {}
