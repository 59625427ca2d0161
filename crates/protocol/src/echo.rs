//! The one echo broadcast: agreement, or proof of who broke it, without a further round.
//!
//! A broadcast through an untrusted relay is n−1 separate messages. So for an echoed round every participant
//! reports to all others what everybody signed, signatures included. Two reports that differ contain two
//! signatures of one sender for one slot, which convicts that sender; a report with a bad signature convicts its
//! author. Nobody else can be blamed, whatever the relay does.

use keymoot_types::{PARTIES_MAX, Party};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::context::Context;
use crate::envelope::{Attestation, Header, Kind};
use crate::identity::IdentitySignature;
use crate::transcript::Hash;

/// The longest encoded echo, in bytes.
pub const ECHO_MAX: usize = 32 * 256;

/// What one participant reports of one round: view, body digest and signature of every participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo(Vec<(Party, Hash, Hash, IdentitySignature)>);

/// An echo whose author invented something or left somebody out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FalseEcho;

impl Echo {
    /// Reports these attestations, which are one for each participant.
    #[must_use]
    pub fn new(attestations: &[Attestation]) -> Self {
        Self(
            attestations
                .iter()
                .map(|one| (one.header.from, one.header.view, one.body, one.signature))
                .collect(),
        )
    }

    /// The attestations reported, as broadcasts of the same session and round as `slot`.
    pub fn attestations(&self, slot: &Header) -> impl Iterator<Item = Attestation> + '_ {
        let slot = *slot;
        self.0.iter().map(move |(from, view, body, signature)| Attestation {
            header: Header { kind: Kind::Body, from: *from, to: None, view: *view, ..slot },
            body: *body,
            signature: *signature,
        })
    }

    /// Whether the report names exactly these parties, in order.
    #[must_use]
    pub fn covers(&self, participants: &[Party]) -> bool {
        self.0.iter().map(|(party, ..)| party).eq(participants)
    }

    /// Whether every reported signature is genuine.
    #[must_use]
    pub fn is_genuine(&self, context: &Context, slot: &Header) -> bool {
        self.covers(&context.participants())
            && self.attestations(slot).all(|one| {
                context.committee.identity(one.header.from).is_some_and(|identity| one.is_signed_by(identity))
            })
    }

    /// Compares the report with what we hold, one attestation for each participant. Returns the genuine ones that say
    /// something else than ours: each convicts its signer. Entries that say what ours say are not checked further.
    ///
    /// # Errors
    /// The report leaves somebody out, or a difference was not signed by whom it names.
    pub fn compare(&self, context: &Context, ours: &[Attestation]) -> Result<Vec<Attestation>, FalseEcho> {
        let first = ours.first().ok_or(FalseEcho)?;
        if !self.covers(&ours.iter().map(|one| one.header.from).collect::<Vec<_>>()) {
            return Err(FalseEcho);
        }
        let reported = self.attestations(&first.header);
        let differences =
            reported.zip(ours).filter(|(theirs, mine)| !theirs.says_what(mine)).map(|(theirs, _)| theirs);
        let genuine = |one: &Attestation| {
            context.committee.identity(one.header.from).is_some_and(|identity| one.is_signed_by(identity))
        };
        differences.map(|one| if genuine(&one) { Ok(one) } else { Err(FalseEcho) }).collect()
    }
}

impl Wire for Echo {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, (party, view, body, signature)| {
            writer.party(*party);
            view.write(writer);
            body.write(writer);
            writer.bytes(&signature.0);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let entries = reader.list(usize::from(PARTIES_MAX), |reader| {
            Ok((
                reader.party()?,
                Hash::read(reader)?,
                Hash::read(reader)?,
                IdentitySignature(reader.fixed()?),
            ))
        })?;
        Ok(Self(entries))
    }
}
