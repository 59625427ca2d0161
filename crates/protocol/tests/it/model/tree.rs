//! The trees of "Pair setup", step 3: sixteen seeds from one root, of which the other side learns all but one.

use super::encode::Bytes32;
use super::hashes::{branch, domain, long, xor32};

/// Transfers of the extension that one tree serves, and levels below its root.
pub const LEVELS: usize = 4;

/// The four domains of a direction.
pub struct Domains {
    node: Bytes32,
    check: Bytes32,
    digest: Bytes32,
    leaf: Bytes32,
}

impl Domains {
    pub fn new(ssid: &Bytes32, sender: u16, receiver: u16) -> Self {
        let domain = |purpose| domain(purpose, ssid, Some((sender, receiver)));
        Self {
            node: domain("tree/node"),
            check: domain("tree/check"),
            digest: domain("tree/digest"),
            leaf: domain("tree/leaf"),
        }
    }

    fn check_of(&self, leaf: &Bytes32) -> Bytes32 {
        branch(&self.check, 0, leaf)
    }

    fn digest_of(&self, checks: &[Bytes32]) -> Bytes32 {
        long(&self.digest, 0, &checks.concat(), 32).try_into().unwrap()
    }

    fn seed_of(&self, leaf: &Bytes32) -> Bytes32 {
        branch(&self.leaf, 0, leaf)
    }
}

fn sum<'a>(all: impl IntoIterator<Item = &'a Bytes32>) -> Bytes32 {
    all.into_iter().fold([0; 32], |sum, one| xor32(&sum, one))
}

/// The seeds of all leaves, and the correction for the other side. `keys[l]` are those of level l.
pub fn plant(domains: &Domains, root: Bytes32, keys: &[[Bytes32; 2]; LEVELS]) -> (Vec<Bytes32>, Vec<u8>) {
    let (mut nodes, mut correction) = (vec![root], vec![]);
    for keys in keys {
        let side = |side: u32| nodes.iter().map(move |node| branch(&domains.node, side, node));
        for (b, key) in [0, 1].into_iter().zip(keys) {
            let children: Vec<_> = side(b).collect();
            correction.extend(xor32(&sum(&children), key));
        }
        nodes = side(0).zip(side(1)).flat_map(<[Bytes32; 2]>::from).collect();
    }
    let checks: Vec<_> = nodes.iter().map(|leaf| domains.check_of(leaf)).collect();
    correction.extend(sum(&checks));
    correction.extend(domains.digest_of(&checks));
    (nodes.iter().map(|leaf| domains.seed_of(leaf)).collect(), correction)
}

/// The seeds of all leaves but leaf `missing`. `keys[l]` is the one of level l, for the side beside the path.
pub fn rebuild(
    domains: &Domains,
    missing: usize,
    keys: &[Bytes32; LEVELS],
    correction: &[u8],
) -> Vec<Option<Bytes32>> {
    let parts: Vec<Bytes32> = correction.chunks(32).map(|part| part.try_into().unwrap()).collect();
    let mut nodes: Vec<Option<Bytes32>> = vec![None];
    for (level, key) in keys.iter().enumerate() {
        let path = missing >> (LEVELS - level);
        let beside = 1 - (missing >> (LEVELS - 1 - level) & 1);
        let mut children: Vec<Option<Bytes32>> = (0..2 * nodes.len())
            .map(|child| nodes[child / 2].map(|node| branch(&domains.node, child as u32 % 2, &node)))
            .collect();
        let known = children.iter().skip(beside).step_by(2).flatten();
        let lost = xor32(&sum(known), &xor32(&parts[2 * level + beside], key));
        children[2 * path + beside] = Some(lost);
        nodes = children;
    }
    let mut checks: Vec<_> =
        nodes.iter().map(|leaf| leaf.map_or([0; 32], |leaf| domains.check_of(&leaf))).collect();
    checks[missing] = xor32(&sum(&checks), &parts[2 * LEVELS]);
    assert_eq!(domains.digest_of(&checks), parts[2 * LEVELS + 1], "an honest tree is consistent");
    nodes.iter().map(|leaf| leaf.map(|leaf| domains.seed_of(&leaf))).collect()
}
