//! One setting that mParticle asks its customer for, or keeps for us.

use serde_json::Value;

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
