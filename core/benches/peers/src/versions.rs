//! Versions of everything that took part, and the state of the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

/// The packages whose versions matter.
const PACKAGES: &[&str] = &[
    "gmp-core",
    "tokio",
    "tokio-util",
    "async-channel",
    "flume",
    "kanal",
    "smol",
    "crossbeam-channel",
    "may",
];

/// What the build fixed and what the system tells.
pub fn collect(go: Option<&Path>) -> Value {
    let mut all = Map::new();
    all.insert("rustc".into(), first_line(Command::new("rustc").arg("--version")).into());
    all.insert("go".into(), go.map(|go| first_line(Command::new(go).arg("version"))).into());
    for package in PACKAGES {
        all.insert((*package).into(), locked(package).into());
    }
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    all.insert("machine".into(), json!({ "cpus": cpus, "cpu": cpu(), "system": system() }));
    Value::Object(all)
}

/// The version in the lock file of this package.
fn locked(package: &str) -> Option<&'static str> {
    let lock = include_str!("../Cargo.lock");
    let start = lock.find(&format!("name = \"{package}\"\n"))?;
    lock[start..].lines().nth(1)?.split('"').nth(1)
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(Into::into)
}

fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).into())
}

fn system() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    Some(format!("{} {}", std::env::consts::OS, release?.trim()))
}

/// How many wanted the CPU over the last minute.
pub fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Builds the Go program beside this one. `None`, with a note, where there is no `go`.
pub fn build_go(own: &Path) -> Option<PathBuf> {
    let go = std::env::var_os("GO").unwrap_or("go".into());
    let program = own.with_file_name("gmp-peers-go");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    let built =
        Command::new(&go).args(["build", "-o"]).arg(&program).arg(".").current_dir(source).status();
    match built {
        Ok(status) if status.success() => Some(program),
        Ok(status) => {
            println!("note: the Go side is skipped: `go build` ended with {status}");
            None
        }
        Err(error) => {
            println!("note: the Go side is skipped: no `go` on PATH or in $GO ({error})");
            None
        }
    }
}
