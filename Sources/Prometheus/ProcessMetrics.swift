// What Prometheus's own clients report of a process. Read when a scrape comes: one system call each, apart from the
// open descriptors, which the kernel lists.

import Foundation

/// This process, as the kernel sees it.
package struct ProcessMetrics: Sendable {
    /// Seconds since 1970.
    private let startTime: Double?

    /// Remembers when the process began.
    package init() {
        startTime = Self.processStart()
    }

    /// Those that can be read; nothing is guessed.
    package struct Values: Sendable {
        package var residentBytes: Double?
        package var virtualBytes: Double?
        /// User and system time of all threads.
        package var cpuSeconds: Double?
        package var openDescriptors: Double?
        package var maximumDescriptors: Double?
        package var threads: Double?
        /// Since 1970.
        package var startTime: Double?
    }

    package func read() -> Values {
        let memory = Self.memory()
        return Values(
            residentBytes: memory.map { Double($0.resident) }, virtualBytes: memory.map { Double($0.virtual) },
            cpuSeconds: Self.cpuSeconds(), openDescriptors: Self.openDescriptors().map(Double.init),
            maximumDescriptors: Self.maximumDescriptors(), threads: Self.threads().map(Double.init),
            startTime: startTime)
    }

    package static func memory() -> (virtual: Int, resident: Int)? {
        guard let pages = Self.read("/proc/self/statm")?.split(separator: " ").prefix(2).compactMap({ Int($0) }),
            pages.count == 2
        else { return nil }
        let pageSize = Int(sysconf(CInt(_SC_PAGESIZE)))
        return (pages[0] * pageSize, pages[1] * pageSize)
    }

    private static func cpuSeconds() -> Double? {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return nil }
        return time.seconds
    }

    package static func openDescriptors() -> Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        // Three entries are none of the process's own: `.`, `..`, and this folder.
        var count = -3
        while readdir(folder) != nil { count += 1 }
        return count
    }

    private static func maximumDescriptors() -> Double? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return Double(limit.rlim_cur)
    }

    private static func threads() -> Int? { Self.stat().flatMap { Int($0[17]) } }

    /// The kernel counts a process's start from that of the machine.
    private static func processStart() -> Double? {
        guard let stat = Self.stat(), let ticks = Double(stat[19]) else { return nil }
        var (now, sinceBoot) = (timespec(), timespec())
        guard clock_gettime(CLOCK_REALTIME, &now) == 0, clock_gettime(CLOCK_BOOTTIME, &sinceBoot) == 0 else {
            return nil
        }
        return now.seconds - sinceBoot.seconds + ticks / Double(sysconf(CInt(_SC_CLK_TCK)))
    }

    /// The fields of proc_pid_stat(5) from the third, the state, on: the second, a name, may hold spaces.
    private static func stat() -> [Substring]? {
        guard let text = Self.read("/proc/self/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 20 ? fields : nil
    }

    private static func read(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Foundation.read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}

extension timespec {
    fileprivate var seconds: Double { Double(tv_sec) + Double(tv_nsec) * 1e-9 }
}
