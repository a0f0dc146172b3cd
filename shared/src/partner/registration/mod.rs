//! `[registration]`: what mParticle is told of the integration (protocol.md 3.1).

mod setting;

pub use setting::{Setting, SettingKind};
