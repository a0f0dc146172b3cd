//! One customer.

use crate::simulate::mparticle::messages;

/// The first customer's number.
const ACCOUNT_FIRST: u32 = 1001;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: u32,
    pub(super) settings: String,
    /// The places of the audiences.
    pub(super) audiences: Vec<usize>,
    pub(super) suspended: bool,
    /// How often the customer has renewed the credentials.
    renewed: u32,
}

impl Account {
    pub(super) fn new(place: usize, audiences: Vec<usize>, settings: &[(String, String)]) -> Self {
        let id = ACCOUNT_FIRST + u32::try_from(place).unwrap_or(u32::MAX - ACCOUNT_FIRST);
        let mut account = Self { id, settings: String::new(), audiences, suspended: false, renewed: 0 };
        account.write_settings(settings);
        account
    }

    /// Ends a suspension: a customer who resumes has typed new credentials.
    pub(super) fn resume(&mut self, settings: &[(String, String)]) {
        self.suspended = false;
        self.renewed += 1;
        self.write_settings(settings);
    }

    fn write_settings(&mut self, settings: &[(String, String)]) {
        let number = match self.renewed {
            0 => self.id.to_string(),
            renewed => format!("{}-{renewed}", self.id),
        };
        let filled = settings.iter().map(|(name, value)| (name.clone(), value.replace("{account}", &number)));
        self.settings = messages::settings_json(&filled.collect::<Vec<_>>());
    }
}
