//! A measured server: a process of its own, this same binary, killed when dropped.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// How long a server may take until it listens.
const START_TIME_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What a server says before its address. The first address is that of the measured port.
const LISTENS: &str = "listening on http://";

/// A running server.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// The process, or the file for what it says.
    #[error("cannot start `penstock {arguments}`")]
    Io {
        arguments: String,
        #[source]
        source: io::Error,
    },
    /// It ended, or did not say that it listens.
    #[error("`penstock {arguments}` does not listen; it said:\n{said}")]
    Silent { arguments: String, said: String },
    /// What asks the SQS behind it for its counts.
    #[error("cannot set up a client")]
    Stats(#[source] reqwest::Error),
}

impl Child {
    /// Starts this binary with these arguments and this environment alone, and waits until it says where it listens.
    /// What it says goes to a file of that name in `folder`.
    ///
    /// # Errors
    /// When it cannot be started, or does not listen within 20 s.
    pub(super) async fn start(
        folder: &Path,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Result<Self, StartError> {
        let words = arguments.join(" ");
        let log = folder.join(format!("{name}.log"));
        let process = spawn(&log, arguments, environment)
            .map_err(|source| StartError::Io { arguments: words.clone(), source })?;
        // Owned from here on, so that it is killed whatever comes.
        let mut child = Self { process, address: ([127, 0, 0, 1], 0).into() };
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            let said = tokio::fs::read_to_string(&log).await.unwrap_or_default();
            if let Some(address) = address(&said) {
                child.address = address;
                return Ok(child);
            }
            let ended = !matches!(child.process.try_wait(), Ok(None));
            if ended || Instant::now() >= deadline {
                return Err(StartError::Silent { arguments: words, said });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn spawn(
    log: &PathBuf,
    arguments: &[&str],
    environment: &[(&str, String)],
) -> io::Result<std::process::Child> {
    let said = File::create(log)?;
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()
}

fn address(said: &str) -> Option<SocketAddr> {
    let (_, rest) = said.split_once(LISTENS)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_a_log_line_once_the_line_goes_on() {
        let line =
            r#"{"message":"ingress listening on http://127.0.0.1:41234, admin on http://127.0.0.1:9"}"#;
        assert_eq!(address(line), Some(([127, 0, 0, 1], 41_234).into()));
        assert_eq!(address(&line[..line.find("234").unwrap()]), None);
        assert_eq!(address("bare listening on http://127.0.0.1:80\n"), Some(([127, 0, 0, 1], 80).into()));
    }
}
