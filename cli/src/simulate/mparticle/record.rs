//! The record of what was taken: for counting, at the other end, what is missing.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::kind::Kind;
use super::world::Message;

/// A message that was answered with 200 or 202.
#[derive(Debug, Serialize)]
struct Taken<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// What there is in it to deliver; 0 for verification calls and registration requests.
    items: u32,
    /// Whether it says something of the user beside its events: one item more, where a route takes profiles.
    user_data: bool,
}

/// A file with one JSON line for each message that was taken.
#[derive(Debug)]
pub(super) struct Record(BufWriter<File>);

impl Record {
    /// An empty one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(|file| Self(BufWriter::with_capacity(1 << 16, file)))
    }

    /// One message more.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn taken(&mut self, message: &Message) -> io::Result<()> {
        let taken = Taken {
            id: &message.id,
            kind: message.kind.request().wire(),
            items: message.items,
            user_data: message.user_data && message.kind == Kind::Events,
        };
        serde_json::to_writer(&mut self.0, &taken)?;
        self.0.write_all(b"\n")
    }

    /// All of it is in the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
