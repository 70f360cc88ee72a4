//! Guesses the module path of a source file from Cargo's folder layout.
//!
//! Line tables alone do not say it, and rules that match `crate::module::function` must match in a
//! release build as well.

use std::path::{Component, Path};

/// `crate::module` for a file of a Cargo package; empty when the layout is not Cargo's.
pub(super) fn path_of(file: &Path) -> String {
    let Some(package) = file.ancestors().skip(1).find(|dir| dir.join("Cargo.toml").is_file())
    else {
        return String::new();
    };
    let Ok(inside) = file.strip_prefix(package) else { return String::new() };
    let manifest = std::fs::read_to_string(package.join("Cargo.toml")).unwrap_or_default();
    modules(inside, || crate_name(&manifest)).unwrap_or_default().join("::")
}

/// The crate and module names of a file, by its path inside the package.
fn modules(inside: &Path, library: impl Fn() -> Option<String>) -> Option<Vec<String>> {
    let mut parts: Vec<String> = inside
        .with_extension("")
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let folder = parts.first()?.clone();
    parts.remove(0);
    let of_library = folder == "src" && parts.first().is_some_and(|part| part != "bin");
    match folder.as_str() {
        "src" if of_library => {}
        "src" => drop(parts.drain(..1)),
        "tests" | "examples" | "benches" => {}
        _ => return None,
    }
    if matches!(parts.last().map(String::as_str), Some("mod" | "main" | "lib")) {
        parts.pop();
    }
    if of_library {
        parts.insert(0, library()?);
    }
    if let Some(name) = parts.first_mut() {
        *name = name.replace('-', "_");
    }
    Some(parts)
}

/// The name of the library target: `[lib] name`, else `[package] name`.
fn crate_name(manifest: &str) -> Option<String> {
    let mut section = "";
    let mut package = None;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim().split('#').next().unwrap_or_default();
        let value = value.trim().trim_matches(['"', '\'']);
        match (section, key.trim()) {
            ("[lib]", "name") => return Some(value.to_owned()),
            ("[package]", "name") => package = Some(value.to_owned()),
            _ => {}
        }
    }
    package
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str) -> Option<String> {
        modules(Path::new(file), || Some("my-pool".into())).map(|parts| parts.join("::"))
    }

    #[test]
    fn the_layout_names_the_module() {
        assert_eq!(of("src/lib.rs").as_deref(), Some("my_pool"));
        assert_eq!(of("src/a/b.rs").as_deref(), Some("my_pool::a::b"));
        assert_eq!(of("src/a/mod.rs").as_deref(), Some("my_pool::a"));
        assert_eq!(of("src/bin/tool-x.rs").as_deref(), Some("tool_x"));
        assert_eq!(of("src/bin/tool/main.rs").as_deref(), Some("tool"));
        assert_eq!(of("tests/leaks.rs").as_deref(), Some("leaks"));
        assert_eq!(of("tests/leaks/main.rs").as_deref(), Some("leaks"));
        assert_eq!(of("build.rs"), None);
    }

    #[test]
    fn the_manifest_names_the_crate() {
        let manifest = "[dependencies]\nname = \"no\"\n[package]\nname = \"my-pool\" # x\n";
        assert_eq!(crate_name(manifest).as_deref(), Some("my-pool"));
        let manifest = format!("{manifest}[lib]\nname = 'other'\n");
        assert_eq!(crate_name(&manifest).as_deref(), Some("other"));
        assert_eq!(crate_name(""), None);
    }
}
