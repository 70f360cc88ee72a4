//! Programs a newcomer runs first; each one is in this folder as an example target.
