//! The project with a test target for each group of scenarios.

use super::project::Project;

/// The project. Each fixture is one test target.
pub(crate) fn scenarios() -> Project {
    let manifest = r#"
[package]
name = "scenarios"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
gmp = { path = "{gmp}" }

[profile.release]
debug = "line-tables-only"

[workspace]
"#;
    let files = [
        ("src/lib.rs", ""),
        ("tests/options.rs", include_str!("fixtures/options.rs")),
        ("tests/hostile.rs", include_str!("fixtures/hostile.rs")),
        ("tests/crowd.rs", include_str!("fixtures/crowd.rs")),
        ("tests/output.rs", include_str!("fixtures/output.rs")),
        ("tests/traces.rs", include_str!("fixtures/traces.rs")),
        (".config/nextest.toml", "[profile.ci]\njunit = { path = \"junit.xml\" }\n"),
    ];
    Project::write("scenarios", manifest, &files)
}
