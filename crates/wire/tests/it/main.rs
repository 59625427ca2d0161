//! What crosses the border of a process, over real sockets.

mod authority;
mod cluster;
mod grpc;
mod handshake;
mod reload;
mod scene;
mod token;
