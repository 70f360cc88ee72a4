//! A small cargo project that is written to disk and then built and tested by the real tools.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// Where everything is written.
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");
/// The longest that one command may take, a cold build included: a guard against hangs.
const AT_MOST: Duration = Duration::from_secs(1200);

/// A project on disk.
pub(crate) struct Project {
    folder: PathBuf,
    files: Vec<(&'static str, &'static str)>,
}

impl Project {
    /// Writes the project `name`. `harness` in the manifest stands for the path of the gmp crate.
    pub(crate) fn write(
        name: &str,
        manifest: &str,
        files: &[(&'static str, &'static str)],
    ) -> Self {
        let folder = Path::new(SCRATCH).join("e2e").join(name);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("below the root");
        let gmp = root.join("harness").display().to_string().replace('\\', "/");
        replace(&folder.join("Cargo.toml"), &manifest.replace("{gmp}", &gmp));
        for (path, text) in files {
            replace(&folder.join(path), text);
        }
        // The versions that the workspace was built with are here; no others need be.
        let lock = root.join("Cargo.lock");
        let text = fs::read_to_string(&lock).expect("the workspace has a lock file");
        let copied = folder.join("copied.lock");
        if fs::read_to_string(&copied).ok().as_ref() != Some(&text) {
            replace(&folder.join("Cargo.lock"), &text);
            replace(&copied, &text);
        }
        Self { folder, files: files.to_vec() }
    }

    /// The line in `file` that ends with the comment `// <- mark`, as `file:line`.
    #[track_caller]
    pub(crate) fn place(&self, file: &str, mark: &str) -> String {
        let (_, text) = self.files.iter().find(|(path, _)| *path == file).expect("a file of it");
        let mark = format!("// <- {mark}");
        let mut lines = text.lines().zip(1..).filter(|(line, _)| line.ends_with(&mark));
        let (_, line) = lines.next().unwrap_or_else(|| panic!("no line of {file} has {mark}"));
        assert!(lines.next().is_none(), "two lines of {file} have {mark}");
        format!("{file}:{line}")
    }

    /// The project's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A cargo command in the project.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Tool {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        self.program(Path::new(&cargo)).args(arguments)
    }

    /// A program that is run in the project's folder, without what cargo and nextest have set.
    pub(crate) fn program(&self, program: &Path) -> Tool {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let inherited = ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_INCREMENTAL"];
            let foreign = ["CARGO_", "GMP_", "NEXTEST", "RUST_TEST_", "RUST_BACKTRACE", "CLICOLOR"];
            let ours = text.starts_with("CARGO_PROFILE_") || inherited.contains(&&*text);
            if !ours && foreign.iter().any(|start| text.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        command
            .env_remove("GITHUB_ACTIONS")
            // Sentences that the tests look for are not to be broken.
            .env("COLUMNS", "100")
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TARGET_DIR", Path::new(SCRATCH).join("e2e-target"));
        Tool { command }
    }

    /// `cargo test` on one test of one target.
    pub(crate) fn test(&self, target: &str, name: &str) -> Tool {
        self.cargo(&["test", "-q", "--test", target, "--", "--exact", name])
    }
}

/// Writes `text` in one step, unless it is there: cargo rebuilds what is newer, and several tests
/// may write the same project at a time.
fn replace(path: &Path, text: &str) {
    if fs::read_to_string(path).ok().as_deref() == Some(text) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder is made");
    let thread = format!("{:?}", thread::current().id()).replace(['(', ')'], "");
    let new = path.with_extension(format!("new-{}-{thread}", std::process::id()));
    fs::write(&new, text).expect("the file is written");
    fs::rename(&new, path).expect("the file is put in place");
}

/// A command to be run.
pub(crate) struct Tool {
    command: Command,
}

impl Tool {
    /// More arguments.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// An environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Runs it; panics if it does not end.
    #[track_caller]
    pub(crate) fn run(mut self) -> Ran {
        let text = format!("{:?}", self.command);
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        let mut child = self.command.spawn().expect("the tool starts");
        let stdout = reader(child.stdout.take().expect("piped"));
        let stderr = reader(child.stderr.take().expect("piped"));
        let Some(status) = wait(&mut child) else {
            end(&mut child);
            let (stdout, stderr) = (join(stdout), join(stderr));
            panic!("{text} did not end within {AT_MOST:?}\n{stdout}\n{stderr}");
        };
        Ran { text, status, stdout: join(stdout), stderr: join(stderr) }
    }
}

fn reader(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the output can be read");
        bytes
    })
}

fn join(reader: thread::JoinHandle<Vec<u8>>) -> String {
    String::from_utf8(reader.join().expect("the reader ends")).expect("the output is UTF-8")
}

/// Waits for the end of `child`; `None` if it does not come.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < AT_MOST {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Ends `child` and what it has started.
fn end(child: &mut Child) {
    if cfg!(unix) {
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).status();
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// What a command did.
pub(crate) struct Ran {
    text: String,
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { text, status, stdout, stderr } = self;
        write!(f, "{text}\n{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

impl Ran {
    /// It ended with this exit code.
    #[track_caller]
    pub(crate) fn exits_with(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// The output has this text somewhere.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.has(text), "does not say: {text}\n{self}");
        self
    }

    /// The output has this text nowhere.
    #[track_caller]
    pub(crate) fn never_says(&self, text: &str) -> &Self {
        assert!(!self.has(text), "says: {text}\n{self}");
        self
    }

    fn has(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }

    /// Exactly one test ran, and it passed.
    #[track_caller]
    pub(crate) fn passes_one(&self) -> &Self {
        self.exits_with(0).says("test result: ok. 1 passed; 0 failed; 0 ignored")
    }

    /// Exactly one test ran, and it failed.
    #[track_caller]
    pub(crate) fn fails_one(&self) -> &Self {
        self.exits_with(101).says("test result: FAILED. 0 passed; 1 failed; 0 ignored")
    }

    /// What the built-in harness, or ours, captured from the failing test `name`.
    #[track_caller]
    pub(crate) fn captured(&self, name: &str) -> &str {
        let heads = [format!("---- {name} stdout ----\n"), format!("---- {name} ----\n")];
        let start = heads.iter().find_map(|head| Some(self.stdout.find(head)? + head.len()));
        let start = start.unwrap_or_else(|| panic!("nothing captured from {name}\n{self}"));
        let rest = &self.stdout[start..];
        let end = ["\n---- ", "\nfailures:\n"].iter().filter_map(|end| rest.find(end)).min();
        &rest[..end.unwrap_or(rest.len())]
    }
}

/// The subcommand of cargo, if it is installed; else says that its part is skipped.
pub(crate) fn installed(subcommand: &'static str) -> bool {
    static FOUND: OnceLock<std::sync::Mutex<Vec<(&str, bool)>>> = OnceLock::new();
    let mut found = FOUND.get_or_init(Default::default).lock().expect("never poisoned");
    if let Some((_, known)) = found.iter().find(|(name, _)| *name == subcommand) {
        return *known;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let asked = Command::new(cargo).args([subcommand, "--version"]).output();
    let known = asked.is_ok_and(|output| output.status.success());
    if !known {
        // Around the capture: a skipped part must be seen.
        let line = format!("e2e: skipped what needs cargo {subcommand}: it is not installed\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }
    found.push((subcommand, known));
    known
}
