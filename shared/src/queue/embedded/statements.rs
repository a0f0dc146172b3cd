//! What the embedded queue asks of the database, statement by statement. Each function is one job.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rusqlite::{Connection, Error, OptionalExtension as _, Row};

use super::super::{Depth, Message, Receipt};

/// What a receipt says: which message, received for which time. The count goes up with every receive, so an older
/// receipt no longer matches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    id: i64,
    receive_count: u32,
}

impl Held {
    pub(super) fn parse(receipt: &Receipt) -> Option<Self> {
        let (id, receive_count) = receipt.0.split_once('.')?;
        Some(Self { id: id.parse().ok()?, receive_count: receive_count.parse().ok()? })
    }

    fn receipt(self) -> Receipt {
        Receipt(format!("{}.{}", self.id, self.receive_count))
    }
}

/// One look for messages.
pub(super) struct Taking {
    pub(super) queue: Arc<str>,
    pub(super) max: i64,
    pub(super) now_ms: i64,
    pub(super) lease_until_ms: i64,
    /// Where messages go that were received so often.
    pub(super) dead_letter: Option<(String, u32)>,
}

/// What a look for messages has found.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) messages: Vec<Message>,
    /// When the next hidden message is due; only told when there were no messages.
    pub(super) next_visible_at_ms: Option<i64>,
    /// Messages went to the dead-letter queue.
    pub(super) dead_lettered: bool,
}

/// Stores bodies, each hidden until its time.
pub(super) fn insert(
    connection: &Connection,
    queue: &str,
    now_ms: i64,
    messages: &[(Bytes, i64)],
) -> Result<(), Error> {
    let mut message = connection
        .prepare_cached("INSERT INTO queue_message (queue, visible_at_ms, sent_at_ms) VALUES (?1, ?2, ?3)")?;
    let mut bodies =
        connection.prepare_cached("INSERT INTO queue_body (message_id, body) VALUES (?1, ?2)")?;
    for (body, visible_at_ms) in messages {
        let id = message.insert((queue, visible_at_ms, now_ms))?;
        bodies.execute((id, &body[..]))?;
    }
    Ok(())
}

/// Leases what is due, oldest first, after setting aside what has been received too often.
pub(super) fn take(connection: &Connection, taking: &Taking) -> Result<Taken, Error> {
    let mut taken = Taken::default();
    loop {
        let due = due(connection, taking)?;
        if due.is_empty() {
            taken.next_visible_at_ms = next_visible_at_ms(connection, &taking.queue)?;
            return Ok(taken);
        }
        for (mut held, sent_at_ms) in due {
            if let Some((dead_letter, receives_max)) = &taking.dead_letter
                && held.receive_count >= *receives_max
            {
                set_aside(connection, held.id, dead_letter, taking.now_ms)?;
                taken.dead_lettered = true;
                continue;
            }
            held.receive_count = held.receive_count.saturating_add(1);
            let body = lease(connection, held, taking.lease_until_ms)?;
            let receive_count = held.receive_count;
            taken.messages.push(Message { receipt: held.receipt(), body, receive_count, sent_at_ms });
        }
        if !taken.messages.is_empty() {
            return Ok(taken);
        }
    }
}

fn due(connection: &Connection, taking: &Taking) -> Result<Vec<(Held, i64)>, Error> {
    let held = |row: &Row<'_>| Ok((Held { id: row.get(0)?, receive_count: row.get(1)? }, row.get(2)?));
    connection
        .prepare_cached(
            "SELECT id, receive_count, sent_at_ms FROM queue_message \
             WHERE queue = ?1 AND visible_at_ms <= ?2 \
             ORDER BY visible_at_ms, receive_count, sent_at_ms, id LIMIT ?3",
        )?
        .query_map((&*taking.queue, taking.now_ms, taking.max), held)?
        .collect()
}

