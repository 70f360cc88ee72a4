//! The function below an attribute: its signature is parsed, its body stays as the user wrote it.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, ReturnType, Safety, Signature, Token, Visibility};

use crate::errors::Errors;

/// A function with a body.
pub(crate) struct Function {
    /// The attributes below ours.
    pub(crate) attributes: Vec<Attribute>,
    /// Its visibility.
    pub(crate) visibility: Visibility,
    /// Everything from `async` to the return type.
    pub(crate) signature: Signature,
    /// The braces; not parsed, so that what the user still types does not lose the signature.
    pub(crate) body: Group,
}

impl Function {
    /// Reads the item below `attribute`, which is named in errors.
    pub(crate) fn parse(item: TokenStream, attribute: &str) -> syn::Result<Self> {
        let parser = |input: ParseStream<'_>| {
            let attributes = input.call(Attribute::parse_outer)?;
            let visibility = input.parse()?;
            if !begins_function(input) {
                return Err(input.error(format!("expected a function below `{attribute}`")));
            }
            let signature = input.parse()?;
            match input.parse()? {
                Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
                    Ok(Self { attributes, visibility, signature, body })
                }
                _ => Err(syn::Error::new_spanned(
                    signature,
                    format!("a function below `{attribute}` needs a body"),
                )),
            }
        };
        parser.parse2(item)
    }
}

fn begins_function(input: ParseStream<'_>) -> bool {
    // `unsafe` and `extern` also begin other items; those fail to parse as a signature.
    input.peek(Token![fn])
        || input.peek(Token![async])
        || input.peek(Token![extern])
        || input.peek(Token![unsafe])
        || (input.peek(Token![const])
            && (input.peek2(Token![fn])
                || input.peek2(Token![async])
                || input.peek2(Token![unsafe])
                || input.peek2(Token![extern])))
}

impl Function {
    /// Whether the function is `async`.
    pub(crate) fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }

    /// Refuses what nobody could call from outside; `what` names the function, `arguments` and
    /// `generics` say how to do without them.
    pub(crate) fn check(&self, what: &str, cures: &Cures, errors: &mut Errors) {
        let signature = &self.signature;
        if !signature.inputs.is_empty() {
            errors.at(&signature.inputs, format!("{what} takes no arguments; {}", cures.arguments));
        }
        let generics = &signature.generics;
        if !generics.params.is_empty() {
            errors.at(
                &generics.params,
                format!("{what} has no generic parameters; {}", cures.generics),
            );
        } else if let Some(clause) = &generics.where_clause {
            errors.at(clause, format!("{what} has no `where` clause; remove it"));
        }
        if let Some(constness) = &signature.constness {
            errors.at(constness, format!("{what} is not `const`; remove `const`"));
        }
        if let Safety::Unsafe(token) = &signature.safety {
            errors.at(
                token,
                format!("{what} is not `unsafe`; write an `unsafe` block in its body instead"),
            );
        }
        if let Some(abi) = &signature.abi {
            errors.at(abi, format!("{what} has Rust's own ABI; remove `extern`"));
        }
    }

    /// The return type; empty for `()`.
    pub(crate) fn output(&self) -> TokenStream {
        match &self.signature.output {
            ReturnType::Default => TokenStream::new(),
            ReturnType::Type(_, kind) => kind.to_token_stream(),
        }
    }

    /// The function without attributes and visibility.
    pub(crate) fn bare(&self) -> TokenStream {
        let Self { signature, body, .. } = self;
        quote!(#signature #body)
    }
}

/// How to do without what is refused.
pub(crate) struct Cures {
    /// Without arguments.
    pub(crate) arguments: &'static str,
    /// Without generic parameters.
    pub(crate) generics: &'static str,
}
