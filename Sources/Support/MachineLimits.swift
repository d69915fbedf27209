// What of the machine this process may use: processors (affinity, cpuset, CPU quotas) and memory (RLIMIT_AS, memory
// limits of control groups). A control group is limited by every group that it is in, so each level counts from our own
// up to where the hierarchy is mounted: a service's CPUQuota= and MemoryMax= are at its own level, a container's at the
// mount. Reading it takes a few small files of /proc and /sys.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

package struct MachineLimits: Sendable {
    /// A bound on memory, and who has set it.
    package struct Memory: Sendable, Equatable {
        package let bytes: Int
        /// For messages: `ulimit -v`, or the file that has it.
        package let source: String

        package init(bytes: Int, source: String) {
            self.bytes = bytes
            self.source = source
        }
    }

    /// Processors that computing may keep busy, at least 1; half a one counts as one.
    package let processors: Int
    /// The least of what the control groups allow; nil where they do not limit it.
    package let groupMemory: Memory?
    /// Of the address space (RLIMIT_AS); nil where it is not limited.
    package let addressSpace: Memory?

    /// Of this process.
    package static let current = MachineLimits()

    /// Limits that are known.
    package init(processors: Int, groupMemory: Memory?, addressSpace: Memory?) {
        self.processors = processors
        self.groupMemory = groupMemory
        self.addressSpace = addressSpace
    }

    /// - Parameter root: a folder with the files of another machine, for tests.
    init(root: String = "") {
        let groups = ControlGroups(root: root)
        let status = File.text("\(root)/proc/self/status")
        let allowed = status.flatMap(Self.allowedProcessors) ?? max(1, Int(sysconf(CInt(_SC_NPROCESSORS_ONLN))))
        // Rounded up: a part of a processor is of use to one more thread.
        let quota = groups.processors.map { Int(min($0, 1e6).rounded(.up)) } ?? allowed
        processors = max(1, min(allowed, quota))
        groupMemory = groups.memory
        var limit = rlimit()
        let isLimited = getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 && limit.rlim_cur != ~0
        addressSpace = isLimited ? Memory(bytes: Int(clamping: limit.rlim_cur), source: "ulimit -v") : nil
    }

    /// What of memory there is for this process: the machine's, or as much of it as the limits allow.
    package var memory: Int {
        let machine = Int(sysconf(CInt(_SC_PHYS_PAGES))) * Int(sysconf(CInt(_SC_PAGESIZE)))
        return [machine, groupMemory?.bytes, addressSpace?.bytes].compactMap(\.self).min() ?? machine
    }

    /// Those of `Cpus_allowed_list: 0-3,8`, which takes in affinity and cpusets.
    private static func allowedProcessors(_ status: String) -> Int? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        var count = 0
        for range in line.dropFirst(name.count).split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let ends = range.split(separator: "-").map { Int($0) }
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, last >= first else { return nil }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }
}

/// The control groups that this process is in, of either version.
private struct ControlGroups {
    private let root: String
    /// Folders of our group and those above it, per controller: `cpu`, `memory`; both under version 2.
    private var folders: [String: [String]] = [:]
    private var isUnified: [String: Bool] = [:]

    init(root: String) {
        self.root = root
        let mounts = File.text("\(root)/proc/self/mountinfo")?.split(separator: "\n").compactMap(Mount.init) ?? []
        for line in File.text("\(root)/proc/self/cgroup")?.split(separator: "\n") ?? [] {
            // 4:memory:/path, or 0::/path for version 2.
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].isEmpty ? [] : parts[1].split(separator: ",").map(String.init)
            guard let mount = mounts.first(where: { $0.isHierarchy(of: controllers) }) else { continue }
            let levels = mount.levels(of: String(parts[2])).map { root + $0 }
            for name in ["cpu", "memory"] where controllers.contains(name) || controllers.isEmpty {
                // A controller is in one hierarchy only; where version 1 has it, its files are there.
                if controllers.isEmpty, folders[name] != nil { continue }
                folders[name] = levels
                isUnified[name] = controllers.isEmpty
            }
        }
    }

    /// The least quota; nil where there is none.
    var processors: Double? {
        let quotas = (folders["cpu"] ?? []).compactMap { folder -> Double? in
            if isUnified["cpu"] == true {
                let words = File.text("\(folder)/cpu.max")?.split(whereSeparator: \.isWhitespace) ?? []
                return words.count == 2 ? Self.quota(words[0], words[1]) : nil
            }
            guard let quota = File.text("\(folder)/cpu.cfs_quota_us"),
                let period = File.text("\(folder)/cpu.cfs_period_us")
            else { return nil }
            return Self.quota(quota[...], period[...])
        }
        return quotas.min()
    }

    /// `max`, or -1 in version 1, is no quota.
    private static func quota(_ quota: Substring, _ period: Substring) -> Double? {
        guard let quota = Double(quota.trimmed), let period = Double(period.trimmed), quota > 0, period > 0 else {
            return nil
        }
        return quota / period
    }

    /// The least limit; nil where there is none.
    var memory: MachineLimits.Memory? {
        let limits = (folders["memory"] ?? []).compactMap { folder -> MachineLimits.Memory? in
            let path = folder + (isUnified["memory"] == true ? "/memory.max" : "/memory.limit_in_bytes")
            // Version 1 has no word for no limit, but a number that no machine has.
            guard let bytes = File.text(path).flatMap({ Int($0[...].trimmed) }), bytes < 1 << 60 else { return nil }
            return MachineLimits.Memory(bytes: bytes, source: String(path.dropFirst(root.utf8.count)))
        }
        return limits.min { $0.bytes < $1.bytes }
    }
}

/// A line of /proc/self/mountinfo that mounts control groups.
private struct Mount {
    /// The group that is mounted: others than `/` in a container without a namespace for them.
    let group: String
    let point: String
    let type: Substring
    let options: Substring

    init?(_ line: Substring) {
        // 36 35 98:0 /group /point rw,noatime master:1 - type source options
        let fields = line.split(separator: " ")
        guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3,
            ["cgroup", "cgroup2"].contains(fields[dash + 1])
        else { return nil }
        (group, point) = (String(fields[3]), String(fields[4]))
        (type, options) = (fields[dash + 1], fields[dash + 3])
    }

    /// Whether these controllers are here; none are version 2's.
    func isHierarchy(of controllers: [String]) -> Bool {
        if controllers.isEmpty { return type == "cgroup2" }
        let options = options.split(separator: ",").map(String.init)
        return type == "cgroup" && controllers.allSatisfy(options.contains)
    }

    /// The folders of a group and all above it, as far as they are mounted. A group outside of what is mounted shows as
    /// `/..`: only the mount itself is known to be above it then.
    func levels(of path: String) -> [String] {
        var rest = path
        if group != "/" {
            rest = path == group || path.hasPrefix(group + "/") ? String(path.dropFirst(group.count)) : ""
        }
        let names = rest.split(separator: "/")
        guard !names.contains("..") else { return [point] }
        return (0...names.count).reversed().map { ([point] + names.prefix($0).map(String.init)).joined(separator: "/") }
    }
}

/// A small file of the kernel's.
private enum File {
    /// Its text; nil where it cannot be read.
    static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Substring {
    fileprivate var trimmed: Substring { drop(while: \.isWhitespace).prefix { !$0.isWhitespace } }
}
