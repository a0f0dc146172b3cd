//! The members of an object as they stand, of JSON whose texts may be no Unicode.

use std::{collections::HashMap, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object, each as it stands; of one name the last.
#[derive(Debug)]
pub(super) struct Members<'a>(HashMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    /// Those of an object; `None` for what is none, or no JSON. Escapes are not looked into, so a lone surrogate is no
    /// hindrance.
    pub(super) fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// Those of the object of this name.
    pub(super) fn inside(&self, name: &str) -> Option<Self> {
        Self::read(self.0.get(name)?.get())
    }

    /// Whether the member of this name is an object.
    pub(super) fn is_object(&self, name: &str) -> bool {
        self.starts_with(name, '{')
    }

    /// Whether the member of this name is a text.
    pub(super) fn is_text(&self, name: &str) -> bool {
        self.starts_with(name, '"')
    }

    fn starts_with(&self, name: &str, first: char) -> bool {
        self.0.get(name).is_some_and(|value| value.get().starts_with(first))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = HashMap::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            // A name that is no Unicode is none that is asked for.
            if let Ok(name) = serde_json::from_str(name.get()) {
                members.insert(name, value);
            }
        }
        Ok(Members(members))
    }
}
