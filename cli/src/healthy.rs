//! `penstock healthy`: does a role on this machine run? For what can only start a program to find out, such as a container's
//! health check in an image without a shell.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context as _;

use crate::exit::ExitStatus;

/// Shorter than what asks waits itself.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Ask a role that runs on this machine whether it is well: exit code 0 if so, 1 if it says no, 69 if nothing answers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  penstock healthy\n  penstock healthy --ready --admin 127.0.0.1:9191")]
pub(crate) struct HealthyArgs {
    /// Its admin address; one for all interfaces is asked on this machine's own [default: PENSTOCK_ADMIN, or 127.0.0.1:9090].
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,

    /// Ask whether traffic should come to it, not only whether it runs. One that drains, or whose queue is away, says no.
    #[arg(long)]
    ready: bool,
}

/// Asks once.
///
/// # Errors
/// When the address cannot be read, or no request can be made.
pub(crate) async fn run(
    args: HealthyArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<ExitStatus, anyhow::Error> {
    let set = variable("PENSTOCK_ADMIN").filter(|text| !text.is_empty());
    let set = set.map(|text| text.parse().with_context(|| format!("PENSTOCK_ADMIN is no address: {text}")));
    let admin = match args.admin {
        Some(admin) => admin,
        None => set.transpose()?.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 9090).into()),
    };
    let url = format!("http://{}/{}", reachable(admin), if args.ready { "readyz" } else { "healthz" });
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    match client.get(&url).send().await {
        Ok(answer) if answer.status().is_success() => {
            println!("well: {url}");
            Ok(ExitStatus::Done)
        }
        Ok(answer) => {
            eprintln!("not well: {url} says {}", answer.status());
            Ok(ExitStatus::Failed)
        }
        Err(error) => {
            eprintln!("error: nothing answers at {url}: {:#}", anyhow::Error::from(error.without_url()));
            Ok(ExitStatus::Unavailable)
        }
    }
}

/// Where a listener on that address is reached from its own machine.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers each call with the status that its path has here.
    async fn admin(listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let status = if request[..length].starts_with(b"GET /healthz ") { "200 OK" } else { "503 No" };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    async fn ask(admin: Option<SocketAddr>, ready: bool, variable: Option<&str>) -> ExitStatus {
        let variable = |name: &str| variable.filter(|_| name == "PENSTOCK_ADMIN").map(str::to_owned);
        run(HealthyArgs { admin, ready }, variable).await.unwrap()
    }

    #[tokio::test]
    async fn what_a_role_says_becomes_the_exit_code() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut roles = tokio::task::JoinSet::new();
        roles.spawn(admin(listener));
        assert_eq!(ask(Some(address), false, None).await, ExitStatus::Done);
        assert_eq!(ask(Some(address), true, None).await, ExitStatus::Failed);
        let everywhere = format!("0.0.0.0:{}", address.port());
        assert_eq!(ask(None, false, Some(&everywhere)).await, ExitStatus::Done);
        roles.shutdown().await;
        assert_eq!(ask(Some(address), false, None).await, ExitStatus::Unavailable);
    }

    #[test]
    fn a_listener_on_all_interfaces_is_asked_on_its_own_machine() {
        for (listening, asked) in
            [("0.0.0.0:9", "127.0.0.1:9"), ("[::]:9", "[::1]:9"), ("10.0.0.7:9", "10.0.0.7:9")]
        {
            assert_eq!(reachable(listening.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_named() {
        let wrong = run(HealthyArgs { admin: None, ready: false }, |_| Some("nine".to_owned())).await;
        assert!(wrong.unwrap_err().to_string().contains("nine"));
    }
}
