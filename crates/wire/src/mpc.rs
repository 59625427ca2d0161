//! The contract between processes, generated from `proto/mpc/v1`. Its comments are there.

#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]

tonic::include_proto!("mpc.v1");

/// The version of the messages that cross a stream. Both sides say theirs; another one is refused.
pub const PROTOCOL_VERSION: u32 = 1;

/// All files of the contract, as a `FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
