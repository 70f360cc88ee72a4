//! Behaviour of allow rules: how lists are read, what patterns match, what each kind looks at.

use core::time::Duration;
use std::path::PathBuf;

use gmp_core::inspect::{GoroutineId, PrimitiveId, PrimitiveKind, WaitReason};

use super::kind::Kind;
use super::matching::Pattern;
use super::{Rules, Source};
use crate::leak::code::Code;
use crate::leak::severity::Severity;
use crate::leak::verdict::Verdict;
use crate::report::finding::{Figure, Finding, Frame, Leftover, Primitive, SourceLine, Wait};

fn parse(text: &str) -> Rules {
    Rules::parse(Source::ENV, text).unwrap_or_else(|error| panic!("{error}"))
}

fn texts(text: &str) -> Vec<String> {
    parse(text).iter().map(|rule| rule.text().to_owned()).collect()
}

fn pattern(text: &str) -> Pattern {
    let rules = parse(text);
    assert_eq!(rules.rules.len(), 1, "{text} is one rule");
    rules.rules[0].pattern.clone()
}

fn line(file: &str, line: u32) -> SourceLine {
    SourceLine { file: PathBuf::from(file), line, column: 9 }
}

fn frame(function: &str, file: &str, at: u32) -> Frame {
    Frame { function: function.into(), at: Some(line(file, at)) }
}

fn wait(reason: WaitReason, kind: PrimitiveKind, created_at: SourceLine) -> Wait {
    let id = PrimitiveId::from_u64(3).expect("not zero");
    let primitive = Primitive { id, kind, created_at: Some(created_at), figure: Figure::None };
    Wait { reason, at: line("src/lib.rs", 40), primitive: Some(primitive) }
}

/// Two goroutines in a select between a channel and a context.
fn finding() -> Finding {
    Finding {
        code: Code::Select,
        severity: Severity::Deny,
        verdict: Verdict::Proven,
        reason: WaitReason::Select,
        count: 2,
        goroutines: vec![GoroutineId::from_u64(7).expect("not zero")],
        is_body: false,
        waited: Duration::from_secs(1),
        waits: vec![
            wait(WaitReason::ChanReceive, PrimitiveKind::Chan, line("src/pool.rs", 10)),
            wait(WaitReason::ContextDone, PrimitiveKind::Context, line("src/stop.rs", 20)),
        ],
        created_at: line("src/start.rs", 30),
        created_by: None,
        stacks: vec![
            vec![
                frame("my_crate::inner", "src/inner.rs", 1),
                frame("my_crate::outer", "src/outer.rs", 2),
            ],
            vec![frame("vendor::poll::<u8>", "/registry/vendor-1.0/src/poll.rs", 3)],
        ],
        notes: Vec::new(),
        ancestry: Vec::new(),
        followers: Vec::new(),
        waits_for: None,
        circle: None,
        context: None,
        probe: None,
        possible_holders: Vec::new(),
        is_task: false,
    }
}

fn hides(rules: &str) -> bool {
    parse(rules).hide("suite::the_test", &finding()).is_some()
}

#[test]
fn a_list_splits_at_commas_outside_brackets() {
    assert_eq!(texts("a, b ,c"), ["a", "b", "c"]);
    assert_eq!(texts("foo<[u8], T>,bar(a, b),{x,y}"), ["foo<[u8], T>", "bar(a, b)", "{x,y}"]);
    assert_eq!(texts("run<fn(u8, u8) -> u8, T>, b"), ["run<fn(u8, u8) -> u8, T>", "b"]);
    assert_eq!(texts(r"a\,b,c"), [r"a\,b", "c"]);
    assert_eq!(texts("[a,b],c"), ["[a,b]", "c"]);
    assert_eq!(texts(r"a\<,b"), [r"a\<", "b"]);
    assert_eq!(texts(""), [""; 0]);
    assert_eq!(texts(" , ,a,"), ["a"]);
}

