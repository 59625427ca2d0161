//! Base oblivious transfers: one round, endemic (Masny and Rindal, eprint 2019/706), over ristretto255 (RFC 9496).
//!
//! The sender offers A = a·B. For each transfer with choice c the receiver draws r₁₋c uniformly and sends r₀, r₁ with
//! r_c = b·B − H(c, r₁₋c), where H is a random oracle into the group; so it knows the discrete logarithm behind one
//! side only. The keys are k_σ = KDF(a·(r_σ + H(σ, r₁₋σ))), of which the receiver can compute k_c = KDF(b·A).
//! Endemic means that a corrupt party may choose what it learns itself; whoever uses the keys tolerates that.
//!
//! The group is another one than the signatures' because it hashes to elements seven times as fast, and in constant
//! time; it has no cofactor and no second encoding to think about.

use std::collections::BTreeSet;

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::traits::IsIdentity;
use keymoot_types::{Party, Secret};
use rand_core::CryptoRngCore;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

use super::KAPPA;
use crate::codec::{Malformed, Reader, Writer};
use crate::transcript::oblivious::{BaseOt, BaseOtKey, BaseOtMask};
use crate::transcript::{Hash, Transcript};

/// Between whom a setup's transfers are made.
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) ssid: Hash,
    pub(super) sender: Party,
    pub(super) receiver: Party,
}

impl Link {
    const fn transfer(&self, number: u8, side: u8) -> BaseOt {
        BaseOt { ssid: self.ssid, sender: self.sender, receiver: self.receiver, number, side }
    }
}

/// A group element beside its only encoding. Never the identity when it comes from the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    point: RistrettoPoint,
    bytes: [u8; 32],
}

impl Element {
    /// The element, encoded.
    #[must_use]
    pub fn new(point: RistrettoPoint) -> Self {
        Self { point, bytes: point.compress().to_bytes() }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.point_bytes(&self.bytes);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes: [u8; 32] = reader.point_bytes()?.try_into().map_err(|_| Malformed::Point)?;
        let point = CompressedRistretto(bytes).decompress().ok_or(Malformed::Point)?;
        if point.is_identity() { Err(Malformed::Point) } else { Ok(Self { point, bytes }) }
    }
}

fn random(rng: &mut impl CryptoRngCore) -> Secret<Scalar> {
    let mut wide = Zeroizing::new([0u8; 64]);
    rng.fill_bytes(wide.as_mut());
    Secret::new(Scalar::from_bytes_mod_order_wide(&wide))
}

/// The sender's secret a, and its offer A.
pub(super) struct Offer {
    secret: Secret<Scalar>,
    pub(super) element: Element,
}

impl Offer {
    pub(super) fn draw(rng: &mut impl CryptoRngCore) -> Self {
        let secret = random(rng);
        let element = Element::new(secret.expose() * RISTRETTO_BASEPOINT_TABLE);
        Self { secret, element }
    }

    /// Both keys of every transfer.
    pub(super) fn keys(&self, link: Link, reply: &Reply) -> Vec<Secret<[[u8; 32]; 2]>> {
        let keys = reply.0.iter().zip(0u8..).map(|(pair, number)| {
            let [zero, one] = pair;
            let key = |side, own: &Element, other: &Element| {
                let place = link.transfer(number, side);
                let shared = (own.point + mask(place, other)) * self.secret.expose();
                key(place, &self.element, pair, &shared)
            };
            Secret::new([key(0, zero, one), key(1, one, zero)])
        });
        keys.collect()
    }
}

/// The receiver's two elements of every transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply(pub Vec<[Element; 2]>);

impl Reply {
    /// Whether no element occurs twice, and none is one of `offers`.
    pub(super) fn is_distinct(&self, offers: &[Element]) -> bool {
        let elements = self.0.as_flattened();
        let distinct: BTreeSet<_> = elements.iter().map(|element| element.bytes).collect();
        distinct.len() == elements.len() && !offers.iter().any(|offer| distinct.contains(&offer.bytes))
    }
}

/// The receiver's choices, and what they will yield.
pub(super) struct Replied {
    masks: Vec<Secret<Scalar>>,
    choices: Secret<u128>,
}

impl Replied {
    /// Answers with choice bits: bit i for transfer i.
    pub(super) fn draw(link: Link, choices: u128, rng: &mut impl CryptoRngCore) -> (Self, Reply) {
        let mut masks = Vec::with_capacity(KAPPA);
        let mut elements = Vec::with_capacity(KAPPA);
        for number in (0u8..).take(KAPPA) {
            let side = bit(choices, number);
            let own = random(rng);
            let other = Element::new(random(rng).expose() * RISTRETTO_BASEPOINT_TABLE);
            let hashed = mask(link.transfer(number, side), &other);
            let chosen = Element::new(own.expose() * RISTRETTO_BASEPOINT_TABLE - hashed);
            let swap = Choice::from(side);
            masks.push(own);
            elements.push([select(&chosen, &other, swap), select(&other, &chosen, swap)]);
        }
        (Self { masks, choices: Secret::new(choices) }, Reply(elements))
    }

    /// The key of the chosen side of every transfer.
    pub(super) fn keys(&self, link: Link, offer: &Element, reply: &Reply) -> Vec<Secret<[u8; 32]>> {
        let keys = self.masks.iter().zip(&reply.0).zip(0u8..).map(|((secret, pair), number)| {
            let place = link.transfer(number, bit(*self.choices.expose(), number));
            Secret::new(key(place, offer, pair, &(offer.point * secret.expose())))
        });
        keys.collect()
    }
}

fn key(place: BaseOt, offer: &Element, pair: &[Element; 2], shared: &RistrettoPoint) -> [u8; 32] {
    let reply = &pair.map(|element| element.bytes);
    let shared = &Zeroizing::new(shared.compress().to_bytes());
    *BaseOtKey { place, offer: &offer.bytes, reply, shared }.digest().as_bytes()
}

fn select(zero: &Element, one: &Element, which: Choice) -> Element {
    let mut bytes = zero.bytes;
    bytes.iter_mut().zip(one.bytes).for_each(|(byte, one)| byte.conditional_assign(&one, which));
    Element { point: RistrettoPoint::conditional_select(&zero.point, &one.point, which), bytes }
}

/// Bit `number` as data.
fn bit(bits: u128, number: u8) -> u8 {
    u8::from((bits >> number) & 1 == 1)
}

fn mask(place: BaseOt, other: &Element) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&BaseOtMask { place, other: &other.bytes }.uniform())
}
