//! The panics that ended goroutines of a watched scope, until a join handle receives them.

use std::collections::HashMap;

use super::{GoroutineId, Location};
use crate::sys::Lock;

/// Panics whose text is kept.
const TEXTS: usize = 1_000;
/// The longest text that is kept.
const LENGTH: usize = 16 << 10;
/// What stands for the text of one more.
const NOT_KEPT: &str = "(so many panicked that its text was not kept)";

/// A panic that ended a goroutine.
#[derive(Clone, Debug)]
pub struct PanicNote {
    /// The goroutine.
    pub goroutine: GoroutineId,
    /// Where it was started.
    pub created_at: Location,
    /// The message; of the first thousand, and at most 16 KiB of it.
    pub message: String,
}

/// The panics of a scope.
#[derive(Default)]
pub(super) struct Panics(Lock<Notes>);

#[derive(Default)]
struct Notes {
    known: HashMap<GoroutineId, Noted>,
    /// All that were ever noted.
    noted: u64,
    /// Texts that are kept.
    texts: usize,
}

/// One of them, without its goroutine.
struct Noted {
    number: u64,
    created_at: Location,
    text: Option<String>,
}

impl Panics {
    pub(super) fn note(&self, note: PanicNote) {
        let PanicNote { goroutine, created_at, message: mut text } = note;
        if text.len() > LENGTH {
            let end = (0..=LENGTH).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
            text.shrink_to_fit();
        }
        let mut notes = self.0.lock();
        let text = (notes.texts < TEXTS).then_some(text);
        notes.texts += usize::from(text.is_some());
        notes.noted += 1;
        let number = notes.noted;
        notes.known.insert(goroutine, Noted { number, created_at, text });
    }

    /// A join handle received the panic of this goroutine, if it panicked.
    pub(super) fn handled(&self, id: GoroutineId) {
        let mut notes = self.0.lock();
        if let Some(noted) = notes.known.remove(&id) {
            notes.texts -= usize::from(noted.text.is_some());
        }
    }

    /// Those that nobody received, oldest first.
    pub(super) fn all(&self) -> Vec<PanicNote> {
        let notes = self.0.lock();
        let mut all: Vec<_> = notes.known.iter().collect();
        all.sort_unstable_by_key(|(_, noted)| noted.number);
        let note = |(id, noted): (&GoroutineId, &Noted)| PanicNote {
            goroutine: *id,
            created_at: noted.created_at,
            message: noted.text.as_deref().unwrap_or(NOT_KEPT).to_owned(),
        };
        all.into_iter().map(note).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::panic::Location as Panic;

    fn note(panics: &Panics, id: u64, text: &str) {
        let goroutine = GoroutineId::from_u64(id).expect("not zero");
        let (created_at, message) = (Panic::caller(), text.to_owned());
        panics.note(PanicNote { goroutine, created_at, message });
    }

    #[test]
    fn a_hundred_thousand_are_counted_and_a_thousand_texts_are_kept() {
        let panics = Panics::default();
        (1..=100_000).for_each(|id| note(&panics, id, "the text"));
        let all = panics.all();
        assert_eq!(all.len(), 100_000);
        assert!(all.iter().zip(1..).all(|(note, id)| note.goroutine.get() == id));
        assert_eq!(all.iter().filter(|note| note.message == "the text").count(), TEXTS);
        // Whoever is received makes room, and costs no search.
        (1..=100_000).filter_map(GoroutineId::from_u64).for_each(|id| panics.handled(id));
        assert!(panics.all().is_empty());
        note(&panics, 1, "once more");
        assert_eq!(panics.all()[0].message, "once more");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let panics = Panics::default();
        note(&panics, 1, &format!("a{}", "\u{e9}".repeat(LENGTH)));
        assert_eq!(panics.all()[0].message.len(), LENGTH - 1);
    }
}
