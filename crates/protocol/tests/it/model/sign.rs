//! `dkls23/sign` as one signer and the aggregator run it: "Signing" of dkls23.md.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use k256::elliptic_curve::ff::PrimeField;
use k256::elliptic_curve::scalar::IsHigh;
use k256::{ProjectivePoint, Scalar};
use sha2::Sha512;
use sha3::{Digest, Keccak256};

use super::encode::{Bytes32, Reader, bytes, compressed, list, party, point, scalar, text, uint};
use super::hashes::{challenge, digest, modulo_q};
use super::presign::Presigned;
use super::session::{ALL, Model, Session};

pub const ROUNDS: u8 = 2;

/// What is to be signed, under which key.
pub struct Request {
    /// Y.
    pub public: ProjectivePoint,
    pub chain_code: Bytes32,
    pub epoch: u64,
    pub path: Vec<u32>,
    pub payload: Vec<u8>,
}

impl Request {
    fn digest(&self) -> Bytes32 {
        Keccak256::digest(&self.payload).into()
    }

    /// ε: the sum of BIP-32's tweaks along the path.
    fn tweak(&self) -> Scalar {
        let (mut tweak, mut chain_code) = (Scalar::ZERO, self.chain_code);
        for step in &self.path {
            let parent = self.public + ProjectivePoint::GENERATOR * tweak;
            let mut mac = Hmac::<Sha512>::new_from_slice(&chain_code).expect("any key");
            mac.update(&compressed(&parent));
            mac.update(&step.to_be_bytes());
            let output = mac.finalize().into_bytes();
            let left: Bytes32 = output[..32].try_into().unwrap();
            tweak += Scalar::from_repr(left.into()).expect("a tweak below q");
            chain_code = output[32..].try_into().unwrap();
        }
        tweak
    }

    /// Y + ε·G.
    pub fn key(&self) -> ProjectivePoint {
        self.public + ProjectivePoint::GENERATOR * self.tweak()
    }

    /// `keymoot/dkls23/intent/v1`.
    pub fn intent(&self, presignature: &Bytes32) -> Bytes32 {
        let steps: Vec<_> = self.path.iter().map(|step| uint(u64::from(*step))).collect();
        let fields = [
            text("keccak256"),
            bytes(&self.digest()),
            list(&steps),
            uint(self.epoch),
            point(&self.key()),
            bytes(presignature),
        ];
        digest("keymoot/dkls23/intent/v1", &fields)
    }

    /// δ.
    fn shift(&self, session: &Session, presigned: &Presigned) -> Scalar {
        let signers: Vec<_> = session.participants.iter().map(|signer| party(*signer)).collect();
        let entropies: Vec<_> =
            session.participants.iter().map(|signer| session.body(0, *signer, ALL).to_vec()).collect();
        let fields = [
            bytes(&session.ssid()),
            bytes(&presigned.name),
            uint(self.epoch),
            list(&signers),
            point(&self.public),
            scalar(&self.tweak()),
            point(&self.key()),
            bytes(&self.digest()),
            point(&presigned.nonce),
            list(&entropies),
        ];
        challenge("keymoot/dkls23/rerandomise/v1", &fields)
    }

    /// R′.
    fn nonce(&self, session: &Session, presigned: &Presigned) -> ProjectivePoint {
        presigned.nonce + ProjectivePoint::GENERATOR * self.shift(session, presigned)
    }

    /// r ‖ s ‖ recovery id, from everybody's shares.
    pub fn signature(&self, session: &Session, presigned: &Presigned) -> Vec<u8> {
        let shares: BTreeMap<u16, (Scalar, Scalar)> = session
            .participants
            .iter()
            .map(|signer| {
                let mut reader = Reader(session.body(1, *signer, ALL));
                (*signer, (reader.scalar(), reader.scalar()))
            })
            .collect();
        let numerator: Scalar = shares.values().map(|(w, _)| *w).sum();
        let denominator: Scalar = shares.values().map(|(_, u)| *u).sum();
        let s = numerator * denominator.invert().unwrap();
        let flip = bool::from(s.is_high());
        let nonce = compressed(&self.nonce(session, presigned));
        let r = modulo_q(&nonce[1..]);
        let recovery = (nonce[0] & 1) ^ u8::from(flip) | if r.to_bytes()[..] == nonce[1..] { 0 } else { 2 };
        [r.to_bytes().to_vec(), if flip { -s } else { s }.to_bytes().to_vec(), vec![recovery]].concat()
    }
}

/// One signer.
pub struct Sign<'a> {
    pub request: &'a Request,
    pub presigned: Presigned,
}

impl Model for Sign<'_> {
    fn say(&mut self, round: u8, session: &Session) -> Vec<(u16, Vec<u8>)> {
        vec![(ALL, if round == 0 { bytes(&self.presigned.entropy) } else { self.share(session) })]
    }
}

impl Sign<'_> {
    fn share(&self, session: &Session) -> Vec<u8> {
        let (request, presigned) = (self.request, &self.presigned);
        let shift = request.shift(session, presigned);
        let r = modulo_q(&compressed(&request.nonce(session, presigned))[1..]);
        let m = modulo_q(&request.digest());
        let w = m * presigned.phi + r * (presigned.v + request.tweak() * presigned.phi);
        [scalar(&w), scalar(&(presigned.u + shift * presigned.phi))].concat()
    }
}
