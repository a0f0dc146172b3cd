//! mParticle's messages, as protocol.md 3 has them.

mod kind;

pub use kind::RequestKind;
