//! The function as Lambda runs it: its own process, under an emulator of Lambda, over an emulator of SQS.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod freezing;
mod function;
mod http;
mod messages;
mod standin;
mod starting;
