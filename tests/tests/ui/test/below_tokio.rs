#[tokio::test]
#[gmp::test]
async fn below() {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[gmp::test(tokio)]
async fn below_with_the_option() -> Result<(), String> {
    Ok(())
}

// What only looks like it is left alone.
#[gmp::test]
#[test]
fn starts_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("Failed building the Runtime").block_on(async {});
}

fn main() {}
