//! Compiles the contract. protox reads the `.proto` files itself, so nobody has to install `protoc`.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 5] = ["common", "coordinator", "keys", "node", "registry"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = FILES.map(|name| format!("proto/mpc/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    // For reflection, byte for byte what the code is generated from.
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
