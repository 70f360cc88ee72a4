//! What the test suites of gmp share.
