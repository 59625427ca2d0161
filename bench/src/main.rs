//! What the protocols cost in CPU time and bytes, beside what others take for the same work in the same run.
//!
//! All parties of a case run one after the other on one thread, so its CPU time is that of all parties together.
//! Medians are printed; a peer's measurement alternates with ours, so that a machine whose speed drifts slows both.

mod dkg;
mod dkls;
mod frost;
mod gg20;
mod measure;
mod peer;
mod peer_cggmp24;
mod peer_dkls23;
mod world;

use anyhow::Result;
use clap::{Parser, Subcommand};
use keymoot_protocol::curve::{Ed25519, Secp256k1};

use measure::Bench;

#[derive(Parser)]
#[command(about = "Measures the protocols of Keymoot")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Key generation and signing, in one process without a network.
    Protocol {
        /// Run peers on the same work too.
        #[arg(long)]
        peers: bool,
        /// Only cases whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

/// The committees of every case.
const SIZES: [(u16, u16); 2] = [(2, 3), (7, 12)];

fn main() -> Result<()> {
    let What::Protocol { peers, only, json } = Arguments::parse().what;
    let bench = Bench::new(peers, only, json);
    for (needed, total) in SIZES {
        dkg::run::<Secp256k1>(&bench, needed, total)?;
        dkg::run::<Ed25519>(&bench, needed, total)?;
    }
    for (needed, total) in SIZES {
        frost::run::<Secp256k1>(&bench, needed, total)?;
        frost::run::<Ed25519>(&bench, needed, total)?;
    }
    dkls::run(&bench)?;
    gg20::run(&bench)?;
    bench.finish()
}
