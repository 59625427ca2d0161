//! All signatures of a payload: asked for, verified here, and put where the chain wants them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use keymoot_chains::{Kind, Signature, assemble};
use keymoot_wire::rest::{KeyView, SignatureView};

use crate::explain::VERIFY_FAILED;
use crate::failure::{Failure, Trouble};
use crate::proof::{Expected, Read};
use crate::remote::{Asked, Remote};

/// Signatures that verify, and the payload with them.
pub struct Signed {
    /// What the cluster said, one for each signature.
    pub answers: Vec<SignatureView>,
    /// As the scheme encodes it; for ECDSA with the recovery id.
    pub encoded: Vec<Vec<u8>>,
    /// As the chain or its wallets take it.
    pub bytes: Vec<u8>,
    /// From asking to having all.
    pub waited: Duration,
}

/// Has a payload signed that was read here.
pub async fn sign(remote: &Remote, key: &KeyView, read: &Read) -> Result<Signed, Failure> {
    let path = read.key.path().to_string();
    let asked = Asked { key, path: &path, kind: read.payload.kind().name(), payload: read.payload.bytes() };
    let count = u16::try_from(read.inspection.signings.len());
    let count = count.map_err(Failure::bug("a payload needs more signatures than can be numbered"))?;
    let begun = Instant::now();
    let answers = remote.sign_all(&asked, count).await?;
    let waited = begun.elapsed();
    let (encoded, bytes) = assembled(read, &answers)?;
    remote.has_signed(&asked, count);
    Ok(Signed { answers, encoded, bytes, waited })
}

/// Verifies every signature twice: with the library of the scheme, and by whoever puts them in place.
fn assembled(read: &Read, answers: &[SignatureView]) -> Result<(Vec<Vec<u8>>, Vec<u8>), Failure> {
    let (mut encoded, mut signatures) = (Vec::new(), Vec::new());
    for (signing, answer) in read.inspection.signings.iter().zip(answers) {
        let one = checked(answer, &Expected::of(signing))?;
        let bare = one.first_chunk::<64>().ok_or(Failure::Broken("a verified signature is too short"))?;
        signatures.push(Signature(*bare));
        encoded.push(one);
    }
    let bytes = assemble(&read.payload, &read.key, &signatures).map_err(|error| {
        let what = "the signatures of the cluster cannot be put into the payload";
        Trouble::new(VERIFY_FAILED, what).undone("nothing that is signed is shown").because(error)
    })?;
    Ok((encoded, bytes))
}

/// The signature in an answer, if it is one; a trouble otherwise.
pub fn checked(signed: &SignatureView, expected: &Expected) -> Result<Vec<u8>, Failure> {
    let encoded =
        signed.signature.as_ref().map(|signature| hex::decode(&signature.encoded).unwrap_or_default());
    match encoded {
        Some(encoded) if expected.verifies(&encoded) => Ok(encoded),
        Some(_) => {
            let what = format!("{} refuses the signature that the cluster gave", expected.library());
            Err(Trouble::new(VERIFY_FAILED, what)
                .undone("the signature is not shown")
                .request(&signed.id)
                .into())
        }
        None => {
            let what = "the service says that it is signed, and gives no signature";
            Err(Trouble::new(VERIFY_FAILED, what).undone("nothing is shown").request(&signed.id).into())
        }
    }
}

impl Signed {
    /// Everybody who has signed something of it.
    pub fn signers(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.answers.iter().flat_map(|answer| &answer.signers).collect();
        all.into_iter().cloned().collect()
    }
}

/// How signed bytes of a kind are written as text.
pub const fn encoding(kind: Kind) -> &'static str {
    match kind {
        Kind::BtcPsbt | Kind::BtcMessage | Kind::SolTx => "base64",
        Kind::EvmTx | Kind::EvmTypedData | Kind::EvmMessage | Kind::Message | Kind::RawDigest => "hex",
    }
}

/// The bytes as text: base64, or hexadecimal digits behind `0x`.
pub fn text(kind: Kind, bytes: &[u8]) -> String {
    match encoding(kind) {
        "base64" => Base64::encode_string(bytes),
        _ => format!("0x{}", hex::encode(bytes)),
    }
}
