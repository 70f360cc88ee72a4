//! The option `tokio(..)`: the tokio runtime that a body runs on, with the names and values of `#[tokio::test]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Expr, ExprLit, Lit, Path};

use crate::errors::{Errors, did_you_mean, list};
use crate::options::{Given, Known, Setting, optional};

/// What may be set, and how it is written.
const SETTINGS: &[Known] = &[
    Known { name: "flavor", form: "flavor = \"multi_thread\"" },
    Known { name: "worker_threads", form: "worker_threads = 2" },
    Known { name: "start_paused", form: "start_paused = true" },
];
/// The flavours, and how the descriptor calls them.
const FLAVORS: &[(&str, &str)] =
    &[("current_thread", "CurrentThread"), ("multi_thread", "MultiThread"), ("local", "Local")];
/// Options that need a runtime of gmp, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    (
        "clock",
        "tokio's clock is not gmp's; write `tokio(start_paused = true)` for one that stands still",
    ),
    (
        "explore",
        "tokio's scheduler cannot be explored; move what is to be explored into a test without `tokio`",
    ),
    (
        "procs",
        "tokio has workers instead; write `tokio(flavor = \"multi_thread\", worker_threads = 2)`",
    ),
];

/// The runtime, as the user asked for it.
pub(crate) struct Tokio {
    /// Its place in [`FLAVORS`].
    flavor: usize,
    worker_threads: Option<usize>,
    start_paused: bool,
}

impl Tokio {
    pub(crate) fn parse(given: &Given) -> syn::Result<Self> {
        let mut tokio = Self { flavor: 0, worker_threads: None, start_paused: false };
        let set = given.settings(SETTINGS)?;
        for setting in &set {
            tokio.set(setting.known.name, setting.value)?;
        }
        tokio.fits(&set)?;
        Ok(tokio)
    }

    fn set(&mut self, name: &str, value: &Expr) -> syn::Result<()> {
        match (name, value) {
            ("flavor", Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
                self.flavor = flavor(&text.value())
                    .map_err(|message| syn::Error::new(text.span(), message))?;
            }
            ("flavor", other) => {
                return Err(wrong(other, "a string literal; write `flavor = \"multi_thread\"`"));
            }
            ("worker_threads", Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) => {
                let number: usize = number.base10_parse()?;
                if number == 0 {
                    return Err(wrong(value, "a number above zero; write `worker_threads = 2`"));
                }
                self.worker_threads = Some(number);
            }
            ("worker_threads", other) => {
                return Err(wrong(other, "a number; write `worker_threads = 2`"));
            }
            (_, Expr::Lit(ExprLit { lit: Lit::Bool(on), .. })) => self.start_paused = on.value,
            (_, other) => {
                return Err(wrong(other, "`true` or `false`; write `start_paused = true`"));
            }
        }
        Ok(())
    }

    /// What only one flavour can do.
    fn fits(&self, set: &[Setting<'_>]) -> syn::Result<()> {
        let given = |name: &str| {
            set.iter().find(|setting| setting.known.name == name).map(|setting| setting.whole)
        };
        let flavor = FLAVORS[self.flavor].0;
        if let Some(at) = given("worker_threads").filter(|_| flavor != "multi_thread") {
            let message = "`worker_threads` needs the flavour `multi_thread`; write \
                           `tokio(flavor = \"multi_thread\", worker_threads = ..)`";
            return Err(syn::Error::new_spanned(at, message));
        }
        if let Some(at) = given("start_paused").filter(|_| flavor == "multi_thread") {
            let message = "`start_paused` needs the flavour `current_thread`; remove `flavor`";
            return Err(syn::Error::new_spanned(at, message));
        }
        Ok(())
    }

    pub(crate) fn to_tokens(&self, gmp: &Path) -> TokenStream {
        let flavor = format_ident!("{}", FLAVORS[self.flavor].1);
        let worker_threads = optional(self.worker_threads);
        let start_paused = self.start_paused;
        quote! {
            #gmp::__private::Tokio {
                flavor: #gmp::__private::TokioFlavor::#flavor,
                worker_threads: #worker_threads,
                start_paused: #start_paused,
            }
        }
    }
}

/// Refuses the options that do not go with tokio.
pub(crate) fn check_others(all: &[Given], errors: &mut Errors) {
    for given in all {
        let refused = REFUSED.iter().find(|(name, _)| *name == given.name());
        if let Some((name, instead)) = refused {
            errors
                .at(given.ident(), format!("option `{name}` does not go with `tokio`: {instead}"));
        }
    }
}

/// The place of a flavour in [`FLAVORS`].
fn flavor(text: &str) -> Result<usize, String> {
    if let Some(at) = FLAVORS.iter().position(|(name, _)| *name == text) {
        return Ok(at);
    }
    let names = || FLAVORS.iter().map(|(name, _)| *name);
    let near = did_you_mean(text, names());
    Err(format!("`{text}` is no flavour of tokio's runtime{near}\nvalues: {}", list(names())))
}

fn wrong(value: &Expr, wanted: &str) -> syn::Error {
    syn::Error::new_spanned(value, format!("expected {wanted}"))
}
