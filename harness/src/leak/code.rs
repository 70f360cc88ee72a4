//! The codes of findings: one for each kind of cause, with a page on what it means and how to cure it.

use core::fmt;

use gmp_core::inspect::{PrimitiveKind, WaitReason};

use super::severity::Severity;

macro_rules! codes {
    ($($name:ident = $code:literal, $level:ident, $title:literal;)*) => {
        /// The code of a finding. The page of each says what it means, what causes it, how to fix it and
        /// how to allow it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(
                #[doc = include_str!(concat!("../../docs/findings/", $code, ".md"))]
                $name,
            )*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as it is printed: `GMP001`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it stands for, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Its page, as Markdown.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../../docs/findings/", $code, ".md")),)*
                }
            }

            /// The severity that it has unless a setting says otherwise.
            pub const fn default_severity(self) -> Severity {
                match self { $(Self::$name => Severity::$level,)* }
            }
        }
    };
}

codes! {
    ChanReceive = "GMP001", Deny, "a receive that nobody sends to";
    ChanSend = "GMP002", Deny, "a send that nobody receives";
    NilChan = "GMP003", Deny, "an operation on a nil channel";
    Select = "GMP004", Deny, "a select of which no arm becomes ready";
    EmptySelect = "GMP005", Deny, "a select without arms";
    Lock = "GMP006", Deny, "a lock that is never given back";
    WaitGroup = "GMP007", Deny, "a WaitGroup whose counter stays above zero";
    Cond = "GMP008", Deny, "a Cond that nobody signals";
    Once = "GMP009", Deny, "a Once whose function does not return";
    Semaphore = "GMP010", Deny, "permits of a semaphore that are not given back";
    ContextNotDone = "GMP011", Deny, "a context that is never done";
    BrokenChain = "GMP012", Deny, "a context that hangs off another root";
    IgnoredContext = "GMP013", Deny, "a goroutine that does not look at its cancelled context";
    Timer = "GMP014", Deny, "a timer that outlives the test";
    Join = "GMP015", Deny, "a join of a goroutine that never ends";
    External = "GMP016", Deny, "a wait for something outside gmp";
    NoWaker = "GMP017", Deny, "a future that kept no waker";
    Running = "GMP018", Deny, "a goroutine that never waits";
    Circle = "GMP019", Deny, "goroutines that wait for one another in a circle";
    Panic = "GMP020", Deny, "a goroutine that panicked";
    WaitGroupLeft = "GMP101", Warn, "a WaitGroup above zero that nobody waits for";
    UnreadValues = "GMP102", Allow, "a channel dropped with values that nobody received";
    ForgottenGuard = "GMP103", Warn, "a guard or a permit that was never dropped";
    ContextLeft = "GMP104", Warn, "a context that is kept and was never cancelled";
    TimerLeft = "GMP105", Warn, "a timer that was never stopped";
}

impl Code {
    /// The code that is written so, in any case of letters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(name))
    }

    /// The code of a goroutine that waits for this reason, on primitives of these kinds.
    pub(crate) fn of_wait(reason: WaitReason, kinds: &[PrimitiveKind]) -> Self {
        let on_timer =
            kinds.iter().any(|kind| matches!(kind, PrimitiveKind::Timer | PrimitiveKind::Ticker));
        match reason {
            WaitReason::ChanReceive if on_timer => Self::Timer,
            WaitReason::ChanReceive => Self::ChanReceive,
            WaitReason::ChanSend => Self::ChanSend,
            WaitReason::ChanReceiveNil | WaitReason::ChanSendNil => Self::NilChan,
            // What was meant to end a select decides, as it does for the advice.
            WaitReason::Select if kinds.contains(&PrimitiveKind::Context) => Self::ContextNotDone,
            WaitReason::Select if on_timer => Self::Timer,
            WaitReason::Select => Self::Select,
            WaitReason::SelectNoCases => Self::EmptySelect,
            WaitReason::MutexLock | WaitReason::RwLockRead | WaitReason::RwLockWrite => Self::Lock,
            WaitReason::WaitGroupWait => Self::WaitGroup,
            WaitReason::CondWait => Self::Cond,
            WaitReason::OnceDo | WaitReason::SingleFlightDo => Self::Once,
            WaitReason::Semacquire => Self::Semaphore,
            WaitReason::Sleep => Self::Timer,
            WaitReason::ContextDone => Self::ContextNotDone,
            WaitReason::Join => Self::Join,
            WaitReason::NoWaker => Self::NoWaker,
            WaitReason::Runnable | WaitReason::Running => Self::Running,
            _ => Self::External,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::rules::{Rules, Source};

    fn folder() -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings")
    }

    #[test]
    fn every_page_has_a_code_and_every_code_a_page() {
        let mut pages: Vec<String> = std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        pages.sort();
        let codes: Vec<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
        assert_eq!(pages, codes);
    }

    #[test]
    fn every_page_says_what_causes_it_and_how_to_fix_and_allow_it() {
        for code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("{code}: {}.\n", code.title())), "{code}: {page}");
            for part in ["\n# Cause\n", "\n# Fix\n", "\n# Allow\n"] {
                assert_eq!(page.matches(part).count(), 1, "{code}: {part:?}");
            }
            let default = format!("The default severity is `{}`", code.default_severity());
            assert!(page.contains(&default), "{code}: {default}");
        }
    }

    #[test]
    fn every_page_names_a_rule_that_can_be_read_but_that_of_panics() {
        for code in Code::ALL {
            let rule =
                code.page().split("ignore(\"").nth(1).and_then(|rest| rest.split('"').next());
            match rule {
                Some(rule) => drop(Rules::parse(Source::ENV, rule).expect(rule)),
                None => assert_eq!(*code, Code::Panic),
            }
        }
    }

    #[test]
    fn codes_are_unique_and_found_by_name() {
        for code in Code::ALL {
            assert_eq!(Code::from_name(&code.as_str().to_lowercase()), Some(*code));
        }
        assert_eq!(Code::from_name("GMP999"), None);
    }
}
