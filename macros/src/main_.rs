//! `#[gmp::main]`: an `async fn main` becomes a plain one that runs it on a fresh runtime.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Path};

use crate::attributes::{self, Kind, foreign};
use crate::errors::Errors;
use crate::function::{Cures, Function};
use crate::options::{self, Given, Known};

const KNOWN: &[Known] = &[options::CRATE];

const CURES: Cures =
    Cures { arguments: "read them with `std::env::args`", generics: "name the types in its body" };

/// Expands `#[gmp::main(options)]` on `item`.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = Settings::parse(options, &mut errors);
    let function = match Function::parse(item.clone(), "#[gmp::main]") {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            return errors.into_tokens().into_iter().chain([item]).collect();
        }
    };
    function.check("the main function", &CURES, &mut errors);
    if !function.is_async() {
        errors.at(
            function.signature.fn_token,
            "the main function is not `async`; write `async fn`, or remove `#[gmp::main]`",
        );
    }
    let attributes = Sorted::sort(&function, &settings.gmp, &mut errors);
    match errors.into_tokens() {
        Some(errors) => [errors, attributes.fallback(&function)].into_iter().collect(),
        None => emit(&settings, &attributes, &function),
    }
}

/// The options, with the errors taken out.
struct Settings {
    gmp: Path,
}

impl Settings {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut settings = Self { gmp: options::default_crate() };
        for given in options::parse(tokens, KNOWN, errors) {
            let result = settings.set(&given);
            errors.keep(result);
        }
        settings
    }

    fn set(&mut self, given: &Given) -> syn::Result<()> {
        match given.name() {
            "crate" => self.gmp = given.path()?,
            other => unreachable!("the option `{other}` is known but not set"),
        }
        Ok(())
    }
}

/// The attributes, by the function that carries them.
#[derive(Default)]
struct Sorted<'a> {
    /// On the plain function, where they reach the user's function as well.
    outer: Vec<&'a Attribute>,
    /// On the user's function.
    inner: Vec<&'a Attribute>,
}

impl<'a> Sorted<'a> {
    fn sort(function: &'a Function, gmp: &Path, errors: &mut Errors) -> Self {
        let mut sorted = Self::default();
        for attribute in &function.attributes {
            match attributes::kind(attribute, gmp) {
                Kind::Doc | Kind::Lint | Kind::ExpectLint => sorted.outer.push(attribute),
                Kind::Ours | Kind::OwnsRuntime => {
                    let message = foreign(attribute, "function", "#[gmp::main]");
                    errors.at(attribute.path(), message);
                }
                _ => sorted.inner.push(attribute),
            }
        }
        sorted
    }

    /// A function of that name, after an error, so that no second error says it is missing.
    fn fallback(&self, function: &Function) -> TokenStream {
        let outer = &self.outer;
        let visibility = &function.visibility;
        let (fn_token, name) = (&function.signature.fn_token, &function.signature.ident);
        let bare = function.bare();
        quote! {
            #(#outer)*
            #visibility #fn_token #name() {
                #[allow(unused, clippy::unused_async, reason = "it is not called: the attribute has an error")]
                #bare
            }
        }
    }
}

/// The expansion of a main function without errors.
fn emit(settings: &Settings, attributes: &Sorted<'_>, function: &Function) -> TokenStream {
    let gmp = &settings.gmp;
    let Sorted { outer, inner } = attributes;
    let visibility = &function.visibility;
    let mut plain = function.signature.clone();
    plain.asyncness = None;
    let name = &function.signature.ident;
    let bare = function.bare();
    quote! {
        #(#outer)*
        #visibility #plain {
            #[allow(clippy::unused_async, reason = "a main function need not wait")]
            #(#inner)*
            #bare

            #gmp::block_on(#name())
        }
    }
}
