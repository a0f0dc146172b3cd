//! Ingress over real sockets and the embedded queue.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod brown_out;
mod browser;
mod client;
mod cookie_sync;
mod exits;
mod faulty;
mod fixtures;
mod harness;
mod http2;
mod mutations;
mod overload;
mod secrecy;
mod sites;
mod stopping;
mod suspension;
mod tls;
mod tokens;
mod transport;
