//! The text of whole tables, compared with the files in `golden/`. `UPDATE_GOLDEN=1` writes them anew.

use std::path::Path;

use gmp_core::inspect::{GoroutineId, Location, Operation, WaitReason};

use super::*;

/// A line of this file.
#[track_caller]
fn here() -> Location {
    core::panic::Location::caller()
}

/// The lines that the tables below show.
struct Lines {
    body: Location,
    lock: Location,
    long: Location,
    send: Location,
    close: Location,
}

fn lines() -> Lines {
    let body = here();
    let lock = here();
    let a_line_that_is_too_long_for_any_column_of_a_table_is_cut = here();
    let send = here();
    let close = here();
    let long = a_line_that_is_too_long_for_any_column_of_a_table_is_cut;
    Lines { body, lock, long, send, close }
}

#[track_caller]
fn check(name: &str, table: &Table, width: usize) {
    let text = table.render(&Style::plain().with_width(width));
    assert!(
        text.lines().all(|line| line == line.trim_end() && line.chars().count() <= width),
        "{text}"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/explore/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(text == expected.replace("\r\n", "\n"), "{name}: expected\n{expected}\ngot\n{text}");
}

fn row(column: impl Into<Option<u32>>, deed: Deed) -> Row {
    Row { column: column.into(), deed, forced: false }
}

fn does(column: u32, operation: Operation, at: Location, then: Then) -> Row {
    row(column, Deed::Does { operation, at: Some(at), then })
}

fn forced(row: Row) -> Row {
    Row { forced: true, ..row }
}

fn columns(many: u64, at: Location) -> Vec<Column> {
    (0..many).map(|i| Column { id: GoroutineId::from_u64(7 + i).unwrap(), at }).collect()
}

#[test]
fn a_table_has_a_heading_a_column_each_and_marks() {
    let Lines { body, lock, long, send, close } = lines();
    let mutex = Operation::Await(WaitReason::MutexLock);
    let rows = vec![
        does(0, Operation::Go, long, Then::On),
        does(0, mutex, lock, Then::On),
        forced(does(1, Operation::Await(WaitReason::ChanSend), send, Then::Waited)),
        row(None, Deed::Fires),
        forced(does(0, Operation::Unlock, lock, Then::On)),
        row(1, Deed::GoesOn(Some(send))),
        does(1, Operation::Close, close, Then::On),
        row(1, Deed::Panics),
        does(0, mutex, long, Then::Stuck),
    ];
    let table = Table { columns: columns(2, body), rows };
    check("two.txt", &table, 100);
    check("narrow.txt", &table, 60);
}

#[test]
fn who_has_no_column_is_in_brackets_and_the_middle_of_a_long_table_is_left_out() {
    let Lines { body, lock, send, .. } = lines();
    let mutex = Operation::Await(WaitReason::MutexLock);
    let mut rows: Vec<_> = (0..30)
        .flat_map(|_| [does(0, mutex, lock, Then::On), does(0, Operation::Unlock, lock, Then::On)])
        .collect();
    rows.push(does(4, mutex, lock, Then::Stuck));
    rows.extend((1..4).map(|g| does(g, Operation::Await(WaitReason::ChanSend), send, Then::On)));
    rows.push(row(3, Deed::Ends));
    let table = Table { columns: columns(5, body), rows };
    check("many.txt", &table, 60);
}
