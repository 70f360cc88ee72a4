#[gmp::main(crates = gmp)]
async fn main() {}
