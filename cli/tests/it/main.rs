//! The binary as a person runs it: arguments, output, exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod cloudwatch_e2e;
mod dead_letters_e2e;
mod demo;
mod embedded_e2e;
mod fixtures_e2e;
mod fleet_e2e;
mod iterable_e2e;
mod pipeline;
mod process;
mod scale_in_e2e;
mod send;
mod simulate;
mod simulate_mparticle;
mod surroundings_e2e;
mod tokens_e2e;
mod verbs;

use std::process::Command;

/// The binary without the settings of the machine that runs the tests.
fn penstock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    command.args(arguments).env_clear();
    command
}
