use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

fn fresh() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("deep/penstock.db")).unwrap();
    (folder, database)
}

fn insert(connection: &Connection, queue: &str) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT INTO queue_message (queue, visible_at_ms, sent_at_ms) VALUES (?1, 0, 0)")?
        .execute([queue])
        .map(drop)
}

async fn count(database: &Database) -> i64 {
    database
        .call(|connection| connection.query_row("SELECT count(*) FROM queue_message", [], |row| row.get(0)))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_that_fails_halfway_leaves_nothing_and_costs_its_neighbours_nothing() {
    let (_folder, database) = fresh();
    let mut jobs = JoinSet::new();
    for n in 0..90 {
        let database = database.clone();
        jobs.spawn(async move {
            let job = move |connection: &Connection| {
                insert(connection, "main")?;
                match n % 3 {
                    0 => connection.execute("INSERT INTO nowhere VALUES (1)", []).map(drop),
                    1 => panic!("a broken job"),
                    _ => Ok(()),
                }
            };
            (n, database.call(job).await)
        });
    }
    for (n, result) in jobs.join_all().await {
        match n % 3 {
            0 => assert!(matches!(result, Err(DatabaseError::Failed(_))), "{result:?}"),
            1 => assert!(matches!(result, Err(DatabaseError::Stopped)), "{result:?}"),
            _ => result.unwrap(),
        }
    }
    assert_eq!(count(&database).await, 30);
}

/// Without either, an answer could be given before its job is on the disk.
#[tokio::test]
async fn the_connection_that_writes_flushes_each_commit_to_a_write_ahead_log() {
    let (_folder, database) = fresh();
    let pragmas = |connection: &Connection| {
        let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        Ok((synchronous, journal))
    };
    let full = 2;
    assert_eq!(database.call(pragmas).await.unwrap(), (full, "wal".to_owned()));
}

#[tokio::test]
async fn many_callers_share_transactions() {
    let (folder, database) = fresh();
    let mut jobs = JoinSet::new();
    for _ in 0..1_000 {
        let database = database.clone();
        jobs.spawn(async move { database.call(|connection| insert(connection, "main")).await });
    }
    assert!(jobs.join_all().await.iter().all(Result::is_ok));
    assert_eq!(count(&database).await, 1_000);
    let transactions = commits_in(&folder.path().join("deep/penstock.db-wal"));
    assert!((4..100).contains(&transactions), "{transactions} transactions for 1000 jobs");
}

/// Frames of a write-ahead log that end a transaction: those that say how many pages the file has then.
fn commits_in(log: &Path) -> usize {
    let log = std::fs::read(log).unwrap();
    let page_bytes = usize::try_from(u32::from_be_bytes(log[8..12].try_into().unwrap())).unwrap();
    log[32..].chunks_exact(24 + page_bytes).filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let (folder, database) = fresh();
    database.call(|connection| insert(connection, "main")).await.unwrap();
    drop(database);
    let path = folder.path().join("deep/penstock.db");
    assert!(!path.with_extension("db-wal").exists(), "closing folds the log into the file");
    assert_eq!(count(&Database::open(&path).unwrap()).await, 1);
}

#[tokio::test]
async fn a_second_opener_reads_and_writes_a_live_file() {
    let (folder, first) = fresh();
    first.call(|connection| insert(connection, "main")).await.unwrap();
    let second = Database::open(&folder.path().join("deep/penstock.db")).unwrap();
    second.call(|connection| insert(connection, "main")).await.unwrap();
    assert_eq!((count(&first).await, count(&second).await), (2, 2));
}

#[test]
fn processes_that_create_the_file_together_agree_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("penstock.db");
    thread::scope(|scope| {
        let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| Database::open(&path).map(drop))).collect();
        for opener in openers {
            opener.join().unwrap().unwrap();
        }
    });
}

#[tokio::test]
async fn a_file_of_the_first_release_is_brought_up_to_date_and_keeps_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("penstock.db");
    let first = Connection::open(&path).unwrap();
    first.execute_batch(MIGRATIONS[0]).unwrap();
    first.pragma_update(None, "user_version", 1).unwrap();
    first.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    insert(&first, "main").unwrap();
    drop(first);
    let database = Database::open(&path).unwrap();
    assert_eq!(count(&database).await, 1);
    let suspensions = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM suspension", [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(database.call(suspensions).await.unwrap(), 0);
}

#[test]
fn a_file_of_a_later_release_is_refused_by_name() {
    let (folder, database) = fresh();
    drop(database);
    let path = folder.path().join("deep/penstock.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Database::open(&path).unwrap_err();
    assert!(matches!(error, DatabaseError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("penstock.db is of version 99"), "{error}");
}

#[test]
fn somebody_elses_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(Database::open(&path).unwrap_err(), DatabaseError::Foreign(_)));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_path_that_can_not_be_a_file_says_so() {
    let error = Database::open(Path::new("/proc/none/penstock.db")).unwrap_err();
    assert!(error.to_string().contains("/proc/none/penstock.db can't be opened"), "{error}");
}
