//! What 1,000 tests cost to compile and weigh, with `#[test]` and with `#[gmp::test]`, side by side.
//! `cargo bench -p gmp --bench compile`. Under `cargo test` it does nothing.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const TESTS: usize = 1_000;
const ROUNDS: usize = 3;

fn main() {
    if cfg!(debug_assertions) || std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile");
    let kinds = [("#[test] fn", "#[test]", ""), ("#[gmp::test] fn", "#[gmp::test]", "")];
    let kinds = kinds.into_iter().chain([("#[gmp::test] async fn", "#[gmp::test]", "async ")]);
    println!("{TESTS} tests, dev profile, median of {ROUNDS} builds after the dependencies:");
    for (i, (name, attribute, keyword)) in kinds.enumerate() {
        let project = project(&root.join(format!("kind{i}")), attribute, keyword);
        let (time, size) = build(&project);
        let seconds = time.as_secs_f64();
        println!("  {name:<24} {seconds:>6.2} s {:>8.2} MiB", size as f64 / 1048576.0);
    }
}

fn project(dir: &Path, attribute: &str, keyword: &str) -> PathBuf {
    let harness = env!("CARGO_MANIFEST_DIR");
    let manifest = format!(
        "[package]\nname = \"thousand\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dev-dependencies]\ngmp = {{ path = {harness:?} }}\n[workspace]\n"
    );
    let mut source = String::from("//! Tests.\n#[cfg(test)]\nmod tests {\n");
    for i in 0..TESTS {
        let _ = writeln!(source, "{attribute}\n{keyword}fn test_{i}() {{ assert_eq!({i}, {i}); }}");
    }
    source.push_str("}\n");
    fs::create_dir_all(dir.join("src")).expect("a folder");
    fs::write(dir.join("Cargo.toml"), manifest).expect("a manifest");
    fs::write(dir.join("src/lib.rs"), source).expect("a source file");
    dir.to_path_buf()
}

/// The median time of a build of the tests alone, and the size of the binary.
fn build(project: &Path) -> (Duration, u64) {
    let target = project.join("target");
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--no-run", "--message-format=short"]);
        cargo.current_dir(project).env("CARGO_TARGET_DIR", &target).env("CARGO_INCREMENTAL", "0");
        let output = cargo.output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    cargo();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let source = project.join("src/lib.rs");
        let text = fs::read_to_string(&source).expect("the source");
        fs::write(&source, text).expect("the source");
        let begin = Instant::now();
        cargo();
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let binaries = fs::read_dir(target.join("debug/deps")).expect("a target folder");
    let size = binaries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("thousand-") && !name.contains('.')
        })
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .max();
    (times[ROUNDS / 2], size.unwrap_or(0))
}
