//! Writes batches of records, one at a time, while the node goes on.

use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use keymoot_engine::record::Record;
use keymoot_ports::journal::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX};
use keymoot_ports::{Fault, Journal};
use rand_core::CryptoRngCore;
use tokio::task::JoinHandle;

use crate::shares::{ShareFault, Shares};

/// The one who writes.
pub(crate) struct Scribe {
    journal: Arc<dyn Journal>,
    shares: Shares,
    writing: Option<JoinHandle<Result<(), Fault>>>,
}

impl Scribe {
    pub(crate) const fn new(journal: Arc<dyn Journal>, shares: Shares) -> Self {
        Self { journal, shares, writing: None }
    }

    /// Begins to write a batch. There is none being written.
    pub(crate) fn write(
        &mut self,
        batch: Vec<Record>,
        rng: &mut impl CryptoRngCore,
    ) -> Result<(), ShareFault> {
        let records = batch.into_iter().map(|record| self.shares.seal(record, rng));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        let journal = Arc::clone(&self.journal);
        self.writing = Some(tokio::spawn(async move {
            let (began, count) = (Instant::now(), records.len());
            for part in parts(records) {
                journal.append(&part).await?;
            }
            metrics::histogram!("keymoot_node_journal_seconds").record(began.elapsed().as_secs_f64());
            metrics::counter!("keymoot_node_journal_records_total").increment(count as u64);
            Ok(())
        }));
        Ok(())
    }

    /// Waits until the batch that is being written is durable; for ever, if there is none.
    pub(crate) async fn written(&mut self) -> Result<(), Fault> {
        let Some(writing) = &mut self.writing else { return pending().await };
        let result = writing.await;
        self.writing = None;
        // Nobody knows how far it has come.
        result.unwrap_or_else(|_| Err(Fault::unavailable()))
    }
}

/// The batch in as many parts as the journal wants.
fn parts(records: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let (mut all, mut part, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
    for record in records {
        let is_full = part.len() >= BATCH_RECORDS_MAX || bytes.saturating_add(record.len()) > BATCH_BYTES_MAX;
        if is_full && !part.is_empty() {
            all.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes = bytes.saturating_add(record.len());
        part.push(record);
    }
    if !part.is_empty() {
        all.push(part);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::parts;
    use keymoot_ports::journal::BATCH_RECORDS_MAX;

    #[test]
    fn a_long_batch_is_written_in_parts_that_the_journal_takes() {
        assert!(parts(Vec::new()).is_empty());
        let records = vec![vec![1]; BATCH_RECORDS_MAX * 2 + 1];
        let lengths: Vec<usize> = parts(records).iter().map(Vec::len).collect();
        assert_eq!(lengths, [BATCH_RECORDS_MAX, BATCH_RECORDS_MAX, 1]);
    }
}
