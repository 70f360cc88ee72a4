//! Who could still release a stuck goroutine: what is proven, and what must never be.

mod cycles;
mod handles;
mod outside;
mod scopes;
mod support;
mod wakers;
