//! TLS over a socket that does not block: whom to believe, and the records of one connection.

use std::{
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use mio::net::TcpStream;
use penstock_ingress::tls::pem::{self, PemError};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, WantsVerifier,
    client::WantsClientCert,
    crypto::aws_lc_rs,
    pki_types::{InvalidDnsNameError, ServerName},
};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// How a target is spoken to under TLS: 1.2 or 1.3, with HTTP/1.1 inside.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The host is neither a DNS name nor an address.
    #[error("no certificate can be of {host}")]
    Name {
        /// As given.
        host: String,
        /// What is wrong with it.
        source: InvalidDnsNameError,
    },
    /// The file of authorities.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// It holds nothing to believe.
    #[error("{path} holds no certificate in PEM form")]
    NoCertificate {
        /// Which.
        path: PathBuf,
        /// What it holds instead.
        source: PemError,
    },
    /// A certificate of the file that is none.
    #[error("{path} holds a certificate that cannot be used")]
    Unfit {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The authorities of this machine.
    #[error("the authorities cannot be used")]
    Authorities(#[source] rustls::Error),
}

impl Tls {
    /// For the server that is called `host`, a DNS name or an IP address. It is to show a certificate of an authority that
    /// this machine trusts, or instead of one in the PEM file `ca`, which is read here: call it where blocking is allowed.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub(crate) fn new(host: &str, ca: Option<&Path>) -> Result<Self, TlsError> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|source| TlsError::Name { host: host.to_owned(), source })?;
        // Named, because the process may have no default: the client libraries bring several.
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Authorities)?;
        let mut config = believing(builder, ca)?.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), name })
    }

    /// A connection over a socket that need not be connected yet.
    pub(super) fn over(&self, socket: TcpStream) -> io::Result<TlsStream> {
        let session = ClientConnection::new(self.config.clone(), self.name.clone());
        Ok(TlsStream { session: session.map_err(refused)?, socket, has_begun: false })
    }
}

fn believing(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    ca: Option<&Path>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let Some(path) = ca else { return builder.with_platform_verifier().map_err(TlsError::Authorities) };
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(unreadable)?;
    let found = pem::certificates(&pem)
        .map_err(|source| TlsError::NoCertificate { path: path.to_owned(), source })?;
    let mut roots = RootCertStore::empty();
    for certificate in found {
        roots.add(certificate).map_err(|source| TlsError::Unfit { path: path.to_owned(), source })?;
    }
    Ok(builder.with_root_certificates(roots))
}

/// A socket and what is encrypted over it.
pub(super) struct TlsStream {
    session: ClientConnection,
    socket: TcpStream,
    has_begun: bool,
}

impl TlsStream {
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether the handshake has begun, over a socket that was connected then.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Goes on with the handshake; true when it is over.
    ///
    /// # Errors
    /// When it fails: `InvalidData` if one side does not like the other, with the reason.
    pub(super) fn shake_hands(&mut self) -> io::Result<bool> {
        self.has_begun = true;
        match self.shake() {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => Ok(false),
                ErrorKind::InvalidData => Err(error),
                kind => Err(io::Error::new(kind, format!("TLS: the handshake has broken off: {error}"))),
            },
        }
    }

    fn shake(&mut self) -> io::Result<()> {
        self.flush()?;
        while self.session.is_handshaking() {
            if self.receive()? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server has closed the connection"));
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Takes in what the socket holds, as far as it is a record; 0 at its end.
    fn receive(&mut self) -> io::Result<usize> {
        let received = self.session.read_tls(&mut self.socket)?;
        let understood = self.session.process_new_packets();
        if let Err(error) = understood {
            // The other side may be told why, if it still listens.
            self.flush().ok();
            return Err(refused(error));
        }
        Ok(received)
    }
}

impl Read for TlsStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.receive()? == 0 {
                return Ok(0);
            }
        }
    }
}

impl Write for TlsStream {
    /// Takes up to a buffer full, once all that was taken before is with the socket.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        self.session.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

/// What people are told of a handshake that failed.
fn refused(error: rustls::Error) -> io::Error {
    let hint = match &error {
        rustls::Error::InvalidCertificate(
            // The second is said of one that has the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => ": no authority that is believed here has issued it",
        rustls::Error::InvalidMessage(_) => ": does the server speak TLS there?",
        _ => "",
    };
    io::Error::new(ErrorKind::InvalidData, format!("TLS: {error}{hint}"))
}