#[test]
fn the_kind_stands_before_a_single_colon() {
    let kinds = |text: &str| parse(text).iter().map(|rule| rule.kind()).collect::<Vec<_>>();
    assert_eq!(kinds("foo::bar"), [Kind::Any]);
    assert_eq!(kinds("foo::bar:baz"), [Kind::Any]);
    assert_eq!(kinds("::foo"), [Kind::Any]);
    assert_eq!(kinds("{shim:vtable#0}"), [Kind::Any]);
    assert_eq!(kinds(r"top\:x"), [Kind::Any]);
    assert_eq!(kinds("top: foo::bar"), [Kind::Top]);
    assert_eq!(kinds(" file :src/a.rs:12"), [Kind::File]);
    assert_eq!(kinds("top::foo"), [Kind::Any]);
    for (name, expected) in Kind::NAMES.iter().map(|name| (name, Kind::named(name))) {
        assert_eq!(kinds(&format!("{name}:x")), [expected.expect("a known kind")]);
        assert_eq!(expected.expect("a known kind").to_string(), *name);
    }
}

#[test]
fn a_bad_rule_is_an_error_that_shows_the_position() {
    let cases = [
        ("top:[", 4..5, "`[` is never closed"),
        (r"top:[\]", 4..5, "`[` is never closed"),
        ("a, tpo:x", 3..6, "unknown rule kind `tpo`"),
        ("a, src/a.rs:12", 3..11, "unknown rule kind `src/a.rs`"),
        (":x", 0..1, "no rule kind before `:`"),
        ("a, top: ,b", 7..7, "no pattern after `top:`"),
        ("a<b", 1..2, "`<` is never closed"),
        ("a<(b", 2..3, "`(` is never closed"),
        ("ä>b", 2..3, "`>` closes nothing"),
        ("a]", 1..2, "`]` closes nothing"),
        ("<[a>]", 3..4, "`>` does not close `[`"),
        ("x[]", 1..3, "this class is empty"),
        ("x[!]", 1..4, "this class is empty"),
        ("x[z-a]", 2..5, "the range `z-a` runs backwards"),
        ("x[^a]", 1..3, "`[^` does not negate a class"),
        ("a\\", 1..2, "nothing follows the `\\`"),
        (r"file:src\a.rs", 8..10, "`\\a` is not an escape"),
    ];
    for (text, position, what) in cases {
        let error = Rules::parse(Source::ENV, text).expect_err(text);
        assert_eq!(error.position(), position, "{text}");
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("GMP_LEAK_IGNORE: {what}\n")), "{shown}");
    }
}

#[test]
fn an_error_shows_source_text_caret_and_cure() {
    let error = Rules::parse(Source::named("gmp-leak.toml"), "a::b,\ntpo:x").expect_err("bad kind");
    let kinds = "any, top, created-by, file, test, reason, chan, mutex, rwlock, waitgroup, cond, once, \
                 semaphore, singleflight, timer, ticker, context, goroutine, tcp, tcp-listener, udp, unix, \
                 unix-listener, pipe, process";
    assert_eq!(
        error.to_string(),
        format!(
            "gmp-leak.toml: unknown rule kind `tpo`\n    a::b, tpo:x\n          ^^^ \
             did you mean `top`? kinds: {kinds}; a `:` in a pattern is written `\\:`"
        )
    );
}

#[test]
fn a_pattern_without_wildcards_matches_whole_segments_at_either_end() {
    let path = "my_crate::pool::worker";
    for yes in ["my_crate::pool::worker", "worker", "pool::worker", "my_crate", "my_crate::pool"] {
        assert!(pattern(yes).matches_path(path), "{yes}");
    }
    for no in ["pool", "work", "orker", "crate::pool::worker", "my_crate::poo", "::worker", ""] {
        let words = Pattern::Words(no.into());
        assert!(!words.matches_path(path), "{no}");
    }
}

#[test]
fn a_pattern_with_a_wildcard_matches_the_whole_path() {
    let path = "my_crate::pool::worker_12";
    let all = ["*", "my_crate::*", "*::worker_??", "*[0-9]", "*_[!a-z]2", "my_c*pool*_1?"];
    for yes in all {
        assert!(pattern(yes).matches_path(path), "{yes}");
    }
    for no in ["worker_*", "*pool", "my_crate::?", "*[!0-9]", "?", "*worker_???", r"\*"] {
        assert!(!pattern(no).matches_path(path), "{no}");
    }
    assert!(pattern(r"a\*b").matches_path("a*b"));
    assert!(!pattern(r"a\*b").matches_path("axb"));
    assert!(pattern(r"x[\]\-a-]").matches_path("x-"));
    assert!(pattern(r"x[\]\-a-]").matches_path("x]"));
}

