//! Contract suites: each seam's promises, held by every implementation. The AWS side runs against an emulator that the
//! tests start themselves.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod aws;
mod durability;
mod mutations;
mod queue_contract;
mod secret;
mod spill_contract;
mod sqs_faults;
mod subscription_contract;
mod suspension_contract;
