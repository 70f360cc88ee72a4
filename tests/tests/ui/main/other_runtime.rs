#[gmp::main]
#[tokio::main]
async fn main() {}
