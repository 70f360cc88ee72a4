//! Reads the expectations of `expect_leak("2 chan receive: Proven", ..)`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::{did_you_mean, list};
use crate::options::optional;

/// The wait reasons that reports print. The runtime owns the list; a test compares the two.
const REASONS: &[&str] = &[
    "chan receive",
    "chan send",
    "chan receive (nil chan)",
    "chan send (nil chan)",
    "select",
    "select (no cases)",
    "sync.Mutex.Lock",
    "sync.RWMutex.RLock",
    "sync.RWMutex.Lock",
    "sync.WaitGroup.Wait",
    "sync.Cond.Wait",
    "sync.Once.Do",
    "semacquire",
    "singleflight.Do",
    "sleep",
    "context done",
    "join",
    "IO wait",
    "external",
    "no waker kept",
    "runnable",
    "running",
];

/// The verdicts that a goroutine which outlived its scope can get.
const VERDICTS: &[&str] = &["Proven", "Timer", "External", "Reachable", "Running"];

/// How an expectation is written, for messages.
pub(crate) const FORM: &str = "\"[count ]wait reason[: Verdict]\"";

/// One group of leaks that a test says will happen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExpectLeak {
    /// How many goroutines; any number when absent.
    count: Option<usize>,
    /// What they wait for.
    reason: &'static str,
    /// The verdict on them; any when absent.
    verdict: Option<&'static str>,
}

impl ExpectLeak {
    /// Reads one expectation.
    ///
    /// # Errors
    ///
    /// A message that names the wrong part and what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (waiting, verdict) = match text.split_once(':') {
            Some((waiting, verdict)) => (waiting, Some(known_verdict(verdict.trim())?)),
            None => (text, None),
        };
        let (count, reason) = split_count(waiting.trim())?;
        Ok(Self { count, reason: known_reason(reason)?, verdict })
    }

    /// The constant that the test's descriptor holds.
    pub(crate) fn to_tokens(&self, gmp: &syn::Path) -> TokenStream {
        let count = optional(self.count);
        let reason = self.reason;
        let verdict = optional(self.verdict);
        quote! {
            #gmp::__private::ExpectLeak { count: #count, reason: #reason, verdict: #verdict }
        }
    }
}

/// Splits a leading number off.
fn split_count(text: &str) -> Result<(Option<usize>, &str), String> {
    let Some((number, reason)) = text.split_once(' ') else { return Ok((None, text)) };
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return Ok((None, text));
    }
    match number.parse::<usize>() {
        Ok(count) if count > 0 => Ok((Some(count), reason.trim_start())),
        _ => Err(format!(
            "`{number}` is not a count; write a positive number, as in \"2 chan receive\", or none"
        )),
    }
}

fn known_reason(text: &str) -> Result<&'static str, String> {
    REASONS.iter().copied().find(|known| *known == text).ok_or_else(|| {
        let near = did_you_mean(text, REASONS.iter().copied());
        let all = list(REASONS.iter().copied());
        format!("unknown wait reason `{text}`{near}\nwait reasons: {all}\nform: {FORM}")
    })
}

fn known_verdict(text: &str) -> Result<&'static str, String> {
    VERDICTS.iter().copied().find(|known| *known == text).ok_or_else(|| {
        let near = did_you_mean(text, VERDICTS.iter().copied());
        let all = list(VERDICTS.iter().copied());
        format!("unknown verdict `{text}`{near}\nverdicts: {all}\nform: {FORM}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(
        count: Option<usize>,
        reason: &'static str,
        verdict: Option<&'static str>,
    ) -> Result<ExpectLeak, String> {
        Ok(ExpectLeak { count, reason, verdict })
    }

    #[test]
    fn count_and_verdict_may_be_left_out() {
        let parse = ExpectLeak::parse;
        assert_eq!(parse("chan receive"), expectation(None, "chan receive", None));
        assert_eq!(parse("3 chan send"), expectation(Some(3), "chan send", None));
        assert_eq!(parse("sleep: Timer"), expectation(None, "sleep", Some("Timer")));
        assert_eq!(
            parse("12 chan send (nil chan): Proven"),
            expectation(Some(12), "chan send (nil chan)", Some("Proven"))
        );
        assert_eq!(parse(" 1  join :Proven "), expectation(Some(1), "join", Some("Proven")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("", "unknown wait reason ``"),
            ("chan recieve", "did you mean `chan receive`?"),
            ("sync.mutex.lock", "did you mean `sync.Mutex.Lock`?"),
            ("0 chan receive", "`0` is not a count"),
            ("-1 chan receive", "`-1` is not a count"),
            ("99999999999999999999999 join", "`99999999999999999999999` is not a count"),
            ("2", "unknown wait reason `2`"),
            ("chan receive: proven", "did you mean `Proven`?"),
            ("chan receive: Leaked", "unknown verdict `Leaked`\nverdicts: `Proven`, `Timer`"),
            ("chan receive:", "unknown verdict ``"),
        ] {
            let message = ExpectLeak::parse(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    /// The string literals of the first `fn as_str` after `marker` in a source file of the workspace.
    fn words(path: &str, marker: &str) -> Vec<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let source = std::fs::read_to_string(&path).expect("the source is readable");
        let body = source.split_once(marker).expect("the type has an impl").1;
        let body = body.split_once("fn as_str").expect("the impl names its words").1;
        let body = body.split_once("\n    }\n").expect("the function ends").0;
        body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_wait_reasons_are_those_of_the_runtime() {
        assert_eq!(words("core/src/inspect/reason.rs", "impl WaitReason {"), REASONS);
    }
}
