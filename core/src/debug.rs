//! `GMP_DEBUG`: settings for whoever looks at the scheduler, read once a process.
//!
//! Comma-separated `name=value`. What cannot be read is said once, with its place; all other settings hold.

use std::sync::OnceLock;
use std::time::Duration;

/// The environment variable.
const NAME: &str = "GMP_DEBUG";

/// What the variable asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debug {
    /// How often to print the state of the scheduler.
    pub(crate) schedtrace: Option<Duration>,
    /// Whether that has a line for each P, M and G.
    pub(crate) scheddetail: bool,
    /// Whether sysmon takes no P from a poll or a blocking call.
    pub(crate) retakeoff: bool,
    /// Whether Ps are handed over, and short locks taken, as where the system offers no `membarrier`.
    pub(crate) membarrieroff: bool,
    /// Whether a panic of a goroutine ends the process, on the global runtime and on that of `block_on`.
    pub(crate) panicabort: bool,
    /// Whether the memory of goroutines goes back to the allocator at once: for whoever looks for its misuse.
    pub(crate) cellcacheoff: bool,
}

/// The settings of this process.
pub(crate) fn debug() -> &'static Debug {
    static DEBUG: OnceLock<Debug> = OnceLock::new();
    DEBUG.get_or_init(|| {
        let text = std::env::var_os(NAME).unwrap_or_default();
        let (debug, faults) = read(&text.to_string_lossy());
        for fault in faults {
            eprintln!("{fault}");
        }
        debug
    })
}

/// Reads `text`. The second: what is wrong with it, each with its place.
fn read(text: &str) -> (Debug, Vec<String>) {
    let (mut debug, mut faults) = (Debug::default(), Vec::new());
    let mut at = 0;
    for setting in text.split(',') {
        let start = at + (setting.len() - setting.trim_start().len());
        at += setting.len() + 1;
        let setting = setting.trim();
        if setting.is_empty() {
            continue;
        }
        if let Err((offset, what)) = apply(&mut debug, setting) {
            let column = text[..start + offset].chars().count();
            faults.push(format!("gmp: {NAME}: {what}\n    {text}\n    {:column$}^", ""));
        }
    }
    (debug, faults)
}

/// Applies one setting. An error comes with its offset.
fn apply(debug: &mut Debug, setting: &str) -> Result<(), (usize, String)> {
    let (name, value) = match setting.split_once('=') {
        Some((name, value)) => (name.trim_end(), value),
        None => (setting, ""),
    };
    let value_at = setting.len() - value.trim_start().len();
    let value = value.trim_start();
    let refused = |wanted: &str| match value {
        "" => Err((value_at, format!("`{name}` wants {wanted}, as in `{name}=1`"))),
        _ => Err((value_at, format!("`{name}` wants {wanted}, not `{value}`"))),
    };
    let flag = || match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => refused("0 or 1").map(|()| false),
    };
    match name {
        "schedtrace" => match value.parse() {
            Ok(0) => debug.schedtrace = None,
            Ok(millis) => debug.schedtrace = Some(Duration::from_millis(millis)),
            Err(_) => return refused("a number of milliseconds"),
        },
        "scheddetail" => debug.scheddetail = flag()?,
        "retakeoff" => debug.retakeoff = flag()?,
        "membarrieroff" => debug.membarrieroff = flag()?,
        "panicabort" => debug.panicabort = flag()?,
        "cellcacheoff" => debug.cellcacheoff = flag()?,
        _ => {
            let known = "known are schedtrace, scheddetail, retakeoff, membarrieroff, panicabort and \
                         cellcacheoff";
            return Err((0, format!("no such setting: `{name}`; {known}")));
        }
    }
    Ok(())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_any_order_with_spaces() {
        let (debug, faults) = read(" scheddetail=1 , schedtrace=250,");
        assert_eq!(faults, [""; 0]);
        let every = Some(Duration::from_millis(250));
        assert_eq!(debug, Debug { schedtrace: every, scheddetail: true, ..Debug::default() });
        assert_eq!(read(""), (Debug::default(), vec![]));
        assert_eq!(read("schedtrace=5,schedtrace=0").0, Debug::default());
    }

    #[test]
    fn a_fault_names_its_place_and_the_others_hold() {
        let (debug, faults) = read("retakeoff=1, schedtarce=1000,scheddetail=yes,schedtrace=2");
        assert_eq!(debug.schedtrace, Some(Duration::from_millis(2)));
        assert!(debug.retakeoff && !debug.scheddetail);
        let text = "    retakeoff=1, schedtarce=1000,scheddetail=yes,schedtrace=2";
        let known = "known are schedtrace, scheddetail, retakeoff, membarrieroff, panicabort and \
                     cellcacheoff";
        assert_eq!(
            faults,
            [
                format!(
                    "gmp: GMP_DEBUG: no such setting: `schedtarce`; {known}\n{text}\n{:17}^",
                    ""
                ),
                format!(
                    "gmp: GMP_DEBUG: `scheddetail` wants 0 or 1, not `yes`\n{text}\n{:45}^",
                    ""
                ),
            ]
        );
    }

    #[test]
    fn a_setting_without_a_value_is_a_fault() {
        for text in ["schedtrace", "schedtrace=", "schedtrace= "] {
            let (debug, faults) = read(text);
            assert_eq!(debug, Debug::default());
            let wanted = "`schedtrace` wants a number of milliseconds, as in `schedtrace=1`";
            assert!(faults[0].starts_with(&format!("gmp: GMP_DEBUG: {wanted}\n")), "{faults:?}");
        }
        assert!(read("schedtrace=-1").1[0].contains("not `-1`"));
        assert!(read("é=1,x").1[1].ends_with("\n        ^"), "columns are characters");
    }
}
