//! Test support that several crates' tests share. Never part of the product.

pub mod aws;
pub mod emulator;
pub mod models;

pub use emulator::{Emulator, QueueUrls, emulator};
