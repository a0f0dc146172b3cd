//! Finds a Python with moto, or makes one, and starts the emulator with it.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Seek as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use super::MOTO_VERSION;

/// Long enough for a busy machine; a start takes two to four seconds.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Its argument is the version wanted.
const LAUNCHER: &str = include_str!("launcher.py");

/// Starts moto with the Python of the path, or with one that is set up for it.
pub(super) fn start_moto() -> anyhow::Result<(Child, u16)> {
    launch(Path::new("python3")).or_else(|installed| {
        let python = environment().with_context(|| format!("python3 has no usable moto ({installed:#})"))?;
        launch(&python)
    })
}

fn launch(python: &Path) -> anyhow::Result<(Child, u16)> {
    let mut errors = tempfile::tempfile()?;
    let mut process = Command::new(python)
        .args(["-c", LAUNCHER, MOTO_VERSION])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone()?)
        .spawn()
        .with_context(|| format!("{} can't be run; the tests against AWS need Python 3", python.display()))?;
    let output = process.stdout.take().expect("piped");
    let (said, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        said.send(read.map(|_| line)).ok();
    });
    let line = heard.recv_timeout(START_TIMEOUT);
    if let Ok(Ok(line)) = &line
        && let Ok(port) = line.trim().parse()
    {
        return Ok((process, port));
    }
    process.kill().ok();
    process.wait().ok();
    let mut words = String::new();
    errors.rewind()?;
    errors.read_to_string(&mut words)?;
    bail!("{}", words.lines().last().unwrap_or("it did not start in time"))
}

/// The Python of a virtual environment with moto.
fn environment() -> anyhow::Result<PathBuf> {
    let package = format!("moto[server,sqs,dynamodb,s3]=={MOTO_VERSION}");
    Ok(install(&format!("moto-{MOTO_VERSION}"), &[&package])?.join("python"))
}

/// A virtual environment under the target folder that pip was run in with these arguments: one for all test binaries,
/// made by the first. Gives its folder of programs. What is in it must be told by its name.
pub(crate) fn install(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = target_folder()?.join(name);
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock().context("the folder of the virtual environment can't be locked")?;
    let (programs, done) = (folder.join("venv/bin"), folder.join("installed"));
    if !done.exists() {
        let venv = folder.join("venv");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            .context("`python3 -m venv` failed (on Debian it is in the package python3-venv)")?;
        let pip = ["-m", "pip", "install", "--quiet"];
        run(Command::new(programs.join("python")).args(pip).args(packages))
            .with_context(|| format!("`pip install {}` failed", packages.join(" ")))?;
        File::create(&done)?;
    }
    Ok(programs)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let Output { status, stderr, .. } = command.stdin(Stdio::null()).output()?;
    ensure!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr).trim());
    Ok(())
}

/// The folder that cargo builds into: it is the one marked as a cache above this binary.
pub(crate) fn target_folder() -> anyhow::Result<PathBuf> {
    let binary = env::current_exe()?;
    let target = binary.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    Ok(target.map_or_else(|| env::temp_dir().join("penstock-tests"), Path::to_path_buf))
}
