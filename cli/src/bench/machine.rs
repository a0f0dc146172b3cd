//! What a run was made on: figures without it say little.

use std::path::Path;

use serde::Serialize;

/// The machine, as Linux describes it; what cannot be read is empty.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    /// Processors this process may use.
    pub(super) cores: usize,
    /// The processor's name.
    pub(super) processor: String,
    /// The kernel's release.
    pub(super) kernel: String,
    /// Means over 1, 5 and 15 minutes before the run: above zero, others share the machine.
    pub(super) load_average: String,
    /// The kind of file system that the embedded queue is on.
    pub(super) file_system: String,
    /// Whether this binary was built without optimisation, which makes every figure worthless.
    pub(super) unoptimised: bool,
}

impl Machine {
    /// Reads it.
    pub(super) fn read(folder: &Path) -> Self {
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processors = file("/proc/cpuinfo");
        let processor = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let load = file("/proc/loadavg");
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.map_or_else(String::new, |(_, name)| name.trim().to_owned()),
            kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_average: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
            file_system: file_system(&file("/proc/mounts"), folder),
            unoptimised: cfg!(debug_assertions),
        }
    }
}

/// The kind of the file system with the longest mount point above the folder.
fn file_system(mounts: &str, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((Path::new(words.next()?), words.next()?))
    });
    let above = mounts.filter(|(point, _)| folder.starts_with(point));
    above
        .max_by_key(|(point, _)| point.components().count())
        .map_or_else(String::new, |(_, kind)| kind.to_owned())
}

/// Files this process may have open at once; a small number when that cannot be read.
pub(super) fn open_files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next());
    match soft {
        Some("unlimited") => usize::MAX,
        soft => soft.and_then(|digits| digits.parse().ok()).unwrap_or(256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_tells_the_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/disk xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/none-of-this")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/tmp/disk/none-of-this")), "xfs");
        assert_eq!(file_system(mounts, Path::new("/none-of-this")), "ext4");
    }
}
