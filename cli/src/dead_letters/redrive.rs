//! Sends dead letters back: first the new pack, then what stays, then the old message is deleted. A crash in between
//! makes duplicates, never a loss.

use std::io::{self, Write as _};

use penstock_shared::{
    clock::Clock,
    pack::{CompressionLevel, FitError, Pack, PackedRequest, Pending, PendingItem, fit},
    queue::{Outgoing, Queue, QueueError},
};

use super::{
    Filter,
    letter::{Letter, fits, item_fits},
};
use crate::{backends::Backends, exit::ExitStatus};

/// What to send back.
#[derive(Debug, clap::Args)]
pub(super) struct RedriveArgs {
    #[command(flatten)]
    pub(super) filter: Filter,

    /// Only this letter, by the id that `list` prints.
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// Say what would be sent back, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Sends every matching item back to the main queue.
pub(super) async fn run(
    letters: &mut [Letter],
    args: &RedriveArgs,
    backends: &Backends,
    clock: Clock,
) -> io::Result<ExitStatus> {
    let (mut items, mut failed) = (0, 0);
    let chosen = letters.iter_mut().filter(|letter| args.id.as_ref().is_none_or(|id| *id == letter.id));
    for letter in chosen.filter(|letter| letter.pack.is_some() && letter.fits(&args.filter)) {
        let (back, stays) = part(letter.requests(), &args.filter, clock.now_ms());
        let count: usize = back.requests.iter().map(count_items).sum();
        if !args.dry_run {
            match redrive(letter, back, stays, backends).await {
                Ok(()) => letter.is_gone = true,
                Err(error) => {
                    eprintln!("error: {} stays: {error}", letter.id);
                    failed += 1;
                    continue;
                }
            }
        }
        items += count;
        writeln!(io::stdout(), "{} {count} items", letter.id)?;
    }
    let verb = if args.dry_run { "would go back" } else { "went back" };
    eprintln!("{items} items {verb}");
    Ok(if failed > 0 { ExitStatus::Failed } else { ExitStatus::Done })
}

/// What goes back, anew, and what stays a dead letter.
fn part(requests: &[PackedRequest], filter: &Filter, now_ms: i64) -> (Pack, Pack) {
    let (mut back, mut stays) = (Pack::default(), Pack::default());
    for request in requests {
        if !fits(request, filter) {
            stays.requests.push(request.clone());
            continue;
        }
        match &request.pending {
            Pending::All | Pending::SetAside(_) => {
                let anew = PackedRequest { pending: Pending::All, received_at_ms: now_ms, ..request.clone() };
                back.requests.push(anew);
            }
            Pending::Items(items) => {
                let (go, stay): (Vec<_>, Vec<_>) =
                    items.iter().cloned().partition(|item| item_fits(item, filter));
                let anew = |item: PendingItem| PendingItem {
                    redriven_at_ms: Some(now_ms),
                    ..PendingItem::untried(item.address)
                };
                let go = Pending::Items(go.into_iter().map(anew).collect());
                back.requests.push(PackedRequest { pending: go, ..request.clone() });
                if !stay.is_empty() {
                    stays.requests.push(PackedRequest { pending: Pending::Items(stay), ..request.clone() });
                }
            }
        }
    }
    (back, stays)
}

fn count_items(request: &PackedRequest) -> usize {
    match &request.pending {
        Pending::Items(items) => items.len(),
        Pending::All | Pending::SetAside(_) => 1,
    }
}

/// Why a letter stays.
#[derive(Debug, thiserror::Error)]
enum RedriveError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Fit(#[from] FitError),
}

async fn redrive(letter: &Letter, back: Pack, stays: Pack, backends: &Backends) -> Result<(), RedriveError> {
    send(&*backends.queues.main, back, backends).await?;
    let dead = &*backends.queues.dead;
    if !stays.requests.is_empty() {
        send(dead, stays, backends).await?;
    }
    dead.delete(std::slice::from_ref(&letter.message.receipt)).await.pop().unwrap_or(Ok(()))?;
    Ok(())
}

async fn send(queue: &dyn Queue, mut pack: Pack, backends: &Backends) -> Result<(), RedriveError> {
    let limit = queue.limits().message_bytes_max;
    let body = fit(&mut pack, CompressionLevel::default(), limit, &*backends.spill).await?;
    queue.send(&[Outgoing::now(body)]).await.pop().unwrap_or(Ok(()))?;
    Ok(())
}
