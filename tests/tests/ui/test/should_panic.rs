#[gmp::test]
#[should_panic("boom")]
fn no_name() {}

#[gmp::test]
#[should_panic(message = "boom")]
fn wrong_name() {}

#[gmp::test]
#[should_panic(expected = 3)]
fn not_a_string() {}

#[gmp::test]
#[should_panic()]
fn empty() {}

#[gmp::test]
#[should_panic]
#[should_panic(expected = "boom")]
fn twice() {}

fn main() {}
