//! `penstock check`: is this partner.toml right?

use std::path::PathBuf;

use crate::{
    exit::ExitStatus,
    setup::{self, Refused},
};
use penstock_shared::partner::RouteAction;

/// Check a partner.toml as a whole: every mistake at once, with line, column and what was meant.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  penstock check partner.toml\n  penstock check fixtures/partners/iterable.toml && echo fine"
)]
pub(crate) struct CheckArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Says on standard output that the file is right, or on standard error all that is wrong with it.
pub(crate) fn run(args: &CheckArgs) -> ExitStatus {
    match setup::partner(&args.file) {
        Err(Refused(status)) => status,
        Ok((partner, _)) => {
            println!("{} is right: {} {}", args.file.display(), partner.info.name, partner.info.version);
            for route in &partner.routes {
                let takes = format!("{:?}", route.takes).to_lowercase();
                match &route.action {
                    RouteAction::Drop(reason) => {
                        println!("  {:<24} {takes:<13} dropped: {reason}", route.name)
                    }
                    RouteAction::Call(call) => println!(
                        "  {:<24} {takes:<13} {} {} (up to {} a call)",
                        route.name, call.method, call.path.0.source, call.batch.items_max
                    ),
                }
            }
            ExitStatus::Done
        }
    }
}
