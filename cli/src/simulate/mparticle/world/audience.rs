//! One audience of one customer, and its connection to the partner.

use crate::simulate::mparticle::messages::{AUDIENCE_NAMES, Settings};

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not connected, or no longer.
    Idle,
    /// The `add` is on its way.
    Connecting,
    /// Changes of members are sent.
    Connected,
    /// The `remove` is on its way.
    Removing,
    /// mParticle sends nothing for it until the customer resumes it.
    Faulted {
        /// The partner knows of the connection; if not, it has to be made anew.
        connected: bool,
    },
}

/// An audience.
#[derive(Debug)]
pub(super) struct Audience {
    /// The place of its customer.
    pub(super) account: usize,
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) state: State,
    /// An `update` is on its way: of two at once nobody could say which comes first.
    pub(super) updating: bool,
    /// Members that it has when it is connected, and that are all told of then.
    pub(super) present: u32,
    /// What goes with every change: the visible settings, and those the partner has returned.
    settings: Settings,
    /// What the customer has typed.
    visible: Settings,
    members: Members,
    renamed: u32,
}

impl Audience {
    /// Not connected yet, for up to so many users; `number` tells it apart from all others.
    pub(super) fn new(account: usize, id: i64, number: usize, users: u32) -> Self {
        let name = AUDIENCE_NAMES[number % AUDIENCE_NAMES.len()].to_owned();
        let visible = [("listId", format!("{}", 90_000 + number)), ("welcomeSeries", "True".to_owned())];
        let visible: Settings = visible.map(|(name, value)| (name.to_owned(), value)).into();
        Self {
            account,
            id,
            name,
            state: State::Idle,
            updating: false,
            present: 0,
            settings: visible.clone(),
            visible,
            members: Members::new(users),
            renamed: 0,
        }
    }

    /// The settings that go with every change.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The customer connects it: what an earlier connection was told is forgotten.
    pub(super) fn connect(&mut self) {
        self.state = State::Connecting;
        self.settings = self.visible.clone();
        self.members.clear();
    }

    /// The customer changes a setting or the name; gives the settings before.
    pub(super) fn change(&mut self, rng: &mut fastrand::Rng) -> Settings {
        let before = self.settings.clone();
        self.updating = true;
        if rng.bool() {
            self.renamed += 1;
            let base = AUDIENCE_NAMES.iter().find(|name| self.name.starts_with(**name));
            self.name = format!("{} - Variant {}", base.unwrap_or(&"Audience"), self.renamed % 5 + 1);
        } else {
            let series = if self.visible["welcomeSeries"] == "True" { "False" } else { "True" };
            for settings in [&mut self.visible, &mut self.settings] {
                settings.insert("welcomeSeries".to_owned(), series.to_owned());
            }
        }
        before
    }

    /// Keeps what the partner has returned.
    pub(super) fn keep(&mut self, hidden: &Settings) {
        self.settings.extend(hidden.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// Whether a user is in it.
    pub(super) fn has(&self, user: u32) -> bool {
        self.members.has(user)
    }

    /// Takes a user in, or out.
    pub(super) fn set(&mut self, user: u32, is_member: bool) {
        self.members.set(user, is_member);
    }

    /// Marks the connection as faulted; says whether it was not before.
    pub(super) fn fault(&mut self) -> bool {
        let connected = match self.state {
            State::Connecting => false,
            State::Connected => true,
            State::Idle | State::Removing | State::Faulted { .. } => return false,
        };
        self.state = State::Faulted { connected };
        self.updating = false;
        true
    }

    /// The customer resumes it.
    pub(super) fn resume(&mut self) {
        if let State::Faulted { connected } = self.state {
            self.state = if connected { State::Connected } else { State::Idle };
        }
    }
}

/// A set of users.
#[derive(Debug)]
struct Members {
    bits: Vec<u64>,
}

impl Members {
    fn new(users: u32) -> Self {
        Self { bits: vec![0; users.div_ceil(64) as usize] }
    }

    fn has(&self, user: u32) -> bool {
        self.bits[(user / 64) as usize] & (1 << (user % 64)) != 0
    }

    fn set(&mut self, user: u32, is_member: bool) {
        let (word, bit) = (&mut self.bits[(user / 64) as usize], 1 << (user % 64));
        if is_member { *word |= bit } else { *word &= !bit }
    }

    fn clear(&mut self) {
        self.bits.fill(0);
    }
}
