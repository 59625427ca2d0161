//! Threshold ECDSA by the crate `dkls23`, with keys of its own distributed generation.
//!
//! Every party runs its own session and every phase of it, as the crate's tests run them. That includes the last one,
//! which most of those tests leave to a single signer: whoever signs wants the signature, and checks it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, ensure};
use dkls23::curve::DklsCurve;
use dkls23::protocols::messages::{MessageTag, PhaseInput, PhaseOutput};
use dkls23::protocols::signing::SignData;
use dkls23::protocols::{Abort, Parameters, Party, PartyIndex};
use dkls23::secp256k1::Party as Secp256k1Party;
use dkls23::{DkgSession, SignSession};

const DIGEST: [u8; 32] = [0x42; 32];

/// A committee of the crate's own.
pub struct Dkls23 {
    /// Those who sign: the first of the committee, as many as are needed.
    signers: Vec<Secp256k1Party>,
    signed: u64,
}

fn aborted(abort: Abort) -> anyhow::Error {
    anyhow!("party {}: {}", abort.index, abort.description())
}

impl Dkls23 {
    pub fn new(needed: u16, total: u16) -> Result<Self> {
        let mut signers = generate(needed, total)?;
        signers.truncate(usize::from(needed));
        Ok(Self { signers, signed: 0 })
    }

    /// A complete key generation of everybody: the key, the zero shares and the oblivious transfers of each pair.
    pub fn keygen(needed: u16, total: u16) -> Result<()> {
        let parties: Vec<Secp256k1Party> = generate(needed, total)?;
        ensure!(parties.len() == usize::from(total), "everybody has a share");
        Ok(())
    }

    /// One signature, with everything that crosses between signers as bytes; returns how many.
    pub fn sign(&mut self) -> Result<usize> {
        let mut wire = Wire::default();
        let names: Vec<PartyIndex> = self.signers.iter().map(|party| party.party_index).collect();
        self.signed += 1;
        let mut sign_id = vec![0; 24];
        sign_id.extend(self.signed.to_be_bytes());
        let (mut sessions, mut sent) = (Vec::new(), Vec::new());
        for party in &self.signers {
            let counterparties = names.iter().copied().filter(|name| *name != party.party_index).collect();
            let data = SignData { sign_id: sign_id.clone(), counterparties, message_hash: DIGEST };
            let (session, messages) = SignSession::new(party, data).map_err(aborted)?;
            sessions.push(session);
            sent.extend(messages);
        }
        let inboxes = wire.deliver(sent, &names, |message| message.parties.receiver)?;
        let mut sent = Vec::new();
        for (session, inbox) in sessions.iter_mut().zip(&inboxes) {
            sent.extend(session.phase2(inbox).map_err(aborted)?);
        }
        let inboxes = wire.deliver(sent, &names, |message| message.parties.receiver)?;
        let mut sent = Vec::new();
        for (session, inbox) in sessions.iter_mut().zip(&inboxes) {
            sent.push(session.phase3(inbox).map_err(aborted)?);
        }
        let inboxes = wire.broadcast(&sent)?;
        // The last phase verifies the signature it puts together.
        let signatures =
            sessions.into_iter().zip(&inboxes).map(|(session, inbox)| session.phase4(inbox, true));
        let signatures = signatures.collect::<Result<Vec<_>, _>>().map_err(aborted)?;
        ensure!(signatures.windows(2).all(|pair| pair[0] == pair[1]), "the signers have one signature");
        Ok(wire.total)
    }
}

