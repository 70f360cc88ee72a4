//! The attributes of a test, by the item of the expansion that carries them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, MetaNameValue, Path};

use crate::attributes::{self, Kind, foreign, without_expectation};
use crate::errors::Errors;
use crate::function::Function;
use crate::options::optional;

/// The attributes, by the item that carries them.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    /// On the `#[test]`.
    pub(super) wrapper: Vec<Attribute>,
    /// On the user's function.
    pub(super) body: Vec<&'a Attribute>,
    /// The `#[ignore]`; it is on the `#[test]` as well.
    ignore: Option<&'a Attribute>,
    /// The `#[should_panic]`, with the text it asks for; only the descriptor has it.
    should_panic: Option<Option<LitStr>>,
}

impl<'a> Sorted<'a> {
    pub(super) fn sort(function: &'a Function, gmp: &Path, errors: &mut Errors) -> Self {
        let mut sorted = Self::default();
        for attribute in &function.attributes {
            match attributes::kind(attribute, gmp) {
                Kind::Doc => sorted.wrapper.push(attribute.clone()),
                Kind::Lint | Kind::ExpectLint => {
                    sorted.wrapper.push(without_expectation(attribute));
                    sorted.body.push(attribute);
                }
                Kind::Ignore => {
                    sorted.ignore.get_or_insert(attribute);
                    sorted.wrapper.push(attribute.clone());
                }
                Kind::ShouldPanic => sorted.should_panic(attribute, errors),
                Kind::PlainTest => {}
                Kind::Ours => errors.at(
                    attribute.path(),
                    "this function has two test attributes of gmp; remove this one and write all \
                     options in the first",
                ),
                Kind::OwnsRuntime => {
                    errors.at(attribute.path(), foreign(attribute, "test", "#[gmp::test]"));
                }
                Kind::Composes | Kind::Other => sorted.body.push(attribute),
            }
        }
        sorted
    }

    fn should_panic(&mut self, attribute: &Attribute, errors: &mut Errors) {
        if self.should_panic.is_some() {
            return errors.at(attribute, "`#[should_panic]` is given twice; keep one");
        }
        self.should_panic = errors.keep(expected_panic(&attribute.meta));
    }

    /// `#[ignore]` as a value: the reason, empty when none is given.
    pub(super) fn ignored(&self) -> TokenStream {
        optional(self.ignore.map(|attribute| match &attribute.meta {
            Meta::NameValue(MetaNameValue { value, .. }) => value.to_token_stream(),
            _ => quote!(""),
        }))
    }

    /// `#[should_panic]` as a value.
    pub(super) fn panics(&self, gmp: &Path) -> TokenStream {
        match &self.should_panic {
            None => quote!(#gmp::__private::ShouldPanic::No),
            Some(None) => quote!(#gmp::__private::ShouldPanic::Yes),
            Some(Some(text)) => quote!(#gmp::__private::ShouldPanic::Expected(#text)),
        }
    }

    /// The user's function alone, after an error, so that its own errors still show.
    pub(super) fn fallback(&self, function: &Function) -> TokenStream {
        let body = &self.body;
        let visibility = &function.visibility;
        let bare = function.bare();
        quote! {
            #[cfg(test)]
            #[allow(unused, clippy::unused_async, reason = "it is not called: the attribute has an error")]
            #(#body)*
            #visibility #bare
        }
    }
}

/// The text in `#[should_panic = ".."]` or `#[should_panic(expected = "..")]`.
fn expected_panic(meta: &Meta) -> syn::Result<Option<LitStr>> {
    let value = match meta {
        Meta::Path(_) => return Ok(None),
        Meta::NameValue(pair) => &pair.value,
        Meta::List(list) => match &list.parse_args::<MetaNameValue>() {
            Ok(pair) if pair.path.is_ident("expected") => &pair.value.clone(),
            _ => return Err(wrong_should_panic(&list.tokens, meta)),
        },
    };
    let mut value = value;
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(Some(text.clone())),
        other => Err(wrong_should_panic(other, meta)),
    }
}

fn wrong_should_panic(place: impl ToTokens, meta: &Meta) -> syn::Error {
    let place = place.into_token_stream();
    let place = if place.is_empty() { meta.to_token_stream() } else { place };
    syn::Error::new_spanned(
        place,
        "write `#[should_panic]` or `#[should_panic(expected = \"part of the message\")]`",
    )
}
