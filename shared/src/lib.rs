//! What ingress and worker both speak. See `ARCHITECTURE.md` for the way of the data.

pub mod admin;
pub mod aws;
pub mod backends;
pub mod clock;
pub mod config;
pub mod database;
pub mod firehose;
pub mod ids;
pub mod mint;
pub mod nearest;
pub mod pack;
pub mod partner;
pub mod queue;
pub mod shutdown;
pub mod spill;
pub mod subscription;
pub mod suspension;
pub mod telemetry;
