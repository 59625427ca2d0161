//! `keymoot debug`: tools for whoever looks for a cause.

mod replay;

pub use replay::replay;
