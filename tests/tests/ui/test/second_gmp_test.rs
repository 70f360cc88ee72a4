#[gmp::test]
#[gmp::test(timeout = "5s")]
async fn twice() {}

pub use gmp as renamed;

#[gmp::test(crate = renamed)]
#[renamed::test]
async fn twice_renamed() {}

#[gmp::test]
#[gmp::main]
async fn main_as_well() {}

fn main() {}
