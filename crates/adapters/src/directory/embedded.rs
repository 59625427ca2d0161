//! The rules of `Directory` as statements.

use keymoot_ports::directory::{Directory, Entry, PAGE_MAX, admit};
use keymoot_ports::{Answer, Name};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::store::{Desk, Reader, Stop, Till};

pub(crate) struct EmbeddedDirectory {
    pub(crate) desk: Desk,
    pub(crate) reader: Reader,
}

async fn put(till: &mut Till, kind: &Name, entry: &Entry) -> Result<(), Stop> {
    sqlx::query(
        "INSERT INTO document (kind, id, place, label, bytes) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (kind, id) DO UPDATE
         SET place = excluded.place, label = excluded.label, bytes = excluded.bytes",
    )
    .bind(kind.as_str())
    .bind(&entry.id)
    .bind(place(entry.order))
    .bind(&entry.label)
    .bind(&entry.bytes[..])
    .execute(&mut till.connection)
    .await?;
    Ok(())
}

async fn get(till: &mut Till, kind: &Name, id: &str) -> Result<Option<Entry>, Stop> {
    let row = sqlx::query("SELECT id, place, label, bytes FROM document WHERE kind = ? AND id = ?")
        .bind(kind.as_str())
        .bind(id)
        .fetch_optional(&mut till.connection)
        .await?;
    row.as_ref().map(entry).transpose()
}

async fn list(
    till: &mut Till,
    kind: &Name,
    before: Option<(u64, String)>,
    limit: usize,
) -> Result<Vec<Entry>, Stop> {
    let limit = limit.min(PAGE_MAX) as i64;
    let rows = match before {
        None => {
            sqlx::query(
                "SELECT id, place, label, bytes FROM document WHERE kind = ?
                 ORDER BY place DESC, id DESC LIMIT ?",
            )
            .bind(kind.as_str())
            .bind(limit)
            .fetch_all(&mut till.connection)
            .await?
        }
        Some((order, id)) => {
            sqlx::query(
                "SELECT id, place, label, bytes FROM document WHERE kind = ? AND (place, id) < (?, ?)
                 ORDER BY place DESC, id DESC LIMIT ?",
            )
            .bind(kind.as_str())
            .bind(place(order))
            .bind(id)
            .bind(limit)
            .fetch_all(&mut till.connection)
            .await?
        }
    };
    rows.iter().map(entry).collect()
}

async fn find(till: &mut Till, kind: &Name, label: &str) -> Result<Vec<String>, Stop> {
    let ids = sqlx::query_scalar(
        "SELECT id FROM document WHERE kind = ? AND label = ? ORDER BY place DESC, id DESC LIMIT ?",
    )
    .bind(kind.as_str())
    .bind(label)
    .bind(PAGE_MAX as i64)
    .fetch_all(&mut till.connection)
    .await?;
    Ok(ids)
}

/// The database has only signed numbers, so the lowest order is the lowest of those.
const fn place(order: u64) -> i64 {
    (order ^ (1 << 63)).cast_signed()
}

fn entry(row: &SqliteRow) -> Result<Entry, Stop> {
    let order = row.try_get::<i64, _>("place")?.cast_unsigned() ^ (1 << 63);
    let bytes: &[u8] = row.try_get("bytes")?;
    Ok(Entry { id: row.try_get("id")?, order, label: row.try_get("label")?, bytes: bytes.into() })
}

impl Directory for EmbeddedDirectory {
    fn put<'a>(&'a self, kind: &'a Name, entry: &'a Entry) -> Answer<'a, ()> {
        Box::pin(async move {
            admit(entry)?;
            let (kind, entry) = (kind.clone(), entry.clone());
            self.desk.ask_aside(move |till| Box::pin(async move { put(till, &kind, &entry).await })).await
        })
    }

    fn get<'a>(&'a self, kind: &'a Name, id: &'a str) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            let (kind, id) = (kind.clone(), id.to_owned());
            self.reader.ask(move |till| Box::pin(async move { get(till, &kind, &id).await })).await
        })
    }

    fn list<'a>(
        &'a self,
        kind: &'a Name,
        before: Option<(u64, &'a str)>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let (kind, before) = (kind.clone(), before.map(|(order, id)| (order, id.to_owned())));
            self.reader.ask(move |till| Box::pin(async move { list(till, &kind, before, limit).await })).await
        })
    }

    fn find<'a>(&'a self, kind: &'a Name, label: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let (kind, label) = (kind.clone(), label.to_owned());
            self.reader.ask(move |till| Box::pin(async move { find(till, &kind, &label).await })).await
        })
    }
}
