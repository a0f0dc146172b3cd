//! The worker's stages together, on paused time, against a partner that misbehaves to a script.
#![expect(clippy::unwrap_used, reason = "tests")]

mod audiences;
mod bench;
mod credentials;
mod delivery;
mod drain;
mod faults;
mod http_destination;
mod messages;
mod partner_limited;
mod script;
