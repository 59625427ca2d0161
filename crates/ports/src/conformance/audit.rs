//! The exam of [`AuditSink`].

use std::sync::Arc;

use super::{Room, Verdict, demand, granted, refused};
use crate::audit::{AuditSink, ENTRY_BYTES_MAX};

/// Sits the whole exam.
///
/// # Errors
/// The first thing that callers could not rely on.
pub async fn sit(room: &mut impl Room<Port = dyn AuditSink>) -> Verdict {
    entries_are_taken_in_order(room).await?;
    the_same_entry_again_is_fine(room).await?;
    another_entry_under_the_same_index_is_refused(room).await?;
    a_gap_is_refused(room).await?;
    everything_survives_a_restart(room).await?;
    an_entry_that_is_too_long_is_refused(room).await
}

const ENTRIES: [&[u8]; 4] = [b"zero", b"", b"two", b"two"];

async fn head_is(sink: &Arc<dyn AuditSink>, index: u64, sentence: &'static str) -> Verdict {
    demand(granted(sink.head().await, "the head is told")? == index, sentence)
}

/// A sink that holds all of `ENTRIES`.
async fn filled(room: &mut impl Room<Port = dyn AuditSink>) -> Result<Arc<dyn AuditSink>, super::Failure> {
    let sink = room.fresh().await;
    for (index, entry) in (0..).zip(ENTRIES) {
        granted(sink.append(index, entry).await, "the next entry is taken")?;
    }
    Ok(sink)
}

async fn entries_are_taken_in_order(room: &mut impl Room<Port = dyn AuditSink>) -> Verdict {
    let sink = room.fresh().await;
    head_is(&sink, 0, "a fresh sink begins with entry 0").await?;
    for (index, entry) in (0..).zip(ENTRIES) {
        granted(sink.append(index, entry).await, "the next entry is taken")?;
        head_is(&sink, index + 1, "the head is one beyond the last entry").await?;
    }
    Ok(())
}

async fn the_same_entry_again_is_fine(room: &mut impl Room<Port = dyn AuditSink>) -> Verdict {
    let sink = filled(room).await?;
    for (index, entry) in (0..4).rev().zip(ENTRIES.into_iter().rev()) {
        granted(sink.append(index, entry).await, "the same entry under the same index is fine, however old")?;
    }
    head_is(&sink, 4, "an entry that comes again is not kept twice").await
}

async fn another_entry_under_the_same_index_is_refused(
    room: &mut impl Room<Port = dyn AuditSink>,
) -> Verdict {
    let sink = filled(room).await?;
    for (index, entry) in (0..).zip(ENTRIES) {
        let other = sink.append(index, b"another").await;
        refused(other, "another entry under an index that is taken is refused")?;
        granted(sink.append(index, entry).await, "an entry stays what it was")?;
    }
    head_is(&sink, 4, "what was refused moves nothing").await
}

async fn a_gap_is_refused(room: &mut impl Room<Port = dyn AuditSink>) -> Verdict {
    let sink = room.fresh().await;
    refused(sink.append(1, b"one").await, "an entry beyond the head is refused")?;
    let sink = filled(room).await?;
    for index in [5, 6, 1 << 40, i64::MAX as u64, u64::MAX] {
        refused(sink.append(index, b"far").await, "an entry beyond the head is refused")?;
    }
    head_is(&sink, 4, "what was refused moves nothing").await?;
    granted(sink.append(4, b"next").await, "the next entry is taken after a gap was refused")
}

async fn everything_survives_a_restart(room: &mut impl Room<Port = dyn AuditSink>) -> Verdict {
    let sink = filled(room).await?;
    drop(sink);
    let sink = room.reopen().await;
    head_is(&sink, 4, "the head survives a restart").await?;
    refused(sink.append(0, b"another").await, "entries survive a restart")?;
    granted(sink.append(0, ENTRIES[0]).await, "entries survive a restart")?;
    granted(sink.append(4, b"next").await, "a sink goes on after a restart")
}

async fn an_entry_that_is_too_long_is_refused(room: &mut impl Room<Port = dyn AuditSink>) -> Verdict {
    let sink = room.fresh().await;
    let mut long = vec![1; ENTRY_BYTES_MAX + 1];
    refused(sink.append(0, &long).await, "an entry that is too long is refused")?;
    head_is(&sink, 0, "what was refused moves nothing").await?;
    long.pop();
    granted(sink.append(0, &long).await, "the longest entry is taken")
}
