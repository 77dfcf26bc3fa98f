//! What the kernel has for TCP sockets: what each of them is made of, and the bytes that wait in them.
//!
//! How many there are is known exactly. What waits in them is counted in pages, of which each processor keeps some to
//! itself before all processors' number is changed: that one may be wrong by as many, before the load and under it.

use std::fs;

/// What each socket of a process is made of, by the names of the kernel's caches. Slabs are no measure of their
/// number: those that one side leaves behind serve the next.
const PARTS: [&str; 4] = ["TCP", "sock_inode_cache", "filp", "dentry"];
/// Pages that a processor keeps to itself where the kernel does not say how many it lets it.
const KEPT: u64 = 256;

/// The TCP sockets of the machine at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sockets {
    pub(crate) count: u64,
    /// Pages of what waits in them.
    pub(crate) pages: u64,
}

/// What a socket takes, and how wrong that may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// Bytes of one, with nothing in it; only root is told.
    each: Option<u64>,
    page: u64,
    /// Bytes by which two looks at what waits may be wrong.
    doubt: u64,
}

impl Sockets {
    pub(crate) fn look() -> Option<Self> {
        Self::said(&fs::read_to_string("/proc/net/sockstat").ok()?)
    }

    fn said(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
        let number = |name: &str| {
            let mut words = line.split_whitespace();
            words.find(|word| *word == name)?;
            words.next()?.parse().ok()
        };
        Some(Self {
            count: number("alloc")?,
            pages: number("mem")?,
        })
    }
}

impl Costs {
    pub(crate) fn of_this_kernel(page: u64) -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let kept = read("/proc/sys/net/core/mem_pcpu_rsv").trim().parse();
        let processors = read("/proc/cpuinfo")
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count();
        Self {
            each: each(&read("/proc/slabinfo")),
            page,
            doubt: 2 * kept.unwrap_or(KEPT) * page * processors.max(1) as u64,
        }
    }

    /// Bytes of the sockets that have come since `before`; none where they cannot be told: the half of them may be
    /// nothing but doubt.
    pub(crate) fn of(&self, before: Sockets, then: Sockets) -> Option<u64> {
        let made = then.count.saturating_sub(before.count) * self.each?;
        let bytes = made + then.pages.saturating_sub(before.pages) * self.page;
        (bytes > 0 && bytes >= 2 * self.doubt).then_some(bytes)
    }
}

/// Bytes of all parts of a socket, by the text of `/proc/slabinfo`.
fn each(slabs: &str) -> Option<u64> {
    let size = |part: &str| -> Option<u64> {
        slabs.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(part)).then(|| words.nth(2)?.parse().ok())?
        })
    };
    PARTS.into_iter().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLABS: &str = "\
        slabinfo - version: 2.1\n\
        # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n\
        TCPv6                 26     26   2496   13    8 : tunables    0    0    0\n\
        TCP                   65    117   2368   13    8 : tunables    0    0    0\n\
        sock_inode_cache     148    209    832   19    4 : tunables    0    0    0\n\
        filp                 588    588    192   21    1 : tunables    0    0    0\n\
        dentry            296205 296205    192   21    1 : tunables    0    0    0\n";

    #[test]
    fn the_kernels_own_words_are_read() {
        let text =
            "sockets: used 15\nTCP: inuse 1 orphan 0 tw 7 alloc 3 mem 80\nUDP: inuse 0 mem 0\n";
        let sockets = Sockets {
            count: 3,
            pages: 80,
        };
        assert_eq!(Sockets::said(text), Some(sockets));
        assert_eq!(each(SLABS), Some(3584));
        assert_eq!(each(""), None);
        assert!(Sockets::look().is_some());
    }

    #[test]
    fn what_cannot_be_told_is_no_nought() {
        let costs = Costs {
            each: Some(3584),
            page: 4096,
            doubt: 4 << 20,
        };
        let at = |count, pages| Sockets { count, pages };
        // Of 30,000 sockets in which nothing waits, what they are made of is left.
        let many = costs.of(at(2, 336), at(30_002, 80));
        assert_eq!(many, Some(30_000 * 3584));
        assert_eq!(
            costs.of(at(2, 0), at(30_002, 10)),
            Some(30_000 * 3584 + 40_960)
        );
        // Of 128 the pages that processors keep to themselves may be more than all they have.
        assert_eq!(costs.of(at(2, 80), at(130, 80)), None);
        assert_eq!(costs.of(at(2, 80), at(130, 400)), None);
        let unknown = Costs {
            each: None,
            ..costs
        };
        assert_eq!(unknown.of(at(2, 0), at(30_002, 10)), None);
    }
}
