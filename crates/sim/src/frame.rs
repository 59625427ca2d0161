//! What a seed makes of the world: how many there are of everybody, who lies, and how bad the weather is.

use keymoot_types::{Scheme, Threshold};

use crate::chance::Chance;

/// Milliseconds of virtual time.
pub type Time = u64;

/// A world's frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Where all chance comes from.
    pub seed: u64,
    /// How many nodes, and how many of them sign.
    pub threshold: Threshold,
    /// How many coordinators.
    pub coordinators: u16,
    /// Places of the nodes that lie.
    pub liars: Vec<usize>,
    /// Whether the liars are honest until the first keys are made.
    pub liars_wait: bool,
    /// Whether the liars keep to everything but the checks that depend on others' secrets: only so are they banned.
    pub liars_spoil: bool,
    /// The coordinator that has been stolen.
    pub stolen: Option<u16>,
    /// Keys that are asked for.
    pub keys: Vec<Scheme>,
    /// Whether nodes serve GG20, and have its moduli made.
    pub serves_gg20: bool,
    /// The one that does not, if there is one.
    pub sceptic: Option<usize>,
    /// Signatures that are asked for.
    pub signatures: u64,
    /// When all faults end.
    pub heal_at: Time,
    /// The network.
    pub net: Weather,
    /// Everything else that goes wrong, in parts of a thousand for each occasion.
    pub faults: Faults,
}

/// How the network is, in parts of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Lost.
    pub loss: u32,
    /// Delivered twice.
    pub twice: u32,
    /// The shortest way, in milliseconds.
    pub near: Time,
    /// The longest way.
    pub far: Time,
    /// Something takes ten times as long.
    pub slow: u32,
}

/// How often things break: mean milliseconds between two of a kind; 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A process dies.
    pub crash: Time,
    /// A process dies in the middle of doing what it decided.
    pub crash_midway: Time,
    /// A process stands still for a while.
    pub pause: Time,
    /// A line between two is cut, one way or both.
    pub cut: Time,
    /// One is cut off from everybody, bit by bit, and joined again bit by bit.
    pub swizzle: Time,
    /// A disk refuses to sync, in parts of a thousand writes.
    pub fsync: u32,
    /// A disk is full for a while.
    pub full: Time,
    /// A bit on a disk turns over.
    pub flip: Time,
    /// A clock jumps.
    pub jump: Time,
    /// The store of the coordinators does not answer for a while.
    pub outage: Time,
    /// A client is taken off the document for a while.
    pub document: Time,
    /// A worker dies with its job, in parts of a thousand jobs.
    pub job: u32,
    /// An old copy of a journal is put back.
    pub rollback: Time,
}

/// How a world may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// This many nodes; drawn if `None`.
    pub nodes: Option<u16>,
    /// Fewer requests, for cryptography that takes its time.
    pub small: bool,
}

impl Frame {
    /// The frame of a seed.
    #[must_use]
    pub fn draw(seed: u64, shape: Shape) -> (Self, Chance) {
        let mut chance = Chance::new(seed);
        let total = shape.nodes.unwrap_or_else(|| chance.between(3, 7) as u16);
        let needed = chance.between(2, u64::from(total.div_ceil(2) + 1).min(u64::from(total))) as u16;
        let threshold = Threshold::new(needed, total).unwrap_or_else(|_| fallback());
        let coordinators = chance.between(1, 3) as u16;
        let stolen =
            (chance.happens(250) && coordinators > 1).then(|| chance.below(u64::from(coordinators)) as u16);
        let lying = chance.happens(250);
        // So many that the honest are still enough.
        let most = u64::from(needed - 1).min(u64::from(total - needed));
        let count = if lying && most > 0 { chance.between(1, most) } else { 0 };
        let liars = draw_places(u64::from(total), count, &mut chance);
        let mut keys: Vec<Scheme> =
            (0..chance.between(1, 2)).filter_map(|_| chance.pick(&Scheme::USUAL).copied()).collect();
        let liars_spoil = count > 0 && chance.happens(400);
        if liars_spoil && !keys.contains(&Scheme::Dkls23) {
            keys.push(Scheme::Dkls23);
        }
        let signatures = if shape.small { chance.between(2, 4) } else { chance.between(6, 16) };
        let calm = chance.happens(150);
        let heal_at = chance.between(12_000, 30_000);
        let (net, faults) =
            if calm { (fair(), Faults::default()) } else { (net(&mut chance), faults(&mut chance)) };
        let liars_wait = liars_spoil || chance.happens(600);
        let serves_gg20 = chance.happens(300);
        let sceptic = (serves_gg20 && chance.happens(150)).then(|| chance.below(u64::from(total)) as usize);
        if serves_gg20 && sceptic.is_none() {
            keys.push(Scheme::Gg20);
        }
        let frame = Self {
            serves_gg20,
            sceptic,
            seed,
            threshold,
            coordinators,
            liars,
            liars_wait,
            liars_spoil,
            stolen,
            keys,
            signatures,
            heal_at,
            net,
            faults,
        };
        (frame, chance)
    }

    /// Nobody serves GG20, and nobody asks for it.
    pub fn leave_gg20_out(&mut self) {
        (self.serves_gg20, self.sceptic) = (false, None);
        self.keys.retain(|scheme| *scheme != Scheme::Gg20);
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        usize::from(self.threshold.total())
    }

    /// How many sign.
    #[must_use]
    pub fn needed(&self) -> usize {
        usize::from(self.threshold.needed())
    }
}

fn fallback() -> Threshold {
    match Threshold::new(2, 3) {
        Ok(threshold) => threshold,
        Err(_) => unreachable!("2-of-3 is a threshold"),
    }
}

fn draw_places(total: u64, count: u64, chance: &mut Chance) -> Vec<usize> {
    let mut places: Vec<usize> = (0..total as usize).collect();
    (0..count).map(|_| places.swap_remove(chance.below(places.len() as u64) as usize)).collect()
}

/// A network on a good day.
#[must_use]
pub const fn fair() -> Weather {
    Weather { loss: 0, twice: 0, near: 1, far: 10, slow: 0 }
}

fn net(chance: &mut Chance) -> Weather {
    let some =
        |chance: &mut Chance, most: u64| if chance.happens(500) { chance.between(0, most) as u32 } else { 0 };
    Weather {
        loss: some(chance, 300),
        twice: some(chance, 500),
        near: 1,
        far: chance.between(5, 200),
        slow: some(chance, 100),
    }
}

fn faults(chance: &mut Chance) -> Faults {
    let mut mean = |low: u64, high: u64| if chance.happens(500) { chance.between(low, high) } else { 0 };
    Faults {
        crash: mean(1_000, 8_000),
        crash_midway: mean(1_000, 8_000),
        pause: mean(2_000, 10_000),
        cut: mean(1_000, 8_000),
        swizzle: mean(4_000, 12_000),
        fsync: mean(1, 20) as u32,
        full: mean(4_000, 15_000),
        flip: mean(10_000, 60_000),
        jump: mean(3_000, 12_000),
        outage: mean(4_000, 12_000),
        document: mean(5_000, 15_000),
        job: if chance.happens(200) { chance.between(1, 100) as u32 } else { 0 },
        rollback: if chance.happens(100) { 20_000 } else { 0 },
    }
}
