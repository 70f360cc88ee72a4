//! Finds the function that a line of Rust source belongs to, with a scanner that only knows
//! comments, literals, braces and item headers.
//!
//! Release builds with `debug = "line-tables-only"` name an inlined async function `{async_fn#0}`;
//! the source is the only place that still knows its name.

/// The functions of one source file.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Functions in the order in which their headers appear.
    functions: Vec<Function>,
}

/// One function with a body.
#[derive(Debug)]
struct Function {
    /// Name with the inline modules, the `impl` type and the functions around it.
    path: String,
    /// Line of the `fn` keyword.
    first: u32,
    /// Line of the closing brace.
    last: u32,
}

/// What a brace opened.
enum Scope {
    /// A function: its index in the outline.
    Function(usize),
    /// A module, trait or impl block.
    Named,
    /// Any other block.
    Block,
}

/// An item header that waits for its brace.
enum Header {
    /// `fn name`, at this line.
    Function(String, u32),
    /// `mod name`, `trait name`.
    Named(String),
    /// `impl`: the text up to the brace is collected here.
    Impl(String),
}

impl Outline {
    /// Reads the outline of `text`.
    pub(crate) fn of(text: &str) -> Self {
        let mut builder = Builder::default();
        let mut scanner = Scanner { rest: text, line: 1 };
        while let Some((token, line)) = scanner.next() {
            builder.token(token, line);
        }
        let last = scanner.line;
        while let Some(scope) = builder.scopes.pop() {
            builder.close(&scope, last);
        }
        builder.outline
    }

    /// The path of the innermost function around `line`.
    pub(crate) fn function_at(&self, line: u32) -> Option<&str> {
        // An inner function's header comes after the outer one's.
        let mut around = self.functions.iter().filter(|f| f.first <= line && line <= f.last);
        around.next_back().map(|f| f.path.as_str())
    }
}

/// A token that matters.
enum Token<'a> {
    /// An identifier or keyword.
    Word(&'a str),
    /// Any other character outside comments and literals.
    Punct(char),
}

/// Cuts source text into tokens.
struct Scanner<'a> {
    /// What is still to be read.
    rest: &'a str,
    /// The line at the start of `rest`.
    line: u32,
}

impl<'a> Scanner<'a> {
    /// The next token and its line.
    fn next(&mut self) -> Option<(Token<'a>, u32)> {
        loop {
            let c = self.rest.chars().next()?;
            let line = self.line;
            if let Some(end) = self.skipped() {
                self.take(end.max(1));
            } else if c.is_alphabetic() || c == '_' {
                let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                return Some((Token::Word(self.take(end.unwrap_or(self.rest.len()))), line));
            } else {
                self.take(c.len_utf8());
                return Some((Token::Punct(c), line));
            }
        }
    }

    /// The length of the white space, comment, literal or number at the start of `rest`.
    fn skipped(&self) -> Option<usize> {
        let text = self.rest;
        let first = text.chars().next()?;
        if first.is_whitespace() || first.is_ascii_digit() {
            let more = |c: char| {
                if first.is_whitespace() { c.is_whitespace() } else { c.is_alphanumeric() }
            };
            return Some(text.find(|c| !more(c)).unwrap_or(text.len()));
        }
        if text.starts_with("//") {
            return Some(text.find('\n').unwrap_or(text.len()));
        }
        if text.starts_with("/*") {
            return Some(block_comment(text));
        }
        if first == '\'' {
            return char_literal(text);
        }
        let body = text.trim_start_matches(['b', 'c']);
        let prefix = text.len() - body.len();
        if prefix > 1 {
            return None;
        }
        if let Some(raw) = body.strip_prefix('r') {
            let hashes = raw.len() - raw.trim_start_matches('#').len();
            let inner = raw[hashes..].strip_prefix('"')?;
            let end = format!("\"{}", "#".repeat(hashes));
            let start = text.len() - inner.len();
            return Some(inner.find(&end).map_or(text.len(), |at| start + at + end.len()));
        }
        if body.starts_with('"') {
            return Some(prefix + quoted(body, b'"'));
        }
        if prefix == 1 && body.starts_with('\'') {
            return Some(1 + quoted(body, b'\''));
        }
        None
    }

    /// Moves past `len` bytes, counting lines.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(len);
        self.line += taken.bytes().filter(|b| *b == b'\n').count() as u32;
        self.rest = rest;
        taken
    }
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0usize, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a quoted literal that starts at the first byte.
fn quoted(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of a char literal, or of the lifetime that only looks like one.
fn char_literal(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(quoted(text, b'\''));
    }
    match chars.next() {
        Some((at, '\'')) => Some(at + 1),
        _ => {
            let end = text[1..].find(|c: char| !c.is_alphanumeric() && c != '_');
            Some(end.map_or(text.len(), |end| 1 + end))
        }
    }
}

/// Follows headers and braces.
#[derive(Default)]
struct Builder {
    outline: Outline,
    scopes: Vec<Scope>,
    /// Names of the named scopes that are open.
    path: Vec<String>,
    header: Option<Header>,
    /// The keyword before this token, if a name must follow.
    keyword: Option<&'static str>,
    /// Open round and square brackets.
    brackets: usize,
}

