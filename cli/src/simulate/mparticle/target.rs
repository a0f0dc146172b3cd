//! Where calls go, of what the command line says.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::{Position, Url};

use crate::load::{Target, Tls, TlsError};

/// How long the name in the URL may take to be looked up.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(5);
/// How long one of several addresses may take to say whether anybody listens there.
const PROBE_TIME_MAX: Duration = Duration::from_secs(2);

/// The target at `url`, http or https; `ca` as for [`Tls::new`].
///
/// # Errors
/// The URL cannot be used, its host is not found, `ca` cannot be used, or no header may carry the token.
pub(super) async fn target(
    url: &Url,
    ca: Option<&Path>,
    token: Option<&SecretString>,
) -> Result<Target, anyhow::Error> {
    anyhow::ensure!(["http", "https"].contains(&url.scheme()), "the URL must begin with http:// or https://");
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let host = url.host_str().context("the URL names no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let tls = if url.scheme() == "https" { Some(tls(host, ca).await?) } else { None };
    let port = url.port_or_known_default().unwrap_or(80);
    let address = address(host, port).await.with_context(|| format!("{host} is nowhere to be found"))?;
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let authorization = token.map(|token| format!("Token {}", token.expose_secret()));
    let is_sent = |value: &String| http::HeaderValue::from_str(value).is_ok();
    anyhow::ensure!(
        authorization.as_ref().is_none_or(is_sent),
        "the token cannot be sent: it holds a line end or another character that no header may carry"
    );
    let target = Target::new(address, authority, path, authorization.as_deref());
    Ok(match tls {
        Some(tls) => target.with_tls(tls),
        None => target,
    })
}

async fn address(host: &str, port: u16) -> Option<SocketAddr> {
    let found = timeout(LOOKUP_TIME_MAX, lookup_host((host, port))).await;
    let found: Vec<SocketAddr> = found.ok()?.ok()?.collect();
    listening(&found).await
}

/// Of several addresses the first at which somebody listens: `localhost` is often two. The first one if nobody does.
async fn listening(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    if let [_, _, ..] = addresses {
        for address in addresses {
            if let Ok(Ok(_)) = timeout(PROBE_TIME_MAX, TcpStream::connect(address)).await {
                return Some(*address);
            }
        }
    }
    addresses.first().copied()
}

async fn tls(host: &str, ca: Option<&Path>) -> Result<Tls, anyhow::Error> {
    let (host, ca) = (host.to_owned(), ca.map(Path::to_owned));
    let made: Result<Tls, TlsError> = tokio::task::spawn_blocking(move || Tls::new(&host, ca.as_deref()))
        .await
        .map_err(io::Error::other)?;
    Ok(made?)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn refused(url: &str, ca: Option<&Path>) -> String {
        let error = target(&url.parse().unwrap(), ca, None).await.err();
        format!("{:#}", error.unwrap_or_else(|| panic!("{url} is taken")))
    }

    #[tokio::test]
    async fn what_cannot_be_called_is_told_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let absent = folder.path().join("absent.pem");
        let (empty, text) = (file("empty.pem", ""), file("text.pem", "nothing"));
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let broken = file("broken.pem", &pair.cert.pem().replacen('M', "!", 1));
        let key = file("key.pem", &pair.signing_key.serialize_pem());
        let unfit = file("unfit.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let here = "https://127.0.0.1/";
        for (told, expected) in [
            (refused("ftp://127.0.0.1/", None).await, "must begin with http:// or https://"),
            (refused("https://-acme-.example/", None).await, "no certificate can be of -acme-.example: "),
            (refused(here, Some(&absent)).await, "absent.pem cannot be read: "),
            (refused(here, Some(&empty)).await, "empty.pem holds no certificate in PEM form: it is empty"),
            (
                refused(here, Some(&text)).await,
                "text.pem holds no certificate in PEM form: no line of it begins",
            ),
            (
                refused(here, Some(&broken)).await,
                "broken.pem holds no certificate in PEM form: a section is not",
            ),
            (
                refused(here, Some(&key)).await,
                "key.pem holds no certificate in PEM form: its sections are of",
            ),
            (refused(here, Some(&unfit)).await, "unfit.pem holds a certificate that cannot be used: invalid"),
        ] {
            assert!(told.contains(expected), "{told}");
        }
    }

    #[tokio::test]
    async fn of_several_addresses_the_one_where_somebody_listens_is_called() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(listening(&[away, here]).await, Some(here));
        assert_eq!(listening(&[away, away]).await, Some(away));
    }
}
