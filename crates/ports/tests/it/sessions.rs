//! Sessions: the twin and its broken copies.

use std::sync::{Arc, Mutex};

use keymoot_ports::conformance::{Verdict, sessions};
use keymoot_ports::memory::clock::HandClock;
use keymoot_ports::memory::sessions::{Table, Twin};
use keymoot_ports::sessions::{Admission, Claim, Fence, Finish, Noted, Page, Recall, RequestId, Standing};
use keymoot_ports::{Answer, Bytes, Clock, Fault, Name, Sessions, Ttl};

use crate::drive::{TwinRoom, block_on, must_be_rejected, yield_once};

#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    FenceIsNotRaised,
    LastOutcomeWins,
    AnyBodyWins,
    StaleNotesCount,
    StaleOutcomesCount,
    LeasesAreStolen,
    OrphansAreLost,
    FinishedWorkIsOrphaned,
    NotesAreLost,
    LooksTakeOver,
    PlacesAreMixed,
    LastPageGoesOn,
    EndsAreHidden,
}

struct Copied {
    honest: Twin,
    how: How,
}

fn sit(how: How) -> Verdict {
    let mut room = TwinRoom::<dyn Sessions>::new(move |clock| {
        let honest = Twin::new(clock);
        Box::new(move || Arc::new(Copied { honest: honest.clone(), how }))
    });
    block_on(sessions::sit(&mut room))
}

impl Recall for Copied {
    fn recall(&self, request: RequestId) -> Answer<'_, Option<Standing>> {
        Box::pin(async move {
            if self.how == How::LooksTakeOver {
                let (reader, ttl) = (Name::new("reader").unwrap(), Ttl::new(1000).unwrap());
                self.honest.admit(request, b"", &reader, ttl).await.ok();
            }
            let mut standing = self.honest.recall(request).await?;
            if let (Some(standing), How::EndsAreHidden) = (&mut standing, self.how) {
                standing.outcome = None;
            }
            Ok(standing)
        })
    }

    fn newest(&self, before: Option<u64>, limit: usize) -> Answer<'_, Page> {
        Box::pin(async move {
            let mut page = self.honest.newest(before, limit).await?;
            match self.how {
                How::PlacesAreMixed => page.listed.reverse(),
                How::LastPageGoesOn => page.has_more = !page.listed.is_empty(),
                _ => {}
            }
            Ok(page)
        })
    }
}

impl Sessions for Copied {
    fn admit<'a>(
        &'a self,
        request: RequestId,
        body: &'a [u8],
        owner: &'a Name,
        ttl: Ttl,
    ) -> Answer<'a, Admission> {
        Box::pin(async move {
            match self.honest.admit(request, body, owner, ttl).await {
                Err(Fault::Refused(_)) if self.how == How::AnyBodyWins => {
                    Ok(Admission::Open { held_by: owner.clone() })
                }
                answer => answer,
            }
        })
    }

    fn claim<'a>(&'a self, request: RequestId, owner: &'a Name, ttl: Ttl) -> Answer<'a, Claim> {
        Box::pin(async move {
            Ok(match self.honest.claim(request, owner, ttl).await? {
                Claim::Yours { body, note, .. } if self.how == How::FenceIsNotRaised => {
                    Claim::Yours { fence: Fence(1), body, note }
                }
                Claim::Yours { fence, body, .. } if self.how == How::NotesAreLost => {
                    Claim::Yours { fence, body, note: Bytes::default() }
                }
                Claim::Held if self.how == How::LeasesAreStolen => {
                    Claim::Yours { fence: Fence(9), body: Bytes::default(), note: Bytes::default() }
                }
                claim => claim,
            })
        })
    }

    fn note<'a>(&'a self, request: RequestId, fence: Fence, progress: &'a [u8]) -> Answer<'a, Noted> {
        Box::pin(async move {
            let noted = self.honest.note(request, fence, progress).await?;
            Ok(if self.how == How::StaleNotesCount { Noted::Noted } else { noted })
        })
    }

    fn finish<'a>(&'a self, request: RequestId, fence: Fence, outcome: &'a [u8]) -> Answer<'a, Finish> {
        Box::pin(async move {
            Ok(match self.honest.finish(request, fence, outcome).await? {
                Finish::Settled(_) if self.how == How::LastOutcomeWins => Finish::Settled(outcome.into()),
                Finish::Stale if self.how == How::StaleOutcomesCount => Finish::Settled(outcome.into()),
                finish => finish,
            })
        })
    }

    fn orphans(&self, limit: usize) -> Answer<'_, Vec<RequestId>> {
        Box::pin(async move {
            let mut orphans = self.honest.orphans(limit).await?;
            match self.how {
                How::OrphansAreLost => orphans.clear(),
                How::FinishedWorkIsOrphaned if orphans.len() == 2 && limit > 2 => orphans.push([1; 32]),
                _ => {}
            }
            Ok(orphans)
        })
    }
}

