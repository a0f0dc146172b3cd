//! Child processes: started without the settings of this machine, watched by what they say, never left behind.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long anything that is waited for may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a reading is taken while something is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Readings at most: as many as fit into [`PATIENCE`].
const LOOKS_MAX: u32 = 1_200;

/// A running child. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: watch::Receiver<Vec<String>>,
    stderr: watch::Receiver<Vec<String>>,
    readers: JoinSet<()>,
}

/// What a child that has ended leaves.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts the binary with these arguments and this environment alone.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let mut command = Command::from(crate::penstock(arguments));
        command.envs(environment.iter().map(|(name, value)| (*name, value)));
        Self::spawn(command)
    }

    /// Starts any command.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut readers = JoinSet::new();
        let stdout = collect(child.stdout.take().unwrap(), &mut readers);
        let stderr = collect(child.stderr.take().unwrap(), &mut readers);
        Self { child, stdout, stderr, readers }
    }

    /// Waits until a line on standard error is one that `pick` wants.
    pub(crate) async fn says<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        self.wait(self.stderr.clone(), what, |lines| lines.iter().find_map(|line| pick(line))).await
    }

    /// Waits until the lines on standard output are what `pick` wants.
    pub(crate) async fn prints<T>(&self, what: &str, pick: impl Fn(&[String]) -> Option<T>) -> T {
        self.wait(self.stdout.clone(), what, pick).await
    }

    async fn wait<T>(
        &self,
        mut lines: watch::Receiver<Vec<String>>,
        what: &str,
        pick: impl Fn(&[String]) -> Option<T>,
    ) -> T {
        let found = timeout(PATIENCE, lines.wait_for(|lines| pick(lines).is_some())).await;
        let picked = match &found {
            Ok(Ok(lines)) => pick(lines),
            _ => None,
        };
        picked.unwrap_or_else(|| panic!("{what} was never said, only:\n{}", self.stderr.borrow().join("\n")))
    }

    /// Everything on standard error so far.
    pub(crate) fn said(&self) -> String {
        self.stderr.borrow().join("\n")
    }

    /// Asks it to end, as a container's host does.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Asks it to end, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Ends it as a power cut would: with SIGKILL, which it cannot hear.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("it never ended; it said:\n{}", self.said());
        };
        while self.readers.join_next().await.is_some() {}
        Ended {
            code: ExitStatus::code(&status.unwrap()),
            stdout: self.stdout.borrow().join("\n"),
            stderr: self.said(),
        }
    }
}

/// Runs the binary to its end.
pub(crate) async fn run(arguments: &[&str], environment: &[(&str, String)]) -> Ended {
    Process::start(arguments, environment).ended().await
}

fn collect(
    pipe: impl AsyncRead + Send + Unpin + 'static,
    readers: &mut JoinSet<()>,
) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(Vec::new());
    readers.spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|lines| lines.push(line));
        }
    });
    receiver
}

/// Takes readings until one is what is waited for; an `Err` says what was seen instead.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let mut seen = String::new();
    for _ in 0..LOOKS_MAX {
        ticks.tick().await;
        match look().await {
            Ok(found) => return found,
            Err(other) => seen = other,
        }
    }
    panic!("{what} never came; last seen: {seen}")
}
