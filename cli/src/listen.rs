//! The addresses a service listens on: bound before anything runs, and told to whoever started it.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

/// Bound, and not served yet.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// For mParticle's calls; `None` for a role that takes none.
    pub(crate) ingress: Option<TcpListener>,
    /// For probes and metrics.
    pub(crate) admin: TcpListener,
}

/// An address is taken, or none of this machine's.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; give another with {flag}")]
pub(crate) struct CannotListen {
    address: SocketAddr,
    flag: &'static str,
    source: io::Error,
}

impl Listeners {
    /// Binds both. Port 0 takes a free one.
    ///
    /// # Errors
    /// With the first address that cannot be bound, and the flag that sets it.
    pub(crate) async fn bind(ingress: Option<SocketAddr>, admin: SocketAddr) -> Result<Self, CannotListen> {
        let ingress = match ingress {
            Some(address) => Some(bind(address, "--listen").await?),
            None => None,
        };
        Ok(Self { ingress, admin: bind(admin, "--admin").await? })
    }

    /// Logs the addresses, with the real ports: with port 0 they can be known from here alone.
    pub(crate) fn log(&self) {
        let url = |listener: &TcpListener| match listener.local_addr() {
            Ok(address) => format!("http://{address}"),
            Err(error) => error.to_string(),
        };
        let admin = url(&self.admin);
        match &self.ingress {
            Some(ingress) => tracing::info!("ingress listening on {}, admin on {admin}", url(ingress)),
            None => tracing::info!("worker starts, admin on {admin}"),
        }
    }
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, CannotListen> {
    TcpListener::bind(address).await.map_err(|source| CannotListen { address, flag, source })
}
