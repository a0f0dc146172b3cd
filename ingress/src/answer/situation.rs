//! Everything a call can end in. `all` cannot lack a value: the macro makes the enum and the list of the same words.

use penstock_shared::firehose::SortError;

/// An enum that can list its values, with those of the enums inside it.
macro_rules! listed {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident $(($inner:ty))?,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant $(($inner))?,)* }

        impl $name {
            /// Every value there is, in the order of their declaration.
            pub fn all() -> Vec<Self> {
                [$(listed!(@of $name::$variant $(, $inner)?)),*].concat()
            }
        }
    };
    (@of $value:path) => { vec![$value] };
    (@of $value:path, $inner:ty) => { <$inner>::all().into_iter().map($value).collect::<Vec<_>>() };
}

listed! {
    /// Everything a call can end in. What is answered to others than mParticle, such as probes, is none of these.
    pub enum Situation {
        /// The queue has the message.
        Stored,
        /// A verification call: there is nothing to store (protocol.md 4.7).
        Noop,
        /// What can this integration do? Static, and answered with everything else down.
        Registration,
        /// No token was ever configured or read, so none can be judged.
        TokensMissing,
        /// The token is missing or wrong, and the message is not a registration request.
        TokenWrong,
        /// Not a POST.
        NotPost,
        /// The body did not arrive in time, or broke off.
        SlowBody,
        /// The envelope in which another transport hands a call over cannot be read. Its maker or ours is at fault, and not
        /// the message in it; and as it holds the token, no copy is kept.
        EnvelopeUnreadable,
        /// The body is not a message.
        Unreadable(Unreadable),
        /// The body is longer than the absolute limit.
        TooLarge,
        /// Our own limits are reached, or the queue did not take the message.
        NotNow(Shed),
        /// A bug.
        Panicked,
    }
}

listed! {
    /// Why a body is not a message.
    pub enum Unreadable {
        /// Nothing but white space.
        Empty,
        /// Broken JSON.
        NotJson,
        /// JSON, but not an object.
        NotAnObject,
        /// Something follows the object.
        TrailingBytes,
        /// No `type`, or an empty one.
        TypeMissing,
        /// A `type` that is none of the five.
        UnknownType,
        /// Said to be gzip, begins as gzip, and is damaged.
        Encoding,
    }
}

listed! {
    /// Why a call was answered 503.
    pub enum Shed {
        /// Too many bytes of bodies are held.
        BytesInFlight,
        /// Too many requests wait for the queue.
        PackerFull,
        /// The queue, or the spill, said no.
        QueueFailed,
        /// The queue did not answer within the budget; the message may be stored all the same.
        QueueSlow,
    }
}

impl Unreadable {
    /// The word in `ingress_quarantined_total`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::TrailingBytes => "trailing_bytes",
            Self::TypeMissing => "type_missing",
            Self::UnknownType => "unknown_type",
            Self::Encoding => "encoding",
        }
    }
}

impl From<&SortError> for Unreadable {
    fn from(error: &SortError) -> Self {
        match error {
            SortError::Empty => Self::Empty,
            SortError::NotJson { .. } => Self::NotJson,
            SortError::NotAnObject => Self::NotAnObject,
            SortError::TrailingBytes { .. } => Self::TrailingBytes,
            SortError::TypeMissing => Self::TypeMissing,
            SortError::UnknownType(_) => Self::UnknownType,
        }
    }
}

impl Shed {
    /// The word in `ingress_shed_total`.
    pub fn word(self) -> &'static str {
        match self {
            Self::BytesInFlight => "bytes_in_flight",
            Self::PackerFull => "packer_full",
            Self::QueueFailed => "queue_failed",
            Self::QueueSlow => "queue_slow",
        }
    }
}
