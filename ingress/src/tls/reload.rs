//! A certificate that is renewed while it serves: its files are looked at now and then, and connections from then on get
//! the new one. Open connections keep what they began with.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::ServerConfig;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{PairFiles, TlsError};

/// What tells that a file is another: its length and when it was written. `None` when it cannot be looked at.
type Stamp = [Option<(u64, SystemTime)>; 2];

/// The certificate that serves.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: PairFiles,
    current: RwLock<Arc<ServerConfig>>,
    first: Stamp,
}

impl Certificates {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// [`TlsError`] when they cannot serve.
    pub(crate) async fn open(files: PairFiles) -> Result<Arc<Self>, TlsError> {
        // Before they are read: what is written meanwhile is read again.
        let first = stamp(&files).await;
        let current = RwLock::new(files.load().await?);
        Ok(Arc::new(Self { files, current, first }))
    }

    /// What new connections begin with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the files every so often until `stop`. A pair that cannot serve is tried again at each look, since what
    /// hinders may pass without a change to the files, and told again only when they or the reason are others; the last
    /// good one stays.
    ///
    /// # Cancel safety
    /// When dropped, the current pair stays.
    pub(crate) async fn keep_up(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let (mut read, mut before) = (self.first, self.first);
        let mut told = None;
        while stop.run_until_cancelled(sleep(every)).await.is_some() {
            let now = stamp(&self.files).await;
            // Two looks alike: whoever writes the two files has both written then.
            let settled = std::mem::replace(&mut before, now) == now;
            if !settled {
                continue;
            }
            let failed = if now == read { None } else { self.reload().await.err() };
            let Some(error) = failed else {
                (read, told) = (now, None);
                continue;
            };
            let failure = Some((now, error.to_string()));
            if told != failure {
                tracing::error!(%error, "the new certificate cannot be used; the last one stays");
                told = failure;
            }
        }
    }

    async fn reload(&self) -> Result<(), TlsError> {
        let new = self.files.load().await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        tracing::info!(cert = %self.files.cert.display(), "the certificate is renewed");
        Ok(())
    }
}

async fn stamp(files: &PairFiles) -> Stamp {
    let look = async |path| {
        let about = tokio::fs::metadata(path).await.ok()?;
        Some((about.len(), about.modified().ok()?))
    };
    [look(&files.cert).await, look(&files.key).await]
}
