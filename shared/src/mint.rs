//! Values of hidden subscription settings, made by rule (protocol.md 4.2).

use crate::ids::{AccountId, Pod, hex};
use aws_lc_rs::digest;

/// The value of a hidden setting: the same for the same pod, account, audience and setting, however often the
/// subscription is asked for, so a repeated request has the same answer (trap 80). 32 hex digits.
pub fn mint(pod: &Pod, account: AccountId, audience_id: i64, setting: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for field in [pod.as_str(), &account.to_string(), &audience_id.to_string(), setting] {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field.as_bytes());
    }
    hex(&context.finish().as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn trap_80_the_same_subscription_always_has_the_same_value() {
        let us = Pod::new("us1").unwrap();
        let value = mint(&us, AccountId::Known(7), 501, "list_key");
        assert_eq!(value, mint(&us, AccountId::Known(7), 501, "list_key"));
        // Stored by mParticle for as long as the connection lives: this must never change.
        assert_eq!(value, "bfca60bcda48086da79c3808cb48f930");
    }

    #[test]
    fn trap_82_another_pod_account_audience_or_setting_has_another() {
        let (us, eu) = (Pod::new("us1").unwrap(), Pod::new("eu1").unwrap());
        let values: BTreeSet<String> = [
            mint(&us, AccountId::Known(7), 501, "list_key"),
            mint(&eu, AccountId::Known(7), 501, "list_key"),
            mint(&us, AccountId::Known(75), 1, "list_key"),
            mint(&us, AccountId::Known(7), 51, "list_key"),
            mint(&us, AccountId::Known(7), 501, "other"),
        ]
        .into();
        assert_eq!(values.len(), 5);
    }
}
