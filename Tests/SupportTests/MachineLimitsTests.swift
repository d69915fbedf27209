// Limits of processors and memory, read from the files of machines that are made up: control groups of both versions,
// on a machine and in a container.

import Foundation
import Testing

@testable import Support

@Suite struct MachineLimitsTests {
    private static let unified = "30 23 0:26 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    private static let separate = """
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
        33 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw

        """

    /// The limits of a machine with these files, and 8 processors unless they say otherwise.
    private func limits(_ files: [String: String]) throws -> MachineLimits {
        var limits: MachineLimits?
        let all = files.merging(["/proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-3,6,8-10\n"]) { given, _ in given
        }
        try AtomicFileTests.withFolder { root in
            for (path, text) in all {
                let file = root.appending(path: path)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: file)
            }
            limits = MachineLimits(root: root.path)
        }
        return try #require(limits)
    }

    @Test func withoutLimitsAllAllowedProcessorsCount() throws {
        let machine = try limits([:])
        #expect(machine.processors == 8 && machine.groupMemory == nil)
        let status = "Cpus_allowed:\t2\nCpus_allowed_list:\t5\nMems_allowed_list:\t0-1\n"
        #expect(try limits(["/proc/self/status": status]).processors == 1)
    }

    @Test(arguments: [
        ("50000 100000", 1), ("150000 100000", 2), ("200000 100000", 2), ("max 100000", 8), ("1000000 100000", 8),
    ])
    func aQuotaIsRoundedUp(quota: String, processors: Int) throws {
        let machine = try limits([
            "/proc/self/cgroup": "0::/system.slice/pixelcnnd.service\n", "/proc/self/mountinfo": Self.unified,
            "/sys/fs/cgroup/system.slice/pixelcnnd.service/cpu.max": quota + "\n",
        ])
        #expect(machine.processors == processors)
    }

    @Test func everyLevelCounts() throws {
        let machine = try limits([
            "/proc/self/cgroup": "0::/a.slice/b.slice/c.service\n", "/proc/self/mountinfo": Self.unified,
            "/sys/fs/cgroup/a.slice/cpu.max": "300000 100000\n",
            "/sys/fs/cgroup/a.slice/b.slice/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/a.slice/b.slice/c.service/cpu.max": "700000 100000\n",
            "/sys/fs/cgroup/a.slice/memory.max": "max\n",
            "/sys/fs/cgroup/a.slice/b.slice/memory.max": "268435456\n",
            "/sys/fs/cgroup/a.slice/b.slice/c.service/memory.max": "536870912\n",
        ])
        #expect(machine.processors == 3)
        #expect(
            machine.groupMemory
                == MachineLimits.Memory(bytes: 268_435_456, source: "/sys/fs/cgroup/a.slice/b.slice/memory.max"))
    }

    @Test func theFirstVersionHasAHierarchyPerController() throws {
        let machine = try limits([
            "/proc/self/cgroup": "4:memory:/m/n\n3:cpu,cpuacct:/c\n2:name=systemd:/\n0::/u\n",
            "/proc/self/mountinfo": Self.separate,
            "/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us": "250000\n",
            "/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/memory/m/memory.limit_in_bytes": "100000000\n",
            "/sys/fs/cgroup/memory/m/n/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/unified/u/memory.max": "5\n",
        ])
        #expect(machine.processors == 3)
        #expect(
            machine.groupMemory
                == MachineLimits.Memory(bytes: 100_000_000, source: "/sys/fs/cgroup/memory/m/memory.limit_in_bytes"))
    }

    /// Without a namespace for control groups a container sees the machine's path, and its own group as the mount.
    @Test func aContainersGroupIsTheMount() throws {
        let files = [
            "/proc/self/mountinfo": "30 23 0:26 /docker/ab12 /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
            "/sys/fs/cgroup/cpu.max": "100000 100000\n", "/sys/fs/cgroup/memory.max": "1000\n",
            "/sys/fs/cgroup/inner/memory.max": "900\n",
        ]
        for (path, bytes) in [("/docker/ab12", 1000), ("/docker/ab12/inner", 900), ("/../other", 1000), ("/x", 1000)] {
            let machine = try limits(files.merging(["/proc/self/cgroup": "0::\(path)\n"]) { $1 })
            #expect(machine.processors == 1 && machine.groupMemory?.bytes == bytes, "\(path)")
        }
    }

    @Test func thisMachineHasProcessors() {
        #expect((1...1024).contains(MachineLimits.current.processors))
    }
}

@Suite struct PlainThreadTests {
    @Test func threadsThatCanBeStartedAre() async throws {
        try PlainThread.check(20)
        let name = await withCheckedContinuation { waiter in
            do {
                try PlainThread.start("a-name") {
                    waiter.resume(returning: try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8))
                }
            } catch {
                waiter.resume(returning: "\(error)")
            }
        }
        #expect(name == "a-name\n")
    }
}
