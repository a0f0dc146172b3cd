//! The messages to send: files as they are, folders as the files in them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;

/// One message, its bytes untouched.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The file it came from, as it is shown.
    pub(crate) file: String,
    /// What is sent.
    pub(crate) body: Bytes,
}

/// Reads the files, and the `*.json` files directly inside the folders, in the order of their names.
///
/// # Errors
/// One of them cannot be read, or a folder has none.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Vec<Message>, anyhow::Error> {
    let mut messages = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = in_folder(path).with_context(|| format!("cannot read {}", path.display()))?;
            anyhow::ensure!(!files.is_empty(), "there is no *.json file in {}", path.display());
            for file in files {
                messages.push(read(&file)?);
            }
        } else {
            messages.push(read(path)?);
        }
    }
    Ok(messages)
}

fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Message, anyhow::Error> {
    let body = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Message { file: path.display().to_string(), body: body.into() })
}
