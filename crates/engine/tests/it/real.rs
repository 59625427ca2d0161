//! What ships, through the seam that decisions see it by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_engine::crypto::{Accusation, Crypto, Described, End, Note, Order, Product, Task, Unfit};
use keymoot_engine::real::{Real, Setup, Share};
use keymoot_protocol::abort::Blame;
use keymoot_protocol::codec::Wire;
use keymoot_protocol::dkls23::{Bans, Payload, PayloadHash};
use keymoot_protocol::envelope::Kind;
use keymoot_types::{Epoch, Party, Path, Scheme};

use crate::room::{Post, Room, Seat, honest, key_of, party};

type Presignature = <Real as Crypto>::Presignature;
type Shares = BTreeMap<Party, Arc<Share>>;

fn payload(bytes: &[u8]) -> Arc<Payload> {
    Arc::new(Payload::new(PayloadHash::Sha256, bytes.to_vec()))
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn order(shares: &Shares, at: &str, presignature: Option<&Presignature>) -> Order<Real> {
    Order {
        key: key_of(shares),
        path: path(at),
        payload: payload(b"pay 7 to nobody"),
        signers: vec![party(1), party(3)],
        presignature: presignature.map(Real::public_of),
    }
}

/// Our one note of a key generation, beside the step's mail that holds our signature on the certificate.
fn pending(seat: &Seat) -> (keymoot_protocol::transcript::Hash, Vec<u8>) {
    let is_certificate = |mail: &keymoot_engine::crypto::Mail| {
        let header = Post { from: party(1), to: None, bytes: mail.bytes.clone() }.envelope().header;
        (header.round, header.kind) == (5, Kind::Body)
    };
    assert_eq!(seat.notes().count(), 1, "exactly once");
    let said = seat.said.iter().find(|said| said.mail.iter().any(is_certificate)).expect("we signed");
    let [Note::Pending { package, share }] = said.notes.as_slice() else { panic!("told as we sign") };
    (*package, share.to_vec())
}

#[test]
fn keys_of_every_scheme_are_made_and_kept() {
    let (mut room, other) = (Room::new(1), Room::new(2));
    for scheme in Scheme::USUAL {
        let tasks = room.keygen_tasks(scheme);
        let seats = room.run(tasks, honest);
        let noted: Vec<_> = seats.values().map(pending).collect();
        let shares: Shares =
            seats.into_iter().map(|(me, seat)| (me.unwrap(), Arc::new(seat.share()))).collect();
        let key = key_of(&shares);
        let Described { scheme: found, epoch, digest, .. } = Real::describe(&key);
        assert_eq!((found, epoch), (scheme, Epoch::FIRST));
        let bytes = Real::encode_key(&key);
        assert!(Real::decode_key(&bytes, &room.committee) == Some(key.clone()));
        assert!(Real::decode_key(&bytes, &other.committee).is_none(), "another committee's");
        assert!(Real::decode_key(&bytes[1..], &room.committee).is_none());
        for (package, sealed) in noted {
            assert_eq!(package, digest);
            let back = Real::promote(&sealed, &key).expect("our share of this key");
            assert!(Real::key_of(&back) == key);
            let bent: Vec<u8> = sealed.iter().map(|byte| byte ^ 1).collect();
            assert!(Real::promote(&bent, &key).is_none());
        }
    }
}

#[test]
fn a_share_survives_a_crash_before_the_certificate_is_complete() {
    let mut room = Room::new(3);
    for scheme in Scheme::USUAL {
        let tasks = room.keygen_tasks(scheme);
        let mut seats = room.run(tasks, |post| {
            let header = post.envelope().header;
            let withheld = header.round == 5 && post.to == Some(party(1));
            if withheld { vec![] } else { vec![post] }
        });
        let seat = seats.remove(&Some(party(1))).unwrap();
        assert_eq!(Real::missing(seat.run.as_ref().expect("party 1 waits")), [party(2), party(3)]);
        let (package, sealed) = pending(&seat);
        drop(seat);
        let two = seats.remove(&Some(party(2))).unwrap().share();
        let key = Real::decode_key(&Real::encode_key(&Real::key_of(&two)), &room.committee).unwrap();
        assert_eq!(Real::describe(&key).digest, package);
        let stranger = key_of(&room.keygen(scheme));
        assert!(Real::promote(&sealed, &stranger).is_none(), "another key");
        let one = Arc::new(Real::promote(&sealed, &key).expect("our share"));
        if scheme == Scheme::FrostTaproot {
            let shares = Shares::from([(party(1), one), (party(2), Arc::new(two))]);
            let order = Order { signers: vec![party(1), party(2)], ..order(&shares, "m", None) };
            let signature = room.sign(&shares, &order, BTreeMap::new(), honest).remove(&None).unwrap();
            assert!(Real::is_signature(&key, &order.path, &order.payload, &signature.signature()));
        }
    }
}

#[test]
fn a_run_that_signs_and_ends_in_one_step_tells_its_share_all_the_same() {
    // Party 2's last echo reaches party 1 after everybody's signature.
    let mut room = Room::new(4);
    let tasks = room.keygen_tasks(Scheme::FrostEd25519);
    let (mut late, mut seen) = (None, 0);
    let mut seats = room.run(tasks, |post| {
        let header = post.envelope().header;
        match (header.round, header.kind, post.from.index(), post.to) {
            (4, Kind::Echo, 2, Some(to)) if to == party(1) => {
                late = Some(post);
                vec![]
            }
            (5, _, _, Some(to)) if to == party(1) => {
                seen += 1;
                [Some(post), late.take_if(|_| seen == 2)].into_iter().flatten().collect()
            }
            _ => vec![post],
        }
    });
    let seat = seats.remove(&Some(party(1))).unwrap();
    let last = seat.said.last().unwrap();
    assert_eq!((last.notes.len(), last.mail.len()), (1, 1), "signed and done at once");
    let (package, _) = pending(&seat);
    assert_eq!(Real::describe(&Real::key_of(&seat.share())).digest, package);
}

/// What an ECDSA node has before it signs.
struct Prepared {
    shares: Shares,
    presignatures: BTreeMap<Party, Vec<Presignature>>,
}

/// A key, a pair setup and a batch of four for parties 1 and 3.
fn prepare(room: &mut Room) -> Prepared {
    let signers = [party(1), party(3)];
    let shares = room.keygen(Scheme::Dkls23);
    let setups = room.setup(&Bans::default());
    let names: BTreeSet<_> = setups.values().map(|setup| *Real::setup_name(setup).as_bytes()).collect();
    assert_eq!((names.len(), setups.len()), (1, 3));
    let (session, mut tasks, mut ledgers) = (room.session(), vec![], BTreeMap::new());
    for (me, setup) in setups.into_iter().filter(|(me, _)| signers.contains(me)) {
        let mut ledger = Real::new_ledger(&setup);
        let ticket = Real::reserve(&setup, &mut ledger, &signers, &Bans::default()).unwrap();
        let share = Arc::clone(&shares[&me]);
        tasks.push((
            Some(me),
            Task::Presign { session, share, setup: Arc::new(setup), ticket, size: 4, bans: Bans::default() },
        ));
        ledgers.insert(me, ledger);
    }
    let mut presignatures = BTreeMap::new();
    for (me, seat) in room.run(tasks, honest) {
        let me = me.unwrap();
        let noted: Vec<_> = seat.notes().collect();
        let [Note::Counts(counts)] = noted.as_slice() else { panic!("the counts, exactly once") };
        let peer = if me == party(1) { party(3) } else { party(1) };
        assert_eq!(*counts, BTreeMap::from([(peer, 1)]));
        assert!(seat.said.last().unwrap().notes.is_empty(), "as soon as they were known");
        let ledger = ledgers.get_mut(&me).unwrap();
        assert!(Real::observe(ledger, counts));
        assert!(!Real::observe(ledger, counts), "a count comes once");
        let Some(Product::Presignatures(batch)) = seat.product else { panic!("no batch: {:?}", seat.end) };
        presignatures.insert(me, batch);
    }
    Prepared { shares, presignatures }
}

/// The next presignature of everybody.
fn draw(presignatures: &mut BTreeMap<Party, Vec<Presignature>>) -> BTreeMap<Party, Presignature> {
    presignatures.iter_mut().map(|(me, batch)| (*me, batch.pop().expect("one is left"))).collect()
}

fn burn(all: BTreeMap<Party, Presignature>, order: &Order<Real>) -> BTreeMap<Party, <Real as Crypto>::Burnt> {
    let intent = Real::intent(order).unwrap();
    all.into_iter().map(|(me, one)| (me, Real::burn(one, intent))).collect()
}

/// Whether these bytes are a signature of the order, and of nothing near it.
fn assert_signs(order: &Order<Real>, signature: &[u8]) {
    let Order { key, path: at, payload: what, .. } = order;
    assert!(Real::is_signature(key, at, what, signature));
    assert!(!Real::is_signature(key, at, &payload(b"pay 7 to somebody"), signature), "another payload");
    assert!(!Real::is_signature(key, &path("m/0/8"), what, signature), "another path");
    assert!(!Real::is_signature(key, at, what, &signature[1..]));
    for place in [0, 40, signature.len() - 1] {
        let mut changed = signature.to_vec();
        changed[place] ^= 1;
        assert!(!Real::is_signature(key, at, what, &changed), "byte {place}");
    }
}

#[test]
fn ecdsa_signs_below_the_key() {
    let mut room = Room::new(5);
    let Prepared { shares, mut presignatures } = prepare(&mut room);
    assert!(presignatures.values().all(|batch| batch.len() == 4));
    let mut names = BTreeSet::new();
    for at in ["m/0/7", "m"] {
        let all = draw(&mut presignatures);
        let order = order(&shares, at, Some(&all[&party(1)]));
        let public = order.presignature.as_ref().unwrap();
        let label = Real::label(public);
        assert_eq!((label.key, &label.signers), (Real::describe(&order.key).digest, &order.signers));
        let back = Real::decode_public(&Real::encode_public(public)).unwrap();
        assert_eq!(
            (Real::label(&back), Real::label(&Real::public_of(&all[&party(3)]))),
            (label.clone(), label.clone())
        );
        names.insert(*label.id.as_bytes());
        assert_eq!(Real::digest_of(&order.key, &order.payload), order.payload.digest().as_bytes());
        let mut seats = room.sign(&shares, &order, burn(all, &order), honest);
        let signature = seats.remove(&None).unwrap().signature();
        assert_eq!(signature.len(), 65);
        assert_signs(&order, &signature);
        assert!(seats.values().all(|seat| matches!(seat.product, Some(Product::Released))));
    }
    assert_eq!(names.len(), 2);
}

/// Both kinds of setup for party 1 and 3: our sides of a table of moduli.
fn moduli(room: &mut Room) -> BTreeMap<Party, <Real as Crypto>::Setup> {
    let (table, sealed) = room.moduli();
    let ours =
        |(me, bytes): (Party, Vec<u8>)| (me, Real::promote_moduli(&bytes, &table).expect("our primes"));
    sealed.into_iter().map(ours).collect()
}

#[test]
fn gg20_signs_below_the_key_with_moduli_that_were_sealed() {
    let mut room = Room::new(13);
    let shares = room.keygen(Scheme::Gg20);
    let signers = [party(1), party(3)];
    let (session, mut tasks) = (room.session(), vec![]);
    for (me, setup) in moduli(&mut room).into_iter().filter(|(me, _)| signers.contains(me)) {
        let mut ledger = Real::new_ledger(&setup);
        let ticket = Real::reserve(&setup, &mut ledger, &signers, &Bans::default()).unwrap();
        assert!(Real::observe(&mut ledger, &BTreeMap::new()), "nothing is counted");
        let mut bans = Bans::default();
        bans.add(room.identities[&party(3)].public());
        let banned = Real::reserve(&setup, &mut ledger, &signers, &bans).err();
        assert_eq!(banned, Some(Unfit("a signer is banned")));
        let share = Arc::clone(&shares[&me]);
        let (setup, bans) = (Arc::new(setup), Bans::default());
        tasks.push((Some(me), Task::Presign { session, share, setup, ticket, size: 2, bans }));
    }
    let mut presignatures = BTreeMap::new();
    for (me, seat) in room.run(tasks, honest) {
        assert_eq!(seat.notes().count(), 0, "nothing has to be durable");
        let Some(Product::Presignatures(batch)) = seat.product else { panic!("no batch: {:?}", seat.end) };
        presignatures.insert(me.unwrap(), batch);
    }
    for at in ["m/0/7", "m"] {
        let all = draw(&mut presignatures);
        let order = order(&shares, at, Some(&all[&party(1)]));
        let public = order.presignature.as_ref().unwrap();
        let back = Real::decode_public(&Real::encode_public(public));
        assert_eq!(back.as_ref(), Some(public), "of the protocol that it is of");
        let mut seats = room.sign(&shares, &order, burn(all, &order), honest);
        let signature = seats.remove(&None).unwrap().signature();
        assert_signs(&order, &signature);
        assert!(seats.values().all(|seat| matches!(seat.product, Some(Product::Released))));
    }
}

#[test]
fn a_table_is_read_by_its_committee_with_its_parameters_and_opens_our_primes_only() {
    let (mut room, other) = (Room::new(14), Room::new(15));
    let (table, sealed) = room.moduli();
    let bytes = Real::encode_table(&table);
    let real = room.node(Some(party(1)));
    let read = real.decode_table(&bytes, &room.committee, |_| true).expect("a certified table");
    assert_eq!(Real::table_name(&read), Real::table_name(&table));
    assert!(real.decode_table(&bytes, &other.committee, |_| true).is_none(), "another committee's");
    let full = Real::from_seed([7; 32]);
    assert!(
        full.decode_table(&bytes, &room.committee, |_| true).is_none(),
        "what ships takes no small moduli"
    );
    for at in (0..bytes.len()).step_by(41).chain([bytes.len() - 1]) {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        assert!(real.decode_table(&bent, &room.committee, |_| true).is_none(), "byte {at}");
    }
    for primes in sealed.values() {
        let setup = Real::promote_moduli(primes, &table).expect("our primes");
        assert_eq!(Real::setup_name(&setup), Real::table_name(&table));
        let bent: Vec<u8> = primes.iter().map(|byte| byte ^ 1).collect();
        assert!(Real::promote_moduli(&bent, &table).is_none());
    }
    let tasks = room.moduli_tasks();
    let (_, Task::Moduli { session, committee, me, mut primes }) = tasks.into_iter().next().unwrap() else {
        panic!("a making of moduli")
    };
    primes.pop();
    let unfit = refused(&room, me, Task::Moduli { session, committee, me, primes });
    assert_eq!(unfit.0, "moduli take exactly four primes");
}

#[test]
fn neither_protocol_takes_what_the_other_needs() {
    let mut room = Room::new(16);
    let keys = [Scheme::Dkls23, Scheme::Gg20].map(|scheme| room.keygen(scheme));
    let (pairs, tables) = (room.setup(&Bans::default()), moduli(&mut room));
    let signers = [party(1), party(3)];
    let ticket = |setup: &<Real as Crypto>::Setup| {
        Real::reserve(setup, &mut Real::new_ledger(setup), &signers, &Bans::default()).unwrap()
    };
    let me = party(1);
    let mut begin = |share: &Shares, setup: &BTreeMap<Party, <Real as Crypto>::Setup>, ticket| {
        let (session, share, bans) = (room.session(), Arc::clone(&share[&me]), Bans::default());
        // What a node keeps it has in an `Arc`; here it is made again for each try.
        let setup = Arc::new(again(&setup[&me]));
        refused(&room, me, Task::Presign { session, share, setup, ticket, size: 1, bans }).0
    };
    assert_eq!(begin(&keys[0], &tables, ticket(&tables[&me])), "the key serves another scheme");
    assert_eq!(begin(&keys[1], &pairs, ticket(&pairs[&me])), "the key serves another scheme");
    let mixed = "the setup and its ticket do not belong together";
    assert_eq!(begin(&keys[1], &tables, ticket(&pairs[&me])), mixed);
    assert_eq!(begin(&keys[0], &pairs, ticket(&tables[&me])), mixed);
    let foreign = Real::reserve(&pairs[&me], &mut Real::new_ledger(&tables[&me]), &signers, &Bans::default());
    assert_eq!(foreign.err(), Some(Unfit("the ledger belongs to another setup")));
}

/// The same setup.
fn again(setup: &<Real as Crypto>::Setup) -> <Real as Crypto>::Setup {
    match setup {
        Setup::Pairs(pairs) => Setup::Pairs(Arc::clone(pairs)),
        Setup::Moduli(ours) => Setup::Moduli(Arc::clone(ours)),
    }
}

#[test]
fn frost_signs_below_the_key() {
    let mut room = Room::new(6);
    // Ed25519 has no public derivation, so the key itself signs.
    for (scheme, at) in [(Scheme::FrostTaproot, "m/0/7"), (Scheme::FrostEd25519, "m")] {
        let shares = room.keygen(scheme);
        let order = order(&shares, at, None);
        let message = Real::digest_of(&order.key, &order.payload);
        let bytes = order.payload.as_bytes();
        let digest = order.payload.digest();
        let signed = if scheme == Scheme::FrostEd25519 { bytes } else { digest.as_bytes().as_slice() };
        assert_eq!(message, signed);
        let mut seats = room.sign(&shares, &order, BTreeMap::new(), honest);
        let signature = seats.remove(&None).unwrap().signature();
        assert_eq!(signature.len(), 64);
        assert_signs(&order, &signature);
        assert!(seats.values().all(|seat| matches!(seat.product, Some(Product::Released))));
    }
}

#[test]
fn intents_differ_in_everything_that_is_signed() {
    let mut room = Room::new(7);
    let shares = room.keygen(Scheme::FrostTaproot);
    let base = order(&shares, "m/0/7", None);
    let intents = [
        base.clone(),
        Order { path: path("m/0/8"), ..base.clone() },
        Order { payload: payload(b"other"), ..base.clone() },
        order(&room.keygen(Scheme::FrostTaproot), "m/0/7", None),
    ];
    let distinct: BTreeSet<_> = intents.iter().map(|one| *Real::intent(one).unwrap().as_bytes()).collect();
    assert_eq!(distinct.len(), intents.len());
    let ed25519 = order(&room.keygen(Scheme::FrostEd25519), "m/0/7", None);
    assert_eq!(Real::intent(&ed25519), Err(Unfit("there is no key at this path")));
    let alone = Order { signers: vec![party(1)], ..base };
    assert_eq!(Real::intent(&alone), Err(Unfit("the signers are not a quorum")));
}

/// Everybody's mail but that party 3's share of a signature is another number.
fn lying(room: &Room, last: usize) -> impl FnMut(Post) -> Vec<Post> + use<> {
    let identity = Arc::clone(&room.identities[&party(3)]);
    move |post| {
        let round = post.envelope().header.round;
        if round != 1 || post.from != party(3) {
            return vec![post];
        }
        vec![post.forged(&identity, |body| body[last] ^= 1)]
    }
}

#[test]
fn a_wrong_share_is_blamed_where_it_can_be() {
    let mut room = Room::new(8);
    // The lowest byte of the one scalar, big endian and little endian.
    for (scheme, last) in [(Scheme::FrostTaproot, 40), (Scheme::FrostEd25519, 9)] {
        let shares = room.keygen(scheme);
        let adversary = lying(&room, last);
        let seats = room.sign(&shares, &order(&shares, "m", None), BTreeMap::new(), adversary);
        let fault = "sent a signature share that does not verify".to_owned();
        let Some(End::Blame(accused)) = &seats[&None].end else { panic!("{:?}", seats[&None].end) };
        let [Accusation { party: culprit, fault: found, evidence }] = accused.as_slice() else { panic!() };
        assert_eq!((culprit, found), (&party(3), &fault));
        let blame = Blame::decode(evidence).expect("evidence that reads");
        assert_eq!((blame.party, blame.fault.to_string()), (party(3), fault));
        assert!(!blame.cites.is_empty(), "with what it signed");
    }
    let Prepared { shares, mut presignatures } = prepare(&mut room);
    let all = draw(&mut presignatures);
    let order = order(&shares, "m", Some(&all[&party(1)]));
    let adversary = lying(&room, 40);
    let seats = room.sign(&shares, &order, burn(all, &order), adversary);
    let why = "the signature shares do not add up to a signature";
    assert_eq!(seats[&None].end, Some(End::Benign { why, pairs: vec![] }));
}

/// Why a task is not begun.
fn refused(room: &Room, me: Party, task: Task<Real>) -> Unfit {
    room.node(Some(me)).begin(task, &[9; 32]).err().expect("unfit")
}

#[test]
fn what_does_not_belong_together_is_unfit() {
    let mut room = Room::new(9);
    let Prepared { shares, mut presignatures } = prepare(&mut room);
    let taproot = room.keygen(Scheme::FrostTaproot);
    let (me, session) = (party(1), room.session());
    let all = draw(&mut presignatures);
    let ecdsa = order(&shares, "m", Some(&all[&me]));
    let mut burnt = burn(all, &Order { path: path("m/1"), ..ecdsa.clone() });
    let sign = |share: &Shares, order: &Order<Real>, burnt, bans: &Bans| {
        let (share, order, bans) = (Arc::clone(&share[&me]), order.clone(), bans.clone());
        refused(&room, me, Task::Sign { session, share, order, burnt, bans }).0
    };
    let none = Bans::default();
    assert_eq!(sign(&taproot, &ecdsa, None, &none), "the share belongs to another key");
    let no_burnt = "the scheme signs with a presignature that is burnt";
    assert_eq!(sign(&shares, &ecdsa, None, &none), no_burnt);
    let other = "the presignature was not burnt for this request";
    assert_eq!(sign(&shares, &ecdsa, burnt.remove(&me), &none), other);
    let frost = order(&taproot, "m", None);
    let mixed = Order { presignature: ecdsa.presignature.clone(), ..frost.clone() };
    assert_eq!(sign(&taproot, &mixed, None, &none), "the scheme signs without presignatures");
    let mut bans = Bans::default();
    bans.add(room.identities[&party(3)].public());
    assert_eq!(sign(&taproot, &frost, None, &bans), "a signer is banned");
    let others = Order { signers: vec![party(1), party(2)], ..ecdsa.clone() };
    assert_eq!(Real::intent(&others), Err(Unfit("the presignature is for other signers")));
    let other_key = Order { key: key_of(&room.keygen(Scheme::Dkls23)), ..ecdsa };
    assert_eq!(Real::intent(&other_key), Err(Unfit("the presignature is for another key or epoch")));
    let tasks = room.keygen_tasks(Scheme::Dkls23);
    let (_, task) = tasks.into_iter().next().unwrap();
    let unfit = refused(&room, party(2), task);
    assert_eq!(unfit.0, "the identity is not the one that the committee lists for us");
}

#[test]
fn a_banned_member_is_left_out_of_setups() {
    let mut room = Room::new(10);
    let mut bans = Bans::default();
    bans.add(room.identities[&party(2)].public());
    let setups = room.setup(&bans);
    let setup = &setups[&party(1)];
    let mut ledger = Real::new_ledger(setup);
    let reserve = |ledger: &mut _, peer| {
        Real::reserve(setup, ledger, &[party(1), peer], &bans).map(drop).map_err(|unfit| unfit.0)
    };
    assert_eq!(reserve(&mut ledger, party(2)), Err("a signer is banned"));
    assert_eq!(reserve(&mut ledger, party(3)), Ok(()));
    Real::burn_pair(setup, &mut ledger, party(3));
    assert_eq!(reserve(&mut ledger, party(3)), Err("a pair is burnt"));
    assert_eq!(reserve(&mut ledger, party(3)), Err("a pair is burnt"), "for ever");
    bans.add(room.identities[&party(3)].public());
    let (session, committee, me) = (room.session(), Arc::clone(&room.committee), party(1));
    let members = vec![party(1)];
    let unfit = refused(&room, me, Task::Setup { session, committee, members, me, bans });
    assert_eq!(unfit.0, "these members are not enough for a pair setup");
}

#[test]
fn statements_and_notes_are_never_taken_for_each_other() {
    let room = Room::new(11);
    let real = room.node(Some(party(1)));
    let who = real.identity();
    let statement = Real::digest("keymoot/test/v1", b"statement");
    let distinct = [
        statement,
        Real::digest("keymoot/test/v2", b"statement"),
        Real::digest("keymoot/test/v1", b"statement "),
        Real::digest("keymoot/test/v1s", b"tatement"),
    ];
    assert_eq!(distinct.iter().map(|one| *one.as_bytes()).collect::<BTreeSet<_>>().len(), 4);
    let signature = real.sign(&statement);
    assert!(Real::verifies(&who, &statement, &signature));
    assert!(!Real::verifies(&room.node(None).identity(), &statement, &signature));
    let note = "node 1 has approved this request\n";
    let signed = real.sign_note(note);
    assert!(Real::verifies_note(&who, note, &signed) && note.len() == 33);
    let short = &note[..32];
    let signed = real.sign_note(short);
    let digest = keymoot_protocol::transcript::Hash::from_bytes(short.as_bytes().try_into().unwrap());
    assert!(!Real::verifies_note(&who, short, &signed) && !Real::verifies(&who, &digest, &signed));
}

#[test]
fn mail_that_is_not_for_the_run_is_refused_in_words() {
    let mut room = Room::new(12);
    let shares = room.keygen(Scheme::FrostTaproot);
    let mut count = 0;
    let order = order(&shares, "m", None);
    let seats = room.sign(&shares, &order, BTreeMap::new(), |post| {
        count += 1;
        let noise = Post { bytes: vec![count], ..post.clone() };
        vec![noise, post.clone(), post]
    });
    assert!(matches!(seats[&None].product, Some(Product::Signature(_))));
    let words: BTreeSet<_> = seats.values().flat_map(|seat| &seat.refused).copied().collect();
    assert_eq!(words, BTreeSet::from(["the bytes are no envelope", "the envelope was received before"]));
}
