//! `#[gmp::test]`: a function becomes a descriptor, a `#[test]` that runs it, and a submission for
//! test binaries without the built-in harness.
//!
//! All three vanish from a build without `cfg(test)`, as a `#[test]` does. With `harness = false`
//! the compiler removes the `#[test]` and the submission serves alone. The user's function keeps its
//! name and lives in the initializer of the descriptor `__gmp_test_<name>`, so its symbol path is
//! `module::__gmp_test_<name>::<name>`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, LitStr, Path};

use crate::attributes::{self, Kind};
use crate::errors::Errors;
use crate::expect::ExpectLeak;
use crate::explore::Explore;
use crate::function::{Cures, Function};
use crate::options::{self, Given, Known, optional};
use crate::tokio::{self, Tokio};
use sorted::Sorted;

mod sorted;

const KNOWN: &[Known] = &[
    Known { name: "timeout", form: "timeout = \"60s\"" },
    Known { name: "linger", form: "linger = \"100ms\"" },
    Known { name: "clock", form: "clock = \"virtual\"" },
    Known { name: "procs", form: "procs = 4" },
    Known { name: "ignore", form: "ignore(\"rule\", ..)" },
    Known { name: "severity", form: "severity(GMP102 = \"deny\", ..)" },
    Known { name: "probe_cancel", form: "probe_cancel" },
    Known { name: "expect_leak", form: "expect_leak(\"2 chan receive: Proven\", ..)" },
    Known { name: "explore", form: "explore(schedules = 1000, ..)" },
    Known { name: "tokio", form: "tokio(flavor = \"multi_thread\", ..)" },
    options::CRATE,
];

/// The clocks that a test may ask for.
const CLOCKS: &[&str] = &["real", "virtual", "virtual, ignoring external"];

/// Ps that a runtime may have.
const MAX_PROCS: usize = 1024;

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
    if let Some(composed) = compose(&options, gmp, &function) {
        return composed;
    }
    if attributes::is_made_by_tokio(&function, gmp) {
        errors.at(
            &function.signature.ident,
            "`#[tokio::test]` above has put this test on a runtime of its own, where tasks that leak vanish \
             with it; remove it, and write `#[gmp::test(tokio)]`, which runs it on tokio",
        );
        return errors.into_tokens().into_iter().chain([item]).collect();
    }
    function.check("a test", &CURES, &mut errors);
    if settings.tokio.is_some() && !function.is_async() {
        errors.at(
            function.signature.fn_token,
            "a test with the option `tokio` is an `async fn`: its body runs on a tokio runtime",
        );
    }
    let attributes = Sorted::sort(&function, gmp, &mut errors);
    match errors.into_tokens() {
        Some(errors) => [errors, attributes.fallback(&function)].into_iter().collect(),
        None => emit(&settings, &attributes, &function),
    }
}

