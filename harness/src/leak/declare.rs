//! Allow rules that libraries declare for goroutines which they start and keep on purpose.

use super::rules::{RuleError, Rules, Source};

/// One declaration, as [`declare!`](crate::leak::declare!) writes it down.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "written by the macro only; the names say it")]
pub struct Declared {
    pub rules: &'static str,
    pub reason: &'static str,
    pub package: &'static str,
    pub file: &'static str,
    pub line: u32,
}

inventory::collect!(Declared);

/// The rules of all libraries, and what is wrong with some.
pub(crate) fn rules() -> (Rules, Vec<RuleError>) {
    let (mut all, mut bad) = (Rules::default(), Vec::new());
    let mut declared: Vec<&Declared> = inventory::iter::<Declared>().collect();
    // The linker decides the order in which they come.
    declared.sort_by_key(|one| (one.package, one.file, one.line));
    for Declared { rules, reason, package, file, line } in declared {
        let source = format!("declared by {package} at {file}:{line}: {reason}");
        match Rules::parse(Source::named(source), rules) {
            Ok(rules) => all.extend(rules),
            Err(error) => bad.push(error),
        }
    }
    (all, bad)
}

/// Declares, in a library, which of its goroutines may outlive the tests of whoever uses it: allow
/// [rules](crate::leak::rules) and the reason.
///
/// The rules hold in every test binary that links the library, without a word from its users. What they
/// hid is told with the package and the reason. In a build without the feature `test` this is nothing.
///
/// ```
/// gmp::leak::declare!("created-by:my_pool::*", "its workers are kept for the next user");
/// # fn main() {}
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __leak_declare {
    ($rules:expr, $reason:expr $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::__private::Declared {
                rules: $rules,
                reason: $reason,
                package: ::core::env!("CARGO_PKG_NAME"),
                file: ::core::file!(),
                line: ::core::line!(),
            }
        }
    };
}
