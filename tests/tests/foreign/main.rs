//! Goroutines that wait inside futures of other crates: what the report shows of them, and that looking
//! changes nothing.

mod stuck;
mod traced;
