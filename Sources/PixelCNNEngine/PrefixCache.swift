// Checkpoints after the first rows of images, kept beyond the images: an image that begins with the same rows starts
// below them. A checkpoint is the last p rows of each layer and three rows of pixels (0.25 MB for the published network
// at 32 columns), a function of the rows above alone, whether they were given or drawn, with whatever parameters.
//
// Entries are found by the hash of their rows, and the rows themselves are compared: a hash is no proof. Which go when
// the budget is full: a new entry is on probation, and one that is used again is protected from all that are not, up to
// three quarters of the budget. So a large job, which leaves hundreds of checkpoints that are never used, pushes out
// the like, not the prefix that somebody works with. Room is made before a checkpoint is copied, of entries that nobody
// is reading, and the memory of the one that went is written over: the cache neither exceeds its budget nor has pages
// faulted in again.

import Foundation
import PixelCNNKernels

/// Checkpoints after first rows, of one engine's images. Shared by threads.
package final class PrefixCache: @unchecked Sendable {
    /// Some thousand checkpoints of the published network at 32 columns.
    package static let defaultByteLimit = 256 << 20

    /// The most bytes of checkpoints, with their rows, at once.
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
        self.byteLimit = byteLimit
        self.chain = chain
        contents = Contents(byteLimit: byteLimit)
    }

    /// What the cache holds and has done.
    package var status: PrefixCacheStatus { lock.withLock { contents.status } }

    /// Copies the checkpoint after as many of the prefix's rows as are known into `cache`; returns how many those are.
    func restore(_ prefix: RowPrefix, into cache: RowCache) -> Int {
        guard prefix.rows > 0 else { return 0 }
        guard let entry = lock.withLock({ contents.longest(of: prefix) }) else { return 0 }
        cache.restore(from: entry.checkpoint.base, rows: entry.key.rows)
        lock.withLock { entry.readers -= 1 }
        return entry.key.rows
    }

    /// Notes that an image starts below `rows` rows which another one in flight has computed.
    func didShare(rows: Int) {
        lock.withLock { contents.didStart(belowRows: rows) }
    }

    /// Keeps a checkpoint of `cache` after the first `rows` rows of the prefix. Costs a copy where it is new.
    func store(_ prefix: RowPrefix, rows: Int, from cache: RowCache) {
        let values = prefix.values(rows: rows)
        let key = Key(prefix, rows: rows)
        let count = cache.layout.checkpointCount
        let bytes = Entry.byteCount(checkpoint: count, values: values.count)
        let (hasRoom, used) = lock.withLock { contents.makeRoom(for: key, values, bytes: bytes, checkpoint: count) }
        guard hasRoom else { return }
        let checkpoint = used ?? FloatBuffer(uninitializedCount: count)
        cache.writeCheckpoint(to: checkpoint.base, rows: rows)
        let entry = Entry(key: key, values: Array(values), checkpoint: checkpoint)
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
    /// Checkpoints that had to go.
    package var evictions: UInt64 = 0
    /// Checkpoints.
    package var entries = 0
    /// Bytes of the checkpoints and their rows.
    package var bytes = 0
    /// The most bytes.
    package var byteLimit = 0

    /// All zero.
    package init() {}

    /// What only grows: without what is held.
    package var totals: PrefixCacheStatus {
        var totals = self
        totals.entries = 0
        totals.bytes = 0
        totals.byteLimit = 0
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
    /// What a checkpoint is found by.
    struct Key: Hashable {
        let width: Int
        let label: Int?
        let rows: Int
        let hash: UInt64

        init(_ prefix: RowPrefix, rows: Int) {
            self.rows = rows
            width = prefix.width
            label = prefix.label
            hash = prefix.hashes[rows - 1]
        }
    }

    /// A checkpoint. All but its variables is constant while anybody can find or read it; those belong to ``Contents``.
    final class Entry: @unchecked Sendable {
        let key: Key
        let values: [UInt16]  // (rows, C, W)
        let checkpoint: FloatBuffer
        var isProtected = false
        /// Threads that are copying the checkpoint.
        var readers = 0
        unowned(unsafe) var newer: Entry?
        unowned(unsafe) var older: Entry?

        init(key: Key, values: [UInt16], checkpoint: FloatBuffer) {
            self.key = key
            self.values = values
            self.checkpoint = checkpoint
        }

        var byteCount: Int { Self.byteCount(checkpoint: checkpoint.count, values: values.count) }

        static func byteCount(checkpoint: Int, values: Int) -> Int {
            // The rest: the object, its buffers' heads, its place in the table.
            checkpoint * MemoryLayout<Float>.stride + values * MemoryLayout<UInt16>.stride + 256
        }
    }
}

extension PrefixCache {
    /// Entries by key, and the order in which they go: two lists by recency, of those on probation and those that are
    /// protected (a segmented LRU). Everything here happens under the cache's lock, and no checkpoint is copied
    /// meanwhile.
    struct Contents {
        private var entries: [Key: Entry] = [:]
        private var probation = RecencyList()
        private var protected = RecencyList()
        /// Bytes for which room was made and whose entries are not there yet.
        private var reservedBytes = 0
        private let byteLimit: Int
        private var counts = PrefixCacheStatus()

        init(byteLimit: Int) { self.byteLimit = byteLimit }

        var status: PrefixCacheStatus {
            var status = counts
            status.entries = entries.count
            status.bytes = bytes
            status.byteLimit = byteLimit
            return status
        }

        private var bytes: Int { probation.bytes + protected.bytes + reservedBytes }

        /// The entry after the most rows of the prefix, which is then being read.
        mutating func longest(of prefix: RowPrefix) -> Entry? {
            for rows in stride(from: prefix.rows, to: 0, by: -1) {
                guard let entry = entry(Key(prefix, rows: rows), prefix.values(rows: rows)) else { continue }
                promote(entry)
                entry.readers += 1
                didStart(belowRows: rows)
                return entry
            }
            counts.misses += 1
            return nil
        }

        /// Counts an image that starts below known rows.
        mutating func didStart(belowRows rows: Int) {
            counts.hits += 1
            counts.rowsSaved += UInt64(rows)
        }

        /// Makes room for a new entry; with memory for its checkpoint, where an entry of the same size had to go. False
        /// where there is one already, which counts as used, and where it does not fit beside those that are being
        /// read.
        mutating func makeRoom(
            for key: Key, _ values: ArraySlice<UInt16>, bytes size: Int, checkpoint: Int
        ) -> (hasRoom: Bool, used: FloatBuffer?) {
            if let entry = entry(key, values) {
                entry.isProtected ? protected.renew(entry) : probation.renew(entry)
                return (false, nil)
            }
            guard size <= byteLimit - reservedBytes else { return (false, nil) }
            var used: FloatBuffer?
            if let entry = entries[key] {  // other rows of the same hash
                guard entry.readers == 0 else { return (false, nil) }
                remove(entry)
            }
            while bytes + size > byteLimit {
                guard let entry = probation.oldestUnread ?? protected.oldestUnread else { return (false, nil) }
                counts.evictions += 1
                remove(entry)
                if used == nil, entry.checkpoint.count == checkpoint { used = entry.checkpoint }
            }
            reservedBytes += size
            return (true, used)
        }

        /// Takes in an entry for which room was made.
        mutating func insert(_ entry: Entry) {
            reservedBytes -= entry.byteCount
            // Another thread may have been faster.
            guard entries[entry.key] == nil else { return }
            entries[entry.key] = entry
            probation.append(entry)
        }

        // MARK: - Lists

        /// The entry of a key, where it is that of these rows.
        private func entry(_ key: Key, _ values: ArraySlice<UInt16>) -> Entry? {
            guard let entry = entries[key], entry.values[...] == values else { return nil }
            return entry
        }

        private mutating func promote(_ entry: Entry) {
            if entry.isProtected { return protected.renew(entry) }
            probation.remove(entry)
            entry.isProtected = true
            protected.append(entry)
            while protected.bytes > byteLimit / 4 * 3, let oldest = protected.oldest, oldest !== entry {
                protected.remove(oldest)
                oldest.isProtected = false
                probation.append(oldest)
            }
        }

        private mutating func remove(_ entry: Entry) {
            entry.isProtected ? protected.remove(entry) : probation.remove(entry)
            entries[entry.key] = nil
        }
    }

    /// Entries by recency: a list through the entries themselves, which the table keeps alive.
    fileprivate struct RecencyList {
        unowned(unsafe) private var newest: Entry?
        unowned(unsafe) private(set) var oldest: Entry?
        private(set) var bytes = 0

        /// The oldest that no thread is copying: memory would outlast its entry.
        var oldestUnread: Entry? {
            var entry = oldest
            while let read = entry, read.readers > 0 { entry = read.newer }
            return entry
        }

        mutating func append(_ entry: Entry) {
            entry.older = newest
            entry.newer = nil
            newest?.newer = entry
            newest = entry
            if oldest == nil { oldest = entry }
            bytes += entry.byteCount
        }

        mutating func remove(_ entry: Entry) {
            if let newer = entry.newer { newer.older = entry.older } else { newest = entry.older }
            if let older = entry.older { older.newer = entry.newer } else { oldest = entry.newer }
            bytes -= entry.byteCount
        }

        /// Makes the entry the newest.
        mutating func renew(_ entry: Entry) {
            guard newest !== entry else { return }
            remove(entry)
            append(entry)
        }
    }
}

// MARK: - First rows

/// Rows from the top of an image, with the hash of each number of them: all that a checkpoint after them depends on,
/// apart from the model. Rows are hashed as a chain, each with the hash of those above it, so that an image that grows
/// by a row pays for that row alone, and every shorter prefix has its hash, too.
struct RowPrefix: Sendable {
    /// Hashes `row` (C, W) below rows whose hash is `above`.
    typealias Chain = @Sendable (_ above: UInt64, _ row: ArraySlice<UInt16>) -> UInt64

    let width: Int
    /// The class that the image is drawn for, where the model has classes.
    let label: Int?
    /// (rows, C, W).
    private(set) var values: [UInt16] = []
    /// (rows): of the rows up to and with each.
    private(set) var hashes: [UInt64] = []
    private let chain: Chain

    init(width: Int, label: Int? = nil, chain: @escaping Chain = RowPrefix.siphash) {
        self.width = width
        self.label = label
        self.chain = chain
    }

    var rows: Int { hashes.count }

    /// Adds a row of `image`, (C, H, W), which has `height` rows; it must be the next one.
    mutating func append(rowOf image: [UInt16], height: Int) {
        let (row, plane, start) = (rows, height * width, values.count)
        for c in 0..<image.count / plane {
            values.append(contentsOf: image[c * plane + row * width..<c * plane + (row + 1) * width])
        }
        hashes.append(chain(hashes.last ?? 0, values[start...]))
    }

    /// Values of the first `rows` rows, (rows, C, W).
    func values(rows: Int) -> ArraySlice<UInt16> { values.prefix(self.rows == 0 ? 0 : values.count / self.rows * rows) }

    /// Whether the two are rows of the same values, for images between which the network sees no difference.
    func isSame(as other: RowPrefix) -> Bool {
        hashes.last == other.hashes.last && width == other.width && label == other.label && values == other.values
    }

    /// SipHash under this process's own key: nobody outside can make rows that collide.
    static let siphash: Chain = { above, row in
        var hasher = Hasher()
        hasher.combine(above)
        row.withUnsafeBytes { hasher.combine(bytes: $0) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
