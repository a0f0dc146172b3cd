//! A partner.toml from the disk to a program, with all that is wrong with it told on standard error.

use std::path::{Path, PathBuf};

use penstock_shared::partner::{self, LoadError, Mistakes, Partner, check_succession};
use penstock_worker::mapping::Program;

use crate::{exit::ExitStatus, setup::Refused};

/// A partner.toml that was read. What is wrong with it is not told yet.
pub(crate) struct PartnerFile {
    path: PathBuf,
    loaded: Result<Partner, LoadError>,
}

impl PartnerFile {
    /// Reads and checks a partner.toml.
    pub(crate) fn load(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { loaded: partner::load(&path), path }
    }

    /// What it says, unless it cannot be read or is wrong.
    pub(crate) fn partner(&self) -> Option<&Partner> {
        self.loaded.as_ref().ok()
    }

    /// Compiles its expressions.
    ///
    /// # Errors
    /// Told on standard error: the file cannot be read, or it or its expressions have mistakes.
    pub(crate) fn compile(self) -> Result<(Partner, Program), Refused> {
        let refused = |mistakes: &Mistakes| {
            eprintln!("{mistakes}");
            let count = mistakes.mistakes.len();
            eprintln!("error: {} has {count} mistake{}", mistakes.file, if count == 1 { "" } else { "s" });
            Refused(ExitStatus::Config)
        };
        let partner = match self.loaded {
            Ok(partner) => partner,
            Err(LoadError::Mistakes(mistakes)) => return Err(refused(&mistakes)),
            Err(LoadError::Io { path, source }) => {
                eprintln!("error: cannot read {}: {source}", path.display());
                return Err(Refused(ExitStatus::Config));
            }
        };
        let program = Program::compile(&partner).map_err(|mistakes| refused(&mistakes))?;
        Ok((partner, program))
    }

    /// Like [`Self::compile`], and reads the file whose registration mParticle has imported before, if there is one.
    ///
    /// # Errors
    /// Told on standard error: the mistakes of both files, or what changes of the registration and may not.
    pub(crate) fn compile_after(self, before: Option<&Path>) -> Result<(Partner, Program), Refused> {
        let path = self.path.clone();
        // Both are read before either is judged.
        let now = self.compile();
        let before = before.map(|before| (before, Self::load(before).compile()));
        let now = now?;
        let Some((before_path, before)) = before else { return Ok(now) };
        if let Err(broken) = check_succession(&before?.0.registration, &now.0.registration) {
            eprintln!("{}: {broken}", path.display());
            eprintln!("error: {} can't follow {}", path.display(), before_path.display());
            return Err(Refused(ExitStatus::Config));
        }
        Ok(now)
    }
}
