//! The states of key generation. Each takes one complete round and is consumed by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_types::{Party, Secret};

use super::checks::{
    Outcome, certifies, constant_claim, opening_fault, proofs_hold, share_claim, share_fits,
};
use super::messages::{Certify, Commit, Opening, Proofs, Share};
use super::{Dealer, Setup};
use crate::abort::{Abort, Benign, Charges, Fault};
use crate::curve::Curve;
use crate::key::{GroupKey, KeyShare};
use crate::machine::{Hello, Outgoing, Round};
use crate::proof::Prover;
use crate::transcript::Hash;

/// Awaits everybody's contribution to the session's name.
pub struct AwaitingHellos<C: Curve> {
    pub(super) setup: Setup,
    pub(super) dealer: Dealer<C>,
}

impl<C: Curve> AwaitingHellos<C> {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingCommits<C>, Vec<Outgoing>), Abort> {
        round.decode::<Hello>()?;
        let Self { setup, dealer } = self;
        let [randomness, chain_code, blind] = *dealer.contributions.expose();
        let opening = Opening {
            randomness,
            chain_code,
            blind,
            polynomial: dealer.polynomial.commit(),
            share_proof: *dealer.share_prover.commitment(),
            constant_proof: *dealer.constant_prover.commitment(),
        };
        let commit = Commit::to(round.ssid, setup.me, &opening);
        Ok((AwaitingCommits { setup, dealer, opening }, vec![Outgoing::broadcast(1, &commit)]))
    }
}

/// Awaits everybody's commitment.
pub struct AwaitingCommits<C: Curve> {
    setup: Setup,
    dealer: Dealer<C>,
    opening: Opening<C>,
}

impl<C: Curve> AwaitingCommits<C> {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingOpenings<C>, Vec<Outgoing>), Abort> {
        let commits = round.decode::<Commit>()?;
        let Self { setup, dealer, opening } = self;
        let mut outbox = vec![Outgoing::broadcast(2, &opening)];
        for party in setup.context.participants().into_iter().filter(|party| *party != setup.me) {
            let share = Share::<C>(Secret::new(dealer.polynomial.share_of(party)));
            outbox.push(Outgoing::direct(3, party, &share));
        }
        Ok((AwaitingOpenings { setup, dealer, commits }, outbox))
    }
}

/// Awaits what everybody committed to.
pub struct AwaitingOpenings<C: Curve> {
    setup: Setup,
    dealer: Dealer<C>,
    commits: BTreeMap<Party, Commit>,
}

impl<C: Curve> AwaitingOpenings<C> {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<AwaitingShares<C>, Abort> {
        let openings = round.decode::<Opening<C>>()?;
        let Self { setup, dealer, commits } = self;
        let mut charges = Charges::default();
        for (party, commit) in &commits {
            let opening =
                openings.get(party).ok_or(Abort::Bug("an opening is missing from a complete round"))?;
            if let Some(fault) = opening_fault(&setup.context, round.ssid, *party, commit, opening) {
                charges.bring(*party, fault, &[2]);
            }
        }
        charges.verdict()?;
        Ok(AwaitingShares { setup, dealer, openings })
    }
}

/// Awaits a share from every other dealer.
pub struct AwaitingShares<C: Curve> {
    setup: Setup,
    dealer: Dealer<C>,
    openings: BTreeMap<Party, Opening<C>>,
}

impl<C: Curve> AwaitingShares<C> {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingProofs<C>, Vec<Outgoing>), Abort> {
        let shares = round.decode::<Share<C>>()?;
        let Self { setup, dealer, openings } = self;
        let mut charges = Charges::default();
        let mut secret = Secret::new(dealer.polynomial.share_of(setup.me));
        for (party, share) in &shares {
            let opening =
                openings.get(party).ok_or(Abort::Bug("a share came from a party without an opening"))?;
            charges.unless(share_fits(opening, setup.me, share), *party, Fault::WrongShare, &[2, 3]);
            *secret.expose_mut() += share.0.expose();
        }
        charges.verdict()?;
        let outcome = Outcome::of(round.ssid, &openings);
        let proofs = prove(&setup, dealer, round.ssid, &outcome, &openings, &secret)?;
        let outbox = vec![Outgoing::broadcast(4, &proofs)];
        Ok((AwaitingProofs { setup, openings, outcome, secret }, outbox))
    }
}

