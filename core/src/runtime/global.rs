//! The global runtime: started on the first `go` outside any goroutine, runs as long as the process.

use std::sync::OnceLock;

use super::handle::Runtime;
use crate::sched::{Machine, Turn};

/// The global runtime. Its M is a thread of its own.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = Runtime::new();
        let shared = runtime.shared().clone();
        let run = move || {
            Machine::run(&shared, |machine| {
                loop {
                    match machine.turn(&|| false) {
                        Turn::Idle(next) => machine.sleep(next),
                        Turn::Stopped | Turn::Lost => return,
                    }
                }
            });
        };
        std::thread::Builder::new()
            .name("gmp-global".into())
            .spawn(run)
            .expect("gmp: the system refused a thread for the global runtime");
        runtime
    })
}
