//! The exam of [`Directory`].

use std::sync::Arc;

use super::{Failure, Room, Verdict, demand, granted, name, refused};
use crate::Name;
use crate::directory::{DOCUMENT_BYTES_MAX, Directory, Entry, PAGE_MAX, TEXT_BYTES_MAX};

/// Sits the whole exam.
///
/// # Errors
/// The first thing that callers could not rely on.
pub async fn sit(room: &mut impl Room<Port = dyn Directory>) -> Verdict {
    what_was_put_is_got(room).await?;
    the_last_put_counts_everywhere(room).await?;
    a_list_is_newest_first_and_goes_on_where_it_ended(room).await?;
    pages_are_bounded(room).await?;
    labels_find_ids_newest_first(room).await?;
    everything_survives_a_restart(room).await?;
    what_is_too_long_is_refused(room).await
}

type Port = Arc<dyn Directory>;

fn entry(id: &str, order: u64, label: Option<&str>, bytes: &[u8]) -> Entry {
    Entry { id: id.to_owned(), order, label: label.map(str::to_owned), bytes: bytes.into() }
}

async fn put(port: &Port, kind: &Name, entries: &[Entry]) -> Verdict {
    for entry in entries {
        granted(port.put(kind, entry).await, "a document can be put")?;
    }
    Ok(())
}

async fn got(port: &Port, kind: &Name, id: &str) -> Result<Option<Entry>, Failure> {
    granted(port.get(kind, id).await, "a document can be looked up")
}

async fn listed(
    port: &Port,
    kind: &Name,
    before: Option<(u64, &str)>,
    limit: usize,
) -> Result<Vec<Entry>, Failure> {
    granted(port.list(kind, before, limit).await, "documents can be listed")
}

async fn found(port: &Port, kind: &Name, label: &str) -> Result<Vec<String>, Failure> {
    granted(port.find(kind, label).await, "ids can be found by a label")
}

async fn what_was_put_is_got(room: &mut impl Room<Port = dyn Directory>) -> Verdict {
    let (port, key, request) = (room.fresh().await, name("key")?, name("request")?);
    demand(got(&port, &key, "a").await?.is_none(), "a fresh directory has no documents")?;
    demand(listed(&port, &key, None, 9).await?.is_empty(), "a fresh directory has no documents")?;
    // Ids are any text: upper case, other scripts, and what means something to databases.
    let odd = ["a", "A", "ä'%_\"; --", "key_01/x y"];
    for (order, id) in (0..).zip(odd) {
        put(&port, &key, &[entry(id, order, None, id.as_bytes())]).await?;
    }
    for (order, id) in (0..).zip(odd) {
        let document = got(&port, &key, id).await?;
        demand(
            document == Some(entry(id, order, None, id.as_bytes())),
            "a document is got as it was put, under its own id",
        )?;
    }
    demand(got(&port, &request, "a").await?.is_none(), "a document is of its own kind only")?;
    demand(listed(&port, &request, None, 9).await?.is_empty(), "a document is of its own kind only")?;
    put(&port, &request, &[entry("a", 7, None, b"")]).await?;
    let first = got(&port, &key, "a").await?;
    demand(
        first == Some(entry("a", 0, None, b"a")),
        "a document of another kind replaces nothing under the same id",
    )
}

async fn the_last_put_counts_everywhere(room: &mut impl Room<Port = dyn Directory>) -> Verdict {
    let (port, key) = (room.fresh().await, name("key")?);
    let (before, after) = (entry("a", 5, Some("hot"), b"before"), entry("a", 1, Some("cold"), b"after"));
    let other = entry("b", 3, Some("hot"), b"other");
    put(&port, &key, &[before.clone(), other.clone(), before, after.clone()]).await?;
    demand(got(&port, &key, "a").await?.as_ref() == Some(&after), "the last document put counts")?;
    demand(
        listed(&port, &key, None, 9).await? == [other.clone(), after],
        "a document that is put again is listed once, where it was put last",
    )?;
    demand(found(&port, &key, "hot").await? == ["b"], "a label that was replaced finds nothing")?;
    demand(found(&port, &key, "cold").await? == ["a"], "a label finds what has it now")?;
    put(&port, &key, &[Entry { label: None, ..other }]).await?;
    demand(found(&port, &key, "hot").await?.is_empty(), "a label that was taken away finds nothing")
}

