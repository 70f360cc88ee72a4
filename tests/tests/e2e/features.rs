//! The runtime without the harness, programs with `#[gmp::main]`, and gmp behind another crate.

use std::collections::BTreeSet;

use super::project::{Project, Ran, installed};

fn programs(features: &str) -> Project {
    let manifest = r#"
[package]
name = "programs"
version = "0.1.0"
edition = "2024"

[dependencies]
gmp = { path = "{gmp}" {features} }

[workspace]
"#;
    let manifest = manifest.replace("{features}", features);
    let (name, main) = match features {
        "" => ("programs", include_str!("fixtures/mains.rs")),
        _ => ("runtime-only", include_str!("fixtures/runtime_only.rs")),
    };
    Project::write(name, &manifest, &[("src/main.rs", main)])
}

const RUNTIME_ONLY: &str = ", default-features = false";

/// The crates of the tree for this platform, build scripts and macros included.
fn tree(features: &str) -> BTreeSet<String> {
    let arguments = ["tree", "-e", "normal,build", "--prefix", "none", "--format", "{p}"];
    let ran = programs(features).cargo(&arguments).run();
    ran.exits_with(0);
    let name_and_version = |line: &str| {
        let line = line.trim_end_matches(" (*)");
        let end = line.find(" (").unwrap_or(line.len());
        line[..end].to_owned()
    };
    let lines = ran.stdout.lines().map(name_and_version);
    lines.filter(|line| !line.is_empty() && !line.starts_with("programs ")).collect()
}

#[test]
fn the_runtime_alone_needs_nothing_of_the_harness() {
    let ran = programs(RUNTIME_ONLY).cargo(&["run", "-q"]).run();
    ran.exits_with(0);
    assert_eq!(ran.stdout, "sum 6\n", "{ran}");
    let crates = tree(RUNTIME_ONLY);
    assert!(crates.iter().any(|one| one.starts_with("gmp-core ")), "{crates:#?}");
    for name in ["ctor", "inventory", "syn", "backtrace", "gmp-macros", "libtest-mimic"] {
        assert!(!crates.iter().any(|one| one.starts_with(&format!("{name} "))), "{crates:#?}");
    }
}

#[test]
fn the_default_tree_is_small() {
    let crates = tree("");
    assert!(crates.iter().any(|one| one.starts_with("ctor ")), "{crates:#?}");
    assert!(crates.len() <= 40, "{} crates: {crates:#?}", crates.len());
}

fn main_function(how: &str) -> Ran {
    programs("").cargo(&["run", "-q", "--", how]).run()
}

#[test]
fn a_main_function_gives_its_exit_code() {
    main_function("ok").exits_with(0).says("it ran\n");
    main_function("code").exits_with(7);
    main_function("error").exits_with(1).says("Error: \"the text of the error\"");
    main_function("panic").exits_with(101).says("a panic of main");
    let ran = main_function("goroutine panics");
    ran.exits_with(0).says("a panic of a goroutine").says("it panicked in goroutine G");
}

fn strict() -> Project {
    let manifest = r#"
[package]
name = "strict"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
facade = { path = "facade" }

[workspace]
members = ["facade"]
"#;
    let facade = r#"[package]
name = "facade"
version = "0.1.0"
edition = "2024"

[dependencies]
gmp = { path = "{gmp}" }
"#;
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../harness").replace('\\', "/");
    let facade: &'static str = facade.replace("{gmp}", &root).leak();
    let files = [
        ("facade/Cargo.toml", facade),
        ("facade/src/lib.rs", "//! A crate that brings gmp along.\npub use gmp;\n"),
        ("src/lib.rs", ""),
        ("tests/strict.rs", include_str!("fixtures/strict.rs")),
    ];
    Project::write("strict", manifest, &files)
}

#[test]
fn behind_another_crate_everything_works_the_same() {
    let ran = strict().cargo(&["test", "--test", "strict"]).run();
    ran.exits_with(0).says("12 passed; 0 failed; 1 ignored");
}

#[test]
fn the_expansion_is_clean_under_the_strictest_lints() {
    if !installed("clippy") {
        return;
    }
    strict().cargo(&["clippy", "--test", "strict"]).run().exits_with(0);
}
