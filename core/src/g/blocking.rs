//! Whether the code that runs inside a goroutine may block its thread: it said so, and the P is lent.

use core::cell::Cell;

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs `f` of [`while_allowed`].
pub(crate) fn is_allowed() -> bool {
    MAY_BLOCK.with(Cell::get)
}

/// Runs `f`, which may block the thread although a goroutine runs on it.
pub(crate) fn while_allowed<R>(f: impl FnOnce() -> R) -> R {
    struct Undo(bool);
    impl Drop for Undo {
        fn drop(&mut self) {
            MAY_BLOCK.with(|may| may.set(self.0));
        }
    }
    let _undo = Undo(MAY_BLOCK.with(|may| may.replace(true)));
    f()
}
