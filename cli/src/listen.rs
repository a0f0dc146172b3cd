//! The addresses a service listens on: bound before anything runs, and told to whoever started it.

use std::{io, net::SocketAddr};

use penstock_ingress::{IngressConfig, Listeners as Ingress};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted; the system may allow fewer. When no more may wait, a caller's knock is
/// dropped, and it knocks again after a second: too late for mParticle. Tokio's own 128 overflow whenever all its
/// connections come at once, as after a deployment.
const BACKLOG: u32 = 4_096;

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
    pub(crate) fn bind(ingress: Option<&IngressConfig>, admin: SocketAddr) -> Result<Self, CannotListen> {
        let ingress = match ingress {
            Some(config) => Some(Self::bind_ingress(config)?),
            None => None,
        };
        Ok(Self { ingress, admin: bind(admin, "--admin")? })
    }

    fn bind_ingress(config: &IngressConfig) -> Result<Ingress, CannotListen> {
        let calls = bind(config.listen, "--listen")?;
        let tls = match config.tls.as_ref().and_then(|tls| tls.listen) {
            Some(address) => Some(bind(address, "ingress.tls_listen")?),
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

fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, CannotListen> {
    listener(address).map_err(|source| CannotListen { address, setting, source })
}

/// Binds a port where crowds connect at once.
///
/// # Errors
/// When the address is taken, or none of this machine's.
pub(crate) fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As Tokio's own: the port of a process that has just ended is not taken.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_crowd_that_connects_at_once_need_not_knock_twice() {
        let listener = listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        // Nobody accepts meanwhile. A second knock comes after a second at the earliest.
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
        let crowd: Vec<TcpStream> = (0..200).map(connect).collect();
        assert_eq!(crowd.len(), 200);
    }
}
