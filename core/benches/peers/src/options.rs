//! The command line.

use std::path::PathBuf;

use crate::cases::{CASES, Case, find};

/// How to call the program.
pub const USAGE: &str = "options:
  --cases A,B     only these cases
  --peers A,B     only these peers (gmp, go, tokio, smol, may; tokio+flume and the like)
  --rounds N      measurements of each case and peer (5)
  --procs A,B     threads (GOMAXPROCS) to measure with (1,2)
  --json FILE     also write all figures to FILE
  --list          name the cases";

/// What to do.
#[derive(Debug)]
pub struct Options {
    /// Cases to run.
    pub cases: Vec<&'static Case>,
    /// Peers to run; empty: all.
    pub peers: Vec<String>,
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
            cases: CASES.iter().collect(),
            peers: Vec::new(),
            rounds: 5,
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
                "--rounds" => options.rounds = number(&value()?)?,
                "--procs" => {
                    options.procs = value()?.split(',').map(number).collect::<Result<_, _>>()?
                }
                "--json" => options.json = Some(value()?.into()),
                _ => return Err(format!("unknown option {flag}")),
            }
        }
        Ok(options)
    }

    /// Whether this peer is asked for.
    pub fn wants(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|wanted| wanted == peer)
    }
}

fn case(name: &str) -> Result<&'static Case, String> {
    find(name).ok_or(format!("no case {name}"))
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or(format!("{text} is not a positive number"))
}
