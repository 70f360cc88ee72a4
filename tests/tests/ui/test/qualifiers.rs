#[gmp::test]
const fn constant() {}

#[gmp::test]
unsafe fn not_safe() {}

#[gmp::test]
async unsafe fn not_safe_and_async() {}

#[gmp::test]
extern "C" fn foreign() {}

fn main() {}
