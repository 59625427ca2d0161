//! A whole cluster in one process: real sockets, real TLS, real journals, real cryptography.

mod caller;
mod cluster;
mod stories;