fn prove<C: Curve>(
    setup: &Setup,
    dealer: Dealer<C>,
    ssid: Hash,
    outcome: &Outcome<C>,
    openings: &BTreeMap<Party, Opening<C>>,
    secret: &Secret<C::Scalar>,
) -> Result<Proofs<C>, Abort> {
    let Dealer { polynomial, share_prover, constant_prover, .. } = dealer;
    let constant = Secret::new(polynomial.constant());
    let opening = openings.get(&setup.me).ok_or(Abort::Bug("our own opening is missing"))?;
    let public = (outcome.polynomial.at(setup.me), opening.polynomial.constant());
    let answer = |prover: Prover<C>, claim, secret| prover.answer(&claim, secret);
    Ok(Proofs {
        share: answer(
            share_prover,
            share_claim::<C>(ssid, setup.me, outcome.joint, &public.0),
            secret.expose(),
        ),
        constant: answer(
            constant_prover,
            constant_claim::<C>(ssid, setup.me, outcome.joint, &public.1),
            constant.expose(),
        ),
    })
}

/// Awaits everybody's proofs.
pub struct AwaitingProofs<C: Curve> {
    setup: Setup,
    openings: BTreeMap<Party, Opening<C>>,
    outcome: Outcome<C>,
    secret: Secret<C::Scalar>,
}

impl<C: Curve> AwaitingProofs<C> {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingCertificate<C>, Vec<Outgoing>), Abort> {
        let proofs = round.decode::<Proofs<C>>()?;
        let Self { setup, openings, outcome, secret } = self;
        let mut charges = Charges::default();
        for (party, proofs) in proofs.iter().filter(|(party, _)| **party != setup.me) {
            let opening =
                openings.get(party).ok_or(Abort::Bug("proofs came from a party without an opening"))?;
            let hold = proofs_hold(round.ssid, *party, &outcome, opening, proofs);
            charges.unless(hold, *party, Fault::WrongProof, &[4]);
        }
        charges.verdict()?;
        let key = outcome
            .group_key(&setup.context, round.ssid, round.view)
            .ok_or(Abort::Benign(Benign::Degenerate))?;
        if !key.is_one_polynomial() {
            return Err(Abort::Bug("the public shares do not interpolate to the public key"));
        }
        let outbox = vec![Outgoing::broadcast(5, &Certify(setup.identity.sign(&key.digest())))];
        Ok((AwaitingCertificate { setup, key, secret }, outbox))
    }
}

/// Awaits everybody's signature on the certificate.
pub struct AwaitingCertificate<C: Curve> {
    setup: Setup,
    key: GroupKey<C>,
    secret: Secret<C::Scalar>,
}

impl<C: Curve> AwaitingCertificate<C> {
    pub(super) const fn pending(&self) -> (&GroupKey<C>, &Secret<C::Scalar>) {
        (&self.key, &self.secret)
    }

    pub(super) const fn party(&self) -> Party {
        self.setup.me
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<KeyShare<C>, Abort> {
        let signatures = round.decode::<Certify>()?;
        let Self { setup, mut key, secret } = self;
        let mut charges = Charges::default();
        for (party, certify) in &signatures {
            charges.unless(certifies(&key, *party, certify), *party, Fault::WrongCertificate, &[5]);
        }
        charges.verdict()?;
        key.certificate = signatures.into_values().map(|certify| certify.0).collect();
        let digest = key.digest();
        KeyShare::new(setup.me, secret, Arc::new(key), &digest)
            .map_err(|_| Abort::Bug("our share does not belong to the key that it was checked against"))
    }
}
