//! The option `explore(..)`: how the schedules of a test are explored.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, Lit, Path};

use crate::duration;
use crate::errors::{did_you_mean, list};
use crate::options::{Given, Known, Setting, optional};

/// What may be set, and how it is written.
const SETTINGS: &[Known] = &[
    Known { name: "schedules", form: "schedules = 1000" },
    Known { name: "strategy", form: "strategy = \"pct\"" },
    Known { name: "depth", form: "depth = 3" },
    Known { name: "seed", form: "seed = 7" },
    Known { name: "max_time", form: "max_time = \"2s\"" },
    Known { name: "max_steps", form: "max_steps = 100000" },
    Known { name: "replay", form: "replay = \"1:..\"" },
];
const STRATEGIES: &[&str] = &["pct", "random"];

/// The settings of `explore(..)`; those that are not given are the harness's.
#[derive(Default)]
pub(crate) struct Explore {
    schedules: Option<u64>,
    strategy: Option<String>,
    depth: Option<u32>,
    seed: Option<u64>,
    max_time: Option<TokenStream>,
    max_steps: Option<u64>,
    replay: Option<String>,
}

impl Explore {
    pub(crate) fn parse(given: &Given) -> syn::Result<Self> {
        let mut explore = Self::default();
        for Setting { known, value, .. } in given.settings(SETTINGS)? {
            explore.set(known.name, value, known.form)?;
        }
        Ok(explore)
    }

    fn set(&mut self, name: &str, value: &Expr, form: &str) -> syn::Result<()> {
        match name {
            "schedules" => self.schedules = Some(number(value, form)?),
            "depth" => self.depth = Some(number(value, form)?),
            "seed" => self.seed = Some(number(value, form)?),
            "max_steps" => self.max_steps = Some(number(value, form)?),
            "replay" => self.replay = Some(string(value, form)?),
            "max_time" => {
                let text = string(value, form)?;
                let time = duration::parse(&text).map_err(|why| wrong(value, &why))?;
                let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
                self.max_time = Some(quote!(::core::time::Duration::new(#seconds, #nanos)));
            }
            _ => {
                let strategy = string(value, form)?;
                if !STRATEGIES.contains(&&*strategy) {
                    let near = did_you_mean(&strategy, STRATEGIES.iter().copied());
                    let known = list(STRATEGIES.iter().copied());
                    let message = format!("`{strategy}` is no strategy{near}\nvalues: {known}");
                    return Err(wrong(value, &message));
                }
                self.strategy = Some(strategy);
            }
        }
        Ok(())
    }

    pub(crate) fn to_tokens(&self, gmp: &Path) -> TokenStream {
        let Self { schedules, strategy, depth, seed, max_time, max_steps, replay } = self;
        let (schedules, strategy) = (optional(schedules.as_ref()), optional(strategy.as_ref()));
        let (depth, seed) = (optional(depth.as_ref()), optional(seed.as_ref()));
        let (max_time, max_steps) = (optional(max_time.as_ref()), optional(max_steps.as_ref()));
        let replay = optional(replay.as_ref());
        quote! {
            #gmp::__private::Explore {
                schedules: #schedules,
                strategy: #strategy,
                depth: #depth,
                seed: #seed,
                max_time: #max_time,
                max_steps: #max_steps,
                replay: #replay,
            }
        }
    }
}

fn wrong(value: &Expr, message: &str) -> syn::Error {
    syn::Error::new_spanned(value, message)
}

fn number<N: core::str::FromStr<Err: core::fmt::Display>>(
    value: &Expr,
    form: &str,
) -> syn::Result<N> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse(),
        other => Err(wrong(other, &format!("expected a number; write `{form}`"))),
    }
}

fn string(value: &Expr, form: &str) -> syn::Result<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.value()),
        other => Err(wrong(other, &format!("expected a string literal; write `{form}`"))),
    }
}