async fn a_list_is_newest_first_and_goes_on_where_it_ended(
    room: &mut impl Room<Port = dyn Directory>,
) -> Verdict {
    let (port, key) = (room.fresh().await, name("key")?);
    // Sorted as a list must be: by order, then by the bytes of the id, from high to low.
    let sorted = [
        entry("a", u64::MAX, None, b"0"),
        entry("b", 1 << 63, None, b"1"),
        entry("z", 7, None, b"2"),
        entry("aa", 7, None, b"3"),
        entry("Z", 7, None, b"4"),
        entry("c", 1, None, b"5"),
        entry("d", 0, None, b"6"),
    ];
    for i in [3, 0, 6, 1, 5, 2, 4] {
        put(&port, &key, sorted.get(i..=i).unwrap_or_default()).await?;
    }
    demand(listed(&port, &key, None, 9).await? == sorted, "a list is newest first, and by id among equals")?;
    for step in 1..=3 {
        let (mut all, mut before): (Vec<Entry>, Option<(u64, String)>) = (Vec::new(), None);
        for _ in 0..=sorted.len() {
            let page =
                listed(&port, &key, before.as_ref().map(|(order, id)| (*order, id.as_str())), step).await?;
            demand(page.len() <= step, "a list is never longer than asked for")?;
            let Some(last) = page.last() else { break };
            before = Some((last.order, last.id.clone()));
            all.extend(page);
        }
        demand(all == sorted, "pages put together are the whole list")?;
    }
    let rest = listed(&port, &key, Some((7, "m")), 9).await?;
    demand(
        sorted.ends_with(&rest) && rest.len() == 4,
        "a list goes on after a place where no document stands",
    )?;
    demand(listed(&port, &key, None, 0).await?.is_empty(), "a list of nothing is empty")
}

async fn pages_are_bounded(room: &mut impl Room<Port = dyn Directory>) -> Verdict {
    let (port, key) = (room.fresh().await, name("key")?);
    for i in 0..=PAGE_MAX as u64 {
        put(&port, &key, &[entry(&format!("{i}"), i, Some("all"), b"")]).await?;
    }
    demand(
        listed(&port, &key, None, usize::MAX).await?.len() == PAGE_MAX,
        "a list is as long as a page and no longer, whatever is asked for",
    )?;
    demand(found(&port, &key, "all").await?.len() == PAGE_MAX, "no more ids are found than fit a page")
}

async fn labels_find_ids_newest_first(room: &mut impl Room<Port = dyn Directory>) -> Verdict {
    let (port, key, request) = (room.fresh().await, name("key")?, name("request")?);
    let hot = |id, order| entry(id, order, Some("hot"), b"");
    put(&port, &key, &[hot("b", 1), hot("a", 2), hot("c", 1), entry("d", 9, None, b"")]).await?;
    put(&port, &request, &[hot("e", 3)]).await?;
    demand(
        found(&port, &key, "hot").await? == ["a", "c", "b"],
        "a label finds all that have it, newest first",
    )?;
    for other in ["Hot", "ho", "", "%"] {
        demand(found(&port, &key, other).await?.is_empty(), "a label is found by exactly the same text")?;
    }
    Ok(())
}

async fn everything_survives_a_restart(room: &mut impl Room<Port = dyn Directory>) -> Verdict {
    let (port, key) = (room.fresh().await, name("key")?);
    let (a, b) = (entry("a", 1, Some("hot"), b"one"), entry("b", 2, None, b"two"));
    put(&port, &key, std::slice::from_ref(&a)).await?;
    let other = room.reopen().await;
    put(&other, &key, std::slice::from_ref(&b)).await?;
    demand(got(&port, &key, "b").await?.as_ref() == Some(&b), "one process sees what another has put")?;
    drop((port, other));
    let port = room.reopen().await;
    demand(listed(&port, &key, None, 9).await? == [b, a], "documents survive a restart")?;
    demand(found(&port, &key, "hot").await? == ["a"], "labels survive a restart")
}

async fn what_is_too_long_is_refused(room: &mut impl Room<Port = dyn Directory>) -> Verdict {
    let (port, key) = (room.fresh().await, name("key")?);
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let bytes = vec![1; DOCUMENT_BYTES_MAX + 1];
    refused(port.put(&key, &entry(&long, 0, None, b"")).await, "an id that is too long is refused")?;
    refused(port.put(&key, &entry("", 0, None, b"")).await, "an empty id is refused")?;
    refused(port.put(&key, &entry("a", 0, Some(&long), b"")).await, "a label that is too long is refused")?;
    refused(port.put(&key, &entry("a", 0, None, &bytes)).await, "a document that is too long is refused")?;
    demand(listed(&port, &key, None, 9).await?.is_empty(), "what was refused is not there")?;
    let (fits, bytes) = (long.get(1..).unwrap_or_default(), bytes.get(1..).unwrap_or_default());
    let longest = entry(fits, 0, Some(fits), bytes);
    put(&port, &key, std::slice::from_ref(&longest)).await?;
    demand(got(&port, &key, fits).await? == Some(longest), "the longest document fits")
}
