//! Spilled bodies as files in a folder, for one machine.
//!
//! A key's slashes are folders, so a key can't also be the folder of another; keys that share a form never are. A body
//! is written beside its place under a name no key can have, flushed, and renamed: a crash leaves the old body or the
//! new one. Nothing here expires.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::{Spill, SpillError, SpillKey};

/// A folder of spilled bodies.
#[derive(Debug)]
pub struct FolderSpill {
    root: PathBuf,
}

impl FolderSpill {
    /// Bodies under that folder, which is created with the first.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    async fn run<T: Send + 'static>(
        &self,
        key: &SpillKey,
        work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, SpillError> {
        let (root, path) = (self.root.clone(), self.root.join(key.as_str()));
        let done = spawn_blocking(move || work(&root, &path)).await;
        let done = done.map_err(|error| SpillError::Unavailable(error.to_string()))?;
        done.map_err(|error| match error.kind() {
            ErrorKind::NotFound => SpillError::Missing,
            _ => SpillError::Unavailable(error.to_string()),
        })
    }
}

#[async_trait]
impl Spill for FolderSpill {
    async fn put(&self, key: &SpillKey, body: Bytes) -> Result<(), SpillError> {
        self.run(key, move |root, path| store(root, path, &body)).await
    }

    async fn get(&self, key: &SpillKey) -> Result<Bytes, SpillError> {
        self.run(key, |_, path| fs::read(path)).await.map(Bytes::from)
    }

    async fn delete(&self, key: &SpillKey) -> Result<(), SpillError> {
        match self.run(key, |_, path| fs::remove_file(path)).await {
            Err(SpillError::Missing) => Ok(()),
            done => done,
        }
    }
}

fn store(root: &Path, path: &Path, body: &[u8]) -> io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder)?;
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!(".{}-{number}", process::id()));
    let written = write_through(&unfinished, body).and_then(|()| fs::rename(&unfinished, path));
    if let Err(error) = written {
        fs::remove_file(&unfinished).ok();
        return Err(error);
    }
    // The file's name, and those of folders just made, are durable once the folders that hold them are flushed.
    let holders = folder.ancestors().take_while(|holder| holder.starts_with(root));
    holders.filter(|holder| !holder.as_os_str().is_empty()).try_for_each(flush_folder)?;
    if let Some(above) = root.parent() {
        // It need not be ours to read.
        flush_folder(above).ok();
    }
    Ok(())
}

fn write_through(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(body)?;
    file.sync_all()
}

fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
