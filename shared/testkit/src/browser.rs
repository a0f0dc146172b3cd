//! A real browser: Chromium without a window.
//!
//! One that is on the path is taken. Where there is none, and the tests run as root on a system with apt, the first test
//! to ask installs Debian's: there is no browser that could be put under the target folder instead. Elsewhere the test
//! fails and says what to install.

use std::{
    env,
    fs::File,
    path::Path,
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tokio::time::timeout;

/// Names it goes by, the smallest first.
const NAMES: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// Debian's packages, the smaller first; both have a name of the above.
const PACKAGES: [&str; 2] = ["chromium-headless-shell", "chromium"];
/// Long enough for a busy machine; a visit takes one to three seconds.
const VISIT_TIMEOUT: Duration = Duration::from_secs(120);
/// No call but those a page makes, no prompt, and nothing of the machine: keyring, sandbox (which root cannot have),
/// graphics card, the small /dev/shm of containers.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--password-store=basic",
    // The servers' certificates are made for the test.
    "--ignore-certificate-errors",
];

/// A browser that can be started.
#[derive(Debug)]
pub struct Browser {
    program: &'static str,
}

/// The browser that all tests of this process share. Blocks while it is installed, for a minute or so.
///
/// # Panics
/// When there is none and none can be installed; the message says what is missing.
pub fn browser() -> &'static Browser {
    static SHARED: OnceLock<Result<Browser, String>> = OnceLock::new();
    match SHARED.get_or_init(|| Browser::find_or_install().map_err(|error| format!("{error:#}"))) {
        Ok(browser) => browser,
        Err(error) => panic!("no browser: {error}"),
    }
}

impl Browser {
    fn find_or_install() -> anyhow::Result<Self> {
        if let Some(browser) = Self::find() {
            return Ok(browser);
        }
        // For the whole machine, as is what it guards. Held until the file is dropped.
        let lock = File::create(env::temp_dir().join("penstock-browser.lock"))?;
        lock.lock().context("the lock of the installation can't be taken")?;
        if let Some(browser) = Self::find() {
            return Ok(browser);
        }
        let wanted = "install Chromium or Chrome, on Debian the package chromium-headless-shell";
        install().context(wanted)?;
        Self::find().with_context(|| format!("it was installed and is not on the path; {wanted}"))
    }

    fn find() -> Option<Self> {
        let runs = |name: &&str| {
            let version = Command::new(name).arg("--version").stdin(Stdio::null()).output();
            version.is_ok_and(|output| output.status.success())
        };
        NAMES.into_iter().find(runs).map(|program| Self { program })
    }

    /// Visits a page, waits until it and its images are loaded, and ends the browser in good order. The page's elements
    /// as they are then.
    ///
    /// `profile` is the folder that cookies are kept in. `hosts` are the only names there are, each with the port of this
    /// machine that plays it.
    ///
    /// # Errors
    /// When the browser can't be run, fails, or is not done within two minutes.
    ///
    /// # Cancel safety
    /// When dropped, the browser is killed, and may have lost what the page stored.
    pub async fn visit(&self, profile: &Path, hosts: &[(&str, u16)], url: &str) -> anyhow::Result<String> {
        let mut rules: Vec<String> =
            hosts.iter().map(|(name, port)| format!("MAP {name} 127.0.0.1:{port}")).collect();
        rules.push("MAP * ~NOTFOUND".to_owned());
        let mut command = tokio::process::Command::new(self.program);
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--host-resolver-rules={}", rules.join(",")))
            .args(["--dump-dom", url])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = timeout(VISIT_TIMEOUT, command.output()).await;
        let Output { status, stdout, stderr } =
            ended.with_context(|| format!("{} was not done in time", self.program))??;
        ensure!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr).trim());
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }
}

fn install() -> anyhow::Result<()> {
    let user = Command::new("id").arg("-u").output().context("`id` can't be run")?;
    ensure!(user.stdout.trim_ascii() == b"0", "the tests do not run as root, so they can't do it themselves");
    apt_get(&["update"])?;
    let mut refused = Vec::new();
    for package in PACKAGES {
        match apt_get(&["install", "--yes", "--no-install-recommends", package]) {
            Ok(()) => return Ok(()),
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    bail!("{}", refused.join("; "))
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let Output { status, stderr, .. } = Command::new("apt-get")
        // Someone else may be installing; a mirror may hang.
        .args([
            "--quiet",
            "-o",
            "DPkg::Lock::Timeout=300",
            "-o",
            "Acquire::http::Timeout=30",
            "-o",
            "Acquire::Retries=2",
        ])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("apt-get can't be run")?;
    let words = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "`apt-get {}`: {status}: {}", arguments.join(" "), words.trim());
    Ok(())
}
