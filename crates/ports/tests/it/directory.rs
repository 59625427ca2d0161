//! Directory: the twin and its broken copies.

use std::sync::Arc;

use keymoot_ports::conformance::{Verdict, directory};
use keymoot_ports::directory::{Directory, Entry};
use keymoot_ports::memory::directory::Twin;
use keymoot_ports::{Answer, Fault, Name};

use crate::drive::{TwinRoom, block_on, must_be_rejected};

#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    TheFirstPutStays,
    KindsAreMixed,
    CaseIsIgnored,
    OldestComesFirst,
    PagesOverlap,
    LimitsAreIgnored,
    LabelsAreForgotten,
    LongEntriesAreCut,
}

struct Copied {
    honest: Twin,
    how: How,
    one_kind: Name,
}

fn sit(how: How) -> Verdict {
    let mut room = TwinRoom::<dyn Directory>::new(move |_| {
        let (honest, one_kind) = (Twin::default(), Name::new("all").unwrap());
        Box::new(move || Arc::new(Copied { honest: honest.clone(), how, one_kind: one_kind.clone() }))
    });
    block_on(directory::sit(&mut room))
}

impl Copied {
    fn kind<'a>(&'a self, kind: &'a Name) -> &'a Name {
        if self.how == How::KindsAreMixed { &self.one_kind } else { kind }
    }

    fn id(&self, id: &str) -> String {
        if self.how == How::CaseIsIgnored { id.to_lowercase() } else { id.to_owned() }
    }
}

impl Directory for Copied {
    fn put<'a>(&'a self, kind: &'a Name, entry: &'a Entry) -> Answer<'a, ()> {
        Box::pin(async move {
            let (kind, mut entry) = (self.kind(kind), Entry { id: self.id(&entry.id), ..entry.clone() });
            if self.how == How::TheFirstPutStays && self.honest.get(kind, &entry.id).await?.is_some() {
                return Ok(());
            }
            if self.how == How::LabelsAreForgotten {
                entry.label = None;
            }
            match self.honest.put(kind, &entry).await {
                Err(Fault::Refused(_)) if self.how == How::LongEntriesAreCut => Ok(()),
                answer => answer,
            }
        })
    }

    fn get<'a>(&'a self, kind: &'a Name, id: &'a str) -> Answer<'a, Option<Entry>> {
        Box::pin(async move { self.honest.get(self.kind(kind), &self.id(id)).await })
    }

    fn list<'a>(
        &'a self,
        kind: &'a Name,
        before: Option<(u64, &'a str)>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let kind = self.kind(kind);
            let limit = if self.how == How::LimitsAreIgnored { usize::MAX } else { limit };
            let next = before.map(|(order, id)| (order, format!("{id}!")));
            let before = match (self.how, &next) {
                (How::PagesOverlap, Some((order, id))) => Some((*order, id.as_str())),
                _ => before,
            };
            let mut list = self.honest.list(kind, before, limit).await?;
            if self.how == How::OldestComesFirst {
                list.reverse();
            }
            Ok(list)
        })
    }

    fn find<'a>(&'a self, kind: &'a Name, label: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(async move { self.honest.find(self.kind(kind), label).await })
    }
}

#[test]
fn the_twin_passes() {
    let mut room = TwinRoom::<dyn Directory>::new(|_| {
        let twin = Twin::default();
        Box::new(move || Arc::new(twin.clone()))
    });
    block_on(directory::sit(&mut room)).unwrap();
    sit(How::Well).unwrap();
}

#[test]
fn broken_twins_fail() {
    for (how, sentence) in [
        (How::TheFirstPutStays, "the last document put counts"),
        (How::KindsAreMixed, "a document is of its own kind only"),
        (How::CaseIsIgnored, "a document is got as it was put, under its own id"),
        (How::OldestComesFirst, "a document that is put again is listed once, where it was put last"),
        (How::PagesOverlap, "pages put together are the whole list"),
        (How::LimitsAreIgnored, "a list is never longer than asked for"),
        (How::LabelsAreForgotten, "the last document put counts"),
        (How::LongEntriesAreCut, "an id that is too long is refused"),
    ] {
        must_be_rejected(sit(how), sentence);
    }
    let mut room = TwinRoom::<dyn Directory>::new(|_| Box::new(|| Arc::new(Twin::default())));
    must_be_rejected(block_on(directory::sit(&mut room)), "one process sees what another has put");
}
