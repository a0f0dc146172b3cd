//! Where tokens come from.

use std::{
    io,
    path::{Path, PathBuf},
};

use penstock_shared::aws::secret::{SecretError, StoredSecret};
use secrecy::ExposeSecret as _;
use tokio::io::AsyncReadExt as _;

use super::list::{TEXT_BYTES_MAX, TokenList, TokensError};

/// Where tokens come from.
#[derive(Clone, Debug, Default)]
pub enum TokenSource {
    /// Nowhere.
    #[default]
    Nowhere,
    /// The settings: read once.
    Given(TokenList),
    /// A file that is read again and again.
    File(PathBuf),
    /// A secret of Secrets Manager, likewise.
    Secret(StoredSecret),
}

/// Why tokens were not read. Holds nothing of them.
#[derive(Debug, thiserror::Error)]
pub enum ReadTokensError {
    /// The file cannot be opened or read.
    #[error("the file of tokens cannot be read: {0}")]
    File(#[source] io::Error),
    /// The file is no list.
    #[error("the file of tokens {0}")]
    FileContent(TokensError),
    /// The file was read twice in a row, and not alike.
    #[error("the file of tokens is being written")]
    Unsettled,
    /// The secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret's current version is no list.
    #[error("the secret's AWSCURRENT {0}")]
    SecretContent(TokensError),
}

/// What one reading found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) list: TokenList,
    /// Versions beside the current one that are no list: a rotation may be preparing them.
    pub(super) left_out: usize,
}

impl TokenSource {
    /// True when it can change while the process runs.
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::File(_) | Self::Secret(_))
    }

    /// Reads all tokens; an empty list is found nowhere alone.
    pub(super) async fn read(&self) -> Result<Found, ReadTokensError> {
        let list = match self {
            Self::Nowhere => TokenList::default(),
            Self::Given(list) => list.clone(),
            Self::File(path) => read_file(path).await?,
            // A call of the SDK is a future of many kilobytes, and rare.
            Self::Secret(secret) => return Box::pin(read_secret(secret)).await,
        };
        Ok(Found { list, left_out: 0 })
    }
}

/// Reads the whole file, as long as a list can be: a file that is changed twice within its clock's grain would look
/// the same by its time and length.
async fn read_file(path: &Path) -> Result<TokenList, ReadTokensError> {
    let mut text = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(ReadTokensError::File)?;
    file.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut text).await.map_err(ReadTokensError::File)?;
    let text = String::from_utf8(text).map_err(|_| {
        ReadTokensError::File(io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))
    })?;
    TokenList::parse(&text).map_err(ReadTokensError::FileContent)
}

async fn read_secret(secret: &StoredSecret) -> Result<Found, ReadTokensError> {
    let versions = secret.read().await?;
    let current = TokenList::parse(versions.current.expose_secret());
    let mut found = Found { list: current.map_err(ReadTokensError::SecretContent)?, left_out: 0 };
    for version in &versions.beside {
        match TokenList::parse(version.expose_secret()) {
            Ok(list) => found.list = found.list.with(list),
            Err(_) => found.left_out += 1,
        }
    }
    Ok(found)
}
