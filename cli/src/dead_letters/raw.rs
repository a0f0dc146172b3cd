//! `penstock dead-letters show ID --raw FILE`: the original bytes, for whoever must repair or replay them.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use penstock_shared::spill::Spill;

use super::{letter::Letter, show};
use crate::exit::ExitStatus;

/// Reads and writes for the owner alone: the body holds personal data and the customer's settings.
const MODE: u32 = 0o600;

/// Writes the body of the letter's first request to a new file, and says what it did on standard error. A message that
/// is no pack is written as it lies on the queue.
pub(super) async fn write(letter: &Letter, file: &Path, spill: &dyn Spill) -> ExitStatus {
    let bytes = match letter.requests().first() {
        None => letter.message.body.clone(),
        Some(request) => match show::original(request, spill).await {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("error: the body can't be read: {error}");
                return ExitStatus::Unavailable;
            }
        },
    };
    if let Err(error) = create(file, &bytes) {
        let hint = match error.kind() {
            io::ErrorKind::AlreadyExists => "; it is there already, and stays as it is: name a new file",
            _ => "",
        };
        eprintln!("error: cannot write {}: {error}{hint}", file.display());
        return ExitStatus::Failed;
    }
    eprintln!(
        "wrote {} bytes to {}, readable by you alone: settings and personal data are not redacted in it",
        bytes.len(),
        file.display()
    );
    let others = letter.requests().len().saturating_sub(1);
    if others > 0 {
        eprintln!("warning: the letter has {others} more requests, which are not in the file");
    }
    ExitStatus::Done
}

/// A file that could not be written whole is removed again.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        fs::remove_file(path).ok();
    }
    written
}
