//! Wakes a loop at a time of less than a millisecond's step, which `epoll` by itself does not. Elsewhere than on Linux the
//! waiting of the loop is as fine by itself, or as fine as it gets.

use std::{io, time::Duration};

use mio::{Registry, Token};

#[cfg(target_os = "linux")]
pub(super) struct Alarm(std::os::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Alarm {
    /// One that wakes whoever polls `registry`, as `token`.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use std::os::fd::AsRawFd as _;

        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut mio::unix::SourceFd(&timer.as_raw_fd()), token, mio::Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Wakes `after` from now, and no more at the time set before. Returns how long the poll may wait, `most` at most.
    pub(super) fn set(&self, after: Duration, most: Duration) -> io::Result<Duration> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let nanos = i64::from(after.subsec_nanos());
        let once = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let it_value = match i64::try_from(after.as_secs()) {
            // Zero would switch it off.
            Ok(0) => once(0, nanos.max(1)),
            Ok(seconds) => once(seconds, nanos),
            Err(_) => once(i64::MAX, 0),
        };
        let value = Itimerspec { it_interval: once(0, 0), it_value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &value)?;
        Ok(most)
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn set(&self, after: Duration, most: Duration) -> io::Result<Duration> {
        Ok(after.min(most))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn it_wakes_at_the_time_set_last_and_again_at_the_next() {
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
        let alarm = Alarm::new(poll.registry(), Token(7)).unwrap();
        let long = Duration::from_secs(60);
        for _ in 0..3 {
            alarm.set(long, long).unwrap();
            for after in [Duration::ZERO, Duration::from_micros(300)] {
                let most = alarm.set(after, long).unwrap();
                poll.poll(&mut events, Some(most)).unwrap();
                assert!(events.iter().all(|event| event.token() == Token(7)) && !events.is_empty());
            }
        }
    }
}
