// What the network remembers after the first rows of images, kept beyond the images: an image that begins with the same
// rows starts below them. A state is the last p rows of each layer and three rows of pixels (0.25 MB for the published
// network at 32 columns), a function of the rows above alone, whether they were given or drawn, with whatever
// parameters.
//
// Entries are found by the hash of their rows, and the rows themselves are compared: a hash is no proof. Which go when
// the budget is full: a new entry is on probation, and one that is asked for again is protected from all that is not,
// up to three quarters of the budget. So a large job, which leaves hundreds of states that nobody asks for, pushes out
// the like, not the prefix that somebody works with. Room is made before a state is copied, of entries that nobody is
// reading, and the memory of the one that went is written over: the cache neither exceeds its budget nor has pages
// faulted in again.

import Foundation

/// States after first rows, of one engine's images. Shared by threads.
package final class PrefixCache: @unchecked Sendable {
    /// Some thousand states of the published network at 32 columns.
    package static let defaultByteLimit = 256 << 20

    /// The most bytes of states, with their rows, at once.
    package let byteLimit: Int
    let chain: RowPrefix.Chain

    // No Mutex, whose order ThreadSanitizer does not see.
    private let lock = NSLock()
    private var contents: Contents

    /// An empty cache of at most `byteLimit` bytes.
    package convenience init(byteLimit: Int = PrefixCache.defaultByteLimit) {
        self.init(byteLimit: byteLimit, chain: RowPrefix.siphash)
    }

    /// A cache whose rows are hashed as tests like.
    init(byteLimit: Int, chain: @escaping RowPrefix.Chain) {
        (self.byteLimit, self.chain) = (byteLimit, chain)
        contents = Contents(byteLimit: byteLimit)
    }

    /// What the cache holds and has done.
    package var status: PrefixCacheStatus { lock.withLock { contents.status } }

    /// Copies the state after as many of the prefix's rows as are known into `cache`; returns how many those are.
    func restore(_ prefix: RowPrefix, into cache: RowCache) -> Int {
        guard prefix.rows > 0 else { return 0 }
        guard let entry = lock.withLock({ contents.longest(of: prefix) }) else { return 0 }
        cache.restore(from: entry.state.base, rows: entry.key.rows)
        lock.withLock { entry.readers -= 1 }
        return entry.key.rows
    }

    /// Notes that an image starts below `rows` rows which another one in flight has computed.
    func didShare(rows: Int) {
        lock.withLock { contents.didStart(belowRows: rows) }
    }

    /// Keeps the state of `cache` after the first `rows` rows of the prefix. Costs a copy of the state where it is new.
    func store(_ prefix: RowPrefix, rows: Int, from cache: RowCache) {
        let values = prefix.values(rows: rows)
        let key = Key(prefix, rows: rows)
        let count = RowCache.stateCount(geometry: cache.geometry, width: cache.width)
        let bytes = Entry.byteCount(state: count, values: values.count)
        let (hasRoom, used) = lock.withLock { contents.makeRoom(for: key, values, bytes: bytes, state: count) }
        guard hasRoom else { return }
        let state = used ?? FloatBuffer(uninitializedCount: count)
        cache.save(to: state.base, rows: rows)
        let entry = Entry(key: key, values: Array(values), state: state)
        lock.withLock { contents.insert(entry) }
    }
}

/// What a cache of row prefixes holds, and has done since it was made.
package struct PrefixCacheStatus: Sendable, Equatable {
    /// Images that started below rows already known.
    package var hits: UInt64 = 0
    /// Images with given rows none of which were known.
    package var misses: UInt64 = 0
    /// Rows that were not computed, over all images.
    package var rowsSaved: UInt64 = 0
    /// States that had to go.
    package var evictions: UInt64 = 0
    /// States.
    package var entries = 0
    /// Bytes of the states and their rows.
    package var bytes = 0
    /// The most bytes.
    package var byteLimit = 0

    /// All zero.
    package init() {}

    /// What only grows: without what is held.
    package var totals: PrefixCacheStatus {
        var totals = self
        (totals.entries, totals.bytes, totals.byteLimit) = (0, 0, 0)
        return totals
    }

    /// Adds another cache's counts; the limit stays that of `sum`.
    package static func += (sum: inout PrefixCacheStatus, other: PrefixCacheStatus) {
        sum.hits += other.hits
        sum.misses += other.misses
        sum.rowsSaved += other.rowsSaved
        sum.evictions += other.evictions
        sum.entries += other.entries
        sum.bytes += other.bytes
    }
}

// MARK: - Entries

extension PrefixCache {
    /// What a state is found by.
    struct Key: Hashable {
        let width: Int
        let label: Int?
        let rows: Int
        let hash: UInt64

        init(_ prefix: RowPrefix, rows: Int) {
            (width, label, self.rows, hash) = (prefix.width, prefix.label, rows, prefix.hashes[rows - 1])
        }
    }

    /// A state. All but its variables is constant while anybody can find or read it; those belong to ``Contents``.
    final class Entry: @unchecked Sendable {
        let key: Key
        let values: [UInt16]  // (rows, C, W)
        let state: FloatBuffer
        var isProtected = false
        /// Threads that are copying the state.
        var readers = 0
        unowned(unsafe) var newer: Entry?
        unowned(unsafe) var older: Entry?

        init(key: Key, values: [UInt16], state: FloatBuffer) {
            (self.key, self.values, self.state) = (key, values, state)
        }

        var byteCount: Int { Self.byteCount(state: state.count, values: values.count) }

        static func byteCount(state: Int, values: Int) -> Int {
            // The rest: the object, its buffers' heads, its place in the table.
            state * MemoryLayout<Float>.stride + values * MemoryLayout<UInt16>.stride + 256
        }
    }
}
