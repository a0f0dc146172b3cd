//! Configurations of the AWS SDK for the emulator, or for whatever listens at an address.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};

use crate::emulator::{ACCESS_KEY, REGION, emulator};

/// What the SDK would read from [`Emulator::env`](crate::Emulator::env).
pub fn config() -> SdkConfig {
    config_for(emulator().endpoint())
}

/// Calls go to that address.
pub fn config_for(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
