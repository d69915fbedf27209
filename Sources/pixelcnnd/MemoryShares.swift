// What the budgets of memory are by default where the process may not have all of the machine's: shares of what remains
// beside the process itself and the model, with room for a second model, which a reload has. A budget that somebody has
// set stays as it is. Without a limit every default is that of the table.

import Foundation
import PixelCNNEngine
import PixelCNNScheduler
import PixelCNNServer
import Support

struct MemoryShares: Equatable {
    /// Of each of the two models that a reload has.
    private(set) var rowCaches: Int
    private(set) var prefixCache: Int
    /// Of all requests, whatever the model.
    private(set) var requests: Int
    /// For the log; nil where nothing is limited.
    private(set) var note: String?

    /// What the model takes, in bytes.
    struct Need {
        /// Of the weights, packed.
        let weights: Int
        /// Of the file, which is in memory while it is packed.
        let file: Int
        /// Of a compute thread, without row caches.
        let thread: Int
    }

    /// What the process takes before there is a request: code, heap, connections.
    private static let process = 48 << 20
    /// Of the address space, of each thread.
    private static let stack = 8 << 20
    /// Below this there is no use in serving.
    private static let least = 16 << 20

    /// - Parameter addressSpace: bytes of it in use.
    /// - Throws: ``Failure`` (71) where the model cannot be served within the limit.
    init(
        _ settings: Settings, limits: MachineLimits = .current, need: Need, addressSpace: Int
    ) throws(Failure) {
        (rowCaches, prefixCache, requests) = (settings.maxRowCaches, settings.cacheSize, settings.maxRequestMemory)
        let threads = settings.threads * need.thread
        var bounds: [(memory: MachineLimits.Memory, used: Int)] = []
        if let memory = limits.groupMemory {
            bounds.append((memory, Self.process + threads + need.weights))
        }
        if let memory = limits.addressSpace {
            bounds.append((memory, addressSpace + settings.threads * Self.stack + threads))
        }
        guard let (memory, used) = bounds.min(by: { $0.memory.bytes - $0.used < $1.memory.bytes - $1.used }) else {
            return
        }
        let free = memory.bytes - used
        guard free >= Self.least else {
            throw Failure(
                .osError,
                "memory is limited to \(memory.bytes) bytes (\(memory.source)); to serve this model with "
                    + "\(settings.threads) threads takes at least \(used + Self.least)")
        }
        let reload = need.weights + need.file
        share(free - reload >= Self.least ? free - reload : free, settings)
        note =
            "Memory is limited to \(memory.bytes) bytes (\(memory.source)): \(rowCaches) for row caches, "
            + "\(prefixCache) for the prefix cache, \(requests) for requests"
            + (free - reload < Self.least ? "; there may be no room for the second model of a reload" : "")
    }

    /// Whether a model's file and its packed weights may fit: the kernel would otherwise end the process meanwhile.
    ///
    /// - Throws: ``Failure`` (71).
    static func checkRoom(
        forModelAt path: String, limits: MachineLimits = .current, addressSpace: Int
    ) throws(Failure) {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        let model = 2 * Int(status.st_size)
        for (memory, used) in [(limits.groupMemory, process), (limits.addressSpace, addressSpace)] {
            guard let memory, memory.bytes < used + model else { continue }
            throw Failure(
                .osError,
                "memory is limited to \(memory.bytes) bytes (\(memory.source)); to load \(path) takes "
                    + "\(used + model)")
        }
    }

    /// Row caches and requests get four times what the prefix cache gets, as their defaults are; a reload has the
    /// caches twice.
    private mutating func share(_ bytes: Int, _ settings: Settings) {
        var (rest, parts) = (bytes, 0)
        for (isSet, weight, given) in [
            (settings.isSet(\.maxRowCaches), 8, 2 * rowCaches), (settings.isSet(\.cacheSize), 2, 2 * prefixCache),
            (settings.isSet(\.maxRequestMemory), 4, requests),
        ] {
            if isSet { rest -= min(given, rest) } else { parts += weight }
        }
        let part = rest / max(1, parts)
        if !settings.isSet(\.maxRowCaches) { rowCaches = min(rowCaches, max(1 << 20, 4 * part)) }
        if !settings.isSet(\.cacheSize) { prefixCache = min(prefixCache, part) }
        if !settings.isSet(\.maxRequestMemory) { requests = min(requests, max(1 << 20, 4 * part)) }
    }
}
