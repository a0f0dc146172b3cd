//! `[registration]`: what mParticle is told of the integration (protocol.md 3.1).

mod oauth;
mod permissions;
mod setting;
mod succession;
mod words;

use serde_json::{Map, Value, json};

pub use setting::{Setting, SettingKind};
pub use succession::{Broken, check_succession};

use self::{
    permissions::one_of,
    setting::Declaration,
    words::{ENVIRONMENTS, EVENT_TYPES, NOTIFICATIONS, PERMISSIONS},
};
use super::{PartnerInfo, Takes, field::Field, reader::Table};

/// The format whose shape the document has.
const SDK_VERSION: &str = "3.2.0";

/// What a registration says.
pub(super) struct Registration {
    pub(super) document: Map<String, Value>,
    pub(super) account_settings: Vec<Setting>,
    /// Where each account setting stands first.
    pub(super) account_setting_places: Vec<usize>,
    pub(super) subscription_settings: Vec<Setting>,
}

impl Registration {
    /// Whether items of this kind are ever sent.
    pub(super) fn sends(&self, takes: Takes) -> bool {
        self.document.contains_key(section_of(takes).1)
    }

    pub(super) fn permissions(&self) -> Option<&Map<String, Value>> {
        self.document.get("permissions").and_then(Value::as_object)
    }
}

/// The table that registers a kind of item, and its name on the wire.
pub(super) fn section_of(takes: Takes) -> (&'static str, &'static str) {
    match takes {
        Takes::Event | Takes::Profile => ("registration.events", "event_processing_registration"),
        Takes::Membership | Takes::Subscription => {
            ("registration.audiences", "audience_processing_registration")
        }
        Takes::Erasure => ("registration.erasure", "dsr_processing_registration"),
    }
}

/// Reads the whole registration.
pub(super) fn read(field: &Field<'_>, info: &PartnerInfo) -> Option<Registration> {
    let table = field.table(&["account_settings", "permissions", "events", "audiences", "erasure"])?;
    let mut reading = Reading { shared: settings(&table, "account_settings", false), seen: Vec::new() };
    reading.remember(&reading.shared.clone());
    let mut document = Map::new();
    document.insert("sdk_version".to_owned(), SDK_VERSION.into());
    document.insert("name".to_owned(), info.name.clone().into());
    if let Some(description) = &info.description {
        document.insert("description".to_owned(), description.clone().into());
    }
    document.insert("version".to_owned(), info.version.clone().into());
    let permission_keys: Vec<&'static str> = ["device_identities", "user_identities", "partner_identities"]
        .into_iter()
        .chain(PERMISSIONS.iter().copied())
        .collect();
    let permissions = table.get("permissions").and_then(|it| it.table(&permission_keys));
    if let Some(permissions) = permissions.map(|it| permissions::read(&it)).filter(|it| !it.is_empty()) {
        document.insert("permissions".to_owned(), permissions.into());
    }
    let mut subscription_settings = Vec::new();
    let sections = [("events", Takes::Event), ("audiences", Takes::Membership), ("erasure", Takes::Erasure)];
    for (key, takes) in sections {
        let Some(field) = table.get(key) else { continue };
        let section = match takes {
            Takes::Event | Takes::Profile => reading.events(&field),
            Takes::Membership | Takes::Subscription => reading.audiences(&field, &mut subscription_settings),
            Takes::Erasure => reading.erasure(&field),
        };
        document.insert(section_of(takes).1.to_owned(), section.unwrap_or_default().into());
    }
    if !sections.iter().any(|(key, _)| table.get(key).is_some()) {
        let message = "nothing is registered; write [registration.events], [registration.audiences] or \
                       [registration.erasure]";
        table.reader.missing(table.at, &table.path, message);
    }
    let (account_setting_places, account_settings) = reading.seen.into_iter().unzip();
    Some(Registration { document, account_settings, account_setting_places, subscription_settings })
}

/// What has been read of the settings so far.
struct Reading {
    /// Settings that every section has.
    shared: Vec<Declaration>,
    /// Every setting, once for each id, and where it stands.
    seen: Vec<(usize, Setting)>,
}

impl Reading {
    fn remember(&mut self, declarations: &[Declaration]) {
        for Declaration { setting, at, .. } in declarations {
            if !self.seen.iter().any(|(_, earlier)| earlier.id == setting.id) {
                self.seen.push((*at, setting.clone()));
            }
        }
    }

    /// The shared settings and the section's own, on the wire.
    fn account_settings(&mut self, table: &Table<'_>, wire: &mut Map<String, Value>) {
        let own = settings(table, "account_settings", false);
        for declaration in &own {
            let id = &declaration.setting.id;
            if self.shared.iter().any(|shared| shared.setting.id == *id) {
                let message = format!("the setting `{id}` is declared for all in [registration] already");
                table.reader.mistake(declaration.at, &table.path, message);
            } else if self.seen.iter().any(|(_, seen)| seen.id == *id && *seen != declaration.setting) {
                let message = format!("the setting `{id}` is declared otherwise elsewhere");
                table.reader.mistake(declaration.at, &table.path, message);
            }
        }
        self.remember(&own);
        put_settings(wire, "account_settings", self.shared.iter().chain(&own));
    }

