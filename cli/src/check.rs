//! `penstock check`: is this partner.toml right?

use std::path::PathBuf;

use penstock_shared::partner::{Partner, RouteAction, check_succession};

use crate::{
    exit::ExitStatus,
    setup::{self, Refused},
};

/// Check a partner.toml as a whole: every mistake at once, with line, column and what was meant.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  penstock check partner.toml\n  penstock check fixtures/partners/iterable.toml && echo fine\n  \
penstock check partner.toml --before partner.imported.toml"
)]
pub(crate) struct CheckArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The file that mParticle has imported: what may not change between the two is checked as well.
    #[arg(long, value_name = "OLD.toml", env = "PENSTOCK_CHECK_BEFORE")]
    before: Option<PathBuf>,
}

/// Says on standard output that the file is right, or on standard error all that is wrong with it.
pub(crate) fn run(args: &CheckArgs) -> ExitStatus {
    // Both are read before either is judged, so that the mistakes of both are told.
    let now = setup::partner(&args.file);
    let before = args.before.as_ref().map(|file| setup::partner(file)).transpose();
    let (now, before) = match (now, before) {
        (Ok((now, _)), Ok(before)) => (now, before),
        (Err(Refused(status)), _) | (_, Err(Refused(status))) => return status,
    };
    if let Some((before, _)) = before
        && let Err(broken) = check_succession(&before.registration, &now.registration)
    {
        eprintln!("{}: {broken}", args.file.display());
        eprintln!("error: {} can't follow {}", args.file.display(), before.file);
        return ExitStatus::Config;
    }
    print(&now, args);
    ExitStatus::Done
}

fn print(partner: &Partner, args: &CheckArgs) {
    println!("{} is right: {} {}", args.file.display(), partner.info.name, partner.info.version);
    for route in &partner.routes {
        let takes = format!("{:?}", route.takes).to_lowercase();
        match &route.action {
            RouteAction::Drop(reason) => println!("  {:<24} {takes:<13} dropped: {reason}", route.name),
            RouteAction::Call(call) => println!(
                "  {:<24} {takes:<13} {} {} (up to {} a call)",
                route.name, call.method, call.path.0.source, call.batch.items_max
            ),
        }
    }
}
