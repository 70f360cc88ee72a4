//! The module path that a source file has by its name, for rules that name modules and not files.

use std::path::Path;

/// Folders whose files are crates of their own.
const TARGETS: [&str; 3] = ["tests", "examples", "benches"];

/// The module of `file`, such as `my_pool::worker` of `../my-pool-1.2.0/src/worker.rs`. The crate's name is
/// that of the folder; where the file says none, `package` is it. `None` if the file is in no known place.
pub(super) fn module_of(file: &Path, package: Option<&str>) -> Option<String> {
    let text = file.to_str()?.replace('\\', "/");
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let (name, folders) = parts.split_last()?;
    let stem = name.strip_suffix(".rs")?;
    let mut path: Vec<String> = Vec::new();
    if let Some(src) = folders.iter().rposition(|folder| *folder == "src") {
        let folder = src.checked_sub(1).and_then(|before| folders.get(before));
        path.extend(folder.map(|folder| without_version(folder)).or(package).map(identifier));
        path.extend(folders[src + 1..].iter().map(|folder| identifier(folder)));
    } else {
        let target = folders.iter().rposition(|folder| TARGETS.contains(folder))?;
        path.extend(folders[target + 1..].iter().map(|folder| identifier(folder)));
    }
    if !["lib", "main", "mod"].contains(&stem) {
        path.push(identifier(stem));
    }
    (!path.is_empty()).then(|| path.join("::"))
}

fn identifier(name: &str) -> String {
    name.replace('-', "_")
}

/// `my-pool` of `my-pool-1.2.0`.
fn without_version(folder: &str) -> &str {
    let mut dashes = folder.match_indices('-').map(|(at, _)| at);
    let is_version = |at: &usize| {
        let rest = &folder[at + 1..];
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains('.')
    };
    dashes.find(is_version).map_or(folder, |at| &folder[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_module_by_its_name() {
        let registry = "/home/u/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f";
        let cases = [
            (format!("{registry}/my-pool-1.2.0/src/worker.rs"), "my_pool::worker"),
            (format!("{registry}/my-pool-1.2.0-rc.1/src/lib.rs"), "my_pool"),
            (format!("{registry}/h2-0.4.1/src/proto/mod.rs"), "h2::proto"),
            ("pool-2/src/a/b.rs".to_string(), "pool_2::a::b"),
            ("src/a/b.rs".to_string(), "this::a::b"),
            ("src/lib.rs".to_string(), "this"),
            ("tests/suite.rs".to_string(), "suite"),
            ("crate/tests/suite/main.rs".to_string(), "suite"),
            ("examples/suite/part.rs".to_string(), "suite::part"),
            (r"C:\work\my-pool\src\worker.rs".to_string(), "my_pool::worker"),
        ];
        for (file, module) in cases {
            assert_eq!(
                module_of(Path::new(&file), Some("this")).as_deref(),
                Some(module),
                "{file}"
            );
        }
        for file in ["src/data.txt", "lib.rs", "", "generated/x.rs"] {
            assert_eq!(module_of(Path::new(file), None), None, "{file}");
        }
    }
}
