//! What the environment asks of explorations: `GMP_EXPLORE`, `GMP_EXPLORE_SHARD`, `GMP_REPLAY`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::schedule::{Schedule, name_hash};
use super::strategy::Strategy;
use crate::settings::parse_duration;

/// What the environment asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Every async test is explored.
    pub(super) everything: bool,
    /// None is, whatever its attribute says.
    pub(super) nothing: bool,
    pub(super) schedules: Option<u64>,
    pub(super) strategy: Option<Strategy>,
    pub(super) depth: Option<u32>,
    pub(super) seed: Option<u64>,
    pub(super) max_time: Option<Duration>,
    pub(super) max_steps: Option<u64>,
    /// This one of so many machines, from 1.
    pub(super) shard: Option<(u64, u64)>,
    pub(super) replay: Option<String>,
}

/// A test of this process has played the schedule that was asked for.
static PLAYED: AtomicBool = AtomicBool::new(false);

const FORM: &str = "write `on`, `off`, or settings such as \
                    `schedules=1000,strategy=pct,depth=3,seed=7,max_time=2s`";

impl Asked {
    /// Takes over the value of `GMP_EXPLORE`. The text says what is wrong.
    pub(crate) fn explore(&mut self, value: &str) -> Result<(), String> {
        match value.trim() {
            "off" | "0" => self.nothing = true,
            "on" | "1" => self.everything = true,
            settings => {
                self.everything = true;
                for setting in settings.split(',') {
                    self.set(setting.trim())?;
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, setting: &str) -> Result<(), String> {
        let (name, value) =
            setting.split_once('=').ok_or_else(|| format!("`{setting}` is no setting; {FORM}"))?;
        let bad = || format!("`{value}` is no value of `{name}`; {FORM}");
        let number = || value.parse::<u64>().map_err(|_| bad());
        match name {
            "schedules" => self.schedules = Some(number()?),
            "depth" => self.depth = Some(value.parse().map_err(|_| bad())?),
            "seed" => self.seed = Some(number()?),
            "max_steps" => self.max_steps = Some(number()?),
            "max_time" => self.max_time = Some(parse_duration(value).ok_or_else(bad)?),
            "strategy" => self.strategy = Some(Strategy::named(value).ok_or_else(bad)?),
            _ => return Err(format!("`{name}` is no setting; {FORM}")),
        }
        Ok(())
    }

    /// Takes over the value of `GMP_EXPLORE_SHARD`.
    pub(crate) fn shard(&mut self, value: &str) -> Result<(), String> {
        let parts =
            value.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((k, n)) if k >= 1 && k <= n => {
                self.shard = Some((k, n));
                Ok(())
            }
            _ => Err(format!("`{value}` is no shard; write `2/8` for the second of eight")),
        }
    }

    /// Takes over the value of `GMP_REPLAY`.
    pub(crate) fn replay(&mut self, value: &str) -> Result<(), String> {
        Schedule::read(value).map_err(|error| error.to_string())?;
        self.replay = Some(value.trim().to_owned());
        Ok(())
    }

    /// The schedule to play again, if it belongs to the test `name`.
    pub(super) fn replay_of(&self, name: &str) -> Option<&str> {
        let replay = self.replay.as_deref()?;
        let schedule = Schedule::read(replay).ok()?;
        let own = schedule.name == name_hash(name);
        if own {
            // Relaxed: read when the tests are over.
            PLAYED.store(true, Ordering::Relaxed);
        }
        own.then_some(replay)
    }

    /// What is to be said at the end of the run of a schedule that no test has played.
    pub(crate) fn not_played(&self) -> Option<&'static str> {
        let played = PLAYED.load(Ordering::Relaxed);
        (self.replay.is_some() && !played).then_some(
            "gmp: the schedule in GMP_REPLAY belongs to none of the tests that ran: it was found under another name\n",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Asked, String> {
        let mut asked = Asked::default();
        asked.explore(value).map(|()| asked)
    }

    #[test]
    fn settings_are_taken_over() {
        let asked = read("schedules=10, strategy=random,depth=2,seed=7,max_time=1.5s,max_steps=9");
        let expected = Asked {
            everything: true,
            schedules: Some(10),
            strategy: Some(Strategy::Random),
            depth: Some(2),
            seed: Some(7),
            max_time: Some(Duration::from_millis(1500)),
            max_steps: Some(9),
            ..Asked::default()
        };
        assert_eq!(asked, Ok(expected));
        assert!(read("on").unwrap().everything && read("off").unwrap().nothing);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let named = [
            ("yes", "`yes`"),
            ("schedules", "`schedules`"),
            ("schedules=many", "`many`"),
            ("strategy=best", "`best`"),
            ("speed=9", "`speed`"),
            ("max_time=2", "`2`"),
        ];
        for (bad, name) in named {
            let error = read(bad).unwrap_err();
            assert!(error.contains(name) && error.contains("max_time=2s"), "{bad}: {error}");
        }
        let mut asked = Asked::default();
        for bad in ["", "2", "0/8", "9/8", "a/b", "1/0"] {
            assert!(asked.shard(bad).unwrap_err().contains("2/8"), "{bad}");
        }
        assert_eq!((asked.shard("2/8"), asked.shard), (Ok(()), Some((2, 8))));
        assert!(asked.replay("nonsense").is_err());
    }
}
