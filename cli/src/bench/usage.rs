//! What a process has used, as Linux counts it under /proc.

use std::{io, time::Duration};

use serde::Serialize;

/// Ticks a second of the times in /proc; the same on every Linux that this runs on.
const TICKS_PER_SECOND: u64 = 100;
const KIB: u64 = 1_024;

/// Processor time and memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// In user and kernel mode together, all threads, ended ones included. In steps of 10 ms.
    pub(super) cpu: Duration,
    /// Memory.
    pub(super) memory: Memory,
}

/// Resident memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    /// Now.
    pub(super) resident_bytes: u64,
    /// The most since its start.
    pub(super) peak_bytes: u64,
}

/// Reads what a process has used.
///
/// # Errors
/// When there is no such process, or /proc is not Linux's.
pub(super) fn of(process: u32) -> io::Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let unreadable = || io::Error::other("/proc does not read as on Linux");
    Ok(Usage { cpu: cpu(&stat).ok_or_else(unreadable)?, memory: memory(&status).ok_or_else(unreadable)? })
}

/// How long the host of this machine has kept a processor from it for other guests, on the average of all; zero where that
/// is not told.
pub(super) fn stolen() -> Duration {
    stolen_in(&std::fs::read_to_string("/proc/stat").unwrap_or_default()).unwrap_or_default()
}

/// The eighth number of the first line, which is of all the processors that the lines after it tell of.
fn stolen_in(stat: &str) -> Option<Duration> {
    let ticks: u64 = stat.strip_prefix("cpu ")?.split_ascii_whitespace().nth(7)?.parse().ok()?;
    let processors = stat.lines().skip(1).filter(|line| line.starts_with("cpu")).count().max(1);
    Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND) / u32::try_from(processors).ok()?)
}

/// utime and stime: the 14th and 15th fields, counted after the name, which may hold anything but ends with `)`.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

fn memory(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * KIB)
    };
    Some(Memory { resident_bytes: bytes("VmRSS:")?, peak_bytes: bytes("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_any_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 3 0 100 0 0";
        assert_eq!(cpu(stat), Some(Duration::from_millis(120)));
        assert_eq!(cpu("42 (short"), None);
    }

    #[test]
    fn what_other_guests_were_given_is_read_as_the_average_of_all_processors() {
        let stat = "cpu  10 20 30 40 50 60 70 250 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 1 2 3 4 5 6 7 242 0 0\nctxt 9\n";
        assert_eq!(stolen_in(stat), Some(Duration::from_millis(1_250)));
        assert_eq!(stolen_in("cpu 1 2 3\n"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(memory(status), Some(Memory { resident_bytes: 1 << 20, peak_bytes: 2 << 20 }));
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = of(std::process::id()).unwrap();
        assert!(
            usage.memory.resident_bytes > 0 && usage.memory.peak_bytes >= usage.memory.resident_bytes / 2
        );
    }
}
