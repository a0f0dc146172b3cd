//! `penstock dead-letters`: what was set aside, why, and the way back.

mod letter;
mod raw;
mod redrive;
mod show;

use std::{collections::BTreeMap, io, time::Duration};

use penstock_shared::{
    clock::Clock,
    config::Settings,
    queue::{Message, Queue, QueueError},
    spill::Spill,
};

use self::letter::Letter;
use crate::{
    backends::{BackendConfig, Backends},
    exit::ExitStatus,
    setup::{self, ConfigArgs, Refused},
};

/// Look at what was set aside with a reason, and send it back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  penstock dead-letters list\n  penstock dead-letters list --reason refused --json\n  \
penstock dead-letters show 3f9c2ab41d07\n  penstock dead-letters show 3f9c2ab41d07 --raw body.json\n  penstock dead-letters redrive --account 1001 --dry-run\n  \
penstock dead-letters redrive --reason gone"
)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    verb: Verb,

    /// Folder of the embedded queue [also PENSTOCK_DATA_DIR].
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<std::path::PathBuf>,

    /// What packs are kept in: embedded or sqs [also PENSTOCK_QUEUE].
    #[arg(long, global = true, value_name = "KIND")]
    queue: Option<String>,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List dead letters: one line for each, with its reasons.
    List(ListArgs),
    /// Show one dead letter whole, with its items and bodies; account settings are redacted.
    Show(ShowArgs),
    /// Send matching items back to be delivered, with their attempts and age counted anew.
    Redrive(redrive::RedriveArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The letter's id, as `list` prints it.
    id: String,

    /// Write the body of its first request to this new file instead, byte for byte as it was received, with every
    /// secret in it. Only you can read the file.
    #[arg(long, value_name = "FILE")]
    raw: Option<std::path::PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    filter: Filter,

    /// One JSON object a line.
    #[arg(long, env = "PENSTOCK_DEAD_LETTERS_JSON")]
    json: bool,
}

/// Which dead letters.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Filter {
    /// Only items with this reason, such as `refused` or `too_old`.
    #[arg(long, value_name = "REASON")]
    pub(crate) reason: Option<String>,

    /// Only items of this account.
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<i64>,

    /// Look at this many letters at most.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// How long letters are hidden from another reader while this one looks.
const LOOK: Duration = Duration::from_secs(120);

/// # Errors
/// Standard output cannot be written.
pub(crate) async fn run(args: DeadLettersArgs) -> Result<ExitStatus, anyhow::Error> {
    let mut flags = BTreeMap::new();
    flags.extend(args.data_dir.as_ref().map(|path| ("data_dir".to_owned(), path.display().to_string())));
    flags.extend(args.queue.as_ref().map(|kind| ("queue".to_owned(), kind.clone())));
    let read = |settings: &mut Settings<'_>| {
        ["ingress", "worker", "telemetry", "container"].into_iter().for_each(|table| settings.leave(table));
        BackendConfig::read(settings, false)
    };
    let (config, log, _) = match setup::settings(&args.config, flags, read) {
        Ok(read) => read,
        Err(Refused(status)) => return Ok(status),
    };
    setup::logs(&log);
    if let Some(folder) = config.data_dir()
        && !folder.join("penstock.db").exists()
    {
        eprintln!("error: there is no queue in {}; give its folder with --data-dir", folder.display());
        return Ok(ExitStatus::Unavailable);
    }
    let clock = Clock::system();
    let backends = match config.open(clock, false).await {
        Ok(backends) => backends,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitStatus::Unavailable);
        }
    };
    match act(args.verb, &backends, clock).await {
        Ok(status) => Ok(status),
        Err(Failed::Queue(error)) => {
            eprintln!("error: {error}");
            Ok(ExitStatus::Unavailable)
        }
        Err(Failed::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitStatus::Done),
        Err(Failed::Output(error)) => Err(error.into()),
    }
}

/// Why a verb did not end.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Output(#[from] io::Error),
}

async fn act(verb: Verb, backends: &Backends, clock: Clock) -> Result<ExitStatus, Failed> {
    let dead = &*backends.queues.dead;
    let limit = match &verb {
        Verb::List(args) => args.filter.limit,
        Verb::Redrive(args) => args.filter.limit,
        Verb::Show(_) => 100_000,
    };
    let messages = receive_all(dead, limit as usize).await?;
    let mut letters: Vec<Letter> = messages.into_iter().map(Letter::read).collect();
    letters.sort_by_key(|letter| letter.message.sent_at_ms);
    let result = match &verb {
        Verb::List(args) => show::list(&letters, &args.filter, args.json).map_err(Failed::from),
        Verb::Show(args) => show(&letters, args, &*backends.spill).await,
        Verb::Redrive(args) => redrive::run(&mut letters, args, backends, clock).await.map_err(Failed::from),
    };
    hand_back(dead, &letters).await;
    result
}

async fn show(letters: &[Letter], args: &ShowArgs, spill: &dyn Spill) -> Result<ExitStatus, Failed> {
    let id = &args.id;
    let Some(letter) = letters.iter().find(|letter| letter.id == *id) else {
        eprintln!(
            "error: there is no dead letter `{id}`; `penstock dead-letters list` shows those there are"
        );
        return Ok(ExitStatus::Failed);
    };
    match &args.raw {
        None => Ok(show::one(letter, spill).await?),
        Some(file) => Ok(raw::write(letter, file, spill).await),
    }
}

/// Takes every letter that can be had, up to `limit`, each once.
async fn receive_all(dead: &dyn Queue, limit: usize) -> Result<Vec<Message>, QueueError> {
    let mut all = Vec::new();
    let mut empty = 0;
    // SQS asks a few of its servers only, so one empty answer is not the end.
    while all.len() < limit && empty < 2 {
        let some = dead.receive((limit - all.len()).min(10), Duration::from_millis(200), LOOK).await?;
        empty = if some.is_empty() { empty + 1 } else { 0 };
        all.extend(some);
    }
    Ok(all)
}

/// Lets others see them again at once; if that fails they reappear by themselves.
async fn hand_back(dead: &dyn Queue, letters: &[Letter]) {
    for letter in letters.iter().filter(|letter| !letter.is_gone) {
        if let Err(error) = dead.renew(&letter.message.receipt, Duration::ZERO).await {
            tracing::debug!(%error, "a dead letter stays hidden for two minutes");
        }
    }
}
