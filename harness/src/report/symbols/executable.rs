//! Knows which addresses belong to the main executable, where that is cheap to find out.

use core::ops::Range;

/// The address ranges of the main executable; nothing is known on platforms that do not tell.
#[derive(Debug, Default)]
pub(super) struct Executable {
    /// Empty where unknown.
    ranges: Vec<Range<usize>>,
}

impl Executable {
    /// Reads the memory map of this process.
    #[cfg(target_os = "linux")]
    pub(super) fn of_this_process() -> Self {
        let Ok(executable) = std::fs::read_link("/proc/self/exe") else { return Self::default() };
        let Ok(maps) = std::fs::read("/proc/self/maps") else { return Self::default() };
        Self::parse(&String::from_utf8_lossy(&maps), &executable.to_string_lossy())
    }

    /// Nothing is known.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of_this_process() -> Self {
        Self::default()
    }

    /// Picks the mappings of `executable` from the lines of a memory map.
    #[cfg(any(target_os = "linux", test))]
    fn parse(maps: &str, executable: &str) -> Self {
        let range = |line: &str| {
            // address perms offset dev inode path
            let path = line.splitn(6, ' ').nth(5)?.trim_start();
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            let number = |hex| usize::from_str_radix(hex, 16).ok();
            (path == executable).then_some(number(from)?..number(to)?)
        };
        Self { ranges: maps.lines().filter_map(range).collect() }
    }

    /// Whether this address can be code of the main executable.
    pub(super) fn may_hold(&self, ip: usize) -> bool {
        self.ranges.is_empty() || self.ranges.iter().any(|range| range.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mappings_of_the_executable_count() {
        let maps = "1000-2000 r-xp 00000000 08:01 7      /a dir/app\n\
                    3000-4000 r-xp 00000000 08:01 8      /lib/libc.so.6\n\
                    5000-6000 rw-p 00000000 00:00 0 \n\
                    nonsense\n";
        let executable = Executable::parse(maps, "/a dir/app");
        assert!(executable.may_hold(0x1fff));
        assert!(!executable.may_hold(0x2000));
        assert!(!executable.may_hold(0x3000));
        assert!(!executable.may_hold(0x5000));
    }

    #[test]
    fn without_a_map_every_address_may_be_ours() {
        assert!(Executable::parse("", "/app").may_hold(1));
    }

    #[test]
    fn this_function_lies_in_the_executable() {
        let executable = Executable::of_this_process();
        assert!(executable.may_hold(Executable::of_this_process as fn() -> Executable as usize));
        #[cfg(target_os = "linux")]
        assert!(!executable.ranges.is_empty());
    }
}
