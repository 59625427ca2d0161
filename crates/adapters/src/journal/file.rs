//! A journal in one file, in the format of `keymoot_ports::frames`.
//!
//! Whoever appends first becomes the writer, on a thread that may block. It goes on until nobody waits: all that has come
//! in during one sync becomes durable with the next, in one write.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex};

use keymoot_ports::frames::WRITE_BYTES_MAX;
use keymoot_ports::journal::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Journal, admit};
use keymoot_ports::{Answer, Fault};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::tape::Tape;
use crate::{OpenError, lock};

/// The most batches that wait. More are answered `Full`.
pub const WAITING_MAX: usize = 1024;

/// The most bytes that wait, and those of one batch more. More are answered `Full`.
pub const WAITING_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;

/// A journal in an append-only file. Needs a tokio runtime to run in.
pub struct FileJournal {
    desk: Arc<Desk>,
}

struct Desk {
    /// Gone when the journal is.
    tape: Mutex<Option<Tape>>,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Batch>,
    bytes: usize,
    /// Whether somebody writes, who will also write what waits.
    has_writer: bool,
}

struct Batch {
    records: Vec<Vec<u8>>,
    answer: oneshot::Sender<Result<(), Fault>>,
}

impl Batch {
    fn bytes(&self) -> usize {
        self.records.iter().map(Vec::len).sum()
    }
}

impl FileJournal {
    /// Opens the journal in this file, or begins one. What is in it is read with the first call.
    ///
    /// # Errors
    /// The file is out of reach, or another process has it open.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self::on(Tape::open(path, "the journal", WRITE_BYTES_MAX)?))
    }

    fn on(tape: Tape) -> Self {
        let desk = Desk { tape: Mutex::new(Some(tape)), line: Mutex::default() };
        Self { desk: Arc::new(desk) }
    }

    async fn write(&self, batch: &[Vec<u8>]) -> Result<(), Fault> {
        admit(batch)?;
        let (answer, told) = oneshot::channel();
        let batch = Batch { records: batch.to_vec(), answer };
        if self.desk.line_up(batch)? {
            let writer = Writer { desk: Arc::clone(&self.desk), is_done: false };
            spawn_blocking(move || writer.write());
        }
        told.await.unwrap_or_else(|_| Err(Fault::unavailable()))
    }

    async fn read(&self) -> Result<Vec<Vec<u8>>, Fault> {
        let desk = Arc::clone(&self.desk);
        let read = spawn_blocking(move || {
            let mut records = Vec::new();
            let mut tape = lock(&desk.tape);
            let tape = tape.as_mut().ok_or(Fault::unavailable())?;
            tape.read(|_, record| records.push(record.to_vec()))?;
            Ok(records)
        });
        read.await.map_err(Fault::unavailable_for)?
    }
}

impl Desk {
    /// Whether the caller has to bring a writer.
    fn line_up(&self, batch: Batch) -> Result<bool, Fault> {
        let mut line = lock(&self.line);
        if line.waiting.len() >= WAITING_MAX || line.bytes >= WAITING_BYTES_MAX {
            return Err(Fault::Full);
        }
        line.bytes += batch.bytes();
        line.waiting.push_back(batch);
        Ok(!mem::replace(&mut line.has_writer, true))
    }

    fn append(&self, group: Vec<Batch>) {
        let answer = {
            let records: Vec<&[u8]> =
                group.iter().flat_map(|batch| &batch.records).map(Vec::as_slice).collect();
            let mut tape = lock(&self.tape);
            tape.as_mut().ok_or(Fault::unavailable()).and_then(|tape| tape.append(&records))
        };
        match answer {
            // Maybe some of them fit.
            Err(Fault::Full) if group.len() > 1 => {
                group.into_iter().for_each(|batch| self.append(vec![batch]));
            }
            // Who does not want to know any more is not told.
            answer => group.into_iter().for_each(|batch| drop(batch.answer.send(answer.clone()))),
        }
    }
}

/// Closes the file now, so that it can be opened again. Waits for a write that is going on.
impl Drop for FileJournal {
    fn drop(&mut self) {
        drop(lock(&self.desk.tape).take());
    }
}

/// Writes until nobody waits. If it ends otherwise, nobody waits for it in vain.
struct Writer {
    desk: Arc<Desk>,
    is_done: bool,
}

impl Writer {
    fn write(mut self) {
        while let Some(group) = self.next() {
            self.desk.append(group);
        }
    }

    /// All that wait, up to the length of the longest batch and to as many records as one may have.
    fn next(&mut self) -> Option<Vec<Batch>> {
        let mut line = lock(&self.desk.line);
        let (mut group, mut bytes, mut records) = (Vec::new(), 0usize, 0usize);
        while let Some(batch) = line.waiting.pop_front() {
            bytes = bytes.saturating_add(batch.bytes());
            records = records.saturating_add(batch.records.len());
            if (bytes > BATCH_BYTES_MAX || records > BATCH_RECORDS_MAX) && !group.is_empty() {
                line.waiting.push_front(batch);
                break;
            }
            line.bytes = line.bytes.saturating_sub(batch.bytes());
            group.push(batch);
        }
        self.is_done = group.is_empty();
        line.has_writer = !self.is_done;
        (!self.is_done).then_some(group)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_done {
            *lock(&self.desk.line) = Line::default();
        }
    }
}

impl Journal for FileJournal {
    fn append<'a>(&'a self, batch: &'a [Vec<u8>]) -> Answer<'a, ()> {
        Box::pin(self.write(batch))
    }

    fn replay(&self) -> Answer<'_, Vec<Vec<u8>>> {
        Box::pin(self.read())
    }
}
