//! The addresses a service listens on: bound before anything runs, and told to whoever started it.

use std::{io, net::SocketAddr};

use penstock_ingress::{IngressConfig, Listeners as Ingress};
use tokio::net::TcpListener;

/// Bound, and not served yet.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// For mParticle's calls; `None` for a role that takes none.
    pub(crate) ingress: Option<Ingress>,
    /// For probes and metrics.
    pub(crate) admin: TcpListener,
}

/// An address is taken, or none of this machine's.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; give another with {setting}")]
pub(crate) struct CannotListen {
    address: SocketAddr,
    setting: &'static str,
    source: io::Error,
}

impl Listeners {
    /// Binds all. Port 0 takes a free one.
    ///
    /// # Errors
    /// With the first address that cannot be bound, and what sets it.
    pub(crate) async fn bind(
        ingress: Option<&IngressConfig>,
        admin: SocketAddr,
    ) -> Result<Self, CannotListen> {
        let ingress = match ingress {
            Some(config) => Some(Self::bind_ingress(config).await?),
            None => None,
        };
        Ok(Self { ingress, admin: bind(admin, "--admin").await? })
    }

    async fn bind_ingress(config: &IngressConfig) -> Result<Ingress, CannotListen> {
        let calls = bind(config.listen, "--listen").await?;
        let tls = match config.tls.as_ref().and_then(|tls| tls.listen) {
            Some(address) => Some(bind(address, "ingress.tls_listen").await?),
            None => None,
        };
        Ok(Ingress { calls, tls })
    }

    /// Logs the addresses, with the real ports: with port 0 they can be known from here alone. `tls`: there is a
    /// certificate.
    pub(crate) fn log(&self, tls: bool) {
        let url = |scheme: &str, listener: &TcpListener| match listener.local_addr() {
            Ok(address) => format!("{scheme}://{address}"),
            Err(error) => error.to_string(),
        };
        let admin = url("http", &self.admin);
        match &self.ingress {
            Some(Ingress { calls, tls: Some(secure) }) => {
                let (plain, secure) = (url("http", calls), url("https", secure));
                tracing::info!("ingress listening on {plain} and {secure}, admin on {admin}");
            }
            Some(Ingress { calls, tls: None }) => {
                let calls = url(if tls { "https" } else { "http" }, calls);
                tracing::info!("ingress listening on {calls}, admin on {admin}");
            }
            None => tracing::info!("worker starts, admin on {admin}"),
        }
    }
}

async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, CannotListen> {
    TcpListener::bind(address).await.map_err(|source| CannotListen { address, setting, source })
}
