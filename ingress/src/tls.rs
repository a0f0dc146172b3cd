//! TLS of our own, for an ingress without a load balancer in front: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, and a
//! certificate that can be renewed while it serves.

pub mod pem;
mod reload;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use penstock_shared::config::Settings;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};

pub(crate) use reload::Certificates;

use self::pem::PemError;

/// The settings of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Where the certificate is read from.
    pub files: PairFiles,
    /// An address for TLS beside the plain one; without it, the one address speaks TLS.
    pub listen: Option<SocketAddr>,
    /// How often the files are looked at.
    pub reload_every: Duration,
}

/// Two PEM files: the certificate with its chain, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The server's certificate first, then the ones between it and a known authority.
    pub cert: PathBuf,
    /// PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
}

/// Why TLS cannot begin. Shows paths and reasons, and nothing of the files' content.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The file of the certificate holds none.
    #[error("{path} holds no certificate in PEM form: {reason}")]
    NoCertificate {
        /// Which.
        path: PathBuf,
        /// What it holds instead.
        reason: PemError,
    },
    /// The file of the key holds none.
    #[error("{path} holds no private key in PEM form that is not encrypted: {reason}")]
    NoKey {
        /// Which.
        path: PathBuf,
        /// What it holds instead.
        reason: PemError,
    },
    /// The two do not serve together.
    #[error("the certificate of {cert} and the key of {key} cannot be used: {reason}")]
    Unfit {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong, such as that they do not belong together.
        reason: rustls::Error,
    },
}

impl TlsConfig {
    /// Reads the settings `ingress.tls_…`, and the files once, so that a mistake in them is told with all others.
    pub(crate) fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let cert = settings.optional_text("ingress.tls_cert");
        let key = settings.optional_text("ingress.tls_key");
        let listen = settings.optional_address("ingress.tls_listen");
        let reload_every = settings.millis("ingress.tls_reload_ms", 5_000, 20..=3_600_000);
        let files = match (cert, key) {
            (Some(cert), Some(key)) => PairFiles { cert: cert.into(), key: key.into() },
            (None, None) => {
                if listen.is_some() {
                    settings.disagree("ingress.tls_listen is given without ingress.tls_cert and ingress.tls_key; give them, or drop it");
                }
                return None;
            }
            _ => {
                settings.disagree("only one of ingress.tls_cert and ingress.tls_key is given; give both, or none for plain HTTP");
                return None;
            }
        };
        let read = |path: &Path| std::fs::read(path).map_err(|reason| unreadable(path, reason));
        let checked = read(&files.cert).and_then(|cert| files.fit(&cert, &read(&files.key)?));
        if let Err(error) = checked {
            settings.disagree(format!("ingress.tls_cert and ingress.tls_key: {error}"));
        }
        Some(Self { files, listen, reload_every })
    }
}

impl PairFiles {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError`] when one cannot be read or they do not serve together.
    pub(crate) async fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let read = async |path: &Path| tokio::fs::read(path).await.map_err(|reason| unreadable(path, reason));
        let (cert, key) = (read(&self.cert).await?, read(&self.key).await?);
        self.fit(&cert, &key)
    }

    fn fit(&self, cert: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = pem::certificates(cert)
            .map_err(|reason| TlsError::NoCertificate { path: self.cert.clone(), reason })?;
        let key =
            pem::private_key(key).map_err(|reason| TlsError::NoKey { path: self.key.clone(), reason })?;
        // Named, because the process may have no default: the client libraries bring several.
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|reason| TlsError::Unfit {
            cert: self.cert.clone(),
            key: self.key.clone(),
            reason,
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn unreadable(path: &Path, reason: io::Error) -> TlsError {
    TlsError::Unreadable { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests;
