//! The street door: REST in, gRPC to the coordinators out.
//!
//! The gateway can only ask. It holds no share, names no engine and decides nothing about keys: it checks who
//! is there (certificate, token, role), carries signed requests on unchanged, and tells what came of them.
//! Every node verifies those requests itself, so a gateway that lies gets nothing signed.

pub mod access;
pub mod config;
mod coordinators;
mod events;
mod gate;
mod limits;
mod openapi;
mod present;
mod problem;
mod ready;
#[allow(unused_qualifications, reason = "the macros of utoipa write their traits in full")]
mod routes;
mod signed;
mod start;
mod state;
mod tokens;
mod trace;

pub use config::{GatewayConfig, Limits};
pub use openapi::document as openapi_document;
pub use start::{Gateway, GatewayError};
