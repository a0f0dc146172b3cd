//! Test support that several crates' tests share. Never part of the product.

pub mod aws;
pub mod browser;
pub mod emulator;
pub mod judge;
pub mod lambda;
pub mod lines;
pub mod models;
pub mod mutations;

pub use browser::{Browser, browser};
pub use emulator::{Emulator, QueueUrls, emulator};
pub use lambda::{LambdaEmulator, lambda_emulator};
pub use lines::Lines;
