//! How a queue is set up, as its owner says or as the queue itself does.

use std::time::Duration;

use crate::config::Settings;

/// Fewer receives than this before a message becomes a dead letter would take a crash, or a lease that was lost once,
/// for poison.
const RECEIVES_MIN: u32 = 3;

/// What is known of a queue's attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSetup {
    /// How long a received message is hidden, unless the receive says.
    pub visibility_timeout: Option<Duration>,
    /// How long a message is kept.
    pub retention: Option<Duration>,
    /// After how many receives a message becomes a dead letter; also `None` when it never does.
    pub receives_max: Option<u32>,
    /// Longest message.
    pub message_bytes_max: Option<usize>,
}

impl QueueSetup {
    /// Reads what is said of main and retry: `sqs.visibility_timeout_ms`, `sqs.retention_ms`, `sqs.receives_max`.
    pub fn read(settings: &mut Settings<'_>) -> Self {
        let receives_max = settings.optional_count("sqs.receives_max", 1..=1_000);
        let setup = Self {
            visibility_timeout: settings.optional_millis("sqs.visibility_timeout_ms", 0..=43_200_000),
            retention: settings.optional_millis("sqs.retention_ms", 60_000..=1_209_600_000),
            receives_max: receives_max.and_then(|receives| u32::try_from(receives).ok()),
            message_bytes_max: None,
        };
        if let Some(receives) = setup.receives_max.filter(|receives| *receives < RECEIVES_MIN) {
            settings.disagree(format!(
                "sqs.receives_max is {receives}: a worker that dies would send what it held to the dead letters; \
                 set the queues' maxReceiveCount and this to at least {RECEIVES_MIN}, better 20"
            ));
        }
        setup
    }

    /// What of `self`, found at the queue itself, is not as `stated`, and what would be right; one sentence each.
    /// `age_max` is how old the partner's data may become.
    pub fn unlike(&self, stated: &Self, age_max: Duration) -> Vec<String> {
        let mut unlike = Vec::new();
        let ms = |time: Duration| time.as_millis();
        if let (Some(found), Some(said)) = (self.visibility_timeout, stated.visibility_timeout)
            && found != said
        {
            unlike.push(format!(
                "its visibility timeout is {} ms, and sqs.visibility_timeout_ms {}; set both to the same",
                ms(found),
                ms(said)
            ));
        }
        if let (Some(found), Some(said)) = (self.retention, stated.retention)
            && found != said
        {
            unlike.push(format!(
                "its message retention period is {} ms, and sqs.retention_ms {}; set both to the same",
                ms(found),
                ms(said)
            ));
        }
        if let Some(found) = self.retention.filter(|found| *found <= age_max) {
            unlike.push(format!(
                "its message retention period is {} ms, not longer than partner.toml's [retry] age_max_hours, {} ms: \
                 SQS may drop what is still to be tried; raise the period to 1209600000 ms (14 days), or lower the age",
                ms(found),
                ms(age_max)
            ));
        }
        if stated.receives_max.is_some() && self.receives_max != stated.receives_max {
            let count =
                |receives: Option<u32>| receives.map_or("none".to_owned(), |receives| receives.to_string());
            unlike.push(format!(
                "the maxReceiveCount of its redrive policy is {}, and sqs.receives_max {}; set both to the same",
                count(self.receives_max),
                count(stated.receives_max)
            ));
        } else if let Some(found) = self.receives_max.filter(|found| *found < RECEIVES_MIN) {
            unlike.push(format!(
                "the maxReceiveCount of its redrive policy is {found}: set it to at least {RECEIVES_MIN}, better 20"
            ));
        }
        unlike.extend(self.takes_less(stated));
        unlike
    }

    /// What is wrong when it takes no messages as long as those that are sent.
    pub fn takes_less(&self, stated: &Self) -> Option<String> {
        let (found, said) = (self.message_bytes_max?, stated.message_bytes_max?);
        (found < said).then(|| {
            format!(
                "its maximum message size is {found} bytes, and queue_message_bytes_max {said}: longer messages are \
                 refused; raise the first to {said}, or lower the second to {found}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    const DAY: Duration = Duration::from_hours(24);

    fn setup() -> QueueSetup {
        QueueSetup {
            visibility_timeout: Some(Duration::from_secs(60)),
            retention: Some(14 * DAY),
            receives_max: Some(20),
            message_bytes_max: Some(1_048_576),
        }
    }

    #[test]
    fn each_attribute_that_was_changed_by_hand_is_told_with_both_numbers() {
        assert_eq!(setup().unlike(&setup(), 3 * DAY), Vec::<String>::new());
        assert_eq!(
            setup().unlike(&QueueSetup::default(), 3 * DAY),
            Vec::<String>::new(),
            "nothing was stated"
        );
        let changed = QueueSetup {
            visibility_timeout: Some(Duration::from_secs(30)),
            retention: Some(4 * DAY),
            receives_max: Some(5),
            message_bytes_max: Some(262_144),
        };
        let unlike = changed.unlike(&setup(), 4 * DAY);
        let numbers = [
            ["30000", "60000"],
            ["345600000", "1209600000"],
            ["345600000", "345600000"],
            ["5", "20"],
            ["262144", "1048576"],
        ];
        assert_eq!(unlike.len(), numbers.len(), "{unlike:#?}");
        for (told, numbers) in unlike.iter().zip(numbers) {
            assert!(numbers.iter().all(|number| told.contains(number)), "{told}");
        }
    }

    #[test]
    fn a_redrive_policy_that_is_gone_or_takes_a_crash_for_poison_is_told() {
        let gone = QueueSetup { receives_max: None, ..setup() };
        assert!(gone.unlike(&setup(), DAY)[0].contains("is none, and sqs.receives_max 20"));
        let hasty = QueueSetup { receives_max: Some(2), ..setup() };
        assert!(hasty.unlike(&QueueSetup::default(), DAY)[0].contains("is 2"));
        assert!(gone.unlike(&QueueSetup::default(), DAY).is_empty());
    }

    #[test]
    fn too_few_receives_are_a_mistake_of_the_settings() {
        let read = |receives: &str| {
            let file = format!("[sqs]\nreceives_max = {receives}");
            let mut settings = Settings::new(Sources { file: Some(("p.toml", &file)), ..Sources::default() });
            let setup = QueueSetup::read(&mut settings);
            settings.finish().map(|_| setup.receives_max)
        };
        assert_eq!(read("3").unwrap(), Some(3));
        assert!(read("2").unwrap_err().to_string().contains("sqs.receives_max is 2"));
    }
}
