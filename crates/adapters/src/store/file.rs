//! The database file: how it is made, opened and brought up to date.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep};

use super::faults::is_damage;
use crate::OpenError;
use crate::opening::sync_name;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/embedded");

/// Written into the file by the first migration: "KMTS".
const APPLICATION: i32 = 0x4b4d_5453;

/// How long one process waits for the others.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it looks whether another one has opened the file.
const GLANCE: Duration = Duration::from_millis(5);

/// A connection to a file that has all tables.
pub(super) async fn open(path: &Path) -> Result<SqliteConnection, OpenError> {
    // One after the other: the first one makes the file and its tables, and the others must not see them half made.
    let _turn = turn(path).await?;
    create(path)?;
    check(path).await?;
    let mut connection = connect(path).await.map_err(|cause| because(path, cause))?;
    migrate(&mut connection).await.map_err(|cause| match cause {
        MigrateError::VersionMissing(schema) => OpenError::Newer { path: path.to_owned(), schema },
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => because(path, cause),
        _ => OpenError::Foreign { path: path.to_owned() },
    })?;
    Ok(connection)
}

/// Another connection to a file that was opened before.
pub(super) async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    options(path).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full).connect().await
}

/// A connection that cannot write, to a file that was opened before.
pub(super) async fn connect_to_read(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    options(path).read_only(true).connect().await
}

/// What changes nothing in a file.
fn options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    options.foreign_keys(true).busy_timeout(PATIENCE).disable_statement_logging()
}

/// The right to open the file, as long as the answer lives.
async fn turn(path: &Path) -> Result<File, OpenError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let unreachable = |cause| OpenError::unreachable(&lock_path, cause);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(&lock_path).map_err(unreachable)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(GLANCE).await,
            Err(TryLockError::WouldBlock) => return Err(OpenError::in_use(path)),
            Err(TryLockError::Error(cause)) => return Err(unreachable(cause)),
        }
    }
}

/// Makes an empty file for us alone. An existing one is not touched: to open and close it here would take the
/// database's own locks from other connections of this process.
fn create(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => sync_name(path),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(OpenError::unreachable(path, cause)),
    }
}

/// Whether the file is ours or empty. Another program's is not even switched to our way of logging.
async fn check(path: &Path) -> Result<(), OpenError> {
    let found: Result<(i32, i64), sqlx::Error> = async {
        let mut connection = options(path).connect().await?;
        let application = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await?;
        let tables =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok((application, tables))
    }
    .await;
    match found.map_err(|cause| because(path, cause))? {
        (APPLICATION, _) | (0, 0) => Ok(()),
        _ => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// All or nothing, so that a crash in between leaves a file that can be opened.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

fn because(path: &Path, cause: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    if is_damage(&cause) { OpenError::Damaged { path, cause } } else { OpenError::Database { path, cause } }
}
