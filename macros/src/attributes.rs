//! Sorts the attributes below ours: which item of the expansion carries each, and which are refused.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Meta, Path, Token};

#[derive(Clone)]
/// One attribute, taken out of the `cfg_attr`s around it.
pub(crate) struct Single {
    /// The predicates of those `cfg_attr`s; the attribute applies when all of them hold.
    when: Vec<TokenStream>,
    /// The attribute itself.
    pub(crate) meta: Meta,
}

/// What an attribute means to our macros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Decides whether the item exists: `cfg`.
    Presence,
    /// Documentation.
    Doc,
    /// Sets lint levels: `allow`, `warn`, `deny`, `forbid`.
    Lint,
    /// Asks for a lint to fire: `expect`.
    ExpectLint,
    /// `#[ignore]`.
    Ignore,
    /// `#[should_panic]`.
    ShouldPanic,
    /// The plain `#[test]`.
    PlainTest,
    /// `#[gmp::test]` or `#[gmp::main]`.
    Ours,
    /// A macro that makes tests out of a function with a test attribute, and runs nothing itself.
    Composes,
    /// A macro that brings a runtime of its own, such as `tokio::test`.
    OwnsRuntime,
    /// Anything else; it belongs to the user's function.
    Other,
}

impl Single {
    /// Takes `attributes` apart.
    pub(crate) fn all(attributes: &[Attribute]) -> Vec<Self> {
        let mut singles = Vec::new();
        for attribute in attributes {
            flatten(&attribute.meta, &[], &mut singles);
        }
        singles
    }

    /// The kind of the attribute, where `gmp` is the path of our own crate.
    pub(crate) fn kind(&self, gmp: &Path) -> Kind {
        let words: Vec<String> =
            self.meta.path().segments.iter().map(|segment| segment.ident.to_string()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match *words.as_slice() {
            ["cfg"] => Kind::Presence,
            ["doc"] => Kind::Doc,
            ["allow" | "warn" | "deny" | "forbid"] => Kind::Lint,
            ["expect"] => Kind::ExpectLint,
            ["ignore"] => Kind::Ignore,
            ["should_panic"] => Kind::ShouldPanic,
            ["test"] | ["core" | "std", "prelude", _, "test"] => Kind::PlainTest,
            ["rstest" | "gtest"]
            | ["rstest", "rstest"]
            | ["googletest", "gtest" | "test"]
            | ["test_log", "test"] => Kind::Composes,
            ["gmp", "test" | "main"] => Kind::Ours,
            [.., "test" | "main"] if is_below(self.meta.path(), gmp) => Kind::Ours,
            [_, .., "test" | "main"] => Kind::OwnsRuntime,
            _ => Kind::Other,
        }
    }

    /// `value` when the attribute applies, else `otherwise`: an expression for a constant.
    pub(crate) fn choose(&self, value: TokenStream, otherwise: TokenStream) -> TokenStream {
        match self.predicate() {
            None => value,
            Some(when) => quote!(if ::core::cfg!(#when) { #value } else { #otherwise }),
        }
    }

    /// `#[expect(..)]` as `#[allow(..)]`, for a second item that need not fulfil it.
    pub(crate) fn allowing(&self) -> Self {
        let mut meta = self.meta.clone();
        if let Meta::List(list) = &mut meta {
            list.path = Path::from(syn::Ident::new("allow", list.path.span()));
        }
        Self { when: self.when.clone(), meta }
    }

    fn predicate(&self) -> Option<TokenStream> {
        match self.when.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            when => Some(quote!(all(#(#when),*))),
        }
    }
}

impl ToTokens for Single {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let meta = &self.meta;
        let span = meta.span();
        tokens.extend(match self.predicate() {
            None => quote_spanned!(span=> #[#meta]),
            Some(when) => quote_spanned!(span=> #[cfg_attr(#when, #meta)]),
        });
    }
}

fn flatten(meta: &Meta, when: &[TokenStream], singles: &mut Vec<Single>) {
    match conditional(meta) {
        Some((predicate, metas)) => {
            let when = [when, &[predicate]].concat();
            for meta in &metas {
                flatten(meta, &when, singles);
            }
        }
        None => singles.push(Single { when: when.to_vec(), meta: meta.clone() }),
    }
}

/// The predicate and the attributes of a `cfg_attr`; `None` for anything else.
fn conditional(meta: &Meta) -> Option<(TokenStream, Punctuated<Meta, Token![,]>)> {
    let Meta::List(list) = meta else { return None };
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let parser = |input: ParseStream<'_>| {
        let mut predicate = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            predicate.extend(Some(input.parse::<proc_macro2::TokenTree>()?));
        }
        input.parse::<Token![,]>()?;
        Ok((predicate, Punctuated::parse_terminated(input)?))
    };
    // The compiler explains a malformed one better than we could.
    parser.parse2(list.tokens.clone()).ok()
}

/// Whether `path` is `parent` and one more segment.
fn is_below(path: &Path, parent: &Path) -> bool {
    path.segments.len() == parent.segments.len() + 1
        && path.segments.iter().zip(&parent.segments).all(|(a, b)| a.ident == b.ident)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn kinds(attributes: &[Attribute]) -> Vec<Kind> {
        let gmp = parse_quote!(some::gmp_again);
        Single::all(attributes).iter().map(|single| single.kind(&gmp)).collect()
    }

    #[test]
    fn test_attributes_are_told_apart() {
        let attributes: Vec<Attribute> = vec![
            parse_quote!(#[test]),
            parse_quote!(#[::core::prelude::v1::test]),
            parse_quote!(#[std::prelude::v1::test]),
            parse_quote!(#[gmp::test]),
            parse_quote!(#[::gmp::test(timeout = "1s")]),
            parse_quote!(#[some::gmp_again::test]),
            parse_quote!(#[test_log::test]),
            parse_quote!(#[rstest]),
            parse_quote!(#[tokio::test(flavor = "multi_thread")]),
            parse_quote!(#[a::b::test]),
            parse_quote!(#[async_std::main]),
            parse_quote!(#[main]),
            parse_quote!(#[instrument]),
        ];
        assert_eq!(
            kinds(&attributes),
            [
                Kind::PlainTest,
                Kind::PlainTest,
                Kind::PlainTest,
                Kind::Ours,
                Kind::Ours,
                Kind::Ours,
                Kind::Composes,
                Kind::Composes,
                Kind::OwnsRuntime,
                Kind::OwnsRuntime,
                Kind::OwnsRuntime,
                Kind::Other,
                Kind::Other,
            ]
        );
    }

    #[test]
    fn cfg_attr_is_taken_apart() {
        let attributes: Vec<Attribute> = vec![parse_quote!(
            #[cfg_attr(miri, ignore = "slow", cfg_attr(feature = "x", should_panic, allow(unused)))]
        )];
        assert_eq!(kinds(&attributes), [Kind::Ignore, Kind::ShouldPanic, Kind::Lint]);
        let singles = Single::all(&attributes);
        let expected: [Attribute; 3] = [
            parse_quote!(#[cfg_attr(miri, ignore = "slow")]),
            parse_quote!(#[cfg_attr(all(miri, feature = "x"), should_panic)]),
            parse_quote!(#[cfg_attr(all(miri, feature = "x"), allow(unused))]),
        ];
        for (single, expected) in singles.iter().zip(expected) {
            assert_eq!(
                single.to_token_stream().to_string(),
                expected.to_token_stream().to_string()
            );
        }
    }
}
