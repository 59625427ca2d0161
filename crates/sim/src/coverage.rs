//! What has happened in worlds, counted: a world in which something never happens proves nothing about it.

use std::fmt;

use keymoot_engine::outcome::Outcome;
use keymoot_engine::record::Entry;
use keymoot_engine::refusal::Refusal;
use keymoot_engine::request::BadRequest;

macro_rules! kinds {
    ($($group:literal { $($name:ident = $text:literal,)* })*) => {
        /// Something that happens in some worlds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[doc = $text] $name,)*)* }

        impl Kind {
            /// All of them, group by group.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// What sort of thing it is.
            #[must_use]
            pub const fn group(self) -> &'static str {
                match self { $($(Self::$name => $group,)*)* }
            }

            /// What it is, in words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $($(Self::$name => $text,)*)* }
            }
        }
    };
}

kinds! {
    "lie of a node" {
        Silence = "says nothing",
        OldWord = "says what it once heard",
        Twice = "says it twice",
        MailChanged = "changes its mail",
        MailInTwoWays = "sends its mail in two versions",
        WordWithheld = "does not say that it has released its share",
        MailUnreadable = "sends mail that is none",
        CheckSpoilt = "fails a check against others' secrets",
        EndedFalsely = "says that a session has ended",
        RefusedFalsely = "refuses for a reason that it does not have",
        RefusedSigned = "signs a denial without a cause",
        StockInvented = "has a stock that does not exist",
        StockWithheld = "does not tell all of its stock",
        CompleteFalsely = "says that a session is complete",
        ModuliInvented = "says of moduli what is not so",
        LogForked = "shows a second history of its log",
        CosignedWrongly = "gives a cosignature that is none",
        BehindFalsely = "has seen another size than it has",
    }
    "deed of a thief" {
        Withheld = "keeps a message",
        Replayed = "sends an old message",
        InviteTwisted = "changes an invitation",
        InviteDoubled = "invites to the same under two names",
        InviteRepeated = "invites again to an old session",
        MailMisled = "carries mail elsewhere",
        StoreForged = "writes into the store what nobody has asked, or an outcome",
        AnswerFalse = "invents an outcome",
        RequestAbused = "calls signers to a request in its own way",
    }
    "request asked" {
        ByName = "signed by its name",
        ByHttp = "signed as HTTP",
    }
    "signature asked" {
        AtRoot = "of the key itself",
        OneStep = "one step below it",
        TwoSteps = "two steps below it",
    }
    "trouble" {
        MessageLost = "a message is lost",
        MessageTwice = "a message comes twice",
        MessageSlow = "a message takes ten times as long",
        LineCut = "a line is cut",
        LineBroken = "a coordinator sees the line to a node break",
        NodeCrash = "a node dies",
        CoordinatorCrash = "a coordinator dies",
        CrashMidway = "a node dies between two effects",
        NodeStop = "a node ends in order",
        Pause = "a process stands still",
        Torn = "a write is torn",
        SyncRefused = "a disk refuses to sync",
        DiskFull = "a disk is full",
        BitFlip = "a bit on a disk turns over",
        RolledBack = "an old copy of a journal is put back",
        ClockJump = "a clock jumps",
        StoreOutage = "the store does not answer",
        DocumentChanged = "a process hears of another document",
        JobLost = "a worker dies without a result",
        JobFailed = "a worker says that it has failed",
        JobAbandoned = "a worker drops what need not be begun any more",
        SearchLost = "a step of the search for primes gets lost",
    }
    "refusal" {
        Malformed = "the bytes are no request",
        Expired = "the request has expired",
        Premature = "the request comes from the future",
        TooLong = "the request is to be valid for too long",
        Client = "no enrolled client has signed it",
        Policy = "the policy says no",
        Key = "there is no such key",
        KeyRetired = "the key is retired",
        Scheme = "the key's scheme does not go with that",
        NotServed = "the node does not serve the key's scheme",
        Generated = "the key was generated before",
        Signers = "the signers are no quorum with this node",
        BannedMember = "a member is banned",
        Seen = "the session was here before",
        TooMany = "there are too many sessions",
        Exhausted = "the attempts at the request are used up",
        NoPresignature = "the presignature is gone",
        NoSetup = "what presignatures are made with cannot be used",
        Enough = "it is more than is kept",
        Unfit = "parts do not belong together",
    }
    "record" {
        Started = "a node begins",
        Stopped = "a node ends",
        Allowed = "a request is served",
        Denied = "a request is denied",
        Refused = "refusals are counted",
        Burnt = "presignatures are burnt",
        Pending = "a key waits for its certificate",
        Certified = "a key is certified",
        SetUp = "a pair setup is complete",
        ModuliPending = "a table of moduli waits for its certificate",
        Moduli = "a table of moduli is certified",
        Stocked = "presignatures are ready",
        Banned = "a member is banned for ever",
        Blamed = "a member is blamed",
        Forked = "a member's log has two histories",
        Witnessed = "a checkpoint is cosigned",
        Retired = "a key is retired",
        RollbackNoted = "a journal is an old copy",
    }
    "outcome" {
        KeyMade = "a key",
        Signed = "a signature",
        NoQuorumLeft = "a key of which no quorum is left",
        DeniedByAll = "a denial by so many that no quorum is left",
        OutOfTime = "the request has expired",
        Failed = "a failure with a reason",
    }
}

