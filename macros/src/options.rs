//! Parses the options in the parentheses of an attribute: one grammar for all macros.

use std::ops::RangeInclusive;
use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Ident, Lit, LitStr, Path, Token, parenthesized, parse_quote};

use crate::duration;
use crate::errors::{Errors, did_you_mean};

/// An option that a macro knows, or a setting that an option knows.
pub(crate) struct Known {
    /// Its name.
    pub(crate) name: &'static str,
    /// How it is written, for messages.
    pub(crate) form: &'static str,
}

/// The option every macro has.
pub(crate) const CRATE: Known = Known { name: "crate", form: "crate = some::path" };

/// An option as the user gave it.
pub(crate) struct Given {
    name: Ident,
    known: &'static Known,
    value: Value,
}

enum Value {
    /// `name`
    Bare,
    /// `name = value`
    Assigned(Box<Expr>),
    /// `name(value, ..)`
    List(Punctuated<Expr, Token![,]>),
}

/// Reads the options; what is wrong with one of them goes to `errors`, the others are kept.
pub(crate) fn parse(
    tokens: TokenStream,
    known: &'static [Known],
    errors: &mut Errors,
) -> Vec<Given> {
    let mut given = Vec::new();
    let result = (|input: ParseStream<'_>| {
        while !input.is_empty() {
            if !input.peek(Ident::peek_any) {
                return Err(input.error(format!("expected an option\noptions: {}", forms(known))));
            }
            let name = Ident::parse_any(input)?;
            let value = Value::parse(input)?;
            add(name, value, known, &mut given, errors);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    })
    .parse2(tokens);
    errors.keep(result);
    given
}

/// Adds an option to `given` when it is known and new.
fn add(
    name: Ident,
    value: Value,
    known: &'static [Known],
    given: &mut Vec<Given>,
    errors: &mut Errors,
) {
    let word = name.to_string();
    let Some(known_as) = known.iter().find(|option| option.name == word) else {
        let near = did_you_mean(&word, known.iter().map(|option| option.name));
        let forms = forms(known);
        return errors.at(name, format!("unknown option `{word}`{near}\noptions: {forms}"));
    };
    if given.iter().any(|earlier| earlier.known.name == word) {
        return errors.at(name, format!("option `{word}` is given twice; keep one"));
    }
    given.push(Given { name, known: known_as, value });
}

fn forms(known: &[Known]) -> String {
    crate::errors::list(known.iter().map(|option| option.form))
}

impl Value {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Ok(Self::Assigned(input.parse()?))
        } else if input.peek(syn::token::Paren) {
            let list;
            parenthesized!(list in input);
            Ok(Self::List(Punctuated::parse_terminated(&list)?))
        } else {
            Ok(Self::Bare)
        }
    }
}

/// One setting of an option: `seed = 7`.
pub(crate) struct Setting<'a> {
    pub(crate) known: &'static Known,
    pub(crate) value: &'a Expr,
    /// All of it, for errors.
    pub(crate) whole: &'a Expr,
}

impl<'a> Setting<'a> {
    fn read(whole: &'a Expr, known: &'static [Known]) -> syn::Result<Self> {
        let wrong = |message: String| syn::Error::new_spanned(whole, message);
        let Expr::Assign(assign) = whole else {
            return Err(wrong(format!("expected a setting\nsettings: {}", forms(known))));
        };
        let given = match &*assign.left {
            Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        let given = given.ok_or_else(|| wrong(format!("expected one of {}", forms(known))))?;
        let Some(known) = known.iter().find(|setting| setting.name == given) else {
            let near = did_you_mean(&given, known.iter().map(|setting| setting.name));
            let forms = forms(known);
            return Err(wrong(format!("unknown setting `{given}`{near}\nsettings: {forms}")));
        };
        Ok(Self { known, value: ungrouped(&assign.right), whole })
    }
}

impl Given {
    /// The option's name.
    pub(crate) fn name(&self) -> &'static str {
        self.known.name
    }

    /// Where it is given.
    pub(crate) fn ident(&self) -> &Ident {
        &self.name
    }

