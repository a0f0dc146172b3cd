//! What is printed: a table for people, JSON lines for programs, one line of summary.

use std::io::{self, Write};

use super::Sent;

/// One message as a JSON line.
pub(super) fn json_line(sent: &Sent, to: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *to, sent)?;
    writeln!(to)
}

/// All messages as a table.
pub(super) fn table(all: &[Sent], to: &mut impl Write) -> io::Result<()> {
    let width = all.iter().map(|sent| sent.file.chars().count()).max().unwrap_or(0).max("FILE".len());
    writeln!(to, "{:width$}  {:10}  {:>6}  {:>5}  {:37}  ID", "FILE", "STATUS", "MS", "TRIES", "TYPE")?;
    for sent in all {
        let status = sent.status.map(|status| status.to_string());
        writeln!(
            to,
            "{:width$}  {:10}  {:>6}  {:>5}  {:37}  {}",
            sent.file,
            status.as_deref().or(sent.failure).unwrap_or("-"),
            sent.ms,
            sent.tries,
            sent.answer_type.as_deref().map_or_else(|| "-".to_owned(), shown),
            sent.answer_id.as_deref().map_or_else(|| "-".to_owned(), shown),
        )?;
    }
    Ok(())
}

/// How many were taken, refused and unanswered, and how long the slowest took.
pub(super) fn summary(all: &[Sent], to: &mut impl Write) -> io::Result<()> {
    let taken = all.iter().filter(|sent| sent.is_taken()).count();
    let unanswered = all.iter().filter(|sent| sent.status.is_none()).count();
    let mut ms: Vec<u64> = all.iter().filter(|sent| sent.status.is_some()).map(|sent| sent.ms).collect();
    ms.sort_unstable();
    let median = ms.get(ms.len() / 2).copied().unwrap_or(0);
    writeln!(
        to,
        "{} sent: {taken} taken, {} refused, {unanswered} without an answer; {} tries; median {median} ms, slowest {} ms",
        all.len(),
        all.len() - taken - unanswered,
        all.iter().map(|sent| u64::from(sent.tries)).sum::<u64>(),
        ms.last().copied().unwrap_or(0),
    )
}

/// A server's text, safe for a terminal.
fn shown(text: &str) -> String {
    text.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
