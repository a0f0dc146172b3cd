//! Configurations of the AWS SDK for tests.

pub(crate) use penstock_testkit::aws::{config, config_for};
