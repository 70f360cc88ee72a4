//! The context of a test, which is cancelled when its body ends.

use gmp_core::runtime::Scope;

/// Cancels the context of the test that owns `scope`, if it was asked for.
pub(crate) fn cancel(_scope: &Scope) {}
