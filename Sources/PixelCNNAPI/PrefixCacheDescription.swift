// What `GET /v1/status` tells of the cache of first rows.

/// What the daemon remembers of images' first rows, and what that has saved since the start.
package struct PrefixCacheDescription: Sendable, Equatable, Codable {
    /// Images that started below rows already known.
    package var hits: UInt64
    /// Images with given rows none of which were known.
    package var misses: UInt64
    /// Rows that were not computed, over all images.
    package var rowsSaved: UInt64
    /// States that had to go for others.
    package var evictions: UInt64
    /// States that are there.
    package var entries: Int
    /// Their bytes.
    package var bytes: Int
    /// The most bytes; 0 where nothing is remembered.
    package var maximumBytes: Int

    /// Counters as given.
    package init(
        hits: UInt64 = 0, misses: UInt64 = 0, rowsSaved: UInt64 = 0, evictions: UInt64 = 0, entries: Int = 0,
        bytes: Int = 0, maximumBytes: Int = 0
    ) {
        self.hits = hits
        self.misses = misses
        self.rowsSaved = rowsSaved
        self.evictions = evictions
        self.entries = entries
        self.bytes = bytes
        self.maximumBytes = maximumBytes
    }

    enum CodingKeys: String, CodingKey {
        case hits, misses, evictions, entries, bytes
        case rowsSaved = "rows_saved"
        case maximumBytes = "max_bytes"
    }
}
