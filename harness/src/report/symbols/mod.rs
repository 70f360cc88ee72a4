//! Turns the instruction pointers of a captured stack into the functions that a user wrote.

mod executable;
mod module;
mod name;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::finding::{Frame, SourceLine};
use super::source::{Sources, in_registry, is_std};
use executable::Executable;

pub(crate) use name::without_generics;

/// The most frames that one stack keeps; a recursion deeper than that tells nothing new.
const FRAME_LIMIT: usize = 256;

/// Resolves stacks, each instruction pointer once.
///
/// A captured stack is a slice of instruction pointers, innermost first, that ends at the poll root.
/// Frames outside the main executable are left out where that can be known without reading debug
/// information: one frame of a C library can cost more than the whole report.
#[derive(Debug)]
pub struct Symbols<'a> {
    /// Where inlined functions without a name are looked up.
    sources: &'a Sources,
    /// Where the main executable lies in memory.
    executable: Executable,
    /// Frames by instruction pointer, inlined functions first.
    known: HashMap<usize, Vec<Row>>,
    /// Module paths by file.
    modules: HashMap<PathBuf, String>,
}

/// One function of a stack, before rows that tell nothing are left out.
#[derive(Clone, Debug)]
struct Row {
    frame: Frame,
    layer: Layer,
}

/// Whose function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// The user's, or a dependency's.
    User,
    /// A dependency that only passes polls on.
    Adapter,
    /// The standard library or gmp itself.
    Runtime,
}

impl<'a> Symbols<'a> {
    /// A resolver with an empty cache.
    pub fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            executable: Executable::of_this_process(),
            known: HashMap::new(),
            modules: HashMap::new(),
        }
    }

    /// The async stack behind `ips`: inlined functions expanded, runtime frames left out, one row for
    /// each function and line.
    ///
    /// If nothing but adapters of other crates is left, those are shown.
    pub fn resolve(&mut self, ips: &[usize]) -> Vec<Frame> {
        let mut rows: Vec<Row> = Vec::new();
        for &ip in ips {
            rows.extend_from_slice(self.rows(ip));
            if rows.len() >= 4 * FRAME_LIMIT {
                break;
            }
        }
        let mut frames = pick(&rows, |layer| layer == Layer::User);
        if frames.is_empty() {
            frames = pick(&rows, |layer| layer == Layer::Adapter);
        }
        without_innards(frames)
    }

    /// The functions at this instruction pointer.
    fn rows(&mut self, ip: usize) -> &[Row] {
        if !self.known.contains_key(&ip) {
            let rows = self.look_up(ip);
            self.known.insert(ip, rows);
        }
        &self.known[&ip]
    }

    fn look_up(&mut self, ip: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        if ip == 0 || !self.executable.may_hold(ip) {
            return rows;
        }
        // `resolve` itself steps back from a return address into the call.
        backtrace::resolve(ip as *mut _, |symbol| {
            let at = symbol.filename().map(|file| SourceLine {
                file: file.to_path_buf(),
                line: symbol.lineno().unwrap_or(0),
                column: symbol.colno().unwrap_or(0),
            });
            let name = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
            rows.push(self.row(&name, at));
        });
        rows
    }

    /// Names and classifies one function.
    fn row(&mut self, raw: &str, at: Option<SourceLine>) -> Row {
        let file = at.as_ref().map(|at| at.file.as_path());
        let full = name::tidy(raw);
        let layer = layer(raw, full.as_deref(), file);
        let function = match full {
            Some(full) => full,
            None if layer == Layer::Runtime => raw.to_owned(),
            None => self.name_from_source(raw, at.as_ref()),
        };
        Row { frame: Frame { function, at }, layer }
    }

    /// The name of an inlined function of which the debug information only says `{async_fn#0}`.
    fn name_from_source(&mut self, raw: &str, at: Option<&SourceLine>) -> String {
        let Some(at) = at else { return name::bare(raw) };
        let function = self.sources.function(at).unwrap_or_else(|| name::bare(raw));
        if !self.modules.contains_key(&at.file) {
            self.modules.insert(at.file.clone(), module::path_of(&at.file));
        }
        match self.modules[&at.file].as_str() {
            "" => function,
            module => format!("{module}::{function}"),
        }
    }
}

