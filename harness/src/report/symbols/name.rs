//! Makes demangled names readable: no closures of async functions, no generic arguments, no
//! `<T as Trait>` around a method.

/// The readable path of a full name; `None` if `raw` is only the last segment of one, as inlined
/// functions are called by line tables.
pub(super) fn tidy(raw: &str) -> Option<String> {
    let plain = without_generics(raw);
    let qualified = raw.starts_with('<') || plain.contains("::");
    let path = segments(&plain).join("::");
    (qualified && path.contains("::")).then_some(path)
}

/// The best name for a bare segment such as `{async_fn#0}<u8>` when the source is not there.
pub(super) fn bare(raw: &str) -> String {
    let plain = without_generics(raw);
    match plain.as_str() {
        "" => "unknown function".to_owned(),
        name if name.starts_with("{async_fn") => "async fn".to_owned(),
        name if name.starts_with("{async_block") => "async block".to_owned(),
        name if name.starts_with('{') => "closure".to_owned(),
        name => name.to_owned(),
    }
}

/// The segments of a path, without those that the compiler made up.
fn segments(path: &str) -> Vec<&str> {
    // `#[gmp::test]` puts the user's function into a static of that name.
    let shown = |part: &&str| {
        !part.is_empty() && !part.starts_with('{') && !part.starts_with("__gmp_test_")
    };
    path.split("::").filter(shown).collect()
}

/// Drops every `<..>`, except that a leading `<T as Trait>` becomes `T`.
pub(crate) fn without_generics(name: &str) -> String {
    match qualified_self(name) {
        Some((ty, rest)) => {
            let ty = ty.trim_start_matches(['&', '*', '(', ' ']);
            let ty = ["mut ", "const ", "dyn "].iter().fold(ty, |ty, p| ty.trim_start_matches(p));
            format!("{}{}", without_generics(ty), drop_brackets(rest))
        }
        None => drop_brackets(name),
    }
}

/// Splits `<T as Trait>::rest` into `T` and `::rest`.
fn qualified_self(name: &str) -> Option<(&str, &str)> {
    let inner = name.strip_prefix('<')?;
    let mut depth = 1usize;
    let mut previous = ' ';
    for (at, c) in inner.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if previous != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (ty, rest) = (&inner[..at], &inner[at + 1..]);
            return rest.starts_with("::").then(|| (before_as(ty), rest));
        }
        previous = c;
    }
    None
}

/// The part of `T as Trait` before the outermost ` as `.
fn before_as(text: &str) -> &str {
    let mut depth = 0usize;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if previous != '-' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && text[at..].starts_with(" as ") => return &text[..at],
            _ => {}
        }
        previous = c;
    }
    text
}

/// Drops every balanced `<..>`, and the `::` before it.
fn drop_brackets(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut depth = 0usize;
    let mut previous = ' ';
    for c in name.chars() {
        match c {
            '<' => depth += 1,
            '>' if previous != '-' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
        previous = c;
    }
    // `f::<T>::{closure}` leaves `f::::{closure}`.
    while out.contains("::::") {
        out = out.replace("::::", "::");
    }
    out.trim_end_matches("::").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(raw: &str) -> String {
        tidy(raw).unwrap_or_else(|| format!("bare {}", bare(raw)))
    }

    #[test]
    fn async_functions_lose_their_closures_and_generics() {
        assert_eq!(tidied("pool::next::{{closure}}"), "pool::next");
        assert_eq!(tidied("pool::next::{{closure}}::{{closure}}"), "pool::next");
        assert_eq!(tidied("pool::run::{async_fn#0}::{closure#1}"), "pool::run");
        assert_eq!(tidied("pool::run::<fn(u8) -> u8, T>::{closure#0}"), "pool::run");
        assert_eq!(tidied("pool::outer::{{closure}}::inner"), "pool::outer::inner");
    }

    #[test]
    fn a_method_of_a_trait_is_named_by_its_type() {
        assert_eq!(tidied("<pool::Leaf as core::future::Future>::poll"), "pool::Leaf::poll");
        assert_eq!(tidied("<pool::Pool<T>>::get::{{closure}}"), "pool::Pool::get");
        assert_eq!(tidied("<&mut a::B<C> as d::E<F>>::g"), "a::B::g");
        assert_eq!(tidied("<fn() -> u8 as a::B>::c"), "fn() -> u8::c");
        assert_eq!(tidied("<<a::B as c::D>::E as f::G>::h"), "a::B::E::h");
    }

    #[test]
    fn a_segment_alone_is_no_full_name() {
        assert_eq!(tidied("{async_fn#0}<u8>"), "bare async fn");
        assert_eq!(tidied("{async_block#0}"), "bare async block");
        assert_eq!(tidied("{closure#1}"), "bare closure");
        assert_eq!(tidied("poll<(), pool::f::{closure_env#1}>"), "bare poll");
        assert_eq!(tidied(""), "bare unknown function");
    }

    #[test]
    fn odd_names_never_panic() {
        for raw in ["<", "<>", "<a", ">>", "<<>::", "<a as >::b", "::", "é<ü> as ö"] {
            let _ = tidied(raw);
        }
    }
}
