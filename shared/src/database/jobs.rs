//! What the database's thread does: jobs, many to a transaction.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::DatabaseError;

/// Jobs that share a transaction at most.
const TOGETHER_MAX: usize = 256;

/// One caller's work, on its way through a transaction.
pub(super) trait Job: Send {
    /// Does the work, unless no one waits for it any more.
    fn run(&mut self, connection: &Connection) -> Result<(), Broke>;
    /// Tells the caller, once it is known what became of the transaction.
    fn answer(self: Box<Self>, transaction: &Result<(), DatabaseError>);
}

/// The job's changes are to be undone.
pub(super) struct Broke;

/// Work and where its result goes.
pub(super) struct Call<T, F> {
    work: Option<F>,
    result: Option<Result<T, rusqlite::Error>>,
    reply: oneshot::Sender<Result<T, DatabaseError>>,
}

impl<T, F> Call<T, F> {
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T, DatabaseError>>) -> Self {
        Self { work: Some(work), result: None, reply }
    }
}

impl<T, F> Job for Call<T, F>
where
    F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Broke> {
        if self.reply.is_closed() {
            return Ok(());
        }
        let work = self.work.take().expect("a job runs once");
        self.result = catch_unwind(AssertUnwindSafe(|| work(connection))).ok();
        if matches!(self.result, Some(Ok(_))) { Ok(()) } else { Err(Broke) }
    }

    fn answer(self: Box<Self>, transaction: &Result<(), DatabaseError>) {
        let answer = match (transaction, self.result) {
            // Its own error is what the caller can act on, and nothing of it was stored either way.
            (_, Some(Err(error))) => Err(DatabaseError::Failed(Arc::new(error))),
            (Err(error), _) => Err(error.clone()),
            (Ok(()), Some(Ok(result))) => Ok(result),
            (Ok(()), None) => Err(DatabaseError::Stopped),
        };
        self.reply.send(answer).ok();
    }
}

/// Runs jobs until no one can hand in any more.
pub(super) fn serve(connection: &Connection, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    let mut together = Vec::with_capacity(TOGETHER_MAX);
    while waiting.blocking_recv_many(&mut together, TOGETHER_MAX) > 0 {
        let transaction = commit(connection, &mut together);
        if transaction.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK").ok();
        }
        for job in together.drain(..) {
            job.answer(&transaction);
        }
    }
}

/// Runs the jobs in one transaction and commits it.
fn commit(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<(), DatabaseError> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]);
    let failed = |error| DatabaseError::Failed(Arc::new(error));
    execute("BEGIN IMMEDIATE").map_err(failed)?;
    for job in jobs {
        execute("SAVEPOINT job").map_err(failed)?;
        if job.run(connection).is_err() {
            // Some errors, such as a full disk, end the whole transaction; this then fails for all.
            execute("ROLLBACK TO job").map_err(failed)?;
        }
        execute("RELEASE job").map_err(failed)?;
    }
    execute("COMMIT").map(drop).map_err(|error| DatabaseError::Unconfirmed(Arc::new(error)))
}