/// How often each thing has happened, and in how many worlds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    times: [u64; Kind::ALL.len()],
    worlds: [u64; Kind::ALL.len()],
}

impl Default for Coverage {
    fn default() -> Self {
        Self { times: [0; Kind::ALL.len()], worlds: [0; Kind::ALL.len()] }
    }
}

impl fmt::Debug for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let happened = Kind::ALL.iter().filter(|kind| self.times(**kind) > 0);
        f.debug_map().entries(happened.map(|kind| (kind, self.times(*kind)))).finish()
    }
}

impl Coverage {
    /// It has happened once more, in this one world.
    pub const fn saw(&mut self, kind: Kind) {
        self.times[kind as usize] += 1;
        self.worlds[kind as usize] = 1;
    }

    /// Adds what has happened in other worlds.
    pub fn add(&mut self, other: &Self) {
        self.times.iter_mut().zip(other.times).for_each(|(sum, one)| *sum += one);
        self.worlds.iter_mut().zip(other.worlds).for_each(|(sum, one)| *sum += one);
    }

    /// How often it has happened.
    #[must_use]
    pub const fn times(&self, kind: Kind) -> u64 {
        self.times[kind as usize]
    }

    /// In how many worlds it has happened.
    #[must_use]
    pub const fn worlds(&self, kind: Kind) -> u64 {
        self.worlds[kind as usize]
    }

    /// What has never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<Kind> {
        Kind::ALL.iter().copied().filter(|kind| self.times(*kind) == 0).collect()
    }
}

/// A table.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = "";
        for kind in Kind::ALL {
            if group != kind.group() {
                group = kind.group();
                writeln!(f, "{group:<56} {:>10} {:>10}", "times", "worlds")?;
            }
            writeln!(f, "  {:<54} {:>10} {:>10}", kind.text(), self.times(*kind), self.worlds(*kind))?;
        }
        Ok(())
    }
}

impl From<&Refusal> for Kind {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Request(BadRequest::Malformed) => Self::Malformed,
            Refusal::Request(BadRequest::Expired) => Self::Expired,
            Refusal::Request(BadRequest::Premature) => Self::Premature,
            Refusal::Request(BadRequest::TooLong) => Self::TooLong,
            // Clients of these worlds sign names, which are of one request and one group.
            Refusal::Client | Refusal::Conflict | Refusal::Request(BadRequest::Elsewhere) => Self::Client,
            Refusal::Policy(_) => Self::Policy,
            Refusal::Key => Self::Key,
            Refusal::Scheme => Self::Scheme,
            Refusal::NotServed => Self::NotServed,
            Refusal::Retired => Self::KeyRetired,
            Refusal::Generated => Self::Generated,
            Refusal::Signers => Self::Signers,
            Refusal::Banned(_) => Self::BannedMember,
            Refusal::Seen => Self::Seen,
            Refusal::TooMany => Self::TooMany,
            Refusal::Exhausted => Self::Exhausted,
            Refusal::Presignature => Self::NoPresignature,
            Refusal::Setup(_) => Self::NoSetup,
            Refusal::Enough => Self::Enough,
            Refusal::Unfit(_) => Self::Unfit,
        }
    }
}

impl From<&Entry> for Kind {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::Started { .. } => Self::Started,
            Entry::Stopped => Self::Stopped,
            Entry::Allowed { .. } => Self::Allowed,
            Entry::Denied { .. } => Self::Denied,
            Entry::Refused { .. } => Self::Refused,
            Entry::Burnt { .. } => Self::Burnt,
            Entry::Pending { .. } => Self::Pending,
            Entry::Certified { .. } => Self::Certified,
            Entry::SetUp { .. } => Self::SetUp,
            Entry::ModuliPending { .. } => Self::ModuliPending,
            Entry::Moduli { .. } => Self::Moduli,
            Entry::Stocked { .. } => Self::Stocked,
            Entry::Banned { .. } => Self::Banned,
            Entry::Blamed { .. } => Self::Blamed,
            Entry::Forked { .. } => Self::Forked,
            Entry::Witnessed { .. } => Self::Witnessed,
            Entry::RolledBack { .. } => Self::RollbackNoted,
            Entry::Retired { .. } => Self::Retired,
        }
    }
}

impl From<&Outcome> for Kind {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Key(_) => Self::KeyMade,
            Outcome::Signed { .. } => Self::Signed,
            Outcome::Denied(_) => Self::DeniedByAll,
            Outcome::Retired { .. } => Self::NoQuorumLeft,
            Outcome::Expired => Self::OutOfTime,
            Outcome::Failed(_) | Outcome::NoModuli(_) => Self::Failed,
        }
    }
}
