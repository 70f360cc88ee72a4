#[gmp::test(explore(schedule = 10))]
async fn misspelt() {}

#[gmp::test(explore(strategy = "best"))]
async fn no_such_strategy() {}

#[gmp::test(explore(seed = "7"))]
async fn not_a_number() {}

#[gmp::test(explore(depth = 2, depth = 3))]
async fn twice() {}

#[gmp::test(explore = 3)]
async fn assigned() {}

fn main() {}
