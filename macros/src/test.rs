//! `#[gmp::test]`: a function becomes a descriptor, a `#[test]` that runs it, and a submission for
//! test binaries without the built-in harness.
//!
//! All three vanish from a build without `cfg(test)`, as a `#[test]` does. With `harness = false`
//! the compiler removes the `#[test]` and the submission serves alone. The user's function keeps its
//! name and lives in the initializer of the descriptor `__gmp_test_<name>`, so its symbol path is
//! `module::__gmp_test_<name>::<name>`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Meta, MetaNameValue, Path};

use crate::attributes::{Kind, Single};
use crate::errors::Errors;
use crate::expect::ExpectLeak;
use crate::function::{Cures, Function};
use crate::options::{self, Given, Known, optional};

const KNOWN: &[Known] = &[
    Known { name: "timeout", form: "timeout = \"60s\"" },
    Known { name: "linger", form: "linger = \"100ms\"" },
    Known { name: "ignore", form: "ignore(\"rule\", ..)" },
    Known { name: "expect_leak", form: "expect_leak(\"2 chan receive: Proven\", ..)" },
    options::CRATE,
];

const CURES: Cures = Cures {
    arguments: "create what it needs in its body, or put `#[rstest]` above `#[gmp::test]`",
    generics: "name the types in its body",
};

/// Expands `#[gmp::test(options)]` on `item`.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = Settings::parse(options.clone(), &mut errors);
    let function = match Function::parse(item.clone(), "#[gmp::test]") {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            return errors.into_tokens().into_iter().chain([item]).collect();
        }
    };
    let gmp = &settings.gmp;
    let singles = Single::all(&function.attributes);
    if let Some(composed) = compose(&options, gmp, &function, &singles) {
        return composed;
    }
    function.check("a test", &CURES, &mut errors);
    let attributes = Sorted::sort(singles, gmp, &mut errors);
    match errors.into_tokens() {
        Some(errors) => [errors, attributes.fallback(&function)].into_iter().collect(),
        None => emit(&settings, &attributes, &function),
    }
}

