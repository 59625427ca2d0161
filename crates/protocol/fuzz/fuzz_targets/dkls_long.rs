//! The messages of DKLs23 that are never short: chance would not reach the inside of one, so the input goes into a
//! valid one.
#![no_main]

use std::sync::LazyLock;

use keymoot_protocol::codec::{Wire, Writer};
use keymoot_protocol::dkls23::presign::{Extension, Product, Replies};
use keymoot_protocol::dkls23::setup::{Reply, Trees};
use keymoot_protocol::dkls23::{KAPPA, XI};
use libfuzzer_sys::fuzz_target;

/// The generator of ristretto255 (RFC 9496).
const ELEMENT: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
    0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

/// The point of secp256k1 with x = 1 and an even y.
const POINT: [u8; 33] = {
    let mut point = [0; 33];
    (point[0], point[32]) = (2, 1);
    point
};

static REPLY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    valid::<Reply>(|writer| writer.list(0..2 * KAPPA, |writer, _| writer.point_bytes(&ELEMENT)))
});

static TREES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    valid::<Trees>(|writer| {
        writer.list(0..KAPPA / 4, |writer, _| writer.bytes(&[1; 10 * 32]));
        (0..2).for_each(|_| writer.bytes(&[2; 32]));
    })
});

static EXTENSION: LazyLock<Vec<u8>> = LazyLock::new(|| {
    valid::<Extension>(|writer| {
        writer.bytes(&[3; 16 * 32 * 6]);
        writer.bytes(&[4; 16 * 2 * (KAPPA + 1)]);
    })
});

static PRODUCT: LazyLock<Vec<u8>> = LazyLock::new(|| valid::<Product>(product));

static REPLIES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    valid::<Replies>(|writer| {
        writer.list(0..1, |writer, _| {
            product(writer);
            (0..2).for_each(|_| writer.point_bytes(&POINT));
            writer.scalar_bytes(&[5; 32]);
        });
    })
});

fn valid<T: Wire>(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    assert!(T::decode(writer.as_bytes()).is_ok(), "chance would have to repair it first");
    writer.as_bytes().to_vec()
}

fn product(writer: &mut Writer) {
    writer.bytes(&[6; 3 * 32 * XI]);
    writer.scalar_bytes(&[7; 32]);
    writer.bytes(&[8; 32]);
}

/// A valid message with other bytes in one place. Whatever decodes is the one canonical encoding of what it decodes to.
fn canonical<T: Wire>(valid: &[u8], place: [u8; 2], other: &[u8]) {
    let place = usize::from(u16::from_le_bytes(place)) % valid.len();
    let mut bytes = valid.to_vec();
    bytes.iter_mut().skip(place).zip(other).for_each(|(old, new)| *old = *new);
    if let Ok(value) = T::decode(&bytes) {
        assert_eq!(value.encode().as_slice(), bytes);
    }
}

// The input says which message, where, and what.
fuzz_target!(|input: &[u8]| {
    let [which, low, high, other @ ..] = input else { return };
    let place = [*low, *high];
    match which % 5 {
        0 => canonical::<Reply>(&REPLY, place, other),
        1 => canonical::<Trees>(&TREES, place, other),
        2 => canonical::<Extension>(&EXTENSION, place, other),
        3 => canonical::<Product>(&PRODUCT, place, other),
        _ => canonical::<Replies>(&REPLIES, place, other),
    }
});