#[test]
fn generics_can_be_written_or_left_out() {
    let written = "my_crate::run::<[u8], core::option::Option<u8>>";
    assert!(pattern("my_crate::run::<[u8], core::option::Option<u8>>").matches_path(written));
    assert!(pattern("my_crate::run::<[u8], *>").matches_path(written));
    assert!(!pattern("my_crate::run::<[u8], u8>").matches_path(written));
    for path in [
        written,
        "my_crate::Pool<u8>::run",
        "<my_crate::Pool>::run::<u8>",
        "<my_crate::Pool<u8>>::run",
        "<my_crate::Pool as my_crate::Service<fn() -> u8>>::run",
        "<my_crate::Pool<<u8 as A>::B> as Service>::run",
    ] {
        assert!(pattern("run").matches_path(path), "{path}");
        assert!(pattern("my_crate").matches_path(path), "{path}");
        assert!(pattern("my_crate::*run").matches_path(path), "{path}");
        assert_eq!(pattern("Pool::run").matches_path(path), path != written, "{path}");
    }
    assert!(!pattern("Service::run").matches_path("<my_crate::Pool as Service>::run"));
    assert!(!pattern("Pool<u16>::run").matches_path("my_crate::Pool<u8>::run"));
    assert!(pattern("a::b").matches_path("a::b"));
    assert!(!pattern("a").matches_path("<<a"), "an unpaired bracket is left alone");
}

#[test]
fn each_kind_looks_at_its_own_part_of_a_finding() {
    let cases = [
        ("inner", true),
        ("any:outer", true),
        ("vendor::poll", true),
        ("src/inner.rs", false),
        ("top:inner", true),
        ("top:vendor::poll", true),
        ("top:outer", false),
        ("created-by:src/start.rs", true),
        ("created-by:start.rs:30", true),
        ("created-by:start.rs:30:9", true),
        ("created-by:start.rs:31", false),
        ("created-by:src/pool.rs", false),
        ("created-by:gmp::start", true),
        ("created-by:gmp::*", true),
        ("created-by:gmp::start::*", true),
        ("created-by:gmp::pool::*", false),
        ("file:outer.rs:2", true),
        ("file:/registry/*", true),
        ("file:src/lib.rs", true),
        ("file:src/start.rs", true),
        ("file:src", true),
        ("file:tart.rs", false),
        ("file:src/pool.rs", false),
        ("test:the_test", true),
        ("test:suite", true),
        ("test:suite::*", true),
        ("test:other", false),
        ("reason:select", true),
        ("reason:chan receive", true),
        ("reason:chan *", true),
        ("reason:chan", false),
        ("chan:src/pool.rs:10", true),
        ("chan:src/stop.rs", false),
        ("context:stop.rs", true),
        ("mutex:*", false),
    ];
    for (rule, expected) in cases {
        assert_eq!(hides(rule), expected, "{rule}");
    }
    assert!(!hides(""));
    assert!(hides("nothing, mutex:*, top:inner"));
}

#[test]
fn each_kind_of_primitive_looks_at_primitives_of_that_kind() {
    let kinds = || {
        Kind::NAMES.iter().filter_map(|name| match Kind::named(name) {
            Some(Kind::Primitive(kind)) => Some((*name, kind)),
            _ => None,
        })
    };
    assert_eq!(kinds().count(), Kind::NAMES.len() - 6);
    for (_, waits_on) in kinds() {
        let made_at = line("src/made.rs", 5);
        let waits = vec![wait(WaitReason::Select, waits_on, made_at)];
        let finding = Finding { waits, ..finding() };
        for (name, asked) in kinds() {
            let rules = parse(&format!("{name}:src/made.rs:5"));
            let hides = rules.hide("suite::the_test", &finding).is_some();
            assert_eq!(hides, asked == waits_on, "{name} on {waits_on:?}");
        }
        let elsewhere = parse(&format!("{}:src/made.rs:6", waits_on.as_str()));
        assert!(elsewhere.hide("suite::the_test", &finding).is_none());
    }
}

