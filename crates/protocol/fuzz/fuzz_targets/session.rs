//! A whole session: anything may arrive, signed by a corrupt member or not.
#![no_main]

use std::sync::{Arc, LazyLock};

use keymoot_protocol::abort::Abort;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::{Committee, Context};
use keymoot_protocol::curve::Secp256k1;
use keymoot_protocol::dkg::{self, Dkg};
use keymoot_protocol::envelope::{Envelope, Header, Kind};
use keymoot_protocol::evidence::judge;
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::session::{Advance, Session};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{GroupId, KeyId, Millis, Party, Scheme, SessionId, Threshold};
use libfuzzer_sys::fuzz_target;
use rand_chacha::rand_core::SeedableRng;

struct World {
    context: Arc<Context>,
    keys: [Arc<IdentityKey>; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let threshold = Threshold::new(2, 2).expect("2-of-2");
    let keys = [1, 2].map(|seed| Arc::new(IdentityKey::from_seed([seed; 32])));
    let members = threshold.parties().zip(&keys).map(|(party, key)| (party, key.public())).collect();
    let context = {
        let committee =
            Arc::new(Committee::new(GroupId::new([1; 16]), threshold, members).expect("a committee"));
        dkg::context(committee, Scheme::FrostTaproot, KeyId::new([2; 16]), SessionId::new([0; 16]))
    };
    World { context: Arc::new(context), keys }
});

// The input is a script: each step says how to address an envelope of party 2, and what to put in it.
fuzz_target!(|script: &[u8]| {
    let (me, liar) = (Party::new(1).expect("1"), Party::new(2).expect("2"));
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let opening =
        Dkg::<Secp256k1>::start(Arc::clone(&WORLD.context), me, Arc::clone(&WORLD.keys[0]), &mut rng);
    let mut now = Session::open(opening.expect("a legal start"), Millis(1));
    for step in script.chunks(40) {
        let Advance::Waiting { session, .. } = now else { break };
        let (how, content) = step.split_first().expect("chunks are not empty");
        if how & 0x80 != 0 {
            now = session.deliver(content);
            continue;
        }
        let body = if how & 0x40 != 0 {
            [&[1, 32, 0, 0, 0, 0, 0, 0, 0], [*how; 32].as_slice()].concat()
        } else {
            content.to_vec()
        };
        let named = if how & 0x07 == 0 { None } else { session.ssid() };
        let header = Header {
            context: WORLD.context.id(),
            session: named.unwrap_or(Hash::from_bytes([0; 32])),
            round: how & 0x07,
            kind: if how & 0x08 != 0 { Kind::Echo } else { Kind::Body },
            from: liar,
            to: (how & 0x10 != 0).then_some(me),
            view: Hash::from_bytes([0; 32]),
        };
        now = session.deliver(&Envelope::sign(&WORLD.keys[1], header, body.into()).encode());
    }
    match now {
        Advance::Dead { abort: Abort::Blame(blames), .. } => {
            for blame in blames.iter() {
                assert_eq!(blame.party, liar, "only the liar can be blamed");
                assert!(judge::<Dkg<Secp256k1>>(&WORLD.context, blame).is_ok(), "{:?}", blame.fault);
            }
        }
        Advance::Dead { abort: Abort::Bug(what), .. } => panic!("{what}"),
        Advance::Done { .. } => panic!("two words of a liar make no key"),
        Advance::Dead { .. } | Advance::Waiting { .. } => {}
    }
});
