//! The rules of `Queue` as statements: a table with a time at which each piece of work is due.

use keymoot_ports::fault::fits;
use keymoot_ports::queue::{Delivery, DeliveryId, Queue, WORK_BYTES_MAX};
use keymoot_ports::{Answer, Bytes, Fault, Name, Ttl};
use sqlx::Row;

use crate::store::{Desk, Stop, Till, corrupt};

pub(crate) struct EmbeddedQueue {
    pub(crate) desk: Desk,
    pub(crate) bound: u32,
}

async fn push(till: &mut Till, bytes: &[u8], bound: u32) -> Result<(), Stop> {
    let now = till.now();
    let pushed = sqlx::query(
        "INSERT INTO work (due, attempt, bytes) SELECT ?, 0, ? WHERE (SELECT count(*) FROM work) < ?",
    )
    .bind(now)
    .bind(bytes)
    .bind(bound)
    .execute(&mut till.connection)
    .await?;
    if pushed.rows_affected() == 1 { Ok(()) } else { Err(Fault::Full.into()) }
}

async fn pull(till: &mut Till, owner: &Name, visibility: Ttl) -> Result<Option<Delivery>, Stop> {
    let (now, due) = (till.now(), till.until(visibility));
    let row = sqlx::query(
        "UPDATE work SET due = ?, attempt = min(attempt + 1, 4294967295), borrower = ?
         WHERE id = (SELECT id FROM work WHERE due <= ? ORDER BY due, id LIMIT 1)
         RETURNING id, attempt, bytes",
    )
    .bind(due)
    .bind(owner.as_str())
    .bind(now)
    .fetch_optional(&mut till.connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let attempt = u32::try_from(row.try_get::<i64, _>("attempt")?).map_err(corrupt)?;
    let id = DeliveryId(Bytes::from(row.try_get::<i64, _>("id")?.to_le_bytes()));
    let bytes: &[u8] = row.try_get("bytes")?;
    Ok(Some(Delivery { id, bytes: bytes.into(), attempt }))
}

async fn done(till: &mut Till, id: i64) -> Result<(), Stop> {
    sqlx::query("DELETE FROM work WHERE id = ?").bind(id).execute(&mut till.connection).await?;
    Ok(())
}

impl Queue for EmbeddedQueue {
    fn push<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            fits(bytes, WORK_BYTES_MAX, "work is too long")?;
            let (bytes, bound) = (Bytes::from(bytes), self.bound);
            self.desk.ask_aside(move |till| Box::pin(async move { push(till, &bytes, bound).await })).await
        })
    }

    fn pull<'a>(&'a self, owner: &'a Name, visibility: Ttl) -> Answer<'a, Option<Delivery>> {
        Box::pin(async move {
            let owner = owner.clone();
            self.desk.ask(move |till| Box::pin(async move { pull(till, &owner, visibility).await })).await
        })
    }

    fn done<'a>(&'a self, id: &'a DeliveryId) -> Answer<'a, ()> {
        Box::pin(async move {
            // An id that is none of ours was never there, and so it is done.
            let Ok(id) = <[u8; 8]>::try_from(&*id.0) else { return Ok(()) };
            self.desk.ask(move |till| Box::pin(done(till, i64::from_le_bytes(id)))).await
        })
    }
}