/// Lets a macro below ours that wants to see our attribute run first: it goes to the top, ours to
/// the bottom, where `#[rstest]` takes it for an attribute of every case.
fn compose(
    options: &TokenStream,
    gmp: &Path,
    function: &Function,
    singles: &[Single],
) -> Option<TokenStream> {
    let first = singles.iter().position(|single| single.kind(gmp) == Kind::Composes)?;
    let composing = &singles[first];
    let others = singles.iter().enumerate().filter_map(|(index, single)| {
        (index != first && single.kind(gmp) != Kind::PlainTest).then_some(single)
    });
    let ours = if options.is_empty() { quote!(#gmp::test) } else { quote!(#gmp::test(#options)) };
    let visibility = &function.visibility;
    let bare = function.bare();
    Some(quote! { #composing #(#others)* #[#ours] #visibility #bare })
}

/// The options, with the errors taken out.
struct Settings {
    gmp: Path,
    timeout: Option<Duration>,
    linger: Option<Duration>,
    ignore: Vec<LitStr>,
    /// `None` without the option, empty for any leak.
    expect_leak: Option<Vec<ExpectLeak>>,
}

impl Settings {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut settings = Self {
            gmp: options::default_crate(),
            timeout: None,
            linger: None,
            ignore: Vec::new(),
            expect_leak: None,
        };
        for given in options::parse(tokens, KNOWN, errors) {
            let result = settings.set(&given);
            errors.keep(result);
        }
        settings
    }

    fn set(&mut self, given: &Given) -> syn::Result<()> {
        match given.name() {
            "crate" => self.gmp = given.path()?,
            "timeout" => self.timeout = Some(given.duration_above_zero()?),
            "linger" => self.linger = Some(given.duration()?),
            "ignore" => self.ignore = rules(given)?,
            "expect_leak" => self.expect_leak = Some(expectations(given)?),
            other => unreachable!("the option `{other}` is known but not set"),
        }
        Ok(())
    }
}

fn rules(given: &Given) -> syn::Result<Vec<LitStr>> {
    let rules = given.strings()?;
    match rules.iter().find(|rule| rule.value().trim().is_empty()) {
        Some(empty) => Err(syn::Error::new(empty.span(), "this rule is empty; remove it")),
        None => Ok(rules),
    }
}

fn expectations(given: &Given) -> syn::Result<Vec<ExpectLeak>> {
    if given.is_bare() {
        return Ok(Vec::new());
    }
    let parse = |text: &LitStr| {
        ExpectLeak::parse(&text.value()).map_err(|why| syn::Error::new(text.span(), why))
    };
    given.strings()?.iter().map(parse).collect()
}

/// The attributes, by the item that carries them.
#[derive(Default)]
struct Sorted {
    /// On every item.
    presence: Vec<Single>,
    /// On the `#[test]`.
    wrapper: Vec<Single>,
    /// On the user's function.
    body: Vec<Single>,
    /// The `#[ignore]`s.
    ignores: Vec<Single>,
    /// The `#[should_panic]`s, each with the text it asks for.
    panics: Vec<(Single, Option<LitStr>)>,
}

impl Sorted {
    fn sort(singles: Vec<Single>, gmp: &Path, errors: &mut Errors) -> Self {
        let mut sorted = Self::default();
        for single in singles {
            match single.kind(gmp) {
                Kind::Presence => sorted.presence.push(single),
                Kind::Doc => sorted.wrapper.push(single),
                Kind::Lint | Kind::ExpectLint => {
                    sorted.wrapper.push(single.allowing_expected(gmp));
                    sorted.body.push(single);
                }
                Kind::Ignore => sorted.ignores.push(single),
                Kind::ShouldPanic => {
                    let text = errors.keep(expected_panic(&single.meta)).flatten();
                    sorted.panics.push((single, text));
                }
                Kind::PlainTest => {}
                Kind::Ours => errors.at(
                    single.meta.path(),
                    "this function has two test attributes of gmp; remove this one and write all \
                     options in the first",
                ),
                Kind::OwnsRuntime => errors.at(single.meta.path(), foreign(&single.meta)),
                Kind::Composes | Kind::Other => sorted.body.push(single),
            }
        }
        sorted
    }

    /// `#[ignore]` as a value: the reason, empty when none is given.
    fn ignored(&self) -> TokenStream {
        self.ignores.iter().rev().fold(optional(None::<TokenStream>), |otherwise, single| {
            let reason = match &single.meta {
                Meta::NameValue(MetaNameValue { value, .. }) => value.to_token_stream(),
                _ => quote!(""),
            };
            single.choose(optional(Some(reason)), otherwise)
        })
    }

    /// `#[should_panic]` as a value.
    fn should_panic(&self, gmp: &Path) -> TokenStream {
        let kind = quote!(#gmp::__private::ShouldPanic);
        self.panics.iter().rev().fold(quote!(#kind::No), |otherwise, (single, text)| {
            let value = match text {
                Some(text) => quote!(#kind::Expected(#text)),
                None => quote!(#kind::Yes),
            };
            single.choose(value, otherwise)
        })
    }

    /// The user's function alone, after an error, so that its own errors still show.
    fn fallback(&self, function: &Function) -> TokenStream {
        let Self { presence, body, .. } = self;
        let visibility = &function.visibility;
        let bare = function.bare();
        quote! {
            #[cfg(test)]
            #(#presence)*
            #[allow(unused, clippy::unused_async)]
            #(#body)*
            #visibility #bare
        }
    }
}

impl Single {
    /// The attribute as a second item carries it: nothing need fire there.
    fn allowing_expected(&self, gmp: &Path) -> Self {
        if self.kind(gmp) == Kind::ExpectLint { self.allowing() } else { self.clone() }
    }
}

/// The message for an attribute that would run the test on another runtime.
fn foreign(meta: &Meta) -> String {
    let path = meta.path().to_token_stream().to_string().replace(' ', "");
    format!(
        "`#[{path}]` would run this test on another runtime; remove it, `#[gmp::test]` brings its \
         own"
    )
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

/// The expansion of a test without errors.
fn emit(settings: &Settings, attributes: &Sorted, function: &Function) -> TokenStream {
    let gmp = &settings.gmp;
    let name = &function.signature.ident;
    let descriptor = format_ident!("__gmp_test_{}", name.unraw(), span = Span::call_site());
    let initializer = initializer(settings, attributes, function);
    let Sorted { presence, wrapper, ignores, .. } = attributes;
    let visibility = &function.visibility;
    let fn_token = &function.signature.fn_token;
    quote! {
        #[cfg(test)]
        #(#presence)*
        #[allow(non_upper_case_globals)]
        static #descriptor: #gmp::__private::Descriptor = { #initializer };

        #[::core::prelude::v1::test]
        #(#presence)*
        #(#ignores)*
        #(#wrapper)*
        #visibility #fn_token #name() {
            #gmp::__private::run(&#descriptor);
        }

        #[cfg(test)]
        #(#presence)*
        #gmp::__private::inventory::submit! { #gmp::__private::Submission(&#descriptor) }
    }
}

/// The descriptor's value, after the user's function.
fn initializer(settings: &Settings, attributes: &Sorted, function: &Function) -> TokenStream {
    let Settings { gmp, timeout, linger, ignore, expect_leak } = settings;
    let name = &function.signature.ident;
    let text = name.unraw().to_string();
    // The span decides what `line!()` says: the user's function, not the attribute.
    let file = quote_spanned!(name.span()=> ::core::file!());
    let line = quote_spanned!(name.span()=> ::core::line!());
    let body = Ident::new("body", Span::mixed_site());
    let call = call(gmp, function);
    let timeout = optional(timeout.map(duration));
    let linger = optional(linger.map(duration));
    let expect_leak = optional(expect_leak.as_ref().map(|leaks| {
        let leaks = leaks.iter().map(|leak| leak.to_tokens(gmp));
        quote!(&[#(#leaks),*])
    }));
    let should_panic = attributes.should_panic(gmp);
    let ignored = attributes.ignored();
    let own = &attributes.body;
    let unused_async = function.is_async().then(|| quote!(#[allow(clippy::unused_async)]));
    let bare = function.bare();
    quote! {
        #unused_async
        #(#own)*
        #bare

        // A body that returns `!` leaves nothing to do after it, and a large one is boxed as it is.
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::large_futures)]
        let #body = #call;
        #gmp::__private::Descriptor::new(#gmp::__private::Spec {
            module_path: ::core::module_path!(),
            name: #text,
            file: #file,
            line: #line,
            body: #body,
            timeout: #timeout,
            linger: #linger,
            ignore_rules: &[#(#ignore),*],
            expect_leak: #expect_leak,
            should_panic: #should_panic,
            ignored: #ignored,
        })
    }
}

/// How the harness calls the user's function. A return type that is no outcome is reported there.
fn call(gmp: &Path, function: &Function) -> TokenStream {
    let output = function.output();
    let span = if output.is_empty() { function.signature.ident.span() } else { output.span() };
    let span = span.resolved_at(Span::call_site());
    let mut name = function.signature.ident.clone();
    name.set_span(span);
    if function.is_async() {
        let outcome = quote_spanned!(span=> #gmp::__private::outcome(#name().await));
        quote! {
            #gmp::__private::Body::Async(|| #gmp::__private::box_body(async { #outcome }))
        }
    } else {
        let outcome = quote_spanned!(span=> #gmp::__private::outcome(#name()));
        quote!(#gmp::__private::Body::Sync(|| #outcome))
    }
}

/// A duration as an expression for a constant.
fn duration(duration: Duration) -> TokenStream {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanos))
}