/// Generic only because the crate does not hand out the curve type its aliases name.
fn generate<C: DklsCurve>(needed: u16, total: u16) -> Result<Vec<Party<C>>> {
    let parameters = Parameters::new(u8::try_from(needed)?, u8::try_from(total)?)?;
    let names = (1..=parameters.share_count).map(PartyIndex::new).collect::<Result<Vec<_>, _>>()?;
    // Nothing outlives a run that could be confused with another one's, so all may share a name.
    let open = |name: &PartyIndex| DkgSession::<C>::new(parameters.clone(), *name, vec![7; 32]);
    let mut sessions: Vec<_> = names.iter().map(open).collect();
    let rows: Vec<Vec<C::Scalar>> = sessions.iter().map(DkgSession::phase1).collect();

    let (mut proofs, mut zero_commitments, mut chain_commitments) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (index, (session, name)) in sessions.iter_mut().zip(&names).enumerate() {
        let fragments: Vec<C::Scalar> = rows.iter().map(|row| row[index]).collect();
        let (proof, zero, chain) = session.phase2(&fragments).map_err(aborted)?;
        proofs.push(proof);
        zero_commitments.extend(zero);
        chain_commitments.insert(*name, chain);
    }
    let (mut zero_seeds, mut transfers, mut chain_codes) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (session, name) in sessions.iter_mut().zip(&names) {
        let (zero, transfer, chain) = session.phase3().map_err(aborted)?;
        zero_seeds.extend(zero);
        transfers.extend(transfer);
        chain_codes.insert(*name, chain);
    }

    let zero_commitments = sort(zero_commitments, &names, |message| message.parties.receiver);
    let zero_seeds = sort(zero_seeds, &names, |message| message.parties.receiver);
    let transfers = sort(transfers, &names, |message| message.parties.receiver);
    let mut parties = Vec::new();
    for (index, session) in sessions.into_iter().enumerate() {
        let (party, _) = session
            .phase4(
                &proofs,
                &zero_commitments[index],
                &zero_seeds[index],
                &transfers[index],
                &chain_commitments,
                &chain_codes,
                // An address on some chain is no part of a key.
                |_| String::new(),
            )
            .map_err(aborted)?;
        parties.push(party);
    }
    Ok(parties)
}

/// What each of `names` receives, in their order.
fn sort<M>(sent: Vec<M>, names: &[PartyIndex], receiver: impl Fn(&M) -> PartyIndex) -> Vec<Vec<M>> {
    let mut inboxes: Vec<Vec<M>> = names.iter().map(|_| Vec::new()).collect();
    for message in sent {
        if let Some(to) = names.iter().position(|name| *name == receiver(&message)) {
            inboxes[to].push(message);
        }
    }
    inboxes
}

/// What lies between the signers. Bytes are the crate's own frames: a tag, a length and the message in postcard.
#[derive(Default)]
struct Wire {
    /// How many there were.
    total: usize,
}

/// A sender's place in the crate's tables of received frames; every frame is read alone.
const SENDER: u8 = 1;

impl Wire {
    /// Takes every message to the one it is for.
    fn deliver<M: MessageTag>(
        &mut self,
        sent: Vec<M>,
        names: &[PartyIndex],
        receiver: impl Fn(&M) -> PartyIndex,
    ) -> Result<Vec<Vec<M>>> {
        let mut received = Vec::new();
        for message in sent {
            let to = receiver(&message).as_u8();
            let mut output = PhaseOutput::new();
            output.add_p2p(to, &message)?;
            let frame = output.p2p.remove(&to).context("there is a frame for the receiver")?;
            self.total += frame.len();
            let p2p = BTreeMap::from([(SENDER, frame)]);
            received.push(PhaseInput { broadcasts: BTreeMap::new(), p2p }.get_p2p(SENDER)?);
        }
        Ok(sort(received, names, receiver))
    }

    /// Takes the message of each signer to all of them; to itself, as the crate wants it, without any wire.
    fn broadcast<M: MessageTag + Clone>(&mut self, sent: &[M]) -> Result<Vec<Vec<M>>> {
        let mut inboxes: Vec<Vec<M>> = sent.iter().map(|_| Vec::new()).collect();
        for (from, message) in sent.iter().enumerate() {
            let mut output = PhaseOutput::new();
            output.add_broadcast(message)?;
            let frame = output.broadcasts.concat();
            for (to, inbox) in inboxes.iter_mut().enumerate() {
                inbox.push(if to == from {
                    message.clone()
                } else {
                    self.total += frame.len();
                    let broadcasts = BTreeMap::from([(SENDER, frame.clone())]);
                    PhaseInput { broadcasts, p2p: BTreeMap::new() }.get_broadcast(SENDER)?
                });
            }
        }
        Ok(inboxes)
    }
}
