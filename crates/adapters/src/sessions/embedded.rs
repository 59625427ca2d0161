//! The rules of `Sessions` as statements. The usual way through each verb is one statement, or two.

use keymoot_ports::fault::fits;
use keymoot_ports::sessions::{
    Admission, BODY_BYTES_MAX, Claim, Fence, Finish, LISTED_BYTES_MAX, LISTED_MAX, Listed, NOTE_BYTES_MAX,
    Noted, ORPHANS_MAX, OUTCOME_BYTES_MAX, Page, Recall, RequestId, Sessions, Standing,
};
use keymoot_ports::text::TextError;
use keymoot_ports::{Answer, Bytes, Fault, Name, Ttl};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::store::{Desk, Reader, Stop, Till, corrupt};

pub(crate) struct EmbeddedSessions {
    pub(crate) desk: Desk,
    pub(crate) reader: Reader,
}

const UNKNOWN: Fault = Fault::Refused("nobody has admitted this request");

async fn admit(
    till: &mut Till,
    request: RequestId,
    body: &[u8],
    owner: &Name,
    ttl: Ttl,
) -> Result<Admission, Stop> {
    let first = Fence(1);
    let inserted = sqlx::query(
        "INSERT INTO session (request, owner, fence, until, note, body) VALUES (?, ?, ?, ?, x'', ?)
         ON CONFLICT (request) DO NOTHING",
    )
    .bind(&request[..])
    .bind(owner.as_str())
    .bind(bits(first))
    .bind(till.until(ttl))
    .bind(body)
    .execute(&mut till.connection)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Admission::Fresh { fence: first });
    }
    let row = sqlx::query("SELECT owner, outcome, body FROM session WHERE request = ?")
        .bind(&request[..])
        .fetch_one(&mut till.connection)
        .await?;
    if row.try_get::<&[u8], _>("body")? != body {
        return Err(Fault::Refused("this request was admitted with another body").into());
    }
    Ok(match outcome(&row)? {
        Some(outcome) => Admission::Finished(outcome),
        None => Admission::Open { held_by: owner_of(&row)? },
    })
}

async fn claim(till: &mut Till, request: RequestId, owner: &Name, ttl: Ttl) -> Result<Claim, Stop> {
    let row = sqlx::query("SELECT owner, fence, until, outcome, note, body FROM session WHERE request = ?")
        .bind(&request[..])
        .fetch_optional(&mut till.connection)
        .await?;
    let Some(row) = row else { return Ok(Claim::Unknown) };
    if let Some(outcome) = outcome(&row)? {
        return Ok(Claim::Finished(outcome));
    }
    let is_live = till.now() < row.try_get::<i64, _>("until")?;
    if is_live && owner_of(&row)? != *owner {
        return Ok(Claim::Held);
    }
    let mut fence = fence(row.try_get("fence")?);
    if !is_live {
        fence = Fence(fence.0.checked_add(1).ok_or(Fault::Full)?);
    }
    sqlx::query("UPDATE session SET owner = ?, fence = ?, until = ? WHERE request = ?")
        .bind(owner.as_str())
        .bind(bits(fence))
        .bind(till.until(ttl))
        .bind(&request[..])
        .execute(&mut till.connection)
        .await?;
    let (body, note): (&[u8], &[u8]) = (row.try_get("body")?, row.try_get("note")?);
    Ok(Claim::Yours { fence, body: body.into(), note: note.into() })
}

async fn note(till: &mut Till, request: RequestId, fence: Fence, progress: &[u8]) -> Result<Noted, Stop> {
    let updated =
        sqlx::query("UPDATE session SET note = ? WHERE request = ? AND fence = ? AND outcome IS NULL")
            .bind(progress)
            .bind(&request[..])
            .bind(bits(fence))
            .execute(&mut till.connection)
            .await?;
    if updated.rows_affected() == 1 {
        return Ok(Noted::Noted);
    }
    first_outcome(till, request).await.map(|_| Noted::Stale)
}

async fn finish(till: &mut Till, request: RequestId, fence: Fence, outcome: &[u8]) -> Result<Finish, Stop> {
    let updated =
        sqlx::query("UPDATE session SET outcome = ? WHERE request = ? AND fence = ? AND outcome IS NULL")
            .bind(outcome)
            .bind(&request[..])
            .bind(bits(fence))
            .execute(&mut till.connection)
            .await?;
    if updated.rows_affected() == 1 {
        return Ok(Finish::Settled(outcome.into()));
    }
    Ok(first_outcome(till, request).await?.map_or(Finish::Stale, Finish::Settled))
}

/// How a request ended that must be known.
async fn first_outcome(till: &mut Till, request: RequestId) -> Result<Option<Bytes>, Stop> {
    let row = sqlx::query("SELECT outcome FROM session WHERE request = ?")
        .bind(&request[..])
        .fetch_optional(&mut till.connection)
        .await?;
    outcome(&row.ok_or(UNKNOWN)?)
}

async fn orphans(till: &mut Till, limit: usize) -> Result<Vec<RequestId>, Stop> {
    let rows = sqlx::query(
        "SELECT request FROM session WHERE outcome IS NULL AND until <= ? ORDER BY until, request LIMIT ?",
    )
    .bind(till.now())
    .bind(limit.min(ORPHANS_MAX) as i64)
    .fetch_all(&mut till.connection)
    .await?;
    rows.iter().map(|row| RequestId::try_from(row.try_get::<&[u8], _>(0)?).map_err(corrupt)).collect()
}

