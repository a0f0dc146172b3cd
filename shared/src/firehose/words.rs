//! The enumerations of the wire that code decides on. All others stay text, unknown words included.

/// An enumeration with its words on the wire; `| "…"` adds a word that is read as the same.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($variant:ident = $wire:literal $(| $synonym:literal)*,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $wire, "` on the wire.")] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub fn wire(self) -> &'static str {
                match self { $(Self::$variant => $wire),+ }
            }

            /// Reads the word of the wire, in exactly this spelling. `None` for an unknown word.
            pub fn from_wire(word: &str) -> Option<Self> {
                match word { $($wire $(| $synonym)* => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// The sixteen kinds of event (protocol.md 3.3.3).
    EventType {
        SessionStart = "session_start",
        SessionEnd = "session_end",
        CustomEvent = "custom_event",
        ScreenView = "screen_view",
        Error = "error",
        PrivacySettingChange = "privacy_setting_change",
        UserAttributeChange = "user_attribute_change",
        UserIdentityChange = "user_identity_change",
        PushSubscription = "push_subscription",
        ApplicationStateTransition = "application_state_transition",
        PushMessageReceipt = "push_message_receipt",
        PushMessageOpen = "push_message_open",
        ProductAction = "product_action",
        PromotionAction = "promotion_action",
        Impression = "impression",
        Attribution = "attribution",
    }
}

words! {
    /// Where an event came from: the `type` of the runtime environment (protocol.md 3.3.2). The web is `mobileweb`.
    RuntimeKind {
        Unknown = "unknown",
        Android = "android",
        Ios = "ios",
        Tvos = "tvos",
        Web = "mobileweb",
        Roku = "roku",
        Xbox = "xbox",
        FireTv = "firetv",
        Alexa = "alexa",
        SmartTv = "smarttv",
    }
}

words! {
    /// What became of a user's membership. `remove`, the subscriptions' word, is read as `delete` (trap 68).
    AudienceAction {
        Add = "add",
        Delete = "delete" | "remove",
        AttributeUpdate = "attribute_update",
    }
}

words! {
    /// What became of an audience's connection. `delete`, the memberships' word, is read as `remove` (trap 68).
    SubscriptionAction {
        Add = "add",
        Update = "update",
        Remove = "remove" | "delete",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        assert_eq!(EventType::ALL.len(), 16);
        assert!(EventType::ALL.iter().all(|kind| EventType::from_wire(kind.wire()) == Some(*kind)));
        assert!(RuntimeKind::ALL.iter().all(|kind| RuntimeKind::from_wire(kind.wire()) == Some(*kind)));
        assert_eq!(EventType::from_wire("CUSTOM_EVENT"), None);
    }

    #[test]
    fn trap_48_mobileweb_is_the_web() {
        assert_eq!(RuntimeKind::from_wire("mobileweb"), Some(RuntimeKind::Web));
        assert_eq!(RuntimeKind::from_wire("web"), None);
    }

    #[test]
    fn trap_68_remove_and_delete_are_synonyms() {
        assert_eq!(AudienceAction::from_wire("remove"), Some(AudienceAction::Delete));
        assert_eq!(SubscriptionAction::from_wire("delete"), Some(SubscriptionAction::Remove));
    }
}
