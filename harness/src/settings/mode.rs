//! What the check does with what it finds: it fails the test, or it only reports.

use core::fmt;

use crate::leak::rules::nearest::nearest;

/// What happens when something is found, as `GMP_LEAK_MODE` or `mode` in `gmp-leak.toml` say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// `fail`: the test fails. The default.
    #[default]
    Fail,
    /// `report`: it is told, and counted at the end of the process; no test fails because of it.
    Report,
}

/// The words for the modes.
const WORDS: [&str; 2] = ["fail", "report"];

impl Mode {
    /// The word that settings are written with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => WORDS[0],
            Self::Report => WORDS[1],
        }
    }

    /// The mode that is written so. The text says what is wrong.
    pub(super) fn named(word: &str) -> Result<Self, String> {
        let known =
            [Self::Fail, Self::Report].into_iter().find(|mode| mode.as_str() == word.trim());
        known.ok_or_else(|| {
            let meant = nearest(word, &WORDS).map(|near| format!(" (did you mean `{near}`?)"));
            format!(
                "`{word}` is no mode{}; known are `fail` and `report`",
                meant.unwrap_or_default()
            )
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
