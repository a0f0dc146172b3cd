//! What is wrong with a partner.toml, and where.

use std::{fmt, io, path::PathBuf};

/// One mistake: where it stands, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, `routes[0].batch.items_max`; empty when the text is not TOML there.
    pub path: String,
    /// What is wrong and what was meant. Never holds a value from an account.
    pub message: String,
}

/// Every mistake of one file, in the order of the file. Shows one a line, as
/// `webhook.toml:12:5: routes[0].batch.items_max: 0 is below 1; …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The file's name, as it was given.
    pub file: String,
    /// The mistakes, sorted by place; never empty.
    pub mistakes: Vec<Mistake>,
}

impl Mistakes {
    /// Sorts `mistakes` by their place and drops repetitions.
    pub fn new(file: impl Into<String>, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort();
        mistakes.dedup();
        Self { file: file.into(), mistakes }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let Mistake { line, column, path, message } = mistake;
            let (line_break, colon) =
                (if index == 0 { "" } else { "\n" }, if path.is_empty() { "" } else { ": " });
            write!(f, "{line_break}{}:{line}:{column}: {path}{colon}{message}", self.file)?;
        }
        Ok(())
    }
}

/// Why a partner.toml was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("can't read {path}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file was read and is wrong.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}