fn lease(connection: &Connection, held: Held, until_ms: i64) -> Result<Bytes, Error> {
    connection
        .prepare_cached("UPDATE queue_message SET visible_at_ms = ?2, receive_count = ?3 WHERE id = ?1")?
        .execute((held.id, until_ms, held.receive_count))?;
    connection
        .prepare_cached("SELECT body FROM queue_body WHERE message_id = ?1")?
        .query_row([held.id], |row| row.get::<_, Vec<u8>>(0))
        .map(Bytes::from)
}

/// The receive count stays: it is what makes receipts unlike each other.
fn set_aside(connection: &Connection, id: i64, dead_letter: &str, now_ms: i64) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE queue_message SET queue = ?2, visible_at_ms = ?3 WHERE id = ?1")?
        .execute((id, dead_letter, now_ms))
        .map(drop)
}

fn next_visible_at_ms(connection: &Connection, queue: &str) -> Result<Option<i64>, Error> {
    connection
        .prepare_cached(
            "SELECT visible_at_ms FROM queue_message WHERE queue = ?1 ORDER BY visible_at_ms LIMIT 1",
        )?
        .query_row([queue], |row| row.get(0))
        .optional()
}

/// Moves the end of a lease; false when the receipt no longer holds the message.
pub(super) fn renew(
    connection: &Connection,
    queue: &str,
    held: Held,
    now_ms: i64,
    visible_at_ms: i64,
) -> Result<bool, Error> {
    let renewed = connection
        .prepare_cached(
            "UPDATE queue_message SET visible_at_ms = ?5 \
             WHERE id = ?1 AND receive_count = ?2 AND queue = ?3 AND visible_at_ms > ?4",
        )?
        .execute((held.id, held.receive_count, queue, now_ms, visible_at_ms))?;
    Ok(renewed > 0)
}

/// Deletes the messages that the receipts still hold.
pub(super) fn delete(connection: &Connection, queue: &str, held: &[Held]) -> Result<(), Error> {
    let mut message = connection
        .prepare_cached("DELETE FROM queue_message WHERE id = ?1 AND receive_count = ?2 AND queue = ?3")?;
    let mut body = connection.prepare_cached("DELETE FROM queue_body WHERE message_id = ?1")?;
    for held in held {
        if message.execute((held.id, held.receive_count, queue))? > 0 {
            body.execute([held.id])?;
        }
    }
    Ok(())
}

/// Messages that are counted at most on either side of now: this runs on the thread that everything waits for.
pub(super) const COUNTED_MAX: u32 = 100_000;

/// Counts the queue, by a walk over its part of the index that ends after `counted_max` visible and as many hidden
/// messages; each figure is then what was seen so far, so at least that many are there.
pub(super) fn depth(
    connection: &Connection,
    queue: &str,
    now_ms: i64,
    counted_max: u32,
) -> Result<Depth, Error> {
    connection
        .prepare_cached(
            "WITH visible AS (SELECT sent_at_ms FROM queue_message \
                 WHERE queue = ?1 AND visible_at_ms <= ?2 ORDER BY visible_at_ms LIMIT ?3), \
             hidden AS (SELECT receive_count, sent_at_ms FROM queue_message \
                 WHERE queue = ?1 AND visible_at_ms > ?2 ORDER BY visible_at_ms LIMIT ?3) \
             SELECT (SELECT count(*) FROM visible), \
                    count(*) FILTER (WHERE receive_count > 0), \
                    count(*) FILTER (WHERE receive_count = 0), \
                    min(sent_at_ms), \
                    (SELECT min(sent_at_ms) FROM visible) \
             FROM hidden",
        )?
        .query_row((queue, now_ms, counted_max), |row| {
            let count = |column: usize| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let age = |at_ms| Duration::from_millis(now_ms.saturating_sub(at_ms).max(0).unsigned_abs());
            let oldest = [row.get::<_, Option<i64>>(3)?, row.get(4)?].into_iter().flatten().min();
            Ok(Depth {
                visible: count(0)?,
                leased: count(1)?,
                delayed: count(2)?,
                oldest_age: oldest.map(age),
            })
        })
}
