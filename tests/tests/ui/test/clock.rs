#[gmp::test(clock = "virtuel")]
fn misspelt() {}

#[gmp::test(clock = "sundial")]
fn unknown() {}

#[gmp::test(clock)]
fn no_value() {}

#[gmp::test(clock = 3)]
fn not_a_string() {}

fn main() {}
