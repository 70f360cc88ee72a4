//! What the compiler says about a wrong `#[gmp::test]`, `#[gmp::main]` or `select!`, one file a mistake.
//!
//! The texts lie beside the files; `TRYBUILD=overwrite` writes them anew.

#[test]
fn mistakes_are_compile_errors_that_point_at_them() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/test/*.rs");
    cases.compile_fail("tests/ui/main/*.rs");
    cases.compile_fail("tests/ui/select/*.rs");
}
