//! The embedded store's file: one SQLite database, written by one thread.
//!
//! Callers hand in jobs over a bounded channel. The thread takes all that wait, runs them in one transaction, commits,
//! and then answers each: a caller that has its answer knows that its job is on disk (write-ahead log, `synchronous =
//! FULL`), and many callers share one flush. Each job runs in a savepoint, so one that fails costs its neighbours
//! nothing.
//!
//! Other processes may open the same file (a second `penstock` that lists dead letters): each waits up to
//! [`BUSY_TIMEOUT`] for the other's transaction. What the tables mean is left to the modules that use them.

mod jobs;

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Notify, mpsc, oneshot};

use jobs::{Call, Job};

/// How long a transaction waits for another process that is writing.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Jobs that may wait for the thread; further callers wait for room.
const WAITING_MAX: usize = 1_024;
/// Prepared statements kept.
const STATEMENTS_MAX: usize = 64;
/// The write-ahead log is cut back to this after a checkpoint.
const LOG_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// Marks a file as ours: `PENS`.
const APPLICATION_ID: i32 = 0x5045_4e53;
/// What brings a file from the version of its index to the next. Only ever appended to.
const MIGRATIONS: [&str; 2] = [include_str!("database/schema.sql"), include_str!("database/suspensions.sql")];

/// Why the database did not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DatabaseError {
    /// The file can't be opened or brought up to date.
    #[error("database {} can't be opened: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's word.
        reason: Arc<rusqlite::Error>,
    },
    /// The file is a database, but not ours.
    #[error("{} is not a penstock database", .0.display())]
    Foreign(PathBuf),
    /// The file's schema is from a later release.
    #[error("database {} is of version {found}, this penstock knows versions up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The last version that this release knows.
        known: usize,
    },
    /// The job failed, or could not begin. Nothing was changed.
    #[error("database job failed: {0}")]
    Failed(Arc<rusqlite::Error>),
    /// The transaction that held the job did not end well. It may have been stored all the same.
    #[error("database did not confirm: {0}")]
    Unconfirmed(Arc<rusqlite::Error>),
    /// The thread or the job broke off; nothing is known of the job.
    #[error("database job broke off")]
    Stopped,
}

/// A handle on the database. Clones share the thread; the file is closed when the last one is dropped, which waits for
/// the jobs handed in and for the write-ahead log to be folded into the file.
#[derive(Clone)]
pub struct Database {
    writer: Arc<Writer>,
}

struct Writer {
    path: PathBuf,
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<thread::JoinHandle<()>>,
    bells: Mutex<BTreeMap<String, Arc<Notify>>>,
}

impl Database {
    /// Opens the file, creating it and the folders above it when they are missing, and brings it up to this release's
    /// schema. Blocks on the disk.
    ///
    /// # Errors
    /// [`DatabaseError::Open`], [`DatabaseError::Foreign`] or [`DatabaseError::Newer`].
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let failed = |error| DatabaseError::Open { path: path.to_owned(), reason: Arc::new(error) };
        let opening = one_opener(path);
        let connection = connect(path).map_err(failed)?;
        let connection = migrated(connection, path)?;
        drop(opening);
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let thread = thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || jobs::serve(&connection, waiting))
            .map_err(|_| failed(rusqlite::Error::InvalidQuery))?;
        let writer =
            Writer { path: path.to_owned(), jobs: Some(jobs), thread: Some(thread), bells: Mutex::default() };
        Ok(Self { writer: Arc::new(writer) })
    }

    /// Runs a job on the database's thread, inside a transaction, and returns its result once that is durable.
    ///
    /// The job must not begin or end transactions itself, and should be short: all others wait for it.
    ///
    /// # Errors
    /// [`DatabaseError::Failed`] with the job's own error, after which nothing of it is stored;
    /// [`DatabaseError::Unconfirmed`] or [`DatabaseError::Stopped`] when that is not known.
    ///
    /// # Cancel safety
    /// When dropped, the job may or may not be done; one that has not begun never will be.
    pub async fn call<T, F>(&self, work: F) -> Result<T, DatabaseError>
    where
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let jobs = self.writer.jobs.as_ref().expect("taken in drop only");
        let job = Box::new(Call::new(work, reply));
        jobs.send(job).await.map_err(|_| DatabaseError::Stopped)?;
        answer.await.map_err(|_| DatabaseError::Stopped)?
    }

    /// What users of this handle and its clones ring, and wait for, when something of that name has changed. Other
    /// processes do not hear it.
    pub fn bell(&self, name: &str) -> Arc<Notify> {
        let mut bells = self.writer.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.entry(name.to_owned()).or_default().clone()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.writer.path).finish_non_exhaustive()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // A job that holds the last handle drops it on the thread itself, which can't wait for its own end.
        let thread = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id());
        if let Some(thread) = thread {
            thread.join().ok();
        }
    }
}

/// Lets one process at a time create the file: SQLite does not wait for another that is turning on the write-ahead
/// log, it fails. A failure to lock is none of ours; what it means shows when the file is opened.
fn one_opener(path: &Path) -> Option<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).ok()?;
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    Ok(connection)
}

fn migrated(mut connection: Connection, path: &Path) -> Result<Connection, DatabaseError> {
    let failed = |error| DatabaseError::Open { path: path.to_owned(), reason: Arc::new(error) };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let number = |pragma: &str| transaction.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let ours = number("application_id").map_err(failed)? == APPLICATION_ID;
    if tables > 0 && !ours {
        return Err(DatabaseError::Foreign(path.to_owned()));
    }
    let found = usize::try_from(number("user_version").map_err(failed)?).unwrap_or(0);
    let Some(missing) = MIGRATIONS.get(found..) else {
        return Err(DatabaseError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    };
    for migration in missing {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    let version = i32::try_from(MIGRATIONS.len()).expect("a handful");
    transaction.pragma_update(None, "user_version", version).map_err(failed)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    // Only now: a file that is not ours stays as it was.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