async fn recall(till: &mut Till, request: RequestId) -> Result<Option<Standing>, Stop> {
    let row = sqlx::query("SELECT outcome, note, body FROM session WHERE request = ?")
        .bind(&request[..])
        .fetch_optional(&mut till.connection)
        .await?;
    row.as_ref().map(standing).transpose()
}

/// Rows are never deleted, so that their own numbers grow with each admission.
async fn newest(till: &mut Till, before: Option<u64>, limit: usize) -> Result<Page, Stop> {
    let before = before.map_or(i64::MAX, |place| i64::try_from(place).unwrap_or(i64::MAX));
    let limit = limit.min(LISTED_MAX);
    // What is long is not read only to be measured.
    let sizes: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT rowid, length(body) + length(note) + coalesce(length(outcome), 0)
         FROM session WHERE rowid < ? ORDER BY rowid DESC LIMIT ?",
    )
    .bind(before)
    .bind(limit.saturating_add(1) as i64)
    .fetch_all(&mut till.connection)
    .await?;
    let (mut bytes, mut last, mut count) = (0_i64, None, 0_usize);
    for (place, size) in &sizes {
        bytes = bytes.saturating_add(*size);
        if count >= limit || (count > 0 && bytes > LISTED_BYTES_MAX as i64) {
            break;
        }
        (last, count) = (Some(*place), count.saturating_add(1));
    }
    let has_more = count < sizes.len();
    let (Some((first, _)), Some(last)) = (sizes.first(), last) else {
        return Ok(Page { listed: Vec::new(), has_more });
    };
    // What was admitted since is in front of the first.
    let rows = sqlx::query(
        "SELECT rowid, request, outcome, note, body FROM session WHERE rowid BETWEEN ? AND ? ORDER BY rowid DESC",
    )
    .bind(last)
    .bind(first)
    .fetch_all(&mut till.connection)
    .await?;
    let listed = rows.iter().map(|row| {
        let place = row.try_get::<i64, _>("rowid")?.cast_unsigned();
        let request = RequestId::try_from(row.try_get::<&[u8], _>("request")?).map_err(corrupt)?;
        Ok(Listed { place, request, standing: standing(row)? })
    });
    Ok(Page { listed: listed.collect::<Result<_, Stop>>()?, has_more })
}

fn standing(row: &SqliteRow) -> Result<Standing, Stop> {
    let (body, note): (&[u8], &[u8]) = (row.try_get("body")?, row.try_get("note")?);
    Ok(Standing { body: body.into(), note: note.into(), outcome: outcome(row)? })
}

/// The database has only signed numbers. Fences are compared for being equal there, and for nothing else.
const fn bits(fence: Fence) -> i64 {
    fence.0.cast_signed()
}

const fn fence(bits: i64) -> Fence {
    Fence(bits.cast_unsigned())
}

fn outcome(row: &SqliteRow) -> Result<Option<Bytes>, Stop> {
    Ok(row.try_get::<Option<&[u8]>, _>("outcome")?.map(Bytes::from))
}

fn owner_of(row: &SqliteRow) -> Result<Name, Stop> {
    Name::new(row.try_get("owner")?).map_err(|cause: TextError| corrupt(cause))
}

impl Recall for EmbeddedSessions {
    fn recall(&self, request: RequestId) -> Answer<'_, Option<Standing>> {
        Box::pin(self.reader.ask(move |till| Box::pin(recall(till, request))))
    }

    fn newest(&self, before: Option<u64>, limit: usize) -> Answer<'_, Page> {
        Box::pin(self.reader.ask(move |till| Box::pin(newest(till, before, limit))))
    }
}

impl Sessions for EmbeddedSessions {
    fn admit<'a>(
        &'a self,
        request: RequestId,
        body: &'a [u8],
        owner: &'a Name,
        ttl: Ttl,
    ) -> Answer<'a, Admission> {
        Box::pin(async move {
            fits(body, BODY_BYTES_MAX, "the body of a request is too long")?;
            let (body, owner) = (Bytes::from(body), owner.clone());
            self.desk
                .ask(move |till| Box::pin(async move { admit(till, request, &body, &owner, ttl).await }))
                .await
        })
    }

    fn claim<'a>(&'a self, request: RequestId, owner: &'a Name, ttl: Ttl) -> Answer<'a, Claim> {
        Box::pin(async move {
            let owner = owner.clone();
            self.desk.ask(move |till| Box::pin(async move { claim(till, request, &owner, ttl).await })).await
        })
    }

    fn note<'a>(&'a self, request: RequestId, fence: Fence, progress: &'a [u8]) -> Answer<'a, Noted> {
        Box::pin(async move {
            fits(progress, NOTE_BYTES_MAX, "a note is too long")?;
            let progress = Bytes::from(progress);
            self.desk
                .ask(move |till| Box::pin(async move { note(till, request, fence, &progress).await }))
                .await
        })
    }

    fn finish<'a>(&'a self, request: RequestId, fence: Fence, outcome: &'a [u8]) -> Answer<'a, Finish> {
        Box::pin(async move {
            fits(outcome, OUTCOME_BYTES_MAX, "an outcome is too long")?;
            let outcome = Bytes::from(outcome);
            self.desk
                .ask(move |till| Box::pin(async move { finish(till, request, fence, &outcome).await }))
                .await
        })
    }

    fn orphans(&self, limit: usize) -> Answer<'_, Vec<RequestId>> {
        Box::pin(self.desk.ask(move |till| Box::pin(orphans(till, limit))))
    }
}