impl Builder {
    /// Takes the next token.
    fn token(&mut self, token: Token<'_>, line: u32) {
        if let (Some(Header::Impl(text)), false) =
            (&mut self.header, matches!(token, Token::Punct('{' | ';')))
        {
            match token {
                Token::Word(word) => {
                    if text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                        text.push(' ');
                    }
                    text.push_str(word);
                    if word == "for" {
                        text.push(' ');
                    }
                }
                Token::Punct(c) => text.push(c),
            }
            return;
        }
        match token {
            Token::Word(word) => self.word(word, line),
            Token::Punct(c) => {
                self.keyword = None;
                self.punct(c, line);
            }
        }
    }

    fn word(&mut self, word: &str, line: u32) {
        match self.keyword.take() {
            Some("fn") => self.header = Some(Header::Function(word.to_owned(), line)),
            Some(_) => self.header = Some(Header::Named(word.to_owned())),
            None => {
                let in_header = self.header.is_some() || self.brackets > 0 && word != "fn";
                match word {
                    "fn" => self.keyword = Some("fn"),
                    "mod" if !in_header => self.keyword = Some("mod"),
                    "trait" if !in_header => self.keyword = Some("trait"),
                    "impl" if !in_header => self.header = Some(Header::Impl(String::new())),
                    _ => {}
                }
            }
        }
    }

    fn punct(&mut self, c: char, line: u32) {
        match c {
            '(' | '[' => self.brackets += 1,
            ')' | ']' => self.brackets = self.brackets.saturating_sub(1),
            ';' if self.brackets == 0 => self.header = None,
            '{' => self.open(),
            '}' => {
                if let Some(scope) = self.scopes.pop() {
                    self.close(&scope, line);
                }
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        let name = match self.header.take() {
            None => return self.scopes.push(Scope::Block),
            Some(Header::Function(name, first)) => {
                let mut path = self.path.join("::");
                if !path.is_empty() {
                    path.push_str("::");
                }
                path.push_str(&name);
                self.scopes.push(Scope::Function(self.outline.functions.len()));
                self.outline.functions.push(Function { path, first, last: first });
                name
            }
            Some(Header::Named(name)) => {
                self.scopes.push(Scope::Named);
                name
            }
            Some(Header::Impl(text)) => {
                self.scopes.push(Scope::Named);
                impl_type(&text)
            }
        };
        self.path.push(name);
    }

    fn close(&mut self, scope: &Scope, line: u32) {
        match scope {
            Scope::Block => {}
            Scope::Named => {
                self.path.pop();
            }
            Scope::Function(index) => {
                self.path.pop();
                self.outline.functions[*index].last = line;
            }
        }
    }
}

/// The name of the type of an impl block, without generics: `<T> Tr for a::Vec<T>` gives `Vec`.
fn impl_type(header: &str) -> String {
    let plain = super::symbols::without_generics(header);
    let plain = plain.rsplit_once("for ").map_or(&*plain, |(_, ty)| ty);
    let plain = plain.split_once("where ").map_or(plain, |(ty, _)| ty);
    let name = plain.rsplit("::").next().unwrap_or(plain);
    name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::Outline;

    const TEXT: &str = r####"
// fn comment() {
/* fn a() { /* nested */ { */
static S: &str = "fn quoted() {";
static R: &str = r#"fn raw() { " "#;
async fn plain<'a, T>(x: &'a T, f: fn(u8) -> u8) -> impl Future<Output = [u8; 4]> {
    let c = '{'; let q = '\''; let b = b'{'; let n = 1.0e3;
    go(async move {
        inner(
            1,
        ).await
    });
    fn nested() {
        one();
    }
    two();
}
mod tests {
    impl<T: Into<u8>> super::Tr for Vec<T> where T: Clone {
        fn declared(&self);
        async fn method(&self) -> u8 {
            match 1 { _ => {} }
            3
        }
    }
    trait Tr { fn required(&self); fn provided(&self) {
        4
    } }
}
macro_rules! m { ($name:ident) => { fn $name() { body() } } }
"####;

    fn at(needle: &str) -> Option<String> {
        let line = TEXT.lines().position(|l| l.contains(needle)).unwrap() + 1;
        Outline::of(TEXT).function_at(line as u32).map(str::to_owned)
    }

    #[test]
    fn the_innermost_function_is_found_through_literals_blocks_and_impls() {
        assert_eq!(at("fn nested()").as_deref(), Some("plain::nested"));
        assert_eq!(at("one();").as_deref(), Some("plain::nested"));
        assert_eq!(at("inner(").as_deref(), Some("plain"));
        assert_eq!(at("two();").as_deref(), Some("plain"));
        assert_eq!(at("match 1").as_deref(), Some("tests::Vec::method"));
        assert_eq!(at("        4").as_deref(), Some("tests::Tr::provided"));
        assert_eq!(at("fn declared"), None);
        assert_eq!(at("static R"), None);
        assert_eq!(at("macro_rules"), None);
    }

    #[test]
    fn broken_text_never_panics() {
        let cuts: Vec<usize> = TEXT.char_indices().map(|(at, _)| at).collect();
        for cut in cuts {
            let _ = Outline::of(&TEXT[cut..]);
            let _ = Outline::of(&TEXT[..cut]);
        }
        let _ = Outline::of("'\\\u{e9}'\"\\é");
    }
}
