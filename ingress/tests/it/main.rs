//! Ingress over real sockets and the embedded queue.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod client;
mod faulty;
mod fixtures;
mod harness;
mod secrecy;
mod stopping;
mod suspension;
mod transport;
