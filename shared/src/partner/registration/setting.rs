//! One setting that mParticle asks its customer for, or keeps for us.

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::super::{field::Field, reader::Table};

/// A setting as declared. Its value always comes back as text, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The key under which the value comes back.
    pub id: String,
    /// What kind of value it holds.
    pub kind: SettingKind,
    /// Whether customers must fill it in; a message without it can't be delivered (protocol.md trap 38).
    pub required: bool,
    /// Whether its value is a secret.
    pub confidential: bool,
    /// False for one that customers never see (protocol.md 4.2).
    pub visible: bool,
    /// What an absent or empty value means, in the kind's own JSON type.
    pub default: Option<Value>,
    /// Whether we make its value, from pod, account and audience, and hand it back in the answer to a subscription.
    pub mint: bool,
}

/// The kind of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// True or false.
    Boolean,
}

impl SettingKind {
    const WORDS: [(&'static str, Self); 4] = [
        ("text", Self::Text),
        ("integer", Self::Integer),
        ("float", Self::Float),
        ("boolean", Self::Boolean),
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
        }
    }
}

/// A setting, its declaration on the wire, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    pub(super) setting: Setting,
    pub(super) wire: Map<String, Value>,
    pub(super) at: usize,
}

/// Longest text of a setting; the documentation gives no number beside the description's (protocol.md 3.1).
const TEXT_MAX: usize = 230;

/// Reads a list of settings. `mintable` when hidden ones may be ours to fill.
pub(super) fn read_all(field: &Field<'_>, mintable: bool) -> Vec<Declaration> {
    let elements = field.list().unwrap_or_default();
    let mut read: Vec<Declaration> = Vec::with_capacity(elements.len());
    for declaration in elements.iter().filter_map(|element| declaration(element, mintable)) {
        let id = &declaration.setting.id;
        if read.iter().any(|earlier| earlier.setting.id == *id) {
            field.reader.mistake(
                declaration.at,
                &field.path,
                format!("the setting `{id}` is declared twice"),
            );
        }
        read.push(declaration);
    }
    read
}

fn declaration(field: &Field<'_>, mintable: bool) -> Option<Declaration> {
    let table = field.table(&[
        "type",
        "id",
        "name",
        "description",
        "visible",
        "default_value",
        "required",
        "confidential",
        "min_value",
        "max_value",
        "checked",
        "mint",
    ])?;
    let kind = table
        .required("type", "text, integer, float or boolean")
        .and_then(|field| field.word(&SettingKind::WORDS));
    let id = table
        .required("id", "the key under which the value comes back")
        .and_then(|field| field.filled_text(TEXT_MAX, "a key"));
    let name = table
        .required("name", "the label that customers see")
        .and_then(|field| field.filled_text(TEXT_MAX, "a label"));
    let description =
        table.get("description").and_then(|field| field.filled_text(TEXT_MAX, "a short explanation"));
    let flag = |key: &str, default| table.get(key).and_then(|field| field.boolean()).unwrap_or(default);
    let (visible, mint) = (flag("visible", true), flag("mint", false));
    let kind = kind?;
    check_kind(&table, kind);
    check_mint(&table, mint, mintable, visible, kind);
    check_hidden(&table, visible);
    let default = table.get("default_value").and_then(|field| value(&field, kind));
    check_bounds(&table, kind, default.as_ref());
    let setting = Setting {
        id: id?.to_owned(),
        kind,
        required: flag("required", false),
        confidential: flag("confidential", false),
        visible,
        default,
        mint,
    };
    let wire = wire(&setting, name?, description, &table);
    Some(Declaration { setting, wire, at: table.at })
}

/// The setting as the registration document has it; members in the order of the reference writer.
fn wire(setting: &Setting, name: &str, description: Option<&str>, table: &Table<'_>) -> Map<String, Value> {
    let mut wire = Map::new();
    let mut put = |key: &str, value: Value| {
        wire.insert(key.to_owned(), value);
    };
    put("type", setting.kind.word().into());
    put("id", setting.id.clone().into());
    put("name", name.into());
    if let Some(description) = description {
        put("description", description.into());
    }
    put("visible", setting.visible.into());
    if let Some(default) = &setting.default {
        put("default_value", default.clone());
    }
    for key in ["min_value", "max_value"] {
        if let Some(bound) = table.get(key).and_then(|field| value(&field, setting.kind)) {
            put(key, bound);
        }
    }
    match setting.kind {
        SettingKind::Text => {
            put("required", setting.required.into());
            put("confidential", setting.confidential.into());
        }
        SettingKind::Integer | SettingKind::Float => put("required", setting.required.into()),
        SettingKind::Boolean => {
            let checked = table.get("checked").and_then(|field| field.boolean()).unwrap_or(false);
            put("checked", checked.into());
        }
    }
    wire
}

/// A value of the setting's own kind.
fn value(field: &Field<'_>, kind: SettingKind) -> Option<Value> {
    match kind {
        SettingKind::Text => field.text().map(Value::from),
        SettingKind::Integer => field.whole(i64::MIN..=i64::MAX, "a 64-bit number").map(Value::from),
        SettingKind::Float => field.number(f64::MIN..=f64::MAX, "a finite number").map(Value::from),
        SettingKind::Boolean => field.boolean().map(Value::from),
    }
}

/// Reports members that the kind has not (protocol.md 3.1).
fn check_kind(table: &Table<'_>, kind: SettingKind) {
    let foreign: &[&str] = match kind {
        SettingKind::Text => &["min_value", "max_value", "checked"],
        SettingKind::Integer | SettingKind::Float => &["confidential", "checked"],
        SettingKind::Boolean => &["required", "confidential", "min_value", "max_value"],
    };
    for field in foreign.iter().filter_map(|key| table.get(key)) {
        field.wrong_key(format!("a setting of type {} has no such member", kind.word()));
    }
}

fn check_mint(table: &Table<'_>, mint: bool, mintable: bool, visible: bool, kind: SettingKind) {
    let Some(field) = table.get("mint").filter(|_| mint) else { return };
    if !mintable {
        field.wrong("only audience subscription settings can be given back; leave `mint` out");
    } else if visible {
        field.wrong("customers fill in visible settings; write `visible = false` beside `mint`");
    } else if kind != SettingKind::Text {
        field.wrong("a minted value is text; write `type = \"text\"`");
    }
}

/// A hidden setting that customers must fill in would keep every customer from connecting.
fn check_hidden(table: &Table<'_>, visible: bool) {
    if let Some(field) = table.get("required").filter(|_| !visible)
        && field.boolean() == Some(true)
    {
        field.wrong("customers can't fill in what they don't see; leave `required` out");
    }
}

fn check_bounds(table: &Table<'_>, kind: SettingKind, default: Option<&Value>) {
    if !matches!(kind, SettingKind::Integer | SettingKind::Float) {
        return;
    }
    let number = |key: &str| {
        table.get(key).and_then(|field| match field.value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => field.number(f64::MIN..=f64::MAX, "a finite number"),
            _ => None,
        })
    };
    let (least, most, default) = (number("min_value"), number("max_value"), default.and_then(Value::as_f64));
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        table.wrong("`min_value` is above `max_value`");
    }
    let outside =
        default.is_some_and(|it| least.is_some_and(|least| it < least) || most.is_some_and(|most| it > most));
    if outside {
        table.wrong("`default_value` is outside `min_value` and `max_value`");
    }
}
