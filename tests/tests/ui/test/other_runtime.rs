#[gmp::test]
#[tokio::test(flavor = "multi_thread")]
async fn tokio() {}

#[gmp::test]
#[async_std::test]
async fn async_std() {}

#[gmp::test]
#[cfg_attr(all(), smol_potat::test)]
async fn conditional() {}

#[gmp::test]
#[tokio::main]
async fn main_of_another() {}

fn main() {}
