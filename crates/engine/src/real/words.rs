//! A fixed text for everything that ends in words: nothing of a message, and so no secret, can get into one.

use keymoot_protocol::abort::Benign;
use keymoot_protocol::dkg::DkgError;
use keymoot_protocol::dkls23::{PresignRefused, SetupError, SignRefused, Unusable};
use keymoot_protocol::frost::Refused;
use keymoot_protocol::gg20::{GenerationRefused, PresignRefused as Gg20Refused};
use keymoot_protocol::session::Refusal;

use crate::crypto::Unfit;

const WRONG_IDENTITY: &str = "the identity is not the one that the committee lists for us";
const WRONG_SCHEME: &str = "the key serves another scheme";
const NO_QUORUM: &str = "the signers are not a quorum";
const NOT_CERTIFIED: &str = "the key is not certified";
const NO_PATH: &str = "there is no key at this path";
const NOT_A_SIGNER: &str = "we are not among the signers";

/// Somebody is banned.
pub(super) const BANNED: Unfit = Unfit("a signer is banned");

/// Why mail was dropped.
pub(super) const fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::TooLong => "the envelope is too long",
        Refusal::Malformed(_) => "the bytes are no envelope",
        Refusal::OtherSession => "the envelope belongs to another session",
        Refusal::Stranger => "the sender does not take part",
        Refusal::Reflected => "the envelope is our own",
        Refusal::NotForUs => "the envelope is for another recipient",
        Refusal::UnknownRound => "the protocol has no such round",
        Refusal::Forged => "the signature is not the sender's",
        Refusal::Duplicate => "the envelope was received before",
        Refusal::OtherAttempt => "another first word than the one we have",
        Refusal::TooEarly => "too much mail from this sender before the session began",
        Refusal::Premature => "the sender cannot have reached that round yet",
    }
}

/// Why a run ended that nobody is at fault for.
pub(super) const fn benign(benign: &Benign) -> &'static str {
    match benign {
        Benign::TimedOut { .. } => "the deadline passed",
        Benign::SplitView { .. } => "a participant was shown other broadcasts than we were",
        Benign::Repeated => "one nonce was contributed twice",
        Benign::Degenerate => "the joint result is the identity",
        Benign::StalePair { .. } => "a peer uses an old copy of its pair setup",
        Benign::BurntPair { .. } => "a pair is burnt",
        Benign::ForeignSum => "the key shares do not add up to the key",
        Benign::WrongSum => "the signature shares do not add up to a signature",
    }
}

/// Why a key generation cannot begin.
pub(super) const fn dkg_refused(error: DkgError) -> Unfit {
    Unfit(match error {
        DkgError::WrongContext => "the context does not describe a key generation on this curve",
        DkgError::WrongIdentity(_) => WRONG_IDENTITY,
    })
}

/// Why a pair setup cannot begin.
pub(super) const fn setup_refused(error: SetupError) -> Unfit {
    Unfit(match error {
        SetupError::WrongContext => "the context does not describe a pair setup",
        SetupError::WrongIdentity(_) => WRONG_IDENTITY,
        SetupError::NotAParticipant(_) => "we do not take part in this pair setup",
        SetupError::Banned(_) => "a participant is banned",
    })
}

/// Why moduli cannot be made.
pub(super) const fn moduli_refused(error: GenerationRefused) -> Unfit {
    Unfit(match error {
        GenerationRefused::WrongContext => "the context does not describe a generation of moduli",
        GenerationRefused::WrongIdentity(_) => WRONG_IDENTITY,
        GenerationRefused::WrongTable => "the moduli that are to be replaced are others",
        GenerationRefused::WrongPrimes => "the primes are too near to each other, or not of the right length",
    })
}

/// Why a pair setup cannot be used.
pub(super) const fn unusable(error: Unusable) -> Unfit {
    Unfit(match error {
        Unusable::Burnt(_) => "a pair is burnt",
        Unusable::NoPair(_) => "a pair is missing",
        Unusable::Banned(_) => "a signer is banned",
        Unusable::NotFresh => "a fresh pair setup is due for each batch, and this one has been used",
        Unusable::Stale(_) => "a peer uses an old copy of its pair setup",
        Unusable::WrongLedger => "the ledger belongs to another pair setup",
        Unusable::WornOut => "the pair setup has been used too often",
    })
}

/// Why a batch cannot begin.
pub(super) const fn presign_refused(error: PresignRefused) -> Unfit {
    Unfit(match error {
        PresignRefused::WrongScheme => WRONG_SCHEME,
        PresignRefused::WrongSetup => "the key, the pair setup and its ticket do not belong together",
        PresignRefused::Quorum(_) => NO_QUORUM,
        PresignRefused::TooMany { .. } => "a presignature is for exactly as many signers as are needed",
        PresignRefused::NotASigner(_) => NOT_A_SIGNER,
        PresignRefused::Banned(_) => "a signer is banned",
        PresignRefused::Size(_) => "a batch has 1 to 1024 presignatures",
        PresignRefused::WrongIdentity(_) => WRONG_IDENTITY,
    })
}

/// Why a batch of GG20 cannot begin.
pub(super) const fn presign_gg20_refused(error: Gg20Refused) -> Unfit {
    Unfit(match error {
        Gg20Refused::WrongScheme => WRONG_SCHEME,
        Gg20Refused::WrongModuli => "the key and the moduli do not belong together",
        Gg20Refused::Quorum(_) => NO_QUORUM,
        Gg20Refused::TooMany { .. } => "a presignature is for exactly as many signers as are needed",
        Gg20Refused::NotASigner(_) => NOT_A_SIGNER,
        Gg20Refused::Size { .. } => "a batch of gg20 has 1 to 16 presignatures, and fewer where many sign",
        Gg20Refused::WrongIdentity(_) => WRONG_IDENTITY,
        Gg20Refused::Banned(_) => "a signer is banned",
    })
}

/// Why FROST does not sign.
pub(super) const fn frost_refused(error: Refused) -> Unfit {
    Unfit(match error {
        Refused::Certificate(_) => NOT_CERTIFIED,
        Refused::WrongScheme => WRONG_SCHEME,
        Refused::WrongKey => "the share belongs to another key",
        Refused::Path(_) => NO_PATH,
        Refused::Quorum(_) => NO_QUORUM,
        Refused::NotASigner(_) => NOT_A_SIGNER,
        Refused::Message => "Taproot signs digests of exactly 32 bytes",
        Refused::Package => "the commitments are not exactly those of the signers",
        Refused::NotOurCommitment => "the commitment listed for us is not ours",
        Refused::Repeated => "one commitment is listed twice",
        Refused::WrongIdentity(_) => WRONG_IDENTITY,
        Refused::Library => "the signing library refused a checked input",
    })
}

/// Why DKLs23 and GG20 do not sign.
pub(super) const fn ecdsa_refused(error: SignRefused) -> Unfit {
    Unfit(match error {
        SignRefused::Certificate(_) => NOT_CERTIFIED,
        SignRefused::WrongScheme => WRONG_SCHEME,
        SignRefused::Path(_) => NO_PATH,
        SignRefused::WrongKey => "the presignature is for another key or epoch",
        SignRefused::Quorum(_) => "the presignature's signers are not a quorum",
        SignRefused::TooMany => "the presignature has more signers than are needed",
        SignRefused::WrongRequest => "the presignature was not burnt for this request",
        SignRefused::Banned(_) => "a signer is banned",
        SignRefused::WrongIdentity(_) => WRONG_IDENTITY,
    })
}