#[test]
fn the_twin_passes() {
    sit(How::Well).unwrap();
}

#[test]
fn broken_twins_fail() {
    for (how, sentence) in [
        (How::FenceIsNotRaised, "taking over a lapsed lease raises the fence"),
        (How::LastOutcomeWins, "a second outcome does not replace the first, and is told the first"),
        (How::AnyBodyWins, "a known request with another body is refused"),
        (How::StaleNotesCount, "a note with an old fence is stale"),
        (How::StaleOutcomesCount, "an outcome with an old fence is stale"),
        (How::LeasesAreStolen, "nobody gets a lease that somebody else holds"),
        (How::OrphansAreLost, "every open request whose lease has lapsed is an orphan, once"),
        (How::FinishedWorkIsOrphaned, "a finished request never becomes an orphan"),
        (How::NotesAreLost, "who takes a request over gets the last note"),
        (How::LooksTakeOver, "nothing is known of a request that nobody has admitted"),
        (How::PlacesAreMixed, "places are listed from high to low"),
        (How::LastPageGoesOn, "nothing comes after the first request"),
        (How::EndsAreHidden, "whoever looks sees how a request ended"),
    ] {
        must_be_rejected(sit(how), sentence);
    }
}

#[test]
fn a_twin_that_forgets_in_a_restart_fails() {
    let mut room =
        TwinRoom::<dyn Sessions>::new(|clock| Box::new(move || Arc::new(Twin::new(clock.clone()))));
    let verdict = block_on(sessions::sit(&mut room));
    must_be_rejected(verdict, "of many who admit a request at once, exactly one is the first");
}

/// Looks first and acts later, like two statements without a transaction.
struct Racy {
    table: Arc<Mutex<Table>>,
    clock: Arc<dyn Clock>,
}

impl Racy {
    async fn act<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        let mut seen = self.table.lock().unwrap().clone();
        let answer = act(&mut seen);
        yield_once().await;
        *self.table.lock().unwrap() = seen;
        answer
    }
}

impl Recall for Racy {
    fn recall(&self, request: RequestId) -> Answer<'_, Option<Standing>> {
        Box::pin(async move { Ok(self.table.lock().unwrap().recall(&request)) })
    }

    fn newest(&self, before: Option<u64>, limit: usize) -> Answer<'_, Page> {
        Box::pin(async move { Ok(self.table.lock().unwrap().newest(before, limit)) })
    }
}

impl Sessions for Racy {
    fn admit<'a>(
        &'a self,
        request: RequestId,
        body: &'a [u8],
        owner: &'a Name,
        ttl: Ttl,
    ) -> Answer<'a, Admission> {
        Box::pin(async move {
            let now = self.clock.now();
            self.act(|table| table.admit(request, body, owner, ttl, now)).await
        })
    }

    fn claim<'a>(&'a self, request: RequestId, owner: &'a Name, ttl: Ttl) -> Answer<'a, Claim> {
        Box::pin(async move { self.act(|table| table.claim(request, owner, ttl, self.clock.now())).await })
    }

    fn note<'a>(&'a self, request: RequestId, fence: Fence, progress: &'a [u8]) -> Answer<'a, Noted> {
        Box::pin(async move { self.act(|table| table.note(request, fence, progress)).await })
    }

    fn finish<'a>(&'a self, request: RequestId, fence: Fence, outcome: &'a [u8]) -> Answer<'a, Finish> {
        Box::pin(async move { self.act(|table| table.finish(request, fence, outcome)).await })
    }

    fn orphans(&self, limit: usize) -> Answer<'_, Vec<RequestId>> {
        Box::pin(async move { Ok(self.act(|table| table.orphans(limit, self.clock.now())).await) })
    }
}

#[test]
fn a_twin_that_looks_first_and_acts_later_fails() {
    let mut room = TwinRoom::<dyn Sessions>::new(|clock| {
        let table = Arc::new(Mutex::new(Table::default()));
        Box::new(move || Arc::new(Racy { table: table.clone(), clock: clock.clone() }))
    });
    let verdict = block_on(sessions::sit(&mut room));
    must_be_rejected(verdict, "of many who admit a request at once, exactly one is the first");
}

#[test]
fn nothing_happens_before_an_answer_is_polled() {
    let twin = Twin::new(Arc::new(HandClock::default()));
    let (owner, ttl) = (Name::new("ann").unwrap(), Ttl::new(5).unwrap());
    drop(twin.admit([1; 32], b"body", &owner, ttl));
    assert_eq!(block_on(twin.claim([1; 32], &owner, ttl)).unwrap(), Claim::Unknown);
}
