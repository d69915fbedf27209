// The entries of a PrefixCache and the order in which they go: two lists by recency, of those on probation and those
// that are protected (a segmented LRU). Everything here happens under the cache's lock, and no state is copied
// meanwhile.

extension PrefixCache {
    /// Entries by key and by recency.
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
            (status.entries, status.bytes, status.byteLimit) = (entries.count, bytes, byteLimit)
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

        /// Makes room for a new entry; with memory for its state, where an entry of the same size had to go. False
        /// where there is one already, which counts as used, and where it does not fit beside those that are being
        /// read.
        mutating func makeRoom(
            for key: Key, _ values: ArraySlice<UInt16>, bytes size: Int, state: Int
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
                if used == nil, entry.state.count == state { used = entry.state }
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
    struct RecencyList {
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
            (entry.older, entry.newer) = (newest, nil)
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
