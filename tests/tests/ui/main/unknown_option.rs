#[gmp::main(procs = 4)]
async fn main() {}
