//! Which tokens are valid, now: a list that is replaced as a whole while calls are judged by it.
//!
//! `list` reads the form they are written in, `source` finds them, `keeper` reads them again. What was read once stays
//! valid until something better was read: a store that is away, or an empty file, turns nobody away.

mod keeper;
mod list;
mod source;

use std::sync::{Arc, RwLock};

pub use keeper::{Pace, TokenKeeper};
pub use list::{TokenList, TokensError};
pub use source::{ReadTokensError, TokenSource};

/// The tokens that are valid now; clones share them. Empty until the first reading.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<RwLock<Arc<TokenList>>>);

impl Tokens {
    /// A list that stays as it is unless it is replaced.
    pub fn new(list: TokenList) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(list))))
    }

    /// The list to judge one call by.
    pub(crate) fn current(&self) -> Arc<TokenList> {
        self.0.read().expect("nothing panics while it is held").clone()
    }

    fn replace(&self, list: TokenList) {
        *self.0.write().expect("nothing panics while it is held") = Arc::new(list);
    }
}
