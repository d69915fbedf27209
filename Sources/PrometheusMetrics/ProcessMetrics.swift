// The metrics that Prometheus's own clients tell of a process, under their names. Read when a scrape comes: one system
// call each, apart from the open descriptors, which the kernel lists.

import Foundation

/// This process, as the kernel sees it.
package struct ProcessMetrics: Sendable {
    /// Seconds since 1970.
    private let startTime: Double?

    /// Remembers when the process began.
    package init() {
        self.startTime = Self.processStart()
    }

    /// What can be read; nothing is guessed.
    package func collect() -> [MetricSnapshot] {
        var snapshots: [MetricSnapshot] = []
        func add(_ name: String, _ kind: MetricSnapshot.Kind, _ help: String, _ value: Double?) {
            if let value { snapshots.append(MetricSnapshot(name, kind, help: help, value: value)) }
        }
        let memory = Self.memory()
        add("process_resident_memory_bytes", .gauge, "Resident memory, in bytes.", memory.map { Double($0.resident) })
        add("process_virtual_memory_bytes", .gauge, "Virtual memory, in bytes.", memory.map { Double($0.virtual) })
        add("process_cpu_seconds_total", .counter, "User and system CPU time, in seconds.", Self.cpuSeconds())
        add("process_open_fds", .gauge, "Open file descriptors.", Self.openDescriptors().map(Double.init))
        add("process_max_fds", .gauge, "The most file descriptors that may be open.", Self.maximumDescriptors())
        add("process_threads", .gauge, "Threads.", Self.threads().map(Double.init))
        add("process_start_time_seconds", .gauge, "Start of the process, in seconds since 1970.", startTime)
        return snapshots
    }

    /// Bytes of memory.
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

    private static func openDescriptors() -> Int? {
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
