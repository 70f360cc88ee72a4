//! Reads the source lines that a report shows, and says how a path is best printed.

use core::cell::RefCell;
use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::finding::{Frame, SourceLine};
use super::outline::Outline;
use super::words::clean;

/// The most that is read of one file; lines beyond it are not shown.
const FILE_LIMIT: u64 = 4 << 20;
/// The most that is kept of one line.
const LINE_LIMIT: usize = 4_096;
/// How many directories above the first one are tried.
const ANCESTORS: usize = 8;
/// The longest path that is printed.
const PATH_LIMIT: usize = 200;

/// The sources behind one report. Every file is read at most once; whatever cannot be read is left
/// out of the report, never an error.
#[derive(Debug)]
pub struct Sources {
    /// Folders that a relative path may start from, the best guess first.
    roots: Vec<PathBuf>,
    /// Files by the name that the compiler gave them.
    files: RefCell<HashMap<PathBuf, Option<Rc<Text>>>>,
}

/// A file that was read.
#[derive(Debug)]
struct Text {
    text: String,
    outline: Outline,
}

impl Sources {
    /// Sources as this process's build left them: paths are relative to the workspace root, while
    /// tests run in their package's folder.
    pub fn from_env() -> Self {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let starts: Vec<PathBuf> = manifest.into_iter().chain(env::current_dir().ok()).collect();
        let above: Vec<&Path> =
            starts.iter().flat_map(|dir| dir.ancestors().take(ANCESTORS)).collect();
        // Cargo runs the compiler in the workspace root, where the lock file lies.
        let workspace = above.iter().copied().find(|dir| dir.join("Cargo.lock").is_file());
        let mut roots: Vec<PathBuf> = Vec::new();
        for dir in workspace.into_iter().chain(starts.iter().map(PathBuf::as_path)).chain(above) {
            if !roots.iter().any(|known| known == dir) {
                roots.push(dir.to_path_buf());
            }
        }
        Self::new(roots)
    }

    /// Sources below these folders; earlier ones are tried first.
    pub fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots, files: RefCell::default() }
    }

    /// The text of this line, lossily decoded, without its line break. `None` if the file is
    /// missing, is no regular file, or has no such line.
    pub fn line(&self, at: &SourceLine) -> Option<String> {
        let file = self.file(&at.file)?;
        let line = file.text.lines().nth(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
        let end = line.char_indices().nth(LINE_LIMIT).map_or(line.len(), |(end, _)| end);
        Some(line[..end].to_owned())
    }

    /// The path of the function around this line, as far as the file itself tells.
    pub fn function(&self, at: &SourceLine) -> Option<String> {
        let file = self.file(&at.file)?;
        file.outline.function_at(at.line).map(str::to_owned)
    }

    /// `file:line:column`, with the file as short as it is clear.
    pub fn show(&self, at: &SourceLine) -> String {
        let file = clean(&self.short(&at.file), PATH_LIMIT);
        match (at.line, at.column) {
            (0, _) => file,
            (line, 0) => format!("{file}:{line}"),
            (line, column) => format!("{file}:{line}:{column}"),
        }
    }

    /// [`Sources::show`] without the column, for running text.
    pub fn show_line(&self, at: &SourceLine) -> String {
        self.show(&SourceLine { column: 0, ..at.clone() })
    }

    /// The path relative to the workspace root, or to the registry for a dependency.
    fn short(&self, file: &Path) -> String {
        let text = file.to_string_lossy();
        if let Some((_, inside)) = text.split_once("/library/").filter(|_| is_std(file)) {
            return inside.to_owned();
        }
        if let Some(inside) = in_registry(file) {
            return inside;
        }
        let below = self.roots.iter().find_map(|root| file.strip_prefix(root).ok());
        // Below the root folder itself every path is relative; that tells nothing.
        match below.filter(|_| self.roots.first().is_some_and(|r| r.parent().is_some())) {
            Some(below) => below.to_string_lossy().into_owned(),
            None => text.into_owned(),
        }
    }

    /// The file, from the cache or from disk.
    fn file(&self, file: &Path) -> Option<Rc<Text>> {
        if let Some(known) = self.files.borrow().get(file) {
            return known.clone();
        }
        let found = self.read(file).map(|text| {
            let outline = Outline::of(&text);
            Rc::new(Text { text, outline })
        });
        self.files.borrow_mut().insert(file.to_path_buf(), found.clone());
        found
    }

    fn read(&self, file: &Path) -> Option<String> {
        if file.is_absolute() {
            return read_regular(file);
        }
        self.roots.iter().find_map(|root| read_regular(&root.join(file)))
    }
}

