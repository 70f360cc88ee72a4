#[gmp::test]
async fn types<T: Default>() {}

#[gmp::test]
async fn lifetimes<'a>() {}

#[gmp::test]
fn clause()
where
    u8: Copy,
{
}

fn main() {}