    /// Whether the option has no value at all.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.value, Value::Bare)
    }

    /// The value of an option such as `crate = some::path`.
    pub(crate) fn path(&self) -> syn::Result<Path> {
        match self.assigned()? {
            Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
            other => Err(self.wrong(other, "a path without quotes")),
        }
    }

    /// The value of an option such as `linger = "100ms"`.
    pub(crate) fn duration(&self) -> syn::Result<Duration> {
        let text = self.string(self.assigned()?)?;
        duration::parse(&text.value()).map_err(|why| syn::Error::new(text.span(), why))
    }

    /// An option that takes no value, such as `probe_cancel`.
    pub(crate) fn flag(&self) -> syn::Result<bool> {
        match &self.value {
            Value::Bare => Ok(true),
            Value::Assigned(value) => Err(self.wrong(value, "no value")),
            Value::List(list) => Err(self.wrong(list, "no value")),
        }
    }

    /// The value of an option such as `timeout = "60s"`.
    pub(crate) fn duration_above_zero(&self) -> syn::Result<Duration> {
        let duration = self.duration()?;
        if duration.is_zero() {
            return Err(self.wrong(self.assigned()?, "a duration above zero"));
        }
        Ok(duration)
    }

    /// The value of an option such as `procs = 4`, which lies in `range`.
    pub(crate) fn number(&self, range: RangeInclusive<usize>) -> syn::Result<usize> {
        let (value, wanted) =
            (self.assigned()?, || format!("a number from {} to {}", range.start(), range.end()));
        let number = match value {
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
            _ => None,
        };
        number.filter(|number| range.contains(number)).ok_or_else(|| self.wrong(value, &wanted()))
    }

    /// The value of an option such as `clock = "virtual"`, one of `words`, by its number.
    pub(crate) fn word(&self, words: &[&str]) -> syn::Result<usize> {
        let text = self.string(self.assigned()?)?;
        let value = text.value();
        words.iter().position(|word| *word == value).ok_or_else(|| {
            let near = did_you_mean(&value, words.iter().copied());
            let (name, words) = (self.known.name, crate::errors::list(words.iter().copied()));
            syn::Error::new(text.span(), format!("`{value}` is no {name}{near}\nvalues: {words}"))
        })
    }

    /// The values of an option such as `ignore("rule", ..)`, at least one.
    pub(crate) fn strings(&self) -> syn::Result<Vec<LitStr>> {
        match &self.value {
            Value::List(list) if list.is_empty() => Err(self.incomplete("at least one string")),
            Value::List(list) => list.iter().map(|value| self.string(value)).collect(),
            Value::Bare => Err(self.incomplete("strings in parentheses")),
            Value::Assigned(value) => Err(self.wrong(value, "strings in parentheses")),
        }
    }

    /// The settings of an option such as `explore(seed = 7, ..)`, each once; none if it is bare.
    pub(crate) fn settings(&self, known: &'static [Known]) -> syn::Result<Vec<Setting<'_>>> {
        let list = match &self.value {
            Value::Bare => return Ok(Vec::new()),
            Value::List(list) => list,
            Value::Assigned(value) => return Err(self.wrong(value, "settings in parentheses")),
        };
        let mut settings: Vec<Setting<'_>> = Vec::new();
        for whole in list.iter().map(ungrouped) {
            let setting = Setting::read(whole, known)?;
            let name = setting.known.name;
            if settings.iter().any(|earlier| earlier.known.name == name) {
                let message = format!("setting `{name}` is given twice; keep one");
                return Err(syn::Error::new_spanned(whole, message));
            }
            settings.push(setting);
        }
        Ok(settings)
    }

    /// The values of an option such as `severity(GMP102 = "deny", ..)`, at least one.
    pub(crate) fn named_strings(&self) -> syn::Result<Vec<(Ident, LitStr)>> {
        let Value::List(list) = &self.value else {
            return Err(self.incomplete("settings in parentheses"));
        };
        if list.is_empty() {
            return Err(self.incomplete("at least one setting"));
        }
        let setting = |value: &Expr| match ungrouped(value) {
            Expr::Assign(setting) => match ungrouped(&setting.left) {
                Expr::Path(path) => {
                    Ok((path.path.require_ident()?.clone(), self.string(&setting.right)?))
                }
                other => Err(self.wrong(other, "a name before the `=`")),
            },
            other => Err(self.wrong(other, "settings in parentheses")),
        };
        list.iter().map(setting).collect()
    }

    fn assigned(&self) -> syn::Result<&Expr> {
        match &self.value {
            Value::Assigned(value) => Ok(ungrouped(value)),
            Value::Bare => Err(self.incomplete("a value")),
            Value::List(list) => Err(self.wrong(list, "a value after `=`")),
        }
    }

    fn string(&self, value: &Expr) -> syn::Result<LitStr> {
        match ungrouped(value) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
            other => Err(self.wrong(other, "a string literal")),
        }
    }

    fn wrong(&self, place: impl ToTokens, wanted: &str) -> syn::Error {
        // An empty list has no tokens to point at.
        let place = place.into_token_stream();
        let place = if place.is_empty() { self.name.to_token_stream() } else { place };
        syn::Error::new_spanned(place, self.wants(wanted))
    }

    fn incomplete(&self, wanted: &str) -> syn::Error {
        syn::Error::new(self.name.span(), self.wants(wanted))
    }

    fn wants(&self, wanted: &str) -> String {
        format!("option `{}` takes {wanted}; write `{}`", self.known.name, self.known.form)
    }
}

/// Looks through the invisible groups that surround what a `macro_rules!` macro passed on.
pub(crate) fn ungrouped(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

/// Where gmp is found when nothing else is said.
pub(crate) fn default_crate() -> Path {
    parse_quote!(::gmp)
}

/// An `Option` as an expression.
pub(crate) fn optional(value: Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
