//! Audit sink: the twin and its broken copies.

use std::sync::Arc;

use keymoot_ports::conformance::{Verdict, audit};
use keymoot_ports::memory::audit::Twin;
use keymoot_ports::{Answer, AuditSink, Fault};

use crate::drive::{TwinRoom, block_on, must_be_rejected};

#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    GapsAreClosed,
    OthersAreIgnored,
    OldEntriesAreRefused,
    HeadIsTheLast,
}

struct Copied {
    honest: Twin,
    how: How,
}

fn sit(how: How) -> Verdict {
    let mut room = TwinRoom::<dyn AuditSink>::new(move |_| {
        let honest = Twin::default();
        Box::new(move || Arc::new(Copied { honest: honest.clone(), how }))
    });
    block_on(audit::sit(&mut room))
}

impl AuditSink for Copied {
    fn append<'a>(&'a self, index: u64, entry: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let head = self.honest.head().await?;
            match self.how {
                How::GapsAreClosed if index > head => self.honest.append(head, entry).await,
                How::OthersAreIgnored if index < head => Ok(()),
                How::OldEntriesAreRefused if index < head => Err(Fault::Refused("seen before")),
                _ => self.honest.append(index, entry).await,
            }
        })
    }

    fn head(&self) -> Answer<'_, u64> {
        Box::pin(async move {
            let head = self.honest.head().await?;
            Ok(if self.how == How::HeadIsTheLast { head.saturating_sub(1) } else { head })
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
        (How::GapsAreClosed, "an entry beyond the head is refused"),
        (How::OthersAreIgnored, "another entry under an index that is taken is refused"),
        (How::OldEntriesAreRefused, "the same entry under the same index is fine, however old"),
        (How::HeadIsTheLast, "the head is one beyond the last entry"),
    ] {
        must_be_rejected(sit(how), sentence);
    }
    let mut room = TwinRoom::<dyn AuditSink>::new(|_| Box::new(|| Arc::new(Twin::default())));
    must_be_rejected(block_on(audit::sit(&mut room)), "the head survives a restart");
}