    fn events(&mut self, field: &Field<'_>) -> Option<Map<String, Value>> {
        let table = field.table(&[
            "account_settings",
            "event_connection_settings",
            "supported_event_types",
            "supported_runtime_environments",
            "supported_system_notification_types",
            "max_data_age_hours",
            "push_messaging_provider_id",
            "authentication",
        ])?;
        let mut wire = Map::new();
        self.account_settings(&table, &mut wire);
        let connection = settings(&table, "event_connection_settings", false);
        self.remember(&connection);
        put_settings(&mut wire, "event_connection_settings", &connection);
        let types = table.required("supported_event_types", "the types of events to be sent");
        let lists = [
            ("supported_event_types", types, EVENT_TYPES),
            ("supported_runtime_environments", table.get("supported_runtime_environments"), ENVIRONMENTS),
            (
                "supported_system_notification_types",
                table.get("supported_system_notification_types"),
                NOTIFICATIONS,
            ),
        ];
        for (key, field, known) in lists {
            let list = field.map(|field| word_list(&field, known)).unwrap_or_default();
            if !list.is_empty() {
                wire.insert(key.to_owned(), Value::Array(list));
            }
        }
        // -1 stands for any age.
        let age = table.get("max_data_age_hours");
        if let Some(age) = age.and_then(|it| it.whole(-1..=87_600, "the age in hours, or -1 for any")) {
            wire.insert("max_data_age_hours".to_owned(), age.into());
        }
        let provider = table.get("push_messaging_provider_id");
        if let Some(provider) = provider.and_then(|it| it.filled_text(100, "the key in your push payloads")) {
            wire.insert("push_messaging_provider_id".to_owned(), provider.into());
        }
        put_authentication(&table, &mut wire);
        Some(wire)
    }

    fn audiences(
        &mut self,
        field: &Field<'_>,
        subscription: &mut Vec<Setting>,
    ) -> Option<Map<String, Value>> {
        let table = field.table(&[
            "account_settings",
            "audience_subscription_settings",
            "bulk_configuration",
            "authentication",
        ])?;
        let mut wire = Map::new();
        self.account_settings(&table, &mut wire);
        put_authentication(&table, &mut wire);
        let bulk = table.get("bulk_configuration");
        if let Some(bulk) = bulk.and_then(|it| it.table(&["wait_for_messages", "wait_in_minutes"])) {
            let number = |key, most, meaning| {
                bulk.required(key, meaning).and_then(|it| it.whole(1..=most, meaning)).unwrap_or(1)
            };
            let bulk = json!({
                "bulk_forward_wait_for_messages": number("wait_for_messages", 1_000_000, "for how many messages to wait"),
                "bulk_forward_wait_in_minutes": number("wait_in_minutes", 1440, "how many minutes to wait for them"),
            });
            wire.insert("bulk_configuration".to_owned(), bulk);
        }
        let declared = settings(&table, "audience_subscription_settings", true);
        put_settings(&mut wire, "audience_subscription_settings", &declared);
        subscription.extend(declared.into_iter().map(|declaration| declaration.setting));
        Some(wire)
    }

    fn erasure(&mut self, field: &Field<'_>) -> Option<Map<String, Value>> {
        let table = field.table(&["account_settings", "domain"])?;
        let mut wire = Map::new();
        self.account_settings(&table, &mut wire);
        wire.insert("supported_dsr_types".to_owned(), json!(["erasure"]));
        if let Some(domain) =
            table.get("domain").and_then(|it| it.filled_text(253, "the domain of callbacks"))
        {
            wire.insert("domain".to_owned(), domain.into());
        }
        Some(wire)
    }
}

fn settings(table: &Table<'_>, key: &str, mintable: bool) -> Vec<Declaration> {
    table.get(key).map(|field| setting::read_all(&field, mintable)).unwrap_or_default()
}

fn put_settings<'a>(
    wire: &mut Map<String, Value>,
    key: &str,
    declarations: impl IntoIterator<Item = &'a Declaration>,
) {
    let list: Vec<Value> =
        declarations.into_iter().map(|declaration| declaration.wire.clone().into()).collect();
    if !list.is_empty() {
        wire.insert(key.to_owned(), Value::Array(list));
    }
}

fn put_authentication(table: &Table<'_>, wire: &mut Map<String, Value>) {
    if let Some(authentication) = table.get("authentication").and_then(|it| oauth::read(&it)) {
        wire.insert("authentication".to_owned(), authentication.into());
    }
}

/// A list of different words, in the order of the file.
fn word_list(field: &Field<'_>, known: &[&'static str]) -> Vec<Value> {
    let elements = field.list().unwrap_or_default();
    if elements.is_empty() {
        field.wrong("is empty; name what is wanted");
    }
    let mut list: Vec<Value> = Vec::with_capacity(elements.len());
    for element in &elements {
        let Some(word) = one_of(element, known) else { continue };
        if list.iter().any(|earlier| earlier == word) {
            element.wrong(format!("`{word}` stands here twice"));
        }
        list.push(word.into());
    }
    list
}
