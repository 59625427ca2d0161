//! Bugs that are put in on purpose, at the seams around the engine, to see whether the simulator notices.
//!
//! Each stands for a way in which systems of this kind have failed. They are switched on only by `sim --planted` and by
//! the simulator's own tests; the engine itself has no switch for any of them.

use crate::model::Weakness;

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug { $($(#[$doc])* $name,)* }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What is wrong.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

bugs! {
    /// Writes are acknowledged and stay in memory.
    SkipFsync = "a write is acknowledged before it is synced";
    /// Effects run before their records are written.
    SpeakFirst = "burn after send: speaks, then persists";
    /// A checkpoint does not wait for what it covers.
    CheckpointFirst = "a checkpoint leaves before its entries are durable";
    /// The burn record is not written.
    ForgetBurns = "a presignature's burning is not on record";
    /// A later presignature has the nonce of an earlier one.
    RecyclePresignature = "a presignature is recycled under another name";
    /// The share is not written before its key's certificate is signed.
    ForgetPending = "READY is said before the share is durable";
    /// The decision is not written.
    ForgetAllowed = "the decision is not on record";
    /// The name of a session without a request is not written.
    ForgetJoined = "a node joins one session twice after a restart";
    /// The decision is written after the share has left.
    AuditAfterRelease = "the decision is recorded after the release";
    /// Requests are not checked for their client's signature.
    AnyClient = "nodes take a coordinator's word for who asked";
    /// Requests never expire.
    NoExpiry = "an expired request is signed";
    /// Whatever is asked is allowed.
    AllowAll = "the policy is asked at the coordinator only";
    /// A later outcome replaces an earlier one.
    OutcomeOverwritten = "a second outcome replaces the first";
    /// An outcome is told before it is stored.
    TellBeforeStore = "an outcome is told before it is stored";
    /// An admission is not stored.
    ForgetAdmission = "an acknowledged request is forgotten";
    /// Nobody takes over what a dead coordinator has left.
    NoTakeover = "a dead coordinator's requests are nobody's";
    /// A coordinator's timers get lost.
    CoordinatorSleeps = "a coordinator's timer is lost";
    /// A node's timers get lost.
    NodeSleeps = "a node's session has no deadline";
    /// A share is in the clear.
    ShareLeaks = "a secret is in a message";
    /// The culprit is not found out but guessed.
    BlameByLot = "the wrong member is blamed";
    /// Broadcasts are not compared.
    PlainMulticast = "plain multicast instead of an echo";
    /// Mail does not name its session.
    NoSessionName = "no session name in messages";
    /// One signature makes a certificate.
    FirstAckCertifies = "a key is committed on the first READY";
    /// A failed check on secrets is taken for bad luck.
    BanIsBenign = "retry after a cryptographic abort";
    /// Nonces repeat.
    ConstantNonce = "nonces come from a generator that repeats";
    /// What cannot be read is skipped.
    SkipCorruptRecord = "a corrupt journal record is skipped";
    /// An error of sync is ignored.
    IgnoreFsyncError = "an error of fsync is ignored";
    /// A full disk is ignored.
    IgnoreFullDisk = "a full disk is ignored";
}

impl Bug {
    /// Whether the seam at which it is put in changes the log itself. Then a check of the log would find the seam and not
    /// the bug, and is left out.
    #[must_use]
    pub const fn touches_the_log(self) -> bool {
        matches!(
            self,
            Self::ForgetBurns
                | Self::ForgetPending
                | Self::ForgetAllowed
                | Self::ForgetJoined
                | Self::IgnoreFsyncError
                | Self::IgnoreFullDisk
        )
    }

    /// What of it is in the model of cryptography.
    #[must_use]
    pub fn weakness(self) -> Weakness {
        let mut weakness = Weakness::default();
        match self {
            Self::AnyClient => weakness.any_client = true,
            Self::ShareLeaks => weakness.share_leaks = true,
            Self::BlameByLot => weakness.blame_by_lot = true,
            Self::PlainMulticast => weakness.plain_multicast = true,
            Self::NoSessionName => weakness.no_session_name = true,
            Self::FirstAckCertifies => weakness.first_ack_certifies = true,
            Self::BanIsBenign => weakness.ban_is_benign = true,
            Self::RecyclePresignature => weakness.recycled_nonce = true,
            Self::ConstantNonce => weakness.constant_nonce = true,
            _ => {}
        }
        weakness
    }
}
