//! Tells the attributes below ours apart: each kind goes to another item of the expansion, or is
//! refused.
//!
//! `cfg` and `cfg_attr` never arrive here: the compiler resolves them before it calls our macros.

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, Meta, Path};

use crate::function::Function;

/// What an attribute means to our macros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
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

/// The kind of an attribute, where `gmp` is the path of our own crate.
pub(crate) fn kind(attribute: &Attribute, gmp: &Path) -> Kind {
    let path = attribute.path();
    let words: Vec<String> =
        path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
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
        [.., "test" | "main"] if is_below(path, gmp) => Kind::Ours,
        [_, .., "test" | "main"] => Kind::OwnsRuntime,
        _ => Kind::Other,
    }
}

/// `#[expect(..)]` as `#[allow(..)]`, for a second item that need not fulfil it; others as they are.
pub(crate) fn without_expectation(attribute: &Attribute) -> Attribute {
    let mut attribute = attribute.clone();
    if let Meta::List(list) = &mut attribute.meta
        && list.path.is_ident("expect")
    {
        list.path = Path::from(Ident::new("allow", list.path.span()));
    }
    attribute
}

/// The message for an attribute that would run what is below it on another runtime; `what` is that,
/// and `ours` the name of our attribute.
pub(crate) fn foreign(attribute: &Attribute, what: &str, ours: &str) -> String {
    let path = attribute.path().to_token_stream().to_string().replace(' ', "");
    let brings = match (path.trim_start_matches("::"), what) {
        ("tokio::test", "test") => "write `#[gmp::test(tokio)]`, which runs it on tokio",
        _ => {
            return format!(
                "`#[{path}]` would run this {what} on another runtime; remove it, `{ours}` brings its own"
            );
        }
    };
    format!("`#[{path}]` would run this {what} on another runtime; remove it, and {brings}")
}

/// Whether `#[tokio::test]` above ours has made a plain function of an `async` one: by its `#[test]`, and by the
/// words with which it starts the runtime.
pub(crate) fn is_made_by_tokio(function: &Function, gmp: &Path) -> bool {
    let is_spelt_out = |attribute: &Attribute| {
        attribute.path().segments.len() > 1 && kind(attribute, gmp) == Kind::PlainTest
    };
    let starts_one = || {
        let body = function.body.to_string();
        body.contains("\"Failed building the Runtime\"") && body.contains("block_on")
    };
    !function.is_async() && function.attributes.iter().any(is_spelt_out) && starts_one()
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
        let gmp = parse_quote!(some::gmp_again);
        let kinds: Vec<Kind> = attributes.iter().map(|attribute| kind(attribute, &gmp)).collect();
        assert_eq!(
            kinds,
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
}
