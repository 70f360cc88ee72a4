//! What the test suites of gmp share.

/// The number of the line of `source` that ends with `// <marker>`.
///
/// # Panics
/// If there is no such line, or more than one.
pub fn line(source: &str, marker: &str) -> u32 {
    let marker = format!("// <{marker}>");
    let mut found = source.lines().zip(1..).filter(|(text, _)| text.ends_with(&marker));
    let (_, line) = found.next().unwrap_or_else(|| panic!("no line ends with {marker}"));
    assert!(found.next().is_none(), "two lines end with {marker}");
    line
}
