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

    /// Looks at the files every so often until `stop`. A pair that cannot serve is told once, and the last good one
    /// stays.
    ///
    /// # Cancel safety
    /// When dropped, the current pair stays.
    pub(crate) async fn keep_up(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let (mut read, mut before) = (self.first, self.first);
        while stop.run_until_cancelled(sleep(every)).await.is_some() {
            let now = stamp(&self.files).await;
            // Two looks alike: whoever writes the two files has both written then.
            let settled = std::mem::replace(&mut before, now) == now;
            if settled && now != read {
                read = now;
                self.reload().await;
            }
        }
    }

    async fn reload(&self) {
        match self.files.load().await {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
                tracing::info!(cert = %self.files.cert.display(), "the certificate is renewed");
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate cannot be used; the last one stays");
            }
        }
    }
}

async fn stamp(files: &PairFiles) -> Stamp {
    let look = async |path| {
        let about = tokio::fs::metadata(path).await.ok()?;
        Some((about.len(), about.modified().ok()?))
    };
    [look(&files.cert).await, look(&files.key).await]
}
