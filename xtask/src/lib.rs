//! The chores of this repository, written in the language of the repository.
//!
//! Everything a contributor or CI runs is a subcommand here, so that there is one way to do each thing and no
//! shell script that drifts away from it. `verify` only reads the tree, `fix` rewrites it, and `test` is all
//! that CI runs. Knows nothing of the product's code beyond the names in its tables.

pub mod attacks;
pub mod bench;
pub mod cli;
pub mod clients;
pub mod coverage;
pub mod differential;
pub mod e2e;
pub mod finding;
pub mod fuzz;
pub mod gg20;
pub mod kernel;
pub mod layers;
pub mod libtest;
pub mod modules;
pub mod sim;
pub mod source;
pub mod suite;
pub mod tally;
pub mod test;
pub mod tidy;
pub mod tools;
pub mod tree;
pub mod verify;
pub mod workspace;
