//! gmp.
pub mod leak {
    //! leak
    pub mod verdict;
}
#[cfg(feature = "test")]
pub mod report;
