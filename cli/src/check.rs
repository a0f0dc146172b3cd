//! `penstock check`: is this partner.toml right?

use std::path::PathBuf;

use penstock_shared::partner::{Partner, RouteAction};

use crate::{exit::ExitStatus, partner_file::PartnerFile, setup::Refused};

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
    let now = match PartnerFile::load(&args.file).compile_after(args.before.as_deref()) {
        Ok((now, _)) => now,
        Err(Refused(status)) => return status,
    };
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
