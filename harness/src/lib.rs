//! gmp.
pub mod leak {
    //! leak
    pub mod verdict;
}
pub mod report {
    //! report
    pub mod finding;
}
