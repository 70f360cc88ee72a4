//! The command line.

use std::path::PathBuf;

use crate::cases::{CASES, Case, find};

/// How to call the program.
pub const USAGE: &str = "options:
  --cases A,B     only these cases
  --peers A,B     only these peers (gmp, go, tokio, smol, may; tokio+flume and the like)
  --rounds N      measurements of each case and peer (5)
  --quick         3 rounds with a quarter of the work, without async-channel, flume and may
  --cpu           count the CPU time of the process instead of the time that passes
  --procs A,B     threads (GOMAXPROCS) to measure with (1,2)
  --json FILE     also write all figures to FILE
  --list          name the cases";

/// Which time a case takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The time that passes.
    Wall,
    /// The time that the threads of the process use: on a busy machine it tells more.
    Cpu,
}

/// Peers that a quick run leaves out.
const NOT_QUICK: &[&str] = &["async-channel", "flume", "may"];

/// What to do.
#[derive(Debug)]
pub struct Options {
    /// Cases to run.
    pub cases: Vec<Case>,
    /// Peers to run; empty: all that this kind of run has.
    pub peers: Vec<String>,
    /// Less of everything.
    pub quick: bool,
    /// What is counted.
    pub clock: Clock,
    /// Measurements of each.
    pub rounds: usize,
    /// Thread counts.
    pub procs: Vec<usize>,
    /// Where the JSON goes.
    pub json: Option<PathBuf>,
}

impl Options {
    /// Reads the options.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            cases: CASES.to_vec(),
            peers: Vec::new(),
            quick: false,
            clock: Clock::Wall,
            rounds: 0,
            procs: vec![1, 2],
            json: None,
        };
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("{flag} needs a value"));
            match &*flag {
                "--cases" => {
                    options.cases = value()?.split(',').map(case).collect::<Result<_, _>>()?
                }
                "--peers" => options.peers = value()?.split(',').map(Into::into).collect(),
                "--quick" => options.quick = true,
                "--cpu" => options.clock = Clock::Cpu,
                "--rounds" => options.rounds = number(&value()?)?,
                "--procs" => {
                    options.procs = value()?.split(',').map(number).collect::<Result<_, _>>()?
                }
                "--json" => options.json = Some(value()?.into()),
                _ => return Err(format!("unknown option {flag}")),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 3 } else { 5 };
        }
        if options.quick {
            options.cases = options.cases.into_iter().map(Case::quick).collect();
        }
        Ok(options)
    }

    /// Whether this peer is asked for.
    pub fn wants(&self, peer: &str) -> bool {
        let is_left_out = || NOT_QUICK.iter().any(|name| peer.ends_with(name));
        match self.peers.is_empty() {
            true => !(self.quick && is_left_out()),
            false => self.peers.iter().any(|wanted| wanted == peer),
        }
    }
}

fn case(name: &str) -> Result<Case, String> {
    find(name).copied().ok_or(format!("no case {name}"))
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or(format!("{text} is not a positive number"))
}
