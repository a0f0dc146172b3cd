//! Test support that several crates' tests share. Never part of the product.

pub mod emulator;
pub mod judge;
pub mod models;
pub mod mutations;

pub use emulator::{Emulator, QueueUrls, emulator};