#[test]
fn the_documentation_knows_every_kind() {
    let module = include_str!("mod.rs");
    let grammar =
        module.split("//! kind    = ").nth(1).and_then(|rest| rest.split("pattern =").next());
    let table = module.split("//! # Kinds\n").nth(1).and_then(|rest| rest.split("//! # ").next());
    for name in Kind::NAMES {
        assert!(grammar.is_some_and(|text| text.contains(&format!("\"{name}\""))), "{name}");
        assert!(table.is_some_and(|text| text.contains(&format!("`{name}`"))), "{name}");
    }
}

#[test]
fn a_blocked_body_is_never_hidden() {
    let body = Finding { is_body: true, ..finding() };
    let rules = parse("*");
    assert!(rules.hide("t", &body).is_none());
    assert_eq!(rules.unused().iter().count(), 1);
}

#[test]
fn what_a_rule_hides_is_counted_and_idle_rules_are_named() {
    let mut rules = parse("top:inner, outer");
    rules.extend(
        Rules::parse(Source::named("library `vendor`"), "gone, vendor::*").expect("good rules"),
    );
    let of_one_test = rules.clone();
    let credited = of_one_test.hide("t", &finding()).expect("hidden");
    assert_eq!(credited.text(), "top:inner");
    assert_eq!(credited.report(2).rule, "top:inner");
    assert_eq!(credited.report(2).source, "GMP_LEAK_IGNORE");
    of_one_test.hide("t", &finding());
    assert_eq!(rules.iter().map(|rule| rule.hidden()).collect::<Vec<_>>(), [4, 0, 0, 0]);
    // `outer` and `vendor::*` match too: an earlier rule took the credit, but they are not idle.
    assert_eq!(rules.unused().to_string(), "allow rule `gone` (library `vendor`) never matched");
    assert!(!rules.unused().is_empty());
}

/// A small deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn text(&mut self, alphabet: &[char], longest: usize) -> String {
        let length = self.below(longest + 1);
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }

    /// A rule whose brackets are balanced.
    fn balanced(&mut self, depth: usize) -> String {
        let mut out = String::from("x");
        for _ in 0..self.below(4) {
            match self.below(if depth == 0 { 3 } else { 6 }) {
                0 => out.push('a'),
                1 => out.push_str("::é"),
                2 => out.push_str(r"\,\<\]"),
                3 => {
                    out += &format!("<{}, {}>", self.balanced(depth - 1), self.balanced(depth - 1))
                }
                4 => out += &format!("({}) -> u8", self.balanced(depth - 1)),
                _ => out += &format!("<[{},{}]>", self.balanced(depth - 1), self.balanced(0)),
            }
        }
        out
    }
}

#[test]
fn joined_rules_split_into_the_same_rules() {
    let mut random = Random(0x5eed);
    for _ in 0..5_000 {
        let count = random.below(5);
        let rules: Vec<String> = (0..count).map(|_| random.balanced(3)).collect();
        assert_eq!(texts(&rules.join(" , ")), rules);
    }
}

#[test]
fn escaped_text_matches_itself_and_nothing_else() {
    let alphabet: Vec<char> = r"ab,:<>()[]{}*?\!-^ é".chars().collect();
    let mut random = Random(0xe5ca);
    for _ in 0..5_000 {
        let text = format!("x{}", random.text(&alphabet, 8));
        let escape = |c: char| match c {
            'x' | 'a' | 'b' | 'é' => c.to_string(),
            _ => format!("\\{c}"),
        };
        let written: String = text.chars().map(escape).collect();
        assert!(pattern(&written).matches_whole(&text), "{written}");
        assert!(!pattern(&written).matches_whole(&format!("{text}a")), "{written}");
    }
}

