//! `[registration.permissions]`: which identities and fields are sent.

use serde_json::{Map, Value};

use super::{
    super::{field::Field, reader::Table},
    words::{DEVICE_IDENTITIES, ENCODINGS, PERMISSIONS, USER_IDENTITIES},
};

/// Reads the permissions in the wire's shape: what is not granted is left out.
pub(super) fn read(table: &Table<'_>) -> Map<String, Value> {
    let mut wire = Map::new();
    let partner = table.get("partner_identities").map(|field| {
        let partner = identities(&field, None);
        if partner.len() > 1 {
            field.wrong(format!("{} partner identities; only one may be registered", partner.len()));
        }
        partner
    });
    let lists = [
        (
            "device_identities",
            table.get("device_identities").map(|it| identities(&it, Some(DEVICE_IDENTITIES))),
        ),
        ("user_identities", table.get("user_identities").map(|it| identities(&it, Some(USER_IDENTITIES)))),
        ("partner_identities", partner),
    ];
    for (key, list) in lists {
        if let Some(list) = list.filter(|list| !list.is_empty()) {
            wire.insert(key.to_owned(), Value::Array(list));
        }
    }
    for key in PERMISSIONS {
        if table.get(key).and_then(|field| field.boolean()) == Some(true) {
            wire.insert((*key).to_owned(), Value::Bool(true));
        }
    }
    wire
}

/// Reads a list of identities; of `types` if those are given, else of any.
fn identities(field: &Field<'_>, types: Option<&[&'static str]>) -> Vec<Value> {
    let elements = field.list().unwrap_or_default();
    let mut wire: Vec<Value> = Vec::with_capacity(elements.len());
    for element in &elements {
        let Some(identity) = identity(element, types) else { continue };
        if wire
            .iter()
            .any(|earlier| earlier["type"] == identity["type"] && earlier["encoding"] == identity["encoding"])
        {
            element.wrong("is registered twice in the same encoding");
        }
        wire.push(Value::Object(identity));
    }
    wire
}

fn identity(field: &Field<'_>, types: Option<&[&'static str]>) -> Option<Map<String, Value>> {
    let table = field.table(&["type", "encoding", "required"])?;
    let kind = table.required("type", "an identity type").and_then(|it| match types {
        Some(types) => one_of(&it, types),
        None => it.filled_text(100, "its name, as PartnerName_IdentityName"),
    });
    let encoding =
        table.required("encoding", "raw, md5, sha1 or sha256").and_then(|it| one_of(&it, ENCODINGS));
    let required = table.get("required").and_then(|it| it.boolean()).unwrap_or(false);
    let mut wire = Map::new();
    wire.insert("type".to_owned(), kind?.into());
    wire.insert("encoding".to_owned(), encoding?.into());
    wire.insert("required".to_owned(), required.into());
    Some(wire)
}

/// One of some words.
pub(super) fn one_of<'a>(field: &Field<'a>, words: &[&'static str]) -> Option<&'static str> {
    let pairs: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
    field.word(&pairs)
}