/// The rows of the wanted layer, without repetitions of a function and line.
fn pick(rows: &[Row], wanted: impl Fn(Layer) -> bool) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for row in rows.iter().filter(|row| wanted(row.layer)) {
        if !frames.last().is_some_and(|last| same_line(last, &row.frame)) {
            frames.push(row.frame.clone());
        }
        if frames.len() == FRAME_LIMIT {
            break;
        }
    }
    frames
}

/// Of neighbours that belong to one dependency only the function that was called from outside: what that does
/// inside is not the user's business.
fn without_innards(frames: Vec<Frame>) -> Vec<Frame> {
    let package = |frame: &Frame| {
        let path = in_registry(&frame.at.as_ref()?.file)?;
        path.split('/').next().map(str::to_owned)
    };
    let mut kept: Vec<Frame> = Vec::with_capacity(frames.len());
    let mut before: Option<String> = None;
    for frame in frames {
        let now = package(&frame);
        if now.is_some() && now == before {
            kept.pop();
        }
        kept.push(frame);
        before = now;
    }
    kept
}

/// Whether two neighbours are parts of one function on one line, such as a closure and its function.
fn same_line(a: &Frame, b: &Frame) -> bool {
    let line = |frame: &Frame| frame.at.as_ref().map(|at| (at.file.clone(), at.line));
    a.function == b.function && line(a) == line(b)
}

/// Whose function it is. The file decides where it is known: a name may begin with a type of the
/// standard library and still be the user's `impl`.
fn layer(raw: &str, full: Option<&str>, file: Option<&Path>) -> Layer {
    if file.is_some_and(is_std) {
        return Layer::Runtime;
    }
    let package = file.and_then(in_registry).unwrap_or_default();
    let of_package = |name: &str| {
        package.strip_prefix(name).is_some_and(|rest| {
            rest.starts_with('/')
                || rest
                    .strip_prefix('-')
                    .is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
        })
    };
    let full = full.unwrap_or_default();
    let of_crate = |path: &str| full.strip_prefix(path).is_some_and(|rest| rest.starts_with("::"));
    let std_name =
        file.is_none() && ["core", "std", "alloc", "test", "__rustc"].iter().any(|c| of_crate(c));
    let ours = ["gmp_core", "gmp::__private", "gmp::test", "gmp::leak", "backtrace"];
    if std_name
        || raw.starts_with("__rust_")
        || raw.contains("__gmp_body")
        || ours.iter().any(|path| of_crate(path))
        || ["gmp-core", "gmp", "backtrace"].iter().any(|name| of_package(name))
        || full.is_empty() && file.is_some_and(in_workspace_of_gmp)
    {
        return Layer::Runtime;
    }
    let adapter = ["futures_core", "futures_util", "futures", "pin_utils"];
    let adapter_package = ["futures-core", "futures-util", "futures", "pin-utils"];
    if adapter.iter().any(|path| of_crate(path)) || adapter_package.iter().any(|p| of_package(p)) {
        return Layer::Adapter;
    }
    Layer::User
}

/// Whether the file belongs to the runtime or to the entry of a test, when gmp is built from its own
/// workspace or from a path dependency.
fn in_workspace_of_gmp(file: &Path) -> bool {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    let core = harness.with_file_name("core").join("src");
    file.starts_with(core)
        || ["src/test", "src/leak", "src/private", "src/__private.rs"]
            .iter()
            .any(|part| file.starts_with(harness.join(part)))
}

#[cfg(test)]
mod tests;