#[test]
fn any_text_is_read_or_refused_with_a_position_inside_it() {
    let alphabet: Vec<char> = r"a,:<>()[]{}*?\!-^ é".chars().collect();
    let mut random = Random(0xbad);
    let mut refused = 0;
    for _ in 0..20_000 {
        let text = random.text(&alphabet, 12);
        if let Err(error) = Rules::parse(Source::ENV, &text) {
            refused += 1;
            assert!(text.get(error.position()).is_some(), "{text}: {:?}", error.position());
            assert!(error.to_string().contains(&text));
        }
    }
    assert!((5_000..20_000).contains(&refused), "{refused} of 20000 were refused");
}

/// Glob matching as one would define it: `*` tries every length.
fn matches_by_definition(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            (0..=text.len()).any(|taken| matches_by_definition(rest, &text[taken..]))
        }
        (['[', '!', 'a', ']', rest @ ..], [c, text @ ..]) => {
            *c != 'a' && matches_by_definition(rest, text)
        }
        (['?', rest @ ..], [_, text @ ..]) => matches_by_definition(rest, text),
        ([p, rest @ ..], [c, text @ ..]) => p == c && matches_by_definition(rest, text),
        _ => false,
    }
}

#[test]
fn the_glob_agrees_with_its_definition() {
    let mut random = Random(0x910b);
    let mut matched = 0;
    for _ in 0..50_000 {
        let written: String = (0..=random.below(6))
            .map(|_| ["a", "b", "é", "?", "*", "*", "[!a]"][random.below(7)])
            .collect();
        let text = random.text(&['a', 'b', 'é'], 8);
        let expected = matches_by_definition(
            &written.chars().collect::<Vec<_>>(),
            &text.chars().collect::<Vec<_>>(),
        );
        matched += usize::from(expected);
        assert_eq!(pattern(&written).matches_whole(&text), expected, "{written} on {text}");
    }
    assert!((5_000..45_000).contains(&matched), "{matched} of 50000 matched");
}

#[test]
fn many_runs_do_not_blow_up() {
    let written = "*a".repeat(40) + "b";
    assert!(!pattern(&written).matches_whole(&"a".repeat(20_000)));
}

/// Three mutexes of one line that were dropped while they were locked.
fn leftover() -> Leftover {
    Leftover {
        code: Code::ForgottenGuard,
        severity: Severity::Warn,
        id: PrimitiveId::from_u64(3).expect("not zero"),
        kind: PrimitiveKind::Mutex,
        created_at: line("src/pool.rs", 10),
        count: 3,
        amount: 1,
        is_alive: false,
        lines: vec![(line("src/count.rs", 20), 1)],
        held: Some((None, line("src/lock.rs", 30))),
        timer: None,
    }
}

#[test]
fn a_primitive_is_hidden_by_its_kind_its_lines_and_its_test() {
    let hides = |rules: &str| parse(rules).hide_leftover("suite::the_test", &leftover()).is_some();
    for rule in
        ["mutex:src/pool.rs", "mutex:pool.rs:10", "mutex:*", "file:pool.rs", "file:src/count.rs"]
    {
        assert!(hides(rule), "{rule}");
    }
    assert!(hides("file:lock.rs:30") && hides("test:suite::the_test"));
    for rule in ["rwlock:src/pool.rs", "mutex:src/lock.rs", "mutex:pool.rs:11", "test:other"] {
        assert!(!hides(rule), "{rule}");
    }
    // These speak of goroutines.
    assert!(!hides("*") && !hides("top:*") && !hides("created-by:*") && !hides("reason:*"));
}

#[test]
fn primitives_are_counted_apart_from_goroutines() {
    let rules = parse("file:src/none.rs, mutex:pool.rs, mutex:*, chan:src/pool.rs");
    rules.hide("suite::the_test", &finding()).expect("the channel");
    rules.hide_leftover("suite::the_test", &leftover()).expect("the mutex");
    let hid = |rule: &super::Rule| (rule.hidden(), rule.hidden_primitives());
    assert_eq!(rules.iter().map(hid).collect::<Vec<_>>(), [(0, 0), (0, 3), (0, 0), (2, 0)]);
    let unused = rules.unused();
    assert_eq!(unused.iter().map(|rule| rule.text()).collect::<Vec<_>>(), ["file:src/none.rs"]);
}
