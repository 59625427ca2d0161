//! Bugs that are put in on purpose, at the seams around the engine, to see whether the simulator notices.
//!
//! Each stands for a way in which systems of this kind have failed. They are switched on only by `sim --planted` and by
//! the simulator's own tests; the engine itself has no switch for any of them.

use crate::model::Weakness;

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident = $text:literal, [$($promise:ident),+];)*) => {
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

            /// The promises that it breaks: whichever of them is looked at first finds it.
            #[must_use]
            pub const fn expected(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$(stringify!($promise)),+],)* }
            }
        }
    };
}

bugs! {
    /// Writes are acknowledged and stay in memory.
    SkipFsync = "a write is acknowledged before it is synced", [I6];
    /// Effects run before their records are written.
    SpeakFirst = "burn after send: speaks, then persists", [I1, I2, I4, I7];
    /// A checkpoint does not wait for what it covers.
    CheckpointFirst = "a checkpoint leaves before its entries are durable", [I7];
    /// The burn record is not written.
    ForgetBurns = "a presignature's burning is not on record", [I1];
    /// A later presignature has the nonce of an earlier one.
    RecyclePresignature = "a presignature is recycled under another name", [I1];
    /// The share is not written before its key's certificate is signed.
    ForgetPending = "READY is said before the share is durable", [I4];
    /// The decision is not written.
    ForgetAllowed = "the decision is not on record", [I2];
    /// A ban is not written.
    ForgetBans = "a restart forgets who is banned", [I12];
    /// Our primes are not written before their table is signed.
    ForgetPrimes = "moduli are signed before the primes are durable", [I4];
    /// A table of moduli is not written.
    ForgetTable = "a restart forgets the moduli", [I4];
    /// The search finds the same primes again.
    SamePrimes = "primes are given out twice", [I1];
    /// What a node does not serve is served all the same.
    ServeAll = "a node takes part in a scheme that its operator has not switched on", [I2];
    /// The end of a key is not written.
    ForgetRetired = "a restart forgets that a key is retired", [I2, I16];
    /// The decision is written after the share has left.
    AuditAfterRelease = "the decision is recorded after the release", [I2];
    /// Requests are not checked for their client's signature.
    AnyClient = "nodes take a coordinator's word for who asked", [I3, I6];
    /// A node never hears of another document.
    OldDocument = "a client that was taken off the document is served", [I2];
    /// Requests never expire.
    NoExpiry = "an expired request is signed", [I2];
    /// Whatever is asked is allowed.
    AllowAll = "the policy is asked at the coordinator only", [I2];
    /// A later outcome replaces an earlier one.
    OutcomeOverwritten = "a second outcome replaces the first", [I6];
    /// An outcome is told before it is stored.
    TellBeforeStore = "an outcome is told before it is stored", [I6];
    /// An admission is not stored.
    ForgetAdmission = "an acknowledged request is forgotten", [I6];
    /// Nobody takes over what a dead coordinator has left.
    NoTakeover = "a dead coordinator's requests are nobody's", [I5];
    /// A coordinator's timers get lost.
    CoordinatorSleeps = "a coordinator's timer is lost", [I5];
    /// A node's timers get lost.
    NodeSleeps = "a node's session has no deadline", [I5, I7];
    /// A share is in the clear.
    ShareLeaks = "a secret is in a message", [I10];
    /// The culprit is not found out but guessed.
    BlameByLot = "the wrong member is blamed", [I15];
    /// Broadcasts are not compared.
    PlainMulticast = "plain multicast instead of an echo", [I4, I15];
    /// Mail does not name its session.
    NoSessionName = "no session name in messages", [I3, I4, I15];
    /// One signature makes a certificate.
    FirstAckCertifies = "a key is committed on the first READY", [I4];
    /// A failed check on secrets is taken for bad luck.
    BanIsBenign = "retry after a cryptographic abort", [I12];
    /// Nonces repeat.
    ConstantNonce = "nonces come from a generator that repeats", [I1];
    /// What cannot be read is skipped.
    SkipCorruptRecord = "a corrupt journal record is skipped", [I13];
    /// An error of sync is ignored.
    IgnoreFsyncError = "an error of fsync is ignored", [I1, I2, I4, I6];
    /// A full disk is ignored.
    IgnoreFullDisk = "a full disk is ignored", [I1, I2, I4, I6];
    /// A witness does not write down what it has cosigned.
    ForgetWitnessed = "a restarted witness cosigns a second history", [I7];
    /// The path below the key is not looked at.
    RootSigns = "the key signs for every path below it", [I3];
    /// A coordinator goes on only when all nodes are there.
    WaitsForAll = "a coordinator waits for nodes that it does not need", [I5];
    /// A node that has begun again shows signs of life and does nothing.
    FalseHealth = "a restarted node does nothing while every health check is green", [I5];
    /// A node dies of mail that it cannot read, each time.
    MalformedKills = "malformed mail takes a node down for good", [I5];
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
                | Self::ForgetBans
                | Self::ForgetRetired
                | Self::ForgetPrimes
                | Self::ForgetTable
                | Self::ForgetWitnessed
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
            Self::RootSigns => weakness.root_signs = true,
            Self::SamePrimes => weakness.same_primes = true,
            _ => {}
        }
        weakness
    }
}