/// Reads the beginning of a regular file. Devices and pipes are refused: reading them may never end.
fn read_regular(file: &Path) -> Option<String> {
    if !std::fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(FILE_LIMIT).read_to_end(&mut bytes).ok()?;
    Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Whether the file belongs to the standard library.
pub(crate) fn is_std(file: &Path) -> bool {
    let text = file.to_string_lossy();
    let text = text.replace('\\', "/");
    text.starts_with("/rustc/")
        || ["core", "std", "alloc", "test"]
            .iter()
            .any(|name| text.contains(&format!("/library/{name}/src/")))
}

/// The place of the innermost frame that is the user's own; 0 if all belong to dependencies.
pub(super) fn first_own(stack: &[Frame]) -> usize {
    let own = |frame: &Frame| frame.at.as_ref().is_some_and(|at| in_registry(&at.file).is_none());
    stack.iter().position(own).unwrap_or(0)
}

/// `name-1.2.3/src/..` for a file of a dependency from a registry or a git checkout.
pub(crate) fn in_registry(file: &Path) -> Option<String> {
    let text = file.to_string_lossy().replace('\\', "/");
    let inside = |after: &str, skip: usize| {
        let (_, rest) = text.split_once(after)?;
        Some(rest.splitn(skip + 1, '/').nth(skip)?.to_owned())
    };
    inside("/registry/src/", 1).or_else(|| inside("/git/checkouts/", 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder of its own that is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let dir = env::temp_dir().join(format!("gmp-source-{}-{name}", std::process::id()));
            fs::create_dir_all(dir.join("member/src")).unwrap();
            Self(dir)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn at(file: impl Into<PathBuf>, line: u32) -> SourceLine {
        SourceLine { file: file.into(), line, column: 5 }
    }

    #[test]
    fn a_relative_path_is_found_below_the_first_root_that_has_it() {
        let dir = Folder::new("roots");
        fs::write(dir.0.join("member/src/lib.rs"), "one\r\ntwo\n").unwrap();
        let sources = Sources::new(vec![dir.0.join("member"), dir.0.clone()]);
        assert_eq!(sources.line(&at("member/src/lib.rs", 2)).as_deref(), Some("two"));
        assert_eq!(sources.line(&at("src/lib.rs", 1)).as_deref(), Some("one"));
        assert_eq!(sources.line(&at(dir.0.join("member/src/lib.rs"), 1)).as_deref(), Some("one"));
        assert_eq!(sources.show(&at(dir.0.join("member/src/lib.rs"), 1)), "src/lib.rs:1:5");
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        let dir = Folder::new("missing");
        fs::write(dir.0.join("a.rs"), "only\n").unwrap();
        let sources = Sources::new(vec![dir.0.clone()]);
        assert_eq!(sources.line(&at("b.rs", 1)), None);
        assert_eq!(sources.line(&at("a.rs", 2)), None);
        assert_eq!(sources.line(&at("a.rs", 0)), None);
        assert_eq!(sources.line(&at("member", 1)), None);
        #[cfg(unix)]
        assert_eq!(sources.line(&at("/dev/zero", 1)), None);
    }

    #[test]
    fn lines_are_bounded_and_decoded_lossily() {
        let dir = Folder::new("odd");
        let mut bytes = b"\xff\xfea\n".to_vec();
        bytes.extend(vec![b'x'; 3 * LINE_LIMIT]);
        fs::write(dir.0.join("odd.rs"), bytes).unwrap();
        let sources = Sources::new(vec![dir.0.clone()]);
        assert_eq!(sources.line(&at("odd.rs", 1)).as_deref(), Some("\u{fffd}\u{fffd}a"));
        assert_eq!(sources.line(&at("odd.rs", 2)).map(|l| l.len()), Some(LINE_LIMIT));
    }

    #[test]
    fn paths_of_dependencies_and_of_std_are_shortened() {
        let sources = Sources::new(vec![]);
        let show = |file: &str| sources.show_line(&at(file, 7));
        assert_eq!(
            show("/home/u/.cargo/registry/src/index.crates.io-1f/tokio-1.5.0/src/sync/mod.rs"),
            "tokio-1.5.0/src/sync/mod.rs:7"
        );
        assert_eq!(show("/rustc/abc/library/core/src/future.rs"), "core/src/future.rs:7");
        assert_eq!(show("a\x1b[2J.rs"), "a\\u{1b}[2J.rs:7");
    }
}
