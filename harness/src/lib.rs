//! gmp.
pub mod leak {
    //! leak
    #[cfg(feature = "test")]
    pub mod rules;
    pub mod verdict;
}
#[cfg(feature = "test")]
pub mod report;
#[cfg(feature = "test")]
pub mod settings;

#[cfg(feature = "test")]
pub use gmp_macros::{main, test};
