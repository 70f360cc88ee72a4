//! A project on tokio: the same verdicts in the built-in harness, in `test_main!` and under nextest.

use super::project::{Project, Ran};

fn project() -> Project {
    let manifest = r#"
[package]
name = "on_tokio"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
gmp = { path = "{gmp}", features = ["tokio"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread", "sync", "time"] }

[[test]]
name = "own_main"
harness = false

[workspace]
"#;
    let files = [
        ("src/lib.rs", ""),
        ("src/suite.rs", include_str!("fixtures/on_tokio.rs")),
        ("tests/built_in.rs", "#[path = \"../src/suite.rs\"]\nmod suite;\n"),
        ("tests/own_main.rs", "#[path = \"../src/suite.rs\"]\nmod suite;\ngmp::test_main!();\n"),
    ];
    Project::write("on_tokio", manifest, &files)
}

/// What every harness has to say.
#[track_caller]
fn is_told(ran: &Ran, project: &Project) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    let says = |text: &str| assert!(all.contains(text), "no {text:?} in {ran}");
    says("Error: gmp: 1 task leaked in suite::leaks_a_task");
    says("leak[GMP016, External]");
    says("started here by");
    says(&project.place("src/suite.rs", "spawn").replace("src/", ""));
    says("stuck in tokio::sync::mpsc::bounded::Receiver::recv");
    says("leak[GMP001, Proven]");
    says("panicked in suite::detached_panic: nobody looks");
    says("write `#[gmp::test(tokio)]`");
    assert!(!all.contains("leaked in suite::clean"), "{ran}");
}

#[test]
fn the_built_in_harness() {
    let project = project();
    let ran = project.cargo(&["test", "--no-fail-fast", "--test", "built_in"]).run();
    ran.exits_with(101);
    is_told(&ran, &project);
    assert!(ran.stdout.contains("3 passed; 5 failed"), "{ran}");
}

#[test]
fn a_main_of_its_own() {
    let project = project();
    let ran = project.cargo(&["test", "--no-fail-fast", "--test", "own_main"]).run();
    ran.exits_with(101);
    is_told(&ran, &project);
    // The guarded tests are of tokio, and only the built-in harness knows them.
    assert!(ran.stdout.contains("2 passed; 4 failed"), "{ran}");
}

#[test]
fn nextest() {
    let project = project();
    let ran = project.cargo(&["nextest", "run", "--no-fail-fast", "--test", "built_in"]).run();
    ran.exits_with(100);
    is_told(&ran, &project);
    assert!(ran.stderr.contains("8 tests run: 3 passed, 5 failed"), "{ran}");
}
