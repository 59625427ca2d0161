//! The exam of [`Journal`].

use std::sync::Arc;

use super::{Failure, Verdict, demand, granted, refused};
use crate::Fault;
use crate::journal::{BATCH_RECORDS_MAX, Journal, RECORD_BYTES_MAX};

/// Where a journal sits its exam. The hooks that answer whether they did anything may answer `false`; then that
/// part of the exam is not asked.
pub trait JournalRoom {
    /// An empty journal with a storage of its own.
    fn fresh(&mut self) -> impl Future<Output = Arc<dyn Journal>>;

    /// The journal on the storage of the last fresh one, after its process died. The earlier instance is gone.
    fn reopen(&mut self) -> impl Future<Output = Arc<dyn Journal>>;

    /// Makes the next append write only its first `keep` bytes (or as near as the storage comes), and answer
    /// `Unavailable`.
    fn disturb(&mut self, keep: usize) -> impl Future<Output = bool> {
        let _ = keep;
        async { false }
    }

    /// Flips one bit of what is stored; `false` also when there is no such bit.
    fn flip(&mut self, bit: usize) -> impl Future<Output = bool> {
        let _ = bit;
        async { false }
    }

    /// From now on the storage takes so many bytes more; `None` lifts the bound.
    fn squeeze(&mut self, free: Option<usize>) -> impl Future<Output = bool> {
        let _ = free;
        async { false }
    }
}

/// Sits the whole exam.
///
/// # Errors
/// The first thing that callers could not rely on.
pub async fn sit(room: &mut impl JournalRoom) -> Verdict {
    what_was_appended_is_replayed_in_order(room).await?;
    everything_survives_a_restart(room).await?;
    what_is_too_long_is_refused_as_a_whole(room).await?;
    an_append_that_fails_leaves_a_prefix(room).await?;
    after_an_append_that_failed_the_journal_must_be_replayed(room).await?;
    a_full_storage_keeps_what_it_has_and_goes_on_later(room).await?;
    a_flipped_bit_is_corrupt(room).await
}

fn batch(records: &[&[u8]]) -> Vec<Vec<u8>> {
    records.iter().map(|record| record.to_vec()).collect()
}

async fn appended(journal: &Arc<dyn Journal>, batch: &[Vec<u8>]) -> Verdict {
    granted(journal.append(batch).await, "a batch can be appended")
}

async fn replayed(journal: &Arc<dyn Journal>) -> Result<Vec<Vec<u8>>, Failure> {
    granted(journal.replay().await, "a journal that nobody damaged can be replayed")
}

async fn what_was_appended_is_replayed_in_order(room: &mut impl JournalRoom) -> Verdict {
    let journal = room.fresh().await;
    demand(replayed(&journal).await?.is_empty(), "a fresh journal is empty")?;
    let (first, second) = (batch(&[b"b", b"", b"a", b"a"]), batch(&[&[0xff; 1000]]));
    appended(&journal, &first).await?;
    appended(&journal, &[]).await?;
    demand(replayed(&journal).await? == first, "records are replayed in order, equal and empty ones too")?;
    appended(&journal, &second).await?;
    appended(&journal, &first).await?;
    let all = [first.clone(), second, first].concat();
    demand(
        replayed(&journal).await? == all,
        "batches are replayed in order, each as often as it was appended",
    )
}

async fn everything_survives_a_restart(room: &mut impl JournalRoom) -> Verdict {
    let mut journal = room.fresh().await;
    let mut all = Vec::new();
    for i in 0u8..3 {
        let batch = batch(&[&[i], b"and more"]);
        appended(&journal, &batch).await?;
        all.extend(batch);
        drop(journal);
        journal = room.reopen().await;
        // Every second time without a replay before the next append.
        if i % 2 == 0 {
            demand(replayed(&journal).await? == all, "what was appended survives a restart")?;
        }
    }
    demand(replayed(&journal).await? == all, "appends after a restart go to the end")
}

async fn what_is_too_long_is_refused_as_a_whole(room: &mut impl JournalRoom) -> Verdict {
    let journal = room.fresh().await;
    let kept = batch(&[b"kept"]);
    appended(&journal, &kept).await?;
    let long = [b"short".to_vec(), vec![1; RECORD_BYTES_MAX + 1]];
    refused(journal.append(&long).await, "a record that is too long is refused")?;
    let many = vec![Vec::new(); BATCH_RECORDS_MAX + 1];
    refused(journal.append(&many).await, "a batch of too many records is refused")?;
    demand(replayed(&journal).await? == kept, "a batch that was refused leaves nothing")?;
    appended(&journal, &kept).await?;
    demand(replayed(&journal).await?.len() == 2, "a journal that refused something goes on")
}