/// Lets a macro below ours that wants to see our attribute run first: it goes to the top, ours to
/// the bottom, where `#[rstest]` takes it for an attribute of every case.
fn compose(options: &TokenStream, gmp: &Path, function: &Function) -> Option<TokenStream> {
    let kind = |attribute: &Attribute| attributes::kind(attribute, gmp);
    let below = &function.attributes;
    let first = below.iter().position(|attribute| kind(attribute) == Kind::Composes)?;
    let composing = &below[first];
    let others = below.iter().enumerate().filter_map(|(index, attribute)| {
        (index != first && kind(attribute) != Kind::PlainTest).then_some(attribute)
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
    /// Its place in [`CLOCKS`]; `None` without the option.
    clock: Option<usize>,
    procs: Option<usize>,
    ignore: Vec<LitStr>,
    /// Settings such as `GMP102=deny`.
    severity: Vec<String>,
    probe_cancel: bool,
    /// `None` without the option, empty for any leak.
    expect_leak: Option<Vec<ExpectLeak>>,
    explore: Option<Explore>,
    tokio: Option<Tokio>,
}

impl Settings {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut settings = Self {
            gmp: options::default_crate(),
            timeout: None,
            linger: None,
            clock: None,
            procs: None,
            ignore: Vec::new(),
            severity: Vec::new(),
            probe_cancel: false,
            expect_leak: None,
            explore: None,
            tokio: None,
        };
        let all = options::parse(tokens, KNOWN, errors);
        for given in &all {
            let result = settings.set(given);
            errors.keep(result);
        }
        // One P that is driven is what makes both possible.
        let several = settings.procs.is_some_and(|procs| procs > 1);
        let needs_one = |given: &&Given| match given.name() {
            "clock" => settings.clock != Some(0),
            name => name == "explore",
        };
        if let Some(other) = all.iter().find(needs_one).filter(|_| several) {
            let text = format!("`{}` needs one P; remove it, or `procs`", other.name());
            errors.at(other.ident(), text);
        }
        if all.iter().any(|given| given.name() == "tokio") {
            tokio::check_others(&all, errors);
        }
        settings
    }

    fn set(&mut self, given: &Given) -> syn::Result<()> {
        match given.name() {
            "crate" => self.gmp = given.path()?,
            "timeout" => self.timeout = Some(given.duration_above_zero()?),
            "linger" => self.linger = Some(given.duration()?),
            "clock" => self.clock = Some(given.word(CLOCKS)?),
            "procs" => self.procs = Some(given.number(1..=MAX_PROCS)?),
            "ignore" => self.ignore = rules(given)?,
            "severity" => self.severity = severities(given)?,
            "probe_cancel" => self.probe_cancel = given.flag()?,
            "explore" => self.explore = Some(Explore::parse(given)?),
            "tokio" => self.tokio = Some(Tokio::parse(given)?),
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

fn severities(given: &Given) -> syn::Result<Vec<String>> {
    let setting = |(name, level): (Ident, LitStr)| match level.value().as_str() {
        word @ ("allow" | "warn" | "deny") => Ok(format!("{name}={word}")),
        _ => Err(syn::Error::new(level.span(), "a severity is \"allow\", \"warn\" or \"deny\"")),
    };
    given.named_strings()?.into_iter().map(setting).collect()
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

/// The expansion of a test without errors.
fn emit(settings: &Settings, attributes: &Sorted<'_>, function: &Function) -> TokenStream {
    let gmp = &settings.gmp;
    let name = &function.signature.ident;
    let descriptor = format_ident!("__gmp_test_{}", name.unraw(), span = Span::call_site());
    let initializer = initializer(settings, attributes, function);
    let wrapper = &attributes.wrapper;
    let visibility = &function.visibility;
    let fn_token = &function.signature.fn_token;
    quote! {
        #[cfg(test)]
        #[allow(non_upper_case_globals, reason = "it is named after the function")]
        static #descriptor: #gmp::__private::Descriptor = { #initializer };

        #[::core::prelude::v1::test]
        #(#wrapper)*
        #visibility #fn_token #name() {
            #gmp::__private::run(&#descriptor);
        }

        #[cfg(test)]
        #gmp::__private::inventory::submit! { #gmp::__private::Submission(&#descriptor) }
    }
}

/// The descriptor's value, after the user's function.
fn initializer(settings: &Settings, attributes: &Sorted<'_>, function: &Function) -> TokenStream {
    let Settings { gmp, timeout, linger, clock, procs, ignore, severity, .. } = settings;
    let Settings { probe_cancel, expect_leak, explore, tokio, .. } = settings;
    let name = &function.signature.ident;
    // As the built-in harness prints it: `r#match` keeps its `r#`.
    let text = name.to_string();
    // The span decides what `line!()` says: the user's function, not the attribute.
    let file = quote_spanned!(name.span()=> ::core::file!());
    let line = quote_spanned!(name.span()=> ::core::line!());
    let body = body(gmp, function);
    let timeout = optional(timeout.map(duration));
    let linger = optional(linger.map(duration));
    let clock = match clock {
        None | Some(0) => quote!(Real),
        Some(1) => quote!(Virtual),
        Some(_) => quote!(VirtualIgnoringExternal),
    };
    let procs = procs.unwrap_or(1);
    let expect_leak = optional(expect_leak.as_ref().map(|leaks| {
        let leaks = leaks.iter().map(|leak| leak.to_tokens(gmp));
        quote!(&[#(#leaks),*])
    }));
    let explore = optional(explore.as_ref().map(|explore| explore.to_tokens(gmp)));
    let tokio = optional(tokio.as_ref().map(|tokio| tokio.to_tokens(gmp)));
    let should_panic = attributes.panics(gmp);
    let ignored = attributes.ignored();
    let own = &attributes.body;
    let unused_async = function
        .is_async()
        .then(|| quote!(#[allow(clippy::unused_async, reason = "a test need not wait")]));
    let bare = function.bare();
    quote! {
        #unused_async
        #(#own)*
        #bare

        #gmp::__private::Descriptor::new(#gmp::__private::Spec {
            module_path: ::core::module_path!(),
            name: #text,
            file: #file,
            line: #line,
            manifest_dir: ::core::option_env!("CARGO_MANIFEST_DIR"),
            body: #body,
            timeout: #timeout,
            linger: #linger,
            clock: #gmp::__private::Clock::#clock,
            procs: #procs,
            ignore_rules: &[#(#ignore),*],
            severities: &[#(#severity),*],
            probe_cancel: #probe_cancel,
            expect_leak: #expect_leak,
            explore: #explore,
            tokio: #tokio,
            should_panic: #should_panic,
            ignored: #ignored,
        })
    }
}

/// How the harness calls the user's function: through a function, which compiles faster than a
/// closure. A return type that is no outcome is reported at that type.
fn body(gmp: &Path, function: &Function) -> TokenStream {
    let output = function.output();
    let span = if output.is_empty() { function.signature.ident.span() } else { output.span() };
    let span = span.resolved_at(Span::call_site());
    let mut name = function.signature.ident.clone();
    name.set_span(span);
    let (variant, returns, call) = if function.is_async() {
        let boxed = quote_spanned!(span=> #gmp::__private::box_body(#name()));
        (
            quote!(Async),
            quote! {
                ::core::pin::Pin<::std::boxed::Box<
                    dyn ::core::future::Future<Output = #gmp::__private::Outcome>
                >>
            },
            boxed,
        )
    } else {
        let outcome = quote_spanned!(span=> #gmp::__private::outcome(#name()));
        (quote!(Sync), quote!(#gmp::__private::Outcome), outcome)
    };
    quote! {{
        #[allow(
            unreachable_code, clippy::diverging_sub_expression, clippy::large_futures,
            reason = "a body that returns `!` leaves nothing to do after it, and a large one is boxed as it is"
        )]
        fn __gmp_body() -> #returns { #call }
        #gmp::__private::Body::#variant(__gmp_body)
    }}
}

/// A duration as an expression for a constant.
fn duration(duration: Duration) -> TokenStream {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expands_to(options: TokenStream, item: TokenStream, expected: &TokenStream) {
        assert_eq!(expand(options, item).to_string(), expected.to_string());
    }

    #[test]
    fn a_macro_that_composes_runs_first_and_finds_ours_last() {
        expands_to(
            quote!(timeout = "5s"),
            quote! {
                #[ignore]
                #[rstest]
                #[case(1)]
                #[test]
                #[case(2)]
                pub async fn cases(#[case] number: u8) {}
            },
            &quote! {
                #[rstest]
                #[ignore]
                #[case(1)]
                #[case(2)]
                #[::gmp::test(timeout = "5s")]
                pub async fn cases(#[case] number: u8) {}
            },
        );
        expands_to(
            quote!(),
            quote!(
                #[test_log::test]
                fn logs() {}
            ),
            &quote!(
                #[test_log::test]
                #[::gmp::test]
                fn logs() {}
            ),
        );
    }

    #[test]
    fn an_item_that_is_no_function_survives_its_error() {
        let item = quote!(
            struct Case;
        );
        let expansion = expand(quote!(), item.clone()).to_string();
        assert!(expansion.contains("expected a function below"), "{expansion}");
        assert!(expansion.ends_with(&item.to_string()), "{expansion}");
    }

    #[test]
    fn a_wrong_option_leaves_the_function() {
        let expansion = expand(
            quote!(speed = 3),
            quote!(
                fn case() {
                    work();
                }
            ),
        )
        .to_string();
        assert!(expansion.contains("unknown option"), "{expansion}");
        let function = quote!(
            fn case() {
                work();
            }
        )
        .to_string();
        assert!(expansion.ends_with(&function), "{expansion}");
    }
}
