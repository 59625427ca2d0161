//! The rules of `Registry` as statements: a table with expiry, and a count of changes for each role.

use keymoot_ports::registry::{MEMBERS_MAX, Member, ROLES_MAX, Registry, Revision, Roster};
use keymoot_ports::{Address, Answer, Fault, Name, Role, Ttl};
use sqlx::Row;

use crate::store::{Desk, Reader, Stop, Till, corrupt};

pub(crate) struct EmbeddedRegistry {
    pub(crate) desk: Desk,
    pub(crate) reader: Reader,
}

async fn announce(till: &mut Till, member: &Member, ttl: Ttl) -> Result<(), Stop> {
    expire(till).await?;
    let until = till.until(ttl);
    let renewed = sqlx::query("UPDATE member SET until = ? WHERE name = ? AND role = ? AND address = ?")
        .bind(until)
        .bind(member.name.as_str())
        .bind(member.role.as_str())
        .bind(member.address.as_str())
        .execute(&mut till.connection)
        .await?;
    if renewed.rows_affected() == 1 {
        return Ok(());
    }
    let before: Option<String> = sqlx::query_scalar("SELECT role FROM member WHERE name = ?")
        .bind(member.name.as_str())
        .fetch_optional(&mut till.connection)
        .await?;
    check_room(till, member, before.is_none()).await?;
    sqlx::query(
        "INSERT INTO member (name, role, address, until) VALUES (?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE
         SET role = excluded.role, address = excluded.address, until = excluded.until",
    )
    .bind(member.name.as_str())
    .bind(member.role.as_str())
    .bind(member.address.as_str())
    .bind(until)
    .execute(&mut till.connection)
    .await?;
    if let Some(before) = before {
        changed(till, &before).await?;
    }
    changed(till, member.role.as_str()).await
}

async fn check_room(till: &mut Till, member: &Member, is_new: bool) -> Result<(), Stop> {
    let (members, others): (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM member), (SELECT count(*) FROM role WHERE name <> ?)")
            .bind(member.role.as_str())
            .fetch_one(&mut till.connection)
            .await?;
    if (is_new && members >= MEMBERS_MAX as i64) || others >= ROLES_MAX as i64 {
        return Err(Fault::Full.into());
    }
    Ok(())
}

async fn withdraw(till: &mut Till, name: &Name) -> Result<(), Stop> {
    expire(till).await?;
    let role: Option<String> = sqlx::query_scalar("DELETE FROM member WHERE name = ? RETURNING role")
        .bind(name.as_str())
        .fetch_optional(&mut till.connection)
        .await?;
    match role {
        Some(role) => changed(till, &role).await,
        None => Ok(()),
    }
}

/// Who is there, if nobody has to be taken out first.
async fn glance(till: &mut Till, role: &Role) -> Result<Option<Roster>, Stop> {
    // All of it at one moment.
    sqlx::query("BEGIN").execute(&mut till.connection).await?;
    let lapsed: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM member WHERE until <= ?)")
        .bind(till.now())
        .fetch_one(&mut till.connection)
        .await?;
    let roster = if lapsed { Ok(None) } else { members(till, role).await.map(Some) };
    sqlx::query("COMMIT").execute(&mut till.connection).await?;
    roster
}

async fn discover(till: &mut Till, role: &Role) -> Result<Roster, Stop> {
    expire(till).await?;
    members(till, role).await
}

async fn members(till: &mut Till, role: &Role) -> Result<Roster, Stop> {
    let rows = sqlx::query("SELECT name, address FROM member WHERE role = ? ORDER BY name")
        .bind(role.as_str())
        .fetch_all(&mut till.connection)
        .await?;
    let members = rows.iter().map(|row| {
        let name = Name::new(row.try_get("name")?).map_err(corrupt)?;
        let address = Address::new(row.try_get("address")?).map_err(corrupt)?;
        Ok(Member { name, role: role.clone(), address })
    });
    let members = members.collect::<Result<_, Stop>>()?;
    let changes: Option<i64> = sqlx::query_scalar("SELECT changes FROM role WHERE name = ?")
        .bind(role.as_str())
        .fetch_optional(&mut till.connection)
        .await?;
    Ok(Roster { revision: Revision(changes.unwrap_or_default().cast_unsigned()), members })
}

/// Takes out whose lease has lapsed. Every verb begins so, and thereby sees the same members as the others.
async fn expire(till: &mut Till) -> Result<(), Stop> {
    let mut roles: Vec<String> = sqlx::query_scalar("DELETE FROM member WHERE until <= ? RETURNING role")
        .bind(till.now())
        .fetch_all(&mut till.connection)
        .await?;
    roles.sort_unstable();
    roles.dedup();
    for role in roles {
        changed(till, &role).await?;
    }
    Ok(())
}

async fn changed(till: &mut Till, role: &str) -> Result<(), Stop> {
    sqlx::query(
        "INSERT INTO role (name, changes) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET changes = changes + 1",
    )
    .bind(role)
    .execute(&mut till.connection)
    .await?;
    Ok(())
}

impl Registry for EmbeddedRegistry {
    fn announce<'a>(&'a self, member: &'a Member, ttl: Ttl) -> Answer<'a, ()> {
        Box::pin(async move {
            let member = member.clone();
            self.desk.ask_aside(move |till| Box::pin(async move { announce(till, &member, ttl).await })).await
        })
    }

    fn withdraw<'a>(&'a self, name: &'a Name) -> Answer<'a, ()> {
        Box::pin(async move {
            let name = name.clone();
            self.desk.ask_aside(move |till| Box::pin(async move { withdraw(till, &name).await })).await
        })
    }

    fn discover<'a>(&'a self, role: &'a Role) -> Answer<'a, Roster> {
        Box::pin(async move {
            let asked = role.clone();
            let seen =
                self.reader.ask(move |till| Box::pin(async move { glance(till, &asked).await })).await?;
            match (seen, role.clone()) {
                (Some(roster), _) => Ok(roster),
                (None, role) => {
                    self.desk
                        .ask_aside(move |till| Box::pin(async move { discover(till, &role).await }))
                        .await
                }
            }
        })
    }

    fn watch<'a>(&'a self, role: &'a Role, since: Revision) -> Answer<'a, Option<Roster>> {
        Box::pin(async move { Ok(Some(self.discover(role).await?).filter(|now| now.revision != since)) })
    }
}