/// Where writes are cut: at the ends, and at places in between.
const CUTS: [usize; 9] = [0, 1, 10, 15, 25, 40, 60, 80, usize::MAX];

async fn an_append_that_fails_leaves_a_prefix(room: &mut impl JournalRoom) -> Verdict {
    for keep in CUTS {
        let journal = room.fresh().await;
        let (safe, lost) = (batch(&[b"safe", b"and sound"]), batch(&[b"one", b"two", b"three"]));
        appended(&journal, &safe).await?;
        if !room.disturb(keep).await {
            return Ok(());
        }
        unavailable(&journal, &lost).await?;
        drop(journal);
        let journal = room.reopen().await;
        let left = replayed(&journal).await?;
        let rest = left.strip_prefix(&*safe);
        let is_prefix = rest.is_some_and(|rest| lost.starts_with(rest));
        demand(is_prefix, "a crash in an append leaves all before it and a prefix of whole records of it")?;
        appended(&journal, &safe).await?;
        drop(journal);
        let journal = room.reopen().await;
        demand(replayed(&journal).await? == [left, safe].concat(), "a journal goes on after a crash")?;
    }
    Ok(())
}

async fn unavailable(journal: &Arc<dyn Journal>, batch: &[Vec<u8>]) -> Verdict {
    match journal.append(batch).await {
        Err(Fault::Unavailable { .. }) => Ok(()),
        answer => {
            let sentence = "an append that may be lost is not acknowledged";
            granted(answer, sentence)?;
            demand(false, sentence)
        }
    }
}

async fn after_an_append_that_failed_the_journal_must_be_replayed(room: &mut impl JournalRoom) -> Verdict {
    for keep in CUTS {
        let journal = room.fresh().await;
        let (safe, lost) = (batch(&[b"safe"]), batch(&[b"one", b"two", b"three"]));
        appended(&journal, &safe).await?;
        if !room.disturb(keep).await {
            return Ok(());
        }
        unavailable(&journal, &lost).await?;
        let next = journal.append(&safe).await;
        let is_unsure = matches!(next, Err(Fault::Unavailable { .. }));
        demand(is_unsure, "after an append that failed, there is none until the journal was replayed")?;
        let left = replayed(&journal).await?;
        let is_prefix = left.strip_prefix(&*safe).is_some_and(|rest| lost.starts_with(rest));
        demand(is_prefix, "an append that failed leaves all before it and a prefix of whole records of it")?;
        appended(&journal, &safe).await?;
        demand(
            replayed(&journal).await? == [left, safe].concat(),
            "a journal goes on after it was replayed",
        )?;
    }
    Ok(())
}

async fn a_full_storage_keeps_what_it_has_and_goes_on_later(room: &mut impl JournalRoom) -> Verdict {
    let journal = room.fresh().await;
    let (kept, big) = (batch(&[b"kept"]), batch(&[b"small", &[1; 100_000]]));
    appended(&journal, &kept).await?;
    if !room.squeeze(Some(1000)).await {
        return Ok(());
    }
    let answer = journal.append(&big).await;
    demand(matches!(answer, Err(Fault::Full)), "a full storage is called full")?;
    demand(replayed(&journal).await? == kept, "a full storage keeps what it has and nothing of the batch")?;
    demand(room.squeeze(None).await, "a storage that was filled can be emptied")?;
    appended(&journal, &big).await?;
    demand(replayed(&journal).await? == [kept, big].concat(), "a journal goes on when there is room again")
}

/// Every so many bits one is flipped; a number without common factors with 8.
const FLIP_STEP: usize = 13;

async fn a_flipped_bit_is_corrupt(room: &mut impl JournalRoom) -> Verdict {
    let all = batch(&[b"one", b"", b"three"]);
    for bit in (0..).step_by(FLIP_STEP) {
        let journal = room.fresh().await;
        appended(&journal, &all).await?;
        drop(journal);
        if !room.flip(bit).await {
            return Ok(());
        }
        let journal = room.reopen().await;
        let answer = journal.replay().await;
        demand(matches!(answer, Err(Fault::Corrupt { .. })), "a journal with a flipped bit is corrupt")?;
        let answer = journal.append(&all).await;
        demand(matches!(answer, Err(Fault::Corrupt { .. })), "nothing is appended to a corrupt journal")?;
    }
    Ok(())
}
